"""How columns depend on each other in a real and in a synthetic table."""

import numpy as np

from ._comparable import comparable
from ._display_axes import enough_axes, new_figure
from ._display_columns import beside_drawn_rows
from ._metric_columns import associations

__all__ = ["DependenceDisplay"]

_MAX_LABELLED = 12  # columns whose names are written
_MAX_LETTERS = 28


class DependenceDisplay:
    """How columns depend on each other in a real and in a synthetic table, and where the two differ.

    The difference has a scale of its own, which its title tells. Up to twelve columns are named.

    Parameters
    ----------
    real, synthetic : ndarray of shape (n_columns, n_columns)
        Correlation of each pair of numeric columns, from -1 to 1; Cramér's V of other pairs, from 0 to 1;
        NaN where neither is defined.
    names : list of str
        Names of the columns.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (3,)
        Real, synthetic, and the difference.
    figure_ : matplotlib Figure
        Where they are.

    Notes
    -----
    Beside a category, a number counts by ten bins of equal width over its own table's range, as in
    :func:`skdiffusion.metrics.trend_error`.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.plotting import DependenceDisplay
    >>> real, other = make_mixed_table(200, random_state=0), make_mixed_table(200, random_state=1)
    >>> DependenceDisplay.from_predictions(real, other).real.shape
    (7, 7)
    """

    def __init__(self, real, synthetic, *, names):
        self.real = real
        self.synthetic = synthetic
        self.names = names

    @classmethod
    def from_predictions(cls, real, synthetic, *, categorical_features="from_dtype", axes=None):
        """Draw the associations of two tables.

        Parameters
        ----------
        real, synthetic : DataFrame or array-like of shape (n_samples, n_features)
            Tables of one kind, with the same columns.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            As for :func:`skdiffusion.metrics.trend_error`.
        axes : array-like of three matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : DependenceDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the tables cannot be compared.
        """
        names, categorical, matrices, _ = comparable(
            {"real": real, "synthetic": synthetic}, categorical_features
        )
        found = [associations(matrix, categorical) for matrix in matrices]
        return cls(*found, names=[str(name) for name in names]).plot(axes)

    @classmethod
    def from_estimator(cls, estimator, X, *, random_state=None, **options):
        """Draw as many rows from a fitted generator as a table has, and compare the two.

        Parameters
        ----------
        estimator : DiffusionGenerator
            Fitted, without `y`.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Real rows.
        random_state : int, RandomState instance or None, default=None
            Source of the draws.
        **options : dict
            As for `from_predictions`; without `categorical_features` those of the estimator are taken.

        Returns
        -------
        display : DependenceDisplay
            Drawn.
        """
        return beside_drawn_rows(cls, estimator, X, random_state, options)

    def plot(self, axes=None):
        """Draw the display.

        Parameters
        ----------
        axes : array-like of three matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : DependenceDisplay
            Itself.
        """
        is_labelled = len(self.names) <= _MAX_LABELLED
        names = [_shortened(name) for name in self.names] if is_labelled else []
        if axes is None:
            figure = new_figure((9.5, 3), layout="compressed")
            figure.set_size_inches(figure.get_size_inches() + 1.1 * _longest(names))
            axes = figure.subplots(1, 3)
        self.axes_ = enough_axes(axes, 3)
        self.figure_ = self.axes_[0].figure
        difference = self.synthetic - self.real
        limit = max(np.nanmax(np.abs(difference), initial=0), 0.05)
        own_scale = f"synthetic - real, to ±{limit:.2g}"
        shown = {"real": self.real, "synthetic": self.synthetic, own_scale: difference}
        for ax, (title, matrix) in zip(self.axes_, shown.items(), strict=True):
            bound, cmap = (limit, "PuOr_r") if matrix is difference else (1, "RdBu_r")
            image = ax.imshow(matrix, cmap=cmap, vmin=-bound, vmax=bound)
            ax.set_title(title, fontsize="medium")
            ax.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
            shown_names = names if ax is self.axes_[0] else [""] * len(names)
            ax.set_yticks(range(len(names)), shown_names, fontsize="small")
            self.figure_.colorbar(image, ax=ax, shrink=0.7)
        if not is_labelled:
            self.axes_[0].set_xlabel(f"all {len(self.names)} columns")
        return self


def _longest(names):
    """Return the largest width of small texts, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    small = FontProperties(size="small")
    widths = (TextPath((0, 0), name, prop=small).get_extents().x1 for name in names if name.strip())
    return max(widths, default=0) / 72


def _shortened(name):
    return name if len(name) <= _MAX_LETTERS else name[: _MAX_LETTERS - 1] + "…"
