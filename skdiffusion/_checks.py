"""Checks of parameters, whose errors name the parameter, the value received and the remedy."""

import math
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
