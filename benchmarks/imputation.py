"""How good are filled cells? Thirteen data sets, three reasons for holes, three shares, plain imputers.

Cells are taken out of complete ones, each imputer learns the training rows with their holes, and fills these
and the rows that it has not seen. A run is one data set, reason, share and method. It appends one line to
`benchmarks/results/imputation.jsonl`; what is there is not run again. Run it from the repository root; the
last command writes the tables to `benchmarks/results/imputation.md`::

    python benchmarks/imputation.py
    python benchmarks/imputation.py --data concrete --reason mcar --share 0.3
    python benchmarks/imputation.py --report
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
import pandas as pd
from _common import print_header, print_table
from _tables import DATA_SETS, DataSet, read_data_set
from scipy.stats import rankdata, wasserstein_distance
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import train_test_split

RESULTS = Path(__file__).parent / "results"
MAX_ROWS = 12_000  # of a data set: beyond, imputers of trees take hours
N_DRAWS = 40
MAX_TIME = 60  # seconds of training for ours

SETS = {name: DATA_SETS[name] for name in ("california", "adult", "shoppers", "abalone")} | {
    name: DataSet(name, "target", categorical, files=(f"small/{name}",))
    for name, categorical in {
        "concrete": "",
        "wine_quality_red": "",
        "yeast": "target",
        "airfoil": "",
        "climate_crashes": "target",
        "glass": "target",
        "ionosphere": "target",
        "seeds": "target",
        "vowel": "train_or_test speaker sex target",
    }.items()
}
REASONS = {"mcar": "by chance", "mar": "by other columns", "mnar": "by the cell itself"}
SHARES = (0.1, 0.3, 0.5)


def holes(table, numeric, reason, share, rng):
    """Choose cells to take out, about a share of those that may be.

    "mar": half of the columns stay whole, and a cell of the others goes with a probability that is logistic
    in a random combination of these. "mnar": logistic in the cell's own value.
    """
    scores = np.column_stack([_scores(table[name], name in numeric, rng) for name in table])
    chosen = np.ones(table.shape, bool)
    if reason == "mcar":
        logits = np.zeros(table.shape)
    elif reason == "mar":
        whole = rng.permutation(table.shape[1]) < (table.shape[1] + 1) // 2
        weights = rng.normal(size=(whole.sum(), table.shape[1]))
        logits = scores[:, whole] @ (2 * weights / np.linalg.norm(weights, axis=0))
        chosen[:, whole] = False
    else:
        logits = 2 * scores * rng.choice([-1, 1], size=table.shape[1])
    taken = np.zeros(table.shape, bool)
    for column in range(table.shape[1]):
        low, high = -50.0, 50.0
        for _ in range(60):  # bisection: the mean of the probabilities is the share
            middle = (low + high) / 2
            too_many = (1 / (1 + np.exp(-logits[:, column] - middle))).mean() > share
            low, high = (low, middle) if too_many else (middle, high)
        taken[:, column] = rng.random(len(table)) < 1 / (1 + np.exp(-logits[:, column] - middle))
    return taken & chosen & table.notna().to_numpy()


def _scores(column, is_number, rng):
    if not is_number:
        codes = pd.factorize(column)[0]
        column = pd.Series(rng.permutation(codes.max() + 2)[codes])
    ranks = rankdata(column.fillna(column.median()))
    return (ranks - ranks.mean()) / ranks.std()


class Plain:
    """An imputer of scikit-learn behind standardised numbers and encoded categories.

    A category becomes a column for each of its levels, or one of their numbers.
    """

    def __init__(self, imputer, *, one_hot, drawing=None):
        self._imputer, self._one_hot, self._drawing = imputer, one_hot, drawing

    def fit(self, table, numeric, categorical):
        self._numeric = numeric
        self._levels = {name: sorted(table[name].dropna().unique()) for name in categorical}
        self._mean, self._scale = table[numeric].mean(), table[numeric].std().replace(0, 1)
        self._matrix = self._encoded(table)
        self._imputer.fit(self._matrix)
        return self

    def _encoded(self, table):
        blocks = [((table[self._numeric] - self._mean) / self._scale).to_numpy()]
        for name, levels in self._levels.items():
            codes = pd.Categorical(table[name], categories=levels).codes.astype(float)[:, None]
            missing = codes < 0
            codes = np.where(missing, np.nan, codes == np.arange(len(levels)) if self._one_hot else codes)
            blocks.append(codes.astype(float))
        return np.hstack(blocks)

    def _decoded(self, matrix, table):
        filled, start = table.copy(), len(self._numeric)
        filled[self._numeric] = matrix[:, :start] * self._scale.to_numpy() + self._mean.to_numpy()
        for name, levels in self._levels.items():
            if self._one_hot:
                codes = matrix[:, start : start + len(levels)].argmax(axis=1)
            else:
                codes = np.clip(np.rint(matrix[:, start]), 0, len(levels) - 1).astype(int)
            start += len(levels) if self._one_hot else 1
            filled[name] = np.array(levels, dtype=object)[codes]
        return filled

    def transform(self, table):
        return self._decoded(self._imputer.transform(self._encoded(table)), table)

    def draws(self, table, n_draws):
        if self._drawing is None:
            return None
        self._drawing.fit(self._matrix)
        matrix = self._encoded(table)
        return [self._decoded(self._drawing.transform(matrix), table) for _ in range(n_draws)]


class Ours:
    """`DiffusionImputer` with its defaults, and a minute of training."""

    def fit(self, table, numeric, categorical):
        from skdiffusion import DiffusionGenerator, DiffusionImputer

        generator = DiffusionGenerator(categorical_features=categorical, max_time=MAX_TIME, random_state=0)
        self._imputer = DiffusionImputer(generator=generator, random_state=0).set_output(transform="pandas")
        self._imputer.fit(table)
        return self

    def transform(self, table):
        return self._imputer.transform(table)

    def draws(self, table, n_draws):
        return self._imputer.sample(table, n_imputations=n_draws)


def methods():
    """Return the imputers by name."""
    trees = ExtraTreesRegressor(n_estimators=50, n_jobs=2, random_state=0)
    return {
        "DiffusionImputer": Ours(),
        "mean or mode": Plain(SimpleImputer(), one_hot=True),
        "kNN": Plain(KNNImputer(n_neighbors=10), one_hot=True),
        "iterative, BayesianRidge": Plain(
            IterativeImputer(BayesianRidge(), random_state=0),
            one_hot=True,
            drawing=IterativeImputer(BayesianRidge(), sample_posterior=True, random_state=0),
        ),
        "iterative, extra trees": Plain(
            IterativeImputer(trees, max_iter=5, random_state=0, skip_complete=True), one_hot=False
        ),
    }


def scores(truth, taken, filled, draws, numeric, scale):
    """Return the errors of the filled cells, each a mean over columns."""
    errors = {"rmse": [], "mae": [], "wasserstein": [], "accuracy": [], "coverage": [], "width": []}
    for index, name in enumerate(truth):
        rows = taken[:, index]
        if not rows.any():
            continue
        true, found = truth[name][rows], filled[name][rows]
        if name not in numeric:
            errors["accuracy"].append(float((true.to_numpy() == found.to_numpy()).mean()))
            continue
        true, found = true.to_numpy(float) / scale[name], found.to_numpy(float) / scale[name]
        errors["rmse"].append(float(np.sqrt(np.mean((true - found) ** 2))))
        errors["mae"].append(float(np.mean(np.abs(true - found))))
        errors["wasserstein"].append(float(wasserstein_distance(true, found)))
        if draws is not None:
            drawn = np.stack([draw[name].to_numpy(float)[rows] for draw in draws]) / scale[name]
            # With these quantiles a right sampler covers 90 % however few its draws are.
            low, high = np.quantile(drawn, [0.05, 0.95], axis=0, method="weibull")
            errors["coverage"].append(float(((low <= true) & (true <= high)).mean()))
            errors["width"].append(float((high - low).mean()))
    return {name: mean(values) for name, values in errors.items() if values}


def run(data, reason, share, method):
    """Do one run; return its line."""
    data_set = SETS[data]
    (table, *_) = read_data_set(data_set)
    table = table.sample(min(len(table), MAX_ROWS), random_state=0).reset_index(drop=True)
    categorical = data_set.categorical.split()
    numeric = [name for name in table if name not in categorical]
    table = table.astype(dict.fromkeys(numeric, float))
    rng = np.random.default_rng([sorted(REASONS).index(reason), round(100 * share)])
    taken = holes(table, numeric, reason, share, rng)
    rows = train_test_split(np.arange(len(table)), test_size=0.3, random_state=0)
    scale = table[numeric].iloc[rows[0]].std().replace(0, 1)
    seen, unseen = (table.mask(taken).iloc[part].reset_index(drop=True) for part in rows)
    model = methods()[method]
    start = time.perf_counter()
    model.fit(seen, numeric, categorical)
    line = {"data": data, "reason": reason, "share": share, "method": method}
    line["fit_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    filled = model.transform(unseen)
    line["transform_seconds"] = time.perf_counter() - start
    truths = [table.iloc[part].reset_index(drop=True) for part in rows]
    draws = model.draws(unseen, N_DRAWS)
    line["unseen"] = scores(truths[1], taken[rows[1]], filled, draws, numeric, scale)
    line["seen"] = scores(truths[0], taken[rows[0]], model.transform(seen), None, numeric, scale)
    line["date"], line["python"] = str(datetime.date.today()), platform.python_version()
    return line


_COLUMNS = (
    ("RMSE", "rmse", "{:.3f}"),
    ("MAE", "mae", "{:.3f}"),
    ("Wasserstein", "wasserstein", "{:.3f}"),
    ("accuracy", "accuracy", "{:.3f}"),
    ("90 % coverage", "coverage", "{:.3f}"),
    ("width", "width", "{:.2f}"),
)


def report(lines):
    """Print the tables."""
    print_header("How good are filled cells?")
    names = list(methods())
    settings = sorted({(line["data"], line["reason"], line["share"]) for line in lines})
    by_key = {(line["data"], line["reason"], line["share"], line["method"]): line for line in lines}
    whole = [key for key in settings if all((*key, name) in by_key for name in names)]
    print(f"Mean rank over the {len(whole)} settings that all methods ran on, unseen rows; 1 is best.\n")
    rows = []
    for name in names:
        cells = []
        for metric, sign in (("rmse", 1), ("mae", 1), ("wasserstein", 1), ("accuracy", -1)):
            ranks = []
            for key in whole:
                values = [sign * by_key[*key, other]["unseen"].get(metric, np.nan) for other in names]
                if not np.isnan(values).any():
                    ranks.append(rankdata(values)[names.index(name)])
            cells.append(f"{mean(ranks):.2f}" if ranks else "")
        rows.append([name, *cells])
    print_table(["method", "RMSE", "MAE", "Wasserstein", "accuracy"], rows)
    for data in dict.fromkeys(line["data"] for line in lines):
        print(f"## {SETS[data].label}\n")
        for part in ("unseen", "seen"):
            print(f"Rows that were {'not seen' if part == 'unseen' else 'seen'} in training.\n")
            rows = [
                [
                    f"{REASONS[line['reason']]}, {line['share']:.0%}: {line['method']}",
                    *(form.format(line[part][key]) if key in line[part] else "" for _, key, form in _COLUMNS),
                    f"{line['fit_seconds']:.1f}",
                    f"{line['transform_seconds']:.1f}",
                ]
                for line in sorted(lines, key=lambda line: (line["reason"], line["share"]))
                if line["data"] == data
            ]
            header = [title for title, _, _ in _COLUMNS]
            print_table(["holes: method", *header, "fit s", "transform s"], rows)
    print(
        "Numbers are in units of a column's standard deviation in training; each figure is a mean over\n"
        f"columns. At most {MAX_ROWS:,} rows of a data set are used, 70 % of them to learn from. Coverage:\n"
        f"share of true numbers between the 5 % and 95 % quantiles of {N_DRAWS} draws, if a method draws.\n"
        "Iterative imputers with trees take categories for numbers."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--reason", nargs="+", default=list(REASONS), choices=REASONS)
    parser.add_argument("--share", nargs="+", type=float, default=SHARES)
    parser.add_argument("--method", nargs="+", default=list(methods()), choices=methods())
    parser.add_argument("--report", action="store_true", help="write the tables of what has run")
    arguments = parser.parse_args()
    path = RESULTS / "imputation.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if arguments.report:
        with (RESULTS / "imputation.md").open("w") as file, redirect_stdout(file):
            return report(lines)
    done = {(line["data"], line["reason"], line["share"], line["method"]) for line in lines}
    warnings.simplefilter("ignore")  # of iterations that have not converged
    for data in arguments.data:
        for reason in arguments.reason:
            for share in arguments.share:
                for method in arguments.method:
                    if (data, reason, share, method) in done:
                        continue
                    line = run(data, reason, share, method)
                    with path.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(
                        data, reason, share, method, json.dumps(line["unseen"]), file=sys.stderr, flush=True
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
