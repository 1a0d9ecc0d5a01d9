"""Rows on their way from noise to data."""

from copy import copy

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._checks import check_integer
from ._comparable import comparable
from ._denoiser import DiffusionDenoiser
from ._display_axes import BLUE, GREY, axes_for
from ._display_columns import mean_and_std, places
from ._table import as_table, is_frame, with_names_of
from .samplers import heun
from .schedules import Karras

__all__ = ["SamplePathDisplay"]

# From where the prior is all noise to the least level at which a DiffusionDenoiser is trained.
_SIGMA_MAX, _SIGMA_MIN = 10.0, 0.02


class SamplePathDisplay:
    """Rows on their way from noise to data, in the plane of two columns.

    At a noise level `sigma`, in standard deviations of a column, a row is drawn shrunk towards the mean by
    ``1 / sqrt(1 + sigma**2)``, as schedules that preserve variance do it. So rows of all levels spread alike,
    and those of level 0 are drawn as they are.

    Parameters
    ----------
    path : ndarray of shape (n_levels, n_rows, 2)
        Two columns of the rows at each noise level, in standard deviations from their means.
    sigmas : array-like of shape (n_levels,)
        Noise levels, in standard deviations of a column: falling, the last one 0.
    X : ndarray of shape (n_samples, 2), default=None
        Real rows, to be drawn behind, in their own units. None for none.
    mean : array-like of shape (2,), default=(0.0, 0.0)
        Means of the two columns, in their own units.
    std : array-like of shape (2,), default=(1.0, 1.0)
        Standard deviations of the two columns, in their own units.
    names : list of str, default=("column 0", "column 1")
        Names of the columns.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn last.
    lines_ : matplotlib LineCollection
        The moves of all rows, move by move, in the colour of the noise level that they start from.
    starts_, ends_ : matplotlib lines
        Points of the rows at the first and the last noise level.
    colorbar_ : matplotlib Colorbar
        The noise levels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionDenoiser
    >>> from skdiffusion.plotting import SamplePathDisplay
    >>> X = np.random.default_rng(0).normal([5, 0], [2, 1], (300, 2))
    >>> denoiser = DiffusionDenoiser(epochs=1, hidden_layer_sizes=(8,), random_state=0).fit(X)
    >>> display = SamplePathDisplay.from_estimator(denoiser, X, n_rows=20, random_state=0)
    >>> display.path.shape
    (31, 20, 2)
    """

    def __init__(
        self, path, sigmas, *, X=None, mean=(0.0, 0.0), std=(1.0, 1.0), names=("column 0", "column 1")
    ):
        self.path = path
        self.sigmas = sigmas
        self.X = X
        self.mean = mean
        self.std = std
        self.names = names

    @classmethod
    def from_estimator(
        cls, estimator, X, *, features=(0, 1), n_rows=100, n_sampling_steps=30, random_state=None, ax=None
    ):
        """Draw new rows with a denoiser that knows all noise levels, and show their way.

        `samplers.heun` follows the denoiser from ten standard deviations of a column to 0.

        Parameters
        ----------
        estimator : DiffusionDenoiser
            Fitted to a table of numbers, without `self_supervised`.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Real rows. Means and standard deviations are theirs, and they are drawn behind, at most a thousand
            of them.
        features : sequence of two int or str, default=(0, 1)
            Indices or names of the columns to show. All columns are drawn, these are seen.
        n_rows : int, default=100
            Number of rows to draw.
        n_sampling_steps : int, default=30
            Number of moves.
        random_state : int, RandomState instance or None, default=None
            Source of the noise from which rows begin.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : SamplePathDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is no DiffusionDenoiser.
        ValueError
            If it is self-supervised or has learnt categories, or a column is not there.

        Notes
        -----
        A `DiffusionGenerator` has no such path: one process reveals cells, the other follows normal scores of
        ranks. For any other denoiser keep the path of a sampler with its `callback`, and call
        `from_predictions`.
        """
        if not isinstance(estimator, DiffusionDenoiser):
            raise TypeError(
                f"estimator must be a DiffusionDenoiser, got {type(estimator).__name__}: for another "
                "denoiser keep the path of a sampler with its callback, and call from_predictions."
            )
        check_is_fitted(estimator)
        check_integer("n_rows", n_rows, low=1)
        check_integer("n_sampling_steps", n_sampling_steps, low=1)
        if estimator.self_supervised:
            raise ValueError("a self-supervised denoiser knows no noise levels: fit one to clean rows.")
        if not estimator.encoder_.numeric_.all():
            raise ValueError(
                "the denoiser has learnt categories, which noise does not reach: leave them out."
            )
        table = as_table(X)
        names, _, (values,), _ = comparable({"X": table}, None)
        chosen = places(features, names)
        mean, std = mean_and_std(values)
        told, units = copy(estimator), np.where(std > 0, std, 1)

        def denoise(rows, sigma):
            clean = told.set_params(sigma=sigma * std).transform(with_names_of(table, mean + std * rows))
            return (np.asarray(clean, dtype=float) - mean) / units

        sigmas = Karras(sigma_min=_SIGMA_MIN, sigma_max=_SIGMA_MAX).grid(n_sampling_steps)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        path = [_SIGMA_MAX * rng.standard_normal((n_rows, values.shape[1]))]
        heun(denoise, path[0], sigmas, callback=lambda rows, sigma: path.append(rows))
        return cls(
            np.stack(path)[:, :, chosen],
            sigmas,
            X=_thinned(values)[:, chosen],
            mean=mean[chosen],
            std=std[chosen],
            names=[str(names[place]) if is_frame(table) else f"column {place}" for place in chosen],
        ).plot(ax)

    @classmethod
    def from_predictions(cls, path, sigmas, *, X=None, features=(0, 1), ax=None):
        """Draw a path that a sampler has taken.

        Parameters
        ----------
        path : array-like of shape (n_levels, n_rows, n_features)
            Rows at each noise level. Columns of clean rows have mean 0 and variance 1, as samplers want it.
        sigmas : array-like of shape (n_levels,)
            Noise levels: falling, the last one 0.
        X : array-like of shape (n_samples, n_features), default=None
            Real rows, to be drawn behind; scaled like those of the path.
        features : sequence of two int, default=(0, 1)
            Indices of the columns to show.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : SamplePathDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `path` and `sigmas` do not fit together, or a column is not there.
        """
        path = np.asarray(path, dtype=float)
        if path.ndim != 3:
            raise ValueError(
                "path must be rows at each noise level, of shape (n_levels, n_rows, n_features), got "
                f"{path.shape}."
            )
        chosen = places(features, list(range(path.shape[2])))
        X = None if X is None else _thinned(np.asarray(X, dtype=float))[:, chosen]
        names = [f"column {place}" for place in chosen]
        return cls(path[:, :, chosen], sigmas, X=X, names=names).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : SamplePathDisplay
            Itself.
        """
        path, sigmas = np.asarray(self.path, dtype=float), np.asarray(self.sigmas, dtype=float)
        _check_path(path, sigmas)
        self.ax_, self.figure_ = axes_for(ax)
        from matplotlib.collections import LineCollection
        from matplotlib.colors import LogNorm

        shrunk = path / np.sqrt(1 + np.square(sigmas))[:, None, None]
        points = np.asarray(self.mean) + np.asarray(self.std) * shrunk
        if self.X is not None:
            self.ax_.plot(*np.transpose(self.X), ".", ms=3, color="0.8", label="real rows", zorder=1)
        moves = np.stack([points[:-1], points[1:]], axis=2).reshape(-1, 2, 2)
        levels = np.repeat(sigmas[:-1], path.shape[1])
        norm = LogNorm(sigmas[-2], sigmas[0])
        self.lines_ = LineCollection(moves, array=levels, cmap="viridis", norm=norm, lw=0.8, zorder=2)
        self.ax_.add_collection(self.lines_)
        (self.starts_,) = self.ax_.plot(*points[0].T, "x", ms=4, color=GREY, label="noise", zorder=3)
        (self.ends_,) = self.ax_.plot(*points[-1].T, "o", ms=3.5, color=BLUE, label="new rows", zorder=3)
        self.colorbar_ = self.figure_.colorbar(self.lines_, ax=self.ax_)
        self.colorbar_.set_label("noise level (standard deviations)")
        self.colorbar_.ax.yaxis.set_major_formatter("{x:g}")
        self.ax_.set(xlabel=self.names[0], ylabel=self.names[1])
        self.ax_.legend(fontsize="small")
        return self


def _check_path(path, sigmas):
    if path.ndim != 3 or path.shape[2] != 2:
        raise ValueError(f"path must have two columns, of shape (n_levels, n_rows, 2), got {path.shape}.")
    if sigmas.shape != path.shape[:1]:
        raise ValueError(
            f"path has rows at {len(path)} noise levels, and sigmas has shape {sigmas.shape}: give one for "
            "each."
        )
    if len(sigmas) < 3 or (np.diff(sigmas) >= 0).any() or sigmas[-1] != 0:
        raise ValueError(
            f"sigmas must be three levels at least that fall to 0, such as Karras().grid(18), got {sigmas}."
        )


def _thinned(rows):
    """Return at most a thousand rows, evenly spread over a table that may be sorted."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), 1000)).round().astype(int)]
