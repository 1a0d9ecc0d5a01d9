"""Columns of a real and a synthetic table on top of each other."""

from collections import Counter

import numpy as np

from ._comparable import comparable
from ._display_axes import GREY, ORANGE, enough_axes, grid_of_axes, on_axis
from ._display_columns import (
    beside_drawn_rows,
    column_cells,
    note_left_out,
    orders_of,
    places,
    short_label,
    shown_categories,
)
from ._metric_columns import column_errors
from ._table import as_table

__all__ = ["MarginalsDisplay"]

_MAX_BARS = 12


class MarginalsDisplay:
    """Columns of a real and a synthetic table on top of each other.

    A numeric column is drawn as two histograms with the same edges, a categorical one as pairs of bars, for
    the eleven commonest categories and for all others together. Where a column has missing cells, their
    shares stand in its title. Dates stand on an axis of dates, those with a time zone in UTC.

    Parameters
    ----------
    columns : list of tuple (name, kind, real, synthetic)
        Cells of each column. `kind` is "number", "category", "date" or "duration": numbers are float arrays
        with NaN for missing cells, dates count days since 1970, durations seconds; categories are arrays of
        labels with None for missing cells.
    errors : array-like of shape (n_columns,)
        Shape error of each column, from 0 to 1.
    orders : dict of list, default=None
        Categories of ordered columns in their order, by name. Those of others stand the commonest first.
    n_columns : int, default=None
        Number of columns that could be drawn. Where it is more than are, a new figure says so.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each column.
    figure_ : matplotlib Figure
        Where they are.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> from skdiffusion.plotting import MarginalsDisplay
    >>> real, other = make_mixed_table(200, random_state=0), make_mixed_table(200, random_state=1)
    >>> display = MarginalsDisplay.from_predictions(real, other, features=["age", "job"])
    >>> [ax.get_xlabel() for ax in display.axes_]
    ['age', 'job']
    """

    def __init__(self, columns, *, errors, orders=None, n_columns=None):
        self.columns = columns
        self.errors = errors
        self.orders = orders
        self.n_columns = n_columns

    @classmethod
    def from_predictions(
        cls, real, synthetic, *, features=None, categorical_features="from_dtype", axes=None
    ):
        """Draw columns of two tables.

        Parameters
        ----------
        real, synthetic : DataFrame or array-like of shape (n_samples, n_features)
            Tables of one kind, with the same columns.
        features : list of int or str, default=None
            Indices or names of the columns to draw. None for the eight that differ most, the worst first;
            the figure says of how many.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            As for :func:`skdiffusion.metrics.shape_error`.
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each column; None for a new figure.

        Returns
        -------
        display : MarginalsDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the tables cannot be compared, or a column is not there.
        """
        names, categorical, matrices, labels = comparable(
            {"real": real, "synthetic": synthetic}, categorical_features
        )
        errors = column_errors(*matrices, categorical)
        n_columns = None
        if features is None:
            n_columns = len(names)
            chosen = np.argsort(-np.nan_to_num(errors), kind="stable")[:8].tolist()
        else:
            chosen = places(features, names)
        table, columns = as_table(real), []
        for place in chosen:
            kind, cells = column_cells(table, place, labels, *(matrix[:, place] for matrix in matrices))
            columns.append((names[place], kind, *cells))
        orders = orders_of(table, names, chosen)
        return cls(columns, errors=errors[chosen], orders=orders, n_columns=n_columns).plot(axes)

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
        display : MarginalsDisplay
            Drawn.
        """
        return beside_drawn_rows(cls, estimator, X, random_state, options)

    def plot(self, axes=None):
        """Draw the display.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each column; None for a new figure.

        Returns
        -------
        display : MarginalsDisplay
            Itself.
        """
        if axes is None:
            axes = grid_of_axes(len(self.columns), n_across=4, size=(2.6, 2.3))
            note_left_out(axes[0].figure, len(self.columns), self.n_columns)
        self.axes_ = enough_axes(axes, len(self.columns))
        self.figure_ = self.axes_[0].figure
        for ax, column, error in zip(self.axes_, self.columns, self.errors, strict=True):
            self._draw(ax, *column, error, (self.orders or {}).get(column[0]))
        self.axes_[0].set_ylabel("share of rows")
        self.axes_[0].legend(frameon=False, fontsize="small")
        return self

    @staticmethod
    def _draw(ax, name, kind, real, synthetic, error, order):
        missing = [np.mean([cell is None or cell != cell for cell in cells]) for cells in (real, synthetic)]
        if kind == "category":
            counts = [Counter(cell for cell in cells if cell is not None) for cells in (real, synthetic)]
            ranked = [category for category, _ in counts[0].most_common()]
            ranked += [category for category, _ in counts[1].most_common() if category not in counts[0]]
            shown, others = shown_categories(ranked, _MAX_BARS, order)
            short = [short_label(category) for category in shown] + ["others"] * bool(others)
            styles = ("real", -0.2, GREY), ("synthetic", 0.2, ORANGE)
            for cells, count, (label, shift, color) in zip((real, synthetic), counts, styles, strict=True):
                heights = [count[category] / len(cells) for category in shown]
                if others:
                    heights.append(sum(count[category] for category in others) / len(cells))
                ax.bar(np.arange(len(short)) + shift, heights, 0.4, color=color, label=label)
            tilt = {"rotation": 45, "ha": "right"} if sum(map(len, short)) > 20 else {}
            ax.set_xticks(range(len(short)), short, fontsize="small", **tilt)
            ax.set_xlabel(str(name))
        else:
            if kind != "date":
                ax.locator_params(axis="x", nbins=4)
            real, synthetic = on_axis(ax.xaxis, name, kind, real, synthetic)
            present = [cells[~np.isnan(cells)] for cells in (real, synthetic)]
            edges = _edges(np.concatenate(present))
            styles = [{"color": GREY, "histtype": "step", "lw": 1.5}, {"color": ORANGE, "alpha": 0.6}]
            for cells, whole, style, label in zip(
                present, (real, synthetic), styles, ("real", "synthetic"), strict=True
            ):
                ax.hist(cells, edges, weights=np.full(len(cells), 1 / len(whole)), label=label, **style)
        title = f"error {100 * error:.1f} %"
        if max(missing):
            title += f", missing {missing[0]:.0%} / {missing[1]:.0%}"
        ax.set_title(title, fontsize="small")


def _edges(values, n_bins=24):
    """Return edges of bins of equal width; fewer where there are no more floats between the ends."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        low, high = low - max(abs(low), 1) / 2, high + max(abs(high), 1) / 2
    share = np.linspace(0, 1, n_bins + 1)
    return np.unique(low * (1 - share) + high * share)
