"""Everything composes: the estimators inside those of scikit-learn."""

import os

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdiffusion import DiffusionNoiser


@pytest.fixture(scope="module")
def clean(table):
    return table[1]


@pytest.fixture
def tutorial(small):
    """The tutorial's program: scale rows and targets, noise, denoise."""
    noiser = DiffusionNoiser(0.1, 4, random_state=0)
    return TransformedTargetRegressor(
        make_pipeline(MinMaxScaler(), noiser, small(epochs=5)), transformer=MinMaxScaler()
    )


def test_the_tutorials_program_learns_to_give_back_clean_rows(tutorial, clean):
    prediction = tutorial.fit(clean, clean).predict(clean)
    noise = 0.2 * (clean.max(axis=0) - clean.min(axis=0))
    assert prediction.shape == clean.shape
    assert np.mean((prediction - clean) ** 2) < 0.7 * np.mean(noise**2)


def test_the_tutorials_program_clones(tutorial, clean):
    expected = tutorial.fit(clean, clean).predict(clean)
    other = clone(tutorial)
    assert not hasattr(other, "regressor_")
    assert_array_equal(other.fit(clean, clean).predict(clean), expected)


# Searches

# Two values of each parameter, not all combinations of them.
VALUES = {
    "regressor__diffusionnoiser__noise_level": [0.05, 0.5],
    "regressor__diffusionnoiser__n_steps": [1, 4],
    "regressor__denoisingregressor__l2": [0.0, 0.1],
    "regressor__denoisingregressor__learning_rate": [0.001, 0.01],
    "regressor__denoisingregressor__hidden_layer_sizes": [(8,), (4,)],
}
GRID = [{name: values} for name, values in VALUES.items()]
DISTRIBUTIONS = {**VALUES, "regressor__denoisingregressor__l2": loguniform(1e-5, 1)}


def scores(search):
    return np.array([search.cv_results_[f"split{split}_test_score"] for split in range(2)])


@pytest.mark.parametrize("search", ["grid", "randomized"])
def test_searches_find_the_same_with_one_job_and_two(tutorial, clean, search):
    def run(n_jobs):
        if search == "grid":
            made = GridSearchCV(tutorial, GRID, cv=2, n_jobs=n_jobs, error_score="raise")
        else:
            made = RandomizedSearchCV(
                tutorial, DISTRIBUTIONS, n_iter=3, cv=2, n_jobs=n_jobs, random_state=0, error_score="raise"
            )
        return made.fit(clean, clean)

    one, two = run(1), run(2)
    assert one.cv_results_["params"] == two.cv_results_["params"]
    assert_allclose(scores(two), scores(one), rtol=1e-5)
    assert_allclose(two.predict(clean), one.predict(clean), rtol=1e-5, atol=1e-6)


def test_a_search_finds_that_less_noise_is_better(tutorial, clean):
    search = GridSearchCV(tutorial, {"regressor__diffusionnoiser__noise_level": [2.0, 0.02]}, cv=2)
    assert search.fit(clean, clean).best_params_ == {"regressor__diffusionnoiser__noise_level": 0.02}


def test_searched_parameters_are_those_of_separate_fits(table, small):
    X, y = table
    cv = KFold(2)
    grid = {"hidden_layer_sizes": [(8,), (9,)], "optimizer": ["adam", "sgd"]}
    search = GridSearchCV(small(), grid, cv=cv, error_score="raise").fit(X, y)
    for parameters, score in zip(search.cv_results_["params"], scores(search).T, strict=True):
        for (train, test), expected in zip(cv.split(X), score, strict=True):
            assert small(**parameters).fit(X[train], y[train]).score(X[test], y[test]) == expected


