"""DiffusionDenoiser: scikit-learn's contract, its linear start, what it learns, containers."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionDenoiser, DiffusionNoiser, _denoiser, _fitting
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled", "quick")

# A weight multiplies the loss of a row. Which rows are held out, and the noise of training, are drawn row by
# row, as are the mini-batches of MLPRegressor, of which scikit-learn expects the same.
BY_ROWS = "held-out rows, mini-batches and noise are drawn row by row"
EXPECTED = {f"check_sample_weight_equivalence_on_{kind}_data": BY_ROWS for kind in ("dense", "sparse")}
ESTIMATED = {"check_dict_unchanged": "the estimate is kept, as the noiser keeps its steps"}
N_COLUMNS = 5


def make(**parameters):
    return DiffusionDenoiser(**{"hidden_layer_sizes": (8,), "epochs": 1, "random_state": 0, **parameters})


def expected_failures(estimator):
    return EXPECTED | (ESTIMATED if isinstance(estimator.sigma, str) else {})


@pytest.fixture(scope="module")
def quick():
    """Watch few held-out rows: nothing here depends on how steady their loss is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fitting, "_N_HELD_OUT_DRAWS", 64)
        patch.setattr(_denoiser, "_N_EPOCH_STEPS", 1)
        yield


@parametrize_with_checks([make(), make(sigma=0.5)], expected_failed_checks=expected_failures)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# Normal rows: the linear start


@pytest.fixture(scope="module")
def normal():
    """2000 clean rows, and other noise in each column."""
    rng = np.random.default_rng(0)
    mean, loadings = 3 * rng.normal(size=N_COLUMNS), rng.normal(size=(N_COLUMNS, 2))
    rows = mean + rng.normal(size=(2000, 2)) @ loadings.T + 0.5 * rng.normal(size=(2000, N_COLUMNS))
    return rows, rng.normal(size=rows.shape)


@pytest.fixture(scope="module")
def untrained(uncompiled, quick, normal):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_denoiser, "_LEARNING_RATE", 1e-12)
        return make().fit(normal[0])


def posterior_means(denoiser, X, sigma):
    """Return the means of a normal distribution, row by row, given the known and noisy cells."""
    factors, std = denoiser.process_.factors, denoiser._std
    mean = denoiser._mean + std * factors.mean
    covariance = (factors.loadings @ factors.loadings.T + np.diag(factors.noise)) * np.outer(std, std)
    variances, means = np.broadcast_to(sigma, std.shape) ** 2, []
    for row in X:
        known = ~np.isnan(row)
        noisy = covariance[np.ix_(known, known)] + np.diag(variances[known])
        means.append(mean + covariance[:, known] @ np.linalg.solve(noisy, row[known] - mean[known]))
    return np.array(means)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 2.0, np.array([0, 0.1, 1, 3, 0.5])], ids=str)
@pytest.mark.parametrize("share_of_holes", [0, 0.3, 1])
def test_before_training_it_gives_the_means_of_the_normal_distribution(
    untrained, normal, sigma, share_of_holes
):
    rows, noise = (part[:60] for part in normal)
    X = np.where(np.random.default_rng(1).random(rows.shape) < share_of_holes, np.nan, rows + sigma * noise)
    cleaned = clone_fitted(untrained, sigma=sigma).transform(X)
    assert_allclose(cleaned, posterior_means(untrained, X, sigma), atol=1e-5)


def clone_fitted(denoiser, **parameters):
    return pickle.loads(pickle.dumps(denoiser)).set_params(**parameters)


def test_the_factor_model_is_that_of_the_rows(untrained, normal):
    factors, std = untrained.process_.factors, untrained._std
    covariance = (factors.loadings @ factors.loadings.T + np.diag(factors.noise)) * np.outer(std, std)
    assert_allclose(covariance, np.cov(normal[0].T), atol=0.02 * std.max() ** 2)


def test_cells_without_noise_stay_bit_for_bit(untrained, normal):
    rows, noise = normal
    levels = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    cleaned = clone_fitted(untrained, sigma=levels).transform(rows + levels * noise)
    assert_array_equal(cleaned[:, levels == 0], rows[:, levels == 0])
    assert (cleaned[:, levels > 0] != (rows + levels * noise)[:, levels > 0]).all()


