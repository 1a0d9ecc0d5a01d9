"""How good a synthetic table is: agreement with SDMetrics, and laws."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import _metric_distances, metrics
from skdiffusion._comparable import comparable
from skdiffusion._metric_distances import Gower
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import (
    Evaluation,
    closest_record_share,
    copy_ratio,
    evaluate,
    exact_copy_share,
    precision_recall,
    shape_error,
    train_synthetic_test_real,
    trend_error,
    two_sample_score,
)

CATEGORICAL = ["education", "region", "employed", "job"]
ROWS = 400


def resampled(table, seed=0):
    return table.sample(len(table), replace=True, random_state=seed).reset_index(drop=True)


def shuffled(table, seed=0):
    """Shuffle each column on its own."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: column.array[rng.permutation(len(table))] for name, column in table.items()})


@pytest.fixture(scope="module")
def real():
    return make_mixed_table(ROWS, random_state=0)


@pytest.fixture(scope="module")
def fresh():
    return make_mixed_table(ROWS, random_state=1)


@pytest.fixture(scope="module")
def holdout():
    return make_mixed_table(ROWS, random_state=2)


@pytest.fixture(scope="module")
def spoilt():
    """Two tables of unequal length that differ in every way, with dates, missing cells and a new category."""
    tables = [make_mixed_table(n_rows, random_state=seed) for seed, n_rows in enumerate((300, 200))]
    for table in tables:
        table["region"] = table["region"].astype(object)
        table["education"] = table["education"].astype(object)
        table["born"] = pd.Timestamp("2026-01-01") - pd.to_timedelta(365 * table["age"], unit="D")
        table["one"] = 1.0
    real, synthetic = tables
    real.loc[::3, "born"] = pd.NaT
    real.loc[::4, "region"] = None
    synthetic["income"] = 1.5 * synthetic["income"].fillna(1e4)
    synthetic.loc[::7, "region"] = "moon"
    synthetic["savings"] = synthetic["savings"].to_numpy()[::-1]
    synthetic["age"] += 0.5
    return real, synthetic


# Agreement with SDMetrics 0.32


