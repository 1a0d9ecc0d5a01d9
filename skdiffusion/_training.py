"""The one training loop, compiled: whole stretches of an epoch run as one call on the device."""

import os
import threading
import time
import warnings
from collections import OrderedDict, deque
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import current_process
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# A call on the device takes about this many float32 for its largest array: enough that the cost of a call
# vanishes, little enough that they stay in the processor's cache.
_CHUNK_SIZE = 2**18

# Steps of the optimizer in a call, at least: a call copies all weights and the optimizer's state.
_MIN_STEPS = 8

# Programs that wait in the pool for the next fit or predict of the same architecture.
_MAX_IDLE_PROGRAMS = 16


def _obey_joblib():
    """In a joblib worker, use as many threads as joblib leaves it; TensorFlow would use one for each core."""
    n_threads = os.environ.get("OMP_NUM_THREADS", "")
    config = tf.config.threading
    if not (current_process().name.startswith("LokyProcess") and n_threads.isdecimal()):
        return
    with suppress(RuntimeError):  # too late: something has computed before, with threads of its own choice
        if config.get_intra_op_parallelism_threads() == 0:
            config.set_intra_op_parallelism_threads(int(n_threads))
            config.set_inter_op_parallelism_threads(int(n_threads))


_obey_joblib()


# Of random numbers (Salmon, Moraes, Dror & Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3). Compiled,
# Threefry takes a small part of the time of what TensorFlow chooses by itself; uncompiled, there is Philox.
_algorithm = ContextVar("algorithm", default="philox")


class Draws:
    """Random numbers on the device, the same again for the same seed.

    Parameters
    ----------
    seed : int tensor of shape (2,)
        Source of the draws.
    """

    def __init__(self, seed):
        self._seed = ops.convert_to_tensor(seed)
        self._n_draws = 0

    def uniform(self, shape):
        """Draw from [0, 1)."""
        return self._drawn(tf.random.stateless_uniform, shape)

    def normal(self, shape):
        """Draw from the standard normal distribution."""
        return self._drawn(tf.random.stateless_normal, shape)

    def _drawn(self, draw, shape):
        self._n_draws += 1
        seed = tf.random.experimental.stateless_fold_in(self._seed, self._n_draws)
        return ops.convert_to_tensor(draw(shape, seed, alg=_algorithm.get()))


class KerasNetwork:
    """A Keras model as `Program` wants it.

    Parameters
    ----------
    model : keras.Model
        Built, and compiled with an optimizer, built too, and a loss.
    """

    def __init__(self, model):
        self.model = model
        self.optimizer = model.optimizer
        self.variables = model.trainable_variables
        self.kernels = [variable for variable in self.variables if variable.path.endswith("kernel")]
        loss = keras.losses.get(model.loss)
        self._loss = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def row_loss(self, arrays, draws, training):
        """Return a loss for each row; the mean over what else a function leaves, as Keras takes it."""
        x, y = arrays
        loss = self._loss(y, self.model(x, training=training))
        if loss.shape[:1] != y.shape[:1]:
            raise ValueError(
                f"loss must give a number for each row, got shape {tuple(loss.shape)} for targets of shape "
                f"{tuple(y.shape)}; leave the mean over rows out of it."
            )
        return ops.mean(ops.reshape(loss, (loss.shape[0], -1)), axis=1)

    def output(self, x):
        """Return the model's output for each row."""
        return self.model(x, training=False)


