"""The columns of a table one by one, their categories, and copies with other ones in some cells.

A categorical column is a narwhals series or an array, as its table holds it, so that cells that get no
noise stay as they are.
"""

from collections import Counter
from itertools import compress

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_array

from ._cells import is_missing, object_array
from ._table import as_narwhals, is_frame, with_categories

_BLOCK_ROWS = 2**14


def columns(X, categorical):
    """Yield the columns of a table one by one.

    A categorical one comes as a narwhals series or an array of objects, one of numbers as a float matrix of
    shape (n_samples, 1).
    """
    if not is_frame(X):
        for index, is_categorical in enumerate(categorical):
            yield X[:, index] if is_categorical else _float_matrix(X[:, [index]], f"X[:, {index}]")
        return
    frame = as_narwhals(X)
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


def columns_without_numbers(X):
    """Return the names of those columns of a DataFrame that hold no numbers."""
    schema = as_narwhals(X).schema
    return [name for name, dtype in schema.items() if not dtype.is_numeric() and dtype != nw.Boolean]


def join(X, columns):
    """Build a table like X of new columns. If they are generated, one at a time takes memory besides."""
    if is_frame(X):
        frame = as_narwhals(X)
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
    categories = object_array(categories)
    return categories.astype(column.dtype) if isinstance(column, np.ndarray) else categories, frequencies


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
    """Copy a series with cells replaced as by `redraw`. A closed set of categories grows by new ones."""
    try:
        series, categories = _opened(column, categories)
    except Exception as error:  # each library has errors of its own
        raise ValueError(
            f"column {column.name!r} has dtype {column.dtype}, which does not hold the categories of "
            f"training: convert it ({error})"
        ) from error
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


def as_objects(column):
    """Return an array as it is, a series as an array of objects."""
    return column if isinstance(column, np.ndarray) else object_array(column.to_list())


def _float_matrix(X, name):
    dtypes = [np.float64, np.float32]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values get an error
        return check_array(X, dtype=dtypes, ensure_all_finite="allow-nan", input_name=name)


def _blocks(n_rows):
    """Slices of so few rows that what is computed for one of them takes less than a megabyte."""
    return [slice(start, start + _BLOCK_ROWS) for start in range(0, max(1, n_rows), _BLOCK_ROWS)]


def _opened(series, categories):
    """Open a closed set of categories to all of the given ones; return these as a series of the same kind."""
    if series.implementation.is_pandas_like():
        series = with_categories(series, sorted(categories, key=str))
        native = series.to_native()
        like = type(native)(categories.tolist(), dtype=native.dtype)
        return series, nw.from_native(like, series_only=True)
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
