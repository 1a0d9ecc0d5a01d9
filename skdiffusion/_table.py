"""Tables in, tables out: the only file that knows DataFrames.

A table here is a DataFrame that narwhals can read (pandas, polars) or a two-dimensional ndarray. It is read
column by column, and a new one is built with the same names and dtypes.
"""

from collections import Counter
from contextlib import contextmanager
from functools import partial
from itertools import compress
from numbers import Integral, Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_array

_CATEGORICAL_DTYPES = (nw.Categorical, nw.Enum, nw.String, nw.Boolean, nw.Object)
_TEMPORAL_DTYPES = (nw.Datetime, nw.Duration, nw.Date, nw.Time)
_BLOCK_ROWS = 2**14


def is_frame(X):
    """Tell whether X is a DataFrame."""
    return nw.dependencies.is_into_dataframe(X)


def categorical_mask(X, categorical_features, n_features):
    """Tell which columns of X are categorical, as a mask of shape (n_features,).

    `categorical_features` is None, "from_dtype", a mask, indices or names of columns.
    """
    frame = _frame(X) if is_frame(X) else None
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is None:
        return mask
    if isinstance(categorical_features, str):
        if categorical_features != "from_dtype":
            raise ValueError(
                "categorical_features must be None, 'from_dtype', a mask, indices or names of columns, "
                f"got {categorical_features!r}"
            )
        if frame is not None:  # an array has one dtype, so that it tells nothing about a column
            mask[:] = [isinstance(dtype, _CATEGORICAL_DTYPES) for dtype in frame.schema.values()]
        return mask

    chosen = np.asarray(categorical_features)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "biuOUST"):
        raise ValueError(
            "categorical_features must be a flat list: a mask, indices or names of columns, "
            f"got {categorical_features!r}"
        )
    if chosen.size == 0:
        return mask
    if chosen.dtype.kind == "b":
        if len(chosen) != n_features:
            raise ValueError(
                f"categorical_features is a mask of {len(chosen)} entries, but X has {n_features} features: "
                "give one entry for each"
            )
        return chosen.copy()
    if chosen.dtype.kind in "iu":
        if chosen.min() < 0 or chosen.max() >= n_features:
            raise ValueError(
                f"categorical_features has indices from {chosen.min()} to {chosen.max()}, "
                f"but X has {n_features} features: give indices from 0 to {n_features - 1}"
            )
        mask[chosen] = True
        return mask
    if frame is None:
        raise ValueError(
            f"categorical_features holds names, {categorical_features!r}, but X is not a DataFrame: "
            "give a mask or indices"
        )
    unknown = [name for name in chosen.tolist() if name not in frame.columns]
    if unknown:
        raise ValueError(f"categorical_features names {unknown}, not in X: choose from {list(frame.columns)}")
    mask[:] = np.isin(np.array(frame.columns, dtype=object), chosen.astype(object))
    return mask


def check_names(X):
    """Raise if columns of a DataFrame share a name."""
    names = X.columns if hasattr(X, "iloc") else ()  # other kinds refuse such columns themselves
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"X has several columns of the same name, {repeated}: rename them")


def columns_without_numbers(X):
    """Return the names of those columns of a DataFrame that hold no numbers."""
    schema = _frame(X).schema
    return [name for name, dtype in schema.items() if not dtype.is_numeric() and dtype != nw.Boolean]


def columns_of_times(X):
    """Return the names of those columns of a DataFrame that hold dates, times or durations."""
    return [name for name, dtype in _frame(X).schema.items() if isinstance(dtype, _TEMPORAL_DTYPES)]


