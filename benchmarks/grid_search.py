"""How fast is a grid search? 24 candidates x 3 folds on 1,000 rows: ours and a bare scikeras KerasRegressor.

20 epochs each, one process per run, compilation included, one job. Memory is the process' resident memory
after each fit; flat means that the last fit stands where the tenth stood. Run it from the repository root::

    python benchmarks/grid_search.py > benchmarks/results/grid_search.md
"""

import argparse
import json
import time

import psutil
from _common import N_REPEATS, in_fresh_process, medians, print_header, print_table, tutorial_rows
from sklearn.model_selection import GridSearchCV

L2 = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
LEARNING_RATES = [3e-4, 1e-3, 3e-3, 1e-2]
METHODS = {"scikeras": "scikeras KerasRegressor", "ours": "DenoisingRegressor"}


def build(meta, l2, learning_rate):
    """Build the tutorial's network, for scikeras."""
    import keras

    regularizer = keras.regularizers.L2(l2)
    model = keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(128, activation="relu", kernel_regularizer=regularizer),
            keras.layers.Dense(meta["n_features_in_"], activation="sigmoid", kernel_regularizer=regularizer),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def candidates(method):
    """Estimator and grid."""
    if method == "scikeras":
        from scikeras.wrappers import KerasRegressor

        estimator = KerasRegressor(
            model=build, l2=0.0, learning_rate=1e-3, epochs=20, batch_size=32, verbose=0
        )
    else:
        from skdiffusion import DenoisingRegressor

        estimator = DenoisingRegressor(output_activation="sigmoid", epochs=20)
    return estimator, {"l2": L2, "learning_rate": LEARNING_RATES}


def measure(method):
    """Time one search; print it as JSON with the growth of memory from the 10th fit to the last."""
    import skdiffusion._training  # noqa: F401  imports are not what is timed here

    X, y = tutorial_rows(1_000)
    estimator, grid = candidates(method)
    process, megabytes = psutil.Process(), []

    def score(estimator, X, y):
        megabytes.append(process.memory_info().rss / 2**20)
        return -((estimator.predict(X) - y) ** 2).mean()

    search = GridSearchCV(estimator, grid, scoring=score, cv=3, refit=False)
    start = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - start
    found = {"seconds": seconds, "tenth": megabytes[9], "last": megabytes[-1]}
    print(json.dumps({**found, "error": -search.cv_results_["mean_test_score"].max()}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", choices=METHODS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print_header(__doc__.splitlines()[0], "keras", "tensorflow", "scikeras")
    runs = {method: [] for method in METHODS}
    for _ in range(N_REPEATS):
        for method, done in runs.items():
            done.append(in_fresh_process(__file__, "--measure", method))
    found = {method: medians(done) for method, done in runs.items()}
    print(f"Medians of {N_REPEATS} processes; 72 fits in each.")
    print_table(
        ["method", "seconds", "/ ours", "MiB, 10th fit", "MiB, last fit", "best error"],
        [
            [
                METHODS[method],
                f"{row['seconds']:.1f}",
                f"{row['seconds'] / found['ours']['seconds']:.1f}",
                f"{row['tenth']:.0f}",
                f"{row['last']:.0f}",
                f"{row['error']:.5f}",
            ]
            for method, row in found.items()
        ],
    )


if __name__ == "__main__":
    main()
