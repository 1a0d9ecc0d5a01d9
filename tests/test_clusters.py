"""A cluster of two processes: what the page on clusters shows, a model sent once, a worker that is killed."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from _uncompiled import uncompiled
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skdiffusion import DiffusionImputer

distributed = pytest.importorskip("distributed", reason="needs dask: pip install 'skdiffusion[cluster]'")

PAGE = Path(__file__).parents[1] / "docs" / "clusters.md"


class Uncompiled(distributed.WorkerPlugin):
    """Lets no network be compiled in a worker, nor in one that takes its place."""

    name = "uncompiled"

    def setup(self, worker):
        self._context = uncompiled()
        self._context.__enter__()


class Counted(DiffusionImputer):
    """Notes in a file which process loads it."""

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(state["log"], "a") as file:
            file.write(f"{os.getpid()}\n")


@pytest.fixture(scope="module")
def page(uncompiled):
    """The names that the page's code leaves, among them a cluster and its client."""
    first, *blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    namespace = {"__name__": "__main__"}  # whose functions go to workers by value
    try:
        exec(compile(first, PAGE.name, "exec"), namespace)
        namespace["client"].register_plugin(Uncompiled())
        for block in blocks:
            exec(compile(block, PAGE.name, "exec"), namespace)
        yield namespace
    finally:
        for name in ("client", "cluster"):
            if name in namespace:
                namespace[name].close()


def test_a_search_on_a_cluster_is_that_of_one_process(page):
    search, X_noisy, X = (page[name] for name in ("search", "X_noisy", "X"))
    alone = clone(search).set_params(n_jobs=1).fit(X_noisy, X)
    assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_params_ == alone.best_params_


def test_a_model_is_loaded_once_in_each_worker(page, tmp_path):
    client, log = page["client"], tmp_path / "log"
    model = Counted.__new__(Counted)
    vars(model).update(vars(page["imputer"]), log=str(log))
    there = client.submit(page["sent"], model)
    client.gather(client.map(page["filled"], page["parts"] * 2, model=there, pure=False))
    workers = client.run(os.getpid).values()
    # To name the model, Dask packs and unpacks it in the client, too.
    loads = [pid for pid in map(int, log.read_text().split()) if pid != os.getpid()]
    assert sorted(loads) == sorted(workers)
    assert len(workers) == 2


def test_parts_of_a_killed_worker_are_done_again(page, tmp_path):
    client, imputer, flag = page["client"], page["imputer"], str(tmp_path / "killed")
    before = set(client.run(os.getpid).values())

    def filled_or_killed(place, part, model):
        if place == 1 and not os.path.exists(flag):
            with open(flag, "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return model.transform(part)

    parts = page["parts"]
    found = client.gather(client.map(filled_or_killed, range(len(parts)), parts, model=page["model"]))
    with open(flag) as file:
        assert int(file.read()) in before
    for part, rows in zip(parts, found, strict=True):
        assert rows.equals(imputer.transform(part))
    assert np.isfinite(page["log_likelihood"]).all()
