"""Tables of the generator's benchmark, from the lines of its runs."""

import json
from contextlib import redirect_stdout
from statistics import mean, median

from _common import print_header, print_table
from _tables import DATA_SETS

LABELS = {
    "masked": "DiffusionGenerator",
    "gaussian": 'DiffusionGenerator, process="gaussian"',
    "ctgan": "CTGAN",
    "tvae": "TVAE",
    "forest": "ForestDiffusion",
    "copula": "Gaussian copula, our encoder",
    "tree": "Bayesian network (tree), our encoder",
    "interpolation": "SMOTE-style interpolation",
    "independent": "independent columns, our encoder",
    "resampled": "training rows, resampled (floor)",
    "holdout": "held-out rows (oracle)",
}
_NO_GENERATORS = ("resampled", "holdout")
_LIKELIHOOD_BASELINES = ("independent", "copula", "tree")

# Header, name in a line, format; a name may be a difference.
_QUALITY = (
    ("Shape error %", "shape_error", "{:.2%}"),
    ("Trend error %", "trend_error", "{:.2%}"),
    ("all pairs %", "trend_error_all_pairs", "{:.2%}"),
    ("XGB-C2ST train", "xgb_score", "{:.3f}"),
    ("AUC", "xgb_auc", "{:.3f}"),
    ("XGB-C2ST held-out", "xgb_score_holdout", "{:.3f}"),
    ("AUC", "xgb_auc_holdout", "{:.3f}"),
    ("HGB-C2ST train", "two_sample_score", "{:.3f}"),
    ("HGB-C2ST held-out", "two_sample_score_holdout", "{:.3f}"),
    ("TSTR", "train_synthetic", "{:.3f}"),
    ("gap to real", "train_real - train_synthetic", "{:.3f}"),
    ("alpha-precision", "alpha_precision", "{:.3f}"),
    ("beta-recall", "beta_recall", "{:.3f}"),
)
_COPIES_AND_COST = (
    ("copy ratio", "copy_ratio", "{:.2f}"),
    ("closest record share", "closest_record_share", "{:.3f}"),
    ("exact copies %", "exact_copy_share", "{:.2%}"),
    ("held-out log-likelihood", "log_likelihood", "{:.3f}"),
    ("fit s", "fit_seconds", "{:.1f}"),
    ("sample s, first", "sample_seconds_first", "{:.1f}"),
    ("next", "sample_seconds", "{:.1f}"),
    ("peak MiB", "peak_mib", "{:.0f}"),
    ("parameters", "n_parameters", "{:,.0f}"),
)

# Shape error and Trend error in %, at most; XGB-C2ST against training and held-out rows, at least.
_TARGETS = {
    "adult": (0.45, 0.92, 0.97, 0.95),
    "shoppers": (0.68, 1.10, 0.97, 0.97),
    "california": (0.85, 0.35, 0.92, 0.95),
}
# For the other data sets: times the floor, and the best of all generators.
_TIMES_FLOOR = {"shape_error": 1.3, "trend_error": 1.5}
_TARGET_NAMES = {
    "shape_error": "Shape error %",
    "trend_error": "Trend error %",
    "xgb_score": "XGB-C2ST train",
    "xgb_score_holdout": "XGB-C2ST held-out",
}

_PUBLISHED_COLUMNS = (
    ("Shape error %", "shape_error", "{:.2%}"),
    ("Trend error %, all pairs", "trend_error_all_pairs", "{:.2%}"),
    ("XGB-C2ST train", "xgb_score", "{:.3f}"),
    ("closest record share", "closest_record_share", "{:.3f}"),
)
# These columns, then hardware and time of the fit.
_PUBLISHED = {
    "adult": {
        "TabSyn": (0.79, 2.05, 0.794, 0.507, "GPU, 51 minutes"),
        "TabDiff": (0.68, 1.54, 0.841, 0.549, "GPU, 3 hours"),
        "TabPC": (0.58, 1.44, 0.855, 0.543, "GPU, 273 s"),
    },
    "shoppers": {
        "TabSyn": (1.48, 2.29, 0.655, 0.507, "GPU, 41 minutes"),
        "TabDiff": (1.49, 1.91, 0.736, 0.512, "GPU, 3 hours"),
        "TabPC": (0.90, 1.78, 0.894, 0.513, "GPU, 51 s"),
    },
}

