"""Odd tables at every public method: a result, or one error in plain words; nothing else changes.

Few are tried here. For more: SKDIFFUSION_N_ODD_TABLES=1000 python -m pytest tests/test_hostile.py
"""

import copy
import os
import pickle
import random
import warnings
from pathlib import Path

import imblearn
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from _odd_tables import odd_copies, odd_tables
from _saved import TABLE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skdiffusion
from skdiffusion import (
    DenoisingRegressor,
    DiffusionDenoiser,
    DiffusionGenerator,
    DiffusionImputer,
    DiffusionNoiser,
    DiffusionOutlierDetector,
    DiffusionOverSampler,
    metrics,
)
from skdiffusion._encoder import TableEncoder
from skdiffusion._report_page import page

pytestmark = pytest.mark.usefixtures("uncompiled")

N_TABLES = int(os.environ.get("SKDIFFUSION_N_ODD_TABLES", "0"))
WORDS = tuple(str(Path(package.__file__).parent) for package in (skdiffusion, sklearn, imblearn))
# Ours, and scikit-learn's of names that were not there in fit.
WARNINGS = ".*(looks like an identifier|Training diverged|feature names)"


def tries(n_tables):
    """Return settings: that many tables, or as many as the environment asks for."""
    return settings(
        max_examples=N_TABLES or n_tables,
        deadline=None,
        derandomize=not N_TABLES,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def global_state():
    return (
        random.getstate(),
        pickle.dumps(np.random.mtrand._rand.get_state()),
        np.geterr(),
        list(warnings.filters),
    )


def same(table, before):
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_frame_equal(table, before, check_flags=False)
    elif isinstance(table, pl.DataFrame):
        assert table.schema == before.schema
        assert table.equals(before)
    else:
        assert repr(table) == repr(before)


def attempt(method, *tables):
    """Call a method; return its result, or None for an error that says in plain words what is wrong."""
    copies, state = copy.deepcopy(tables), global_state()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", WARNINGS)
            return method(*tables)
    except (ValueError, TypeError, NotFittedError) as error:
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        if not place.tb_frame.f_code.co_filename.startswith(WORDS):
            raise AssertionError(f"words of another library: {error!r}") from error
        return None
    finally:
        assert global_state() == state
        for table, before in zip(tables, copies, strict=True):
            same(table, before)


@given(table=odd_tables(), other=odd_tables())
@tries(40)
def test_odd_tables_are_encoded_and_come_back(table, other):
    encoder = TableEncoder()
    if attempt(encoder.fit, table) is None:
        return
    encoded = attempt(lambda table: encoder.encode(table), table)
    assert encoded is not None
    back = encoder.decode(encoded.codes, encoded.low, np.random.default_rng(0))
    assert type(back) is (np.ndarray if isinstance(table, list | tuple) else type(table))
    again = encoder.encode(back)
    assert (again.codes == encoded.codes).all()
    attempt(lambda table: encoder.encode(table, unseen="missing"), other)


@given(table=odd_tables(), other=odd_tables(), categorical=st.sampled_from([None, "from_dtype", [0]]))
@tries(40)
def test_odd_tables_are_noised(table, other, categorical):
    noiser = DiffusionNoiser(0.1, 3, categorical_features=categorical, random_state=0)
    if attempt(noiser.fit, table) is None:
        return
    for method in (noiser.transform, noiser.path):
        noised = attempt(method, table)  # refused are times that pandas cannot make again as categories
        assert noised is None or noised.shape[-2:] == np.shape(table)
        attempt(method, other)


@given(table=odd_tables(), other=odd_tables())
@tries(10)
def test_odd_tables_are_compared(table, other):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "two_sample", lambda *_: (0.5, 0.5))  # the one slow figure
        for synthetic in (table, other):
            found = attempt(
                lambda *tables: metrics.evaluate(*tables, random_state=0), table, synthetic, table
            )
            if found is not None:
                assert np.isfinite(list(found.values())).all()
                assert page(found.scores, found.verdicts, found.summary).encode()


@given(table=odd_tables(), target=odd_tables())
@tries(15)
def test_odd_tables_are_regressed(table, target):
    model = DenoisingRegressor(hidden_layer_sizes=(2,), epochs=1, random_state=0)
    if attempt(model.fit, table, target) is not None:
        assert np.isfinite(model.predict(table)).all()
        attempt(model.denoise, target)


SMALL = {"hidden_layer_sizes": (2,), "epochs": 1, "random_state": 0}
GENERATOR = DiffusionGenerator(**SMALL, early_stopping=False)
ESTIMATORS = {
    "masked": GENERATOR,
    "gaussian": clone(GENERATOR).set_params(process="gaussian"),
    "denoiser": DiffusionDenoiser(**SMALL),
    "imputer": DiffusionImputer(generator=GENERATOR, random_state=0),
    "detector": DiffusionOutlierDetector(generator=GENERATOR, random_state=0),
}
METHODS = {
    "masked": ["score_samples", "score_cells", "sample"],
    "array": ["score_samples", "score_cells", "sample"],
    "gaussian": ["score_samples", "sample"],
    "denoiser": ["transform"],
    "imputer": ["transform"],
    "detector": ["score_samples", "predict", "explain"],
}


def call(model, method, table):
    """Call a method of an estimator that takes a table, and check its result."""
    function = getattr(model, method)
    found = attempt(
        (lambda table: function(given=table, random_state=0)) if method == "sample" else function, table
    )
    if isinstance(found, np.ndarray) and found.dtype.kind == "f" and method != "sample":
        assert not np.isnan(found).any(), method
        if method != "transform":
            assert np.isfinite(found).all(), method
    return found


