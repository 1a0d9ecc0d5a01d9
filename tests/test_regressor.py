"""DenoisingRegressor: the scikit-learn contract, and the laws of its docstring."""

import copy
import pickle
import random
import subprocess
import sys

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DenoisingRegressor, _training

NO_RATE = 1e-30  # leaves float32 weights as they are
PLAIN = {"preconditioning": None, "output_activation": "linear"}
CLIPPED = {"preconditioning": "linear"}


@parametrize_with_checks([DenoisingRegressor(), DenoisingRegressor(**PLAIN)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted(table, small):
    return small().fit(*table)


def squared_kernels(model):
    return sum(np.sum(weight.astype(float) ** 2) for weight in model.weights_ if weight.ndim == 2)


def assert_same_state(model, other):
    """Compare all that was learnt, bit for bit."""
    for name in ("n_features_in_", "n_outputs_", "history_", "output_activation_", "n_iter_"):
        assert getattr(model, name) == getattr(other, name)
    for name in ("weights_", "optimizer_state_"):
        for array, other_array in zip(getattr(model, name), getattr(other, name), strict=True):
            assert_array_equal(array, other_array)


# L2


@pytest.mark.parametrize("l2", [1e-4, 0.5])
def test_total_loss_is_data_loss_plus_l2_times_squared_kernels(table, small, l2):
    model = small(l2=l2, learning_rate=NO_RATE).fit(*table)
    penalty = np.subtract(model.history_["loss"], model.history_["data_loss"])
    assert_allclose(penalty, l2 * squared_kernels(model), rtol=1e-3 if l2 < 0.01 else 1e-5)


def test_without_l2_total_loss_is_data_loss(table, small):
    model = small(l2=0).fit(*table)
    assert model.history_["loss"] == model.history_["data_loss"]


def test_larger_l2_gives_smaller_kernels(table, small):
    norms = [squared_kernels(small(l2=l2, epochs=20).fit(*table)) for l2 in (0, 0.01, 0.1, 1)]
    assert np.all(np.diff(norms) < 0)


def test_biases_are_free_of_l2(table, small):
    X, y = table
    # So strong a penalty leaves only the biases: they learn the mean.
    parameters = {"l2": 100.0, "learning_rate": 0.1, "learning_rate_schedule": "constant", "epochs": 60}
    model = small(**PLAIN, **parameters).fit(X, y + 3)
    assert_allclose(model.predict(X), np.tile(y.mean(axis=0) + 3, (len(X), 1)), atol=0.05)


def test_loss_curve_is_the_total_loss(fitted):
    assert fitted.loss_curve_ == fitted.history_["loss"]
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 3


# Forms: output activation, preconditioning, clipping


@pytest.mark.parametrize(
    ("output_activation", "preconditioning", "expected_activation", "preconditioned"),
    [
        ("auto", "auto", "linear", True),
        ("linear", "auto", "linear", True),
        ("auto", "linear", "linear", True),
        ("linear", "linear", "linear", True),
        ("sigmoid", "auto", "sigmoid", False),
        ("sigmoid", None, "sigmoid", False),
        ("linear", None, "linear", False),
        ("auto", None, "sigmoid", False),
    ],
)
def test_auto_rules_for_targets_in_the_unit_interval(
    unit_table, small, output_activation, preconditioning, expected_activation, preconditioned
):
    model = small(output_activation=output_activation, preconditioning=preconditioning, epochs=1)
    model.fit(*unit_table)
    assert model.output_activation_ == expected_activation
    assert (model.preconditioner_ is not None) == preconditioned


@pytest.mark.parametrize("shift", [-0.001, 0.001])
def test_auto_output_is_linear_where_a_target_lies_outside_the_unit_interval(unit_table, small, shift):
    X, y = unit_table
    model = small(preconditioning=None, epochs=1).fit(X, y + shift)
    assert model.output_activation_ == "linear"


def test_preconditioning_refuses_another_output_activation(table, small):
    with pytest.raises(
        ValueError, match=r"preconditioning='linear' needs output_activation.*'sigmoid'.*None"
    ):
        small(preconditioning="linear", output_activation="sigmoid").fit(*table)


@pytest.mark.parametrize("preconditioning", ["linear", None])
def test_predictions_lie_in_the_unit_interval_where_targets_do(unit_table, small, preconditioning):
    X, y = unit_table
    model = small(preconditioning=preconditioning).fit(X, y)
    prediction = model.predict(100 * X)
    assert prediction.min() >= 0
    assert prediction.max() <= 1


def test_predictions_are_not_clipped_where_targets_leave_the_unit_interval(unit_table, small):
    X, y = unit_table
    prediction = small().fit(X, y * 1.001).predict(100 * X)
    assert prediction.min() < 0
    assert prediction.max() > 1.001


def test_preconditioned_predictions_follow_units_of_columns_and_targets(table, small):
    X, y = table
    a, b, c, d = np.array([1e-6, 3, 1e6]), np.array([5, 1e3, -1]), np.array([1e4, 1, 1e-4]), -7.0
    expected = c * small().fit(X, y).predict(X) + d
    prediction = small().fit(a * X + b, c * y + d).predict(a * X + b)
    assert_allclose((prediction - d) / c, (expected - d) / c, atol=1e-4)


def test_data_loss_is_1_where_the_network_adds_nothing(table, small):
    model = small(learning_rate=NO_RATE, l2=0, epochs=1).fit(*table)
    constants = model.preconditioner_
    z = constants.inputs(table[0])
    linear_filter = constants.outputs(z, np.zeros_like(z))
    assert_allclose(np.mean(((linear_filter - table[1]) / constants.scale) ** 2), 1, rtol=1e-5)
    network = (model.predict(table[0]) - linear_filter) / constants.scale
    residuals = (table[1] - linear_filter) / constants.scale
    assert_allclose(model.history_["data_loss"], np.mean((residuals - network) ** 2), rtol=1e-4)


def test_the_network_learns_what_the_linear_filter_leaves_over(curved_table, small):
    X, y = curved_table
    model = small(hidden_layer_sizes=(32,), epochs=80, learning_rate=0.01).fit(X, y)
    linear_mse = np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2)
    assert np.mean((model.predict(X) - y) ** 2) < 0.1 * linear_mse
    assert model.history_["data_loss"][-1] < 0.1


def test_without_hidden_layers_the_network_is_linear(curved_table, small):
    X, y = curved_table
    model = small(hidden_layer_sizes=(), **PLAIN, learning_rate=0.05, epochs=60, l2=0).fit(X, y)
    assert_allclose(model.predict(X), LinearRegression().fit(X, y).predict(X), atol=0.1)


# Learning rate and early stopping


def test_cosine_rates_fall_along_half_a_cosine(table, small):
    model = small(learning_rate=0.5, learning_rate_schedule="cosine", epochs=6).fit(*table)
    expected = 0.5 * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2
    assert_allclose(model.history_["learning_rate"], expected, rtol=1e-6)


def test_constant_rates_stay(table, small):
    model = small(learning_rate=0.5, learning_rate_schedule="constant").fit(*table)
    assert model.history_["learning_rate"] == [0.5] * 3


@pytest.mark.parametrize("early_stopping", [False, True])
def test_plateau_halves_the_rate_after_three_epochs_without_gain(table, small, early_stopping):
    # Nothing is learnt at such a rate. The first epoch sets the loss to beat.
    model = small(learning_rate=2**-100, epochs=9, early_stopping=early_stopping, n_iter_no_change=20)
    rates = np.array(model.fit(*table).history_["learning_rate"])
    assert_array_equal(rates * 2**100, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_plateau_keeps_the_rate_while_the_loss_falls(table, small):
    model = small(learning_rate=0.01, epochs=6, l2=0).fit(*table)
    assert np.all(np.diff(model.loss_curve_) < 0)
    assert set(model.history_["learning_rate"]) == {model.history_["learning_rate"][0]}


@pytest.fixture
def held_out_rows(monkeypatch):
    """Collect the rows that fits train on and hold out."""
    seen = []

    def train(program, arrays, weight, **arguments):
        seen.append({"train": arrays, "held_out": arguments["held_out"]})
        return original(program, arrays, weight, **arguments)

    original = _training.train
    monkeypatch.setattr(_training, "train", train)
    return seen


def test_early_stopping_stops_and_keeps_the_weights_of_the_least_held_out_loss(table, small, held_out_rows):
    model = small(
        **PLAIN,
        early_stopping=True,
        epochs=300,
        n_iter_no_change=4,
        learning_rate=0.1,
        validation_fraction=0.3,
    ).fit(*table)
    losses = model.history_["val_loss"]
    assert model.n_iter_ == len(losses) == np.argmin(losses) + 1 + 4 < 300
    X, y, _ = held_out_rows[0]["held_out"]
    assert_allclose(np.mean((model.predict(X) - y) ** 2), min(losses), rtol=1e-5)


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.1, 6), (0.5, 30), (0.001, 1), (0.999, 59)])
def test_early_stopping_holds_out_the_share_that_was_asked_for(
    table, small, held_out_rows, fraction, n_held_out
):
    X, y = table
    small(**PLAIN, early_stopping=True, validation_fraction=fraction, epochs=1).fit(X, y)
    train, held_out = held_out_rows[0]["train"][0], held_out_rows[0]["held_out"][0]
    assert len(held_out) == n_held_out
    assert_array_equal(np.unique(np.vstack([train, held_out]), axis=0), np.unique(X, axis=0))


