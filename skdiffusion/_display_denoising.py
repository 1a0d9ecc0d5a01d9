"""How much noise methods take off, level by level."""

from collections.abc import Mapping
from copy import copy
from itertools import cycle

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._checks import check_real
from ._comparable import comparable
from ._denoiser import DiffusionDenoiser
from ._display_axes import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, axes_for
from ._display_columns import mean_and_std
from ._noiser import DiffusionNoiser
from ._table import as_table, with_names_of

__all__ = ["DenoisingDisplay"]

_COLORS, _MARKERS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY), "os^Dv"


class DenoisingDisplay:
    """Error that is left in denoised rows, against the noise that was added, one line for each method.

    Noise and error count standard deviations of each column of the clean rows, so that columns of any units
    weigh the same. Noisy rows as they are have an error of the noise level, and the means of the columns one
    of 1: both are drawn.

    Parameters
    ----------
    sigmas : array-like of shape (n_levels,)
        Noise levels, in standard deviations of a column.
    errors : dict of str to array-like of shape (n_levels,)
        Root mean squared error of each method at each level, in standard deviations of a column.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn last.
    lines_ : dict of str to matplotlib line
        By the names in `errors`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionDenoiser
    >>> from skdiffusion.plotting import DenoisingDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 4))
    >>> denoiser = DiffusionDenoiser(sigma=1.0, epochs=2, hidden_layer_sizes=(16,), random_state=0).fit(X)
    >>> display = DenoisingDisplay.from_estimator(denoiser, X, sigmas=[0.3, 1.0], random_state=0)
    >>> bool((display.errors["DiffusionDenoiser"] < [0.3, 1.0]).all())
    True
    """

    def __init__(self, sigmas, errors):
        self.sigmas = sigmas
        self.errors = errors

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        sigmas=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
        categorical_features="from_dtype",
        random_state=None,
        ax=None,
    ):
        """Add noise of several levels to clean rows, take it off, and draw what is left.

        Parameters
        ----------
        estimator : estimator, or dict of str to estimator
            What takes the noise off, fitted: a regressor whose `predict` gives clean rows, or a transformer
            whose `transform` does; or several, by the names to show. A `DiffusionDenoiser` is told the level
            in each column, unless its `sigma` is "auto".
        X : DataFrame or array-like of shape (n_samples, n_features)
            Clean rows that were not used for fitting. Numbers get noise, categories stay.
        sigmas : array-like of shape (n_levels,), default=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
            Noise levels above 0, in standard deviations of a column of X.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            Columns that hold categories, as for :func:`skdiffusion.metrics.shape_error`.
        random_state : int, RandomState instance or None, default=None
            Source of the noise, which is the same but for its level at all levels and for all methods.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : DenoisingDisplay
            Drawn.

        Raises
        ------
        TypeError
            If an estimator has neither of the methods.
        ValueError
            If no number in X varies, or an estimator gives rows of another shape.

        See Also
        --------
        from_predictions : For methods that are fitted to one level each.
        """
        estimators = estimator if isinstance(estimator, Mapping) else {type(estimator).__name__: estimator}
        methods = {name: _method(name, one) for name, one in estimators.items()}
        sigmas = _checked(sigmas)
        table = as_table(X)
        _, categorical, (values,), _ = comparable({"X": table}, categorical_features)
        spread = _spread(values, categorical)
        for name, one in estimators.items():
            if isinstance(one, DiffusionDenoiser) and (spread > 0)[~one.encoder_.numeric_].any():
                raise ValueError(
                    f"{name!r} has learnt columns as categories that are to get noise: name them in "
                    "categorical_features."
                )
        seed = check_random_state(random_state).randint(2**31)
        cleaned = {name: [] for name in methods}
        for sigma in sigmas:
            noiser = DiffusionNoiser(
                sigma * spread, n_steps=1, categorical_features=categorical, random_state=seed
            )
            noisy = with_names_of(table, noiser.fit_transform(table))
            for name, method in methods.items():
                cleaned[name].append(method(noisy, sigma * spread))
        return cls.from_predictions(
            table, cleaned, sigmas=sigmas, categorical_features=categorical_features, ax=ax
        )

    @classmethod
    def from_predictions(cls, X, cleaned, *, sigmas, categorical_features="from_dtype", ax=None):
        """Draw the errors of rows that were denoised already.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Clean rows.
        cleaned : dict of str to list of (DataFrame or array-like of shape (n_samples, n_features))
            What each method made of the noisy rows, a table for each level.
        sigmas : array-like of shape (n_levels,)
            Noise levels above 0, in standard deviations of a column of X.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            Columns that hold categories, as for :func:`skdiffusion.metrics.shape_error`. They do not count.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : DenoisingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If no number in X varies, or denoised rows have another shape or missing cells where X has none.
        """
        sigmas, X = _checked(sigmas), as_table(X)
        errors = {}
        for name, tables in cleaned.items():
            if len(tables) != len(sigmas):
                raise ValueError(
                    f"cleaned[{name!r}] must have a table for each level, {len(sigmas)}, got {len(tables)}."
                )
            for table in tables:
                if np.shape(table) != X.shape:
                    raise ValueError(
                        f"{name!r} gave rows of shape {np.shape(table)}, and X has {X.shape}: it must give "
                        "cleaned rows."
                    )
            named = {f"table {index} of {name!r}": with_names_of(X, one) for index, one in enumerate(tables)}
            _, categorical, (clean, *found), _ = comparable({"X": X, **named}, categorical_features)
            errors[name] = np.array([_error(name, rows, clean, categorical) for rows in found])
        return cls(sigmas, errors).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : DenoisingDisplay
            Itself.
        """
        self.ax_, self.figure_ = axes_for(ax)
        sigmas = np.asarray(self.sigmas, float)
        self.ax_.plot(sigmas, sigmas, color=GREY, lw=1, ls="--", label="noisy rows")
        self.ax_.axhline(1, color=GREY, lw=1, ls=":", label="means of the columns")
        styles = zip(cycle(_COLORS), cycle(_MARKERS), strict=False)
        self.lines_ = {}
        for (name, errors), (color, marker) in zip(self.errors.items(), styles, strict=False):
            (line,) = self.ax_.plot(sigmas, errors, color=color, marker=marker, ms=5, label=name)
            self.lines_[name] = line
        self.ax_.set(xscale="log", yscale="log")
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            _show_plain_numbers(axis)
        self.ax_.set_xlabel("noise level (standard deviations of a column)")
        self.ax_.set_ylabel("root mean squared error\n(standard deviations of a column)")
        self.ax_.legend(fontsize="small")
        return self


def _checked(sigmas):
    sigmas = np.atleast_1d(np.asarray(sigmas, dtype=float))
    if sigmas.ndim != 1 or not len(sigmas):
        raise ValueError(f"sigmas must be a flat list of one level at least, got shape {sigmas.shape}.")
    for sigma in sigmas.tolist():
        check_real("each of sigmas", sigma, low=0, open_low=True)
    return sigmas


def _method(name, estimator):
    """Return a function of noisy rows and levels in all columns, in units of the table, that cleans rows."""
    check_is_fitted(estimator)
    if isinstance(estimator, DiffusionDenoiser) and not isinstance(estimator.sigma, str):
        return lambda rows, levels: (
            copy(estimator).set_params(sigma=levels[estimator.encoder_.numeric_]).transform(rows)
        )
    for method in ("predict", "transform") if is_regressor(estimator) else ("transform",):
        if hasattr(estimator, method):
            return lambda rows, levels: getattr(estimator, method)(rows)
    raise TypeError(
        f"{name!r} must be a regressor or have `transform`, got {type(estimator).__name__}: clean the rows "
        "yourself, and call from_predictions."
    )


def _spread(values, categorical):
    """Return the standard deviation of each column, 0 of constants and categories."""
    spread = np.where(categorical, 0, mean_and_std(values)[1])
    if not spread.any():
        raise ValueError("X has no column of numbers that vary: there is nothing to add noise to.")
    return spread


def _error(name, rows, clean, categorical):
    """Return the root mean squared error of the known cells, in standard deviations of their columns."""
    spread = _spread(clean, categorical)
    noised = spread > 0
    steps = (rows - clean)[:, noised] / spread[noised]
    steps = steps[~np.isnan(clean[:, noised])]
    if np.isnan(steps).any():
        raise ValueError(f"{name!r} leaves cells missing that X has: it must fill them.")
    return np.sqrt(np.mean(np.square(steps)))


def _show_plain_numbers(axis):
    from matplotlib import ticker

    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())
