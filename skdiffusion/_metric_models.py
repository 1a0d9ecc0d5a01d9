"""Models that learn from tables to compare them, on float matrices with codes for categories."""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

_MAX_CATEGORIES = 255  # of a categorical feature of scikit-learn's gradient boosting


def two_sample(real, synthetic, categorical, estimator, rng):
    """Return the score and the mean area under the ROC curve of a classifier two-sample test."""
    if min(len(real), len(synthetic)) < 3:
        raise ValueError(
            f"a two-sample score needs 3 rows in each table, got {len(real)} and {len(synthetic)}"
        )
    X, y = np.vstack([real, synthetic]), np.repeat([0, 1], [len(real), len(synthetic)])
    folds = StratifiedKFold(3, shuffle=True, random_state=rng)
    if estimator is None:
        estimator = _boosting(HistGradientBoostingClassifier, X, categorical, rng)
    aucs = np.array(
        [
            roc_auc_score(y[test], _fit(estimator, X[train], y[train]).predict_proba(X[test])[:, 1])
            for train, test in folds.split(X, y)
        ]
    )
    return float(1 - (2 * np.maximum(aucs, 0.5) - 1).mean()), float(aucs.mean())


def check_target(target, names):
    """Raise unless a target is one of several columns."""
    if target not in names:
        raise ValueError(f"target must be one of the columns {names}, got {target!r}")
    if len(names) == 1:
        raise ValueError(f"target {target!r} is the only column: give at least one to predict it from")


def utility(real, synthetic, holdout, target, names, categorical, estimator, rng):
    """Return the scores on held-out rows of models that learnt from synthetic and from real rows."""
    place = names.index(target)
    is_class = categorical[place]
    X, y = zip(
        *((np.delete(table, place, axis=1), table[:, place]) for table in (real, synthetic, holdout)),
        strict=True,
    )
    if estimator is None:
        boosting = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
        estimator = _boosting(boosting, np.vstack(X), np.delete(categorical, place), rng)
    score = _classification_score if is_class else _regression_score
    tables = [(X[~np.isnan(y)], y[~np.isnan(y)]) for X, y in zip(X, y, strict=True)]
    *trains, test = tables
    scores = [
        float(score(estimator, *train, *test)) if len(train[1]) and len(test[1]) else np.nan
        for train in trains
    ]
    return scores[1], scores[0]


def _classification_score(estimator, X, y, X_test, y_test):
    classes, labels = np.unique(y, return_inverse=True)
    probabilities = np.ones((len(y_test), 1))
    if len(classes) > 1:
        probabilities = _fit(estimator, X, labels).predict_proba(X_test)
    # A class that the model never saw has probability 0.
    tested = np.unique(y_test)
    if len(tested) == 1:
        return np.nan
    return np.mean([roc_auc_score(y_test == c, probabilities[:, classes == c].sum(axis=1)) for c in tested])


def _regression_score(estimator, X, y, X_test, y_test):
    return r2_score(y_test, _fit(estimator, X, y).predict(X_test)) if len(y_test) > 1 else np.nan


def _boosting(boosting, X, categorical, rng):
    few = np.fmax.reduce(X, axis=0) < _MAX_CATEGORIES
    return boosting(categorical_features=categorical & few, random_state=rng.randint(2**31 - 1))


def _fit(estimator, X, y):
    X = X.copy()
    X[:, np.isnan(X).all(axis=0)] = 0  # scikit-learn's boosting cannot bin a column without cells
    return clone(estimator).fit(X, y)