def test_held_out_rows_do_not_take_part_in_training(table, small, held_out_rows):
    X, y = table
    parameters = {"early_stopping": True, "learning_rate_schedule": "constant", "epochs": 2}
    small(**PLAIN, **parameters).fit(X, y)
    held_out = (X[:, None] == held_out_rows[0]["held_out"][0]).all(axis=2).any(axis=1)
    if not held_out.any():  # they are the same rows in float32
        held_out = (np.float32(X)[:, None] == np.float32(held_out_rows[0]["held_out"][0])).all(2).any(1)
    assert held_out.sum() == 6
    nonsense = np.where(held_out[:, None], 1e3, y)
    models = [small(**parameters, n_iter_no_change=5).fit(X, targets) for targets in (y, nonsense)]
    assert models[0].history_["data_loss"] == models[1].history_["data_loss"]
    assert models[0].history_["val_loss"] != models[1].history_["val_loss"]


def test_early_stopping_needs_two_rows(table, small):
    X, y = table
    with pytest.raises(
        ValueError, match=r"early_stopping=True holds rows out and needs 2 rows.*got 1.*False"
    ):
        small(early_stopping=True).fit(X[:1], y[:1])
    assert small(early_stopping=True).fit(X[:2], y[:2]).predict(X).shape == (60, 3)


# Sample weights


def test_a_row_of_weight_0_is_absent(table, small):
    X, y = table
    weight = np.arange(60) % 3
    present = weight > 0
    expected = small(batch_size=16).fit(X[present], y[present], sample_weight=weight[present])
    model = small(batch_size=16).fit(X, np.where(present[:, None], y, 1e6), sample_weight=weight)
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-30, 0.1, 1e30, 1e300])
def test_scaling_the_weights_changes_nothing_for_the_network(table, small, factor):
    X, y = table
    weight = np.linspace(0.5, 2, 60)
    expected = small(**PLAIN).fit(X, y, sample_weight=weight).predict(X)
    prediction = small(**PLAIN).fit(X, y, sample_weight=factor * weight).predict(X)
    assert_allclose(prediction, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-30, 0.1])
