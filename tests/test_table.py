"""The helpers that know DataFrames."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _frames import CATEGORICAL, FRAMES, PANDAS
from numpy.testing import assert_array_equal

from skdiffusion._table import as_container, categorical_mask, check_names, columns_of_times, is_frame


@FRAMES
def test_frames_are_told_from_arrays(frame):
    assert is_frame(frame)
    assert not is_frame(frame.to_numpy())
    assert not is_frame([[1]])


@FRAMES
def test_columns_that_are_not_numeric_are_categorical_by_dtype(frame):
    assert_array_equal(categorical_mask(frame, "from_dtype", 7), CATEGORICAL)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_dates_are_not_categories(container):
    frame = container({"when": pd.to_datetime(["2020-01-01"]), "for": pd.to_timedelta(["1h"]), "x": [1.0]})
    assert not categorical_mask(frame, "from_dtype", 3).any()
    assert columns_of_times(frame) == ["when", "for"]


def test_columns_that_share_a_name_are_named():
    check_names(PANDAS)
    with pytest.raises(ValueError, match=r"several columns of the same name, \['a'\]: rename them"):
        check_names(pd.DataFrame(np.zeros((1, 3)), columns=["a", "b", "a"]))


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
def test_a_frame_is_converted_on_request(frame):
    assert isinstance(as_container(frame, "pandas"), pd.DataFrame)
    assert isinstance(as_container(frame, "polars"), pl.DataFrame)
    assert as_container(frame, "default") is frame
