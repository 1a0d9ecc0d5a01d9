"""The gaussian process: noise is added to all cells at once, and taken away step by step."""

from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy.special import ndtr, ndtri

from ._blocks import IMPOSSIBLE, N_CHUNK_ROWS, Blocks, filled, normal_score, padded
from ._reverse import N_ROUNDS, follow, last_level, moves_of
from ._training import Draws, compiled
from .networks import residual_features, residual_weights
from .schedules import Karras

# Distribution of the logarithm of the noise level while training.
_LOG_SIGMA_MEAN, _LOG_SIGMA_STD = -1.0, 1.4

# Noise levels of sampling: the first drowns columns of unit variance, the last is finer than a thousandth of
# their range.
_SIGMA_MIN, _SIGMA_MAX = 0.01, 20.0

# Sines and cosines of a number's rank, and of the noise level, that the network sees.
_N_WAVES, _N_NOISE_WAVES = 8, 8
_NOISE_FREQUENCY = np.pi / 1.5

# Stands for the normal score of rank 1.
_FAR = 30.0


class GaussianArchitecture(NamedTuple):
    """What the compiled code depends on: two fits with the same one share it."""

    n_codes: tuple
    """Number of codes of each block of categories, and of each flag of missing numbers."""

    n_parts: tuple
    """Number of parts of each numeric column: atoms, and segments between them."""

    detailed: tuple
    """Indices of the numeric columns with segments."""

    flags: tuple
    """Index of each numeric column's flag among the blocks; -1 for none."""

    hidden_layer_sizes: tuple
    dropout: float


class _Number:
    """A numeric column in parts: atoms, which are points, and segments, which bins side by side make up."""

    def __init__(self, encoder, column):
        shares = encoder.frequencies_[column]
        shares = shares[:-1] if encoder.has_missing_[column] else shares
        self.n_values = len(shares)
        if not len(shares):
            shares = np.ones(1)
        detail = np.flatnonzero(np.asarray(encoder.detailed_) == column)
        self.detail = int(detail[0]) if len(detail) else -1
        is_bin = encoder.is_bin_[self.detail][: len(shares)] if len(detail) else np.zeros(len(shares), bool)
        if not self.n_values:
            is_bin = np.ones(1, bool)
        self.is_bin = is_bin
        self.high = np.minimum(np.cumsum(shares) / shares.sum(), 1)
        self.low = np.append(0, self.high[:-1])
        self.part_of = np.cumsum(~(is_bin & np.append(False, is_bin[:-1]))) - 1
        self.first_code = np.flatnonzero(np.diff(self.part_of, prepend=-1))
        self.last_code = np.append(self.first_code[1:], len(shares)) - 1
        self.is_segment = is_bin[self.first_code]
        self.part_low, self.part_high = self.low[self.first_code], self.high[self.last_code]
        self.shares = self.part_high - self.part_low
        middle = (self.part_low + self.part_high) / 2
        self.score_low = np.where(self.is_segment, np.maximum(ndtri(self.part_low), -_FAR), ndtri(middle))
        self.score_high = np.where(self.is_segment, np.minimum(ndtri(self.part_high), _FAR), ndtri(middle))


