"""The masked process: cells are hidden, more and more of them, and revealed again one by one."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy.special import ndtr

from ._blocks import IMPOSSIBLE, N_CHUNK_ROWS, filled, grouped, normal_score, one_hot, padded
from ._training import Draws, compiled
from .networks import residual_features, residual_weights

# Sines and cosines of a visible number's rank, by the number of half waves over the column: the long ones
# tell the network about trends, the short ones about neighbourhoods.
_HALF_WAVES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)

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

    hidden_layer_sizes: tuple
    dropout: float


class MaskedProcess:
    """The masked process on the tables of one encoder.

    Forward, a cell is hidden with a probability that grows from 0 to 1. A network sees the visible cells and
    gives the distribution of each hidden one: a softmax over its codes and, for a bin, a mixture of normal
    distributions for the normal score of the rank inside it. Reverse, the hidden cells are revealed one by
    one, in random order, each drawn given all that is visible. The likelihood of a row in a given order is a
    product of such conditional probabilities; training maximises its logarithm, averaged over orders.

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
    Austin, Johnson, Ho, Tarlow & van den Berg (2021). Structured Denoising Diffusion Models in Discrete
    State-Spaces. NeurIPS. Section 3.1, absorbing state.
    Hoogeboom, Gritsenko, Bastings, Poole, van den Berg & Salimans (2022). Autoregressive Diffusion Models.
    ICLR. Equation 4 is the loss, for a number of hidden cells that is uniform in 1, ..., n_columns.
    Sahoo et al. (2024). Simple and Effective Masked Diffusion Language Models. NeurIPS.
    """

    def __init__(self, encoder, *, hidden_layer_sizes, dropout):
        widths = padded(encoder.n_codes_)
        self._order = np.argsort(widths, kind="stable")  # from the network's order to the table's
        self._place = np.argsort(self._order)  # and back
        detailed = self._place[encoder.detailed_]
        self._detail_order = np.argsort(detailed)
        self.architecture = MaskedArchitecture(
            n_codes=tuple(encoder.n_codes_[self._order].tolist()),
            numeric=tuple(np.sort(self._place[np.flatnonzero(encoder.numeric_)]).tolist()),
            detailed=tuple(np.sort(detailed).tolist()),
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            dropout=dropout,
        )
        self._frequencies = [encoder.frequencies_[column] for column in self._order]
        self._tables = self._look_up_tables(encoder)
        codes = np.arange(max(self.architecture.n_codes))
        n_codes = np.array(self.architecture.n_codes)[:, None]
        has_holes = encoder.has_missing_[self._order][:, None]
        self._log_odds = np.where(codes < n_codes, 0, IMPOSSIBLE).astype(np.float32)
        # The code of missing cells is the last one.
        possible = codes < np.maximum(n_codes - has_holes, 1)
        self._log_odds_without_holes = np.where(possible, 0, IMPOSSIBLE).astype(np.float32)

    def _look_up_tables(self, encoder):
        """Return the interval of ranks of each code of each column; a point for atoms."""
        n_columns, n_codes = len(self._order), max(self.architecture.n_codes)
        low, high = np.full((2, n_columns, n_codes), 0.5, np.float32)
        is_bin = np.zeros((n_columns, n_codes), np.float32)
        for place, column in enumerate(self._order):
            if encoder.numeric_[column]:
                scores = encoder.scores_[column]
                low[place, : len(scores)] = high[place, : len(scores)] = ndtr(scores)
        for detail, column in enumerate(encoder.detailed_):
            place, bins = self._place[column], np.flatnonzero(encoder.is_bin_[detail])
            low[place, bins] = encoder.rank_low_[detail][bins]
            high[place, bins] = encoder.rank_high_[detail][bins]
            is_bin[place, bins] = 1
        return {"low": low, "high": high, "is_bin": is_bin}

    def arrays(self, encoded):
        """Return codes and intervals of ranks as the network takes them, columns in its order."""
        codes = np.ascontiguousarray(encoded.codes[:, self._order])
        return codes, encoded.low[:, self._detail_order], encoded.high[:, self._detail_order]

    def build(self):
        """Build the network, with arbitrary weights."""
        return MaskedNetwork(self.architecture)

    def load(self, program):
        """Load this encoder's look-up tables into a program's network."""
        for name, table in self._tables.items():
            program.network.tables[name].assign(table)

    def initial_weights(self, rng):
        """Draw weights with which the network gives the training frequencies, whatever it sees."""
        return list(_initial_weights(self.architecture, self._frequencies, rng).values())

    def sample(self, program, encoded, seed, *, holes, on_rows=None):
        """Draw the hidden cells of a table, given the others.

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

        Returns
        -------
        codes : int32 ndarray of shape (n_samples, n_columns)
            Codes of all cells.
        ranks : float32 ndarray of shape (n_samples, n_detailed)
            Ranks inside the bins.
        """
        codes, low, high = self.arrays(encoded)
        ranks = (low + high) / 2
        log_odds = self._log_odds if holes else self._log_odds_without_holes
        for chunk, start in enumerate(range(0, len(codes), N_CHUNK_ROWS)):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            n_rows = rows.stop - start
            state = [filled(codes[rows]), filled(ranks[rows])]
            rng = np.random.default_rng([seed, chunk])
            order = _hidden_first(rng.random(state[0].shape), state[0] < 0)
            for step in range((codes[rows] < 0).sum(axis=1).max()):
                draws = rng.integers(2**31, size=2).astype(np.int32)
                columns = np.ascontiguousarray(order[:, step])
                state = program.network.reveal(*state, columns, log_odds, draws)
            codes[rows], ranks[rows] = (np.asarray(array)[:n_rows] for array in state)
            if on_rows:
                on_rows(rows.stop)
        return codes[:, self._place], ranks[:, np.argsort(self._detail_order)]

    def log_likelihood(self, program, encoded, seed, *, n_orders=2):
        """Return the log-likelihood of each row, averaged over random orders.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        encoded : EncodedTable
            Rows. Hidden cells stay hidden, and count as nothing.
        seed : int
            Source of the orders.
        n_orders : int, default=2
            Orders for each row, which depend on the seed and the row alone; every second one is the reverse
            of the one before.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats: the logarithm of the probability of the codes, times the density of the ranks in the
            whole column. A lower bound of the log-likelihood under random orders, by Jensen's inequality.
        """
        codes, low, high = self.arrays(encoded)
        ranks = (low + high) / 2
        total = -self._log_widths(codes).sum(axis=1, dtype=float)
        for start in range(0, len(codes), N_CHUNK_ROWS):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            full = filled(codes[rows]), filled(ranks[rows])
            for repeat in range(n_orders):
                keys = _hashed(*full, np.random.default_rng([seed, repeat // 2]))
                # A cell that comes early in an order comes late in its reverse: the two vary less together.
                order = np.argsort(~keys if repeat % 2 else keys, axis=1).astype(np.int32)
                loss = program.network.order_loss(*full, order)
                total[rows] -= np.asarray(loss)[: rows.stop - start] / n_orders
        return total

    def cell_log_likelihoods(self, program, encoded):
        """Return the log-likelihood of each cell, given all others of its row that are not hidden.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        encoded : EncodedTable
            Rows. Hidden cells stay hidden, and count as nothing.

        Returns
        -------
        log_likelihoods : ndarray of shape (n_samples, n_columns)
            In nats and in the measure of `log_likelihood`, which they do not add up to.
        """
        codes, low, high = self.arrays(encoded)
        ranks = (low + high) / 2
        total = -self._log_widths(codes).astype(float)
        for start in range(0, len(codes), N_CHUNK_ROWS):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            losses = program.network.cell_losses(filled(codes[rows]), filled(ranks[rows]))
            total[rows] -= np.asarray(losses)[: rows.stop - start]
        return total[:, self._place]

    def _log_widths(self, codes):
        """Return the logarithm of the share of its column that each cell's bin covers; 0 for other codes."""
        columns = np.arange(codes.shape[1])
        is_bin = (codes >= 0) & (self._tables["is_bin"][columns, codes] > 0)
        widths = self._tables["high"] - self._tables["low"]
        return np.log(np.where(is_bin, widths[columns, codes], 1))


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
            name: keras.Variable(np.zeros(shape, np.float32)) for name in ("low", "high", "is_bin")
        }

        weights = _initial_weights(architecture, None, np.random.default_rng(0))
        self._weights = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
        self.variables = list(self._weights.values())
        self.kernels = [variable for variable in self.variables if len(variable.shape) > 1]
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.reveal = compiled(self._reveal)
        self.order_loss = compiled(self._order_loss)
        self.cell_losses = compiled(self._each_cell_losses)

    def row_loss(self, arrays, draws, training):
        """Return the loss of each row: an estimate of minus its log-likelihood, in nats.

        Parameters
        ----------
        arrays : tuple of tensors of shape (n, n_columns), (n, n_detailed) and (n, n_detailed)
            Codes, and ends of the intervals of ranks.
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
        hidden = draws.uniform((n_rows, n_columns)) < share[:, None]
        features = self._features(ops.where(hidden, -1, codes), ranks, draws if training else None)
        hidden = ops.cast(hidden, "float32")
        losses = ops.sum(hidden * self._cell_losses(features, codes, ranks), axis=1)
        # The number of hidden cells is uniform in 0, ..., n_columns; equation 4 wants 1, ..., n_columns.
        return losses * (n_columns + 1) / ops.maximum(ops.sum(hidden, axis=1), 1)

    def _features(self, codes, ranks, draws=None):
        """Return what the network makes of the visible cells."""
        visible = ops.cast(codes >= 0, "float32")
        blocks = [
            ops.reshape(one_hot(codes[:, first : first + n_columns], width), (-1, n_columns * width))
            for first, n_columns, width in self._groups
        ]
        column_ranks = self._column_ranks(codes, self._spread(ranks))
        if len(self._numeric):
            seen = ops.take(visible, self._numeric, axis=1)
            blocks.append(seen * normal_score(ops.take(column_ranks, self._numeric, axis=1)))
        if len(self._detailed):
            seen = ops.take(visible, self._detailed, axis=1)
            blocks.append(seen * (2 * ranks - 1))
            column_ranks = ops.take(column_ranks, self._detailed, axis=1)
            for n_half_waves in _HALF_WAVES:
                angles = np.float32(np.pi * n_half_waves) * column_ranks
                blocks += [seen * ops.sin(angles), seen * ops.cos(angles)]
        rates = self._architecture.dropout if draws else 0
        return residual_features(self._weights, ops.concatenate(blocks, axis=1), rates, draws)

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

    def _logits(self, features):
        return ops.matmul(features, self._weights["codes_kernel"]) + self._weights["codes_bias"]

    def _cell_losses(self, features, codes, ranks):
        """Return minus the log-probability of each cell; of a bin's rank, minus its log-density, too."""
        logits, losses = self._logits(features), []
        for first, n_columns, width in self._groups:
            start = int(self._starts[first])
            block = ops.reshape(logits[:, start : start + n_columns * width], (-1, n_columns, width))
            block = ops.where(self._is_code(first, n_columns, width), block, IMPOSSIBLE)
            chosen = ops.sum(block * one_hot(codes[:, first : first + n_columns], width), axis=2)
            losses.append(ops.logsumexp(block, axis=2) - chosen)
        losses = ops.concatenate(losses, axis=1)
        if not len(self._detailed):
            return losses
        log_weights, means, log_scales = self._mixtures(features, ops.take(codes, self._detailed, axis=1))
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

    def _context(self, features):
        outputs = ops.matmul(features, self._weights["detail_kernel"])
        return ops.reshape(outputs, (-1, len(self._detailed), _DETAIL_WIDTH))

    def _mixtures(self, features, codes):
        """Return log-weights, means and log-scales of the components of each detailed cell."""
        n_detailed, n_bins = codes.shape[1], self._weights["bins"].shape[0] // codes.shape[1]
        places = ops.maximum(codes, 0) + np.arange(n_detailed, dtype=np.int32) * n_bins
        inner = ops.silu(self._context(features) + ops.take(self._weights["bins"], places, axis=0))
        outputs = ops.einsum("ndr,drk->ndk", inner, self._weights["mixture_kernel"])
        return _components(outputs + self._weights["mixture_bias"])

    def _mixture_of(self, features, detail, codes):
        """Return those of one cell of each row: that of the detailed column `detail`, with the given code."""
        n_bins = self._weights["bins"].shape[0] // len(self._detailed)
        places = detail * n_bins + ops.minimum(codes, n_bins - 1)
        inner = ops.take(self._weights["bins"], places, axis=0) + _pick(self._context(features), detail)
        outputs = ops.einsum("nr,drk->ndk", ops.silu(inner), self._weights["mixture_kernel"])
        return _components(_pick(outputs + self._weights["mixture_bias"], detail))

    def _reveal(self, codes, ranks, columns, log_odds, seed):
        """Draw one hidden cell of each row; rows whose `columns` cell is visible stay as they are."""
        draws = Draws(seed)
        n_rows, n_columns = codes.shape
        features = self._features(codes, ranks)
        logits = self._logits(features)
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
            log_weights, means, log_scales = self._mixture_of(features, detail, new_codes)
            component = _categorical_draw(log_weights, draws)[:, None]
            mean, log_scale = (ops.take_along_axis(part, component, axis=1) for part in (means, log_scales))
            score = mean + ops.exp(log_scale) * draws.normal((n_rows, 1))
            new_ranks = (1 + ops.erf(score / np.float32(np.sqrt(2)))) / 2
            is_bin = ops.take(ops.reshape(self.tables["is_bin"], (-1,)), columns * n_codes + new_codes)
            new_ranks = ops.where(is_bin[:, None] > 0, new_ranks, 0.5)
            ranks = ops.where(ops.take(is_drawn, self._detailed, axis=1), new_ranks, ranks)
        return codes, ranks

    def _order_loss(self, codes, ranks, order):
        """Return minus the log-probability of each row, its cells revealed in the given order."""
        n_rows, n_columns = codes.shape
        position = ops.argsort(order, axis=1)

        def step(count, losses):
            features = self._features(ops.where(position < count, codes, -1), ranks)
            cells = ops.where(codes >= 0, self._cell_losses(features, codes, ranks), 0.0)
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
            features = self._features(ops.where(is_hidden, -1, codes), ranks)
            cells = ops.where(codes >= 0, self._cell_losses(features, codes, ranks), 0.0)
            return column + 1, losses + ops.where(is_hidden, cells, 0.0)

        _, losses = ops.while_loop(
            lambda column, _: column < n_columns, step, (0, ops.zeros((n_rows, n_columns), "float32"))
        )
        return losses


