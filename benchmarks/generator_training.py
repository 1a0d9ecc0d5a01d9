"""How close is the generator's training to the machine's matrix product?

Counted are the products alone: two floating point operations for each weight and row forward, four backward,
less the gradient of the input, which nobody needs. Tables are generated: numbers that depend on each other,
categories beside them, or categories alone. The rates to compare with are float32 products by TensorFlow in
the same process: of square matrices, and of a batch with a layer's kernel, which is what training computes.
Run it from the repository root::

    python benchmarks/generator_training.py > benchmarks/results/generator_training.md
"""

import time
from statistics import median

import numpy as np
import tensorflow as tf
from _common import N_REPEATS, print_header, print_table

from skdiffusion import DiffusionGenerator

N_ROWS, BATCH_SIZE = 16_384, 512
N_EPOCHS = 2

LAYERS = {"default, 3 x 256": (256, 256, 256), "3 x 1024": (1024, 1024, 1024)}


def tables():
    """Tables by name: numbers, categories, and both."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(N_ROWS, 3))
    numbers = factors @ rng.normal(size=(3, 10)) + rng.normal(size=(N_ROWS, 10))
    categories = np.argmax(numbers[:, :, None] + rng.gumbel(size=(N_ROWS, 10, 12)), axis=2).astype(float)
    mixed = np.hstack([numbers[:, :5], categories[:, :5]])
    return {
        "10 numbers": (numbers, None),
        "5 numbers, 5 categories": (mixed, np.arange(10) >= 5),
        "10 categories": (categories, np.arange(10) >= 0),
    }


def operations_per_row(model):
    """Floating point operations of the products for one row: forward, and backward to all but the input."""
    kernels = [weight.shape for weight in model.weights_ if weight.ndim > 1]
    names = model.process_.build().kernels
    sizes = {variable.name: np.prod(shape) for variable, shape in zip(names, kernels, strict=True)}
    # The rows of `bins` are looked up, not multiplied.
    sizes.pop("bins", None)
    return 6 * sum(sizes.values()) - 2 * sizes["input_kernel"]


def matmul_rate(n_rows, n_inputs, n_outputs):
    """Operations per second of a product of matrices of these shapes."""
    a = tf.random.stateless_normal((n_rows, n_inputs), seed=(0, 0))
    b = tf.random.stateless_normal((n_inputs, n_outputs), seed=(0, 1))
    n_products = max(20, 2**34 // (n_rows * n_inputs * n_outputs))
    tf.matmul(a, b)
    start = time.perf_counter()
    for _ in range(n_products):
        product = tf.matmul(a, b)
    product.numpy()
    return n_products * 2 * n_rows * n_inputs * n_outputs / (time.perf_counter() - start)


def training_rate(table, categorical, layers):
    """Operations per second of an epoch: what the epochs after the first add to a fit."""

    def fit(epochs):
        model = DiffusionGenerator(
            hidden_layer_sizes=layers,
            categorical_features=categorical,
            batch_size=BATCH_SIZE,
            epochs=epochs,
            early_stopping=False,
            random_state=0,
        )
        start = time.perf_counter()
        model.fit(table)
        return model, time.perf_counter() - start

    fit(1)
    _, one = fit(1)
    model, more = fit(1 + N_EPOCHS)
    return operations_per_row(model) * len(table) * N_EPOCHS / (more - one)


def main():
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    shapes = {"1024 x 1024": (1024, 1024, 1024), "2048 x 2048": (2048, 2048, 2048)}
    shapes |= {f"{BATCH_SIZE} x {width} x {width}": (BATCH_SIZE, width, width) for width in (256, 1024)}
    rates = {name: [] for name in shapes}
    work = {
        (name, form): (*table, layers) for name, table in tables().items() for form, layers in LAYERS.items()
    }
    trained = {key: [] for key in work}
    for _ in range(N_REPEATS):
        for name, shape in shapes.items():
            rates[name].append(matmul_rate(*shape))
        for key, arguments in work.items():
            trained[key].append(training_rate(*arguments))
    rates = {name: median(values) for name, values in rates.items()}
    print(f"Medians of {N_REPEATS}.\n")
    print_table(["product", "GFLOP/s"], [[name, f"{rate / 1e9:.0f}"] for name, rate in rates.items()])
    columns = [f"/ {name}" for name in rates]
    print_table(
        ["training", "network", "GFLOP/s", *columns],
        [
            [*key, f"{rate / 1e9:.0f}", *(f"{rate / other:.2f}" for other in rates.values())]
            for key, rate in ((key, median(values)) for key, values in trained.items())
        ],
    )


if __name__ == "__main__":
    main()
