"""Displays: what an estimator did, or how two tables compare, as pictures in scikit-learn's manner.

A display holds what it shows. `from_estimator` and `from_predictions` make one and draw it, `plot` draws it
again. They need matplotlib, which comes with ``pip install 'skdiffusion[plot]'``.
"""

from collections import Counter

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ._checks import check_integer
from ._comparable import comparable
from ._metric_columns import associations, column_errors
from ._table import as_table, is_frame, read_numbers

__all__ = ["DependenceDisplay", "MarginalsDisplay", "NoisePathDisplay", "TrainingDisplay"]

# Colours that people with any colour vision tell apart (Okabe & Ito 2008).
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "0.35"

_MAX_BARS = 12


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
        (place,) = _places([feature], names)
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
        self.ax_, self.figure_ = _axes(ax)
        steps = np.arange(len(self.path))
        low, high = self.mean - 2 * self.std, self.mean + 2 * self.std
        self.band_ = self.ax_.fill_between(
            steps, low, high, color=_ORANGE, alpha=0.3, lw=0, label="theory: mean ± 2 std"
        )
        self.lines_ = self.ax_.plot(steps, self.path, color=_BLUE, lw=0.8, alpha=0.6)
        self.lines_[0].set_label("rows")
        self.ax_.set(xlabel="step", ylabel=self.name, xlim=(0, steps[-1]))
        self.ax_.legend(loc="upper left", fontsize="small")
        return self


class TrainingDisplay:
    """Losses and learning rate, epoch by epoch.

    Parameters
    ----------
    history : dict of list of float
        With "loss" or "data_loss", and perhaps "val_loss" and "learning_rate": a number for each epoch.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn last.
    rate_ax_ : matplotlib Axes or None
        The axis of the learning rate, on the right.
    lines_ : dict of str to matplotlib line
        By the names in `history`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DenoisingRegressor
    >>> from skdiffusion.plotting import TrainingDisplay
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> model = DenoisingRegressor((8,), epochs=5, early_stopping=True, random_state=0).fit(X, X)
    >>> sorted(TrainingDisplay.from_estimator(model).lines_)
    ['data_loss', 'learning_rate', 'loss', 'val_loss']
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator with `history_`
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : TrainingDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                f"{type(estimator).__name__} keeps no history_: pass the estimator that was trained, such as "
                "the generator_ of an adapter."
            )
        return cls(estimator.history_).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : TrainingDisplay
            Itself.
        """
        if not any(self.history.get(name) for name in ("loss", "data_loss", "val_loss")):
            raise ValueError(
                f"history must have 'loss', 'data_loss' or 'val_loss', a number for each epoch; it has "
                f"{sorted(self.history)}: pass the history_ of a fitted estimator."
            )
        self.ax_, self.figure_ = _axes(ax)
        styles = {
            "loss": ("training, with penalty", _GREY, ":"),
            "data_loss": ("training", _BLUE, "-"),
            "val_loss": ("held out", _ORANGE, "-"),
        }
        self.lines_ = {}
        for name, (label, color, style) in styles.items():
            if values := self.history.get(name):
                epochs = np.arange(1, len(values) + 1)
                (self.lines_[name],) = self.ax_.plot(epochs, values, color=color, ls=style, label=label)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        shown = np.concatenate([line.get_ydata() for line in self.lines_.values()])
        if (shown > 0).all() and shown.max() > 5 * shown.min():
            self.ax_.set_yscale("log")
        self.rate_ax_ = None
        if values := self.history.get("learning_rate"):
            self.rate_ax_ = self.ax_.twinx()
            epochs = np.arange(1, len(values) + 1)
            (line,) = self.rate_ax_.plot(epochs, values, color="0.7", lw=1, label="learning rate")
            self.lines_["learning_rate"] = line
            self.rate_ax_.set(ylabel="learning rate", yscale="log")
        lines = list(self.lines_.values())
        self.ax_.legend(lines, [line.get_label() for line in lines])
        return self


