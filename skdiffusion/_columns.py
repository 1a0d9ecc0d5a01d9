"""One column of a table as codes, and back.

A categorical column has a code per category. A numeric column has a code per atom and per quantile bin, in
increasing order of value. Missing cells, if there were any in training, have the last code.
"""

from statistics import NormalDist

import numpy as np
from scipy.special import ndtr, ndtri

from ._grids import cast, difference, find_grid, interpolate, middle

# Up to so many values are all atoms, if all but the commonest are in so many cells on average.
_ATOMS_ONLY = ((128, 10), (12, 3), (5, 1))
# Else an atom has this share of the cells, this many cells, and this many times those of its neighbours.
_MIN_SHARE, _MIN_CELLS, _TIMES_NEIGHBOURS, _N_NEIGHBOURS = 0.01, 10, 4, 4
_ROWS_PER_BIN, _MIN_ROWS_PER_BIN, _MAX_BINS = 5000, 20, 8
_MAX_KNOTS = 10_000
# A gap between values is a void if it is this share of the range of the middle nine tenths of values, and
# this many times the third largest of the gaps beside it, of so many on each side: two more may be voids.
_MIN_VOID, _TIMES_GAPS, _N_GAPS = 0.01, 20, 8
_MAX_CODES, _MIN_CODES, _ROWS_PER_CODE = 1000, 20, 10

# Where the quantiles of a bin are looked up, and a normal distribution as equally likely points: quantiles
# jump at gaps between values, for which Gaussian quadrature is too coarse.
_SCORES = np.linspace(-5, 5, 1001)
_NODES = ndtri((np.arange(40) + 0.5) / 40)
_NODES /= _NODES.std()


def automatic_n_bins(n_cells):
    """Return how many bins a numeric column gets for its cells that are no atoms."""
    return int(np.clip(round(n_cells / _ROWS_PER_BIN), 1, _MAX_BINS))


