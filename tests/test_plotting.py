"""Displays show what they say."""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats.contingency import association

from skdiffusion import DenoisingRegressor, DiffusionGenerator, DiffusionNoiser
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import shape_error
from skdiffusion.plotting import DependenceDisplay, MarginalsDisplay, NoisePathDisplay, TrainingDisplay


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def real():
    return make_mixed_table(300, random_state=0)


@pytest.fixture(scope="module")
def other():
    return make_mixed_table(200, random_state=1)


def drawn(display):
    """Draw the whole figure, which must not warn, and return its picture."""
    figure = display.figure_
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


# The noise path


@pytest.mark.parametrize("schedule", ["random_walk", "linear", "cosine"])
def test_the_band_is_mean_and_spread_of_the_paths(schedule):
    X = np.random.default_rng(0).normal(3, 2, (4000, 2))
    noiser = DiffusionNoiser(0.3, n_steps=20, schedule=schedule, random_state=0).fit(X)
    display = NoisePathDisplay.from_estimator(noiser, X, feature=1, n_rows=4000)
    assert_allclose(display.path.mean(axis=1), display.mean, atol=0.12)
    assert_allclose(display.path.std(axis=1), display.std, rtol=0.05)
    assert_allclose(display.path[0], X[:, 1])
    assert len(display.lines_) == 4000


def test_each_column_has_its_own_band():
    X = np.random.default_rng(0).normal(size=(500, 2))
    noiser = DiffusionNoiser([0.0, 1.0], n_steps=4, random_state=0).fit(X)
    still, moved = (NoisePathDisplay.from_estimator(noiser, X, feature=index) for index in (0, 1))
    assert_allclose(still.std, X[:, 0].std())
    assert_allclose(moved.std, np.sqrt(X[:, 1].var() + np.arange(5)))
    assert still.path.shape == (5, 30)


def test_a_column_of_a_mixed_frame_goes_by_its_name(real):
    noiser = DiffusionNoiser(categorical_features="from_dtype", n_steps=5, random_state=0).fit(real)
    display = NoisePathDisplay.from_estimator(noiser, real, feature="age", n_rows=7)
    assert display.ax_.get_ylabel() == "age"
    assert_array_equal(display.path[0], real["age"][:7])
    drawn(display)
    with pytest.raises(ValueError, match="feature='job' holds categories"):
        NoisePathDisplay.from_estimator(noiser, real, feature="job")
    with pytest.raises(ValueError, match="'height' is no column: choose"):
        NoisePathDisplay.from_estimator(noiser, real, feature="height")


# Training


def test_lines_of_the_training_are_its_history():
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = DenoisingRegressor((8,), epochs=6, early_stopping=True, random_state=0).fit(X, X)
    display = TrainingDisplay.from_estimator(model)
    assert set(display.lines_) == set(model.history_)
    for name, line in display.lines_.items():
        assert_array_equal(line.get_ydata(), model.history_[name])
        assert_array_equal(line.get_xdata(), np.arange(1, model.n_iter_ + 1))
    assert display.rate_ax_.get_yscale() == "log"
    drawn(display)


def test_losses_below_0_are_drawn_on_a_plain_axis():
    display = TrainingDisplay({"loss": [3.0, -1.0], "val_loss": [4.0, -0.5]}).plot()
    assert display.ax_.get_yscale() == "linear"
    assert display.rate_ax_ is None
    assert TrainingDisplay({"data_loss": [9.0, 1.0]}).plot().ax_.get_yscale() == "log"


def test_an_estimator_without_history_is_refused():
    noiser = DiffusionNoiser().fit(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="DiffusionNoiser keeps no history_"):
        TrainingDisplay.from_estimator(noiser)


# Marginals


