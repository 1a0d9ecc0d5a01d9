"""What goes wrong outside: interrupts at any moment, killed workers, forks, several threads at once."""

import os
import pickle
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import skdiffusion
from skdiffusion import (
    DenoisingRegressor,
    DiffusionDenoiser,
    DiffusionGenerator,
    DiffusionImputer,
    DiffusionNoiser,
    DiffusionOutlierDetector,
)

pytestmark = pytest.mark.usefixtures("uncompiled")

PACKAGE = str(Path(skdiffusion.__file__).parent)
X = np.random.default_rng(0).normal(size=(16, 2))  # too few to hold some out, which takes longer
OTHER = X[:, [0, 1, 1]] + [0, 0, 1]
SMALL = {"hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}
GENERATOR = DiffusionGenerator(**SMALL)
# An estimator, what fits it, and what it then does.
MODELS = {
    "generator": (GENERATOR, lambda m, X: m.fit(X), lambda m, X: m.sample(3, random_state=0)),
    "regressor": (DenoisingRegressor(**SMALL), lambda m, X: m.fit(X, X), lambda m, X: m.predict(X)),
    "denoiser": (DiffusionDenoiser(**SMALL), lambda m, X: m.fit(X), lambda m, X: m.transform(X)),
    "imputer": (
        DiffusionImputer(generator=GENERATOR, random_state=0),
        lambda m, X: m.fit(X),
        lambda m, X: m.transform(np.where(X > 1, np.nan, X)),
    ),
    "detector": (
        DiffusionOutlierDetector(generator=GENERATOR, random_state=0),
        lambda m, X: m.fit(X),
        lambda m, X: m.score_samples(X),
    ),
    "noiser": (DiffusionNoiser(random_state=0), lambda m, X: m.fit(X), lambda m, X: m.transform(X)),
}


class Lines:
    """Count the lines of the package that run in a thread, and interrupt at one of them."""

    def __init__(self, stop=None):
        self.n_lines, self._stop = 0, stop

    def __enter__(self):
        self._earlier = sys.gettrace()
        sys.settrace(self._enter_function)
        return self

    def __exit__(self, *_):
        sys.settrace(self._earlier)

    def _enter_function(self, frame, event, argument):
        # The end of `with lock` is a line to a tracer, but a single step to an interrupt.
        is_ours = frame.f_code.co_filename.startswith(PACKAGE) and frame.f_code.co_name != "borrow"
        return self._line if is_ours else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self._stop:
                raise KeyboardInterrupt
        return self._line


@pytest.mark.parametrize("name", ["generator", "regressor", "imputer", "noiser"])
def test_an_interrupt_at_any_line_of_fit_leaves_the_old_state_or_a_new_one(name):
    prototype, fit, use = MODELS[name]
    old = fit(clone(prototype), X)
    expected = use(old, X)
    use(fit(clone(prototype), OTHER), OTHER)
    saved = {is_fitted: pickle.dumps(old if is_fitted else prototype) for is_fitted in (True, False)}
    stops = []
    for is_fitted, state in saved.items():
        model = pickle.loads(state)
        with Lines() as lines:
            fit(model, OTHER)
        # The last lines set the state.
        places = [*range(6), lines.n_lines // 3, lines.n_lines // 2]
        stops += [(is_fitted, lines.n_lines - place) for place in places]
    for is_fitted, stop in stops:
        model = pickle.loads(saved[is_fitted])
        with pytest.raises(KeyboardInterrupt), Lines(stop):
            fit(model, OTHER)
        if not hasattr(model, "n_features_in_"):
            assert not is_fitted
            with pytest.raises(NotFittedError):
                use(model, X)
        elif model.n_features_in_ == 2:
            assert is_fitted
            assert_array_equal(use(model, X), expected)
        else:
            assert use(model, OTHER) is not None


def test_an_interrupt_at_any_line_of_partial_fit_leaves_the_old_state_or_the_new_one():
    saved = pickle.dumps(clone(GENERATOR).fit(X))
    models = [pickle.loads(saved), pickle.loads(saved)]
    with Lines() as lines:
        models[1].partial_fit(X)
    results = [model.sample(3, random_state=0) for model in models]
    places = [*range(6), lines.n_lines // 3, lines.n_lines // 2]
    for stop in (lines.n_lines - place for place in places):
        model = pickle.loads(saved)
        with pytest.raises(KeyboardInterrupt), Lines(stop):
            model.partial_fit(X)
        assert_array_equal(model.sample(3, random_state=0), results[model.n_iter_ - models[0].n_iter_])


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupt_at_any_line_of_a_prediction_changes_nothing(name):
    prototype, fit, use = MODELS[name]
    model = fit(clone(prototype), X)
    expected = use(model, X)
    with Lines() as lines:
        use(model, X)
    for stop in np.linspace(1, lines.n_lines - 1, 6).astype(int).tolist():
        with pytest.raises(KeyboardInterrupt), Lines(stop):
            use(model, X)
        assert_array_equal(use(model, X), expected)


def test_an_interrupted_grid_search_is_not_fitted_and_its_estimator_unchanged():
    model = DenoisingRegressor(**SMALL)
    search = GridSearchCV(model, {"l2": [0.0, 1.0]}, cv=2)
    with pytest.raises(KeyboardInterrupt), Lines(2000):
        search.fit(X, X)
    assert not hasattr(search, "best_estimator_")
    assert vars(model) == vars(DenoisingRegressor(**SMALL))
    assert search.fit(X, X).best_estimator_.predict(X).shape == X.shape


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="tells the size of the process on Linux alone"
)
def test_too_little_memory_is_an_error_and_changes_nothing():
    resource = pytest.importorskip("resource")
    model = clone(GENERATOR).fit(X)
    expected = model.sample(3, random_state=0)
    state = dict(vars(model))
    huge = np.broadcast_to(X[:1], (10**9, 2))  # takes no memory itself
    n_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes + 2**30, limits[1]))
    try:
        for call in (model.fit, model.partial_fit, model.score_samples, lambda X: model.sample(len(X))):
            with pytest.raises(MemoryError):
                call(huge)
            assert vars(model) == state
        assert_array_equal(model.sample(3, random_state=0), expected)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


