"""How fast is a fit? The tutorial's network and settings: ours, plain Keras, scikit-learn.

One hidden layer of 128, 16 columns, batches of 32, 50 epochs, Adam. Each run has a process of its own, where
the imports come before the clock: "first" is a process' first fit, compilation and graph building included,
"next" the one after it. Ours and Keras train the same network with the same losses; scikit-learn's has a
linear output layer, and half the loss by its own definition, so its loss is not shown. Run it from the
repository root::

    python benchmarks/fit.py > benchmarks/results/fit.md
"""

import argparse
import json
import time
import warnings

from _common import N_REPEATS, in_fresh_process, medians, print_header, print_table, tutorial_rows

EPOCHS, BATCH_SIZE, HIDDEN = 50, 32, 128
METHODS = {
    "keras": "Keras, as the tutorial writes it",
    "sklearn": "MLPRegressor",
    "ours": "DenoisingRegressor, tutorial's network",
    "ours-default": "DenoisingRegressor, default network",
}


def keras_fit(X, y, l2):
    import keras

    regularizer = keras.regularizers.L2(l2) if l2 else None
    model = keras.Sequential(
        [
            keras.Input((X.shape[1],)),
            keras.layers.Dense(HIDDEN, activation="relu", kernel_regularizer=regularizer),
            keras.layers.Dense(y.shape[1], activation="sigmoid", kernel_regularizer=regularizer),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    return model.fit(X, y, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0).history["loss"][-1]


def sklearn_fit(X, y, l2):
    from sklearn.neural_network import MLPRegressor

    stay = {"tol": 0, "n_iter_no_change": EPOCHS}
    MLPRegressor(hidden_layer_sizes=(HIDDEN,), batch_size=BATCH_SIZE, max_iter=EPOCHS, **stay).fit(X, y)
    return float("nan")


def our_fit(X, y, l2, output_activation="sigmoid"):
    from skdiffusion import DenoisingRegressor

    denoiser = DenoisingRegressor(
        (HIDDEN,),
        l2=l2,
        output_activation=output_activation,
        learning_rate_schedule="constant",
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
    )
    return denoiser.fit(X, y).loss_curve_[-1]


def measure(method, n_rows, l2):
    """Time the first and the next fit of this process; print them as JSON."""
    warnings.simplefilter("ignore")  # MLPRegressor warns of having been stopped
    import keras  # noqa: F401  imports are not what is timed here
    import scikeras.wrappers  # noqa: F401
    import sklearn.neural_network  # noqa: F401

    import skdiffusion._training  # noqa: F401

    X, y = tutorial_rows(n_rows)
    fit = {"keras": keras_fit, "sklearn": sklearn_fit, "ours": our_fit}.get(method)
    fit = fit or (lambda *rows: our_fit(*rows, output_activation="auto"))
    found = {}
    for call in ("first", "next"):
        start = time.perf_counter()
        found["loss"] = fit(X, y, l2)
        found[call] = time.perf_counter() - start
    print(json.dumps(found))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", nargs=3, metavar=("METHOD", "N_ROWS", "L2"))
    arguments = parser.parse_args()
    if arguments.measure:
        method, n_rows, l2 = arguments.measure
        measure(method, int(n_rows), float(l2))
        return
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    for n_rows, l2 in ((16_384, 0.0), (16_384, 0.01), (1_000, 0.0), (1_000, 0.01)):
        runs = {method: [] for method in METHODS if l2 == 0 or method in ("keras", "ours")}
        for _ in range(N_REPEATS):
            for method, done in runs.items():
                done.append(in_fresh_process(__file__, "--measure", method, n_rows, l2))
        found = {method: medians(done) for method, done in runs.items()}
        ours = found["ours"]
        print(f"{n_rows:,} rows, l2 {l2:g}: medians of {N_REPEATS} processes.")
        print_table(
            ["method", "first, s", "next, s", "loss", "first / ours", "next / ours"],
            [
                [
                    METHODS[method],
                    *(f"{row[name]:.2f}" for name in ("first", "next")),
                    f"{row['loss']:.5f}",
                    *(f"{row[name] / ours[name]:.1f}" for name in ("first", "next")),
                ]
                for method, row in found.items()
            ],
        )


if __name__ == "__main__":
    main()
