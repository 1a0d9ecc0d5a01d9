"""Plain generators for the generator's benchmark, each in a few lines.

All of them are fitted to a DataFrame and draw rows with `sample(n_samples, seed)`. Those that know the
probability of a row give it with `log_likelihood`, in the measure of `DiffusionGenerator.score_samples`: the
probability of a row's codes, times the density of its numbers' ranks in their column.
"""

import numpy as np
import pandas as pd
from _common import decimals
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri
from sklearn.neighbors import NearestNeighbors

from skdiffusion._encoder import TableEncoder

_TINY = np.finfo(float).tiny


class Resampled:
    """Training rows, drawn with replacement."""

    def fit(self, table, categorical, seed):
        self._table = table
        return self

    def sample(self, n_samples, seed):
        return self._table.sample(n_samples, replace=True, random_state=seed).reset_index(drop=True)


class Interpolation:
    """A point between a training row and one of its nearest neighbours, as SMOTE draws it.

    Numbers are interpolated, and rounded to the decimals of their column; a category, or a number that one of
    the two lacks, comes from either. Neighbours are Euclidean, of standardised numbers and one-hot encoded
    categories.

    References
    ----------
    Chawla, Bowyer, Hall & Kegelmeyer (2002). SMOTE: Synthetic Minority Over-sampling Technique. JAIR 16.
    """

    _N_NEIGHBORS = 5

    def fit(self, table, categorical, seed):
        self._table, self._categorical = table, categorical
        numbers = table.drop(columns=categorical).astype(float)
        scale = numbers.std().replace(0, 1)
        encoded = [((numbers - numbers.mean()) / scale).fillna(0)]
        if categorical:
            encoded.append(pd.get_dummies(table[categorical], dummy_na=True) / np.sqrt(2))
        rows = np.hstack(encoded).astype(np.float32)
        search = NearestNeighbors(n_neighbors=self._N_NEIGHBORS).fit(rows)
        self._neighbors = search.kneighbors(return_distance=False)
        return self

    def sample(self, n_samples, seed):
        rng = np.random.default_rng(seed)
        first = rng.integers(len(self._table), size=n_samples)
        second = self._neighbors[first, rng.integers(self._N_NEIGHBORS, size=n_samples)]
        share = rng.random(n_samples)
        drawn = {}
        for name, column in self._table.items():
            one, other = (column.iloc[places].reset_index(drop=True) for places in (first, second))
            either = one.where(rng.random(n_samples) >= share, other)
            if name not in self._categorical:
                between = ((1 - share) * one + share * other).round(decimals(column))
                either = between.where(between.notna(), either).astype(column.dtype)
            drawn[name] = either
        return pd.DataFrame(drawn)


class _OnCodes:
    """A model of the codes and ranks that our encoder makes of a table."""

    def fit(self, table, categorical, seed, n_bins="auto"):
        self.encoder_ = TableEncoder(n_bins=n_bins, categorical_features=categorical).fit(table)
        self._n_rows = len(table)
        codes, low, high = self.encoder_.encode(table)
        self._fit(codes, (low + high) / 2, np.random.default_rng(seed))
        return self

    def sample(self, n_samples, seed):
        rng = np.random.default_rng(seed)
        codes, ranks = self._sample(n_samples, rng)
        return self.encoder_.decode(codes.astype(np.int32), ranks.astype(np.float32), rng)

    def log_likelihood(self, table):
        """Return the log-likelihood of each row, in nats."""
        codes, low, high = self.encoder_.encode(table, unseen="missing")
        unseen = (codes < 0).sum(axis=1) * np.log(self._n_rows + 1)  # one row more than those of training
        return self._log_likelihood(codes, (low + high) / 2) - self._log_widths(codes) - unseen

    def _log_widths(self, codes):
        """Return what turns densities in bins into densities in columns."""
        total = np.zeros(len(codes))
        for detail, column in enumerate(self.encoder_.detailed_):
            widths = self.encoder_.rank_high_[detail] - self.encoder_.rank_low_[detail]
            total += np.log(np.where(self.encoder_.is_bin_[detail], widths, 1))[codes[:, column]]
        return total