class Program:
    """A compiled network whose epoch, evaluation and output each run as one call on the device.

    All calls have the same shapes whatever the number of rows, so that each is compiled once. What differs
    between fits of one architecture (weights, optimizer state, learning rate, L2) is never a constant of the
    compiled code: load it with `set_weights` and `set_optimizer_state`.

    Parameters
    ----------
    network : object
        With `variables`, to be trained, of which `kernels` are penalised, a built `optimizer` for them, and
        ``row_loss(arrays, draws, training)``, which gives a loss for each row of a mini-batch. Networks that
        predict have ``output(x)`` too. Those of which a row takes more memory than their widest weight have a
        `width`.
    """

    def __init__(self, network):
        self.network = network
        self.initial_optimizer_state = self.optimizer_state()
        self.shapes = [tuple(variable.shape) for variable in network.variables]
        widest = max(size for shape in self.shapes for size in shape)
        width = getattr(network, "width", widest)
        self.n_chunk_rows = max(1, _CHUNK_SIZE // width)
        self.train = compiled(self._train)
        self.evaluate = compiled(self._evaluate)
        self.predict = compiled(self._predict)

    def weights(self):
        """Return a copy of the trainable weights."""
        return [variable.numpy() for variable in self.network.variables]

    def set_weights(self, weights):
        """Load trainable weights."""
        for variable, value in zip(self.network.variables, weights, strict=True):
            variable.assign(value)

    def optimizer_state(self):
        """Return a copy of the optimizer's variables."""
        return [variable.numpy() for variable in self.network.optimizer.variables]

    def set_optimizer_state(self, state):
        """Load the optimizer's variables."""
        for variable, value in zip(self.network.optimizer.variables, state, strict=True):
            variable.assign(value)

    def _train(self, arrays, weight, n_rows, l2, seed, batch_size):
        """Run the mini-batches of the first `n_rows`; return the sums over rows of total and data loss."""
        kernels = [kernel.value for kernel in self.network.kernels]
        watched = [variable.value for variable in self.network.variables]

        def step(start, sums):
            def batch(array):
                return ops.slice(
                    array, [start] + [0] * (len(array.shape) - 1), (batch_size, *array.shape[1:])
                )

            # The last batch of a table may be short: its missing rows carry no weight and don't count.
            count = ops.cast(ops.minimum(n_rows - start, batch_size), "float32")
            draws = Draws(tf.random.experimental.stateless_fold_in(seed, start))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(watched)
                row_loss = self.network.row_loss([batch(array) for array in arrays], draws, True)
                data_loss = ops.sum(batch(weight) * row_loss) / count
                loss = data_loss + l2 * sum(ops.sum(ops.square(kernel)) for kernel in kernels)
            # A table that is looked up has the gradient of its rows alone, which the optimizer would treat
            # apart.
            gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, watched)]
            self.network.optimizer.apply(gradients, self.network.variables)
            return start + batch_size, sums + count * ops.stack([loss, data_loss])

        _, sums = ops.while_loop(lambda start, _: start < n_rows, step, (0, ops.zeros(2, "float32")))
        return sums

    def _evaluate(self, arrays, weight, seed):
        """Return the sum over rows of the data loss."""
        return ops.sum(weight * self.network.row_loss(arrays, Draws(seed), False))

    def _predict(self, x):
        return self.network.output(x)


def compiled(function):
    """Compile `function` with XLA; where that fails, run the same graph uncompiled, with other draws."""

    # TensorFlow warns of many traces of one function, and tells functions apart by their code, which is the
    # same for all networks; a partial object has none, and is told apart by itself.
    def choice(jit):
        def traced(*arguments):
            token = _algorithm.set("threefry" if jit else "philox")
            try:
                return function(*arguments)
            finally:
                _algorithm.reset(token)

        return tf.function(partial(traced), autograph=False, jit_compile=jit)

    choices = deque(map(choice, (True, False)))

    def call(*arguments):
        try:
            return choices[0](*arguments)
        except tf.errors.OpError as error:
            # Compilation fails before anything has run, so that nothing is done twice.
            if len(choices) == 1:
                raise
            choices.popleft()
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"The network runs uncompiled, since XLA failed: {reason}", RuntimeWarning, stacklevel=2
            )
            return choices[0](*arguments)

    return call


# A forked process has TensorFlow's memory and none of its threads: larger computations would wait for ever.
_PROCESS = os.getpid()


