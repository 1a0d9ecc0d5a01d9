"""How densely a table's rows lie, at several noise levels and in each column of numbers."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

# Rows whose neighbourhoods are looked at in one go.
_N_CHUNK_ROWS = 1024

# Training rows to which others are compared, at most.
_MAX_REFERENCE_ROWS = 4000

# Noise level at which training rows are left out, in standard deviations, and how often.
_TRIMMING_SIGMA, _N_TRIMMINGS = 3.0, 2

# Training cells from which the density of a column is estimated, at most.
_MAX_CELLS = 500

# Larger numbers, whose squares are infinite, count as this one.
_LARGEST = 1e100

# Least width of a kernel of that density, in standard deviations.
_MIN_WIDTH = 0.05


class Points(NamedTuple):
    """Rows as points.

    Attributes
    ----------
    cells : ndarray of shape (n_samples, n_dimensions)
        A number is a dimension of its own, NaN where it is missing. A category is a block of zeros and a one,
        and so is the answer to whether a number is missing, where numbers of training were.
    blocks : int ndarray of shape (n_dimensions,)
        The block of each dimension.
    numbers : int ndarray of shape (n_columns,)
        The dimension of each column's numbers, -1 for a categorical column.
    """

    cells: np.ndarray
    blocks: np.ndarray
    numbers: np.ndarray


def as_points(encoder, table):
    """Return rows of a table as points."""
    codes = encoder.encode(table, unseen="missing").codes
    parts, numbers = [], np.full(len(encoder.columns_), -1)
    for index, column in enumerate(encoder.read(encoder.completed(table))):
        learnt = encoder.columns_[index]
        if encoder.numeric_[index]:
            numbers[index] = sum(part.shape[1] for part in parts)
            values = np.clip(column.values.astype(float), -_LARGEST, _LARGEST)
            parts.append(np.where(column.missing, np.nan, values)[:, None])
            if learnt.has_missing:
                parts.append(column.missing[:, None].astype(float))
        else:
            parts.append((codes[:, index, None] == np.arange(learnt.n_codes)).astype(float))
    blocks = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Points(np.hstack(parts), blocks, numbers)


class RowDensities:
    """Densities of the training rows with noise added, without those that are least likely.

    With normal noise of deviation `sigma`, the rows have as density a mean of normal ones around each of
    them. Rows are left out where that density is least at large noise, twice: the second time it is that of
    the rows kept before. At small noise a cluster of outliers would lie as densely as other rows.

    Parameters
    ----------
    points : Points
        Training rows. Each block is scaled to a total variance of 1.
    sigmas : ndarray of shape (n_levels,)
        Noise levels at which rows are scored.
    trimmed_share : float
        Share of the rows that is left out.
    rng : RandomState
        Chooses among many rows those to which others are compared.

    Attributes
    ----------
    kept : int ndarray of shape (n_kept,)
        Indices of the training rows that are left.
    reference : int ndarray of shape (n_reference,)
        Indices of those to which rows are compared.
    """

    def __init__(self, points, sigmas, trimmed_share, rng):
        self._sigmas, n_rows = sigmas, len(points.cells)
        n_trimmed = int(trimmed_share * n_rows)
        self._take(points, np.arange(n_rows), rng)
        for _ in range(_N_TRIMMINGS):
            own = np.full(n_rows, -1)
            own[self.reference] = np.arange(len(self.reference))
            density = _log_densities(self._scaled(points.cells), self._points, [_TRIMMING_SIGMA], own)[:, 0]
            least = np.partition(density, n_trimmed)[n_trimmed]
            self._take(points, np.flatnonzero(density >= least), rng)

    def _take(self, points, kept, rng):
        """Keep some rows: scale by them, and compare to them."""
        self.kept = self.reference = kept
        if len(kept) > _MAX_REFERENCE_ROWS:
            self.reference = np.sort(rng.choice(kept, _MAX_REFERENCE_ROWS, replace=False))
        cells = points.cells[kept]
        n_present = np.maximum((~np.isnan(cells)).sum(axis=0), 1)
        self._mean = np.nansum(cells, axis=0) / n_present
        variance = np.nansum((cells - self._mean) ** 2, axis=0) / n_present
        scale = np.sqrt(np.bincount(points.blocks, variance))[points.blocks]
        # A constant of large numbers varies by rounding.
        self._scale = np.where(scale > 1e-12 * np.abs(self._mean), scale, 1)
        self._points = self._scaled(points.cells[self.reference])
        self._known = ~np.isnan(points.cells[self.reference])

    def _scaled(self, cells):
        """Return cells in units of the rows kept; missing numbers lie in the middle."""
        return np.nan_to_num((cells - self._mean) / self._scale)

    def log_densities(self, points):
        """Return the log-density of each point at each noise level, but for a constant of the level."""
        return _log_densities(self._scaled(points.cells), self._points, self._sigmas)

    def reference_log_densities(self):
        """Return the same of the reference rows, each compared to the others."""
        own = np.arange(len(self._points))
        return _log_densities(self._points, self._points, self._sigmas, own)

    def number_log_densities(self, points):
        """Return the log-density of each number in its column, in units of a standard deviation.

        The kernels are Student's t with three degrees of freedom, whose tails tell a number far beyond the
        training range from one that is farther still. Other cells count 0.
        """
        cells, total = self._scaled(points.cells), np.zeros((len(points.cells), len(points.numbers)))
        for column, dimension in enumerate(points.numbers):
            if dimension < 0:
                continue
            middles = np.sort(self._points[self._known[:, dimension], dimension])
            if not len(middles):
                continue
            step = -(-len(middles) // _MAX_CELLS)
            middles = middles[step // 2 :: step]
            low, high = np.quantile(middles, [0.25, 0.75])
            spread = min(middles.std(), (high - low) / 1.35) or middles.std()
            width = max(1.06 * spread * len(middles) ** -0.2, _MIN_WIDTH)
            for start in range(0, len(cells), _N_CHUNK_ROWS):
                rows = slice(start, start + _N_CHUNK_ROWS)
                steps = (cells[rows, dimension, None] - middles) / width
                # 2 / (pi sqrt(3)) makes the integral 1.
                kernel = 2 / (np.pi * np.sqrt(3)) * (1 + steps**2 / 3) ** -2
                density = np.maximum(kernel.mean(axis=1), np.finfo(float).tiny)  # 0 from 1e77 widths on
                total[rows, column] = np.log(density / width)
            total[np.isnan(points.cells[:, dimension]), column] = 0
        return total


def _log_densities(points, reference, sigmas, own=None):
    """Return the logarithm of the mean kernel around the reference rows, for each point and noise level.

    `own` is the place of each point among the reference rows, which then does not count, or -1.
    """
    result = np.empty((len(points), len(sigmas)))
    for start in range(0, len(points), _N_CHUNK_ROWS):
        rows = slice(start, start + _N_CHUNK_ROWS)
        distances = euclidean_distances(points[rows], reference, squared=True)
        if own is not None:
            places = own[rows]
            itself = np.flatnonzero(places >= 0)
            distances[itself, places[itself]] = np.inf
        nearest = distances.min(axis=1)
        for level, sigma in enumerate(sigmas):
            kernel = np.exp((nearest[:, None] - distances) / (2 * sigma**2))
            result[rows, level] = np.log(kernel.mean(axis=1)) - nearest / (2 * sigma**2)
    return result
