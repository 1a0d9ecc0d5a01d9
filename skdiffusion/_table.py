"""Tables in, tables out: the only file that knows DataFrames.

A table here is a DataFrame that narwhals can read (pandas, polars) or a two-dimensional ndarray. It is split
into one float matrix of its numeric columns and its categorical columns, and joined again with its own kind
and dtypes.
"""

from collections import Counter

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_array

_CATEGORICAL_DTYPES = (nw.Categorical, nw.Enum, nw.String, nw.Boolean, nw.Object)


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


def columns_without_numbers(X):
    """Return the names of those columns of a DataFrame that hold no numbers."""
    schema = _frame(X).schema
    return [name for name, dtype in schema.items() if not dtype.is_numeric() and dtype != nw.Boolean]


def split(X, categorical):
    """Split a table into a float matrix of numbers and a list of categorical columns.

    The columns come as one-dimensional arrays, of objects if X is a DataFrame.
    """
    if is_frame(X):
        if odd := [name for name in X.columns if not isinstance(name, str)]:
            raise ValueError(
                f"X has column names that are not strings, {odd}, beside categorical ones: rename them, for "
                "example with X.columns = X.columns.astype(str)"
            )
        frame = _frame(X)
        names = np.array(frame.columns, dtype=object)
        columns = [_objects(frame.get_column(name).to_list()) for name in names[categorical]]
        numbers = frame.select(names[~categorical].tolist()).to_native()
        if categorical.all():  # a polars DataFrame without columns forgets its number of rows
            numbers = np.empty((len(frame), 0))
        elif odd := columns_without_numbers(numbers):
            raise ValueError(
                f"columns {odd} hold no numbers: add them to categorical_features, or convert them to numbers"
            )
    else:
        columns = [X[:, column] for column in np.flatnonzero(categorical)]
        numbers = X[:, ~categorical]
    numbers = check_array(
        numbers,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_features=0,
        input_name="X",
    )
    return numbers, columns


def join(X, categorical, numbers, changes):
    """Build a table like X with other numbers and some categorical cells replaced.

    `changes` holds (rows, values) for each categorical column, in order; X itself is not written to.
    """
    if is_frame(X):
        frame = _frame(X)
        names = np.array(frame.columns, dtype=object)
        changed = [
            _replaced(frame.get_column(name), rows, values)
            for name, (rows, values) in zip(names[categorical], changes, strict=True)
            if len(rows)
        ]
        numeric = [
            nw.new_series(name, column, backend=frame.implementation)
            for name, column in zip(names[~categorical], numbers.T, strict=True)
        ]
        return frame.with_columns(*changed, *numeric).to_native()
    table = np.empty(X.shape, dtype=object if X.dtype == object else numbers.dtype)
    table[:, ~categorical] = numbers
    table[:, categorical] = X[:, categorical]
    for column, (rows, values) in zip(np.flatnonzero(categorical), changes, strict=True):
        table[rows, column] = values
    return table


def as_container(X, container):
    """Convert a DataFrame to a "pandas" or "polars" one; any other container returns X itself."""
    if container == "pandas":
        return _frame(X).to_pandas()
    if container == "polars":
        return _frame(X).to_polars()
    return X


def category_frequencies(column):
    """Return the categories of a column, sorted and without missing ones, and their shares."""
    cells = column[~is_missing(column)]
    if cells.dtype != object:
        categories, counts = np.unique(cells, return_counts=True)
        return categories, counts / len(cells)
    try:
        counts = Counter(cells.tolist())
    except TypeError as error:
        raise TypeError(f"categorical cells must be strings or numbers, not collections: {error}") from error
    categories = sorted(counts, key=lambda category: (type(category).__name__, category))
    return _objects(categories), np.array([counts[category] for category in categories]) / len(cells)


def is_missing(column):
    """Tell which cells of a column are missing: None, NaN, NaT or pandas.NA."""
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


def _replaced(series, rows, values):
    """Copy a series with some cells replaced; a closed set of categories grows by the new ones."""
    if series.implementation.is_pandas_like():
        native = series.to_native().copy()
        if hasattr(native, "cat"):
            native = native.cat.add_categories(_new(values, native.cat.categories))
        # Of the column's own dtype, which objects are not.
        native.iloc[rows] = type(native)(values.tolist(), dtype=native.dtype).array
        return nw.from_native(native, series_only=True)
    dtype = series.dtype
    if isinstance(dtype, nw.Enum):
        dtype = nw.Enum([*dtype.categories, *_new(values, dtype.categories)])
    if isinstance(dtype, nw.Enum | nw.Categorical):  # into which older polars cannot scatter
        series = series.cast(nw.String)
    return series.scatter(rows.tolist(), values.tolist()).cast(dtype)


def _new(values, categories):
    return sorted(set(values) - set(categories), key=str)