def test_small_weights_take_no_rows_from_the_linear_filter(table, small, factor):
    X, y = table
    weight = np.linspace(0.5, 2, 60)
    half, less = (small().fit(X, y, sample_weight=share * weight) for share in (0.5, factor))
    assert_allclose(less.preconditioner_.coef, half.preconditioner_.coef, rtol=1e-6)


def test_weights_up_to_the_largest_numbers_are_rows_without_end(table, small):
    X, y = table
    weight = np.linspace(0.5, 2, 60)
    models = [small().fit(X, y, sample_weight=factor * weight) for factor in (1e9, 1e30, 5e307)]
    for model in models[1:]:
        assert_allclose(model.preconditioner_.coef, models[0].preconditioner_.coef, rtol=1e-6)
        assert_allclose(model.predict(X), models[0].predict(X), rtol=1e-4, atol=1e-6)


def test_equal_weights_are_no_weights(table, small):
    X, y = table
    assert_array_equal(
        small().fit(X, y, sample_weight=np.full(60, 0.25)).predict(X), small().fit(X, y).predict(X)
    )


@pytest.mark.parametrize("form", [PLAIN, {}], ids=["plain", "preconditioned"])
def test_a_row_of_weight_2_is_two_rows(table, small, form):
    X, y = (array[:20] for array in table)
    weight = 1 + np.arange(20) % 2
    parameters = {**form, "epochs": 5, "learning_rate": 0.01, "learning_rate_schedule": "constant"}
    weighted = small(**parameters).fit(X, y, sample_weight=weight)
    repeated = small(**parameters).fit(X.repeat(weight, axis=0), y.repeat(weight, axis=0))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4, atol=1e-6)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-5)


# Shapes and dtypes


def test_targets_of_one_dimension_give_predictions_of_one(table, small):
    X, y = table
    flat = small().fit(X, y[:, 0])
    column = small().fit(X, y[:, :1])
    assert flat.predict(X).shape == (60,)
    assert column.predict(X).shape == (60, 1)
    assert_array_equal(flat.predict(X), column.predict(X).ravel())
    assert flat.n_outputs_ == column.n_outputs_ == 1


@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_predictions_have_the_targets_width(table, small, n_outputs):
    X, y = table
    model = small(epochs=1).fit(X, np.resize(y, (60, n_outputs)))
    assert model.predict(X[:7]).shape == (7, n_outputs)
    assert model.n_outputs_ == n_outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("preconditioning", ["linear", None])
def test_predictions_have_the_dtype_of_their_rows(table, small, dtype, preconditioning):
    X, y = (array.astype(dtype) for array in table)
    model = small(preconditioning=preconditioning, epochs=1).fit(X, y)
    assert model.predict(X).dtype == model.denoise(X).dtype == dtype
    assert model.predict(X.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint16, np.float16, object])
def test_numbers_of_other_kinds_count_as_float64(table, small, dtype):
    X, y = ((np.abs(3 * array)).astype(int).astype(dtype) for array in table)
    model = small(epochs=1).fit(X, y)
    expected = small(epochs=1).fit(X.astype(float), y.astype(float)).predict(X.astype(float))
    assert model.predict(X).dtype == np.float64
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("n_samples", [1, 2, 3, 31, 33])
def test_few_rows_suffice(table, small, n_samples):
    X, y = table
    prediction = small().fit(X[:n_samples], y[:n_samples]).predict(X)
    assert np.all(np.isfinite(prediction))


def test_one_row_is_learnt_by_heart(table, small):
    X, y = table
    assert_allclose(small(epochs=100, learning_rate=0.05).fit(X[:1], y[:1]).predict(X[:1]), y[:1], atol=0.05)


def test_more_rows_in_a_batch_than_in_the_table_are_all_rows(table, small):
    expected = small(batch_size=60).fit(*table).predict(table[0])
    assert_allclose(small(batch_size=10**9).fit(*table).predict(table[0]), expected, rtol=1e-5, atol=1e-6)


def test_one_feature_suffices(table, small):
    X, y = table
    assert small().fit(X[:, :1], y[:, 0]).score(X[:, :1], y[:, 0]) > 0.3


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e5])
@pytest.mark.parametrize("n_samples", [7, 23, 60])
def test_a_constant_feature_changes_little_even_where_it_is_no_longer_constant(
    table, small, constant, n_samples
):
    X, y = table
    X = X.copy()
    X[:, 1] = constant
    weight = np.linspace(0.1, 1, n_samples)
    model = small().fit(X[:n_samples], y[:n_samples], sample_weight=weight)
    moved = X + np.array([0, 1e-3, 0])
    assert_allclose(model.predict(moved), model.predict(X), atol=0.01)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e5])
def test_constant_targets_are_predicted(table, small, constant):
    X, _ = table
    prediction = small(epochs=1).fit(X, np.full(60, constant)).predict(X)
    assert_allclose(prediction, constant, rtol=1e-12)


def test_a_constant_target_does_not_disturb_the_others(table, small):
    X, y = table
    model = small().fit(X, np.column_stack([y[:, :2], np.full(60, 1e-9)]))
    assert_allclose(model.predict(X)[:, 2], 1e-9, rtol=1e-6)
    assert_allclose(model.model_(X)[:, 2], 1e-9, rtol=1e-6)


