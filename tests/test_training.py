"""The compiled loop: Keras' own arithmetic, whatever the chunks, the compiler and the thread."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import _training
from skdiffusion._regressor import _build_model

NO_RATE = 1e-30  # leaves float32 weights as they are


class InOrder:
    """Stands in for a random generator: rows keep their order."""

    permutation = staticmethod(np.arange)
    integers = staticmethod(lambda high: 0)


def keras_model(weights, l2, optimizer, learning_rate):
    regularizer = keras.regularizers.L2(l2)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(8, "relu", kernel_regularizer=regularizer),
            keras.layers.Dense(3, kernel_regularizer=regularizer),
        ]
    )
    model.set_weights(weights)
    optimizer = keras.optimizers.get(optimizer)
    optimizer.learning_rate = learning_rate
    model.compile(optimizer, "mse", jit_compile=False)
    return model


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_full_batches_train_as_keras_does(table, small, optimizer, l2):
    X, y = (array[:30] for array in table)
    parameters = {"preconditioning": None, "output_activation": "linear", "optimizer": optimizer, "l2": l2}
    parameters["learning_rate_schedule"] = "constant"
    start = small(**parameters, learning_rate=NO_RATE, epochs=1).fit(X, y).weights_
    ours = small(**parameters, learning_rate=0.01, epochs=5).fit(X, y)
    theirs = keras_model(start, l2, optimizer, 0.01)
    history = theirs.fit(X, y, batch_size=32, epochs=5, shuffle=False, verbose=0).history
    for our_weights, their_weights in zip(ours.weights_, theirs.get_weights(), strict=True):
        assert_allclose(our_weights, their_weights, rtol=1e-5, atol=1e-6)
    assert_allclose(ours.loss_curve_, history["loss"], rtol=1e-5)


@pytest.fixture
def program():
    model = _build_model(
        n_features=3,
        n_outputs=3,
        hidden_layer_sizes=(8,),
        activation="relu",
        output_activation="linear",
        loss="mse",
        optimizer="adam",
    )
    return _training.Program(_training.KerasNetwork(model))


@pytest.mark.parametrize("weighted", [False, True])
def test_mini_batches_train_as_keras_does(table, program, weighted):
    # 60 rows in batches of 16: the last one is short.
    X, y = (array.astype(np.float32) for array in table)
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 1.5, len(X)).astype(np.float32) if weighted else np.ones(len(X), np.float32)
    start = [rng.normal(size=shape) for shape in program.shapes]
    program.set_weights(start)
    result = _training.train(
        program,
        (X, y),
        weight,
        epochs=3,
        batch_size=16,
        l2=0.01,
        learning_rate=0.01,
        learning_rate_schedule="constant",
        n_iter_no_change=10,
        rng=InOrder,
        watchers=(),
    )
    theirs = keras_model(start, 0.01, "adam", 0.01)
    theirs.fit(X, y, sample_weight=weight, batch_size=16, epochs=3, shuffle=False, verbose=0)
    for our_weights, their_weights in zip(result.weights, theirs.get_weights(), strict=True):
        assert_allclose(our_weights, their_weights, rtol=1e-4, atol=1e-6)


def test_losses_are_means_over_rows_also_with_a_short_last_batch(table, small):
    X, y = (array[:45] for array in table)
    model = small(preconditioning=None, output_activation="linear", learning_rate=NO_RATE, l2=0).fit(X, y)
    assert_allclose(model.loss_curve_, np.mean((model.predict(X) - y) ** 2), rtol=1e-5)


def test_held_out_loss_is_the_weighted_mean_over_rows(table, program):
    X, y = (array.astype(np.float32) for array in table)
    weight = np.arange(len(X), dtype=np.float32)
    row_losses = np.mean((_training.predict(program, X) - y) ** 2, axis=1)
    assert_allclose(
        _training.evaluate(program, (X, y), weight), np.average(row_losses, weights=weight), rtol=1e-5
    )


# Chunks


def test_fit_in_chunks_equals_fit_at_once(table, small, monkeypatch, fresh_pool):
    at_once = small().fit(*table)
    monkeypatch.setattr(_training, "borrow", _training._Pool(4).borrow)
    monkeypatch.setattr(_training, "_CHUNK_SIZE", 8 * 32)  # floats: 32 rows
    in_chunks = small().fit(*table)
    assert_allclose(in_chunks.predict(table[0]), at_once.predict(table[0]), rtol=1e-6)
    assert_allclose(in_chunks.loss_curve_, at_once.loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("n_chunk_rows", [1, 16, 59, 60, 61])
def test_predict_in_chunks_equals_predict_at_once(table, program, n_chunk_rows):
    at_once = _training.predict(program, table[0])
    program.n_chunk_rows = n_chunk_rows
    assert_allclose(_training.predict(program, table[0]), at_once, rtol=1e-6, atol=1e-7)


def test_prediction_of_a_row_does_not_depend_on_the_others(table, small):
    model = small().fit(*table)
    at_once = model.predict(table[0])
    some = np.random.default_rng(0).permutation(60)[:20]
    # The filter is a matrix product in float64, which may sum in another order for another number of rows.
    for rows in (some, some[:1]):
        assert_allclose(model.predict(table[0][rows]), at_once[rows], rtol=1e-12)


# Losses


def test_a_loss_that_is_infinite_for_rows_of_zeros_does_not_see_any(table, small):
    def log_error(y_true, y_pred):
        return keras.ops.mean((keras.ops.log(y_true) - y_pred) ** 2, axis=-1)

    X, y = table[0], np.exp(table[1])
    model = small(loss=log_error, preconditioning=None, output_activation="linear").fit(X, y)
    assert np.all(np.isfinite(model.loss_curve_))


def test_a_loss_for_each_number_counts_as_its_mean_over_the_row(table, small):
    def squared_errors(y_true, y_pred):
        return (y_true - y_pred) ** 2

    # 3 outputs in batches of 3: shapes alone don't tell rows from outputs.
    parameters = {"batch_size": 3, "epochs": 1, "preconditioning": "linear"}
    ours = small(loss=squared_errors, **parameters).fit(*table)
    expected = small(**parameters).fit(*table).predict(table[0])
    assert_allclose(ours.predict(table[0]), expected, rtol=1e-5)


def test_a_loss_without_a_number_for_each_row_is_refused(table, small):
    def mean_squared_error(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2)

    with pytest.raises(ValueError, match=r"loss must give a number for each row, got shape \(\)"):
        small(loss=mean_squared_error).fit(*table)


def test_loss_objects_of_other_settings_are_other_losses(table, small):
    X, y = table
    losses = [
        small(loss=keras.losses.Huber(delta=delta), epochs=1, learning_rate=NO_RATE, l2=0)
        .fit(X, y)
        .loss_curve_
        for delta in (0.1, 1.0, 0.1)
    ]
    assert losses[0] == losses[2] != losses[1]


def test_floatx_does_not_matter(table, small, fresh_pool):
    expected = small().fit(*table).predict(table[0])
    floatx = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        model = small(optimizer=keras.optimizers.Adam()).fit(*table)  # another key: a program of its own
        assert_array_equal(model.predict(table[0]), expected)
    finally:
        keras.config.set_floatx(floatx)


# Compilation


@pytest.fixture
def count(monkeypatch, fresh_pool):
    """Count programs built and functions traced."""
    counts = {"built": 0, "traced": 0}

    class Program(_training.Program):
        def __init__(self, model):
            counts["built"] += 1
            super().__init__(model)

        # The bodies run in Python only while they are traced.
        def _train(self, *arguments):
            counts["traced"] += 1
            return super()._train(*arguments)

        def _predict(self, *arguments):
            counts["traced"] += 1
            return super()._predict(*arguments)

    monkeypatch.setattr(_training, "Program", Program)
    return counts


def test_fits_of_one_architecture_share_one_program(table, small, count):
    X, y = table
    small().fit(X, y).predict(X)
    assert count["built"] == 1
    n_traced = count["traced"]
    assert n_traced >= 2
    for changed in (
        {"l2": 0.1},
        {"learning_rate": 0.1, "learning_rate_schedule": "cosine"},
        {"random_state": 1, "epochs": 2},
    ):
        model = small(**changed).fit(X[:50], y[:50])
        model.predict(X)
        model.partial_fit(X, y)
        model.predict(X[:1])
    assert count == {"built": 1, "traced": n_traced}


def test_another_architecture_has_another_program(table, small, count):
    small().fit(*table)
    small(hidden_layer_sizes=(9,)).fit(*table)
    small(activation="tanh").fit(*table)
    small(optimizer="sgd").fit(*table)
    small(loss="mae").fit(*table)
    assert count["built"] == 5


def test_idle_programs_beyond_the_limit_are_dropped_the_oldest_first():
    pool = _training._Pool(2)
    for key in "abc":
        with pool.borrow(key, lambda key=key: [key]):
            pass
    built = []
    for key in "cba":
        with pool.borrow(key, lambda key=key: built.append(key)):
            pass
    assert built == ["a"]


def test_a_borrowed_program_is_lent_to_nobody_else():
    pool = _training._Pool(2)
    with pool.borrow("key", object) as first, pool.borrow("key", object) as second:
        assert first is not second


def test_without_xla_the_same_loop_runs_uncompiled(table, small, monkeypatch, fresh_pool):
    X, y = table
    compiled = small(early_stopping=True).fit(X, y)
    function, n_failed = tf.function, []

    def without_xla(*arguments, jit_compile, **options):
        def fail(*_):
            n_failed.append(1)
            raise tf.errors.InvalidArgumentError(None, None, "XLA is not there")

        return fail if jit_compile else function(*arguments, jit_compile=False, **options)

    monkeypatch.setattr(tf, "function", without_xla)
    monkeypatch.setattr(_training, "borrow", _training._Pool(4).borrow)
    with pytest.warns(RuntimeWarning, match="runs uncompiled, since XLA failed: XLA is not there"):
        uncompiled = small(early_stopping=True).fit(X, y)
    with pytest.warns(RuntimeWarning, match="runs uncompiled"):
        prediction = uncompiled.predict(X)
    assert_allclose(prediction, compiled.predict(X), rtol=1e-5, atol=1e-6)
    for name, values in compiled.history_.items():
        assert_allclose(uncompiled.history_[name], values, rtol=1e-5)
    assert len(n_failed) == 3, "train, evaluate and predict each try XLA once"


def test_an_error_that_is_not_the_compilers_is_raised_also_uncompiled(table, small, monkeypatch, fresh_pool):
    def fail(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    monkeypatch.setattr(tf, "function", lambda *_, **__: fail)
    with (
        pytest.warns(RuntimeWarning, match="out of memory"),
        pytest.raises(tf.errors.ResourceExhaustedError, match="out of memory"),
    ):
        small().fit(*table)
    # The second time it is known that there is no compiler.
    with pytest.raises(tf.errors.ResourceExhaustedError, match="out of memory"):
        small().fit(*table)


def test_what_xla_cannot_compile_runs_uncompiled(table, small):
    def relu_in_python(x):
        return tf.ensure_shape(tf.py_function(tf.nn.relu, [x], x.dtype), x.shape)

    X, y = table
    expected = small().fit(X, y).predict(X)
    with pytest.warns(RuntimeWarning, match="runs uncompiled, since XLA failed"):
        prediction = small(activation=relu_in_python).fit(X, y).predict(X)
    assert_allclose(prediction, expected, rtol=1e-4, atol=1e-5)


def test_fits_in_threads_give_the_results_they_give_alone(table, small):
    X, y = table
    seeds = range(4)
    alone = [small(random_state=seed).fit(X, y).predict(X) for seed in seeds]
    with ThreadPoolExecutor(2) as executor:
        together = list(executor.map(lambda seed: small(random_state=seed).fit(X, y).predict(X), seeds))
    assert_array_equal(together, alone)


def test_many_programs_raise_no_tensorflow_warning(caplog):
    """The calls of new programs stand between calls of one that is used again and again, as in a search."""
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        often = _training.compiled(lambda x: x + 1)
        for number in range(12):
            assert _training.compiled(lambda x, number=number: x + number)(np.float32(1)) == 1 + number
            often(np.float32(number))
    finally:
        logger.removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


# The fall of the learning rate


class Walker:
    """A network of one weight that training lowers steadily; held-out rows want it at `goal`."""

    def __init__(self, goal, scale):
        self._goal, self._scale = goal, scale
        self._weight = keras.Variable(np.zeros((1, 1), np.float32))
        self.variables = self.kernels = [self._weight]
        self.optimizer = keras.optimizers.SGD()
        self.optimizer.build(self.variables)

    def row_loss(self, arrays, draws, training):
        rows = 0 * arrays[0][:, 0]
        weight = self._weight[0, 0]
        return rows + (weight if training else self._scale * (weight - self._goal) ** 2)


def walk(goal, scale=1.0, averaging=None, epochs=100, held_out=True):
    """Train with 16 steps in an epoch, which take the weight 16 times the rate further down."""
    rows, weight = np.zeros((16, 1), np.float32), np.ones(16, np.float32)
    return _training.train(
        _training.Program(Walker(goal, scale)),
        (rows,),
        weight,
        held_out=(rows, weight) if held_out else None,
        epochs=epochs,
        batch_size=1,
        l2=0.0,
        learning_rate=0.01,
        learning_rate_schedule=_training.Annealing(),
        n_iter_no_change=5,
        rng=np.random.default_rng(0),
        watchers=[],
        averaging=averaging,
    )


def test_the_rate_falls_from_the_best_epoch_once_later_ones_are_worse():
    result = walk(goal=-3.0, scale=0.1)
    losses, rates = result.history["val_loss"], np.array(result.history["learning_rate"])
    n_whole = (rates > 0.0099).sum()
    best = int(np.argmin(losses[:n_whole]))
    assert len(rates) < 60  # of 100
    assert n_whole - best > 5
    assert rates[-1] < 0.003
    # The first epoch of the fall goes on where the best one ended, not where the walk had come to.
    first = next(epoch for epoch in range(best + 1, len(losses)) if losses[epoch] < losses[epoch - 1])
    assert abs(losses[first] - losses[best]) < 0.01 < losses[first - 1]
    # The last weights are kept.
    assert_allclose(0.1 * (result.weights[0].item() + 3) ** 2, losses[-1], rtol=1e-4)
    assert result.weights[0].item() < -3


def test_the_best_weights_are_kept_if_the_last_are_much_worse():
    result = walk(goal=-3.0, scale=1000.0)
    losses = result.history["val_loss"]
    assert losses[-1] > min(losses) + _training.Annealing.TOLERANCE
    assert_allclose(1000 * (result.weights[0].item() + 3) ** 2, min(losses), rtol=1e-3)


def test_averages_go_back_to_the_best_epoch_too():
    result = walk(goal=-3.0, scale=0.1, averaging=0.99)
    assert -4.9 < result.weights[0].item() < -3


@pytest.mark.parametrize("held_out", [True, False])
def test_the_rate_falls_in_time_for_the_planned_end(held_out):
    result = walk(goal=-1e6, held_out=held_out)
    rates = result.history["learning_rate"]
    assert len(rates) == 100
    assert rates[69] > 0.0099
    assert_allclose(rates[85], 0.005, rtol=0.1)
    assert rates[99] < 0.001


def test_another_back_end_of_keras_is_refused(table, small, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"TensorFlow backend, but Keras uses 'jax': set .* KERAS_BACKEND"):
        small().fit(*table)
