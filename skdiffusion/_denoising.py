"""The denoiser's network: rows of numbers and categories at any noise level, from a linear start."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from ._blocks import IMPOSSIBLE, N_CHUNK_ROWS, Blocks, filled
from ._factors import FactorModel, linear_part
from ._training import compiled
from .networks import residual_features, residual_weights

# Noise levels of training, in standard deviations of a column, evenly spread in their logarithm.
_SIGMA_MIN, _SIGMA_MAX = 0.02, 3.0
# How far, in its logarithm, the level of a column may be from its row's: nothing in half of the rows.
_MAX_SPREAD = 1.5

# Share of the rows that lose cells while training, and of those whose categories are flipped.
_SHARE_WITH_HOLES, _SHARE_FLIPPED, _MAX_FLIP = 0.25, 0.5, 0.5
# A self-supervised network guesses hidden cells from the others: at most this share of them is hidden.
_MAX_HIDDEN = 0.3

# Levels, and standard deviations, that the network is told lie between these.
_LOG_SIGMA_LIMITS = float(np.log(0.01)), float(np.log(10.0))
_N_WAVES = 8

# Normal components of a column by itself: of some, the bounds are quantiles, of the others evenly spaced.
_N_QUANTILES, _N_INTERVALS = 48, 16
_PULL_LIMIT = 10.0

# Variance of a column that never changes: its noise is all taken away.
_NO_VARIANCE = 1e-6
_TINY = 1e-12

_N_FACTORS = (1, 2, 4, 8, 16, 32)
# Rows for the factors: those with holes take far longer.
_MAX_ROWS, _MAX_ROWS_WITH_HOLES = 20_000, 2_000


class DenoisingArchitecture(NamedTuple):
    """What the compiled code depends on: two fits with the same one share it."""

    n_numeric: int
    """Number of numeric columns."""

    n_codes: tuple
    """Number of codes of each categorical column, columns of like width side by side."""

    n_factors: int
    """Of the linear start."""

    hidden_layer_sizes: tuple
    dropout: float
    self_supervised: bool


class Denoising:
    """Noise on numbers, flips of categories and holes, and what takes them away.

    A number has noise of a known standard deviation, which may differ from cell to cell. A factor model of
    the clean numbers gives the posterior mean and standard deviation of each, for any levels and any holes,
    as if rows were normal. A network learns what is to be added, in units of that standard deviation; so at
    its start it is the linear posterior. Of a category it learns what is to be added to the logarithm of
    Bayes' rule for this column alone.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_numeric)
        Standardised numbers of the training rows, NaN for missing cells.
    weight : ndarray of shape (n_samples,)
        Weights of the rows.
    frequencies : list of ndarray of shape (n_codes,)
        Share of each code of the categorical columns, columns of like width side by side.
    hidden_layer_sizes : tuple of int
        Widths of the network's layers.
    dropout : float
        Share of units that are dropped in each layer while training.
    self_supervised : bool
        Whether rows are noisy themselves, and each cell is estimated from the others alone.

    References
    ----------
    Karras, Aittala, Aila & Laine (2022). Elucidating the Design Space of Diffusion-Based Generative Models.
    NeurIPS. Section 5, one network for all levels with inputs and targets of unit variance.
    Batson & Royer (2019). Noise2Self: Blind Denoising by Self-Supervision. ICML. Proposition 1.
    """

    def __init__(self, values, weight, frequencies, *, hidden_layer_sizes, dropout, self_supervised):
        n_rows = _MAX_ROWS_WITH_HOLES if np.isnan(values).any() else _MAX_ROWS
        model = FactorModel.fit(values, weight, n_factors=_N_FACTORS, max_rows=n_rows)
        n_distinct = [len(np.unique(column[~np.isnan(column)])) for column in values.T]
        self.varies = np.array(n_distinct, int) != 1
        noise = np.where(self.varies, model.noise, _NO_VARIANCE)
        self.factors = model._replace(noise=noise.astype(np.float32))
        self.architecture = DenoisingArchitecture(
            n_numeric=values.shape[1],
            n_codes=tuple(map(len, frequencies)),
            n_factors=self.factors.loadings.shape[1],
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            dropout=dropout,
            self_supervised=self_supervised,
        )
        self._blocks = blocks = Blocks(self.architecture.n_codes)
        shares, means, variances = _column_mixtures(values, weight)
        self._tables = {
            **self.factors._asdict(),
            "log_shares": np.where(shares > 0, np.log(np.maximum(shares, _TINY)), IMPOSSIBLE),
            "means": means,
            "variances": variances,
            "log_frequencies": blocks.spread([np.log(np.maximum(s, _TINY)) for s in frequencies], IMPOSSIBLE),
            "bounds": _bounds(frequencies),
        }

    def build(self):
        """Build the network, with arbitrary weights."""
        return DenoisingNetwork(self.architecture)

    def load(self, program):
        """Load what was learnt in closed form into a program's network."""
        for name, table in self._tables.items():
            program.network.tables[name].assign(table)

    def initial_weights(self, rng):
        """Draw weights with which the network adds nothing to the linear posterior and to Bayes' rule."""
        return list(_initial_weights(self.architecture, rng).values())

    def restore(self, program, values, known, codes, sigma, flip):
        """Return the posterior means of numbers and the likeliest codes.

        Parameters
        ----------
        program : Program
            Holds the weights and what was learnt in closed form.
        values : ndarray of shape (n_samples, n_numeric)
            Standardised numbers; what stands in unknown cells does not matter.
        known : bool ndarray of shape (n_samples, n_numeric)
            Which numbers are known.
        codes : int ndarray of shape (n_samples, n_categorical)
            Codes of categories, -1 for missing cells.
        sigma : ndarray of shape (n_numeric,)
            Noise levels.
        flip : float
            Probability that a category was drawn anew.

        Returns
        -------
        means : ndarray of shape (n_samples, n_numeric)
            Standardised numbers.
        probabilities : list of ndarray of shape (n_samples, n_codes)
            Of each categorical column.
        """
        means = np.empty(values.shape, np.float32)
        probabilities = np.empty((len(values), self._blocks.size), np.float32)
        sigma, flip = sigma.astype(np.float32), np.float32(flip)
        arrays = (np.where(known, values, 0).astype(np.float32), known.astype(np.float32), codes)
        for start in range(0, len(values), N_CHUNK_ROWS):
            rows = slice(start, min(start + N_CHUNK_ROWS, len(values)))
            parts = program.network.restore(*(filled(array[rows]) for array in arrays), sigma, flip)
            for whole, part in zip((means, probabilities), parts, strict=True):
                whole[rows] = np.asarray(part)[: rows.stop - start]
        starts = zip(self._blocks.starts, self.architecture.n_codes, strict=True)
        return means, [probabilities[:, start : start + n] for start, n in starts]


