"""The network of the masked process: what it sees, what it gives, its loss, and the draw of a cell."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from ._blocks import IMPOSSIBLE, grouped, normal_score, one_hot, padded
from ._factors import linear_part
from ._training import Draws, compiled
from .networks import residual_features, residual_weights

# Width of the layer from which the density of a number inside its bin is read.
_DETAIL_WIDTH = 32

# Normal components of that density.
_N_COMPONENTS = 12

_LOG_SCALE_LIMITS = -6.0, 2.0


class MaskedArchitecture(NamedTuple):
    """What the compiled code depends on: two fits with the same one share it."""

    n_codes: tuple
    """Number of codes of each column, in the network's order: columns of like width side by side."""

    numeric: tuple
    """Indices of the numeric columns."""

    detailed: tuple
    """Indices of the columns with bins."""

    n_factors: int
    """Of the copula."""

    n_waves: int
    """Sines and cosines of a visible number's rank that the network sees, of 1, 2, ... half waves."""

    hidden_layer_sizes: tuple
    dropout: float


class _Seen(NamedTuple):
    """What is made of the visible cells: by the network, and, for each number, by the copula."""

    features: object
    means: object
    log_stds: object


class MaskedNetwork:
    """The network of the masked process: see `MaskedProcess` for what it learns.

    Hidden cells have the code -1, and so no part in any input.

    Parameters
    ----------
    architecture : MaskedArchitecture
        Its shapes.
    """

    def __init__(self, architecture):
        n_codes = np.array(architecture.n_codes)
        self._architecture = architecture
        self._numeric = np.array(architecture.numeric, int)
        self._detailed = np.array(architecture.detailed, int)
        self._detail_of = np.zeros(len(n_codes), np.int32)
        self._detail_of[self._detailed] = np.arange(len(self._detailed))
        self._widths = padded(n_codes)
        self._starts = np.concatenate([[0], np.cumsum(self._widths)[:-1]]).astype(np.int32)
        self._groups = grouped(self._widths)
        shape = (len(n_codes), max(architecture.n_codes))
        self.tables = {
            name: keras.Variable(np.zeros(shape, np.float32))
            for name in ("low", "high", "is_bin", "is_number")
        }
        n_numeric = len(self._numeric)
        self.tables["is_whole"] = keras.Variable(np.ones(len(self._detailed), np.float32))
        for name, shape in {"mean": (), "loadings": (architecture.n_factors,), "noise": ()}.items():
            self.tables[name] = keras.Variable(np.ones((n_numeric, *shape), np.float32))

        weights = initial_weights(architecture, None, np.random.default_rng(0))
        self._weights = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
        self.variables, self.codes_bias = list(self._weights.values()), self._weights["codes_bias"]
        self.kernels = [variable for variable in self.variables if len(variable.shape) > 1]
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.reveal = compiled(lambda *arguments: self._reveal(*arguments)[:2])
        self.reveal_and_count = compiled(self._reveal)
        self.order_loss = compiled(self._order_loss)
        self.distributions = compiled(self._distributions)
        self.cell_losses = compiled(self._each_cell_losses)

    def row_loss(self, arrays, draws, training):
        """Return the loss of each row: an estimate of minus its log-likelihood, in nats.

        Parameters
        ----------
        arrays : tuple of tensors of shape (n, n_columns), (n, n_detailed) and (n, n_detailed)
            Codes, -1 for unknown cells, and ends of the intervals of ranks.
        draws : Draws
            Source of the hidden cells, the ranks and the dropped units.
        training : bool
            Whether units are dropped.
        """
        codes, low, high = arrays
        n_rows, n_columns = codes.shape
        ranks = low + (high - low) * draws.uniform(low.shape)
        # Evenly spread over the batch: the loss varies less from batch to batch.
        share = (ops.arange(n_rows, dtype="float32") + draws.uniform((n_rows,))) / n_rows
        known = codes >= 0
        hidden = ops.logical_and(draws.uniform((n_rows, n_columns)) < share[:, None], known)
        seen = self._seen(ops.where(hidden, -1, codes), ranks, draws if training else None)
        hidden = ops.cast(hidden, "float32")
        losses = ops.sum(hidden * self._cell_losses(seen, codes, ranks), axis=1)
        # The number of hidden cells is uniform in 0, ..., n_known; equation 4 wants 1, ..., n_known.
        n_known = ops.sum(ops.cast(known, "float32"), axis=1)
        return losses * (n_known + 1) / ops.maximum(ops.sum(hidden, axis=1), 1)

    def _seen(self, codes, ranks, draws=None):
        """Return what the network makes of the visible cells."""
        visible = ops.cast(codes >= 0, "float32")
        blocks = [
            ops.reshape(one_hot(codes[:, first : first + n_columns], width), (-1, n_columns * width))
            for first, n_columns, width in self._groups
        ]
        column_ranks = self._column_ranks(codes, self._spread(ranks))
        means = log_stds = None
        if len(self._numeric):
            seen = ops.take(visible, self._numeric, axis=1)
            scores = normal_score(ops.take(column_ranks, self._numeric, axis=1))
            known = seen * ops.take(self._look_up(self.tables["is_number"], codes), self._numeric, axis=1)
            mean, loadings, noise = (
                ops.convert_to_tensor(self.tables[name]) for name in ("mean", "loadings", "noise")
            )
            means, variances = linear_part(scores, known / noise, mean, loadings)
            log_stds = ops.log(noise + variances) / 2
            blocks += [seen * scores, (1 - seen) * means, (1 - seen) * log_stds]
        if len(self._detailed):
            seen = ops.take(visible, self._detailed, axis=1)
            blocks.append(seen * (2 * ranks - 1))
            column_ranks = ops.take(column_ranks, self._detailed, axis=1)
            for n_half_waves in range(1, self._architecture.n_waves + 1):
                angles = np.float32(np.pi * n_half_waves) * column_ranks
                blocks += [seen * ops.sin(angles), seen * ops.cos(angles)]
        rates = self._architecture.dropout if draws else 0
        features = residual_features(self._weights, ops.concatenate(blocks, axis=1), rates, draws)
        return _Seen(features, means, log_stds)

    def _spread(self, ranks):
        """Give ranks a column for each of the table's; 0.5 where it has no detail."""
        if not len(self._detailed):
            return 0.5
        is_detailed = np.isin(np.arange(len(self._widths)), self._detailed)
        return ops.where(is_detailed, ops.take(ranks, self._detail_of, axis=1), np.float32(0.5))

    def _column_ranks(self, codes, ranks):
        """Return the rank of each cell in its whole column."""
        low, high = (self._look_up(self.tables[name], codes) for name in ("low", "high"))
        return low + (high - low) * ranks

    def _look_up(self, table, codes):
        n_columns, n_codes = table.shape
        places = ops.maximum(codes, 0) + np.arange(n_columns, dtype=np.int32) * n_codes
        return ops.take(ops.reshape(table, (-1,)), places)

    def _logits(self, seen):
        return ops.matmul(seen.features, self._weights["codes_kernel"]) + self._weights["codes_bias"]

    def _cell_losses(self, seen, codes, ranks):
        """Return minus the log-probability of each cell; of a bin's rank, minus its log-density, too."""
        logits, losses = self._logits(seen), []
        for first, n_columns, width in self._groups:
            start = int(self._starts[first])
            block = ops.reshape(logits[:, start : start + n_columns * width], (-1, n_columns, width))
            block = ops.where(self._is_code(first, n_columns, width), block, IMPOSSIBLE)
            chosen = ops.sum(block * one_hot(codes[:, first : first + n_columns], width), axis=2)
            losses.append(ops.logsumexp(block, axis=2) - chosen)
        losses = ops.concatenate(losses, axis=1)
        if not len(self._detailed):
            return losses
        log_weights, means, log_scales = self._mixtures(seen, ops.take(codes, self._detailed, axis=1))
        score = normal_score(ranks)
        deviations = (score[:, :, None] - means) * ops.exp(-log_scales)
        log_density = ops.logsumexp(log_weights - ops.square(deviations) / 2 - log_scales, axis=2)
        # Of the rank, which is uniform where its normal score is standard normal.
        log_density = log_density + ops.square(score) / 2
        is_detailed = np.isin(np.arange(len(self._widths)), self._detailed)
        is_bin = self._look_up(self.tables["is_bin"], codes) * is_detailed
        return losses - is_bin * ops.take(log_density, self._detail_of, axis=1)

    def _is_code(self, first, n_columns, width):
        """Tell which places of a group's blocks stand for a code, and which only pad it."""
        return np.arange(width) < np.array(self._architecture.n_codes[first : first + n_columns])[:, None]

    def _context(self, seen):
        outputs = ops.matmul(seen.features, self._weights["detail_kernel"])
        return ops.reshape(outputs, (-1, len(self._detailed), _DETAIL_WIDTH))

    def _mixtures(self, seen, codes):
        """Return log-weights, means and log-scales of the components of each detailed cell."""
        n_detailed, n_bins = codes.shape[1], self._weights["bins"].shape[0] // codes.shape[1]
        places = ops.maximum(codes, 0) + np.arange(n_detailed, dtype=np.int32) * n_bins
        inner = ops.silu(self._context(seen) + ops.take(self._weights["bins"], places, axis=0))
        outputs = ops.einsum("ndr,drk->ndk", inner, self._weights["mixture_kernel"])
        start = (part[:, :, None] for part in self._start(seen))
        return _components(outputs + self._weights["mixture_bias"], *start)

    def _mixture_of(self, seen, detail, codes):
        """Return those of one cell of each row: that of the detailed column `detail`, with the given code."""
        n_bins = self._weights["bins"].shape[0] // len(self._detailed)
        places = detail * n_bins + ops.minimum(codes, n_bins - 1)
        inner = ops.take(self._weights["bins"], places, axis=0) + _pick(self._context(seen), detail)
        outputs = ops.einsum("nr,drk->ndk", ops.silu(inner), self._weights["mixture_kernel"])
        start = (ops.take_along_axis(part, detail[:, None], axis=1) for part in self._start(seen))
        return _components(_pick(outputs + self._weights["mixture_bias"], detail), *start)

    def _start(self, seen):
        """Return mean and log-scale from which each detailed column's mixture starts: the copula's.

        Those of the standard normal distribution where a column is not one bin as a whole.
        """
        places = np.searchsorted(self._numeric, self._detailed)
        return (self.tables["is_whole"] * ops.take(part, places, axis=1) for part in seen[1:])

    def _reveal(self, codes, ranks, columns, log_odds, seed):
        """Draw one hidden cell of each row; rows whose `columns` cell is visible stay as they are.

        Return the codes and ranks then, and of each column's codes the probabilities with which they were
        drawn, added up.
        """
        draws = Draws(seed)
        n_rows, n_columns = codes.shape
        seen = self._seen(codes, ranks)
        logits = self._logits(seen)
        n_codes = log_odds.shape[1]
        places = ops.take(self._starts, columns)[:, None] + np.arange(n_codes, dtype=np.int32)
        logits = ops.take_along_axis(logits, ops.minimum(places, logits.shape[1] - 1), axis=1)
        logits = logits + ops.take(log_odds, columns, axis=0)
        new_codes = _categorical_draw(logits, draws)

        is_drawn = columns[:, None] == np.arange(n_columns, dtype=np.int32)
        is_drawn = ops.logical_and(is_drawn, codes < 0)
        codes = ops.where(is_drawn, new_codes[:, None], codes)
        if len(self._detailed):
            detail = ops.take(self._detail_of, columns)
            log_weights, means, log_scales = self._mixture_of(seen, detail, new_codes)
            component = _categorical_draw(log_weights, draws)[:, None]
            mean, log_scale = (ops.take_along_axis(part, component, axis=1) for part in (means, log_scales))
            score = mean + ops.exp(log_scale) * draws.normal((n_rows, 1))
            new_ranks = (1 + ops.erf(score / np.float32(np.sqrt(2)))) / 2
            is_bin = ops.take(ops.reshape(self.tables["is_bin"], (-1,)), columns * n_codes + new_codes)
            new_ranks = ops.where(is_bin[:, None] > 0, new_ranks, 0.5)
            ranks = ops.where(ops.take(is_drawn, self._detailed, axis=1), new_ranks, ranks)
        probabilities = ops.exp(logits - ops.logsumexp(logits, axis=1, keepdims=True))
        is_drawn = ops.cast(is_drawn, "float32")
        return codes, ranks, ops.matmul(ops.transpose(is_drawn), probabilities)

    def _distributions(self, codes, ranks, code):
        """Return the logits of all cells, and the mixtures of detailed ones if they had the given code."""
        seen = self._seen(codes, ranks)
        if not len(self._detailed):
            return (self._logits(seen),)
        code = ops.broadcast_to(code, (codes.shape[0], len(self._detailed)))
        return self._logits(seen), *self._mixtures(seen, code)

    def _order_loss(self, codes, ranks, order):
        """Return minus the log-probability of each row, its cells revealed in the given order."""
        n_rows, n_columns = codes.shape
        position = ops.argsort(order, axis=1)

        def step(count, losses):
            seen = self._seen(ops.where(position < count, codes, -1), ranks)
            cells = ops.where(codes >= 0, self._cell_losses(seen, codes, ranks), 0.0)
            return count + 1, losses + ops.sum(ops.where(position == count, cells, 0.0), axis=1)

        _, losses = ops.while_loop(
            lambda count, _: count < n_columns, step, (0, ops.zeros(n_rows, "float32"))
        )
        return losses

    def _each_cell_losses(self, codes, ranks):
        """Return minus the log-probability of each cell, given all others."""
        n_rows, n_columns = codes.shape

        def step(column, losses):
            is_hidden = np.arange(n_columns, dtype=np.int32) == column
            seen = self._seen(ops.where(is_hidden, -1, codes), ranks)
            cells = ops.where(codes >= 0, self._cell_losses(seen, codes, ranks), 0.0)
            return column + 1, losses + ops.where(is_hidden, cells, 0.0)

        _, losses = ops.while_loop(
            lambda column, _: column < n_columns, step, (0, ops.zeros((n_rows, n_columns), "float32"))
        )
        return losses


