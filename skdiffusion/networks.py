"""The networks: Keras models as plain functions of their sizes, and their initial weights."""

from functools import partial
from itertools import pairwise

import keras
import numpy as np
from keras import ops

__all__ = [
    "initial_weights",
    "multilayer_perceptron",
    "preconditioned",
    "residual_features",
    "residual_weights",
]


def multilayer_perceptron(n_features, n_outputs, hidden_layer_sizes, activation, output_activation):
    """Build dense layers one after another, as the tutorial's denoiser has them.

    Parameters
    ----------
    n_features : int
        Width of the input.

    n_outputs : int
        Width of the output.

    hidden_layer_sizes : tuple of int
        Width of each hidden layer; empty for a linear model.

    activation : str or callable
        Activation of the hidden layers, as Keras takes it.

    output_activation : str or callable
        Activation of the output layer, as Keras takes it.

    Returns
    -------
    model : keras.Sequential
        A built, uncompiled model in float32, whatever Keras' global policy is. Its weights are all zero: load
        those of `initial_weights`. Keras' own would take their seeds from Python's global random state.

    Examples
    --------
    >>> from skdiffusion.networks import multilayer_perceptron
    >>> multilayer_perceptron(4, 2, (8,), "relu", "linear").count_params()
    58
    """
    dense = partial(keras.layers.Dense, kernel_initializer="zeros", dtype="float32")
    layers = [dense(width, activation) for width in hidden_layer_sizes]
    output = dense(n_outputs, output_activation)
    model = keras.Sequential([keras.Input((n_features,), dtype="float32"), *layers, output])
    model.dtype_policy = "float32"
    return model


def initial_weights(shapes, rng, *, zero_output=False):
    """Draw weights for dense layers: Glorot uniform kernels, zero biases.

    NumPy draws them, not Keras, so that they depend on `rng` alone.

    Parameters
    ----------
    shapes : sequence of tuple of int
        A shape for each weight array: two numbers for a kernel, one for a bias.

    rng : numpy.random.Generator
        Source of the draws.

    zero_output : bool, default=False
        Whether the last kernel is zero, so that the network starts as zero everywhere.

    Returns
    -------
    weights : list of ndarray of float32
        An array for each shape.

    References
    ----------
    Glorot & Bengio (2010). Understanding the difficulty of training deep feedforward neural networks.
    AISTATS. Equation 16.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import initial_weights
    >>> [w.shape for w in initial_weights([(4, 8), (8,)], np.random.default_rng(0))]
    [(4, 8), (8,)]
    """
    weights = []
    for shape in shapes:
        if len(shape) == 1:
            weights.append(np.zeros(shape, np.float32))
        else:
            limit = np.sqrt(6.0 / sum(shape))
            weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    if zero_output:
        weights[-2][:] = 0
    return weights


def preconditioned(network, *, mean, std, coef, intercept, scale, clip):
    """Wrap a network F as ``D(x) = z @ coef + intercept + scale * F(z)`` with ``z = (x - mean) / std``.

    Parameters
    ----------
    network : keras.Model
        F, from n_features inputs to n_outputs outputs.

    mean, std : ndarray of shape (n_features,)
        Centre and spread of the inputs.

    coef : ndarray of shape (n_features, n_outputs)
        Kernel of the linear part.

    intercept, scale : ndarray of shape (n_outputs,)
        Bias of the linear part, and factor of the network's outputs.

    clip : bool
        Whether to clip the outputs to [0, 1].

    Returns
    -------
    model : keras.Model
        D, of Keras' own layers. The linear part is not trainable.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import multilayer_perceptron, preconditioned
    >>> network = multilayer_perceptron(2, 1, (), "relu", "linear")
    >>> network.set_weights([np.zeros((2, 1)), np.ones(1)])
    >>> D = preconditioned(network, mean=np.zeros(2), std=np.full(2, 2.0), coef=np.ones((2, 1)),
    ...                    intercept=np.zeros(1), scale=np.full(1, 10.0), clip=False)
    >>> np.asarray(D(np.array([[2.0, 4.0]]))).tolist()
    [[13.0]]
    """
    x = keras.Input(mean.shape, dtype="float32")
    centred = keras.layers.Rescaling(1.0, offset=(-mean).tolist(), dtype="float32")(x)
    z = keras.layers.Rescaling((1 / std).tolist(), dtype="float32")(centred)
    linear = keras.layers.Dense(len(intercept), kernel_initializer="zeros", trainable=False, dtype="float32")
    scaled = keras.layers.Rescaling(scale.tolist(), dtype="float32")(network(z))
    y = keras.layers.Add(dtype="float32")([linear(z), scaled])
    linear.set_weights([coef, intercept])
    return keras.Model(x, keras.layers.ReLU(max_value=1.0, dtype="float32")(y) if clip else y)


