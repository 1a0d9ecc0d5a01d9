"""Rows of which some cells are given: these stay as they are, and inform the others."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from skdiffusion import DiffusionGenerator
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")

PROCESSES = ["masked", "gaussian"]


def make(**parameters):
    defaults = {"epochs": 1, "hidden_layer_sizes": (8,), "batch_size": 64, "random_state": 0}
    return DiffusionGenerator(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def people():
    return make_mixed_table(200, random_state=0)


@pytest.fixture(scope="module", params=PROCESSES)
def fitted(request, uncompiled, people):
    return make(process=request.param, n_sampling_steps=3).fit(people)


@pytest.fixture(scope="module")
def masked(uncompiled, people):
    return make().fit(people)


def riddled(table, share, seed=0):
    """Take cells out of a table at random."""
    holes = np.random.default_rng(seed).random(table.shape) < share
    return table.astype({"employed": "boolean", "age": "float64"}).mask(holes)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_given_cells_stay_as_they_are(fitted, people, share):
    given = riddled(make_mixed_table(50, random_state=1), share).set_index(pd.Index(range(50, 100)))
    drawn = fitted.sample(given=given, random_state=0)
    assert drawn.dtypes.equals(people.dtypes)
    assert_array_equal(drawn.index, given.index)
    for name in given:
        known = given[name].notna()
        expected = given[name][known].astype(people[name].dtype)
        assert_series_equal(drawn[name][known], expected)


def test_drawn_cells_are_missing_as_often_as_in_training(masked, people):
    drawn = masked.sample(given=people[["age"]], random_state=0)
    assert drawn["income"].isna().any()
    assert drawn["job"].isna().any()
    assert not drawn[["savings", "region"]].isna().any(axis=None)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_no_drawn_cell_is_missing_where_that_is_not_allowed(fitted, people, share):
    given = riddled(people, share)
    assert not fitted.sample(given=given, allow_missing=False).isna().any(axis=None)


def test_columns_may_be_left_out_and_come_in_any_order(masked, people):
    given = people[["region", "age"]]
    some, all_ = (
        masked.sample(given=table, random_state=0) for table in (given, given.reindex(columns=people.columns))
    )
    assert_frame_equal(some, all_)
    assert list(some) == list(people)
    assert_frame_equal(some[["region", "age"]], given)


def test_polars_rows_can_be_given(people):
    table = pl.from_pandas(people)
    model = make().fit(table)
    given = table.select("job", "age")[:20]
    drawn = model.sample(given=given, random_state=0)
    assert drawn.schema == table.schema
    assert drawn["age"].equals(given["age"])
    known = given["job"].is_not_null()
    assert drawn["job"].filter(known).equals(given["job"].filter(known))


def test_arrays_can_be_given(uncompiled):
    X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    given = np.where(np.eye(100, 3, dtype=bool), np.float32(np.nan), X)
    drawn = make().fit(X).sample(given=given, random_state=0)
    assert drawn.dtype == np.float32
    assert_array_equal(drawn[~np.isnan(given)], X[~np.isnan(given)])
    assert np.isfinite(drawn).all()


def test_numbers_beyond_the_training_range_stay(masked, people):
    drawn = masked.sample(given=people[["age"]] + 100, random_state=0)
    assert_array_equal(drawn["age"], people["age"] + 100)


def test_the_first_rows_are_the_same_however_many_follow(masked, people):
    given = people[["age", "job"]]
    many = masked.sample(given=pd.concat([given] * 11, ignore_index=True), random_state=0)
    assert_frame_equal(masked.sample(given=given, random_state=0), many[:200])


def test_no_rows_can_be_given(masked, people):
    assert_frame_equal(masked.sample(given=people[:0]), people[:0])


def test_rows_and_labels_can_be_given(people):
    labels = np.where(people["age"] > 40, "old", "young")
    model = make().fit(people, labels)
    given = people[["region"]]
    X, y = model.sample(given=given, y=labels, random_state=0)
    assert_array_equal(y, labels)
    assert_frame_equal(X[["region"]], given)
    X, y = model.sample(given=given, random_state=0)
    assert set(y) == {"old", "young"}
    assert_frame_equal(X[["region"]], given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 3}, "n_samples is 3, and given has 200 rows: leave it out"),
        ({"y": [1, 2]}, "given and y must have as many rows, got 200 and 2"),
        ({"allow_missing": 1.5}, "allow_missing"),
    ],
)
def test_what_does_not_go_together_is_refused(masked, people, arguments, message):
    with pytest.raises(ValueError, match=message):
        masked.sample(given=people, **arguments)


def test_as_many_labels_as_rows_are_wanted(people):
    model = make().fit(people, people["age"])
    with pytest.raises(ValueError, match="n_samples is 5, and y has 2 rows: leave it out"):
        model.sample(5, y=[30, 40])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(more=1), r"given has columns \['more'\].*choose from \['age', "),
        (
            lambda table: table.assign(region="moon"),
            "column 'region' has categories that training did not have",
        ),
        (
            lambda table: table.assign(age=20.5),
            "column 'age' held int64 numbers in training, got 20.5 in row 0",
        ),
        (lambda table: table.assign(age=1e300), "column 'age' held int64 numbers in training, got 1e[+]300"),
        (lambda table: table.assign(income=np.inf), "X contains infinity"),
    ],
)
def test_what_training_could_not_hold_is_refused(masked, people, change, message):
    with pytest.raises(ValueError, match=message):
        masked.sample(given=change(people))


def test_what_training_could_not_hold_is_refused_before_anything_is_drawn(masked, monkeypatch):
    monkeypatch.setattr(masked.process_, "sample", None)
    with pytest.raises(ValueError, match="round it, or leave the cell empty"):
        masked.sample(given=pd.DataFrame({"age": [20.5]}))


def test_a_dict_is_no_table(masked):
    with pytest.raises(TypeError, match="X is a dict, which is no table: make a DataFrame of it"):
        DiffusionGenerator().fit({"age": [1, 2]})
    with pytest.raises(TypeError, match="given is a dict, which is no table: make a DataFrame of it"):
        masked.sample(given={"age": [20]})


def test_given_arrays_must_have_all_columns(uncompiled):
    model = make().fit(np.random.default_rng(0).normal(size=(60, 3)))
    with pytest.raises(ValueError, match="given has 2 columns, and rows of training have 3"):
        model.sample(given=np.zeros((4, 2)))


def test_small_integers_do_not_overflow():
    X = pd.DataFrame({"a": np.arange(100, dtype=np.int8), "b": np.arange(100.0)})
    with pytest.raises(ValueError, match="int8 does not hold 300"):
        make().fit(X).sample(given=pd.DataFrame({"a": [300.0], "b": [np.nan]}))


@pytest.fixture(scope="module", params=PROCESSES)
def mixture(request, uncompiled):
    """A generator of a mixture of two normal distributions.

    The kind is +1 or -1; x is normal around it with variance 1; y is 0.8 x + 0.6 e, with e standard normal.
    """
    rng = np.random.default_rng(0)
    kind = rng.choice([-1, 1], size=4000)
    x = kind + rng.normal(size=4000)
    y = 0.8 * x + 0.6 * rng.normal(size=4000)
    table = pd.DataFrame({"kind": np.where(kind > 0, "plus", "minus"), "x": x, "y": y})
    parameters = {"hidden_layer_sizes": (64, 64), "epochs": 40, "batch_size": 128}
    if request.param == "masked":
        parameters["early_stopping"] = False
    return request.param, make(**parameters, process=request.param).fit(table)


N_DRAWS = 1000


@pytest.mark.parametrize("x", [-1.5, 0.0, 1.0])
def test_a_number_informs_the_other_cells_as_it_should(mixture, x):
    process, model = mixture
    drawn = model.sample(given=pd.DataFrame({"x": np.full(N_DRAWS, x)}), random_state=0)
    # Clamping is rougher. Standard errors are 0.02 and less.
    tolerance = 0.08 if process == "masked" else 0.25
    assert_allclose(drawn["y"].mean(), 0.8 * x, atol=tolerance)
    assert_allclose(drawn["y"].std(), 0.6, atol=tolerance)
    assert_allclose((drawn["kind"] == "plus").mean(), 1 / (1 + np.exp(-2 * x)), atol=tolerance)


@pytest.mark.parametrize("kind", [-1, 1])
def test_a_category_informs_the_other_cells_as_it_should(mixture, kind):
    process, model = mixture
    given = pd.DataFrame({"kind": ["plus" if kind > 0 else "minus"] * N_DRAWS})
    drawn = model.sample(given=given, random_state=0)
    # A class that is clamped tells numbers about half of what it should.
    tolerance = 0.12 if process == "masked" else 0.6
    assert_allclose(drawn["x"].mean(), kind, atol=tolerance)
    assert_allclose(drawn["x"].std(), 1, atol=tolerance)
    assert_allclose(drawn["y"].mean(), 0.8 * kind, atol=tolerance)
    assert_allclose(np.corrcoef(drawn["x"], drawn["y"])[0, 1], 0.8, atol=0.12)
