"""DiffusionNoiser: the laws of its noise, and a good citizen of scikit-learn."""

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DiffusionNoiser
from skdiffusion.datasets import make_mixed_table
from skdiffusion.schedules import Cosine, Karras, LinearBeta, RandomWalk, Schedule

# What no noiser can pass, and why.
BY_POSITION = (
    "A row's noise is drawn by its position: if it followed from the row's content, equal rows would get "
    "equal noise, not independent noise. scikit-learn expects the same failures of its BernoulliRBM and "
    "DummyClassifier, which draw in a method too. The tag non_deterministic, which would skip the checks, "
    "would be untrue."
)
EXPECTED = {
    "check_methods_subset_invariance": BY_POSITION,
    "check_methods_sample_order_invariance": BY_POSITION,
}
RANDOM_STEP = {
    "check_dict_unchanged": (
        "steps_ is documented to be the steps of the last call of transform, which in scikit-learn returns "
        "nothing but the rows."
    )
}
DIFFERENT = (
    "The check wants fit(X).transform(X) to equal fit_transform(X). That they differ is what fit_only=True "
    "is for; scikit-learn documents the same of TargetEncoder."
)
FIT_ONLY = {"check_transformer_general": DIFFERENT, "check_transformer_data_not_an_array": DIFFERENT}


@parametrize_with_checks(
    [
        DiffusionNoiser(),
        DiffusionNoiser(schedule="cosine", clip=(-1, 1)),
        DiffusionNoiser(schedule=Karras(), step=3),
        DiffusionNoiser(step="random"),
        DiffusionNoiser(fit_only=True),
        DiffusionNoiser(categorical_features="from_dtype"),
    ],
    expected_failed_checks=lambda noiser: (
        FIT_ONLY if noiser.fit_only else EXPECTED | (RANDOM_STEP if noiser.step == "random" else {})
    ),
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# The noise


@pytest.mark.parametrize("step", [0, 1, 25, 100, "last"])
def test_noise_is_normal_with_the_variance_of_its_step(step):
    noise = DiffusionNoiser(0.1, 100, step=step, random_state=0).fit_transform(np.zeros((20_000, 1)))
    t = 100 if step == "last" else step
    if t == 0:
        assert_array_equal(noise, 0)
    else:
        assert stats.kstest(noise.ravel() / (0.1 * np.sqrt(t)), "norm").pvalue > 0.01


def test_one_draw_is_distributed_as_the_sum_of_single_steps():
    x = np.full((20_000, 1), 0.5)
    walked = x
    rng = np.random.default_rng(0)
    for _ in range(100):
        walked = walked + rng.normal(0, 0.1, x.shape)
    drawn = DiffusionNoiser(0.1, 100, random_state=0).fit_transform(x)
    assert stats.ks_2samp(walked.ravel(), drawn.ravel()).pvalue > 0.01


def test_cells_are_noised_independently():
    noise = DiffusionNoiser(random_state=0).fit_transform(np.zeros((50_000, 4)))
    # A correlation of independent columns has a standard error of 0.0045.
    assert_allclose(np.corrcoef(noise.T), np.eye(4), atol=0.018)
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 0.018


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("step", [20, 50, "last"])
def test_variance_preserving_schedules_keep_unit_variance(schedule, step):
    x = np.random.default_rng(1).normal(size=(50_000, 2))
    noised = DiffusionNoiser(schedule=schedule, step=step, random_state=0).fit_transform(x)
    assert_allclose(noised.std(axis=0), 1, rtol=0.013)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [("random_walk", RandomWalk(0.1, 7)), ("linear", LinearBeta(7)), ("cosine", Cosine(7))],
)
def test_a_name_stands_for_a_schedule(name, schedule):
    x = np.ones((50, 2))
    by_name = DiffusionNoiser(0.1, 7, schedule=name, random_state=0).fit_transform(x)
    assert_array_equal(by_name, DiffusionNoiser(schedule=schedule, random_state=0).fit_transform(x))


def test_noise_level_may_differ_between_features():
    noiser = DiffusionNoiser([0.0, 0.1, 1.0], 4, random_state=0)
    assert_allclose(noiser.fit_transform(np.zeros((50_000, 3))).std(axis=0), [0, 0.2, 2], rtol=0.013)


def test_each_row_gets_its_own_random_step():
    noiser = DiffusionNoiser(1.0, 4, step="random", random_state=0)
    noise = noiser.fit_transform(np.zeros((80_000, 2)))
    assert_array_equal(np.unique(noiser.steps_), [1, 2, 3, 4])
    assert stats.chisquare(np.bincount(noiser.steps_)[1:]).pvalue > 0.01
    for t in (1, 2, 3, 4):
        assert_allclose(noise[noiser.steps_ == t].std(axis=0), np.sqrt(t), rtol=0.02)


