"""The linear filter and the constants around the network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoisingRegressor
from skdiffusion._preconditioning import _BLOCK_ROWS, LinearPreconditioner


def fit(X, y, weight=None):
    return LinearPreconditioner.fit(X, y, np.ones(len(X)) if weight is None else weight)


def linear_filter(constants, X):
    return constants.outputs(constants.inputs(X), np.zeros((len(X), len(constants.scale))))


def noisy_rows(n_samples, n_features, noise, seed=0):
    """Rows of two hidden causes, and their clean values."""
    rng = np.random.default_rng(seed)
    clean = rng.normal(size=(n_samples, 2)) @ np.random.default_rng(7).normal(size=(2, n_features))
    return clean + noise * rng.normal(size=clean.shape), clean


def error_beside_ridge(make_rows, n_samples, n_outputs):
    """Return the mean ratio of held-out squared errors: this filter over RidgeCV with the same penalties."""
    ratios = []
    for seed in range(5):
        (X, y), (X_test, y_test) = make_rows(n_samples, seed), make_rows(2000, 100 + seed)
        y, y_test = y[:, :n_outputs], y_test[:, :n_outputs]
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-8, 4, 49) * n_samples)).fit(X, y)
        errors = [linear_filter(fit(X, y), X_test) - y_test, ridge.predict(X_test) - y_test]
        ratios.append(np.linalg.norm(errors[0]) ** 2 / np.linalg.norm(errors[1]) ** 2)
    return np.mean(ratios)


@pytest.mark.parametrize(("n_samples", "n_features"), [(20, 3), (60, 30), (1000, 30)])
@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_filter_is_as_good_as_cross_validated_ridge(n_samples, n_features, noise):
    def make_rows(n, seed):
        return noisy_rows(n, n_features, noise, seed)

    assert error_beside_ridge(make_rows, n_samples, n_features - 1) < 1.05


@pytest.mark.parametrize(("n_samples", "most"), [(20, 0.5), (60, 0.9), (2000, 1.01)])
def test_filter_of_unrelated_columns_counts_on_each_columns_own_noisy_version(n_samples, most):
    def make_rows(n, seed):
        rng = np.random.default_rng(seed)
        clean = rng.normal(size=(n, 30))
        return clean + 0.1 * rng.normal(size=clean.shape), clean

    assert error_beside_ridge(make_rows, n_samples, 30) < most


def test_filter_of_many_rows_is_ridge_also_with_an_output_for_each_feature():
    def make_rows(n, seed):
        return noisy_rows(n, 10, 1.0, seed)

    assert error_beside_ridge(make_rows, 2000, 10) < 1.01


def test_filter_gives_back_linear_targets_without_noise():
    X, _ = noisy_rows(100, 4, 1.0)
    y = X @ np.arange(8).reshape(4, 2) - 3
    constants = fit(X, y)
    assert_allclose(linear_filter(constants, X), y, atol=1e-5)
    assert np.all(constants.scale < 1e-5)


def test_filter_ignores_targets_that_have_nothing_to_do_with_the_features():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 40)), rng.normal(size=(50, 3))
    # Least squares would fit the targets: 40 of 49 degrees of freedom.
    assert np.linalg.norm(linear_filter(fit(X, y), X) - y.mean(axis=0)) < 0.5 * np.linalg.norm(y)


@pytest.mark.parametrize("n_samples", [1, 2, 5, 19, 20, 21])
def test_with_fewer_rows_than_features_the_filter_is_no_worse_than_the_mean(n_samples):
    X, y = noisy_rows(n_samples, 20, 1.0)
    X_test, y_test = noisy_rows(2000, 20, 1.0, seed=1)
    mse = np.mean((linear_filter(fit(X, y), X_test) - y_test) ** 2)
    assert mse < 1.05 * np.mean((y.mean(axis=0) - y_test) ** 2)


def test_mean_and_spread_are_weighted():
    X, y = noisy_rows(30, 3, 1.0)
    weight = np.arange(30.0)
    constants = fit(X, y, weight)
    assert_allclose(constants.mean, np.average(X, axis=0, weights=weight))
    assert_allclose(constants.std**2, np.average((X - constants.mean) ** 2, axis=0, weights=weight))
    assert_allclose(constants.intercept, np.average(y, axis=0, weights=weight))


def test_filter_minimises_the_weighted_error_of_many_rows():
    X, y = noisy_rows(2000, 3, 1.0)
    weight = np.where(np.arange(2000) % 2, 3.0, 1.0)
    repeated = fit(X.repeat(weight.astype(int), axis=0), y.repeat(weight.astype(int), axis=0))
    # The penalties differ: their choice counts rows.
    assert_allclose(fit(X, y, weight).coef, repeated.coef, atol=0.005)


def test_scale_is_the_weighted_size_of_what_the_filter_leaves_over():
    X, y = noisy_rows(50, 3, 1.0)
    weight = np.linspace(0.1, 2, 50)
    constants = fit(X, y, weight)
    left_over = linear_filter(constants, X) - y
    assert_allclose(constants.scale**2, np.average(left_over**2, axis=0, weights=weight), rtol=1e-5)


def test_the_network_sees_inputs_and_targets_of_unit_size():
    X, y = noisy_rows(500, 3, 1.0)
    constants = fit(1e6 * X + 1e8, 1e-6 * y)
    z = constants.inputs(1e6 * X + 1e8)
    assert_allclose(z.mean(axis=0), 0, atol=1e-5)
    assert_allclose(z.std(axis=0), 1, rtol=1e-5)
    assert_allclose(np.mean(constants.residuals(z, 1e-6 * y) ** 2, axis=0), 1, rtol=1e-5)


def test_outputs_are_the_inverse_of_residuals():
    X, y = noisy_rows(2 * _BLOCK_ROWS + 3, 3, 1.0)
    constants = fit(X, y)
    z = constants.inputs(X)
    assert_allclose(constants.outputs(z, constants.residuals(z, y)), y, atol=1e-6)


@pytest.mark.parametrize("n_samples", [_BLOCK_ROWS - 1, _BLOCK_ROWS, _BLOCK_ROWS + 1, 3 * _BLOCK_ROWS])
def test_blocks_do_not_matter(n_samples, monkeypatch):
    X, y = noisy_rows(n_samples, 3, 1.0)
    blockwise = fit(X, y)
    monkeypatch.setattr("skdiffusion._preconditioning._BLOCK_ROWS", 10**9)
    for constants, expected in zip(blockwise, fit(X, y), strict=True):
        assert_allclose(constants, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
@pytest.mark.parametrize("n_samples", [1, 7, 23, 59])
def test_a_constant_feature_has_unit_spread_and_no_coefficient(value, n_samples):
    X, y = noisy_rows(n_samples, 3, 1.0)
    X[:, 1] = value
    constants = fit(X, y, np.random.default_rng(0).uniform(0.1, 1, n_samples))
    assert constants.std[1] == 1
    assert_allclose(constants.coef[1], 0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_a_constant_target_is_given_back_exactly(value):
    X, y = noisy_rows(20, 3, 1.0)
    y[:, 1] = value
    constants = fit(X, y)
    assert_array_equal(linear_filter(constants, X)[:, 1], value)
    assert_array_equal(constants.residuals(constants.inputs(X), y)[:, 1], 0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_a_trained_network_adds_nothing_to_a_constant_target(value):
    X, y = noisy_rows(20, 3, 1.0)
    y[:, 1] = value
    model = DenoisingRegressor((8,), epochs=5, random_state=0).fit(X, y)
    assert_array_equal(model.predict(3 * X)[:, 1], value)


def test_a_target_without_variance_does_not_hide_that_held_out_rows_have_some():
    X, y = noisy_rows(20, 3, 1.0)
    constants = fit(X, 0 * y)
    assert_array_equal(constants.residuals(constants.inputs(X), y), y.astype(np.float32))


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_spread_however_small_beside_the_mean_is_used(unit):
    X, y = noisy_rows(50, 3, 1.0)
    expected = linear_filter(fit(X, y), X)
    moved = unit * (X + 1e5)
    assert_allclose(linear_filter(fit(moved, y), moved), expected, atol=1e-4)


def test_float32_rows_give_the_same_constants():
    X, y = noisy_rows(100, 3, 1.0)
    X, y = X.astype(np.float32), y.astype(np.float32)
    for constants, expected in zip(fit(X, y), fit(X.astype(float), y.astype(float)), strict=True):
        assert_allclose(constants, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, 1e9])
def test_constant_targets_take_nothing_from_the_others(constant):
    X, y = noisy_rows(60, 20, 1.0)
    alone = fit(X, y[:, :1])
    beside = fit(X, np.hstack([y[:, :1], np.full((60, 30), constant)]))
    assert_allclose(beside.coef[:, :1], alone.coef, rtol=1e-6)
    assert_array_equal(beside.scale[1:], 1)
    assert_array_equal(linear_filter(beside, X)[:, 1:], constant)


def test_a_small_spread_far_from_zero_is_a_spread():
    X = 1e9 + 0.01 * np.random.default_rng(0).normal(size=(200_000, 1))
    assert fit(X, X).std == pytest.approx(0.01, rel=0.01)


def test_rows_of_next_to_no_weight_do_not_count_as_rows():
    X, y = noisy_rows(1000, 30, 1.0)
    weight = np.where(np.arange(1000) < 40, 1.0, 1e-6)
    heavy = fit(X[:40], y[:40])
    assert_allclose(fit(X, y, weight).coef, heavy.coef, atol=1e-3)
