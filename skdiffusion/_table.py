"""Tables in, tables out: arrays and DataFrames.

A table here is a DataFrame that narwhals can read (pandas, polars) or a two-dimensional ndarray. It is read
column by column, and a new one is built with the same names and dtypes.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_array

from ._cells import (
    TEMPORAL_DTYPES,
    Column,
    are_numbers,
    array_categories,
    array_cells,
    array_numbers,
    is_missing,
    object_array,
    pandas_categories,
    pandas_cells,
    pandas_numbers,
    polars_categories,
    polars_cells,
    polars_numbers,
)

CATEGORICAL_DTYPES = (nw.Categorical, nw.Enum, nw.String, nw.Boolean, nw.Object)


def is_frame(X):
    """Tell whether X is a DataFrame."""
    return nw.dependencies.is_into_dataframe(X)


def as_narwhals(X):
    """Return a DataFrame as narwhals sees it."""
    return nw.from_native(X, eager_only=True)


def as_table(X, name="X"):
    """Return X if it is a DataFrame whose columns can be read, else a two-dimensional array.

    Errors call it by `name`.
    """
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # a sparse array may be a dict, too
        raise TypeError(f"{name} is a {type(X).__name__}, which is no table: make a DataFrame of it")
    if not is_frame(X):
        if isinstance(X, list | tuple) and np.asarray(X).dtype.kind in "US":  # numbers would become strings
            X = np.asarray(X, dtype=object)
        return check_array(X, dtype=None, ensure_all_finite=False, input_name=name)
    if not (hasattr(X, "iloc") or nw.dependencies.is_polars_dataframe(X)):
        raise TypeError(f"{name} is a {type(X)}: convert it to a pandas or polars DataFrame")
    check_names(X, name)
    if min(X.shape) == 0:
        raise ValueError(f"{name} has shape {X.shape}: give it at least one row and one column")
    return X


def check_names(X, name="X"):
    """Raise if columns of a DataFrame share a name."""
    names = X.columns if hasattr(X, "iloc") else ()  # other kinds refuse such columns themselves
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{name} has several columns of the same name, {repeated}: rename them")


def column_name(table, index):
    """Return the name of a column, or its position in an array."""
    return table.columns[index] if is_frame(table) else index


def categorical_mask(X, categorical_features, n_features):
    """Tell which columns of X are categorical, as a mask of shape (n_features,).

    `categorical_features` is None, "from_dtype", a mask, indices or names of columns.
    """
    frame = as_narwhals(X) if is_frame(X) else None
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
            mask[:] = [isinstance(dtype, CATEGORICAL_DTYPES) for dtype in frame.schema.values()]
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


def number_mask(table, categorical_features):
    """Tell which columns hold numbers, dates or durations and are not among `categorical_features`."""
    categorical = categorical_mask(table, categorical_features, table.shape[1])
    if not is_frame(table):
        if table.dtype != object:
            return np.full(len(categorical), table.dtype.kind in "iufmM") & ~categorical
        return np.array([are_numbers(column) for column in table.T]) & ~categorical
    dtypes = list(as_narwhals(table).schema.values())
    numeric = np.array([dtype.is_numeric() or isinstance(dtype, TEMPORAL_DTYPES) for dtype in dtypes])
    for index in np.flatnonzero(~numeric & ~categorical).tolist():
        if not (isinstance(dtypes[index], CATEGORICAL_DTYPES) or _is_empty(_series(table, index))):
            raise ValueError(
                f"column {table.columns[index]!r} has dtype {_series(table, index).dtype}, which holds "
                "neither numbers nor categories: convert it, or leave it out"
            )
    return numeric & ~categorical


def columns_of_times(X):
    """Return the names of those columns of a DataFrame that hold dates, times or durations."""
    return [name for name, dtype in as_narwhals(X).schema.items() if isinstance(dtype, TEMPORAL_DTYPES)]


def as_container(X, container):
    """Convert a DataFrame to a "pandas" or "polars" one; any other container returns X itself."""
    if container not in ("pandas", "polars"):
        return X
    try:
        return as_narwhals(X).to_pandas() if container == "pandas" else as_narwhals(X).to_polars()
    except Exception as error:  # each library has errors of its own
        raise ValueError(f"{container} does not hold all columns, {list(X.columns)}: {error}") from error


def in_container_of(template, table):
    """Convert a DataFrame to pandas or polars if the template is a DataFrame of the other kind."""
    if not (is_frame(template) and is_frame(table)) or hasattr(template, "iloc") == hasattr(table, "iloc"):
        return table
    return as_container(table, "pandas" if hasattr(template, "iloc") else "polars")


def with_names_of(template, table):
    """Return an array as a DataFrame of the template's container and names, if that is one."""
    if not is_frame(template) or is_frame(table):
        return table
    namespace = as_narwhals(template).implementation.to_native_namespace()
    if hasattr(template, "iloc"):
        return namespace.DataFrame(table, columns=template.columns)
    return namespace.DataFrame(table, schema=template.columns)


