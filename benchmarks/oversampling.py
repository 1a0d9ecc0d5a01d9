"""Does over-sampling help classifiers? Fifteen imbalanced sets, three classifiers, seven ways to balance.

A run is one data set, fold and method: rows of the training fold are resampled, or not, three classifiers
learn from them, and are scored on the other fold, five times two folds. It appends one line to
`benchmarks/results/oversampling.jsonl`; what is there is not run again. Run it from the repository root; the
last command writes the tables to `benchmarks/results/oversampling.md`::

    python benchmarks/oversampling.py
    python benchmarks/oversampling.py --data ecoli oil --method SMOTE --repeats 1
    python benchmarks/oversampling.py --report
"""

import argparse
import datetime
import json
import platform
import sys
import time
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np
from _common import print_header, print_table, read_table
from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC, RandomOverSampler
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss
from sklearn.model_selection import RepeatedStratifiedKFold, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RESULTS = Path(__file__).parent / "results"
N_REPEATS = 5

SETS = [
    *("ecoli", "abalone_7", "abalone_19", "car_eval_34", "wine_quality", "yeast_me2", "sick_euthyroid"),
    *("thyroid_sick", "us_crime", "oil", "satimage"),
    *("keel_glass4", "keel_vowel0", "keel_segment0", "keel_shuttle-c0-vs-c4"),
]
SAMPLERS = ("DiffusionOverSampler", "RandomOverSampler", "SMOTE", "ADASYN")
METHODS = ("nothing", "class_weight", "threshold", *SAMPLERS)
METRICS = {"average precision": -1, "balanced accuracy": -1, "Brier score": 1}  # 1: less is better
CLASSIFIERS = {"logistic": "logistic regression", "forest": "random forest", "boosting": "boosted trees"}


def classifiers(class_weight=None):
    """Return the classifiers by name."""
    return {
        "logistic": LogisticRegression(max_iter=1000, class_weight=class_weight),
        "forest": RandomForestClassifier(class_weight=class_weight, n_jobs=2, random_state=0),
        "boosting": HistGradientBoostingClassifier(class_weight=class_weight, random_state=0),
    }


def read_data_set(name):
    """Return a table and its classes; columns of strings hold objects."""
    table = read_table(f"imbalanced/{name}").dropna(axis="columns", how="all")
    words = table.select_dtypes(["object", "string"]).columns
    return table.drop(columns="target").astype(dict.fromkeys(words, object)), table["target"].to_numpy()


def preparations():
    """Return what fills and scales a table, and what makes a matrix of it."""
    is_word = make_column_selector(dtype_include=object)
    is_number = make_column_selector(dtype_exclude=object)
    fill = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), is_number),
        (SimpleImputer(strategy="constant", fill_value="missing"), is_word),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    encode = make_column_transformer(
        ("passthrough", is_number), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), is_word)
    )
    return fill, encode


def smote(table):
    """Return the kind of SMOTE for the columns of a table."""
    words = list(table.select_dtypes(object))
    if len(words) == table.shape[1]:
        return SMOTEN(random_state=0)
    return SMOTENC(words, random_state=0) if words else SMOTE(random_state=0)


def resampled(method, X, y, fill, encode):
    """Return the matrix and the classes to learn from, and the seconds that the sampler took."""
    filled = fill.fit_transform(X)
    matrix = encode.fit_transform(filled)
    start = time.perf_counter()
    if method == "DiffusionOverSampler":
        from skdiffusion import DiffusionOverSampler

        X, y = DiffusionOverSampler(random_state=0).fit_resample(X, y)
        seconds = time.perf_counter() - start
        return encode.transform(fill.transform(X)), y, seconds
    if method == "ADASYN":
        with suppress(ValueError):  # where no row has neighbours of the other class it refuses to work
            matrix, y = ADASYN(random_state=0).fit_resample(matrix, y)
    elif method in SAMPLERS:
        sampler = smote(filled) if method == "SMOTE" else RandomOverSampler(random_state=0)
        filled, y = sampler.fit_resample(filled, y)
        matrix = encode.transform(filled)
    return matrix, y, time.perf_counter() - start


def run(data, folds, method):
    """Yield the lines of one method on the folds of a data set."""
    X, y = read_data_set(data)
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=N_REPEATS, random_state=0)
    for fold, (train, test) in enumerate(cv.split(X, y)):
        if fold not in folds:
            continue
        fill, encode = preparations()
        X_train, y_train, seconds = resampled(method, X.iloc[train], y[train], fill, encode)
        X_test = encode.transform(fill.transform(X.iloc[test]))
        line = {"data": data, "fold": fold, "method": method, "seconds": seconds, "n_rows": len(y_train)}
        for name, model in classifiers("balanced" if method == "class_weight" else None).items():
            if method == "threshold":
                model = TunedThresholdClassifierCV(model, scoring="balanced_accuracy", cv=3)
            model.fit(X_train, y_train)
            probability = model.predict_proba(X_test)[:, 1]
            line[name] = [
                average_precision_score(y[test], probability),
                balanced_accuracy_score(y[test], model.predict(X_test)),
                brier_score_loss(y[test], probability),
            ]
        yield line | {"date": str(datetime.date.today()), "python": platform.python_version()}


