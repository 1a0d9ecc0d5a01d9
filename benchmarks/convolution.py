"""Which form of a convolution trains fastest? Keras' own, or products of matrices.

Each step of the training loop, compiled by XLA for the CPU, has a batch of 64 digits; evaluation has 1024.
Run it from the repository root::

    python benchmarks/convolution.py > benchmarks/results/convolution.md
"""

import statistics
import time

import numpy as np
from _common import N_REPEATS, print_header, print_table
from keras import ops

from skdiffusion import _image_network, networks
from skdiffusion._training import Program

BATCH, N_STEPS, N_EVALUATED = 64, 4, 1024


def own(images, kernel):
    """Convolve as Keras does."""
    return ops.conv(images, kernel, padding="same")


def patches(images, kernel):
    """Convolve by one product with all patches side by side."""
    n_samples, height, width, _ = images.shape
    size, *_, n_outputs = kernel.shape
    margin = (size // 2, size // 2)
    images = ops.pad(images, ((0, 0), margin, margin, (0, 0)))
    places = [(i, j) for i in range(size) for j in range(size)]
    beside = ops.concatenate([images[:, i : i + height, j : j + width] for i, j in places], axis=3)
    product = ops.matmul(
        ops.reshape(beside, (-1, beside.shape[3])), ops.reshape(kernel, (beside.shape[3], n_outputs))
    )
    return ops.reshape(product, (n_samples, height, width, n_outputs))


def seconds(function):
    """Seconds of the first call, and median of the next ones."""
    times = []
    for _ in range(N_REPEATS + 1):
        start = time.perf_counter()
        np.asarray(function())
        times.append(time.perf_counter() - start)
    return times[0], statistics.median(times[1:])


def main():
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    rng = np.random.default_rng(0)
    n = max(BATCH * N_STEPS, N_EVALUATED)
    pixels = rng.normal(size=(n, 64)).astype(np.float32)
    arrays = [pixels, pixels, rng.integers(10, size=(n, 1)).astype(np.int32)]
    weight, seed = np.ones(n, np.float32), np.array([0, 1], np.int32)
    rows = []
    forms = {"Keras' own": own, "one product of patches": patches, "sum of products": networks.convolution}
    for name, form in forms.items():
        networks.convolution = _image_network.convolution = form
        architecture = _image_network.ImageArchitecture((8, 8, 1), 10, (32, 64), 0.1)
        program = Program(_image_network.ImageNetwork(architecture))
        few = [array[: BATCH * N_STEPS] for array in (*arrays, weight)]
        many = [array[:N_EVALUATED] for array in (*arrays, weight)]
        arguments = (np.int32(BATCH * N_STEPS), np.float32(0), seed, BATCH)
        compiled, training = seconds(lambda p=program, f=few, a=arguments: p.train(f[:-1], f[-1], *a))
        _, evaluation = seconds(lambda p=program, m=many: p.evaluate(m[:-1], m[-1], seed))
        per_image = [1000 * training / (BATCH * N_STEPS), 1000 * evaluation / N_EVALUATED]
        rows.append([name, *(f"{each:.3f}" for each in per_image), f"{compiled - training:.1f}"])
    print_table(["", "training, ms an image", "evaluation, ms an image", "compiling, s"], rows)


if __name__ == "__main__":
    main()