class DenoisingNetwork:
    """The network of `Denoising`.

    Parameters
    ----------
    architecture : DenoisingArchitecture
        Its shapes.
    """

    def __init__(self, architecture):
        self._architecture = architecture
        self._blocks = Blocks(architecture.n_codes)
        n_numeric, n_parts = architecture.n_numeric, _N_QUANTILES + _N_INTERVALS
        shapes = {
            "mean": (n_numeric,),
            "loadings": (n_numeric, architecture.n_factors),
            "noise": (n_numeric,),
            "log_shares": (n_numeric, n_parts),
            "means": (n_numeric, n_parts),
            "variances": (n_numeric, n_parts),
            "log_frequencies": (self._blocks.size,),
            "bounds": (len(architecture.n_codes), max(architecture.n_codes, default=0)),
        }
        self.tables = {name: keras.Variable(np.ones(shape, np.float32)) for name, shape in shapes.items()}
        weights = _initial_weights(architecture, np.random.default_rng(0))
        self._weights = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
        self.variables = list(self._weights.values())
        self.kernels = [variable for variable in self.variables if len(variable.shape) > 1]
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.restore = compiled(self._restore)

    def row_loss(self, arrays, draws, training):
        """Return the loss of each row, per cell; 1/2 for numbers if the linear posterior is right.

        Parameters
        ----------
        arrays : tuple of tensors of shape (n, n_numeric), (n, n_numeric) and (n, n_categorical)
            Standardised numbers, 1 where they are known, and codes, -1 for missing cells.
        draws : Draws
            Source of the noise, the flips, the holes and the dropped units.
        training : bool
            Whether units are dropped.
        """
        values, known, codes = arrays
        n_rows, n_cells = values.shape[0], values.shape[1] + codes.shape[1]
        if self._architecture.self_supervised:
            sigma, flip = ops.zeros_like(values), ops.zeros((n_rows, 1))
            noisy, flipped, with_holes, most = values, codes, 1.0, _MAX_HIDDEN
        else:
            sigma, flip = self._noise(n_rows, draws)
            noisy = values + sigma * draws.normal(values.shape)
            lost = ops.logical_and(codes >= 0, draws.uniform(codes.shape) < flip)
            flipped = ops.where(lost, self._drawn(codes, draws), codes)
            with_holes, most = _SHARE_WITH_HOLES, 1.0
        loses = ops.cast(draws.uniform((n_rows, 1)) < with_holes, "float32")
        hidden = draws.uniform((n_rows, n_cells)) < loses * most * draws.uniform((n_rows, 1))
        numbers, categories = hidden[:, : values.shape[1]], hidden[:, values.shape[1] :]
        left = ops.where(numbers, 0.0, known)
        mean, std, change, logits = self._estimate(
            left * noisy, left, ops.where(categories, -1, flipped), sigma, flip, draws if training else None
        )
        squares = known * ops.square(change - (values - mean) / std) / 2
        losses = [self._cross_entropies(logits, codes)] if self._architecture.n_codes else []
        losses = ops.concatenate([squares, *losses], axis=1)
        if not self._architecture.self_supervised:
            return ops.sum(losses, axis=1) / n_cells
        hidden = ops.cast(hidden, "float32")
        return ops.sum(hidden * losses, axis=1) / ops.maximum(ops.sum(hidden, axis=1), 1)

    def _noise(self, n_rows, draws):
        """Draw a noise level for each number, and a probability of flips for each row."""
        # Evenly spread over the batch: the loss varies less from batch to batch.
        share = (ops.arange(n_rows, dtype="float32") + draws.uniform((n_rows,))) / n_rows
        low, high = float(np.log(_SIGMA_MIN)), float(np.log(_SIGMA_MAX))
        spread = _MAX_SPREAD * ops.maximum(2 * draws.uniform((n_rows, 1)) - 1, 0)
        jitter = spread * draws.normal((n_rows, self._architecture.n_numeric))
        sigma = ops.exp(low + (high - low) * share[:, None] + jitter)
        flip = ops.cast(draws.uniform((n_rows, 1)) < _SHARE_FLIPPED, "float32")
        return sigma, flip * _MAX_FLIP * draws.uniform((n_rows, 1))

    def _drawn(self, codes, draws):
        """Draw a code for each cell of the categorical columns, by its frequencies."""
        beyond = draws.uniform(codes.shape)[:, :, None] >= self.tables["bounds"]
        return ops.sum(ops.cast(beyond, "int32"), axis=2)

    def _estimate(self, values, known, codes, sigma, flip, draws=None):
        """Return the linear posterior, what the network adds in its units, and the logits of categories."""
        mean, std, blocks = values, values, []
        if self._architecture.n_numeric:
            mean, std = self._linear_posterior(values, known, sigma)
            log_sigma = ops.clip(ops.log(sigma + np.float32(_TINY)), *_LOG_SIGMA_LIMITS)
            own_mean, own_std = self._own_posterior(values, sigma)
            log_std = ops.clip(ops.log(std), *_LOG_SIGMA_LIMITS)
            pull = ops.clip((own_mean - mean) * ops.exp(-log_std), -_PULL_LIMIT, _PULL_LIMIT)
            width = ops.clip(ops.log(own_std), *_LOG_SIGMA_LIMITS) - log_std
            level = ops.mean(log_sigma, axis=1, keepdims=True)
            waves = level * np.arange(1, _N_WAVES + 1, dtype=np.float32) * np.float32(np.pi / 8)
            blocks += [
                mean,
                log_std,
                known * values / ops.sqrt(1 + ops.square(sigma)),
                known,
                known * log_sigma,
                known * pull,
                known * width,
                ops.sin(waves),
                ops.cos(waves),
            ]
        if self._architecture.n_codes:
            blocks += [self._blocks.one_hot(codes), flip]
        rate = self._architecture.dropout if draws else 0
        features = residual_features(self._weights, ops.concatenate(blocks, axis=1), rate, draws)
        return mean, std, self._output("numbers", features), self._logits(features, codes, flip)

    def _output(self, name, features):
        if f"{name}_kernel" not in self._weights:  # a table without such columns
            return features[:, :0]
        return ops.matmul(features, self._weights[f"{name}_kernel"]) + self._weights[f"{name}_bias"]

    def _linear_posterior(self, values, known, sigma):
        """Return mean and standard deviation of each number, if rows are normal."""
        mean, loadings, noise = (
            ops.convert_to_tensor(self.tables[name]) for name in ("mean", "loadings", "noise")
        )
        variance = ops.square(sigma)
        means, variances = linear_part(values, known / (noise + variance), mean, loadings)
        gain = known * noise / (noise + variance)
        variances = ops.square(1 - gain) * variances + known * noise * variance / (noise + variance)
        variances = variances + (1 - known) * noise
        return means + gain * (values - means), ops.sqrt(ops.maximum(variances, _TINY))

    def _own_posterior(self, values, sigma):
        """Return mean and standard deviation of each number, as far as it tells them by itself."""
        log_shares, centres, widths = (self.tables[name] for name in ("log_shares", "means", "variances"))
        total = widths + ops.square(sigma)[:, :, None] + np.float32(_TINY)
        away = values[:, :, None] - centres
        shares = ops.softmax(log_shares - (ops.square(away) / total + ops.log(total)) / 2, axis=2)
        gain = widths / total
        means = centres + gain * away
        mean = ops.sum(shares * means, axis=2)
        spread = ops.square(means - mean[:, :, None]) + gain * ops.square(sigma)[:, :, None]
        return mean, ops.sqrt(ops.sum(shares * spread, axis=2) + np.float32(_TINY))

    def _logits(self, features, codes, flip):
        """Return the logits of categories: Bayes' rule for the column alone, and what the network adds."""
        rows = self._output("codes", features)
        if not self._architecture.n_codes:
            return rows
        log_shares = ops.convert_to_tensor(self.tables["log_frequencies"])[None]
        flip, blocks = flip[:, :, None], []
        for observed, log_share in zip(
            self._blocks.split(self._blocks.one_hot(codes)), self._blocks.split(log_shares), strict=True
        ):
            share = ops.sum(observed * ops.exp(log_share), axis=2, keepdims=True)
            likelihood = ops.maximum((1 - flip) * observed + flip * share, _TINY)
            blocks.append(ops.sum(observed, axis=2, keepdims=True) * ops.log(likelihood) + log_share)
        return rows + self._blocks.join(blocks)

    def _cross_entropies(self, logits, codes):
        """Return minus the log-probability of each category; 0 for unknown ones."""
        pairs = zip(self._blocks.split(logits), self._blocks.split(self._blocks.one_hot(codes)), strict=True)
        losses = [
            ops.sum(chosen * (ops.logsumexp(block, axis=2, keepdims=True) - block), axis=2)
            for block, chosen in pairs
        ]
        return ops.concatenate(losses, axis=1)

    def _restore(self, values, known, codes, sigma, flip):
        sigma = ops.broadcast_to(sigma, values.shape)
        flip = ops.broadcast_to(flip, (values.shape[0], 1))
        mean, std, change, logits = self._estimate(values, known, codes, sigma, flip)
        probabilities = self._blocks.softmax(logits) if self._architecture.n_codes else logits
        return mean + std * change, probabilities


