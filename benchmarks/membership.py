"""Which rows were in training? Attacks on the generator and on yardsticks, on four data sets.

Half of the rows of a data set are learnt: the members. A quarter are others, and a quarter belong to the
attacker, who gives each member and each other row a score and takes the highest for members. Seen are

- as many synthetic rows as members ("distance", "density", "density ratio"),
- or the fitted generator itself ("likelihood", "likelihood ratio", "kept values").

Run it from the repository root::

    python benchmarks/membership.py > benchmarks/results/membership.md

`--quick` tries everything on a few hundred rows.

References
----------
Chen, Yu, Zhang & Fritz (2020). GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
Models. CCS. "distance" is their attack without access to the model.
Hilprecht, Haerterich & Bernau (2019). Monte Carlo and Reconstruction Membership Inference Attacks against
Generative Models. PoPETs. The width of kernels is a quarter of their median heuristic.
van Breugel, Sun, Qian & van der Schaar (2023). Membership Inference Attacks against Synthetic Data through
Overfitting Detection. AISTATS. "density" and "density ratio" are their equations 1 and 2.
Carlini, Chien, Nasr, Song, Terzis & Tramer (2022). Membership Inference Attacks From First Principles. IEEE
S&P. "likelihood ratio" is their offline attack with one reference model, and so with one variance for all
rows; rates at few false positives are their measure.
"""

import argparse
import sys
import time

import numpy as np
import pandas as pd
from _baselines import IndependentColumns, Resampled
from _common import print_header, print_table
from _tables import DATA_SETS, read_data_set
from scipy.stats import rankdata
from sklearn.metrics.pairwise import euclidean_distances, pairwise_distances_argmin_min
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from skdiffusion import DiffusionGenerator

SETS = ("penguins", "abalone", "shoppers", "adult")
MAX_TIME = 60
N_QUICK_ROWS = 400
FALSE_POSITIVES = (0.01, 0.001)
N_RESAMPLES, N_CHUNK_ROWS = 200, 512


class Ours:
    """`DiffusionGenerator` with its defaults, or without anything against learning rows by heart."""

    def __init__(self, quick, *, by_heart=False):
        self._options = {"epochs": 2} if quick else {"max_time": MAX_TIME}
        if by_heart:
            self._options |= {"l2": 0.0, "dropout": 0.0, "early_stopping": False}

    def fit(self, table, categorical, seed):
        start = time.perf_counter()
        self.generator = DiffusionGenerator(
            **self._options, categorical_features=categorical, random_state=seed
        ).fit(table)
        self.cost = f"{self.generator.n_iter_} epochs in {time.perf_counter() - start:.0f} s"
        return self

    def sample(self, n_samples, seed):
        return self.generator.sample(n_samples, random_state=seed)

    def log_likelihood(self, table):
        return self.generator.score_samples(table)


def split(name, quick):
    """Return the members, the others, and the rows of the attacker."""
    table = pd.concat(read_data_set(DATA_SETS[name]))
    table = table.sample(
        n=N_QUICK_ROWS if quick and len(table) > N_QUICK_ROWS else len(table), random_state=0
    )
    table = table.reset_index(drop=True)
    half, quarter = len(table) // 2, len(table) // 4
    parts = table[:half], table[half : half + quarter], table[half + quarter :]
    return [part.reset_index(drop=True) for part in parts]


# Attacks: each returns scores of rows, higher for likely members


def embedded(known, tables, categorical):
    """Return tables as points: numbers as ranks among the rows of `known`, categories as corners.

    Two categories are at a distance of 1, as are the ends of a column of numbers, and whether one is missing.
    """
    numeric = [name for name in known if name not in categorical]
    parts = [[] for _ in tables]
    if numeric:
        ranks = QuantileTransformer(n_quantiles=min(1000, len(known)), subsample=None, random_state=0)
        ranks.fit(known[numeric].astype(float))
        for part, table in zip(parts, tables, strict=True):
            part.append(np.nan_to_num(ranks.transform(table[numeric].astype(float)), nan=0.5))
            part.append(table[numeric].isna())
    if categorical:
        corners = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        corners.fit(known[categorical].astype(str))
        for part, table in zip(parts, tables, strict=True):
            part.append(corners.transform(table[categorical].astype(str)) / np.sqrt(2))
    return [np.hstack(part).astype(np.float32) for part in parts]


def nearest(rows, centres):
    """Return each row's distance to the nearest centre."""
    return pairwise_distances_argmin_min(rows, centres)[1]


def log_density(rows, centres, width):
    """Return the logarithm of a kernel density of the rows, up to a constant."""
    densities = []
    for start in range(0, len(rows), N_CHUNK_ROWS):
        distances = euclidean_distances(rows[start : start + N_CHUNK_ROWS], centres, squared=True)
        least = distances.min(axis=1, keepdims=True)
        kernels = np.exp((least - distances) / (2 * width**2))
        densities.append(np.log(kernels.mean(axis=1)) - least[:, 0] / (2 * width**2))
    return np.concatenate(densities)


def seen_from_outside(synthetic, reference, rows, categorical):
    """Attack with synthetic rows, and reference rows of the same population."""
    known = pd.concat([synthetic, reference])
    synthetic, reference, rows = embedded(known, [synthetic, reference, rows], categorical)
    # With the whole median resampled rows are hardly found.
    width = np.float32(max(np.median(nearest(reference, synthetic)) / 4, 1e-3))
    density = log_density(rows, synthetic, width)
    return {
        "distance": -nearest(rows, synthetic),
        "density": density,
        "density ratio": density - log_density(rows, reference, width),
    }


