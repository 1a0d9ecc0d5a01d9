"""Sorted numbers: arithmetic that is exact for 64-bit integers, and the grids that columns of numbers lie on.

float64 holds integers of 53 bits; identifiers and times in nanoseconds have more.
"""

import numpy as np

_MAX_DECIMALS, _MAX_STEPS = 9, 100_000


def cast(values, dtype):
    """Convert numbers to the nearest ones of another dtype."""
    if values.dtype == dtype:
        return values
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f":
        # The largest float64 below the limit, which itself is none.
        values = np.clip(np.rint(values.astype(np.float64)), limits.min, np.nextafter(float(limits.max), 0))
    elif dtype.kind == "u":
        values = np.maximum(values, 0)
    else:
        values = np.minimum(values, np.uint64(limits.max))
    return values.astype(dtype)


def difference(low, high):
    """Return high - low in float64."""
    if low.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return high.astype(np.float64) - low.astype(np.float64)
    return (high.view(np.uint64) - low.view(np.uint64)).astype(np.float64)


def interpolate(low, high, share):
    """Return the value that is a share of the way from low to high, for integers rounded."""
    if low.dtype.kind == "f":
        return (low.astype(np.float64) * (1 - share) + high.astype(np.float64) * share).astype(low.dtype)
    distance = high.view(np.uint64) - low.view(np.uint64)
    step = np.minimum(np.rint(share * distance.astype(np.float64)), 2.0**64 - 2048).astype(np.uint64)
    return (low.view(np.uint64) + np.minimum(step, distance)).view(low.dtype)


def middle(low, high):
    """Return the middle of two values, for integers rounded down and up."""
    if low.dtype.kind == "f":
        middle = low / 2 + high / 2
        return middle, middle
    half = (high.view(np.uint64) - low.view(np.uint64)) // np.uint64(2)
    return (low.view(np.uint64) + half).view(low.dtype), (high.view(np.uint64) - half).view(low.dtype)


class _IntegerGrid:
    """The multiples of a step, from an origin on."""

    def __init__(self, origin, step):
        self.origin, self.step = origin, step

    def snap(self, values):
        bits = values.view(np.uint64)
        excess = (bits - self.origin.view(np.uint64)) % self.step
        return (bits - excess + self.step * (excess > self.step // np.uint64(2))).view(values.dtype)

    def same(self, values, others):
        return values == others


class _FloatGrid:
    """The numbers (origin + k step) / scale, nearest to decimals if the scale is a power of ten."""

    def __init__(self, origin, step, scale):
        self.origin, self.step, self.scale = float(origin), float(step), float(scale)

    def snap(self, values):
        steps = np.rint((values.astype(np.float64) * self.scale - self.origin) / self.step)
        return ((self.origin + steps * self.step) / self.scale).astype(values.dtype)

    def same(self, values, others):
        """Tell which values lie at the same point, but for rounding errors."""
        return np.abs(values.astype(np.float64) - others) * self.scale < self.step / 4


def find_grid(values):
    """Return the grid on which all values lie, given sorted and without repetition; None if there is none."""
    if values.dtype.kind != "f":
        steps = np.diff(values.view(np.uint64))
        step = np.gcd.reduce(steps)
        return _IntegerGrid(values[:1], step) if step > 1 else None
    numbers = values.astype(np.float64)
    rounding = 4 * float(np.finfo(values.dtype).eps) * np.abs(numbers).max()
    for scale in 10.0 ** np.arange(_MAX_DECIMALS + 1):
        if rounding * scale > 0.1:
            break
        if all(
            np.abs(some * scale - np.rint(some * scale)).max() <= rounding * scale
            for some in (numbers[:: len(numbers) // 100 + 1], numbers)
        ):
            steps = np.rint(numbers * scale).astype(np.int64)
            step = np.gcd.reduce(np.diff(steps))
            return _FloatGrid(steps[0], step, scale) if step else None
    return _equidistant(numbers, rounding)


def _equidistant(numbers, rounding):
    """Return the grid of numbers that are no decimals, such as scaled integers."""
    first, last = numbers[0], numbers[-1]
    with np.errstate(over="ignore"):
        n_steps = (last - first) / np.diff(numbers).min()
    if not n_steps <= _MAX_STEPS:
        return None
    step = (last - first) / round(n_steps)
    errors = np.abs(first + np.rint((numbers - first) / step) * step - numbers)
    return _FloatGrid(first, step, 1) if errors.max() <= 2 * rounding < 0.05 * step else None
