"""A Gaussian copula of few factors: what the visible numbers of a row say of the hidden ones."""

from typing import NamedTuple

import numpy as np
from keras import ops
from scipy.linalg import eigh
from scipy.special import ndtri

# Numbers of factors to choose from.
_N_FACTORS = (1, 2, 4, 8, 16)

# Variance that factors leave of a column of variance 1, at least: float32 can still tell it from none.
_MIN_NOISE = 1e-3

_N_ITERATIONS, _TOLERANCE = 200, 1e-5
# With holes, an iterative fit follows.
_START_NOISE, _N_MISSING_ITERATIONS = 0.1, 50

# More rows are not looked at: the network learns from all of them.
_MAX_ROWS = 2000

_N_FOLDS = 5


class GaussianCopula(NamedTuple):
    """Normal scores as a linear function of a few normal factors, and noise: ``z = mean + loadings f + e``.

    The normal score of a number is the standard normal quantile of its rank in its column. The scores of a
    row are taken to be jointly normal, which is a Gaussian copula of the numbers; so few factors need few
    rows to be estimated well.
    """

    mean: np.ndarray
    """Of shape (n_numeric,)."""

    loadings: np.ndarray
    """Of shape (n_numeric, n_factors)."""

    noise: np.ndarray
    """Variances of e, of shape (n_numeric,)."""

    @classmethod
    def fit(cls, scores, weight):
        """Estimate the copula from weighted rows.

        Parameters
        ----------
        scores : ndarray of shape (n_samples, n_numeric)
            Normal scores, NaN for missing cells.
        weight : ndarray of shape (n_samples,)
            Weights of the rows.

        Returns
        -------
        copula : GaussianCopula
            With the number of factors that has the best likelihood on held-out rows, in five folds.
        """
        rows = slice(None, None, -(-len(scores) // _MAX_ROWS))
        scores, weight = scores[rows], weight[rows] / max(weight[rows].max(), np.finfo(float).tiny)
        known = ~np.isnan(scores)
        shares = known * weight[:, None]
        totals = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
        mean = np.nansum(shares * scores, axis=0) / totals
        z = np.where(known, scores - mean, 0.0)
        std = np.sqrt((shares * z**2).sum(axis=0) / totals)
        varies = std > 0
        factors, left_over = _best_factors(z[:, varies] / std[varies], known[:, varies], weight)
        loadings, noise = np.zeros((len(std), factors.shape[1])), np.ones(len(std))
        loadings[varies] = factors * std[varies, None]
        noise[varies] = left_over * std[varies] ** 2
        return cls(*(array.astype(np.float32) for array in (mean, loadings, noise)))


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


def conditional(scores, known, mean, loadings, noise):
    """Return mean and logarithm of the standard deviation of each number of a row, given the known ones.

    Parameters
    ----------
    scores : tensor of shape (n, n_numeric)
        Normal scores; what stands in unknown cells does not matter.
    known : tensor of shape (n, n_numeric)
        1 for known cells, 0 for others.
    mean, loadings, noise : tensors
        Those of a `GaussianCopula`.

    Returns
    -------
    means, log_stds : tensors of shape (n, n_numeric)
        Of normal scores. For cells that are known, of another one with the same factors.

    References
    ----------
    Bishop (2006). Pattern Recognition and Machine Learning. Equations 12.41 and 12.42, for the factors given
    the known cells.
    """
    n_numeric, n_factors = loadings.shape
    # Rows come last, where the processor takes many at once.
    precision, deviations = (ops.transpose(array) for array in (known / noise, scores - mean))
    products = ops.reshape(loadings[:, :, None] * loadings[:, None, :], (n_numeric, n_factors**2))
    matrix = ops.reshape(ops.matmul(ops.transpose(products), precision), (n_factors, n_factors, -1))
    covariance = _inverse(matrix + np.eye(n_factors, dtype=np.float32)[:, :, None])
    pull = ops.matmul(ops.transpose(loadings), precision * deviations)
    factors = ops.sum(covariance * pull, axis=1)
    variances = ops.matmul(products, ops.reshape(covariance, (n_factors**2, -1)))
    means = mean + ops.transpose(ops.matmul(loadings, factors))
    return means, ops.log(noise + ops.maximum(ops.transpose(variances), 0.0)) / 2


def _inverse(matrices):
    """Invert positive definite matrices of shape (k, k, n) by the sweep operator (Goodnight 1979)."""
    for index, unit in enumerate(np.eye(matrices.shape[0], dtype=np.float32)):
        rest = 1 - unit
        swept = matrices[index] * rest[:, None] - unit[:, None]
        outer = swept[:, None] * swept[None]
        matrices = matrices * np.outer(rest, rest)[:, :, None] - outer / matrices[index, index]
    return -matrices


def _best_factors(z, known, weight):
    """Return loadings and noise, for standardised scores, of the number of factors of least held-out loss."""
    n_rows, n_columns = z.shape
    folds = np.arange(n_rows) % min(_N_FOLDS, n_rows)
    best = np.inf, None
    for n_factors in (0, *_N_FACTORS):
        if n_factors >= n_columns:
            break
        loss = 0.0
        for fold in np.unique(folds):
            learnt, held_out = (
                [z[rows], known[rows], weight[rows]] for rows in (folds != fold, folds == fold)
            )
            loss -= _log_likelihood(*held_out, *_factors(*learnt, n_factors)) * held_out[-1].sum()
        best = min(best, (loss, n_factors))
    return _factors(z, known, weight, best[1] or 0)


def _factors(z, known, weight, n_factors):
    """Return loadings and noise of a number of factors."""
    n_columns = z.shape[1]
    if not n_factors:
        return np.zeros((n_columns, 1)), np.ones(n_columns)
    pairs = (known * weight[:, None]).T @ known
    correlation = (z * weight[:, None]).T @ z / np.maximum(pairs, np.finfo(float).tiny)
    if known.all():
        return _factor_analysis(correlation, n_factors)
    # Pairs of columns that lack different rows need not fit together. This is only a start, and one with
    # noise: the steps to less of it are longer than those to more.
    start = (1 - _START_NOISE) * correlation + _START_NOISE * np.eye(n_columns)
    loadings, noise = _factor_analysis(start, n_factors)
    for _ in range(_N_MISSING_ITERATIONS):
        loadings, noise = _with_holes(z, known, weight, loadings, noise)
    return loadings, noise


def _factor_analysis(correlation, n_factors):
    """Return loadings and noise of the largest likelihood (Joreskog 1967, equations 20 and 21, in turns)."""
    n_columns = len(correlation)
    noise, top = np.full(n_columns, 0.5), [n_columns - n_factors, n_columns - 1]
    for _ in range(_N_ITERATIONS):
        root = np.sqrt(noise)
        eigenvalues, vectors = eigh(correlation / np.outer(root, root), subset_by_index=top)
        loadings = root[:, None] * vectors * np.sqrt(np.maximum(eigenvalues - 1, 0))
        last, noise = noise, np.clip(1 - np.square(loadings).sum(axis=1), _MIN_NOISE, 1)
        if np.abs(noise - last).max() < _TOLERANCE:
            break
    return loadings, noise


def _posterior(z, known, loadings, noise):
    """Return mean and covariance of the factors of each row (Bishop 2006, equations 12.41 and 12.42)."""
    n_columns, n_factors = loadings.shape
    precision = known / noise
    products = (loadings[:, :, None] * loadings[:, None, :]).reshape(n_columns, -1)
    matrices = (precision @ products).reshape(-1, n_factors, n_factors) + np.eye(n_factors)
    covariance = np.linalg.inv(matrices)
    return np.einsum("nij,nj->ni", covariance, (precision * z) @ loadings), covariance


def _with_holes(z, known, weight, loadings, noise):
    """Return loadings and noise after a step of expectation and maximisation (Rubin & Thayer 1982)."""
    n_columns, n_factors = loadings.shape
    factors, covariance = _posterior(z, known, loadings, noise)
    share = weight / weight.sum()
    hidden = share[:, None] * ~known
    filled = np.where(known, z, factors @ loadings.T)
    of_hidden = (hidden.T @ covariance.reshape(len(z), -1)).reshape(n_columns, n_factors, n_factors)
    moved = np.einsum("dij,dj->di", of_hidden, loadings)  # covariances of hidden cells with the factors
    squares = (share[:, None] * filled**2).sum(axis=0) + (loadings * moved).sum(axis=1)
    squares += hidden.sum(axis=0) * noise
    cross = (share[:, None] * filled).T @ factors + moved
    moments = (share[:, None] * factors).T @ factors + np.tensordot(share, covariance, 1)
    loadings = np.linalg.solve(moments, cross.T).T
    return loadings, np.maximum(squares - (loadings * cross).sum(axis=1), _MIN_NOISE)


def _log_likelihood(z, known, weight, loadings, noise):
    """Return the mean log-likelihood of a row's known cells, but for a constant."""
    factors, covariance = _posterior(z, known, loadings, noise)
    left_over = np.where(known, z * (z - factors @ loadings.T) / noise + np.log(noise), 0).sum(axis=1)
    return (np.linalg.slogdet(covariance)[1] - left_over) @ weight / (2 * weight.sum())
