"""Displays show what they say."""

import re
import sys
from copy import copy

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats.contingency import association
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import FunctionTransformer

from skdiffusion import (
    DenoisingRegressor,
    DiffusionDenoiser,
    DiffusionGenerator,
    DiffusionImputer,
    DiffusionNoiser,
)
from skdiffusion._display_columns import shown_categories
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import shape_error
from skdiffusion.plotting import (
    DenoisingDisplay,
    DependenceDisplay,
    ImputationDisplay,
    MarginalsDisplay,
    NoisePathDisplay,
    SamplePathDisplay,
    TrainingDisplay,
)
from skdiffusion.samplers import multistep
from skdiffusion.schedules import Karras

pytestmark = pytest.mark.usefixtures("no_window")


@pytest.fixture(scope="module")
def real():
    return make_mixed_table(300, random_state=0)


@pytest.fixture(scope="module")
def other():
    return make_mixed_table(200, random_state=1)


@pytest.fixture(scope="module")
def generator(real):
    return DiffusionGenerator(hidden_layer_sizes=(8,), epochs=1, random_state=0).fit(real)


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


# Denoising


@pytest.fixture(scope="module")
def related():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 1)) * [1, 10, 100] + rng.normal(size=(400, 3)) * [0.1, 1, 10] + [0, 50, 0]


@pytest.fixture(scope="module")
def denoiser(related):
    return DiffusionDenoiser(sigma=1.0, hidden_layer_sizes=(8,), epochs=2, random_state=0).fit(related)


@pytest.fixture(scope="module")
def of_codes():
    X = np.column_stack([np.arange(40) % 4, np.arange(40.0)])
    arguments = {"hidden_layer_sizes": (8,), "epochs": 1, "random_state": 0}
    return DiffusionDenoiser(sigma=0.1, categorical_features=[0], **arguments).fit(X)


def test_rows_that_are_left_as_they_are_have_an_error_of_the_noise_level(related):
    display = DenoisingDisplay.from_estimator(
        {"nothing": FunctionTransformer().fit(related), "means": FunctionTransformer(_means).fit(related)},
        related,
        sigmas=[0.1, 3.0],
        random_state=0,
    )
    assert_allclose(display.errors["nothing"], [0.1, 3.0], rtol=0.05)
    assert_allclose(display.errors["means"], 1, rtol=0.05)
    for name, line in display.lines_.items():
        assert line.get_label() == name
        assert_array_equal(line.get_xdata(), [0.1, 3.0])
        assert_array_equal(line.get_ydata(), display.errors[name])
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    drawn(display)


def _means(rows):
    return np.broadcast_to(rows.mean(axis=0), rows.shape)


def test_the_error_is_that_of_rows_denoised_by_hand(related, denoiser):
    sigma, spread = 0.7, related.std(axis=0)
    display = DenoisingDisplay.from_estimator(denoiser, related, sigmas=[sigma], random_state=4)
    seed = np.random.RandomState(4).randint(2**31)
    noisy = DiffusionNoiser(sigma * spread, n_steps=1, random_state=seed).fit_transform(related)
    cleaned = clone_with_sigma(denoiser, sigma * spread).transform(noisy)
    error = np.sqrt(np.mean(((cleaned - related) / spread) ** 2))
    assert_allclose(display.errors["DiffusionDenoiser"], [error])
    assert denoiser.sigma == 1.0
    assert error < 0.8 * sigma


def clone_with_sigma(denoiser, sigma):
    return copy(denoiser).set_params(sigma=sigma)


def test_a_denoiser_that_estimates_levels_is_not_told_them(related, denoiser):
    estimating = clone_with_sigma(denoiser, "auto")
    display = DenoisingDisplay.from_estimator(
        {"told": denoiser, "estimating": estimating}, related, sigmas=[0.5], random_state=0
    )
    assert display.errors["told"] != display.errors["estimating"]
    assert estimating.sigma == "auto"


