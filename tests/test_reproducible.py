"""The same results in another process, with other threads and in other chunks; and nothing is done beside."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from _fresh_process import NETWORK, fits
from _saved import NUMBERS, TABLE, drawn, result
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.usefixtures("uncompiled")

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def models():
    """Fitted estimators of all kinds, from a file."""
    saved = joblib.load(TESTS / "data" / "saved-0.1.0.joblib")
    return {name: model for name, (model, _) in saved.items()}


@pytest.fixture(scope="module")
def elsewhere(models, tmp_path_factory):
    """What a fresh process with one thread finds, where this one has as many as there are cores."""
    folder = tmp_path_factory.mktemp("elsewhere")
    joblib.dump(models, folder / "models")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), *sys.path]),
        "KERAS_HOME": str(folder),
        "MPLCONFIGDIR": str(folder),
    }
    command = [sys.executable, str(TESTS / "_fresh_process.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return joblib.load(folder / "found")


def test_a_fresh_process_with_one_thread_gives_the_same_results(models, elsewhere):
    assert elsewhere["drawn"] == drawn(models["masked"])
    for name, model in models.items():
        assert_array_equal(elsewhere["loaded"][name], result(name, model), err_msg=name)


def test_a_fresh_process_with_one_thread_fits_the_same(elsewhere):
    for name, arrays in fits().items():
        for array, other in zip(arrays, elsewhere["fits"][name], strict=True):
            assert_array_equal(array, other, err_msg=name)


# Chunks


@pytest.mark.parametrize("name", ["masked", "array"])
def test_a_row_has_the_same_score_in_any_part_of_a_table(models, name):
    rows = {"masked": TABLE, "array": NUMBERS}[name]
    whole = models[name].score_samples(rows)
    for n_rows in (23, 59):
        parts = [models[name].score_samples(rows[start : start + n_rows]) for start in range(0, 60, n_rows)]
        assert_array_equal(np.concatenate(parts), whole)


# Nothing beside


def test_work_opens_no_socket_starts_no_program_and_writes_no_file(elsewhere):
    assert elsewhere["of_work"] == []


def test_imports_connect_to_nothing(elsewhere):
    # urllib3, which Keras brings, binds a socket to a port of this machine and closes it.
    harmless = "socket.__new__", "socket.bind"
    found = [line for line in elsewhere["of_imports"] if line.startswith(NETWORK)]
    assert [line for line in found if not line.startswith(harmless)] == []
