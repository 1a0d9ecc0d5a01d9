"""Missing cells, filled by what a generator draws for them."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.stats import mode
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from ._cells import Column
from ._checks import check_integer, check_option
from ._generator import DiffusionGenerator, copy_of
from ._rebuilt import rebuilt, recoded, template_for
from ._state import StateMixin
from ._table import as_narwhals, as_table, assemble, is_frame

__all__ = ["DiffusionImputer"]

# Of a generator that has to draw.
_N_DRAWS = 10


class DiffusionImputer(StateMixin, TransformerMixin, BaseEstimator):
    """Fill missing cells with what the rest of their row makes likely.

    A `DiffusionGenerator` learns the table, holes included; no row needs to be complete. It then tells what a
    missing cell is, given the known ones of its row: numbers become the mean of that distribution, categories
    the likeliest one. `sample` draws from it instead, for multiple imputation.

    Parameters
    ----------
    generator : DiffusionGenerator or None, default=None
        What learns the table. None takes one with its defaults. A fitted one in a
        `sklearn.frozen.FrozenEstimator` is not trained again.
    missing_values : float, int, str or None, default=np.nan
        What stands for a missing cell. NaN, None, NaT and pandas.NA are missing in any case.
    n_draws : int or None, default=None
        Draws for each missing cell, of which the mean or the mode is taken. None takes what many draws would
        tend to, without a draw; a generator of the gaussian process has to draw, and None is 10 then.
    sample_posterior : bool, default=False
        Whether to fill in one draw instead: its spread is that of true cells, its error is larger.
    add_indicator : bool, default=False
        Whether to append a column for each one with missing cells in `fit`, which tells where they were.
    keep_empty_features : bool, default=False
        Whether to keep columns of which training had no known cell: numbers become 0, dates the first of
        1970, and other columns stay missing. They are left out otherwise.
    random_state : int, RandomState instance or None, default=None
        Source of the generator's fit, if that has no `random_state` of its own, and of draws. Pass an int for
        the same result on each call.

    Attributes
    ----------
    generator_ : DiffusionGenerator or FrozenEstimator
        The fitted generator.
    kept_features_ : ndarray of shape (n_features_out,)
        Indices of the columns that are kept.
    indicator_features_ : ndarray of shape (n_indicators,)
        Indices of the columns that had missing cells in `fit`.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    DiffusionGenerator.sample : Its `given` are the cells that are not missing.
    sklearn.impute.IterativeImputer : Predicts each column from the others, in turns.

    Notes
    -----
    A mean or a mode is that of one cell, given the known ones. Draws are made one by one, each given the
    known cells and those drawn before: draws of several cells of a row go together. The generator learns from
    cells that are not missing, whatever the reason why others are: estimates are right where that reason lies
    in what is known of a row (missing at random, [1]_). A category that training did not have stays, and
    tells nothing about other cells.

    Draws go by the position of a row: the same row in another place gets other ones.

    References
    ----------
    .. [1] Rubin (1976). Inference and Missing Data. Biometrika 63(3). Section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionGenerator, DiffusionImputer
    >>> x = np.random.default_rng(0).normal(size=(300, 1))
    >>> table = np.hstack([x, -x])
    >>> table[::7, 1] = np.nan
    >>> imputer = DiffusionImputer(generator=DiffusionGenerator(epochs=20), random_state=0)
    >>> filled = imputer.fit_transform(table)
    >>> bool(np.isnan(filled).any())
    False
    >>> bool(np.abs(filled[::7] @ [1, 1]).mean() < 0.5)
    True
    """

    def __init__(
        self,
        *,
        generator=None,
        missing_values=np.nan,
        n_draws=None,
        sample_posterior=False,
        add_indicator=False,
        keep_empty_features=False,
        random_state=None,
    ):
        self.generator = generator
        self.missing_values = missing_values
        self.n_draws = n_draws
        self.sample_posterior = sample_posterior
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn a table with holes.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table of numbers, dates, durations and categories.
        y : object, default=None
            Not used.

        Returns
        -------
        self : DiffusionImputer
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is not as described.
        """
        self._check_parameters()
        table = without_stand_ins(as_table(X), self.missing_values)
        generator = copy_of(self.generator, DiffusionGenerator(), check_random_state(self.random_state))
        generator.fit(table, None)  # FrozenEstimator wants a y
        encoder = generator.encoder_
        if isinstance(generator, FrozenEstimator):
            _check_frozen(encoder, table, self.missing_values)
        has_holes = [column.missing.any() for column in encoder.read(encoder.completed(table))]
        is_empty = encoder.n_codes_ == encoder.has_missing_
        if is_empty.all() and not self.keep_empty_features:
            raise ValueError(
                "X has no known cell: there is nothing to learn from; fit with rows that have some."
            )
        learnt = {
            "generator_": generator,
            "kept_features_": np.flatnonzero(~is_empty | self.keep_empty_features),
            "indicator_features_": np.flatnonzero(has_holes),
        }
        self._set_learnt(table, learnt)
        return self

    def transform(self, X):
        """Fill the missing cells of a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table with the columns of the training table.

        Returns
        -------
        X_filled : DataFrame or ndarray of shape (n_samples, n_features_out)
            The same table without missing cells, but see `keep_empty_features`. A DataFrame where
            `set_output` asks for one, or where X is one with columns that are not numbers; it has the dtypes
            of X.

        Raises
        ------
        ValueError
            If X has other columns than the training table, or infinite values.
        """
        check_is_fitted(self)
        n_draws = 1 if self.sample_posterior else self.n_draws
        if n_draws is None and self.generator_._form != "masked":
            n_draws = _N_DRAWS
        return self._filled(X, n_draws, check_random_state(self.random_state))

    def sample(self, X, n_imputations=5):
        """Fill the missing cells of a table several times, each time with one draw.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table with the columns of the training table.
        n_imputations : int, default=5
            How often.

        Returns
        -------
        tables : list of DataFrame or ndarray of shape (n_samples, n_features_out)
            The filled tables, as from `transform`. What is estimated from each of them varies from table to
            table as the missing cells leave it uncertain.
        """
        check_is_fitted(self)
        check_integer("n_imputations", n_imputations, low=1)
        rng = check_random_state(self.random_state)
        return [self._filled(X, 1, rng) for _ in range(n_imputations)]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the columns; by default those of the training table, or x0, x1, ...

        Returns
        -------
        names : ndarray of str of shape (n_features_out,)
            Names of the columns that are kept, then those of the indicators.
        """
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        indicators = [f"missingindicator_{name}" for name in names[self.indicator_features_]]
        return np.append(names[self.kept_features_], indicators if self.add_indicator else []).astype(object)

    def _check_parameters(self):
        if self.n_draws is not None:
            check_integer("n_draws", self.n_draws, low=1, remedy="or give None")
        if not (
            self.missing_values is None
            or np.isscalar(self.missing_values)
            or _is_nothing(self.missing_values)
        ):
            raise TypeError(
                f"missing_values must be a number, a string or None, got {self.missing_values!r}."
            )
        for name in ("sample_posterior", "add_indicator", "keep_empty_features"):
            check_option(name, getattr(self, name), (True, False))

    def _filled(self, X, n_draws, rng):
        table = without_stand_ins(as_table(X), self.missing_values)
        validate_data(self, table, reset=False, skip_check_array=True)
        encoder = self.generator_.encoder_
        table = encoder.completed(table)
        columns = encoder.read(table)
        holes = np.stack([column.missing for column in columns], axis=1)
        rows = np.flatnonzero(holes.any(axis=1))
        if len(rows):
            known = [_known(column, learnt) for column, learnt in zip(columns, encoder.columns_, strict=True)]
            given = assemble(known, template_for(table, known, encoder.template_))
            if n_draws is None:
                found = self._estimated(_safe_indexing(given, rows))
            else:
                found = self._drawn(_safe_indexing(given, np.tile(rows, n_draws)), rng)
            columns = [
                _with_draws(column, rows, draws, n_draws or 1)
                for column, draws in zip(columns, found, strict=True)
            ]
        columns = [_without_holes(column) for column in columns]
        return self._assembled(X, table, columns, holes)

    def _estimated(self, given):
        """Return the columns of a table with what is expected of its missing cells."""
        pairs = zip(self.generator_.encoder_.columns_, self.generator_._estimates(given), strict=True)
        return [
            Column(values, np.full(len(values), not learnt.n_values), getattr(learnt, "categories", None))
            for learnt, values in pairs
        ]

    def _drawn(self, given, rng):
        """Return the columns of a table with a draw for each missing cell."""
        drawn = self.generator_.sample(given=given, allow_missing=False, random_state=rng)
        return self.generator_.encoder_.read(drawn[0] if self.generator_.target_encoder_ else drawn)

    def _assembled(self, X, table, columns, holes):
        """Build the result, without the columns that are left out and with indicators."""
        template = template_for(table, columns, self.generator_.encoder_.template_)
        template = _safe_indexing(template, self.kept_features_, axis=1)
        columns = [columns[index] for index in self.kept_features_]
        names = self.get_feature_names_out()[len(columns) :]
        indicators = holes[:, self.indicator_features_].T if self.add_indicator else []
        return rebuilt(self, X, table, columns, template, dict(zip(names, indicators, strict=True)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _with_draws(column, rows, draws, n_draws):
    """Return a column whose missing cells hold the mean, or the mode, of their draws."""
    holes = np.flatnonzero(column.missing[rows])
    if not len(holes) or draws.categories == []:  # a column of which training knew nothing
        return column
    values, missing = column.values.copy(), column.missing.copy()
    cells = draws.values.reshape(n_draws, -1)[:, holes]
    if column.categories is not None:
        return recoded(column, rows[holes], mode(cells, axis=0).mode, draws.categories)
    values[rows[holes]] = _mean(cells, whole=values.dtype.kind in "iu")
    missing[rows[holes]] = draws.missing[holes]
    return column._replace(values=values, missing=missing)


def _mean(draws, whole):
    """Return the mean over the draws, rounded if it is to be whole."""
    # From the first draw on: dates are large numbers. Differences of unsigned integers may be negative.
    steps = draws - draws[0]
    steps = (steps.view(np.int64) if steps.dtype.kind == "u" else steps).mean(axis=0)
    if whole and draws.dtype.kind in "iu":
        return draws[0] + np.rint(steps).astype(np.int64).astype(draws.dtype)
    middle = draws[0] + steps
    return np.rint(middle) if whole else middle


def _without_holes(column):
    """Fill numbers of which nothing is known with 0."""
    if column.categories is not None or not column.missing.any():
        return column
    return column._replace(
        values=np.where(column.missing, 0, column.values).astype(column.values.dtype),
        missing=np.zeros_like(column.missing),
    )


def _check_frozen(encoder, table, missing_values):
    """Raise if a fitted generator has learnt other columns, or what stands for missing cells."""
    if is_frame(table) and is_frame(encoder.template_):
        names, learnt = list(table.columns), list(encoder.template_.columns)
    else:
        names, learnt = table.shape[1], len(encoder.columns_)
    if names != learnt:
        raise ValueError(
            f"the frozen generator learnt the columns {learnt}, got {names}: pass the same ones."
        )
    if _is_nothing(missing_values):
        return
    for column in encoder.columns_:
        values = column.values[column.is_value] if hasattr(column, "values") else column.categories
        if any(value == missing_values for value in values):
            raise ValueError(
                f"the frozen generator learnt {missing_values!r} as a value, and would draw it: fit it to a "
                "table whose missing cells are None or NaN."
            )


def _known(column, learnt):
    """Take what training did not have out of a column: it tells the generator nothing."""
    if not learnt.n_values:
        return column._replace(missing=np.ones_like(column.missing))
    if column.categories is None:
        return column
    seen = set(learnt.categories)
    is_unseen = np.array([category not in seen for category in column.categories] + [False])
    return column._replace(missing=column.missing | is_unseen[np.where(column.missing, -1, column.values)])


def _is_nothing(missing_values):
    """Tell whether a value is None, NaN or pandas.NA, which are missing in any case."""
    return (
        missing_values is None
        or type(missing_values).__name__ == "NAType"
        or missing_values != missing_values
    )


def without_stand_ins(table, missing_values):
    """Return a table in which a value stands for a missing cell no longer."""
    if _is_nothing(missing_values):
        return table
    is_text = isinstance(missing_values, str)
    if is_frame(table):
        frame = as_narwhals(table)
        kinds = (nw.String, nw.Categorical, nw.Enum, nw.Object)
        marked = [
            nw.when(nw.col(name) != missing_values).then(nw.col(name)).alias(name)
            for name, dtype in frame.schema.items()
            if (isinstance(dtype, kinds) if is_text else dtype.is_numeric())
        ]
        return frame.with_columns(*marked).to_native()
    if table.dtype.kind in "iub" and not is_text:
        table = table.astype(np.float64)
    holes = table == missing_values
    if table.dtype.kind == "U":
        table = table.astype(object)
    return np.where(holes, None if table.dtype == object else np.nan, table).astype(table.dtype)