def test_regressors_of_one_level_each_are_drawn_from_their_predictions(related):
    rng, sigmas = np.random.default_rng(0), [0.2, 1.0]
    noisy = [related + sigma * related.std(axis=0) * rng.normal(size=related.shape) for sigma in sigmas]
    ridges = [RidgeCV().fit(rows, related) for rows in noisy]
    cleaned = [ridge.predict(rows) for ridge, rows in zip(ridges, noisy, strict=True)]
    display = DenoisingDisplay.from_predictions(related, {"ridge": cleaned}, sigmas=sigmas)
    errors = [np.sqrt(np.mean(((rows - related) / related.std(axis=0)) ** 2)) for rows in cleaned]
    assert_allclose(display.errors["ridge"], errors)
    # A regressor predicts, though it may transform, too.
    found = DenoisingDisplay.from_estimator({"ridge": ridges[0]}, related, sigmas=[0.2], random_state=0)
    assert found.errors["ridge"][0] < 0.2


def test_only_numbers_that_vary_get_noise_and_count(real):
    table = real.assign(constant=0.1)
    seen = []

    def look(rows):
        seen.append(rows)
        return rows

    display = DenoisingDisplay.from_estimator(
        {"look": FunctionTransformer(look).fit(table)}, table, sigmas=[1.0], random_state=0
    )
    assert_allclose(display.errors["look"], 1, rtol=0.1)
    noisy = seen[-1]
    kept = ["education", "region", "employed", "job", "constant"]
    pd.testing.assert_frame_equal(noisy[kept], table[kept])
    assert (noisy["age"] != table["age"]).all()
    assert_array_equal(noisy["income"].isna(), table["income"].isna())


def test_what_does_not_denoise_is_named(related, denoiser, of_codes):
    draw = DenoisingDisplay.from_estimator
    with pytest.raises(ValueError, match=r"'pca' gave rows of shape \(400, 2\), and X has \(400, 3\)"):
        draw({"pca": PCA(2).fit(related)}, related)
    with pytest.raises(TypeError, match="'DummyClassifier' must be a regressor or have `transform`"):
        draw(DummyClassifier().fit(related, related[:, 0] > 0), related)
    with pytest.raises(ValueError, match="each of sigmas must be a finite number > 0, got -1"):
        draw(denoiser, related, sigmas=[1.0, -1.0])
    with pytest.raises(ValueError, match="sigmas must be a flat list"):
        draw(denoiser, related, sigmas=[])
    with pytest.raises(ValueError, match="X has no column of numbers that vary"):
        draw(denoiser, np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"cleaned\['a'\] must have a table for each level, 2, got 1"):
        DenoisingDisplay.from_predictions(related, {"a": [related]}, sigmas=[1, 2])
    holed = np.where(np.arange(3) == 1, np.nan, related)
    with pytest.raises(ValueError, match="'a' leaves cells missing"):
        DenoisingDisplay.from_predictions(related, {"a": [holed]}, sigmas=[1])
    X = np.column_stack([np.arange(40) % 4, np.arange(40.0)])
    with pytest.raises(ValueError, match="'DiffusionDenoiser' has learnt columns as categories"):
        draw(of_codes, X)
    assert draw(of_codes, X, categorical_features=[0]).errors


# Paths from noise to data


def test_a_path_begins_in_noise_and_ends_in_rows_of_the_denoiser(related, denoiser):
    display = SamplePathDisplay.from_estimator(
        denoiser, related, features=(1, 2), n_rows=300, n_sampling_steps=20, random_state=0
    )
    assert display.path.shape == (21, 300, 2)
    assert_allclose(display.path[0].std(axis=0), display.sigmas[0], rtol=0.1)
    rows = np.column_stack([display.ends_.get_xdata(), display.ends_.get_ydata()])
    assert_allclose(rows, related[:, 1:].mean(axis=0) + related[:, 1:].std(axis=0) * display.path[-1])
    assert_allclose(display.path[-1].mean(axis=0), 0, atol=0.2)
    assert_allclose(display.path[-1].std(axis=0), 1, rtol=0.2)
    assert np.corrcoef(rows.T)[0, 1] > 0.9
    assert denoiser.sigma == 1.0
    drawn(display)