def seen_from_inside(model, reference_model, rows):
    """Attack with the model, and one that learnt reference rows."""
    likelihood = model.log_likelihood(rows)
    ratio = likelihood - reference_model.log_likelihood(rows)
    return {"likelihood": likelihood, "likelihood ratio": ratio}


def kept_values(generator, reference, rows, categorical):
    """Attack with the numbers that a fitted generator keeps, of up to about 10,000 rows a column.

    A number that is kept counts as much as it is rare among reference rows that theirs are.
    """
    total = np.zeros(len(rows))
    for name, learnt in zip(rows, generator.encoder_.columns_, strict=True):
        if name not in categorical:
            kept = learnt.values[learnt.is_value]
            share = (reference[name].isin(kept).sum() + 1) / (len(reference) + 2)
            total -= rows[name].isin(kept) * np.log(share)
    return {"kept values": total.to_numpy()}


# Measures


def area(members, others):
    """Return the probability that a member's score is above another row's."""
    ranks = rankdata(np.concatenate([members, others]))[: len(members)]
    return (ranks.mean() - (len(members) + 1) / 2) / len(others)


def share_found(members, others, false_positives):
    """Return the share of members above the score that so large a share of others is above, at most."""
    n_above = int(false_positives * len(others) + 1e-9)
    return (members > np.partition(others, -n_above - 1)[-n_above - 1]).mean()


def measured(members, others):
    """Return cells of a table: area and shares, each with an interval of 95 % of resampled scores."""
    rng = np.random.default_rng(0)
    resamples = [(members, others)] + [
        (rng.choice(members, len(members)), rng.choice(others, len(others))) for _ in range(N_RESAMPLES)
    ]
    cells = [_with_interval([area(*pair) for pair in resamples], "{:.3f}")]
    for share in FALSE_POSITIVES:
        if len(others) * share < 1:
            cells.append("-")
        else:
            cells.append(
                _with_interval([100 * share_found(*pair, share) for pair in resamples], "{:.2f}", " %")
            )
    return cells


def _with_interval(values, form, unit=""):
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{form.format(values[0])}{unit} ({form.format(low)} to {form.format(high)})"


def report(name, quick):
    """Attack all models on a data set, and print what came of it."""
    categorical = DATA_SETS[name].categorical.split()
    members, others, reference = split(name, quick)
    rows = pd.concat([members, others], ignore_index=True)
    is_member = np.arange(len(rows)) < len(members)
    default = Ours(quick).fit(reference, categorical, 1)
    usual = default.log_likelihood(rows)
    is_rare = usual <= np.quantile(usual[~is_member], 0.1)
    models = {
        "DiffusionGenerator": (Ours(quick), default),
        "learnt by heart": (Ours(quick, by_heart=True), default),
        "resampled members": (Resampled(), None),
        "independent columns": (IndependentColumns(), IndependentColumns().fit(reference, categorical, 1)),
    }
    lines = [["chance", "", "0.500", *(f"{100 * share:.2f} %" for share in FALSE_POSITIVES)]]
    for label, (model, reference_model) in models.items():
        model.fit(members, categorical, 0)
        print(name, label, file=sys.stderr, flush=True)
        synthetic = model.sample(len(members), 0)
        scores = seen_from_outside(synthetic, reference, rows, categorical)
        if reference_model:
            scores |= seen_from_inside(model, reference_model, rows)
        if isinstance(model, Ours):
            scores |= kept_values(model.generator, reference, rows, categorical)
        for attack, values in scores.items():
            lines.append([label, attack, *measured(values[is_member], values[~is_member])])
        if isinstance(model, Ours):
            values = scores["likelihood ratio"]
            cells = measured(values[is_member & is_rare], values[~is_member & is_rare])
            lines.append([label, "likelihood ratio, rarest rows", *cells])
    costs = [f"{label} {model.cost}" for label, (model, _) in models.items() if isinstance(model, Ours)]
    print(
        f"## {DATA_SETS[name].label}\n\n{len(members):,} members, {len(others):,} others, "
        f"{len(reference):,} reference rows, {rows.shape[1]} columns. Rarest rows: "
        f"{(is_member & is_rare).sum():,} members, {(~is_member & is_rare).sum():,} others.\n"
        f"Fits: {'; '.join(costs)}.\n"
    )
    found = [f"members found at {100 * share:g} % false positives" for share in FALSE_POSITIVES]
    print_table(["model", "attack", "AUC", *found], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=SETS, choices=DATA_SETS)
    parser.add_argument("--quick", action="store_true", help="a few hundred rows, a few steps")
    arguments = parser.parse_args()
    print_header(__doc__.splitlines()[0], "keras", "pandas")
    for name in arguments.data:
        report(name, arguments.quick)
    print(
        "Distance, density and density ratio see as many synthetic rows as members, and the reference\n"
        "rows; the other attacks see the fitted model. One split, one fit of each model, 60 seconds of\n"
        f"training at most. In brackets 95 % of {N_RESAMPLES} resamples of the scores: they tell nothing of\n"
        "other fits. The rarest rows are those that a generator fitted to the reference rows finds as\n"
        "unlikely as the last tenth of the others. Learnt by heart: without held-out rows, penalty and\n"
        "dropout. A dash: too few others for such a share."
    )


if __name__ == "__main__":
    main()
