"""New rows of a table, as a scikit-learn estimator."""

import time
import warnings
from functools import partial
from numbers import Integral
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._checkpoint import Checkpoint, check_checkpoint, digest
from ._checks import (
    check_image_shape,
    check_integer,
    check_option,
    check_real,
    check_unless_auto,
    check_widths,
)
from ._encoder import EncodedTable, TableEncoder
from ._fitting import automatic_dropout, automatic_l2, continued, fitted, program_of
from ._parquet import write
from ._parts import Parts, is_in_parts
from ._shards import Shards
from ._state import VERSION, StateMixin
from ._table import as_one_column, as_table, column_name, holds_classes, is_frame, only_column
from ._watchers import rows_line

__all__ = ["DiffusionGenerator"]

_N_SAMPLING_STEPS = 20

# Optimizer steps in an epoch, at least: a small table is passed more often.
_N_EPOCH_STEPS = 16

# The same for images, whose held-out loss takes more of the time.
_N_IMAGE_EPOCH_STEPS = 100

# Of calibration: its share of the work of training, and the seconds it needs, for it compiles a program.
_CALIBRATION_SHARE, _LEAST_CALIBRATION_TIME = 0.08, 3.0

# Cells of the rows that are drawn into a file at once, about.
_N_DRAWN_CELLS = 2**21

# Parameters that a fit with a checkpoint does not depend on.
_NOT_OF_FIT = ("checkpoint", "guidance", "n_sampling_steps", "sampler", "verbose")

# Widths of the network's layers: of its blocks, and of its resolutions for images.
_HIDDEN_LAYER_SIZES, _IMAGE_LAYER_SIZES = (256, 256, 256), (32, 64)