def initial_weights(architecture, frequencies, rng):
    """Draw the network's weights; with them it gives the training frequencies, whatever it sees."""
    widths = padded(np.array(architecture.n_codes))
    n_detailed = len(architecture.detailed)
    n_inputs = widths.sum() + 3 * len(architecture.numeric) + n_detailed * (1 + 2 * architecture.n_waves)
    # Of the inputs, about one in each column's block is not zero.
    weights = residual_weights(n_inputs, architecture.hidden_layer_sizes, rng, n_active=len(widths))
    n_features = architecture.hidden_layer_sizes[-1]
    weights["codes_kernel"] = np.zeros((n_features, widths.sum()))
    weights["codes_bias"] = np.zeros(widths.sum())
    if frequencies is not None:
        for start, shares in zip(np.cumsum(widths) - widths, frequencies, strict=True):
            weights["codes_bias"][start : start + len(shares)] = np.log(np.maximum(shares, 1e-9))
    if n_detailed:
        n_bins = max(architecture.n_codes[column] for column in architecture.detailed)
        kernel = rng.normal(size=(n_features, n_detailed * _DETAIL_WIDTH))
        weights["detail_kernel"] = kernel / np.sqrt(n_features)
        weights["bins"] = rng.normal(scale=0.5, size=(n_detailed * n_bins, _DETAIL_WIDTH))
        weights["mixture_kernel"] = np.zeros((n_detailed, _DETAIL_WIDTH, 3 * _N_COMPONENTS))
        # Components side by side, which together are nearly standard normal.
        bias = np.stack(
            [np.zeros(_N_COMPONENTS), np.linspace(-0.7, 0.7, _N_COMPONENTS), np.zeros(_N_COMPONENTS)]
        )
        bias[2] = np.log(0.9)
        weights["mixture_bias"] = np.tile(bias.ravel(), (n_detailed, 1))
    return {name: weight.astype(np.float32) for name, weight in weights.items()}


def _components(outputs, mean, log_scale):
    """Return log-weights, means and log-scales of a mixture, the latter two in units of a start."""
    log_weights, means, log_scales = ops.split(outputs, 3, axis=-1)
    log_scales = log_scale + ops.clip(log_scales, *_LOG_SCALE_LIMITS)
    return ops.log_softmax(log_weights), mean + ops.exp(log_scale) * means, log_scales


def _pick(blocks, index):
    """Return the block of each row at its own index."""
    return ops.squeeze(ops.take_along_axis(blocks, index[:, None, None], axis=1), 1)


def _categorical_draw(logits, draws):
    """Draw an index for each row by the Gumbel-max trick."""
    uniform = ops.maximum(draws.uniform(logits.shape), np.float32(1e-20))
    perturbed = logits - ops.log(-ops.log(uniform))
    # Not argmax, which XLA does not vectorise on CPUs.
    is_largest = perturbed >= ops.max(perturbed, axis=1, keepdims=True)
    return ops.max(ops.where(is_largest, np.arange(logits.shape[1], dtype=np.int32), 0), axis=1)
