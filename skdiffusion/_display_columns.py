"""Columns of tables as displays hold them."""

import numpy as np

from ._table import as_table, category_order, number_dtype


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


def orders_of(table, names, chosen):
    """Return the categories of ordered columns in their order, by name, of columns chosen by place."""
    orders = {names[place]: category_order(table, place) for place in chosen}
    return {name: order for name, order in orders.items() if order is not None}


def shown_categories(ranked, n_most, order):
    """Return so many categories at most, the last place left for others if there are more; and the others.

    The first of those that are ranked are shown, in their own order if they have one.
    """
    n_shown = len(ranked) if len(ranked) <= n_most else n_most - 1
    shown, others = ranked[:n_shown], ranked[n_shown:]
    if order is not None:
        places = {category: place for place, category in enumerate(order)}
        shown = sorted(shown, key=lambda category: places.get(category, len(places)))
    return shown, others


def note_left_out(figure, n_drawn, n_columns):
    """Say in a figure how many of all columns are drawn, if not all are."""
    if n_columns is not None and n_drawn < n_columns:
        figure.supxlabel(f"{n_drawn} of {n_columns} columns", x=0.99, ha="right", fontsize="small")


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
