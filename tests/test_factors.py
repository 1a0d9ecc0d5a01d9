"""The factor model: its conditionals are normal ones, and its fit finds what made the rows."""

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm, rankdata

from skdiffusion._encoder import TableEncoder
from skdiffusion._factors import FactorModel, linear_part
from skdiffusion._masked import column_scores

N_COLUMNS = 6


def covariance_of(model):
    return model.loadings @ model.loadings.T + np.diag(model.noise)


@pytest.mark.parametrize("n_factors", [1, 3])
def test_a_conditional_is_that_of_the_normal_distribution(n_factors):
    rng = np.random.default_rng(0)
    mean, loadings = rng.normal(size=N_COLUMNS), rng.normal(size=(N_COLUMNS, n_factors))
    noise = rng.uniform(0.05, 1, size=N_COLUMNS)
    covariance = loadings @ loadings.T + np.diag(noise)
    scores = rng.multivariate_normal(mean, covariance, size=40)
    known = rng.random(scores.shape) < 0.5
    known[0], known[1] = False, True
    arrays = (np.where(known, scores, 0), known / noise, mean, loadings)
    tensors = (keras.ops.convert_to_tensor(array, "float32") for array in arrays)
    means, variances = (np.asarray(part) for part in linear_part(*tensors))
    for row, k in enumerate(known):
        gain = covariance[np.ix_(~k, k)] @ np.linalg.inv(covariance[np.ix_(k, k)])
        expected = mean[~k] + gain @ (scores[row, k] - mean[k])
        left_over = covariance[np.ix_(~k, ~k)] - gain @ covariance[np.ix_(k, ~k)]
        assert_allclose(means[row, ~k], expected, atol=1e-4)
        assert_allclose((variances + noise)[row, ~k], np.diag(left_over), rtol=1e-3)


def test_it_finds_the_factors_that_made_the_rows():
    rng = np.random.default_rng(0)
    loadings = np.array([[0.9, 0.8, 0.7, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.9, -0.9, 0.5]]).T
    noise = 1 - np.square(loadings).sum(axis=1)
    # By chance, four factors are taken for two at one in eight seeds that were tried.
    scores = rng.normal(size=(20_000, 2)) @ loadings.T + rng.normal(size=(20_000, 6)) * np.sqrt(noise)
    model = FactorModel.fit(scores, np.ones(len(scores)))
    assert model.loadings.shape == (6, 2)
    # 2000 rows are looked at.
    assert_allclose(covariance_of(model), loadings @ loadings.T + np.diag(noise), atol=0.08)


def test_a_weight_of_two_is_two_rows():
    rng = np.random.default_rng(0)
    scores = rng.multivariate_normal([0, 1, 2], [[1, 0.8, 0.2], [0.8, 1, 0.1], [0.2, 0.1, 1]], size=300)
    weight = np.where(np.arange(300) < 200, 2.0, 0.0)
    model = FactorModel.fit(scores, weight)
    # Folds differ, and with them at most the number of factors.
    assert_allclose(
        covariance_of(model), covariance_of(FactorModel.fit(scores[:200], np.ones(200))), rtol=1e-3
    )


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    scores = rng.multivariate_normal([0, 0, 0], [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]], size=3000)
    scores[::2] = rng.normal(loc=5, size=(1500, 3))  # every second row is of another kind
    model = FactorModel.fit(scores, np.ones(3000))
    assert_allclose(model.mean, scores.mean(axis=0), atol=0.3)
    assert_allclose(covariance_of(model), np.cov(scores.T), atol=0.8)


def test_holes_leave_out_a_pair_of_cells_only():
    rng = np.random.default_rng(0)
    scores = rng.multivariate_normal([0, 0, 0], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], size=20_000)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    model = FactorModel.fit(scores, np.ones(len(scores)))
    covariance = covariance_of(model)
    assert_allclose(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), 0.9, atol=0.03)


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((5, 0)),
        np.zeros((5, 3)),
        np.full((5, 2), np.nan),
        np.arange(5.0)[:, None],
        np.ones((1, 4)),
        np.column_stack([np.arange(5.0), np.full(5, np.nan)]),
    ],
    ids=["no column", "constants", "holes", "one column", "one row", "one column and holes"],
)
def test_what_has_no_correlations_has_no_loadings(scores):
    model = FactorModel.fit(scores, np.ones(len(scores)))
    assert not model.loadings.any()
    assert np.isfinite(model.mean).all()
    assert (model.noise > 0).all()


def test_equal_columns_leave_a_little_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    model = FactorModel.fit(np.hstack([x, x, -x]), np.ones(200))
    assert_allclose(np.sign(covariance_of(model)), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    assert (model.noise > 0).all()


def test_scores_are_those_of_the_ranks():
    rng = np.random.default_rng(0)
    x = rng.gamma(1, size=200)
    table = pd.DataFrame({"x": np.append(x, np.nan), "letter": ["a"] * 201, "n": [0, 1, 1] * 67})
    encoder = TableEncoder().fit(table)
    scores = column_scores(encoder, encoder.encode(table))
    assert scores.shape == (201, 2)
    assert np.isnan(scores[-1, 0])
    assert_allclose(scores[:-1, 0], norm.ppf((rankdata(x) - 0.5) / 200), atol=1e-5)
    assert_allclose(scores[:, 1], norm.ppf([1 / 6, 4 / 6, 4 / 6] * 67), atol=1e-5)
