"""DiffusionImputer: scikit-learn's contract, containers, and what it fills in."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionGenerator, DiffusionImputer
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")


def small(**parameters):
    defaults = {"epochs": 1, "hidden_layer_sizes": (8,), "batch_size": 64, "early_stopping": False}
    return DiffusionGenerator(**{**defaults, **parameters})


def make(generator=None, **parameters):
    return DiffusionImputer(generator=generator or small(), **{"random_state": 0, **parameters})


@parametrize_with_checks([make(small(hidden_layer_sizes=(4,)), n_draws=n) for n in (None, 2)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def people():
    table = make_mixed_table(200, random_state=0)
    holes = np.random.default_rng(0).random(table.shape) < 0.2
    return table.astype({"employed": "boolean", "age": "float64"}).mask(holes)


@pytest.fixture(scope="module")
def fitted(uncompiled, people):
    return make().fit(people)


@pytest.fixture(scope="module")
def pairs():
    """Two columns of which one is minus the other, a class that is their sign, and holes in all of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    table = pd.DataFrame({"x": x, "minus_x": -x, "sign": np.where(x > 0, "plus", "minus")})
    holes = rng.random(table.shape) < 0.2
    holes[holes.all(axis=1)] = False
    return table, table.mask(holes)


@pytest.fixture(scope="module")
def knowing(uncompiled, pairs):
    generator = small(epochs=30, hidden_layer_sizes=(64, 64), learning_rate=5e-3, batch_size=128)
    return make(generator).fit(pairs[1])


def assert_kept(filled, table):
    """Compare the known cells of a table, bit for bit."""
    assert_array_equal(filled.index, table.index)
    for name in table:
        known = table[name].notna()
        assert_series_equal(filled[name][known], table[name][known])


def test_known_cells_stay_and_no_cell_is_missing(fitted, people):
    people = people.set_index(pd.Index(range(7, 207)))
    filled = fitted.transform(people)
    assert_kept(filled, people)
    assert not filled.isna().any(axis=None)
    assert filled.dtypes.equals(people.dtypes)


def test_rows_of_fit_are_not_needed_again(fitted):
    table = make_mixed_table(30, random_state=1).astype({"employed": "boolean", "age": "float64"})
    table.loc[::2, "age"] = np.nan
    filled = fitted.transform(table)
    assert filled["age"].between(18, 90).all()
    assert_kept(filled, table)


def test_what_is_filled_in_follows_from_the_rest_of_the_row(knowing, pairs):
    full, holes = pairs
    filled = knowing.transform(holes)
    numbers = holes["x"].isna() & holes["minus_x"].notna()
    assert np.sqrt(np.mean((filled["x"] - full["x"])[numbers] ** 2)) < 0.15  # of 1
    signs = holes["sign"].isna() & (full["x"].abs() > 0.3) & (holes["x"].notna() | holes["minus_x"].notna())
    assert (filled["sign"] == full["sign"])[signs].mean() > 0.97


def test_a_single_draw_has_the_spread_of_true_cells(knowing):
    nothing_but_signs = pd.DataFrame({"x": np.nan, "minus_x": np.nan, "sign": ["plus", "minus"] * 500})
    means = knowing.transform(nothing_but_signs)
    draws = clone(knowing).set_params(generator=FrozenEstimator(knowing.generator_), sample_posterior=True)
    draws = draws.fit(nothing_but_signs).transform(nothing_but_signs)
    assert_allclose(np.abs(draws["x"]).mean(), np.sqrt(2 / np.pi), atol=0.06)
    assert_allclose(draws["x"].std(), 1, atol=0.08)
    assert means["x"][::2].std() < 0.4 < draws["x"][::2].std()
    # The cells of one row go together.
    assert np.corrcoef(draws["x"], draws["minus_x"])[0, 1] < -0.95