class DiffusionGenerator(StateMixin, BaseEstimator):
    """Learn the joint distribution of a table's columns, and draw new rows of it.

    The table may hold numbers, dates, durations, categories and missing cells. New rows come in the same
    container, with the same columns, dtypes, categories, precision and ranges.

    Parameters
    ----------
    process : {"masked", "gaussian"}, default="masked"
        How rows are corrupted and restored. "masked" hides cells and reveals them again, one by one.
        "gaussian" adds noise to all cells at once and takes it away step by step.
    image_shape : tuple of int or None, default=None
        Height and width of images, and their number of channels if there are several: then each row is an
        image, pixel by pixel, row by row, channels last. Only for the gaussian process, whose network is then
        a convolutional one, and which sees the class of `y`.
    n_bins : "auto" or int, default="auto"
        Number of quantile bins of a numeric column, for the cells that are no atoms. "auto" is 1 bin for each
        5000 of them, from 1 to 8.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns to treat as categories, as a mask, indices or names. Columns that are not numbers, dates or
        durations are categorical in any case.
    max_categories : "auto", int or None, default="auto"
        Largest number of categories of a column that are told apart; the rarest share a code, and are drawn
        from it by their frequencies. "auto" is 1 for each 10 rows, from 20 to 1000. None sets no limit.
    min_frequency : int, float or None, default=None
        Categories of fewer rows, or of a smaller share of the rows, share that code too.
    hidden_layer_sizes : "auto" or tuple of int, default="auto"
        Width of each residual block of the network. Of images, the number of channels at each resolution, of
        which each is half the one before. "auto" is (256, 256, 256), and (32, 64) for images.
    l2 : "auto" or float, default="auto"
        Factor of the sum of squared kernel weights that is added to the loss. "auto" is 3 by the number of
        rows.
    dropout : "auto" or float, default="auto"
        Share of units dropped in each block while training. "auto" depends on the number of rows, and is a
        quarter of that for images.
    learning_rate : float, default=2e-3
        Rate of Adam after the first steps. It falls to zero in the last part of the training.
    batch_size : "auto" or int, default="auto"
        Rows in each step of the optimizer. "auto" depends on the number of rows.
    epochs : "auto" or int, default="auto"
        Passes over the rows, at most. "auto" depends on the number of rows. Tables of few rows are passed
        several times in an epoch.
    max_time : float or None, default=None
        Seconds that `fit` may take; the learning rate then falls in time. None sets no limit. With a limit,
        results depend on the speed of the machine. If it ends the training before the learning rate has
        warmed up, within 100 steps, a `ConvergenceWarning` says so.
    checkpoint : str, path-like or None, default=None
        File for the state of an unfinished training, written between epochs, every 30 seconds at most, and
        replaced as a whole. A `fit` to the same rows with the same parameters goes on from it, and comes, if
        `random_state` is an int, to the result of a fit that nothing has stopped; `max_time` counts what was
        used before. A complete fit deletes it. No two fits may share one.
    validation_fraction : float, default=0.1
        Share of the rows that are held out to watch the training, if `early_stopping`.
    early_stopping : bool, default=True
        Whether to hold rows out, and to end the training, with a last fall of the learning rate, once their
        loss no longer gets better.
    sampler : {"heun", "euler", "ancestral", "multistep"}, default="heun"
        How noise is taken away. Only for the gaussian process.
    n_sampling_steps : "auto" or int, default="auto"
        Steps from noise to data. Only for the gaussian process.
    guidance : float, default=0.0
        How much further towards its class than it should each step of an image goes, 0 at least [4]_. Above
        0, images are more typical of their class, and less varied. Only for images, fitted with `y`.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the held-out rows and the draws of the training. Pass an int for the
        same fit on each call.
    verbose : int, default=0
        Whether to show a line of progress while fitting and sampling.

    Attributes
    ----------
    encoder_ : TableEncoder
        Turns tables into codes and ranks.
    target_encoder_ : TableEncoder or None
        The same for `y`; None if fitted without.
    process_ : MaskedProcess, GaussianProcess or ImageProcess
        What corrupts and restores rows.
    weights_ : list of ndarray
        Weights of the network: the averages over the last steps.
    history_ : dict of str to list
        For each epoch "learning_rate", "loss" and "data_loss", and "val_loss" if rows are held out, in nats;
        of images the mean over rows of the sum of squared errors, in units of their spread.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    DiffusionNoiser : Adds noise to a table.
    skdiffusion.metrics.evaluate : Tells how good a generated table is.

    Notes
    -----
    The masked process hides cells and learns to tell what they hold, given the others [1]_ [2]_; cells of new
    rows are revealed one by one, in random order. The gaussian process adds noise to all cells and learns to
    estimate the clean row [3]_; new rows begin as noise. The masked one is exact about given labels and about
    likelihoods.

    References
    ----------
    .. [1] Austin et al. (2021). Structured Denoising Diffusion Models in Discrete State-Spaces. NeurIPS.
    .. [2] Hoogeboom et al. (2022). Autoregressive Diffusion Models. ICLR. Equation 4.
    .. [3] Karras et al. (2022). Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS.
    .. [4] Ho & Salimans (2022). Classifier-Free Diffusion Guidance. arXiv:2207.12598. Equation 6.

    Examples
    --------
    >>> from skdiffusion import DiffusionGenerator
    >>> from skdiffusion.datasets import make_mixed_table
    >>> table = make_mixed_table(200, random_state=0)
    >>> generator = DiffusionGenerator(epochs=2, hidden_layer_sizes=(32,), random_state=0).fit(table)
    >>> rows = generator.sample(5, random_state=0)
    >>> rows.shape
    (5, 7)
    >>> rows.dtypes.equals(table.dtypes)
    True
    """

    def __init__(
        self,
        *,
        process="masked",
        image_shape=None,
        n_bins="auto",
        categorical_features="from_dtype",
        max_categories="auto",
        min_frequency=None,
        hidden_layer_sizes="auto",
        l2="auto",
        dropout="auto",
        learning_rate=2e-3,
        batch_size="auto",
        epochs="auto",
        max_time=None,
        checkpoint=None,
        validation_fraction=0.1,
        early_stopping=True,
        sampler="heun",
        n_sampling_steps="auto",
        guidance=0.0,
        random_state=None,
        verbose=0,
    ):
        self.process = process
        self.image_shape = image_shape
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.min_frequency = min_frequency
        self.hidden_layer_sizes = hidden_layer_sizes
        self.l2 = l2
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.sampler = sampler
        self.n_sampling_steps = n_sampling_steps
        self.guidance = guidance
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Learn the distribution of a table's rows.

        Parameters
        ----------
        X : DataFrame, array-like, path, pyarrow.dataset.Dataset or iterable of DataFrame
            Table of numbers, dates, durations and categories. A missing cell is a value like others, and is
            generated like them. A table that does not fit memory is given as the path of a Parquet file or of
            a folder of them, as a pyarrow dataset, or as DataFrames that can be gone through twice, such as
            those of a list; see Notes.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers: a further column, for which rows can be asked. A missing one (None, NaN, NA)
            is a label like others. Only for tables in memory.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts. Only for tables in memory.

        Returns
        -------
        self : DiffusionGenerator
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, `X`, `y` or `sample_weight` is not as described, or if training diverges twice.
            Images must be whole, and their `y` classes. Files and DataFrames must have the same columns and
            dtypes. Also if `checkpoint` is there, and is damaged or that of another fit: of other rows,
            parameters or another version of skdiffusion.

        Notes
        -----
        A table in files, or in DataFrames one after another, is gone through twice. The first time 200,000
        random rows are kept, fewer of more than 50 columns, and `encoder_` learns of these. If these are all,
        what follows is the fit of a table in memory. Else all rows are encoded and dealt out at random to
        temporary files of 262,144 rows, or 64 MiB, at most, and each epoch of the training takes the next of
        them. A category that the sample does not have joins those that share a code, if some do. Otherwise
        it tells nothing and is not generated, and neither is a missing cell in a column without one in the
        sample. Numbers beyond the sample's range count as its ends. Rows from Parquet are pandas DataFrames
        with Arrow's dtypes.
        """
        started = time.perf_counter()
        self._check_parameters()
        if self.checkpoint is not None:
            check_checkpoint(self.checkpoint)
        if not is_in_parts(X):
            return self._fit(X, y, sample_weight, started)
        if y is not None or sample_weight is not None:
            raise ValueError(
                "y and sample_weight need a table in memory: leave them out, and let X have all columns."
            )
        if self.checkpoint is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                "a checkpoint of a table in parts needs an int random_state, so that rows are dealt out as "
                f"before, got {self.random_state!r}."
            )
        rng = np.random.default_rng([check_random_state(self.random_state).randint(2**31), 1])
        parts = Parts(X)
        sample, n_rows = parts.sample(rng)
        if n_rows == len(sample):
            return self._fit(sample, None, None, started)
        held_out_share = self.validation_fraction if self.early_stopping else 0
        with TemporaryDirectory(prefix="skdiffusion-") as folder:
            deal = partial(Shards, folder, parts, n_rows=n_rows, held_out_share=held_out_share, rng=rng)
            return self._fit(sample, None, None, started, n_rows, deal)

    def _fit(self, X, y, sample_weight, started, n_rows=None, deal=None):
        """Learn a table, or one of `n_rows`: `X` is then a sample, and `deal` makes shards by an encoder."""
        _check_guidance(self.guidance, self.image_shape is not None and y is not None)
        table, y, weight = self._check_rows(X, y, sample_weight)
        learnt, encoded, shards = self._learn_encoders(table, y, weight, n_rows, deal)
        learnt["process_"] = process = self._build_process(learnt, encoded, weight)
        arrays = process.arrays(encoded)
        max_time = np.inf if self.max_time is None else self.max_time
        if checkpoint := self._open_checkpoint(arrays, weight, shards):
            started -= checkpoint.seconds
        calibrates = self.process == "masked" and max_time * _CALIBRATION_SHARE >= _LEAST_CALIBRATION_TIME
        result = fitted(
            process,
            arrays,
            (weight / weight.mean()).astype(np.float32),
            name=type(self).__name__,
            learning_rate=self.learning_rate,
            l2=automatic_l2(learnt["_n_rows"]) if self.l2 == "auto" else self.l2,
            batch_size=self.batch_size,
            epochs=self.epochs,
            validation_fraction=self.validation_fraction if self.early_stopping else 0,
            n_epoch_steps=_n_epoch_steps(learnt["_form"]),
            deadline=started + max_time * (1 - _CALIBRATION_SHARE if calibrates else 1),
            random_state=self.random_state,
            verbose=self.verbose,
            shards=shards,
            checkpoint=checkpoint,
        )
        weights, history, interrupted = result.weights, result.history, result.interrupted
        if calibrates and not interrupted:
            # A row in training takes about as long as three draws of a cell.
            n_rows = int(3 * _CALIBRATION_SHARE * result.n_rows_seen / arrays[0].shape[1])
            try:
                seed = int(check_random_state(self.random_state).randint(2**31))
                with program_of(process, weights) as program:
                    weights = process.calibrated(program, seed, n_rows, started + max_time)
            except KeyboardInterrupt:
                interrupted = True
        learnt |= {"weights_": weights, "history_": history, "n_iter_": len(history["loss"])}

        self._set_learnt(table, learnt)
        if interrupted:
            which = "best" if "val_loss" in history else "last"
            raise KeyboardInterrupt(f"{type(self).__name__} keeps the {which} weights of its whole epochs")
        if checkpoint:
            checkpoint.remove()
        return self

    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch more, on the given rows.

        The first call learns columns, categories and ranges from its rows, as `fit` does. Later calls, and
        those after a `fit`, go on from what was learnt.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the first call.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers, if the first call had them. None leaves them unknown in these rows.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts, relative to the others of the call.

        Returns
        -------
        self : DiffusionGenerator
            The fitted estimator.

        Raises
        ------
        ValueError
            As for `fit`; if X has other columns than in the first call; if `y` is given, and was not in the
            first call; or if training diverges. The estimator stays as it was.

        Warns
        -----
        UserWarning
            If rows hold categories that the first call did not have, or missing cells in a column that had
            none. They count as unknown: the rest of the row is learnt, and no such cell is ever drawn. A
            missing pixel is an error.

        Notes
        -----
        An epoch is a pass over the rows, or several, until there are 16 steps of the optimizer (100 for
        images). Each call begins with a fresh Adam: its rate rises in proportion to the steps, to reach
        `learning_rate` after 100 of them, and falls to zero in the last third of the epoch. So a call with
        few rows takes small steps, which suit a fitted generator. Begin with a `fit`, or give many rows or a
        larger `learning_rate`. Averages over the last steps are kept. No rows are held out.

        What the first call has learnt stays: columns, categories, bins, ranges and frequencies, the copula of
        the masked process, and what "auto" derives from the number of rows, except for `l2`, which counts
        the rows of all calls, and `batch_size`. Numbers beyond its range count as its smallest or largest
        value. The calibration at the end of a `fit` is not repeated. Later changes have no effect on the
        training, unless of `learning_rate`, `l2`, `batch_size` or `random_state`; `epochs`, `max_time` and
        `checkpoint` never have.

        An interrupt leaves the estimator as it was.
        """
        self._check_parameters()
        names = ("encoder_", "target_encoder_", "process_", "weights_", "history_", "_n_rows", "_form")
        learnt = {name: getattr(self, name) for name in names if hasattr(self, "weights_")}
        table, y, weight = self._check_rows(X, y, sample_weight, self._as_target if learnt else as_one_column)
        if learnt:
            encoded = self._encode_more(table, y)
            learnt["_n_rows"] += len(weight)
        else:
            _check_guidance(self.guidance, self.image_shape is not None and y is not None)
            learnt, encoded, _ = self._learn_encoders(table, y, weight)
            learnt["process_"] = self._build_process(learnt, encoded, weight)
        learnt["weights_"], learnt["history_"] = continued(
            learnt["process_"],
            learnt.get("weights_"),
            learnt.get("history_", {}),
            learnt["process_"].arrays(encoded),
            (weight / weight.mean()).astype(np.float32),
            name=type(self).__name__,
            learning_rate=self.learning_rate,
            l2=automatic_l2(learnt["_n_rows"]) if self.l2 == "auto" else self.l2,
            batch_size=self.batch_size,
            n_epoch_steps=_n_epoch_steps(learnt["_form"]),
            random_state=self.random_state,
            verbose=self.verbose,
        )
        learnt["n_iter_"] = len(learnt["history_"]["loss"])
        self._set_learnt(learnt["encoder_"].template_, learnt)
        return self

    def sample(self, n_samples=1, *, given=None, y=None, allow_missing=True, random_state=None):
        """Draw new rows, or the rest of rows of which some cells are given.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, 0 at least. Leave it out with `given` or `y`, whose length it then is.
        given : DataFrame or array-like of shape (n_samples, n_features), default=None
            Cells that new rows are to have: those that are not missing. The others are drawn, given these. A
            DataFrame may leave columns out, which are then drawn in every row.
        y : array-like of shape (n_samples,), default=None
            For each new row, the class or number that it is to have. Only if fitted with `y`.
        allow_missing : bool, default=True
            Whether a drawn cell may be missing, as cells in training were.
        random_state : int, RandomState instance or None, default=None
            Source of the draws. None draws other rows at each call; with an int, the first rows are the same
            however many follow.

        Returns
        -------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            New rows, in the container of the training table, with its columns and dtypes. Given cells are as
            they were given, and so is the index of a pandas DataFrame.
        y : Series or ndarray of shape (n_samples,)
            Their classes or numbers, as often as in training, or those asked for. Only if fitted with `y`.

        Raises
        ------
        ValueError
            If `given` has other columns or categories than the training table, if `y` holds other classes
            than in training or was not given to `fit`, or if lengths differ.

        Notes
        -----
        The masked process draws hidden cells one by one, each given all that is visible: `given` and `y`
        are exact conditions, numbers included. The gaussian process holds given cells at their values while
        it takes the noise off the others, and goes back and forth [1]_: an approximation. Of images, the
        network sees given pixels as they are, and the class, too. A class that is open is drawn by its
        frequency in training, or given the image if pixels are given.

        References
        ----------
        .. [1] Lugmayr et al. (2022). RePaint: Inpainting using Denoising Diffusion Probabilistic Models.
           CVPR. Algorithm 1.
        """
        check_is_fitted(self)
        check_integer("n_samples", n_samples, low=0)
        check_option("allow_missing", allow_missing, (True, False))
        _check_guidance(self.guidance, self._form == "image" and self.target_encoder_ is not None)
        kept = None if given is None or not len(given) else self.encoder_.completed(given, "given")
        encoded = self._encode_asked(n_samples, given, kept, y)
        n_columns, n_detailed = len(self.encoder_.n_codes_), len(self.encoder_.detailed_)
        if kept is not None:  # what cannot stand in the result is refused before anything is drawn
            nothing = np.zeros((len(kept), n_columns), np.int32), np.zeros((len(kept), n_detailed))
            self.encoder_.decode(*nothing, np.random.default_rng(0), kept)
        seed = _seed_of(random_state)
        name = f"{type(self).__name__}.sample"
        on_rows = rows_line(name, len(encoded.codes)) if self.verbose > 0 else None
        with self._program() as program:
            codes, ranks = self.process_.sample(
                program, encoded, seed, holes=allow_missing, on_rows=on_rows, **self._sampling_arguments()
            )
        rng = np.random.default_rng(seed)
        table = self.encoder_.decode(codes[:, :n_columns], ranks[:, :n_detailed], rng, kept)
        if self.target_encoder_ is None:
            return table
        drawn = self.target_encoder_.decode(codes[:, n_columns:], ranks[:, n_detailed:], rng)
        return table, only_column(drawn)

    def sample_to_parquet(self, path, n_samples, *, allow_missing=True, random_state=None):
        """Draw new rows into a Parquet file: any number of them, in little memory.

        Parameters
        ----------
        path : str or path-like
            Of the file. It is replaced once all rows are drawn.
        n_samples : int
            Number of rows, 0 at least.
        allow_missing : bool, default=True
            Whether a cell may be missing, as cells in training were.
        random_state : int, RandomState instance or None, default=None
            Source of the draws. The rows are those of `sample` with the same number and `random_state`.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        ValueError
            If fitted with `y`, to an array, whose columns have no names, or to what Parquet does not hold.
        """
        check_is_fitted(self)
        check_integer("n_samples", n_samples, low=0)
        check_option("allow_missing", allow_missing, (True, False))
        encoder = self.encoder_
        if self.target_encoder_ or not is_frame(encoder.template_):
            reason = "with y" if self.target_encoder_ else "to an array"
            raise ValueError(f"rows of a generator fitted {reason} go into no file: fit to one DataFrame.")
        # Rows with each code once, from which the types of columns can be told.
        codes = np.minimum(np.arange(encoder.n_codes_.max())[:, None], encoder.n_codes_ - 1)
        ranks = np.full((len(codes), len(encoder.detailed_)), 0.5)
        example = encoder.decode(codes, ranks, np.random.default_rng(0))
        write(path, self._drawn(n_samples, allow_missing, random_state), example)

    def _drawn(self, n_samples, allow_missing, random_state):
        """Yield the rows that `sample` returns, some at a time."""
        encoder = self.encoder_
        seed = _seed_of(random_state)
        sources = encoder.sources(np.random.default_rng(seed))
        show = rows_line(f"{type(self).__name__}.sample_to_parquet", n_samples) if self.verbose > 0 else None
        n_chunk_rows = self.process_.n_chunk_rows
        size = n_chunk_rows * max(1, _N_DRAWN_CELLS // (n_chunk_rows * len(encoder.n_codes_)))
        for start in range(0, n_samples, size):
            n_rows = min(size, n_samples - start)
            with self._program() as program:
                codes, ranks = self.process_.sample(
                    program,
                    _hidden(encoder, n_rows),
                    seed,
                    holes=allow_missing,
                    first_row=start,
                    **self._sampling_arguments(),
                )
            if show:
                show(start + n_rows)
            yield encoder.decode(codes, ranks, sources)

    def score_samples(self, X, y=None):
        """Return the log-likelihood of each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.
        y : array-like of shape (n_samples,), default=None
            Their classes or numbers, if fitted with `y`. None leaves them open: the likelihood is then that
            of X alone.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats; higher is better. See Notes.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, if `y` was not given to `fit`, or if a pixel is missing.

        Notes
        -----
        The logarithm of the probability of a row's categories and atoms, times the density of its numbers'
        ranks among the training values: a column that is independent of the others, and continuous, counts
        as 0 on average, whatever its units. The masked process gives it exactly for an order in which cells
        are revealed, and its mean over two random orders, one the reverse of the other, is returned: a lower
        bound, on average, of the logarithm of the mean over orders. The orders depend on the row alone.
        The gaussian process gives a lower bound in the same measure, estimated with one draw at each of 32
        noise levels, the same at each call, but others for other places in the table. Pixels have no ranks
        of their own: their density is that of the place between the darkest and the brightest value of all
        of them, on a linear scale.
        A category, or a missing cell, that training did not have counts as one row among those of training
        and one more.
        """
        check_is_fitted(self)
        encoded = self.encoder_.encode(X, unseen="missing")
        n_unseen = (encoded.codes < 0).sum(axis=1)
        if y is not None:
            target = self._encode_target(y, unseen="missing")
            check_consistent_length(encoded.codes, target.codes)
            encoded = _side_by_side(encoded, target)
            n_unseen += (target.codes < 0).sum(axis=1)
        elif self.target_encoder_:
            encoded = _side_by_side(encoded, _hidden(self.target_encoder_, len(encoded.codes)))
        with self._program() as program:
            log_likelihood = self.process_.log_likelihood(program, encoded, seed=0)
        return log_likelihood - n_unseen * np.log(self._n_rows + 1)

    def score_cells(self, X):
        """Return the log-likelihood of each cell, given the rest of its row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples, n_features)
            In nats, in the measure of `score_samples`; higher is better.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or if the process is "gaussian".
        """
        check_is_fitted(self)
        if self._form != "masked":
            form = "an image_shape" if self._form == "image" else repr(self._form)
            raise ValueError(f"score_cells needs process='masked', fitted with {form}: fit it anew.")
        encoded = self.encoder_.encode(X, unseen="missing")
        is_unseen = encoded.codes < 0
        if self.target_encoder_:
            encoded = _side_by_side(encoded, _hidden(self.target_encoder_, len(encoded.codes)))
        with self._program() as program:
            cells = self.process_.cell_log_likelihoods(program, encoded)[:, : is_unseen.shape[1]]
        return np.where(is_unseen, -np.log(self._n_rows + 1), cells)

    def score(self, X, y=None):
        """Return the mean log-likelihood of the rows, in nats; see `score_samples`.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows with the columns of the training table.
        y : array-like of shape (n_samples,), default=None
            Their classes or numbers, if fitted with `y`, or None to leave them open.

        Returns
        -------
        score : float
            Higher is better.
        """
        return float(self.score_samples(X, y).mean())

    def _estimates(self, given):
        """Return, column by column, what is expected of each missing cell of a table, given the others.

        That is the mean of numbers, and the position of the likeliest category. Only the masked process
        tells it.
        """
        encoded = self._encode_asked(1, given, self.encoder_.completed(given), y=None)
        learnt = self.encoder_.columns_
        parts = [[] for _ in learnt]
        with self._program() as program:
            for distributions in self.process_.distributions(program, encoded):
                for part, column, distribution in zip(parts, learnt, distributions, strict=False):
                    part.append(column.estimate(*distribution))
        return [np.concatenate(part) for part in parts]

    def _check_parameters(self):
        check_option("process", self.process, ("masked", "gaussian"))
        check_unless_auto(check_widths, "hidden_layer_sizes", self.hidden_layer_sizes)
        check_unless_auto(check_real, "l2", self.l2, low=0)
        check_unless_auto(check_real, "dropout", self.dropout, low=0, high=1, open_high=True)
        check_real("learning_rate", self.learning_rate, low=0, open_low=True)
        for name in ("batch_size", "epochs", "n_sampling_steps"):
            check_unless_auto(check_integer, name, getattr(self, name), low=1)
        if self.max_time is not None:
            check_real("max_time", self.max_time, low=0, open_low=True)
        check_real(
            "validation_fraction", self.validation_fraction, low=0, high=1, open_low=True, open_high=True
        )
        check_option("early_stopping", self.early_stopping, (True, False))
        check_option("sampler", self.sampler, ("heun", "euler", "ancestral", "multistep"))
        if self.image_shape is not None:
            check_image_shape("image_shape", self.image_shape)
            if self.process != "gaussian":
                raise ValueError(
                    f"image_shape needs process='gaussian', got {self.process!r}: set it, or leave "
                    "image_shape out."
                )
        if self.verbose not in (True, False):
            check_integer("verbose", self.verbose, low=0)

    def _check_rows(self, X, y, sample_weight, as_column=as_one_column):
        """Return a table, its `y`, and weights of at most 1; rows of weight 0 are left out."""
        table = as_table(X)
        weight = _check_sample_weight(sample_weight, np.empty((len(table), 1)), ensure_non_negative=True)
        if y is not None:
            y = as_column(y)
            check_consistent_length(table, y)
        self._check_image(table, y)
        if not (present := np.flatnonzero(weight)).size:
            raise ValueError("sample_weight must be above zero for one row at least, got only zeros.")
        if len(present) < len(weight):
            table, weight = _safe_indexing(table, present), weight[present]
            y = y if y is None else _safe_indexing(y, present)
        return table, y, weight / weight.max()  # the sum of the weights may be infinite

    def _learn_encoders(self, table, y, weight, n_rows=None, deal=None):
        """Return what is learnt of the columns, the table in codes and ranks, and its shards."""
        min_frequency = self.min_frequency
        if deal and isinstance(min_frequency, Integral):  # of all rows, not of the sample
            min_frequency = min(min_frequency / n_rows, 1 - 1e-9)
        encoder = TableEncoder(
            n_bins=self.n_bins,
            categorical_features=self.categorical_features,
            max_categories=self.max_categories,
            min_frequency=min_frequency,
            pixels=self.image_shape is not None,
        ).fit(table, weight)
        learnt = {"encoder_": encoder, "target_encoder_": None}
        if y is not None:
            learnt["target_encoder_"] = TableEncoder(
                n_bins=self.n_bins, categorical_features=[holds_classes(y)], max_categories=None
            ).fit(y, weight)
        shards = deal(encoder) if deal else None
        if shards is not None:
            encoder.frequencies_ = shards.frequencies
        learnt["_n_rows"] = n_rows or len(weight)
        learnt["_form"] = self.process if self.image_shape is None else "image"
        return learnt, _encode(learnt, table, y), shards

    def _encode_more(self, table, y):
        """Encode rows as the first ones were; cells that those did not have are unknown."""
        encoded = self.encoder_.encode(table, unseen="error" if self._form == "image" else "missing")
        unknown = [column_name(table, index) for index in np.flatnonzero((encoded.codes < 0).any(axis=0))]
        if y is not None:
            target = self.target_encoder_.encode(y, unseen="missing")
            unknown += ["y"] if (target.codes < 0).any() else []
            encoded = _side_by_side(encoded, target)
        elif self.target_encoder_:
            encoded = _side_by_side(encoded, _hidden(self.target_encoder_, len(encoded.codes)))
        if unknown:
            warnings.warn(
                f"cells of {', '.join(map(repr, unknown))} hold categories that the first rows did not have, "
                "or are missing where none was: they count as unknown. Fit anew to learn them.",
                UserWarning,
                stacklevel=3,
            )
        return encoded

    def _open_checkpoint(self, arrays, weight, shards):
        """Return the checkpoint of a fit to these arrays, or None."""
        if self.checkpoint is None:
            return None
        parameters = {
            name: repr(value)
            for name, value in self.get_params(deep=False).items()
            if name not in _NOT_OF_FIT
        }
        if not isinstance(self.random_state, Integral | None):
            parameters["random_state"] = type(self.random_state).__name__
        fit = {
            "version of skdiffusion": VERSION,
            **parameters,
            "X, y or sample_weight": digest([*arrays, weight]) if shards is None else shards.digest,
        }
        return Checkpoint(self.checkpoint, fit)

    def _check_image(self, table, y):
        """Raise unless rows can be images of the shape that was asked for, and `y` their classes."""
        if self.image_shape is None:
            return
        n_pixels = int(np.prod(self.image_shape))
        if table.shape[1] != n_pixels:
            raise ValueError(
                f"image_shape {tuple(self.image_shape)} has {n_pixels} pixels, and X has {table.shape[1]} "
                "columns: give one column for each pixel and channel."
            )
        if y is not None and not holds_classes(y):
            raise ValueError(
                "y must hold the classes of images, got numbers that are not whole: bin them first."
            )

    def _encode_asked(self, n_samples, given, kept, y):
        """Encode the cells that `sample` is asked for; the others are hidden."""
        lengths = {name: len(part) for name, part in {"given": given, "y": y}.items() if part is not None}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"given and y must have as many rows, got {lengths['given']} and {lengths['y']}."
            )
        for name, length in lengths.items():
            if n_samples not in (1, length):
                raise ValueError(f"n_samples is {n_samples}, and {name} has {length} rows: leave it out.")
            n_samples = length
        if kept is None:
            encoded = _hidden(self.encoder_, n_samples)
        else:
            encoded = self.encoder_.encode(kept, holes=True)
        if y is not None:
            target = self._encode_target(y, unseen="missing")
            if (unseen := np.flatnonzero(target.codes[:, 0] < 0)).size:
                raise ValueError(
                    f"y asks for {np.asarray(y, dtype=object)[unseen[0]]!r}, first in row {unseen[0]}, which "
                    "training did not have; ask for what it had, or fit with rows of it."
                )
            return _side_by_side(encoded, target)
        if self.target_encoder_:
            return _side_by_side(encoded, _hidden(self.target_encoder_, n_samples))
        return encoded

    def _as_target(self, y):
        """Return `y` as a table of one column, in the container of training."""
        if self.target_encoder_ is None:
            raise ValueError("y was not given to fit, so that nothing is known of it; pass it to fit.")
        return as_one_column(y, self.target_encoder_.template_)

    def _encode_target(self, y, **arguments):
        y = self._as_target(y)
        return self.target_encoder_.encode(y, **arguments) if len(y) else _hidden(self.target_encoder_, 0)

    def _build_process(self, learnt, encoded, weight):
        from ._factors import FactorModel
        from ._gaussian import GaussianProcess
        from ._images import ImageProcess
        from ._masked import MaskedProcess, column_scores

        encoder, target_encoder, n_rows = (
            learnt[name] for name in ("encoder_", "target_encoder_", "_n_rows")
        )
        dropout, sizes = automatic_dropout(n_rows), _HIDDEN_LAYER_SIZES
        if self.image_shape is not None:
            dropout, sizes = dropout / 4, _IMAGE_LAYER_SIZES
        dropout = dropout if self.dropout == "auto" else self.dropout
        sizes = sizes if self.hidden_layer_sizes == "auto" else self.hidden_layer_sizes
        shape = {"hidden_layer_sizes": sizes, "dropout": dropout}
        if self.image_shape is not None:
            image_shape = (*self.image_shape, 1)[:3]
            return ImageProcess(encoder, target_encoder, image_shape=image_shape, **shape)
        if target_encoder:
            encoder = _Joined(encoder, target_encoder)
        if self.process == "gaussian":
            return GaussianProcess(encoder, **shape)
        copula = FactorModel.fit(column_scores(encoder, encoded), weight)
        return MaskedProcess(encoder, copula, n_waves=automatic_n_waves(n_rows), **shape)

    def _sampling_arguments(self):
        if self._form == "masked":
            return {}
        n_steps = _N_SAMPLING_STEPS if self.n_sampling_steps == "auto" else self.n_sampling_steps
        arguments = {"sampler": self.sampler, "n_sampling_steps": n_steps}
        return arguments | {"guidance": self.guidance} if self._form == "image" else arguments

    def _program(self):
        """Lend a program that holds the fitted weights."""
        return program_of(self.process_, self.weights_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _check_guidance(guidance, has_classes):
    """Raise unless guidance is 0, or above it for images with classes."""
    check_real("guidance", guidance, low=0)
    if guidance and not has_classes:
        raise ValueError(
            f"guidance is {guidance!r}, which needs image_shape and y: give both, or leave it at 0."
        )


def _n_epoch_steps(form):
    return _N_IMAGE_EPOCH_STEPS if form == "image" else _N_EPOCH_STEPS


def automatic_n_waves(n_rows):
    """Return how many waves of a number the network sees: fine detail of few rows is only chance."""
    return 1 if n_rows < 2000 else 3


def copy_of(generator, default, rng):
    """Return a copy of an adapter's `generator`, the default for None, or the frozen one itself.

    Unless it is frozen or has a `random_state` of its own, `rng`, a RandomState, gives it one.
    """
    generator = default if generator is None else generator
    is_frozen = isinstance(generator, FrozenEstimator)
    if not isinstance(generator.estimator if is_frozen else generator, DiffusionGenerator):
        raise TypeError(
            "generator must be None, a DiffusionGenerator, or a FrozenEstimator of a fitted one, got "
            f"{generator!r}."
        )
    if is_frozen:
        return generator
    generator = clone(generator)
    if generator.random_state is None:
        generator.set_params(random_state=rng.randint(2**31))
    return generator


class _Joined:
    """Two encoders side by side, as a process reads them."""

    def __init__(self, first, second):
        self.n_codes_ = np.concatenate([first.n_codes_, second.n_codes_])
        self.has_missing_ = np.concatenate([first.has_missing_, second.has_missing_])
        self.numeric_ = np.concatenate([first.numeric_, second.numeric_])
        self.detailed_ = np.concatenate([first.detailed_, len(first.n_codes_) + second.detailed_])
        for name in ("frequencies_", "scores_", "rank_low_", "rank_high_", "is_bin_"):
            setattr(self, name, getattr(first, name) + getattr(second, name))


def _encode(learnt, table, y, **arguments):
    encoded = learnt["encoder_"].encode(table, **arguments)
    return encoded if y is None else _side_by_side(encoded, learnt["target_encoder_"].encode(y, **arguments))


def _side_by_side(first, second):
    return EncodedTable(*(np.hstack(arrays) for arrays in zip(first, second, strict=True)))


def _seed_of(random_state):
    """Return a seed for draws, which for None are other ones at each call."""
    rng = check_random_state(np.random.RandomState() if random_state is None else random_state)
    return int(rng.randint(2**31))


def _hidden(encoder, n_samples):
    """Return rows of which nothing is known."""
    codes = np.full((n_samples, len(encoder.n_codes_)), -1, np.int32)
    low, high = np.full((2, n_samples, len(encoder.detailed_)), 0.5, np.float32)
    return EncodedTable(codes, low, high)