def columns(X, categorical):
    """Yield the columns of a table one by one.

    A categorical one comes as a narwhals series or an array of objects, one of numbers as a float matrix of
    shape (n_samples, 1).
    """
    if not is_frame(X):
        for index, is_categorical in enumerate(categorical):
            yield X[:, index] if is_categorical else _float_matrix(X[:, [index]], f"X[:, {index}]")
        return
    frame = _frame(X)
    if odd := [name for name in frame.columns if not isinstance(name, str)]:
        raise ValueError(
            f"X has column names that are not strings, {odd}, beside categorical ones: rename them, for "
            "example with X.columns = [str(name) for name in X.columns]"
        )
    chosen = dict(zip(frame.columns, categorical, strict=True))
    if odd := [name for name in columns_without_numbers(X) if not chosen[name]]:
        raise ValueError(
            f"columns {odd} hold no numbers: add them to categorical_features, or convert them to numbers"
        )
    for name, is_categorical in chosen.items():
        column = frame.get_column(name)
        yield column if is_categorical else _float_matrix(column.to_frame().to_native(), f"X[{name!r}]")


def join(X, columns):
    """Build a table like X of new columns. If they are generated, one at a time takes memory besides."""
    if is_frame(X):
        frame = _frame(X)
        series = (
            column
            if isinstance(column, nw.Series)
            else nw.new_series(name, column[:, 0], backend=frame.implementation)
            for name, column in zip(frame.columns, columns, strict=True)
        )
        return frame.with_columns(*series).to_native()
    table = np.empty(X.shape, dtype=object)
    for index, column in enumerate(columns):
        table[:, index] = column.reshape(-1)
    return table


def redraw(cells, categories, draw):
    """Replace some cells of an array in place by categories.

    `draw(rows, missing)` is asked block by block, with a slice and a mask of the block's missing cells; it
    returns which cells of the block are replaced, and the positions of their categories.
    """
    for rows in _blocks(len(cells)):
        block = cells[rows]
        replaced, drawn = draw(rows, is_missing(block))
        block[replaced] = categories[drawn]


def redrawn(column, categories, draw):
    """Copy a column with cells replaced as by `redraw`. A closed set of categories grows by new ones."""
    if isinstance(column, np.ndarray):
        cells = column.copy()
        redraw(cells, categories, draw)
        return cells
    series, categories = _opened(column, categories)
    if series.implementation.is_pandas_like():
        return _redrawn_in_place(series, categories, draw)
    parts = []
    for rows in _blocks(len(series)):
        part = series[rows]
        replaced, drawn = draw(rows, is_missing(part))
        parts.append(part.scatter(replaced, categories[drawn]).to_frame())
    series = nw.concat(parts).get_column(column.name)
    lent = column.dtype == nw.Categorical and series.dtype != nw.Categorical  # an Enum's dtype, see _opened
    return series.cast(column.dtype) if lent else series


def as_container(X, container):
    """Convert a DataFrame to a "pandas" or "polars" one; any other container returns X itself."""
    if container == "pandas":
        return _frame(X).to_pandas()
    if container == "polars":
        return _frame(X).to_polars()
    return X


def category_frequencies(column):
    """Return the categories of a column, sorted and without missing ones, and their shares."""
    counts = Counter()
    for rows in _blocks(len(column)):
        block = column[rows]
        present = ~is_missing(block)
        try:
            if isinstance(block, nw.Series):
                counts.update(compress(block.to_list(), present))
            elif block.dtype == object:
                counts.update(block[present].tolist())
            else:
                counts.update(dict(zip(*np.unique(block[present], return_counts=True), strict=True)))
        except TypeError as error:
            message = f"categorical cells must be strings or numbers, not collections: {error}"
            raise TypeError(message) from error
    categories = sorted(counts, key=lambda category: (type(category).__name__, category))
    frequencies = np.array([counts[category] for category in categories]) / counts.total()
    categories = _objects(categories)
    return categories.astype(column.dtype) if isinstance(column, np.ndarray) else categories, frequencies


def as_objects(column):
    """Return an array as it is, a series as an array of objects."""
    return column if isinstance(column, np.ndarray) else _objects(column.to_list())


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


def _frame(X):
    return nw.from_native(X, eager_only=True)


def _objects(cells):
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _float_matrix(X, name):
    dtypes = [np.float64, np.float32]
    return check_array(X, dtype=dtypes, ensure_all_finite="allow-nan", input_name=name)


