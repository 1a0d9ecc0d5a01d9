"""DiffusionGenerator: the scikit-learn contract, and the laws of its docstring."""

import copy
import pickle
import random
import time
from contextlib import contextmanager
from functools import cache
from inspect import signature

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionGenerator, _blocks, _fitting, _generator, _masked, _masked_network, _training
from skdiffusion._training import compiled as really_compiled
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import shape_error, trend_error

pytestmark = pytest.mark.usefixtures("uncompiled")

NO_RATE = 1e-30  # leaves float32 weights as they are: those of the training frequencies

# Seeds are fixed: a test of frequencies fails by chance at one in a thousand seeds, and so for none of these.
SIGNIFICANCE = 1e-3


def make(**parameters):
    defaults = {"epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 64, "random_state": 0}
    return DiffusionGenerator(**{**defaults, **parameters})


@contextmanager
def quickly():
    """Train for a step or two only, and make no graph of it: what is learnt does not matter."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_training, _masked_network):
            patch.setattr(module, "compiled", lambda function: function)
        patch.setattr(_training, "borrow", _training._Pool(4).borrow)
        patch.setattr(_generator, "_N_EPOCH_STEPS", 1)
        yield


@pytest.fixture
def quick():
    with quickly():
        yield


# From scikit-learn 1.8 on, a check that passes though it is expected to fail can be made an error.
STRICT = {"xfail_strict": True} if "xfail_strict" in signature(parametrize_with_checks).parameters else {}


@parametrize_with_checks(
    [
        DiffusionGenerator(
            epochs=1, hidden_layer_sizes=(4,), batch_size=64, early_stopping=False, random_state=0
        )
    ],
    **STRICT,
)
def test_scikit_learn_contract(estimator, check, quick):
    check(estimator)


@pytest.fixture(scope="module")
def people():
    return make_mixed_table(200, random_state=0)


@pytest.fixture(scope="module")
def labels(people):
    return np.where(np.random.default_rng(0).random(len(people)) < 0.3, "yes", "no")


@pytest.fixture(scope="module")
def fitted(uncompiled, people):
    return make().fit(people)


@pytest.fixture(scope="module")
def fitted_with_labels(uncompiled, people, labels):
    return make().fit(people, labels)


@pytest.fixture(scope="module")
def trained(uncompiled):
    """A generator that has learnt something, and rows that it has not seen."""
    table = make_mixed_table(5000, random_state=0)
    parameters = {"hidden_layer_sizes": (64, 64), "epochs": 40, "learning_rate": 0.01}
    return make(**parameters).fit(table[:1000], table["employed"][:1000]), table[1000:]


def assert_same_state(model, other):
    """Compare all that was learnt, bit for bit."""
    assert model.history_ == other.history_
    for array, other_array in zip(model.weights_, other.weights_, strict=True):
        assert_array_equal(array, other_array)


# Containers and dtypes


def pandas_table():
    rng = np.random.default_rng(0)
    n = 120

    def holes(values, dtype):
        return pd.Series(pd.array([None if hole else value for value, hole in values], dtype=dtype))

    def with_holes(values):
        return list(zip(values.tolist(), rng.random(n) < 0.2, strict=True))

    numbers, codes = rng.normal(50, 20, n), rng.integers(0, 3, n)
    words = np.array(["low", "mid", "high"], dtype=object)[codes]
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, n), "D")
    return pd.DataFrame(
        {
            "float64": numbers,
            "cents": numbers.round(2),
            "float32": numbers.astype(np.float32),
            "with holes": np.where(codes == 1, np.nan, numbers.round(1)),
            "int64": numbers.astype(int) * 5,
            "int8": codes.astype(np.int8) - 1,
            "uint16": (numbers**2).astype(np.uint16),
            "Int64": holes(with_holes(numbers.astype(int)), "Int64"),
            "Float32": holes(with_holes(numbers), "Float32"),
            "bool": codes == 0,
            "boolean": holes(with_holes(codes == 0), "boolean"),
            "ordered": pd.Categorical(words, ["low", "mid", "unused", "high"], ordered=True),
            "category": pd.Categorical.from_codes(np.where(codes == 2, -1, codes), ["z", "a", "m"]),
            "object": pd.Series(np.where(codes == 0, None, words), dtype=object),
            "string": pd.array(words, "string"),
            "string[pyarrow]": pd.array(words, "string[pyarrow]"),
            "int64[pyarrow]": holes(with_holes(codes), "int64[pyarrow]"),
            "datetime": days,
            "zoned": days.tz_localize("Europe/Berlin").as_unit("us"),
            "timedelta": pd.Series(rng.integers(0, 10**6, n).astype("m8[ms]")),
        }
    )


def polars_table():
    table = pandas_table()
    words = [word if isinstance(word, str) else None for word in table["object"]]
    return pl.DataFrame(
        {
            "Float64": table["with holes"].tolist(),
            "Float32": pl.Series(table["float32"].to_numpy()),
            "Int8": pl.Series(table["int8"].to_numpy()),
            "UInt16": pl.Series(table["uint16"].to_numpy()),
            "Decimal": pl.Series(table["cents"].tolist()).cast(pl.Decimal(10, 2)),
            "Boolean": table["bool"].tolist(),
            "String": words,
            "Categorical": pl.Series(words, dtype=pl.Categorical),
            "Enum": pl.Series(words, dtype=pl.Enum(["high", "mid", "unused", "low"])),
            "Date": table["datetime"].dt.date.tolist(),
            "Datetime": pl.Series(table["datetime"].tolist()),
            "Duration": pl.Series(table["timedelta"].tolist(), dtype=pl.Duration("ms")),
        }
    )


def assert_like(drawn, real):
    """Check that the cells of a drawn column could be real ones."""
    real, drawn = (pd.Series(column) for column in (real, drawn))
    assert real.isna().any() or not drawn.isna().any()
    real, drawn = real.dropna(), drawn.dropna()
    if not len(real):
        assert not len(drawn)
    elif isinstance(real.iloc[0], bool | np.bool_ | str):
        assert set(drawn) <= set(real)
    else:
        assert drawn.min() >= real.min()
        assert drawn.max() <= real.max()


@pytest.fixture(scope="module")
def drawn_frames(uncompiled):
    tables = {"pandas": pandas_table(), "polars": polars_table()}
    with quickly():
        return {
            name: (table, make(epochs=1).fit(table).sample(400, random_state=0))
            for name, table in tables.items()
        }


def test_pandas_tables_keep_dtypes_and_categories(drawn_frames):
    real, drawn = drawn_frames["pandas"]
    assert isinstance(drawn, pd.DataFrame)
    assert drawn.dtypes.equals(real.dtypes)
    assert drawn.columns.equals(real.columns)
    assert drawn.index.equals(pd.RangeIndex(400))


@pytest.mark.parametrize("name", pandas_table().columns)
def test_drawn_pandas_cells_could_be_real(drawn_frames, name):
    real, drawn = drawn_frames["pandas"]
    assert_like(drawn[name], real[name])
    assert drawn[name].nunique() > 1


def test_numbers_are_drawn_on_their_grid(drawn_frames):
    _, drawn = drawn_frames["pandas"]
    assert_array_equal(drawn["cents"], drawn["cents"].round(2))
    assert_array_equal(drawn["with holes"], drawn["with holes"].round(1))
    assert (drawn["int64"] % 5 == 0).all()
    assert (drawn["datetime"] == drawn["datetime"].dt.normalize()).all()


def test_polars_tables_keep_dtypes_and_categories(drawn_frames):
    real, drawn = drawn_frames["polars"]
    assert isinstance(drawn, pl.DataFrame)
    assert drawn.schema == real.schema
    assert drawn.shape == (400, real.width)


@pytest.mark.parametrize("name", polars_table().columns)
def test_drawn_polars_cells_could_be_real(drawn_frames, name):
    real, drawn = drawn_frames["polars"]
    assert_like(drawn[name].to_list(), real[name].to_list())
    assert drawn[name].n_unique() > 1


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).normal(size=(60, 2)),
        np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32),
        np.random.default_rng(0).normal(size=(60, 2)).astype(np.float16),
        np.random.default_rng(0).integers(-300, 300, size=(60, 2)),
        np.random.default_rng(0).integers(0, 2, size=(60, 2)).astype(bool),
        np.random.default_rng(0).choice(["a", "b", "cc"], size=(60, 2)),
        np.random.default_rng(0).choice(np.array(["a", None, "cc"], dtype=object), size=(60, 2)),
        np.column_stack(
            [
                np.random.default_rng(0).normal(size=60).astype(object),
                np.random.default_rng(0).choice(["a", "b"], 60),
            ]
        ),
        np.random.default_rng(0).integers(0, 10**4, size=(60, 2)).astype("M8[D]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_keep_their_dtype(array, quick):
    drawn = make(epochs=1, early_stopping=False).fit(array).sample(70, random_state=0)
    assert isinstance(drawn, np.ndarray)
    assert drawn.dtype == array.dtype
    assert drawn.shape == (70, 2)
    for column, real in zip(drawn.T, array.T, strict=True):
        assert_like(column, real)


def test_a_list_of_rows_is_a_table(people, quick):
    drawn = make(epochs=1).fit(people.to_numpy().tolist()).sample(3, random_state=0)
    assert drawn.shape == (3, 7)
    assert drawn.dtype == object


def test_integers_may_be_categories(people, quick):
    drawn = make(epochs=1, categorical_features=["age"]).fit(people).sample(200, random_state=0)
    assert set(drawn["age"]) <= set(people["age"])
    assert drawn["age"].dtype == people["age"].dtype


def test_fit_and_sample_leave_their_input_as_it_was(people, labels, quick):
    X, y, weight = people.copy(), labels.copy(), np.arange(200) % 3
    model = make(epochs=1).fit(X, y, sample_weight=weight)
    model.sample(y=y, random_state=0)
    model.score(X, y)
    assert_frame_equal(X, people)
    assert_array_equal(y, labels)
    assert_array_equal(weight, np.arange(200) % 3)


# Draws


def test_no_rows_are_an_empty_table(fitted, people):
    drawn = fitted.sample(0)
    assert drawn.shape == (0, 7)
    assert drawn.dtypes.equals(people.dtypes)


def test_a_seed_gives_the_same_rows(fitted):
    assert_frame_equal(fitted.sample(20, random_state=3), fitted.sample(20, random_state=3))
    assert not fitted.sample(20, random_state=3).equals(fitted.sample(20, random_state=4))


@pytest.mark.parametrize("n_rows", [1, 20, 1030])
def test_the_first_rows_are_the_same_however_many_follow(fitted, n_rows):
    many = fitted.sample(2100, random_state=0)
    assert_frame_equal(fitted.sample(n_rows, random_state=0), many[:n_rows])


def test_the_first_rows_are_the_same_also_where_categories_share_codes(quick):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 50, size=(200, 3)).astype(str)
    model = make(epochs=1, max_categories=4).fit(table, table[:, 0])
    few, many = model.sample(30, random_state=0), model.sample(300, random_state=0)
    assert len(np.unique(many[0][:, 0])) > 4
    for array, longer in zip(few, many, strict=True):
        assert_array_equal(array, longer[:30])


def test_without_a_seed_draws_differ(fitted):
    assert not fitted.sample(20).equals(fitted.sample(20))


def test_a_random_state_instance_goes_on(fitted):
    def two_draws():
        source = np.random.RandomState(0)
        return fitted.sample(20, random_state=source), fitted.sample(20, random_state=source)

    (first, second), (same, also) = two_draws(), two_draws()
    assert not first.equals(second)
    assert_frame_equal(first, same)
    assert_frame_equal(second, also)


def test_one_row_is_drawn_by_default(fitted):
    assert fitted.sample().shape == (1, 7)


def test_parameters_set_after_fit_do_not_change_the_draws(fitted):
    model = copy.deepcopy(fitted)
    model.set_params(hidden_layer_sizes=(4, 4), n_bins=3, dropout=0.5, categorical_features=[0])
    assert_frame_equal(model.sample(20, random_state=0), fitted.sample(20, random_state=0))


# Randomness of fit


def test_a_fit_with_a_seed_can_be_repeated(people, fitted):
    model = make().fit(people)
    assert_same_state(model, fitted)
    assert_same_state(model.fit(people), fitted)


def test_another_seed_gives_another_fit(people, fitted):
    other = make(random_state=1).fit(people)
    assert np.abs(other.weights_[0] - fitted.weights_[0]).max() > 1e-3


def test_without_a_seed_fits_differ(people, quick):
    first, second = (make(random_state=None, epochs=1).fit(people).weights_[0] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


def test_global_random_states_are_left_alone(people, fresh_pool):
    def states():
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002
        return random.getstate(), kind, keys.tolist(), rest

    before = states()
    tf.random.set_seed(0)
    expected = [float(tf.random.uniform(())) for _ in range(2)]
    tf.random.set_seed(0)
    drawn = [float(tf.random.uniform(()))]
    model = make().fit(people)
    model.sample(5, random_state=0)
    model.sample(5)
    model.score(people)
    drawn.append(float(tf.random.uniform(())))
    assert drawn == expected
    assert states() == before


# With y

TARGETS = {
    "str": lambda labels: labels,
    "int": lambda labels: (labels == "yes") * 7,
    "bool": lambda labels: labels == "yes",
    "object": lambda labels: np.where(labels == "yes", None, labels.astype(object)),
    "float": lambda labels: np.linspace(0.005, 1, len(labels)).round(3),
    "float with holes": lambda labels: np.where(labels == "yes", np.nan, np.linspace(0.005, 1, len(labels))),
    "list": lambda labels: labels.tolist(),
    "series": lambda labels: pd.Series(labels, name="label", index=np.arange(len(labels))[::-1]),
    "unnamed": lambda labels: pd.Series(labels == "yes"),
    "category": lambda labels: pd.Series(pd.Categorical(labels, ["yes", "maybe", "no"])),
    "nullable": lambda labels: pd.Series(labels == "yes", dtype="Int64"),
    "date": lambda labels: pd.Series(pd.date_range("2020-01-01", periods=len(labels))),
    "polars": lambda labels: pl.Series("label", labels),
}


@pytest.fixture(scope="module")
def model_of(people, labels):
    """Give the model that was fitted with a kind of y; fit it when it is first asked for."""

    @cache
    def fit(kind):
        model = make(epochs=1, early_stopping=False)
        with quickly():
            return model.fit(people[["age", "region"]], TARGETS[kind](labels))

    return fit


@pytest.mark.parametrize("kind", TARGETS)
def test_rows_come_for_the_labels_that_were_asked_for(labels, quick, model_of, kind):
    y = TARGETS[kind](labels)
    X, drawn = model_of(kind).sample(50, random_state=0)
    assert X.shape == (50, 2)
    assert_like(drawn, y)
    X, given = model_of(kind).sample(y=y[30:60], random_state=0)
    assert X.shape == (30, 2)
    expected = np.asarray(y) if kind == "list" else y
    assert type(given) is type(drawn) is type(expected)
    assert given.dtype == drawn.dtype == expected.dtype
    assert getattr(given, "name", None) == getattr(expected, "name", None)
    given, expected = (pd.Series(np.asarray(array)) for array in (given, expected[30:60]))
    assert given.equals(expected)


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, lambda y: pl.Series("other", y)])
@pytest.mark.parametrize("kind", ["str", "series", "unnamed", "polars"])
def test_labels_may_come_in_any_container(people, quick, model_of, kind, convert):
    X = people[["age", "region"]][:3]
    wanted = [True, False, True] if kind == "unnamed" else ["yes", "no", "yes"]
    _, given = model_of(kind).sample(y=convert(wanted), random_state=0)
    assert list(given) == wanted
    assert type(given) is type(model_of(kind).sample()[1])
    expected = model_of(kind).score_samples(X, np.array(wanted))
    assert_allclose(model_of(kind).score_samples(X, convert(wanted)), expected)


@pytest.mark.parametrize("kind", ["str", "float", "series", "polars"])
def test_no_labels_are_no_rows(quick, model_of, kind):
    for X, y in (model_of(kind).sample(y=[]), model_of(kind).sample(0)):
        assert X.shape == (0, 2)
        assert len(y) == 0


def test_a_label_that_training_did_not_have_is_refused(quick, model_of):
    message = r"y asks for 'perhaps', first in row 1, which training did not have; ask for what it had"
    with pytest.raises(ValueError, match=message):
        model_of("str").sample(y=["yes", "perhaps"])
    with pytest.raises(ValueError, match="y asks for 3, first in row 0, which training did not have"):
        model_of("int").sample(y=[3])


def test_whole_numbers_are_classes_and_others_are_not(quick, model_of):
    assert not model_of("int").target_encoder_.numeric_[0]
    assert model_of("float").target_encoder_.numeric_[0]
    assert model_of("date").target_encoder_.numeric_[0]


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(pd.array([1, None] * 100, dtype="Int64")),
        ["a", np.nan] * 100,
        np.array(["a", None] * 100, dtype=object),
        [2.5, None] * 100,
        np.array([1.0, np.nan] * 100),
    ],
    ids=["Int64", "text", "objects", "numbers", "floats"],
)
def test_a_missing_label_is_a_label_like_others(quick, people, y):
    model = make(epochs=1).fit(people[["age"]], y)
    _, drawn = model.sample(200, random_state=0)
    assert 0.2 < pd.isna(drawn).mean() < 0.8
    _, asked = model.sample(y=y[:4], random_state=0)
    assert_array_equal(pd.isna(asked), [False, True, False, True])
    _, known = model.sample(20, allow_missing=False, random_state=0)
    assert not pd.isna(known).any()
    without = make(epochs=1).fit(people[["age"]], people["age"])
    with pytest.raises(ValueError, match="y asks for nan, first in row 0, which training did not have"):
        without.sample(y=[np.nan])


@pytest.mark.parametrize("y", [np.zeros((200, 2)), np.zeros((200, 1)), "yes"])
def test_labels_are_flat(people, y):
    with pytest.raises(ValueError, match="y must be flat, with a class or number for each row, got shape"):
        make().fit(people, y)


def test_labels_are_as_many_as_rows(people, fitted_with_labels):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[200, 5\]"):
        make().fit(people, np.zeros(5))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[200, 5\]"):
        fitted_with_labels.score(people, ["yes"] * 5)


def test_without_y_there_are_no_labels(fitted, people, labels):
    for method in (lambda: fitted.sample(y=labels), lambda: fitted.score(people, labels)):
        with pytest.raises(ValueError, match="y was not given to fit, so that nothing is known of it; pass"):
            method()


def assert_frequencies(drawn, expected):
    """Compare the frequencies of classes with their probabilities, by a chi-square test."""
    counts = pd.Series(drawn).value_counts()
    assert set(counts.index) == {name for name, probability in expected.items() if probability > 0}
    probabilities = np.array([expected[name] for name in counts.index])
    assert chisquare(counts, counts.sum() * probabilities).pvalue > SIGNIFICANCE


def test_classes_are_as_frequent_as_in_training(people, labels):
    model = make(epochs=1, learning_rate=NO_RATE).fit(people, labels)
    X, y = model.sample(4000, random_state=0)
    assert_frequencies(y, pd.Series(labels).value_counts(normalize=True))
    assert_frequencies(X["region"], people["region"].value_counts(normalize=True))


def test_classes_keep_their_relation_to_the_rows(trained):
    # Here y is one of the columns.
    model, _ = trained
    X, y = model.sample(1000, random_state=0)
    assert np.mean(X["employed"] == y) > 0.9
    X, y = model.sample(y=np.arange(1000) % 2 == 0, random_state=0)
    assert np.mean(X["employed"] == y) > 0.9
    assert X["job"].isna()[~y].mean() > 0.9


# Likelihood


def test_rows_of_the_same_kind_are_likelier_than_shuffled_columns(trained):
    model, unseen = trained
    shuffled = unseen.apply(lambda column: column.sample(frac=1, random_state=len(column.name)).to_numpy())
    shuffled = shuffled.astype(unseen.dtypes)
    assert model.score(unseen) > model.score(shuffled) + 1
    y = unseen["employed"]
    assert model.score(unseen, y) > model.score(unseen, ~y) + 1


def test_the_score_is_the_mean_of_the_rows(fitted, people):
    values = fitted.score_samples(people)
    assert values.shape == (200,)
    assert np.isfinite(values).all()
    assert fitted.score(people) == pytest.approx(values.mean())


def test_the_likelihood_of_a_row_does_not_depend_on_the_others(fitted, people):
    values = fitted.score_samples(people)
    order = np.random.default_rng(0).permutation(200)
    assert_allclose(fitted.score_samples(people.iloc[order]), values[order], rtol=1e-5)
    assert_allclose(fitted.score_samples(people[17:20]), values[17:20], rtol=1e-5)
    many = fitted.score_samples(pd.concat([people] * 6, ignore_index=True))
    assert_allclose(many, np.tile(values, 6), rtol=1e-5)


def test_a_column_of_numbers_alone_has_a_likelihood_of_0(quick):
    # Whatever its units: its ranks are uniform.
    X = np.random.default_rng(0).normal(size=(2000, 1))
    for unit in (1e-6, 1, 1e6):
        model = make(epochs=1, learning_rate=NO_RATE, batch_size=1000).fit(unit * X)
        assert_allclose(model.score(unit * X), 0, atol=0.05)


def test_without_y_the_likelihood_is_that_of_the_rows_alone(people, labels, quick):
    # With the weights of the start, labels are independent of the rest. A label that is revealed first shifts
    # the order of the others, whose likelihood the copula gives nearly the same in all orders.
    model = make(epochs=1, learning_rate=NO_RATE).fit(people, labels)
    shares = pd.Series(labels).map(pd.Series(labels).value_counts(normalize=True))
    expected = model.score_samples(people) + np.log(shares)
    assert_allclose(model.score_samples(people, labels), expected, atol=0.02)


def test_what_training_did_not_have_counts_as_one_row_more(people, quick):
    # With the weights of the start, columns are independent: the others say nothing about this one.
    table = people[["age", "region", "employed"]].astype({"region": str})
    model = make(epochs=1, learning_rate=NO_RATE).fit(table)
    rest = model.score_samples(table) - np.log(
        table["region"].map(table["region"].value_counts(normalize=True))
    )
    unseen = model.score_samples(table.assign(region="the moon"))
    assert_allclose(unseen, rest - np.log(201), atol=1e-3)
    assert_allclose(model.score_samples(table.assign(region=None)), unseen, atol=1e-6)


def test_a_missing_number_that_training_did_not_have_has_a_likelihood(fitted, people):
    values = fitted.score_samples(people.astype({"age": float}).assign(age=np.nan))
    assert np.isfinite(values).all()


def test_numbers_beyond_the_training_range_have_a_likelihood(fitted, people):
    values = fitted.score_samples(people.assign(age=1000, savings=-1.0, income=1e9))
    assert np.isfinite(values).all()


def test_a_polars_table_scores_as_its_pandas_twin(fitted, people):
    assert_allclose(fitted.score_samples(pl.from_pandas(people)), fitted.score_samples(people), rtol=1e-6)


# Meta-estimators and copies


@pytest.mark.parametrize("with_y", [False, True])
def test_parameters_can_be_searched(people, with_y):
    # There is something to learn: columns tell each other.
    X = people[["job", "employed"]].assign(job=people["job"].isna(), income=np.arange(200.0))
    grid = [{"l2": [0.0, 10.0], "learning_rate": [1e-2]}, {"learning_rate": [NO_RATE], "l2": [0.0]}]
    model = make(epochs=5, early_stopping=False)
    search = GridSearchCV(model, grid, cv=KFold(2, shuffle=True, random_state=0))
    search.fit(X, np.where(people["employed"], "yes", "no") if with_y else None)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"l2": 0.0, "learning_rate": 1e-2}
    drawn = search.best_estimator_.sample(5)
    assert (drawn[0] if with_y else drawn).shape == (5, 3)


def test_two_processes_score_as_one_does(people):
    X = people[["employed"]]
    # The others compile, and then draw other numbers: but of no consequence at such a rate.
    model = make(epochs=1, early_stopping=False, learning_rate=NO_RATE)
    expected = cross_val_score(model, X, cv=2)
    assert_allclose(cross_val_score(model, X, cv=2, n_jobs=2), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "copied",
    [
        lambda model, _: pickle.loads(pickle.dumps(model)),
        lambda model, _: copy.deepcopy(model),
        lambda model, path: joblib.load(joblib.dump(model, path / "model.joblib")[0]),
    ],
    ids=["pickle", "deepcopy", "joblib"],
)
def test_a_copy_draws_and_scores_the_same(fitted_with_labels, people, labels, tmp_path, copied):
    other = copied(fitted_with_labels, tmp_path)
    X, y = fitted_with_labels.sample(20, random_state=0)
    X_copy, y_copy = other.sample(20, random_state=0)
    assert_frame_equal(X, X_copy)
    assert_array_equal(y, y_copy)
    assert_array_equal(other.score_samples(people, labels), fitted_with_labels.score_samples(people, labels))


def test_a_clone_is_unfitted_and_fits_the_same(fitted, people):
    other = clone(fitted)
    assert not any(name.endswith("_") for name in vars(other))
    assert_same_state(other.fit(people), fitted)


def test_an_unfitted_estimator_says_so(people):
    for method in (lambda model: model.sample(), lambda model: model.score(people)):
        with pytest.raises(NotFittedError):
            method(make())


def test_a_second_fit_forgets_the_first(fitted_with_labels, people):
    model = copy.deepcopy(fitted_with_labels).fit(people[["age", "income"]].to_numpy())
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 2
    assert model.sample(3).shape == (3, 2)


# Weights


def test_a_row_of_weight_0_is_absent(people, labels):
    weight = np.arange(200) % 3
    rows = weight > 0
    other = people.copy()
    other.loc[~rows, "age"] = 10**6
    model = make().fit(other, labels, sample_weight=weight)
    assert_same_state(model, make().fit(people[rows], labels[rows], sample_weight=weight[rows]))
    assert model.sample(300, random_state=0)[0]["age"].max() <= people["age"].max()


def test_classes_are_as_frequent_as_their_weights(people, labels):
    weight = np.where(labels == "yes", 3.0, 0.5) * np.where(people["employed"], 1, 2)
    model = make(epochs=1, learning_rate=NO_RATE).fit(people, labels, sample_weight=weight)
    X, y = model.sample(4000, random_state=0)
    for drawn, real in ((y, labels), (X["employed"], people["employed"])):
        mass = pd.Series(weight).groupby(np.asarray(real)).sum()
        assert_frequencies(np.asarray(drawn), mass / mass.sum())


def test_weights_steer_the_training(people):
    # Nearly all weight is on those with a job.
    weight = np.where(people["employed"], 1, 1e-3)
    model = make(epochs=20, learning_rate=0.01).fit(people, sample_weight=weight)
    assert model.sample(300, random_state=0)["job"].notna().mean() > 0.95


@pytest.mark.parametrize("factor", [1e-300, 0.25, 1e307])
def test_scaling_the_weights_changes_nothing(people, fitted, factor):
    other = make().fit(people, sample_weight=np.full(200, factor))
    assert_same_state(other, fitted)


# Small, wide and odd tables


@pytest.mark.parametrize("n_rows", [1, 2, 3, 19, 20, 30])
def test_few_rows_suffice(people, n_rows, quick):
    drawn = make(epochs=1).fit(people[:n_rows]).sample(10, random_state=0)
    for name in people:
        assert_like(drawn[name], people[name][:n_rows])


@pytest.mark.parametrize("name", ["age", "income", "region", "job"])
def test_one_column_suffices(people, name, quick):
    drawn = make(epochs=1).fit(people[[name]]).sample(10, random_state=0)
    assert drawn.dtypes.equals(people[[name]].dtypes)
    assert_like(drawn[name], people[name])


def test_columns_of_one_value_or_of_none_come_back(quick):
    table = pd.DataFrame(
        {
            "x": np.arange(40.0),
            "constant": 3,
            "word": "w",
            "hole": np.nan,
            "nothing": None,
            "NA": pd.array([pd.NA] * 40, dtype="Int64"),
        }
    )
    drawn = make(epochs=1).fit(table).sample(15, random_state=0)
    assert drawn.dtypes.equals(table.dtypes)
    assert_frame_equal(drawn.drop(columns="x"), table.drop(columns="x")[:15])


def test_a_hundred_columns_are_drawn(monkeypatch):
    for module in (_masked, _blocks):
        monkeypatch.setattr(module, "N_CHUNK_ROWS", 64)
    monkeypatch.setattr(_training, "borrow", _training._Pool(1).borrow)
    table = np.random.default_rng(0).normal(size=(60, 100))
    model = make(epochs=1, early_stopping=False).fit(table)
    drawn = model.sample(20, random_state=0)
    assert drawn.shape == (20, 100)
    assert (drawn.min(axis=0) >= table.min(axis=0)).all()
    assert np.isfinite(model.score(table))


def test_a_batch_may_be_larger_than_the_table(people, quick):
    assert make(batch_size=10**6, epochs=1).fit(people).sample(3).shape == (3, 7)


def test_what_is_learnt_is_like_the_table(trained):
    model, unseen = trained
    drawn, _ = model.sample(1000, random_state=0)
    independent = drawn.apply(lambda column: column.sample(frac=1, random_state=len(column.name)).to_numpy())
    independent = independent.astype(drawn.dtypes)
    assert shape_error(unseen, drawn) < 0.08
    assert trend_error(unseen, drawn) < 0.6 * trend_error(unseen, independent)


# Training


def test_training_makes_unseen_rows_likelier(trained):
    losses = trained[0].history_["val_loss"]
    assert min(losses) < losses[0] - 0.5


def test_history_has_a_number_for_each_epoch(fitted):
    assert set(fitted.history_) == {"learning_rate", "loss", "data_loss", "val_loss"}
    assert {len(values) for values in fitted.history_.values()} == {fitted.n_iter_} == {2}


def test_without_early_stopping_no_row_is_held_out(people, quick):
    assert "val_loss" not in make(early_stopping=False, epochs=1).fit(people).history_


def test_l2_adds_the_squared_kernels_to_the_loss(people, quick):
    model = make(l2=0.1, learning_rate=NO_RATE, epochs=1).fit(people)
    squares = sum(np.sum(weight.astype(float) ** 2) for weight in model.weights_ if weight.ndim > 1)
    penalty = model.history_["loss"][0] - model.history_["data_loss"][0]
    assert_allclose(penalty, 0.1 * squares, rtol=1e-4)


@pytest.mark.parametrize(("parameter", "expected"), [("auto", 3 / 200), (0.5, 0.5)])
def test_the_automatic_l2_depends_on_the_number_of_rows(people, trainings, parameter, expected):
    make(l2=parameter, epochs=1).fit(people)
    assert_allclose(trainings[0]["l2"], expected)


@pytest.fixture
def trainings(monkeypatch):
    """Collect the arguments of trainings."""
    seen = []

    def train(program, arrays, weight, **arguments):
        seen.append({"arrays": arrays, "weight": weight, **arguments})
        return original(program, arrays, weight, **arguments)

    original = _training.train
    monkeypatch.setattr(_training, "train", train)
    return seen


def test_training_ends_once_the_held_out_loss_no_longer_falls(people, monkeypatch):
    monkeypatch.setattr(_fitting, "_N_HELD_OUT_DRAWS", 64)
    # At such a rate nothing is learnt.
    assert make(epochs=300, learning_rate=NO_RATE).fit(people).n_iter_ < 150
    # With more patience it goes on to the end.
    monkeypatch.setattr(_fitting, "_PATIENCE", 1000)
    assert make(epochs=5, learning_rate=NO_RATE).fit(people).n_iter_ == 5


def test_the_weights_that_are_kept_are_those_of_the_last_held_out_loss(people, trainings):
    model = make().fit(people)
    *arrays, weight = trainings[0]["held_out"]
    with model._program() as program:
        loss = _training.evaluate(program, arrays, weight)
    assert_allclose(loss, model.history_["val_loss"][-1], rtol=1e-6)


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.1, 20), (0.5, 100)])
def test_the_share_that_was_asked_for_is_held_out(people, trainings, quick, fraction, n_held_out):
    make(epochs=1, validation_fraction=fraction).fit(people)
    assert len(trainings[0]["weight"]) == 200 - n_held_out
    assert len(np.unique(trainings[0]["held_out"][1], axis=0)) <= n_held_out


def test_the_fit_ends_in_time(people):
    parameters = {"epochs": 10**6, "early_stopping": False}
    make(epochs=1, early_stopping=False).fit(people)  # compiles
    start = time.perf_counter()
    model = make(**parameters, max_time=2.0).fit(people)
    seconds = time.perf_counter() - start
    assert 1.8 < seconds < 2.1 + 0.4
    assert model.n_iter_ < 10**6
    # The learning rate has begun to fall by then.
    rates = model.history_["learning_rate"]
    assert rates[-1] < 0.8 * max(rates)


def test_a_fit_without_time_is_a_fit_that_warns(people):
    message = "max_time ended the fit of DiffusionGenerator after 16 steps .* next to nothing.*raise max_time"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model = make(max_time=1e-6, epochs=10**6).fit(people)
    assert len(caught) == 1
    assert model.sample(5).shape == (5, 7)


def test_a_fit_that_ends_by_itself_does_not_warn(people):
    make(max_time=1e3, epochs=1).fit(people)


# Interrupts and divergence


class Interrupter(_fitting.VerboseLine):
    """Interrupts in the third epoch, or the one that a subclass says."""

    epoch = 2

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            raise KeyboardInterrupt
        return False


class FirstInterrupter(Interrupter):
    epoch = 0


def test_an_interrupt_leaves_the_best_weights_of_whole_epochs(people, monkeypatch):
    losses = make(epochs=5).fit(people).history_["val_loss"]
    monkeypatch.setattr(_fitting, "VerboseLine", Interrupter)
    model = make(epochs=5, verbose=1)
    with pytest.raises(KeyboardInterrupt, match="keeps the best weights"):
        model.fit(people)
    assert model.n_iter_ == 2
    assert model.history_["val_loss"] == losses[:2]
    assert model.set_params(verbose=0).sample(5).shape == (5, 7)


def test_the_history_of_the_rate_begins_with_the_warm_up(people):
    model = make(epochs=3, learning_rate=1e-2).fit(people)
    assert model.history_["learning_rate"][0] == pytest.approx(0.08 * 1e-2)
    assert max(model.history_["learning_rate"]) <= 1e-2


def test_an_interrupt_of_calibration_leaves_what_was_trained(people, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_masked.MaskedProcess, "calibrated", interrupted)
    model = make()
    with pytest.raises(KeyboardInterrupt, match="keeps the best weights"):
        model.fit(people)
    assert model.sample(5).shape == (5, 7)


def test_an_interrupt_in_the_first_epoch_leaves_an_unfitted_estimator_unfitted(people, monkeypatch):
    monkeypatch.setattr(_fitting, "VerboseLine", FirstInterrupter)
    model = make(verbose=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(people)
    assert set(vars(model)) == set(vars(make()))


def test_an_interrupt_in_the_first_epoch_leaves_a_fitted_estimator_as_it_was(fitted, people, monkeypatch):
    model = copy.deepcopy(fitted).set_params(verbose=1)
    monkeypatch.setattr(_fitting, "VerboseLine", FirstInterrupter)
    with pytest.raises(KeyboardInterrupt):
        model.fit(people[["age"]])
    assert_frame_equal(
        model.set_params(verbose=0).sample(5, random_state=0), fitted.sample(5, random_state=0)
    )


def test_training_that_diverges_starts_again_with_a_lower_rate(people, monkeypatch):
    rates = []

    def train(*arguments, learning_rate, **others):
        rates.append(learning_rate)
        if len(rates) == 1:
            raise FloatingPointError("loss became nan in epoch 1")
        return original(*arguments, learning_rate=learning_rate, **others)

    original = _training.train
    monkeypatch.setattr(_training, "train", train)
    message = r"Training diverged \(loss became nan in epoch 1\), and starts again with a learning rate of "
    with pytest.warns(RuntimeWarning, match=message) as warned:
        model = make().fit(people)
    assert warned[0].filename == __file__
    assert rates == [model.learning_rate, model.learning_rate / 4]
    assert model.sample(5).shape == (5, 7)


@pytest.mark.filterwarnings("ignore:Training diverged:RuntimeWarning")
def test_training_that_diverges_twice_is_an_error_and_changes_nothing(fitted, people):
    model = copy.deepcopy(fitted).set_params(learning_rate=1e30)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=r"Training diverged twice: .* Lower learning_rate \(now 1e\+30\)"):
        model.fit(people[["age", "region"]])
    assert vars(model) == before
    assert_frame_equal(model.sample(5, random_state=0), fitted.sample(5, random_state=0))
    unfitted = make(learning_rate=1e30)
    with pytest.raises(ValueError, match="diverged"):
        unfitted.fit(people)
    assert set(vars(unfitted)) == set(vars(make()))


@pytest.mark.filterwarnings("ignore:Training diverged:RuntimeWarning")
def test_after_training_diverged_the_next_fit_is_as_ever(fitted, people):
    with pytest.raises(ValueError, match="diverged"):
        make(learning_rate=1e30).fit(people)
    assert_same_state(make().fit(people), fitted)


# Progress


def test_verbose_prints_a_line_for_fit_and_one_for_sample(people, capsys):
    model = make(verbose=1).fit(people)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
    assert printed.out.startswith("DiffusionGenerator: epoch 2/2, learning_rate ")
    assert ", val_loss " in printed.out
    model.sample(1500)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.startswith("DiffusionGenerator.sample: 1500/1500 rows, ")


def test_without_verbose_nothing_is_printed(people, capfd):
    make().fit(people).sample(5)
    assert capfd.readouterr().out == ""


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"process": "magic"}, "process must be one of 'masked', 'gaussian', got 'magic'"),
        ({"n_bins": 0}, 'n_bins must be an integer >= 1, got 0; or give "auto"'),
        ({"n_bins": "many"}, "n_bins must be an integer >= 1, got 'many' of type str; or give \"auto\""),
        ({"n_bins": 2.5}, "n_bins must be an integer >= 1, got 2.5 of type float"),
        ({"categorical_features": "all"}, "categorical_features must be None, 'from_dtype', .*got 'all'"),
        ({"categorical_features": ["height"]}, r"categorical_features names \['height'\].*choose from"),
        ({"categorical_features": [True]}, "categorical_features is a mask of 1 entries, but X has 7"),
        ({"categorical_features": [7]}, "categorical_features has indices from 7 to 7, .* from 0 to 6"),
        ({"max_categories": 0}, "max_categories must be an integer >= 1, got 0; or give"),
        ({"max_categories": "few"}, "max_categories must be an integer >= 1, got 'few' .* \"auto\" or None"),
        ({"min_frequency": 0}, "min_frequency must be an integer >= 1, got 0"),
        ({"min_frequency": 1.5}, "min_frequency must be a finite number > 0 and < 1, got 1.5"),
        ({"hidden_layer_sizes": 64}, r"hidden_layer_sizes must be a tuple .*such as \(256,\), got 64"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes must be a tuple of one width at least.*got \(\)"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be an integer >= 1, got 0"),
        ({"hidden_layer_sizes": (8, "8")}, "hidden_layer_sizes must be an integer >= 1, got '8'"),
        ({"hidden_layer_sizes": "wide"}, "hidden_layer_sizes must be a tuple .*got 'wide'; or give \"auto\""),
        ({"l2": -1}, "l2 must be a finite number >= 0, got -1"),
        ({"l2": None}, "l2 must be a finite number >= 0, got None"),
        ({"l2": "much"}, "l2 must be a finite number >= 0, got 'much' of type str; or give \"auto\""),
        ({"dropout": 1}, "dropout must be a finite number >= 0 and < 1, got 1"),
        (
            {"dropout": "some"},
            "dropout must be a finite number >= 0 and < 1, got 'some' .*; or give \"auto\"",
        ),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"learning_rate": np.nan}, "learning_rate must be a finite number > 0, got nan"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        (
            {"batch_size": "all"},
            "batch_size must be an integer >= 1, got 'all' of type str; or give \"auto\"",
        ),
        ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
        ({"epochs": 2.0}, "epochs must be an integer >= 1, got 2.0"),
        ({"max_time": 0}, "max_time must be a finite number > 0, got 0"),
        ({"max_time": "1 min"}, "max_time must be a finite number > 0, got '1 min'"),
        ({"validation_fraction": 1}, "validation_fraction must be a finite number > 0 and < 1, got 1"),
        ({"early_stopping": "yes"}, "early_stopping must be one of True, False, got 'yes'"),
        ({"sampler": "rk4"}, "sampler must be one of 'heun', 'euler', .*got 'rk4'"),
        ({"n_sampling_steps": 0}, "n_sampling_steps must be an integer >= 1, got 0"),
        ({"guidance": -1}, "guidance must be a finite number >= 0, got -1"),
        ({"guidance": 1.0}, "guidance is 1.0, which needs image_shape and y: give both, or leave it at 0"),
        ({"image_shape": 7}, r"image_shape must be \(height, width\) or .*, got 7"),
        ({"image_shape": (7, 0)}, "each of image_shape must be an integer >= 1, got 0"),
        ({"image_shape": (7, 1)}, "image_shape needs process='gaussian', got 'masked': set it, or leave"),
        ({"random_state": "seed"}, "'seed' cannot be used to seed"),
        ({"verbose": -1}, "verbose must be an integer >= 0, got -1"),
        ({"verbose": "loud"}, "verbose must be an integer >= 0, got 'loud'"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_bad_parameter_is_refused_and_changes_nothing(fitted, people, parameters, message):
    model = copy.deepcopy(fitted).set_params(**parameters)
    before = vars(model).copy()
    with pytest.raises((ValueError, TypeError), match=message) as refusal:
        model.fit(people)
    assert "\n\n" not in str(refusal.value)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1.0, np.inf]] * 5), "X contains infinity, first in column 1, row 0; replace or clip"),
        (np.zeros((0, 2)), "Found array with 0 sample"),
        (np.zeros((5, 0)), "Found array with 0 feature"),
        (np.zeros(5), "Expected 2D array, got 1D array"),
        (pd.DataFrame({"a": []}), r"X has shape \(0, 1\): give it at least one row and one column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"several columns of the same name, \['a'\]: rename"),
        (pd.DataFrame({"a": [[1], [2]]}), "must be strings or numbers, not collections"),
    ],
)
def test_a_bad_table_is_refused(X, message):
    model = make()
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X)
    assert set(vars(model)) == set(vars(make()))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(200), "(?i)sample.weight.*zero"),
        (-np.ones(200), "Negative values in data passed to `sample_weight`"),
        (np.ones(5), "sample_weight"),
        (np.full(200, np.nan), "sample_weight contains NaN"),
    ],
)
def test_bad_weights_are_refused(people, weight, message):
    with pytest.raises(ValueError, match=message):
        make().fit(people, sample_weight=weight)


@pytest.mark.parametrize("n_samples", [-1, 2.0, "3", None, True])
def test_the_number_of_rows_is_a_whole_one(fitted, n_samples):
    with pytest.raises(
        (ValueError, TypeError), match=f"n_samples must be an integer >= 0, got {n_samples!r}"
    ):
        fitted.sample(n_samples)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop(columns="age"),
        lambda table: table[table.columns[::-1]],
        lambda table: table.rename(columns={"age": "years"}),
        lambda table: table.assign(more=1),
    ],
)
def test_other_columns_have_no_likelihood(fitted, people, change):
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        fitted.score(change(people))


def test_another_width_has_no_likelihood(quick):
    model = make(epochs=1).fit(np.arange(60.0).reshape(20, 3))
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3 features"):
        model.score(np.zeros((5, 2)))


# Compiled


def test_the_compiled_model_draws_and_scores(people, monkeypatch, fresh_pool):
    for module in (_training, _masked_network):
        monkeypatch.setattr(module, "compiled", really_compiled)
    X = people[["age", "region"]]
    model = make(epochs=1, learning_rate=NO_RATE, early_stopping=False).fit(X)
    # Columns are independent, and so are ranks of all else.
    expected = np.log(X["region"].map(X["region"].value_counts(normalize=True)).astype(float))
    assert_allclose(model.score_samples(X), expected, atol=0.3)
    drawn = model.sample(3000, random_state=0)
    assert_frequencies(drawn["region"], people["region"].value_counts(normalize=True))
    assert_frame_equal(model.sample(1030, random_state=0), drawn[:1030])
