"""More rows of rare classes, drawn by a generator, as an imbalanced-learn sampler."""

from numbers import Integral, Real

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from ._cells import is_missing
from ._checks import check_real
from ._generator import DiffusionGenerator, copy_of
from ._state import StateMixin
from ._table import as_narwhals, as_table, is_frame, with_holes

try:
    from imblearn.over_sampling.base import BaseOverSampler
    from imblearn.utils import check_sampling_strategy, check_target_type
except ImportError as error:
    raise ImportError(
        "DiffusionOverSampler needs imbalanced-learn: pip install 'skdiffusion[imblearn]'."
    ) from error

__all__ = ["DiffusionOverSampler"]

# Rows that are drawn for each one that is asked for.
_N_CANDIDATES = 2


class DiffusionOverSampler(StateMixin, BaseOverSampler):
    """Balance classes with new rows, each a row of its class of which some cells are drawn anew.

    A `DiffusionGenerator` learns rows and classes together, and all classes count the same. A new row begins
    as a row of its class, drawn at random. Some of its cells are then hidden, and drawn again given its other
    cells and its class. Twice as many rows are drawn as are asked for, and those are preferred that the
    generator takes for rows of their class.

    Parameters
    ----------
    sampling_strategy : float, str, dict, callable or int, default="auto"
        How many rows there are to be, as in imbalanced-learn. "auto" and "not majority" fill all classes up
        to the largest one, "minority" the smallest class alone. A float is the ratio of the smaller class to
        the larger one of two; a dict has the number of rows of each class that is to grow; a callable makes
        such a dict of `y`. An int of 2 or more is for a target of numbers: the number of bins of equal width
        between its 1 % and 99 % quantiles, which are then filled like classes.
    generator : DiffusionGenerator or None, default=None
        What learns rows and classes. None takes one with two layers of 128 units that is trained on all rows
        for 60 epochs. A fitted one in a `sklearn.frozen.FrozenEstimator`, fitted with `y`, is not trained
        again.
    hidden_fraction : float, default=0.2
        Share of the cells of a new row that are drawn anew, one cell at least. 1 draws whole rows.
    random_state : int, RandomState instance or None, default=None
        Source of the draws, and of the generator's fit if that has no `random_state` of its own. Pass an int
        for the same result on each call.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of new rows of each class, or of each bin.
    sample_indices_ : ndarray of shape (n_samples_new,)
        For each row of the result the row of X that it is, or that it began as.
    generator_ : DiffusionGenerator or FrozenEstimator
        The fitted generator.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    DiffusionGenerator.sample : Its `given` are the cells that are not hidden.
    imblearn.over_sampling.SMOTENC : Interpolates between neighbours.

    Notes
    -----
    Hiding some cells and drawing them again is a step forward and back in a masked diffusion [1]_. The
    smaller the `hidden_fraction`, the closer a new row is to a true one: at 0 it would be a copy, as in
    random over-sampling. Missing cells are drawn anew too. Then the generator draws a class for each new row;
    one that gets its own class is preferred, so that fewer rows end up among those of another class.

    References
    ----------
    .. [1] Austin et al. (2021). Structured Denoising Diffusion Models in Discrete State-Spaces. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionGenerator, DiffusionOverSampler
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = np.repeat(["often", "rare"], [180, 20])
    >>> generator = DiffusionGenerator(hidden_layer_sizes=(8,), epochs=2)
    >>> sampler = DiffusionOverSampler(generator=generator, random_state=0)
    >>> X_balanced, y_balanced = sampler.fit_resample(X, y)
    >>> X_balanced.shape, int((y_balanced == "rare").sum())
    ((360, 3), 180)
    """

    def __init__(self, *, sampling_strategy="auto", generator=None, hidden_fraction=0.2, random_state=None):
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.hidden_fraction = hidden_fraction
        self.random_state = random_state

    def fit(self, X, y):
        """Check a table and count its classes; `fit_resample` does this too.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table of numbers, dates, durations and categories.
        y : array-like of shape (n_samples,)
            Classes, or numbers if `sampling_strategy` is a number of bins.

        Returns
        -------
        self : DiffusionOverSampler
            The estimator with `sampling_strategy_`; nothing is trained.

        Raises
        ------
        ValueError
            If a parameter, X or y is not as described.
        """
        self._check_X_y(X, y)
        return self

    def fit_resample(self, X, y):
        """Append new rows to a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table of numbers, dates, durations and categories, with missing cells if you like.
        y : array-like of shape (n_samples,)
            Classes, or numbers if `sampling_strategy` is a number of bins.

        Returns
        -------
        X_resampled : DataFrame or array-like of shape (n_samples_new, n_features)
            The rows of X as they are, and after them the new ones, in the same container, with the same
            dtypes. New rows of a pandas DataFrame have the index of the rows that they began as.
        y_resampled : array-like of shape (n_samples_new,)
            Their classes or numbers, in the container of `y`.

        Raises
        ------
        ValueError
            If a parameter, X or y is not as described, or if a class that is to grow has one row.
        """
        table, target, groups = self._check_X_y(X, y)
        X_new, rows = self._fit_resample(table, target, groups=groups)
        self.sample_indices_ = np.append(np.arange(len(table)), rows)
        X_resampled = _appended(table, X_new, rows)
        if isinstance(X, list):
            X_resampled = X_resampled.tolist()
        return X_resampled, _safe_indexing(y, self.sample_indices_)

    def _check_X_y(self, X, y):
        """Return X as a table, y as a flat array, and the class or the bin of each row."""
        check_real("hidden_fraction", self.hidden_fraction, low=0, high=1, open_low=True)
        table = as_table(X)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: pass the classes."
            )
        check_consistent_length(table, y)
        target = _without_objects(np.asarray(y, dtype=object if isinstance(y, list | tuple) else None))
        strategy = self.sampling_strategy
        if isinstance(strategy, Integral) and strategy > 1:
            target = _numbers(target)
            groups = _bins(target, strategy)
            strategy = "auto"
        else:
            _check_classes(target, strategy)
            target = groups = check_target_type(target)
        self.sampling_strategy_ = check_sampling_strategy(strategy, groups, self._sampling_type)
        validate_data(self, table, skip_check_array=True)
        return table, target, groups

    def _fit_resample(self, table, target, *, groups):
        """Draw the new rows; return them, and the rows that they began as."""
        if groups is target:
            _check_sizes(groups, self.sampling_strategy_)
        rng = check_random_state(self.random_state)
        generator = copy_of(self.generator, _default_generator(), rng)
        if isinstance(generator, FrozenEstimator):
            _check_frozen(generator, table)
        generator.fit(table, target, sample_weight=compute_sample_weight("balanced", groups))
        # Of classes more rows than asked for, since some are left out again.
        n_candidates = _N_CANDIDATES if groups is target else 1
        rows = [
            rng.choice(np.flatnonzero(groups == group), n_candidates * n_new)
            for group, n_new in self.sampling_strategy_.items()
        ]
        rows = np.concatenate([np.empty(0, np.intp), *rows])
        given = _safe_indexing(table, rows)
        n_hidden = max(1, round(self.hidden_fraction * table.shape[1]))
        hidden = rng.random_sample(given.shape).argsort(axis=1) < n_hidden
        if len(rows):  # what a frozen generator has not seen tells it nothing
            hidden |= generator.encoder_.encode(given, unseen="missing").codes < 0
        X_new, _ = generator.sample(given=with_holes(given, hidden), y=target[rows], random_state=rng)
        if n_candidates > 1 and len(rows):
            _, classes = generator.sample(given=X_new, random_state=rng)
            # Those whose class is drawn as another one come last, to be taken if there are too few others.
            order = np.argsort(np.asarray(classes) != target[rows], kind="stable")
            chosen = [
                order[target[rows[order]] == group][:n_new]
                for group, n_new in self.sampling_strategy_.items()
            ]
            chosen = np.concatenate(chosen)
            X_new, rows = _safe_indexing(X_new, chosen), rows[chosen]
        self.generator_ = generator
        return X_new, rows

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        tags.input_tags.string = True
        tags.sampler_tags.sample_indices = True
        return tags