def sdmetrics_errors(real, synthetic):
    """Return 1 minus the scores of SDMetrics: shape, trend with strong pairs, trend with all, per column."""
    pytest.importorskip("sdmetrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table import QualityReport
        from sdmetrics.reports.single_table._properties import ColumnPairTrends

        kinds = {
            name: "datetime" if column.dtype.kind == "M" else "numerical" for name, column in real.items()
        }
        kinds |= dict.fromkeys(CATEGORICAL, "categorical")
        metadata = {"columns": {name: {"sdtype": kind} for name, kind in kinds.items()}}
        report = QualityReport()
        report.generate(real, synthetic, metadata, verbose=False)
        scores = report.get_properties()["Score"].tolist()
        scores.append(ColumnPairTrends().get_score(real.copy(), synthetic.copy(), metadata))
        columns = report.get_details("Column Shapes").set_index("Column")["Score"]
    return [1 - score for score in scores], (1 - columns).to_dict()


def our_errors(*tables):
    return [shape_error(*tables), trend_error(*tables), trend_error(*tables, pairs="all")]


def test_errors_are_those_that_sdmetrics_gave(spoilt, real, fresh):
    # By sdmetrics 0.32.0, as in the test below.
    assert_allclose(our_errors(*spoilt), [0.094373349, 0.171904762, 0.209596825], atol=1e-6)
    assert_allclose(our_errors(real, fresh), [0.045916950, 0.119000000, 0.116408826], atol=1e-6)


def test_errors_are_those_of_sdmetrics(spoilt, real, fresh):
    few = [table[:50].astype({"region": object}) for table in (real, fresh)]
    for tables in (spoilt, (real, fresh), (fresh, real), few):
        errors, columns = sdmetrics_errors(*tables)
        assert_allclose(our_errors(*tables), errors, atol=1e-6)
        ours = shape_error(*tables, per_column=True)
        assert_allclose([ours[name] for name in columns], list(columns.values()), atol=1e-6)


def test_many_categories_are_compared_as_few_are(monkeypatch, spoilt):
    errors = our_errors(*spoilt)
    monkeypatch.setattr("skdiffusion._metric_columns._MAX_DENSE_CELLS", 0)
    assert_allclose(our_errors(*spoilt), errors)


def test_distance_is_that_of_sdmetrics(spoilt):
    pytest.importorskip("sdmetrics")
    from sdmetrics.single_table.privacy.dcr_utils import calculate_dcr

    train, synthetic = (table.drop(columns="born") for table in spoilt)
    columns = {name: {"sdtype": "categorical" if name in CATEGORICAL else "numerical"} for name in train}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = calculate_dcr(synthetic, train, {"columns": columns})
    _, categorical, (train, synthetic), _ = comparable({"train": train, "synthetic": synthetic}, "from_dtype")
    assert_allclose(Gower(train, categorical).nearest(synthetic, train), expected, atol=1e-6)


# Shape and trend


def test_equal_tables_have_no_error(real):
    assert our_errors(real, real) == [0, 0, 0]


def test_shuffled_columns_keep_the_shape_and_lose_the_trend(real):
    assert shape_error(real, shuffled(real)) == 0
    assert trend_error(real, shuffled(real)) > 2 * trend_error(real, resampled(real))


def test_errors_are_symmetric(spoilt):
    real, synthetic = spoilt
    assert shape_error(real, synthetic) == pytest.approx(shape_error(synthetic, real))
    assert trend_error(real, synthetic, pairs="all") == pytest.approx(
        trend_error(synthetic, real, pairs="all")
    )


def test_columns_without_common_cells_have_error_1(real):
    other = real.assign(age=real["age"] + 1000, job="astronaut")
    errors = shape_error(real, other, per_column=True)
    assert (errors["age"], errors["job"]) == (1, 1)
    assert errors["income"] == 0


def test_opposite_correlations_have_error_1():
    x = np.arange(50.0)
    assert trend_error(np.c_[x, x], np.c_[x, -x]) == pytest.approx(1)


def test_only_strong_pairs_count_as_trends():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000))
    real = np.c_[x, x + 0.1 * y, y]  # one pair is strong
    synthetic = np.c_[x, x + 0.1 * y, y + x]
    assert trend_error(real, synthetic) == 0
    assert trend_error(real, synthetic, pairs="all") > 0.1


def test_shape_is_blind_to_missing_cells_and_trend_is_not(real):
    holes = real.assign(job=real["job"].where(real.index % 2 == 0), region=real["region"])
    everything = pd.concat([real, holes], ignore_index=True)
    assert shape_error(real, everything, per_column=True)["job"] < 0.05
    assert trend_error(real, holes, pairs="all") > 0.05


def test_dates_and_durations_are_numbers_of_any_unit(real):
    def dated(table, unit):
        days = pd.to_timedelta(table["age"], unit="D").astype(f"timedelta64[{unit}]")
        dates = (pd.Timestamp("2026-01-01") + days).astype(f"datetime64[{unit}]")
        return pd.DataFrame({"age": table["age"], "date": dates, "duration": days})

    errors = shape_error(dated(real, "ns"), dated(real[::2], "s"), per_column=True)
    assert errors["age"] > 0
    assert_allclose([errors["date"], errors["duration"]], errors["age"])
    assert trend_error(dated(real, "ns"), dated(real[::2], "s")) == pytest.approx(0, abs=1e-9)


def test_what_is_undefined_is_left_out_of_the_mean(real):
    empty = real[["age", "job"]].assign(none=np.nan, constant=2.0)
    errors = shape_error(empty, empty.assign(age=0.0), per_column=True)
    assert np.isnan(errors.pop("none"))
    assert shape_error(empty, empty.assign(age=0.0)) == pytest.approx(np.mean(list(errors.values())))
    assert np.isnan(trend_error(real[["age"]], real[["age"]]))
    assert np.isnan(trend_error(empty[["none", "constant"]], empty[["none", "constant"]], pairs="all"))