def _initial_weights(architecture, frequencies, rng):
    """Draw the network's weights; with them it gives the training frequencies, whatever it sees."""
    widths = padded(np.array(architecture.n_codes))
    n_detailed = len(architecture.detailed)
    n_inputs = widths.sum() + len(architecture.numeric) + n_detailed * (1 + 2 * len(_HALF_WAVES))
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


def _components(outputs):
    log_weights, means, log_scales = ops.split(outputs, 3, axis=-1)
    return ops.log_softmax(log_weights), means, ops.clip(log_scales, *_LOG_SCALE_LIMITS)


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


def _hashed(codes, ranks, rng):
    """Return a random number for each cell that depends on its row and its column alone.

    Rows are hashed by a linear function modulo 2**64, and its values mixed as in SplitMix64 (Steele, Lea &
    Flood 2014, Fast Splittable Pseudorandom Number Generators).
    """
    cells = np.hstack([codes.astype(np.uint64), ranks.view(np.uint32).astype(np.uint64)])
    of_row = cells @ rng.integers(2**64, size=cells.shape[1], dtype=np.uint64)
    keys = of_row[:, None] + rng.integers(2**64, size=codes.shape[1], dtype=np.uint64)
    keys = (keys ^ (keys >> 30)) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> 27)) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> 31)


def _hidden_first(keys, hidden):
    """Return the order of each row's cells by their keys, hidden ones first."""
    return np.argsort(np.where(hidden, keys, 2.0), axis=1).astype(np.int32)
