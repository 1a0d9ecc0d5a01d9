"""How well are outliers told? The tabular sets of ADBench, two regimes, plain detectors.

"clean": a random half of the usual rows is learnt, all other rows are scored. "mixed": all rows are learnt,
outliers among them, and the same rows are scored. A run is one data set, regime, seed and method. It appends
one line to `benchmarks/results/outliers.jsonl`; what is there is not run again. Run it from the repository
root; the last command writes the tables to `benchmarks/results/outliers.md`::

    python benchmarks/outliers.py
    python benchmarks/outliers.py --data 14_glass --regime mixed --seeds 0
    python benchmarks/outliers.py --report
"""

import argparse
import datetime
import json
import platform
import sys
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from statistics import mean

import numpy as np
from _common import DATA, N_REPEATS, print_header, print_table
from scipy.stats import rankdata, skew
from sklearn.covariance import MinCovDet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skdiffusion import DiffusionOutlierDetector

RESULTS = Path(__file__).parent / "results"
MAX_ROWS = 10_000  # of a data set, as in ADBench's own runs
N_NEIGHBOURS = 5

REGIMES = {"clean": "learnt from usual rows", "mixed": "learnt from all rows"}


def read(data, seed):
    """Return rows and whether each is an outlier."""
    with np.load(DATA / "adbench" / f"{data}.npz") as file:
        X, is_odd = file["X"].astype(float), file["y"].astype(bool)
    if len(X) > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(len(X), MAX_ROWS, replace=False)
        X, is_odd = X[rows], is_odd[rows]
    return X, is_odd