def _blocks(n_rows):
    """Slices of so few rows that what is computed for one of them takes less than a megabyte."""
    return [slice(start, start + _BLOCK_ROWS) for start in range(0, max(1, n_rows), _BLOCK_ROWS)]


def _opened(series, categories):
    """Open a closed set of categories to all of the given ones; return these as a series of the same kind."""
    if series.implementation.is_pandas_like():
        native = series.to_native()
        if hasattr(native, "cat") and (new := _new(categories, native.cat.categories)):
            native = native.cat.add_categories(new)
        like = type(native)(categories.tolist(), dtype=native.dtype)
        return nw.from_native(native, series_only=True), nw.from_native(like, series_only=True)
    dtype = series.dtype
    if isinstance(dtype, nw.Enum | nw.Categorical):  # older polars cannot replace cells of the latter
        known = series.cat.get_categories().to_list()
        dtype = nw.Enum([*known, *_new(categories, known)])
    like = nw.new_series(series.name, categories.tolist(), dtype, backend=series.implementation)
    return series.cast(dtype), like


def _redrawn_in_place(series, categories, draw):
    """Copy a pandas series once, and replace its cells in the copy."""
    native, categories = series.to_native().copy(), categories.to_native().array
    for rows in _blocks(len(series)):
        replaced, drawn = draw(rows, is_missing(series[rows]))
        native.iloc[rows.start + replaced] = categories[drawn]
    return nw.from_native(native, series_only=True)


def _new(values, categories):
    return sorted(set(values) - set(categories), key=str)


# Columns as arrays of numbers or of categories, and back.


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


def as_table(X):
    """Return X if it is a DataFrame whose columns can be read, else a two-dimensional array."""
    if not is_frame(X):
        if isinstance(X, list | tuple) and np.asarray(X).dtype.kind in "US":  # numbers would become strings
            X = np.asarray(X, dtype=object)
        return check_array(X, dtype=None, ensure_all_finite=False, input_name="X")
    if not (hasattr(X, "iloc") or nw.dependencies.is_polars_dataframe(X)):
        raise TypeError(f"X is a {type(X)}: convert it to a pandas or polars DataFrame")
    check_names(X)
    if min(X.shape) == 0:
        raise ValueError(f"X has shape {X.shape}: give it at least one row and one column")
    return X


def empty_like(table):
    """Return a table without rows that keeps container, names and dtypes."""
    return table.head(0).copy() if hasattr(table, "iloc") else table[:0]


def in_container_of(template, table):
    """Convert a DataFrame to pandas or polars if the template is a DataFrame of the other kind."""
    if not (is_frame(template) and is_frame(table)) or hasattr(template, "iloc") == hasattr(table, "iloc"):
        return table
    return as_container(table, "pandas" if hasattr(template, "iloc") else "polars")


def column_name(table, index):
    """Return the name of a column, or its position in an array."""
    return table.columns[index] if is_frame(table) else index


def number_mask(table, categorical_features):
    """Tell which columns hold numbers, dates or durations and are not among `categorical_features`."""
    categorical = categorical_mask(table, categorical_features, table.shape[1])
    if not is_frame(table):
        if table.dtype != object:
            return np.full(len(categorical), table.dtype.kind in "iufmM") & ~categorical
        return np.array([_are_numbers(column) for column in table.T]) & ~categorical
    dtypes = list(_frame(table).schema.values())
    numeric = np.array([dtype.is_numeric() or isinstance(dtype, _TEMPORAL_DTYPES) for dtype in dtypes])
    for index in np.flatnonzero(~numeric & ~categorical).tolist():
        if not (isinstance(dtypes[index], _CATEGORICAL_DTYPES) or _is_empty(_series(table, index))):
            raise ValueError(
                f"column {table.columns[index]!r} has dtype {_series(table, index).dtype}, which holds "
                "neither numbers nor categories: convert it, or leave it out"
            )
    return numeric & ~categorical


