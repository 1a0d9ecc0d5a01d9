"""The whole job on tables that scikit-learn ships: denoise digits, generate rows, compare, draw.

Run it as ``python -m skdiffusion``.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

NOISE_LEVEL, N_STEPS = 0.05, 25  # a random walk of total standard deviation 0.05 * sqrt(25) = 0.25


def main(arguments=None):
    """Run the demo and return what it measured.

    Parameters
    ----------
    arguments : list of str or None, default=None
        Command line; None for the process' own.

    Returns
    -------
    errors : dict of str to float
        Of each method of denoising, the mean squared error on held-out digits, pixels scaled to [0, 1].
    evaluation : skdiffusion.metrics.Evaluation
        How good the generated rows are.

    Examples
    --------
    >>> from skdiffusion.__main__ import main
    >>> errors, evaluation = main(["--output", "pictures"])  # doctest: +SKIP
    """
    parser = argparse.ArgumentParser(prog="python -m skdiffusion", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default="skdiffusion_demo", help="folder for the pictures")
    folder = parser.parse_args(arguments).output
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    print("Loading TensorFlow ...", flush=True)
    _import_tensorflow_quietly()

    print("\nDenoise\n=======\n")
    errors = denoise_digits(folder / "digits.png")
    print("\nGenerate\n========\n")
    evaluation = generate_tumours(folder / "generated.png")
    print(f"\nAll in {time.perf_counter() - start:.0f} s.")
    return errors, evaluation


def denoise_digits(picture):
    """Compare methods of denoising on held-out digits, and save a picture of some of them.

    Parameters
    ----------
    picture : Path
        File to save.

    Returns
    -------
    errors : dict of str to float
        Mean squared error by method.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler

    from skdiffusion import DiffusionNoiser

    train, test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
    scaler = MinMaxScaler((0, 1)).fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    noiser = DiffusionNoiser(NOISE_LEVEL, N_STEPS, random_state=0).fit(train)
    noisy_train = noiser.transform(train)
    noisy_test = noiser.set_params(random_state=1).transform(test)
    print(
        f"{len(train)} digits to learn from, {len(test)} held out; {train.shape[1]} pixels in [0, 1].\n"
        f"Noise: {N_STEPS} steps of {NOISE_LEVEL}, {NOISE_LEVEL * N_STEPS**0.5:g} in all.\n"
    )

    errors, denoised = {}, None
    print(f"{'method':<44}{'held-out error':>15}{'seconds':>9}")
    for name, fit_predict in _methods().items():
        began = time.perf_counter()
        denoised = fit_predict(noisy_train, train, noisy_test)
        errors[name] = float(np.mean((denoised - test) ** 2))
        print(f"{name:<44}{errors[name]:>15.5f}{time.perf_counter() - began:>9.1f}", flush=True)
    print("\nError: mean squared difference to the clean pixels. Seconds: tuning, fit and prediction.")

    _draw_digits(picture, {"noisy": noisy_test, "denoised": denoised, "clean": test})
    print(f"Picture: {picture.resolve()}")
    return errors