def split(X, is_odd, regime, seed):
    """Return the rows to learn from, those to score, and whether these are outliers."""
    if regime == "mixed":
        return X, X, is_odd
    usual = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(~is_odd))
    seen = np.isin(np.arange(len(X)), usual[: len(usual) // 2])
    return X[seen], X[~seen], is_odd[~seen]


def neighbour_distances(train, test):
    """Return the distances to the nearest training rows; a training row is no neighbour of itself."""
    is_same = train is test
    neighbours = NearestNeighbors(n_neighbors=N_NEIGHBOURS + is_same).fit(train)
    return neighbours.kneighbors(test)[0][:, is_same:]


def local_outlier_factor(train, test):
    if train is test:
        return -LocalOutlierFactor().fit(train).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(train).score_samples(test)


def principal_components(train, test):
    """Return squared distances from the mean in principal components, each divided by its variance."""
    components = PCA().fit(train)
    variances = components.explained_variance_
    is_there = variances > 1e-9 * variances[0]
    return (components.transform(test)[:, is_there] ** 2 / variances[is_there]).sum(axis=1)


def tail_probabilities(train, test):
    """ECOD (Li et al. 2022, IEEE TKDE, Algorithm 1): the largest of three sums of surprises in the tails."""
    left, right = (
        -np.log(
            [
                np.maximum(np.searchsorted(np.sort(a), b, side="right"), 1) / len(a)
                for a, b in zip(sign * train.T, sign * test.T, strict=True)
            ]
        )
        for sign in (1, -1)
    )
    by_skewness = np.where(skew(train)[:, None] < 0, left, right)
    return np.max([part.sum(axis=0) for part in (left, right, by_skewness)], axis=0)


# What gives the rows of `test` scores that are higher for outliers; columns standardised, but for ours.
METHODS = {
    "DiffusionOutlierDetector": None,
    "isolation forest": lambda train, test, seed: (
        -IsolationForest(random_state=seed).fit(train).score_samples(test)
    ),
    "local outlier factor": lambda train, test, seed: local_outlier_factor(train, test),
    "mean distance of 5 neighbours": lambda train, test, seed: neighbour_distances(train, test).mean(axis=1),
    "distance of 5th neighbour": lambda train, test, seed: neighbour_distances(train, test)[:, -1],
    "one-class SVM": lambda train, test, seed: -OneClassSVM().fit(train).score_samples(test),
    "principal components": lambda train, test, seed: principal_components(train, test),
    "minimum covariance determinant": lambda train, test, seed: (
        MinCovDet(random_state=seed).fit(train).mahalanobis(test)
    ),
    "ECOD": lambda train, test, seed: tail_probabilities(train, test),
}


def run(data, regime, seed, method):
    """Do one run; return its line."""
    train, test, is_odd = split(*read(data, seed), regime, seed)
    start = time.perf_counter()
    if METHODS[method] is None:
        detector = DiffusionOutlierDetector(random_state=seed)
        if regime == "clean":
            detector.set_params(trimmed_share=0)
        scores = -detector.fit(train).score_samples(test)
    else:
        scaler = StandardScaler().fit(train)
        scaled = scaler.transform(train)
        scores = METHODS[method](scaled, scaled if test is train else scaler.transform(test), seed)
    seconds = time.perf_counter() - start
    return {
        "data": data,
        "regime": regime,
        "seed": seed,
        "method": method,
        "auroc": float(roc_auc_score(is_odd, scores)),
        "average_precision": float(average_precision_score(is_odd, scores)),
        "seconds": seconds,
        "n_rows": len(train),
        "date": str(datetime.date.today()),
        "python": platform.python_version(),
    }


def report(lines):
    """Print the tables."""
    print_header("How well are outliers told?")
    for regime, meaning in REGIMES.items():
        found = {}
        for line in lines:
            if line["regime"] == regime:
                key = line["data"], line["method"]
                found.setdefault(key, []).append(line)
        names = [name for name in METHODS if any(key[1] == name for key in found)]
        sets = [
            data
            for data in sorted({key[0] for key in found}, key=lambda data: int(data.split("_")[0]))
            if all((data, name) in found for name in names)
        ]
        if not sets:
            continue
        values = {
            metric: np.array(
                [[mean(line[metric] for line in found[data, name]) for name in names] for data in sets]
            )
            for metric in ("auroc", "average_precision", "seconds")
        }
        n_seeds = min(len(found[data, name]) for data in sets for name in names)
        print(f"## {regime}: {meaning}\n")
        print(
            f"Means over {len(sets)} data sets, {n_seeds} seeds. Rank 1 is best. Seconds to fit and score.\n"
        )
        ranks = {
            metric: np.mean([rankdata(-row) for row in values[metric]], axis=0)
            for metric in ("auroc", "average_precision")
        }
        rows = [
            [
                name,
                f"{values['auroc'][:, place].mean():.4f}",
                f"{ranks['auroc'][place]:.2f}",
                f"{values['average_precision'][:, place].mean():.4f}",
                f"{ranks['average_precision'][place]:.2f}",
                f"{values['seconds'][:, place].mean():.1f}",
                f"{values['seconds'][:, place].max():.1f}",
            ]
            for place, name in enumerate(names)
        ]
        print_table(["method", "AUROC", "rank", "average precision", "rank", "seconds", "most seconds"], rows)
        print("AUROC by data set.\n")
        rows = [[data, *map("{:.3f}".format, row)] for data, row in zip(sets, values["auroc"], strict=True)]
        print_table(["data", *names], rows)
    print(
        f"At most {MAX_ROWS:,} rows of a data set are taken, at random. One setting for all sets: defaults,\n"
        f"and {N_NEIGHBOURS} neighbours. Columns are standardised for all methods but ours. Some sets share\n"
        "a source. Where rows to learn from are clean, ours is told so (trimmed_share=0), as is the local\n"
        "outlier factor (novelty=True)."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = sorted(path.stem for path in (DATA / "adbench").glob("*.npz"))
    parser.add_argument("--data", nargs="+", default=sets, choices=sets)
    parser.add_argument("--regime", nargs="+", default=list(REGIMES), choices=REGIMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(N_REPEATS))
    parser.add_argument("--method", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--report", action="store_true", help="write the tables of what has run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines and tables")
    arguments = parser.parse_args()
    path = arguments.results / "outliers.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if arguments.report:
        with (arguments.results / "outliers.md").open("w") as file, redirect_stdout(file):
            report(lines)
        return 0
    done = {(line["data"], line["regime"], line["seed"], line["method"]) for line in lines}
    warnings.simplefilter("ignore")  # of covariances without full rank
    for seed in arguments.seeds:
        for data in arguments.data:
            for regime in arguments.regime:
                for method in arguments.method:
                    if (data, regime, seed, method) in done:
                        continue
                    line = run(data, regime, seed, method)
                    with path.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(
                        data, regime, seed, method, f"{line['auroc']:.4f}", f"{line['seconds']:.1f} s",
                        file=sys.stderr, flush=True,
                    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
