"""Schedules: the formulas of their papers, and noise that follows them."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skdiffusion.schedules import Cosine, Karras, LinearBeta, RandomWalk, Schedule, add_noise

SCHEDULES = [RandomWalk(), RandomWalk([0.1, 0.0, 3.0]), LinearBeta(), Cosine(), Karras()]
PRESERVING = [LinearBeta(), LinearBeta(1000), LinearBeta(10), Cosine(), Cosine(1)]


def alpha_bar(schedule):
    return schedule.scale(np.arange(schedule.n_steps + 1)) ** 2


# Levels


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_step_0_is_clean(schedule):
    assert_array_equal(schedule.sigma(0), 0)
    assert_array_equal(schedule.scale(0), 1)


@pytest.mark.parametrize("schedule", [*SCHEDULES, *PRESERVING, Karras(1)], ids=repr)
def test_noise_levels_never_fall(schedule):
    levels = schedule.sigmas()
    assert len(levels) == schedule.n_steps + 1
    assert np.all(np.isfinite(levels))
    assert np.all(np.diff(levels, axis=0) >= 0)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_levels_of_many_steps_are_those_of_each(schedule):
    steps = np.array([[0, 3], [100, 3]])
    assert_array_equal(schedule.sigma(steps)[1, 0], schedule.sigma(100))
    assert schedule.sigma(steps).shape == (2, 2, *np.shape(schedule.sigma(0)))
    assert_array_equal(schedule.scale(steps)[0, 1], schedule.scale(3))


def test_variance_of_the_random_walk_is_linear_in_t():
    t = np.arange(101)
    assert_allclose(RandomWalk(0.1, 100).sigma(t) ** 2, 0.01 * t)


def test_random_walk_takes_a_level_for_each_feature():
    assert_allclose(RandomWalk([0.1, 0.5], 4).sigma([1, 4]), [[0.1, 0.5], [0.2, 1.0]])


@pytest.mark.parametrize("schedule", [RandomWalk(), Karras()], ids=repr)
def test_variance_exploding_schedules_do_not_scale(schedule):
    assert_array_equal(schedule.scale(np.arange(101)), 1)


@pytest.mark.parametrize("schedule", PRESERVING, ids=repr)
def test_variance_preserving_schedules_keep_unit_variance(schedule):
    t = np.arange(schedule.n_steps + 1)
    assert_allclose(schedule.scale(t) ** 2 * (1 + schedule.sigma(t) ** 2), 1)


def test_linear_betas_of_1000_steps_are_those_of_ddpm():
    betas = 1 - alpha_bar(LinearBeta(1000))[1:] / alpha_bar(LinearBeta(1000))[:-1]
    assert_allclose(betas, np.linspace(1e-4, 0.02, 1000))


@pytest.mark.parametrize("n_steps", [50, 100, 300])
def test_linear_betas_of_fewer_steps_leave_about_as_little_data(n_steps):
    end = LinearBeta(n_steps).scale(n_steps)
    assert 0.3 * LinearBeta(1000).scale(1000) < end < LinearBeta(1000).scale(1000)


def test_betas_are_capped():
    few = LinearBeta(5)
    assert_allclose(alpha_bar(few)[-1] / alpha_bar(few)[-2], 1 - 0.999)
    assert_allclose(alpha_bar(Cosine())[-1] / alpha_bar(Cosine())[-2], 1 - 0.999)


def test_cosine_alpha_bar_is_equation_17():
    t = np.arange(100)  # the last step is capped
    f = np.cos((t / 100 + 0.008) / 1.008 * np.pi / 2) ** 2
    assert_allclose(alpha_bar(Cosine(100))[:-1], f / f[0])


def test_karras_levels_are_equation_5():
    i = np.arange(18)
    expected = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert_allclose(Karras().grid(18), [*expected, 0])


# Grids


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("n", [1, 7, 100])
def test_grid_falls_from_the_last_level_to_0(schedule, n):
    grid = schedule.grid(n)
    assert grid.shape[0] == n + 1
    assert_allclose(grid[0], schedule.sigma(100))
    assert_array_equal(grid[-1], 0)
    assert np.all(np.diff(grid, axis=0) <= 0)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_grid_of_all_steps_is_the_schedule_backwards(schedule):
    assert_array_equal(schedule.grid(100), schedule.sigmas()[::-1])


def test_grid_takes_levels_of_distinct_steps():
    assert len(np.unique(Cosine().grid(99))) == 100


# Parameters


def test_parameters_are_read_and_set_as_in_scikit_learn():
    schedule = clone(LinearBeta(50)).set_params(beta_end=0.03)
    assert schedule.get_params() == {"n_steps": 50, "beta_start": 1e-4, "beta_end": 0.03}
    assert repr(schedule) == "LinearBeta(beta_end=0.03, n_steps=50)"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("copied", [clone, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_have_the_same_levels(schedule, copied):
    assert_array_equal(copied(schedule).sigmas(), schedule.sigmas())


def test_a_schedule_without_levels_cannot_be_made():
    with pytest.raises(TypeError, match="sigmas"):
        Schedule()


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (RandomWalk(n_steps=0), "n_steps must be an integer >= 1, got 0"),
        (RandomWalk(n_steps=True), "n_steps must be an integer >= 1, got True"),
        (LinearBeta(2.0), r"n_steps must be an integer >= 1, got 2\.0"),
        (Cosine("many"), "n_steps must be an integer >= 1, got 'many'"),
        (Karras(0), "n_steps must be an integer >= 1, got 0"),
        (RandomWalk(-0.1), "noise_level must be finite and not negative, one number or .*, got -0.1"),
        (RandomWalk(np.inf), "noise_level must be finite"),
        (RandomWalk([[1.0]]), "noise_level must be .* one for each feature, got "),
        (RandomWalk("high"), "noise_level must be .*, got 'high'"),
        (LinearBeta(beta_start=0), "beta_start must be a finite number > 0 and < 1, got 0"),
        (LinearBeta(beta_end=1), "beta_end must be a finite number >= 0.0001 and < 1, got 1; beta_start is"),
        (LinearBeta(beta_end="x"), "beta_end must be a finite number >= 0.0001 and < 1, got 'x' of type str"),
        (Cosine(offset=-1), "offset must be a finite number >= 0, got -1"),
        (Karras(sigma_min=0), "sigma_min must be a finite number > 0, got 0"),
        (
            Karras(sigma_max=0.001),
            "sigma_max must be a finite number >= 0.002, got 0.001; sigma_min is 0.002",
        ),
        (Karras(rho=0), "rho must be a finite number > 0, got 0"),
    ],
    ids=repr,
)
def test_wrong_parameters_are_named(schedule, message):
    with pytest.raises((TypeError, ValueError), match=message):
        schedule.sigma(0)


@pytest.mark.parametrize("schedule", [RandomWalk(), Karras()], ids=repr)
@pytest.mark.parametrize(
    ("t", "message"),
    [
        (101, "t must lie between 0 and n_steps=100, got steps from 101 to 101"),
        ([3, -1], "t must lie between 0 and n_steps=100, got steps from -1 to 3"),
        (0.5, "t must be whole steps from 0 to n_steps=100, got 0.5"),
    ],
)
def test_wrong_steps_are_named(schedule, t, message):
    with pytest.raises(ValueError, match=message):
        schedule.sigma(t)


def test_a_grid_finer_than_the_steps_is_refused():
    with pytest.raises(ValueError, match="n must be an integer >= 1 and <= 100, got 101; raise n_steps"):
        RandomWalk().grid(101)
    with pytest.raises(ValueError, match="n must be an integer >= 1, got 0"):
        Karras().grid(0)


# add_noise


@pytest.mark.parametrize("schedule", [RandomWalk(), LinearBeta(), Cosine(), Karras()], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_the_mean_and_the_deviation_of_its_step(schedule, dtype):
    x = np.full((50_000, 2), 3.0, dtype)
    noised = add_noise(x, schedule, 60, np.random.default_rng(0))
    scale, sigma = schedule.scale(60), schedule.sigma(60)
    # Standard errors of mean and deviation over 50,000 rows are 0.45 and 0.32 % of the deviation: 4 of them.
    assert_allclose(noised.mean(axis=0), scale * 3, atol=0.018 * scale * sigma)
    assert_allclose(noised.std(axis=0), scale * sigma, rtol=0.013)
    assert noised.dtype == dtype


def test_each_row_gets_the_noise_of_its_own_step():
    t = np.repeat([0, 25, 100], 20_000)
    noised = add_noise(np.zeros((60_000, 3)), RandomWalk(), t, np.random.default_rng(0))
    assert_allclose(noised.reshape(3, -1).std(axis=1), [0, 0.5, 1.0], rtol=0.012)


def test_each_row_gets_the_level_of_its_step_and_of_each_feature():
    t = np.repeat([1, 4], 30_000)
    noised = add_noise(np.zeros((60_000, 2)), RandomWalk([0.1, 1.0]), t, np.random.default_rng(0))
    assert_allclose(noised.reshape(2, -1, 2).std(axis=1), [[0.1, 1.0], [0.2, 2.0]], rtol=0.017)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (3, 100_000)])
def test_any_shape_is_noised(shape):
    assert add_noise(np.zeros(shape), RandomWalk(), 1, np.random.default_rng(0)).shape == shape


def test_noise_does_not_depend_on_the_memory_layout():
    x = np.random.default_rng(1).normal(size=(5_000, 20))
    expected = add_noise(x, RandomWalk(), 5, np.random.default_rng(0))
    assert_array_equal(add_noise(np.asfortranarray(x), RandomWalk(), 5, np.random.default_rng(0)), expected)
    strided = np.repeat(x, 2, axis=1)[:, ::2]
    assert_array_equal(add_noise(strided, RandomWalk(), 5, np.random.default_rng(0)), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [[1.0]]}, TypeError, "x must be a float32 or float64 ndarray .*, got list"),
        ({"x": np.zeros((2, 2), int)}, TypeError, r"x must be .*, got int64 of shape \(2, 2\)"),
        ({"x": np.zeros(2)}, TypeError, r"x must be .*, got float64 of shape \(2,\)"),
        ({"schedule": "cosine"}, TypeError, "schedule must be a Schedule such as .*, got 'cosine'"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator such as .*, got 0"),
        ({"t": [1, 2, 3]}, ValueError, r"t must be one step or one for each of the 2 rows, got shape \(3,\)"),
        ({"schedule": RandomWalk([1, 2, 3])}, ValueError, "noise levels for 3 features, but x has 2"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {"x": np.zeros((2, 2)), "schedule": RandomWalk(), "t": 1, "rng": np.random.default_rng(0)}
    with pytest.raises(error, match=message):
        add_noise(**arguments | change)