def residual_weights(n_inputs, hidden_layer_sizes, rng, *, n_active=None):
    """Draw weights of a residual network: a dense layer, then a residual block for each hidden layer.

    Parameters
    ----------
    n_inputs : int
        Width of the input.

    hidden_layer_sizes : tuple of int
        Width of each block, one at least.

    rng : numpy.random.Generator
        Source of the draws.

    n_active : int, default=None
        How many inputs differ from zero in a typical row; None for all.

    Returns
    -------
    weights : dict of str to ndarray of float32
        As `residual_features` takes them. Kernels are normal, of a variance that keeps that of what passes
        through (Glorot & Bengio 2010; He et al. 2015).

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import residual_weights
    >>> weights = residual_weights(4, (8, 8), np.random.default_rng(0))
    >>> weights["input_kernel"].shape
    (4, 8)
    """
    widths = [hidden_layer_sizes[0], *hidden_layer_sizes]
    weights = {
        "input_kernel": rng.normal(size=(n_inputs, widths[0])) / np.sqrt(n_active or n_inputs),
        "input_bias": np.zeros(widths[0]),
    }
    for layer, (n_in, n_out) in enumerate(pairwise(widths)):
        weights[f"scale_{layer}"] = np.ones(n_in)
        weights[f"shift_{layer}"] = np.zeros(n_in)
        weights[f"kernel_{layer}"] = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
        weights[f"bias_{layer}"] = np.zeros(n_out)
    weights["output_scale"] = np.ones(widths[-1])
    weights["output_shift"] = np.zeros(widths[-1])
    return {name: weight.astype(np.float32) for name, weight in weights.items()}


def residual_features(weights, x, dropout=0.0, draws=None):
    """Return the last hidden layer of a residual network, ready for a linear output.

    Parameters
    ----------
    weights : dict of str to tensor
        Those of `residual_weights`; others are ignored.

    x : tensor of shape (n_samples, n_inputs)
        Inputs.

    dropout : float, default=0.0
        Share of units to drop in each block.

    draws : object, default=None
        Source of random numbers with a method ``uniform(shape)``; without dropout it is not needed.

    Returns
    -------
    features : tensor of shape (n_samples, n_features)
        Activations of the last layer.

    Notes
    -----
    A block is ``h + W drop(silu(norm(h))) + b``, with layer normalisation (Ba, Kiros & Hinton 2016) before
    the activation; where the width changes, h itself is left out of the sum.

    References
    ----------
    He, Zhang, Ren & Sun (2016). Identity Mappings in Deep Residual Networks. ECCV. Section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import residual_features, residual_weights
    >>> weights = residual_weights(4, (8, 8), np.random.default_rng(0))
    >>> tuple(residual_features(weights, np.ones((3, 4), np.float32)).shape)
    (3, 8)
    """
    hidden = ops.matmul(x, weights["input_kernel"]) + weights["input_bias"]
    layer = 0
    while f"kernel_{layer}" in weights:
        active = ops.silu(_normalised(hidden, weights[f"scale_{layer}"], weights[f"shift_{layer}"]))
        if dropout:
            kept = draws.uniform(active.shape) >= dropout
            active = active * ops.cast(kept, "float32") / (1 - dropout)
        update = ops.matmul(active, weights[f"kernel_{layer}"]) + weights[f"bias_{layer}"]
        hidden = hidden + update if hidden.shape[1] == update.shape[1] else update
        layer += 1
    return ops.silu(_normalised(hidden, weights["output_scale"], weights["output_shift"]))


def _normalised(hidden, scale, shift):
    mean = ops.mean(hidden, axis=1, keepdims=True)
    variance = ops.mean(ops.square(hidden - mean), axis=1, keepdims=True)
    return (hidden - mean) * ops.rsqrt(variance + 1e-5) * scale + shift