def test_numbers_that_few_floats_lie_between_can_be_binned():
    table = pd.DataFrame({"number": 1e17 + 16 * np.arange(3.0), "letter": list("abc")})
    assert trend_error(table, table) == 0


# Two-sample score


def test_fresh_rows_are_not_told_from_real_ones_and_shuffled_ones_are(real, fresh):
    assert two_sample_score(real, fresh, random_state=0) > 0.85
    assert two_sample_score(real, shuffled(real), random_state=0) < 0.6
    assert two_sample_score(real, fresh.assign(age=0), random_state=0) < 0.01


def test_score_is_made_of_the_area_under_the_curve(real):
    score, auc = two_sample_score(real, shuffled(real), return_auc=True, random_state=0)
    assert score == pytest.approx(2 - 2 * auc)
    assert two_sample_score(real, shuffled(real), random_state=0) == score


def test_an_area_below_one_half_is_not_better_than_guessing():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    score, auc = two_sample_score(rows, rows, estimator=LogisticRegression(), return_auc=True, random_state=0)
    assert auc < 0.5 < score <= 1


def test_a_linear_classifier_is_blind_to_what_boosting_sees():
    rng = np.random.default_rng(0)
    ring = rng.normal(size=(300, 2))
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    disc = 0.5 * rng.normal(size=(300, 2))
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    assert two_sample_score(ring, disc, estimator=linear, random_state=0) > 0.7
    assert two_sample_score(ring, disc, random_state=0) < 0.2


def test_missing_cells_give_synthetic_rows_away(real):
    filled = real.assign(income=real["income"].fillna(real["income"].mean()))
    holes = real.assign(income=real["income"].where(real.index % 2 == 0))
    assert two_sample_score(filled, holes, random_state=0) < 0.7


def test_a_column_with_more_categories_than_boosting_takes_is_ordinal(real):
    keys = [f"key {number:03}" for number in range(ROWS)]
    tables = [real.assign(key=keys), real.assign(key=keys[::-1])]
    assert 0 <= two_sample_score(*tables, random_state=0) <= 1


def test_a_column_may_be_missing_in_a_fold(real):
    lonely = real.assign(lonely=np.where(real.index == 0, 1.0, np.nan), nothing=np.nan)
    assert two_sample_score(lonely, lonely, random_state=0) > 0.9


def test_two_sample_score_needs_three_rows(real):
    with pytest.raises(ValueError, match="needs 3 rows in each table, got 2 and 400"):
        two_sample_score(real[:2], real)


# Training on synthetic rows


@pytest.mark.parametrize("target", ["job", "employed", "income"])
def test_real_rows_are_as_good_as_themselves_and_shuffled_ones_useless(real, holdout, target):
    same, score = train_synthetic_test_real(real, real, holdout, target, random_state=0)
    useless, again = train_synthetic_test_real(real, shuffled(real), holdout, target, random_state=0)
    assert same == score == again
    assert useless < score - 0.1


def test_target_of_an_array_is_an_index(real, holdout):
    arrays = [table.to_numpy(dtype=object) for table in (real, real, holdout)]
    expected = train_synthetic_test_real(real, real, holdout, "job", random_state=0)
    assert train_synthetic_test_real(*arrays, 6, random_state=0) == expected


def test_numbers_can_be_classes(real, holdout):
    tables = [
        table[["age", "savings"]].assign(saves=1.0 * (table["savings"] > 0)) for table in (real, holdout)
    ]
    scores = train_synthetic_test_real(tables[0], *tables, "saves", categorical_features=["saves"])
    assert scores == (1, 1)