@pytest.mark.parametrize("name", ESTIMATORS)
@given(table=odd_tables(), other=odd_tables())
@tries(2)
def test_odd_tables_are_learnt(name, table, other):
    model = clone(ESTIMATORS[name])
    if attempt(model.fit, table) is None:
        assert not any(attribute.endswith("_") for attribute in vars(model))
        return
    for method in METHODS[name]:
        assert call(model, method, table) is not None
        call(model, method, other)


@pytest.fixture(scope="module")
def saved():
    """Fitted estimators from a file."""
    return joblib.load(Path(__file__).parent / "data" / "saved-0.1.0.joblib")


@pytest.mark.parametrize("name", ["masked", "array", "gaussian", "denoiser", "imputer", "detector"])
@given(table=st.one_of(odd_copies(TABLE), odd_tables(n_columns=3)))
@tries(8)
def test_odd_tables_meet_fitted_estimators(saved, name, table):
    for method in METHODS[name]:
        call(saved[name][0], method, table)


@given(table=odd_tables(), y=st.lists(st.sampled_from(["a", "b", 1, 2.5, None]), max_size=40))
@tries(2)
def test_odd_tables_are_over_sampled(table, y):
    y = [*y, *"aabb" * 10][: np.shape(table)[0] if np.ndim(table) else 0]
    sampler = DiffusionOverSampler(generator=GENERATOR, random_state=0)
    attempt(lambda table: sampler.fit_resample(table, y), table)


# What these and others found


@pytest.mark.parametrize("value", [1e22, -1e30, 1e308])
@pytest.mark.parametrize("sigma", ["auto", 0.5])
def test_a_number_too_far_for_the_network_is_refused(saved, value, sigma):
    denoiser = copy.copy(saved["denoiser"][0]).set_params(sigma=sigma if sigma == "auto" else [sigma] * 3)
    rows = TABLE[:3].copy()
    rows.loc[1, "savings"] = value
    with pytest.raises(ValueError, match=r"standard deviations from the mean of training, in row 1"):
        denoiser.transform(rows)


def test_numbers_of_infinite_variance_are_refused():
    with pytest.raises(ValueError, match="whose variance is infinite: scale X first"):
        DiffusionDenoiser(**SMALL).fit(np.array([[1e200], [-1e200]]))


def test_the_noise_of_a_single_far_row_is_estimated(saved):
    rows = TABLE[:1].assign(income=1e9)
    assert np.isfinite(saved["denoiser"][0].transform(rows)["income"]).all()


@pytest.mark.parametrize(
    "model", [DiffusionNoiser(), DenoisingRegressor(**SMALL)], ids=["noiser", "regressor"]
)
@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([1j, 2.0], "hold no numbers|Complex data not supported"),
        ([np.inf, -np.inf], "contains infinity"),
        (pd.period_range("2020", periods=2, freq="M"), "hold no numbers|cannot be read as numbers"),
    ],
)
def test_cells_that_are_no_numbers_are_refused_in_plain_words(model, cells, words):
    table = pd.DataFrame({"a": cells, "b": [1.0, 2.0]})
    with pytest.raises((TypeError, ValueError), match=words):
        clone(model).fit(table, table[["b"]])


def test_a_constant_of_huge_integers_is_filled_with_itself():
    table = np.array([[2**63 - 1, 1], [2**63 - 1, 2]] * 5)
    imputer = DiffusionImputer(generator=GENERATOR, random_state=0).fit(pd.DataFrame(table, dtype="Int64"))
    rows = pd.DataFrame({0: [None, 2**63 - 1], 1: [1, None]}, dtype="Int64")
    assert imputer.transform(rows)[0, 0] == 2**63 - 1


def test_the_denoiser_takes_names_of_all_kinds():
    table = pd.DataFrame({("a", 1): [1, 2], 2.5: [0.5, 1.5]})
    assert DiffusionDenoiser(**SMALL).fit(table).transform(table).shape == (2, 2)


def test_the_text_nan_is_a_hole_among_numbers():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1, 2, 3]}))
    assert encoder.encode(pd.DataFrame({"a": ["2", "nan"]}), holes=True).codes.ravel().tolist() == [1, -1]


def test_lists_in_place_of_categories_are_refused_in_plain_words():
    encoder = TableEncoder().fit(pl.DataFrame({"a": ["x", "y"]}))
    with pytest.raises(ValueError, match="column 'a' has dtype List"):
        encoder.encode(pl.DataFrame({"a": [[1], [2]]}))


def test_numbers_in_place_of_categories_are_not_noised():
    noiser = DiffusionNoiser(10.0, categorical_features=["a"], random_state=0).fit(
        pd.DataFrame({"a": ["x", "y"]})
    )
    with pytest.raises(ValueError, match="column 'a' has dtype Float64, which does not hold the categories"):
        noiser.transform(pd.DataFrame({"a": [1.0, 2.0]}))


def test_a_column_of_booleans_is_not_filled_with_text(saved):
    rows = TABLE[:3].assign(region=pd.array([True, None, False], dtype="boolean"))
    with pytest.raises(ValueError, match="column 'region' has dtype boolean, which does not hold"):
        saved["imputer"][0].transform(rows)


def test_ten_thousand_categories_come_back():
    table = pd.DataFrame({"a": [f"category {place % 10_000}" for place in range(20_000)]})
    encoder = TableEncoder(max_categories=None).fit(table)
    codes, low, _ = encoder.encode(table)
    assert encoder.n_codes_.tolist() == [10_000]
    pd.testing.assert_frame_equal(encoder.decode(codes, low, np.random.default_rng(0)), table)
