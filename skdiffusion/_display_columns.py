"""Columns of tables as displays hold them."""

import numpy as np

from ._table import as_table, number_dtype


def places(features, names):
    """Return the places of columns that are given by names or indices, as a list."""
    if isinstance(features, str) or not len(features):
        raise ValueError(f"features must be a list of columns, one at least, got {features!r}.")
    found = [names.index(feature) if feature in names else feature for feature in features]
    for place in found:
        if isinstance(place, str) or place not in range(len(names)):
            raise ValueError(f"{place!r} is no column: choose indices or names of {names}.")
    return found


def column_cells(table, place, labels, *columns):
    """Return the kind of a column of a table, and its cells in the matrices of `comparable`.

    Cells of a "category" are its labels, None for missing ones. Those of a "number" are floats, NaN for
    missing ones, of a "date" days since 1970, of a "duration" seconds. Times of day stay numbers, and so do
    years and months, which differ in length.
    """
    if place in labels:
        known = np.array([*labels[place], None], dtype=object)
        return "category", [known[np.nan_to_num(codes, nan=-1).astype(int)] for codes in columns]
    dtype = number_dtype(table, place)
    unit, count = np.datetime_data(dtype) if dtype.kind in "mM" else (None, 1)
    if unit in (None, "generic", "Y", "M"):
        return "number", list(columns)
    kind, one = ("date", "D") if dtype.kind == "M" else ("duration", "s")
    length = np.timedelta64(count, unit) / np.timedelta64(1, one)
    return kind, [cells * length for cells in columns]


def mean_and_std(values):
    """Return mean and standard deviation of each column of floats, NaN for missing cells; 0 of empty ones."""
    known = np.ma.masked_invalid(values)
    mean, std = known.mean(axis=0).filled(0), known.std(axis=0).filled(0)
    # A constant varies by rounding.
    return mean, np.where(std > 1e-12 * np.abs(mean), std, 0)


def short_label(category):
    """Return a category as a label that leaves room for others."""
    return text if len(text := str(category)) < 12 else text[:10] + "…"


def beside_drawn_rows(display, estimator, X, random_state, options):
    """Compare a table with as many rows of a generator, whose categories are those of the comparison."""
    options = {"categorical_features": estimator.categorical_features, **options}
    synthetic = estimator.sample(len(as_table(X)), random_state=random_state)
    return display.from_predictions(X, synthetic, **options)
