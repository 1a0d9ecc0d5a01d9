"""The network of the gaussian process on images: what it sees, its loss, and how noise is taken away."""

from functools import partial
from itertools import product
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from ._blocks import normal_score
from ._reverse import follow, last_level
from ._training import Draws, compiled
from .networks import convolution, convolutional_features, convolutional_weights

# Noise levels of sampling: the first drowns images of unit variance, the last is finer than what is rounded.
SIGMA_MIN, SIGMA_MAX = 0.01, 20.0

# Distribution of the logarithm of the noise level while training.
_LOG_SIGMA_MEAN, _LOG_SIGMA_STD = -0.5, 1.4

# Sines and cosines of the noise level that the network sees.
_N_NOISE_WAVES = 8
_NOISE_FREQUENCY = np.pi / 1.5

# How often some pixels are given; how often the class is hidden, and how often where they may tell it.
_GIVEN_SHARE = 0.5
_HIDDEN_SHARE, _HIDDEN_SHARE_IN_PART = 0.15, 0.5


class ImageArchitecture(NamedTuple):
    """What the compiled code depends on: two fits with the same one share it."""

    image_shape: tuple
    """Height, width and number of channels."""

    n_classes: int
    """Number of classes; 0 for none."""

    hidden_layer_sizes: tuple
    dropout: float


class ImageNetwork:
    """The network of the gaussian process on images: see `ImageProcess` for what it learns.

    Parameters
    ----------
    architecture : ImageArchitecture
        Its shapes.
    """

    def __init__(self, architecture):
        self._architecture = architecture
        height, width, _ = architecture.image_shape
        self.width = 4 * height * width
        weights = initial_weights(architecture, np.random.default_rng(0))
        self._weights = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
        self.variables = list(self._weights.values())
        self.kernels = [variable for name, variable in self._weights.items() if name.endswith("kernel")]
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.bound = compiled(self._bound)
        self.restore = {
            (sampler, guided): compiled(partial(self._restore, sampler, guided))
            for sampler, guided in product(("euler", "heun", "ancestral", "multistep"), (False, True))
        }

    def row_loss(self, arrays, draws, training):
        """Return the loss of each image: the sum over pixels of squared errors, in units of their spread.

        Parameters
        ----------
        arrays : tuple of tensors
            Those of `ImageProcess.arrays`.
        draws : Draws
            Source of the noise, the hidden classes, the given pixels and the dropped units.
        training : bool
            Whether units are dropped.
        """
        low, high, labels = arrays
        n_rows = low.shape[0]
        x0 = _clean(low, high, draws)
        share = (ops.arange(n_rows, dtype="float32") + draws.uniform((n_rows,))) / n_rows
        sigma = ops.exp(_LOG_SIGMA_MEAN + _LOG_SIGMA_STD * normal_score(share))[:, None]
        noisy = x0 + sigma * draws.normal(x0.shape)
        is_given = _given(self._architecture.image_shape, n_rows, draws)
        is_in_part = ops.any(is_given, axis=1, keepdims=True)
        hidden_share = ops.where(is_in_part, _HIDDEN_SHARE_IN_PART, _HIDDEN_SHARE)
        labels = ops.where(draws.uniform((n_rows, 1)) < hidden_share, -1, labels)
        outputs = self._outputs(
            ops.where(is_given, x0, noisy), is_given, sigma, labels, draws if training else None
        )
        variance = 1 + ops.square(sigma)
        target = (x0 - noisy / variance) * ops.sqrt(variance) / sigma
        return ops.sum(ops.where(is_given, 0.0, ops.square(outputs - target)), axis=1)

    def _outputs(self, x, is_given, sigma, labels, draws=None):
        ones = ops.ones_like(x[:, :1])
        level = ops.log(sigma) / 4 * ones
        waves = level * np.arange(1, _N_NOISE_WAVES + 1, dtype=np.float32) * np.float32(_NOISE_FREQUENCY)
        classes = np.arange(self._architecture.n_classes, dtype=np.int32)
        condition = [level, ops.sin(waves), ops.cos(waves), ops.cast(labels == classes, "float32")]
        # Given pixels tell of far ones: convolutions alone take long to learn that.
        condition += [ops.where(is_given, x, 0.0), ops.cast(is_given, "float32")]
        scaled = ops.where(is_given, x, x * ops.rsqrt(1 + ops.square(sigma)))
        shape = (x.shape[0], *self._architecture.image_shape)
        images = ops.concatenate([ops.reshape(plane, shape) for plane in (scaled, condition[-1])], axis=3)
        dropout = self._architecture.dropout if draws else 0
        features = convolutional_features(
            self._weights, images, ops.concatenate(condition, axis=1), dropout, draws
        )
        outputs = convolution(features, self._weights["output_kernel"]) + self._weights["output_bias"]
        return ops.reshape(outputs, x.shape)

    def _posterior_mean(self, x, is_given, sigma, labels):
        variance = 1 + ops.square(sigma)
        outputs = self._outputs(x, is_given, sigma, labels)
        return ops.where(is_given, x, x / variance + outputs * sigma * ops.rsqrt(variance))

    def _restore(self, sampler, guided, low, high, labels, is_given, moves, n_moves, guidance, seed):
        x0 = (low + high) / 2

        def denoise(x, sigma):
            x = ops.where(is_given, x0, x)
            if not guided:
                return self._posterior_mean(x, is_given, sigma, labels)
            labels_twice = ops.concatenate([labels, ops.full_like(labels, -1)])
            twice = (ops.concatenate([array, array]) for array in (x, is_given))
            mean, without = ops.split(self._posterior_mean(*twice, sigma, labels_twice), 2)
            return without + (1 + guidance) * (mean - without)

        x = moves[0, 0] * Draws(seed).normal(x0.shape)
        # Nothing is clamped, as it is for tables: the denoiser itself holds the given pixels.
        x = follow(denoise, x, x0, ops.zeros_like(is_given), moves, n_moves, 1, seed, sampler)
        return denoise(x, last_level(moves, n_moves))

    def _bound(self, low, high, labels, n_levels, seed):
        """Return an upper bound of minus the log-density of each image, on the network's scale."""
        n_rows = low.shape[0]
        first, last = np.log(SIGMA_MIN), np.log(SIGMA_MAX)
        step_size = np.float32(last - first) / ops.cast(n_levels, "float32")
        x0, is_level = _clean(low, high, Draws(seed)), _is_level(low, high)
        is_given = ops.zeros_like(is_level)
        known = (np.float32(np.log(2 * np.pi)) + ops.square(x0)) / 2
        coarse = ops.square(x0) / (2 * SIGMA_MAX**2) + ops.log(ops.maximum(high - low, SIGMA_MIN))

        # Of a density, the error beyond that of normal pixels alone, whose density is known. Of levels, which
        # the least noise leaves apart, all of the error: it gives a probability, for the width of a level.
        def step(count, total):
            draws = Draws(ops.stack([seed[0], seed[1] + 1 + count]))
            position = ops.cast(count, "float32") + draws.uniform((n_rows, 1))
            sigma = ops.exp(np.float32(first) + step_size * position)
            x = x0 + sigma * draws.normal(x0.shape)
            variance = 1 + ops.square(sigma)
            error = ops.square(x0 - self._posterior_mean(x, is_given, sigma, labels))
            excess = error - ops.where(is_level, 0.0, ops.square(x0 - x / variance))
            return count + 1, total + ops.sum(excess / ops.square(sigma), axis=1) * step_size

        _, total = ops.while_loop(lambda count, _: count < n_levels, step, (0, ops.zeros(n_rows, "float32")))
        return total + ops.sum(ops.where(is_level, coarse, known), axis=1)


