"""The helpers that know DataFrames."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skdiffusion._table import (
    as_container,
    categorical_mask,
    category_frequencies,
    is_frame,
    is_missing,
    join,
    split,
)

PANDAS = pd.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "count": pd.array([1, None, 3], dtype="Int64"),
        "level": pd.Categorical(["x", "y", None], categories=["y", "x"], ordered=True),
        "text": ["u", None, "v"],
        "object": np.array(["u", np.nan, "v"], dtype=object),
        "flag": [True, False, True],
        "nullable": pd.array([True, None, False], dtype="boolean"),
    },
    index=[5, 7, 7],
)
POLARS = pl.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "count": [1, None, 3],
        "level": ["x", "y", None],
        "text": ["u", None, "v"],
        "object": ["u", None, "v"],
        "flag": [True, False, True],
        "nullable": [True, None, False],
    },
    schema_overrides={"level": pl.Enum(["y", "x"]), "object": pl.Categorical},
)
CATEGORICAL = np.array([False, False, True, True, True, True, True])
NO_CHANGES = [(np.empty(0, int), np.empty(0, object))] * 5
FRAMES = pytest.mark.parametrize("frame", [PANDAS, POLARS], ids=["pandas", "polars"])


@FRAMES
def test_frames_are_told_from_arrays(frame):
    assert is_frame(frame)
    assert not is_frame(frame.to_numpy())
    assert not is_frame([[1]])


@FRAMES
def test_columns_that_are_not_numeric_are_categorical_by_dtype(frame):
    assert_array_equal(categorical_mask(frame, "from_dtype", 7), CATEGORICAL)


def test_dates_are_not_categories():
    frame = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])})
    assert not categorical_mask(frame, "from_dtype", 1).any()
    with pytest.raises(ValueError, match=r"\['when'\] hold no numbers"):
        split(frame, np.array([False]))


@FRAMES
@pytest.mark.parametrize(
    "choice",
    [CATEGORICAL, CATEGORICAL.tolist(), [2, 3, 4, 5, 6], ["level", "text", "object", "flag", "nullable"]],
)
def test_columns_are_chosen_by_mask_index_or_name(frame, choice):
    assert_array_equal(categorical_mask(frame, choice, 7), CATEGORICAL)


@pytest.mark.parametrize("choice", [None, [], "from_dtype", [False, False]])
def test_an_array_may_have_no_categorical_column(choice):
    assert_array_equal(categorical_mask(np.zeros((3, 2)), choice, 2), [False, False])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            [True],
            "categorical_features is a mask of 1 entries, but X has 7 features: give one entry for each",
        ),
        ([7], "has indices from 7 to 7, but X has 7 features: give indices from 0 to 6"),
        ([-1, 2], "has indices from -1 to 2"),
        (["colour"], r"categorical_features names \['colour'\], not in X: choose from \['number', "),
        ([1.5], r"categorical_features must be a flat list: .*, got \[1.5\]"),
        ([["level"]], "categorical_features must be a flat list"),
        (3, "categorical_features must be a flat list: .*, got 3"),
        (
            "level",
            "categorical_features must be None, 'from_dtype', a mask, indices or names .*, got 'level'",
        ),
    ],
    ids=repr,
)
def test_wrong_choices_are_named(choice, message):
    with pytest.raises(ValueError, match=message):
        categorical_mask(PANDAS, choice, 7)


def test_an_array_has_no_names():
    with pytest.raises(
        ValueError, match=r"holds names, \['a'\], but X is not a DataFrame: give a mask or indices"
    ):
        categorical_mask(np.zeros((1, 1)), ["a"], 1)


@FRAMES
def test_a_frame_splits_into_numbers_and_columns(frame):
    numbers, columns = split(frame, CATEGORICAL)
    assert_array_equal(numbers, [[1.5, 1], [np.nan, np.nan], [3, 3]])
    assert [is_missing(column).tolist() for column in columns] == [
        [False, False, True],
        [False, True, False],
        [False, True, False],
        [False, False, False],
        [False, True, False],
    ]


@FRAMES
def test_what_is_split_joins_to_the_same_frame(frame):
    numbers, _ = split(frame, CATEGORICAL)
    joined = join(frame, CATEGORICAL, numbers, NO_CHANGES)
    categorical = list(frame.columns[2:])
    assert joined[categorical].equals(frame[categorical])
    assert_array_equal(joined[["number", "count"]].to_numpy(), numbers)


@FRAMES
def test_replaced_cells_keep_the_dtype_of_their_column(frame):
    before = frame.copy() if frame is PANDAS else frame.clone()
    rows = np.array([0, 2])
    values = [["y", "y"], ["q", "w"], ["q", "w"], [False, False], [False, True]]
    changes = [(rows, np.array(cells, dtype=object)) for cells in values]
    joined = join(frame, CATEGORICAL, np.zeros((3, 2)), changes)
    for name, cells in zip(frame.columns[2:], values, strict=True):
        assert joined[name].dtype == frame[name].dtype
        assert [joined[name].to_list()[row] for row in rows] == cells
    assert joined["level"].to_list()[1] == "y"
    assert frame.equals(before)


@FRAMES
def test_a_closed_set_of_categories_grows_by_new_ones(frame):
    changes = [(np.array([0]), np.array(["new"], dtype=object)), *NO_CHANGES[1:]]
    joined = join(frame, CATEGORICAL, np.zeros((3, 2)), changes)
    assert joined["level"].to_list()[0] == "new"
    categories = joined["level"].cat.categories if frame is PANDAS else joined["level"].dtype.categories
    assert list(categories) == ["y", "x", "new"]


def test_columns_need_no_string_names():
    frame = pd.DataFrame({0: [1.0, 2.0], 1: ["a", "b"]})
    mask = categorical_mask(frame, "from_dtype", 2)
    joined = join(frame, mask, np.zeros((2, 1)), [(np.array([1]), np.array(["a"], object))])
    pd.testing.assert_frame_equal(joined, pd.DataFrame({0: [0.0, 0.0], 1: ["a", "a"]}))


@FRAMES
def test_a_frame_without_numbers_keeps_its_rows(frame):
    names = [name for name, chosen in zip(frame.columns, CATEGORICAL, strict=True) if chosen]
    numbers, _ = split(frame[names], np.ones(5, bool))
    assert numbers.shape == (3, 0)


def test_arrays_split_and_join_to_the_same():
    for dtype in (object, np.float32):
        x = np.array([[1, 2, 3], [4, 5, 6]], dtype=dtype)
        mask = np.array([False, True, False])
        numbers, _ = split(x, mask)
        joined = join(x, mask, numbers, [(np.array([0]), np.array([5]))])
        assert joined.dtype == dtype
        assert_array_equal(joined, [[1, 5, 3], [4, 5, 6]])


def test_frequencies_are_sorted_and_leave_out_missing_cells():
    categories, frequencies = category_frequencies(
        np.array(["b", None, 2, np.nan, "a", "b", pd.NA, pd.NaT], object)
    )
    assert categories.tolist() == [2, "a", "b"]
    assert_array_equal(frequencies, [0.25, 0.25, 0.5])
    categories, frequencies = category_frequencies(np.array([3.0, np.nan, 1.0, 3.0, 3.0]))
    assert_array_equal(categories, [1, 3])
    assert_array_equal(frequencies, [0.25, 0.75])


def test_collections_are_no_categories():
    with pytest.raises(TypeError, match="categorical cells must be strings or numbers, not collections"):
        category_frequencies(np.array([{"a": 1}], dtype=object))


@FRAMES
def test_a_frame_is_converted_on_request(frame):
    assert isinstance(as_container(frame, "pandas"), pd.DataFrame)
    assert isinstance(as_container(frame, "polars"), pl.DataFrame)
    assert as_container(frame, "default") is frame
