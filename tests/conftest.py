import os

import _uncompiled
import numpy as np
import pytest

from skdiffusion import DenoisingRegressor

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


@pytest.fixture(scope="session", autouse=BACKEND != "tensorflow")
def other_backend():
    """Skip what needs TensorFlow's loop: see `make test-backends`."""
    from skdiffusion import _training

    def borrow(*_):
        pytest.skip("the compiled loop is TensorFlow's")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training._Pool, "borrow", borrow)
        patch.setattr(_training, "borrow", borrow)
        if BACKEND == "torch":
            import torch

            torch.set_grad_enabled(False)
        yield


def read_only(*arrays):
    for array in arrays:
        array.setflags(write=False)
    return arrays


@pytest.fixture(scope="session")
def table():
    """Noisy and clean rows: 60 of 3 related columns."""
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(60, 1)) + 0.3 * rng.normal(size=(60, 3))
    return read_only(clean + 0.5 * rng.normal(size=clean.shape), clean)


@pytest.fixture(scope="session")
def unit_table(table):
    """The same with clean rows in [0, 1]."""
    X, y = table
    return read_only(X, (y - y.min()) / (y.max() - y.min()))


@pytest.fixture(scope="session")
def curved_table():
    """400 rows of 3 columns whose targets no linear filter gives back."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    return read_only(X, np.abs(X))


@pytest.fixture(scope="session")
def small():
    """Make regressors of one small architecture, so that the tests compile it once."""

    def make(**parameters):
        defaults = {"hidden_layer_sizes": (8,), "epochs": 3, "random_state": 0}
        return DenoisingRegressor(**{**defaults, **parameters})

    return make


@pytest.fixture
def fresh_pool(monkeypatch):
    """Let no compiled program from before this test be used, and none of its own after it."""
    from skdiffusion import _training

    monkeypatch.setattr(_training, "borrow", _training._Pool(4).borrow)


@pytest.fixture(scope="module")
def uncompiled():
    """Run networks as plain graphs: a module that makes many of them would mostly compile."""
    with _uncompiled.uncompiled():
        yield


@pytest.fixture
def no_window():
    """Draw without a display, and close what was drawn."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    yield
    plt.close("all")
