"""One denoiser for all noise levels, or one for each? Held-out error on five tables at four noise levels.

`DiffusionDenoiser` learns from clean rows, once for each split. Ridge regression learns from noisy rows and
their clean versions, anew at each level, as in `quality.py`, whose tables, levels, splits and noise these
are; scikit-learn's two moons come on top. Columns are standardised, and the error is the mean square on
held-out rows: 1 is a column's variance. Each cell is the mean over the seeds. Run it from the repository
root::

    python benchmarks/denoising.py > benchmarks/results/denoising.md
"""

import argparse
import sys
import time

import numpy as np
from _common import print_header, print_table
from quality import LEVELS, split, tables
from sklearn.datasets import make_moons
from sklearn.linear_model import RidgeCV

from skdiffusion import DiffusionDenoiser

RIDGE, GIVEN, ESTIMATED = "ridge, one for each level", "DiffusionDenoiser, sigma given", "sigma estimated"


def errors(table, seed, max_time):
    """Held-out error of each method at each level, and the seconds of the denoiser's fit."""
    train, test = split(table, seed)
    start = time.perf_counter()
    denoiser = DiffusionDenoiser(random_state=seed, max_time=max_time).fit(train)
    seconds = time.perf_counter() - start
    found = {}
    for level in LEVELS:
        rng = np.random.default_rng(seed)
        sigma = level * (train.std(axis=0) > 0)
        noisy_train, noisy_test = (rows + sigma * rng.normal(size=rows.shape) for rows in (train, test))
        ridge = RidgeCV(np.logspace(-3, 4, 15)).fit(noisy_train, train)
        restored = {
            "noisy rows": noisy_test,
            RIDGE: ridge.predict(noisy_test),
            GIVEN: denoiser.set_params(sigma=sigma).transform(noisy_test),
            ESTIMATED: denoiser.set_params(sigma="auto").transform(noisy_test),
        }
        found[level] = {method: np.mean((rows - test) ** 2) for method, rows in restored.items()}
    return found, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="draws of split and noise (default: 3)")
    parser.add_argument(
        "--max-time", type=float, default=None, help="seconds of each fit (default: no limit)"
    )
    arguments = parser.parse_args()
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    worst = {GIVEN: 0.0, ESTIMATED: 0.0}
    moons = "two moons", make_moons(2000, noise=0.05, random_state=0)[0]
    for name, table in (*tables(), moons):
        draws = []
        for seed in range(arguments.seeds):
            draws.append(errors(table, seed, arguments.max_time))
            print(name, seed, f"{draws[-1][1]:.0f} s", file=sys.stderr, flush=True)
        means = {
            level: {
                method: np.mean([found[level][method] for found, _ in draws]) for method in draws[0][0][level]
            }
            for level in LEVELS
        }
        for method in worst:
            ratios = [means[level][method] / means[level][RIDGE] for level in LEVELS]
            worst[method] = max(worst[method], *ratios)
        print_table(
            [name, *(f"noise {level}" for level in LEVELS)],
            [[method, *(f"{means[level][method]:.5f}" for level in LEVELS)] for method in means[LEVELS[0]]],
        )
        print(f"Seconds of a denoiser's fit: {np.mean([seconds for _, seconds in draws]):.0f}\n", flush=True)
    for method, ratio in worst.items():
        print(f"{method}, against ridge, worst cell: {ratio:.3f} (target: at most 1.02)")


if __name__ == "__main__":
    main()
