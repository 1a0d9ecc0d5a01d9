"""Codes as one-hot blocks side by side, and what else both processes do with their rows."""

import numpy as np
from keras import ops

# Rows of one call on the device while sampling. A row is the same whatever the number of rows drawn with it.
N_CHUNK_ROWS = 1024

# Of a code that does not exist, in place of the logarithm of a probability.
IMPOSSIBLE = -1e9

# Ranks are kept this far from 0 and 1, where the normal score is infinite.
_RANK_MARGIN = 1e-6


def padded(n_codes):
    """Return the width of each column's block: the next power of two."""
    return 2 ** np.ceil(np.log2(np.maximum(n_codes, 1))).astype(int)


def grouped(widths):
    """Return first column, number of columns and width of each run of equal widths."""
    groups = []
    for width in np.unique(widths):
        first, last = np.flatnonzero(widths == width)[[0, -1]]
        groups.append((int(first), int(last - first + 1), int(width)))
    return groups


def one_hot(codes, width):
    """Return one-hot blocks, all zero for hidden cells."""
    return ops.cast(codes[:, :, None] == np.arange(width, dtype=np.int32), "float32")


def normal_score(ranks):
    """Return the standard normal quantiles of ranks."""
    margin = np.float32(_RANK_MARGIN)
    return np.float32(np.sqrt(2)) * ops.erfinv(2 * ops.clip(ranks, margin, 1 - margin) - 1)


def filled(array, n_chunk_rows=N_CHUNK_ROWS):
    """Repeat the first row until the array has the rows of a chunk."""
    n_missing = n_chunk_rows - len(array)
    return np.concatenate([array, np.repeat(array[:1], n_missing, axis=0)]) if n_missing else array


class Blocks:
    """Blocks of codes side by side in one matrix, each padded to the next power of two.

    Parameters
    ----------
    n_codes : sequence of int
        Number of codes of each block, blocks of like width side by side.
    """

    def __init__(self, n_codes):
        widths = padded(np.array(n_codes, int))
        self._groups = grouped(widths)
        self.starts = np.cumsum(widths) - widths
        self.size = int(widths.sum())
        self.log_odds = self.spread([np.zeros(n) for n in n_codes], IMPOSSIBLE)

    def __len__(self):
        return len(self.starts)

    def spread(self, tables, fill):
        """Return a table with an entry for each code as a row, with `fill` where blocks are padded."""
        row = np.full(self.size, fill, np.float32)
        for start, table in zip(self.starts, tables, strict=True):
            row[start : start + len(table)] = table
        return row

    def split(self, rows):
        """Return the blocks of each width, of shape (n, n_blocks, width)."""
        return [
            ops.reshape(
                rows[:, self.starts[first] : self.starts[first] + n_blocks * width], (-1, n_blocks, width)
            )
            for first, n_blocks, width in self._groups
        ]

    def join(self, blocks):
        """Return what `split` has split."""
        rows = [
            ops.reshape(block, (-1, n_blocks * width))
            for block, (_, n_blocks, width) in zip(blocks, self._groups, strict=True)
        ]
        return ops.concatenate(rows, axis=1)

    def sum(self, rows):
        """Return the sum of each block."""
        return ops.concatenate([ops.sum(block, axis=2) for block in self.split(rows)], axis=1)

    def softmax(self, logits):
        """Return the probabilities of the codes."""
        return self.join(
            [
                ops.softmax(block, axis=2) if block.shape[2] > 1 else ops.ones_like(block)
                for block in self.split(logits)
            ]
        )

    def one_hot(self, codes):
        """Return one-hot blocks, all zero for hidden cells."""
        return self.join(
            [one_hot(codes[:, first : first + n_blocks], width) for first, n_blocks, width in self._groups]
        )
