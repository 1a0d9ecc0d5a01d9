"""DenoisingRegressor: a Keras network that learns to give back clean rows, as a scikit-learn regressor."""

import json
from contextlib import suppress
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from ._checks import check_float32_range, check_integer, check_option, check_real, locating
from ._preconditioning import LinearPreconditioner
from ._state import StateMixin
from ._watchers import CallbackSupportMixin, KerasCallbacks, ScikitLearnCallbacks, VerboseLine, with_callbacks

# Losses of the difference of target and prediction: what is left out of both does not change them.
_LOSSES_OF_A_DIFFERENCE = {
    "mse",
    "meansquarederror",
    "mae",
    "meanabsoluteerror",
    "huber",
    "logcosh",
}

# Parameters that give the network its form: a fit that goes on from another must have the same.
_FORM_PARAMETERS = ("hidden_layer_sizes", "activation", "output_activation", "preconditioning")


class DenoisingRegressor(StateMixin, CallbackSupportMixin, RegressorMixin, BaseEstimator):
    r"""Learn to map noisy rows to clean ones with a Keras network.

    The network is the tutorial's: dense layers, trained by stochastic gradient descent. Training runs in one
    compiled loop instead of Keras' batch-by-batch one, and many fits of one architecture share the compiled
    code, so that a grid search pays for it once.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128,)
        Width of each hidden layer. Empty for a linear model.

    l2 : float, default=1e-4
        Factor lambda of the penalty on the kernels; biases are free. See Notes.

    activation : str or callable, default="relu"
        Activation of the hidden layers: a Keras name or function.

    output_activation : str or callable, default="auto"
        Activation of the output layer. "auto" takes "linear" with preconditioning; without, "sigmoid" where
        every training target lies in [0, 1] up to rounding, else "linear".

    preconditioning : {"auto", "linear"} or None, default="auto"
        With "linear" the network learns only what the best linear filter leaves over, see Notes. With None
        it maps rows to targets by itself, as the tutorial's does. "auto" takes "linear" where
        `output_activation` is "auto" or "linear" and `loss` is Keras' mean squared or absolute error, Huber
        or log-cosh, which look at differences alone; else None.

    loss : str, callable or keras.losses.Loss, default="mse"
        Data loss, a Keras name, function of `(y_true, y_pred)`, or object.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A Keras name, or an object whose settings are copied, all but its learning rate.

    learning_rate : float, default=1e-3
        Learning rate at the start.

    learning_rate_schedule : {"plateau", "cosine", "constant"}, default="plateau"
        How the learning rate falls. "plateau" halves it when three epochs in a row brought less than 0.1 %
        gain, in the held-out loss with `early_stopping`, else in the training loss. "cosine" lets it fall to
        0 over `epochs` along half a cosine.

    epochs : int, default=50
        Passes over the training rows.

    batch_size : int, default=32
        Rows in each step of the optimizer.

    early_stopping : bool, default=False
        Hold out a share of the rows, stop when their loss no longer falls, and keep the best weights.

    validation_fraction : float, default=0.1
        Share of the rows held out with `early_stopping`.

    n_iter_no_change : int, default=10
        Epochs without a better held-out loss after which `early_stopping` stops.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks. They hear of the beginning and end of training and of each epoch. They don't hear of
        batches, which run on the device. With preconditioning the model they see is the network F of Notes.

    warm_start : bool, default=False
        Let `fit` go on from the weights of the last fit, with a fresh optimizer.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows, and the held-out share. An int gives the same
        result in each fit.

    verbose : int, default=0
        If positive, show progress on one line.

    Attributes
    ----------
    weights_ : list of ndarray of float32
        Kernels and biases, layer by layer.

    optimizer_state_ : list of ndarray
        The optimizer's variables at the end of training, from which `partial_fit` goes on.

    output_activation_ : str or callable
        The output layer's activation.

    preconditioner_ : LinearPreconditioner or None
        With preconditioning the fixed arrays `mean`, `std`, `coef`, `intercept` and `scale` of Notes.

    n_outputs_ : int
        Number of targets.

    history_ : dict of list of float
        A number per epoch: "loss" (L_total of Notes), "data_loss" (L_data), "learning_rate", and
        "val_loss" (held-out L_data) with `early_stopping`.

    loss_curve_ : list of float
        `history_["loss"]`.

    n_iter_ : int
        Number of epochs run.

    model_ : keras.Model
        The whole prediction as a Keras model of its own: changing it does not change the estimator.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the features, where `X` had any.

    See Also
    --------
    DiffusionNoiser : Makes the noisy rows.
    sklearn.neural_network.MLPRegressor : The same kind of network, without Keras.

    Notes
    -----
    Training minimises

    .. math:: L_{total} = L_{data} + \lambda \sum_l \lVert W_l \rVert^2

    where :math:`L_{data}` is the mean of `loss` over rows, each row weighted by its `sample_weight` over the
    mean weight, :math:`W_l` are the kernels and :math:`\lambda` is `l2`. A row of weight 0 counts as absent.
    A row of weight 2 counts as two in what preconditioning cross-validates, too: weights are counts of rows
    there, as in scikit-learn's ridge regression, and large ones let it trust the rows more. Small ones, whose
    sum is below the number of equally weighted rows that know as much (Kish 1965), are relative there, too.

    With preconditioning the prediction for a row `x` is

    .. math:: D(x) = A z + b + c \odot F(z), \quad z = (x - \mu) / s

    with the training rows' mean :math:`\mu` and standard deviation :math:`s`, the ridge regression
    :math:`A, b` whose penalty generalised cross-validation chooses, and the root mean square :math:`c` of
    what it leaves over. All of these are fixed before training; the network :math:`F` is trained on
    :math:`(y - A z - b) / c`. So :math:`L_{data}` of "mse" is 1 where the network adds nothing to the linear
    filter. Where every training target lies in [0, 1], predictions are clipped to it. The idea is that of
    [1]_, equation 7, where the noise level is known and gives the constants. `partial_fit` keeps those of its
    first call: make that one with enough rows.

    Without preconditioning columns should have similar scales: put a scaler before this estimator, and scale
    targets with :class:`~sklearn.compose.TransformedTargetRegressor`.

    An interrupt (Ctrl-C) during `fit` is raised, but leaves the weights of the last whole epoch in the
    estimator, or those of the best one where rows are held out. Where none was complete, or where training
    fails, the earlier state stays.

    References
    ----------
    .. [1] Karras, Aittala, Aila & Laine (2022). Elucidating the Design Space of Diffusion-Based Generative
       Models. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DenoisingRegressor, DiffusionNoiser
    >>> X = np.random.default_rng(0).normal(size=(500, 2)).repeat(2, axis=1)
    >>> X_noisy = DiffusionNoiser(noise_level=0.5, n_steps=1, random_state=0).fit_transform(X)
    >>> denoiser = DenoisingRegressor(epochs=20, random_state=0).fit(X_noisy, X)
    >>> bool(np.mean((denoiser.predict(X_noisy) - X) ** 2) < 0.6 * np.mean((X_noisy - X) ** 2))
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(128,),
        *,
        l2=1e-4,
        activation="relu",
        output_activation="auto",
        preconditioning="auto",
        loss="mse",
        optimizer="adam",
        learning_rate=1e-3,
        learning_rate_schedule="plateau",
        epochs=50,
        batch_size=32,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.l2 = l2
        self.activation = activation
        self.output_activation = output_activation
        self.preconditioning = preconditioning
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Learn to predict `y` from `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Noisy rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Clean rows, or any other numeric targets.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row: in the loss relative to the others, with preconditioning a count of rows, too
            (see Notes). All are 1 if None.

        Returns
        -------
        self : DenoisingRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, `X`, `y` or `sample_weight` is not as described, or if training diverges.
        """
        self._check_parameters()
        again = self.warm_start and hasattr(self, "weights_")
        return self._fit(X, y, sample_weight, again=again, partial=False)

    @with_callbacks
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch more on the given rows, with the optimizer as the last call left it.

        The learning rate stays at `learning_rate`, and no rows are held out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Noisy rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Clean rows, or any other numeric targets.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row: in the loss relative to the others, with preconditioning a count of rows, too
            (see Notes). All are 1 if None.

        Returns
        -------
        self : DenoisingRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            As for `fit`.
        """
        self._check_parameters()
        return self._fit(X, y, sample_weight, again=hasattr(self, "weights_"), partial=True)

    def predict(self, X):
        """Return the network's output for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Noisy rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions: float32 if `X` is, else float64.

        Raises
        ------
        ValueError
            If `X` has another width than in `fit`, other feature names, or values that are not finite.
        """
        return self._predict(X, n_steps=1)

    def denoise(self, X, n_steps=1):
        """Apply the network again and again: ``x_{t-1} = D(x_t)``, `n_steps` times.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to start from: noisy ones, or pure noise.

        n_steps : int, default=1
            How often the network is applied.

        Returns
        -------
        X_denoised : ndarray of shape (n_samples, n_features)
            The last state: float32 if `X` is, else float64.

        Raises
        ------
        ValueError
            As for `predict`; also if the network has not as many outputs as inputs, or `n_steps` is below 1.
        """
        check_is_fitted(self, "weights_")
        check_integer("n_steps", n_steps, low=1)
        if self.n_outputs_ != self.n_features_in_:
            raise ValueError(
                f"denoise feeds the output back as input, which needs as many outputs as features, but this "
                f"estimator was fitted with {self.n_features_in_} features and {self.n_outputs_} outputs; "
                f"fit it on clean rows as targets, or use predict."
            )
        denoised = self._predict(X, n_steps=n_steps)
        return denoised.reshape(len(denoised), -1)

    @property
    def loss_curve_(self):
        """Total loss of each epoch."""
        return self.history_["loss"]

    @property
    def n_iter_(self):
        """Number of epochs run."""
        return len(self.history_["loss"])

    @property
    def model_(self):
        """The whole prediction as a Keras model of its own."""
        from .networks import preconditioned

        if "_model" not in vars(self):
            # Not in `fit`: most fits, in a grid search, never need it, and a live model does not pickle well.
            check_is_fitted(self, "weights_")
            model = _build_model(**self._architecture)
            model.set_weights(self.weights_)
            if self.preconditioner_ is not None:
                model = preconditioned(model, **self.preconditioner_._asdict(), clip=self._clip)
            self._model = model
        return self._model

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_model"}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_parameters(self):
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str) or not np.iterable(sizes):
            raise TypeError(
                f"hidden_layer_sizes must be a tuple of integers, such as "
                f"({sizes if isinstance(sizes, Integral) else 128},), got {sizes!r} of type "
                f"{type(sizes).__name__}."
            )
        for size in sizes:
            check_integer("each of hidden_layer_sizes", size, low=1)
        check_real("l2", self.l2, low=0)
        check_real("learning_rate", self.learning_rate, low=0, open_low=True)
        check_option("learning_rate_schedule", self.learning_rate_schedule, ("plateau", "cosine", "constant"))
        check_option("preconditioning", self.preconditioning, ("auto", "linear", None))
        if self.preconditioning == "linear" and self.output_activation not in ("auto", "linear"):
            raise ValueError(
                f"preconditioning='linear' needs output_activation 'auto' or 'linear', got "
                f"{self.output_activation!r}; set preconditioning=None to use it."
            )
        check_integer("epochs", self.epochs, low=1)
        check_integer("batch_size", self.batch_size, low=1)
        check_real(
            "validation_fraction", self.validation_fraction, low=0, high=1, open_low=True, open_high=True
        )
        check_integer("n_iter_no_change", self.n_iter_no_change, low=1)
        check_option("early_stopping", self.early_stopping, (True, False))
        check_option("warm_start", self.warm_start, (True, False))
        if self.verbose not in (True, False):
            check_integer("verbose", self.verbose, low=0)
        import keras

        # Before the first Keras object computes anything, which fixes TensorFlow's number of threads.
        from . import _training  # noqa: F401

        for name, get, kind in (
            ("activation", keras.activations.get, "such as 'relu', or a callable"),
            ("output_activation", keras.activations.get, "such as 'linear', 'auto', or a callable"),
            ("loss", keras.losses.get, "such as 'mse', a callable or a keras.losses.Loss"),
            ("optimizer", keras.optimizers.get, "such as 'adam', or a keras.optimizers.Optimizer"),
        ):
            value = getattr(self, name)
            try:
                known = not isinstance(value, dict | type | None) and (value == "auto" or get(value))
            except (TypeError, ValueError):
                known = False
            if not known or (value == "auto" and name != "output_activation"):
                raise ValueError(f"{name} must be a name that Keras knows, {kind}, got {value!r}.")
        KerasCallbacks.check(self.callbacks)

    def _fit(self, X, y, sample_weight, *, again, partial):
        """Train, and set what was learnt all at once, or nothing."""
        before, learnt = dict(vars(self)), {}
        try:
            rows = self._check_rows(X, y, sample_weight, again)
            result, learnt = self._learn(*rows, again, partial)
            vars(self).pop("_model", None)
            vars(self).update(learnt)
        except BaseException:
            # _check_rows notes the new table's columns; the weights still belong to the old one's.
            ours = {"n_features_in_", "feature_names_in_", "_model", *learnt}
            others = {name: value for name, value in vars(self).items() if name not in ours}
            self.__dict__ = others | {name: before[name] for name in ours & before.keys()}
            raise
        if result.interrupted:
            epoch = "best" if self.early_stopping and not partial else "last"
            raise KeyboardInterrupt(f"{type(self).__name__} keeps the weights of its {epoch} whole epoch")
        return self

    def _check_rows(self, X, y, sample_weight, again):
        """Return validated `X`, `y` and weights; rows of weight 0 are left out."""
        checks = {"dtype": [np.float64, np.float32]}, {"dtype": None, "ensure_2d": False}
        with locating(X=X, y=y):
            X, y = validate_data(self, X, y, reset=not again, validate_separately=checks)
            check_consistent_length(X, y)
        if y.dtype == object:
            with suppress(TypeError, ValueError, OverflowError):
                y = y.astype(np.float64)
            assert_all_finite(y, input_name="y")
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y must hold numbers, got values of type {y.dtype}; encode them first.")
        y = y.astype(np.result_type(y, np.float32), copy=False)
        if again and (y.ndim != self._y_ndim or y[0].size != self.n_outputs_):
            raise ValueError(
                f"y must have the {self.n_outputs_} outputs of the last fit to go on from it, got shape "
                f"{y.shape}; pass such targets, or fit anew with warm_start=False."
            )
        check_float32_range(X=X, y=y)
        with locating():
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        present = weight > 0
        if not present.any():
            raise ValueError("sample_weight must be above zero for one row at least, got only zeros.")
        if not present.all():
            X, y, weight = X[present], y[present], weight[present]
        return X, y, weight

    def _learn(self, X, y, weight, again, partial):
        """Train on checked rows; return the training's result and the attributes to set."""
        from . import _training
        from .networks import initial_weights

        form = {name: getattr(self, name) for name in _FORM_PARAMETERS}
        for name, value in form.items():
            if again and value != self._form[name]:
                raise ValueError(
                    f"{name} must stay {self._form[name]!r} to go on from the last fit, got {value!r}; fit "
                    f"anew with warm_start=False."
                )
        seed = check_random_state(self.random_state).randint(2**31)
        # The number of epochs so far: a fit that goes on shuffles anew, with the same seed too.
        rng = np.random.default_rng([seed, self.n_iter_ if again else 0])
        learnt = {"_form": form, "_y_ndim": y.ndim, "n_outputs_": y[0].size}
        table = (X, y.reshape(len(y), -1), weight)
        held_out = None
        if self.early_stopping and not partial:
            table, held_out = _training.hold_out(table, self.validation_fraction, rng)
        learnt |= self._resolve(*table, again)
        preconditioner = learnt["preconditioner_"]
        table, held_out = (part and _for_training(*part, preconditioner) for part in (table, held_out))
        epochs = 1 if partial else self.epochs

        architecture = {
            "n_features": self.n_features_in_,
            "n_outputs": learnt["n_outputs_"],
            "hidden_layer_sizes": tuple(self.hidden_layer_sizes),
            "activation": self.activation,
            "output_activation": learnt["output_activation_"],
            "loss": self.loss,
            "optimizer": self.optimizer,
        }
        learnt["_architecture"] = architecture
        fresh = not (partial and again and self.optimizer == self._architecture["optimizer"])

        with _borrow_program(architecture) as program:
            # A preconditioned network starts as the linear filter alone.
            start = initial_weights(program.shapes, rng, zero_output=preconditioner is not None)
            if not partial:
                # A feature that is always 0 teaches its weights nothing: leave no chance ones for others.
                start[0][~table[0].any(axis=0)] = 0
            program.set_weights(self.weights_ if again else start)
            program.set_optimizer_state(program.initial_optimizer_state if fresh else self.optimizer_state_)
            watchers = [
                ScikitLearnCallbacks(
                    self,
                    epochs,
                    X,
                    y,
                    lambda: {
                        **learnt,
                        "weights_": program.weights(),
                        "optimizer_state_": program.optimizer_state(),
                    },
                )
            ]
            lines = [VerboseLine(type(self).__name__, epochs)] if self.verbose > 0 else []
            watchers += lines
            try:
                if self.callbacks:
                    watchers.append(KerasCallbacks(self.callbacks, program.network.model, epochs))
                result = _training.train(
                    program,
                    table[:-1],
                    table[-1],
                    held_out=held_out,
                    epochs=epochs,
                    batch_size=min(self.batch_size, 2 ** (len(table[0]) - 1).bit_length()),
                    l2=self.l2,
                    learning_rate=self.learning_rate,
                    learning_rate_schedule="constant" if partial else self.learning_rate_schedule,
                    n_iter_no_change=self.n_iter_no_change,
                    rng=rng,
                    watchers=watchers,
                )
            except FloatingPointError as error:
                raise ValueError(
                    f"Training diverged: {error}. Lower learning_rate (now {self.learning_rate!r}), or scale "
                    f"X and y to about unit variance."
                ) from error
            finally:
                for line in lines:  # of which a fit that fails leaves the end open
                    line.on_train_end()
                KerasCallbacks.part(self.callbacks or ())
        learnt["weights_"] = result.weights
        learnt["optimizer_state_"] = result.optimizer_state
        learnt["history_"] = (
            _training.join_histories(self.history_, result.history) if again else result.history
        )
        return result, learnt

    def _resolve(self, X, y, weight, again):
        """Return what "auto" parameters come to for the given rows, or came to in the fit to go on from."""
        rounding = np.finfo(np.float32).eps  # MinMaxScaler ends at 1.0000000000000002
        in_unit_interval = bool(y.min() >= -rounding and y.max() <= 1 + rounding)
        if again:
            return {
                "output_activation_": self.output_activation_,
                "preconditioner_": self.preconditioner_,
                "_clip": self._clip and in_unit_interval,
            }
        activation, preconditioning = self.output_activation, self.preconditioning
        if preconditioning == "auto":
            linear = activation in ("auto", "linear") and _name(self.loss) in _LOSSES_OF_A_DIFFERENCE
            preconditioning = "linear" if linear else None
        if activation == "auto":
            activation = "sigmoid" if in_unit_interval and preconditioning is None else "linear"
        return {
            "output_activation_": activation,
            "preconditioner_": LinearPreconditioner.fit(X, y, weight) if preconditioning else None,
            "_clip": in_unit_interval and preconditioning == "linear",
        }

    def _predict(self, X, n_steps):
        from . import _training

        check_is_fitted(self, "weights_")
        with locating(X=X):
            X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        check_float32_range(X=X)
        y = X
        with _borrow_program(self._architecture) as program:
            program.set_weights(self.weights_)
            for _ in range(n_steps):
                if self.preconditioner_ is None:
                    y = _training.predict(program, y)
                else:
                    z = self.preconditioner_.inputs(y)
                    y = self.preconditioner_.outputs(z, _training.predict(program, z))
                if self._clip:
                    np.clip(y, 0, 1, out=y)
        return (y.ravel() if self._y_ndim == 1 else y).astype(X.dtype, copy=False)


