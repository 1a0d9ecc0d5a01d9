"""The cells of one column as numbers or categories, and back: for NumPy, pandas and polars."""

from contextlib import contextmanager
from numbers import Integral, Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

TEMPORAL_DTYPES = (nw.Datetime, nw.Duration, nw.Date, nw.Time)


class Column(NamedTuple):
    """The cells of one column.

    `values` are numbers (int64, uint64, float32 or float64; dates and durations count units of their dtype)
    or, if the column is categorical, positions in the list `categories`. Where `missing`, a value means
    nothing. `hole` is what stands for a missing cell where the dtype leaves a choice.
    """

    values: np.ndarray
    missing: np.ndarray
    categories: list | None = None
    hole: object = None


def is_missing(column):
    """Tell which cells of a column are missing: None, NaN, NaT or pandas.NA."""
    if isinstance(column, nw.Series):
        missing = column.is_null()
        return (missing | column.is_nan() if column.dtype.is_float() else missing).to_numpy()
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind != "O":
        return np.zeros(len(column), dtype=bool)
    # pandas.NA is told by its type's name: comparing it gives NA again, and pandas need not be there.
    missing = (cell is None or type(cell).__name__ == "NAType" or cell != cell for cell in column)
    return np.fromiter(missing, dtype=bool, count=len(column))


def object_array(cells):
    """Return a flat array of objects."""
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _working_dtype(dtype):
    """Return the dtype in which numbers of a NumPy dtype are read."""
    if dtype.kind == "f":
        return np.float32 if dtype.itemsize <= 4 else np.float64
    return np.uint64 if dtype.kind == "u" else np.int64


def _column_of_numbers(values):
    """Make a column of an array of numbers, dates or durations."""
    if values.dtype.kind in "mM":
        missing = np.isnat(values)
        return Column(np.where(missing, 0, values.view(np.int64)), missing)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    values = values.astype(_working_dtype(values.dtype), copy=False)
    return Column(np.where(missing, 0, values) if missing.any() else values, missing)


def _column_of_categories(positions, categories, hole=None):
    """Make a categorical column of positions, -1 for missing cells, and sort its categories."""
    try:
        order = sorted(
            range(len(categories)), key=lambda place: (type(categories[place]).__name__, categories[place])
        )
    except TypeError:  # of a type without order
        order = sorted(range(len(categories)), key=lambda place: repr(categories[place]))
    ranks = np.empty(len(order) + 1, np.int32)
    ranks[order] = np.arange(len(order))
    ranks[-1] = -1
    return Column(ranks[positions], positions < 0, [categories[place] for place in order], hole)


# Arrays


def are_numbers(column):
    """Tell whether the cells of an object column that are not missing are numbers."""
    types = set(map(type, column[~is_missing(column)].tolist()))
    return bool(types) and all(issubclass(kind, Real) and kind not in (bool, np.bool_) for kind in types)


def array_numbers(cells, like):
    """Read an array of numbers, dates or durations, in the units of the dtype `like`."""
    if cells.dtype.kind in "mM" or like.kind in "mM":
        if cells.dtype.kind != like.kind:
            raise TypeError("these do not convert into each other")
        return _column_of_numbers(cells.astype(like))
    if cells.dtype.kind in "iuf":
        return _column_of_numbers(cells)
    missing = is_missing(cells)
    present = cells[~missing].tolist()
    integers = all(isinstance(cell, Integral) for cell in present)
    try:
        present = np.array(present, dtype=np.int64 if integers else np.float64)
    except OverflowError:
        present = np.array(present, dtype=np.float64)
    values = np.zeros(len(cells), dtype=present.dtype)
    values[~missing] = present
    hole = _first(cells, missing)
    column = _column_of_numbers(values)  # the text "nan" is a hole too
    return Column(column.values, column.missing | missing, hole=hole)


def array_categories(cells):
    """Read an array of categories."""
    missing = np.isnat(cells) if cells.dtype.kind in "mM" else is_missing(cells)
    present = cells[~missing]
    values = np.full(len(cells), -1, np.int32)
    if cells.dtype.kind != "O":
        categories, values[~missing] = np.unique(present, return_inverse=True)
        return Column(values, missing, list(categories) if cells.dtype.kind in "mM" else categories.tolist())
    places = {}
    with _no_collections():
        values[~missing] = [places.setdefault(cell, len(places)) for cell in present.tolist()]
    return _column_of_categories(values, list(places), _first(cells, missing))


@contextmanager
def _no_collections():
    try:
        yield
    except TypeError as error:
        raise TypeError(f"categorical cells must be strings or numbers, not collections: {error}") from error


def array_cells(column, dtype):
    """Build an array of the dtype."""
    missing = column.missing
    holes = {"O": column.hole, "m": np.timedelta64("NaT"), "M": np.datetime64("NaT")}
    hole = holes.get(dtype.kind, np.nan)
    if column.categories is not None:
        return object_array([*column.categories, hole])[np.where(missing, -1, column.values)]
    if dtype.kind in "mM":
        return _with_nat(column.values, missing, dtype)
    with np.errstate(invalid="ignore"):  # what does not fit gets an error
        values = column.values.astype(dtype, copy=missing.any())
    if dtype.kind in "iu" and len(changed := np.flatnonzero((values != column.values) & ~missing)):
        raise ValueError(f"{dtype} does not hold {column.values[changed[0]]}, in row {changed[0]}")
    if missing.any():
        values[missing] = hole
    return values


def _with_nat(values, missing, dtype):
    return np.where(missing, np.iinfo(np.int64).min, values).view(dtype)


def _first(cells, missing):
    return cells[missing.argmax()] if missing.any() else None


# pandas