def read_numbers(table, index, template):
    """Read a column of numbers, in the units of the template's column."""
    cells = _series(table, index) if is_frame(table) else table[:, index]
    like = _series(template, index) if is_frame(template) else template
    try:
        if is_frame(table) and _is_empty(cells):
            return Column(np.zeros(len(cells), np.int64), np.ones(len(cells), bool))
        if not (is_frame(table) and is_frame(template)):
            dtype = _numpy_dtype(like) if is_frame(template) else like.dtype
            return _array_numbers(cells.to_numpy() if is_frame(table) else cells, dtype)
        return (_polars_numbers if _is_polars(cells) else _pandas_numbers)(cells, like.dtype)
    except Exception as error:  # each library has errors of its own
        raise ValueError(
            f"column {column_name(table, index)!r} has dtype {cells.dtype} and had {like.dtype} in training: "
            f"convert it ({error})"
        ) from error


def read_categories(table, index):
    """Read a categorical column; its categories come in their own order if they have one, else sorted."""
    if not is_frame(table):
        return _array_categories(table[:, index])
    series = _series(table, index)
    return _polars_categories(series) if _is_polars(series) else _pandas_categories(series)


def assemble(columns, template, row_names=None):
    """Build a table of the template's container, names and dtypes from its columns.

    `row_names` is the index of a pandas DataFrame, by default 0, 1, ...
    """
    if not is_frame(template):
        cells = (_array_cells(column, template.dtype) for column in columns)
        table = np.empty((len(columns[0].values), len(columns)), dtype=template.dtype)
        for index, column in enumerate(cells):
            table[:, index] = column
        return table
    namespace = _frame(template).implementation.to_native_namespace()
    dtypes = [_series(template, index).dtype for index in range(template.shape[1])]
    if not hasattr(template, "iloc"):
        cells = map(partial(_polars_cells, pl=namespace), columns, dtypes)
        return namespace.DataFrame(dict(zip(template.columns, cells, strict=True)))
    cells = map(partial(_pandas_cells, pd=namespace), columns, dtypes)
    table = namespace.DataFrame(dict(enumerate(cells)), copy=False)
    table.columns = template.columns
    if row_names is not None:
        table.index = row_names
    return table


def _series(table, index):
    return table.iloc[:, index] if hasattr(table, "iloc") else table[:, index]


def _is_polars(series):
    return hasattr(series, "to_physical")


def _is_empty(series):
    return nw.from_native(series, series_only=True).is_null().all()


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


def _are_numbers(column):
    """Tell whether the cells of an object column that are not missing are numbers."""
    types = set(map(type, column[~is_missing(column)].tolist()))
    return bool(types) and all(issubclass(kind, Real) and kind not in (bool, np.bool_) for kind in types)


def _array_numbers(cells, like):
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
    return Column(values, missing, hole=_first(cells, missing))


def _array_categories(cells):
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


def _array_cells(column, dtype):
    missing = column.missing
    holes = {"O": column.hole, "m": np.timedelta64("NaT"), "M": np.datetime64("NaT")}
    hole = holes.get(dtype.kind, np.nan)
    if column.categories is not None:
        return _objects([*column.categories, hole])[np.where(missing, -1, column.values)]
    if dtype.kind in "mM":
        return _with_nat(column.values, missing, dtype)
    values = column.values.astype(dtype, copy=missing.any())
    if missing.any():
        values[missing] = hole
    return values


def _with_nat(values, missing, dtype):
    return np.where(missing, np.iinfo(np.int64).min, values).view(dtype)


def _first(cells, missing):
    return cells[missing.argmax()] if missing.any() else None


def _numpy_dtype(series):
    """Return the NumPy dtype of numbers, dates (in UTC) or durations."""
    dtype = nw.from_native(series, series_only=True).dtype
    kind = {nw.Datetime: "M8[{}]", nw.Duration: "m8[{}]", nw.Date: "M8[D]"}.get(type(dtype), "f8")
    return np.dtype(kind.format(getattr(dtype, "time_unit", None)))