def test_the_same_seed_draws_the_same_path(related, denoiser):
    paths = [
        SamplePathDisplay.from_estimator(
            denoiser, related, n_rows=3, n_sampling_steps=3, random_state=seed
        ).path
        for seed in (0, 0, 1)
    ]
    assert_array_equal(paths[0], paths[1])
    assert (paths[0] != paths[2]).any()


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_a_frame_gives_names_and_is_given_to_the_denoiser(container, related):
    frame = container(dict(zip("abc", related.T, strict=True)))
    denoiser = DiffusionDenoiser(sigma=1.0, hidden_layer_sizes=(8,), epochs=1, random_state=0).fit(frame)
    display = SamplePathDisplay.from_estimator(
        denoiser, frame, features=["c", "a"], n_rows=2, n_sampling_steps=3
    )
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("c", "a")
    assert DenoisingDisplay.from_estimator(denoiser, frame, sigmas=[1.0]).errors


def test_any_samplers_path_is_drawn_move_by_move():
    sigmas = Karras(sigma_max=5).grid(4)
    path = [5 * np.random.default_rng(0).normal(size=(6, 3))]
    multistep(lambda x, s: x / (1 + s**2), path[0], sigmas, callback=lambda x, sigma: path.append(x))
    display = SamplePathDisplay.from_predictions(path, sigmas, X=np.eye(3), features=(2, 0))
    moves = np.array(display.lines_.get_segments()).reshape(4, 6, 2, 2)
    shrunk = np.stack(path)[:, :, [2, 0]] / np.sqrt(1 + sigmas**2)[:, None, None]
    assert_allclose(moves[:, :, 0], shrunk[:-1])
    assert_allclose(moves[:, :, 1], shrunk[1:])
    assert_allclose(display.lines_.get_array(), np.repeat(sigmas[:-1], 6))
    assert_allclose(display.starts_.get_xydata(), shrunk[0])
    assert_allclose(display.ends_.get_xydata(), path[-1][:, [2, 0]])
    assert_array_equal(display.X, np.eye(3)[:, [2, 0]])
    drawn(display)


def test_what_has_no_path_is_refused(related, denoiser, of_codes):
    draw = SamplePathDisplay.from_estimator
    with pytest.raises(TypeError, match="estimator must be a DiffusionDenoiser, got DiffusionGenerator"):
        draw(DiffusionGenerator(process="gaussian"), related)
    with pytest.raises(ValueError, match="a self-supervised denoiser knows no noise levels"):
        draw(copy(denoiser).set_params(self_supervised=True), related)
    with pytest.raises(ValueError, match="the denoiser has learnt categories"):
        draw(of_codes, related[:, :2])
    sigmas = np.array([2.0, 1.0, 0.0])
    for path, levels, message in (
        (np.zeros((3, 4)), sigmas, r"path must be rows at each noise level, .* got \(3, 4\)"),
        (np.zeros((4, 4, 2)), sigmas, "path has rows at 4 noise levels"),
        (np.zeros((3, 4, 2)), sigmas[::-1], "sigmas must be three levels at least that fall to 0"),
        (np.zeros((3, 4, 1)), sigmas, "1 is no column"),
    ):
        with pytest.raises(ValueError, match=message):
            SamplePathDisplay.from_predictions(path, levels)
    with pytest.raises(ValueError, match="path must have two columns"):
        SamplePathDisplay(np.zeros((3, 4, 3)), sigmas).plot()


# Imputation


@pytest.fixture(scope="module")
def holed(real):
    return real.mask(np.random.default_rng(0).random(real.shape) < 0.3)


