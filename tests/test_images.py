"""Laws of images: pixels on one scale, classes that are seen and never noised, and guidance."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator

from skdiffusion import DiffusionGenerator, DiffusionImputer, _generator, _image_network
from skdiffusion._cells import Column
from skdiffusion._encoder import TableEncoder
from skdiffusion._pixels import PixelColumn
from skdiffusion._training import Draws

pytestmark = pytest.mark.usefixtures("few_steps")

SHAPE = (3, 4)


def make(**parameters):
    defaults = {"epochs": 1, "hidden_layer_sizes": (6,), "batch_size": 16, "early_stopping": False}
    defaults |= {"image_shape": SHAPE, "n_sampling_steps": 4, "random_state": 0}
    return DiffusionGenerator(process="gaussian", **{**defaults, **parameters})


def halves(n_images, seed=0):
    """Images of grey levels 0 to 8: bright on the left or on the right, and the classes of it."""
    rng = np.random.default_rng(seed)
    label = rng.random(n_images) < 0.25
    side = np.arange(SHAPE[1]) >= SHAPE[1] // 2
    bright = np.where(side == label[:, None], 6, 2)[:, None, :]
    images = np.clip(np.rint(bright + rng.normal(0, 1, (n_images, *SHAPE))), 0, 8)
    return images.reshape(n_images, -1), np.where(label, "right", "left")


def leaning(images):
    """Return how much brighter the right half is."""
    images = np.reshape(images, (-1, *SHAPE))
    half = SHAPE[1] // 2
    return images[:, :, half:].mean(axis=(1, 2)) - images[:, :, :half].mean(axis=(1, 2))


@pytest.fixture(scope="module")
def few_steps(uncompiled):
    """Let an epoch have few steps: most tests need a fit, but not a good one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_generator, "_N_IMAGE_EPOCH_STEPS", 1)
        yield


@pytest.fixture(scope="module")
def trained(few_steps):
    return make(epochs=60, learning_rate=0.02, dropout=0.0, n_sampling_steps=8).fit(*halves(200))


@pytest.fixture(scope="module")
def quick(few_steps):
    return make().fit(halves(40)[0])


# Pixels


def column_of(values):
    return Column(np.asarray(values), np.zeros(len(values), bool))


def test_few_values_come_back_from_any_rank_of_their_interval():
    values = np.array([0, 1, 5, 5, 8])
    pixel = PixelColumn([column_of(values)], np.ones(5))
    codes, low, high = pixel.encode(column_of(values))
    for share in (0.01, 0.5, 0.99):
        decoded, missing = pixel.decode(codes, low + share * (high - low))
        assert_array_equal(decoded, values)
        assert not missing.any()


def test_equal_steps_of_brightness_are_equal_steps_of_rank():
    values = np.linspace(-1, 3, 5001)
    pixel = PixelColumn([column_of(values)], np.ones(5001))
    _, low, high = pixel.encode(column_of(values))
    assert_allclose(low, np.linspace(0, 1, 5001), atol=1e-6)
    assert_array_equal(low, high)
    assert_allclose(pixel.decode(np.zeros(5001, int), low)[0], values, atol=1e-6)


def test_mean_and_spread_are_those_of_all_pixels_by_weight():
    columns = [column_of([0.0, 10.0]), column_of([0.0, 5.0])]
    pixel = PixelColumn(columns, np.array([1.0, 3.0]))
    weighted = np.repeat([0, 0, 10, 5], [1, 1, 3, 3])
    scale = pixel.bounds[-1] - pixel.bounds[0]
    assert_allclose(pixel.mean * scale + pixel.bounds[0], weighted.mean())
    assert_allclose(pixel.std * scale, weighted.std())


def test_values_beyond_the_training_range_count_as_its_ends():
    pixel = PixelColumn([column_of([0.0, 4.0, 8.0])], np.ones(3))
    ends, beyond = (pixel.encode(column_of(cells)) for cells in ([0.0, 8.0], [-100.0, 1e300]))
    for a, b in zip(ends, beyond, strict=True):
        assert_array_equal(a, b)


def test_pixels_of_one_value_come_back():
    drawn = make().fit(np.full((40, 12), 7)).sample(3)
    assert_array_equal(drawn, np.full((3, 12), 7))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]}), "column 'a' has missing cells, first in row 1"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "column 'b' holds no numbers"),
    ],
)
def test_what_is_no_pixel_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder(pixels=True).fit(X)