def test_the_noise_level_of_each_column_is_estimated(untrained, normal):
    rows, noise = normal
    levels = np.array([0.5, 1.0, 1.0, 2.0, 3.0])
    denoiser = clone_fitted(untrained)
    cleaned = denoiser.transform(rows + levels * noise)
    assert_allclose(denoiser.sigma_, levels, rtol=0.06)
    assert_allclose(cleaned, clone_fitted(untrained, sigma=denoiser.sigma_).transform(rows + levels * noise))


def test_the_estimate_needs_no_complete_row(untrained, normal):
    rows, noise = normal
    X = rows + 2 * noise
    X[np.random.default_rng(1).random(X.shape) < 0.3] = np.nan
    denoiser = clone_fitted(untrained)
    assert np.isfinite(denoiser.transform(X)).all()
    assert_allclose(denoiser.sigma_, 2, rtol=0.08)


def test_the_estimate_of_clean_rows_is_small(untrained, normal):
    denoiser = clone_fitted(untrained)
    denoiser.transform(normal[0])
    assert (denoiser.sigma_ < 0.15).all()


def test_a_table_without_a_known_cell_is_refused():
    with pytest.raises(ValueError, match="X has no known cell"):
        make().fit(pd.DataFrame({"n": [np.nan] * 5, "s": pd.Series([None] * 5, dtype=object)}))


@pytest.mark.parametrize("value", [7.0, 1e-4])
def test_a_column_that_never_changed_loses_its_noise(value):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.full(100, value), rng.normal(size=(100, 2))])
    cleaned = make(sigma=1.0).fit(X).transform(X + rng.normal(size=X.shape))
    assert_allclose(cleaned[:, 0], value, atol=0.01)
    assert np.isfinite(cleaned).all()


# What is learnt


