"""Samplers: they follow closed-form denoisers to the distribution that the denoiser belongs to."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.samplers import (
    ancestral,
    ancestral_step,
    euler,
    euler_step,
    heun,
    heun_step,
    multistep,
    multistep_step,
    multistep_weights,
)
from skdiffusion.schedules import Cosine, Karras, LinearBeta, RandomWalk

ODE = [euler, heun, multistep]
GRID = np.array([4.0, 2.0, 0.5, 0.0])


def stochastic(denoise, x, sigmas, **options):
    return ancestral(denoise, x, sigmas, np.random.default_rng(7), **options)


ALL = [*ODE, stochastic]


def gaussian(mean, covariance):
    """Posterior mean where rows are N(mean, covariance)."""
    mean, covariance = np.asarray(mean), np.asarray(covariance)

    def denoise(x, sigma):
        gain = covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(len(mean)))
        return mean + (x - mean) @ gain.T

    return denoise


def mixture(shares, centres, deviation):
    """Posterior mean where rows are a mixture of round Gaussians."""

    def denoise(x, sigma):
        variance = deviation**2 + sigma**2
        squares = ((x[:, None] - centres) ** 2).sum(axis=2)
        logits = np.log(shares) - squares / (2 * variance)
        posterior = np.exp(logits - logits.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        return (deviation**2 * x + sigma**2 * posterior @ centres) / variance

    return denoise


def unit(x, sigma):
    """Posterior mean where each column is N(0, 1)."""
    return x / (1 + sigma**2)


def start(n_rows, sigma, seed=0, n_columns=1):
    return sigma * np.random.default_rng(seed).standard_normal((n_rows, n_columns))


# Distributions


@pytest.mark.parametrize(("sampler", "n"), [(euler, 500), (heun, 40), (multistep, 40), (stochastic, 1000)])
def test_samplers_recover_a_gaussian(sampler, n):
    mean, covariance = np.array([1.0, -2.0]), np.array([[1.0, 0.6], [0.6, 0.5]])
    sigmas = Karras(sigma_max=20).grid(n)
    # The exact start: clean rows and noise.
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(mean, covariance + sigmas[0] ** 2 * np.eye(2), 20_000)
    rows = sampler(gaussian(mean, covariance), x, sigmas)
    # Standard errors over 20,000 rows: 0.71 % of the deviation for a mean, at most 1 % of the product of
    # deviations for a covariance. Four of them, and 1 % of the latter for the moves.
    deviations = np.sqrt(np.diag(covariance))
    assert_array_equal(np.abs(rows.mean(axis=0) - mean) < 0.0284 * deviations, True)
    error = np.abs(np.cov(rows.T) - covariance) / np.outer(deviations, deviations)
    assert_array_equal(error < 0.04 + 0.01, True)


@pytest.mark.parametrize(("sampler", "n"), [(euler, 60), (heun, 30), (multistep, 30), (stochastic, 200)])
def test_samplers_recover_the_shares_of_a_mixture(sampler, n):
    shares = np.array([0.2, 0.3, 0.5])
    centres = np.array([[-2.0, 0.0], [2.0, 1.0], [0.0, -3.0]])
    centres -= shares @ centres  # pure noise is centred, and so must be what it stands for
    sigmas = Karras().grid(n)
    rows = sampler(mixture(shares, centres, 0.3), start(10_000, sigmas[0], n_columns=2), sigmas)
    nearest = ((rows[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    # Standard error at most 0.5 %; 4 of them, and 0.5 % for the moves.
    assert_allclose(np.bincount(nearest) / len(rows), shares, atol=0.025)
    # Standard error of a class's deviation at most 1.2 %; 4 of them, and 3 % for the moves.
    for i, centre in enumerate(centres):
        assert_allclose((rows[nearest == i] - centre).std(axis=0), 0.3, rtol=0.08)


def test_ancestral_rows_have_the_right_variance_at_every_level():
    found = []
    sigmas = Karras(sigma_max=20).grid(300)
    x = start(20_000, np.sqrt(1 + sigmas[0] ** 2))
    stochastic(unit, x, sigmas, callback=lambda x, sigma: found.append((sigma, x.var())))
    levels, variances = np.transpose(found)
    assert_array_equal(levels, sigmas[1:])
    # Standard error of a variance over 20,000 rows is 1 %: 4 of them, and 3 % for the moves.
    assert_allclose(variances, 1 + levels**2, rtol=0.07)


def test_ancestral_is_exact_at_every_level_where_the_clean_row_is_known():
    found = []
    x = 5 + start(20_000, GRID[0])
    stochastic(lambda x, sigma: np.full_like(x, 5), x, GRID, callback=lambda x, _: found.append(x))
    for rows, sigma in zip(found[:-1], GRID[1:-1], strict=True):
        # Standard errors are 0.7 and 0.5 % of the deviation: 4 of them.
        assert_allclose(rows.mean(), 5, atol=0.028 * sigma)
        assert_allclose(rows.std(), sigma, rtol=0.02)
    assert_array_equal(found[-1], 5)


def test_ancestral_moves_lose_variance_at_first_order():
    def lost(n):
        variance, sigmas = 1 + 20.0**2, Karras(sigma_max=20).grid(n)
        for sigma, sigma_next in pairwise(sigmas):
            # What a move makes of x = 1, and of noise = 1: it is linear in both.
            ones, nothing = np.ones((1, 1)), np.zeros((1, 1))
            kept = ancestral_step(unit, ones, sigma, sigma_next, nothing).item()
            added = ancestral_step(unit, nothing, sigma, sigma_next, ones).item()
            variance = kept**2 * variance + added**2
        return 1 - variance

    assert 0 < lost(640) < 0.015
    assert_allclose(np.log2([lost(160) / lost(320), lost(320) / lost(640)]), 1, atol=0.05)


# Order of convergence


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (heun, 2), (multistep, 2)])
def test_order_on_the_probability_flow_of_a_gaussian(sampler, order):
    mean, deviation = 0.5, 2.0
    x = np.array([[3.0], [-20.0]])
    schedule = Karras(sigma_min=1e-3, sigma_max=20)
    exact = mean + (x - mean) * deviation / np.sqrt(deviation**2 + 20**2)
    n_moves = [20, 40, 80, 160]
    denoise = gaussian([mean], [[deviation**2]])
    errors = [np.abs(sampler(denoise, x, schedule.grid(n)) - exact).max() for n in n_moves]
    slope = np.polyfit(np.log(n_moves), np.log(errors), 1)[0]
    assert slope == pytest.approx(-order, abs=0.12)
    assert errors[-1] < deviation / 10 ** (order + 0.5)


@pytest.mark.parametrize("sampler", ODE)
@pytest.mark.parametrize("schedule", [RandomWalk(0.1, 400), LinearBeta(), Cosine()], ids=repr)
def test_the_grid_of_any_schedule_will_do(sampler, schedule):
    sigmas = schedule.grid(100)
    x = start(5, sigmas[0])
    exact = x / np.sqrt(1 + sigmas[0] ** 2)
    # The random walk's last move is from 0.2 to 0, and takes 2 % of the spread: 1 - 1 / sqrt(1 + 0.2^2).
    assert_allclose(sampler(unit, x, sigmas), exact, rtol=0.04)


@pytest.mark.parametrize(("sampler", "n_calls"), [(euler, 10), (heun, 19), (multistep, 10), (stochastic, 10)])
def test_calls_of_the_denoiser(sampler, n_calls):
    levels = []

    def denoise(x, sigma):
        levels.append(sigma)
        return unit(x, sigma)

    sampler(denoise, start(2, 80), Karras().grid(10))
    assert len(levels) == n_calls
    assert {type(level) for level in levels} == {float}
    assert min(levels) > 0


# Formulas


@pytest.mark.parametrize("sampler", ALL)
def test_the_last_move_returns_the_denoised_rows(sampler):
    x, denoised = start(3, 2.0), []

    def denoise(x, sigma):
        denoised.append(np.tanh(x) / (1 + sigma))
        return denoised[-1]

    assert_array_equal(sampler(denoise, x, np.array([2.0, 0.0])), np.tanh(x) / 3)
    assert_array_equal(sampler(denoise, x, GRID), denoised[-1])


def test_moves_of_a_variance_preserving_schedule_are_those_of_ddpm():
    schedule, t = LinearBeta(1000), 600
    sigma, sigma_next = schedule.sigma(t), schedule.sigma(t - 1)
    alpha_bar, alpha_bar_next = schedule.scale(t) ** 2, schedule.scale(t - 1) ** 2
    beta = 1 - alpha_bar / alpha_bar_next
    scaled, noise = start(4, 1.0), start(4, 1.0, seed=1)
    clean = np.tanh(scaled)
    # Ho et al. 2020, eq. 7.
    mean = np.sqrt(alpha_bar_next) * beta / (1 - alpha_bar) * clean
    mean += np.sqrt(1 - beta) * (1 - alpha_bar_next) / (1 - alpha_bar) * scaled
    beta_tilde = (1 - alpha_bar_next) / (1 - alpha_bar) * beta
    moved = ancestral_step(lambda x, sigma: clean, scaled / schedule.scale(t), sigma, sigma_next, noise)
    assert_allclose(moved * schedule.scale(t - 1), mean + np.sqrt(beta_tilde) * noise)


def test_euler_is_the_deterministic_sampler_of_ddim():
    schedule = Cosine()
    sigma, sigma_next = schedule.sigma(60), schedule.sigma(40)
    x = start(4, sigma)
    eps = (x - unit(x, sigma)) / sigma
    assert_allclose(euler_step(unit, x, sigma, sigma_next), x + (sigma_next - sigma) * eps)  # eq. 13


def test_multistep_is_algorithm_2():
    sigmas = np.array([8.0, 5.0, 2.0, 1.5, 0.2, 0.0])
    x = start(4, 8.0)
    # Lu et al. 2022, Algorithm 2, its model's noise levels and signal level 1 written out.
    lambdas = -np.log(sigmas[:-1])
    h = np.diff(lambdas)
    buffer = [np.tanh(x) / (1 + sigmas[0])]
    expected = sigmas[1] / sigmas[0] * x - np.expm1(-h[0]) * buffer[-1]
    for i in range(2, 5):
        buffer.append(np.tanh(expected) / (1 + sigmas[i - 1]))
        r = h[i - 2] / h[i - 1]
        extrapolated = (1 + 1 / (2 * r)) * buffer[-1] - 1 / (2 * r) * buffer[-2]
        expected = sigmas[i] / sigmas[i - 1] * expected - np.expm1(-h[i - 1]) * extrapolated
    expected = np.tanh(expected) / (1 + sigmas[4])
    assert_allclose(multistep(lambda x, sigma: np.tanh(x) / (1 + sigma), x, sigmas), expected)


def test_multistep_begins_with_the_move_of_euler():
    x = start(4, 3.0)
    assert_array_equal(
        multistep(unit, x, np.array([3.0, 1.0, 0.0])), euler(unit, x, np.array([3.0, 1.0, 0.0]))
    )


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_multistep_weights_are_0_at_both_ends(n):
    weights = multistep_weights(Karras().grid(n))
    assert weights.shape == (n,)
    assert_array_equal(weights[[0, -1]], 0)
    assert np.all(weights[1:-1] > 0)


def test_multistep_weights_of_equal_ratios_are_one_half():
    assert_allclose(multistep_weights(np.append(np.geomspace(10, 0.1, 5), 0)), [0, 0.5, 0.5, 0.5, 0])


@pytest.mark.parametrize(
    "move",
    [
        lambda x, sigma, sigma_next: euler_step(unit, x, sigma, sigma_next),
        lambda x, sigma, sigma_next: heun_step(unit, x, sigma, sigma_next),
        lambda x, sigma, sigma_next: ancestral_step(unit, x, sigma, sigma_next, np.ones_like(x)),
        lambda x, sigma, sigma_next: multistep_step(unit, x, sigma, sigma_next, np.ones_like(x), 0.3)[0],
    ],
    ids=["euler", "heun", "ancestral", "multistep"],
)
def test_each_row_moves_between_levels_of_its_own(move):
    x = start(3, 2.0, n_columns=2)
    sigma, sigma_next = np.array([[3.0], [2.0], [1.0]]), np.array([[1.0], [1.5], [0.1]])
    together = move(x, sigma, sigma_next)
    for i in range(3):
        assert_allclose(together[[i]], move(x[[i]], sigma[i].item(), sigma_next[i].item()))


# Arrays, tensors, callbacks


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept_and_the_start_is_not_written_to(sampler, dtype):
    x = start(6, 80.0, n_columns=3).astype(dtype)
    before = x.copy()
    rows = sampler(unit, x, Karras().grid(5))
    assert rows.dtype == dtype
    assert rows.shape == (6, 3)
    assert_array_equal(x, before)


@pytest.mark.parametrize("sampler", ALL)
def test_no_rows_give_no_rows(sampler):
    assert sampler(unit, np.empty((0, 2)), GRID).shape == (0, 2)


@pytest.mark.parametrize("sampler", ALL)
def test_callback_sees_the_rows_at_every_level(sampler):
    seen = []
    x = start(4, 4.0)
    rows = sampler(unit, x, GRID, callback=lambda x, sigma: seen.append((x, sigma)))
    assert [sigma for _, sigma in seen] == [2.0, 0.5, 0.0]
    assert_array_equal(seen[-1][0], rows)
    # What is seen after a move is where the next one starts.
    assert_array_equal(unit(seen[-2][0], 0.5), rows)


def test_ancestral_noise_comes_from_rng_alone():
    x = start(4, 4.0)
    first, again = (ancestral(unit, x, GRID, np.random.default_rng(3)) for _ in range(2))
    assert_array_equal(first, again)
    assert not np.allclose(first, ancestral(unit, x, GRID, np.random.default_rng(4)))


@pytest.mark.parametrize("sampler", ODE)
def test_samplers_take_tensors(sampler):
    import tensorflow as tf

    x = start(5, 4.0).astype(np.float32)
    compiled = tf.function(lambda x: sampler(unit, x, GRID))
    assert_allclose(compiled(tf.constant(x)).numpy(), sampler(unit, x, GRID), rtol=1e-5)


def test_moves_are_bodies_of_a_compiled_loop():
    import tensorflow as tf

    sigmas = Karras(sigma_max=10).grid(12).astype(np.float32)
    x = start(5, 10.0).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal((12, 5, 1)).astype(np.float32)

    @tf.function
    def compiled(x, sigmas, weights, noise):
        by_euler = by_heun = by_ancestral = by_multistep = clean = x
        for i in tf.range(len(sigmas) - 2):
            sigma, sigma_next = sigmas[i], sigmas[i + 1]
            by_euler = euler_step(unit, by_euler, sigma, sigma_next)
            by_heun = heun_step(unit, by_heun, sigma, sigma_next)
            by_ancestral = ancestral_step(unit, by_ancestral, sigma, sigma_next, noise[i])
            by_multistep, clean = multistep_step(unit, by_multistep, sigma, sigma_next, clean, weights[i])
        return [unit(rows, sigmas[-2]) for rows in (by_euler, by_heun, by_multistep, by_ancestral)]

    weights = multistep_weights(sigmas).astype(np.float32)
    *by_ode, by_ancestral = compiled(*map(tf.constant, (x, sigmas, weights, noise)))
    for rows, sampler in zip(by_ode, ODE, strict=True):
        assert_allclose(rows.numpy(), sampler(unit, x, sigmas), rtol=1e-4)
    expected = x
    for sigma, sigma_next, draw in zip(sigmas[:-1], sigmas[1:], noise, strict=True):
        expected = ancestral_step(unit, expected, sigma, sigma_next, draw)
    assert_allclose(by_ancestral.numpy(), expected, rtol=1e-4)


# Errors


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize(
    ("sigmas", "error", "message"),
    [
        ([1.0, 0.0], TypeError, r"sigmas must be a float ndarray of shape \(n \+ 1,\) .*, got list"),
        (np.array([2, 1, 0]), TypeError, r"sigmas must be .*, got int64 of shape \(3,\)"),
        (
            RandomWalk([0.1, 0.2]).grid(5),
            TypeError,
            r"one noise level for all features, .*, got float64 of shape \(6, 2\)",
        ),
        (np.array([2.0, 1.0]), ValueError, r"the last is 0, .*, got 2 that end with \[2.0, 1.0\]"),
        (np.array([2.0, np.nan]), ValueError, r"the last is 0, .*, got 2 that end with \[2.0, nan\]"),
        (np.array([0.0]), ValueError, r"at least two noise levels, .*, got 1 that end with \[0.0\]"),
        (np.array([]), ValueError, r"at least two noise levels, .*, got 0 that end with \[\]"),
        (np.array([0.0, 1.0, 2.0, 0.0]), ValueError, "fall strictly, .*, got 0.0 and then 1.0 at index 1"),
        (np.array([2.0, 1.0, 1.0, 0.0]), ValueError, "fall strictly, .*, got 1.0 and then 1.0 at index 2"),
        (np.array([2.0, -1.0, 0.0]), ValueError, "fall strictly, .*, got -1.0 and then 0.0 at index 2"),
        (np.array([2.0, np.nan, 0.0]), ValueError, "finite and .*, got 2.0 and then nan at index 1"),
        (np.array([np.inf, 1.0, 0.0]), ValueError, "finite and .*, got inf and then 1.0 at index 1"),
    ],
    ids=repr,
)
def test_wrong_grids_are_named(sampler, sigmas, error, message):
    with pytest.raises(error, match=message):
        sampler(unit, np.ones((2, 1)), sigmas)
    with pytest.raises(error, match=message):
        multistep_weights(sigmas)


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0]], "x must be a float32 or float64 ndarray .*, got list"),
        (np.ones((2, 2), int), r"x must be .*, got int64 of shape \(2, 2\)"),
        (np.ones(2), r"x must be .*, got float64 of shape \(2,\)"),
    ],
    ids=repr,
)
def test_wrong_starts_are_named(sampler, x, message):
    with pytest.raises(TypeError, match=message):
        sampler(unit, x, GRID)


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("wrong", [np.ravel, lambda x: x[:, :1]])
def test_a_denoiser_that_changes_the_shape_is_named(sampler, wrong):
    with pytest.raises(
        ValueError, match=r"denoise must return rows of the shape of x, \(3, 2\), got float64 "
    ):
        sampler(lambda x, sigma: wrong(x), np.ones((3, 2)), GRID)


def test_ancestral_asks_for_a_generator():
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator such as .*, got 0"):
        ancestral(unit, np.ones((2, 1)), GRID, 0)


def test_ancestral_sends_tensors_to_its_step():
    import tensorflow as tf

    with pytest.raises(TypeError, match="write the loop with ancestral_step"):
        ancestral(unit, tf.ones((2, 1)), GRID, np.random.default_rng(0))