# pandas


def _pandas_numbers(series, like):
    dtype = series.dtype
    if dtype.kind == "O" and like.kind in "iuf":
        return _array_numbers(series.to_numpy(), np.dtype("f8"))
    if dtype != like and not (dtype.kind in "iuf" and like.kind in "iuf"):
        series, dtype = series.astype(like), like
    if hasattr(dtype, "tz"):
        return _column_of_numbers(series.to_numpy(dtype=f"M8[{dtype.unit}]"))
    if isinstance(dtype, np.dtype):
        return _column_of_numbers(series.to_numpy())
    # A nullable or Arrow dtype, whose missing cells would turn integers into floats.
    target = nw.from_native(series, series_only=True).dtype
    if isinstance(target, _TEMPORAL_DTYPES):
        if isinstance(target, nw.Date):  # Arrow refuses to convert it to int64 at once
            series = series.astype("int32[pyarrow]")
        series = series.astype("int64[pyarrow]")
    is_float = not (target.is_integer() or isinstance(target, _TEMPORAL_DTYPES))
    if is_float:
        target = np.float32 if isinstance(target, nw.Float32) else np.float64
    else:
        target = np.uint64 if target.is_unsigned_integer() else np.int64
    column = _column_of_numbers(series.to_numpy(dtype=target, na_value=0))
    return column._replace(missing=column.missing | series.isna().to_numpy())


def _pandas_categories(series):
    if hasattr(series, "cat"):
        positions = series.cat.codes.to_numpy()
        return Column(positions, positions < 0, series.cat.categories.tolist())
    with _no_collections():
        positions, categories = series.factorize()
    hole = _first(series.to_numpy(), positions < 0) if series.dtype.kind == "O" else None
    return _column_of_categories(positions, categories.tolist(), hole)


def _pandas_cells(column, dtype, *, pd):
    missing = column.missing
    if column.categories is not None:
        holes = [column.hole] * bool(missing.any())  # which not every dtype can hold
        cells = pd.Series(_objects([*column.categories, *holes]), dtype=dtype).array
        cells = cells.take(np.where(missing, len(column.categories), column.values))
        return pd.Series(cells, dtype=dtype, copy=False)
    if hasattr(dtype, "tz"):
        cells = _with_nat(column.values, missing, f"M8[{dtype.unit}]")
        return pd.DatetimeIndex(cells).tz_localize("UTC").tz_convert(dtype.tz).array
    if isinstance(dtype, np.dtype):
        return _array_cells(column, dtype).astype(dtype, copy=False)
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


def _polars_numbers(series, like):
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


def _polars_categories(series):
    pl = _namespace(series)
    if isinstance(series.dtype, pl.Object):
        return _array_categories(series.to_numpy())
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


def _polars_cells(column, dtype, *, pl):
    if column.categories is not None:
        places = np.where(column.missing, len(column.categories), column.values)
        if isinstance(dtype, pl.Object):
            return pl.Series(_objects([*column.categories, None])[places], dtype=dtype)
        return pl.Series([*column.categories, None], dtype=dtype).gather(places)
    if isinstance(column.hole, float):
        return pl.Series(np.where(column.missing, np.nan, column.values)).cast(dtype)
    cells = pl.Series(column.values)
    if dtype == pl.Date:
        cells = cells.cast(pl.Int32)
    return cells.cast(dtype).set(pl.Series(column.missing), None)


def _namespace(series):
    return nw.from_native(series, series_only=True).implementation.to_native_namespace()


def as_one_column(y, like=None):
    """Return a Series as a DataFrame of one column, and any other flat sequence as an ndarray of one.

    With `like`, a table of one column, the container and the name are those of that table.
    """
    if nw.dependencies.is_into_series(y):
        # Without a name it is to be without one again.
        table = y.to_frame(y.name)
        if like is None:
            return table
        if not is_frame(like):
            return y.to_numpy()[:, None]
        table = in_container_of(like, table)
        if hasattr(table, "iloc"):
            return table.set_axis(like.columns, axis=1)
        return table.rename(dict(zip(table.columns, like.columns, strict=True)))
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y must be flat, with a class or number for each row, got shape {y.shape}")
    if like is None or not is_frame(like):
        return y[:, None]
    namespace = _frame(like).implementation.to_native_namespace()
    return namespace.DataFrame({like.columns[0]: y.tolist() if y.dtype.kind == "O" else y})