def test_without_draws_it_gives_what_many_draws_tend_to(knowing, pairs):
    _, table = pairs
    table = table[table.isna().sum(axis=1) == 1][:60].reset_index(drop=True)
    filled = knowing.transform(table)
    draws = knowing.sample(table, n_imputations=300)
    for name in ("x", "minus_x"):
        holes = table[name].isna()
        drawn = np.stack([draw[name][holes] for draw in draws])
        # Quantiles are looked up a hundredth of a standard deviation apart.
        allowed = 5 * drawn.std(axis=0) / np.sqrt(300) + 0.005
        assert (np.abs(filled[name][holes] - drawn.mean(axis=0)) < allowed).all()
    holes = table["sign"].isna()
    share = np.stack([draw["sign"][holes] == filled["sign"][holes] for draw in draws]).mean(axis=0)
    assert (share > 0.4).all()


def test_without_draws_a_row_is_filled_the_same_anywhere(fitted, people):
    filled = fitted.transform(people)
    assert_frame_equal(fitted.transform(people[::-1])[::-1], filled)
    assert_frame_equal(fitted.transform(people[50:53]), filled[50:53])


def test_a_generator_that_has_to_draw_draws(pairs):
    table = pairs[1][:200]
    imputer = make(small(process="gaussian", n_sampling_steps=4)).fit(table)
    filled = imputer.transform(table)
    assert not filled.isna().any(axis=None)
    assert_frame_equal(clone(imputer).set_params(n_draws=10).fit(table).transform(table), filled)


def test_imputations_differ_in_drawn_cells_alone(knowing, pairs):
    holes = pairs[1][:50]
    first, second = knowing.sample(holes, n_imputations=2)
    assert_frame_equal(first.where(holes.notna()), second.where(holes.notna()))
    assert not first.equals(second)
    assert_frame_equal(first, knowing.sample(holes, n_imputations=1)[0])


def test_results_repeat_with_a_seed(fitted, people):
    assert_frame_equal(fitted.transform(people), fitted.transform(people))
    other = make().fit(people)
    assert_frame_equal(fitted.transform(people), other.transform(people))
    assert not fitted.transform(people).equals(make(random_state=1).fit(people).transform(people))


def test_it_can_be_pickled(fitted, people):
    assert_frame_equal(pickle.loads(pickle.dumps(fitted)).transform(people), fitted.transform(people))


# The generator


def test_a_frozen_generator_is_not_trained(fitted, people):
    generator = fitted.generator_
    before = [weight.copy() for weight in generator.weights_]
    imputer = make(FrozenEstimator(generator)).fit(people[:10])
    assert imputer.generator_.estimator is generator
    assert_frame_equal(imputer.transform(people), fitted.transform(people))
    for weight, expected in zip(generator.weights_, before, strict=True):
        assert_array_equal(weight, expected)


def test_a_frozen_generator_that_was_fitted_with_labels_fills_rows(people):
    generator = small(random_state=0).fit(people, np.arange(200) % 2)
    assert not make(FrozenEstimator(generator)).fit_transform(people).isna().any(axis=None)


def test_a_frozen_generator_of_other_columns_is_refused(fitted, people):
    imputer = make(FrozenEstimator(fitted.generator_))
    for odd in (people.rename(columns={"age": "years"}), people[people.columns[::-1]], people[["age"]]):
        with pytest.raises(ValueError, match=r"the frozen generator learnt the columns \['age', .*, got \["):
            imputer.fit(odd)
    assert not hasattr(imputer, "generator_")


def test_a_frozen_generator_that_would_draw_the_stand_in_is_refused():
    X = np.random.default_rng(0).integers(-1, 3, (100, 3))
    with pytest.raises(ValueError, match="learnt -1 as a value, and would draw it"):
        make(FrozenEstimator(small().fit(X)), missing_values=-1).fit(X)


def test_a_table_without_a_known_cell_is_refused():
    with pytest.raises(ValueError, match="X has no known cell"):
        make().fit(np.full((20, 2), np.nan))


def test_a_column_that_was_empty_in_training_may_hold_cells_later():
    X = pd.DataFrame({"e": [np.nan] * 40, "s": ["x", "y"] * 20, "n": np.arange(40.0)})
    later = X.assign(e=1.5, n=np.nan)
    assert list(make().fit(X).transform(later)) == ["s", "n"]
    assert (make(keep_empty_features=True).fit(X).transform(later)["e"] == 1.5).all()


def test_a_generator_that_is_given_is_left_alone(people):
    generator = small()
    make(generator).fit(people)
    assert not hasattr(generator, "weights_")
    assert generator.random_state is None