def pandas_numbers(series, like):
    """Read a series of numbers, dates or durations, in the units of the dtype `like`."""
    dtype = series.dtype
    if dtype.kind == "O" and like.kind in "iuf":
        return array_numbers(series.to_numpy(), np.dtype("f8"))
    if dtype != like and not (dtype.kind in "iuf" and like.kind in "iuf"):
        series, dtype = series.astype(like), like
    if hasattr(dtype, "tz"):
        return _column_of_numbers(series.to_numpy(dtype=f"M8[{dtype.unit}]"))
    if isinstance(dtype, np.dtype):
        return _column_of_numbers(series.to_numpy())
    # A nullable or Arrow dtype, whose missing cells would turn integers into floats.
    target = nw.from_native(series, series_only=True).dtype
    if isinstance(target, TEMPORAL_DTYPES):
        if isinstance(target, nw.Date):  # Arrow refuses to convert it to int64 at once
            series = series.astype("int32[pyarrow]")
        series = series.astype("int64[pyarrow]")
    is_float = not (target.is_integer() or isinstance(target, TEMPORAL_DTYPES))
    if is_float:
        target = np.float32 if isinstance(target, nw.Float32) else np.float64
    else:
        target = np.uint64 if target.is_unsigned_integer() else np.int64
    column = _column_of_numbers(series.to_numpy(dtype=target, na_value=0))
    return column._replace(missing=column.missing | series.isna().to_numpy())


def pandas_categories(series):
    """Read a series of categories."""
    if hasattr(series, "cat"):
        positions = series.cat.codes.to_numpy()
        return Column(positions, positions < 0, series.cat.categories.tolist())
    with _no_collections():
        positions, categories = series.factorize()
    hole = _first(series.to_numpy(), positions < 0) if series.dtype.kind == "O" else None
    return _column_of_categories(positions, categories.tolist(), hole)


def pandas_cells(column, dtype, *, pd):
    """Build a series or an array of the dtype, for a DataFrame; `pd` is pandas."""
    missing = column.missing
    if column.categories is not None:
        holes = [column.hole] * bool(missing.any())  # which not every dtype can hold
        cells = pd.Series(object_array([*column.categories, *holes]), dtype=dtype).array
        cells = cells.take(np.where(missing, len(column.categories), column.values))
        return pd.Series(cells, dtype=dtype, copy=False)
    if hasattr(dtype, "tz"):
        cells = _with_nat(column.values, missing, f"M8[{dtype.unit}]")
        return pd.DatetimeIndex(cells).tz_localize("UTC").tz_convert(dtype.tz).array
    if isinstance(dtype, np.dtype):
        return array_cells(column, dtype).astype(dtype, copy=False)
    if hasattr(dtype, "pyarrow_dtype"):
        cells = pd.Series(column.values, dtype=f"{column.values.dtype}[pyarrow]")
        if "date32" in str(dtype):
            cells = cells.astype("int32[pyarrow]")
        cells = cells.astype(dtype).array
    else:
        cells = pd.array(column.values, dtype=dtype)
    if missing.any():
        cells[missing] = pd.NA
    return cells


# polars


def polars_numbers(series, like):
    """Read a series of numbers, dates or durations, in the units of the dtype `like`."""
    pl = _namespace(series)
    if series.dtype != like and not (series.dtype.is_numeric() and like.is_numeric()):
        if (getattr(series.dtype, "time_zone", None) is None) != (getattr(like, "time_zone", None) is None):
            raise TypeError("only one of them has a time zone")
        series = series.cast(like)
    if series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    elif str(series.dtype).endswith("128"):  # of which NumPy knows nothing
        series = series.cast(pl.Int64)
    missing = series.is_null().to_numpy()
    column = _column_of_numbers(series.to_physical().fill_null(0).to_numpy())
    hole = np.nan if column.missing.any() and not missing.any() else None
    return Column(column.values, column.missing | missing, hole=hole)


def polars_categories(series):
    """Read a series of categories."""
    pl = _namespace(series)
    if isinstance(series.dtype, pl.Object):
        return array_categories(series.to_numpy())
    if isinstance(series.dtype, pl.Enum):
        positions, categories = series.to_physical().cast(pl.Int32), series.dtype.categories
    else:
        if isinstance(series.dtype, pl.Categorical):  # whose own order depends on what else was read
            series = series.cast(pl.String)
        elif series.dtype.is_float():
            series = series.fill_nan(None)
        categories = series.drop_nulls().unique().sort()
        places = pl.Series(range(len(categories)), dtype=pl.Int32)
        positions = series.replace_strict(categories, places, default=None, return_dtype=pl.Int32)
    return Column(positions.fill_null(0).to_numpy(), positions.is_null().to_numpy(), categories.to_list())


def polars_cells(column, dtype, *, pl):
    """Build a series of the dtype; `pl` is polars."""
    if column.categories is not None:
        places = np.where(column.missing, len(column.categories), column.values)
        if isinstance(dtype, pl.Object):
            return pl.Series(object_array([*column.categories, None])[places], dtype=dtype)
        categories = column.categories
        if dtype.is_integer():  # read from floats, perhaps, which polars does not take for integers
            categories = list(map(int, categories))
        return pl.Series([*categories, None], dtype=dtype).gather(places)
    if isinstance(column.hole, float):
        return pl.Series(np.where(column.missing, np.nan, column.values)).cast(dtype)
    cells = pl.Series(column.values).set(pl.Series(column.missing), None)
    if dtype == pl.Date:
        cells = cells.cast(pl.Int32)
    return cells.cast(dtype)


def _namespace(series):
    return nw.from_native(series, series_only=True).implementation.to_native_namespace()