class MarginalsDisplay:
    """Columns of a real and a synthetic table on top of each other.

    A numeric column is drawn as two histograms with the same edges, a categorical one as pairs of bars, for
    the eleven commonest categories and for all others together. Where a column has missing cells, their
    shares stand in its title. Dates and durations count units of their dtype since its origin.

    Parameters
    ----------
    columns : list of tuple (name, is_categorical, real, synthetic)
        Cells of each column, float arrays with NaN for missing cells; of categories, arrays of their labels
        with None for missing cells.
    errors : array-like of shape (n_columns,)
        Shape error of each column, from 0 to 1.

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

    def __init__(self, columns, *, errors):
        self.columns = columns
        self.errors = errors

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
            Indices or names of the columns to draw. None for the eight that differ most, the worst first.
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
        if features is None:
            places = np.argsort(-np.nan_to_num(errors), kind="stable")[:8].tolist()
        else:
            places = _places(features, names)
        columns = []
        for place in places:
            cells = [matrix[:, place] for matrix in matrices]
            if categorical[place]:
                known = np.array([*labels[place], None], dtype=object)
                cells = [known[np.nan_to_num(codes, nan=-1).astype(int)] for codes in cells]
            columns.append((names[place], bool(categorical[place]), *cells))
        return cls(columns, errors=errors[places]).plot(axes)

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
        return _beside_drawn_rows(cls, estimator, X, random_state, options)

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
            n_across = min(4, len(self.columns))
            n_down = -(-len(self.columns) // n_across)
            figure = _figure((2.6 * n_across, 2.3 * n_down))
            axes = figure.subplots(n_down, n_across, squeeze=False).ravel()
            for ax in axes[len(self.columns) :]:
                ax.remove()
        self.axes_ = _enough(axes, len(self.columns))
        self.figure_ = self.axes_[0].figure
        for ax, column, error in zip(self.axes_, self.columns, self.errors, strict=True):
            self._draw(ax, *column, error)
        self.axes_[0].set_ylabel("share of rows")
        self.axes_[0].legend(frameon=False, fontsize="small")
        return self

    @staticmethod
    def _draw(ax, name, is_categorical, real, synthetic, error):
        missing = [np.mean([cell is None or cell != cell for cell in cells]) for cells in (real, synthetic)]
        if is_categorical:
            counts = [Counter(cell for cell in cells if cell is not None) for cells in (real, synthetic)]
            ranked = [category for category, _ in counts[0].most_common()]
            ranked += [category for category, _ in counts[1].most_common() if category not in counts[0]]
            n_shown = len(ranked) if len(ranked) <= _MAX_BARS else _MAX_BARS - 1
            short = [text if len(text := str(one)) < 12 else text[:10] + "…" for one in ranked[:n_shown]]
            short += ["others"] if n_shown < len(ranked) else []
            styles = ("real", -0.2, _GREY), ("synthetic", 0.2, _ORANGE)
            for cells, count, (label, shift, color) in zip((real, synthetic), counts, styles, strict=True):
                heights = [count[category] / len(cells) for category in ranked[:n_shown]]
                if n_shown < len(ranked):
                    heights.append(sum(count[category] for category in ranked[n_shown:]) / len(cells))
                ax.bar(np.arange(len(short)) + shift, heights, 0.4, color=color, label=label)
            tilt = {"rotation": 45, "ha": "right"} if sum(map(len, short)) > 20 else {}
            ax.set_xticks(range(len(short)), short, fontsize="small", **tilt)
        else:
            present = [cells[~np.isnan(cells)] for cells in (real, synthetic)]
            edges = _edges(np.concatenate(present))
            styles = [{"color": _GREY, "histtype": "step", "lw": 1.5}, {"color": _ORANGE, "alpha": 0.6}]
            for cells, whole, style, label in zip(
                present, (real, synthetic), styles, ("real", "synthetic"), strict=True
            ):
                ax.hist(cells, edges, weights=np.full(len(cells), 1 / len(whole)), label=label, **style)
            ax.locator_params(axis="x", nbins=4)
        title = f"error {100 * error:.1f} %"
        if max(missing):
            title += f", missing {missing[0]:.0%} / {missing[1]:.0%}"
        ax.set_xlabel(str(name))
        ax.set_title(title, fontsize="small")


class DependenceDisplay:
    """How columns depend on each other in a real and in a synthetic table, and where the two differ.

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
        return _beside_drawn_rows(cls, estimator, X, random_state, options)

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
        if axes is None:
            axes = _figure((10, 3.6)).subplots(1, 3)
        self.axes_ = _enough(axes, 3)
        self.figure_ = self.axes_[0].figure
        difference = self.synthetic - self.real
        limit = max(np.nanmax(np.abs(difference), initial=0), 0.05)
        shown = {"real": self.real, "synthetic": self.synthetic, "synthetic - real": difference}
        is_labelled = len(self.names) <= 12
        for ax, (title, matrix) in zip(self.axes_, shown.items(), strict=True):
            bound, cmap = (limit, "PuOr_r") if matrix is difference else (1, "RdBu_r")
            image = ax.imshow(matrix, cmap=cmap, vmin=-bound, vmax=bound)
            ax.set_title(title, fontsize="medium")
            ticks = range(len(self.names)) if is_labelled else []
            ax.set_xticks(ticks, self.names if is_labelled else [], rotation=90, fontsize="small")
            show_names = is_labelled and ax is self.axes_[0]
            ax.set_yticks(ticks, self.names if show_names else [""] * len(ticks), fontsize="small")
            self.figure_.colorbar(image, ax=ax, shrink=0.7)
        if not is_labelled:
            self.axes_[0].set_xlabel(f"all {len(self.names)} columns")
        return self


def _beside_drawn_rows(display, estimator, X, random_state, options):
    """Compare a table with as many rows of a generator, whose categories are those of the comparison."""
    options = {"categorical_features": estimator.categorical_features, **options}
    synthetic = estimator.sample(len(as_table(X)), random_state=random_state)
    return display.from_predictions(X, synthetic, **options)


def _places(features, names):
    """Return the places of columns that are given by names or indices, as a list."""
    if isinstance(features, str) or not len(features):
        raise ValueError(f"features must be a list of columns, one at least, got {features!r}.")
    places = [names.index(feature) if feature in names else feature for feature in features]
    for place in places:
        if isinstance(place, str) or place not in range(len(names)):
            raise ValueError(f"{place!r} is no column: choose indices or names of {names}.")
    return places


def _enough(axes, n_axes):
    axes = np.ravel(axes)
    if len(axes) < n_axes:
        raise ValueError(f"axes must be {n_axes} Axes, got {len(axes)}.")
    return axes[:n_axes]


def _edges(values, n_bins=24):
    """Return edges of bins of equal width; fewer where there are no more floats between the ends."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        low, high = low - max(abs(low), 1) / 2, high + max(abs(high), 1) / 2
    share = np.linspace(0, 1, n_bins + 1)
    return np.unique(low * (1 - share) + high * share)


def _axes(ax):
    """Return axes to draw into and their figure, new ones where there are none."""
    ax = _figure((6.4, 4)).subplots() if ax is None else ax
    return ax, ax.figure


def _figure(size):
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("Displays need matplotlib; try: pip install 'skdiffusion[plot]'") from None
    return pyplot.figure(figsize=size, layout="constrained")
