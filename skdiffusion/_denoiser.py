"""Noisy rows, cleaned by what the rows of training were like."""

import time
from itertools import compress
from numbers import Real

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._cells import Column
from ._checks import check_integer, check_option, check_real, check_unless_auto, check_widths
from ._encoder import TableEncoder
from ._fitting import automatic_dropout, automatic_l2, fitted, program_of
from ._noise_levels import estimated_sigma
from ._rebuilt import rebuilt, recoded, template_for
from ._state import StateMixin
from ._table import as_narwhals, as_table, columns_of_times, is_frame

__all__ = ["DiffusionDenoiser"]

_LEARNING_RATE = 2e-3
_VALIDATION_FRACTION = 0.1
_N_EPOCH_STEPS = 64  # at least

# Where each cell is estimated from the others, about so many are held in memory at once.
_N_COPIED_CELLS = 2**22

# Standard deviations from the mean of training, at most: the network computes squares in float32.
_FARTHEST = 1e15


class DiffusionDenoiser(StateMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replace noisy numbers by what is expected of the clean ones, given the whole row.

    One fitted model serves every noise level, in each column its own, and any missing cells, which are filled
    on the way. Categories can be corrected, too.

    Parameters
    ----------
    sigma : "auto", float or array-like of shape (n_numeric,), default="auto"
        Standard deviation of the noise in the rows to be cleaned, in units of the table: one number, or one
        for each numeric column. "auto" estimates it, column by column, from the rows given to `transform`.
        It is read in `transform`, and can be set anew on a fitted denoiser.
    flip_probability : float, default=0.0
        Probability that a category of these rows was drawn anew, by the frequencies of its column, as
        `DiffusionNoiser` does it. With 0, known categories stay. It is read in `transform`.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns to treat as categories, as a mask, indices or names. Columns that are not numbers are
        categorical in any case.
    hidden_layer_sizes : tuple of int, default=(256, 256)
        Width of each residual block of the network.
    epochs : "auto" or int, default="auto"
        Passes over the rows, at most; the rows of a small table are passed several times in an epoch. A tenth
        of the rows is held out, and training ends once their loss no longer gets better.
    max_time : float or None, default=None
        Seconds that `fit` may take. None sets no limit. With a limit, results depend on the speed of the
        machine. If it ends the training within 100 steps, a `ConvergenceWarning` says so.
    self_supervised : bool, default=False
        Whether the rows of training are as noisy as those to be cleaned. Each number is then estimated from
        the others of its row alone, and `sigma` is not used.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the held-out rows and the noise of training. Pass an int for the same
        fit on each call.
    verbose : int, default=0
        Whether to show a line of progress while fitting.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_numeric,)
        Noise levels that the last call of `transform` with `sigma="auto"` has estimated, in units of the
        table.
    encoder_ : TableEncoder
        Reads tables.
    process_ : Denoising
        What was learnt in closed form, and the shape of the network.
    weights_ : list of ndarray
        Weights of the network: the averages over the last steps.
    history_ : dict of str to list
        For each epoch "learning_rate", "loss" and "data_loss", and "val_loss" if rows are held out. For
        numbers alone, a loss of 1/2 is that of the linear posterior on normal rows.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    DenoisingRegressor : Learns from pairs of noisy and clean rows, whatever the noise is.
    DiffusionNoiser : Adds noise to a table.
    DiffusionImputer : Fills missing cells of rows without noise.

    Notes
    -----
    A factor model of the clean numbers gives their posterior mean for any noise levels and any missing cells,
    as if rows were normally distributed; a network that is trained at all levels learns what is to be added
    [1]_. With `self_supervised`, the mean squared difference between noisy cells and their estimates is the
    true error plus the variance of the noise, because no cell is used for its own estimate [2]_.

    References
    ----------
    .. [1] Karras et al. (2022). Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS.
    .. [2] Batson & Royer (2019). Noise2Self: Blind Denoising by Self-Supervision. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.normal(size=(500, 1)) + 0.1 * rng.normal(size=(500, 4))
    >>> noisy = clean + 0.5 * rng.normal(size=clean.shape)
    >>> denoiser = DiffusionDenoiser(sigma=0.5, epochs=2, hidden_layer_sizes=(16,), random_state=0)
    >>> cleaned = denoiser.fit(clean).transform(noisy)
    >>> bool(np.mean((cleaned - clean) ** 2) < 0.4 * np.mean((noisy - clean) ** 2))
    True
    """

    def __init__(
        self,
        *,
        sigma="auto",
        flip_probability=0.0,
        categorical_features="from_dtype",
        hidden_layer_sizes=(256, 256),
        epochs="auto",
        max_time=None,
        self_supervised=False,
        random_state=None,
        verbose=0,
    ):
        self.sigma = sigma
        self.flip_probability = flip_probability
        self.categorical_features = categorical_features
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.max_time = max_time
        self.self_supervised = self_supervised
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Learn what clean rows are like, or noisy ones with `self_supervised`.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table of numbers and categories, with missing cells if you like.
        y : object, default=None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts.

        Returns
        -------
        self : DiffusionDenoiser
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or `sample_weight` is not as described, or if training diverges twice.
        """
        started = time.perf_counter()
        self._check_parameters()
        table = _without_times(as_table(X))
        weight = _check_sample_weight(sample_weight, np.empty((len(table), 1)), ensure_non_negative=True)
        if not (present := np.flatnonzero(weight)).size:
            raise ValueError("sample_weight must be above zero for one row at least, got only zeros.")
        weight = weight / weight.max()  # whose sum may be infinite
        encoder = TableEncoder(n_bins=1, categorical_features=self.categorical_features).fit(table, weight)
        if (encoder.n_codes_ == encoder.has_missing_).all():
            raise ValueError(
                "X has no known cell: there is nothing to learn from; fit with rows that have some."
            )
        _checked_levels(self.sigma, int(encoder.numeric_.sum()))
        weight = weight[present]
        learnt = {"encoder_": encoder}
        learnt["_categorical"] = _categorical_columns(encoder)
        values, codes = _numbers_and_codes(encoder, learnt["_categorical"], encoder.read(table))
        values, codes = values[present], codes[present]
        learnt["_mean"], learnt["_std"] = _moments(values, weight)
        values = _standardised(values, learnt["_mean"], learnt["_std"])
        frequencies = [_frequencies(encoder.columns_[index]) for index in learnt["_categorical"]]
        learnt["process_"] = process = self._build_process(values, weight, frequencies)
        known = ~np.isnan(values)
        arrays = np.where(known, values, 0).astype(np.float32), known.astype(np.float32), codes
        result = fitted(
            process,
            arrays,
            (weight / weight.mean()).astype(np.float32),
            name=type(self).__name__,
            learning_rate=_LEARNING_RATE,
            # The loss is the mean over the cells of a row, not their sum.
            l2=automatic_l2(len(weight)) / max(1, values.shape[1] + codes.shape[1]),
            batch_size="auto",
            epochs=self.epochs,
            validation_fraction=_VALIDATION_FRACTION,
            n_epoch_steps=_N_EPOCH_STEPS,
            deadline=np.inf if self.max_time is None else started + self.max_time,
            random_state=self.random_state,
            verbose=self.verbose,
        )
        learnt |= {"weights_": result.weights, "history_": result.history}
        learnt["n_iter_"] = len(result.history["loss"])
        self._set_learnt(table, learnt)
        if result.interrupted:
            which = "best" if "val_loss" in result.history else "last"
            raise KeyboardInterrupt(f"{type(self).__name__} keeps the {which} weights of its whole epochs")
        return self

    def transform(self, X):
        """Take the noise off the rows of a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table with the columns of the training table.

        Returns
        -------
        X_clean : DataFrame or ndarray of shape (n_samples, n_features)
            Posterior means of numbers, as floats; categories as they were, or the likeliest. Missing cells
            are filled, but for categories of a column of which training knew nothing.
            A DataFrame where `set_output` asks for one, or where X is one with columns that are not numbers.

        Raises
        ------
        ValueError
            If X has other columns than the training table, or infinite values, or if `sigma` or
            `flip_probability` is not as described.
        """
        check_is_fitted(self)
        check_real("flip_probability", self.flip_probability, low=0, high=1, open_high=True)
        levels = _checked_levels(self.sigma, len(self._mean))
        table = _without_times(as_table(X))
        validate_data(self, table, reset=False, skip_check_array=True)
        table = self.encoder_.completed(table)
        columns = self.encoder_.read(table)
        values, codes = _numbers_and_codes(self.encoder_, self._categorical, columns)
        values = _standardised(values, self._mean, self._std)
        if self.process_.architecture.self_supervised:
            sigma = np.zeros(len(self._mean))
            means, probabilities = self._from_the_others(values, codes)
        else:
            sigma = self._estimated(values) if levels is None else levels / self._std
            means, probabilities = self._restored(values, codes, sigma, self.flip_probability)
        exact = (sigma == 0) & ~np.isnan(values) & (not self.process_.architecture.self_supervised)
        means = self._mean + self._std * means
        columns = self._cleaned(columns, means, exact, codes, probabilities)
        template = template_for(table, columns, self.encoder_.template_)
        template = _with_floats(template, self.encoder_.numeric_)
        return rebuilt(self, X, table, columns, template, {})

    def _check_parameters(self):
        check_real("flip_probability", self.flip_probability, low=0, high=1, open_high=True)
        check_widths("hidden_layer_sizes", self.hidden_layer_sizes)
        check_unless_auto(check_integer, "epochs", self.epochs, low=1)
        if self.max_time is not None:
            check_real("max_time", self.max_time, low=0, open_low=True)
        check_option("self_supervised", self.self_supervised, (True, False))
        if self.self_supervised and not isinstance(self.sigma, str):
            raise ValueError(
                f"self_supervised=True uses no noise level, got sigma={self.sigma!r}; leave it at 'auto'."
            )
        if self.verbose not in (True, False):
            check_integer("verbose", self.verbose, low=0)

    def _build_process(self, values, weight, frequencies):
        from ._denoising import Denoising

        return Denoising(
            values,
            weight,
            frequencies,
            hidden_layer_sizes=self.hidden_layer_sizes,
            dropout=automatic_dropout(len(values)),
            self_supervised=bool(self.self_supervised),
        )

    def _estimated(self, values):
        sigma = estimated_sigma(self.process_.factors, self.process_.varies, values)
        self.sigma_ = sigma * self._std
        return sigma

    def _restored(self, values, codes, sigma, flip_probability):
        with program_of(self.process_, self.weights_) as program:
            return self.process_.restore(program, values, ~np.isnan(values), codes, sigma, flip_probability)

    def _from_the_others(self, values, codes):
        """Estimate each cell from the others of its row: of each row one copy for each column hides it."""
        n_numeric, n_columns = values.shape[1], values.shape[1] + codes.shape[1]
        numeric = np.arange(n_numeric)
        means, probabilities = np.empty(values.shape), []
        n_block_rows = max(1, _N_COPIED_CELLS // n_columns**2)
        for start in range(0, len(values), n_block_rows):
            block = slice(start, start + n_block_rows)
            n_rows = len(values[block])
            is_hidden = np.repeat(np.eye(n_columns, dtype=bool), n_rows, axis=0)
            found, shares = self._restored(
                np.where(is_hidden[:, :n_numeric], np.nan, np.tile(values[block], (n_columns, 1))),
                np.where(is_hidden[:, n_numeric:], -1, np.tile(codes[block], (n_columns, 1))),
                np.zeros(n_numeric),
                flip_probability=0.0,  # as in training
            )
            means[block] = found.reshape(n_columns, n_rows, n_numeric)[numeric, :, numeric].T
            shares = [share.reshape(n_columns, n_rows, -1) for share in shares]
            probabilities.append([share[n_numeric + place] for place, share in enumerate(shares)])
        return means, [np.concatenate(parts) for parts in zip(*probabilities, strict=True)]

    def _cleaned(self, columns, means, exact, codes, probabilities):
        """Return columns with means in place of numbers that are not exact, and with likeliest categories."""
        cleaned = list(columns)
        for place, index in enumerate(np.flatnonzero(self.encoder_.numeric_)):
            column = columns[index]
            dtype = np.float32 if column.values.dtype == np.float32 else np.float64
            values = np.where(exact[:, place], column.values, means[:, place]).astype(dtype)
            cleaned[index] = Column(values, np.zeros(len(values), bool))
        for place, index in enumerate(self._categorical):
            column, learnt = columns[index], self.encoder_.columns_[index]
            # What training did not have was not drawn by its frequencies. Rare categories may share a code.
            is_other = (codes[:, place] >= 0) & (codes[:, place] != probabilities[place].argmax(axis=1))
            rows = np.flatnonzero(column.missing | (is_other & (self.flip_probability > 0)))
            places = learnt.estimate(probabilities[place][rows], {})
            cleaned[index] = recoded(column, rows, places, learnt.categories)
        return cleaned

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _without_times(table):
    """Return a table, or raise if it holds dates or durations, whose noise would have no unit."""
    names = columns_of_times(table) if is_frame(table) else ["all"] * (table.dtype.kind in "mM")
    if names:
        raise ValueError(
            f"columns {names} hold dates or times: convert them to numbers, for example to days since a "
            "date, or leave them out"
        )
    return table


def _checked_levels(sigma, n_numeric):
    """Return a noise level for each numeric column, or None for "auto"."""
    if isinstance(sigma, str) and sigma == "auto":
        return None
    if isinstance(sigma, Real):
        check_real("sigma", sigma, low=0)
        return np.full(n_numeric, float(sigma))
    try:
        levels = np.array(sigma, dtype=float)
        is_text = isinstance(sigma, str)
    except (TypeError, ValueError):
        is_text = True
    if is_text:
        raise TypeError(f"sigma must be 'auto', a number or a list of numbers, got {sigma!r}.")
    if levels.shape != (n_numeric,):
        raise ValueError(
            f"sigma has shape {levels.shape}, but X has {n_numeric} numeric columns: give one number, or one "
            "for each of them."
        )
    for level in levels.tolist():
        check_real("each of sigma", level, low=0)
    return levels


def _categorical_columns(encoder):
    """Return the indices of the categorical columns with known cells, those of like width together."""
    indices = [
        index for index in np.flatnonzero(~encoder.numeric_).tolist() if encoder.columns_[index].n_values
    ]
    return sorted(indices, key=lambda index: int(encoder.columns_[index].n_values - 1).bit_length())


def _frequencies(column):
    """Return the shares of a column's codes among the cells that are not missing."""
    weights = column.weights[: column.n_values]
    return weights / weights.sum()


def _numbers_and_codes(encoder, categorical, columns):
    """Return numbers, NaN for missing ones, and codes, -1 for missing or unseen categories."""
    numbers = [
        np.where(column.missing, np.nan, column.values.astype(float))
        for column, numeric in zip(columns, encoder.numeric_, strict=True)
        if numeric
    ]
    codes = [encoder.columns_[index].encode(columns[index])[0] for index in categorical]
    n_rows = len(columns[0].values)
    return (
        np.column_stack(numbers) if numbers else np.empty((n_rows, 0)),
        np.column_stack(codes).astype(np.int32) if codes else np.empty((n_rows, 0), np.int32),
    )


def _moments(values, weight):
    """Return mean and standard deviation of each column; 0 and 1 of one without a known cell."""
    shares = ~np.isnan(values) * weight[:, None]
    totals = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.nansum(shares * values, axis=0) / totals
        std = np.sqrt(np.nansum(shares * np.square(values - mean), axis=0) / totals)
    if not np.isfinite(std).all():
        raise ValueError(
            f"X has numbers from {np.nanmin(values):.3g} to {np.nanmax(values):.3g}, whose variance is "
            "infinite: scale X first."
        )
    # A constant varies by rounding.
    return mean, np.where(std > 1e-12 * np.abs(mean), std, 1)


def _standardised(values, mean, std):
    """Return numbers in standard deviations from the mean, or raise where the network would overflow."""
    with np.errstate(over="ignore"):
        values = (values - mean) / std
    if (is_far := np.abs(values) > _FARTHEST).any():
        row = is_far.any(axis=1).argmax()
        raise ValueError(
            f"X has a number {np.nanmax(np.abs(values[row])):.3g} standard deviations from the mean of "
            f"training, in row {row}, and {_FARTHEST:.0e} are the most: replace or clip such values first."
        )
    return values


def _with_floats(template, numeric):
    """Return a template whose numeric columns of integers are columns of floats."""
    if not is_frame(template):
        return template.astype(float) if template.dtype.kind in "iub" else template
    frame = as_narwhals(template)
    columns = compress(frame.iter_columns(), numeric)
    whole = [column.cast(nw.Float64) for column in columns if column.dtype.is_integer()]
    return frame.with_columns(*whole).to_native()