def test_an_estimator_may_be_given(real, fresh, holdout):
    scores = train_synthetic_test_real(real, fresh, holdout, "job", estimator=DummyClassifier())
    assert scores == (0.5, 0.5)
    scores = train_synthetic_test_real(real, fresh, holdout, "income", estimator=DummyRegressor())
    assert_allclose(scores, 0, atol=0.1)


def test_a_class_that_synthetic_rows_lack_is_not_predicted(real, holdout):
    lacking, one = real[real["region"] != "islands"], real[real["region"] == "north"]
    score, _ = train_synthetic_test_real(real, lacking, holdout, "region", random_state=0)
    assert 0.3 < score < 0.7
    score, _ = train_synthetic_test_real(real, one, holdout, "region", random_state=0)
    assert score == 0.5


@pytest.mark.parametrize("target", ["job", "income"])
def test_nothing_to_learn_or_to_test_has_no_score(real, holdout, target):
    nothing = real.assign(**{target: np.nan if target == "income" else None})
    score, real_score = train_synthetic_test_real(real, nothing, holdout, target, random_state=0)
    assert np.isnan(score)
    assert real_score > 0
    one = holdout[holdout[target].notna()][:1]
    assert np.isnan(train_synthetic_test_real(real, real, one, target, random_state=0)).all()


def test_target_is_checked_before_anything_is_computed(real, monkeypatch):
    monkeypatch.setattr(metrics, "column_errors", None)
    with pytest.raises(ValueError, match=r"target must be one of the columns .* got 'jobs'"):
        evaluate(real, real, real, target="jobs")


def test_target_is_checked(real):
    with pytest.raises(ValueError, match=r"target must be one of the columns \['age', .* got 'jobs'"):
        train_synthetic_test_real(real, real, real, "jobs")
    with pytest.raises(ValueError, match="target 'age' is the only column"):
        train_synthetic_test_real(*[real[["age"]]] * 3, "age")


# Precision and recall


def one_hot(real, synthetic):
    """Encode complete tables as papers do: one-hot categories, numbers scaled to the real range."""
    both = pd.get_dummies(pd.concat([real, synthetic]), columns=CATEGORICAL).to_numpy(dtype=float)
    low, high = both[: len(real)].min(axis=0), both[: len(real)].max(axis=0)
    both = (both - low) / np.where(high > low, high - low, 1)
    return both[: len(real)], both[len(real) :]


def test_precision_and_recall_are_those_of_one_hot_encoded_rows(real, fresh):
    real, synthetic = (table.dropna()[:250] for table in (real, fresh))
    X, S = one_hot(real, synthetic)
    levels = np.linspace(0, 1, 30)
    radii = np.quantile(np.linalg.norm(X - X.mean(axis=0), axis=1), levels)
    precision = (np.linalg.norm(S - X.mean(axis=0), axis=1)[:, None] <= radii).mean(axis=0)
    to_real = NearestNeighbors(n_neighbors=1).fit(X).kneighbors()[0][:, 0]
    to_synthetic, closest = (found[:, 0] for found in NearestNeighbors(n_neighbors=1).fit(S).kneighbors(X))
    out = np.linalg.norm(S - S.mean(axis=0), axis=1)[closest][:, None]
    is_covered = (to_synthetic <= to_real)[:, None] & (out <= np.quantile(out, levels))
    curves = precision, is_covered.mean(axis=0)
    expected = [1 - np.abs(curve - levels).sum() / levels.sum() for curve in curves]
    assert_allclose(precision_recall(real, synthetic), expected)


def test_fresh_rows_are_precise_and_cover_half(real, fresh):
    precision, recall = precision_recall(real, fresh)
    assert precision > 0.9
    assert 0.4 < recall < 0.6


def test_copies_cover_more(real):
    precision, recall = precision_recall(real, resampled(real))
    assert precision > 0.9
    assert recall > 0.75


