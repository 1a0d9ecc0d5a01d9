"""How close is training to the machine's matrix product? Three layers of 1024 units, batches of 1024.

Counted are the products alone: two floating point operations for each weight and row forward, four backward,
less the gradient of the input, which nobody needs. The rates to compare with are float32 products of
1024 x 1024 and of 2048 x 2048 matrices by TensorFlow in the same process. Run it from the repository root::

    python benchmarks/wide_network.py > benchmarks/results/wide_network.md
"""

import time
from itertools import pairwise
from statistics import median

import keras
import numpy as np
import tensorflow as tf
from _common import N_REPEATS, print_header, print_table

from skdiffusion import DenoisingRegressor

N_ROWS, N_COLUMNS, BATCH_SIZE, HIDDEN = 16_384, 64, 1024, (1024, 1024, 1024)
N_EPOCHS = 4


def operations_per_epoch():
    """Floating point operations of the matrix products of one epoch."""
    sizes = [N_COLUMNS, *HIDDEN, N_COLUMNS]
    products = [n_inputs * n_outputs for n_inputs, n_outputs in pairwise(sizes)]
    return N_ROWS * (6 * sum(products) - 2 * products[0])


def matmul_rate(size):
    """Operations per second of a product of square matrices."""
    a, b = (tf.random.stateless_normal((size, size), seed=(0, i)) for i in range(2))
    tf.matmul(a, b)
    start = time.perf_counter()
    for _ in range(20):
        product = tf.matmul(a, b)
    product.numpy()
    return 20 * 2 * size**3 / (time.perf_counter() - start)


def seconds_per_epoch(fit):
    """Time of an epoch: what the epochs after the first add to it. `fit` takes the number of epochs."""
    fit(1)
    start = time.perf_counter()
    fit(1)
    one = time.perf_counter() - start
    start = time.perf_counter()
    fit(1 + N_EPOCHS)
    return (time.perf_counter() - start - one) / N_EPOCHS


def main():
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    X = np.random.default_rng(0).normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32)
    layers = [keras.layers.Dense(width, activation="relu") for width in HIDDEN]
    model = keras.Sequential([keras.Input((N_COLUMNS,)), *layers, keras.layers.Dense(N_COLUMNS)])
    model.compile("adam", "mse")

    def ours(epochs):
        DenoisingRegressor(HIDDEN, batch_size=BATCH_SIZE, epochs=epochs, random_state=0).fit(X, X)

    def plain(epochs):
        model.fit(X, X, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)

    rates = {name: [] for name in ("matmul 1024", "matmul 2048", "Keras fit", "DenoisingRegressor fit")}
    for _ in range(N_REPEATS):
        rates["matmul 1024"].append(matmul_rate(1024))
        rates["matmul 2048"].append(matmul_rate(2048))
        rates["Keras fit"].append(operations_per_epoch() / seconds_per_epoch(plain))
        rates["DenoisingRegressor fit"].append(operations_per_epoch() / seconds_per_epoch(ours))
    rate = {name: median(values) for name, values in rates.items()}
    print(f"Medians of {N_REPEATS}.")
    print_table(
        ["work", "GFLOP/s", "/ matmul 1024", "/ matmul 2048"],
        [
            [name, f"{value / 1e9:.0f}", *(f"{value / rate[f'matmul {size}']:.2f}" for size in (1024, 2048))]
            for name, value in rate.items()
        ],
    )


if __name__ == "__main__":
    main()
