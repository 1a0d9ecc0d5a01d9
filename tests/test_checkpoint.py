"""Checkpoints of long fits: killed, damaged, of another fit, on a full disk; and files that are replaced."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skdiffusion import DiffusionGenerator, _checkpoint, _training
from skdiffusion._checkpoint import Checkpoint
from skdiffusion._files import replacing
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")

TABLE = make_mixed_table(100, random_state=0)


def make(**parameters):
    defaults = {"epochs": 10, "hidden_layer_sizes": (4,), "batch_size": 64, "learning_rate": 0.05}
    return DiffusionGenerator(**{"random_state": 0, **defaults, **parameters})


class Killed(BaseException):
    """The end of the process."""


def fit_until(n_epochs, model, error=Killed, **changed):
    """Fit until the checkpoint of so many epochs is there, with some of its values changed."""
    write = Checkpoint.write

    def write_and_stop(self, training):
        write(self, training | changed)
        if len(training["history"]["loss"]) == n_epochs:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "write", write_and_stop)
        with pytest.raises(error):
            model.fit(TABLE)


@pytest.fixture(scope="module", autouse=True)
def often(uncompiled):
    """Write after each epoch, which is a short one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdiffusion._generator._N_EPOCH_STEPS", 1)
        patch.setattr(_checkpoint, "_SECONDS", 0)
        yield


@pytest.fixture(scope="module")
def whole(often):
    """A fit that nothing has stopped."""
    return make().fit(TABLE)


@pytest.fixture(scope="module")
def content(often, tmp_path_factory):
    """The checkpoint of that fit after an epoch."""
    path = tmp_path_factory.mktemp("fit") / "fit.npz"
    fit_until(1, make(checkpoint=path))
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.npz"


@pytest.fixture
def saved(path, content):
    """The path of that checkpoint."""
    path.write_bytes(content)
    return path


def assert_same_fit(model, other):
    assert model.history_ == other.history_
    for array, other_array in zip(model.weights_, other.weights_, strict=True):
        assert_array_equal(array, other_array)


def test_a_killed_fit_goes_on_to_the_same_result_bit_for_bit(whole, path):
    n_epochs = whole.n_iter_ - 3
    fit_until(n_epochs, make(checkpoint=path))
    model = make(checkpoint=path)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "write", lambda self, training: seen.append(len(training["rng"])))
        assert_same_fit(model.fit(TABLE), whole)
    assert len(seen) == whole.n_iter_ - 1 - n_epochs, "epochs were run again"
    assert not path.exists()
    assert_array_equal(model.score_samples(TABLE), whole.score_samples(TABLE))


def test_a_fit_that_was_killed_after_every_epoch_comes_to_the_same_result(path):
    # The fall of the rate begins at an earlier epoch: what is saved must hold that one, too.
    parameters = {"epochs": 30, "learning_rate": 0.2}
    expected = make(**parameters).fit(TABLE)
    assert 0 < np.argmin(expected.history_["val_loss"]) < expected.n_iter_ - 5 < 25
    for n_epochs in range(1, expected.n_iter_):
        fit_until(n_epochs, make(**parameters, checkpoint=path))
    assert_same_fit(make(**parameters, checkpoint=path).fit(TABLE), expected)


def test_an_interrupted_fit_is_usable_and_goes_on(whole, path):
    model = make(checkpoint=path)
    fit_until(4, model, error=KeyboardInterrupt)
    assert model.n_iter_ == 4
    assert model.sample(2).shape == (2, 7)
    assert_same_fit(model.fit(TABLE), whole)


def test_without_an_int_the_same_random_numbers_are_drawn_on(path):
    model = make(checkpoint=path, random_state=np.random.RandomState(0))
    expected = make(random_state=np.random.RandomState(0)).fit(TABLE)
    fit_until(5, model)
    # Another state by now, from which other rows would be held out.
    assert_same_fit(model.fit(TABLE), expected)


def test_a_second_try_goes_on_as_the_second(path, monkeypatch):
    train = _training.train

    def diverging(*arguments, learning_rate, **options):
        if learning_rate == 0.05:
            raise FloatingPointError("loss became nan in epoch 1")
        return train(*arguments, learning_rate=learning_rate, **options)

    monkeypatch.setattr(_training, "train", diverging)
    with pytest.warns(RuntimeWarning, match=r"starts again with a learning rate of 0\.0125"):
        expected = make().fit(TABLE)
    with pytest.warns(RuntimeWarning, match="starts again"):
        fit_until(3, make(checkpoint=path))
    assert_same_fit(make(checkpoint=path).fit(TABLE), expected)


def test_a_fit_that_diverges_twice_leaves_no_checkpoint(saved, monkeypatch):
    def diverging(*_, **__):
        raise FloatingPointError("loss became nan")

    monkeypatch.setattr(_training, "train", diverging)
    with (
        pytest.warns(RuntimeWarning, match="starts again"),
        pytest.raises(ValueError, match="diverged twice"),
    ):
        make(checkpoint=saved).fit(TABLE)
    assert not saved.exists()