def test_the_generators_own_random_state_counts(people):
    generator = small(random_state=3)
    assert make(generator).fit(people).generator_.random_state == 3


def test_nested_parameters_are_tuned(people):
    X = people[["age", "income"]]
    model = make_pipeline(make(), LinearRegression())
    search = GridSearchCV(model, {"diffusionimputer__generator__l2": [0.0, 0.1]}, cv=2).fit(X, np.arange(200))
    assert search.best_estimator_[0].generator_.l2 == search.best_params_["diffusionimputer__generator__l2"]
    assert search.predict(X).shape == (200,)


def test_it_stands_in_a_pipeline_before_encoders(people):
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer(
        (codes, ["education", "region", "employed", "job"]), remainder="passthrough"
    )
    model = make_pipeline(make(), encode, LinearRegression())
    assert np.isfinite(cross_val_score(model, people, np.arange(200), cv=2)).all()


# Containers


def test_an_array_of_numbers_comes_back_as_one():
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    X[::4, 1] = np.nan
    filled = make().fit_transform(X)
    assert filled.dtype == np.float32
    assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(filled).all()


def test_a_frame_of_numbers_becomes_an_array_unless_asked_for(people):
    X = people[["age", "income"]]
    filled = make().fit_transform(X)
    assert isinstance(filled, np.ndarray)
    assert filled.dtype == np.float64
    frame = make().set_output(transform="pandas").fit_transform(X)
    assert_array_equal(frame, filled)
    assert list(frame) == ["age", "income"]