def threads_in_a_worker(regressor, X, y):
    import multiprocessing

    import tensorflow as tf

    regressor.fit(X, y).predict(X)
    threading = tf.config.threading
    return (
        multiprocessing.current_process().name[:11],
        os.environ["OMP_NUM_THREADS"],
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_worker_uses_the_threads_that_joblib_leaves_it(table, small, n_threads):
    with joblib.parallel_config("loky", inner_max_num_threads=n_threads):
        found = joblib.Parallel(2)(joblib.delayed(threads_in_a_worker)(small(), *table) for _ in range(2))
    assert found == [("LokyProcess", str(n_threads), n_threads, n_threads)] * 2


def test_outside_of_workers_tensorflow_keeps_its_threads(table, small, monkeypatch):
    import tensorflow as tf

    from skdiffusion import _training

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    _training._obey_joblib()
    assert tf.config.threading.get_intra_op_parallelism_threads() == 0


@pytest.mark.parametrize("fitted", [False, True])
def test_an_estimator_travels_to_a_worker_and_back(table, small, fitted):
    X, y = table
    expected = small().fit(X, y).predict(X)
    model = small()
    if fitted:
        model.fit(X, y).model_.count_params()

    def work(estimator):
        return estimator if fitted else estimator.fit(X, y)

    back = joblib.Parallel(2)([joblib.delayed(work)(model)])[0]
    assert_allclose(back.predict(X), expected, rtol=1e-5, atol=1e-6)


# Validation


def test_cross_validated_scores_are_those_of_separate_fits(table, small):
    X, y = table
    expected = [small().fit(X[train], y[train]).score(X[test], y[test]) for train, test in KFold(3).split(X)]
    assert_array_equal(cross_val_score(small(), X, y, cv=3), expected)


def test_cross_validated_predictions_have_the_targets_shape(table, small):
    X, y = table
    assert cross_val_predict(small(), X, y, cv=3).shape == y.shape
    assert cross_val_predict(small(), X, y[:, 0], cv=3).shape == (60,)


def test_learning_curve_rises(table, small):
    sizes, _, test_scores = learning_curve(
        small(epochs=20), *table, train_sizes=[4, 40], cv=3, error_score="raise"
    )
    assert sizes.tolist() == [4, 40]
    assert test_scores[0].mean() < test_scores[1].mean()


def test_learning_curve_by_partial_fit_rises(table, small):
    _, _, test_scores = learning_curve(
        small(learning_rate=0.01),
        *table,
        train_sizes=[5, 40],
        cv=3,
        exploit_incremental_learning=True,
        error_score="raise",
    )
    assert test_scores[0].mean() < test_scores[1].mean()


def test_permutation_importance_finds_the_column_that_counts(table, small):
    X, y = table
    X = np.column_stack([np.random.default_rng(1).normal(size=(60, 2)), y[:, 0]])
    importance = permutation_importance(
        small(epochs=20).fit(X, y[:, 0]), X, y[:, 0], n_repeats=3, random_state=0
    )
    assert importance.importances_mean.argmax() == 2
    assert importance.importances_mean[2] > 5 * np.abs(importance.importances_mean[:2]).max()


# Other estimators around and beside


def test_feature_union_puts_noised_columns_beside_scaled_ones(clean):
    noiser = DiffusionNoiser(0.1, random_state=0)
    union = FeatureUnion([("scaled", StandardScaler()), ("noised", noiser)])
    found = union.fit_transform(clean)
    assert_allclose(found[:, :3], StandardScaler().fit_transform(clean))
    assert_array_equal(found[:, 3:], clone(noiser).fit_transform(clean))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_column_transformer_noises_some_columns(clean, frame):
    rows = frame({"a": clean[:, 0], "b": clean[:, 1], "c": clean[:, 2]})
    transformer = ColumnTransformer(
        [("noised", DiffusionNoiser(0.1, random_state=0), ["a", "c"])], remainder="passthrough"
    )
    found = transformer.set_output(transform=frame.__module__.split(".")[0]).fit_transform(rows)
    assert isinstance(found, frame)
    assert list(found.columns) == ["noised__a", "noised__c", "remainder__b"]
    assert_array_equal(found["remainder__b"], clean[:, 1])
    assert np.std(np.asarray(found["noised__a"]) - clean[:, 0]) > 0.5


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_pipeline_of_frames_keeps_names_up_to_the_regressor(clean, small, frame):
    rows = frame({"a": clean[:, 0], "b": clean[:, 1], "c": clean[:, 2]})
    pipeline = make_pipeline(MinMaxScaler(), DiffusionNoiser(0.1, 1, random_state=0), small())
    pipeline.set_output(transform=frame.__module__.split(".")[0]).fit(rows, clean)
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    expected = clone(pipeline).set_output(transform="default").fit(clean, clean).predict(clean)
    assert_allclose(pipeline.predict(rows), expected, rtol=1e-5, atol=1e-6)


def test_stacking_combines_the_regressor_with_others(table, small):
    X, y = table
    stack = StackingRegressor([("net", small()), ("ridge", Ridge())], final_estimator=RidgeCV(), cv=3)
    stack.fit(X, y[:, 0])
    assert_allclose(stack.transform(X)[:, 0], small().fit(X, y[:, 0]).predict(X), rtol=1e-9)
    assert stack.score(X, y[:, 0]) > 0.5


@pytest.mark.parametrize("around", [MultiOutputRegressor, RegressorChain])
def test_an_estimator_for_each_output(table, small, around):
    X, y = table
    model = around(small()).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert_allclose(model.predict(X)[:, 0], small().fit(X, y[:, 0]).predict(X), rtol=1e-9)


def test_multi_output_partial_fit(table, small):
    X, y = table
    model = MultiOutputRegressor(small())
    for _ in range(2):
        model.partial_fit(X, y)
    assert [part.n_iter_ for part in model.estimators_] == [2, 2, 2]


# Metadata


def test_sample_weight_is_routed(table, small):
    X, y = table
    weight = np.linspace(0.1, 3, 60)
    expected = small().fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        regressor = small().set_fit_request(sample_weight=True)
        pipeline = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", regressor)]
        )
        pipeline.fit(X, y, sample_weight=weight)
    assert_array_equal(pipeline[-1].weights_[0], expected.weights_[0])


def test_sample_weight_is_routed_through_a_search(table, small):
    X, y = table
    weight = np.where(np.arange(60) % 2, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        regressor = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(regressor, {"l2": [0.0, 0.1]}, cv=2, error_score="raise")
        search.fit(X, y, sample_weight=weight)
        refused = GridSearchCV(small(), {"l2": [0.0, 0.1]}, cv=2)
        with pytest.raises(ValueError, match="sample_weight"):
            refused.fit(X, y, sample_weight=weight)
    expected = small(**search.best_params_).fit(X[1::2], y[1::2])
    assert_allclose(search.predict(X), expected.predict(X), rtol=1e-6)


def test_without_routing_weights_are_passed_by_step_name(table, small):
    X, y = table
    weight = np.linspace(0.1, 3, 60)
    pipeline = Pipeline([("net", small())]).fit(X, y, net__sample_weight=weight)
    assert_array_equal(pipeline.predict(X), small().fit(X, y, sample_weight=weight).predict(X))
