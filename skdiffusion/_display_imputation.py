"""Draws for missing cells beside the truth."""

from collections import Counter

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._comparable import comparable
from ._display_axes import BLUE, RED, enough_axes, grid_of_axes, on_axis
from ._display_columns import column_cells, note_left_out, orders_of, places, short_label, shown_categories
from ._imputer import DiffusionImputer, without_stand_ins
from ._table import as_table, with_names_of

__all__ = ["ImputationDisplay"]

_MAX_CELLS = 50
_MAX_CATEGORIES = 8

_COVERAGE = 0.9


class ImputationDisplay:
    """Draws for missing cells beside the truth, where it is known.

    A column of numbers, dates or durations is drawn cell by cell, in the order of the medians of their draws:
    a line for an interval of the draws of a cell, a point for the truth, a cross where the truth lies
    outside; at most 50 cells, evenly spread over that order. The title tells how many of all cells lie
    inside. With honest draws that is about the share in the legend: 90 %, or for fewer than 19 draws, whose
    interval goes from the least to the largest, ``(n_draws - 1) / (n_draws + 1)``. A column of categories is
    drawn as a matrix: for cells of each true category the shares of what was drawn. The title tells how often
    that was the truth.

    Parameters
    ----------
    columns : list of tuple (name, kind, truth, draws)
        Missing cells of each column: `truth` of shape (n_cells,), `draws` of shape (n_draws, n_cells).
        `kind` is "number", "category", "date" or "duration": numbers are floats, dates count days since 1970,
        durations seconds; categories are labels.
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
    >>> import numpy as np
    >>> from skdiffusion import DiffusionGenerator, DiffusionImputer
    >>> from skdiffusion.plotting import ImputationDisplay
    >>> true = np.random.default_rng(0).normal(size=(200, 1)) * [1, -1]
    >>> holed = true.copy()
    >>> holed[::5, 1] = np.nan
    >>> generator = DiffusionGenerator(epochs=2, hidden_layer_sizes=(16,))
    >>> imputer = DiffusionImputer(generator=generator, random_state=0).fit(holed)
    >>> display = ImputationDisplay.from_estimator(imputer, holed, true, n_imputations=20)
    >>> [(name, draws.shape) for name, _, _, draws in display.columns]
    [(1, (20, 40))]
    """

    def __init__(self, columns, *, orders=None, n_columns=None):
        self.columns = columns
        self.orders = orders
        self.n_columns = n_columns

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        X_true,
        *,
        n_imputations=50,
        features=None,
        categorical_features="from_dtype",
        axes=None,
    ):
        """Fill missing cells several times, and draw what was filled in.

        Parameters
        ----------
        estimator : DiffusionImputer
            Fitted.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with missing cells: None, NaN, or what else is missing to the imputer.
        X_true : DataFrame or array-like of shape (n_samples, n_features)
            The same rows with their true cells. What is missing there, too, is not drawn.
        n_imputations : int, default=50
            Number of draws for each cell.
        features : list of int or str, default=None
            Indices or names of the columns to draw. None for the first eight with missing cells; the figure
            says of how many.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            Columns that hold categories, as for :func:`skdiffusion.metrics.shape_error`.
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each column; None for a new figure.

        Returns
        -------
        display : ImputationDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is no DiffusionImputer.
        ValueError
            If the tables have other rows or columns, or no missing cell is known.
        """
        if not isinstance(estimator, DiffusionImputer):
            raise TypeError(
                f"estimator must be a DiffusionImputer, got {type(estimator).__name__}: fill the table "
                "several times yourself, and call from_predictions."
            )
        check_is_fitted(estimator)
        tables = estimator.sample(X, n_imputations)
        return cls.from_predictions(
            without_stand_ins(as_table(X), estimator.missing_values),
            X_true,
            tables,
            features=features,
            categorical_features=categorical_features,
            axes=axes,
        )

    @classmethod
    def from_predictions(
        cls, X, X_true, tables, *, features=None, categorical_features="from_dtype", axes=None
    ):
        """Draw what was filled in for missing cells.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with missing cells.
        X_true : DataFrame or array-like of shape (n_samples, n_features)
            The same rows with their true cells. What is missing there, too, is not drawn.
        tables : list of DataFrame or array-like of shape (n_samples, n_features)
            The same rows, filled: one table for each draw.
        features : list of int or str, default=None
            Indices or names of the columns to draw. None for the first eight with missing cells; the figure
            says of how many.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            Columns that hold categories, as for :func:`skdiffusion.metrics.shape_error`.
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each column; None for a new figure.

        Returns
        -------
        display : ImputationDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the tables have other rows or columns, no missing cell is known, or one was not filled.
        """
        X_true, X = as_table(X_true), as_table(X)
        if not len(tables):
            raise ValueError("tables must hold one filled table at least, got none.")
        named = {"X_true": X_true, "X": X, **{f"tables[{place}]": one for place, one in enumerate(tables)}}
        if odd := {name: np.shape(one) for name, one in named.items() if np.shape(one) != X_true.shape}:
            raise ValueError(f"X, X_true and tables must be of one shape, {X_true.shape}, got {odd}.")
        named = {name: with_names_of(X_true, one) for name, one in named.items()}
        names, _, (true, holed, *filled), labels = comparable(named, categorical_features)
        hidden = np.isnan(holed) & ~np.isnan(true)
        if not hidden.any():
            raise ValueError("X has no missing cell that X_true knows: there is nothing to draw.")
        draws = np.stack(filled)
        n_columns = None
        if features is None:
            with_holes = np.flatnonzero(hidden.any(axis=0)).tolist()
            chosen, n_columns = with_holes[:8], len(with_holes)
        else:
            chosen = places(features, names)
        columns = []
        for place in chosen:
            cells = hidden[:, place]
            if not cells.any():
                raise ValueError(f"column {names[place]!r} has no missing cell that X_true knows.")
            found = draws[:, cells, place]
            if np.isnan(found).any():
                raise ValueError(f"tables leave cells of column {names[place]!r} missing: fill them.")
            kind, cells = column_cells(X_true, place, labels, true[cells, place], found)
            columns.append((names[place], kind, *cells))
        return cls(columns, orders=orders_of(X_true, names, chosen), n_columns=n_columns).plot(axes)

    def plot(self, axes=None):
        """Draw the display.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each column; None for a new figure.

        Returns
        -------
        display : ImputationDisplay
            Itself.
        """
        if axes is None:
            axes = grid_of_axes(len(self.columns), n_across=3, size=(3.4, 3))
            note_left_out(axes[0].figure, len(self.columns), self.n_columns)
        self.axes_ = enough_axes(axes, len(self.columns))
        self.figure_ = self.axes_[0].figure
        for ax, (name, kind, truth, draws) in zip(self.axes_, self.columns, strict=True):
            if kind == "category":
                _draw_categories(ax, name, truth, draws, (self.orders or {}).get(name))
            else:
                _draw_numbers(ax, name, kind, truth, draws)
        if with_lines := [ax for ax in self.axes_ if ax.lines]:
            with_lines[0].legend(loc="upper left", fontsize="small")
        return self