def test_layout_and_memory_of_the_rows_do_not_matter(table, small, tmp_path):
    X, y = table
    expected = small().fit(X, y).predict(X)
    for name, array in (("X", X), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    mapped_X, mapped_y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy")
    assert isinstance(mapped_X, np.memmap)
    wide_X, wide_y = (array.repeat(2, axis=1)[:, ::2] for array in (X, y))
    for rows, targets in (
        (np.asfortranarray(X), np.asfortranarray(y)),
        (wide_X, wide_y),
        (X[::-1][::-1], y[::-1][::-1]),
        (mapped_X, mapped_y),
        (X.tolist(), y.tolist()),
    ):
        assert_allclose(small().fit(rows, targets).predict(rows), expected, rtol=1e-12)


def test_fit_and_predict_leave_their_input_as_it_was(unit_table, small):
    X, y = (array.copy() for array in unit_table)
    weight = np.linspace(0, 1, 60)
    model = small().fit(X, y, sample_weight=weight)
    model.denoise(X, n_steps=2)
    assert_array_equal(X, unit_table[0])
    assert_array_equal(y, unit_table[1])
    assert_array_equal(weight, np.linspace(0, 1, 60))


def test_names_of_columns_are_checked(table, small):
    X, y = table
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = small(epochs=1).fit(frame, pd.DataFrame(y))
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert_allclose(model.predict(frame), small(epochs=1).fit(X, y).predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)


@pytest.mark.parametrize("method", ["predict", "denoise"])
def test_another_width_is_refused(fitted, table, method):
    with pytest.raises(ValueError, match="X has 2 features, but DenoisingRegressor is expecting 3 features"):
        getattr(fitted, method)(table[0][:, :2])


@pytest.mark.parametrize("use", [lambda m, X: m.predict(X), lambda m, X: m.denoise(X), lambda m, _: m.model_])
def test_an_unfitted_estimator_says_so(small, table, use):
    with pytest.raises(NotFittedError):
        use(small(), table[0])


def test_an_unfitted_estimator_has_no_fitted_attributes(small):
    model = small()
    assert not any(
        hasattr(model, name) for name in ("weights_", "history_", "loss_curve_", "n_iter_", "model_")
    )


# partial_fit and warm_start


def test_partial_fit_twice_equals_two_epochs_of_fit(table, small):
    X, y = (array[:30] for array in table)
    constant = {"learning_rate_schedule": "constant", "learning_rate": 0.01}
    whole = small(**constant, epochs=2).fit(X, y)
    parts = small(**constant).partial_fit(X, y).partial_fit(X, y)
    assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-5, atol=1e-6)
    assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-5)
    for ours, theirs in zip(parts.optimizer_state_, whole.optimizer_state_, strict=True):
        assert_allclose(ours, theirs, rtol=1e-3, atol=1e-7)


def test_partial_fit_keeps_the_optimizers_state(table, small):
    X, y = (array[:30] for array in table)
    constant = {"learning_rate_schedule": "constant", "learning_rate": 0.01}
    kept = small(**constant).partial_fit(X, y).partial_fit(X, y)
    fresh = small(**constant, epochs=1, warm_start=True).fit(X, y).fit(X, y)
    assert np.abs(kept.predict(X) - fresh.predict(X)).max() > 1e-4


def test_partial_fit_goes_on_after_fit(table, small):
    model = small().fit(*table)
    before = model.loss_curve_[:]
    assert model.partial_fit(*table).loss_curve_[:3] == before
    assert model.n_iter_ == 4
    assert model.history_["data_loss"][3] < model.history_["data_loss"][2]


def test_partial_fit_with_another_optimizer_starts_its_state_anew(table, small):
    X, y = (array[:30] for array in table)
    model = small(optimizer="sgd").partial_fit(X, y).set_params(optimizer="adam").partial_fit(X, y)
    expected = small(optimizer="sgd").partial_fit(X, y)
    expected.set_params(optimizer="adam", warm_start=True, epochs=1).fit(X, y)
    assert_same_state(model, expected)


def test_partial_fit_goes_on_in_a_copy(table, small):
    model = small().partial_fit(*table)
    other = pickle.loads(pickle.dumps(model))
    assert_same_state(model.partial_fit(*table), other.partial_fit(*table))


def test_partial_fit_learns_batch_by_batch(curved_table, small):
    X, y = curved_table
    model = small(learning_rate=0.01)
    for _ in range(5):
        for rows in np.split(np.arange(400), 4):
            model.partial_fit(X[rows], y[rows])
    assert model.n_iter_ == 20
    assert model.score(X, y) > 0.3 + small(learning_rate=NO_RATE).partial_fit(X, y).score(X, y)


def test_partial_fit_holds_no_rows_out(table, small):
    assert set(small(early_stopping=True).partial_fit(*table).history_) == {
        "learning_rate",
        "loss",
        "data_loss",
    }


def test_history_has_a_number_per_epoch_also_where_rows_are_held_out_only_at_times(table, small):
    model = small(early_stopping=True, epochs=2).fit(*table).partial_fit(*table)
    model.set_params(warm_start=True).fit(*table)
    assert {name: len(values) for name, values in model.history_.items()} == dict.fromkeys(model.history_, 5)
    assert_array_equal(np.isnan(model.history_["val_loss"]), [False, False, True, False, False])


def test_warm_start_goes_on_from_the_last_weights(table, small):
    X, y = table
    model = small(warm_start=True).fit(X, y)
    first = copy.deepcopy(model)
    assert_array_equal(first.predict(X), small().fit(X, y).predict(X))
    model.set_params(learning_rate=NO_RATE).fit(X, y)
    assert_array_equal(model.predict(X), first.predict(X))
    assert model.n_iter_ == 6
    assert model.loss_curve_[:3] == first.loss_curve_


