"""How good are generated tables? Seven data sets: our generator, peers, plain baselines.

A run is one data set, method, budget and seed. It has a process of its own: fit, draw as many rows as there
are training rows, twice, then all metrics of the first draw. Each run appends one line to
`benchmarks/results/generation.jsonl`; what is there is not run again, so that runs can be spread over days.
Run it from the repository root; the last command writes the tables to `benchmarks/results/generation.md`::

    python benchmarks/generation.py
    python benchmarks/generation.py --method ctgan tvae forest --python PEERS/bin/python
    python benchmarks/generation.py --report

`--quick` tries everything on a few hundred rows, and writes to a temporary folder.
"""

import argparse
import contextlib
import datetime
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from _common import in_fresh_process, peak_memory
from _generation_report import LABELS, key_of, read_runs, write_report
from _tables import DATA_SETS, load

RESULTS = Path(__file__).parent / "results"
BUDGETS = {"masked": (300, 60), "gaussian": (300,)}
SEEDS = {"masked": (0, 1, 2)}  # the others: 0
PEERS = {"ctgan": "ctgan", "tvae": "ctgan", "forest": "ForestDiffusion"}  # and their packages
PACKAGES = (
    *("skdiffusion", "numpy", "scikit-learn", "scipy", "pandas", "keras"),
    *("tensorflow", "tensorflow-cpu", "xgboost"),
)
LIMIT = 1800
N_FLOOR_DRAWS = 20


class Ours:
    """`DiffusionGenerator` with its defaults and a budget in seconds."""

    def __init__(self, process, budget, quick):
        self._options = {"process": process, **({"epochs": 2} if quick else {"max_time": budget})}

    def fit(self, table, categorical, seed):
        from skdiffusion import DiffusionGenerator

        options = self._options | {"categorical_features": categorical, "random_state": seed}
        self._generator = DiffusionGenerator(**options).fit(table)
        self.n_parameters_ = sum(weight.size for weight in self._generator.weights_)
        self.n_epochs_ = self._generator.n_iter_
        if hasattr(self._generator, "score_samples"):
            self.log_likelihood = self._generator.score_samples
        return self

    def sample(self, n_samples, seed):
        return self._generator.sample(n_samples, random_state=seed)


def model_of(task):
    if task["method"] in BUDGETS:
        return Ours(task["method"], task["budget"], task["quick"])
    import _baselines

    models = {
        "copula": _baselines.GaussianCopula,
        "tree": _baselines.TreeNetwork,
        "interpolation": _baselines.Interpolation,
        "independent": _baselines.IndependentColumns,
        "resampled": _baselines.Resampled,
    }
    return models[task["method"]]()


def drawn_here(split, task):
    """Fit and draw; return the rows, and what it cost."""
    model = model_of(task)
    start = time.perf_counter()
    model.fit(split.train, split.categorical, task["seed"])
    found = {"fit_seconds": time.perf_counter() - start}
    tables = []
    for draw, name in enumerate(("sample_seconds_first", "sample_seconds")):
        start = time.perf_counter()
        tables.append(model.sample(len(split.train), 2 * task["seed"] + draw))
        found[name] = time.perf_counter() - start
    found["peak_mib"] = peak_memory()
    for name in ("n_parameters", "n_epochs"):
        found[name] = getattr(model, f"{name}_", None)
    if hasattr(model, "log_likelihood"):
        with contextlib.suppress(NotImplementedError):
            each = model.log_likelihood(split.holdout)
            found["log_likelihood"] = each.mean()
            found["log_likelihood_error"] = each.std() / math.sqrt(len(each))
    return tables[0], found


