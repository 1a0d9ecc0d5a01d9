"""Rows that do not fit the others, told by how likely a generator and their neighbourhood make them."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._checks import check_integer, check_real, check_unless_auto
from ._encoder import TableEncoder
from ._generator import DiffusionGenerator, copy_of
from ._row_densities import RowDensities, as_points
from ._state import StateMixin
from ._table import as_narwhals, as_table, is_frame

__all__ = ["DiffusionOutlierDetector"]

# Noise levels, in standard deviations.
_LARGEST_SIGMA, _SMALLEST_SIGMA = 1.5, 0.2

# Interquartile ranges beyond a quartile from which on a score lies "far out" in a box plot.
_FAR_OUT = 3.0

# Least spread of a level, in nats: rows that are all alike have none.
_MIN_SPREAD = 1e-3


class DiffusionOutlierDetector(StateMixin, OutlierMixin, BaseEstimator):
    """Score rows by how likely they are, and tell outliers.

    A row is unlikely where noised training rows lie thinly around it, at several noise levels, and where a
    `DiffusionGenerator`, the level without noise, gives its cells a low likelihood. Training rows may hold
    outliers: the least likely ones are left out first. Numbers, dates, categories and missing cells are taken
    as they are.

    Parameters
    ----------
    generator : DiffusionGenerator or None, default=None
        What learns the table. None takes one of two layers of 64 units, which trains for 30 epochs on all
        rows that are kept. A fitted one in a `sklearn.frozen.FrozenEstimator` is not trained again.
    contamination : "auto" or float, default="auto"
        Share of outliers in the training table, in (0, 0.5], which sets the threshold. "auto" sets it to the
        lower quartile of the training rows' scores, less 3 times their interquartile range. That may call
        many usual rows outliers if they were trimmed: set ``trimmed_share=0`` if training rows are clean.
    n_noise_levels : int, default=8
        Number of noise levels, from 1.5 to 0.2 standard deviations in equal ratios.
    trimmed_share : float, default=0.2
        Share of the training rows, in [0, 0.5], that is left out as unlikely. A minority group of rows
        that lies apart may be left out as a whole, and is then odd. Take 0 if the training table is known to
        have no outliers.
    random_state : int, RandomState instance or None, default=None
        Source of the generator's fit, if that has no `random_state` of its own, and of the choice among more
        than 4000 rows. Pass an int for the same scores at each fit.

    Attributes
    ----------
    generator_ : DiffusionGenerator or FrozenEstimator
        The fitted generator.
    offset_ : float
        The threshold: `decision_function` is `score_samples` less this.
    kept_samples_ : ndarray of shape (n_kept,)
        Indices of the training rows that were kept, and that the generator learnt from.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    DiffusionGenerator.score_samples : The log-likelihood of rows.
    sklearn.ensemble.IsolationForest : Counts the random cuts that set a row apart.

    Notes
    -----
    The density of the training rows with normal noise is what a diffusion model of them learns at that noise
    level; for rows in memory it is a mean of normal densities, and needs no network. Averaged over levels
    [1]_, none need be chosen. At each level, and for the generator's likelihood, a row's score is its
    distance from the median of the rows kept, in units of their interquartile range; their weighted mean
    counts. Noise tells little of categories: beside ``n`` noise levels the likelihood has the weight
    ``(1 + n s) / (1 + n)``, where ``s`` is the share of categorical columns, and the levels share the rest.

    The generator's likelihood is one of ranks, which alone would not see that a number lies far out. So the
    density of each number in its column is added to it.

    References
    ----------
    .. [1] Livernoche, Jain, Hezaveh & Ravanbakhsh (2024). On Diffusion Modeling for Anomaly Detection. ICLR.

    Examples
    --------
    >>> from skdiffusion import DiffusionGenerator, DiffusionOutlierDetector
    >>> from skdiffusion.datasets import make_mixed_table
    >>> table = make_mixed_table(200, random_state=0)
    >>> table.loc[0, ["age", "income"]] = [18, 300_000.0]
    >>> generator = DiffusionGenerator(hidden_layer_sizes=(32,), epochs=5, early_stopping=False)
    >>> detector = DiffusionOutlierDetector(generator=generator, random_state=0).fit(table)
    >>> int(detector.score_samples(table).argmin())
    0
    >>> detector.explain(table.head(1)).T[0].idxmax()
    'income'
    """

    def __init__(
        self, *, generator=None, contamination="auto", n_noise_levels=8, trimmed_share=0.2, random_state=None
    ):
        self.generator = generator
        self.contamination = contamination
        self.n_noise_levels = n_noise_levels
        self.trimmed_share = trimmed_share
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn what rows are usual.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table of numbers, dates, durations and categories, with missing cells if you like. It may hold
            outliers, if `trimmed_share` is not 0.
        y : object, default=None
            Not used.

        Returns
        -------
        self : DiffusionOutlierDetector
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is not as described.
        """
        self._check_parameters()
        table = as_table(X)
        if len(table) < 2:
            raise ValueError(
                f"X has n_samples = {len(table)}, and nothing to compare it with: give two rows or more."
            )
        rng = check_random_state(self.random_state)
        generator = copy_of(self.generator, _small_generator(), rng)
        encoder = TableEncoder(
            categorical_features=generator.categorical_features,
            max_categories=generator.max_categories,
            min_frequency=generator.min_frequency,
        ).fit(table)
        sigmas = np.geomspace(_LARGEST_SIGMA, _SMALLEST_SIGMA, self.n_noise_levels)
        densities = RowDensities(as_points(encoder, table), sigmas, self.trimmed_share, rng)
        generator.fit(_safe_indexing(table, densities.kept), None)  # FrozenEstimator wants a y

        model = _Model(encoder, densities, generator)
        levels = model.levels(table)
        among_others = densities.reference_log_densities()
        reference = np.column_stack([among_others, levels[densities.reference, -1]])
        low, middle, high = np.quantile(reference, [0.25, 0.5, 0.75], axis=0)
        spread = np.maximum(high - low, _MIN_SPREAD)
        share = np.mean(~encoder.numeric_)
        weights = np.full(len(middle), (1 - share) / len(middle))
        weights[-1] += share
        scores = ((levels - middle) / spread) @ weights
        if self.contamination == "auto":
            low, high = np.quantile(scores, [0.25, 0.75])
            offset = low - _FAR_OUT * (high - low)
        else:
            offset = np.percentile(scores, 100 * self.contamination)
        learnt = {"generator_": generator, "offset_": float(offset), "kept_samples_": densities.kept}
        learnt |= {"_model": model, "_middle": middle, "_spread": spread, "_weights": weights}
        self._set_learnt(table, learnt)
        return self

    def score_samples(self, X):
        """Return how usual each row is.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more usual; about 0 in the middle of the training rows. See the Notes of the class.

        Raises
        ------
        ValueError
            If X has other columns than the training table, or infinite values.
        """
        table = self._checked(X)
        return ((self._model.levels(table) - self._middle) / self._spread) @ self._weights

    def decision_function(self, X):
        """Return how usual each row is, less the threshold.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Below 0 for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell outliers from other rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.

        Returns
        -------
        labels : int ndarray of shape (n_samples,)
            -1 for outliers, 1 for other rows.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X):
        """Return how surprising each cell is, given the rest of its row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.

        Returns
        -------
        surprises : DataFrame or ndarray of shape (n_samples, n_features)
            Minus the log-probability of each cell, in nats; of a number minus its log-density, in units of
            its column's standard deviation. The higher, the more surprising. A DataFrame where X is one.

        Raises
        ------
        ValueError
            If X has other columns than the training table, or if the generator's process is "gaussian".
        """
        table = self._checked(X)
        surprises = -self._model.cells(table)
        if not is_frame(table):
            return surprises
        namespace = as_narwhals(table).implementation.to_native_namespace()
        if hasattr(table, "iloc"):
            return namespace.DataFrame(surprises, index=table.index, columns=table.columns)
        return namespace.DataFrame(dict(zip(table.columns, surprises.T, strict=True)))

    def _check_parameters(self):
        check_unless_auto(check_real, "contamination", self.contamination, low=0, high=0.5, open_low=True)
        check_integer("n_noise_levels", self.n_noise_levels, low=1)
        check_real("trimmed_share", self.trimmed_share, low=0, high=0.5)

    def _checked(self, X):
        check_is_fitted(self)
        table = as_table(X)
        validate_data(self, table, reset=False, skip_check_array=True)
        return table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


class _Model:
    """What a fitted detector knows: likelihoods of rows and cells."""

    def __init__(self, encoder, densities, generator):
        self._encoder, self._densities, self._generator = encoder, densities, generator

    def levels(self, table):
        """Return the log-likelihood of each row at each noise level; last at none, by the generator."""
        points = as_points(self._encoder, table)
        likelihood = self._generator.score_samples(table) + self._of_values(table, points).sum(axis=1)
        return np.column_stack([self._densities.log_densities(points), likelihood])

    def cells(self, table):
        """Return the log-likelihood of each cell, given the rest of its row."""
        return self._generator.score_cells(table) + self._of_values(table, as_points(self._encoder, table))

    def _of_values(self, table, points):
        """Return the log-density of each number that the generator takes for a rank.

        The likelihood of ranks knows nothing of distances between values. Atoms count by their probability.
        """
        encoder = self._generator.encoder_
        codes = encoder.encode(table, unseen="missing").codes
        log_densities = self._densities.number_log_densities(points)
        for index, column in enumerate(encoder.read(encoder.completed(table))):
            if encoder.numeric_[index]:
                learnt = encoder.columns_[index]
                is_atom = ~learnt.is_bin[codes[:, index]] & np.isin(column.values, learnt.values)
                log_densities[is_atom, index] = 0
        return log_densities


def _small_generator():
    # Rows are scored by many levels beside it: a larger one would cost minutes, and was not measured to help.
    return DiffusionGenerator(hidden_layer_sizes=(64, 64), epochs=30, early_stopping=False)