# Images


def test_drawn_images_have_the_values_of_training_and_its_dtype(trained):
    images, _ = trained.sample(50, random_state=0)
    assert set(np.unique(images)) <= set(range(9))
    assert images.dtype == np.float64


def test_images_of_a_class_look_like_it(trained):
    images, labels = trained.sample(y=["left", "right"] * 50, random_state=0)
    assert_array_equal(labels, ["left", "right"] * 50)
    assert np.mean((leaning(images) > 0) == (labels == "right")) > 0.95


def test_without_a_class_it_is_drawn_as_often_as_in_training_and_shows(trained):
    images, labels = trained.sample(400, random_state=0)
    # 4 standard errors of a share of 1/4, twice: of training and of the draws.
    assert abs(np.mean(labels == "right") - 0.25) < 0.13
    assert np.mean((leaning(images) > 0) == (labels == "right")) > 0.95


def test_guidance_goes_further_towards_the_class(trained):
    asked = ["right"] * 100
    plain, _ = trained.sample(y=asked, random_state=0)
    try:
        guided, _ = trained.set_params(guidance=1.0).sample(y=asked, random_state=0)
    finally:
        trained.set_params(guidance=0.0)
    assert leaning(guided).mean() > leaning(plain).mean() + 0.1


def test_given_pixels_stay_and_inform_the_others_and_the_class(trained):
    images, labels = halves(100, seed=1)
    given = np.where(np.arange(12) % 4 < 2, images, np.nan)  # the left half
    drawn, told = trained.sample(given=given, random_state=0)
    known = ~np.isnan(given)
    assert_array_equal(drawn[known], given[known])
    assert np.mean((leaning(drawn) > 0) == (labels == "right")) > 0.8
    assert np.mean(told == labels) > 0.8


def test_training_knows_images_of_which_nothing_a_half_or_scattered_pixels_are_given():
    drawn = np.asarray(_image_network._given((4, 6, 2), 4000, Draws(np.array([0, 1], np.int32))))
    images = drawn.reshape(4000, 4, 6, 2)
    assert_array_equal(images[..., 0], images[..., 1])  # all channels of a pixel
    shares = images.mean(axis=(1, 2, 3))
    assert shares.max() < 1
    assert 0.5 < np.mean(shares == 0) < 0.65
    upper, left = np.arange(4)[:, None] < 2, np.arange(6) < 3
    for half in (upper, ~upper, left, ~left):
        pattern = np.broadcast_to(half, (4, 6))
        assert (images[..., 0] == pattern).all(axis=(1, 2)).sum() > 4
    assert len(np.unique(drawn, axis=0)) > 1000


def test_given_images_have_all_pixels(trained):
    with pytest.raises(ValueError, match="given has 5 pixels, and rows of training have 12"):
        trained.sample(given=np.zeros((2, 5)))


def test_given_pixels_and_a_class_go_together(trained):
    given = np.full((20, 12), np.nan)
    given[:, 0] = 4.0
    drawn, labels = trained.sample(given=given, y=["right"] * 20, random_state=0)
    assert (drawn[:, 0] == 4).all()
    assert set(labels) == {"right"}
    assert leaning(drawn).mean() > 1


def test_the_likelihood_knows_the_class(trained):
    images, labels = halves(50, seed=1)
    other = np.where(labels == "left", "right", "left")
    assert np.mean(trained.score_samples(images, labels) > trained.score_samples(images, other)) > 0.95


def test_untrained_the_likelihood_is_that_of_independent_normal_pixels():
    images = np.random.default_rng(0).normal(size=(500, 12))
    model = make(learning_rate=1e-30).fit(images)
    ranks = (images - images.min()) / (images.max() - images.min())
    z = (ranks - ranks.mean()) / ranks.std()
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / ranks.std()
    assert_allclose(model.score_samples(images), np.log(density).sum(axis=1), atol=1e-3)