@pytest.fixture(scope="module")
def imputer(generator, holed):
    return DiffusionImputer(generator=FrozenEstimator(generator), random_state=0).fit(holed)


def test_rows_behind_paths_are_spread_over_a_sorted_table():
    X = np.arange(5000.0)[:, None] * [1, -1]
    display = SamplePathDisplay.from_predictions(np.zeros((3, 3, 2)), [2.0, 1.0, 0.0], X=X)
    assert len(display.X) == 1000
    assert_array_equal(display.X[[0, -1]], X[[0, -1]])


def test_draws_and_truth_are_those_of_the_missing_cells(imputer, real, holed):
    features = ["income", "job"]
    display = ImputationDisplay.from_estimator(imputer, holed, real, n_imputations=4, features=features)
    tables = imputer.sample(holed, n_imputations=4)
    for name, _, truth, draws in display.columns:
        cells = holed[name].isna() & real[name].notna()
        assert_array_equal(truth, real.loc[cells, name])
        assert_array_equal(draws, [table.loc[cells, name] for table in tables])
    assert [kind for _, kind, *_ in display.columns] == ["number", "category"]
    drawn(display)


def test_dates_are_imputed_on_an_axis_of_dates():
    true = pd.DataFrame({"day": pd.date_range("2020-01-01", "2022-01-01", periods=30)})
    holed = true.assign(day=true["day"].where(np.arange(30) % 2 > 0))
    tables = [true + pd.Timedelta(days=shift) for shift in (-1, 0, 1)]
    display = ImputationDisplay.from_predictions(holed, true, tables)
    ((_, kind, truth, draws),) = display.columns
    assert kind == "date"
    assert_allclose(truth, mdates.date2num(true["day"][::2]))
    assert_allclose(draws - truth, np.tile([[-1], [0], [1]], 15))
    drawn(display)
    assert "2021" in {tick.get_text() for tick in display.axes_[0].get_yticklabels()}


def test_intervals_hold_nine_draws_in_ten():
    draws = np.random.default_rng(0).permuted(np.tile(np.arange(19.0)[:, None], 30), axis=0)
    truth = np.append(np.full(27, 9.0), [-1, 19, 20])
    display = ImputationDisplay([("a", "number", truth, draws)]).plot()
    (ax,) = display.axes_
    segments = np.array(ax.collections[0].get_segments())
    assert_allclose(segments[:, :, 1], np.tile([0, 18], (30, 1)))
    inside, outside = ax.lines
    assert_array_equal(inside.get_ydata(), truth[:27])
    assert_array_equal(outside.get_ydata(), truth[27:])
    assert ax.get_title() == "truth inside in 90% of 30 cells"


def test_few_draws_promise_no_more_than_they_can_hold():
    rng = np.random.default_rng(0)
    truth, draws = rng.normal(size=4000), rng.normal(size=(4, 4000))
    (ax,) = ImputationDisplay([("a", "number", truth, draws)]).plot().axes_
    assert ax.collections[0].get_label() == "interval of 60%"
    (share,) = re.findall(r"inside in (\d+)%", ax.get_title())
    assert int(share) == pytest.approx(60, abs=3)


def test_many_cells_are_thinned_in_the_order_of_their_medians():
    truth = np.random.default_rng(0).permutation(np.arange(500.0))
    display = ImputationDisplay([("a", "number", truth, truth + np.array([[-1.0], [0.0], [1.0]]))]).plot()
    inside, _ = display.axes_[0].lines
    assert len(inside.get_ydata()) == 50
    assert_array_equal(inside.get_ydata()[[0, -1]], [0, 499])
    assert (np.diff(inside.get_ydata()) > 0).all()


