"""How far columns and pairs of columns of two tables differ, on float matrices with codes for categories.

The definitions are those of SDMetrics (sdmetrics 0.32: KSComplement, TVComplement, CorrelationSimilarity,
ContingencySimilarity and the rules by which its QualityReport combines them).
"""

from itertools import combinations

import numpy as np

_N_BINS = 10
# What QualityReport calls a trend: a Pearson correlation and a Cramer's V above these.
_STRONG_CORRELATION, _STRONG_ASSOCIATION = 0.5, 0.3
_MAX_DENSE_CELLS = 2**16


def column_errors(real, synthetic, categorical):
    """Return how far each column's distribution is from the real one, from 0 to 1; NaN if it has no cells."""
    errors = []
    for columns in zip(real.T, synthetic.T, categorical, strict=True):
        *columns, is_categorical = columns
        columns = [column[~np.isnan(column)] for column in columns]
        if min(map(len, columns)) == 0:
            errors.append(np.nan)
        else:
            errors.append((_total_variation if is_categorical else _kolmogorov_smirnov)(*columns))
    return np.array(errors)


def _total_variation(real, synthetic):
    size = int(max(real.max(), synthetic.max())) + 1
    real, synthetic = (
        np.bincount(codes.astype(int), minlength=size) / len(codes) for codes in (real, synthetic)
    )
    return 0.5 * np.abs(real - synthetic).sum()


def _kolmogorov_smirnov(real, synthetic):
    real, synthetic = (np.sort(_without_rounding_errors(x)) for x in (real, synthetic))
    values = np.concatenate([real, synthetic])
    shares = (np.searchsorted(x, values, side="right") / len(x) for x in (real, synthetic))
    return np.abs(np.subtract(*shares)).max()


def _without_rounding_errors(numbers):
    """Keep 14 decimals, as SDMetrics does; large numbers have no more."""
    small = np.abs(numbers) < 100
    numbers = numbers.copy()
    numbers[small] = numbers[small].round(14)
    return numbers


def pair_errors(real, synthetic, categorical):
    """Return how far each pair of columns is from the real one, and whether it shows a trend there.

    The errors are from 0 to 1, and NaN where a correlation is undefined.
    """
    real, synthetic = (
        [_Column(*column) for column in zip(table.T, categorical, strict=True)] for table in (real, synthetic)
    )
    errors, trends = [], []
    for i, j in combinations(range(len(categorical)), 2):
        if categorical[i] or categorical[j]:
            pairs = [(real[index], synthetic[index]) for index in (i, j)]
            error, association = _compare_contingency(*pairs)
            trend = association > _STRONG_ASSOCIATION
        else:
            correlation = _correlation(real[i], real[j])
            error = abs(correlation - _correlation(synthetic[i], synthetic[j])) / 2
            trend = abs(correlation) > _STRONG_CORRELATION
        errors.append(error)
        trends.append(trend)
    return np.array(errors), np.array(trends, dtype=bool)


def associations(table, categorical):
    """Return the correlation of each pair of numeric columns, and Cramer's V of the others, as a matrix."""
    columns = [_Column(*column) for column in zip(table.T, categorical, strict=True)]
    found = np.full((len(columns), len(columns)), np.nan)
    for i, j in combinations(range(len(columns)), 2):
        if categorical[i] or categorical[j]:
            n_codes = 1 + columns[j].codes.max()
            keys, counts = np.unique(columns[i].codes * n_codes + columns[j].codes, return_counts=True)
            found[i, j] = found[j, i] = _cramers_v(counts / counts.sum(), *np.divmod(keys, n_codes))
        else:
            found[i, j] = found[j, i] = _correlation(columns[i], columns[j])
    for place, column in enumerate(columns):
        cells = column.codes if categorical[place] else column.cells[column.present]
        found[place, place] = 1 if len(cells) and cells.min() < cells.max() else np.nan
    return found


class _Column:
    """A column of one table, as cells, and as codes in which a missing cell is one more."""

    def __init__(self, cells, is_categorical):
        self.cells = np.ascontiguousarray(cells)
        self.present = ~np.isnan(self.cells)
        numbers = self.cells[self.present]
        self.is_constant = len(numbers) > 0 and numbers.min() == numbers.max()
        self.unit = None
        if is_categorical:
            self.codes = np.where(self.present, self.cells + 1, 0).astype(int)
        else:
            # Bins of equal width over the table's own range, the largest number alone in one more; SDMetrics
            # counts missing cells to that one.
            self.codes = np.digitize(self.cells, _edges(numbers))
            if self.present.all():
                self.unit = _unit(self.cells)


def _edges(numbers):
    try:
        return np.histogram_bin_edges(numbers, bins=_N_BINS)
    except ValueError:  # fewer floats than bins in that range
        return np.unique(numbers)


def _correlation(first, second):
    """Return Pearson's correlation over the rows that have both cells."""
    if first.is_constant or second.is_constant:
        return np.nan
    if first.unit is not None and second.unit is not None:
        return (first.unit * second.unit).sum()
    rows = first.present & second.present
    if rows.sum() < 2:
        return np.nan
    return (_unit(first.cells[rows]) * _unit(second.cells[rows])).sum()


def _unit(column):
    """Return a column with mean 0 and length 1; NaN if it is constant."""
    if column.min() == column.max():
        return np.full(len(column), np.nan)
    column = column / np.abs(column).max()  # whose sum does not overflow
    column -= column.mean()
    column /= np.abs(column).max()  # whose square neither over- nor underflows
    return column / np.sqrt((column * column).sum())


def _compare_contingency(first, second):
    """Compare two columns, each a pair of a real and a synthetic one.

    Returns the total variation between their tables of shares, and Cramer's V of the real ones.
    """
    n_first, n_second = (1 + max(column.codes.max() for column in columns) for columns in (first, second))
    keys = [one.codes * n_second + other.codes for one, other in zip(first, second, strict=True)]
    cells = np.arange(n_first * n_second) if n_first * n_second <= _MAX_DENSE_CELLS else None
    if cells is None:
        cells, places = np.unique(np.concatenate(keys), return_inverse=True)
        keys = np.split(places, [len(keys[0])])
    shares = [np.bincount(key, minlength=len(cells)) / len(key) for key in keys]
    return 0.5 * np.abs(shares[0] - shares[1]).sum(), _cramers_v(shares[0], *np.divmod(cells, n_second))


def _cramers_v(shares, rows, columns):
    filled = shares > 0
    shares, rows, columns = shares[filled], rows[filled], columns[filled]
    row_shares, column_shares = np.bincount(rows, shares), np.bincount(columns, shares)
    degrees = min((row_shares > 0).sum(), (column_shares > 0).sum()) - 1
    if degrees == 0:
        return np.nan
    phi_squared = (shares**2 / (row_shares[rows] * column_shares[columns])).sum() - 1
    return np.sqrt(max(phi_squared, 0.0) / degrees)
