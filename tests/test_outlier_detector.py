"""DiffusionOutlierDetector: scikit-learn's contract, containers, and which rows it tells apart."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionGenerator, DiffusionOutlierDetector
from skdiffusion._encoder import TableEncoder
from skdiffusion._row_densities import RowDensities, as_points
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")


def small(**parameters):
    defaults = {"epochs": 1, "hidden_layer_sizes": (8,), "batch_size": 64, "early_stopping": False}
    return DiffusionGenerator(**{**defaults, **parameters})


def make(generator=None, **parameters):
    return DiffusionOutlierDetector(generator=generator or small(), **{"random_state": 0, **parameters})


@parametrize_with_checks([make(small(hidden_layer_sizes=(4,)))])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def people():
    table = make_mixed_table(200, random_state=0)
    holes = np.random.default_rng(0).random(table.shape) < 0.1
    return table.astype({"employed": "boolean", "age": "float64"}).mask(holes)


@pytest.fixture(scope="module")
def fitted(uncompiled, people):
    return make().fit(people)


def pairs(n_rows, seed):
    """Two columns of which one is minus the other, and a class that is their sign."""
    x = np.random.default_rng(seed).normal(size=n_rows)
    return pd.DataFrame({"x": x, "minus_x": -x, "sign": np.where(x > 0, "plus", "minus")})


@pytest.fixture(scope="module")
def knowing(uncompiled):
    generator = small(epochs=30, hidden_layer_sizes=(64, 64), learning_rate=5e-3, batch_size=128)
    return make(generator, trimmed_share=0).fit(pairs(2000, 0))


def auc(detector, usual, odd):
    scores = np.append(detector.score_samples(usual), detector.score_samples(odd))
    return roc_auc_score(np.repeat([1, 0], [len(usual), len(odd)]), scores)


# What is odd


@pytest.mark.parametrize("value", [6.0, 1e3, -1e9])
def test_a_number_beyond_the_training_range_is_odd(knowing, value):
    usual = pairs(200, 1)
    odd = usual.assign(x=value)
    assert auc(knowing, usual, odd) == pytest.approx(1)
    assert (knowing.predict(odd) == -1).all()


def test_the_farther_out_the_odder(knowing):
    odd = pd.DataFrame({"x": [5.0, 10.0, 100.0, 1e6], "minus_x": 0.0, "sign": "plus"})
    assert (np.diff(knowing.score_samples(odd)) < 0).all()


def test_a_pair_that_does_not_go_together_is_odd(knowing):
    usual = pairs(200, 1)
    assert auc(knowing, usual, usual.assign(minus_x=usual["x"])) > 0.9


def test_a_category_that_does_not_go_with_a_number_is_odd(knowing):
    usual = pairs(200, 1)
    odd = usual.assign(sign=np.where(usual["x"] > 0, "minus", "plus"))
    assert auc(knowing, usual, odd) > 0.9


def test_an_unseen_category_is_odd(knowing):
    usual = pairs(200, 1)
    assert auc(knowing, usual, usual.assign(sign="neither")) > 0.9


def test_sparse_regions_inside_the_training_range_are_odd():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-5, 1, (300, 1)), rng.normal(5, 1, (300, 1))])
    detector = make(trimmed_share=0).fit(X)
    assert detector.score_samples([[0.0]]) < detector.score_samples(X).min()


@pytest.mark.parametrize("spread", [0.2, 3.0])
def test_outliers_in_training_are_told(spread):
    """Close to each other, or far from each other."""
    rng = np.random.default_rng(0)
    usual, odd = rng.normal(size=(450, 4)), rng.normal([4, -4, 4, 4], spread, size=(50, 4))
    X = np.concatenate([usual, odd])
    detector = make(contamination=0.1).fit(X)
    assert auc(detector, usual, odd) > 0.97
    assert np.isin(np.arange(450, 500), detector.kept_samples_).mean() < 0.1


@pytest.mark.parametrize(("share", "n_kept"), [(0.0, 200), (0.2, 160)])
def test_the_share_that_is_left_out_is_chosen(people, share, n_kept):
    assert len(make(trimmed_share=share).fit(people).kept_samples_) == n_kept


def test_categories_alone_are_scored_by_their_likelihood(people):
    table = people[["education", "region", "employed", "job"]]
    detector = make().fit(table)
    likelihoods = detector.generator_.score_samples(table)
    slope = (likelihoods[1] - likelihoods[0]) / np.diff(detector.score_samples(table[:2]))
    centred = likelihoods - np.median(likelihoods)
    scores = detector.score_samples(table)
    assert_allclose(slope * (scores - np.median(scores)), centred, atol=1e-3)


# The threshold


def test_contamination_is_the_share_of_outliers(people):
    detector = make(contamination=0.15).fit(people)
    assert (detector.predict(people) == -1).sum() == 30
    assert_allclose(detector.offset_, np.percentile(detector.score_samples(people), 15))


def test_the_threshold_of_usual_rows_is_passed_by_few(knowing):
    assert (knowing.predict(pairs(1000, 2)) == -1).mean() < 0.1


def test_decisions_are_scores_less_the_offset(fitted, people):
    assert_array_equal(fitted.decision_function(people), fitted.score_samples(people) - fitted.offset_)
    assert_array_equal(fitted.predict(people) == -1, fitted.decision_function(people) < 0)


def test_rows_are_scored_one_by_one(fitted, people):
    assert_allclose(fitted.score_samples(people[50:60]), fitted.score_samples(people)[50:60], rtol=1e-4)


# Explanations


def test_the_odd_cell_is_named(knowing):
    odd = pd.DataFrame({"x": [2.0, 0.5], "minus_x": [-2.0, 8.0], "sign": ["minus", "plus"]})
    surprises = knowing.explain(odd)
    assert surprises.loc[0].idxmax() == "sign"
    # Of two cells that contradict each other, each is odd given the other.
    assert set(surprises.loc[1].nlargest(2).index) == {"x", "minus_x"}


def test_surprises_are_conditional_log_densities():
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 3000)
    generator = small(epochs=30, hidden_layer_sizes=(64, 64), learning_rate=5e-3, batch_size=128)
    surprises = make(generator, trimmed_share=0).fit(X).explain(X[:500])
    deviation = (X[:500] - 0.8 * X[:500, ::-1]) / 0.6
    expected = deviation**2 / 2 + np.log(0.6) + np.log(2 * np.pi) / 2
    usual = (np.abs(X[:500]) < 2).all(axis=1)
    assert np.abs(surprises - expected)[usual].mean() < 0.35
    assert np.corrcoef(surprises[usual].ravel(), expected[usual].ravel())[0, 1] > 0.9


def test_surprises_have_the_names_and_index_of_a_frame(fitted, people):
    people = people.set_index(pd.Index(range(7, 207)))
    surprises = fitted.explain(people)
    assert list(surprises) == list(people)
    assert_array_equal(surprises.index, people.index)
    assert np.isfinite(surprises).all(axis=None)
    frame = fitted.explain(pl.from_pandas(people))
    assert isinstance(frame, pl.DataFrame)
    assert_allclose(frame.to_numpy(), surprises)


def test_surprises_of_an_array_are_an_array():
    X = np.random.default_rng(0).normal(size=(60, 3))
    assert make().fit(X).explain(X).shape == (60, 3)


def test_the_gaussian_process_scores_but_does_not_explain(people):
    detector = make(small(process="gaussian")).fit(people)
    assert np.isfinite(detector.score_samples(people)).all()
    with pytest.raises(ValueError, match="score_cells needs process='masked', fitted with 'gaussian'"):
        detector.explain(people)


# The generator


def test_a_frozen_generator_is_not_trained(people):
    generator = small(random_state=0).fit(people)
    before = [weight.copy() for weight in generator.weights_]
    detector = make(FrozenEstimator(generator)).fit(people)
    assert detector.generator_.estimator is generator
    assert np.isfinite(detector.score_samples(people)).all()
    assert np.isfinite(detector.explain(people)).all(axis=None)
    for weight, expected in zip(generator.weights_, before, strict=True):
        assert_array_equal(weight, expected)


def test_a_frozen_generator_that_was_fitted_with_labels_scores_rows(people):
    generator = small(random_state=0).fit(people, np.arange(200) % 2)
    detector = make(FrozenEstimator(generator)).fit(people)
    assert detector.explain(people).shape == people.shape


def test_a_frozen_generator_of_other_columns_is_refused(people):
    generator = small().fit(people)
    with pytest.raises(ValueError, match="feature names"):
        make(FrozenEstimator(generator)).fit(people.rename(columns={"age": "years"}))


def test_a_generator_that_is_given_is_left_alone(people):
    generator = small()
    make(generator).fit(people)
    assert not hasattr(generator, "weights_")
    assert generator.random_state is None


def test_nested_parameters_are_tuned(people):
    X = people[["age", "income"]]
    y = np.where(np.arange(200) % 10, 1, -1)
    search = GridSearchCV(make(), {"generator__l2": [0.0, 0.1]}, scoring="roc_auc", cv=2).fit(X, y)
    assert search.best_estimator_.generator_.l2 == search.best_params_["generator__l2"]


def test_it_ends_a_pipeline():
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[0] = 50
    labels = make_pipeline(StandardScaler(), make(contamination=0.05)).fit_predict(X)
    assert labels[0] == -1
    assert (labels == -1).sum() == 3


# Containers and cells


def test_frames_of_both_kinds_score_alike(fitted, people):
    assert_allclose(fitted.score_samples(pl.from_pandas(people)), fitted.score_samples(people), rtol=1e-5)


def test_dates_and_durations_are_scored():
    days = pd.Series(pd.date_range("2020-01-01", periods=60))
    X = pd.DataFrame({"day": days, "span": days - days[0]})
    X.loc[::7, "day"] = pd.NaT
    detector = make().fit(X)
    odd = X.assign(day=pd.Timestamp("1950-01-01"))
    assert detector.score_samples(odd).max() < np.median(detector.score_samples(X))


def test_holes_are_odd_where_training_had_none(knowing):
    usual = pairs(50, 1)
    assert knowing.score_samples(usual.assign(x=np.nan)).mean() < knowing.score_samples(usual).mean()


def test_units_do_not_matter():
    X = np.random.default_rng(0).normal(size=(100, 2))
    other = X * [1e-6, 1e6] + [1, -1e7]
    assert_allclose(make().fit(X).score_samples(X), make().fit(other).score_samples(other), rtol=1e-3)


def test_constant_columns_and_columns_without_a_known_cell_are_allowed():
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[:, 1], X[:, 2] = 7, np.nan
    assert np.isfinite(make().fit(X).score_samples(X)).all()


def test_results_repeat_with_a_seed(fitted, people):
    assert_array_equal(make().fit(people).score_samples(people), fitted.score_samples(people))


def test_it_can_be_pickled_and_cloned(fitted, people):
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.score_samples(people), fitted.score_samples(people))
    assert not hasattr(clone(fitted), "offset_")


# Densities


def test_densities_are_means_of_normal_ones():
    X = np.random.default_rng(0).normal(size=(300, 1))
    densities = RowDensities(as_points(TableEncoder().fit(X), X), [0.5], 0.2, np.random.RandomState(0))
    kept = X[densities.kept]
    cells = (np.array([[0.3], [4.0]]) - kept.mean()) / kept.std()
    expected = np.exp(-((cells - (kept.T - kept.mean()) / kept.std()) ** 2) / (2 * 0.5**2)).mean(axis=1)
    found = densities.log_densities(as_points(TableEncoder().fit(X), np.array([[0.3], [4.0]])))
    assert_allclose(found[:, 0], np.log(expected))


def test_the_density_of_a_column_integrates_to_one():
    X = np.random.default_rng(0).normal(size=(300, 1))
    encoder = TableEncoder().fit(X)
    densities = RowDensities(as_points(encoder, X), [0.5], 0.2, np.random.RandomState(0))
    grid = np.linspace(-50, 50, 20_001)[:, None]
    found = np.exp(densities.number_log_densities(as_points(encoder, grid)))[:, 0]
    assert_allclose(found.sum() * 0.005 / X[densities.kept].std(), 1, atol=0.01)


def test_holes_leave_the_density_of_a_column_alone():
    X = np.random.default_rng(0).normal(size=(1000, 1))
    holed = X.copy()
    holed[::2] = np.nan
    found = []
    for table in (X, holed):
        encoder = TableEncoder().fit(table)
        densities = RowDensities(as_points(encoder, table), [0.5], 0, np.random.RandomState(0))
        found.append(densities.number_log_densities(as_points(encoder, np.array([[0.0], [2.0]])))[:, 0])
    assert_allclose(*found, atol=0.2)


def test_a_number_whose_square_is_infinite_is_odd(knowing):
    odd = pairs(1, 1).assign(x=1e200)
    assert knowing.predict(odd) == [-1]


def test_no_row_is_left_out_of_few():
    X = np.arange(4.0)[:, None] ** 3
    densities = RowDensities(as_points(TableEncoder().fit(X), X), [1.5, 0.2], 0.2, np.random.RandomState(0))
    assert_array_equal(densities.kept, np.arange(4))


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"contamination": 0.6}, "contamination must be a finite number > 0 and <= 0.5, got 0.6"),
        ({"contamination": 0.0}, "contamination must be a finite number > 0"),
        ({"contamination": "some"}, "contamination must be a finite .*, got 'some' .*; or give \"auto\""),
        ({"trimmed_share": 0.6}, "trimmed_share must be a finite number >= 0 and <= 0.5, got 0.6"),
        ({"n_noise_levels": 0}, "n_noise_levels must be an integer >= 1, got 0"),
    ],
)
def test_bad_parameters_are_refused(people, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**parameters).fit(people)


def test_a_single_row_is_refused():
    with pytest.raises(ValueError, match="X has n_samples = 1, and nothing to compare it with"):
        make().fit([[1.0, 2.0]])


def test_infinite_numbers_are_refused(fitted, people):
    with pytest.raises(ValueError, match="X contains infinity, first in column 'income'"):
        fitted.score_samples(people.assign(income=np.inf))


def test_a_fit_that_fails_leaves_the_earlier_state(people):
    detector = make().fit(people)
    offset = detector.offset_
    with pytest.raises(ValueError, match="n_samples = 1"):
        detector.fit(people[:1])
    assert detector.offset_ == offset
    assert detector.predict(people).shape == (200,)