def _draw_numbers(ax, name, kind, truth, draws):
    """Draw intervals of draws, from the least median to the largest, and the truth."""
    truth, draws = on_axis(ax.yaxis, name, kind, truth, draws)
    # The truth lies between two neighbours of m honest draws, or beyond an end, with a chance of 1 / (m + 1)
    # each: so these quantiles hold it as often as they say, as long as they need not go beyond the draws.
    coverage = min(_COVERAGE, (len(draws) - 1) / (len(draws) + 1))
    tails = (1 - coverage) / 2, (1 + coverage) / 2
    low, high = np.quantile(draws, tails, axis=0, method="weibull")
    is_inside = (low <= truth) & (truth <= high)
    order = np.argsort(np.median(draws, axis=0), kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(len(order), _MAX_CELLS)).round().astype(int)]
    places, inside = np.arange(len(shown)), is_inside[shown]
    ax.vlines(places, low[shown], high[shown], color=BLUE, alpha=0.5, label=f"interval of {coverage:.0%}")
    styles = ((inside, ".", "black", "truth"), (~inside, "x", RED, "truth outside"))
    for chosen, marker, color, label in styles:
        ax.plot(places[chosen], truth[shown][chosen], marker, color=color, ms=5, label=label)
    ax.set_xlabel("cells, by the median of their draws")
    ax.set_xticks([])
    ax.set_title(f"truth inside in {is_inside.mean():.0%} of {len(truth)} cells", fontsize="small")


def _draw_categories(ax, name, truth, draws, order):
    """Draw for each true category the shares of what was drawn."""
    counts = Counter(truth.tolist())
    ranked = [category for category, _ in counts.most_common()]
    ranked += sorted(set(draws.ravel().tolist()) - set(ranked), key=str)
    shown, others = shown_categories(ranked, _MAX_CATEGORIES, order)
    places = {category: min(place, len(shown)) for place, category in enumerate([*shown, *others])}
    names = [short_label(category) for category in shown] + ["others"] * bool(others)
    true_places = np.array([places[category] for category in truth.tolist()])
    drawn_places = np.array([places[category] for category in draws.ravel().tolist()]).reshape(draws.shape)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (np.broadcast_to(true_places, draws.shape), drawn_places), 1)
    with np.errstate(invalid="ignore"):
        shares = table / table.sum(axis=1, keepdims=True)  # NaN of what is never true
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "white" if share > 0.65 else "black"
            ax.text(column, row, f"{share:.0%}", ha="center", va="center", color=color, fontsize="x-small")
    ax.set_xticks(range(len(names)), names, fontsize="small", rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names, fontsize="small")
    ax.set(xlabel=f"{name}, drawn", ylabel=f"{name}, truth")
    ax.set_title(f"truth drawn in {np.mean(draws == truth):.0%} of draws", fontsize="small")
