"""Measure how far `DiffusionNoiser` is from the floor.

The floor is one plain fill of an array of the same size and dtype with normal draws. The tutorial's loop adds
the same random walk one step at a time. Run from the repository root::

    python benchmarks/noiser.py > benchmarks/results/noiser.md
"""

import statistics
import time
import tracemalloc

import numpy as np
from _common import N_REPEATS, print_header, print_table

from skdiffusion import DiffusionNoiser

N_STEPS = 100
NOISE_LEVEL = 0.1
SIZES = [(10_000, 50), (1_000_000, 16)]
FLOOR, LOOP = "standard_normal (the floor)", "the tutorial's loop"
LOOP_SIZE = SIZES[0]  # at the other size the loop takes a minute and tells nothing new


def floor(x):
    return np.random.default_rng(0).standard_normal(x.shape, dtype=x.dtype)


def sfc64(x):
    """Fill with the bit generator that the noiser uses."""
    return np.random.Generator(np.random.SFC64(0)).standard_normal(x.shape, dtype=x.dtype)


def loop(x):
    """Diffuse as the tutorial does."""
    for _ in range(N_STEPS):
        x = x + np.random.normal(0, NOISE_LEVEL, x.shape)  # noqa: NPY002
    return x


def transform(x, **parameters):
    return DiffusionNoiser(NOISE_LEVEL, N_STEPS, random_state=0, **parameters).fit(x).transform


def contestants(x):
    """Functions of x by name; what they learn is learnt here."""
    named = {FLOOR: floor, "standard_normal, SFC64": sfc64}
    if x.shape == LOOP_SIZE:
        named[LOOP] = loop
    return named | {
        "transform": transform(x),
        "transform, clip": transform(x, clip=(0, 1)),
        "transform, step='random'": transform(x, step="random"),
        "transform, schedule='cosine'": transform(x, schedule="cosine"),
        "transform, half of the columns categorical": transform(
            np.round(x, 1), categorical_features=np.arange(0, x.shape[1], 2)
        ),
        "fit_transform": DiffusionNoiser(NOISE_LEVEL, N_STEPS, random_state=0).fit_transform,
    }


def median_seconds(functions, x):
    """Median time of each function. They take turns, so that a busy machine slows all alike.

    An untimed run goes before each timed one: else a function pays for memory that the last one gave back.
    """
    times = [[] for _ in functions]
    for _ in range(N_REPEATS):
        for function, spent in zip(functions, times, strict=True):
            function(x)
            start = time.perf_counter()
            function(x)
            spent.append(time.perf_counter() - start)
    return [statistics.median(spent) for spent in times]


def peak_memory(function, x):
    """Peak memory while the function runs, the input included, in sizes of the input."""
    tracemalloc.start()
    function(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1 + peak / x.nbytes


def main():
    print_header("How far is the noiser from the floor?")
    for size in SIZES:
        for dtype in (np.float32, np.float64):
            x = np.random.default_rng(0).random(size, dtype=dtype)
            named = contestants(x)
            seconds = dict(zip(named, median_seconds(named.values(), x), strict=True))
            print(f"Medians of {N_REPEATS}. Peak memory: with the input, in sizes of the input.")
            rows = [
                [
                    name,
                    f"{seconds[name] * 1e3:.1f}",
                    f"{seconds[name] / seconds[FLOOR]:.2f}",
                    f"{seconds[LOOP] / seconds[name]:.0f}" if LOOP in named else "-",
                    f"{peak_memory(function, x):.2f}",
                ]
                for name, function in named.items()
            ]
            title = f"{size[0]:,} x {size[1]}, {np.dtype(dtype).name}"
            print_table([title, "ms", "/ floor", "loop / it", "peak memory"], rows)


if __name__ == "__main__":
    main()
