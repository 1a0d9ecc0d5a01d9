"""The training of a process' network: held-out rows, batches and epochs for a table's size, a second try."""

import time
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ._watchers import VerboseLine

_AVERAGING = 0.9995
_PATIENCE = 5  # epochs, at least

# Fewer rows than this are all trained on.
_MIN_ROWS_TO_HOLD_OUT = 20

# Held-out rows are repeated with other draws until there are this many, so that their loss is steady.
_N_HELD_OUT_DRAWS = 8192

# Rows that the network sees in all, unless training ends earlier.
_N_ROWS_SEEN = 15_000_000


def fitted(
    process,
    arrays,
    weight,
    *,
    name,
    learning_rate,
    l2,
    batch_size,
    epochs,
    validation_fraction,
    n_epoch_steps,
    deadline,
    random_state,
    verbose,
    shards=None,
):
    """Train the network of a process; once more, with a lower rate, if that diverges.

    Parameters
    ----------
    process : object
        With an `architecture`; ``build()``, which makes the network; ``load(program)``, which loads what the
        process knows beside weights; and ``initial_weights(rng)``.
    arrays : sequence of ndarray
        What the network's loss takes, as many rows in each.
    weight : ndarray of float32
        Weights of the rows, 1 on average.
    name : str
        Name of the estimator, for its line of progress.
    learning_rate : float
        Rate of Adam after the first steps.
    l2 : float
        Factor of the sum of squared kernel weights.
    batch_size, epochs : "auto" or int
        Rows in a step, and passes at most. "auto" goes by the number of rows.
    validation_fraction : float
        Share of the rows that are held out; 0 for none.
    n_epoch_steps : int
        Steps of the optimizer in an epoch, at least: a small table is passed more often.
    deadline : float
        Value of `time.perf_counter` at which training ends.
    random_state : int, RandomState instance or None
        Source of weights, held-out rows and draws.
    verbose : int
        Whether to show a line of progress.
    shards : Shards or None, default=None
        Rows on disk, of which each epoch takes a shard, in place of `arrays` and `weight`.

    Returns
    -------
    result : TrainingResult
        Weights and history.

    Raises
    ------
    ValueError
        If training diverges twice.
    """
    from . import _training

    for rate in (learning_rate, learning_rate / 4):
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        rows, held_out, rows_of = (*arrays, weight), None, None
        if shards:
            rows_of = partial(shards.rows, process)
            rows, held_out = rows_of(0), shards.held_out(process)
        elif validation_fraction and len(weight) >= _MIN_ROWS_TO_HOLD_OUT:
            rows, held_out = _training.hold_out(rows, validation_fraction, rng)
        if held_out:
            n_repeats = -(-_N_HELD_OUT_DRAWS // len(held_out[-1]))
            held_out = tuple(np.tile(array, (n_repeats,) + (1,) * (array.ndim - 1)) for array in held_out)
        n_rows = len(rows[-1])
        n_batch_rows = automatic_batch_size(n_rows) if batch_size == "auto" else batch_size
        n_batch_rows = min(n_batch_rows, 2 ** (n_rows - 1).bit_length())
        n_passes = -(-n_epoch_steps * n_batch_rows // n_rows)
        # Of a table on disk, each row once at least.
        n_epochs = max(automatic_epochs(n_rows * n_passes), len(shards or ())) if epochs == "auto" else epochs
        watchers = [VerboseLine(name, n_epochs, deadline)] if verbose > 0 else []
        with program_of(process, process.initial_weights(rng)) as program:
            program.set_optimizer_state(program.initial_optimizer_state)
            try:
                result = _training.train(
                    program,
                    rows[:-1],
                    rows[-1],
                    held_out=held_out,
                    epochs=n_epochs,
                    batch_size=n_batch_rows,
                    l2=l2,
                    learning_rate=rate,
                    learning_rate_schedule=_training.Annealing(),
                    n_iter_no_change=_PATIENCE,
                    rng=rng,
                    watchers=watchers,
                    n_passes=n_passes,
                    averaging=_AVERAGING,
                    deadline=deadline,
                    rows_of=rows_of,
                )
                _warn_if_too_short(name, result.n_rows_seen // n_batch_rows, deadline)
                return result
            except FloatingPointError as error:
                diverged = error
            finally:
                for watcher in watchers:
                    watcher.on_train_end()
        if rate == learning_rate:
            warnings.warn(
                f"Training diverged ({diverged}), and starts again with a learning rate of {rate / 4:.3g}.",
                RuntimeWarning,
                stacklevel=3,
            )
    raise ValueError(
        f"Training diverged twice: {diverged}. Lower learning_rate (now {learning_rate!r})."
    ) from diverged


def _warn_if_too_short(name, n_steps, deadline):
    """Warn if time was up before the learning rate had warmed up: a network of so few steps knows little."""
    from ._training import Annealing

    if n_steps < Annealing.WARM_UP_STEPS and time.perf_counter() >= deadline:
        warnings.warn(
            f"max_time ended the fit of {name} after {n_steps} steps of the optimizer, and the first "
            f"{Annealing.WARM_UP_STEPS} only warm up: it has learnt next to nothing. Compiling takes a part "
            "of the time; raise max_time.",
            ConvergenceWarning,
            stacklevel=4,
        )


@contextmanager
def program_of(process, weights):
    """Lend a program of a process' network that holds these weights."""
    from . import _training

    with _training.borrow(process.architecture, lambda: _training.Program(process.build())) as program:
        process.load(program)
        program.set_weights(weights)
        yield program


def automatic_dropout(n_rows):
    """Return the dropout for a number of rows: fewer rows are sooner known by heart."""
    return float(np.clip(0.1 * np.sqrt(32_000 / n_rows), 0.02, 0.4).round(2))


def automatic_l2(n_rows):
    """Return the l2 for a number of rows: as for normal weights with a variance of 1/6."""
    return 3 / n_rows


def automatic_batch_size(n_rows):
    """Return the batch size for a number of rows: about 20 steps in a pass, of 64 to 512 rows."""
    return int(2 ** np.clip(np.round(np.log2(n_rows / 20)), 6, 9))


def automatic_epochs(n_rows):
    """Return the number of epochs, of `n_rows` each, after which training ends at the latest."""
    return int(np.clip(_N_ROWS_SEEN / n_rows, 10, 1000))
