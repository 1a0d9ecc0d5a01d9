"""Encoded rows of a table larger than memory, dealt out at random to files that fit it."""

import shutil
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ._encoder import EncodedTable

# Rows of a shard, and its bytes, which are what fills memory in a table of many columns.
_N_SHARD_ROWS, _N_SHARD_BYTES = 2**18, 2**26


class Shards:
    """The rows of a table as codes and ranks, each in one of several files, whichever chance has it.

    Each file, a shard, is a random sample of the table that fits memory, however the table is sorted. So are
    the rows that are held out.

    Parameters
    ----------
    folder : str
        Where the files are to be; it stays the caller's.
    parts : Parts
        The table.
    encoder : TableEncoder
        Fitted to a sample. What the sample lacks is encoded as its ``unseen="rare"`` says.
    n_rows : int
        Number of rows of the table.
    held_out_share : float
        Rows to hold out, as a share of a shard.
    rng : numpy.random.Generator
        Deals.

    Attributes
    ----------
    frequencies : list of ndarray of shape (n_codes,)
        Share of each code of each column among all rows, but for cells that have none.
    digest : str
        Equal for equal rows that are dealt alike.
    """

    def __init__(self, folder, parts, encoder, n_rows, held_out_share, rng):
        code_type = np.min_scalar_type(-int(encoder.n_codes_.max()))
        detailed = (len(encoder.detailed_),)
        self._row = np.dtype(
            [("codes", code_type, encoder.n_codes_.shape), ("low", "f4", detailed), ("high", "f4", detailed)]
        )
        n_shard_rows = min(_N_SHARD_ROWS, max(1, _N_SHARD_BYTES // self._row.itemsize), n_rows)
        n_held_out = min(round(held_out_share * n_shard_rows), n_rows - 1)
        n_shards = -(-(n_rows - n_held_out) // n_shard_rows)
        self._files = [Path(folder, f"{place}.rows") for place in range(n_shards + 1)]  # held-out rows last
        for path in self._files:
            path.touch()
        _check_space(folder, n_rows * self._row.itemsize)
        ends = np.linspace(0, n_rows - n_held_out, n_shards + 1)[1:] / n_rows
        counts = [np.zeros(n_codes, np.int64) for n_codes in encoder.n_codes_]
        n_dealt, self._digest = 0, blake2b(digest_size=8)
        for part in parts:
            encoded = encoder.encode(part, unseen="error" if encoder.pixels else "rare")
            for column, count in zip(encoded.codes.T, counts, strict=True):
                count += np.bincount(column[column >= 0], minlength=len(count))
            self._deal(encoded, np.searchsorted(ends, rng.random(len(part)), side="right"))
            n_dealt += len(part)
        if n_dealt != n_rows:
            raise ValueError(
                f"X had {n_rows} rows when they were gone through first, and then {n_dealt}: give the same "
                "rows each time, and leave the files alone during fit."
            )
        self.frequencies = [count / count.sum() for count in counts]
        self.digest = self._digest.hexdigest()

    def __len__(self):
        """Return the number of shards."""
        return len(self._files) - 1

    def rows(self, process, epoch):
        """Return the rows of an epoch as a process takes them, and their weights: shard after shard."""
        return self._read(process, self._files[epoch % len(self)])

    def held_out(self, process):
        """Return the rows that are in no shard, and their weights; None if there are none."""
        rows = self._read(process, self._files[-1])
        return rows if len(rows[-1]) else None

    def _read(self, process, path):
        rows = np.fromfile(path, self._row)
        arrays = process.arrays(EncodedTable(rows["codes"], rows["low"], rows["high"]))
        return *arrays, np.ones(len(rows), np.float32)

    def _deal(self, encoded, places):
        """Append each row to the file of its place."""
        order = np.argsort(places, kind="stable")
        rows = np.empty(len(order), self._row)
        for name, array in encoded._asdict().items():
            rows[name] = array[order]
        self._digest.update(rows)
        ends = np.cumsum(np.bincount(places, minlength=len(self._files)))
        for path, some in zip(self._files, np.split(rows, ends[:-1]), strict=True):
            with open(path, "ab") as file:
                some.tofile(file)


def _check_space(folder, n_bytes):
    """Raise unless a folder's disk has room."""
    if (free := shutil.disk_usage(folder).free) < n_bytes:
        raise OSError(
            f"{n_bytes / 2**30:.1f} GiB are needed for rows in {folder!r}, where {free / 2**30:.1f} GiB are "
            "free: set the environment variable TMPDIR to a folder with more space."
        )
