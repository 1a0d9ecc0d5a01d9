"""Losses and learning rate of a fit."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._display_axes import BLUE, GREY, ORANGE, axes_for

__all__ = ["TrainingDisplay"]


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
        self.ax_, self.figure_ = axes_for(ax)
        styles = {
            "loss": ("training, with penalty", GREY, ":"),
            "data_loss": ("training", BLUE, "-"),
            "val_loss": ("held out", ORANGE, "-"),
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