def test_fit_without_warm_start_starts_anew(table, small):
    model = small().fit(*table)
    expected = copy.deepcopy(model)
    assert_same_state(model.fit(*table), expected)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("targets", [lambda y: y[:, :2], lambda y: y[:, 0]])
def test_going_on_with_other_targets_is_refused(table, small, method, targets):
    X, y = table
    model = small(warm_start=True).fit(X, y)
    expected = model.predict(X)
    with pytest.raises(ValueError, match=r"y must have the 3 outputs of the last fit.*warm_start=False"):
        getattr(model, method)(X, targets(y))
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"hidden_layer_sizes": (9,)},
            r"hidden_layer_sizes must stay \(8,\) .* got \(9,\).*warm_start=False",
        ),
        ({"activation": "tanh"}, r"activation must stay 'relu' .* got 'tanh'.*warm_start=False"),
    ],
)
def test_going_on_with_other_layers_is_refused(table, small, method, changed, message):
    X, y = table
    model = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=message):
        getattr(model.set_params(**changed), method)(X, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_going_on_with_another_width_is_refused(table, small, method):
    X, y = table
    model = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but DenoisingRegressor is expecting 3"):
        getattr(model, method)(X[:, :2], y)


def test_parameters_set_after_fit_do_not_change_predictions(table, small):
    X, y = table
    model = small().fit(X, y)
    expected = model.predict(X)
    model.set_params(hidden_layer_sizes=(9,), activation="tanh", output_activation="sigmoid", loss="mae")
    model.set_params(preconditioning=None, optimizer="sgd", l2=1.0)
    assert_array_equal(model.predict(X), expected)
    assert_allclose(model.model_(X), expected, rtol=1e-4, atol=1e-5)


# Randomness


def test_the_same_seed_gives_the_same_bits(table, small):
    X, y = table
    first = small(early_stopping=True).fit(X, y)
    small(random_state=1, l2=1.0, learning_rate=1.0).fit(y, X)
    small(random_state=2).partial_fit(y, X).predict(y)
    assert_same_state(first, small(early_stopping=True).fit(X, y))


def test_another_seed_gives_another_result(table, small):
    X, y = table
    assert np.abs(small(random_state=1).fit(X, y).predict(X) - small().fit(X, y).predict(X)).max() > 1e-3


def test_without_a_seed_fits_differ(table, small):
    X, y = table
    predictions = [small(random_state=None).fit(X, y).predict(X) for _ in range(2)]
    assert np.abs(np.subtract(*predictions)).max() > 1e-3


def test_a_random_state_instance_goes_on(table, small):
    X, y = table

    def two_fits():
        generator = np.random.RandomState(0)
        return [small(random_state=generator).fit(X, y).predict(X) for _ in range(2)]

    first, second = two_fits()
    assert np.abs(first - second).max() > 1e-3
    assert_array_equal(two_fits(), [first, second])


def test_global_random_states_are_left_alone(table, small, fresh_pool):
    def states():
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002
        return random.getstate(), kind, keys.tolist(), rest

    before = states()
    tf.random.set_seed(0)
    expected = [float(tf.random.uniform(())) for _ in range(2)]
    tf.random.set_seed(0)
    drawn = [float(tf.random.uniform(()))]
    model = small(early_stopping=True).fit(*table)
    model.predict(table[0])
    model.model_(table[0])
    drawn.append(float(tf.random.uniform(())))
    assert drawn == expected
    assert states() == before


def test_operations_without_a_seed_still_run_after_fit(table, small):
    # With TensorFlow's op determinism left on, this would raise.
    small().fit(*table)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(*table, verbose=0)
    assert tf.random.uniform(()) < 1


# Copies


@pytest.mark.parametrize("touch_model", [False, True])
@pytest.mark.parametrize(
    "copied",
    [
        lambda model, _: pickle.loads(pickle.dumps(model)),
        lambda model, _: copy.deepcopy(model),
        lambda model, _: copy.copy(model),
        lambda model, path: joblib.load(joblib.dump(model, path / "model.joblib")[0]),
    ],
    ids=["pickle", "deepcopy", "copy", "joblib"],
)
def test_a_copy_predicts_the_same(table, small, tmp_path, copied, touch_model):
    X, y = table
    model = small(loss=keras.losses.Huber(), optimizer=keras.optimizers.Adam()).fit(X, y)
    if touch_model:
        assert model.model_ is model.model_
    other = copied(model, tmp_path)
    assert "_model" not in vars(other)
    assert_array_equal(other.predict(X), model.predict(X))
    assert_allclose(other.model_(X), model.predict(X), rtol=1e-4, atol=1e-5)


def test_a_clone_fits_the_same(table, small):
    X, y = table
    model = small().fit(X, y)
    assert model.model_.built
    other = clone(model)
    assert not hasattr(other, "weights_")
    assert_same_state(other.fit(X, y), model)


def test_a_pickle_opens_without_keras(fitted, tmp_path):
    fitted.model_.count_params()
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(fitted))
    code = (
        "import pickle, sys\n"
        "sys.modules['keras'] = sys.modules['tensorflow'] = sys.modules['scikeras'] = None\n"
        "with open('model.pickle', 'rb') as file:\n"
        "    model = pickle.load(file)\n"
        "print([weight.shape for weight in model.weights_], model.n_iter_)\n"
    )
    opened = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert opened.stdout == "[(3, 8), (8,), (8, 3), (3,)] 3\n"


# The Keras model

FORMS = pytest.mark.parametrize("parameters", [PLAIN, CLIPPED, {"preconditioning": None}])


