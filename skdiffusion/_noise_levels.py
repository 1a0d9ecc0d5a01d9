"""How noisy rows are, by what clean ones are like."""

import numpy as np

_MAX_ROWS = 10_000

# Steps of expectation and maximisation.
_N_ITERATIONS = 50


def estimated_sigma(factors, varies, values):
    """Return the noise level of each column, by its likelihood under a factor model of the clean rows.

    What a column varies more than in training is known to about ``sqrt(2 / n)`` of its variance in n rows,
    or worse if it has outliers: far more than small noise. So estimates are drawn towards their mean, and the
    more so, the less is known of a column and the less the columns differ.

    Parameters
    ----------
    factors : FactorModel
        Of clean rows.
    varies : bool ndarray of shape (n_columns,)
        Which columns are not constant in clean rows. A constant one tells its own level, and not of others.
    values : ndarray of shape (n_samples, n_columns)
        Noisy rows, NaN for missing cells; 10,000 of them are looked at.

    Returns
    -------
    sigma : ndarray of shape (n_columns,)
        Standard deviations.

    References
    ----------
    Rubin & Thayer (1982). EM algorithms for ML factor analysis. Psychometrika 47. The noise alone is
    estimated, and what clean rows have of it is known.
    Paule & Mandel (1982). Consensus values and weighting factors. Journal of Research of the National Bureau
    of Standards 87. Equation 6, for how much the columns differ.
    """
    mean, loadings, noise = (array.astype(float) for array in factors)
    values = np.random.default_rng(0).permutation(values)[:_MAX_ROWS]
    known = ~np.isnan(values)
    deviations = np.where(known, values - mean, 0)
    n_known = np.maximum(known.sum(axis=0), 1)
    patterns, pattern_of = np.unique(known, axis=0, return_inverse=True)
    pattern_of = pattern_of.ravel()  # NumPy 2.0 gives it another shape
    total = noise + 0.1
    for _ in range(_N_ITERATIONS):
        precision = np.einsum("pd,di,dj->pij", patterns / total, loadings, loadings, optimize=True)
        covariances = np.linalg.inv(precision + np.eye(loadings.shape[1]))
        variances = np.einsum("di,pij,dj->pd", loadings, covariances, loadings, optimize=True)
        pull = (deviations / total) @ loadings
        left_over = deviations - np.einsum("nij,nj->ni", covariances[pattern_of], pull) @ loadings.T
        squares = np.square(left_over) + variances[pattern_of]
        total = np.maximum((known * squares).sum(axis=0) / n_known, noise / 10)
    added = np.where(known.any(axis=0), total - noise, 0)
    some = known.any(axis=0) & varies
    if some.sum() > 1:
        # The inverse of the observed information, of which each row gives (squares - total)^2 / 4 total^4,
        # and at least what it would be if the factors told nothing.
        slopes = (known * np.square(squares - total)).sum(axis=0)
        doubt = np.maximum(
            (slopes + 2 * total**2) / n_known**2, 4 * total**4 / np.maximum(slopes, 1e-100 * total**2)
        )
        added[some] = _drawn_together(added[some], doubt[some])
    return np.sqrt(np.maximum(added, 0))


def _drawn_together(values, variances):
    """Return estimates drawn towards their mean, given their own variances."""
    low, high = 0.0, values.var() * len(values)
    for _ in range(60):
        spread = (low + high) / 2
        weights = 1 / (variances + spread)
        mean = np.average(values, weights=weights)
        if (weights * np.square(values - mean)).sum() > len(values) - 1:
            low = spread
        else:
            high = spread
    return (spread * values + variances * mean) / (spread + variances)
