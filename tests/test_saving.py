"""Estimators in files: pickle, joblib and skops, fresh processes, other versions, damaged files."""

import io
import pickle
import re
import sys
import zipfile
from functools import partial
from pathlib import Path

import _frames
import joblib
import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest
import skops.io
from _saved import TABLE, result
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skdiffusion
from skdiffusion import DiffusionGenerator, DiffusionNoiser
from skdiffusion._state import as_plain, from_plain

pytestmark = pytest.mark.usefixtures("uncompiled")

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "saving.md").read_text()
TRUSTED = re.findall(r'^    "(skdiffusion\..+)",$', PAGE, re.MULTILINE)
# What a table may bring along: files of other tables have these.
RARE = {
    "skdiffusion._grids._IntegerGrid",
    "skdiffusion.schedules.Cosine",
    "skdiffusion.schedules.Karras",
    "skdiffusion.schedules.LinearBeta",
}
load_skops = partial(skops.io.load, trusted=TRUSTED)


@pytest.fixture(scope="module")
def models():
    """Fitted estimators of all kinds, from a file."""
    saved = joblib.load(TESTS / "data" / "saved-0.1.0.joblib")
    return {name: model for name, (model, _) in saved.items()}


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file, compress=True)
    file.seek(0)
    return joblib.load(file)


def through_skops(model):
    return skops.io.loads(skops.io.dumps(model), trusted=TRUSTED)


WAYS = pytest.mark.parametrize("saved_and_loaded", [through_pickle, through_joblib, through_skops])


@WAYS
def test_an_unfitted_estimator_comes_back(saved_and_loaded):
    for name in skdiffusion._EXPORTS:
        model = getattr(skdiffusion, name)()
        assert repr(saved_and_loaded(model)) == repr(model)
        assert vars(saved_and_loaded(model)).keys() == vars(model).keys()


@WAYS
def test_a_fitted_estimator_gives_the_same_results(models, saved_and_loaded):
    assert {type(model).__name__ for model in models.values()} == set(skdiffusion._EXPORTS)
    for name, model in models.items():
        assert_array_equal(result(name, saved_and_loaded(model)), result(name, model), err_msg=name)


# Files of each released format stay in tests/data, and are loaded for ever. Later versions and other
# processors round otherwise.
@pytest.mark.parametrize(
    ("file", "load"), [("saved-0.1.0.joblib", joblib.load), ("saved-0.1.0.skops", load_skops)]
)
def test_a_stored_file_gives_the_results_that_it_gave(file, load):
    for name, (model, expected) in load(TESTS / "data" / file).items():
        assert_allclose(result(name, model), expected, rtol=1e-3, atol=1e-3, err_msg=name)


def test_the_types_to_trust_are_those_that_the_page_lists(models):
    types = {
        kind for model in models.values() for kind in skops.io.get_untrusted_types(data=skops.io.dumps(model))
    }
    assert types | RARE == set(TRUSTED)
    for name in TRUSTED:
        module, _, kind = name.rpartition(".")
        assert isinstance(getattr(sys.modules[module], kind), type)


@pytest.mark.parametrize("mark", [None, {"version": "9.0", "format": 99}])
def test_a_state_of_another_format_is_refused(mark):
    model = DiffusionNoiser()
    state = model.__getstate__()
    mark = {"_skdiffusion": mark} if mark else {}
    other = DiffusionNoiser.__new__(DiffusionNoiser)
    with pytest.raises(
        ValueError, match=r"was saved by skdiffusion .* load it with the version that saved it"
    ):
        other.__setstate__({**{name: state[name] for name in state if name != "_skdiffusion"}, **mark})
    assert vars(other) == {}


def test_the_mark_is_no_attribute():
    model = through_pickle(DiffusionNoiser())
    assert "_skdiffusion" not in vars(model)


# Damage


def dump_pickle(model, path):
    path.write_bytes(pickle.dumps(model))


def load_pickle(path):
    return pickle.loads(path.read_bytes())