def test_rows_of_the_matrix_are_shares_of_what_was_drawn():
    truth = np.array(["x", "x", "y"], dtype=object)
    draws = np.array([["x", "y", "y"], ["x", "z", "x"]], dtype=object)
    display = ImputationDisplay([("a", "category", truth, draws)]).plot()
    (ax,) = display.axes_
    shares = np.asarray(ax.images[0].get_array())
    assert_allclose(shares[:2], [[0.5, 0.25, 0.25], [0.5, 0.5, 0]])
    assert np.isnan(shares[2]).all()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["x", "y", "z"]
    assert ax.get_title() == "truth drawn in 50% of draws"
    many = np.array([f"category {number}" for number in range(20)], dtype=object)
    (ax,) = ImputationDisplay([("a", "category", many, many[None])]).plot().axes_
    assert_allclose(np.asarray(ax.images[0].get_array()), np.eye(8))
    assert ax.get_yticklabels()[-1].get_text() == "others"
    drawn(display)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_draws_of_any_imputer_are_drawn(frame):
    X = np.random.default_rng(0).normal(size=(30, 2))
    holed = X.copy()
    holed[::3, 1] = np.nan
    true, with_holes = (frame({"a": rows[:, 0], "b": rows[:, 1]}) for rows in (X, holed))
    tables = [np.nan_to_num(holed, nan=value) for value in (1.0, 2.0)]
    display = ImputationDisplay.from_predictions(with_holes, true, tables)
    ((name, _, truth, draws),) = display.columns
    assert name == "b"
    assert_allclose(truth, X[::3, 1])
    assert_allclose(draws, np.tile([[1.0], [2.0]], 10))


def test_cells_that_a_value_stands_for_are_missing(imputer, real):
    table = real.dropna()
    marked = table.assign(income=table["income"].where(np.arange(len(table)) % 4 > 0, -99))
    telling = copy(imputer).set_params(missing_values=-99)
    ((name, _, truth, draws),) = ImputationDisplay.from_estimator(telling, marked, table).columns
    assert name == "income"
    assert_array_equal(truth, table["income"][::4])
    assert (draws >= 0).all()


def test_tables_that_tell_nothing_about_draws_are_refused(real, holed):
    draw = ImputationDisplay.from_predictions
    with pytest.raises(TypeError, match="estimator must be a DiffusionImputer, got SimpleImputer"):
        ImputationDisplay.from_estimator(SimpleImputer(), holed, real)
    with pytest.raises(ValueError, match="X has no missing cell that X_true knows"):
        draw(holed, holed, [real])
    with pytest.raises(ValueError, match=r"X, X_true and tables must be of one shape, .*'tables\[1\]'"):
        draw(holed, real, [real, real[:-1]])
    with pytest.raises(ValueError, match="tables must hold one filled table at least"):
        draw(holed, real, [])
    with pytest.raises(ValueError, match="tables leave cells of column 'age' missing"):
        draw(holed, real, [holed])
    known = real.assign(age=holed["age"])
    with pytest.raises(ValueError, match="column 'region' has no missing cell that X_true knows"):
        draw(known, real, [real], features=["region"])


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
        np.array([-8e307, 8e307]),
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


def test_dates_and_durations_stand_on_axes_of_their_own():
    days = pd.date_range("2020-01-01", "2021-12-31", periods=50)
    table = pd.DataFrame({"day": days, "wait": pd.to_timedelta(np.arange(40, 90), unit="min")})
    table.loc[:4, "day"] = pd.NaT
    display = MarginalsDisplay.from_predictions(table, table, features=["day", "wait"])
    (_, kind, cells, _), (_, other_kind, other_cells, _) = display.columns
    assert (kind, other_kind) == ("date", "duration")
    assert_allclose(mdates.date2num(days[5:]), cells[5:])
    assert_allclose(other_cells, 60 * np.arange(40, 90))
    drawn(display)
    day, wait = display.axes_
    assert {"2021", "2022"} & {tick.get_text() for tick in day.get_xticklabels()}
    assert day.get_xlabel() == "day"
    assert wait.get_xlabel() == "wait (hours)"
    bars = [patch for patch in wait.patches if patch.get_fill()]
    assert_allclose([bars[0].get_x(), bars[-1].get_x() + bars[-1].get_width()], [40 / 60, 89 / 60])


