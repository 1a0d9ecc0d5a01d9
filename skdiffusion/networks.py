"""The networks: Keras models as plain functions of their sizes, and their initial weights."""

from functools import partial
from itertools import pairwise, product

import keras
import numpy as np
from keras import ops

__all__ = [
    "convolution",
    "convolutional_features",
    "convolutional_weights",
    "initial_weights",
    "multilayer_perceptron",
    "preconditioned",
    "residual_features",
    "residual_weights",
]

# Blocks of a convolutional network at each resolution, on the way down and on the way back.
_N_BLOCKS = 2


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


def convolution(images, kernel):
    """Convolve images with a kernel, as Keras does with zeros around them.

    Parameters
    ----------
    images : tensor of shape (n_samples, height, width, n_inputs)
        Images, channels last.

    kernel : tensor of shape (size, size, n_inputs, n_outputs)
        Kernel, of odd size.

    Returns
    -------
    images : tensor of shape (n_samples, height, width, n_outputs)
        The same as ``keras.ops.conv(images, kernel, padding="same")``.

    Notes
    -----
    One matrix product for each pixel of the kernel. Compiled for a CPU, Keras' own is as fast by itself, but
    many times slower inside of a loop and in its gradient: see ``benchmarks/convolution.py``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import convolution
    >>> images = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    >>> float(convolution(images, np.ones((3, 3, 1, 1), np.float32))[0, 1, 1, 0])
    36.0
    """
    n_samples, height, width, n_inputs = images.shape
    size, *_, n_outputs = kernel.shape
    margin = (size // 2, size // 2)
    images = ops.pad(images, ((0, 0), margin, margin, (0, 0)))
    total = 0.0
    for row, column in product(range(size), repeat=2):
        shifted = images[:, row : row + height, column : column + width]
        pixels = ops.reshape(shifted, (n_samples * height * width, n_inputs))
        total = total + ops.matmul(pixels, kernel[row, column])
    return ops.reshape(total, (n_samples, height, width, n_outputs))


def convolutional_weights(image_shape, n_conditions, hidden_layer_sizes, rng):
    """Draw weights of a convolutional residual network on images that a condition steers.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and number of channels of the input.

    n_conditions : int
        Width of the condition.

    hidden_layer_sizes : tuple of int
        Number of channels at each resolution, of which each is half the one before.

    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    weights : dict of str to ndarray of float32
        As `convolutional_features` takes them. What a condition does to a block is zero, as are biases.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import convolutional_weights
    >>> weights = convolutional_weights((8, 8, 1), 4, (16, 32), np.random.default_rng(0))
    >>> weights["input_kernel"].shape, weights["down_1_kernel"].shape
    ((3, 3, 1, 16), (3, 3, 16, 32))
    """
    weights, (height, width, n_in) = {}, image_shape
    n_embedded = 2 * hidden_layer_sizes[0]

    def add(name, shape, n_inputs):
        weights[f"{name}_kernel"] = rng.normal(size=shape) / np.sqrt(n_inputs)
        weights[f"{name}_bias"] = np.zeros(shape[-1])

    def add_block(name, n_channels):
        add(name, (3, 3, n_channels, n_channels), 9 * n_channels)
        weights[f"{name}_film"] = np.zeros((n_embedded, 2 * n_channels))

    add("embedding", (n_conditions, n_embedded), n_conditions)
    for level, n_channels in enumerate(hidden_layer_sizes):
        add(f"down_{level}" if level else "input", (3, 3, n_in, n_channels), 9 * n_in)
        weights[f"position_{level}"] = np.zeros((height, width, n_channels))
        for block in range(_N_BLOCKS):
            add_block(f"level_{level}_{block}", n_channels)
        n_in, height, width = n_channels, -(-height // 2), -(-width // 2)
    for level, (n_channels, n_below) in enumerate(pairwise(hidden_layer_sizes)):
        add(f"up_{level}", (1, 1, n_below, n_channels), n_below)
        for block in range(_N_BLOCKS):
            add_block(f"back_{level}_{block}", n_channels)
    return {name: weight.astype(np.float32) for name, weight in weights.items()}


def convolutional_features(weights, images, condition, dropout=0.0, draws=None):
    """Return the last hidden layer of a convolutional residual network, ready for a linear output.

    Parameters
    ----------
    weights : dict of str to tensor
        Those of `convolutional_weights`; others are ignored.

    images : tensor of shape (n_samples, height, width, n_channels)
        Inputs.

    condition : tensor of shape (n_samples, n_conditions)
        What else is known of each image.

    dropout : float, default=0.0
        Share of units to drop in each block.

    draws : object, default=None
        Source of random numbers with a method ``uniform(shape)``; without dropout it is not needed.

    Returns
    -------
    features : tensor of shape (n_samples, height, width, n_features)
        Activations of the last layer, with as many channels as the first resolution has.

    Notes
    -----
    The network is a small U-Net [1]_: blocks at full resolution, then at half of it, and so on, and back,
    where what was found at a resolution is added again. A block is
    ``h + conv(drop(silu((1 + a) * norm(h) + b)))``, with convolutions of 3 x 3 pixels; `norm` is over all
    pixels and channels of an image, and ``a, b`` are linear in an embedding of the condition [2]_. At each
    resolution every pixel has a bias of its own, which tells the network where it is.

    References
    ----------
    .. [1] Ronneberger, Fischer & Brox (2015). U-Net: Convolutional Networks for Biomedical Image
           Segmentation. MICCAI.
    .. [2] Perez et al. (2018). FiLM: Visual Reasoning with a General Conditioning Layer. AAAI. Equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.networks import convolutional_features, convolutional_weights
    >>> weights = convolutional_weights((8, 8, 1), 4, (16, 32), np.random.default_rng(0))
    >>> images, condition = np.ones((3, 8, 8, 1), np.float32), np.ones((3, 4), np.float32)
    >>> tuple(convolutional_features(weights, images, condition).shape)
    (3, 8, 8, 16)
    """
    embedded = ops.silu(ops.matmul(condition, weights["embedding_kernel"]) + weights["embedding_bias"])

    def convolved(x, name):
        return convolution(x, weights[f"{name}_kernel"]) + weights[f"{name}_bias"]

    def blocks(hidden, name):
        for block in range(_N_BLOCKS):
            film = ops.matmul(embedded, weights[f"{name}_{block}_film"])[:, None, None, :]
            scale, shift = ops.split(film, 2, axis=3)
            active = ops.silu(_normalised(hidden, 1 + scale, shift))
            if dropout:
                kept = draws.uniform(active.shape) >= dropout
                active = active * ops.cast(kept, "float32") / (1 - dropout)
            hidden = hidden + convolved(active, f"{name}_{block}")
        return hidden

    hidden, found = images, []
    while f"position_{len(found)}" in weights:
        level = len(found)
        if level:
            hidden = ops.average_pool(hidden, 2, strides=2, padding="same")
        hidden = convolved(hidden, f"down_{level}" if level else "input") + weights[f"position_{level}"]
        hidden = blocks(hidden, f"level_{level}")
        found.append(hidden)
    for level in reversed(range(len(found) - 1)):
        _, height, width, _ = found[level].shape
        above = ops.repeat(ops.repeat(convolved(hidden, f"up_{level}"), 2, axis=1), 2, axis=2)
        hidden = blocks(found[level] + above[:, :height, :width], f"back_{level}")
    return ops.silu(_normalised(hidden, 1.0, 0.0))


def _normalised(hidden, scale, shift):
    axes = tuple(range(1, len(hidden.shape)))
    mean = ops.mean(hidden, axis=axes, keepdims=True)
    variance = ops.mean(ops.square(hidden - mean), axis=axes, keepdims=True)
    return (hidden - mean) * ops.rsqrt(variance + 1e-5) * scale + shift