class _Pool:
    """Idle programs by key; one that is borrowed belongs to its borrower alone."""

    def __init__(self, max_idle):
        self._max_idle = max_idle
        self._idle = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, key, build):
        """Lend an idle program built for `key`, or a new one from `build()`."""
        if keras.backend.backend() != "tensorflow":
            raise ImportError(
                "skdiffusion trains and predicts with Keras' TensorFlow backend, but Keras uses "
                f"{keras.backend.backend()!r}: set the environment variable KERAS_BACKEND to 'tensorflow' "
                "before Keras is imported."
            )
        if os.getpid() != _PROCESS:
            raise RuntimeError(
                "this process was forked from one that uses TensorFlow, which does not work there: start "
                "workers with joblib's 'loky' backend or with multiprocessing's 'spawn' context."
            )
        with self._lock:
            idle = self._idle.get(key)
            program = idle.pop() if idle else None
        program = build() if program is None else program
        try:
            yield program
        finally:
            with self._lock:
                self._idle.setdefault(key, []).append(program)
                self._idle.move_to_end(key)
                while sum(map(len, self._idle.values())) > self._max_idle:
                    self._idle.popitem(last=False)


borrow = _Pool(_MAX_IDLE_PROGRAMS).borrow


@dataclass
class TrainingResult:
    """What `train` leaves behind: the state after the last whole epoch, and the history of all of them."""

    weights: list
    optimizer_state: list
    history: dict = field(default_factory=dict)
    n_rows_seen: int = 0
    interrupted: bool = False