def test_a_truncated_file_is_refused(models, tmp_path):
    model, path = models["regressor"], tmp_path / "model"
    for dump, load, errors in (
        (dump_pickle, load_pickle, (EOFError, pickle.UnpicklingError)),
        (joblib.dump, joblib.load, Exception),  # whatever its reader meets first
        (skops.io.dump, load_skops, zipfile.BadZipFile),
    ):
        dump(model, path)
        whole = path.read_bytes()
        for length in np.linspace(1, len(whole) - 1, 40).astype(int):
            path.write_bytes(whole[:length])
            with pytest.raises(errors):
                load(path)


def test_an_altered_file_of_skops_is_refused_or_gives_the_same(models, tmp_path):
    model, path = models["regressor"], tmp_path / "model"
    skops.io.dump(model, path)
    whole, expected = path.read_bytes(), result("regressor", model)
    n_refused = 0
    for place in np.random.default_rng(0).integers(len(whole), size=60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0b100]) + whole[place + 1 :])
        try:
            loaded = load_skops(path)
        except Exception:
            n_refused += 1
        else:
            assert_array_equal(result("regressor", loaded), expected)
    assert n_refused > 30


def test_parameters_that_came_later_have_their_defaults(models):
    model = models["masked"]
    state = {name: value for name, value in model.__getstate__().items() if name != "checkpoint"}
    older = DiffusionGenerator.__new__(DiffusionGenerator)
    older.__setstate__(state)
    assert repr(clone(older)) == repr(clone(model))


# Size


def test_a_default_generator_takes_less_than_5_mebibytes():
    with pytest.warns(ConvergenceWarning, match="raise max_time"):
        model = DiffusionGenerator(epochs=1, max_time=1e-9).fit(TABLE)
    assert len(pickle.dumps(model)) < 5 * 2**20


# Columns as plain data

NAMES = [["a", "b"], [1, 0], ["ü", 7], [("a", 1), ("b", 2)], [None, "x"], ["a", ""]]
ZONED = pd.DatetimeIndex(["2020-01-01"], tz="Europe/Paris")


@pytest.mark.parametrize(
    "frame",
    [
        _frames.PANDAS,
        _frames.PANDAS.convert_dtypes(),
        *(pd.DataFrame([[1, "x"]], columns=names) for names in NAMES),
        pd.DataFrame([[1]], columns=pd.Index(["a"], name="measure")),
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", 1)], names=["x", None])),
        pd.DataFrame({"time": ZONED, "span": ZONED - ZONED, "levels": pd.Categorical(ZONED)}),
        pd.DataFrame({"arrow": pd.array([1, None], dtype="int16[pyarrow]")}),
        pd.DataFrame({"text": pd.array(["a"], dtype="string")}),
    ],
)
def test_pandas_columns_come_back_from_plain_data(frame):
    plain = as_plain(frame.head(0))
    assert isinstance(plain, dict)
    pd.testing.assert_frame_equal(from_plain(plain), frame.head(0), check_index_type=False)


@pytest.mark.parametrize(
    "frame",
    [
        _frames.POLARS,
        pl.DataFrame({"ü": [1.5], "": ["x"]}),
        pl.DataFrame(
            {"decimal": ["1.50"], "time": [0], "span": [0]},
        ).with_columns(
            pl.col("decimal").cast(pl.Decimal(10, 2)),
            pl.col("time").cast(pl.Datetime("ms", "Europe/Paris")),
            pl.col("span").cast(pl.Duration("us")),
        ),
    ],
)
def test_polars_columns_come_back_from_plain_data(frame):
    plain = as_plain(frame[:0])
    assert isinstance(plain, dict)
    pl.testing.assert_frame_equal(from_plain(plain), frame[:0])


@pytest.mark.parametrize(
    "template",
    [
        np.empty((0, 3)),
        pd.DataFrame({"x": pd.array([], dtype=pd.CategoricalDtype([pd.Interval(0, 1)]))}),
        pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)})[:0],
    ],
)
def test_a_table_without_a_plain_form_stays_as_it_is(template):
    restored = from_plain(as_plain(template))
    assert type(restored) is type(template)
    assert str(getattr(restored, "dtypes", None)) == str(getattr(template, "dtypes", None))
