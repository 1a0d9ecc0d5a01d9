"""How good is a synthetic table: shape, trend, two-sample tests, use for training, coverage and copies.

All functions take tables with the same columns: pandas or polars DataFrames, whose columns are matched by
name, or two-dimensional arrays. A column of numbers, dates or durations is numeric, any other one
categorical.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import check_random_state

from ._checks import check_option
from ._comparable import comparable
from ._metric_columns import column_errors, pair_errors
from ._metric_distances import (
    Gower,
    alpha_precision_beta_recall,
    share_closer,
    share_of_closest,
    share_of_copies,
)
from ._metric_models import check_target, two_sample, utility
from ._report_page import page, small_table, write
from ._report_scales import judge
from ._report_summary import Summary, summarize
from ._table import as_table, category_order, number_dtype

__all__ = [
    "Evaluation",
    "closest_record_share",
    "copy_ratio",
    "evaluate",
    "exact_copy_share",
    "precision_recall",
    "shape_error",
    "train_synthetic_test_real",
    "trend_error",
    "two_sample_score",
]

_MAX_ROWS = 10_000  # whose neighbours are searched
_CLOSEST = 0.05


@dataclass(frozen=True, repr=False)
class Evaluation(Mapping):
    """Metrics of a synthetic table by name, as `evaluate` returns them; printed, they are a table.

    Beside each value stands what fresh rows of the real distribution get with bad luck, what a useless table
    gets, and a verdict, see `verdicts`. A notebook shows the same, and `to_html` writes a quality report with
    pictures. Without `summary` the printed table has `ideal` and `worst` instead. No table is
    kept, but of each column the shares of rows in some 24 bins or 8 categories, and of the 20 worst pairs
    those in 8 by 8. These, the names of categories and the ends of the bins come from the real table: whoever
    may not see it may not see the report, or the pickled evaluation, either.

    Parameters
    ----------
    scores : dict
        Name and value of each metric.
    ideal : dict
        The best end of each metric: what fresh rows of the real distribution would get if there were no
        chance.
    worst : dict
        The other end: what a table without any resemblance would get, or a copy where copies are counted.
    summary : object, default=None
        What the report shows of columns and pairs, and by what it judges; `evaluate` makes it.

    Attributes
    ----------
    scores, ideal, worst, summary : dict, dict, dict and object
        As given.

    Examples
    --------
    >>> from skdiffusion.metrics import Evaluation
    >>> Evaluation({"shape_error": 0.0123}, {"shape_error": 0.0}, {"shape_error": 1.0})
                  value  ideal  worst
    shape_error  0.0123  0.000  1.000
    """

    scores: dict
    ideal: dict
    worst: dict
    summary: Summary | None = field(default=None, compare=False)

    @property
    def verdicts(self):
        """Plain words by name: how good each metric is.

        Returns
        -------
        dict
            "good", "fair" or "poor", or "unclear" where chance could give a useless table the same. Empty
            without `summary`.

        Notes
        -----
        A metric is judged on its way from what fresh real rows get, chance included, to what a useless table
        gets. Resemblance is good within a tenth of the way and fair within half of it. Nearness to training
        rows is good if chance explains it and fair within a tenth of the way to a copy, a hundredth for rows
        that are equal in every cell. The report says which tables stand at the two ends.
        """
        scales = self.summary.scales if self.summary else {}
        return {name: judge(self.scores[name], scale) for name, scale in scales.items()}

    def to_html(self, path):
        """Write a quality report: one page without scripts that loads nothing, for any browser.

        It has a summary in plain words, the worst columns and pairs with pictures, nearness to training rows,
        and how to read each figure. The 24 worst columns and 6 worst pairs are drawn, 500 and 20 are listed.

        Parameters
        ----------
        path : str or path-like
            File to write. What is there is replaced, once the new page is complete.

        Raises
        ------
        FileNotFoundError
            If the folder is not there.
        IsADirectoryError
            If the path is that of a folder.
        ValueError
            If there is no `summary`.
        """
        if self.summary is None:
            raise ValueError(
                "this evaluation holds figures alone: call to_html on one that evaluate returned"
            )
        write(path, page(self.scores, self.verdicts, self.summary))

    def _repr_html_(self):
        """Return the metrics as a table for a notebook."""
        return small_table(self._cells())

    def to_dict(self):
        """Return the values by name.

        Returns
        -------
        dict
            Name and value of each metric.
        """
        return dict(self.scores)

    def __getitem__(self, name):
        return self.scores[name]

    def __iter__(self):
        return iter(self.scores)

    def __len__(self):
        return len(self.scores)

    def __repr__(self):
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        sides = [str.ljust, str.rjust, str.rjust, str.rjust, str.ljust][: len(widths)]
        lines = [
            "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True))
            for row in rows
        ]
        return "\n".join(map(str.rstrip, lines))

    def _cells(self):
        """Return the printed table as texts: a header, and a row for each metric."""
        if self.summary is None:
            ends = {name: (f"{self.ideal[name]:.3f}", f"{self.worst[name]:.3f}") for name in self.scores}
            header = ("", "value", "ideal", "worst")
        else:
            scales, verdicts = self.summary.scales, self.verdicts
            ends = {
                name: (
                    f"{'>=' if scale.higher_is_better else '<='} {scale.fresh:.3f}",
                    f"{scale.useless:.3f}",
                    verdicts[name],
                )
                for name, scale in scales.items()
            }
            header = ("", "value", "fresh rows", "useless table", "verdict")
        return [header, *((name, f"{value:.4f}", *ends[name]) for name, value in self.scores.items())]


def evaluate(
    real, synthetic, holdout=None, *, target=None, categorical_features="from_dtype", random_state=None
):
    """Compute all metrics that the given tables allow.

    Without a hold-out table these are `shape_error`, `trend_error` with strong pairs and with all,
    `two_sample_score`, alpha-precision, beta-recall and `exact_copy_share`. With one, there are also
    `two_sample_score` against its rows, which the generator cannot have learnt by heart, `copy_ratio` and
    `closest_record_share`; and with a target `train_synthetic_test_real`. A metric that is undefined for
    these tables is left out: trends of a single column, strong trends where there are none.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        The rows from which the generator learnt.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        The rows that it drew, as many as in `real` if possible.
    holdout : DataFrame or array-like of shape (n_holdout, n_features), default=None
        Real rows from which it did not learn.
    target : str or int, default=None
        Name of the column to predict, or its index in an array. Needs `holdout`.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns. With "from_dtype" and None these are the columns
        of a DataFrame that hold no numbers, dates or durations, and no columns of a numeric array.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of rows and folds.

    Returns
    -------
    Evaluation
        A mapping from names to values, which prints as a table beside what fresh rows and a useless table
        get, with verdicts, and writes a quality report as a page.

    Raises
    ------
    TypeError
        If the tables are of different kinds.
    ValueError
        If the columns differ, a table has less than 3 rows, or `target` comes without `holdout`.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import evaluate
    >>> real, fresh, holdout = (make_mixed_table(200, random_state=seed) for seed in range(3))
    >>> evaluation = evaluate(real, fresh, holdout, random_state=0)
    >>> round(evaluation["shape_error"], 3)
    0.075
    """
    if target is not None and holdout is None:
        raise ValueError("target needs holdout, real rows to test the models on: give it, or no target")
    tables = {"real": real, "synthetic": synthetic} | ({} if holdout is None else {"holdout": holdout})
    names, categorical, matrices, labels = comparable(tables, categorical_features)
    if target is not None:
        check_target(target, names)
    template = as_table(tables["real"])
    dtypes = [number_dtype(template, place) for place in range(len(names))]
    orders = {place: category_order(template, place) for place in labels}
    tables = dict(zip(tables, matrices, strict=True))
    real, synthetic, holdout = tables["real"], tables["synthetic"], tables.get("holdout")
    rng = check_random_state(random_state)

    # Name, value, ideal, worst.
    rows = [("shape_error", _mean(column_errors(real, synthetic, categorical)), 0.0, 1.0)]
    errors, strong = pair_errors(real, synthetic, categorical)
    rows += [
        ("trend_error", _mean(errors[strong]), 0.0, 1.0),
        ("trend_error_all_pairs", _mean(errors), 0.0, 1.0),
        ("two_sample_score", two_sample(real, synthetic, categorical, None, rng)[0], 1.0, 0.0),
    ]
    if holdout is not None:
        score = two_sample(holdout, synthetic, categorical, None, rng)[0]
        rows.append(("two_sample_score_holdout", score, 1.0, 0.0))
    precision, recall = _precision_recall(real, synthetic, categorical, rng)
    rows += [("alpha_precision", precision, 1.0, 0.0), ("beta_recall", recall, 0.5, 0.0)]
    if target is not None:
        scores = utility(real, synthetic, holdout, target, names, categorical, None, rng)
        worst = 0.5 if categorical[names.index(target)] else 0.0
        rows.append(("train_synthetic_test_real", *scores, worst))
    natural_copies = 0.0
    if holdout is not None:
        gower = Gower(real, categorical)
        ratio = _copy_ratio(gower, real, synthetic, holdout, rng)
        share = _closest_record_share(gower, real, synthetic, holdout, rng)
        rows += [("copy_ratio", ratio, 1.0, 1 / _CLOSEST), ("closest_record_share", share, 0.5, 1.0)]
        natural_copies = share_of_copies(real, holdout)
    rows.append(("exact_copy_share", share_of_copies(real, synthetic), natural_copies, 1.0))

    rows = [row for row in rows if not np.isnan(row[1])]
    scores, ideal, worst = ({row[0]: float(row[place]) for row in rows} for place in (1, 2, 3))
    if "train_synthetic_test_real" not in scores:
        target = None
    summary = summarize(tables, names, categorical, labels, orders, dtypes, target, ideal, worst, rng)
    return Evaluation(scores, ideal, worst, summary)


def shape_error(real, synthetic, *, per_column=False, categorical_features="from_dtype"):
    """Compare the distribution of each column with the real one.

    The error of a numeric column is the Kolmogorov-Smirnov distance, that of a categorical one the total
    variation distance, both over the cells that are not missing. Lower is better: 0 for equal
    distributions, 1 for disjoint ones. Fresh real rows get a few times ``1 / sqrt(n_samples)``; resample
    the real table with replacement to see what cannot be told from chance.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        Real rows.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    per_column : bool, default=False
        Whether to return the error of each column.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.

    Returns
    -------
    float or dict
        Mean error of the columns, or the error of each column by name or index. NaN where a column has no
        cells in one of the tables; the mean leaves it out.

    Raises
    ------
    ValueError
        If the columns of the tables differ.

    Notes
    -----
    ``1 - score`` of "Column Shapes" in the QualityReport of SDMetrics, "Shape" in papers on tables.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import shape_error
    >>> real, fresh = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
    >>> round(shape_error(real, fresh), 3)
    0.05
    """
    names, categorical, matrices, _ = comparable({"real": real, "synthetic": synthetic}, categorical_features)
    errors = column_errors(*matrices, categorical)
    return dict(zip(names, errors.tolist(), strict=True)) if per_column else _mean(errors)


def trend_error(real, synthetic, *, pairs="strong", categorical_features="from_dtype"):
    """Compare how pairs of columns depend on each other with the real pairs.

    The error of two numeric columns is half the difference of their Pearson correlations. That of other
    pairs is the total variation distance between their tables of shares, where missing cells are a
    category and a number counts by its bin, one of ten of equal width. Lower is better: 0 for equal
    pairs, at most 1.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        Real rows.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    pairs : {"strong", "all"}, default="strong"
        Which pairs to average: those with an absolute correlation above 0.5, or a Cramer's V above 0.3, in
        the real table, or all.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.

    Returns
    -------
    float
        Mean error of the pairs. A pair of numbers is left out where a correlation is undefined, for example
        because a column is constant. NaN if no pair remains.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or `pairs` is neither "strong" nor "all".

    Notes
    -----
    ``1 - score`` of "Column Pair Trends" in SDMetrics, "Trend" in papers on tables. Its QualityReport counts
    strong pairs only since 2026; before, it counted all, and so do the figures of TabSyn, TabDiff and
    papers of their time. Compare with ``pairs="all"`` there. Unlike the QualityReport, all rows are used
    where there are more than 50,000.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import trend_error
    >>> real, fresh = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
    >>> round(trend_error(real, fresh), 3)
    0.082
    """
    check_option("pairs", pairs, ("strong", "all"))
    _, categorical, matrices, _ = comparable({"real": real, "synthetic": synthetic}, categorical_features)
    errors, strong = pair_errors(*matrices, categorical)
    return _mean(errors[strong] if pairs == "strong" else errors)


def two_sample_score(
    real,
    synthetic,
    *,
    estimator=None,
    return_auc=False,
    categorical_features="from_dtype",
    random_state=None,
):
    """Let a classifier tell synthetic rows from real ones, and score how badly it does.

    The area under its ROC curve in three-fold cross-validation is turned into a score: higher is better, 1
    where the classifier only guesses, 0 where it recognises every row. Fresh real rows get about 1. Take
    held-out rows as `real` if there are some: a table that follows the training rows too closely can be
    *harder* to tell from them than fresh rows are. With less than a few hundred rows there is too little to
    learn from.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        Real rows, at least 3.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows, at least 3.
    estimator : estimator object or None, default=None
        Classifier with `predict_proba` that takes NaN for missing cells. It is cloned, and gets
        categories as integer codes. None takes scikit-learn's `HistGradientBoostingClassifier`, which is told
        the columns with up to 255 categories.
    return_auc : bool, default=False
        Whether to return the mean area under the curve, too.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.
    random_state : int, RandomState instance or None, default=None
        Source of the folds and of the default classifier's draws.

    Returns
    -------
    score : float
        ``1 - mean(2 * max(auc, 0.5) - 1)`` over the folds.
    auc : float
        Mean area under the ROC curve, if `return_auc`; about 0.5 is best.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or a table has less than 3 rows.

    Notes
    -----
    The classifier two-sample test (Lopez-Paz and Oquab, 2017, "Revisiting classifier two-sample tests"),
    scored as SDMetrics does in its detection metrics. Pass ``XGBClassifier()`` for the "XGB C2ST" of
    papers on tables.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import two_sample_score
    >>> real, fresh = make_mixed_table(300, random_state=0), make_mixed_table(300, random_state=1)
    >>> two_sample_score(real, fresh, random_state=0) > 0.8
    True
    >>> shuffled = fresh.assign(age=fresh["age"].to_numpy()[::-1], job=fresh["job"].to_numpy()[::-1])
    >>> two_sample_score(real, shuffled, random_state=0) < 0.4
    True
    """
    _, categorical, matrices, _ = comparable({"real": real, "synthetic": synthetic}, categorical_features)
    scores = two_sample(*matrices, categorical, estimator, check_random_state(random_state))
    return scores if return_auc else scores[0]


def train_synthetic_test_real(
    real,
    synthetic,
    holdout,
    target,
    *,
    estimator=None,
    categorical_features="from_dtype",
    random_state=None,
):
    """Train a model on synthetic rows, test it on held-out real rows, and do the same with real rows.

    A categorical target is classified and scored by the area under the ROC curve, the mean over its classes
    against the rest; a numeric one is predicted and scored by R2. Higher is better. Good synthetic rows come
    close to real ones; useless ones get 0.5, or 0 and less.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        Real rows to train on.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows to train on.
    holdout : DataFrame or array-like of shape (n_holdout, n_features)
        Real rows to test on.
    target : str or int
        Name of the column to predict, or its index in an array. Rows without it are left out.
    estimator : estimator object or None, default=None
        Classifier with `predict_proba`, or regressor, that takes NaN for missing cells. It is cloned, and
        gets categories as integer codes. None takes scikit-learn's histogram-based gradient boosting.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`. Add the target if its numbers are
        classes.
    random_state : int, RandomState instance or None, default=None
        Source of the default model's draws.

    Returns
    -------
    synthetic_score : float
        Score of the model that learnt from synthetic rows. NaN if there is nothing to learn or to test.
    real_score : float
        Score of the model that learnt from real rows.

    Raises
    ------
    ValueError
        If the columns of the tables differ, `target` is none of them or the only one.

    Notes
    -----
    Esteban, Hyland and Raetsch (2017), "Real-valued (medical) time series generation with recurrent
    conditional GANs"; "machine learning efficiency" in papers on tables.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import train_synthetic_test_real
    >>> real, fresh, holdout = (make_mixed_table(300, random_state=seed) for seed in range(3))
    >>> scores = train_synthetic_test_real(real, fresh, holdout, "education", random_state=0)
    >>> [round(score, 1) for score in scores]
    [0.9, 0.9]
    """
    tables = {"real": real, "synthetic": synthetic, "holdout": holdout}
    names, categorical, matrices, _ = comparable(tables, categorical_features)
    check_target(target, names)
    return utility(*matrices, target, names, categorical, estimator, check_random_state(random_state))


def precision_recall(real, synthetic, *, categorical_features="from_dtype", random_state=None):
    """Measure whether synthetic rows lie where real ones do, and whether they reach all of them.

    Alpha-precision compares how far synthetic and real rows are from the centre of the real ones; higher is
    better, 1 is best, useless rows get 0. Beta-recall is about the share of real rows that have a synthetic
    row nearer than the nearest other real row: fresh real rows get about 0.5, useless rows 0, and more than
    0.5 is a sign of copies. A table with many equal rows gets more.

    Parameters
    ----------
    real : DataFrame or array-like of shape (n_real, n_features)
        Real rows, at least 2.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows, at least 2.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.
    random_state : int, RandomState instance or None, default=None
        Source of the draw of rows, of which the same number is taken from both tables, at most 10,000.

    Returns
    -------
    alpha_precision : float
        From 0 to 1.
    beta_recall : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or a table has less than 2 rows.

    Notes
    -----
    Integrated over 30 levels from 0 to 1, ``1 - sum(|curve(level) - level|) / sum(level)`` (Alaa et al.,
    2022, "How faithful is your synthetic data?"), in the form of papers on tables, which is synthcity's
    "naive" one: Euclidean distances of one-hot encoded categories and of numbers scaled to
    [0, 1] by the real range. A missing category is a category; a missing number is the mean, with a flag.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import precision_recall
    >>> real, fresh = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
    >>> [round(score, 1) for score in precision_recall(real, fresh)]
    [1.0, 0.5]
    """
    _, categorical, matrices, _ = comparable({"real": real, "synthetic": synthetic}, categorical_features)
    return _precision_recall(*matrices, categorical, check_random_state(random_state))


def copy_ratio(train, synthetic, holdout, *, categorical_features="from_dtype", random_state=None):
    """Compare how often synthetic rows are very close to a training row with how often fresh rows are.

    Very close is as close as the closest 5 % of the held-out rows. The ratio is the share of such rows in
    the synthetic table over these 5 %: 1 is ideal, and a resampled training table gets 20, or less if more
    than 5 % of the held-out rows equal a training row: one over that share. Less than 1 is no merit, such
    rows keep away from real ones. With less than a few hundred held-out rows it is a rough guess.

    Parameters
    ----------
    train : DataFrame or array-like of shape (n_train, n_features)
        The real rows from which the generator learnt.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows. At most 10,000 are drawn from them.
    holdout : DataFrame or array-like of shape (n_holdout, n_features)
        Real rows from which it did not learn. At most 10,000 are drawn from them.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of rows.

    Returns
    -------
    float
        From 0 to 20.

    Raises
    ------
    ValueError
        If the columns of the tables differ.

    Notes
    -----
    Distances are Gower's (1971, "A general coefficient of similarity and some of its properties"): the mean
    over columns of 1 for different categories, and of the difference of numbers over the training range, at
    most 1. A missing cell differs by 1 from one that is not. Rows at exactly the 5 % distance count by the
    part of them that falls within 5 %, so that tables with many equal distances are neither punished nor
    excused.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import copy_ratio
    >>> train, holdout = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
    >>> copied = train.sample(500, replace=True, random_state=0)
    >>> round(copy_ratio(train, copied, holdout), 3)
    20.0
    """
    gower, tables = _with_distance(train, synthetic, holdout, categorical_features)
    return _copy_ratio(gower, *tables, check_random_state(random_state))


def closest_record_share(train, synthetic, holdout, *, categorical_features="from_dtype", random_state=None):
    """Measure how many synthetic rows are closer to the training rows than to held-out rows.

    0.5 is ideal, and what fresh rows get; a copy of the training table gets about 1. The weaker, but usual
    test for copies: see `copy_ratio`.

    Parameters
    ----------
    train : DataFrame or array-like of shape (n_train, n_features)
        The real rows from which the generator learnt.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows. At most 10,000 are drawn from them.
    holdout : DataFrame or array-like of shape (n_holdout, n_features)
        Real rows from which it did not learn. The same number of rows is drawn from `train` and `holdout`,
        all of the smaller.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of rows.

    Returns
    -------
    float
        Share of the synthetic rows from 0 to 1; those equally close to both count half.

    Raises
    ------
    ValueError
        If the columns of the tables differ.

    Notes
    -----
    "DCR" in papers on tables (Zhang et al., 2024, TabSyn). Distances are Gower's, as in `copy_ratio` and in
    SDMetrics; TabSyn gives a category twice the weight. If `train` is the larger table, a copied row may
    come from the part that is not drawn, and less than 1 is reached.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import closest_record_share
    >>> train, fresh, holdout = (make_mixed_table(500, random_state=seed) for seed in range(3))
    >>> round(closest_record_share(train, fresh, holdout), 1)
    0.5
    """
    gower, tables = _with_distance(train, synthetic, holdout, categorical_features)
    return _closest_record_share(gower, *tables, check_random_state(random_state))


def exact_copy_share(train, synthetic, *, categorical_features="from_dtype"):
    """Count the synthetic rows that equal a training row in every cell.

    Lower is better, down to the share of fresh rows that do: call it with held-out rows to see that. A
    resampled training table gets 1.

    Parameters
    ----------
    train : DataFrame or array-like of shape (n_train, n_features)
        The real rows from which the generator learnt.
    synthetic : DataFrame or array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    categorical_features : None, "from_dtype" or array-like, default="from_dtype"
        Names, indices or mask of the categorical columns, as in `evaluate`.

    Returns
    -------
    float
        Share of the synthetic rows, from 0 to 1. Missing cells equal each other.

    Raises
    ------
    ValueError
        If the columns of the tables differ.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.metrics import exact_copy_share
    >>> train, fresh = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
    >>> exact_copy_share(train, fresh), exact_copy_share(train, train)
    (0.0, 1.0)
    """
    _, _, matrices, _ = comparable({"train": train, "synthetic": synthetic}, categorical_features)
    return share_of_copies(*matrices)


def _mean(errors):
    """Return the mean of what is not NaN."""
    errors = errors[~np.isnan(errors)]
    return float(errors.mean()) if len(errors) else np.nan


def _precision_recall(real, synthetic, categorical, rng):
    n_rows = min(len(real), len(synthetic), _MAX_ROWS)
    if n_rows < 2:
        raise ValueError(
            f"precision and recall need 2 rows in each table, got {len(real)} and {len(synthetic)}"
        )
    real, synthetic = (_draw(table, n_rows, rng) for table in (real, synthetic))
    return alpha_precision_beta_recall(real, synthetic, categorical)


def _with_distance(train, synthetic, holdout, categorical_features):
    tables = {"train": train, "synthetic": synthetic, "holdout": holdout}
    _, categorical, matrices, _ = comparable(tables, categorical_features)
    return Gower(matrices[0], categorical), matrices


def _copy_ratio(gower, train, synthetic, holdout, rng):
    distances, reference = (
        gower.nearest(_draw(table, _MAX_ROWS, rng), train) for table in (synthetic, holdout)
    )
    return float(share_of_closest(distances, reference, _CLOSEST) / _CLOSEST)


def _closest_record_share(gower, train, synthetic, holdout, rng):
    n_rows = min(len(train), len(holdout))
    synthetic = _draw(synthetic, _MAX_ROWS, rng)
    to_train, to_holdout = (gower.nearest(synthetic, _draw(table, n_rows, rng)) for table in (train, holdout))
    return float(share_closer(to_train, to_holdout))


def _draw(table, n_rows, rng):
    """Draw rows without replacement, or return the table where it has no more."""
    return table if len(table) <= n_rows else table[rng.choice(len(table), n_rows, replace=False)]