def test_categorical_cells_keep_their_category_with_the_share_of_the_step():
    x = np.repeat([0.0, 1.0], [30_000, 10_000])[:, None]
    noiser = DiffusionNoiser(schedule="cosine", step=50, categorical_features=[0], random_state=0)
    noised = noiser.fit_transform(x)
    keep = 1 / (1 + noiser.schedule_.sigma(50) ** 2)
    assert_allclose(np.mean(noised[:30_000] == 0), keep + (1 - keep) * 0.75, atol=0.01)
    assert_allclose(np.mean(noised[30_000:] == 1), keep + (1 - keep) * 0.25, atol=0.02)


def test_categorical_noise_keeps_the_frequencies_of_the_training_table():
    x = np.random.default_rng(0).choice(3, size=(40_000, 1), p=[0.7, 0.2, 0.1])
    noised = DiffusionNoiser(5.0, categorical_features=[True], random_state=0).fit_transform(x)
    assert_allclose(np.bincount(noised.ravel().astype(int)) / 40_000, [0.7, 0.2, 0.1], atol=0.01)


def test_a_categorical_column_uses_its_own_noise_level():
    x = np.tile([[0.0, 0.0, 5.0], [1.0, 1.0, 5.0]], (5_000, 1))
    noiser = DiffusionNoiser([0.0, 100.0, 0.5], 1, categorical_features=[0, 1], random_state=0)
    noised = noiser.fit_transform(x)
    assert_array_equal(noised[:, 0], x[:, 0])
    assert_allclose(np.mean(noised[:, 1] == x[:, 1]), 0.5, atol=0.02)
    assert_allclose(noised[:, 2].std(), 0.5, rtol=0.03)


# Paths


@pytest.mark.parametrize("schedule", ["random_walk", "linear", "cosine", RandomWalk([0.3, 0.1], 4)], ids=repr)
def test_each_step_of_a_path_is_distributed_as_the_noise_of_that_step(schedule):
    x = np.full((20_000, 2), 0.7)
    noiser = DiffusionNoiser(0.3, 4, schedule=schedule, random_state=0).fit(x)
    path = noiser.path(x)
    assert path.shape == (5, 20_000, 2)
    assert_array_equal(path[0], x)
    for t in range(1, 5):
        drawn = clone(noiser).set_params(step=t, random_state=1).fit_transform(x)
        assert stats.ks_2samp(path[t, :, 0], drawn[:, 0]).pvalue > 0.005


@pytest.mark.parametrize("schedule", ["random_walk", "cosine"])
def test_increments_of_a_path_are_independent(schedule):
    x = np.zeros((50_000, 1))
    noiser = DiffusionNoiser(0.3, 5, schedule=schedule, random_state=0).fit(x)
    walk = noiser.path(x)[..., 0] / noiser.schedule_.scale(np.arange(6))[:, None]
    increments = np.diff(walk, axis=0)
    assert_allclose(np.corrcoef(increments), np.eye(5), atol=0.018)
    variances = noiser.schedule_.sigmas() ** 2
    assert_allclose(increments.var(axis=1), np.diff(variances), rtol=0.026)


def test_categories_on_a_path_have_the_shares_of_their_steps():
    x = np.repeat([0.0, 1.0], 20_000)[:, None]
    noiser = DiffusionNoiser(0.5, 6, categorical_features=[0], random_state=0).fit(x)
    path = noiser.path(x)[..., 0]
    keep = 1 / (1 + noiser.schedule_.sigmas() ** 2)
    assert_allclose((path == x[:, 0]).mean(axis=1), keep + (1 - keep) / 2, atol=0.015)


def test_categories_on_a_path_are_markov():
    x = np.repeat([0.0, 1.0], 50_000)[:, None]
    path = DiffusionNoiser(0.5, 3, categorical_features=[0], random_state=0).fit(x).path(x)[..., 0]
    moved = [np.mean(path[3][(path[2] == 0) & (path[1] == before)] == 1) for before in (0, 1)]
    assert abs(moved[0] - moved[1]) < 0.02


def test_a_path_is_clipped_and_keeps_dtype_and_missing_cells():
    x = np.array([[0.5, np.nan]], np.float32)
    path = DiffusionNoiser(1.0, 50, clip=(0, 1), random_state=0).fit(x).path(x)
    assert path.dtype == np.float32
    assert path[..., 0].min() >= 0
    assert path[..., 0].max() <= 1
    assert np.isnan(path[..., 1]).all()