def means(lines):
    """Return the data sets that all methods have run on, and scores by method, set, classifier and metric."""
    scores, seconds = {}, {}
    for line in lines:
        key = line["method"], line["data"]
        scores.setdefault(key, {})[line["fold"]] = [line[name] for name in CLASSIFIERS]
        seconds.setdefault(key, []).append(line["seconds"])
    whole = [data for data in SETS if all((method, data) in scores for method in METHODS)]
    values = {}
    for data in whole:
        folds = set.intersection(*(set(scores[method, data]) for method in METHODS))
        for method in METHODS:
            values[method, data] = np.mean([scores[method, data][fold] for fold in sorted(folds)], axis=0)
    table = np.array([[values[method, data] for data in whole] for method in METHODS])
    return whole, table, seconds


def report(lines):
    """Print the tables."""
    print_header("Does over-sampling help classifiers?", "imbalanced-learn")
    whole, table, seconds = means(lines)
    if not whole:
        return print("No data set has runs of all methods.")
    signs = np.array(list(METRICS.values()))
    columns = [f"{name}, {metric}" for name in CLASSIFIERS for metric in METRICS]
    n_samplers = len(SAMPLERS)
    print(f"{len(whole)} data sets: {', '.join(whole)}.\n\nMean rank among samplers; 1 is best.\n")
    ranks = rankdata(signs * table[-n_samplers:], axis=0).mean(axis=1)
    by_classifier = [f"{name}, all" for name in CLASSIFIERS]
    print_table(
        ["sampler", *columns, *by_classifier],
        [
            [name, *(f"{rank:.2f}" for rank in np.append(rows.ravel(), rows.mean(axis=1)))]
            for name, rows in zip(SAMPLERS, ranks, strict=True)
        ],
    )
    for title, cells in {
        "Mean rank among all; 1 is best.": rankdata(signs * table, axis=0).mean(axis=1),
        "Mean score.": table.mean(axis=1),
    }.items():
        print(f"{title}\n")
        digits = 2 if "rank" in title else 3
        print_table(
            ["method", *columns],
            [
                [name, *(f"{cell:.{digits}f}" for cell in rows.ravel())]
                for name, rows in zip(METHODS, cells, strict=True)
            ],
        )
    print("On how many data sets a sampler is better than nothing at all, and than the tuned threshold.\n")
    rows = []
    for name in SAMPLERS:
        ours = signs * table[METHODS.index(name)]
        wins = [
            (ours < signs * table[METHODS.index(other)]).sum(axis=0).ravel()
            for other in ("nothing", "threshold")
        ]
        rows.append([name, *(f"{first}, {second}" for first, second in zip(*wins, strict=True))])
    print_table(["sampler", *columns], rows)
    print("Seconds of a sampler on half of the rows: mean and largest.\n")
    print_table(
        ["data set", *SAMPLERS],
        [
            [data, *(f"{np.mean(s):.2f}, {max(s):.2f}" for s in (seconds[name, data] for name in SAMPLERS))]
            for data in whole
        ],
    )
    for place, label in enumerate(CLASSIFIERS.values()):
        print(f"## {label.capitalize()}\n\n{', '.join(METRICS)}.\n")
        print_table(
            ["data set", *METHODS],
            [
                [data, *(" ".join(f"{cell:.3f}" for cell in cells) for cells in table[:, index, place])]
                for index, data in enumerate(whole)
            ],
        )
    print(
        "Probabilities for average precision and Brier score, the rule of the classifier for balanced\n"
        "accuracy. A tuned threshold leaves probabilities as they are. SMOTE is SMOTENC on mixed tables and\n"
        "SMOTEN on categories alone. ADASYN sees categories as zeros and ones; where it refuses, rows stay."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--method", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--repeats", type=int, default=N_REPEATS, help="how many of the five times two folds")
    parser.add_argument("--report", action="store_true", help="write the tables of what has run")
    arguments = parser.parse_args()
    path = RESULTS / "oversampling.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if arguments.report:
        with (RESULTS / "oversampling.md").open("w") as file, redirect_stdout(file):
            return report(lines)
    done = {(line["data"], line["method"], line["fold"]) for line in lines}
    warnings.simplefilter("ignore")  # of classes that a fold's rare categories leave out
    for data in arguments.data:
        for method in arguments.method:
            folds = {fold for fold in range(2 * arguments.repeats) if (data, method, fold) not in done}
            for line in run(data, folds, method):
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(data, line["fold"], method, f"{line['seconds']:.1f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
