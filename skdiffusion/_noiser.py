"""Calibrated noise for tables, as a scikit-learn transformer."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils import check_array, check_random_state
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted, validate_data

from ._checks import check_option, locating
from ._noised_columns import (
    as_objects,
    category_frequencies,
    columns,
    columns_without_numbers,
    join,
    redraw,
    redrawn,
)
from ._state import StateMixin
from ._table import as_container, categorical_mask, check_names, columns_of_times, is_frame
from .schedules import Cosine, LinearBeta, RandomWalk, Schedule, _add_noise

__all__ = ["DiffusionNoiser"]


class DiffusionNoiser(StateMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Add calibrated noise to the columns of a table.

    The noise of `n_steps` steps of a forward diffusion is added in one draw. Put it behind a scaler in a
    pipeline: to train a denoiser, to regularise a model by training noise (`fit_only=True`), or to test how
    robust a model is.

    Parameters
    ----------
    noise_level : float or array-like of shape (n_features,), default=0.1
        Standard deviation of the noise of a single step, in the units of the columns, for all columns or one
        for each, by position; names of a pandas Series are not looked at. Only the schedule "random_walk"
        uses it. Not negative; 0 adds no noise.
    n_steps : int, default=100
        Number of steps of a schedule given by its name, at least 1.
    schedule : {"random_walk", "linear", "cosine"} or Schedule, default="random_walk"
        How noise grows with the steps.

        - "random_walk": ``x_t = x_{t-1} + N(0, noise_level^2)``, so that its standard deviation is
          ``noise_level * sqrt(t)``: 1.0 at the defaults, as wide as a whole column scaled to [0, 1].
        - "linear" and "cosine": the variance-preserving schedules of DDPM and improved DDPM. They fade the
          data out until only noise is left, assume columns of about zero mean and unit variance, and do not
          use `noise_level`.
        - a `Schedule` of `skdiffusion.schedules`: its own parameters count, not `noise_level` and `n_steps`.
          Tune them by names such as ``schedule__n_steps``.
    step : {"last", "random"} or int, default="last"
        Step to which rows are noised: the last one, for each row its own drawn evenly from 1 to `n_steps`, or
        a given one from 0 (clean) to `n_steps`.
    fit_only : bool, default=False
        If True, only `fit_transform` adds noise, and `transform` passes X through: noise while training, none
        while predicting.
    clip : tuple of (float, float), default=None
        Lower and upper bound for noised numbers; None does not clip. Categorical columns are not clipped.
    categorical_features : "from_dtype" or array-like of shape (n_features,) or (n_categorical,), default=None
        Columns that get categorical noise: with probability ``1 / (1 + sigma(t)^2)`` a cell keeps its
        category, else it is drawn anew from the frequencies of the training table.

        - None: no column.
        - a mask of shape (n_features,), or indices or names of columns.
        - "from_dtype": the columns of a DataFrame that hold categories, strings, booleans or Python objects.
          None in an array.
    random_state : int, RandomState instance or None, default=None
        Source of the noise. An int adds the same noise on each call, which is scikit-learn's convention: rows
        of the same position get the same draw in a training and in a test table. Pass a
        `numpy.random.RandomState` instance, or None, to draw anew on each call.

    Attributes
    ----------
    schedule_ : Schedule
        The schedule in use.
    is_categorical_ : ndarray of shape (n_features,)
        Whether a column gets categorical noise.
    categories_ : list of ndarray
        Categories of each categorical column in the training table, without the missing one.
    category_frequencies_ : list of ndarray
        Their shares in the training table.
    steps_ : ndarray of shape (n_samples,)
        Step of each row in the last call of `transform` or `fit_transform`. Only with `step="random"`. To
        save memory its dtype is the smallest unsigned integer that holds `n_steps`; convert it before
        arithmetic whose result may leave the range.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only where X has names that are all strings.

    See Also
    --------
    skdiffusion.schedules.add_noise : The same for float arrays, without an estimator.

    Notes
    -----
    A number becomes ``x_t = scale(t) * (x0 + sigma(t) * eps)`` with ``eps ~ N(0, 1)``. For the random walk
    ``scale`` is 1 and ``sigma(t) = noise_level * sqrt(t)``: the sum of `t` independent normal draws is one.
    Variance-preserving schedules, ``sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps`` ([1]_, eq. 4), have
    ``sigma^2 = (1 - alpha_bar) / alpha_bar`` and ``scale = sqrt(alpha_bar)``.

    A category follows ``Q_bar_t = alpha_bar I + (1 - alpha_bar) 1 m^T`` with ``alpha_bar = 1 / (1 +
    sigma(t)^2)``: the uniform kernel of [2]_ (section 3.1) with the frequencies ``m`` of the training table
    for the uniform ones ([3]_, section 4.1), so that columns keep their frequencies.

    Missing cells stay missing. float32 stays float32; all other numbers become float64.

    One array cannot hold a mixed table: a DataFrame with categorical columns comes back as a DataFrame of the
    same kind with its dtypes, whether or not `set_output` asks for one. An array of objects comes back as
    one.

    A call allocates its result, about a megabyte for the rows at work, and `steps_`: one byte a row up to 255
    steps, two up to 65535. So the peak, with the input, is twice a float array, with or without categorical
    columns, and twice a DataFrame. In an array of objects columns are made one by one, and one of them takes
    memory besides: d columns peak at 2 + 1/d times the input. A result is larger than its input where small
    numbers become float64. `fit` needs memory for a count of each category.

    A closed set of categories, a pandas Categorical or polars Enum, grows in `transform` by those of the
    training table that it lacks.

    References
    ----------
    .. [1] Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models".
    .. [2] Austin et al. 2021, "Structured Denoising Diffusion Models in Discrete State-Spaces".
    .. [3] Vignac et al. 2023, "DiGress: Discrete Denoising Diffusion for Graph Generation".

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionNoiser
    >>> X = np.zeros((10_000, 2))
    >>> noiser = DiffusionNoiser(noise_level=0.1, n_steps=25, random_state=0)
    >>> noiser.fit_transform(X).std(axis=0).round(1)
    array([0.5, 0.5])

    A level for each column, and a whole mixed table:

    >>> from skdiffusion.datasets import make_mixed_table
    >>> table = make_mixed_table(200, random_state=0)
    >>> noiser = DiffusionNoiser(schedule="cosine", step=50, categorical_features="from_dtype")
    >>> noised = noiser.fit_transform(table)
    >>> bool((noised["region"] == table["region"]).mean() > 0.5)
    True
    """

    def __init__(
        self,
        noise_level=0.1,
        n_steps=100,
        *,
        schedule="random_walk",
        step="last",
        fit_only=False,
        clip=None,
        categorical_features=None,
        random_state=None,
    ):
        self.noise_level = noise_level
        self.n_steps = n_steps
        self.schedule = schedule
        self.step = step
        self.fit_only = fit_only
        self.clip = clip
        self.categorical_features = categorical_features
        self.random_state = random_state

    def fit(self, X, y=None):
        """Check the parameters, and learn the columns' names and the frequencies of categories.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows. NaN is allowed.
        y : object, default=None
            Ignored.

        Returns
        -------
        DiffusionNoiser
            The fitted noiser itself.

        Raises
        ------
        ValueError
            If a parameter is out of range or X holds infinity.
        """
        self._fit(X)
        return self

    def fit_transform(self, X, y=None):
        """Fit to X and add noise to it.

        .. note::
            With `fit_only=True`, `fit(X).transform(X)` does not equal `fit_transform(X)`, because only the
            latter adds noise: a pipeline calls it while training, and `transform` while predicting. Otherwise
            both are alike.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows. NaN is allowed and stays NaN.
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            Noised rows. A DataFrame where `set_output` asks for one, or where X is one with categorical
            columns.

        Raises
        ------
        ValueError
            If a parameter is out of range or X holds infinity.
        """
        return self._noised(self._fit(X))

    def transform(self, X):
        """Add noise to X, or pass it through if `fit_only`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows. NaN is allowed and stays NaN.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            Noised rows; with `fit_only=True` the rows of X, not noised and not clipped, as floats and not
            necessarily copied. A DataFrame where `set_output` asks for one, or where X is one with
            categorical columns.

        Raises
        ------
        ValueError
            If X has another width or other names than in `fit`, or holds infinity.
        """
        check_is_fitted(self)
        check_option("fit_only", self.fit_only, (True, False))
        table = self._validated(X, mixed=self.is_categorical_.any(), reset=False)
        return self._unchanged(table) if self.fit_only else self._noised(table)

    def path(self, X):
        """Noise X step by step, and return all steps.

        Neighbouring steps belong together: an increment is independent of all before it, and each step alone
        is distributed as what `transform` returns for it. `step` and `fit_only` are not used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows. NaN is allowed and stays NaN.

        Returns
        -------
        ndarray of shape (n_steps + 1, n_samples, n_features)
            Rows at each step, from the clean ones to the last. It takes `n_steps + 1` times the memory of X
            and little more. Of dtype object, with the cells of the table, if X is a DataFrame with
            categorical columns or an array of objects.

        Raises
        ------
        ValueError
            If X has another width or other names than in `fit`, or holds infinity.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion import DiffusionNoiser
        >>> X = np.zeros((10_000, 1))
        >>> path = DiffusionNoiser(0.1, n_steps=4, random_state=0).fit(X).path(X)
        >>> path.std(axis=1).ravel().round(1)
        array([0. , 0.1, 0.1, 0.2, 0.2])
        """
        check_is_fitted(self)
        table = self._validated(X, mixed=self.is_categorical_.any(), reset=False)
        walk = partial(_path, rng=(rng := self._rng()))
        if _is_matrix(table):
            path = walk(table, **self._number_noise())
        else:
            path = np.empty((len(self.schedule_.sigmas()), *table.shape), dtype=object)
            for index, column in enumerate(columns(table, self.is_categorical_)):
                if self.is_categorical_[index]:
                    path[..., index] = as_objects(column)
                else:
                    path[..., [index]] = walk(column, **self._number_noise(index))
        for index, (categories, draw) in self._category_noise(rng).items():
            for step in range(1, len(path)):
                path[step, :, index] = path[step - 1, :, index]
                drawn = partial(draw, steps=np.asarray(step), since=step - 1)
                redraw(path[step, :, index], categories, drawn)
        return path

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _fit(self, X):
        """Fit, and return the validated table; where that fails, leave the earlier state."""
        before = dict(vars(self))
        try:
            return self._learn(X)
        except BaseException:
            self.__dict__ = before
            raise

    def _learn(self, X):
        self.schedule_ = self._built_schedule()
        sigmas = self.schedule_.sigmas()
        _check_step(self.step, len(sigmas) - 1)
        _checked_clip(self.clip)
        check_option("fit_only", self.fit_only, (True, False))
        if sigmas[0].any() or (np.diff(sigmas, axis=0) < 0).any():
            raise ValueError(f"sigmas() of {self.schedule_!r} must begin at 0 and never fall, got {sigmas!r}")
        table = self._validated(X, mixed=self.categorical_features is not None, reset=True)
        if sigmas.shape[1:] not in ((), (self.n_features_in_,)):
            raise ValueError(
                f"noise_level has {sigmas.shape[1]} entries, but X has {self.n_features_in_} features: "
                "give one number, or one entry for each feature"
            )
        self.is_categorical_ = categorical_mask(table, self.categorical_features, self.n_features_in_)
        counted = []
        if self.is_categorical_.any():
            cells = table.T if _is_matrix(table) else columns(table, self.is_categorical_)
            pairs = zip(cells, self.is_categorical_, strict=True)
            counted = [category_frequencies(column) for column, is_categorical in pairs if is_categorical]
        elif self.categorical_features is not None:  # such as "from_dtype" where all columns hold numbers
            table = self._validated(table, mixed=False, reset=True)
        self.categories_ = [categories for categories, _ in counted]
        self.category_frequencies_ = [frequencies for _, frequencies in counted]
        return table

    def _built_schedule(self):
        if isinstance(self.schedule, Schedule):
            return clone(self.schedule)  # what is set on the parameter later waits for the next fit
        if self.schedule == "random_walk":
            return RandomWalk(self.noise_level, self.n_steps)
        if self.schedule == "linear":
            return LinearBeta(self.n_steps)
        if self.schedule == "cosine":
            return Cosine(self.n_steps)
        raise ValueError(
            "schedule must be 'random_walk', 'linear', 'cosine' or a Schedule of skdiffusion.schedules, "
            f"got {self.schedule!r}"
        )

    def _validated(self, X, *, mixed, reset):
        """Check X: a float matrix, or a DataFrame or an array of objects if some columns are not numeric."""
        if is_frame(X):
            check_names(X)
        numbers = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
        if mixed:
            with locating(X=X):
                if is_frame(X):
                    return validate_data(self, X, reset=reset, skip_check_array=True)
                X = validate_data(self, X, dtype=None, ensure_all_finite=False, reset=reset)
                if X.dtype.kind in "OUS":
                    return X.astype(object, copy=False)
                return check_array(X, **numbers, input_name="X")
        if is_frame(X) and (names := columns_of_times(X)):
            raise ValueError(
                f"columns {names} hold dates or times: convert them to numbers, for example to days since a "
                "date, or leave them out"
            )
        try:
            with locating(X=X):
                return validate_data(self, X, **numbers, reset=reset)
        except (TypeError, ValueError) as error:
            if is_frame(X) and (names := columns_without_numbers(X)):
                raise ValueError(
                    f"columns {names} hold no numbers: set categorical_features='from_dtype', "
                    "or convert them to numbers"
                ) from error
            raise

    def _rng(self):
        # SFC64 fills an array with normal draws about a tenth faster than PCG64 (benchmarks/noiser.py).
        seed = check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
        return np.random.Generator(np.random.SFC64(seed))

    def _drawn_steps(self, n_samples, rng):
        n_steps = len(self.schedule_.sigmas()) - 1
        _check_step(self.step, n_steps)
        if self.step == "random":
            dtype = np.min_scalar_type(n_steps)
            self.steps_ = rng.integers(1, n_steps, size=n_samples, endpoint=True, dtype=dtype)
            return self.steps_
        return np.asarray(n_steps if self.step == "last" else self.step)

    def _sigmas(self):
        """Noise levels of all steps and columns."""
        sigmas = self.schedule_.sigmas()
        return np.broadcast_to(sigmas.reshape(len(sigmas), -1), (len(sigmas), self.n_features_in_))

    def _number_noise(self, index=None):
        """Parameters of the noise of a column, or of a whole matrix, whose categorical columns it leaves."""
        sigmas, clip = self.schedule_.sigmas(), _checked_clip(self.clip)
        if index is not None:
            sigmas = self._sigmas()[:, index]
        elif self.is_categorical_.any():
            sigmas = np.where(self.is_categorical_, 0, self._sigmas())
            if clip is not None:
                free = zip((-np.inf, np.inf), clip, strict=True)
                clip = [np.where(self.is_categorical_, infinity, bound) for infinity, bound in free]
        preserving = self.schedule_.variance_preserving
        return {"sigmas": sigmas, "variance_preserving": preserving, "clip": clip}

    def _category_noise(self, rng):
        """Categories, and the function that draws them, by index of the column."""
        indices, sigmas = np.flatnonzero(self.is_categorical_), self._sigmas()
        learnt = zip(indices, self.categories_, self.category_frequencies_, strict=True)
        return {
            index: (categories, partial(_drawn, sigmas[:, index], frequencies, rng))
            for index, categories, frequencies in learnt
        }

    def _noised(self, table):
        rng = self._rng()
        steps = self._drawn_steps(len(table), rng)
        category_noise = self._category_noise(rng)
        if is_frame(table):
            return self._joined(table, self._noised_columns(table, steps, rng, category_noise))
        if _is_matrix(table):
            noised = _add_noise(table, t=steps, rng=rng, **self._number_noise())
        else:
            noised = join(table, self._noised_columns(table, steps, rng, {}))
        for index, (categories, draw) in category_noise.items():
            redraw(noised[:, index], categories, partial(draw, steps=steps))
        return noised

    def _noised_columns(self, table, steps, rng, category_noise):
        for index, column in enumerate(columns(table, self.is_categorical_)):
            if index in category_noise:
                categories, draw = category_noise[index]
                yield redrawn(column, categories, partial(draw, steps=steps))
            elif self.is_categorical_[index]:
                yield column
            else:
                yield _add_noise(column, t=steps, rng=rng, **self._number_noise(index))

    def _unchanged(self, table):
        return table if _is_matrix(table) else self._joined(table, columns(table, self.is_categorical_))

    def _joined(self, table, columns):
        joined = join(table, columns)
        # scikit-learn would turn one kind of DataFrame into another by way of an array, and lose its dtypes.
        container = _get_output_config("transform", self)["dense"]
        return as_container(joined, container) if is_frame(joined) else joined


