"""Rows as a linear function of few normal factors: what the known numbers of a row say of the others."""

from typing import NamedTuple

import numpy as np
from keras import ops
from scipy.linalg import eigh

# Variance that factors leave of a column of variance 1, at least: float32 can still tell it from none.
_MIN_NOISE = 1e-3

_N_ITERATIONS, _TOLERANCE = 200, 1e-5
# With holes, an iterative fit follows.
_START_NOISE, _N_MISSING_ITERATIONS = 0.1, 50

_N_FOLDS = 5


class FactorModel(NamedTuple):
    """Numbers as a linear function of a few normal factors, and noise: ``z = mean + loadings f + e``.

    The numbers of a row are taken to be jointly normal, and few factors need few rows to be estimated well.
    The masked process takes normal scores for the numbers, which makes it a Gaussian copula.
    """

    mean: np.ndarray
    """Of shape (n_columns,)."""

    loadings: np.ndarray
    """Of shape (n_columns, n_factors)."""

    noise: np.ndarray
    """Variances of e, of shape (n_columns,)."""

    @classmethod
    def fit(cls, values, weight, *, n_factors=(1, 2, 4, 8, 16), max_rows=2000):
        """Estimate the model from weighted rows.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_columns)
            Numbers, NaN for missing cells.
        weight : ndarray of shape (n_samples,)
            Weights of the rows.
        n_factors : tuple of int, default=(1, 2, 4, 8, 16)
            Numbers of factors to choose from, beside none.
        max_rows : int, default=2000
            Of more rows, so many are looked at, drawn at random.

        Returns
        -------
        model : FactorModel
            With the number of factors that has the best likelihood on held-out rows, in five folds.
        """
        # At random, for the folds too: in the order of the rows there may be a pattern.
        rows = np.random.default_rng(0).permutation(len(values))[:max_rows]
        values, weight = values[rows], weight[rows] / max(weight[rows].max(), np.finfo(float).tiny)
        known = ~np.isnan(values)
        shares = known * weight[:, None]
        totals = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
        mean = np.nansum(shares * values, axis=0) / totals
        z = np.where(known, values - mean, 0.0)
        std = np.sqrt((shares * z**2).sum(axis=0) / totals)
        varies = std > 0
        factors, left_over = _best_factors(z[:, varies] / std[varies], known[:, varies], weight, n_factors)
        loadings, noise = np.zeros((len(std), factors.shape[1])), np.ones(len(std))
        loadings[varies] = factors * std[varies, None]
        noise[varies] = left_over * std[varies] ** 2
        return cls(*(array.astype(np.float32) for array in (mean, loadings, noise)))


def linear_part(values, precision, mean, loadings):
    """Return mean and variance of what the factors give to each cell of a row, given the known ones.

    Parameters
    ----------
    values : tensor of shape (n, n_columns)
        Rows; what stands in unknown cells does not matter.
    precision : tensor of shape (n, n_columns)
        One by the variance of what a known cell has beside its linear part; 0 for unknown cells.
    mean, loadings : tensors
        Those of a `FactorModel`.

    Returns
    -------
    means, variances : tensors of shape (n, n_columns)
        Of ``mean + loadings f``.

    References
    ----------
    Bishop (2006). Pattern Recognition and Machine Learning. Equations 12.41 and 12.42, for the factors given
    the known cells.
    """
    n_columns, n_factors = loadings.shape
    # Rows come last, where the processor takes many at once.
    precision, deviations = (ops.transpose(array) for array in (precision, values - mean))
    products = ops.reshape(loadings[:, :, None] * loadings[:, None, :], (n_columns, n_factors**2))
    matrix = ops.reshape(ops.matmul(ops.transpose(products), precision), (n_factors, n_factors, -1))
    covariance = _inverse(matrix + np.eye(n_factors, dtype=np.float32)[:, :, None])
    pull = ops.matmul(ops.transpose(loadings), precision * deviations)
    factors = ops.sum(covariance * pull, axis=1)
    variances = ops.matmul(products, ops.reshape(covariance, (n_factors**2, -1)))
    means = mean + ops.transpose(ops.matmul(loadings, factors))
    return means, ops.maximum(ops.transpose(variances), 0.0)


def _inverse(matrices):
    """Invert positive definite matrices of shape (k, k, n) by the sweep operator (Goodnight 1979)."""
    for index, unit in enumerate(np.eye(matrices.shape[0], dtype=np.float32)):
        rest = 1 - unit
        swept = matrices[index] * rest[:, None] - unit[:, None]
        outer = swept[:, None] * swept[None]
        matrices = matrices * np.outer(rest, rest)[:, :, None] - outer / matrices[index, index]
    return -matrices


def _best_factors(z, known, weight, choices):
    """Return loadings and noise, for standardised scores, of the number of factors of least held-out loss."""
    n_rows, n_columns = z.shape
    folds = np.arange(n_rows) % min(_N_FOLDS, n_rows)
    best = np.inf, None
    for n_factors in (0, *choices):
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
    n_columns, variance = len(correlation), np.diag(correlation)  # 1 in all folds together
    noise, top = np.full(n_columns, 0.5), [n_columns - n_factors, n_columns - 1]
    for _ in range(_N_ITERATIONS):
        root = np.sqrt(noise)
        eigenvalues, vectors = eigh(correlation / np.outer(root, root), subset_by_index=top)
        loadings = root[:, None] * vectors * np.sqrt(np.maximum(eigenvalues - 1, 0))
        last, noise = noise, np.maximum(variance - np.square(loadings).sum(axis=1), _MIN_NOISE)
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