def with_columns_of(template, table, name="X"):
    """Return a DataFrame with the template's columns, in their order: those it lacks have no known cell.

    Errors call it by `name`.
    """
    if odd := [column for column in table.columns if column not in template.columns]:
        raise ValueError(
            f"{name} has columns {odd} that training did not have: leave them out, or choose from "
            f"{list(template.columns)}."
        )
    if hasattr(table, "iloc"):
        return table.reindex(columns=template.columns)
    lacking = [nw.lit(None).alias(name) for name in template.columns if name not in table.columns]
    return as_narwhals(table).with_columns(*lacking).select(*template.columns).to_native()


def with_categories(series, categories):
    """Let a series have further categories, if its dtype is a closed set of them."""
    native = series.to_native()
    if hasattr(native, "cat") and hasattr(native, "iloc"):
        seen = set(native.cat.categories)
        if new := [each for each in categories if each not in seen]:
            return nw.from_native(native.cat.add_categories(new), series_only=True)
    if series.dtype == nw.Enum:
        known = series.cat.get_categories().to_list()
        return series.cast(nw.Enum([*known, *(each for each in categories if each not in known)]))
    return series


def empty_like(table):
    """Return a table without rows that keeps container, names and dtypes."""
    return table.head(0).copy() if hasattr(table, "iloc") else table[:0]


def with_holes(table, mask):
    """Return a table whose cells are missing where a mask of its shape says so; dtypes change as needed."""
    if not is_frame(table):
        if table.dtype.kind in "iub":
            table = table.astype(np.float64 if table.dtype.kind != "b" else object)
        elif table.dtype.kind == "U":
            table = table.astype(object)
        holes = {"O": None, "m": np.timedelta64("NaT"), "M": np.datetime64("NaT")}
        return np.where(mask, holes.get(table.dtype.kind, np.nan), table).astype(table.dtype)
    frame = as_narwhals(table)
    kept = [
        nw.when(nw.new_series(name, ~column, backend=frame.implementation)).then(nw.col(name)).alias(name)
        for name, column in zip(frame.columns, mask.T, strict=True)
    ]
    return frame.with_columns(*kept).to_native()


def read_numbers(table, index, template):
    """Read a column of numbers, in the units of the template's column."""
    cells = _series(table, index) if is_frame(table) else table[:, index]
    like = _series(template, index) if is_frame(template) else template
    try:
        if is_frame(table) and _is_empty(cells):
            return Column(np.zeros(len(cells), np.int64), np.ones(len(cells), bool))
        if not (is_frame(table) and is_frame(template)):
            dtype = _numpy_dtype(like) if is_frame(template) else like.dtype
            return array_numbers(cells.to_numpy() if is_frame(table) else cells, dtype)
        return (polars_numbers if _is_polars(cells) else pandas_numbers)(cells, like.dtype)
    except Exception as error:  # each library has errors of its own
        raise ValueError(
            f"column {column_name(table, index)!r} has dtype {cells.dtype} and had {like.dtype} in training: "
            f"convert it ({error})"
        ) from error


