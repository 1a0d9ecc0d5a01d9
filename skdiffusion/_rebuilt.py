"""What a transformer makes of a table: the same container and dtypes, where the new cells let it."""

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils._set_output import _get_output_config

from ._table import (
    CATEGORICAL_DTYPES,
    as_container,
    as_narwhals,
    assemble,
    empty_like,
    is_frame,
    with_categories,
    with_holes,
)


def recoded(column, rows, places, categories):
    """Return a categorical column with other categories in some rows; none of these is missing then.

    Parameters
    ----------
    column : Column
        Its own categories come first, then the new ones.
    rows : int ndarray of shape (n_rows,)
        The rows.
    places : int ndarray of shape (n_rows,)
        Positions of their categories in the list `categories`.
    categories : list
        What these positions stand for.
    """
    seen = set(column.categories)
    known = column.categories + [each for each in categories if each not in seen]
    place_of = {category: place for place, category in enumerate(known)}
    values, missing = column.values.astype(np.intp), column.missing.copy()
    values[rows] = np.array([place_of[category] for category in categories])[places]
    missing[rows] = False
    return column._replace(values=values, missing=missing, categories=known)


def template_for(table, columns, learnt):
    """Return a table without rows that can hold the columns.

    Dtypes are those of `table` where they suit: numbers for numbers, categories for categories. Otherwise,
    and for dates and durations, whose units the columns have, they are those of `learnt`, the training table,
    or nullable ones where a column has missing cells. A closed set of categories grows by those of the
    column.
    """
    if not is_frame(table) and table.dtype.kind in "fO":
        return empty_like(table)
    if not is_frame(learnt):
        has_odd = any(
            column.missing.any() or (column.categories is None and column.values.dtype.kind == "f")
            for column in columns
        )
        return with_holes(learnt, np.zeros(learnt.shape, bool)) if has_odd else learnt
    table = table if is_frame(table) else learnt
    frame, learnt = (as_narwhals(empty_like(each)) for each in (table, learnt))
    series = []
    for name, column in zip(frame.columns, columns, strict=True):
        cells, trained = frame.get_column(name), learnt.get_column(name)
        if column.categories is not None:
            odd = [each for each in column.categories if each not in (False, True)]
            if odd and cells.dtype == nw.Boolean:
                raise ValueError(
                    f"column {name!r} has dtype {cells.to_native().dtype}, which does not hold {odd[0]!r} of "
                    "training: convert it."
                )
            cells = cells if isinstance(cells.dtype, CATEGORICAL_DTYPES) else _for_codes(trained, column)
            cells = with_categories(cells, column.categories)
        elif not (cells.dtype.is_numeric() and trained.dtype.is_numeric()):
            cells = trained
            if trained.dtype.is_integer() and column.missing.any():
                cells = trained.cast(nw.Float64)
        series.append(cells)
    return frame.with_columns(*series).to_native()


def _for_codes(trained, column):
    """Return an empty series that holds categories as `trained` does, also missing ones and fractions."""
    if not trained.dtype.is_integer():
        return trained
    if any(not float(category).is_integer() for category in column.categories):
        return trained.cast(nw.Float64)
    native = trained.to_native()
    if column.missing.any() and hasattr(native, "iloc"):  # only pandas has integers without a hole
        return nw.from_native(native.convert_dtypes(), series_only=True)
    return trained


def rebuilt(transformer, X, table, columns, template, indicators):
    """Build what a transformer gives back: an array of numbers, or a table like X.

    Parameters
    ----------
    transformer : estimator
        Whose `set_output` counts.
    X : DataFrame or array-like
        What it was given.
    table : DataFrame or ndarray
        X as the encoder has completed it.
    columns : list of Column
        The new columns.
    template : table without rows
        From `template_for`.
    indicators : dict of str to bool ndarray
        Further columns, which come last.
    """
    config = _get_output_config("transform", transformer)["dense"]
    flags = list(indicators.values())
    if not is_frame(template):
        cells = assemble(columns, template)
        return np.column_stack([cells, *(flag.astype(cells.dtype) for flag in flags)])
    if config == "default" and all(dtype.is_numeric() for dtype in as_narwhals(template).schema.values()):
        return np.column_stack([*map(_as_numbers, columns), *flags])
    frame = as_narwhals(assemble(columns, template, row_names=getattr(table, "index", None)))
    frame = frame.with_columns(
        *(
            nw.new_series(name, flag, nw.Boolean, backend=frame.implementation)
            for name, flag in indicators.items()
        )
    )
    kind = config if config != "default" else "pandas" if hasattr(X, "iloc") else "polars"
    return as_container(frame.to_native(), kind)


def _as_numbers(column):
    """Return the cells of a column as numbers, those of a category as the number that stands for it."""
    if column.categories is None:
        return column.values
    holes = [np.nan] * bool(column.missing.any())
    return np.array([*column.categories, *holes])[np.where(column.missing, -1, column.values)]
