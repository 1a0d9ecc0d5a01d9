"""Odd tables, for Hypothesis: cells of every kind, odd names, containers and memory layouts."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import strategies as st

NUMBERS = [
    0.0,
    -0.0,
    1.0,
    1.5,
    -3.25,
    1e308,
    -1e308,
    1e-308,
    5e-324,
    -5e-324,
    1e16,
    0.1,
    2.0**53,
    3.4e38,
    1e-45,
]
HOLES = [np.nan]
INFINITE = [np.inf, -np.inf]
INTEGERS = [0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
TEXTS = ["", " ", "a", "b", "é", "日本", "\x00", "nan", "None", "<b>", "1", "\ud7ff", "\U0001f600", "x" * 200]
OBJECTS = [None, np.nan, pd.NA, 1, 2.5, "a", True, b"bytes", (1, 2), 10**30, Decimal("1.5"), Fraction(1, 3)]
COLLECTIONS = [[1], {"a": 1}, {1}, np.zeros(2)]
DATES = [datetime.datetime(2020, 1, 1), datetime.datetime(1700, 1, 1), datetime.datetime(2262, 1, 1), None]
NAMES = ["a", "b", "", "日", "<i>", "missingindicator_a", 0, 1, 2.5, None, ("a", 1), True, "x" * 100]
KINDS = """float float32 half int uint bool text object collections category date span zoned
Int64 boolean string arrow identifier complex period"""


def _cells(values, n_rows):
    return st.lists(st.sampled_from(values), min_size=n_rows, max_size=n_rows)


@st.composite
def _numbers(draw, n_rows):
    """Floats: extreme ones, seldom infinite; or many unlike each other."""
    if draw(st.booleans()):
        scale = draw(st.sampled_from([1.0, 1e-300, 1e300, 1e-20, 1e20]))
        cells = scale * np.random.default_rng(draw(st.integers(0, 99))).normal(size=n_rows)
    else:
        odd = draw(st.sampled_from([[], HOLES, HOLES, HOLES + INFINITE]))
        cells = np.array(draw(_cells(NUMBERS + odd, n_rows)), float)
    if draw(st.integers(0, 5)) == 0:
        cells[:] = draw(st.sampled_from([np.nan, 0.0, 1e308]))
    return cells


@st.composite
def _series(draw, n_rows):
    """A column of pandas of any dtype."""
    kind = draw(st.sampled_from(KINDS.split()))
    if kind == "float":
        return draw(_numbers(n_rows))
    if kind in ("float32", "half"):
        with np.errstate(all="ignore"):
            return draw(_numbers(n_rows)).astype(np.float32 if kind == "float32" else np.float16)
    if kind == "int":
        return np.array(draw(_cells(INTEGERS, n_rows)), np.int64)
    if kind == "uint":
        return np.array(draw(_cells([0, 1, 2**64 - 1, 2**63], n_rows)), np.uint64)
    if kind == "bool":
        return np.array(draw(_cells([True, False], n_rows)), bool)
    if kind == "text":
        return pd.Series(draw(_cells([*TEXTS, None], n_rows)), dtype=object)
    if kind in ("object", "collections"):
        cells = pd.Series([None] * n_rows, dtype=object)
        for place, cell in enumerate(draw(_cells(OBJECTS + COLLECTIONS * (kind == "collections"), n_rows))):
            cells.iat[place] = cell
        return cells
    if kind == "category":
        known = draw(st.sampled_from([TEXTS, [1, 2, 3], [2.5, 0.5], ["only"], [True, False]]))
        ordered = draw(st.booleans())
        return pd.Categorical(draw(_cells([*known, None], n_rows)), categories=known, ordered=ordered)
    if kind == "date":
        return pd.Series(draw(_cells(DATES, n_rows)), dtype="M8[ns]")
    if kind == "span":
        return pd.Series(draw(_cells(DATES, n_rows)), dtype="M8[us]") - pd.Timestamp("2000-01-01").as_unit(
            "us"
        )
    if kind == "zoned":
        return pd.Series(draw(_cells(DATES, n_rows)), dtype="M8[us]").dt.tz_localize("Europe/Paris")
    if kind == "Int64":
        return pd.array(draw(_cells([*INTEGERS, None], n_rows)), dtype="Int64")
    if kind == "boolean":
        return pd.array(draw(_cells([True, False, None], n_rows)), dtype="boolean")
    if kind == "string":
        return pd.array(draw(_cells([*TEXTS, None], n_rows)), dtype="string")
    if kind == "arrow":
        return pd.array(draw(_cells([1, 2, None], n_rows)), dtype="int64[pyarrow]")
    if kind == "identifier":
        return pd.Series([f"id {place}" for place in range(n_rows)], dtype=object)
    if kind == "complex":
        return np.full(n_rows, 1j)
    return pd.period_range("2020-01", periods=n_rows, freq="M")


@st.composite
def _pandas(draw, n_rows, n_columns):
    names = st.sampled_from(NAMES) if draw(st.booleans()) else st.sampled_from("abcdefgh")
    names = draw(st.lists(names, min_size=n_columns, max_size=n_columns, unique=draw(st.integers(0, 3)) > 0))
    columns = {place: draw(_series(n_rows)) for place in range(n_columns)}
    index = draw(st.sampled_from([None, [0] * n_rows, [f"row {place}" for place in range(n_rows)]]))
    frame = pd.DataFrame(
        {place: pd.Series(column).reset_index(drop=True) for place, column in columns.items()}
    )
    if len(frame) == n_rows and index is not None:
        frame.index = index
    frame.columns = pd.Index(names, dtype=object, tupleize_cols=False)
    return frame


@st.composite
def _polars(draw, n_rows, n_columns):
    names = st.sampled_from(["", "日", *"abcdefgh"])
    names = st.sampled_from(["", "日", *"abcdefgh"])
    names = draw(st.lists(names, min_size=n_columns, max_size=n_columns, unique=True))
    kinds = st.sampled_from(
        ["float", "int", "text", "enum", "bool", "date", "null", "list", "decimal", "category"]
    )
    columns = {}
    for name in names:
        kind = draw(kinds)
        if kind == "float":
            column = pl.Series(draw(_numbers(n_rows)), dtype=pl.Float64, nan_to_null=draw(st.booleans()))
        elif kind == "int":
            column = pl.Series(draw(_cells([*INTEGERS, None], n_rows)), dtype=pl.Int64)
        elif kind == "text":
            column = pl.Series(draw(_cells([*TEXTS, None], n_rows)), dtype=pl.String)
        elif kind == "category":
            column = pl.Series(draw(_cells([*TEXTS, None], n_rows)), dtype=pl.Categorical)
        elif kind == "enum":
            column = pl.Series(draw(_cells(["x", "y", None], n_rows)), dtype=pl.Enum(["y", "x", "z"]))
        elif kind == "bool":
            column = pl.Series(draw(_cells([True, False, None], n_rows)), dtype=pl.Boolean)
        elif kind == "date":
            column = pl.Series(draw(_cells(DATES, n_rows)), dtype=pl.Datetime("us"))
        elif kind == "decimal":
            column = pl.Series(
                draw(_cells([Decimal("1.50"), Decimal("-2"), None], n_rows)), dtype=pl.Decimal(9, 2)
            )
        elif kind == "list":
            column = pl.Series([[1]] * n_rows, dtype=pl.List(pl.Int64))
        else:
            column = pl.Series([None] * n_rows)
        columns[name] = column
    return pl.DataFrame(columns)


@st.composite
def _array(draw, n_rows, n_columns):
    kind = draw(
        st.sampled_from(
            ["float", "float", "float32", "int", "uint", "object", "text", "bool", "date", "complex"]
        )
    )
    shape = n_rows, n_columns
    if kind in ("float", "float32"):
        columns = [draw(_numbers(n_rows)) for _ in range(n_columns)]
        array = np.column_stack(columns) if columns else np.empty(shape)
        with np.errstate(all="ignore"):
            array = array.astype(kind)
    elif kind == "object":
        array = np.empty(shape, object)
        for place in np.ndindex(*shape):
            array[place] = draw(st.sampled_from(OBJECTS))
    else:
        values = {
            "int": INTEGERS,
            "text": TEXTS,
            "bool": [True, False],
            "date": DATES,
            "uint": [0, 2**64 - 1],
        }
        values, dtype = (
            values.get(kind, [1j]),
            {"int": "i8", "text": "U9", "date": "M8[us]", "uint": "u8"}.get(kind, kind),
        )
        array = np.array(draw(_cells(values, n_rows * n_columns)), dtype).reshape(shape)
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed", "read-only", "list", "flat", "deep"]))
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        return np.repeat(array, 2, axis=0)[::2]
    if layout == "reversed":
        return array[::-1, ::-1]
    if layout == "read-only":
        array.setflags(write=False)
    if layout == "list":
        return array.tolist()
    if layout == "flat" and draw(st.integers(0, 3)) == 0:
        return array.ravel()
    if layout == "deep" and draw(st.integers(0, 3)) == 0:
        return array[None]
    return array


@st.composite
def odd_tables(draw, n_columns=None):
    """Draw a table of 0 to 40 rows, mostly of few columns."""
    n_rows = draw(st.sampled_from([1, 2, 3, 5, 8, 13, 30, 40, 0]))
    n_columns = draw(st.sampled_from([1, 2, 3, 4, 0])) if n_columns is None else n_columns
    container = draw(st.sampled_from([_pandas, _pandas, _polars, _array]))
    return draw(container(n_rows, n_columns))


@st.composite
def odd_copies(draw, table):
    """Draw rows of a pandas DataFrame, with other cells in some columns."""
    rows = table.iloc[: draw(st.sampled_from([1, 2, 5, 20]))].reset_index(drop=True)
    for name in draw(st.lists(st.sampled_from(table.columns.tolist()), max_size=2, unique=True)):
        rows[name] = pd.Series(draw(_series(len(rows)))).reset_index(drop=True)
    return rows