def test_max_time_counts_the_time_used_before(path):
    fit_until(3, make(checkpoint=path, max_time=1000.0), seconds=2000.0)
    with pytest.warns(ConvergenceWarning, match="raise max_time"):
        assert make(checkpoint=path, max_time=1000.0).fit(TABLE).n_iter_ == 4


def test_nothing_is_written_before_its_time(path, monkeypatch):
    monkeypatch.setattr(_checkpoint, "_SECONDS", 30)
    monkeypatch.setattr(Checkpoint, "write", lambda *_: pytest.fail("written"))
    make(checkpoint=path).fit(TABLE)


# Other fits


@pytest.mark.parametrize(
    ("parameters", "table", "message"),
    [
        ({"learning_rate": 0.01}, TABLE, r"learning_rate \(0.05 there, 0.01 here\): delete it"),
        ({"random_state": None}, TABLE, r"random_state \(0 there, None here\)"),
        ({}, TABLE[:99], r"X, y or sample_weight \(\w+ there, \w+ here\)"),
        ({}, TABLE.assign(age=TABLE["age"].to_numpy()[::-1]), "X, y or sample_weight"),
    ],
)
def test_the_checkpoint_of_another_fit_is_refused_and_kept(parameters, table, message, saved):
    model = make(checkpoint=saved, **parameters)
    with pytest.raises(ValueError, match=f"is the checkpoint of another fit, with other .*{message}"):
        model.fit(table)
    assert saved.exists()
    assert not hasattr(model, "weights_")


def test_what_training_does_not_depend_on_may_differ(whole, saved):
    moved = saved.with_name("moved.npz")
    saved.rename(moved)
    assert_same_fit(make(checkpoint=str(moved), n_sampling_steps=7).fit(TABLE), whole)


def test_the_checkpoint_of_another_version_is_refused(saved, monkeypatch):
    monkeypatch.setattr("skdiffusion._generator.VERSION", "99.0")
    with pytest.raises(ValueError, match=r"version of skdiffusion \(.* there, 99\.0 here\)"):
        make(checkpoint=saved).fit(TABLE)


# Damage


def test_a_damaged_checkpoint_is_refused_whole(content, path):
    damaged = [content[:length] for length in np.linspace(0, len(content) - 1, 20).astype(int)]
    damaged.append(b"age,income\n31,2000\n")
    for place in np.linspace(0, len(content) - 1, 60).astype(int):
        damaged.append(content[:place] + bytes([content[place] ^ 0b100]) + content[place + 1 :])
    n_unharmed = 0
    for some in damaged:
        path.write_bytes(some)
        with pytest.raises(ValueError, match="delete it to fit from the start") as caught:
            Checkpoint(path, {})
        n_unharmed += "the checkpoint of another fit" in str(caught.value)  # dates of a file, for example
        assert path.read_bytes() == some
    assert n_unharmed < len(damaged) / 3
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="is a damaged checkpoint, or none"):
        make(checkpoint=path).fit(TABLE)


def test_no_code_runs_from_a_checkpoint(path):
    class Evil:
        def __reduce__(self):
            return pytest.fail, ("code has run",)

    np.savez(path, tree=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError, match="damaged checkpoint, or none"):
        make(checkpoint=path).fit(TABLE)


@pytest.mark.parametrize(
    ("checkpoint", "error", "message"),
    [
        (7, TypeError, "checkpoint must be None or the path of a file, got 7 of type int"),
        ("nowhere/fit.npz", FileNotFoundError, "there is no folder .*nowhere"),
        (".", IsADirectoryError, "is a folder: give the path of a file"),
    ],
)
def test_a_path_that_cannot_be_written_is_an_error_at_once(checkpoint, error, message):
    with pytest.raises(error, match=message):
        make(checkpoint=checkpoint).fit(TABLE)


# Files


def test_a_full_disk_ends_checkpoints_with_a_warning_and_not_the_fit(whole, content, saved, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(Checkpoint, "remove", lambda _: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    model = make(checkpoint=saved)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))
    try:
        with pytest.warns(RuntimeWarning) as caught:
            model.fit(TABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(caught) == 1
    assert "training goes on, but writes no more checkpoints" in str(caught[0].message)
    assert_same_fit(model, whole)
    assert saved.read_bytes() == content
    assert list(saved.parent.iterdir()) == [saved]


def test_a_killed_writer_leaves_a_whole_file(path):
    code = (
        "import sys, itertools\n"
        "from pathlib import Path\n"
        "from skdiffusion._files import replacing\n"
        "for n in itertools.count():\n"
        "    with replacing(Path(sys.argv[1])) as file:\n"
        "        for _ in range(50):\n"
        "            file.write(bytes([n % 256]) * 10_000)\n"
        "    print(n, flush=True)\n"
    )
    for n_written in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", code, path],
            stdout=subprocess.PIPE,
            cwd=Path(_checkpoint.__file__).parents[1],
        )
        for _ in range(n_written):
            process.stdout.readline()
        process.kill()
        process.communicate()
        content = path.read_bytes()
        assert len(content) == 500_000
        assert len(set(content)) == 1


def test_an_error_while_writing_leaves_the_old_file(path):
    def write():
        with replacing(path) as file:
            file.write(b"new")
            raise Killed

    path.write_text("old")
    with pytest.raises(Killed):
        write()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
