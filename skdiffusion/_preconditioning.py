"""The best linear filter, and the constants that leave a network only what the filter cannot do."""

from typing import NamedTuple

import numpy as np

# Rows per block: what is computed in float64 on the way stays in the processor's cache.
_BLOCK_ROWS = 2**12

# Ridge penalties to choose from, as shares of a standardised feature's variance; the largest comes first.
_PENALTIES = np.logspace(4, -8, 49)


class LinearPreconditioner(NamedTuple):
    """Constants around a network F: ``D(x) = z @ coef + intercept + scale * F(z)``, ``z = (x - mean) / std``.

    As in Karras et al. (2022, equation 7), a network F sees inputs and targets of unit variance, and signal
    passes it by. There the noise level gives the constants. Here the training rows do, since it is unknown:
    the linear part is the best linear filter, and `scale` is the size of what it leaves over.
    """

    mean: np.ndarray
    std: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, X, y, weight):
        """Estimate the constants from weighted rows, `y` of shape (n_samples, n_outputs)."""
        n_rows, weight = _number_of_rows(weight), weight / weight.max()
        linear = cls(*_linear_filter(X, y, weight, n_rows), scale=np.ones(y.shape[1]))
        left_over, variance = (
            _weighted_mean(weight, squares.astype(np.float64) ** 2)
            for squares in (linear.residuals(linear.inputs(X), y), y - linear.intercept)
        )
        # What is below float32's resolution of a target is rounding, not something to learn.
        scale = np.sqrt(np.maximum(left_over, np.finfo(np.float32).eps ** 2 * variance))
        return linear._replace(scale=np.where(scale > 0, scale, 1.0))

    def inputs(self, X):
        """Return what the network sees of `X`, as float32."""
        z = np.empty(X.shape, np.float32)
        for rows in _blocks(len(X)):
            z[rows] = (X[rows] - self.mean) / self.std
        return z

    def residuals(self, z, y):
        """Return what the network has to give for inputs `z` and targets `y`, as float32."""
        residuals = np.empty(y.shape, np.float32)
        for rows in _blocks(len(y)):
            residuals[rows] = (y[rows] - self._linear(z[rows])) / self.scale
        return residuals

    def outputs(self, z, residuals):
        """Return ``D(x)``, as float64, for the network's inputs `z` and outputs `residuals`."""
        y = np.empty(residuals.shape)
        for rows in _blocks(len(y)):
            y[rows] = self._linear(z[rows]) + self.scale * residuals[rows]
        return y

    def _linear(self, z):
        return z @ self.coef + self.intercept


def _linear_filter(X, y, weight, n_rows):
    """Return mean and std of the features, and the ridge regression of `y` on the standardised features.

    With an output for each feature, as in denoising, the penalty may shrink towards each column's regression
    on its own noisy version instead of towards 0: at little noise that is close to the best filter. Each
    output takes what promises the smaller error. No array grows with the rows.
    """
    mean, intercept = _weighted_mean(weight, X), _weighted_mean(weight, y)
    moments = np.zeros((X.shape[1], X.shape[1] + y.shape[1]))
    variance = np.zeros(y.shape[1])
    for rows in _blocks(len(X)):
        x, target = X[rows] - mean, y[rows] - intercept
        share = weight[rows, None] / weight.sum(dtype=np.float64)
        moments += (x * share).T @ np.hstack([x, target])
        variance += (target**2 * share).sum(axis=0)
    covariance, cross = moments[:, : X.shape[1]], moments[:, X.shape[1] :]
    std = np.sqrt(np.diag(covariance))
    std = np.where(std > 0, std, 1.0)
    correlation, cross = covariance / np.outer(std, std), cross / std[:, None]
    eigenvalues, vectors = np.linalg.eigh(correlation)

    def ridge_towards(start, spent):
        beyond = variance + (start * (correlation @ start - 2 * cross)).sum(axis=0)
        projection = vectors.T @ (cross - correlation @ start)
        coef, error = _ridge(np.maximum(eigenvalues, 0), projection, beyond, variance, spent, n_rows)
        return start + vectors @ coef, error

    own = np.zeros_like(cross)
    coef, error = ridge_towards(own, 1)
    if cross.shape[0] == cross.shape[1]:
        # Two rows lie on a line, which says nothing of the next: count on it as the rows grow more.
        np.fill_diagonal(own, np.diag(cross) * max(0, 1 - 2 / n_rows))
        towards_own, error_own = ridge_towards(own, 2)
        coef = np.where(error_own < error, towards_own, coef)
    return mean, std, coef, intercept


def _number_of_rows(weight):
    """Return how many rows the weights stand for: their sum, as counts, and at least Kish's number.

    Kish (1965): how many rows of equal weight know as much. It does not see the scale of the weights, so that
    equal weights below one do not take rows away.
    """
    largest = weight.max()
    relative = weight.astype(np.float64) / largest
    total = relative.sum()
    return max(float(total) * float(largest), total**2 / np.square(relative).sum())


def _ridge(eigenvalues, projection, beyond_start, variance, spent, n_rows):
    """Return the ridge regression in the eigenvectors' axes, and the error it promises for each output.

    The penalty minimises generalised cross-validation (Golub, Heath & Wahba 1979, equation 1.4), averaged
    over outputs in units of their variance. Degrees of freedom count 1.2-fold, which guards against too small
    a penalty on few rows: the idea of Kim & Gu (2004), who take 1.4; 1.2 loses less where rows are enough.
    The start has `spent` degrees of freedom already.
    """
    # Axes: penalty, eigenvector or output.
    inverse = 1 / (eigenvalues + _PENALTIES[:, None])
    left_over = beyond_start - (inverse * (2 - eigenvalues * inverse)) @ projection**2
    free = 1 - (spent + 1.2 * (eigenvalues * inverse).sum(axis=1, keepdims=True)) / n_rows
    error = np.full(left_over.shape, np.inf)
    np.divide(np.maximum(left_over, 0), free**2, out=error, where=free >= 1 / n_rows)
    best = (error / np.where(variance > 0, variance, 1)).mean(axis=1).argmin()
    return inverse[best][:, None] * projection, error[best]


def _weighted_mean(weight, array):
    # From the first row on, so that the mean of a constant is exactly that constant.
    total = sum(weight[rows].astype(np.float64) @ (array[rows] - array[0]) for rows in _blocks(len(array)))
    return array[0] + total / weight.sum(dtype=np.float64)


def _blocks(n_rows):
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, n_rows, _BLOCK_ROWS))