def _is_matrix(table):
    return not is_frame(table) and table.dtype != object


def _path(x, sigmas, rng, *, variance_preserving, clip):
    """Forward process of numbers, all steps."""
    variances = np.square(sigmas.reshape(len(sigmas), 1, -1))
    path = np.empty((len(sigmas), *x.shape), x.dtype)
    path[0] = x
    rng.standard_normal(out=path[1:], dtype=x.dtype)
    # Before scaling, increments are independent normal draws whose variances add up to those of the schedule.
    for step, increment in enumerate(np.sqrt(np.diff(variances, axis=0)).astype(x.dtype), start=1):
        path[step] *= increment
        path[step] += path[step - 1]
    if variance_preserving:
        path *= (1 / np.sqrt(1 + variances)).astype(x.dtype)
    if clip is not None:
        np.clip(path, *clip, out=path)
    return path


def _drawn(sigmas, frequencies, rng, rows, missing, *, steps, since=0):
    """Return the cells of a block that lose their category, and the positions of those drawn for them."""
    keep = 1 / (1 + sigmas**2)
    # Kernels multiply, Q_bar_t = Q_bar_{t-1} Q_t (Austin et al. 2021, eq. 3); so do the shares they keep.
    share = keep[steps[rows] if steps.ndim else steps] / keep[since]
    lost = np.flatnonzero((rng.random(len(missing)) >= share) & ~missing)
    if len(frequencies) == 0:  # the training table had nothing but missing cells
        return lost[:0], lost[:0]
    return lost, rng.choice(len(frequencies), size=len(lost), p=frequencies)


def _checked_clip(clip):
    if clip is None:
        return None
    pair = isinstance(clip, tuple | list) and len(clip) == 2
    if not pair or not all(isinstance(bound, Real) for bound in clip):
        raise ValueError(f"clip must be None or a pair (low, high) of numbers, got {clip!r}")
    if not clip[0] < clip[1]:
        raise ValueError(f"clip must be a pair (low, high) with low below high, got {clip!r}")
    return float(clip[0]), float(clip[1])


def _check_step(step, n_steps):
    if isinstance(step, str) and step in ("last", "random"):
        return
    if not isinstance(step, Integral) or isinstance(step, bool) or not 0 <= step <= n_steps:
        raise ValueError(
            f"step must be 'last', 'random' or an integer from 0 to n_steps={n_steps}, got {step!r}"
        )