@pytest.fixture(scope="module")
def ring():
    """Points on a circle, and noise: what is normal about them tells nothing."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 2000)
    rows = np.column_stack([np.cos(angle), np.sin(angle)])
    return rows, 0.3 * rng.normal(size=rows.shape)


def test_it_beats_every_linear_filter_where_rows_are_not_normal(ring):
    rows, noise = ring
    denoiser = make(sigma=0.3, epochs=60, hidden_layer_sizes=(64, 64)).fit(rows[:1500])
    cleaned = denoiser.transform((rows + noise)[1500:])
    linear = (rows + noise)[1500:] * 0.5 / (0.5 + 0.3**2)
    error, linear_error = (np.mean((each - rows[1500:]) ** 2) for each in (cleaned, linear))
    assert error < 0.8 * linear_error


@pytest.fixture(scope="module")
def noisy_only():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(4000, 1)) + 0.2 * rng.normal(size=(4000, 6))
    return clean, clean + 0.7 * rng.normal(size=clean.shape)


@pytest.fixture(scope="module")
def blind(uncompiled, quick, noisy_only):
    return make(self_supervised=True, epochs=10).fit(noisy_only[1][:2000])


def test_without_clean_rows_errors_differ_by_the_variance_of_the_noise(blind, noisy_only):
    clean, noisy = (rows[2000:] for rows in noisy_only)
    found = blind.transform(noisy)
    # Cell by cell the difference is noise^2 plus a product of noise and error, whose mean is 0.
    difference = ((noisy - found) ** 2 - (clean - found) ** 2 - 0.7**2).mean(axis=1)
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(difference))


def test_without_clean_rows_it_comes_near_the_best_estimate(blind, noisy_only):
    clean, noisy = (rows[2000:] for rows in noisy_only)
    others = (noisy.sum(axis=1, keepdims=True) - noisy) / 5
    best = np.mean((others / (1 + (0.2**2 + 0.7**2) / 5) - clean) ** 2)
    assert np.mean((blind.transform(noisy) - clean) ** 2) < 1.03 * best


def test_without_clean_rows_a_cell_does_not_enter_its_own_estimate(blind, noisy_only):
    rows = noisy_only[1][:20].copy()
    before = blind.transform(rows)
    rows[:, 2] += 5
    after = blind.transform(rows)
    assert_array_equal(after[:, 2], before[:, 2])
    assert (after[:, 0] != before[:, 0]).all()


# Categories


@pytest.fixture(scope="module")
def words():
    """A number, and two columns of words that tell its sign."""
    x = np.random.default_rng(0).normal(size=2000)
    sign = np.where(x > 0, "plus", "minus")
    return pd.DataFrame({"x": x, "sign": sign, "again": pd.Categorical(np.char.upper(sign))})


@pytest.fixture(scope="module")
def reading(uncompiled, quick, words):
    return make(sigma=0.1, epochs=30, hidden_layer_sizes=(32,)).fit(words)


def test_flipped_categories_are_corrected(reading, words):
    noiser = DiffusionNoiser(0.7, 1, categorical_features=["sign"], random_state=0)  # redraws a third
    flipped = words.assign(sign=noiser.fit(words[["sign"]]).transform(words[["sign"]])["sign"])
    cleaned = clone_fitted(reading, flip_probability=0.33).transform(flipped)
    before, after = ((table["sign"] == words["sign"]).mean() for table in (flipped, cleaned))
    assert before < 0.87
    assert after > 0.97


def test_categories_stay_without_flips_and_missing_ones_are_filled(reading, words):
    holes = words.assign(sign=words["sign"].where(np.arange(2000) % 3 > 0))
    cleaned = reading.transform(holes)
    known = holes["sign"].notna()
    assert_array_equal(cleaned["sign"][known], holes["sign"][known])
    assert (cleaned["sign"] == words["sign"])[~known].mean() > 0.97


def test_categories_tell_about_numbers(reading, words):
    cleaned = clone_fitted(reading, sigma=1.0).transform(words.assign(x=0.0))
    assert_allclose(cleaned.groupby("sign")["x"].mean().abs(), 0.56, atol=0.2)


def test_categories_that_training_did_not_have_stay(reading, words):
    odd = words.assign(sign="both")
    assert (clone_fitted(reading, flip_probability=0.5).transform(odd)["sign"] == "both").all()


@pytest.mark.parametrize("self_supervised", [False, True])
def test_a_table_of_categories_alone_is_cleaned(self_supervised):
    words = pd.DataFrame({"a": ["x", "y", None, "x"] * 20, "b": ["x", "y", "y", None] * 20})
    denoiser = make(flip_probability=0.1, self_supervised=self_supervised).fit(words)
    assert not denoiser.transform(words).isna().any(axis=None)


def test_rare_categories_that_share_a_code_are_not_mistaken_for_each_other():
    names = pd.DataFrame({"name": np.repeat([f"name {i}" for i in range(40)], 3), "x": np.arange(120.0)})
    denoiser = make(sigma=0.1, flip_probability=0.01).fit(names)
    assert_array_equal(denoiser.transform(names)["name"], names["name"])


# Containers


@pytest.fixture(scope="module")
def people():
    table = make_mixed_table(200, random_state=0)
    return table.mask(np.random.default_rng(0).random(table.shape) < 0.1)


@pytest.fixture(scope="module")
def fitted(uncompiled, quick, people):
    return make(sigma=1.0).fit(people)


def test_a_mixed_table_comes_back_without_holes(fitted, people):
    people = people.set_index(pd.Index(range(7, 207)))
    cleaned = fitted.transform(people)
    assert list(cleaned) == list(people)
    assert_array_equal(cleaned.index, people.index)
    assert not cleaned.isna().any(axis=None)
    assert cleaned["age"].dtype == cleaned["income"].dtype == float
    assert cleaned["region"].dtype == people["region"].dtype


def test_polars_frames_come_back(people):
    X = pl.from_pandas(people)
    cleaned = make().fit(X).transform(X)
    assert isinstance(cleaned, pl.DataFrame)
    assert cleaned.columns == X.columns
    assert cleaned.null_count().sum_horizontal().item() == 0


def test_integers_become_floats(normal):
    X = np.round(normal[0]).astype(int)
    words = ["a", "b"] * 1000
    assert make().fit_transform(X).dtype == float
    cleaned = make().fit_transform(pd.DataFrame({"n": X[:, 0], "word": words}))
    assert cleaned["n"].dtype == float
    nullable = pd.DataFrame({"n": pd.array(X[:, 0], dtype="Int64"), "word": words})
    assert make().fit_transform(nullable)["n"].dtype == "Float64"


def test_categories_that_are_numbers_stay_what_they_are(normal):
    X = pd.DataFrame({"area": np.resize([10115, 20095, 50667], 200), "price": normal[0][:200, 0]})
    denoiser = make(sigma=0.1, categorical_features=["area"]).fit(X)
    assert_array_equal(denoiser.transform(X)[:, 0], X["area"])
    holed = X.assign(area=X["area"].where(X["price"] > 0))
    cleaned = denoiser.set_output(transform="pandas").transform(holed)["area"]
    assert cleaned.dtype == X["area"].dtype
    assert_array_equal(cleaned[X["price"] > 0], X["area"][X["price"] > 0])
    assert cleaned.isin(X["area"]).all()


def test_single_precision_stays(normal):
    X = normal[0].astype(np.float32)
    assert make().fit_transform(X).dtype == np.float32


def test_a_frame_of_numbers_becomes_an_array_unless_asked_for(people):
    X = people[["age", "income"]]
    cleaned = make().fit_transform(X)
    assert isinstance(cleaned, np.ndarray)
    frame = make().set_output(transform="pandas").fit_transform(X)
    assert_array_equal(frame, cleaned)
    assert list(frame) == ["age", "income"]


def test_a_column_of_which_nothing_is_known_is_filled_with_zero():
    X = np.column_stack([np.full(40, np.nan), np.arange(40.0)])
    assert_array_equal(make(sigma=0.1).fit(X).transform(X)[:, 0], 0)


def test_rows_are_cleaned_one_by_one(fitted, people):
    cleaned = fitted.transform(people)
    assert_frame_equal(fitted.transform(people[50:53]), cleaned[50:53])


# Seeds, weights, pipelines


def test_results_repeat_with_a_seed(fitted, people):
    assert_frame_equal(make(sigma=1.0).fit(people).transform(people), fitted.transform(people))
    other = make(sigma=1.0, random_state=1).fit(people).transform(people)
    assert not other.equals(fitted.transform(people))


def test_it_can_be_pickled(fitted, people):
    assert_frame_equal(pickle.loads(pickle.dumps(fitted)).transform(people), fitted.transform(people))


def test_rows_of_no_weight_are_not_learnt(people):
    odd = people.assign(age=people["age"] * 1000)
    both = pd.concat([people, odd], ignore_index=True)
    weight = np.repeat([1.0, 0.0], len(people))
    model = make(sigma=1.0).fit(both, sample_weight=weight)
    assert_allclose(model._mean, make(sigma=1.0).fit(people)._mean)


def test_it_stands_before_a_regression_in_a_pipeline(normal):
    rows, noise = normal
    model = make_pipeline(make(), LinearRegression())
    scores = cross_val_score(model, rows[:300] + 0.1 * noise[:300], rows[:300].sum(axis=1), cv=2)
    assert (scores > 0.9).all()


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sigma": "large"}, "sigma must be 'auto', a number or a list of numbers, got 'large'"),
        ({"sigma": "0.1"}, "sigma must be 'auto', a number or a list of numbers, got '0.1'"),
        ({"sigma": -1.0}, "sigma must be a finite number >= 0"),
        ({"sigma": [0.1, np.nan]}, "each of sigma must be a finite number >= 0"),
        ({"sigma": [0.1]}, r"sigma has shape \(1,\), but X has 2 numeric columns"),
        ({"sigma": {}}, "sigma must be 'auto', a number or a list of numbers"),
        ({"flip_probability": 1.0}, "flip_probability must be a finite number >= 0 and < 1"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes must be a tuple"),
        ({"epochs": 0}, "epochs must be an integer >= 1"),
        ({"epochs": "10"}, "epochs must be an integer >= 1, got '10' of type str; or give \"auto\"."),
        ({"max_time": 0}, "max_time must be a finite number > 0"),
        ({"self_supervised": "yes"}, "self_supervised must be one of"),
        ({"self_supervised": True, "sigma": 0.1}, "self_supervised=True uses no noise level, got sigma=0.1"),
        ({"verbose": -1}, "verbose must be an integer >= 0"),
    ],
)
def test_bad_parameters_are_refused(people, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**parameters).fit(people[["age", "income", "job"]])


def test_infinite_numbers_are_refused(fitted, people):
    with pytest.raises(ValueError, match="X contains infinity, first in column 'income'"):
        fitted.transform(people.assign(income=np.inf))


def test_dates_are_refused(people):
    dated = people.assign(day=pd.Timestamp("2020-01-01"))
    with pytest.raises(ValueError, match=r"columns \['day'\] hold dates or times: convert them to numbers"):
        make().fit(dated)


def test_other_columns_are_refused(fitted, people):
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(people[people.columns[::-1]])


def test_a_fit_that_fails_leaves_the_earlier_state(fitted, people):
    model = clone_fitted(fitted)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(people.assign(income=np.inf))
    assert_frame_equal(model.transform(people), fitted.transform(people))
