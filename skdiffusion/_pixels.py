"""The pixels of images: numeric columns on one scale, from the darkest value of training to the brightest."""

import numpy as np

# Up to so many values of training are all that is drawn: 12 bits.
_MAX_LEVELS = 4096


class PixelColumn:
    """A pixel as a code and a rank, as `NumericColumn` has them, but for all columns alike.

    There is one code, and the rank of a value is its place between the smallest and the largest value of all
    pixels. If these have few values, such as 0 to 255, the ranks of a value reach half way to its neighbours,
    and nothing else is drawn. Ranks are a linear scale: equal steps of brightness are equal steps of rank.

    Attributes
    ----------
    levels : ndarray of shape (n_levels,)
        The values of training in increasing order, or the smallest and the largest if there are too many.
    bounds : ndarray of shape (n_levels + 1,)
        Where the interval of each level begins and ends.
    is_discrete : bool
        Whether nothing but `levels` is drawn.
    mean, std : float
        Of the ranks of all pixels, by weight.
    """

    n_values = n_codes = 1
    has_missing = False
    is_detailed = True
    hole = None

    def __init__(self, columns, weights):
        values = np.stack([column.values for column in columns])
        self.dtype = values.dtype.str
        self.levels = np.unique(values).astype(np.float64)
        self.is_discrete = 1 < len(self.levels) <= _MAX_LEVELS
        if self.is_discrete:
            middles = (self.levels[1:] + self.levels[:-1]) / 2
            ends = self.levels[:1] * 2 - middles[:1], self.levels[-1:] * 2 - middles[-1:]
            self.bounds = np.concatenate([ends[0], middles, ends[1]])
        else:
            self.levels = self.bounds = self.levels[[0, -1]]
        ranks = self._rank(values.astype(np.float64))
        self.mean = float(np.average(ranks.mean(axis=0), weights=weights))
        variance = np.average(np.square(ranks - self.mean).mean(axis=0), weights=weights)
        self.std = float(np.sqrt(variance)) or 1.0
        self.weights = weights.sum(keepdims=True)
        self.rank_low, self.rank_high, self.scores = np.zeros(1), np.ones(1), np.zeros(1, np.float32)
        self.is_bin = np.ones(1, bool)

    def encode(self, column):
        """Return the code of each cell and both ends of its ranks; beyond the range, those of its ends."""
        values = np.clip(column.values.astype(np.float64), self.levels[0], self.levels[-1])
        low = high = self._rank(values)
        if self.is_discrete:
            place = np.searchsorted(self.bounds[1:-1], values, side="right")
            low, high = self._rank(self.bounds[place]), self._rank(self.bounds[place + 1])
        return np.zeros(len(values), np.int32), low.astype(np.float32), high.astype(np.float32)

    def decode(self, codes, ranks):
        """Return for each rank the value, and that no cell is missing."""
        values = self.bounds[0] + ranks.astype(np.float64) * (self.bounds[-1] - self.bounds[0])
        if self.is_discrete:
            values = self.levels[np.searchsorted(self.bounds[1:-1], values, side="right")]
        elif np.dtype(self.dtype).kind != "f":
            values = np.rint(values)
        return values.astype(self.dtype), np.zeros(len(codes), bool)

    def _rank(self, values):
        width = self.bounds[-1] - self.bounds[0]
        return (values - self.bounds[0]) / width if width else np.full(values.shape, 0.5)


def check_pixel(column, name, numeric):
    """Raise unless a column can be a pixel."""
    if not numeric:
        raise ValueError(f"column {name!r} holds no numbers: the pixels of images are numbers, convert them.")
    if column.missing.any():
        raise ValueError(
            f"column {name!r} has missing cells, first in row {column.missing.argmax()}: fit to whole images."
        )


def check_scale(pixels):
    """Raise unless columns have numbers of one kind, on a scale that is finite in float64."""
    if len(dtypes := sorted({str(column.values.dtype) for column in pixels})) > 1:
        raise ValueError(f"pixels have the dtypes {', '.join(dtypes)}: convert all columns to one of them.")
    largest = max(float(np.abs(column.values.astype(np.float64)).max()) for column in pixels)
    if not largest <= (1e300 if pixels[0].values.dtype.kind == "f" else 2**53):
        raise ValueError(
            f"X has a pixel of {largest:.3g}, too large for a scale of all pixels: divide X first."
        )
