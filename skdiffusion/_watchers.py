"""Those who watch a fit: the verbose line, Keras callbacks, scikit-learn callbacks.

A watcher hears of each epoch's beginning and end; one that answers the end with true stops the training.
"""

import math
import sys
import time

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callback protocol

    class _NoTask:
        """A task of which nobody hears."""

        def subcontext(self, **_):
            return self

        def call_on_fit_task_begin(self, **_):
            return self

        def call_on_fit_task_end(self, **_):
            return False

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin of the same name."""

        def _init_callback_context(self, **_):
            return _NoTask()

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "KerasCallbacks",
    "ScikitLearnCallbacks",
    "VerboseLine",
    "rows_line",
    "with_callbacks",
]


class VerboseLine:
    """One line on standard output: rewritten in place on a terminal, else printed once at the end."""

    def __init__(self, name, epochs, deadline=math.inf):
        self._name, self._epochs, self._deadline = name, epochs, deadline
        self._rewrite = sys.stdout.isatty()
        self._start = time.perf_counter()
        self._n_heard = 0
        self._line = None

    def on_epoch_begin(self, epoch):
        """Do nothing."""

    def on_epoch_end(self, epoch, logs):
        """Note the losses; show them at once on a terminal."""
        shown = {name: f"{value:.4g}" for name, value in logs.items()}
        if shown["loss"] == shown.get("data_loss"):
            del shown["data_loss"]
        losses = ", ".join(f"{name} {value}" for name, value in shown.items())
        self._n_heard += 1  # not all epochs, where a fit goes on
        now = time.perf_counter()
        seconds = now - self._start
        self._line = f"{self._name}: epoch {epoch + 1}/{self._epochs}, {losses}, {seconds:.1f} s"
        if self._rewrite:
            left = seconds / self._n_heard * (self._epochs - epoch - 1)
            left = min(left, max(self._deadline - now, 0))
            print(f"\r\033[K{self._line}, at most {left:.0f} s left", end="", flush=True)
        return False

    def on_train_end(self):
        """End the line, once."""
        if self._line is not None:
            print(f"\r\033[K{self._line}" if self._rewrite else self._line)
        self._line = None


def rows_line(name, n_rows):
    """Return a function that shows how many of `n_rows` are done: in place on a terminal, else at the end."""
    rewrite = sys.stdout.isatty()
    start = time.perf_counter()

    def show(n_done):
        seconds = time.perf_counter() - start
        if rewrite or n_done == n_rows:
            left = seconds * (n_rows / n_done - 1)
            line = f"{name}: {n_done}/{n_rows} rows, {seconds:.1f} s, {left:.0f} s left"
            clear = "\r\033[K" if rewrite else ""
            print(f"{clear}{line}", end="\n" if n_done == n_rows else "", flush=True)

    return show


class KerasCallbacks:
    """A list of Keras callbacks, told of epochs; batches run on the device, where no callback is heard."""

    def __init__(self, callbacks, model, epochs):
        import keras

        self._model = model
        model.stop_training = False
        self._callbacks = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, verbose=0)
        self._callbacks.on_train_begin()

    def on_epoch_begin(self, epoch):
        """Pass the call on."""
        self._callbacks.on_epoch_begin(epoch)

    def on_epoch_end(self, epoch, logs):
        """Pass the call on; return whether a callback asked for a stop."""
        self._callbacks.on_epoch_end(epoch, logs)
        return self._model.stop_training

    def on_train_end(self):
        """Pass the call on."""
        self._callbacks.on_train_end()

    @staticmethod
    def check(callbacks):
        """Raise unless `callbacks` is None or a list of Keras callbacks."""
        from keras.callbacks import Callback

        callbacks = [] if callbacks is None else callbacks
        if not isinstance(callbacks, list | tuple):
            raise TypeError(
                f"callbacks must be None or a list of keras.callbacks.Callback, got {callbacks!r} of type "
                f"{type(callbacks).__name__}; put a single one in a list."
            )
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"each of callbacks must be a keras.callbacks.Callback, got {callback!r} of type "
                    f"{type(callback).__name__}; pass scikit-learn's callbacks to set_callbacks."
                )

    @staticmethod
    def part(callbacks):
        """Let callbacks part with the model, which other fits will use."""
        from keras.callbacks import Callback

        for callback in callbacks:
            # Not its own `set_model`, which may want to look at the model.
            Callback.set_model(callback, None)


class ScikitLearnCallbacks:
    """The callbacks that `set_callbacks` registered, or that a meta-estimator passes down."""

    def __init__(self, estimator, epochs, X, y, attributes):
        self._estimator = estimator
        self._arguments = {"X": X, "y": y}
        self._attributes = attributes
        self._history = {}
        self._root = estimator._init_callback_context(max_subtasks=epochs)
        self._root.call_on_fit_task_begin(estimator=estimator, **self._arguments)

    def on_epoch_begin(self, epoch):
        """Open the epoch's task."""
        self._epoch = self._root.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._arguments)

    def on_epoch_end(self, epoch, logs):
        """Close the epoch's task; return whether a callback asked for a stop."""
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        return self._end(self._epoch)

    def on_train_end(self):
        """Close the fit's task."""
        self._end(self._root)

    def _end(self, task):
        return task.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=lambda: {**self._attributes(), "history_": self._history},
            **self._arguments,
        )