@FORMS
@pytest.mark.parametrize("unit", [False, True])
def test_the_keras_model_predicts_the_same(table, unit_table, small, parameters, unit):
    X, y = unit_table if unit else table
    model = small(**parameters).fit(X, y)
    rows = 3 * X  # some of them are clipped
    assert_allclose(model.model_(rows), model.predict(rows), rtol=1e-4, atol=1e-5)


def test_the_keras_model_predicts_columns_of_any_scale(table, small):
    X, y = table
    model = small().fit(1e4 * X + 1e5, 1e3 * y)
    assert_allclose(model.model_(1e4 * X + 1e5), model.predict(1e4 * X + 1e5), rtol=1e-3, atol=1)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, with NumPy 2
@pytest.mark.parametrize("parameters", [PLAIN, CLIPPED])
def test_the_keras_model_can_be_saved(unit_table, small, tmp_path, parameters):
    X, y = unit_table
    model = small(**parameters).fit(X, y)
    model.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_allclose(loaded(X), model.predict(X), rtol=1e-4, atol=1e-5)


def test_changing_the_keras_model_does_not_change_the_estimator(table, small):
    X, y = table
    model = small().fit(X, y)
    expected = model.predict(X)
    model.model_.set_weights([0 * weight for weight in model.model_.get_weights()])
    assert_array_equal(model.predict(X), expected)


def test_the_keras_model_is_that_of_the_last_fit(table, small):
    X, y = table
    model = small().fit(X, y)
    before = np.asarray(model.model_(X))
    model.set_params(random_state=1).fit(X, y)
    assert_allclose(model.model_(X), model.predict(X), rtol=1e-4, atol=1e-5)
    assert np.abs(before - model.model_(X)).max() > 1e-3


# denoise


@pytest.mark.parametrize("parameters", [PLAIN, CLIPPED])
def test_denoise_applies_predict_again_and_again(unit_table, small, parameters):
    X, y = unit_table
    model = small(**parameters).fit(X, y)
    assert_array_equal(model.denoise(X), model.predict(X))
    assert_array_equal(model.denoise(X, n_steps=1), model.predict(X))
    assert_array_equal(model.denoise(X, n_steps=3), model.predict(model.predict(model.predict(X))))


def test_denoise_needs_as_many_outputs_as_features(table, small):
    X, y = table
    model = small(epochs=1).fit(X, y[:, :2])
    with pytest.raises(ValueError, match="fitted with 3 features and 2 outputs; fit it on clean rows"):
        model.denoise(X)


@pytest.mark.parametrize("n_steps", [0, -1, 1.0, True, "2"])
def test_denoise_needs_a_step(fitted, table, n_steps):
    with pytest.raises((ValueError, TypeError), match=f"n_steps must be an integer >= 1, got {n_steps!r}"):
        fitted.denoise(table[0], n_steps=n_steps)


# Errors