def _borrow_program(architecture):
    """Borrow a compiled network."""
    from . import _training

    key = tuple(map(_identity, architecture.values()))
    return _training.borrow(
        key, lambda: _training.Program(_training.KerasNetwork(_build_model(**architecture)))
    )


def _build_model(loss, optimizer, **sizes):
    """Build and compile the network, through scikeras."""
    from scikeras.wrappers import KerasRegressor

    def build(compile_kwargs):
        from .networks import multilayer_perceptron

        model = multilayer_perceptron(**sizes)
        model.compile(optimizer=compile_kwargs["optimizer"], loss=compile_kwargs["loss"])
        model.optimizer.build(model.trainable_variables)
        return model

    if not isinstance(optimizer, str):
        optimizer = optimizer.from_config({**optimizer.get_config(), "learning_rate": 1e-3})
    wrapper = KerasRegressor(model=build, loss=loss, optimizer=optimizer)
    # One row of zeros is enough: scikeras only wants to know what kind of targets there will be.
    X, y = (np.zeros((1, sizes[name]), np.float32) for name in ("n_features", "n_outputs"))
    return wrapper.initialize(X, y).model_


def _for_training(X, y, weight, preconditioner):
    """Return inputs, targets and weights as the network sees them; the weights have mean one."""
    weight = weight / weight.max()
    weight = (weight / weight.mean()).astype(np.float32)
    if preconditioner is None:
        return X, y, weight
    z = preconditioner.inputs(X)
    return z, preconditioner.residuals(z, y), weight


def _name(loss):
    """Return the name of a Keras loss in one spelling."""
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return name.replace("_", "").lower()


def _identity(value):
    """Return something hashable that is equal for equal parts of an architecture."""
    from keras.losses import Loss

    if isinstance(value, Loss):
        # Keras leaves a loss' own settings, such as Huber's delta, out of its configuration.
        settings = vars(value)
    elif hasattr(value, "get_config"):
        # An optimizer's learning rate is not used.
        settings = {**value.get_config(), "learning_rate": None}
    else:
        return value
    return type(value), json.dumps(settings, sort_keys=True, default=_exact)


def _exact(value):
    return value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)