def number_dtype(table, index):
    """Return the NumPy dtype of a column; dates and durations are read in its units."""
    return _numpy_dtype(_series(table, index)) if is_frame(table) else table.dtype


def category_order(table, index):
    """Return the categories of a column in their order, None unless its dtype orders them."""
    if not is_frame(table):
        return None
    series = nw.from_native(_series(table, index), series_only=True)
    return series.cat.get_categories().to_list() if series.dtype == nw.Enum else None


def read_categories(table, index):
    """Read a categorical column; its categories come in their own order if they have one, else sorted."""
    series = _series(table, index) if is_frame(table) else table[:, index]
    try:
        if not is_frame(table):
            return array_categories(series)
        return polars_categories(series) if _is_polars(series) else pandas_categories(series)
    except TypeError as error:
        raise TypeError(f"column {column_name(table, index)!r}: {error}") from error
    except Exception as error:  # each library has errors of its own
        raise ValueError(
            f"column {column_name(table, index)!r} has dtype {series.dtype}, which holds no categories: "
            f"convert it ({error})"
        ) from error


def assemble(columns, template, row_names=None):
    """Build a table of the template's container, names and dtypes from its columns.

    `row_names` is the index of a pandas DataFrame, by default 0, 1, ...
    """
    if not is_frame(template):
        cells = (array_cells(column, template.dtype) for column in columns)
        table = np.empty((len(columns[0].values), len(columns)), dtype=template.dtype)
        for index, column in enumerate(cells):
            table[:, index] = column
        return table
    namespace = as_narwhals(template).implementation.to_native_namespace()
    dtypes = [_series(template, index).dtype for index in range(template.shape[1])]
    if not hasattr(template, "iloc"):
        cells = map(partial(polars_cells, pl=namespace), columns, dtypes)
        return namespace.DataFrame(dict(zip(template.columns, cells, strict=True)))
    cells = map(partial(pandas_cells, pd=namespace), columns, dtypes)
    table = namespace.DataFrame(dict(enumerate(cells)), copy=False)
    table.columns = template.columns
    if row_names is not None:
        table.index = row_names
    return table


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
    flat = np.asarray(y)
    if isinstance(y, list | tuple) and flat.dtype.kind == "U":  # in which a hole has become the text "nan"
        flat = object_array(y) if is_missing(object_array(y)).any() else flat
    y = flat
    if y.ndim != 1:
        raise ValueError(f"y must be flat, with a class or number for each row, got shape {y.shape}")
    if like is None or not is_frame(like):
        return y[:, None]
    namespace = as_narwhals(like).implementation.to_native_namespace()
    return namespace.DataFrame({like.columns[0]: y.tolist() if y.dtype.kind == "O" else y})


def only_column(table):
    """Return the only column of a table as a Series or a flat ndarray: undo `as_one_column`."""
    if is_frame(table):
        frame = as_narwhals(table)
        return frame.get_column(frame.columns[0]).to_native()
    return table[:, 0]


def holds_classes(table):
    """Tell whether a table of one column holds classes: cells that are no numbers, or whole ones."""
    if not number_mask(table, None)[0]:
        return True
    if columns_of_times(table) if is_frame(table) else table.dtype.kind in "mM":
        return False
    column = read_numbers(table, 0, table)
    present = column.values[~column.missing]
    return bool((present == np.round(present)).all() and np.isfinite(present).all())


def _series(table, index):
    return table.iloc[:, index] if hasattr(table, "iloc") else table[:, index]


def _is_polars(series):
    return hasattr(series, "to_physical")


def _is_empty(series):
    return nw.from_native(series, series_only=True).is_null().all()


def _numpy_dtype(series):
    """Return the NumPy dtype of numbers, dates (in UTC) or durations."""
    dtype = nw.from_native(series, series_only=True).dtype
    kind = {nw.Datetime: "M8[{}]", nw.Duration: "m8[{}]", nw.Date: "M8[D]"}.get(type(dtype), "f8")
    return np.dtype(kind.format(getattr(dtype, "time_unit", None)))