def assert_refused(fitted, message, rows, **parameters):
    """Fit a copy in vain; check the error's text, and that the copy is what it was."""
    X = np.linspace(-1, 1, 30).reshape(10, 3)
    expected = fitted.predict(X)
    for method in ("fit", "partial_fit"):
        model = copy.deepcopy(fitted).set_params(**parameters)
        with pytest.raises((ValueError, TypeError), match=message) as refusal:
            getattr(model, method)(*rows)
        assert "\n\n" not in str(refusal.value)
        assert_same_state(model, fitted)
        assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": 64}, r"hidden_layer_sizes must be a tuple of integers, .*\(64,\), got 64"),
        ({"hidden_layer_sizes": "64"}, "hidden_layer_sizes must be a tuple of integers.*got '64'"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be an integer >= 1, got 0"),
        ({"hidden_layer_sizes": (8, 2.5)}, "hidden_layer_sizes must be an integer >= 1, got 2.5"),
        ({"hidden_layer_sizes": None}, "hidden_layer_sizes must be a tuple of integers.*got None"),
        ({"l2": -0.1}, "l2 must be a finite number >= 0, got -0.1"),
        ({"l2": True}, "l2 must be a finite number >= 0, got True of type bool"),
        ({"l2": np.nan}, "l2 must be a finite number >= 0, got nan"),
        ({"l2": np.inf}, "l2 must be a finite number >= 0, got inf"),
        ({"l2": "0.1"}, "l2 must be a finite number >= 0, got '0.1' of type str"),
        ({"l2": None}, "l2 must be a finite number >= 0, got None"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"learning_rate": -1e-3}, "learning_rate must be a finite number > 0, got -0.001"),
        ({"learning_rate": np.nan}, "learning_rate must be a finite number > 0, got nan"),
        (
            {"learning_rate_schedule": "step"},
            "learning_rate_schedule must be one of 'plateau', 'cosine', .*'step'",
        ),
        ({"learning_rate_schedule": None}, "learning_rate_schedule must be one of .*None"),
        ({"preconditioning": "ridge"}, "preconditioning must be one of 'auto', 'linear', None, got 'ridge'"),
        ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
        ({"epochs": 2.0}, "epochs must be an integer >= 1, got 2.0 of type float"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"batch_size": "auto"}, "batch_size must be an integer >= 1, got 'auto'"),
        ({"validation_fraction": 0}, "validation_fraction must be a finite number > 0 and < 1, got 0"),
        ({"validation_fraction": 1}, "validation_fraction must be a finite number > 0 and < 1, got 1"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be an integer >= 1, got 0"),
        ({"early_stopping": "yes"}, "early_stopping must be one of True, False, got 'yes'"),
        ({"warm_start": "no"}, "warm_start must be one of True, False, got 'no'"),
        ({"verbose": "loud"}, "verbose must be an integer >= 0, got 'loud'"),
        ({"verbose": -1}, "verbose must be an integer >= 0, got -1"),
        ({"activation": "rely"}, "activation must be a name that Keras knows, such as 'relu'.*got 'rely'"),
        ({"activation": "auto"}, "activation must be a name that Keras knows, such as 'relu'.*got 'auto'"),
        ({"activation": None}, "activation must be a name that Keras knows, such as 'relu'.*got None"),
        (
            {"output_activation": "sigmoyd"},
            "output_activation must be a name that Keras.*'auto'.*got 'sigmoyd'",
        ),
        ({"loss": "msee"}, "loss must be a name that Keras knows, such as 'mse'.*got 'msee'"),
        ({"loss": {"class_name": "Huber"}}, "loss must be a name that Keras knows.*got {'class_name'"),
        ({"loss": keras.losses.Huber}, "loss must be a name that Keras knows.*got <class"),
        ({"optimizer": "adem"}, "optimizer must be a name that Keras knows, such as 'adam'.*got 'adem'"),
        ({"optimizer": 3}, "optimizer must be a name that Keras knows, such as 'adam'.*got 3"),
        ({"callbacks": "x"}, "callbacks must be None or a list of keras.callbacks.Callback, got 'x'"),
        (
            {"callbacks": ["x"]},
            "each of callbacks must be a keras.callbacks.Callback, got 'x'.*set_callbacks",
        ),
        ({"random_state": "seed"}, "'seed' cannot be used to seed"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_bad_parameter_is_refused_and_changes_nothing(fitted, table, parameters, message):
    assert_refused(fitted, message, table, **parameters)


def with_cell(array, value):
    array = array.astype(object) if isinstance(value, str) else array.copy()
    array[3, 1] = value
    return array


def test_columns_that_are_no_numbers_are_named(table):
    X, y = table
    mixed = pd.DataFrame(X, columns=["a", "b", "c"]).assign(word="d", kind=pd.Categorical([1] * 60))
    with pytest.raises((TypeError, ValueError), match=r"read as numbers in columns \['word'\]: .*; convert"):
        DenoisingRegressor().fit(mixed, y)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda X, y: (with_cell(X, np.nan), y), "Input X contains NaN"),
        (lambda X, y: (with_cell(X, np.inf), y), "Input X contains infinity"),
        (lambda X, y: (X, with_cell(y, np.nan)), "Input y contains NaN"),
        (lambda X, y: (X, with_cell(y, -np.inf)), "Input y contains infinity"),
        (lambda X, y: (X, with_cell(y.astype(object), None)), "Input y contains NaN"),
        (lambda X, y: (with_cell(X, 1e39), y), r"X must lie within \+-3.4e\+38.*to 1e\+39; scale X first"),
        (
            lambda X, y: (X, with_cell(y, -1e39)),
            r"y must lie within \+-3.4e\+38.*from -1e\+39.*scale y first",
        ),
        (lambda X, y: (with_cell(X, "a"), y), "could not convert string to float: 'a'"),
        (lambda X, y: (X, with_cell(y, "a")), "y must hold numbers, got values of type object; encode"),
        (lambda X, y: (X, y.astype(str)), "y must hold numbers, got values of type <U.*; encode"),
        (lambda X, y: (X, y.astype("datetime64[D]")), "y must hold numbers, got values of type datetime64"),
        (lambda X, y: (X, y * 1j), "Complex data not supported"),
        (lambda X, y: (X, y[:50]), r"inconsistent numbers of samples: \[60, 50\]"),
        (lambda X, y: (X[:0], y[:0]), "Found array with 0 sample"),
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
        (lambda X, y: (X, y[..., None]), "Found array with dim 3"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (
            lambda X, y: (scipy.sparse.csr_array(X), y),
            "Sparse data was passed for X, but dense data is required",
        ),
        (
            lambda X, y: (X, scipy.sparse.csr_array(y)),
            "Sparse data was passed for y, but dense data is required",
        ),
        (lambda X, y: (X, y, np.ones(5)), "sample_weight"),
        (lambda X, y: (X, y, -np.ones(60)), "Negative values in data passed to `sample_weight`"),
        (lambda X, y: (X, y, np.zeros(60)), "(?i)sample.weight.*zero"),
        (lambda X, y: (X, y, np.full(60, np.nan)), "sample_weight contains NaN"),
    ],
)
def test_bad_rows_are_refused_and_change_nothing(fitted, table, rows, message):
    assert_refused(fitted, message, rows(*table))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("method", ["predict", "denoise"])
def test_bad_rows_are_not_predicted(fitted, table, method, value):
    with pytest.raises(ValueError, match="X"):
        getattr(fitted, method)(with_cell(table[0], value))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_that_diverges_is_an_error_and_changes_nothing(table, small, method):
    X, y = table
    model = small(**PLAIN, optimizer="sgd", learning_rate_schedule="constant").fit(X, y)
    expected = copy.deepcopy(model)
    model.set_params(learning_rate=1e25, batch_size=1, epochs=20)
    with pytest.raises(
        ValueError, match=r"Training diverged: .* epoch 1. Lower learning_rate \(now 1e\+25\)"
    ):
        getattr(model, method)(1e3 * X, y)
    assert_same_state(model, expected)
    assert_array_equal(model.predict(X), expected.predict(X))


def test_after_training_diverged_the_next_fit_is_as_ever(table, small):
    parameters = {**PLAIN, "optimizer": "sgd"}
    expected = small(**parameters).fit(*table)
    with pytest.raises(ValueError, match="diverged"):
        small(**parameters, learning_rate=1e30).fit(*table)
    assert_same_state(small(**parameters).fit(*table), expected)