class IndependentColumns(_OnCodes):
    """Each column by its training frequencies, whatever the others are."""

    def _fit(self, codes, ranks, rng):
        pass

    def _sample(self, n_samples, rng):
        frequencies = self.encoder_.frequencies_
        codes = [rng.choice(len(shares), size=n_samples, p=shares) for shares in frequencies]
        return np.stack(codes, axis=1), rng.random((n_samples, len(self.encoder_.detailed_)))

    def _log_likelihood(self, codes, ranks):
        return sum(
            np.where(column >= 0, np.log(shares)[column], 0)
            for column, shares in zip(codes.T, self.encoder_.frequencies_, strict=True)
        )


class TreeNetwork(_OnCodes):
    """A Bayesian network in which each column's code depends on one other column's.

    The forest that is best by the BIC (Chow & Liu, 1968, "Approximating discrete probability distributions
    with dependence trees", has no penalty). A code's probability given its parent is smoothed with some rows
    of the training frequencies. Cross-validation chooses how many, and the number of bins.
    """

    _N_BINS, _N_SMOOTHING, _N_FOLDS = (4, 8, 16, 32), (0.5, 1, 2, 4, 8, 16, 32, 64, 128), 5

    def fit(self, table, categorical, seed):
        tries = []
        for n_bins in self._N_BINS:
            super().fit(table, categorical, seed, n_bins)
            tries.append(vars(self).copy())
        vars(self).update(max(tries, key=lambda learnt: learnt["score_"]))
        return self

    def _fit(self, codes, ranks, rng):
        n_rows, n_columns = codes.shape
        sizes = self.encoder_.n_codes_
        gains = np.zeros((n_columns, n_columns))
        for a in range(n_columns):
            for b in range(a):
                shares = _cross_table(codes, a, b, sizes) / n_rows
                apart = np.outer(self.encoder_.frequencies_[a], self.encoder_.frequencies_[b])
                seen = shares > 0
                information = (shares[seen] * np.log(shares[seen] / apart[seen])).sum()
                penalty = (sizes[a] - 1) * (sizes[b] - 1) * np.log(n_rows) / (2 * n_rows)
                gains[a, b] = max(information - penalty, 0)
        tree = minimum_spanning_tree(coo_array(-gains))
        self._parents = np.full(n_columns, -1)
        self._order = []
        for root in range(n_columns):
            if root not in self._order:
                order, parents = breadth_first_order(tree, root, directed=False)
                self._order += order.tolist()
                self._parents[order[1:]] = parents[order[1:]]

        folds = rng.permutation(n_rows) % self._N_FOLDS
        scores = np.zeros(len(self._N_SMOOTHING))
        for place, n_smoothing in enumerate(self._N_SMOOTHING):
            for fold in range(self._N_FOLDS):
                self._tables = self._conditionals(codes[folds != fold], n_smoothing)
                scores[place] += self._log_likelihood(codes[folds == fold], None).sum()
        self.n_smoothing_ = self._N_SMOOTHING[np.argmax(scores)]
        self.score_ = scores.max() - self._log_widths(codes).sum()
        self._tables = self._conditionals(codes, self.n_smoothing_)
        self.n_parameters_ = sum(
            int(table.shape[0] * (table.shape[1] - 1)) for table in self._tables.values()
        )

    def _conditionals(self, codes, n_smoothing):
        """Return for each column the probabilities of its codes, a row for each code of its parent."""
        tables = {}
        for column, parent in enumerate(self._parents):
            shares = self.encoder_.frequencies_[column]
            counts = np.zeros((1, len(shares)))
            if parent >= 0:
                counts = _cross_table(codes, parent, column, self.encoder_.n_codes_)
            counts = counts + n_smoothing * shares
            tables[column] = counts / counts.sum(axis=1, keepdims=True)
        return tables

    def _sample(self, n_samples, rng):
        codes = np.zeros((n_samples, len(self._parents)), int)
        for column in self._order:
            parent, bounds = self._parents[column], np.cumsum(self._tables[column], axis=1)
            draws = rng.random(n_samples)
            givens = codes[:, parent] if parent >= 0 else np.zeros(n_samples, int)
            for given in np.unique(givens):
                rows = givens == given
                codes[rows, column] = np.searchsorted(bounds[given, :-1], draws[rows], side="right")
        return codes, rng.random((n_samples, len(self.encoder_.detailed_)))

    def _log_likelihood(self, codes, ranks):
        total = np.zeros(len(codes))
        for column, parent in enumerate(self._parents):
            code, shares = codes[:, column], self.encoder_.frequencies_[column]
            given = codes[:, parent] if parent >= 0 else np.zeros(len(codes), int)
            # What depends on an unseen category has the training frequencies.
            chances = np.where(given >= 0, self._tables[column][given, code], shares[code])
            total += np.where(code >= 0, np.log(chances), 0)
        return total


