"""Laws of the gaussian process."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import DiffusionGenerator, _training
from skdiffusion._encoder import EncodedTable, TableEncoder
from skdiffusion._gaussian import GaussianProcess
from skdiffusion.datasets import make_mixed_table

SAMPLERS = ["heun", "euler", "ancestral", "multistep"]


@pytest.fixture(scope="module")
def people():
    return make_mixed_table(400, random_state=0)


@pytest.fixture(scope="module")
def fitted(people):
    """A process and a program that holds its initial weights."""
    encoder = TableEncoder().fit(people)
    process = GaussianProcess(encoder, hidden_layer_sizes=(16,), dropout=0.0)
    program = _training.Program(process.build())
    process.load(program)
    program.set_weights(process.initial_weights(np.random.default_rng(0)))
    return encoder, process, program


def hidden(encoder, n_samples):
    codes = np.full((n_samples, len(encoder.n_codes_)), -1, np.int32)
    ranks = np.full((n_samples, len(encoder.detailed_)), 0.5, np.float32)
    return EncodedTable(codes, ranks, ranks)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_untrained_each_column_has_its_training_frequencies(fitted, sampler):
    encoder, process, program = fitted
    # Euler and the ancestral sampler lose variance of the first order in the number of steps.
    n_steps = 30 if sampler in ("heun", "multistep") else 100
    codes, _ = process.sample(
        program, hidden(encoder, 4096), 0, holes=True, sampler=sampler, n_sampling_steps=n_steps
    )
    for column, frequencies in enumerate(encoder.frequencies_):
        shares = np.bincount(codes[:, column], minlength=len(frequencies)) / len(codes)
        # 4 standard errors of a share of 1/2, and what the steps cost.
        assert np.abs(shares - frequencies).max() < 0.032 + 0.03


def test_given_cells_never_change(people, fitted):
    encoder, process, program = fitted
    full = encoder.encode(people)
    is_hidden = np.random.default_rng(0).random(full.codes.shape) < 0.5
    given = full._replace(codes=np.where(is_hidden, -1, full.codes).astype(np.int32))
    codes, ranks = process.sample(program, given, 0, holes=True, n_sampling_steps=5)
    assert_array_equal(codes[~is_hidden], full.codes[~is_hidden])
    kept = ~is_hidden[:, encoder.detailed_]
    assert_array_equal(ranks[kept], ((full.low + full.high) / 2)[kept])
    assert (codes >= 0).all()


def test_no_hole_is_drawn_where_none_may_be(fitted):
    encoder, process, program = fitted
    codes, _ = process.sample(program, hidden(encoder, 500), 0, holes=False, n_sampling_steps=5)
    last = codes == encoder.n_codes_ - 1
    assert encoder.has_missing_.any()
    assert not last[:, encoder.has_missing_].any()


def test_first_rows_are_the_same_however_many_follow(fitted):
    encoder, process, program = fitted
    few = process.sample(program, hidden(encoder, 10), 3, holes=True, n_sampling_steps=4)
    many = process.sample(program, hidden(encoder, 1500), 3, holes=True, n_sampling_steps=4)
    for a, b in zip(few, many, strict=True):
        assert_array_equal(a, b[:10])


def test_untrained_bound_of_independent_numbers_is_close_to_their_density():
    # By ranks, independent continuous columns have density 1: log-likelihood 0.
    table = np.random.default_rng(0).normal(size=(500, 2))
    encoder = TableEncoder().fit(table)
    process = GaussianProcess(encoder, hidden_layer_sizes=(8,), dropout=0.0)
    program = _training.Program(process.build())
    process.load(program)
    program.set_weights(process.initial_weights(np.random.default_rng(0)))
    bound = process.log_likelihood(program, encoder.encode(table), 0)
    assert abs(bound.mean()) < 4 * bound.std() / np.sqrt(500) + 0.05


def test_training_finds_a_correlation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 1))
    table = np.hstack([x, 0.9 * x + np.sqrt(1 - 0.81) * rng.normal(size=(1000, 1))])
    generator = DiffusionGenerator(
        process="gaussian", hidden_layer_sizes=(32, 32), epochs=60, learning_rate=0.01, random_state=0
    ).fit(table)
    drawn = generator.sample(4000, random_state=0)
    assert_allclose(np.corrcoef(drawn.T)[0, 1], np.corrcoef(table.T)[0, 1], atol=0.05)
    assert generator.score(table) > 0.3  # the mutual information is 0.83 nats


def test_training_finds_what_a_category_says_about_a_number():
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=1000)
    table = pd.DataFrame({"group": np.array(["a", "b"])[group], "x": rng.normal(size=1000) + 3 * group})
    generator = DiffusionGenerator(
        process="gaussian", hidden_layer_sizes=(32, 32), epochs=60, learning_rate=0.01, random_state=0
    ).fit(table)
    means = generator.sample(4000, random_state=0).groupby("group")["x"].mean()
    assert_allclose(means, table.groupby("group")["x"].mean(), atol=0.35)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_is_repeatable_and_its_steps_may_be_changed(people, sampler):
    generator = DiffusionGenerator(
        process="gaussian", hidden_layer_sizes=(8,), epochs=1, sampler=sampler, random_state=0
    ).fit(people)
    generator.set_params(n_sampling_steps=3)
    rows = generator.sample(20, random_state=1)
    pd.testing.assert_frame_equal(rows, generator.sample(20, random_state=1))
    generator.set_params(n_sampling_steps=6)
    assert not rows.equals(generator.sample(20, random_state=1))
    assert rows.dtypes.equals(people.dtypes)