class GaussianProcess:
    """The gaussian process on the tables of one encoder.

    Forward, noise of a level `sigma` is added to all cells at once: to the normal score of a number's rank in
    its column, and to the one-hot block of a category. A network estimates the clean row; reverse, a sampler
    follows its estimates from pure noise to data. The estimate of a number is a mixture over the parts of its
    column, atoms and segments, so that atoms come out exactly; the network starts as the posterior mean of
    each column by itself, and learns what the others add. A missing number is noise, beside a flag.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted; or two of them side by side.
    hidden_layer_sizes : tuple of int
        Widths of the network's layers.
    dropout : float
        Share of units that are dropped in each layer while training.

    References
    ----------
    Karras, Aittala, Aila & Laine (2022). Elucidating the Design Space of Diffusion-Based Generative Models.
    NeurIPS. Table 1, with sigma_data = 1.
    Dieleman et al. (2022). Continuous diffusion for categorical data. arXiv:2211.15089. Score interpolation.
    Lugmayr et al. (2022). RePaint: Inpainting using Denoising Diffusion Probabilistic Models. CVPR.
    Algorithm 1, for given cells.
    Kingma, Salimans, Poole & Ho (2021). Variational Diffusion Models. NeurIPS. Equation 14, the bound.
    """

    n_chunk_rows = N_CHUNK_ROWS

    def __init__(self, encoder, *, hidden_layer_sizes, dropout):
        is_numeric, has_missing = np.asarray(encoder.numeric_), np.asarray(encoder.has_missing_)
        self._n_codes, self._has_missing = np.asarray(encoder.n_codes_), has_missing
        columns = np.flatnonzero(~is_numeric | has_missing)
        n_codes = np.where(is_numeric[columns], 2, encoder.n_codes_[columns])
        order = np.argsort(padded(n_codes), kind="stable")
        self._columns = columns[order]
        self._is_flag = is_numeric[self._columns]
        place = np.full(len(is_numeric), -1)
        place[self._columns] = np.arange(len(columns))

        numeric = np.flatnonzero(is_numeric)
        numbers = [_Number(encoder, column) for column in numeric]
        number_order = np.argsort(
            padded(np.array([len(number.shares) for number in numbers], int)), kind="stable"
        )
        self._numeric = numeric[number_order]
        self._numbers = [numbers[i] for i in number_order]
        self.architecture = GaussianArchitecture(
            n_codes=tuple(n_codes[order].tolist()),
            n_parts=tuple(len(number.shares) for number in self._numbers),
            detailed=tuple(i for i, number in enumerate(self._numbers) if number.is_segment.any()),
            flags=tuple(place[self._numeric].tolist()),
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            dropout=dropout,
        )
        frequencies = []
        for column, is_flag in zip(self._columns, self._is_flag, strict=True):
            shares = encoder.frequencies_[column]
            frequencies.append(np.array([1 - shares[-1], shares[-1]]) if is_flag else shares)
        categories, parts = Blocks(self.architecture.n_codes), Blocks(self.architecture.n_parts)
        shares = [number.shares for number in self._numbers]
        self._tables = {
            "categories": categories.spread([_log(share) for share in frequencies], IMPOSSIBLE),
            "parts": parts.spread([_log(share) for share in shares], IMPOSSIBLE),
            "low": parts.spread([number.score_low for number in self._numbers], 0),
            "high": parts.spread([number.score_high for number in self._numbers], 0),
        }
        self._log_odds = categories.log_odds
        self._log_odds_without_holes = categories.log_odds.copy()
        for start, n, column in zip(categories.starts, self.architecture.n_codes, self._columns, strict=True):
            if has_missing[column] and n > 1:
                self._log_odds_without_holes[start + n - 1] = IMPOSSIBLE

    def arrays(self, encoded):
        """Return codes and parts side by side, and intervals of ranks in whole columns."""
        codes = encoded.codes[:, self._columns]
        last = self._n_codes[self._columns] - 1
        codes = np.where(self._is_flag & (codes >= 0), codes == last, codes).astype(np.int32)
        parts = np.full((len(codes), len(self._numbers)), -1, np.int32)
        low, high = np.zeros((2, len(codes), len(self._numbers)))
        high[:] = 1
        for index, (column, number) in enumerate(zip(self._numeric, self._numbers, strict=True)):
            code = encoded.codes[:, column]
            known = (code >= 0) & (code < number.n_values)
            code = code[known]
            parts[known, index] = number.part_of[code]
            first = last = np.full(len(code), 0.5)
            if number.detail >= 0:
                bins = number.is_bin[code]
                first = np.where(bins, encoded.low[known, number.detail], 0.5)
                last = np.where(bins, encoded.high[known, number.detail], 0.5)
            width = number.high[code] - number.low[code]
            low[known, index] = number.low[code] + width * first
            high[known, index] = number.low[code] + width * last
        return np.hstack([codes, parts]), low.astype(np.float32), high.astype(np.float32)

    def build(self):
        """Build the network, with arbitrary weights."""
        return GaussianNetwork(self.architecture)

    def load(self, program):
        """Load this encoder's look-up tables into a program's network."""
        for name, table in self._tables.items():
            program.network.tables[name].assign(table)

    def initial_weights(self, rng):
        """Draw weights with which the network takes each column by itself."""
        return list(_initial_weights(self.architecture, self._tables, rng).values())

    def sample(
        self,
        program,
        encoded,
        seed,
        *,
        holes,
        on_rows=None,
        first_row=0,
        sampler="heun",
        n_sampling_steps=20,
    ):
        """Draw the hidden cells of a table; the others are clamped, which informs the drawn ones roughly.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        encoded : EncodedTable
            Rows whose hidden cells have the code -1. The others stay.
        seed : int
            Source of the draws. The first rows are the same however many follow.
        holes : bool
            Whether a cell may be drawn as missing.
        on_rows : callable, default=None
            Told the number of rows that are done.
        first_row : int, default=0
            Rows that were drawn before with this seed, of which these are the next: whole chunks.
        sampler : {"heun", "euler", "ancestral", "multistep"}, default="heun"
            How noise is taken away: see `samplers`.
        n_sampling_steps : int, default=20
            Number of noise levels.

        Returns
        -------
        codes : int32 ndarray of shape (n_samples, n_columns)
            Codes of all cells.
        ranks : float32 ndarray of shape (n_samples, n_detailed)
            Ranks inside the bins.
        """
        arrays = self.arrays(encoded)
        is_given = self._is_given(encoded)
        log_odds = self._log_odds if holes else self._log_odds_without_holes
        sigmas = Karras(sigma_min=_SIGMA_MIN, sigma_max=_SIGMA_MAX).grid(n_sampling_steps)
        n_rounds = N_ROUNDS if is_given.any() else 1
        codes, ranks = encoded.codes.copy(), (encoded.low + encoded.high) / 2
        has_detail = np.array([number.detail >= 0 for number in self._numbers], bool)
        detailed = np.sort(self._numeric[has_detail])
        for chunk, start in enumerate(range(0, len(codes), N_CHUNK_ROWS)):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            rng = np.random.default_rng([seed, first_row // N_CHUNK_ROWS + chunk])
            draws = rng.integers(2**31, size=2).astype(np.int32)
            x, *drawn = program.network.restore[sampler](
                *(filled(array[rows]) for array in (*arrays, is_given)),
                moves_of(sigmas),
                np.int32(n_sampling_steps),
                np.int32(n_rounds),
                log_odds,
                draws,
            )
            n_rows = rows.stop - start
            new_codes, new_ranks = self._read(*(np.asarray(array)[:n_rows] for array in (x, *drawn)))
            hidden = codes[rows] < 0
            codes[rows] = np.where(hidden, new_codes, codes[rows])
            ranks[rows] = np.where(hidden[:, detailed], new_ranks, ranks[rows])
            if on_rows:
                on_rows(rows.stop)
        return codes, ranks

    def _is_given(self, encoded):
        known = encoded.codes >= 0
        numbers = known[:, self._numeric].copy()
        for i, (column, number) in enumerate(zip(self._numeric, self._numbers, strict=True)):
            numbers[:, i] &= encoded.codes[:, column] < number.n_values
        widths = padded(np.array(self.architecture.n_codes, int))
        return np.concatenate([numbers, np.repeat(known[:, self._columns], widths, axis=1)], axis=1)

    def _read(self, numbers, categories, parts):
        """Return codes and ranks inside bins."""
        codes = np.zeros((len(numbers), len(self._n_codes)), np.int32)
        ranks = np.full((len(numbers), sum(n.detail >= 0 for n in self._numbers)), 0.5, np.float32)
        codes[:, self._columns] = categories
        for index, (column, number) in enumerate(zip(self._numeric, self._numbers, strict=True)):
            missing = codes[:, column] > 0 if self._has_missing[column] else np.zeros(len(codes), bool)
            part = parts[:, index]
            rank = ndtr(numbers[:, index].astype(float))
            code = np.clip(
                np.searchsorted(number.high, rank), number.first_code[part], number.last_code[part]
            )
            codes[:, column] = np.where(missing, number.n_values, code)
            if number.detail >= 0:
                inner = (rank - number.low[code]) / np.maximum(number.high - number.low, 1e-30)[code]
                bins = number.is_bin[code] & ~missing
                ranks[:, number.detail] = np.where(bins, np.clip(inner, 2.0**-24, 1 - 2.0**-24), 0.5)
        return codes, ranks

    def log_likelihood(self, program, encoded, seed, *, n_levels=32):
        """Return a lower bound of each row's log-likelihood, estimated with one draw at each noise level.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        encoded : EncodedTable
            Rows. Hidden cells count as noise.
        seed : int
            Source of the draws.
        n_levels : int, default=32
            Number of noise levels.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the measure of the masked process.
        """
        arrays = self.arrays(encoded)
        total = np.zeros(len(encoded.codes))
        for chunk, start in enumerate(range(0, len(total), N_CHUNK_ROWS)):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(total)))
            draws = np.random.default_rng([seed, chunk]).integers(2**31, size=2).astype(np.int32)
            bound = program.network.bound(
                *(filled(array[rows]) for array in arrays), np.int32(n_levels), draws
            )
            total[rows] = -np.asarray(bound)[: rows.stop - start]
        return total