def _cross_table(codes, a, b, sizes):
    """Count the rows with each pair of codes of two columns."""
    places = codes[:, a] * sizes[b] + codes[:, b]
    return np.bincount(places, minlength=sizes[a] * sizes[b]).reshape(sizes[a], sizes[b])


class GaussianCopula(_OnCodes):
    """Correlated normal numbers, one for each column, of which each code is an interval.

    Codes of numbers are in the order of the numbers, categories in that of their frequency. Correlations
    come from a Gibbs sampler of the normal numbers given the codes. The likelihood of a row is an average
    over draws, after Geweke, Hajivassiliou and Keane.

    References
    ----------
    Hoff (2007). Extending the rank likelihood for semiparametric copula estimation. AoAS 1.
    Genz (1992). Numerical computation of multivariate normal probabilities. JCGS 1.
    """

    _N_SWEEPS, _N_DRAWS, _N_CHUNK_ROWS = 60, 200, 1000

    def _fit(self, codes, ranks, rng):
        self._low, self._high = [], []
        for column, shares in enumerate(self.encoder_.frequencies_):
            order = np.arange(len(shares))
            if not self.encoder_.numeric_[column]:
                order = np.argsort(-shares, kind="stable")
            ends = np.cumsum(shares[order])
            ends /= ends[-1]
            low, high = np.empty((2, len(shares)))
            low[order], high[order] = np.append(0, ends[:-1]), ends
            self._low.append(low)
            self._high.append(high)

        low, high = self._intervals(codes, ranks)
        scores = _normal((low + high) / 2)
        is_point = low == high
        low, high = _normal(low), _normal(high)
        products = 0
        self._correlation = _correlation(scores.T @ scores)
        for sweep in range(self._N_SWEEPS):
            precision = np.linalg.inv(self._correlation)
            for column in range(codes.shape[1]):
                rows = ~is_point[:, column]
                spread = precision[column, column] ** -0.5
                mean = scores[rows, column] - scores[rows] @ precision[:, column] * spread**2
                bounds = ((end[rows, column] - mean) / spread for end in (low, high))
                scores[rows, column] = mean + spread * _truncated(*bounds, rng)
            if sweep >= self._N_SWEEPS // 2:
                products = products + scores.T @ scores
            self._correlation = _correlation(scores.T @ scores)
        self._correlation = _correlation(products)
        self.n_parameters_ = codes.shape[1] * (codes.shape[1] - 1) // 2

    def _intervals(self, codes, ranks):
        """Return the interval of each cell in its column, (0, 1) in all; a point for a cell in a bin."""
        low, high = (
            np.stack([ends[column] for ends, column in zip(table, codes.T, strict=True)], axis=1)
            for table in (self._low, self._high)
        )
        # An unseen category may be anywhere.
        low[codes < 0], high[codes < 0] = 0, 1
        for detail, column in enumerate(self.encoder_.detailed_):
            rows = (codes[:, column] >= 0) & self.encoder_.is_bin_[detail][codes[:, column]]
            span = high[rows, column] - low[rows, column]
            low[rows, column] += span * ranks[rows, detail]
            high[rows, column] = low[rows, column]
        return low, high

    def _sample(self, n_samples, rng):
        factor = np.linalg.cholesky(self._correlation)
        places = ndtr(rng.normal(size=(n_samples, len(factor))) @ factor.T)
        codes = np.empty(places.shape, int)
        ranks = np.full((n_samples, len(self.encoder_.detailed_)), 0.5)
        for column, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            order = np.argsort(low, kind="stable")
            codes[:, column] = order[np.searchsorted(high[order][:-1], places[:, column], side="right")]
        for detail, column in enumerate(self.encoder_.detailed_):
            low, high = (ends[column][codes[:, column]] for ends in (self._low, self._high))
            ranks[:, detail] = np.clip((places[:, column] - low) / (high - low), 0, 1)
        return codes, ranks

    def _log_likelihood(self, codes, ranks):
        rng = np.random.default_rng(0)
        # Columns that are mostly known exactly come first: the draws then vary less.
        low, high = self._intervals(codes, ranks)
        order = np.argsort(-(low == high).mean(axis=0), kind="stable")
        factor = np.linalg.cholesky(self._correlation[np.ix_(order, order)])
        low, high = low[:, order], high[:, order]
        starts = range(0, len(codes), self._N_CHUNK_ROWS)
        chunks = [slice(start, start + self._N_CHUNK_ROWS) for start in starts]
        total = np.concatenate([self._of_chunk(factor, low[rows], high[rows], rng) for rows in chunks])
        # Of a bin, the density in the bin.
        for detail, column in enumerate(self.encoder_.detailed_):
            span = np.where(self.encoder_.is_bin_[detail], self._high[column] - self._low[column], 1)
            total += np.log(span)[codes[:, column]]
        return total

    def _of_chunk(self, factor, low, high, rng):
        is_point = low == high
        low, high = _normal(low), _normal(high)
        draws = np.zeros((self._N_DRAWS, *low.shape))
        total = np.zeros((self._N_DRAWS, len(low)))
        for column, row in enumerate(factor):
            mean, spread = draws[:, :, :column] @ row[:column], row[column]
            start, stop = ((end[:, column] - mean) / spread for end in (low, high))
            point = is_point[:, column]
            density = (low[:, column] ** 2 - start**2) / 2 - np.log(spread)
            total += np.where(point, density, _log_of_interval(start, stop))
            draws[:, :, column] = np.where(point, start, _truncated(start, stop, rng))
        return logsumexp(total, axis=0) - np.log(self._N_DRAWS)


def _normal(shares):
    """Return normal quantiles, none beyond 8 standard deviations."""
    return np.clip(ndtri(shares), -8, 8)


def _correlation(products):
    scale = np.sqrt(np.diag(products))
    correlation = products / np.outer(scale, scale)
    return 0.9999 * correlation + 0.0001 * np.eye(len(correlation))


def _log_of_interval(start, stop):
    """Return the logarithm of the standard normal probability of an interval."""
    # In the upper half by symmetry, where the difference would be of numbers close to 1.
    flipped = start > 0
    start, stop = np.where(flipped, -stop, start), np.where(flipped, -start, stop)
    log_stop = log_ndtr(stop)
    return log_stop + np.log(np.maximum(-np.expm1(log_ndtr(start) - log_stop), _TINY))


def _truncated(start, stop, rng):
    """Draw standard normal numbers from intervals."""
    flipped = start > 0
    start, stop = np.where(flipped, -stop, start), np.where(flipped, -start, stop)
    low, high = ndtr(start), ndtr(stop)
    drawn = ndtri(np.maximum(low + rng.random(low.shape) * (high - low), _TINY))
    drawn = np.clip(drawn, start, stop)
    return np.where(flipped, -drawn, drawn)
