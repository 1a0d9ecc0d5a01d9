"""Does the denoiser beat the plain remedies? Held-out error on four tables at four noise levels.

Every method learns from the same noisy rows and their clean versions, columns standardised, and is judged by
the mean squared error on held-out rows: 1 is a column's variance. Each cell is the mean over `N_SEEDS` draws
of split and noise. Whatever a method has to choose, three folds of the training rows choose. Run it from the
repository root::

    python benchmarks/quality.py > benchmarks/results/quality.md
"""

import sys
import warnings

import numpy as np
from _common import print_header, print_table, read_table
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoisingRegressor

N_SEEDS = 3
LEVELS = (0.1, 0.25, 0.5, 1.0)
ADULT_NUMERIC = ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]


class PrincipalComponents(RegressorMixin, BaseEstimator):
    """Project noisy rows on the leading principal components of the clean ones."""

    def __init__(self, n_components=1):
        self.n_components = n_components

    def fit(self, X, y):
        self.pca_ = PCA(self.n_components, svd_solver="full").fit(y)
        return self

    def predict(self, X):
        return self.pca_.inverse_transform(self.pca_.transform(X))


def tables():
    """Name and rows of each table; Adult comes with its own test rows."""
    yield "digits", load_digits().data
    yield (
        "California housing",
        read_table("california_housing").drop(columns="median_house_value").to_numpy(float),
    )
    yield "breast cancer", load_breast_cancer().data
    yield (
        "Adult, numeric",
        [read_table(f"adult_{part}")[ADULT_NUMERIC].to_numpy(float) for part in ("train", "test")],
    )


def split(table, seed):
    """Training and test rows, standardised."""
    train, test = (
        table if isinstance(table, list) else train_test_split(table, test_size=0.2, random_state=seed)
    )
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def methods(n_rows, n_columns):
    def tuned(estimator, **grid):
        return GridSearchCV(estimator, grid, scoring="neg_mean_squared_error", cv=3)

    neighbors = [5, 10, 20, 50, 100]
    penalties = [1e-5, 1e-4, 3e-4, 1e-3, 3e-3]
    return {
        "mean": DummyRegressor(),
        "ridge": RidgeCV(np.logspace(-3, 4, 15)),
        "PCA, best rank": tuned(PrincipalComponents(), n_components=list(range(1, n_columns + 1))),
        "kNN, best k": tuned(KNeighborsRegressor(), n_neighbors=[k for k in neighbors if k < n_rows / 2]),
        "MLPRegressor": MLPRegressor(hidden_layer_sizes=(128,), random_state=0),
        "MLPRegressor, best alpha": tuned(
            MLPRegressor(hidden_layer_sizes=(128,), random_state=0), alpha=[1e-4, 1e-2, 1e-1, 1.0]
        ),
        "DenoisingRegressor, plain network": DenoisingRegressor(preconditioning=None, random_state=0),
        "DenoisingRegressor": DenoisingRegressor(random_state=0),
        "DenoisingRegressor, best l2": tuned(DenoisingRegressor(random_state=0), l2=penalties),
    }


def errors(table, level, seed):
    """Held-out error of each method for one draw of split and noise."""
    train, test = split(table, seed)
    rng = np.random.default_rng(seed)
    # A column that never changes has no standard deviation to set noise in proportion to.
    sigma = level * (train.std(axis=0) > 0)
    noisy_train, noisy_test = (rows + sigma * rng.normal(size=rows.shape) for rows in (train, test))
    found = {"noisy rows": np.mean((noisy_test - test) ** 2)}
    for name, method in methods(*train.shape).items():
        found[name] = np.mean((method.fit(noisy_train, train).predict(noisy_test) - test) ** 2)
        print(f"{level} {seed} {name}: {found[name]:.5f}", file=sys.stderr, flush=True)
    return found


def main():
    warnings.simplefilter("ignore")  # MLPRegressor says where 200 epochs were too few
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    worst_tuned = worst_default = 0
    for name, table in tables():
        columns = {}
        for level in LEVELS:
            draws = [errors(table, level, seed) for seed in range(N_SEEDS)]
            columns[level] = {method: np.mean([draw[method] for draw in draws]) for method in draws[0]}
            best_peer = min(value for method, value in columns[level].items() if "Denoising" not in method)
            worst_tuned = max(worst_tuned, columns[level]["DenoisingRegressor, best l2"] / best_peer)
            worst_default = max(worst_default, columns[level]["DenoisingRegressor"] / columns[level]["ridge"])
        print_table(
            [name, *(f"noise {level}" for level in LEVELS)],
            [
                [method, *(f"{columns[level][method]:.5f}" for level in LEVELS)]
                for method in columns[LEVELS[0]]
            ],
        )
    print(f"Best l2 against the best other method, worst cell: {worst_tuned:.3f} (target: at most 1.02)")
    print(f"Defaults against ridge, worst cell: {worst_default:.3f} (target: at most 1.05)")


if __name__ == "__main__":
    main()