def test_heights_are_shares_of_rows(real, other):
    display = MarginalsDisplay.from_predictions(real, other, features=["income", "job"])
    numbers, categories = display.axes_
    missing = real["income"].isna().mean()
    (outline,) = (patch for patch in numbers.patches if not patch.get_fill())
    assert outline.get_xy()[:, 1].max() <= 1
    synthetic = [patch.get_height() for patch in numbers.patches if patch is not outline]
    assert_allclose(sum(synthetic), other["income"].notna().mean())
    assert f"missing {missing:.0%}" in numbers.get_title()
    shown = [tick.get_text() for tick in categories.get_xticklabels()]
    assert shown == real["job"].value_counts().index.tolist()
    heights = [bar.get_height() for bar in categories.containers[1]]
    assert_allclose(heights, [np.mean(other["job"] == job) for job in shown])


def test_the_worst_columns_come_first(real, other):
    other = other.assign(age=other["age"] + 20, region="north")
    display = MarginalsDisplay.from_predictions(real, other.astype(real.dtypes))
    errors = shape_error(real, other.astype(real.dtypes), per_column=True)
    shown = [name for name, *_ in display.columns]
    assert shown == sorted(errors, key=lambda name: -errors[name])
    assert set(shown[:2]) == {"age", "region"}
    assert_allclose(display.errors, sorted(errors.values(), reverse=True))
    drawn(display)


def test_long_and_many_categories_stay_legible():
    names = [f"a category with number {number}" for number in range(40)]
    table = pd.DataFrame({"a": np.repeat(names, np.arange(40) + 1)})
    (ax,) = MarginalsDisplay.from_predictions(table, table).axes_
    shown = [tick.get_text() for tick in ax.get_xticklabels()]
    assert len(shown) == 12
    assert max(map(len, shown)) <= 11
    assert shown[-1] == "others"
    for bars in ax.containers:
        assert_allclose(sum(bar.get_height() for bar in bars), 1)


def test_a_category_called_none_is_no_missing_cell():
    table = pd.DataFrame({"a": np.array(["None"] * 20 + [None] * 30 + ["x"] * 50, dtype=object)})
    (ax,) = MarginalsDisplay.from_predictions(table, table).axes_
    assert [bar.get_height() for bar in ax.containers[0]] == [0.5, 0.2]


@pytest.mark.parametrize(
    "values",
    [
        2**62 + 100 * np.arange(50),
        np.array([1.0, np.nextafter(1, 2)]),
        np.array([-1.7e308, 1.7e308]),
        pd.date_range("2020", "2023", periods=50),
        np.full(5, 1e300),
    ],
)
def test_any_numbers_are_drawn(values):
    table = pd.DataFrame({"a": values})
    display = MarginalsDisplay.from_predictions(table, table)
    heights = [patch.get_height() for patch in display.axes_[0].patches if patch.get_fill()]
    assert_allclose(sum(heights), 1)


def test_bad_arguments_are_named(real, other):
    _, axes = plt.subplots(1, 2)
    for display, arguments in ((MarginalsDisplay, {"features": [0, 1, 2]}), (DependenceDisplay, {})):
        with pytest.raises(ValueError, match="axes must be 3 Axes, got 2"):
            display.from_predictions(real, other, axes=axes, **arguments)
    for features in ([], "age"):
        with pytest.raises(ValueError, match="features must be a list of columns"):
            MarginalsDisplay.from_predictions(real, other, features=features)
    with pytest.raises(ValueError, match=r"it has \['learning_rate'\]: pass the history_"):
        TrainingDisplay({"learning_rate": [1.0]}).plot()
    noiser = DiffusionNoiser().fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="has 4 features"):
        NoisePathDisplay.from_estimator(noiser, np.zeros((3, 4)), feature=3)
    with pytest.raises(ValueError, match="feature=1 has no number in X"):
        NoisePathDisplay.from_estimator(noiser, np.array([[0, np.nan]]), feature=1)