def drawn_by_peer(split, task):
    """Let a peer do so in its own environment; no rows if it takes too long."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split.train.to_csv(folder / "train.csv", index=False)
        (folder / "task.json").write_text(json.dumps(task | {"categorical": split.categorical}))
        script = str(Path(__file__).with_name("generation_peers.py"))
        command = [task["python"], script, name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=task["limit"], check=False)
        except subprocess.TimeoutExpired:
            return None, {"timeout": task["limit"]}
        if done.returncode:
            raise RuntimeError(done.stderr)
        dtypes = dict.fromkeys(split.categorical, str)
        rows = pd.read_csv(folder / "synthetic.csv", keep_default_na=False, na_values=[""], dtype=dtypes)
        return rows.astype(split.train.dtypes), json.loads((folder / "done.json").read_text())


def metrics(split, synthetic, seed):
    """Return all metrics of a synthetic table by name."""
    from xgboost import XGBClassifier

    from skdiffusion.metrics import evaluate, train_synthetic_test_real, two_sample_score

    options = {"categorical_features": split.categorical, "random_state": seed}
    found = evaluate(split.train, synthetic, split.holdout, **options)
    values = {**found, "natural_copy_share": found.ideal["exact_copy_share"]}
    for suffix, rows in (("", split.train), ("_holdout", split.holdout)):
        scores = two_sample_score(rows, synthetic, estimator=XGBClassifier(), return_auc=True, **options)
        values["xgb_score" + suffix], values["xgb_auc" + suffix] = scores
    tables = [table.drop(columns=split.leaks) for table in (split.train, synthetic, split.holdout)]
    values["train_synthetic"], values["train_real"] = train_synthetic_test_real(
        *tables, split.target, **options
    )
    return values


def floor(split):
    """Return the mean errors of many resampled training tables: those of one depend much on chance."""
    from _baselines import Resampled

    from skdiffusion.metrics import shape_error, trend_error

    options, errors = {"categorical_features": split.categorical}, []
    model = Resampled().fit(split.train, split.categorical, 0)
    for seed in range(N_FLOOR_DRAWS):
        tables = split.train, model.sample(len(split.train), seed)
        errors.append(
            {
                "shape_error": shape_error(*tables, **options),
                "trend_error": trend_error(*tables, **options),
                "trend_error_all_pairs": trend_error(*tables, pairs="all", **options),
            }
        )
    return {name: sum(each[name] for each in errors) / N_FLOOR_DRAWS for name in errors[0]}


def metrics_of_holdout(split, seed):
    """Return the metrics of the held-out rows; what needs other held-out rows takes halves of them."""
    rows = split.holdout.sample(frac=1, random_state=seed)
    half = len(rows) // 2
    values = metrics(split, split.holdout, seed)
    of_half = metrics(replace(split, holdout=rows.iloc[half:]), rows.iloc[:half], seed)
    names = [name for name in values if name.endswith("_holdout")]
    values |= {name: of_half[name] for name in [*names, "copy_ratio", "closest_record_share"]}
    del values["train_synthetic"]
    return values


def work(task):
    """Do one run and print its line."""
    split = load(task["data"], quick=task["quick"])
    line = {
        **{name: task[name] for name in ("data", "method", "budget", "seed", "quick")},
        "date": str(datetime.date.today()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": versions(),
        "n_train": len(split.train),
        "n_holdout": len(split.holdout),
        "n_columns": split.train.shape[1],
    }
    if task["method"] == "holdout":
        line["metrics"] = metrics_of_holdout(split, task["seed"])
    else:
        draw = drawn_by_peer if task["method"] in PEERS else drawn_here
        synthetic, found = draw(split, task)
        line["versions"] |= found.pop("versions", {})
        line |= found
        if synthetic is not None:
            line["metrics"] = metrics(split, synthetic, task["seed"])
        if task["method"] == "resampled":
            line["metrics"] |= floor(split)
    print(json.dumps(line, default=float))


def versions():
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def tasks(arguments):
    """Yield the runs that are asked for."""
    for method in arguments.method:
        if method in PEERS and not _has(arguments.python, PEERS[method]):
            print(f"{method}: {arguments.python} has no package {PEERS[method]}", file=sys.stderr)
            continue
        budgets = arguments.budget or BUDGETS.get(method, (None,))
        for budget in budgets if method in BUDGETS else (None,):
            for seed in arguments.seeds or SEEDS.get(method, (0,)):
                for data in arguments.data:
                    yield {
                        "data": data,
                        "method": method,
                        "budget": budget,
                        "seed": seed,
                        "quick": arguments.quick,
                        "python": arguments.python,
                        "limit": arguments.limit,
                    }


def _has(python, package):
    code = f"import importlib.util as util, sys; sys.exit(util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA_SETS), choices=DATA_SETS)
    parser.add_argument("--method", nargs="+", default=list(LABELS), choices=LABELS)
    parser.add_argument("--seeds", nargs="+", type=int, help="default: 0 1 2 for ours, else 0")
    parser.add_argument("--budget", nargs="+", type=float, help="seconds for ours; default: 300 60")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers' packages")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds after which a peer is ended")
    parser.add_argument("--quick", action="store_true", help="a few hundred rows, a few steps")
    parser.add_argument("--force", action="store_true", help="run again what has a line already")
    parser.add_argument("--results", type=Path, help="folder of the lines")
    parser.add_argument("--report", action="store_true", help="write the tables of what has run")
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments.worker)
    folder = arguments.results or RESULTS
    if arguments.quick and not arguments.results:
        folder = Path(tempfile.gettempdir()) / "skdiffusion-generation-quick"
    folder.mkdir(exist_ok=True)
    if arguments.report:
        return write_report(folder)

    n_failed = 0
    for task in tasks(arguments):
        if key_of(task) in read_runs(folder) and not arguments.force:
            continue
        name = " ".join(str(part) for part in key_of(task) if part is not None)
        start = time.perf_counter()
        try:
            line = in_fresh_process(__file__, "--worker", json.dumps(task))
        except RuntimeError as error:
            n_failed += 1
            print(f"{name}: failed\n{str(error)[-2000:]}", file=sys.stderr, flush=True)
            continue
        with (folder / "generation.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