class GaussianNetwork:
    """The network of the gaussian process: see `GaussianProcess` for what it learns.

    Parameters
    ----------
    architecture : GaussianArchitecture
        Its shapes.
    """

    def __init__(self, architecture):
        self._architecture = architecture
        self._n_numbers = len(architecture.flags)
        self._categories, self._parts = Blocks(architecture.n_codes), Blocks(architecture.n_parts)
        self._detailed = np.array(architecture.detailed, int)
        self._flags = np.array(architecture.flags, int)
        sizes = {
            "categories": self._categories.size,
            "parts": self._parts.size,
            "low": self._parts.size,
            "high": self._parts.size,
        }
        self.tables = {name: keras.Variable(np.zeros(size, np.float32)) for name, size in sizes.items()}
        weights = _initial_weights(architecture, None, np.random.default_rng(0))
        self._weights = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
        self.variables = list(self._weights.values())
        self.kernels = [variable for variable in self.variables if len(variable.shape) > 1]
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.bound = compiled(self._bound)
        names = ("euler", "heun", "ancestral", "multistep")
        self.restore = {name: compiled(partial(self._restore, name)) for name in names}

    def row_loss(self, arrays, draws, training):
        """Return the loss of each row: squared errors of numbers, cross-entropies of parts and categories.

        Parameters
        ----------
        arrays : tuple of tensors
            Those of `GaussianProcess.arrays`.
        draws : Draws
            Source of the noise, the ranks and the dropped units.
        training : bool
            Whether units are dropped.
        """
        codes, low, high = arrays
        n_rows = codes.shape[0]
        categories, parts = codes[:, : len(self._categories)], codes[:, len(self._categories) :]
        x0 = self._clean(categories, low, high, draws)
        share = (ops.arange(n_rows, dtype="float32") + draws.uniform((n_rows,))) / n_rows
        sigma = ops.exp(_LOG_SIGMA_MEAN + _LOG_SIGMA_STD * normal_score(share))[:, None]
        noise = draws.normal(x0.shape)
        x = x0 + sigma * noise
        outputs, logits, part_logits, means = self._outputs(
            x, sigma, self._categories.log_odds, draws if training else None
        )
        n = self._n_numbers
        loss = 0.0
        if n:
            mean = self._parts.sum(self._parts.one_hot(parts) * means)
            target = (x0[:, :n] - mean) * ops.sqrt(1 + ops.square(sigma)) / sigma
            loss = loss + ops.sum(self._is_in_segment(parts) * ops.square(outputs - target), axis=1)
            loss = loss + ops.sum(self._cross_entropies(self._parts, part_logits, parts), axis=1)
        if len(self._categories):
            loss = loss + ops.sum(self._cross_entropies(self._categories, logits, categories), axis=1)
        return loss

    def _is_segment(self):
        return ops.cast(self.tables["high"] > self.tables["low"], "float32")

    def _is_in_segment(self, parts):
        return self._parts.sum(self._parts.one_hot(parts) * self._is_segment())

    def _cross_entropies(self, blocks, logits, codes):
        chosen = blocks.sum(logits * blocks.one_hot(codes))
        total = ops.concatenate([ops.logsumexp(block, axis=2) for block in blocks.split(logits)], axis=1)
        return ops.where(codes >= 0, total - chosen, 0.0)

    def _clean(self, categories, low, high, draws):
        x0 = []
        if self._n_numbers:
            x0.append(normal_score(low + (high - low) * draws.uniform(low.shape)))
        if len(self._categories):
            x0.append(self._categories.one_hot(categories))
        return ops.concatenate(x0, axis=1)

    def _evidence(self, numbers, sigma):
        """Log-likelihood of each part, from its number's own coordinate; up to a constant; and mean."""
        x = self._parts.join([ops.broadcast_to(b, g) for b, g in self._repeat(numbers)])
        low, high = self.tables["low"], self.tables["high"]
        point = -ops.square((x - low) / sigma) / 2
        variance = 1 + ops.square(sigma)
        mean, std = x / variance, sigma * ops.rsqrt(variance)
        start, stop = (low - mean) / std, (high - mean) / std
        mass = _log_mass(start, stop)
        segment = mass + ops.log(std) - self.tables["parts"] - ops.square(x) / (2 * variance)
        c = np.float32(np.log(2 * np.pi) / 2)
        shift = ops.exp(ops.minimum(-ops.square(start) / 2 - c - mass, 20)) - ops.exp(
            ops.minimum(-ops.square(stop) / 2 - c - mass, 20)
        )
        means = ops.clip(mean + std * shift, low, high)
        return ops.where(high > low, segment, point), means

    def _repeat(self, numbers):
        for first, n, width in self._parts._groups:
            yield numbers[:, first : first + n, None], (numbers.shape[0], n, width)

    def _outputs(self, x, sigma, log_odds, draws=None):
        n = self._n_numbers
        scaled = x[:, :n] * ops.rsqrt(1 + ops.square(sigma))
        inputs = [scaled]
        waved = ops.take(scaled, self._detailed, axis=1)
        for wave in range(1, _N_WAVES + 1):
            angle = np.float32(np.pi * wave) * (1 + ops.erf(waved / np.float32(np.sqrt(2)))) / 2
            inputs += [ops.sin(angle), ops.cos(angle)]
        if n:
            part_evidence, means = self._evidence(x[:, :n], sigma)
            inputs.append(self._parts.softmax(part_evidence + self.tables["parts"]))
        if len(self._categories):
            evidence = x[:, n:] / ops.square(sigma)
            inputs.append(self._categories.softmax(evidence + self.tables["categories"]))
        level = ops.log(sigma) / 4
        ones = ops.ones_like(x[:, :1])
        inputs.append(level * ones)
        for wave in range(1, _N_NOISE_WAVES + 1):
            inputs += [
                ops.sin(np.float32(_NOISE_FREQUENCY * wave) * level) * ones,
                ops.cos(np.float32(_NOISE_FREQUENCY * wave) * level) * ones,
            ]
        rates = self._architecture.dropout if draws else 0
        features = residual_features(self._weights, ops.concatenate(inputs, axis=1), rates, draws)
        outputs = logits = part_logits = None
        means = means if n else None
        if n:
            outputs = ops.matmul(features, self._weights["numbers_kernel"]) + self._weights["numbers_bias"]
            part_logits = ops.matmul(features, self._weights["parts_kernel"]) + self._weights["parts_bias"]
            part_logits = part_logits + part_evidence + self._parts.log_odds
        if len(self._categories):
            logits = ops.matmul(features, self._weights["codes_kernel"]) + self._weights["codes_bias"]
            logits = logits + log_odds + evidence
        return outputs, logits, part_logits, means

    def _posterior_mean(self, x, sigma, log_odds):
        """Return the posterior mean and logits."""
        n = self._n_numbers
        outputs, logits, part_logits, means = self._outputs(x, sigma, log_odds)
        mean, continuous = [], None
        if len(self._categories):
            probabilities = self._categories.softmax(logits)
        if n:
            variance = 1 + ops.square(sigma)
            guess = x[:, :n] / variance
            update = outputs * sigma * ops.rsqrt(variance)
            parts = self._parts.softmax(part_logits)
            numbers = self._parts.sum(parts * means) + self._parts.sum(parts * self._is_segment()) * update
            continuous = (means, update)
            if len(self._categories):
                present = ops.take(
                    probabilities, np.take(self._categories.starts, np.maximum(self._flags, 0)), axis=1
                )
                present = ops.where(self._flags >= 0, present, 1.0)
                numbers = guess + present * (numbers - guess)
            mean.append(numbers)
        if len(self._categories):
            mean.append(probabilities)
        return ops.concatenate(mean, axis=1), (continuous, logits, part_logits)

    def _restore(self, sampler, codes, low, high, is_given, moves, n_moves, n_rounds, log_odds, seed):
        draws = Draws(seed)
        x0 = self._clean(codes[:, : len(self._categories)], low, high, draws)
        x = moves[0, 0] * draws.normal(x0.shape)

        def denoise(x, sigma):
            return self._posterior_mean(x, sigma, log_odds)[0]

        x = follow(denoise, x, x0, is_given, moves, n_moves, n_rounds, seed, sampler)
        sigma = last_level(moves, n_moves)
        _, (numbers, logits, part_logits) = self._posterior_mean(x, sigma, log_odds)
        categories = codes[:, :0] if logits is None else _draw(self._categories, logits, draws)
        parts = codes[:, :0] if part_logits is None else _draw(self._parts, part_logits, draws)
        if numbers is None:
            return low, categories, parts
        means, update = numbers
        return self._parts.sum(self._parts.one_hot(parts) * means) + update, categories, parts

    def _bound(self, codes, low, high, n_levels, seed):
        n, n_rows = self._n_numbers, codes.shape[0]
        categories, parts = codes[:, : len(self._categories)], codes[:, len(self._categories) :]
        first, last = np.log(_SIGMA_MIN), np.log(_SIGMA_MAX)
        step_size = np.float32(last - first) / ops.cast(n_levels, "float32")
        is_free = ops.logical_or(parts < 0, self._is_in_segment(parts) > 0) if n else None

        def step(count, total):
            draws = Draws(ops.stack([seed[0], seed[1] + 1 + count]))
            x0 = self._clean(categories, low, high, draws)
            position = ops.cast(count, "float32") + draws.uniform((n_rows, 1))
            sigma = ops.exp(np.float32(first) + step_size * position)
            x = x0 + sigma * draws.normal(x0.shape)
            error = ops.square(x0 - self._posterior_mean(x, sigma, self._categories.log_odds)[0])
            if n:
                v = 1 + ops.square(sigma)
                guess = ops.square(x0[:, :n] - x[:, :n] / v)
                expected = (ops.square(x0[:, :n]) * sigma**4 + sigma**2) / v**2
                free = ops.where(is_free, expected - guess, 0.0)
                error = ops.concatenate([error[:, :n] + free, error[:, n:]], axis=1)
            error = ops.sum(error, axis=1) / ops.square(sigma[:, 0]) * step_size
            prior = ops.sum(ops.square(x0), axis=1) / (2 * _SIGMA_MAX**2)
            if n:
                prior = prior + ops.sum(
                    ops.where(is_free, 0.5 + np.float32(first) - ops.square(x0[:, :n]) / 2, 0.0), axis=1
                )
            return count + 1, total + error + prior / ops.cast(n_levels, "float32")

        _, total = ops.while_loop(lambda count, _: count < n_levels, step, (0, ops.zeros(n_rows, "float32")))
        draws = Draws(seed)
        x0 = self._clean(categories, low, high, draws)
        x = x0 + np.float32(_SIGMA_MIN) * draws.normal(x0.shape)
        sigma = ops.full((n_rows, 1), _SIGMA_MIN, "float32")
        _, logits, part_logits, _ = self._outputs(x, sigma, self._categories.log_odds)
        if n:
            total = total + ops.sum(self._cross_entropies(self._parts, part_logits, parts), axis=1)
        if len(self._categories):
            total = total + ops.sum(self._cross_entropies(self._categories, logits, categories), axis=1)
        return total


