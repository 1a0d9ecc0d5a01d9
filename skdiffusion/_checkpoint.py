"""The file of an unfinished training: arrays and JSON, from which no code runs."""

import json
import os
import time
import warnings
from hashlib import blake2b
from io import BytesIO

import numpy as np

from ._files import checked, replacing

_SECONDS = 30  # between two writes, at least, and before the first
_N_ROWS_AT_ONCE = 2**16


def check_checkpoint(path):
    """Raise unless a checkpoint can be written to `path`."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"checkpoint must be None or the path of a file, got {path!r} of type {type(path).__name__}."
        )
    checked(path)


def digest(arrays):
    """Return a digest of arrays: equal for equal ones."""
    found = blake2b(digest_size=8)
    for array in arrays:
        found.update(repr((array.shape, array.dtype.str)).encode())
        for start in range(0, len(array), _N_ROWS_AT_ONCE):
            found.update(np.ascontiguousarray(array[start : start + _N_ROWS_AT_ONCE]))
    return found.hexdigest()


class Checkpoint:
    """The file of one fit's training, whole or not there at all.

    Parameters
    ----------
    path : str or path-like
        The file. If it is there, it must have been written for the same fit.
    fit : dict of str to JSON values
        What tells this fit from others: by a name that an error can show.

    Attributes
    ----------
    training : dict or None
        State of the training to go on with.

    Raises
    ------
    ValueError
        If the file is that of another fit, or damaged.
    """

    def __init__(self, path, fit):
        self._path, self._fit = checked(path), json.loads(json.dumps(fit))
        self._written, self._is_writable = time.perf_counter(), True
        self._start = self.training = None
        self._unfinished = self._read()

    @property
    def seconds(self):
        """Time that the training took in processes before this one."""
        return self._unfinished["training"]["seconds"] if self._unfinished else 0.0

    def begin(self, start):
        """Return what the unfinished training began with, or `start` if there is none, and note it.

        From then on `training` is where to go on. A second call begins a training that has no checkpoint yet.
        """
        unfinished, self._unfinished = self._unfinished, None
        self._start, self.training = start, None
        if unfinished:
            self._start, self.training = unfinished["start"], unfinished["training"]
        return self._start

    def is_due(self):
        """Tell whether it is time to write again."""
        return self._is_writable and time.perf_counter() - self._written >= _SECONDS

    def write(self, training):
        """Replace the file; if that fails, warn, and write no more."""
        arrays, content = {}, BytesIO()
        tree = {"fit": self._fit, "start": self._start, "training": _packed(training, arrays)}
        np.savez(content, tree=np.frombuffer(json.dumps(tree).encode(), np.uint8), **arrays)
        path = str(self._path)
        try:
            with replacing(self._path) as file:
                file.write(content.getbuffer())
        except OSError as error:
            self._is_writable = False
            warnings.warn(
                f"training goes on, but writes no more checkpoints: {path!r} cannot be written: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
        self._written = time.perf_counter()

    def remove(self):
        """Delete the file: the fit is complete."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(
                f"the fit is complete, but its checkpoint {str(self._path)!r} cannot be deleted: {error}",
                RuntimeWarning,
                stacklevel=3,
            )

    def _read(self):
        if not self._path.exists():
            return None
        with open(self._path, "rb") as file:
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    tree = json.loads(arrays["tree"].tobytes())
                    fit, start = tree["fit"], tree["start"]
                    training = _unpacked(tree["training"], arrays)
            except MemoryError:  # says nothing of the file
                raise
            except Exception as error:  # the reader has errors of many kinds
                raise ValueError(
                    f"{str(self._path)!r} is a damaged checkpoint, or none ({error}): delete it to fit from "
                    "the start, or choose another path."
                ) from error
        pairs = {name: (fit.get(name), self._fit.get(name)) for name in {**fit, **self._fit}}
        others = [
            f"{name} ({there} there, {here} here)" for name, (there, here) in pairs.items() if there != here
        ]
        if others:
            raise ValueError(
                f"{str(self._path)!r} is the checkpoint of another fit, with other {', '.join(others)}: "
                "delete it to fit from the start, or choose another path."
            )
        return {"start": start, "training": training}


def _packed(tree, arrays):
    """Return a tree with the names of arrays in their place, and add them to `arrays`."""
    if isinstance(tree, dict):
        return {name: _packed(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_packed(part, arrays) for part in tree]
    if isinstance(tree, np.ndarray | np.generic):
        name = f"array_{len(arrays)}"
        arrays[name] = tree
        return {"array": name}
    return tree


def _unpacked(tree, arrays):
    """Return the tree that `_packed` was given."""
    if isinstance(tree, dict):
        if tree.keys() == {"array"}:
            return arrays[tree["array"]]
        return {name: _unpacked(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_unpacked(part, arrays) for part in tree]
    return tree