def test_rows_that_are_all_alike_are_neither_precise_nor_cover_much(real):
    precision, recall = precision_recall(real, real.iloc[[0] * ROWS])
    assert precision < 0.75
    assert recall < 0.1


def test_rows_far_away_have_no_precision_and_no_recall(real):
    assert_allclose(precision_recall(real, real.assign(age=10**15, income=-1e15)), 0, atol=0.01)


def test_as_many_rows_are_drawn_from_both_tables(real, fresh):
    drawn = [precision_recall(real, fresh[:150], random_state=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ValueError, match="need 2 rows in each table, got 400 and 1"):
        precision_recall(real, fresh[:1])


# Copies


def test_a_resampled_training_table_fails_and_fresh_rows_pass(real, fresh, holdout):
    assert copy_ratio(real, resampled(real), holdout) == pytest.approx(20)
    assert 0.4 < copy_ratio(real, fresh, holdout) < 2
    assert closest_record_share(real, resampled(real), holdout) > 0.99
    assert closest_record_share(real, fresh, holdout) == pytest.approx(0.5, abs=0.08)
    assert exact_copy_share(real, resampled(real)) == 1
    assert exact_copy_share(real, fresh) == 0


def test_noise_hides_copies_from_a_count_and_not_from_the_ratio(real, holdout):
    noisy = resampled(real)
    noisy["income"] += 10.0
    noisy["age"] = noisy["age"] + 0.1
    assert exact_copy_share(real, noisy) == 0
    assert copy_ratio(real, noisy, holdout) > 15


def test_natural_duplicates_are_no_copies():
    rng = np.random.default_rng(0)
    train, fresh, holdout = np.minimum(rng.geometric(0.3, size=(3, 2000, 2)), 5)
    assert exact_copy_share(train, fresh) == 1
    assert copy_ratio(train, fresh, holdout) == pytest.approx(1)


def test_copies_show_where_all_held_out_rows_are_equally_close():
    # Every row of a grid occurs once, in the training table or out of it.
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 4), axis=-1).reshape(-1, 4)
    is_train = grid.sum(axis=1) % 2 == 0
    tables = [grid[is_train], grid[is_train], grid[~is_train]]
    assert copy_ratio(*tables, categorical_features=[0, 1, 2, 3]) == pytest.approx(20)
    tables[1] = grid[~is_train]
    assert copy_ratio(*tables, categorical_features=[0, 1, 2, 3]) == pytest.approx(1)


def test_rows_equally_close_to_both_count_half(real):
    assert closest_record_share(real, real, real) == 0.5


def test_closest_record_share_takes_as_many_rows_from_both(real, holdout):
    fresh = make_mixed_table(1000, random_state=3)
    shares = [closest_record_share(real, fresh, holdout[:100], random_state=seed) for seed in (0, 0, 1)]
    assert shares[0] == shares[1] != shares[2]
    assert shares[0] == pytest.approx(0.5, abs=0.15)


def test_missing_cells_equal_each_other_and_nothing_else():
    train = pd.DataFrame({"x": [0.0, np.nan, 2.0], "c": ["a", None, "b"]})
    synthetic = pd.DataFrame({"x": [-0.0, np.nan, np.nan, 5.0], "c": ["a", None, "b", "b"]})
    assert exact_copy_share(train, synthetic) == 0.5
    _, categorical, (A, B), _ = comparable({"train": train, "synthetic": synthetic}, "from_dtype")
    assert_allclose(Gower(A, categorical).nearest(B, A), [0, 0, 0.5, 0.5])


def test_a_constant_column_tells_equal_from_different():
    train = np.c_[np.ones(5), np.arange(5)]
    _, categorical, (A, B), _ = comparable(
        {"train": train, "synthetic": np.c_[np.ones(5) + 1e-6, np.arange(5)]}, None
    )
    assert_allclose(Gower(A, categorical).nearest(B, A), 0.5)