def test_a_failed_first_fit_leaves_an_estimator_unfitted(table, small):
    model = small()
    with pytest.raises(ValueError, match="y must hold numbers"):
        model.fit(pd.DataFrame(table[0], columns=["a", "b", "c"]), table[1].astype(str))
    assert set(vars(model)) == set(vars(small()))


def test_a_failed_fit_leaves_the_names_of_columns_as_they_were(table, small):
    X, y = table
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = small(epochs=1).fit(frame, y)
    with pytest.raises(ValueError, match="Training diverged"):
        model.set_params(**PLAIN, optimizer="sgd", learning_rate=1e30).fit(
            frame.rename(columns={"a": "d"})[["d", "b"]], y
        )
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.predict(frame).shape == (60, 3)


@pytest.mark.parametrize("loss", ["mse", "mean_absolute_error", "huber", "log_cosh", keras.losses.Huber()])
def test_losses_of_differences_are_preconditioned_by_default(table, small, loss):
    assert small(loss=loss, epochs=1).fit(*table).preconditioner_ is not None


@pytest.mark.parametrize("loss", ["poisson", "msle", keras.losses.Poisson(), lambda y, p: (y - p) ** 2])
def test_other_losses_are_not_preconditioned_by_default(unit_table, small, loss):
    assert small(loss=loss, epochs=1).fit(*unit_table).preconditioner_ is None


def test_a_preconditioned_network_starts_as_the_linear_filter(curved_table, small):
    X, y = curved_table
    start = small(learning_rate=NO_RATE, epochs=1, l2=0).fit(X, y)
    assert start.loss_curve_[0] == pytest.approx(1, rel=1e-5)
    constants = start.preconditioner_
    linear = constants.inputs(X) @ constants.coef + constants.intercept
    assert_allclose(start.predict(X), linear, atol=1e-6)


def test_a_first_batch_without_spread_does_not_silence_an_output(curved_table, small):
    X, y = curved_table
    model = small(learning_rate=0.01).partial_fit(X[:1], y[:1])
    for _ in range(10):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.5


def test_a_target_constant_at_first_may_vary_later(curved_table, small):
    X, y = curved_table
    at_first = np.column_stack([y[:, 0], np.full(len(y), 0.1)])
    model = small(learning_rate=0.01).partial_fit(X, at_first)
    for _ in range(20):
        model.partial_fit(X, y[:, :2])
    assert max(model.history_["data_loss"]) < 1e3
    assert np.all(model.predict(X).std(axis=0) > 0.3 * y[:, :2].std(axis=0))


def test_predictions_leave_the_unit_interval_when_later_targets_do(unit_table, small):
    X, y = unit_table
    model = small(learning_rate=0.01).partial_fit(X, y)
    assert model.predict(X).max() <= 1
    for _ in range(40):
        model.partial_fit(X, y + 5)
    assert model.predict(X).max() > 2


@pytest.mark.parametrize("parameters", [{"preconditioning": None}, {"output_activation": "linear"}])
def test_going_on_with_another_form_is_refused(table, small, parameters):
    (name,) = parameters
    model = small().fit(*table).set_params(warm_start=True, **parameters)
    with pytest.raises(ValueError, match=f"{name} must stay 'auto' to go on from the last fit"):
        model.fit(*table)


def test_partial_fit_shuffles_anew_on_each_call(table, small):
    X, y = table
    once = small(batch_size=4).partial_fit(X, y)
    again = copy.deepcopy(once).partial_fit(X, y)
    # The same order as at first would be the second fit's, with the first one's weights to start from.
    same_order = small(batch_size=4, warm_start=True, epochs=1, learning_rate_schedule="constant")
    assert again.n_iter_ == 2
    assert not np.array_equal(again.weights_[0], same_order.fit(X, y).weights_[0])


def test_divergence_in_the_very_last_step_is_noticed(table, small):
    X, y = table
    model = small(optimizer="sgd", preconditioning=None).fit(X, y)
    before = model.predict(X)
    model.set_params(learning_rate=1e38, epochs=1, batch_size=60)
    with pytest.raises(ValueError, match="Training diverged: weights are no longer finite after epoch 1"):
        model.fit(X, y * 1e3)
    assert_array_equal(model.predict(X), before)


def test_a_constant_feature_that_moves_changes_nothing(curved_table, small):
    X, y = curved_table
    X = np.column_stack([X, np.full(len(X), 5.0)])
    model = small().fit(X, y)
    moved = X + np.array([0, 0, 0, 1000])
    assert_array_equal(model.predict(moved), model.predict(X))


@pytest.mark.parametrize(("unit", "offset"), [(1e-8, 0.0), (1.0, 1e3), (1e6, 0.0)])
def test_the_keras_model_agrees_in_any_unit(curved_table, small, unit, offset):
    X, y = curved_table
    X = unit * X + offset
    model = small().fit(X, y)
    assert_allclose(np.asarray(model.model_(X.astype(np.float32))), model.predict(X), atol=1e-2)


@pytest.mark.parametrize("preconditioning", ["auto", None])
def test_rounding_beyond_the_unit_interval_is_still_the_unit_interval(table, small, preconditioning):
    X, y = table
    y = (y - y.min()) / (y.max() - y.min()) * 1.0000000000000002
    predictions = small(preconditioning=preconditioning).fit(X, y).predict(100 * X)
    assert predictions.min() >= 0
    assert predictions.max() <= 1


def test_denoise_returns_a_table_also_for_one_feature(small):
    X = np.linspace(-1, 1, 20)[:, None]
    assert small().fit(X, X.ravel()).denoise(X).shape == (20, 1)