def _initial_weights(architecture, rng):
    n_numeric, n_codes = architecture.n_numeric, Blocks(architecture.n_codes).size
    n_inputs = (7 * n_numeric + 2 * _N_WAVES) * bool(n_numeric) + (n_codes + 1) * bool(n_codes)
    n_active = 5 * n_numeric + _N_WAVES + len(architecture.n_codes)
    weights = residual_weights(n_inputs, architecture.hidden_layer_sizes, rng, n_active=n_active)
    n_features = architecture.hidden_layer_sizes[-1]
    for name, n_outputs in {"numbers": n_numeric, "codes": n_codes}.items():
        if n_outputs:
            weights[f"{name}_kernel"] = np.zeros((n_features, n_outputs), np.float32)
            weights[f"{name}_bias"] = np.zeros(n_outputs, np.float32)
    return weights


def _bounds(frequencies):
    """Return the sums of the frequencies up to each code, 2 for the last one and beyond."""
    bounds = np.full((len(frequencies), max(map(len, frequencies), default=0)), 2, np.float32)
    for row, shares in zip(bounds, frequencies, strict=True):
        row[: len(shares) - 1] = np.cumsum(shares)[:-1]
    return bounds


def _column_mixtures(values, weight):
    """Return shares, means and variances of the normal components of each column by itself."""
    n_parts = _N_QUANTILES + _N_INTERVALS
    shares, means, variances = np.zeros((3, values.shape[1], n_parts), np.float32)
    for column, cells in enumerate(values.T):
        known = ~np.isnan(cells)
        cells, mass = cells[known], weight[known] / max(weight[known].sum(), _TINY)
        if not len(cells):
            shares[column, 0] = variances[column, 0] = 1
            continue
        distinct, part_of = np.unique(cells, return_inverse=True)
        if len(distinct) > n_parts:
            inner = np.quantile(cells, np.arange(1, _N_QUANTILES) / _N_QUANTILES)
            even = np.linspace(distinct[0], distinct[-1], _N_INTERVALS + 1)[1:]
            part_of = np.searchsorted(np.union1d(inner, even), cells)
        share = np.bincount(part_of, mass, minlength=n_parts)
        some = np.maximum(share, _TINY)
        mean = np.bincount(part_of, mass * cells, minlength=n_parts) / some
        spread = np.bincount(part_of, mass * np.square(cells - mean[part_of]), minlength=n_parts) / some
        shares[column], means[column], variances[column] = share, mean, spread
    return shares, means, variances