def test_untrained_levels_have_the_bound_of_independent_normal_pixels():
    images = np.repeat(np.arange(9.0)[:, None], 12, axis=1)
    model = make(learning_rate=1e-30).fit(images)
    ranks = (images[:, 0] + 0.5) / 9
    z = (ranks - ranks.mean()) / ranks.std()
    width = 1 / 9 / ranks.std()
    sigma = np.geomspace(0.01, 20, 20_001)
    # The mean error of x / (1 + sigma**2), in units of the noise.
    error = (1 + z[:, None] ** 2 * sigma**2) / (1 + sigma**2) ** 2
    bound = np.trapezoid(error, np.log(sigma)) + z**2 / (2 * 20**2) + np.log(width) + np.log(ranks.std())
    scores = model.score_samples(np.tile(images, (60, 1))).reshape(60, 9)
    standard_error = scores.std(axis=0) / np.sqrt(60)
    assert (standard_error < 1).all()
    assert (np.abs(scores.mean(axis=0) + 12 * bound) < 4 * standard_error).all()
    assert np.exp(-bound).sum() / 9 < 1  # of a level the probability, or less


def test_the_first_images_are_the_same_however_many_follow(trained, monkeypatch):
    monkeypatch.setattr(trained.process_, "_n_chunk_rows", 20)
    few, many = (trained.sample(n, random_state=0) for n in (5, 50))
    for a, b in zip(few, many, strict=True):
        assert_array_equal(a, b[:5])


def test_a_copy_draws_the_same(trained):
    copied = pickle.loads(pickle.dumps(trained))
    for a, b in zip(trained.sample(5, random_state=0), copied.sample(5, random_state=0), strict=True):
        assert_array_equal(a, b)


def test_images_may_have_channels_and_sides_that_are_odd():
    X = np.hstack([halves(40, seed=seed)[0] for seed in range(5)])[:, :45].astype(np.float32)
    drawn = make(image_shape=(5, 3, 3), hidden_layer_sizes=(2,)).fit(X).sample(3, random_state=0)
    assert drawn.shape == (3, 45)
    assert drawn.dtype == np.float32


def test_frames_stay_frames():
    X = pd.DataFrame(halves(40)[0].astype(int)).rename(columns="p{}".format)
    drawn = make().fit(X).sample(given=X[["p3"]], random_state=0)
    assert drawn.dtypes.equals(X.dtypes)
    assert_array_equal(drawn["p3"], X["p3"])


def test_a_fit_with_a_seed_can_be_repeated(quick):
    again = make().fit(halves(40)[0])
    for a, b in zip(quick.weights_, again.weights_, strict=True):
        assert_array_equal(a, b)


def test_whole_images_have_a_likelihood_and_others_do_not(quick):
    X = halves(3)[0]
    assert np.isfinite(quick.score(X))
    X[1, 2] = np.nan
    with pytest.raises(ValueError, match="X has missing pixels, first in row 1: only whole images"):
        quick.score(X)


def test_missing_pixels_are_filled_by_an_imputer(quick):
    X = halves(4)[0]
    holed = np.where(np.arange(12) == 5, np.nan, X)
    filled = DiffusionImputer(generator=FrozenEstimator(quick), random_state=0).fit(X).transform(holed)
    assert_array_equal(np.delete(filled, 5, axis=1), np.delete(X, 5, axis=1))
    assert np.isfinite(filled).all()


def test_guidance_set_later_is_checked_too(quick, trained):
    for model, guidance, message in (
        (quick, 1.0, "guidance is 1.0, which needs image_shape and y"),
        (trained, -1.0, "guidance must be a finite number >= 0, got -1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            copy.copy(model).set_params(guidance=guidance).sample(2)


def test_pixels_have_one_dtype_and_a_finite_scale():
    mixed = pd.DataFrame(halves(40)[0].astype(int)).rename(columns="p{}".format).astype({"p3": float})
    with pytest.raises(ValueError, match="pixels have the dtypes float64, int64: convert all columns to one"):
        make().fit(mixed)
    for huge in (np.full((40, 12), 1.5e308), np.full((40, 12), 2**60)):
        huge[0] *= -1
        with pytest.raises(ValueError, match="too large for a scale of all pixels: divide X first"):
            make().fit(huge)


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"image_shape": (5, 5)}, None, r"image_shape \(5, 5\) has 25 pixels, and X has 12 columns"),
        ({}, np.linspace(0, 1, 40), "y must hold the classes of images, got numbers that are not whole"),
        ({"guidance": 1.0}, None, "guidance is 1.0, which needs image_shape and y"),
    ],
)
def test_what_does_not_go_with_images_is_refused(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(halves(40)[0], y)


def test_cells_of_images_have_no_likelihood(quick):
    with pytest.raises(ValueError, match="score_cells needs process='masked'"):
        quick.score_cells(halves(3)[0])
