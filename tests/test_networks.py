"""The networks as functions of their sizes."""

import random
from itertools import pairwise

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import networks
from skdiffusion.networks import (
    convolution,
    convolutional_features,
    convolutional_weights,
    initial_weights,
    multilayer_perceptron,
    preconditioned,
)


@pytest.fixture
def network():
    """Dense layers 3 -> 4 -> 2 with random weights."""
    model = multilayer_perceptron(3, 2, (4,), "relu", "linear")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def test_perceptron_is_dense_layers_one_after_another(network):
    X = np.random.default_rng(1).normal(size=(10, 3)).astype(np.float32)
    kernel, bias, output_kernel, output_bias = network.get_weights()
    expected = np.maximum(X @ kernel + bias, 0) @ output_kernel + output_bias
    assert_allclose(network(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", [(), (5,), (5, 6, 7)])
def test_perceptron_has_a_layer_for_each_size(sizes):
    model = multilayer_perceptron(3, 2, sizes, "relu", "sigmoid")
    widths = (3, *sizes, 2)
    kernels = [weight.shape for weight in model.get_weights()[::2]]
    assert kernels == list(pairwise(widths))


def test_perceptron_uses_both_activations():
    model = multilayer_perceptron(1, 1, (1,), "exponential", keras.activations.sigmoid)
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    assert_allclose(model(np.array([[0.5]])), [[1 / (1 + np.exp(-np.exp(0.5)))]], rtol=1e-6)


def test_building_networks_draws_no_random_number():
    state = random.getstate()
    model = multilayer_perceptron(3, 2, (4,), "relu", "linear")
    preconditioned(
        model,
        mean=np.zeros(3),
        std=np.ones(3),
        coef=np.ones((3, 2)),
        intercept=np.ones(2),
        scale=np.ones(2),
        clip=True,
    )
    assert random.getstate() == state
    assert not any(np.any(weight) for weight in model.get_weights())


@pytest.mark.parametrize("clip", [False, True])
def test_preconditioned_network_is_the_formula(network, clip):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(20, 3)).astype(np.float32)
    mean, std, scale = rng.normal(size=3), rng.uniform(0.5, 2, 3), rng.uniform(0.1, 1, 2)
    coef, intercept = rng.normal(size=(3, 2)), np.array([0.5, -0.1])
    model = preconditioned(
        network, mean=mean, std=std, coef=coef, intercept=intercept, scale=scale, clip=clip
    )
    z = (X - mean) / std
    expected = z @ coef + intercept + scale * np.asarray(network(z.astype(np.float32)))
    assert expected.min() < 0
    assert expected.max() > 1
    assert_allclose(model(X), np.clip(expected, 0, 1) if clip else expected, rtol=1e-4, atol=1e-5)


def test_only_the_network_within_a_preconditioned_one_is_trainable(network):
    model = preconditioned(
        network,
        mean=np.zeros(3),
        std=np.ones(3),
        coef=np.ones((3, 2)),
        intercept=np.ones(2),
        scale=np.ones(2),
        clip=False,
    )
    assert [w.path for w in model.trainable_variables] == [w.path for w in network.trainable_variables]


def test_networks_compute_in_float32_whatever_the_global_policy():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = multilayer_perceptron(3, 2, (4,), "relu", "linear")
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.compute_dtype == "float32"
    assert keras.backend.standardize_dtype(model(np.full((1, 3), 1e5)).dtype) == "float32"


SHAPES = [(3, 50), (50,), (50, 200), (200,), (200, 2), (2,)]


def test_initial_kernels_are_glorot_uniform():
    for weight in initial_weights(SHAPES, np.random.default_rng(0))[::2]:
        limit = np.sqrt(6 / sum(weight.shape))
        assert 0.9 * limit < np.abs(weight).max() <= limit
        assert_allclose(weight.std(), limit / np.sqrt(3), rtol=0.1)
        assert_allclose(weight.mean(), 0, atol=0.2 * limit)


def test_initial_biases_are_zero():
    assert not any(np.any(weight) for weight in initial_weights(SHAPES, np.random.default_rng(0))[1::2])


def test_initial_weights_have_their_shapes_in_float32():
    weights = initial_weights(SHAPES, np.random.default_rng(0))
    assert [weight.shape for weight in weights] == SHAPES
    assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}


def test_initial_weights_depend_on_the_generator_alone():
    first, again, other = (initial_weights(SHAPES, np.random.default_rng(seed)) for seed in (0, 0, 1))
    for weight, same, different in zip(first[::2], again[::2], other[::2], strict=True):
        assert_array_equal(weight, same)
        assert not np.array_equal(weight, different)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_convolution_is_that_of_keras(size):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 3, 2)).astype(np.float32)
    assert_allclose(
        convolution(images, kernel), keras.ops.conv(images, kernel, padding="same"), rtol=1e-4, atol=1e-4
    )


def test_convolutional_features_see_all_pixels_and_the_condition(monkeypatch):
    # Normalising tells all pixels of each other; the convolutions are to do that, too.
    monkeypatch.setattr(networks, "_normalised", lambda hidden, scale, shift: hidden * scale + shift)
    rng = np.random.default_rng(0)
    weights = convolutional_weights((7, 5, 2), 3, (4, 6, 8), rng)
    weights = {name: rng.normal(size=weight.shape).astype(np.float32) for name, weight in weights.items()}
    images, condition = (rng.normal(size=size).astype(np.float32) for size in ((1, 7, 5, 2), (1, 3)))
    features = np.asarray(convolutional_features(weights, images, condition))
    assert features.shape == (1, 7, 5, 4)
    moved = images.copy()
    moved[0, 0, 0, 0] += 1
    for other in (
        convolutional_features(weights, moved, condition),
        convolutional_features(weights, images, condition + 1),
    ):
        assert (np.abs(np.asarray(other) - features).max(axis=(0, 3)) > 1e-6).all()
