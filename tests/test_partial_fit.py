"""Training on, on new rows: what they teach, what stays, and cells that the first rows did not have."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import DiffusionGenerator, _fitting
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")

TABLE = make_mixed_table(3000, random_state=0)
LABELS = np.where(TABLE["employed"], "yes", "no")
FIRST, MORE, NEW = TABLE[:100], TABLE[100:200], TABLE[2000:]
SMALL = {"hidden_layer_sizes": (8,), "batch_size": 64, "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def first(uncompiled):
    """A generator that has seen the first rows, in a file."""
    return pickle.dumps(DiffusionGenerator(**SMALL).fit(FIRST, LABELS[:100]))


@pytest.fixture
def model(first):
    return pickle.loads(first)


def assert_same_state(model, other):
    assert vars(model).keys() == vars(other).keys()
    np.testing.assert_equal(model.history_, other.history_)  # NaN included
    for array, other_array in zip(model.weights_, other.weights_, strict=True):
        assert_array_equal(array, other_array)


# What it learns


def test_more_rows_raise_the_likelihood_of_others_after_a_fit():
    model = DiffusionGenerator(**{**SMALL, "epochs": 10}).fit(TABLE[:300])
    fitted_once, encoder = model.score_samples(NEW), model.encoder_
    for start in range(300, 1900, 800):
        model.partial_fit(TABLE[start : start + 800])
    gain = model.score_samples(NEW) - fitted_once
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(NEW))
    assert model.encoder_ is encoder


def test_calls_from_the_start_raise_the_likelihood_of_others():
    model = DiffusionGenerator(**{**SMALL, "learning_rate": 0.02})
    scores = [model.partial_fit(TABLE[start : start + 400]).score(NEW) for start in range(0, 1600, 400)]
    assert np.all(np.diff(scores) > 0)
    assert scores[-1] > scores[0] + 0.1


def test_a_call_is_an_epoch_more(model):
    before = model.history_
    model.partial_fit(MORE, LABELS[100:200])
    assert model.n_iter_ == len(model.history_["loss"]) == 3
    for name, values in before.items():
        assert model.history_[name][:2] == values
    assert np.isnan(model.history_["val_loss"][2])
    weights = model.weights_
    model.set_params(learning_rate=1e-30).partial_fit(MORE, LABELS[100:200])
    for array, other in zip(model.weights_, weights, strict=True):  # where it begins
        assert_allclose(array, other, rtol=1e-5, atol=1e-6)


def test_a_call_after_a_file_gives_what_it_gives_without(first):
    model = pickle.loads(first).partial_fit(MORE, LABELS[100:200])
    again = pickle.loads(pickle.dumps(model)).partial_fit(MORE, LABELS[100:200])
    assert_same_state(again, model.partial_fit(MORE, LABELS[100:200]))


@pytest.mark.parametrize(
    "parameters", [{"process": "gaussian"}, {"process": "gaussian", "image_shape": (2, 2)}]
)
def test_every_process_learns_on(parameters, monkeypatch):
    monkeypatch.setattr("skdiffusion._generator._N_IMAGE_EPOCH_STEPS", 2)
    table = TABLE[["age", "income", "savings", "employed"]][:200]
    if "image_shape" in parameters:
        table = np.random.default_rng(0).integers(5, size=(200, 4))
    model = DiffusionGenerator(**{**SMALL, "hidden_layer_sizes": (2, 2)}, n_sampling_steps=1, **parameters)
    model.partial_fit(table[:100], LABELS[:100])
    weights = model.weights_
    model.partial_fit(table[100:], LABELS[100:200]).partial_fit(table[100:])
    assert model.n_iter_ == 3
    assert all(np.isfinite(array).all() for array in model.weights_)
    assert any((array != other).any() for array, other in zip(model.weights_, weights, strict=True))
    X, y = model.sample(3, random_state=0)
    assert type(X) is type(table)
    assert len(y) == 3


# What the first rows did not have


def test_cells_that_the_first_rows_did_not_have_count_as_unknown(model):
    odd = MORE.assign(region=np.where(np.arange(100) % 2, MORE["region"].astype(str), "moon"))
    hole = odd.assign(age=MORE["age"].astype(float).where(np.arange(100) % 3 > 0))
    with pytest.warns(
        UserWarning, match=r"cells of 'age', 'region', 'y' hold categories that the first rows did"
    ):
        model.partial_fit(hole, np.where(np.arange(100) % 4, LABELS[100:200], "perhaps"))
    assert all(np.isfinite(array).all() for array in model.weights_)
    X, y = model.sample(300, random_state=0)
    assert set(X["region"]) <= set(FIRST["region"])
    assert not X["age"].isna().any()
    assert set(y) <= set(LABELS)


def test_unknown_cells_have_no_loss(model):
    from skdiffusion._training import Draws

    network, n_columns = model.process_.build(), len(model.process_.architecture.n_codes)
    low = high = np.full((50, len(model.process_.architecture.detailed)), 0.5, np.float32)
    for code, has_loss in ((0, True), (-1, False)):
        codes = np.full((50, n_columns), code, np.int32)
        losses = np.asarray(network.row_loss((codes, low, high), Draws(np.array([0, 1], np.int32)), False))
        assert (losses != 0).any() == has_loss


def test_without_y_labels_are_unknown(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(MORE)
    assert set(model.sample(50, random_state=0)[1]) <= set(LABELS)


def test_guided_images_without_labels_and_a_checkpoint_whose_folder_is_gone(tmp_path):
    images, labels = np.arange(160.0).reshape(40, 4) % 7, np.arange(40) % 2
    model = DiffusionGenerator(
        **SMALL, process="gaussian", image_shape=(2, 2), guidance=1.0, checkpoint=tmp_path / "fit"
    ).fit(images, labels)
    model.set_params(checkpoint=tmp_path / "gone" / "fit").partial_fit(images)
    assert len(model.sample(2)[1]) == 2


def test_numbers_beyond_the_first_range_count_as_its_ends(first):
    low, high = FIRST["income"].min(), FIRST["income"].max()
    wide = MORE.assign(income=np.where(np.arange(100) % 2, low - 1e6, high + 1e6))
    clipped = wide.assign(income=wide["income"].clip(low, high))
    models = [pickle.loads(first).partial_fit(table, LABELS[100:200]) for table in (wide, clipped)]
    assert_same_state(*models)


# What leaves it as it was


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (MORE.drop(columns="age"), LABELS[100:200], "age"),
        (MORE.assign(income=np.inf), LABELS[100:200], "X contains infinity"),
        (MORE, LABELS[:3], "inconsistent numbers of samples"),
    ],
)
def test_bad_rows_leave_the_old_state(X, y, message, model, first):
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y)
    assert_same_state(model, pickle.loads(first))


def test_labels_need_labels_in_the_first_rows():
    model = DiffusionGenerator(**SMALL).partial_fit(FIRST)
    with pytest.raises(ValueError, match="y was not given to fit"):
        model.partial_fit(MORE, LABELS[100:200])


@pytest.mark.parametrize(
    ("error", "seen"),
    [(FloatingPointError("loss became nan"), ValueError), (KeyboardInterrupt, KeyboardInterrupt)],
)
def test_a_call_that_diverges_or_is_interrupted_leaves_the_old_state(error, seen, model, first, monkeypatch):
    trained = _fitting._trained

    def failing(*arguments, **options):
        trained(*arguments, **options)
        raise error

    monkeypatch.setattr(_fitting, "_trained", failing)
    with pytest.raises(seen):
        model.partial_fit(MORE, LABELS[100:200])
    assert_same_state(model, pickle.loads(first))
