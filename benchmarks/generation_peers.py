"""Fit a peer's generator and draw rows from it, for generation.py.

It may run in an environment without skdiffusion: it needs pandas, and `ctgan` (CTGAN and TVAE) or
`ForestDiffusion`. It reads `train.csv` and `task.json` from a folder, and writes `synthetic.csv` and
`done.json` there::

    python benchmarks/generation_peers.py FOLDER

Peers run with their own defaults. Where they do not know missing numbers, such a number becomes its column's
mean, with a categorical column beside it that tells so. Numbers are rounded to the decimals of their column,
and clipped to its range.
"""

import json
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from _common import decimals, peak_memory

_FLAG = " is missing"
_MISSING = "(missing)"


class Ctgan:
    """CTGAN and TVAE of the package ctgan."""

    packages = ("ctgan", "torch")

    def __init__(self, name):
        self._name = name

    def fit(self, table, categorical, seed, quick):
        import ctgan

        options = {"epochs": 2, "batch_size": 100} if quick else {}
        self._model = getattr(ctgan, self._name)(**options, enable_gpu=False)
        self._model.set_random_state(seed)
        self._model.fit(table, discrete_columns=categorical)

    def sample(self, n_samples):
        return self._model.sample(n_samples)

    def n_parameters(self):
        network = self._model._generator if self._name == "CTGAN" else self._model.decoder
        return sum(weight.numel() for weight in network.parameters())


class ForestDiffusion:
    """ForestDiffusion, flow matching, one process that uses all cores."""

    packages = ("ForestDiffusion", "xgboost")

    def fit(self, table, categorical, seed, quick):
        from ForestDiffusion import ForestDiffusionModel

        self._categories = {}
        self._names = list(table)
        rows = np.empty(table.shape)
        for place, (name, column) in enumerate(table.items()):
            if name in categorical:
                rows[:, place], self._categories[name] = pd.factorize(column)
            else:
                rows[:, place] = column
        n_categories = {name: len(names) for name, names in self._categories.items()}
        options = {"n_t": 5, "duplicate_K": 2, "n_estimators": 5} if quick else {}
        self._model = ForestDiffusionModel(
            rows,
            bin_indexes=[self._names.index(name) for name, count in n_categories.items() if count <= 2],
            cat_indexes=[self._names.index(name) for name, count in n_categories.items() if count > 2],
            int_indexes=[
                place
                for place, name in enumerate(self._names)
                if name not in categorical and decimals(table[name]) == 0
            ],
            n_jobs=1,
            seed=seed,
            **options,
        )

    def sample(self, n_samples):
        drawn = pd.DataFrame(self._model.generate(batch_size=n_samples), columns=self._names)
        for name, categories in self._categories.items():
            drawn[name] = categories[drawn[name].astype(int).clip(0, len(categories) - 1)]
        return drawn

    def n_parameters(self):
        return None


PEERS = {
    "ctgan": lambda: Ctgan("CTGAN"),
    "tvae": lambda: Ctgan("TVAE"),
    "forest": ForestDiffusion,
}


def without_holes(table, categorical):
    """Fill missing cells; return the table and its categorical columns."""
    table, flags = table.copy(), []
    for name in list(table):
        if name in categorical:
            table[name] = table[name].fillna(_MISSING).astype(str)
            continue
        table[name] = table[name].astype(float)
        if table[name].isna().any():
            table[name + _FLAG] = np.where(table[name].isna(), "yes", "no")
            table[name] = table[name].fillna(table[name].mean())
            flags.append(name + _FLAG)
    return table, categorical + flags


def with_holes(drawn, train, categorical):
    """Take the filling back, and give numbers the decimals and the range of the training table."""
    columns = {}
    for name, column in train.items():
        if name in categorical:
            columns[name] = drawn[name].where(drawn[name] != _MISSING)
            continue
        values = drawn[name].astype(float).round(decimals(column)).clip(column.min(), column.max())
        if name + _FLAG in drawn:
            values = values.where(drawn[name + _FLAG] != "yes")
        columns[name] = values
    return pd.DataFrame(columns)


def main():
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    if hasattr(signal, "alarm"):  # where whoever started this was ended before it
        signal.alarm(int(task["limit"]) + 60)
    categorical = task["categorical"]
    # As _tables.py reads it: categories as strings, an empty field for a missing cell.
    dtypes = dict.fromkeys(categorical, str)
    train = pd.read_csv(folder / "train.csv", keep_default_na=False, na_values=[""], dtype=dtypes)
    peer = PEERS[task["method"]]()

    start = time.perf_counter()
    table, filled_categorical = without_holes(train, categorical)
    peer.fit(table, filled_categorical, task["seed"], task["quick"])
    found = {"fit_seconds": time.perf_counter() - start}
    drawn = []
    for name in ("sample_seconds_first", "sample_seconds"):
        start = time.perf_counter()
        drawn.append(with_holes(peer.sample(len(train)), train, categorical))
        found[name] = time.perf_counter() - start
    drawn[0].to_csv(folder / "synthetic.csv", index=False)
    found |= {"peak_mib": peak_memory(), "n_parameters": peer.n_parameters()}
    found["versions"] = {name: version(name) for name in peer.packages}
    (folder / "done.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
