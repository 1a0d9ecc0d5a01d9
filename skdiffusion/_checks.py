"""Checks of parameters, whose errors name the parameter, the value received and the remedy."""

from numbers import Integral, Real

import numpy as np


def check_integer(name, value, *, low):
    """Raise unless `value` is an integer of at least `low`; booleans are not numbers here."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer >= {low}, got {value!r} of type {type(value).__name__}.")
    if value < low:
        raise ValueError(f"{name} must be an integer >= {low}, got {value!r}.")


def check_real(name, value, *, low, high=np.inf, open_low=False, open_high=False):
    """Raise unless `value` is a finite number between `low` and `high`."""
    interval = f"{'>' if open_low else '>='} {low}"
    if np.isfinite(high):
        interval += f" and {'<' if open_high else '<='} {high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(
            f"{name} must be a finite number {interval}, got {value!r} of type {type(value).__name__}."
        )
    inside = (value > low if open_low else value >= low) and (value < high if open_high else value <= high)
    if not (inside and np.isfinite(value)):
        raise ValueError(f"{name} must be a finite number {interval}, got {value!r}.")


def check_option(name, value, options):
    """Raise unless `value` is one of the strings `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}.")
