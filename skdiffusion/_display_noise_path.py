"""Rows of a column on their way into noise."""

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ._checks import check_integer
from ._display_axes import BLUE, ORANGE, axes_for
from ._display_columns import places
from ._table import as_table, is_frame, read_numbers

__all__ = ["NoisePathDisplay"]


class NoisePathDisplay:
    """Rows of one numeric column on their way into noise, and the band that theory gives.

    The band knows nothing of the noiser's `clip`.

    Parameters
    ----------
    path : ndarray of shape (n_steps + 1, n_rows)
        Values of the rows at each step.
    mean, std : ndarray of shape (n_steps + 1,)
        Mean and standard deviation of the column at each step.
    name : str, default="value"
        Name of the column.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn last.
    lines_ : list of matplotlib lines
        One for each row.
    band_ : matplotlib collection
        Mean plus and minus two standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionNoiser
    >>> from skdiffusion.plotting import NoisePathDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> noiser = DiffusionNoiser(n_steps=50, schedule="cosine", random_state=0).fit(X)
    >>> display = NoisePathDisplay.from_estimator(noiser, X, feature=1, n_rows=10)
    >>> display.path.shape
    (51, 10)
    """

    def __init__(self, path, *, mean, std, name="value"):
        self.path = path
        self.mean = mean
        self.std = std
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, *, feature=0, n_rows=30, ax=None):
        """Noise the first rows of a table step by step, and draw a column of them.

        Parameters
        ----------
        estimator : DiffusionNoiser
            Fitted.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Clean rows. Mean and standard deviation of the column are theirs.
        feature : int or str, default=0
            Index or name of a numeric column.
        n_rows : int, default=30
            How many rows to draw, at most.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : NoisePathDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the column is not there, or holds categories.
        """
        check_is_fitted(estimator)
        check_integer("n_rows", n_rows, low=1)
        table = as_table(X)
        names = list(table.columns) if is_frame(table) else list(range(table.shape[1]))
        (place,) = places([feature], names)
        rows = _safe_indexing(X, np.arange(min(n_rows, len(table))))
        path = estimator.path(rows)[:, :, place]
        if estimator.is_categorical_[place]:
            raise ValueError(f"feature={feature!r} holds categories, which take no path: choose a number.")
        column = read_numbers(table, place, table)
        values = column.values[~column.missing].astype(float)
        if not len(values):
            raise ValueError(f"feature={feature!r} has no number in X: choose another column.")
        path = np.asarray(path, float)
        sigmas = estimator._sigmas()[:, place]
        scale = 1 / np.sqrt(1 + sigmas**2) if estimator.schedule_.variance_preserving else np.ones(len(path))
        std = scale * np.sqrt(values.var() + sigmas**2)
        name = str(names[place]) if is_frame(table) else f"column {place}"
        return cls(path, mean=scale * values.mean(), std=std, name=name).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : NoisePathDisplay
            Itself.
        """
        self.ax_, self.figure_ = axes_for(ax)
        steps = np.arange(len(self.path))
        low, high = self.mean - 2 * self.std, self.mean + 2 * self.std
        self.band_ = self.ax_.fill_between(
            steps, low, high, color=ORANGE, alpha=0.3, lw=0, label="theory: mean ± 2 std"
        )
        self.lines_ = self.ax_.plot(steps, self.path, color=BLUE, lw=0.8, alpha=0.6)
        self.lines_[0].set_label("rows")
        self.ax_.set(xlabel="step", ylabel=self.name, xlim=(0, steps[-1]))
        self.ax_.legend(loc="upper left", fontsize="small")
        return self