def _default_generator():
    return DiffusionGenerator(hidden_layer_sizes=(128, 128), epochs=60, early_stopping=False)


def _appended(table, new, rows):
    """Append rows, which have the index of those that they began as."""
    if not is_frame(table):
        return np.vstack([table, new])
    if hasattr(table, "iloc"):
        new = new.set_axis(table.index[rows])
    return nw.concat([as_narwhals(table), as_narwhals(new)]).to_native()


def _without_objects(y):
    """Check that y has no holes, and give an object array the dtype that its cells have in common."""
    if (missing := is_missing(y.ravel())).any():
        raise ValueError(f"y has missing cells, first in row {missing.argmax()}: drop or fill such rows.")
    return np.array(y.tolist()) if y.dtype.kind == "O" else y


def _numbers(y):
    if y.ndim != 1 or y.dtype.kind not in "iuf" or not np.isfinite(y).all():
        raise ValueError(
            f"sampling_strategy is a number of bins, and y, of shape {y.shape} and dtype {y.dtype}, no flat "
            "array of finite numbers: for classes, leave sampling_strategy at 'auto'."
        )
    return y


def _bins(y, n_bins):
    """Cut the range of numbers into bins of equal width; the outer ones are open, for outliers."""
    edges = np.linspace(*np.quantile(y, [0.01, 0.99]), n_bins + 1)
    return np.searchsorted(edges[1:-1], y, side="right")


def _check_classes(y, strategy):
    if isinstance(strategy, bool) or not (isinstance(strategy, Real | str | dict) or callable(strategy)):
        raise TypeError(
            "sampling_strategy must be a float, a string, a dict, a callable or a number of bins, got "
            f"{strategy!r}."
        )
    if (kind := type_of_target(y)).startswith(("continuous", "unknown")):
        raise ValueError(
            f"Unknown label type: y is {kind}, and sampling_strategy={strategy!r} is for classes; for a "
            "target of numbers give it a number of bins, such as 10."
        )


def _check_sizes(classes, n_new):
    for one, n_rows in n_new.items():
        if n_rows and (classes == one).sum() == 1:
            raise ValueError(
                f"class {np.asarray(one).item()!r} has one row, and is to get {n_rows} more, which would all "
                "be like it: give it two rows at least, or leave it out of a dict as sampling_strategy."
            )


def _check_frozen(generator, table):
    """Raise if a fitted generator draws no rows of the table's kind."""
    if getattr(generator, "target_encoder_", None) is None:
        raise ValueError("the frozen generator was not fitted with y: fit it with (X, y).")
    template = generator.encoder_.template_
    learnt, found = (_layout(each) for each in (template, table))
    if learnt != found:
        raise ValueError(
            f"the frozen generator learnt columns and dtypes {learnt}, got {found}: convert X, or fit the "
            "generator to such a table."
        )


def _layout(table):
    if not is_frame(table):
        return table.shape[1], table.dtype
    return dict(zip(table.columns, table.dtypes, strict=True))