@pytest.fixture(scope="module")
def areas():
    """A table of numbers, of which the first stand for categories."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({"area": rng.choice([10115, 20095, 50667], 60), "price": rng.normal(size=60)})


@pytest.fixture(scope="module")
def by_area(uncompiled, areas):
    return make(small(categorical_features=["area"])).fit(areas)


def test_categories_that_are_numbers_stay_what_they_are(by_area, areas):
    holed = areas.assign(price=areas["price"].where(areas["price"] > 0))
    assert_array_equal(by_area.transform(areas), areas)
    for filled in (by_area.transform(holed), *by_area.sample(holed, 2)):
        assert_array_equal(filled[:, 0], areas["area"])
    with_unseen = holed.assign(area=areas["area"].replace(10115, 1))
    assert_array_equal(by_area.transform(with_unseen)[:, 0], with_unseen["area"])


@pytest.mark.parametrize("dtype", ["float64", "Int64", "int64[pyarrow]", "polars", "polars floats"])
def test_holes_in_categories_that_are_numbers_are_filled(areas, by_area, dtype):
    holed = areas.astype({"area": "Int64" if dtype.startswith("polars") else dtype})
    holed.loc[::3, "area"] = None
    if dtype.startswith("polars"):
        holed = pl.from_pandas(holed, nan_to_null=False)
        holed = holed.with_columns(pl.col("area").cast(pl.Float64)) if "floats" in dtype else holed
        by_area = make(small(categorical_features=["area"])).fit(pl.from_pandas(areas))
    for filled in (by_area.transform(holed), *by_area.sample(holed, 2)):
        assert set(filled[::3, 0]) <= {10115, 20095, 50667}
        known = np.arange(60) % 3 > 0
        assert_array_equal(filled[known], areas[known])
    frame = clone(by_area).set_params(generator=FrozenEstimator(by_area.generator_))
    frame = frame.set_output(transform="pandas").fit(areas).transform(holed)
    assert frame["area"].dtype == "int64"
    assert_array_equal(frame["area"], by_area.transform(holed)[:, 0])


def test_a_frame_with_holes_is_filled_after_an_array_of_integers(areas):
    X = areas.round().astype(int).to_numpy()
    holed = pd.DataFrame(X).mask(np.random.default_rng(0).random(X.shape) < 0.3)
    filled = make(small(categorical_features=[0])).fit(X).transform(holed)
    assert set(filled[:, 0]) <= set(X[:, 0])
    assert_array_equal(filled[known := holed.notna().to_numpy()], X[known])


def test_fractions_may_stand_beside_categories_that_are_whole_numbers(by_area, areas):
    odd = areas.assign(area=areas["area"].where(areas["area"] > 10115, 0.5))
    odd.loc[:4, "price"] = np.nan
    assert_array_equal(by_area.transform(odd)[:, 0], odd["area"])


def test_whole_numbers_stay_whole_in_a_column_that_holds_no_others():
    X = pd.DataFrame({"n": pd.array([1, 2, None, 4] * 20, dtype="Int64"), "word": ["a", "b"] * 40})
    filled = make().fit_transform(X)
    assert filled["n"].dtype == "Int64"
    assert not filled["n"].isna().any()


def test_dates_and_durations_are_filled():
    days = pd.Series(pd.date_range("2020-01-01", periods=60))
    X = pd.DataFrame({"day": days, "span": days - days[0], "word": ["a", "b"] * 30})
    X.loc[::5, "day"] = pd.NaT
    X.loc[1::5, "span"] = pd.NaT
    filled = make().fit_transform(X)
    assert filled.dtypes.equals(X.dtypes)
    assert filled["day"].between(days.min(), days.max()).all()
    assert filled["span"].notna().all()
    assert_kept(filled, X)


def test_polars_frames_come_back(people):
    X = pl.from_pandas(people)
    filled = make().fit_transform(X)
    assert filled.schema == X.schema
    assert filled.null_count().sum_horizontal().item() == 0
    assert filled.filter(X["income"].is_not_null())["income"].equals(X["income"].drop_nulls())


def test_an_array_of_objects_comes_back():
    X = np.array([["a", 1.0], ["b", None], [None, 3.0], ["a", 4.0]] * 20, dtype=object)
    filled = make().fit_transform(X)
    assert filled.dtype == object
    assert set(filled[:, 0]) == {"a", "b"}
    assert all(1 <= cell <= 4 for cell in filled[:, 1])


def test_categories_that_a_table_lacks_can_be_filled_in(people):
    X = people[people["region"] != "north"][:40].copy()
    X["region"] = X["region"].cat.remove_unused_categories()
    X["region"] = X["region"].mask(np.arange(len(X)) % 2 == 0)
    assert not make().fit(people).transform(X)["region"].isna().any()


@pytest.mark.parametrize("dtype", [object, "category"])
def test_unseen_categories_stay_and_tell_nothing(fitted, people, dtype):
    X = people.assign(region=np.where(np.arange(200) % 2, "moon", "north"), income=np.nan)
    X["region"] = X["region"].astype(dtype)
    filled = fitted.transform(X)
    assert_array_equal(filled["region"], X["region"])
    assert not filled.isna().any(axis=None)
    unknown = fitted.transform(X.assign(region=X["region"].where(X["region"] != "moon")))
    assert_array_equal(filled["income"], unknown["income"])


@pytest.mark.parametrize("dtype", ["UInt64", "UInt8", "Int16"])
def test_means_of_integers_lie_between_them(dtype):
    X = pd.DataFrame({"n": pd.array([0, 10, None, 5] * 20, dtype=dtype), "word": ["a", "b"] * 40})
    filled = make(n_draws=5).fit_transform(X)
    assert filled["n"].dtype == dtype
    assert filled["n"].between(0, 10).all()


@pytest.mark.parametrize("hole", [None, np.nan])
def test_a_column_without_a_known_cell_has_the_dtype_of_training(fitted, people, hole):
    days = pd.Series(pd.date_range("2020-01-01", periods=40))
    X = pd.DataFrame({"word": ["x", "y"] * 20, "n": np.arange(40), "is": [True, False] * 20, "day": days})
    filled = make().fit(X).transform(pd.DataFrame({"word": [hole], "n": [hole], "is": [hole], "day": [hole]}))
    assert filled["word"][0] in ("x", "y")
    assert 0 <= filled["n"][0] <= 39
    assert filled["is"][0] in (True, False)
    assert days.min() <= filled["day"][0] <= days.max()


# Missing values


@pytest.mark.parametrize("as_frame", [True, False])
def test_another_number_may_stand_for_missing_cells(as_frame):
    X = np.arange(90).reshape(30, 3)
    X[::4, 1] = -1
    table = pd.DataFrame(X, columns=list("abc")) if as_frame else X
    filled = make(missing_values=-1).fit_transform(table)
    assert_array_equal(filled[X >= 0], X[X >= 0])
    assert (filled >= 0).all()


def test_a_stand_in_may_lie_between_values():
    X = np.random.default_rng(0).integers(-3, 3, (300, 2)) * 1000.0
    X[::7, 0] = -500
    assert np.isfinite(make(small(n_bins=8), missing_values=-500).fit_transform(X)).all()


def test_a_word_may_stand_for_missing_cells(people):
    X = people[["job", "age"]].assign(job=people["job"].fillna("?").astype(object))
    filled = make(missing_values="?").fit_transform(X)
    assert (filled["job"] != "?").all()
    assert filled.notna().all(axis=None)
    array = make(missing_values="?").fit_transform(X.to_numpy(dtype=object))
    assert (array[:, 0] != "?").all()


def test_indicators_tell_where_cells_were_missing(people):
    X = people[["age", "income"]].copy()
    X["age"] = X["age"].fillna(30)
    imputer = make(add_indicator=True).fit(X)
    assert_array_equal(imputer.get_feature_names_out(), ["age", "income", "missingindicator_income"])
    filled = imputer.transform(X)
    assert_array_equal(filled[:, 2], X["income"].isna())
    frame = imputer.set_output(transform="pandas").transform(X)
    assert_array_equal(frame["missingindicator_income"], X["income"].isna())


def test_indicators_stand_beside_mixed_columns(people):
    X = people[["job", "age"]]
    filled = make(add_indicator=True).fit_transform(X)
    assert list(filled) == ["job", "age", "missingindicator_job", "missingindicator_age"]
    assert_array_equal(filled["missingindicator_job"], X["job"].isna())


@pytest.mark.parametrize("keep", [True, False])
def test_columns_of_which_nothing_is_known(keep):
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] = np.nan
    X[::3, 2] = np.nan
    imputer = make(keep_empty_features=keep).fit(X)
    filled = imputer.transform(X)
    assert filled.shape == (40, 3 if keep else 2)
    assert np.isfinite(filled).all()
    if keep:
        assert_array_equal(filled[:, 1], 0)
    assert_array_equal(imputer.get_feature_names_out(), ["x0", "x1", "x2"] if keep else ["x0", "x2"])


def test_a_complete_table_stays_as_it_is(fitted, people):
    X = people.dropna()
    assert_frame_equal(fitted.transform(X), X)


def test_holes_in_columns_that_had_none_in_training_are_filled():
    X = np.random.default_rng(0).normal(size=(60, 2))
    imputer = make().fit(X)
    holes = X.copy()
    holes[:, 0] = np.nan
    filled = imputer.transform(holes)
    assert np.isfinite(filled).all()
    assert X[:, 0].min() <= filled[:, 0].min() <= filled[:, 0].max() <= X[:, 0].max()


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"missing_values": [-1, -2]}, "missing_values must be a number, a string or None"),
        ({"n_draws": 0}, "n_draws must be an integer >= 1, got 0; or give None"),
        ({"sample_posterior": "yes"}, "sample_posterior must be"),
        ({"add_indicator": 2}, "add_indicator must be"),
        ({"keep_empty_features": None}, "keep_empty_features must be"),
    ],
)
def test_bad_parameters_are_refused(people, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**parameters).fit(people)


def test_infinite_numbers_are_refused_also_in_complete_rows(fitted, people):
    X = people.dropna().assign(income=np.inf)
    with pytest.raises(ValueError, match="X contains infinity, first in column 'income'"):
        fitted.transform(X)


def test_other_columns_are_refused(fitted, people):
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(people[people.columns[::-1]])


def test_a_number_of_imputations_is_at_least_one(fitted, people):
    with pytest.raises(ValueError, match="n_imputations must be an integer >= 1, got 0"):
        fitted.sample(people, n_imputations=0)


def test_another_estimator_is_no_generator(people):
    for wrong in (LinearRegression(), FrozenEstimator(LinearRegression()), "masked"):
        with pytest.raises(TypeError, match="generator must be None, a DiffusionGenerator, or a Frozen"):
            make(wrong).fit(people)
