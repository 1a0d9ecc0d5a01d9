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
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from _odd_tables import odd_tables
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
)
from skdiffusion._encoder import TableEncoder

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
@tries(60)
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
@tries(60)
def test_odd_tables_are_noised(table, other, categorical):
    noiser = DiffusionNoiser(0.1, 3, categorical_features=categorical, random_state=0)
    if attempt(noiser.fit, table) is None:
        return
    for method in (noiser.transform, noiser.path):
        noised = attempt(method, table)
        assert noised is not None
        assert noised.shape[-2:] == np.shape(table)
        attempt(method, other)


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
    "masked": (GENERATOR, ["score_samples", "score_cells", "sample"]),
    "gaussian": (clone(GENERATOR).set_params(process="gaussian"), ["score_samples", "sample"]),
    "denoiser": (DiffusionDenoiser(**SMALL), ["transform"]),
    "imputer": (DiffusionImputer(generator=GENERATOR, random_state=0), ["transform"]),
    "detector": (
        DiffusionOutlierDetector(generator=GENERATOR, random_state=0),
        ["score_samples", "predict", "explain"],
    ),
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
    prototype, methods = ESTIMATORS[name]
    model = clone(prototype)
    if attempt(model.fit, table) is None:
        assert not any(attribute.endswith("_") for attribute in vars(model))
        return
    for method in methods:
        assert call(model, method, table) is not None
        call(model, method, other)


@pytest.fixture(scope="module")
def learnt():
    """Estimators fitted to a plain table."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "a": rng.normal(size=60),
            "b": np.where(rng.random(60) < 0.5, "a", None),
            "": rng.integers(9, size=60),
        }
    )
    numbers = rng.normal(size=(60, 3))
    return {
        (name, kind): clone(model).fit(X)
        for name, (model, _) in ESTIMATORS.items()
        for kind, X in (("frame", table), ("array", numbers))
    }


@pytest.mark.parametrize("kind", ["frame", "array"])
@pytest.mark.parametrize("name", ESTIMATORS)
@given(table=odd_tables(n_columns=3), rename=st.booleans())
@tries(10)
def test_odd_tables_meet_fitted_estimators(learnt, name, kind, table, rename):
    if rename and isinstance(table, pd.DataFrame | pl.DataFrame):
        table = (
            table.set_axis(["a", "b", ""], axis=1)
            if hasattr(table, "iloc")
            else table.rename(dict(zip(table.columns, ["a", "b", ""], strict=True)))
        )
    model = learnt[name, kind]
    for method in ESTIMATORS[name][1]:
        call(model, method, table)


@given(table=odd_tables(), y=st.lists(st.sampled_from(["a", "b", 1, 2.5, None]), max_size=40))
@tries(2)
def test_odd_tables_are_over_sampled(table, y):
    y = [*y, *"aabb" * 10][: np.shape(table)[0] if np.ndim(table) else 0]
    sampler = DiffusionOverSampler(generator=GENERATOR, random_state=0)
    attempt(lambda table: sampler.fit_resample(table, y), table)
