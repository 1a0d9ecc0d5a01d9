"""The masked process: its likelihood, its draws and its loss are those of one model."""

import time
from itertools import permutations, product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import chisquare, kstest, multivariate_normal, norm
from sklearn.utils import check_random_state

from skdiffusion import _masked, _masked_network, _training
from skdiffusion._blocks import N_CHUNK_ROWS
from skdiffusion._encoder import EncodedTable, TableEncoder
from skdiffusion._factors import FactorModel
from skdiffusion._masked import MaskedProcess, column_scores
from skdiffusion._training import Draws
from skdiffusion._training import compiled as really_compiled

pytestmark = pytest.mark.usefixtures("uncompiled")

# Seeds are fixed: a test of frequencies fails by chance at one in a thousand seeds, and so for none of these.
SIGNIFICANCE = 1e-3

WIDTH = (16,)

# Of what is added to the weights of the models of categories.
SPREAD = 0.4


def make_model(table, *, encoder=None, spread=0.0, seed=0, dropout=0.0, layers=WIDTH, **parameters):
    """Return encoder, process and a program with initial weights, moved at random by `spread`."""
    encoder = encoder or TableEncoder(**parameters).fit(table)
    copula = FactorModel.fit(column_scores(encoder, encoder.encode(table)), np.ones(len(table)))
    process = MaskedProcess(encoder, copula, hidden_layer_sizes=layers, dropout=dropout, n_waves=3)
    program = _training.Program(process.build())
    process.load(program)
    rng = np.random.default_rng(seed)
    weights = process.initial_weights(rng)
    program.set_weights([weight + spread * rng.normal(size=weight.shape) for weight in weights])
    # Where each column of the table stands in the network's order.
    n_columns, n_detailed = len(encoder.n_codes_), len(encoder.detailed_)
    columns = EncodedTable(np.arange(n_columns)[None], *np.zeros((2, 1, n_detailed)))
    places = np.argsort(process.arrays(columns)[0][0])
    return SimpleNamespace(
        table=table,
        encoder=encoder,
        process=process,
        program=program,
        network=program.network,
        places=places,
    )


def in_order(model, encoded, order):
    """Return the log-probability of each row whose cells are revealed in an order of the table's columns."""
    codes, low, high = model.process.arrays(encoded)
    order = np.tile(model.places[list(order)].astype(np.int32), (len(codes), 1))
    return -np.asarray(model.network.order_loss(codes, (low + high) / 2, order)).astype(float)


def encoded_of(codes, ranks=None):
    codes = np.atleast_2d(np.asarray(codes, np.int32))
    ranks = np.zeros((len(codes), 0)) if ranks is None else ranks
    ranks = np.ascontiguousarray(
        np.broadcast_to(np.asarray(ranks, np.float32), (len(codes), np.shape(ranks)[-1]))
    )
    return EncodedTable(codes, ranks, ranks)


def counts_of(codes, n_codes):
    """Count each combination of codes, in the order of `product`."""
    return np.bincount(np.ravel_multi_index(tuple(codes.T), n_codes), minlength=np.prod(n_codes))