def _log(shares):
    return np.log(np.maximum(shares, 1e-9))


def _draw(blocks, logits, draws):
    """Draw a code of each block by the Gumbel-max trick."""
    drawn = []
    for block in blocks.split(logits):
        block = block - ops.log(-ops.log(ops.maximum(draws.uniform(block.shape), np.float32(1e-20))))
        is_largest = block >= ops.max(block, axis=2, keepdims=True)
        drawn.append(ops.max(ops.where(is_largest, np.arange(block.shape[2], dtype=np.int32), 0), axis=2))
    return ops.concatenate(drawn, axis=1)


def _log_mass(low, high):
    """Logarithm of a standard normal variable's probability to lie in an interval."""
    flipped = low + high > 0
    low, high = ops.where(flipped, -high, low), ops.where(flipped, -low, high)
    log_high = _log_ndtr(high)
    return log_high + ops.log(ops.maximum(-ops.expm1(_log_ndtr(low) - log_high), np.float32(1e-12)))


def _log_ndtr(x):
    """Logarithm of the standard normal distribution function; a series far out, where it underflows."""
    tail = ops.minimum(x, -3.5)
    square = ops.square(tail)
    far = (
        -square / 2
        - ops.log(-tail)
        - np.float32(np.log(2 * np.pi) / 2)
        + ops.log(1 - 1 / square + 3 / square**2)
    )
    near = ops.log((1 + ops.erf(ops.maximum(x, -3.5) / np.float32(np.sqrt(2)))) / 2)
    return ops.where(x < -3.5, far, near)


def _initial_weights(architecture, tables, rng):
    categories, parts = Blocks(architecture.n_codes), Blocks(architecture.n_parts)
    n = len(architecture.flags)
    n_detailed = len(architecture.detailed)
    n_inputs = n + 2 * n_detailed * _N_WAVES + categories.size + 1 + 2 * _N_NOISE_WAVES + parts.size
    n_active = n + len(categories) + n_detailed * _N_WAVES + _N_NOISE_WAVES + n
    weights = residual_weights(n_inputs, architecture.hidden_layer_sizes, rng, n_active=n_active)
    n_features = architecture.hidden_layer_sizes[-1]
    heads = {"numbers": n, "parts": parts.size, "codes": categories.size}
    for name, size in heads.items():
        if size:
            weights[f"{name}_kernel"] = np.zeros((n_features, size))
            weights[f"{name}_bias"] = np.zeros(size)
    if tables:
        for name, table in (("codes", "categories"), ("parts", "parts")):
            if heads[name]:
                weights[f"{name}_bias"] = np.where(tables[table] > IMPOSSIBLE, tables[table], 0)
    return {name: weight.astype(np.float32) for name, weight in weights.items()}