def test_arrays_and_empty_columns_are_drawn():
    X = np.column_stack([np.arange(50.0), np.full(50, np.nan), np.zeros(50)])
    display = MarginalsDisplay.from_predictions(X, X[::-1], features=[0, 1, 2])
    assert [ax.get_xlabel() for ax in display.axes_] == ["0", "1", "2"]
    assert "missing 100% / 100%" in display.axes_[1].get_title()
    with pytest.raises(ValueError, match="3 is no column: choose"):
        MarginalsDisplay.from_predictions(X, X, features=[3])


# Dependence


def test_associations_are_correlations_and_cramers_v(real):
    table = real.drop(columns=["income", "job"])
    display = DependenceDisplay.from_predictions(table, table)
    found = pd.DataFrame(display.real, display.names, display.names)
    assert_allclose(found.loc["age", "savings"], table["age"].corr(table["savings"]))
    counts = pd.crosstab(table["education"], table["region"])
    assert_allclose(found.loc["education", "region"], association(counts.to_numpy(), method="cramer"))
    assert_allclose(np.diag(found), 1)
    assert_allclose(found, found.T)
    assert_array_equal(display.axes_[2].images[0].get_array(), np.zeros((5, 5)))


def test_what_is_undefined_stays_blank():
    X = np.column_stack([np.arange(20.0), np.zeros(20), np.full(20, np.nan)])
    display = DependenceDisplay.from_predictions(X, X)
    defined = np.zeros((3, 3), bool)
    defined[0, 0] = True
    assert_array_equal(~np.isnan(display.real), defined)
    drawn(display)


def test_a_category_that_is_there_or_missing_is_no_constant():
    table = pd.DataFrame({"a": ["x", None, "x", None], "b": ["u", "v", "u", "v"]})
    assert_allclose(DependenceDisplay.from_predictions(table, table).real, 1)


def test_many_columns_have_no_names():
    X = np.random.default_rng(0).normal(size=(50, 13))
    display = DependenceDisplay.from_predictions(X, X)
    assert not display.axes_[0].get_xticklabels()
    assert display.axes_[0].get_xlabel() == "all 13 columns"


# All


def test_a_generator_is_asked_for_as_many_rows(real):
    generator = DiffusionGenerator(hidden_layer_sizes=(8,), epochs=1, random_state=0).fit(real)
    rows = generator.sample(len(real), random_state=3)
    for kind in (MarginalsDisplay, DependenceDisplay):
        display = kind.from_estimator(generator, real, random_state=3)
        expected = kind.from_predictions(real, rows)
        assert_array_equal(drawn(display), drawn(expected))


def test_the_generators_categories_are_those_of_the_display():
    X = np.column_stack([np.arange(60) % 3, np.arange(60)]).astype(float)
    generator = DiffusionGenerator(
        categorical_features=[0], hidden_layer_sizes=(8,), epochs=1, random_state=0
    ).fit(X)
    display = MarginalsDisplay.from_estimator(generator, X, features=[0, 1], random_state=0)
    assert [kind for _, kind, *_ in display.columns] == ["category", "number"]


def test_displays_draw_where_they_are_told(real, other):
    figure, axes = plt.subplots(1, 3)
    X = np.random.default_rng(0).normal(size=(10, 1))
    noiser = DiffusionNoiser(random_state=0).fit(X)
    assert NoisePathDisplay.from_estimator(noiser, X, ax=axes[0]).ax_ is axes[0]
    assert TrainingDisplay({"loss": [1.0]}).plot(axes[1]).figure_ is figure
    assert DependenceDisplay.from_predictions(real, other, axes=axes).axes_.tolist() == axes.tolist()
    marginals = MarginalsDisplay.from_predictions(real, other, features=["age"], axes=axes[2])
    assert marginals.axes_.tolist() == [axes[2]]
    colors = {tuple(patch.get_facecolor()) for patch in axes[2].patches}
    assert to_rgba("#E69F00", 0.6) in colors
    assert plt.get_fignums() == [figure.number]


def test_without_matplotlib_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skdiffusion\[plot\]'"):
        TrainingDisplay({"loss": [1.0]}).plot()