def automatic_max_categories(n_samples):
    """Return how many codes a categorical column gets at most."""
    return int(np.clip(n_samples // _ROWS_PER_CODE, _MIN_CODES, _MAX_CODES))


class CategoricalColumn:
    """Codes of a categorical column.

    Rare categories may share a code, the last one before "missing". It is decoded to one of them, drawn by
    their shares in training.

    Attributes
    ----------
    categories : list
        The categories seen in training.
    code_of : ndarray of shape (n_categories,)
        Code of each category.
    shares : ndarray of shape (n_categories,)
        Share of each category among the cells that are not missing.
    weights : ndarray of shape (n_codes,)
        Sum of the weights of the training rows with that code.
    """

    is_detailed = False

    def fit(self, column, weights, max_categories, min_frequency):
        """Learn the categories of a column, of which `weights` are the weights of its rows."""
        present = ~column.missing
        n_declared = len(column.categories)
        counts = np.bincount(column.values[present], minlength=n_declared)
        mass = np.bincount(column.values[present], weights[present], minlength=n_declared)
        seen = np.flatnonzero(counts)
        self.categories = [column.categories[place] for place in seen]
        self.shares = mass[seen] / mass.sum() if len(seen) else mass[seen]
        is_rare = _rare(counts[seen], len(column.values), max_categories, min_frequency)
        self.code_of = np.cumsum(~is_rare) - 1
        self.code_of[is_rare] = n_frequent = int((~is_rare).sum())
        self.n_values = n_frequent + bool(is_rare.any())
        self.has_missing = bool(column.missing.any())
        self.hole = column.hole
        self.n_codes = self.n_values + self.has_missing
        self.weights = np.bincount(self.code_of, mass[seen], minlength=self.n_values)
        if self.has_missing:
            self.weights = np.append(self.weights, weights[column.missing].sum())
        self.scores = np.zeros(self.n_codes, np.float32)
        return self

    @property
    def shared_code(self):
        """The code that rare categories share; -1 if each has its own."""
        return self.n_values - 1 if np.count_nonzero(self.code_of == self.n_values - 1) > 1 else -1

    def encode(self, column):
        """Return the code of each cell, -1 if missing or unseen, and the unseen categories."""
        code_of = dict(zip(self.categories, self.code_of.tolist(), strict=True))
        codes = np.array([code_of.get(category, -1) for category in column.categories] + [-1], np.int32)
        places = np.where(column.missing, -1, column.values)
        unseen = np.flatnonzero(codes[:-1] < 0)
        if len(unseen):  # a dtype may declare categories that do not occur
            unseen = unseen[np.isin(unseen, places)]
        return codes[places], [column.categories[place] for place in unseen]

    def decode(self, codes, rng):
        """Return for each code the position of a category, and whether the cell is missing."""
        missing = codes >= self.n_values
        order = np.argsort(self.code_of, kind="stable")
        first = np.searchsorted(self.code_of[order], np.arange(self.n_values))
        positions = order[first[np.where(missing, 0, codes)]] if self.n_values else np.zeros(len(codes), int)
        members = order[first[-1] :] if self.n_values else order
        if len(members) > 1:
            shared = codes == self.n_values - 1
            bounds = np.cumsum(self.shares[members])
            draws = rng.uniform(0, bounds[-1], size=int(shared.sum()))
            positions[shared] = members[np.searchsorted(bounds[:-1], draws, side="right")]
        return positions, missing

    def estimate(self, probabilities, densities):
        """Return the position of the likeliest category of each cell.

        Parameters
        ----------
        probabilities : ndarray of shape (n_cells, n_values)
            Of the codes.
        densities : dict
            Not used: categories have none.
        """
        if not self.n_values:
            return np.zeros(len(probabilities), int)
        of_code = np.bincount(self.code_of, self.shares, minlength=self.n_values)[self.code_of]
        share = np.divide(self.shares, of_code, out=np.zeros_like(self.shares), where=of_code > 0)
        best = np.lexsort((-share, self.code_of))[
            np.searchsorted(np.sort(self.code_of), np.arange(self.n_values))
        ]
        return best[(probabilities * share[best]).argmax(axis=1)]


def _rare(counts, n_samples, max_categories, min_frequency):
    """Tell which categories share a code, by the rules of scikit-learn's OneHotEncoder."""
    rare = np.zeros(len(counts), bool)
    if min_frequency is not None:
        rare = counts < (min_frequency * n_samples if isinstance(min_frequency, float) else min_frequency)
    if max_categories == "auto":
        max_categories = automatic_max_categories(n_samples)
    if max_categories is not None and (~rare).sum() + rare.any() > max_categories:
        rare = np.ones(len(counts), bool)
        if max_categories > 1:
            rare[np.argsort(-counts, kind="stable")[: max_categories - 1]] = False
    return rare


class NumericColumn:
    """Codes of a numeric column, and ranks inside its bins.

    The rank of a bin's cell number i of m, in increasing order, is (i + 1/2) / m; equal cells share an
    interval of ranks. Values and ranks are kept as knots, between which both are interpolated. About 10,000
    values at most are knots, evenly spaced in rank: a column with more is decoded to interpolated values.
    Nothing is interpolated inside a void, a gap that is far wider than those around it, as before a far
    outlier or a number that stands for something else: ranks there belong to the nearer end.

    Attributes
    ----------
    is_bin : ndarray of shape (n_codes,)
        Which codes are bins.
    weights : ndarray of shape (n_codes,)
        Sum of the weights of the training rows with that code.
    rank_low, rank_high : ndarray of shape (n_codes,)
        Interval of each code's ranks among all cells that are not missing; 0 and 1 for "missing".
    scores : ndarray of shape (n_codes,)
        Standard normal quantile of the middle of that interval; 0 for "missing".
    values, codes, low, high : ndarray of shape (n_knots,)
        Values in increasing order, their codes, and their ranks inside the bin (0 and 1 for an atom).
    is_value : ndarray of shape (n_knots,)
        False for a knot that is only the border of two bins.
    is_void : ndarray of shape (n_knots,)
        Whether a void begins at a knot.
    """

    def fit(self, column, weights, n_bins):
        """Learn atoms, bins and knots of a column, of which `weights` are the weights of its rows."""
        present = ~column.missing
        values, counts = np.unique(column.values[present] + column.values.dtype.type(0), return_counts=True)
        codes, is_bin = _split(counts, n_bins)
        self.n_values = len(is_bin)
        self.has_missing = bool(column.missing.any())
        self.hole = column.hole
        self.n_codes = self.n_values + self.has_missing
        self.is_bin = np.append(is_bin, np.zeros(int(self.has_missing), bool))
        self.is_detailed = bool(is_bin.any())
        self.grid = find_grid(values) if self.is_detailed else None
        self._place_knots(values, counts, codes)

        self.weights = np.bincount(self.encode(column)[0][present], weights[present], minlength=self.n_values)
        bounds = np.append(0, np.cumsum(self.weights)) / max(self.weights.sum(), np.finfo(float).tiny)
        self.rank_low, self.rank_high = bounds[:-1], np.minimum(bounds[1:], 1)
        self.scores = np.array([_normal_quantile(rank) for rank in (self.rank_low + self.rank_high) / 2])
        if self.has_missing:
            self.weights = np.append(self.weights, weights[column.missing].sum())
            self.rank_low, self.rank_high = np.append(self.rank_low, 0), np.append(self.rank_high, 1)
            self.scores = np.append(self.scores, 0)
        self.scores = self.scores.astype(np.float32)
        return self

    def encode(self, column):
        """Return the code of each cell and both ends of its ranks; those of a missing cell mean nothing.

        A value between two atoms gets the code of the nearer one, a value beyond the training range that of
        the smallest or largest one.
        """
        if not len(self.values):
            return np.zeros(len(column.values), np.int32), *np.full((2, len(column.values)), 0.5, np.float32)
        cells = cast(column.values, self.values.dtype)
        right = np.minimum(np.searchsorted(self.values, cells), len(self.values) - 1)
        codes = self.codes[right]
        low, high = self._encoded_low[right], self._encoded_high[right]
        between = (cells != self.values[right]) & (cells > self.values[0]) & (cells < self.values[-1])
        if len(between := np.flatnonzero(between)):
            codes[between], low[between] = self._between(cells[between], right[between])
            high[between] = low[between]
        return codes, low, high

    def _between(self, cells, right):
        """Return code and rank of cells that lie between two knots."""
        left = np.maximum(right - 1, 0)
        before, after = difference(self.values[left], cells), difference(cells, self.values[right])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            share = np.nan_to_num(before / (before + after), nan=0.5)
        # Of a bin and an atom the bin; of two atoms, or of two bins, the nearer one.
        left_codes, right_codes = self.codes[left], self.codes[right]
        left_is_bin, right_is_bin = self.is_bin[left_codes], self.is_bin[right_codes]
        to_left = np.where(left_is_bin == right_is_bin, share <= 0.5, left_is_bin)
        low, high = self._encoded_high[left], self._encoded_low[right]
        ranks = np.where(left_codes == right_codes, low + share * (high - low), np.where(to_left, low, high))
        return np.where(to_left, left_codes, right_codes), ranks

    def decode(self, codes, ranks):
        """Return for each code and rank the value, and whether the cell is missing."""
        missing = codes >= self.n_values
        if not self.n_values:
            return np.zeros(len(codes), self.values.dtype), missing
        codes = np.where(missing, 0, codes)
        if not self.is_detailed:
            return self.values[codes], missing
        place = codes + np.where(self.is_bin[codes], np.clip(ranks, 1e-9, 1 - 1e-9), 0.5)
        right = np.minimum(np.searchsorted(self.codes + self.high, place), len(self.values) - 1)
        left = np.maximum(right - 1, 0)
        left, right = (
            np.where(self.codes[left] == codes, left, right),
            np.where(self.codes[right] == codes, right, left),
        )
        start, stop = self.codes[left] + self.high[left], self.codes[right] + self.low[right]
        near = self.tolerances[codes]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(np.nan_to_num((place - start) / (stop - start)), 0, 1)
        share[place - start <= near] = 0
        share[stop - place <= near] = 1
        share = np.where(self.is_void[left] & (right > left), np.round(share), share)
        values = interpolate(self.values[left], self.values[right], share)
        if self.grid is not None:
            values = self.grid.snap(values)
        values = np.clip(values, self.values[0], self.values[-1])
        # A training value comes back as it was, be it ever so slightly off the grid.
        matches = [(left, share == 0), (right, share == 1)]
        if self.grid is not None:
            matches = [(knot, self.grid.same(values, self.values[knot])) for knot in (left, right)] + matches
        for knot, matched in matches:
            matched &= self.is_value[knot]
            values[matched] = self.values[knot[matched]]
        return values, missing

    def estimate(self, probabilities, densities):
        """Return the expected value of each cell; integers beyond float64's precision are rounded.

        Parameters
        ----------
        probabilities : ndarray of shape (n_cells, n_values)
            Of the codes.
        densities : dict of int to tuple of ndarray of shape (n_cells, n_components)
            For each bin, weights, means and standard deviations of the components of the normal score inside.
        """
        if not self.n_values:
            return np.zeros(len(probabilities), self.values.dtype)
        first, last = self.values[:1], self.values[-1:]
        expected = np.zeros(len(probabilities))  # distance from the smallest value
        for code in range(self.n_values):
            ranks = ndtr(_SCORES) if code in densities else np.full(1, 0.5)
            values = self.decode(np.full(len(ranks), code), ranks)[0]
            distances = difference(np.repeat(first, len(ranks)), values)
            if code in densities:
                weights, means, stds = (array[:, :, None] for array in densities[code])
                inside = np.interp(means + stds * _NODES, _SCORES, distances)
                distances = (weights * inside).sum(axis=(1, 2)) / len(_NODES)
            expected += probabilities[:, code] * distances
        if first.dtype.kind == "f" or max(abs(float(first[0])), abs(float(last[0]))) < 2**53:
            return first.astype(np.float64) + expected
        share = expected / max(difference(first, last)[0], 1)  # 0 of a constant
        return interpolate(np.repeat(first, len(share)), np.repeat(last, len(share)), share)

    def _place_knots(self, values, counts, codes):
        n_cells = np.bincount(codes, counts, minlength=self.n_values)
        starts = np.cumsum(n_cells) - n_cells
        before = np.cumsum(counts) - counts - starts[codes]
        low = (before + 0.5) / n_cells[codes]
        high = (before + counts - 0.5) / n_cells[codes]
        low[~self.is_bin[codes]], high[~self.is_bin[codes]] = 0, 1
        self.tolerances = np.maximum(1e-3 / np.maximum(n_cells, 1), 2.0**-24) if self.n_values else n_cells
        is_void = _voids(values)
        if len(values) > _MAX_KNOTS:
            keep = np.searchsorted(np.cumsum(counts), np.linspace(1, counts.sum(), _MAX_KNOTS))
            border = np.flatnonzero(np.diff(codes, prepend=-1, append=self.n_values))
            void = np.flatnonzero(is_void)
            keep = np.unique(np.concatenate([keep, border[:-1], border[1:] - 1, void, void + 1]))
            values, codes, low, high, is_void = (array[keep] for array in (values, codes, low, high, is_void))

        # Where two bins meet, both reach half-way to the other's nearest value, unless a void is between.
        meet = (np.diff(codes) > 0) & self.is_bin[codes[:-1]] & self.is_bin[codes[1:]]
        left = np.flatnonzero(meet & ~is_void[:-1])
        borders = np.concatenate(middle(values[left], values[left + 1]))
        border_codes, ranks = np.concatenate([codes[left], codes[left + 1]]), np.repeat([1.0, 0.0], len(left))
        new = (borders > np.tile(values[left], 2)) & (borders < np.tile(values[left + 1], 2))
        low, high = np.append(low, ranks[new]), np.append(high, ranks[new])
        codes = np.append(codes, border_codes[new])
        order = np.lexsort((low, codes))
        self.values = np.append(values, borders[new])[order]
        self.is_value = (np.arange(len(order)) < len(values))[order]
        self.is_void = np.append(is_void, np.zeros(new.sum(), bool))[order]
        self.codes, self.low, self.high = codes[order].astype(np.int32), low[order], high[order]
        is_bin = self.is_bin[self.codes]
        # In float32, and in the open interval (0, 1).
        self._encoded_low, self._encoded_high = (
            np.where(is_bin, np.clip(ranks, 2.0**-24, 1 - 2.0**-24), 0.5).astype(np.float32)
            for ranks in (self.low, self.high)
        )


def _voids(values):
    """Tell of which values, in increasing order, the gap to the next one is a void."""
    is_void = np.zeros(len(values), bool)
    if len(values) < 5:
        return is_void
    gaps = difference(values[:-1], values[1:])
    n_tail = len(values) // 20
    middle_range = difference(values[n_tail : n_tail + 1], values[len(values) - n_tail - 1 :][:1])
    for place in np.flatnonzero(gaps >= _MIN_VOID * middle_range):
        beside = gaps[max(place - _N_GAPS, 0) : place], gaps[place + 1 : place + 1 + _N_GAPS]
        is_void[place] = gaps[place] >= _TIMES_GAPS * np.sort(np.concatenate(beside))[-3]
    return is_void


def _normal_quantile(rank):
    return NormalDist().inv_cdf(min(max(rank, 1e-12), 1 - 1e-12))


def _split(counts, n_bins):
    """Divide values into atoms and bins, given how often each occurs, in increasing order.

    Returns the code of each value, and which codes are bins. A bin never extends across an atom.
    """
    n_values = len(counts)
    n_others = counts.sum() - counts.max(initial=0)
    if any(n_values <= limit and n_others >= n_cells * (n_values - 1) for limit, n_cells in _ATOMS_ONLY):
        return np.arange(n_values), np.zeros(n_values, bool)
    is_atom = _are_atoms(counts)
    n_free = counts[~is_atom].sum()
    n_bins = automatic_n_bins(n_free) if n_bins == "auto" else n_bins
    pieces = np.cumsum(is_atom | np.append(False, is_atom[:-1]))  # an atom, or all values between two atoms
    codes, is_bin = [], []
    for piece in np.split(np.arange(n_values), np.flatnonzero(np.diff(pieces)) + 1):
        if is_atom[piece[0]]:
            labels = np.zeros(1, int)
        else:
            n_cells = counts[piece].sum()
            labels = _quantile_bins(
                counts[piece], min(round(n_bins * n_cells / n_free), n_cells // _MIN_ROWS_PER_BIN)
            )
        codes.append(labels + len(is_bin))
        is_bin += [not is_atom[piece[0]]] * (labels[-1] + 1)
    return np.concatenate(codes), np.array(is_bin)


def _are_atoms(counts):
    """Tell which values are repeated far more often than their neighbours."""
    is_atom = np.zeros(len(counts), bool)
    for place in np.flatnonzero(counts >= max(_MIN_SHARE * counts.sum(), _MIN_CELLS)):
        neighbours = np.append(
            counts[max(place - _N_NEIGHBOURS, 0) : place], counts[place + 1 : place + 1 + _N_NEIGHBOURS]
        )
        is_atom[place] = counts[place] >= _TIMES_NEIGHBOURS * np.median(neighbours)
    return is_atom


def _quantile_bins(counts, n_bins):
    """Divide values into bins of about equally many cells, none of very few: the number of each one's bin."""
    middles = (np.cumsum(counts) - counts / 2) / counts.sum()
    labels = np.unique((middles * max(n_bins, 1)).astype(int), return_inverse=True)[1]
    sizes = np.bincount(labels, counts)
    while len(sizes) > 1 and sizes.min() < _MIN_ROWS_PER_BIN:
        thin = sizes.argmin()
        joins_left = thin > 0 and (thin == len(sizes) - 1 or sizes[thin - 1] <= sizes[thin + 1])
        labels[labels >= thin + (not joins_left)] -= 1
        sizes = np.bincount(labels, counts)
    return labels
