"""The columns that the noiser reads, and their copies with other categories."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _frames import CATEGORICAL, FRAMES, PANDAS
from numpy.testing import assert_array_equal

from skdiffusion._cells import is_missing
from skdiffusion._noised_columns import (
    as_objects,
    category_frequencies,
    columns,
    join,
    redraw,
    redrawn,
)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_dates_are_no_numbers(container):
    frame = container({"when": pd.to_datetime(["2020-01-01"]), "for": pd.to_timedelta(["1h"]), "x": [1.0]})
    with pytest.raises(ValueError, match=r"\['when', 'for'\] hold no numbers"):
        list(columns(frame, np.zeros(3, bool)))


def choose(rows, category):
    """Ask `redraw` to replace the given rows by one category."""

    def draw(block, missing):
        replaced = [row - block.start for row in rows if block.start <= row < block.start + len(missing)]
        return np.array(replaced, int), np.full(len(replaced), category)

    return draw


@FRAMES
def test_a_frame_is_read_column_by_column(frame):
    number, count, *others = columns(frame, CATEGORICAL)
    assert_array_equal(number, [[1.5], [np.nan], [3]])
    assert_array_equal(count, [[1], [np.nan], [3]])
    missing = [
        [False, False, True],
        [False, True, False],
        [False, True, False],
        [False, False, False],
        [False, True, False],
    ]
    assert [is_missing(column).tolist() for column in others] == missing
    assert [is_missing(as_objects(column)).tolist() for column in others] == missing


@FRAMES
def test_what_is_read_joins_to_the_same_frame(frame):
    joined = join(frame, columns(frame, CATEGORICAL))
    categorical = list(frame.columns[2:])
    assert joined[categorical].equals(frame[categorical])
    assert_array_equal(joined[["number", "count"]].to_numpy(), [[1.5, 1], [np.nan, np.nan], [3, 3]])


@FRAMES
def test_replaced_cells_keep_the_dtype_of_their_column(frame):
    before = frame.copy() if frame is PANDAS else frame.clone()
    categories = [["y", "x"], ["q", "w"], ["q", "w"], [False, True], [False, True]]
    _, _, *others = columns(frame, CATEGORICAL)
    drawn = [
        redrawn(column, np.array(known, dtype=object), choose([0, 2], 0))
        for column, known in zip(others, categories, strict=True)
    ]
    joined = join(frame, [np.zeros((3, 1)), np.zeros((3, 1)), *drawn])
    for name, known in zip(frame.columns[2:], categories, strict=True):
        assert joined[name].dtype == frame[name].dtype
        assert [joined[name].to_list()[row] for row in (0, 2)] == [known[0]] * 2
        assert str(joined[name].to_list()[1]) == str(frame[name].to_list()[1])
    assert frame.equals(before)
    assert list(joined.columns) == list(frame.columns)


@FRAMES
def test_a_closed_set_of_categories_grows_by_new_ones(frame):
    column = list(columns(frame, CATEGORICAL))[2]
    grown = redrawn(column, np.array(["new", "y"], dtype=object), choose([0], 0)).to_native()
    assert grown.to_list()[0] == "new"
    categories = grown.cat.categories if frame is PANDAS else grown.dtype.categories
    assert list(categories) == ["y", "x", "new"]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(["a", "b"] * 30_000, dtype="category"),
        pd.Series(["a", "b"] * 30_000, dtype="string[pyarrow]"),
        pl.Series(["a", "b"] * 30_000, dtype=pl.Categorical),
    ],
    ids=["pandas", "arrow", "polars"],
)
def test_long_columns_are_redrawn_block_by_block(series):
    (column,) = columns(series.to_frame("letter"), np.array([True]))
    rows = np.arange(0, 60_000, 7)
    drawn = redrawn(column, np.array(["b", "c"], object), choose(rows, 1))
    expected = np.array(["a", "b"] * 30_000, object)
    expected[rows] = "c"
    assert_array_equal(drawn.to_native().to_list(), expected)
    assert drawn.name == "letter"
    categories, frequencies = category_frequencies(drawn)
    assert categories.tolist() == ["a", "b", "c"]
    assert_array_equal(frequencies, [np.mean(expected == letter) for letter in "abc"])


def test_an_array_is_redrawn_in_place():
    cells = np.array(["a", None, "b"], object)
    redraw(cells, np.array(["c"], object), choose([2], 0))
    assert cells.tolist() == ["a", None, "c"]


def test_missing_cells_of_floats_in_polars_may_be_null_or_nan():
    (column,) = columns(pl.DataFrame({"x": [1.0, None, np.nan]}), np.array([True]))
    assert is_missing(column).tolist() == [False, True, True]


@FRAMES
def test_a_frame_without_numbers_keeps_its_rows(frame):
    categorical = frame[list(frame.columns[2:])]
    assert join(categorical, columns(categorical, np.ones(5, bool))).shape == (3, 5)


def test_arrays_of_objects_join_to_the_same():
    x = np.array([["a", 2, 3], ["b", 5, None]], dtype=object)
    joined = join(x, columns(x, np.array([True, False, False])))
    assert joined.dtype == object
    assert joined[0].tolist() == ["a", 2, 3]
    assert joined[1, :2].tolist() == ["b", 5]
    assert np.isnan(joined[1, 2])


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
