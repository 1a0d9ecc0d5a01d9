"""Distances between rows of mixed tables: float matrices with codes for categories and NaN where missing."""

from collections import Counter

import numpy as np

_BLOCK = 2**17  # distances held at a time
_LEVELS = np.linspace(0, 1, 30)  # at which alpha-precision and beta-recall are read
_FAR = 1e9  # where missing cells lie: farther from all others than any difference counts


def nearest(rows, others, categorical, *, squared=False, itself=False):
    """Find the nearest of the other rows for each row: its distance and its index.

    Both tables are scaled and hold no NaN. A distance sums over columns: 1 for different categories, and for
    numbers their difference, at most 1, or if `squared` half its square, which orders rows like the
    Euclidean distance of one-hot encoded ones. With `itself=True` both are one table, and no row is its own
    neighbour.
    """
    columns = np.ascontiguousarray(others.T)
    step = max(1, _BLOCK // len(others))
    distances, indices = np.empty(len(rows), np.float32), np.empty(len(rows), np.intp)
    for start in range(0, len(rows), step):
        block = rows[start : start + step].T[:, :, None]
        total = np.zeros((block.shape[1], len(others)), np.float32)
        scratch, differs = np.empty_like(total), np.empty(total.shape, bool)
        for cells, column, is_categorical in zip(block, columns, categorical, strict=True):
            if is_categorical:
                total += np.not_equal(cells, column, out=differs)
                continue
            np.subtract(cells, column, out=scratch)
            if squared:
                scratch *= scratch
                scratch *= 0.5
            else:
                np.abs(scratch, out=scratch)
                np.minimum(scratch, 1, out=scratch)
            total += scratch
        if itself:
            total[np.arange(len(total)), start + np.arange(len(total))] = np.inf
        closest = total.argmin(axis=1)
        indices[start : start + step] = closest
        distances[start : start + step] = total[np.arange(len(total)), closest]
    return distances, indices


class Gower:
    """Gower's distance: the mean over columns of a difference from 0 to 1.

    Numbers count their difference over the range of the training column, at most 1; categories count 1 where
    they differ; so does a missing cell against one that is not.
    """

    def __init__(self, train, categorical):
        low, span = _range(train)
        # A column without a range tells equal from different, as a category does.
        self._categorical = categorical | ~(span > 0)
        self._low, self._span = np.nan_to_num(low), np.where(self._categorical, 1, span)

    def nearest(self, table, others):
        """Return each row's distance to the nearest of other rows."""
        distances, _ = nearest(self._scale(table), self._scale(others), self._categorical)
        return distances / table.shape[1]

    def _scale(self, table):
        scaled = _scaled(table, self._low, self._span)
        return np.where(np.isnan(scaled), _FAR, scaled).astype(np.float32)


def share_of_closest(distances, reference, quantile):
    """Return the share of distances that are among the smallest `quantile` of the reference's.

    Where that quantile cuts through equal distances, they count by the part of them that is inside.
    """
    threshold = np.quantile(reference, quantile, method="inverted_cdf")
    below, at = (reference < threshold).mean(), (reference == threshold).mean()
    return (distances < threshold).mean() + (distances == threshold).mean() * (quantile - below) / at


def share_closer(distances, others):
    """Return the share of entries smaller than the others; equal ones count half."""
    return (distances < others).mean() + 0.5 * (distances == others).mean()


def share_of_copies(train, table):
    """Return the share of rows that equal a training row in every cell."""
    known = set(_row_keys(train))
    return float(np.mean([key in known for key in _row_keys(table)]))


def share_of_twins(table):
    """Return the share of rows that equal another row of the table in every cell."""
    counts = Counter(_row_keys(table))
    return sum(count for count in counts.values() if count > 1) / len(table)


def _row_keys(table):
    table = np.where(np.isnan(table), np.nan, table + 0.0)  # one bit pattern for NaN, and one for 0
    return [row.tobytes() for row in table]


def alpha_precision_beta_recall(real, synthetic, categorical):
    """Return integrated alpha-precision and beta-recall (Alaa et al., 2022) of tables of equal length."""
    precision = alpha_precision(real, synthetic, categorical)
    real, synthetic, categorical = _embed(real, synthetic, categorical)

    # A real row is covered if a synthetic row is nearer to it than the nearest other real row.
    to_real, _ = nearest(real, real, categorical, squared=True, itself=True)
    to_synthetic, closest = nearest(real, synthetic, categorical, squared=True)
    covered = to_synthetic <= to_real
    to_centre = _distance_to_centre(synthetic, synthetic, categorical)[closest]
    radii = np.quantile(to_centre, _LEVELS)
    return precision, _integrated(_share_up_to(to_centre[covered], radii) * covered.mean())


def alpha_precision(real, synthetic, categorical):
    """Return integrated alpha-precision of two tables."""
    real, synthetic, categorical = _embed(real, synthetic, categorical)
    radii = np.quantile(_distance_to_centre(real, real, categorical), _LEVELS)
    return _integrated(_share_up_to(_distance_to_centre(synthetic, real, categorical), radii))


def _integrated(curve):
    """Return 1 for a curve that equals its levels, less for one that does not."""
    return float(1 - np.abs(curve - _LEVELS).sum() / _LEVELS.sum())


def _share_up_to(values, thresholds):
    return np.searchsorted(np.sort(values), thresholds, side="right") / max(len(values), 1)


def _embed(real, synthetic, categorical):
    """Scale numbers to [0, 1] by the real range and replace missing ones by the mean and a flag."""
    low, span = _range(real)
    low, span = np.where(categorical | np.isnan(low), 0, low), np.where(categorical | ~(span > 0), 1, span)
    tables = [_scaled(table, low, span) for table in (real, synthetic)]
    missing = [np.isnan(table) for table in tables]
    flagged = ~categorical & (missing[0].any(axis=0) | missing[1].any(axis=0))
    # A missing category is a category.
    fill = np.where(categorical, -1, 0.0)
    for column in np.flatnonzero(flagged & ~missing[0].all(axis=0)):
        fill[column] = np.nanmean(tables[0][:, column])
    tables = [
        np.hstack([np.where(hole, fill, table), hole[:, flagged]]).astype(np.float32)
        for table, hole in zip(tables, missing, strict=True)
    ]
    return *tables, np.append(categorical, np.ones(flagged.sum(), dtype=bool))


def _distance_to_centre(table, reference, categorical):
    """Return the Euclidean distance of one-hot encoded rows to the mean row of the reference."""
    total = 0.0
    for column, centre, is_categorical in zip(table.T, reference.T, categorical, strict=True):
        if is_categorical:
            categories, counts = np.unique(centre, return_counts=True)
            shares = counts / len(centre)
            places = np.searchsorted(categories, column).clip(max=len(categories) - 1)
            own = np.where(categories[places] == column, shares[places], 0)
            total = total + 1 - 2 * own + (shares**2).sum()
        else:
            total = total + (column - centre.mean(dtype=np.float64)) ** 2
    return np.sqrt(total)


def _range(table):
    """Return each column's smallest number and how far the largest is from it; NaN where all are missing."""
    low = np.fmin.reduce(table, axis=0)
    return low, np.fmax.reduce(table, axis=0) - low


def _scaled(table, low, span):
    """Scale the training range to [0, 1], and keep what lies far outside inside the range of float32."""
    with np.errstate(over="ignore"):  # of a range next to 0
        return np.clip((table - low) / span, -1e8, 1e8)
