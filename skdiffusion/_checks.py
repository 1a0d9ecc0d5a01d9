"""Checks of parameters, whose errors name the parameter, the value received and the remedy."""

import math
import re
from contextlib import contextmanager, suppress
from numbers import Integral, Real

import numpy as np


def check_integer(name, value, *, low, high=None, remedy=None):
    """Raise unless `value` is an integer from `low` to `high`; booleans are not numbers here."""
    _check(name, value, Integral, "an integer", low, np.inf if high is None else high, remedy)


def check_real(name, value, *, low, high=np.inf, open_low=False, open_high=False, remedy=None):
    """Raise unless `value` is a finite number from `low` to `high`, of which an open one is left out."""
    _check(name, value, Real, "a finite number", low, high, remedy, open_low, open_high)


def check_option(name, value, options):
    """Raise unless `value` is one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}.")


def check_unless_auto(check, name, value, *, remedy='or give "auto"', **limits):
    """Check a value by `check`, unless it is "auto"."""
    if not (isinstance(value, str) and value == "auto"):
        check(name, value, remedy=remedy, **limits)


def check_widths(name, sizes, *, remedy=None):
    """Raise unless `sizes` are widths of layers, one at least."""
    if not isinstance(sizes, tuple | list) or not sizes:
        ending = f"; {remedy}." if remedy else "."
        raise ValueError(
            f"{name} must be a tuple of one width at least, such as (256,), got {sizes!r}{ending}"
        )
    for size in sizes:
        check_integer(f"each of {name}", size, low=1)


def check_image_shape(name, shape):
    """Raise unless `shape` is the height and width of images, or these and their number of channels."""
    if not isinstance(shape, tuple | list) or len(shape) not in (2, 3):
        raise ValueError(f"{name} must be (height, width) or (height, width, n_channels), got {shape!r}.")
    for size in shape:
        check_integer(f"each of {name}", size, low=1)


@contextmanager
def locating(**tables):
    """Let scikit-learn's errors end in a remedy, and say where in the table of that name a bad value is.

    Errors of the libraries that read tables become ones that say which tables these are.
    """
    for name, table in tables.items():
        dtypes = table.dtypes if hasattr(table, "columns") else ()
        if any(getattr(dtype, "kind", "") == "c" for dtype in dtypes):
            raise ValueError(
                f"Complex data not supported, got a column of {name}: convert it to real numbers."
            )
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values get an error
            yield
    except (MemoryError, Warning):
        raise
    except Exception as error:
        if not _is_of_scikit_learn(error):
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"{' or '.join(tables)} holds what cannot be read as numbers{_odd_columns(tables)}: {error}; "
                "convert such columns, or leave them out."
            ) from error
        if not isinstance(error, ValueError):
            raise
        for pattern, remedy in _SHAPE_REMEDIES.items():
            if match := re.match(pattern, str(error)):
                raise ValueError(f"{match[0]}; {remedy}.") from error
        match = re.match(r"Input (\w+) contains (NaN|infinity)", str(error))
        if match is None or match[1] not in tables:
            raise
        table, is_bad = tables[match[1]], np.isnan if match[2] == "NaN" else np.isinf
        place = None
        with suppress(TypeError, ValueError):  # cells that are not numbers
            place = _first_place(table, is_bad(np.asarray(table, dtype=np.float64)))
        if place is None:
            raise
        raise ValueError(f"{match[0]}, first in {place}; {_REMEDIES[match[2]]}.") from error


def _odd_columns(tables):
    """Name the columns of DataFrames that cannot be read as numbers."""
    odd = []
    for table in tables.values():
        for name in getattr(table, "columns", ()):
            kind = getattr(table[name].dtype, "kind", "")
            if kind in tuple("biuf"):
                continue
            try:
                np.asarray(table[name], dtype=np.float64)
            except Exception:  # each library has errors of its own
                odd.append(name)
            else:
                odd += [name] * (kind in tuple("mM"))
    return f" in columns {odd}" if odd else ""


def _is_of_scikit_learn(error):
    """Tell whether an error was raised by scikit-learn, or by us, and not by what they call."""
    place = error.__traceback__
    while place.tb_next:
        place = place.tb_next
    return place.tb_frame.f_globals["__name__"].partition(".")[0] in ("sklearn", __package__)


_SHAPE_REMEDIES = {
    r"X has .+ features as input": "pass the columns that fit has seen, in their order",
    r"Found input variables with inconsistent numbers of samples: \[.*\]": "pass as many rows of y as of X",
    r"sample_weight\.shape == \S+ expected [^!]+": "pass one weight for each row of X",
    r"Sample weights must be 1D array or scalar(, got \dD array)?": "pass one weight for each row of X",
}
_REMEDIES = {
    "NaN": "fill missing cells first, for example with sklearn.impute.SimpleImputer",
    "infinity": "replace or clip such values first",
}


def _first_place(table, is_bad):
    if not is_bad.any():
        return None
    if is_bad.ndim == 1:
        return f"row {is_bad.argmax()}"
    column = is_bad.any(axis=0).argmax()
    name = getattr(table, "columns", range(is_bad.shape[1]))[column]
    return f"column {name!r}, row {is_bad[:, column].argmax()}"


def check_float32_range(**arrays):
    """Raise where a finite number would become infinite in float32, in which the network computes."""
    limit = np.finfo(np.float32).max
    for name, array in arrays.items():
        if array.dtype == np.float64 and (array.max() > limit or array.min() < -limit):
            raise ValueError(
                f"{name} must lie within +-{limit:.2g}, the range of float32, in which the network computes; "
                f"got values from {array.min():.3g} to {array.max():.3g}; scale {name} first."
            )


def _check(name, value, kind, kind_name, low, high, remedy, open_low=False, open_high=False):
    wanted = f"{name} must be {kind_name} {'>' if open_low else '>='} {low}"
    if high != np.inf:
        wanted += f" and {'<' if open_high else '<='} {high}"
    ending = f"; {remedy}." if remedy else "."
    if isinstance(value, bool | np.bool_) or not isinstance(value, kind):
        raise TypeError(f"{wanted}, got {value!r} of type {type(value).__name__}{ending}")
    high_enough = value > low if open_low else value >= low
    low_enough = value < high if open_high else value <= high
    if not (high_enough and low_enough and math.isfinite(value)):
        raise ValueError(f"{wanted}, got {value!r}{ending}")