def test_a_path_takes_its_own_memory_and_little_more():
    x = np.zeros((2_000, 50))
    noiser = DiffusionNoiser(n_steps=20, clip=(0, 1), schedule="cosine").fit(x)
    assert peak_of(lambda: noiser.path(x)) < 1.1 * 21 * x.nbytes


def test_a_path_of_a_mixed_table_holds_its_cells():
    table = make_mixed_table(60, random_state=0)
    noiser = DiffusionNoiser(0.5, 3, categorical_features="from_dtype", random_state=0).fit(table)
    path = noiser.path(table)
    assert path.shape == (4, 60, 7)
    assert path.dtype == object
    assert_array_equal(path[0, :, 3], table["education"])
    assert set(path[..., 4].ravel()) <= set(table["region"].cat.categories)
    assert path[3, :, 0].astype(float).std() > 0


# Tables keep what they are


floats = npst.arrays(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(1, 30), st.integers(1, 5)),
    elements=st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, width=32)),
)
parameters = st.fixed_dictionaries(
    {
        "noise_level": st.floats(0, 10),
        "n_steps": st.integers(1, 30),
        "schedule": st.sampled_from(["random_walk", "linear", "cosine"]),
        "step": st.sampled_from(["last", "random", 0, 1]),
        "clip": st.sampled_from([None, (-1, 2.5), (0, np.inf)]),
        "categorical_features": st.sampled_from([None, [0]]),
        "random_state": st.integers(0, 2**31),
    }
)


@settings(deadline=None, max_examples=150)
@given(floats, parameters)
def test_whatever_the_table(x, parameters):
    before = x.copy()
    noiser = DiffusionNoiser(**parameters)
    noised = noiser.fit_transform(x)
    assert_array_equal(x, before)
    assert noised.dtype == x.dtype
    assert noised.shape == x.shape
    assert_array_equal(np.isnan(noised), np.isnan(x))
    assert_array_equal(noiser.transform(x), noised)
    numbers = noised if parameters["categorical_features"] is None else noised[:, 1:]
    if parameters["clip"] is not None:
        low, high = parameters["clip"]
        assert np.all((numbers >= low) & (numbers <= high) | np.isnan(numbers))


@pytest.mark.parametrize("dtype", [int, bool, np.float16, np.uint8])
@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_other_numbers_become_float64(dtype, categorical_features):
    noiser = DiffusionNoiser(categorical_features=categorical_features)
    assert noiser.fit_transform(np.ones((3, 2), dtype)).dtype == np.float64


def test_no_noise_gives_the_same_table():
    x = np.random.default_rng(0).normal(size=(20, 3))
    assert_array_equal(DiffusionNoiser(0).fit_transform(x), x)


def test_read_only_input_works():
    x = np.zeros((5, 2))
    x.setflags(write=False)
    assert DiffusionNoiser().fit_transform(x).flags.writeable