def test_neighbours_are_found_block_by_block(monkeypatch):
    rng = np.random.default_rng(0)
    rows, others = (rng.random(size=(n_rows, 4)).astype(np.float32) for n_rows in (23, 31))
    expected = np.abs(rows[:, None] - others).sum(axis=2)
    categorical = np.zeros(4, dtype=bool)
    for block in (1, 100, 2**17):
        monkeypatch.setattr(_metric_distances, "_BLOCK", block)
        distances, indices = _metric_distances.nearest(rows, others, categorical)
        assert_allclose(distances, expected.min(axis=1), rtol=1e-5)
        assert (indices == expected.argmin(axis=1)).all()
        _, indices = _metric_distances.nearest(rows, rows, categorical, itself=True)
        assert (indices != np.arange(23)).all()


def test_at_most_some_rows_are_compared(monkeypatch, real, fresh, holdout):
    monkeypatch.setattr("skdiffusion.metrics._MAX_ROWS", 100)
    assert copy_ratio(real, resampled(real), holdout, random_state=0) == pytest.approx(20)
    ratios = [copy_ratio(real, fresh, holdout, random_state=seed) for seed in (0, 0, 1, 2)]
    assert ratios[0] == ratios[1]
    assert len(set(ratios)) > 1


# All of them


def as_array(table):
    return table.to_numpy(dtype=object)