def holds_classes(table):
    """Tell whether a table of one column holds classes: cells that are no numbers, or whole ones."""
    if not number_mask(table, None)[0]:
        return True
    if columns_of_times(table) if is_frame(table) else table.dtype.kind in "mM":
        return False
    column = read_numbers(table, 0, table)
    present = column.values[~column.missing]
    return bool((present == np.round(present)).all() and np.isfinite(present).all())


def only_column(table):
    """Return the only column of a table as a Series or a flat ndarray: undo `as_one_column`."""
    if is_frame(table):
        frame = _frame(table)
        return frame.get_column(frame.columns[0]).to_native()
    return table[:, 0]


# Several tables at once, for the metrics.


def comparable(tables, categorical_features):
    """Turn tables with the same columns into float matrices whose cells can be compared.

    `tables` maps the names that errors use to tables; the first one sets the order of the columns and their
    kinds. Categories become codes that all tables share, dates and durations count units of the first
    table, and missing cells become NaN. Returns the names of the columns, the mask of the categorical ones
    and the matrices.
    """
    first, *_ = tables
    tables = {label: _checked_table(X, label) for label, X in tables.items()}
    names = _names(tables[first])
    tables = {label: _reordered(X, label, names, first, type(tables[first])) for label, X in tables.items()}
    numeric = {label: number_mask(X, categorical_features) for label, X in tables.items()}
    categorical = ~numeric[first]

    matrices = {label: np.empty(X.shape) for label, X in tables.items()}
    for index, name in enumerate(names):
        if categorical[index]:
            columns = _shared_codes([read_categories(X, index) for X in tables.values()])
        else:
            for label, X in tables.items():
                if not (numeric[label][index] or read_categories(X, index).missing.all()):
                    raise ValueError(
                        f"column {name!r} holds numbers in {first}, but not in {label}: convert one of them"
                    )
            columns = [_floats(read_numbers(X, index, tables[first])) for X in tables.values()]
        for (label, matrix), column in zip(matrices.items(), columns, strict=True):
            if np.isinf(column).any():
                raise ValueError(f"column {name!r} of {label} holds infinite numbers: clip or replace them")
            matrix[:, index] = column
    return names, categorical, list(matrices.values())


def _checked_table(X, label):
    try:
        return as_table(X)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{label} cannot be read: {error}") from error


def _names(X):
    return list(X.columns) if is_frame(X) else list(range(X.shape[1]))


def _reordered(X, label, names, first, container):
    """Return X with its columns in the order of `names`, those of the first table."""
    if not isinstance(X, container):
        kinds = [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in (type(X), container)]
        raise TypeError(f"{label} is a {kinds[0]} and {first} a {kinds[1]}: give tables of one kind")
    found = _names(X)
    if found == names:
        return X
    if set(found) != set(names):
        lacking = [name for name in names if name not in found]
        extra = [name for name in found if name not in names]
        raise ValueError(f"{label} must have the columns of {first}: lacking are {lacking}, too many {extra}")
    return X[names]


def _floats(column):
    return np.where(column.missing, np.nan, column.values.astype(np.float64))


def _shared_codes(columns):
    """Return the codes of categorical columns, which share them; unused categories get none."""
    codes, shared = [], {}
    for column in columns:
        present = ~column.missing
        used = np.unique(column.values[present])
        code = np.full(len(column.categories), np.nan)
        code[used] = [shared.setdefault(column.categories[place], len(shared)) for place in used.tolist()]
        codes.append(np.full(len(column.values), np.nan))
        codes[-1][present] = code[column.values[present]]
    return codes