def train(
    program,
    arrays,
    weight,
    *,
    held_out=None,
    epochs,
    batch_size,
    l2,
    learning_rate,
    learning_rate_schedule,
    n_iter_no_change,
    rng,
    watchers,
    n_passes=1,
    averaging=None,
    deadline=np.inf,
    rows_of=None,
    checkpoint=None,
):
    """Train the program's network, from the weights and optimizer state it holds.

    Parameters
    ----------
    program : Program
        The compiled network, borrowed for the whole call.

    arrays : sequence of ndarray
        What the network's loss takes, as many rows in each.

    weight : ndarray of float32
        Weights of the rows.

    held_out : tuple or None, default=None
        Arrays, and last the weight, of held-out rows. With them training stops early, and the best weights
        are kept.

    epochs : int
        Epochs, at most.

    batch_size : int
        Rows in each step of the optimizer.

    l2 : float
        Factor of the sum of squared kernel weights that is added to the data loss.

    learning_rate : float
        Rate at the start.

    learning_rate_schedule : {"constant", "plateau", "cosine"} or Annealing
        How the rate falls. `Annealing` also says when training ends: held-out rows then start the fall of the
        rate, and the last weights are kept.

    n_iter_no_change : int
        Epochs without a better held-out loss after which training stops.

    rng : numpy.random.Generator
        Shuffles the rows before each pass.

    watchers : sequence of objects
        Told of each epoch: see `_watchers.py`. Training stops where one asks for it.

    n_passes : int, default=1
        Passes over the rows in an epoch.

    averaging : float or None, default=None
        Decay, for each step, of a moving average of the weights, which is then what is evaluated and kept.

    deadline : float, default=inf
        Value of `time.perf_counter` at which training ends.

    rows_of : callable, default=None
        Given the number of an epoch, returns its rows, the arrays and last the weight, about as many in each
        epoch: of a table that does not fit memory. `arrays` and `weight` are then those of the first epoch.

    checkpoint : Checkpoint or None, default=None
        Where training goes on from, and is written to from time to time, between epochs.

    Returns
    -------
    result : TrainingResult
        State and history. An interrupt during the first epoch is raised; later ones are noted in the result.

    Raises
    ------
    FloatingPointError
        If a loss or a weight is no longer a finite number.
    """
    n_epoch_rows = n_passes * len(weight)
    n_steps = max(_MIN_STEPS, _CHUNK_SIZE // (batch_size * sum(array.shape[1] for array in arrays)))
    rate = program.network.optimizer.learning_rate
    rate.assign(learning_rate)
    annealing = learning_rate_schedule if isinstance(learning_rate_schedule, Annealing) else None
    progress = _Progress(program, rng, annealing, averaging)
    if checkpoint and checkpoint.training:
        progress.set_plain(checkpoint.training, program)
    average, plateau = progress.average, progress.plateau
    start = time.perf_counter() - progress.seconds
    try:
        for epoch in range(progress.n_epochs, epochs):
            if learning_rate_schedule == "cosine":
                rate.assign(learning_rate * (1 + np.cos(np.pi * epoch / epochs)) / 2)
            if annealing:
                rate.assign(
                    learning_rate * annealing.factor(progress.share, progress.n_rows_seen // batch_size)
                )
            for watcher in watchers:
                watcher.on_epoch_begin(epoch)
            logs = {"learning_rate": float(rate.value)}
            sums, n_seen = np.zeros(2), 0
            rows = rows_of(epoch) if rows_of else (*arrays, weight)
            order = np.concatenate([rng.permutation(len(rows[-1])) for _ in range(n_passes)])
            for chunk, n_chunk_rows in _chunks(rows, n_steps * batch_size, order):
                if annealing:
                    rate.assign(
                        learning_rate * annealing.factor(progress.share, progress.n_rows_seen // batch_size)
                    )
                seed = np.array([progress.first_seed, progress.n_rows_seen % 2**31], np.int32)
                arguments = (np.int32(n_chunk_rows), np.float32(l2), seed, batch_size)
                sums += np.asarray(program.train(chunk[:-1], chunk[-1], *arguments))
                n_seen += n_chunk_rows
                progress.n_rows_seen += n_chunk_rows
                if average:
                    average.update(program.weights(), -(-n_chunk_rows // batch_size))
                now = time.perf_counter()
                progress.share = max(
                    progress.n_rows_seen / (epochs * n_epoch_rows), (now - start) / (deadline - start)
                )
                over = now >= deadline or (annealing is not None and progress.share >= annealing.end)
                if over:
                    break
            logs["loss"], logs["data_loss"] = (sums / n_seen).tolist()
            if held_out is not None:
                raw = program.weights()
                program.set_weights(average.weights if average else raw)
                logs["val_loss"] = evaluate(program, held_out[:-1], held_out[-1])
                program.set_weights(raw)
            for name, value in logs.items():
                if not np.isfinite(value):
                    raise FloatingPointError(f"{name} became {value} in epoch {epoch + 1}")
            stop = over
            for watcher in watchers:
                stop |= watcher.on_epoch_end(epoch, logs)
            weights = program.weights()
            # The last step's update shows in no loss yet.
            if not all(np.isfinite(array).all() for array in weights):
                raise FloatingPointError(f"weights are no longer finite after epoch {epoch + 1}")
            # One assignment: an interrupt finds either this epoch or the one before.
            earlier = progress.result.history
            history = {name: [*earlier.get(name, []), value] for name, value in logs.items()}
            kept, optimizer_state = average.weights if average else weights, program.optimizer_state()
            progress.result = TrainingResult(kept, optimizer_state, history, progress.n_rows_seen)
            if held_out is not None:
                progress.n_worse += 1
                if progress.best is None or logs["val_loss"] < progress.best.loss:
                    progress.best = _Best(logs["val_loss"], kept, weights, optimizer_state, progress.share)
                    progress.n_worse = 0
                if annealing is None:
                    stop = stop or progress.n_worse >= n_iter_no_change
                elif not annealing.falls and (
                    progress.share >= annealing.start
                    or progress.n_worse >= max(n_iter_no_change, annealing.PATIENCE * epoch)
                ):
                    best = progress.best
                    program.set_weights(best.weights)
                    program.set_optimizer_state(best.optimizer_state)
                    if average:
                        average.weights = best.kept
                    annealing.fall(progress.share, best.share)
            if learning_rate_schedule == "plateau" and plateau.reached(logs.get("val_loss", logs["loss"])):
                rate.assign(logs["learning_rate"] * _Plateau.FACTOR)
            if stop or epoch + 1 == epochs:
                break
            if checkpoint and checkpoint.is_due():
                progress.seconds = time.perf_counter() - start
                checkpoint.write(progress.as_plain(program))
    except KeyboardInterrupt:
        if not progress.result.history:
            raise
        progress.result.interrupted = True
    result, best = progress.result, progress.best
    if annealing and best and not result.interrupted:
        worse = result.history["val_loss"][-1] - best.loss
        best = best if worse > annealing.TOLERANCE else None
    # A callback may put back weights of its own choice at the very end.
    program.set_weights(best.kept if best else result.weights)
    for watcher in watchers:
        watcher.on_train_end()
    result.weights = program.weights()
    return result


class _Best(NamedTuple):
    """The epoch of the least held-out loss: the weights to keep, and where training stood."""

    loss: float
    kept: list
    weights: list
    optimizer_state: list
    share: float


class _Progress:
    """What a training carries from epoch to epoch, beside its program; as plain data it can be saved."""

    _NUMBERS = ("first_seed", "n_rows_seen", "share", "n_worse", "seconds")

    def __init__(self, program, rng, annealing, averaging):
        self.result = TrainingResult(program.weights(), program.optimizer_state())
        self.average = _Average(averaging, self.result.weights) if averaging else None
        self.annealing, self.plateau = annealing, _Plateau()
        self.rng, self.first_seed = rng, int(rng.integers(2**31))
        self.n_rows_seen, self.share = 0, 0.0  # and the share of the planned training
        self.best, self.n_worse = None, 0
        self.seconds = 0.0

    @property
    def n_epochs(self):
        """Number of whole epochs."""
        return len(self.result.history.get("loss", ()))

    def as_plain(self, program):
        """Return all that the rest of the training depends on: dicts, lists, arrays and JSON values."""
        return {
            "weights": program.weights(),
            "optimizer_state": program.optimizer_state(),
            "rng": self.rng.bit_generator.state,
            "history": self.result.history,
            "best": self.best and self.best._asdict(),
            **{name: vars(part) for name, part in self._parts().items()},
            **{name: getattr(self, name) for name in self._NUMBERS},
        }

    def set_plain(self, plain, program):
        """Go on where `as_plain` was called."""
        weights, optimizer_state = plain["weights"], plain["optimizer_state"]
        program.set_weights(weights)
        program.set_optimizer_state(optimizer_state)
        self.rng.bit_generator.state = plain["rng"]
        self.best = plain["best"] and _Best(**plain["best"])
        for name, part in self._parts().items():
            vars(part).update(plain[name])
        for name in self._NUMBERS:
            setattr(self, name, plain[name])
        kept = self.average.weights if self.average else weights
        self.result = TrainingResult(kept, optimizer_state, plain["history"], self.n_rows_seen)

    def _parts(self):
        parts = {"average": self.average, "annealing": self.annealing, "plateau": self.plateau}
        return {name: part for name, part in parts.items() if part}


class Annealing:
    """A learning rate that warms up, stays, and falls to zero in the last part of the training.

    The fall begins in time for the planned end, or earlier, once the held-out loss no longer gets better.
    With held-out rows it starts from the best epoch so far, and takes up the same share of the training that
    led there.
    """

    WARM_UP_STEPS = 100
    FALL = 0.3  # of the training
    PATIENCE = 0.4  # of the epochs so far
    TOLERANCE = 0.25  # above the best held-out loss; beyond it the best weights are kept, not the last

    def __init__(self):
        self.start, self.end, self.falls = 1 - self.FALL, 1.0, False

    def fall(self, share, best_share):
        """Let the rate fall from now on, for a training that led to the best epoch after `best_share`."""
        self.falls = True
        self.start, self.end = share, min(share + best_share * self.FALL / (1 - self.FALL), 1.0)

    def factor(self, share, n_steps):
        """Return the factor of the rate after a share of the planned training, and some steps."""
        warm_up = min(1.0, (n_steps + 8) / self.WARM_UP_STEPS)
        return warm_up * float(np.clip((self.end - share) / (self.end - self.start), 0.01, 1))


class _Average:
    """A moving average of the weights, whose memory grows as the steps do until it has its full length."""

    def __init__(self, decay, weights):
        self._decay, self._n_steps = decay, 0
        self.weights = weights

    def update(self, weights, n_steps):
        """Take the weights after some more steps."""
        self._n_steps += n_steps
        decay = min(self._decay, self._n_steps / (10 + self._n_steps)) ** n_steps
        self.weights = [
            decay * old + np.float32(1 - decay) * new for old, new in zip(self.weights, weights, strict=True)
        ]


def hold_out(arrays, fraction, rng):
    """Split rows at random: return the arrays' training rows and their held-out rows."""
    n_rows = len(arrays[0])
    if n_rows < 2:
        raise ValueError(
            f"early_stopping=True holds rows out and needs 2 rows at least, got {n_rows}; set it to False."
        )
    order = rng.permutation(n_rows)
    n_held_out = min(max(1, round(fraction * n_rows)), n_rows - 1)
    train, held_out = order[n_held_out:], order[:n_held_out]
    return tuple(array[train] for array in arrays), tuple(array[held_out] for array in arrays)


def join_histories(earlier, later):
    """Join two histories end to end; NaN stands for what was not measured in an epoch."""
    unknown_earlier, unknown_later = ([np.nan] * len(history["loss"]) for history in (earlier, later))
    return {
        name: earlier.get(name, unknown_earlier) + later.get(name, unknown_later)
        for name in {**earlier, **later}
    }


class _Plateau:
    """Tell when a loss has stopped falling."""

    FACTOR = 0.5
    PATIENCE = 3
    MIN_RELATIVE_GAIN = 1e-3

    def __init__(self):
        self._best, self._n_worse = np.inf, 0

    def reached(self, loss):
        """Take the next loss; return whether the last few brought no gain worth the name."""
        if loss < self._best * (1 - self.MIN_RELATIVE_GAIN):
            self._best, self._n_worse = loss, 0
            return False
        self._n_worse += 1
        if self._n_worse < self.PATIENCE:
            return False
        self._n_worse = 0
        return True


def evaluate(program, arrays, weight):
    """Return the mean data loss of the rows, weighted, under the weights that the program holds."""
    chunks = _chunks((*arrays, weight), program.n_chunk_rows)
    # The same draws for each chunk at every evaluation: losses can be compared.
    losses = [
        float(program.evaluate(chunk[:-1], chunk[-1], np.array([0, index], np.int32)))
        for index, (chunk, _) in enumerate(chunks)
    ]
    return sum(losses) / float(weight.sum())


def predict(program, x):
    """Return the network's output for each row of `x`, under the weights that the program holds."""
    prediction = np.empty((len(x), program.shapes[-1][-1]), np.float32)
    start = 0
    for (chunk,), n_rows in _chunks((x,), program.n_chunk_rows):
        prediction[start : start + n_rows] = np.asarray(program.predict(chunk))[:n_rows]
        start += n_rows
    return prediction


def _chunks(arrays, n_chunk_rows, order=None):
    """Yield copies of the arrays' rows, in float32 or int32, and how many of their rows are real.

    All copies have `n_chunk_rows` rows, and the next overwrite them. With `order`, rows come in that order.
    Rows after the last repeat the first, with weight 0: a loss may be infinite for rows of zeros.
    """
    buffers = [
        np.zeros((n_chunk_rows, *array.shape[1:]), np.int32 if array.dtype.kind == "i" else np.float32)
        for array in arrays
    ]
    n_rows = len(arrays[0]) if order is None else len(order)
    for start in range(0, n_rows, n_chunk_rows):
        stop = min(start + n_chunk_rows, n_rows)
        for array, buffer in zip(arrays, buffers, strict=True):
            buffer[: stop - start] = array[start:stop] if order is None else array[order[start:stop]]
            buffer[stop - start :] = buffer[0] if array.ndim > 1 else 0
        yield buffers, stop - start