_PUBLISHED_NOTE = """\
Not run here, and not on the same splits. Rows marked "here" are from above, in the same measures. Trend error
averages over all pairs: SDMetrics did so until 2026, and so do these figures; they cannot be compared with
the column "Trend error" above. C2ST is against training rows.
"""
_PUBLISHED_SOURCES = """\
TabSyn: Zhang et al. (2024), "Mixed-Type Tabular Data Synthesis with Score-based Diffusion in Latent Space",
ICLR, arXiv:2310.09656. TabDiff: Shi et al. (2025), "TabDiff: a Mixed-type Diffusion Model for Tabular Data
Generation", ICLR, arXiv:2410.20626. TabPC: Scassola, Ponsford et al. (2026), "A Sobering Look at Tabular Data
Generation via Probabilistic Circuits", arXiv:2603.23016. All by the tables of the last, where they ran on
GPUs (github.com/april-tools/tabpc, article_material/article_tables). TabDDPM is not in them."""

_NOTES = """\
- As many rows are drawn as there are training rows. Rows with several seeds are means; the row below them
  tells how far they lie apart.
- Shape and Trend error: against the training rows, as SDMetrics 0.32 defines them. "Trend error" averages
  over pairs with a strong relation, "all pairs" over all. Lower is better; the floor is what resampled
  training rows get, a mean of 20 draws. Beside a category, a number counts by its bin over its own table's
  range: where one outlier stretches that range, Trend error tells above all whether the outlier was drawn.
- C2ST: three folds, 1 where real and synthetic rows cannot be told apart. XGB is `XGBClassifier()`, HGB
  scikit-learn's `HistGradientBoostingClassifier`. A score of 1 against training rows means no more than an
  AUC up to 0.5, which a close fit to the training sample gives, too: judge by held-out rows.
- TSTR: AUC or R2 on held-out rows of boosted trees that learnt from synthetic rows; the gap is to learning
  from training rows.
- alpha-precision: 1 is best. beta-recall: fresh rows get about 0.5, copies more.
- Copy ratio: how often a synthetic row is as close to a training row as the closest 5 % of held-out rows,
  over 5 %; 1 is ideal, resampled rows get up to 20. Closest record share: synthetic rows closer to training
  than to held-out rows; 0.5 is ideal.
- Held-out log-likelihood: nats a row, higher is better; the probability of a row's codes, times the density
  of its numbers' ranks, as `DiffusionGenerator.score_samples` gives it. Only what shares our encoder has
  one.
- The oracle's held-out columns compare one half of the held-out rows with the other: they show how far
  chance goes.
- Fit and first draw include what is compiled or imported in them; peak memory is that of the process,
  libraries included. Parameters: of what draws rows.
"""


def key_of(run):
    """Return what a run is: of two lines with the same key, the later one counts."""
    return run["data"], run["method"], run["budget"], run["seed"]


def read_runs(folder):
    """Read the lines of a folder; of several with the same key, the last one."""
    file = folder / "generation.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return {key_of(run): run for run in map(json.loads, lines)}


class Row:
    """The runs of one data set, method and budget."""

    def __init__(self, method, budget, runs):
        self.method, self.budget = method, budget
        self.runs = [{**run, **run.get("metrics", {})} for run in runs if "timeout" not in run]
        self.label = LABELS[method] + (f", {budget:g} s" if budget else "")
        if len(self.runs) > 1:
            self.label += f" ({len(self.runs)} seeds)"
        elif not self.runs:
            self.label += f": not done in {runs[0]['timeout']:g} s"

    def values(self, name):
        """Return the values of the runs that have one; `name` may be a difference."""
        first, _, second = name.partition(" - ")
        found = [(run.get(first), run.get(second) if second else 0) for run in self.runs]
        return [a - b for a, b in found if a is not None and b is not None]

    def mean(self, name):
        values = self.values(name)
        return mean(values) if values else None

    def cells(self, columns):
        return [self.label, *(_cell(self.mean(name), form) for _, name, form in columns)]

    def spread(self, columns):
        pairs = [(self.values(name), form) for _, name, form in columns]
        return [
            "largest - smallest",
            *(_cell(max(values) - min(values), form) if values else "" for values, form in pairs),
        ]


