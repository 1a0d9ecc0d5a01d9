"""How fast is a prediction? 1,000,000 rows of 16 columns, one hidden layer of 128.

"first" includes compilation, "next" is the median of the calls after it. Run it from the repository root::

    python benchmarks/predict.py > benchmarks/results/predict.md
"""

import time
import warnings
from statistics import median

from _common import N_REPEATS, print_header, print_table, tutorial_rows
from sklearn.neural_network import MLPRegressor

from skdiffusion import DenoisingRegressor

N_ROWS = 1_000_000


def main():
    warnings.simplefilter("ignore")  # MLPRegressor warns of a single epoch
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    X, y = tutorial_rows(N_ROWS)
    few = slice(0, 1024)
    plain = DenoisingRegressor(output_activation="sigmoid", epochs=1).fit(X[few], y[few])
    default = DenoisingRegressor(epochs=1).fit(X[few], y[few])
    scikit_learn = MLPRegressor(hidden_layer_sizes=(128,), max_iter=1).fit(X[few], y[few])
    model = plain.model_
    methods = {
        "keras.Model.predict, batch_size=32": lambda: model.predict(X, batch_size=32, verbose=0),
        "keras.Model.predict, batch_size=8192": lambda: model.predict(X, batch_size=8192, verbose=0),
        "MLPRegressor.predict": lambda: scikit_learn.predict(X),
        "DenoisingRegressor.predict, tutorial's network": lambda: plain.predict(X),
        "DenoisingRegressor.predict, default network": lambda: default.predict(X),
    }
    seconds = {name: [] for name in methods}
    for _ in range(1 + N_REPEATS):
        for name, predict in methods.items():
            start = time.perf_counter()
            predict()
            seconds[name].append(time.perf_counter() - start)
    first = {name: values[0] for name, values in seconds.items()}
    later = {name: median(values[1:]) for name, values in seconds.items()}
    ours = "DenoisingRegressor.predict, tutorial's network"
    print_table(
        ["method", "first, s", "next, s", "first / ours", "next / ours"],
        [
            [
                name,
                f"{first[name]:.2f}",
                f"{later[name]:.2f}",
                f"{first[name] / first[ours]:.1f}",
                f"{later[name] / later[ours]:.1f}",
            ]
            for name in methods
        ],
    )


if __name__ == "__main__":
    main()
