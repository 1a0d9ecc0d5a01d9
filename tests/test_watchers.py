"""Those who watch a fit: the verbose line, Keras callbacks, scikit-learn callbacks."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skdiffusion import DenoisingRegressor, _training, _watchers

# Keras reads its own variables in a way that NumPy 2 warns of.
keras_reads_variables = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def when(hook, epoch, action):
    """Return a Keras callback that acts in one epoch."""

    class When(keras.callbacks.Callback):
        pass

    setattr(When, hook, lambda self, at, logs=None: action(self) if at == epoch else None)
    return When()


def interrupt(_):
    raise KeyboardInterrupt


# The verbose line


def test_verbose_prints_one_line(table, small, capsys):
    small(verbose=1).fit(*table)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
    assert printed.out.startswith("DenoisingRegressor: epoch 3/3, learning_rate 0.001, loss ")


def test_verbose_rewrites_its_line_on_a_terminal(table, small, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    small(verbose=True).fit(*table)
    out = capsys.readouterr().out
    parts = out.split("\r\033[K")
    epochs = [f"DenoisingRegressor: epoch {epoch}/3" for epoch in (1, 2, 3, 3)]
    assert [part.split(",")[0] for part in parts] == ["", *epochs]
    assert all(part.endswith(" s left") for part in parts[1:4])
    assert "left" not in parts[4]
    assert out.count("\n") == 1
    assert out.endswith("\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_verbose_ends_its_line_when_fit_fails(table, small, capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with pytest.raises(ZeroDivisionError):
        small(verbose=1, callbacks=[when("on_epoch_end", 1, lambda _: 1 / 0)]).fit(*table)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.endswith("s\n")
    assert "epoch 2/3" in out


@pytest.mark.parametrize("verbose", [0, False])
def test_without_verbose_nothing_is_printed(table, small, capfd, verbose):
    small(verbose=verbose, early_stopping=True).fit(*table).predict(table[0])
    assert capfd.readouterr().out == ""


# Keras callbacks


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.heard = []
        self.logs = []

    def on_train_begin(self, logs=None):
        self.heard.append("train begins")

    def on_epoch_begin(self, epoch, logs=None):
        self.heard.append(f"{epoch} begins")

    def on_epoch_end(self, epoch, logs=None):
        self.heard.append(f"{epoch} ends")
        self.logs.append(dict(logs))

    def on_train_end(self, logs=None):
        self.heard.append("train ends")


def test_keras_callbacks_hear_of_training_and_epochs(table, small):
    recorder = Recorder()
    small(callbacks=[recorder], epochs=2).fit(*table)
    assert recorder.heard == ["train begins", "0 begins", "0 ends", "1 begins", "1 ends", "train ends"]
    assert recorder.params["epochs"] == 2


@pytest.mark.parametrize("early_stopping", [False, True])
def test_keras_callbacks_get_the_history(table, small, early_stopping):
    recorder = Recorder()
    model = small(callbacks=[recorder], early_stopping=early_stopping).fit(*table)
    assert set(model.history_) == {"learning_rate", "loss", "data_loss"} | (
        {"val_loss"} if early_stopping else set()
    )
    for name, values in model.history_.items():
        assert_array_equal(values, [logs[name] for logs in recorder.logs])


def test_stop_training_stops_after_the_epoch(table, small):
    stop = when("on_epoch_end", 1, lambda callback: setattr(callback.model, "stop_training", True))
    stopped = small(callbacks=[stop], epochs=5).fit(*table)
    assert stopped.n_iter_ == 2
    assert small(epochs=5).fit(*table).n_iter_ == 5, "the next fit is not told to stop"
    assert_array_equal(stopped.predict(table[0]), small(epochs=2).fit(*table).predict(table[0]))


@keras_reads_variables
def test_keras_early_stopping_puts_back_the_best_weights(table, small):
    X, y = table
    # The loss of later epochs is worse: the learning rate becomes absurd.
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 2 else 10.0)
    stop = keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    model = small(callbacks=[rates, stop], epochs=9, learning_rate_schedule="constant").fit(X, y)
    assert model.n_iter_ == 4
    expected = small(epochs=2, learning_rate_schedule="constant").fit(X, y)
    assert_array_equal(model.predict(X), expected.predict(X))


@keras_reads_variables
def test_learning_rate_scheduler_sets_the_rate(table, small):
    rates = [0.5, 0.25, 0.125]
    callback = keras.callbacks.LearningRateScheduler(rates.__getitem__)
    assert small(callbacks=[callback]).fit(*table).history_["learning_rate"] == rates


@keras_reads_variables
def test_reduce_on_plateau_callback_reduces_the_rate(table, small):
    callback = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    model = small(callbacks=[callback], learning_rate=0.5, learning_rate_schedule="constant").fit(*table)
    assert_allclose(model.history_["learning_rate"], [0.5, 0.5, 0.05])


@pytest.mark.parametrize("failing", [None, "on_epoch_end", "on_train_begin"])
def test_callbacks_part_with_the_model(table, small, failing):
    first = keras.callbacks.EarlyStopping("loss")
    callbacks = [first, keras.callbacks.Callback()]
    if failing:
        setattr(callbacks[1], failing, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small(callbacks=callbacks).fit(*table)
    else:
        small(callbacks=callbacks).fit(*table)
    assert [callback.model for callback in callbacks] == [None, None]


def test_parting_does_not_call_a_callbacks_own_set_model(table, small):
    class LooksAtTheModel(keras.callbacks.Callback):
        def set_model(self, model):
            self.n_weights = model.count_params()
            super().set_model(model)

    callback = LooksAtTheModel()
    small(callbacks=[callback]).fit(*table)
    assert callback.n_weights == 59
    assert callback.model is None


def test_an_estimator_with_used_callbacks_clones_and_fits_again(table, small):
    X, y = table
    model = small(callbacks=[keras.callbacks.EarlyStopping("loss", restore_best_weights=True)]).fit(X, y)
    again = clone(model)
    assert again.callbacks[0] is not model.callbacks[0]
    assert_array_equal(again.fit(X, y).predict(X), model.predict(X))


def test_partial_fit_tells_callbacks_of_one_epoch(table, small):
    recorder = Recorder()
    small(callbacks=[recorder]).partial_fit(*table)
    assert recorder.heard == ["train begins", "0 begins", "0 ends", "train ends"]


# Interrupts


def test_an_interrupt_leaves_the_weights_of_the_best_epoch_where_rows_are_held_out(table, small):
    X, y = table
    bad = {"early_stopping": True, "learning_rate": 0.5, "learning_rate_schedule": "constant"}
    model = small(callbacks=[when("on_epoch_begin", 4, interrupt)], epochs=8, **bad)
    with pytest.raises(KeyboardInterrupt, match="best whole epoch"):
        model.fit(X, y)
    best = int(np.argmin(model.history_["val_loss"]))
    assert best < len(model.history_["val_loss"]) - 1
    assert_array_equal(model.predict(X), small(epochs=best + 1, **bad).fit(X, y).predict(X))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_an_interrupt_leaves_the_weights_of_the_last_whole_epoch(table, small, hook):
    X, y = table
    model = small(callbacks=[when(hook, 2, interrupt)], epochs=5)
    with pytest.raises(KeyboardInterrupt, match="last whole epoch"):
        model.fit(X, y)
    expected = small(epochs=2).fit(X, y)
    assert model.n_iter_ == 2
    assert model.loss_curve_ == expected.loss_curve_
    assert_array_equal(model.predict(X), expected.predict(X))
    for ours, theirs in zip(model.optimizer_state_, expected.optimizer_state_, strict=True):
        assert_array_equal(ours, theirs)


def test_an_interrupt_within_an_epoch_leaves_the_weights_of_the_last_whole_one(table, small, monkeypatch):
    X, y = table
    expected = small(epochs=2).fit(X, y)
    n_calls = []

    class Program(_training.Program):
        def __init__(self, model):
            super().__init__(model)
            run = self.train

            def train(*arguments):
                n_calls.append(1)
                sums = run(*arguments)
                if len(n_calls) == 3:
                    raise KeyboardInterrupt  # the device has trained, and nobody knows
                return sums

            self.train = train

    monkeypatch.setattr(_training, "borrow", _training._Pool(4).borrow)
    monkeypatch.setattr(_training, "Program", Program)
    model = small(epochs=5)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert_array_equal(model.predict(X), expected.predict(X))


def test_an_interrupt_in_the_first_epoch_leaves_an_unfitted_estimator_unfitted(table, small):
    model = small(callbacks=[when("on_epoch_end", 0, interrupt)])
    before = set(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*table)
    assert set(vars(model)) == before


def test_an_interrupt_in_the_first_epoch_leaves_a_fitted_estimator_as_it_was(table, small):
    X, y = table
    model = small().fit(X, y)
    expected = model.predict(X)
    model.set_params(callbacks=[when("on_epoch_end", 0, interrupt)], random_state=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :2], y)
    assert model.n_iter_ == 3
    assert_array_equal(model.predict(X), expected)


@keras_reads_variables
def test_an_interrupted_early_stopping_keeps_its_best_weights(table, small):
    X, y = table
    parameters = {"early_stopping": True, "learning_rate_schedule": "constant"}
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 1 else 10.0)
    model = small(**parameters, callbacks=[rates, when("on_epoch_end", 3, interrupt)], epochs=9)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 3
    assert_array_equal(model.predict(X), small(**parameters, epochs=1).fit(X, y).predict(X))


# scikit-learn callbacks


class SklearnRecorder:
    """Predicts with the estimator of each epoch; asks for a stop after `n_epochs`."""

    def __init__(self, X, n_epochs=None):
        self.X, self.n_epochs = X, n_epochs
        self.tasks, self.predictions, self.n_torn_down = [], [], 0

    def setup(self, estimator, context):
        self.max_subtasks = context.max_subtasks

    def teardown(self, estimator, context):
        self.n_torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.tasks.append((context.task_name, X.shape, y.shape))
        self.predictions.append(fitted_estimator.predict(self.X))
        return context.task_name == "epoch" and len(self.tasks) == self.n_epochs


sklearn_callbacks = pytest.mark.skipif(
    not hasattr(DenoisingRegressor, "set_callbacks"), reason="scikit-learn < 1.9 has no callbacks"
)


@sklearn_callbacks
def test_scikit_learn_callbacks_hear_of_each_epoch(table, small):
    X, y = table
    recorder = SklearnRecorder(X)
    model = small().set_callbacks(recorder).fit(X, y)
    assert recorder.max_subtasks == 3
    assert recorder.tasks == [("epoch", X.shape, y.shape)] * 3 + [("fit", X.shape, y.shape)]
    assert recorder.n_torn_down == 1
    for n_epochs in (1, 2, 3):
        assert_array_equal(recorder.predictions[n_epochs - 1], small(epochs=n_epochs).fit(X, y).predict(X))
    assert_array_equal(recorder.predictions[3], model.predict(X))


@sklearn_callbacks
def test_the_estimator_of_an_epoch_does_not_change_in_later_ones(table, small):
    X, y = table
    kept = []
    recorder = SklearnRecorder(X)
    recorder.on_fit_task_end = lambda estimator, context, *, fitted_estimator: kept.append(fitted_estimator)
    small().set_callbacks(recorder).fit(X, y)
    assert_array_equal(kept[0].predict(X), small(epochs=1).fit(X, y).predict(X))


@sklearn_callbacks
def test_a_scikit_learn_callback_stops_training(table, small):
    model = small(epochs=5).set_callbacks(SklearnRecorder(table[0], n_epochs=2)).fit(*table)
    assert model.n_iter_ == 2


@sklearn_callbacks
def test_scikit_learn_callbacks_are_torn_down_when_fit_fails(table, small):
    recorder = SklearnRecorder(table[0])
    model = small(callbacks=[when("on_epoch_end", 1, lambda _: 1 / 0)]).set_callbacks(recorder)
    with pytest.raises(ZeroDivisionError):
        model.fit(*table)
    assert recorder.n_torn_down == 1


@sklearn_callbacks
def test_scikit_learn_callbacks_do_not_change_the_result(table, small):
    X, y = table
    watched = small().set_callbacks(SklearnRecorder(X)).fit(X, y)
    assert_array_equal(watched.predict(X), small().fit(X, y).predict(X))


def test_without_scikit_learns_callbacks_nobody_hears_and_training_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)  # as before scikit-learn 1.9
    spec = importlib.util.spec_from_file_location("watchers_of_old", _watchers.__file__)
    old = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(old)

    class Estimator(old.CallbackSupportMixin):
        @old.with_callbacks
        def fit(self):
            watcher = old.ScikitLearnCallbacks(self, 2, None, None, dict)
            stops = []
            for epoch in range(2):
                watcher.on_epoch_begin(epoch)
                stops.append(watcher.on_epoch_end(epoch, {}))
            watcher.on_train_end()
            return stops

    assert Estimator().fit() == [False, False]


@sklearn_callbacks
def test_grid_search_shows_a_progress_bar(table, small, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    search = GridSearchCV(small(), {"l2": [0.0, 0.1]}, cv=2).set_callbacks(ProgressBar(2))
    search.fit(*table)
    assert "DenoisingRegressor" in capsys.readouterr().out
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))