def with_other_index(table):
    return table.set_index(np.arange(len(table)) // 2)[list(table.columns[::-1])]


def test_evaluation_is_that_of_the_functions(real, fresh, holdout):
    found = evaluate(real, fresh, holdout, target="job", random_state=0)
    assert found["shape_error"] == shape_error(real, fresh)
    assert found["trend_error"] == trend_error(real, fresh)
    assert found["trend_error_all_pairs"] == trend_error(real, fresh, pairs="all")
    assert (found["alpha_precision"], found["beta_recall"]) == precision_recall(real, fresh)
    assert found["copy_ratio"] == copy_ratio(real, fresh, holdout)
    assert found["closest_record_share"] == closest_record_share(real, fresh, holdout)
    assert found["exact_copy_share"] == exact_copy_share(real, fresh)
    assert found.ideal["exact_copy_share"] == exact_copy_share(real, holdout)
    assert found["two_sample_score_holdout"] == pytest.approx(two_sample_score(holdout, fresh), abs=0.2)
    assert 0.6 < found["train_synthetic_test_real"] < 1
    assert 0.6 < found.ideal["train_synthetic_test_real"] < 1


def test_what_is_computed_depends_on_what_is_given(real, fresh, holdout):
    alone = evaluate(real[:50], fresh[:50], random_state=0)
    beside = evaluate(real[:50], fresh[:50], holdout[:50], random_state=0)
    used = evaluate(real[:50], fresh[:50], holdout[:50], target="age", random_state=0)
    assert list(alone) == [
        "shape_error",
        "trend_error",
        "trend_error_all_pairs",
        "two_sample_score",
        "alpha_precision",
        "beta_recall",
        "exact_copy_share",
    ]
    assert beside.keys() - alone.keys() == {"two_sample_score_holdout", "copy_ratio", "closest_record_share"}
    assert used.keys() - beside.keys() == {"train_synthetic_test_real"}
    with pytest.raises(ValueError, match="target needs holdout"):
        evaluate(real, fresh, target="age")


@pytest.mark.parametrize("convert", [pl.from_pandas, as_array, with_other_index])
def test_other_containers_and_orders_of_columns_change_nothing(real, fresh, holdout, convert):
    tables = [table[:60].astype({"region": object}) for table in (real, fresh, holdout)]
    others = [tables[0] if convert is with_other_index else convert(tables[0]), *map(convert, tables[1:])]
    assert evaluate(*others, random_state=0) == evaluate(*tables, random_state=0)


def test_an_int_seed_repeats_and_leaves_the_global_generator_alone(real, fresh):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert evaluate(real, fresh, random_state=3) == evaluate(real, fresh, random_state=3)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


ODD = {
    "one column of numbers": lambda table: table[["age"]],
    "one column of categories": lambda table: table[["region"]],
    "constant columns": lambda table: table.assign(one=1.0, same="x"),
    "columns without cells": lambda table: table.assign(nothing=np.nan, none=None),
    "nothing but holes": lambda table: pd.DataFrame(np.full((len(table), 2), np.nan), columns=["a", "b"]),
    "dates": lambda table: table.assign(date=pd.Timestamp("2026-01-01") + pd.to_timedelta(table["age"], "D")),
    "three rows": lambda table: table[:3],
    "huge numbers": lambda table: table.assign(age=1e300 * (table["age"] - 50)),
    "numbers whose sum is infinite": lambda table: table.assign(age=1e308, savings=1.7e308 / table["age"]),
    "whole numbers as names": lambda table: table.set_axis(range(7), axis=1),
}


def test_numbers_far_outside_of_a_tiny_range_are_far():
    tiny = np.array([[0.0], [5e-324]] * 5)
    assert copy_ratio(tiny, tiny + 1e10, tiny, random_state=0) == 0
    precision, recall = precision_recall(tiny, tiny + 1e10, random_state=0)
    assert max(precision, recall) < 0.5


@pytest.mark.parametrize("kind", ODD)
def test_odd_tables_can_be_evaluated(real, fresh, holdout, kind):
    tables = [ODD[kind](table[:30]) for table in (real, fresh, holdout)]
    found = evaluate(*tables, random_state=0)
    assert np.isfinite(list(found.values())).all()
    assert found["exact_copy_share"] <= 1
    if len(tables[0].columns) == 1:
        assert not found.keys() & {"trend_error", "trend_error_all_pairs"}


def test_an_evaluation_is_a_mapping_that_prints_as_a_table():
    found = Evaluation(
        {"shape_error": 0.0123, "copy_ratio": 20.0},
        {"shape_error": 0, "copy_ratio": 1},
        {"shape_error": 1, "copy_ratio": 20},
    )
    assert dict(found) == found.to_dict() == {"shape_error": 0.0123, "copy_ratio": 20.0}
    assert len(found) == 2
    assert str(found).splitlines() == [
        "               value  ideal   worst",
        "shape_error   0.0123  0.000   1.000",
        "copy_ratio   20.0000  1.000  20.000",
    ]


# Errors


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda table: table.drop(columns="age"), r"lacking are \['age'\], too many \[\]"),
        (
            lambda table: table.rename(columns={"age": "years"}),
            r"lacking are \['age'\], too many \['years'\]",
        ),
        (lambda table: table[:0], "synthetic cannot be read: .* at least one row"),
        (lambda table: table.assign(age="old"), "column 'age' holds numbers in real, but not in synthetic"),
        (lambda table: table.assign(age=np.inf), "column 'age' of synthetic holds infinite numbers"),
        (
            lambda table: table.assign(age=[-1e308, 1e308] * (len(table) // 2)),
            r"from -1e\+308 to 1e\+308, whose difference is",
        ),
    ],
)
@pytest.mark.parametrize("metric", [shape_error, exact_copy_share])
def test_tables_that_cannot_be_compared_are_refused(real, other, message, metric):
    with pytest.raises(ValueError, match=message.replace("real", "(real|train)")):
        metric(real, other(real))


def test_tables_of_two_kinds_are_refused(real):
    with pytest.raises(TypeError, match=r"synthetic is a polars\.DataFrame and real a pandas\.DataFrame"):
        shape_error(real, pl.from_pandas(real))
    with pytest.raises(TypeError, match=r"synthetic is a numpy\.ndarray and real a pandas\.DataFrame"):
        shape_error(real, as_array(real))


def test_pairs_are_checked(real):
    with pytest.raises(ValueError, match="pairs must be one of 'strong', 'all', got 'weak'"):
        trend_error(real, real, pairs="weak")