def _cell(value, form):
    return "-" if value is None else form.format(value).rstrip("%")


def write_report(folder):
    """Write `generation.md` from the lines beside it."""
    runs = list(read_runs(folder).values())
    if not runs:
        raise SystemExit(
            f"{folder / 'generation.jsonl'} has no lines: run the benchmark without --report first"
        )
    tables = {
        data: rows for data in DATA_SETS if (rows := _rows([run for run in runs if run["data"] == data]))
    }
    with (folder / "generation.md").open("w") as file, redirect_stdout(file):
        print_header("How good are generated tables?")
        _print_origin(runs)
        _print_targets(tables)
        for data, rows in tables.items():
            _print_data_set(data, rows, next(run for run in runs if run["data"] == data))
        print(f"## Columns\n\n{_NOTES}")
        _print_published(tables)
    print(folder / "generation.md")


def _rows(runs):
    groups = {}
    for run in runs:
        groups.setdefault((run["method"], run["budget"]), []).append(run)
    order = list(LABELS)
    keys = sorted(groups, key=lambda key: (order.index(key[0]), -(key[1] or 0)))
    return {key: Row(*key, groups[key]) for key in keys}


def _print_origin(runs):
    dates = sorted({run["date"] for run in runs})
    versions = {}
    for run in runs:
        for package, number in run["versions"].items():
            versions.setdefault(package, set()).add(number)
    listed = ", ".join(f"{name} {' and '.join(sorted(numbers))}" for name, numbers in versions.items())
    print(
        f"The runs: {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, "
        f"{'; '.join(sorted({run['machine'] for run in runs}))}\n"
        f"{listed}\n"
        "commands: python benchmarks/generation.py; "
        "python benchmarks/generation.py --method ctgan tvae forest --python PEERS/bin/python\n"
    )
    if any(run["quick"] for run in runs):
        print("These are runs with --quick, on a few hundred rows: their figures mean nothing.\n")


def _print_data_set(data, rows, run):
    label = DATA_SETS[data].label
    print(
        f"## {label}\n\n{run['n_train']:,} training rows, {run['n_holdout']:,} held-out rows, "
        f"{run['n_columns']} columns, target {DATA_SETS[data].target}.\n"
    )
    for columns in (_QUALITY, _COPIES_AND_COST):
        cells = []
        for row in rows.values():
            cells.append(row.cells(columns))
            if len(row.runs) > 1:
                cells.append(row.spread(columns))
        print_table([label, *(header for header, _, _ in columns)], cells)


def _print_targets(tables):
    """Print what we set out to reach, beside what was reached."""
    found = []
    for data, rows in tables.items():
        label = DATA_SETS[data].label
        if long := rows.get(("masked", 300)):
            found += [(f"{label}, 300 s: {name}", *rest) for name, *rest in _long_targets(data, rows, long)]
            if short := rows.get(("masked", 60)):
                found += [(f"{label}, 60 s: {name}", *rest) for name, *rest in _short_targets(short, long)]
    found += _further_targets(tables)
    if found:
        print("## Targets\n")
        print_table(["target", "asked", "measured", "met"], found)
        print(f"{sum(row[-1] == 'yes' for row in found)} of {len(found)} met.\n")


def _long_targets(data, rows, long):
    for place, (name, label) in enumerate(_TARGET_NAMES.items()):
        is_error = name in _TIMES_FLOOR
        scale = 100 if is_error else 1
        if data in _TARGETS:
            asked, why = _TARGETS[data][place], ""
        elif is_error:
            floor = rows.get(("resampled", None))
            if floor is None or floor.mean(name) is None:
                continue
            asked, why = 100 * _TIMES_FLOOR[name] * floor.mean(name), f", {_TIMES_FLOOR[name]} x floor"
        else:
            others = [row for row in rows.values() if row.method not in ("masked", *_NO_GENERATORS)]
            best = max((row for row in others if row.runs), key=lambda row: row.mean(name), default=None)
            if best is None:
                continue
            asked, why = best.mean(name), f", {LABELS[best.method]}"
        yield _against(label, long.mean(name), asked, why, scale, is_error)