@pytest.mark.parametrize("frame", ["pandas", "polars", "array"])
def test_dates_of_all_containers_are_drawn_alike(frame):
    days = np.arange("2020-01-01", "2020-03-01", dtype="M8[D]")
    table = {
        "pandas": lambda: pd.DataFrame({"day": days}).astype({"day": "datetime64[s]"}),
        "polars": lambda: pl.DataFrame({"day": days}),
        "array": lambda: days[:, None],
    }[frame]()
    display = MarginalsDisplay.from_predictions(table, table)
    assert display.columns[0][1] == "date"
    assert_allclose(display.columns[0][2], mdates.date2num(days))


def test_dates_that_calendars_do_not_know_are_drawn_as_days():
    X = np.array([0, 10**7], "M8[D]")[:, None]
    display = MarginalsDisplay.from_predictions(X, X)
    assert display.axes_[0].get_xlabel() == "0 (days)"
    drawn(display)


def test_ordered_categories_keep_their_order():
    sizes = pd.Categorical(["M", "L", "M", "S", "XL", "M"] * 5, ["S", "M", "L", "XL"], ordered=True)
    plain = pd.DataFrame({"size": sizes})
    enum = pl.DataFrame({"size": pl.Series(list(sizes), dtype=pl.Enum(["S", "M", "L", "XL"]))})
    holes = pd.DataFrame({"size": pd.Series([None] * 30, dtype=object)})
    for table, holed in ((plain, holes), (enum, enum.with_columns(size=None))):
        marginals = MarginalsDisplay.from_predictions(table, table)
        imputation = ImputationDisplay.from_predictions(holed, table, [table])
        for display in (marginals, imputation):
            labels = [tick.get_text() for tick in display.axes_[0].get_xticklabels()]
            assert labels == ["S", "M", "L", "XL"]
    ranked = list("dabc")
    assert shown_categories(ranked, 3, list("abcd")) == (["a", "d"], ["b", "c"])
    assert shown_categories(ranked, 4, None) == (ranked, [])


def test_a_figure_says_how_many_columns_are_left_out():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 9)))
    table.columns = list("abcdefghi")
    holed = table.mask(np.eye(20, 9, dtype=bool))
    for display in (
        MarginalsDisplay.from_predictions(table, table),
        ImputationDisplay.from_predictions(holed, table, [table]),
    ):
        assert display.figure_.get_supxlabel() == "8 of 9 columns"
    chosen = MarginalsDisplay.from_predictions(table, table, features=["a"])
    assert chosen.figure_.get_supxlabel() == ""


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


@pytest.mark.parametrize(("n_columns", "n_letters"), [(3, 20), (12, 60), (25, 20)])
def test_names_and_titles_lie_within_the_figure(n_columns, n_letters):
    names = [f"column {number} ".ljust(n_letters, "n") for number in range(n_columns)]
    display = DependenceDisplay(np.eye(n_columns), 0.9 * np.eye(n_columns), names=names).plot()
    drawn(display)
    left, low, right, high = display.figure_.get_tightbbox().extents
    width, height = display.figure_.get_size_inches()
    assert -0.01 < left < right < width + 0.01
    assert -0.01 < low < high < height + 0.01
    assert display.axes_[2].get_title() == "synthetic - real, to ±0.1"
    assert all(len(tick.get_text()) <= 28 for tick in display.axes_[0].get_xticklabels())


def test_many_columns_have_no_names():
    X = np.random.default_rng(0).normal(size=(50, 13))
    display = DependenceDisplay.from_predictions(X, X)
    assert not display.axes_[0].get_xticklabels()
    assert display.axes_[0].get_xlabel() == "all 13 columns"


# All


def test_a_generator_is_asked_for_as_many_rows(generator, real):
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