# Workers


def be_killed(model):
    os.kill(os.getpid(), signal.SIGKILL)
    return model


def test_a_killed_worker_ends_the_call():
    with pytest.raises(TerminatedWorkerError):
        joblib.Parallel(2)(joblib.delayed(be_killed)(GENERATOR) for _ in range(2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of this system do not fork")
def test_a_forked_process_says_that_it_cannot_compute():
    model = DenoisingRegressor(**SMALL).fit(X, X)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks too
        child = os.fork()
    if not child:
        messages = []
        for method in (model.predict, lambda X: model.fit(X, X), GENERATOR.fit):
            try:
                method(X)
                messages.append("done")
            except Exception as error:
                messages.append(f"{type(error).__name__}: {error}")
        os.write(write, "\n".join(messages).encode())
        os._exit(0)
    os.close(write)
    with open(read) as file:
        messages = file.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0
    assert len(messages) == 3
    for message in messages:
        assert message.startswith("RuntimeError: this process was forked")
        assert "'loky'" in message
        assert "'spawn'" in message


# Threads


def test_threads_give_what_each_gives_alone():
    def sampled(seed):
        return clone(GENERATOR).set_params(random_state=seed).fit(X).sample(20, random_state=seed)

    fitted = clone(GENERATOR).fit(X)
    works = sampled, lambda seed: fitted.sample(20, random_state=seed)
    tasks = [(work, seed) for work in works for seed in (0, 1)]
    alone = [work(seed) for work, seed in tasks]
    start = threading.Barrier(len(tasks))

    def together(task):
        start.wait()
        work, seed = task
        return work(seed)

    with ThreadPoolExecutor(len(tasks)) as pool:
        for found, expected in zip(pool.map(together, tasks), alone, strict=True):
            assert_array_equal(found, expected)