def assert_frequencies(counts, probabilities):
    """Compare counts with the probabilities they should have, by a chi-square test."""
    expected = np.ravel(probabilities) * counts.sum() / np.sum(probabilities)
    order = np.argsort(expected)
    # The rarest are counted together, until five of them are expected.
    cells = np.maximum(np.cumsum(np.append(0, expected[order]))[:-1] // 5, 0)
    cells = np.cumsum(np.append(0, np.diff(cells) > 0))
    counts, expected = (np.bincount(cells, values[order]) for values in (counts, expected))
    counts, expected = counts[expected > 0], expected[expected > 0]
    assert len(counts) == 1 or chisquare(counts, expected).pvalue > SIGNIFICANCE


# A table of categories, small enough to list all rows


@pytest.fixture(scope="module")
def categories(uncompiled):
    """A model of three categorical columns, one with holes, that is far from independence."""
    rng = check_random_state(0)
    table = pd.DataFrame(
        {
            "c": rng.choice(np.array(["x", "y", None], dtype=object), 60),
            "a": rng.choice(["p", "q"], 60),
            "b": rng.choice(["k", "l", "m"], 60),
        }
    )
    model = make_model(table, spread=SPREAD)
    model.n_codes = (3, 2, 3)
    assert tuple(model.encoder.n_codes_) == model.n_codes
    model.rows = encoded_of(list(product(*map(range, model.n_codes))))
    model.orders = list(permutations(range(3)))
    model.log_probability = np.array([in_order(model, model.rows, order) for order in model.orders])
    return model


def test_the_example_is_not_trivial(categories):
    # Orders differ, and columns depend on each other: else the laws below would tell little.
    probability = np.exp(categories.log_probability)
    assert np.ptp(probability, axis=0).max() > 0.01
    joint = probability.mean(axis=0).reshape(categories.n_codes)
    independent = np.einsum("i,j,k->ijk", joint.sum((1, 2)), joint.sum((0, 2)), joint.sum((0, 1)))
    assert np.abs(joint - independent).sum() > 0.1


def test_in_each_order_probabilities_sum_to_one(categories):
    assert_allclose(np.exp(categories.log_probability).sum(axis=1), 1, rtol=1e-5)


def test_draws_in_an_order_follow_that_orders_probabilities(categories):
    n_rows = 20_000
    for order, log_probability in zip(categories.orders, categories.log_probability, strict=True):
        codes, ranks, _ = categories.process.arrays(encoded_of(np.full((n_rows, 3), -1)))
        log_odds = np.zeros((3, 3), np.float32)
        log_odds[categories.places[1], 2] = _masked.IMPOSSIBLE
        for step, column in enumerate(order):
            columns = np.full(n_rows, categories.places[column], np.int32)
            draws = np.array([1, step], np.int32)
            codes, ranks = categories.network.reveal(codes, ranks, columns, log_odds, draws)
        counts = counts_of(np.asarray(codes)[:, categories.places], categories.n_codes)
        assert_frequencies(counts, np.exp(log_probability))


def test_draws_follow_the_mean_probability_over_orders(categories):
    n_rows = 40_000
    hidden = encoded_of(np.full((n_rows, 3), -1))
    codes, _ = categories.process.sample(categories.program, hidden, 0, holes=True)
    assert_frequencies(counts_of(codes, categories.n_codes), np.exp(categories.log_probability).mean(axis=0))


def test_calibrated_draws_have_the_training_frequencies():
    rng = np.random.default_rng(0)
    first = rng.choice(3, 2000, p=[0.7, 0.2, 0.1])
    table = pd.DataFrame({"a": first, "b": np.where(rng.random(2000) < 0.8, first, 0)}).astype("category")
    model = make_model(table, spread=0.3)
    hidden = encoded_of(np.full((20_000, 2), -1))

    def farthest():
        codes, _ = model.process.sample(model.program, hidden, 7, holes=True)
        drawn = [np.bincount(column, minlength=3) / len(codes) for column in codes.T]
        return np.abs(np.array(drawn) - model.encoder.frequencies_).max()

    before, far = model.program.weights(), farthest()
    after = model.process.calibrated(model.program, 0, 12 * 4 * N_CHUNK_ROWS)
    assert farthest() < 0.02 < far / 3
    changed = [not np.array_equal(*weights) for weights in zip(before, after, strict=True)]
    assert changed == [variable is model.network.codes_bias for variable in model.network.variables]


def test_nothing_is_calibrated_when_time_is_up(categories):
    before = categories.program.weights()
    after = categories.process.calibrated(categories.program, 0, 10**6, time.perf_counter())
    for weights in zip(before, after, strict=True):
        assert_array_equal(*weights)


def test_few_rows_to_calibrate_by_leave_the_weights_as_they_are(categories):
    before = categories.program.weights()
    after = categories.process.calibrated(categories.program, 0, N_CHUNK_ROWS)
    for weights in zip(before, after, strict=True):
        assert_array_equal(*weights)


def conditional(model, given):
    """Return the exact probability of each row if some codes are given and the rest comes in random order."""
    fits = np.all([model.rows.codes[:, column] == code for column, code in given.items()], axis=0)
    hidden = [column for column in range(3) if column not in given]
    probabilities = []
    for rest in permutations(hidden):
        probability = np.where(fits, np.exp(in_order(model, model.rows, [*given, *rest])), 0)
        probabilities.append(probability / probability.sum())
    return np.mean(probabilities, axis=0)


@pytest.mark.parametrize("given", [{0: 2}, {1: 0}, {2: 1}, {0: 1, 1: 1}, {1: 1, 2: 0}, {0: 2, 2: 2}])
def test_draws_given_some_cells_follow_the_conditional_probability(categories, given):
    n_rows = 20_000
    codes = np.full((n_rows, 3), -1)
    codes[:, list(given)] = list(given.values())
    drawn, _ = categories.process.sample(categories.program, encoded_of(codes), 1, holes=True)
    assert_array_equal(drawn[:, list(given)], codes[:, list(given)])
    assert_frequencies(counts_of(drawn, categories.n_codes), conditional(categories, given))


def test_rows_with_different_cells_given_are_drawn_together(categories):
    codes = np.tile([[-1, 0, -1], [1, -1, 2], [2, 1, 0], [-1, -1, -1]], (5000, 1))
    drawn, _ = categories.process.sample(categories.program, encoded_of(codes), 2, holes=True)
    assert_array_equal(drawn[codes >= 0], codes[codes >= 0])
    for pattern, given in enumerate([{1: 0}, {0: 1, 2: 2}, {0: 2, 1: 1, 2: 0}]):
        counts = counts_of(drawn[pattern::4], categories.n_codes)
        assert_frequencies(counts, conditional(categories, given))


def test_without_holes_the_other_codes_keep_their_odds(categories):
    n_rows = 20_000
    codes = np.tile([-1, 1, 2], (n_rows, 1))
    drawn, _ = categories.process.sample(categories.program, encoded_of(codes), 3, holes=False)
    expected = conditional(categories, {1: 1, 2: 2}).reshape(categories.n_codes)[:2, 1, 2]
    counts = np.bincount(drawn[:, 0], minlength=3)
    assert counts[2] == 0
    assert_frequencies(counts[:2], expected)


def test_log_likelihood_is_the_mean_over_an_order_and_its_reverse(categories):
    of_order = dict(zip(categories.orders, categories.log_probability, strict=True))
    pairs = np.array([(of_order[order] + of_order[order[::-1]]) / 2 for order in categories.orders])
    for seed in range(3):
        value = categories.process.log_likelihood(categories.program, categories.rows, seed)
        assert (np.abs(pairs - value).min(axis=0) < 1e-5).all()


def test_log_likelihood_of_many_orders_is_their_mean(categories):
    value = categories.process.log_likelihood(categories.program, categories.rows, 0, n_orders=400)
    error = categories.log_probability.std(axis=0) / np.sqrt(400)
    assert (np.abs(value - categories.log_probability.mean(axis=0)) < 4 * error + 1e-5).all()


def test_log_likelihood_bounds_that_of_random_orders_from_below(categories):
    # By Jensen's inequality.
    bound = categories.log_probability.mean(axis=0)
    assert (bound <= np.log(np.exp(categories.log_probability).mean(axis=0)) + 1e-6).all()


@pytest.mark.parametrize("unknown", [[], [1]])
def test_row_loss_is_minus_the_log_likelihood_over_orders_on_average(categories, unknown):
    codes = categories.rows.codes.copy()
    codes[:, unknown] = -1  # as of a category that the encoder does not know
    log_probability = [in_order(categories, encoded_of(codes), order) for order in categories.orders]
    n_draws = 6000
    rows = np.repeat(np.arange(18), n_draws)
    np.random.default_rng(0).shuffle(rows)
    arrays = [array[rows] for array in categories.process.arrays(encoded_of(codes))]
    losses = np.asarray(categories.network.row_loss(arrays, Draws(np.array([0, 1], np.int32)), False))
    mean = np.bincount(rows, losses) / n_draws
    error = np.sqrt(np.bincount(rows, losses**2) / n_draws - mean**2) / np.sqrt(n_draws)
    deviations = (mean + np.mean(log_probability, axis=0)) / error
    assert np.abs(deviations).max() < norm.isf(SIGNIFICANCE / 2 / 18)


def test_hidden_cells_count_as_nothing(categories):
    # In an order whose last cell is hidden, what is left is the probability of the others.
    codes = categories.rows.codes.copy()
    codes[:, 2] = -1
    marginal = np.exp(in_order(categories, encoded_of(codes), (0, 1, 2)))
    whole = np.exp(in_order(categories, categories.rows, (0, 1, 2))).reshape(categories.n_codes)
    assert_allclose(marginal.reshape(categories.n_codes), np.tile(whole.sum(2, keepdims=True), 3), rtol=1e-4)


def test_padding_is_no_code(categories):
    # The first column's block has room for four codes.
    drawn, _ = categories.process.sample(
        categories.program, encoded_of(np.full((5000, 3), -1)), 0, holes=True
    )
    assert (drawn >= 0).all()
    assert (drawn < categories.n_codes).all()


@pytest.mark.parametrize("n_rows", [1, 3, N_CHUNK_ROWS, N_CHUNK_ROWS + 1])
def test_the_first_rows_are_the_same_however_many_follow(numbers, n_rows):
    def first(n_samples):
        hidden = encoded_of(np.full((n_samples, 3), -1), [0.5, 0.5])
        codes, ranks = numbers.process.sample(numbers.program, hidden, 0, holes=True)
        return codes[:n_rows], ranks[:n_rows]

    for few, many in zip(first(n_rows), first(2 * N_CHUNK_ROWS + 5), strict=True):
        assert_array_equal(few, many)


def test_no_rows_are_no_rows(numbers):
    codes, ranks = numbers.process.sample(
        numbers.program, encoded_of(np.empty((0, 3)), np.empty((0, 2))), 0, holes=True
    )
    assert codes.shape == (0, 3)
    assert ranks.shape == (0, 2)


def test_another_seed_gives_other_rows(categories):
    hidden = encoded_of(np.full((100, 3), -1))
    first, second = (
        categories.process.sample(categories.program, hidden, seed, holes=True)[0] for seed in (0, 1)
    )
    assert (first != second).any()


def test_progress_is_told_chunk_by_chunk(categories):
    told = []
    hidden = encoded_of(np.full((2 * N_CHUNK_ROWS + 1, 3), -1))
    categories.process.sample(categories.program, hidden, 0, holes=True, on_rows=told.append)
    assert told == [N_CHUNK_ROWS, 2 * N_CHUNK_ROWS, 2 * N_CHUNK_ROWS + 1]


# Numbers


@pytest.fixture(scope="module")
def numbers(uncompiled):
    """A model of a number with an atom, holes and bins, a category, and another number."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    x[:200], x[200:260] = 0, np.nan
    table = pd.DataFrame({"x": x, "g": rng.choice(["u", "v", "w"], 600), "z": rng.exponential(size=600)})
    model = make_model(table, spread=0.1, n_bins=3)
    assert_array_equal(model.encoder.detailed_, [0, 2])
    model.table = table
    return model


# Ranks at even distances of their normal scores, and the share of a uniform rank that each stands for.
SCORES = np.linspace(-4.7, 4.7, 1001)
TAILS = 0.01  # what may lie beyond them
RANKS, SHARES = norm.cdf(SCORES).astype(np.float32), norm.pdf(SCORES) * np.diff(SCORES)[0]


def densities(model, column, codes, ranks):
    """Return for each code of a column its density along `RANKS`, given the other cells of a row.

    Of a code that is no bin it is the probability, whatever the rank.
    """
    others = [other for other in range(len(codes)) if other != column]
    detail = list(model.encoder.detailed_).index(column)
    n_codes = model.encoder.n_codes_[column]
    all_codes = np.tile(codes, (n_codes * len(RANKS) + 1, 1))
    all_codes[:, column] = np.append(np.repeat(np.arange(n_codes), len(RANKS)), -1)
    all_ranks = np.tile(np.asarray(ranks, np.float32), (len(all_codes), 1))
    all_ranks[:-1, detail] = np.tile(RANKS, n_codes)
    value = in_order(model, encoded_of(all_codes, all_ranks), [*others, column])
    return np.exp(value[:-1] - value[-1]).reshape(n_codes, len(RANKS))


CONTEXTS = [
    (0, [1, 0, 1], [0.5, 0.3]),
    (0, [1, 2, 0], [0.5, 0.9]),
    (2, [1, 2, 0], [0.5, 0.5]),
    (2, [0, 1, 0], [0.2, 0.5]),
]


@pytest.mark.parametrize(("column", "codes", "ranks"), CONTEXTS)
def test_the_density_of_a_rank_integrates_to_the_probability_of_its_bin(numbers, column, codes, ranks):
    density = densities(numbers, column, codes, ranks)
    is_bin = numbers.encoder.is_bin_[list(numbers.encoder.detailed_).index(column)]
    assert np.ptp(density[is_bin], axis=1).min() > 1e-3
    assert_allclose(np.ptp(density[~is_bin], axis=1), 0, atol=1e-6)
    assert_allclose((density @ SHARES).sum(), 1, atol=TAILS)


@pytest.mark.parametrize(("column", "codes", "ranks"), CONTEXTS)
def test_drawn_numbers_follow_the_density(numbers, column, codes, ranks):
    n_rows = 20_000
    density = densities(numbers, column, codes, ranks)
    detail = list(numbers.encoder.detailed_).index(column)
    given = np.tile(codes, (n_rows, 1))
    given[:, column] = -1
    encoded = encoded_of(given, ranks)
    drawn, drawn_ranks = numbers.process.sample(numbers.program, encoded, 0, holes=True)
    kept = [other for other in range(3) if other != column]
    assert_array_equal(drawn[:, kept], given[:, kept])
    assert_array_equal(drawn_ranks[:, 1 - detail], encoded.low[:, 1 - detail])

    probability = density @ SHARES
    counts = np.bincount(drawn[:, column], minlength=len(probability))
    assert_frequencies(counts, probability)
    is_bin = numbers.encoder.is_bin_[detail]
    for code in range(len(probability)):
        found = drawn_ranks[drawn[:, column] == code, detail]
        if not is_bin[code]:
            assert_array_equal(found, 0.5)
            continue
        masses = density[code] * SHARES / probability[code]
        cumulative = np.cumsum(masses) - masses / 2
        found = ndtri(np.clip(found.astype(float), 1e-7, 1 - 1e-7))
        p_value = kstest(found, lambda score, cdf=cumulative: np.interp(score, SCORES, cdf)).pvalue
        assert p_value > SIGNIFICANCE


def test_log_likelihood_is_a_density_of_the_rank_in_the_whole_column(numbers):
    # Of one column alone, the others hidden: over all ranks it integrates to one.
    encoder = numbers.encoder
    for detail, column in enumerate(encoder.detailed_):
        n_codes = encoder.n_codes_[column]
        codes = np.full((n_codes * len(RANKS), 3), -1)
        codes[:, column] = np.repeat(np.arange(n_codes), len(RANKS))
        ranks = np.full((len(codes), 2), 0.5)
        ranks[:, detail] = np.tile(RANKS, n_codes)
        value = numbers.process.log_likelihood(numbers.program, encoded_of(codes, ranks), 0)
        widths = np.where(encoder.is_bin_[detail], encoder.rank_high_[detail] - encoder.rank_low_[detail], 1)
        total = (np.exp(value).reshape(n_codes, -1) @ SHARES * widths).sum()
        assert_allclose(total, 1, atol=TAILS)


def test_what_is_hidden_does_not_show(numbers):
    # The rank of a hidden cell may be anything.
    rng = np.random.default_rng(0)
    codes = np.tile([[-1, 0, 1], [1, -1, -1], [-1, 2, -1]], (500, 1))
    ranks = np.full((1500, 2), 0.3)
    hidden = codes[:, [0, 2]] < 0
    noise = np.where(hidden, rng.random(ranks.shape), ranks)
    expected, found = (
        numbers.process.sample(numbers.program, encoded_of(codes, values), 0, holes=True)
        for values in (ranks, noise)
    )
    for array, other in zip(expected, found, strict=True):
        assert_array_equal(array, other)
    for order in permutations(range(3)):
        assert_array_equal(
            *(in_order(numbers, encoded_of(codes, values), order) for values in (ranks, noise))
        )


def test_a_cell_does_not_see_those_revealed_after_it(numbers):
    # Over the last cell, probabilities sum to that of the others, whatever their order.
    for column, codes, ranks in CONTEXTS:
        others = [other for other in range(3) if other != column]
        hidden = np.array(codes)
        hidden[column] = -1
        for first in permutations(others):
            value = in_order(numbers, encoded_of(hidden, np.array([ranks])), [*first, column])
            detail = list(numbers.encoder.detailed_).index(column)
            n_codes = numbers.encoder.n_codes_[column]
            rows = np.tile(codes, (n_codes * len(RANKS), 1))
            rows[:, column] = np.repeat(np.arange(n_codes), len(RANKS))
            all_ranks = np.tile(ranks, (len(rows), 1))
            all_ranks[:, detail] = np.tile(RANKS, n_codes)
            joint = in_order(numbers, encoded_of(rows, all_ranks), [*first, column])
            total = (np.exp(joint).reshape(n_codes, -1) @ SHARES).sum()
            assert_allclose(total, np.exp(value[0]), rtol=TAILS)


def test_row_loss_takes_ranks_from_their_intervals(numbers):
    # The loss of rows of one interval is the mean over ranks inside it.
    n_rows = 20_000
    codes = np.tile([1, 0, 1], (n_rows, 1)).astype(np.int32)
    low, high = np.tile([0.1, 0.4], (n_rows, 1)), np.tile([0.6, 0.4], (n_rows, 1))
    ranks = low + (high - low) * np.random.default_rng(0).random((n_rows, 1))
    means, errors = [], []
    for ends in ((low, high), (ranks, ranks)):
        arrays = numbers.process.arrays(EncodedTable(codes, *(end.astype(np.float32) for end in ends)))
        losses = np.asarray(numbers.network.row_loss(arrays, Draws(np.array([0, 1], np.int32)), False))
        means.append(losses.mean())
        errors.append(losses.std() / np.sqrt(n_rows))
    assert abs(means[0] - means[1]) < norm.isf(SIGNIFICANCE / 2) * np.hypot(*errors)


def test_given_cells_come_back_as_they_were():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 300))
    x[:180], z[:60] = np.repeat([-1, 0, 1], 60), np.nan
    table = pd.DataFrame({"x": x, "y": rng.normal(size=300), "z": z})
    model = make_model(table, spread=0.1, n_bins=1)
    # The network's order is not its own inverse.
    assert_array_equal(model.places, [2, 0, 1])
    encoded = model.encoder.encode(table)
    for hidden in ([], [0], [1, 2]):
        codes = encoded.codes.copy()
        codes[:, hidden] = -1
        given = [column for column in range(3) if column not in hidden]
        drawn = model.process.sample(model.program, encoded._replace(codes=codes), 0, holes=True)
        assert_array_equal(drawn[0][:, given], encoded.codes[:, given])
        assert_array_equal(drawn[1][:, given], (encoded.low + encoded.high)[:, given] / 2)


# The start


def test_initial_weights_give_the_training_frequencies(numbers):
    model = make_model(numbers.table, n_bins=3)
    codes, low, high = model.encoder.encode(numbers.table)
    probability = [shares[codes[:, column]] for column, shares in enumerate(model.encoder.frequencies_)]
    for order in permutations(range(3)):
        value = in_order(model, EncodedTable(codes, low, high), order)
        # Ranks are nearly uniform.
        assert_allclose(value, np.log(probability).sum(axis=0), atol=0.15)


def test_initial_weights_leave_ranks_nearly_uniform(numbers):
    model = make_model(numbers.table, n_bins=3)
    hidden = encoded_of(np.full((5000, 3), -1), [0.5, 0.5])
    codes, ranks = model.process.sample(model.program, hidden, 0, holes=True)
    for detail, column in enumerate(model.encoder.detailed_):
        counts = np.bincount(codes[:, column], minlength=model.encoder.n_codes_[column])
        assert_frequencies(counts, model.encoder.frequencies_[column])
        inside = ranks[model.encoder.is_bin_[detail][codes[:, column]], detail]
        assert kstest(inside, "uniform").statistic < 0.05


def test_initial_weights_depend_on_their_source_alone(numbers):
    def draw(seed):
        return numbers.process.initial_weights(np.random.default_rng(seed))

    for weight, same in zip(draw(0), draw(0), strict=True):
        assert_array_equal(weight, same)
    assert (draw(0)[0] != draw(1)[0]).any()


def test_units_are_dropped_in_training_only(numbers):
    models = [make_model(numbers.table, spread=0.15, n_bins=3, dropout=dropout) for dropout in (0.0, 0.5)]
    arrays = models[0].process.arrays(models[0].encoder.encode(numbers.table))
    seed = np.array([0, 0], np.int32)
    plain, dropping = (
        [np.asarray(model.network.row_loss(arrays, Draws(seed), training)) for training in (False, True)]
        for model in models
    )
    assert_array_equal(plain[0], dropping[0])
    assert_array_equal(plain[0], plain[1])
    assert np.abs(dropping[0] - dropping[1]).max() > 0.01


# Training


def train(model, encoded, **parameters):
    arrays = model.process.arrays(encoded)
    defaults = {"epochs": 40, "batch_size": 256, "learning_rate": 1e-2}
    _training.train(
        model.program,
        arrays,
        np.ones(len(arrays[0]), np.float32),
        l2=0.0,
        learning_rate_schedule="cosine",
        n_iter_no_change=1000,
        rng=np.random.default_rng(0),
        watchers=(),
        **{**defaults, **parameters},
    )


def test_training_recovers_a_joint_distribution_in_every_order(categories):
    joint = np.random.default_rng(1).dirichlet(np.full(18, 0.5))
    counts = np.round(4000 * joint).astype(int)
    rows = EncodedTable(*(np.repeat(array, counts, axis=0) for array in categories.rows))
    table = categories.encoder.decode(*rows[:2], np.random.default_rng(0))
    model = make_model(table, layers=(32,))
    train(model, model.encoder.encode(table))
    for order in categories.orders:
        probability = np.exp(in_order(model, categories.rows, order))
        assert np.abs(probability - counts / counts.sum()).sum() / 2 < 0.05


def test_training_recovers_the_dependence_of_two_numbers():
    # Of two normal variables, the density of both ranks is the mutual information on average.
    rng = np.random.default_rng(0)
    correlation = 0.8
    x, noise = rng.normal(size=(2, 8000))
    table = np.column_stack([x, correlation * x + np.sqrt(1 - correlation**2) * noise])
    model = make_model(table[:6000], layers=(32, 32), n_bins=4)
    train(model, model.encoder.encode(table[:6000]))
    value = model.process.log_likelihood(model.program, model.encoder.encode(table[6000:]), 0)
    assert_allclose(value.mean(), -np.log(1 - correlation**2) / 2, atol=0.05)


# Tables of one kind


@pytest.mark.parametrize(
    "table",
    [
        np.random.default_rng(0).normal(size=(100, 3)),
        np.random.default_rng(0).normal(size=(100, 1)),
        np.random.default_rng(0).choice(["a", "b", "c"], size=(100, 3)),
        np.random.default_rng(0).choice(["a", "b", "c"], size=(100, 1)),
        np.random.default_rng(0).integers(3, size=(100, 2)),
        np.full((30, 2), "a"),
        np.full((30, 2), 1.5),
        np.full((30, 1), np.nan),
        np.column_stack([np.full(100, np.nan), np.arange(100.0)]),
    ],
    ids=[
        "numbers",
        "a number",
        "categories",
        "a category",
        "atoms",
        "one category",
        "one value",
        "holes",
        "hole",
    ],
)
@pytest.mark.parametrize("holes", [False, True])
def test_tables_of_one_kind_or_of_one_column_will_do(table, holes):
    model = make_model(table, spread=0.1)
    encoded = model.encoder.encode(table)
    value = model.process.log_likelihood(model.program, encoded, 0)
    assert np.isfinite(value).all()
    hidden = encoded_of(np.full(encoded.codes.shape, -1), np.full(encoded.low.shape, 0.5))
    codes, ranks = model.process.sample(model.program, hidden, 0, holes=holes)
    assert (codes >= 0).all()
    assert (codes < model.encoder.n_codes_).all()
    assert ((ranks > 0) & (ranks < 1)).all()
    arrays = model.process.arrays(encoded)
    assert np.isfinite(model.network.row_loss(arrays, Draws(np.array([0, 0], np.int32)), False)).all()


def test_an_untrained_model_of_numbers_is_their_copula():
    covariance = np.array([[1, 0.9, 0.5], [0.9, 1, 0.3], [0.5, 0.3, 1]])
    table = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, size=2000)
    model = make_model(np.exp(table))
    encoded = model.encoder.encode(np.exp(table))
    log_likelihood = model.process.log_likelihood(model.program, encoded, 0)
    normal, independent = (
        multivariate_normal(cov=matrix).logpdf(table) for matrix in (covariance, np.eye(3))
    )
    assert_allclose(np.mean(log_likelihood), np.mean(normal - independent), atol=0.05)
    hidden = encoded_of(np.full((5000, 3), -1), np.full(3, 0.5))
    _, ranks = model.process.sample(model.program, hidden, 0, holes=True)
    assert_allclose(np.cov(ndtri(ranks.T)), covariance, atol=0.08)


def test_compiled_the_model_is_the_same(categories, monkeypatch):
    for module in (_training, _masked_network):
        monkeypatch.setattr(module, "compiled", really_compiled)
    model = make_model(categories.table, encoder=categories.encoder, spread=SPREAD)
    values = [
        other.process.log_likelihood(other.program, categories.rows, 0) for other in (categories, model)
    ]
    assert_allclose(*values, rtol=1e-5, atol=1e-5)
    hidden = encoded_of(np.full((20_000, 3), -1))
    codes, _ = model.process.sample(model.program, hidden, 0, holes=True)
    counts = counts_of(codes, categories.n_codes)
    assert_frequencies(counts, np.exp(categories.log_probability).mean(axis=0))