def _short_targets(short, long):
    for name, label in _TARGET_NAMES.items():
        if name in _TIMES_FLOOR and long.mean(name) is not None:
            yield _against(label, short.mean(name), 130 * long.mean(name), ", 1.3 x 300 s", 100, True)
    name = "xgb_score_holdout"
    yield _against(_TARGET_NAMES[name], short.mean(name), long.mean(name) - 0.04, ", 300 s - .04", 1, False)


def _against(label, value, asked, why, scale, at_most):
    if value is None:
        return label, f"{asked:.3g}{why}", "-", "-"
    value = scale * value
    met = value <= asked if at_most else value >= asked
    sign = "<=" if at_most else ">="
    return label, f"{sign} {asked:.3f}{why}", f"{value:.3f}", "yes" if met else "no"


def _further_targets(tables):
    ours = [
        (f"{DATA_SETS[data].label}, {row.budget:g} s", row)
        for data, rows in tables.items()
        for row in rows.values()
        if row.method == "masked" and row.runs
    ]
    if not ours:
        return
    name, worst = max(ours, key=lambda pair: pair[1].mean("copy_ratio"))
    yield _against("copy ratio, everywhere", worst.mean("copy_ratio"), 1.3, f"; worst: {name}", 1, True)
    name, worst = max(ours, key=lambda pair: pair[1].mean("fit_seconds") / pair[1].budget)
    share = worst.mean("fit_seconds") / worst.budget
    yield _against("seconds of fit over max_time", share, 1.05, f"; worst: {name}", 1, True)
    long = {data: row for data, rows in tables.items() if (row := rows.get(("masked", 300)))}
    gaps = [gap for row in long.values() if (gap := row.mean("train_real - train_synthetic")) is not None]
    if gaps:
        gap = median(gaps)
        met = "yes" if gap <= 0.010 else "no"
        yield "train on synthetic, test on real: gap, median over data sets", "<= 0.010", f"{gap:.3f}", met
    if "adult" in long:
        for name, label, asked in (
            ("sample_seconds_first", "compile included", 20),
            ("sample_seconds", "not included", 10),
        ):
            seconds = long["adult"].mean(name)
            yield _against(f"seconds to draw Adult's rows, {label}", seconds, asked, "", 1, True)
    for data, row in long.items():
        baselines = [tables[data].get((method, None)) for method in _LIKELIHOOD_BASELINES]
        baselines = [other for other in baselines if other and other.runs]
        if baselines:
            best = max(baselines, key=lambda other: other.mean("log_likelihood"))
            label = f"{DATA_SETS[data].label}, 300 s: held-out log-likelihood"
            asked = best.mean("log_likelihood")
            why = f", {LABELS[best.method]}"
            yield _against(label, row.mean("log_likelihood"), asked, why, 1, False)


def _print_published(tables):
    print(f"## Published figures\n\n{_PUBLISHED_NOTE}")
    for data, published in _PUBLISHED.items():
        cells = [
            [f"{name}, published", f"{shape:.2f}", f"{trend:.2f}", f"{score:.3f}", f"{share:.3f}", cost]
            for name, (shape, trend, score, share, cost) in published.items()
        ]
        for row in tables.get(data, {}).values():
            if row.method == "masked" and row.runs:
                machine = row.runs[0]["machine"].split(",")[0]
                cost = f"CPU, {machine}, {row.mean('fit_seconds'):.0f} s"
                cells.append([f"{row.label}, here", *row.cells(_PUBLISHED_COLUMNS)[1:], cost])
        headers = [header for header, _, _ in _PUBLISHED_COLUMNS]
        print_table([DATA_SETS[data].label, *headers, "hardware, fit"], cells)
    print(_PUBLISHED_SOURCES)
