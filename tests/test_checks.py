"""Errors of parameter checks name the parameter, the value and the remedy."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from skdiffusion import DenoisingRegressor, DiffusionNoiser
from skdiffusion._checks import check_integer, check_option, check_real


@pytest.mark.parametrize("value", [1, 7, np.int8(1), np.uint64(5), 10**30])
def test_integers_pass(value):
    check_integer("n", value, low=1)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "n must be an integer >= 1, got 0."),
        (-3, ValueError, "n must be an integer >= 1, got -3."),
        (1.0, TypeError, "n must be an integer >= 1, got 1.0 of type float."),
        (True, TypeError, "n must be an integer >= 1, got True of type bool."),
        (np.True_, TypeError, "n must be an integer >= 1, got np.True_ of type bool."),
        ("1", TypeError, "n must be an integer >= 1, got '1' of type str."),
        (None, TypeError, "n must be an integer >= 1, got None of type NoneType."),
        ([1], TypeError, "n must be an integer >= 1, got [1] of type list."),
    ],
)
def test_other_integers_are_refused(value, error, message):
    with pytest.raises(error) as refusal:
        check_integer("n", value, low=1)
    assert str(refusal.value) == message


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int64(1), Fraction(1, 3)])
def test_numbers_within_closed_bounds_pass(value):
    check_real("x", value, low=0, high=1)


@pytest.mark.parametrize(
    ("bounds", "value", "message"),
    [
        ({"low": 0}, -0.1, "x must be a finite number >= 0, got -0.1."),
        ({"low": 0}, np.nan, "x must be a finite number >= 0, got nan."),
        ({"low": 0}, np.inf, "x must be a finite number >= 0, got inf."),
        ({"low": 0}, -np.inf, "x must be a finite number >= 0, got -inf."),
        ({"low": 0, "open_low": True}, 0, "x must be a finite number > 0, got 0."),
        ({"low": 0, "high": 1}, 1.5, "x must be a finite number >= 0 and <= 1, got 1.5."),
        ({"low": 0, "high": 1, "open_high": True}, 1, "x must be a finite number >= 0 and < 1, got 1."),
        ({"low": 0, "high": 1, "open_low": True}, 0.0, "x must be a finite number > 0 and <= 1, got 0.0."),
    ],
)
def test_numbers_out_of_bounds_are_refused(bounds, value, message):
    with pytest.raises(ValueError, match="x must") as refusal:
        check_real("x", value, **bounds)
    assert str(refusal.value) == message


@pytest.mark.parametrize("value", [True, np.False_, "0.5", None, 1j, [0.5], np.array([0.5]), Decimal("0.5")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError) as refusal:
        check_real("x", value, low=0)
    expected = f"x must be a finite number >= 0, got {value!r} of type {type(value).__name__}."
    assert str(refusal.value) == expected


def test_options_pass():
    for value in ("a", None):
        check_option("mode", value, ("a", "b", None))


@pytest.mark.parametrize("value", ["c", "A", "", 1, ["a"]])
def test_other_options_are_refused(value):
    with pytest.raises(ValueError, match="mode must") as refusal:
        check_option("mode", value, ("a", "b", None))
    assert str(refusal.value) == f"mode must be one of 'a', 'b', None, got {value!r}."


def test_a_remedy_ends_the_sentence():
    with pytest.raises(ValueError, match=r"got 0; pass more\.$"):
        check_integer("n", 0, low=1, remedy="pass more")
    with pytest.raises(TypeError, match=r"of type str; pass a number\.$"):
        check_real("x", "0", low=1, remedy="pass a number")


def test_an_upper_bound_of_integers_is_named():
    check_integer("n", 3, low=1, high=3)
    with pytest.raises(ValueError, match="n must be an integer >= 1 and <= 3, got 4"):
        check_integer("n", 4, low=1, high=3)


@pytest.mark.parametrize("estimator", [DiffusionNoiser(), DenoisingRegressor(epochs=1)], ids=repr)
def test_an_infinite_cell_is_named_by_column_and_row(estimator):
    X = pd.DataFrame({"age": [1.0, 2.0, 3.0], "height": [1.0, np.inf, 3.0]})
    with pytest.raises(
        ValueError, match="Input X contains infinity, first in column 'height', row 1; replace"
    ):
        estimator.fit(X, X["age"])


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("X", (2, 1), "Input X contains NaN, first in column 1, row 2; fill missing cells first"),
        ("y", (1, 0), "Input y contains NaN, first in column 0, row 1; fill missing cells first"),
    ],
)
def test_a_missing_cell_is_named_by_column_and_row(name, cell, message):
    tables = {"X": np.zeros((4, 2)), "y": np.zeros((4, 2))}
    tables[name][cell] = np.nan
    with pytest.raises(ValueError, match=message):
        DenoisingRegressor(epochs=1).fit(**tables)


def test_a_missing_target_is_named_by_row():
    with pytest.raises(ValueError, match="Input y contains NaN, first in row 2"):
        DenoisingRegressor(epochs=1).fit(np.zeros((3, 1)), [0, 1, np.nan])


@pytest.mark.parametrize(
    ("estimator", "use"),
    [
        (DiffusionNoiser(), "transform"),
        (DiffusionNoiser(), "path"),
        (DiffusionNoiser(categorical_features=[0]), "transform"),
        (DenoisingRegressor(epochs=1), "predict"),
        (DenoisingRegressor(epochs=1), "denoise"),
    ],
)
def test_another_width_is_named_with_the_remedy(estimator, use):
    X = np.arange(12.0).reshape(4, 3)
    with pytest.raises(ValueError, match="X has") as refusal:
        getattr(estimator.fit(X, X), use)(X[:, :2])
    assert str(refusal.value) == (
        f"X has 2 features, but {type(estimator).__name__} is expecting 3 features as input; "
        "pass the columns that fit has seen, in their order."
    )


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (
            np.zeros(5),
            None,
            "Found input variables with inconsistent numbers of samples: [4, 5]; "
            "pass as many rows of y as of X.",
        ),
        (
            np.zeros(4),
            np.ones(5),
            "sample_weight.shape == (5,), expected (4,); pass one weight for each row of X.",
        ),
        (np.zeros(4), np.ones((4, 1)), "Sample weights must be 1D array or scalar"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_length_is_named_with_the_remedy(method, y, weight, message):
    with pytest.raises(ValueError, match=r"(?i)sample") as refusal:
        getattr(DenoisingRegressor(epochs=1), method)(np.ones((4, 2)), y, sample_weight=weight)
    assert str(refusal.value).startswith(message)
    assert str(refusal.value).count(";") == 1


def test_a_missing_cell_is_named_at_predict():
    model = DenoisingRegressor(epochs=1).fit(np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="first in column 0, row 0"):
        model.predict([[np.nan, 1.0]])
