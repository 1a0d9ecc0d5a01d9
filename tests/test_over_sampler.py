"""DiffusionOverSampler: imbalanced-learn's contract, containers, and what the new rows are."""

import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _frames import FRAMES
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionGenerator, DiffusionOverSampler
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")


def small(**parameters):
    defaults = {"epochs": 1, "hidden_layer_sizes": (4,), "batch_size": 64, "early_stopping": False}
    return DiffusionGenerator(**{**defaults, **parameters})


def make(generator=None, **parameters):
    return DiffusionOverSampler(generator=generator or small(), **{"random_state": 0, **parameters})


@parametrize_with_checks([make()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


SAMPLER_CHECKS = estimator_checks_generator(
    make(),
    expected_failed_checks={
        "check_samplers_pandas_sparse": "narwhals does not read the sparse columns of pandas"
    },
    mark="xfail",
)


@pytest.mark.parametrize(
    ("estimator", "check"), list(SAMPLER_CHECKS), ids=lambda each: getattr(each, "func", type(each)).__name__
)
def test_imbalanced_learn_contract(estimator, check):
    check(estimator)


N_ROWS = 60


@pytest.fixture(scope="module")
def people():
    return make_mixed_table(N_ROWS, random_state=0).set_index(pd.Index(range(7, N_ROWS + 7), name="id"))


@pytest.fixture(scope="module")
def jobs(people):
    return pd.Series(np.repeat(["a", "b", "c"], [40, 18, 2]), index=people.index, name="job title")


@pytest.fixture(scope="module")
def pairs():
    """Two columns that are the same in one class, and minus each other in a rare one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = rng.random(1000) < 0.1
    return np.column_stack([x, np.where(y, -x, x)]), y


@pytest.fixture(scope="module")
def knowing(uncompiled, pairs):
    X, y = pairs
    generator = small(
        epochs=60, hidden_layer_sizes=(64, 64), learning_rate=5e-3, batch_size=128, random_state=0
    )
    return FrozenEstimator(generator.fit(X, y, np.where(y, 9, 1)))


# Rows


def test_originals_come_first_and_are_untouched(people, jobs):
    X, y = make().fit_resample(people, jobs)
    assert_frame_equal(X[:N_ROWS], people)
    assert_series_equal(y[:N_ROWS], jobs)


def test_all_classes_become_as_large_as_the_largest(people, jobs):
    _, y = make().fit_resample(people, jobs)
    assert y.value_counts().to_dict() == {"a": 40, "b": 40, "c": 40}


def test_a_new_row_has_most_cells_of_the_row_that_it_began_as(people, jobs):
    sampler = make(hidden_fraction=2 / 7)
    X, y = sampler.fit_resample(people, jobs)
    began = people.iloc[sampler.sample_indices_]
    same = (began == X) | (X.isna() & began.isna())
    assert (same.sum(axis=1) >= 5).all()
    assert not same[N_ROWS:].all(axis=None)
    assert_array_equal(X.index, began.index)
    assert_array_equal(y, jobs.iloc[sampler.sample_indices_])


def test_a_fraction_of_one_draws_whole_rows():
    X = np.random.default_rng(0).normal(size=(100, 3))
    sampler = make(hidden_fraction=1)
    X_new, _ = sampler.fit_resample(X, np.repeat([0, 1], [80, 20]))
    assert (X_new != X[sampler.sample_indices_])[100:].mean() > 0.9


def test_one_cell_at_least_is_drawn_anew():
    X = np.random.default_rng(0).normal(size=(100, 3))
    sampler = make(hidden_fraction=0.01)
    X_new, _ = sampler.fit_resample(X, np.repeat([0, 1], [80, 20]))
    assert_array_equal((X_new != X[sampler.sample_indices_])[100:].sum(axis=1), 1)


@pytest.mark.parametrize("hidden_fraction", [0.5, 1.0])
def test_new_rows_are_like_those_of_their_class(pairs, knowing, hidden_fraction):
    X, y = pairs
    sampler = make(knowing, hidden_fraction=hidden_fraction)
    X_new = sampler.fit_resample(X, y)[0][len(X) :]
    assert np.corrcoef(X_new.T)[0, 1] < -0.8
    assert_allclose(X_new.std(axis=0), 1, atol=0.2)


def test_rows_that_look_like_another_class_are_avoided(knowing, monkeypatch):
    rng = np.random.default_rng(1)
    x = rng.normal(size=500)
    y = np.repeat([False, True], [450, 50])
    X = np.column_stack([x, np.where(y, -x, x)])

    def share_of_the_wrong_side(n_candidates):
        monkeypatch.setattr("skdiffusion._over_sampler._N_CANDIDATES", n_candidates)
        X_new = make(knowing, hidden_fraction=0.5).fit_resample(X, y)[0][500:]
        return (X_new[:, 0] * X_new[:, 1] > 0.1).mean()

    assert share_of_the_wrong_side(2) < share_of_the_wrong_side(1)


def test_results_repeat_with_a_seed(people, jobs):
    expected = make().fit_resample(people, jobs)[0]
    assert_frame_equal(make().fit_resample(people, jobs)[0], expected)
    assert not make(random_state=1).fit_resample(people, jobs)[0].equals(expected)


def test_nothing_is_added_to_balanced_classes(people):
    X, y = make().fit_resample(people, np.arange(N_ROWS) % 2)
    assert_frame_equal(X, people)
    assert len(y) == N_ROWS


# Containers


@FRAMES
def test_every_kind_of_column_keeps_its_dtype(frame):
    n_times = 20
    frame = pd.concat([frame] * n_times) if hasattr(frame, "iloc") else pl.concat([frame] * n_times)
    X, _ = make(hidden_fraction=0.5).fit_resample(frame, np.repeat([0, 1], [50, 10]))
    assert X.shape == (100, 7)
    assert list(X.dtypes) == list(frame.dtypes)
    assert X[:60].equals(frame)


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "U3", "object", "M8[D]"])
def test_arrays_keep_their_dtype(dtype):
    X = (np.arange(120) % 7).reshape(60, 2).astype(dtype)
    X_new, _ = make(hidden_fraction=0.5).fit_resample(X, np.repeat([0, 1], [50, 10]))
    assert X_new.dtype == X.dtype
    assert_array_equal(X_new[:60], X)


@pytest.mark.parametrize(
    "convert",
    [
        list,
        np.array,
        pd.Series.to_frame,
        pl.Series,
        lambda y: y.astype("category"),
        lambda y: y == "a",
        lambda y: (y == "a").astype("Int64"),
    ],
    ids=["list", "array", "frame", "polars", "category", "bool", "Int64"],
)
def test_classes_keep_container_and_dtype(people, jobs, convert):
    y = convert(jobs)
    X, resampled = make().fit_resample(people, y)
    assert len(X) == len(resampled) > N_ROWS
    assert type(resampled) is type(y)
    if hasattr(y, "dtype"):
        assert resampled.dtype == y.dtype
    assert_array_equal(np.asarray(resampled[:N_ROWS]), np.asarray(y))


def test_holes_stay_and_may_be_drawn(people, jobs):
    X, _ = make(hidden_fraction=1).fit_resample(people, jobs)
    assert people["income"].isna().any()
    assert X["income"][N_ROWS:].isna().any()


# How many


def count(y, strategy):
    return make(sampling_strategy=strategy).fit(np.zeros((len(y), 1)), y).sampling_strategy_


def test_strategies_are_those_of_imbalanced_learn(jobs):
    assert count(jobs, "minority") == {"c": 38}
    assert count(jobs, {"b": 20}) == {"b": 2}
    assert count(jobs, lambda y: {"b": 10 + (y == "b").sum()}) == {"b": 10}
    assert count(jobs == "a", 0.8) == {False: 12}


def test_numbers_are_filled_by_bins(people):
    y = np.random.default_rng(0).gamma(1, size=N_ROWS)
    sampler = make(sampling_strategy=4)
    X, resampled = sampler.fit_resample(people, y)
    edges = np.linspace(*np.quantile(y, [0.01, 0.99]), 5)[1:-1]
    assert_array_equal(np.unique(np.digitize(resampled, edges), return_counts=True)[1], [len(X) // 4] * 4)
    assert_array_equal(resampled[:N_ROWS], y)
    assert set(resampled) == set(y)


def test_outliers_share_the_outermost_bin():
    y = np.append(np.linspace(0, 1, 199), 1e9)
    assert sum(count(y, 2).values()) <= 2


# Together with others


def test_it_stands_in_a_pipeline_that_resamples_while_fitting_alone(people, jobs):
    model = make_pipeline(make(), OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    X = people[["education", "region"]]
    assert model.fit(X, jobs).predict(X).shape == (N_ROWS,)
    assert cross_val_score(model, X, jobs == "a", cv=2, error_score="raise").shape == (2,)


def test_nested_parameters_are_tuned(people, jobs):
    X = people[["age", "savings"]]
    model = make_pipeline(make(), LogisticRegression())
    grid = {
        "diffusionoversampler__generator__l2": [0.0, 0.1],
        "diffusionoversampler__hidden_fraction": [0.5],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, jobs == "a")
    sampler = search.best_estimator_[0]
    assert sampler.generator_.l2 == search.best_params_["diffusionoversampler__generator__l2"]
    assert sampler.hidden_fraction == 0.5


def test_it_can_be_cloned_and_pickled(people, jobs):
    sampler = make()
    expected = sampler.fit_resample(people, jobs)[0]
    for other in (clone(sampler), pickle.loads(pickle.dumps(sampler))):
        assert_frame_equal(other.fit_resample(people, jobs)[0], expected)


# The generator


def test_a_frozen_generator_is_not_trained(people, jobs):
    generator = small(random_state=0).fit(people, jobs)
    before = [weight.copy() for weight in generator.weights_]
    sampler = make(FrozenEstimator(generator))
    sampler.fit_resample(people[:50], jobs[:50])
    assert sampler.generator_.estimator is generator
    for weight, expected in zip(generator.weights_, before, strict=True):
        assert_array_equal(weight, expected)


def test_cells_that_a_frozen_generator_has_not_seen_are_drawn_anew(people):
    X = people[["job", "age"]].fillna("none")
    y = np.repeat([0, 1], [50, 10])
    generator = small().fit(X, y)
    odd = X.assign(job=np.where(y, "astronaut", X["job"]))
    resampled, _ = make(FrozenEstimator(generator), hidden_fraction=0.5).fit_resample(odd, y)
    assert set(resampled["job"][N_ROWS:]) <= set(X["job"])
    assert_frame_equal(resampled[:N_ROWS], odd)


def test_a_generator_that_is_given_is_left_alone(people, jobs):
    generator = small()
    make(generator).fit_resample(people, jobs)
    assert not hasattr(generator, "weights_")
    assert generator.random_state is None


def test_the_generators_own_random_state_counts(people, jobs):
    sampler = make(small(random_state=3))
    sampler.fit_resample(people, jobs)
    assert sampler.generator_.random_state == 3


def test_by_default_the_generator_is_small(people, jobs):
    sampler = DiffusionOverSampler(random_state=0)
    X, _ = sampler.fit_resample(people, jobs)
    assert X.shape == (120, 7)
    assert len(sampler.generator_.hidden_layer_sizes) < 3


# What is refused


def test_a_class_of_one_row_is_refused(people, jobs):
    with pytest.raises(ValueError, match=r"class 'c' has one row, .*: give it two rows"):
        make().fit_resample(people[:-1], jobs[:-1])
    assert count(jobs[:-1], {"b": 20}) == {"b": 2}


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA])
def test_holes_in_y_are_refused(people, jobs, hole):
    y = jobs.astype(object).to_list()
    y[3] = hole
    with pytest.raises(ValueError, match="y has missing cells, first in row 3"):
        make().fit_resample(people, y)


def test_numbers_are_refused_without_a_number_of_bins(people):
    with pytest.raises(ValueError, match=r"y is continuous, .* a number of bins, such as 10"):
        make().fit_resample(people, np.linspace(0, 1, N_ROWS))


def test_classes_are_refused_with_a_number_of_bins(people, jobs):
    with pytest.raises(
        ValueError, match=r"sampling_strategy is a number of bins, and y, .* no flat array of"
    ):
        make(sampling_strategy=3).fit_resample(people, jobs)


@pytest.mark.parametrize("strategy", [None, True, ["a"], 0, "majority", {"d": 3}])
def test_other_strategies_are_refused(people, jobs, strategy):
    with pytest.raises((TypeError, ValueError), match=r"sampling_strategy|target class"):
        make(sampling_strategy=strategy).fit_resample(people, jobs)


@pytest.mark.parametrize("hidden_fraction", [0, -0.1, 1.1])
def test_a_fraction_beyond_its_range_is_refused(people, jobs, hidden_fraction):
    with pytest.raises(ValueError, match="hidden_fraction must be a finite number > 0 and <= 1, got"):
        make(hidden_fraction=hidden_fraction).fit_resample(people, jobs)


def test_a_frozen_generator_without_y_is_refused(people, jobs):
    with pytest.raises(ValueError, match="was not fitted with y"):
        make(FrozenEstimator(small().fit(people))).fit_resample(people, jobs)


def test_a_frozen_generator_of_another_table_is_refused(people, jobs):
    frozen = FrozenEstimator(small().fit(people, jobs))
    for other in (people[people.columns[:2]], people.astype({"age": float}), pl.from_pandas(people)):
        with pytest.raises(ValueError, match=r"the frozen generator learnt columns and dtypes .*, got"):
            make(frozen).fit_resample(other, jobs)


def test_without_imbalanced_learn_the_import_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "skdiffusion._over_sampler")
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling.base", None)
    with pytest.raises(ImportError, match=r"needs imbalanced-learn: pip install 'skdiffusion\[imblearn\]'"):
        from skdiffusion import DiffusionOverSampler  # noqa: F401