def test_memory_mapped_input_works(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((50, 3), np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = DiffusionNoiser(random_state=0).fit_transform(np.ones((50, 3), np.float32))
    assert_array_equal(DiffusionNoiser(random_state=0).fit_transform(x), expected)


def peak_of(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


MEGABYTE = 2**20  # the blocks in which categories are drawn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("hole", [False, True])
def test_peak_memory_is_at_most_twice_the_input(dtype, order, hole):
    x = np.zeros((40_000, 20), dtype, order=order)
    if hole:
        x[3, 4] = np.nan
    noiser = DiffusionNoiser(clip=(0, 1), schedule="cosine").fit(x)
    assert peak_of(lambda: noiser.transform(x)) < 1.02 * x.nbytes


@pytest.mark.parametrize("step", ["last", "random"])
@pytest.mark.parametrize("categorical", [[0], list(range(10)), list(range(20))], ids=len)
def test_peak_memory_is_at_most_twice_an_input_with_categories(step, categorical):
    x = np.tile(np.arange(200_000, dtype=np.float32) % 5, (20, 1)).T
    noiser = DiffusionNoiser(clip=(0, 1), step=step, categorical_features=categorical)
    assert peak_of(lambda: noiser.fit_transform(x)) < 1.02 * x.nbytes + MEGABYTE


@pytest.mark.parametrize("n_columns", [1, 20])
def test_peak_memory_is_at_most_twice_an_array_of_categories(n_columns):
    x = np.array(list("abcde") * (200_000 // n_columns), dtype=object).reshape(-1, n_columns)
    noiser = DiffusionNoiser(categorical_features=list(range(n_columns))).fit(x)
    assert peak_of(lambda: noiser.transform(x)) < 1.02 * x.nbytes + MEGABYTE


@pytest.mark.parametrize("step", ["last", "random"])
def test_peak_memory_is_at_most_twice_a_frame_and_a_column(step):
    codes = np.arange(500_000) % 5
    table = pd.DataFrame({f"c{i}": pd.Categorical.from_codes(codes, list("abcde")) for i in range(20)})
    noiser = DiffusionNoiser(step=step, categorical_features="from_dtype")
    noiser.fit_transform(table[:10])  # pandas imports some of itself when first used
    size = table.memory_usage(deep=True).sum()
    assert peak_of(lambda: noiser.transform(table)) < (1 + 1 / 20) * size + MEGABYTE


def test_peak_memory_is_at_most_twice_a_mixed_frame():
    table = make_mixed_table(50_000, random_state=0)
    noiser = DiffusionNoiser(categorical_features="from_dtype")
    noiser.fit_transform(table[:10])
    size = table.memory_usage(deep=True).sum()
    assert peak_of(lambda: noiser.fit_transform(table)) < size + MEGABYTE


def test_steps_take_the_smallest_dtype_that_holds_them():
    for n_steps, dtype in ((255, np.uint8), (256, np.uint16)):
        noiser = DiffusionNoiser(n_steps=n_steps, step="random").fit(np.zeros((2_000, 1)))
        noiser.transform(np.zeros((2_000, 1)))
        assert noiser.steps_.dtype == dtype
        assert noiser.steps_.max() > 0.9 * n_steps


def test_fit_only_passes_new_tables_through():
    x = np.random.default_rng(0).normal(size=(20, 3))
    noiser = DiffusionNoiser(fit_only=True, clip=(0, 1), random_state=0)
    noised = noiser.fit_transform(x)
    assert_array_equal(noiser.transform(x), x)
    assert_array_equal(noised, DiffusionNoiser(clip=(0, 1), random_state=0).fit_transform(x))


def test_fit_only_passes_mixed_tables_through():
    table = make_mixed_table(30, random_state=0)
    noiser = DiffusionNoiser(fit_only=True, categorical_features="from_dtype").fit(table)
    passed = noiser.transform(table)
    pd.testing.assert_frame_equal(passed, table.astype({"age": float}))
    assert passed is not table


# Mixed tables


def mixed_pandas():
    return make_mixed_table(200, random_state=0)


def mixed_polars():
    return pl.from_pandas(mixed_pandas()).with_columns(
        pl.col("education").cast(pl.Enum(["school", "college", "university"]))
    )


@pytest.mark.parametrize("make", [mixed_pandas, mixed_polars])
def test_a_mixed_frame_keeps_kind_dtypes_and_holes(make):
    table, before = make(), make()
    noised = DiffusionNoiser(1.0, 4, categorical_features="from_dtype", random_state=0).fit_transform(table)
    assert type(noised) is type(table)
    assert table.equals(before)
    assert list(noised.columns) == list(table.columns)
    categorical = ["education", "region", "employed", "job"]
    assert [noised[name].dtype for name in categorical] == [table[name].dtype for name in categorical]
    for name in categorical:
        old, new = np.array(table[name].to_list(), object), np.array(noised[name].to_list(), object)
        assert set(map(str, new)) <= set(map(str, old))
        assert 0.1 < np.mean([str(a) != str(b) for a, b in zip(old, new, strict=True)]) < 0.9
    assert_array_equal(pd.isna(noised["job"].to_list()), pd.isna(table["job"].to_list()))
    assert_array_equal(np.isnan(noised["income"].to_numpy()), np.isnan(table["income"].to_numpy()))
    assert (noised["age"].to_numpy() != table["age"].to_numpy()).all()


@pytest.mark.parametrize("make", [mixed_pandas, mixed_polars])
@pytest.mark.parametrize(("container", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_turns_a_mixed_frame_into_the_other_kind(make, container, kind):
    noiser = DiffusionNoiser(categorical_features="from_dtype", random_state=0)
    noised = noiser.set_output(transform=container).fit_transform(make())
    assert type(noised) is kind
    assert str(noised["income"].dtype).lower() == "float64"
    assert list(noised.columns) == list(mixed_pandas().columns)


def test_a_mixed_frame_keeps_its_index():
    table = mixed_pandas().set_index(np.arange(200) // 2)
    noised = DiffusionNoiser(categorical_features="from_dtype").fit_transform(table)
    assert_array_equal(noised.index, table.index)


def test_names_and_a_mask_and_indices_choose_the_same_columns():
    table = mixed_pandas()
    names = ["education", "region", "employed", "job"]
    choices = [names, np.isin(table.columns, names), [3, 4, 5, 6], "from_dtype", pd.Index(names)]
    fitted = [DiffusionNoiser(categorical_features=c, random_state=0).fit(table) for c in choices]
    for noiser in fitted:
        assert_array_equal(noiser.is_categorical_, [0, 0, 0, 1, 1, 1, 1])
        assert noiser.transform(table).equals(fitted[0].transform(table))


def test_frequencies_are_those_of_the_training_table():
    noiser = DiffusionNoiser(categorical_features=[0]).fit(
        np.array([["b", 1], ["a", 2], [None, 3], ["b", 4], ["b", 5]], dtype=object)
    )
    assert noiser.categories_[0].tolist() == ["a", "b"]
    assert_allclose(noiser.category_frequencies_[0], [0.25, 0.75])


def test_an_array_of_objects_stays_one():
    x = np.array([["a", 1.0], [None, 2.0], ["b", None]] * 20, dtype=object)
    noised = DiffusionNoiser(1.0, categorical_features=[True, False], random_state=0).fit_transform(x)
    assert noised.dtype == object
    assert set(noised[:, 0]) == {"a", "b", None}
    assert_array_equal(noised[:, 0] == None, x[:, 0] == None)  # noqa: E711
    assert_array_equal(np.isnan(noised[:, 1].astype(float)), np.isnan(x[:, 1].astype(float)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("schedule", ["random_walk", "cosine"])
def test_categories_of_a_float_array_stay_exact(dtype, schedule):
    x = np.random.default_rng(0).choice([0.1, 1 / 3, 7e9], size=(500, 2)).astype(dtype)
    noiser = DiffusionNoiser(
        1.0, 5, schedule=schedule, clip=(0, 1), categorical_features=[1], step="random", random_state=0
    )
    noised = noiser.fit_transform(x)
    assert_array_equal(np.unique(noised[:, 1]), np.unique(x[:, 1]))
    assert_array_equal(np.unique(noiser.path(x)[..., 1]), np.unique(x[:, 1]))
    assert 0 <= noised[:, 0].min() < noised[:, 0].max() <= 1


def test_a_mixed_frame_gets_the_same_noise_in_pandas_and_polars():
    table = make_mixed_table(300, random_state=0)
    noiser = DiffusionNoiser(1.0, 4, categorical_features="from_dtype", random_state=0).fit(table)
    noised, others = noiser.transform(table), noiser.transform(pl.from_pandas(table))
    assert_array_equal(noised["income"], others["income"].to_numpy())
    assert noised["region"].tolist() == others["region"].to_list()


def test_lists_of_strings_and_numbers_become_objects():
    noised = DiffusionNoiser(0.0, categorical_features=[0]).fit_transform([["a", 1], ["b", 2]])
    assert_array_equal(noised, np.array([["a", 1.0], ["b", 2.0]], dtype=object))


def test_a_table_of_categories_alone_is_noised():
    for table in (mixed_pandas()[["region", "job"]], mixed_polars()[["region", "job"]]):
        noised = DiffusionNoiser(categorical_features="from_dtype", random_state=0).fit_transform(table)
        assert noised.shape == table.shape
        assert not noised.equals(table)


def test_a_frame_of_numbers_becomes_an_array_by_default():
    table = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    noiser = DiffusionNoiser(0, categorical_features="from_dtype").fit(table)
    assert_array_equal(noiser.transform(table), table.to_numpy())
    assert not noiser.is_categorical_.any()


def test_unseen_categories_are_kept_or_replaced():
    noiser = DiffusionNoiser(1.0, 1, categorical_features=[0], random_state=0).fit([["a"], ["b"]])
    noised = noiser.transform(np.full((500, 1), "new", dtype=object))
    assert set(noised.ravel()) == {"a", "b", "new"}


def test_a_column_without_any_category_stays_empty():
    empty = np.full((4, 1), np.nan)
    noiser = DiffusionNoiser(9.0, categorical_features=[0], random_state=0).fit(empty)
    assert np.isnan(noiser.transform(empty)).all()
    assert_array_equal(noiser.transform([[1.0], [2.0]]), [[1.0], [2.0]])


# Beside others


def test_names_of_features_are_kept_on_request():
    table = pd.DataFrame(np.zeros((4, 2)), columns=["a", "b"], index=[5, 6, 7, 8])
    noiser = DiffusionNoiser().fit(table)
    assert isinstance(noiser.transform(table), np.ndarray)
    noised = noiser.set_output(transform="pandas").transform(table)
    assert list(noised.columns) == ["a", "b"]
    assert list(noised.index) == [5, 6, 7, 8]
    assert noiser.set_output(transform="polars").transform(table).columns == ["a", "b"]
    assert_array_equal(noiser.get_feature_names_out(), ["a", "b"])


def test_float32_frames_stay_float32():
    table = pd.DataFrame(np.zeros((4, 2), np.float32), columns=["a", "b"])
    assert set(DiffusionNoiser().set_output(transform="pandas").fit_transform(table).dtypes) == {
        np.dtype("f4")
    }


def test_in_a_pipeline_noise_with_fit_only_is_for_training_alone():
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x @ [1.0, 2.0, 3.0]
    noisy = make_pipeline(MinMaxScaler(), DiffusionNoiser(0.1, 4, fit_only=True, random_state=0), Ridge(1e-6))
    noisy.fit(x, y)
    scaled = MinMaxScaler().fit_transform(x)
    assert_allclose(noisy.predict(x), noisy[-1].predict(scaled))
    assert np.linalg.norm(noisy[-1].coef_) < np.linalg.norm(Ridge(1e-6).fit(scaled, y).coef_)


def test_in_a_union_and_a_column_transformer():
    x = np.ones((30, 3))
    union = FeatureUnion([("clean", FunctionTransformer()), ("noised", DiffusionNoiser(random_state=0))])
    assert_array_equal(union.fit_transform(x)[:, :3], x)
    columns = ColumnTransformer([("noised", DiffusionNoiser(), [0])], remainder="passthrough")
    assert_array_equal(columns.fit_transform(x)[:, 1:], x[:, 1:])


def test_in_a_column_transformer_with_names_for_the_noised_columns():
    table = mixed_pandas()
    noiser = DiffusionNoiser(categorical_features="from_dtype")
    columns = ColumnTransformer([("noised", noiser, ["age", "region"])]).set_output(transform="pandas")
    assert columns.fit_transform(table)["noised__region"].dtype == table["region"].dtype


def test_grid_search_tunes_noise_and_schedule():
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = x.sum(axis=1)
    noiser = DiffusionNoiser(fit_only=True, random_state=0)
    grid = [
        {"noiser__noise_level": [0.0, 1.0], "noiser__n_steps": [1, 50]},
        {"noiser__schedule": [LinearBeta(50)], "noiser__schedule__beta_end": [0.01, 0.02]},
    ]
    pipeline = make_pipeline(noiser, Ridge(1e-6))
    pipeline.steps[0] = ("noiser", noiser)
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(x, y)
    assert search.best_params_["noiser__noise_level"] == 0.0
    assert (
        len(np.unique(search.cv_results_["mean_test_score"])) == 5
    )  # no noise is the same at 1 and 50 steps


def test_parameters_of_a_schedule_are_set_through_the_noiser():
    noiser = DiffusionNoiser(schedule=Cosine()).set_params(schedule__n_steps=7)
    assert len(noiser.fit(np.zeros((2, 1))).path(np.zeros((2, 1)))) == 8


def test_a_fitted_noiser_does_not_follow_its_parameter():
    noiser = DiffusionNoiser(schedule=RandomWalk(0.0)).fit(np.zeros((3, 1)))
    noiser.schedule.noise_level = 1.0
    assert_array_equal(noiser.transform(np.zeros((3, 1))), 0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda noiser: pickle.loads(pickle.dumps(noiser))])
def test_copies_add_the_same_noise(copied):
    table = mixed_pandas()
    noiser = DiffusionNoiser(schedule=Cosine(), categorical_features="from_dtype", random_state=0).fit(table)
    assert copied(noiser).transform(table).equals(noiser.transform(table))


def test_a_clone_is_not_fitted():
    noiser = clone(DiffusionNoiser([0.1, 0.2], schedule=Karras()).fit(np.zeros((2, 2))))
    for method in (noiser.transform, noiser.path):
        with pytest.raises(NotFittedError):
            method(np.zeros((2, 2)))


# Randomness


def test_an_int_seed_gives_the_same_noise_on_each_call():
    x = np.zeros((9, 2))
    noiser = DiffusionNoiser(random_state=0).fit(x)
    assert_array_equal(noiser.transform(x), noiser.transform(x))
    assert not np.array_equal(noiser.transform(x), DiffusionNoiser(random_state=1).fit_transform(x))


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_other_seeds_give_new_noise_on_each_call(random_state):
    noiser = DiffusionNoiser(random_state=random_state).fit(np.zeros((9, 2)))
    assert not np.array_equal(noiser.transform(np.zeros((9, 2))), noiser.transform(np.zeros((9, 2))))


def test_with_a_seed_global_random_state_is_left_alone():
    table = mixed_pandas()
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]  # noqa: NPY002
    noiser = DiffusionNoiser(step="random", categorical_features="from_dtype", random_state=0)
    noiser.fit_transform(table)
    noiser.path(table)
    after = np.random.get_state()  # noqa: NPY002
    assert_array_equal(before[0], after[1])
    assert before[1] == after[2]


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise_level": -1}, "noise_level must be finite and not negative, .*, got -1"),
        ({"noise_level": True}, "noise_level must be finite and not negative, .*, got True"),
        ({"noise_level": [True, False]}, "noise_level must be .*, got .True, False"),
        ({"fit_only": "yes"}, "fit_only must be one of True, False, got 'yes'"),
        ({"noise_level": [1, 2, 3]}, "noise_level has 3 entries, but X has 2 features: give one number, or"),
        ({"n_steps": 0}, "n_steps must be an integer >= 1, got 0"),
        (
            {"schedule": "sine"},
            "schedule must be 'random_walk', 'linear', 'cosine' or a Schedule .*, got 'sine'",
        ),
        ({"schedule": Cosine}, "schedule must be .*, got <class"),
        ({"schedule": Karras(rho=-1)}, "rho must be a finite number > 0, got -1"),
        ({"step": "first"}, "step must be 'last', 'random' or an integer from 0 to n_steps=100, got 'first'"),
        ({"step": 101}, "step must be .*, got 101"),
        ({"step": True}, "step must be .*, got True"),
        ({"step": 1.0}, r"step must be .*, got 1\.0"),
        ({"clip": 1}, r"clip must be None or a pair \(low, high\) of numbers, got 1"),
        ({"clip": "01"}, "clip must be None or a pair .*, got '01'"),
        ({"clip": (0, 1, 2)}, "clip must be None or a pair"),
        ({"clip": (1, 0)}, r"clip must be a pair \(low, high\) with low below high, got \(1, 0\)"),
        ({"clip": (0, np.nan)}, "with low below high"),
        ({"categorical_features": "dtype"}, "categorical_features must be .*, got 'dtype'"),
    ],
    ids=repr,
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        DiffusionNoiser(**parameters).fit(np.zeros((3, 2)))


def test_infinity_is_refused():
    for categorical_features in (None, [0]):
        with pytest.raises(ValueError, match="Input X contains infinity"):
            DiffusionNoiser(categorical_features=categorical_features).fit([[0.0, np.inf]])


def test_sparse_input_is_refused():
    for categorical_features in (None, [0]):
        with pytest.raises(TypeError, match=r"Sparse data was passed .* dense data is required"):
            DiffusionNoiser(categorical_features=categorical_features).fit(sparse.csr_array(np.eye(3)))


@pytest.mark.parametrize("categorical_features", [None, [0]])
@pytest.mark.parametrize("dtype", [float, object])
def test_another_width_is_refused(categorical_features, dtype):
    noiser = DiffusionNoiser(categorical_features=categorical_features).fit(np.zeros((2, 3), dtype))
    with pytest.raises(ValueError, match="X has 2 features, but DiffusionNoiser is expecting 3 features"):
        noiser.transform(np.zeros((2, 2), dtype))


def test_other_names_are_refused():
    table = mixed_pandas()
    noiser = DiffusionNoiser(categorical_features="from_dtype").fit(table)
    with pytest.raises(ValueError, match="feature names should match"):
        noiser.transform(table.rename(columns={"age": "years"}))


def test_columns_without_numbers_are_named_with_the_remedy():
    with pytest.raises(
        ValueError, match=r"columns \['education', .*\] hold no numbers: set categorical_features"
    ):
        DiffusionNoiser().fit(mixed_pandas())
    with pytest.raises(
        ValueError, match=r"\['region', 'job'\] hold no numbers: add them to categorical_feat"
    ):
        DiffusionNoiser(categorical_features=["education"]).fit(mixed_pandas())


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("columns", [["when", "x"], ["when"], ["for", "x"]])
@pytest.mark.parametrize("categorical_features", [None, "from_dtype"])
def test_dates_and_durations_are_named_with_the_remedy(container, columns, categorical_features):
    days = pd.to_datetime(["2020-01-01", "2020-01-02"])
    table = container({"when": days, "for": days - days[0], "x": [1.0, 2.0]})[columns]
    with pytest.raises(
        ValueError, match=rf"columns \['{columns[0]}'\] hold dates or times: convert them to numbers"
    ):
        DiffusionNoiser(categorical_features=categorical_features).fit(table)


def test_dates_may_be_categories():
    days = pd.to_datetime(["2020-01-01", "2020-01-02"] * 50)
    noised = DiffusionNoiser(9.0, categorical_features=["when"]).fit_transform(pd.DataFrame({"when": days}))
    assert noised["when"].dtype == days.dtype
    assert set(noised["when"]) == set(days)


@pytest.mark.parametrize("categorical_features", [None, "from_dtype", [1]])
@pytest.mark.parametrize("cells", [[1.0, 2.0], [1.0, "a"]])
def test_columns_that_share_a_name_are_named(categorical_features, cells):
    table = pd.DataFrame([cells], columns=["a", "a"])
    with pytest.raises(ValueError, match=r"several columns of the same name, \['a'\]: rename them"):
        DiffusionNoiser(categorical_features=categorical_features).fit(table)


@pytest.mark.parametrize("categorical_features", ["from_dtype", [1]])
def test_columns_named_by_several_levels_are_named_with_a_remedy_that_works(categorical_features):
    table = pd.DataFrame([[1.0, "a"], [2.0, "b"]], columns=pd.MultiIndex.from_product([["a"], ["x", "y"]]))
    noiser = DiffusionNoiser(categorical_features=categorical_features)
    with pytest.raises(ValueError, match=r"not strings, \[\('a', 'x'\), .* X.columns = \[str\(name\) for"):
        noiser.fit(table)
    table.columns = [str(name) for name in table.columns]
    assert noiser.fit_transform(table).shape == (2, 2)


def test_an_infinite_number_of_a_mixed_table_is_named_by_its_column():
    with pytest.raises(ValueError, match=r"Input X\['a'\] contains infinity"):
        DiffusionNoiser(categorical_features=[1]).fit(pd.DataFrame({"a": [np.inf], "b": ["x"]}))
    with pytest.raises(ValueError, match=r"Input X\[:, 0\] contains infinity"):
        DiffusionNoiser(categorical_features=[1]).fit(np.array([[np.inf, "x"]], object))


def test_other_errors_of_a_frame_are_those_of_scikit_learn():
    with pytest.raises(ValueError, match="Input X contains infinity"):
        DiffusionNoiser().fit(pd.DataFrame({"a": [np.inf]}))


@pytest.mark.parametrize("categorical_features", ["from_dtype", [1]])
def test_column_names_that_are_not_strings_are_named(categorical_features):
    X = pd.DataFrame({0: [1.0, 2.0], 1: ["a", "b"]})
    with pytest.raises(ValueError, match=r"column names that are not strings, \[0, 1\].*rename them"):
        DiffusionNoiser(categorical_features=categorical_features).fit(X)


@pytest.mark.parametrize("dtype", ["int64", "int8", "float32", "bool"])
def test_a_pandas_column_of_numbers_may_be_categorical(dtype):
    X = pd.DataFrame({"number": [0.5] * 60, "code": np.arange(60) % 2}).astype({"code": dtype})
    noised = DiffusionNoiser(100.0, categorical_features=["code"], random_state=0).fit_transform(X)
    assert noised["code"].dtype == X["code"].dtype
    assert 10 < (noised["code"] != X["code"]).sum() < 50


def test_a_failed_first_fit_leaves_the_noiser_unfitted():
    noiser = DiffusionNoiser(clip="no")
    with pytest.raises(ValueError, match="clip"):
        noiser.fit(np.zeros((3, 2)))
    with pytest.raises(NotFittedError):
        noiser.transform(np.zeros((3, 2)))


def test_a_failed_fit_leaves_the_earlier_state():
    X = np.ones((3, 2))
    noiser = DiffusionNoiser(0.0, random_state=0).fit(X)
    noiser.set_params(noise_level=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="noise_level has 3 entries"):
        noiser.fit(np.ones((3, 4)))
    assert noiser.n_features_in_ == 2
    assert_array_equal(noiser.transform(X), X)


@pytest.mark.parametrize("levels", [[0.0, 1.0, 0.5], [0.1, 0.2, 0.3]])
def test_a_schedule_whose_levels_fall_or_begin_above_0_is_refused(levels):
    class Odd(Schedule):
        def sigmas(self):
            return np.array(levels)

    with pytest.raises(ValueError, match="must begin at 0 and never fall"):
        DiffusionNoiser(schedule=Odd()).fit(np.zeros((3, 2)))