def _is_level(low, high):
    """Tell which values are so far from their neighbours that the least noise does not blur them."""
    return high - low > 6 * SIGMA_MIN


def _clean(low, high, draws):
    """Return levels as they are, and finer values spread evenly over their intervals."""
    share = ops.where(_is_level(low, high), 0.5, draws.uniform(low.shape))
    return low + (high - low) * share


def _given(image_shape, n_rows, draws):
    """Draw which pixels are given: none, each by chance, or those inside or outside of a rectangle."""
    height, width, _ = image_shape
    kind, chance = draws.uniform((n_rows, 1, 1)), draws.uniform((n_rows, 1, 1))
    # Ends beyond the border are cut off, so that many rectangles begin and end at it.
    ends = ops.sort(ops.clip(2 * draws.uniform((n_rows, 2, 2)) - 0.5, 0, 1), axis=2)
    inside = []
    for n_pixels, end in zip((height, width), (ends[:, :1], ends[:, 1:]), strict=True):
        middle = (np.arange(n_pixels, dtype=np.float32)[:, None] + 0.5) / n_pixels
        inside.append(ops.logical_and(end[:, :, 0:1] <= middle, middle < end[:, :, 1:2]))
    is_inside = ops.logical_and(inside[0], ops.transpose(inside[1], (0, 2, 1)))
    is_alone = draws.uniform((n_rows, height, width)) < chance
    is_given = ops.where(kind < 0.5, is_alone, ops.where(kind < 0.75, is_inside, ops.logical_not(is_inside)))
    is_given = ops.logical_and(is_given, draws.uniform((n_rows, 1, 1)) < _GIVEN_SHARE)
    # Of a whole image nothing is left to learn.
    is_given = ops.logical_and(is_given, ops.logical_not(ops.all(is_given, axis=(1, 2), keepdims=True)))
    is_given = ops.broadcast_to(is_given[..., None], (n_rows, *image_shape))
    return ops.reshape(is_given, (n_rows, -1))


def initial_weights(architecture, rng):
    """Draw weights with which the network's output is zero."""
    sizes, (height, width, n_channels) = architecture.hidden_layer_sizes, architecture.image_shape
    n_conditions = 1 + 2 * _N_NOISE_WAVES + architecture.n_classes + 2 * height * width * n_channels
    weights = convolutional_weights((height, width, 2 * n_channels), n_conditions, sizes, rng)
    weights["output_kernel"] = np.zeros((3, 3, sizes[0], n_channels), np.float32)
    weights["output_bias"] = np.zeros(n_channels, np.float32)
    return weights
