"""The masked process: cells are hidden, more and more of them, and revealed again one by one."""

import time

import numpy as np
from scipy.special import ndtr, ndtri, softmax

from ._blocks import IMPOSSIBLE, N_CHUNK_ROWS, filled, padded
from ._masked_network import MaskedArchitecture, MaskedNetwork, initial_weights

# Of calibration: rounds at most, and rows of each. Steps get smaller as if some had been taken before, and a
# code's frequency counts as if it had been drawn some times more.
_MAX_CALIBRATION_ROUNDS, _N_CALIBRATION_ROWS = 12, 4 * N_CHUNK_ROWS
_GAIN, _N_FIRST_ROUNDS, _N_FEW_DRAWS = 2.0, 4, 10


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
    copula : FactorModel
        Of the normal scores of the table's numbers: what the network gives before it has learnt.
    hidden_layer_sizes : tuple of int
        Widths of the network's layers.
    dropout : float
        Share of units that are dropped in each layer while training.
    n_waves : int
        How finely the network sees the ranks of visible numbers: by so many sines and cosines.

    References
    ----------
    Austin, Johnson, Ho, Tarlow & van den Berg (2021). Structured Denoising Diffusion Models in Discrete
    State-Spaces. NeurIPS. Section 3.1, absorbing state.
    Hoogeboom, Gritsenko, Bastings, Poole, van den Berg & Salimans (2022). Autoregressive Diffusion Models.
    ICLR. Equation 4 is the loss, for a number of hidden cells that is uniform in 1, ..., n_columns.
    Sahoo et al. (2024). Simple and Effective Masked Diffusion Language Models. NeurIPS.
    """

    n_chunk_rows = N_CHUNK_ROWS

    def __init__(self, encoder, copula, *, hidden_layer_sizes, dropout, n_waves):
        widths = padded(encoder.n_codes_)
        self._order = np.argsort(widths, kind="stable")  # from the network's order to the table's
        self._place = np.argsort(self._order)  # and back
        detailed = self._place[encoder.detailed_]
        self._detail_order = np.argsort(detailed)
        self.architecture = MaskedArchitecture(
            n_codes=tuple(encoder.n_codes_[self._order].tolist()),
            numeric=tuple(np.sort(self._place[np.flatnonzero(encoder.numeric_)]).tolist()),
            detailed=tuple(np.sort(detailed).tolist()),
            n_factors=copula.loadings.shape[1],
            n_waves=n_waves,
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            dropout=dropout,
        )
        self._frequencies = [encoder.frequencies_[column] for column in self._order]
        numeric = np.flatnonzero(encoder.numeric_)
        order = np.argsort(self._place[numeric])
        self._tables = self._look_up_tables(encoder)
        whole = encoder.n_codes_[encoder.detailed_] - encoder.has_missing_[encoder.detailed_] == 1
        self._tables["is_whole"] = whole[self._detail_order].astype(np.float32)
        self._tables |= {name: array[order] for name, array in copula._asdict().items()}
        codes = np.arange(max(self.architecture.n_codes))
        n_codes = np.array(self.architecture.n_codes)[:, None]
        has_holes = encoder.has_missing_[self._order][:, None]
        self._log_odds = np.where(codes < n_codes, 0, IMPOSSIBLE).astype(np.float32)
        # The code of missing cells is the last one.
        possible = codes < np.maximum(n_codes - has_holes, 1)
        self._log_odds_without_holes = np.where(possible, 0, IMPOSSIBLE).astype(np.float32)

    def _look_up_tables(self, encoder):
        """Return, for each code of each column, its interval of ranks, a point for atoms, and its kind."""
        n_columns, n_codes = len(self._order), max(self.architecture.n_codes)
        low, high = np.full((2, n_columns, n_codes), 0.5, np.float32)
        is_bin, is_number = np.zeros((2, n_columns, n_codes), np.float32)
        for place, column in enumerate(self._order):
            if encoder.numeric_[column]:
                scores = encoder.scores_[column]
                low[place, : len(scores)] = high[place, : len(scores)] = ndtr(scores)
                is_number[place, : encoder.n_codes_[column] - encoder.has_missing_[column]] = 1
        for detail, column in enumerate(encoder.detailed_):
            place, bins = self._place[column], np.flatnonzero(encoder.is_bin_[detail])
            low[place, bins] = encoder.rank_low_[detail][bins]
            high[place, bins] = encoder.rank_high_[detail][bins]
            is_bin[place, bins] = 1
        return {"low": low, "high": high, "is_bin": is_bin, "is_number": is_number}

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
        return list(initial_weights(self.architecture, self._frequencies, rng).values())

    def sample(self, program, encoded, seed, *, holes, on_rows=None, first_row=0):
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
        first_row : int, default=0
            Rows that were drawn before with this seed, of which these are the next: whole chunks.

        Returns
        -------
        codes : int32 ndarray of shape (n_samples, n_columns)
            Codes of all cells.
        ranks : float32 ndarray of shape (n_samples, n_detailed)
            Ranks inside the bins.
        """
        codes, low, high = self.arrays(encoded)
        log_odds = self._log_odds if holes else self._log_odds_without_holes
        codes, ranks = self._revealed(
            program, codes, (low + high) / 2, [seed], log_odds, on_rows=on_rows, first_row=first_row
        )
        return codes[:, self._place], ranks[:, np.argsort(self._detail_order)]

    def _revealed(
        self, program, codes, ranks, seed, log_odds, *, on_rows=None, frequencies=None, first_row=0
    ):
        """Draw the hidden cells; columns are in the network's order.

        Add to `frequencies`, of shape (n_columns, n_codes), the probabilities with which codes are drawn.
        """
        network = program.network
        for chunk, start in enumerate(range(0, len(codes), N_CHUNK_ROWS)):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            n_rows = rows.stop - start
            state = [filled(codes[rows]), filled(ranks[rows])]
            rng = np.random.default_rng([*seed, first_row // N_CHUNK_ROWS + chunk])
            order = _hidden_first(rng.random(state[0].shape), state[0] < 0)
            for step in range((codes[rows] < 0).sum(axis=1).max()):
                draws = rng.integers(2**31, size=2).astype(np.int32)
                columns = np.ascontiguousarray(order[:, step])
                if frequencies is None:
                    state = network.reveal(*state, columns, log_odds, draws)
                else:
                    *state, added = network.reveal_and_count(*state, columns, log_odds, draws)
                    frequencies += np.asarray(added)
            codes[rows], ranks[rows] = (np.asarray(array)[:n_rows] for array in state)
            if on_rows:
                on_rows(rows.stop)
        return codes, ranks

    def calibrated(self, program, seed, n_rows, deadline=np.inf):
        """Return the program's weights with biases for which drawn rows have the training frequencies.

        What a network gets slightly wrong adds up over the cells of a row: a code that is drawn too often
        makes others that go with it more likely. Each round draws rows, and moves the bias of each code by
        what it lacks of its frequency, less and less from round to round.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        seed : int
            Source of the draws.
        n_rows : int
            Rows to draw in all, at most; less than a round's leave the weights as they are.
        deadline : float, default=inf
            Value of `time.perf_counter` at which the last round ends.

        Returns
        -------
        weights : list of ndarray
            Those of the program, but for the biases of codes.

        References
        ----------
        Robbins & Monro (1951). A Stochastic Approximation Method. Annals of Mathematical Statistics.
        """
        widths, bias = padded(np.array(self.architecture.n_codes)), program.network.codes_bias
        starts, n_columns, n_detailed = np.cumsum(widths) - widths, len(widths), len(self._detail_order)
        now, duration = time.perf_counter(), 0.0
        for n_done in range(min(n_rows // _N_CALIBRATION_ROWS, _MAX_CALIBRATION_ROUNDS)):
            if now + duration > deadline:
                break
            hidden = np.full((_N_CALIBRATION_ROWS, n_columns), -1, np.int32)
            ranks = np.full((_N_CALIBRATION_ROWS, n_detailed), 0.5, np.float32)
            # The probabilities of the codes that are drawn vary less than their counts.
            frequencies = np.zeros(self._log_odds.shape)
            self._revealed(program, hidden, ranks, [seed, n_done], self._log_odds, frequencies=frequencies)
            moved = bias.numpy().copy()
            for start, shares, drawn in zip(starts, self._frequencies, frequencies, strict=True):
                drawn = drawn[: len(shares)] / len(hidden)
                # What is seen of a rare code says little.
                few = _N_FEW_DRAWS / len(hidden)
                lack = np.log((shares + few) / (drawn + few))
                moved[start : start + len(shares)] += _GAIN / (n_done + _N_FIRST_ROUNDS) * lack
            bias.assign(moved)
            before, now = now, time.perf_counter()
            duration = now - before
        return program.weights()

    def distributions(self, program, encoded):
        """Yield the distributions of all cells, given the visible ones alone, for some rows at a time.

        Parameters
        ----------
        program : Program
            Holds the weights and this encoder's tables.
        encoded : EncodedTable
            Rows whose hidden cells have the code -1. Distributions of the others mean nothing.

        Yields
        ------
        distributions : list of tuple
            Of the next rows: for each column the probabilities of its codes but that of missing cells, of
            shape (n_rows, n_values), and, for each code that is a bin, weights, means and standard deviations
            of the components of the normal score inside, of shape (n_rows, n_components).
        """
        codes, low, high = self.arrays(encoded)
        ranks = (low + high) / 2
        n_values = (self._log_odds_without_holes == 0).sum(axis=1)
        ends = np.cumsum(padded(np.array(self.architecture.n_codes)))
        starts = np.append(0, ends[:-1])
        n_bins = max((self.architecture.n_codes[column] for column in self.architecture.detailed), default=1)
        for start in range(0, len(codes), N_CHUNK_ROWS):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(codes)))
            full = filled(codes[rows]), filled(ranks[rows])
            densities = [{} for _ in self.architecture.n_codes]
            for code in range(n_bins):
                is_bin = self._tables["is_bin"][:, code] > 0
                if code and not is_bin.any():
                    continue
                logits, *mixtures = (
                    np.asarray(array)[: rows.stop - start].astype(float)
                    for array in program.network.distributions(*full, np.int32(code))
                )
                for detail, column in enumerate(self.architecture.detailed):
                    if is_bin[column]:
                        log_weights, means, log_scales = (array[:, detail] for array in mixtures)
                        densities[column][code] = np.exp(log_weights), means, np.exp(log_scales)
            probabilities = [
                softmax(logits[:, starts[place] : starts[place] + n_values[place]], axis=1)
                for place in self._place
            ]
            yield [
                (probability, densities[place])
                for probability, place in zip(probabilities, self._place, strict=True)
            ]

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


def column_scores(encoder, encoded):
    """Return the normal scores of a table's numbers, a column for each numeric one; NaN for missing cells."""
    numeric = np.flatnonzero(encoder.numeric_)
    scores = np.full((len(encoded.codes), len(numeric)), np.nan)
    detail_of = {column: detail for detail, column in enumerate(encoder.detailed_)}
    for place, column in enumerate(numeric):
        codes = encoded.codes[:, column]
        rows = np.flatnonzero(
            (codes >= 0) & (codes < encoder.n_codes_[column] - encoder.has_missing_[column])
        )
        codes = codes[rows]
        scores[rows, place] = encoder.scores_[column][codes]
        if column in detail_of:
            detail = detail_of[column]
            low, high = encoder.rank_low_[detail][codes], encoder.rank_high_[detail][codes]
            inside = (encoded.low[rows, detail] + encoded.high[rows, detail]) / 2
            is_bin = encoder.is_bin_[detail][codes] > 0
            scores[rows[is_bin], place] = ndtri((low + (high - low) * inside)[is_bin])
    return scores