def generate_tumours(picture):
    """Generate rows of the breast cancer table, compare them with real ones, and save a picture of both.

    Parameters
    ----------
    picture : Path
        File to save.

    Returns
    -------
    evaluation : skdiffusion.metrics.Evaluation
        Metrics of the generated rows.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    from skdiffusion import DiffusionGenerator
    from skdiffusion.metrics import evaluate

    data = load_breast_cancer()
    X, X_held_out, y, y_held_out = train_test_split(
        data.data, data.target, test_size=0.4, stratify=data.target, random_state=0
    )
    print(f"{len(X)} tumours to learn from, {len(X_held_out)} held out; {X.shape[1]} numbers and a class.\n")
    generator = DiffusionGenerator(verbose=1, random_state=0).fit(X, y)
    X_new, y_new = generator.sample(len(X), random_state=0)

    real, synthetic = np.column_stack([X, y]), np.column_stack([X_new, y_new])
    held_out, last = np.column_stack([X_held_out, y_held_out]), X.shape[1]
    evaluation = evaluate(real, synthetic, held_out, target=last, categorical_features=[last], random_state=0)
    print(f"\n{evaluation}\n\nFresh rows: what new real rows get, with bad luck.")

    _draw_tables(picture, real, synthetic, last, data.feature_names)
    print(f"Picture: {picture.resolve()}")
    return evaluation


def _import_tensorflow_quietly():
    """Import TensorFlow without its start-up notes, which it writes before it reads any setting."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere:
        standard_error = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def _methods():
    """Return the methods to compare: functions of noisy training rows, clean ones, and noisy test rows."""
    from sklearn.linear_model import RidgeCV
    from sklearn.neural_network import MLPRegressor

    from skdiffusion import DenoisingRegressor

    def fit_predict(estimator):
        def run(noisy, clean, noisy_test):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLPRegressor says that 200 epochs were too few
                return estimator.fit(noisy, clean).predict(noisy_test)

        return run

    return {
        "noisy rows as they are": lambda noisy, clean, noisy_test: noisy_test,
        "mean of each column": lambda noisy, clean, noisy_test: clean.mean(axis=0) + 0 * noisy_test,
        "PCA, rank chosen on the training rows": _principal_components,
        "ridge, penalty by cross-validation": fit_predict(RidgeCV(np.logspace(-3, 3, 13))),
        "MLPRegressor, 128 units": fit_predict(MLPRegressor(hidden_layer_sizes=(128,), random_state=0)),
        "DenoisingRegressor, defaults": fit_predict(DenoisingRegressor(random_state=0)),
        "DenoisingRegressor, tuned": _tuned,
    }


def _principal_components(noisy, clean, noisy_test):
    from sklearn.decomposition import PCA

    pca = PCA(random_state=0).fit(clean)

    def project(rows, rank):
        axes = pca.components_[:rank]
        return (rows - pca.mean_) @ axes.T @ axes + pca.mean_

    ranks = range(1, len(pca.components_) + 1)
    best = min(ranks, key=lambda rank: np.mean((project(noisy, rank) - clean) ** 2))
    return project(noisy_test, best)


def _tuned(noisy, clean, noisy_test):
    from sklearn.model_selection import GridSearchCV

    from skdiffusion import DenoisingRegressor

    grid = {"l2": [1e-4, 3e-4, 1e-3, 3e-3], "learning_rate": [3e-4, 1e-3, 3e-3]}
    search = GridSearchCV(
        DenoisingRegressor(random_state=0), grid, scoring="neg_mean_squared_error", cv=3, verbose=1
    )
    search.fit(noisy, clean)
    print(f"Best: {', '.join(f'{name}={value:g}' for name, value in search.best_params_.items())}")
    return search.predict(noisy_test)


def _draw_digits(picture, rows, n_digits=10):
    """Save the first digits of each kind of rows, one kind below the other."""
    figure = _figure(n_digits * 0.8, len(rows) * 0.9)
    axes = figure.subplots(len(rows), n_digits)
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, images, strict=False):
            axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    figure.savefig(picture)


def _draw_tables(picture, real, synthetic, last, names, shown=(0, 1, 6, 27)):
    """Save histograms of the shown columns of two tables, and how all columns depend on each other."""
    from skdiffusion.plotting import DependenceDisplay, MarginalsDisplay

    figure = _figure(9, 5.4)
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.3])
    options = {"categorical_features": [last]}
    axes = above.subplots(1, len(shown))
    MarginalsDisplay.from_predictions(real, synthetic, features=shown, axes=axes, **options)
    for axis, column in zip(axes, shown, strict=True):
        axis.set_xlabel(names[column])
    DependenceDisplay.from_predictions(real, synthetic, axes=below.subplots(1, 3), **options)
    figure.savefig(picture)


def _figure(width, height):
    """Return a figure that needs no window."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("The demo needs matplotlib; try: pip install 'skdiffusion[plot]'") from None
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


if __name__ == "__main__":
    main()
