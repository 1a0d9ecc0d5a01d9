"""Tables that come in parts, DataFrames or arrays one after another, as files larger than memory do."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import _safe_indexing

from ._parquet import dataset_of, frames_of
from ._table import as_narwhals, as_table, empty_like, is_frame

# Rows of a sample, and its cells, which are what fills memory in a table of many columns.
_N_SAMPLE_ROWS, _N_SAMPLE_CELLS, _MIN_SAMPLE_ROWS = 200_000, 10_000_000, 10_000


def is_in_parts(X):
    """Tell whether X is no table, but a path, a pyarrow dataset, or an iterable of tables."""
    if isinstance(X, str | os.PathLike) or _is_dataset(X):
        return True
    if is_frame(X) or isinstance(X, Mapping) or hasattr(X, "shape") or hasattr(X, "__array__"):
        return False
    if isinstance(X, Sequence):
        return len(X) > 0 and _is_part(X[0])
    return isinstance(X, Iterable)


class Parts:
    """A table in parts, which can be gone through as often as needed.

    Parameters
    ----------
    X : str, path-like, pyarrow.dataset.Dataset or iterable of tables
        As `is_in_parts` has it.
    """

    def __init__(self, X):
        if isinstance(X, str | os.PathLike):
            X = dataset_of(X)
        if isinstance(X, Iterator):
            raise TypeError(
                f"X is a {type(X).__name__}, which can be gone through only once, and fit does so twice: "
                "give a list of frames, or an object whose __iter__ starts anew."
            )
        self._parts = partial(frames_of, X) if _is_dataset(X) else partial(iter, X)
        self._template = None

    def __iter__(self):
        for place, part in enumerate(self._parts()):
            if not _is_part(part):
                raise TypeError(
                    f"part {place} of X is of type {type(part).__name__}: give DataFrames, or arrays of two "
                    "dimensions."
                )
            part = as_table(part) if len(part) else part
            if self._template is None:
                self._template = empty_like(part)
            _check_alike(part, self._template, place)
            if len(part):
                yield part

    def sample(self, rng):
        """Return some rows at random, in their order, or all if they are few, and the number of all.

        Each row gets a random key, and rows of the least keys are kept.
        """
        kept, keys, highest, n_rows = [], np.empty(0), np.inf, 0
        for part in self:
            n_kept = min(_N_SAMPLE_ROWS, max(_MIN_SAMPLE_ROWS, _N_SAMPLE_CELLS // part.shape[1]))
            new = rng.random(len(part))
            chosen = np.flatnonzero(new < highest)
            kept.append(_safe_indexing(part, chosen))
            keys = np.append(keys, new[chosen])
            n_rows += len(part)
            if len(keys) >= 2 * n_kept:
                kept, keys = _of_least_keys(kept, keys, n_kept)
                highest = keys.max()
        if not n_rows:
            raise ValueError("X has no rows in any of its parts: give at least one.")
        if n_rows > n_kept:
            kept, _ = _of_least_keys(kept, keys, n_kept)
        return _joined(kept), n_rows


def _of_least_keys(tables, keys, n_rows):
    """Return a table of the rows of least keys, in their order, as a list of one, and these keys."""
    rows = np.sort(np.argpartition(keys, n_rows - 1)[:n_rows])
    return [_safe_indexing(_joined(tables), rows)], keys[rows]


def _joined(tables):
    """Return tables of the same columns as one."""
    if not is_frame(tables[0]):
        return np.concatenate(tables)
    return nw.concat([as_narwhals(table) for table in tables]).to_native()


def _is_dataset(X):
    """Tell whether X is a pyarrow dataset, without an import of what nobody uses."""
    pyarrow_dataset = sys.modules.get("pyarrow.dataset")
    return pyarrow_dataset is not None and isinstance(X, pyarrow_dataset.Dataset)


def _is_part(X):
    return is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)


def _check_alike(part, template, place):
    """Raise unless a part has the columns and dtypes of the first one."""
    if type(part) is not type(template):
        raise TypeError(
            f"part {place} of X is a {type(part)}, and the first a {type(template)}: give parts of one kind."
        )
    if not is_frame(part):
        if part.shape[1] != template.shape[1] or part.dtype != template.dtype:
            raise ValueError(
                f"part {place} of X has {part.shape[1]} columns of {part.dtype}, and the first "
                f"{template.shape[1]} of {template.dtype}: give parts that are alike."
            )
        return
    if list(part.columns) != list(template.columns):
        raise ValueError(
            f"part {place} of X has the columns {list(part.columns)}, and the first "
            f"{list(template.columns)}: give all parts the same, in the same order."
        )
    for name, dtype, expected in zip(part.columns, part.dtypes, template.dtypes, strict=True):
        if dtype != expected:
            raise ValueError(
                f"column {name!r} has dtype {dtype} in part {place} of X, and {expected} in the first: "
                "convert it to one dtype in all parts."
            )
