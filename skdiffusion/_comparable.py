"""Several tables as float matrices whose cells can be compared, for the metrics."""

import numpy as np

from ._table import as_table, is_frame, number_mask, read_categories, read_numbers


def comparable(tables, categorical_features):
    """Turn tables with the same columns into float matrices whose cells can be compared.

    `tables` maps the names that errors use to tables; the first one sets the order of the columns and their
    kinds. Categories become codes that all tables share, dates and durations count units of the first
    table, and missing cells become NaN. Returns the names of the columns, the mask of the categorical ones,
    the matrices, and the categories in the order of their codes, by the column's place.
    """
    first, *_ = tables
    tables = {label: _checked_table(X, label) for label, X in tables.items()}
    names = _names(tables[first])
    tables = {label: _reordered(X, label, names, first, type(tables[first])) for label, X in tables.items()}
    numeric = {label: number_mask(X, categorical_features) for label, X in tables.items()}
    categorical = ~numeric[first]

    matrices, categories = {label: np.empty(X.shape) for label, X in tables.items()}, {}
    for index, name in enumerate(names):
        if categorical[index]:
            cells = [read_categories(X, index) for X in tables.values()]
            columns, categories[index] = _shared_codes(cells)
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
        low, high = (float(end.reduce(np.concatenate(columns))) for end in (np.fmin, np.fmax))
        if high - low == np.inf:
            raise ValueError(
                f"column {name!r} holds numbers from {low:g} to {high:g}, whose difference is infinite: "
                "scale it"
            )
    return names, categorical, list(matrices.values()), categories


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
    """Return the codes of categorical columns, which share them, and the categories that are used."""
    codes, shared = [], {}
    for column in columns:
        present = ~column.missing
        used = np.unique(column.values[present])
        code = np.full(len(column.categories), np.nan)
        code[used] = [shared.setdefault(column.categories[place], len(shared)) for place in used.tolist()]
        codes.append(np.full(len(column.values), np.nan))
        codes[-1][present] = code[column.values[present]]
    return codes, list(shared)
