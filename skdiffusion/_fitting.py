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
    checkpoint=None,
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
    checkpoint : Checkpoint or None, default=None
        Where training goes on from, and is written to from time to time.

    Returns
    -------
    result : TrainingResult
        Weights and history.

    Raises
    ------
    ValueError
        If training diverges twice.
    """
    from ._training import hold_out

    for rate in (learning_rate, learning_rate / 4):
        start = {"learning_rate": rate, "seed": int(check_random_state(random_state).randint(2**31))}
        start = checkpoint.begin(start) if checkpoint else start
        rng = np.random.default_rng(start["seed"])
        rows, held_out = (*arrays, weight), None
        if shards is not None:
            rows, held_out = shards.rows(process, 0), shards.held_out(process)
        elif validation_fraction and len(weight) >= _MIN_ROWS_TO_HOLD_OUT:
            rows, held_out = hold_out(rows, validation_fraction, rng)
        if held_out:
            n_repeats = -(-_N_HELD_OUT_DRAWS // len(held_out[-1]))
            held_out = tuple(np.tile(array, (n_repeats,) + (1,) * (array.ndim - 1)) for array in held_out)
        try:
            return _trained(
                process,
                process.initial_weights(rng),
                rows,
                name=name,
                held_out=held_out,
                learning_rate=start["learning_rate"],
                l2=l2,
                batch_size=batch_size,
                epochs=epochs,
                n_least_epochs=len(shards or ()),
                n_epoch_steps=n_epoch_steps,
                deadline=deadline,
                rng=rng,
                verbose=verbose,
                checkpoint=checkpoint,
                rows_of=None if shards is None else partial(shards.rows, process),
            )
        except FloatingPointError as error:
            diverged = error
        if start["learning_rate"] < learning_rate:
            break
        warnings.warn(
            f"Training diverged ({diverged}), and starts again with a learning rate of {rate / 4:.3g}.",
            RuntimeWarning,
            stacklevel=4,
        )
    if checkpoint:
        checkpoint.remove()
    raise ValueError(
        f"Training diverged twice: {diverged}. Lower learning_rate (now {learning_rate!r})."
    ) from diverged


def continued(process, weights, history, arrays, weight, *, name, learning_rate, random_state, **options):
    """Train the network of a process for one epoch more.

    Parameters
    ----------
    process : object
        As for `fitted`.
    weights : list of ndarray or None
        Where to begin; None for weights that know nothing.
    history : dict of str to list
        That of the epochs so far.
    arrays, weight, name, learning_rate, random_state, **options
        As for `fitted`.

    Returns
    -------
    weights : list of ndarray
        Averages over the last steps.
    history : dict of str to list
        With one epoch more.

    Raises
    ------
    ValueError
        If training diverges.
    """
    from ._training import join_histories

    # The number of epochs so far: each call shuffles anew, with the same seed too.
    seed = check_random_state(random_state).randint(2**31)
    rng = np.random.default_rng([seed, len(history.get("loss", ()))])
    weights = process.initial_weights(rng) if weights is None else weights
    try:
        result = _trained(
            process,
            weights,
            (*arrays, weight),
            name=name,
            learning_rate=learning_rate,
            epochs=1,
            rng=rng,
            **options,
        )
    except FloatingPointError as error:
        raise ValueError(
            f"Training diverged: {error}. Lower learning_rate (now {learning_rate!r})."
        ) from error
    return result.weights, join_histories(history, result.history) if history else result.history


def _trained(
    process,
    weights,
    rows,
    *,
    name,
    learning_rate,
    batch_size,
    epochs,
    n_epoch_steps,
    rng,
    verbose,
    n_least_epochs=1,
    deadline=np.inf,
    **options,
):
    """Train the network of a process from some weights, and with a fresh optimizer."""
    from . import _training

    n_rows = len(rows[-1])
    n_batch_rows = automatic_batch_size(n_rows) if batch_size == "auto" else batch_size
    n_batch_rows = min(n_batch_rows, 2 ** (n_rows - 1).bit_length())
    n_passes = -(-n_epoch_steps * n_batch_rows // n_rows)
    n_epochs = max(automatic_epochs(n_rows * n_passes), n_least_epochs) if epochs == "auto" else epochs
    watchers = [VerboseLine(name, n_epochs, deadline)] if verbose > 0 else []
    with program_of(process, weights) as program:
        program.set_optimizer_state(program.initial_optimizer_state)
        try:
            result = _training.train(
                program,
                rows[:-1],
                rows[-1],
                epochs=n_epochs,
                batch_size=n_batch_rows,
                learning_rate=learning_rate,
                learning_rate_schedule=_training.Annealing(),
                n_iter_no_change=_PATIENCE,
                rng=rng,
                watchers=watchers,
                n_passes=n_passes,
                averaging=_AVERAGING,
                deadline=deadline,
                **options,
            )
            _warn_if_too_short(name, result.n_rows_seen // n_batch_rows, deadline)
            return result
        finally:
            for watcher in watchers:
                watcher.on_train_end()


def _warn_if_too_short(name, n_steps, deadline):
    """Warn if time was up before the learning rate had warmed up: a network of so few steps knows little."""
    from ._training import Annealing

    if n_steps < Annealing.WARM_UP_STEPS and time.perf_counter() >= deadline:
        warnings.warn(
            f"max_time ended the fit of {name} after {n_steps} steps of the optimizer, and the first "
            f"{Annealing.WARM_UP_STEPS} only warm up: it has learnt next to nothing. Compiling takes a part "
            "of the time; raise max_time.",
            ConvergenceWarning,
            stacklevel=6,
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
