"""A table becomes codes and ranks, and comes back."""

import pickle
import time
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.special import ndtr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import OneHotEncoder

from skdiffusion._encoder import EncodedTable, TableEncoder
from skdiffusion._table import assemble, empty_like, read_numbers
from skdiffusion.datasets import make_mixed_table

few = settings(max_examples=60, deadline=None)


def rng():
    return np.random.default_rng(0)


def column(values, **kwargs):
    """Return an encoder of a table of one column, and its codes."""
    table = pd.DataFrame({"a": values})
    encoder = TableEncoder(**kwargs).fit(table)
    return encoder, encoder.encode(table)


def drawn(encoder, n_samples=2000):
    """Decode random codes and ranks."""
    source = rng()
    codes = np.column_stack([source.choice(len(p), n_samples, p=p) for p in encoder.frequencies_])
    return encoder.decode(codes, source.random((n_samples, len(encoder.detailed_))), source)


def round_trips(table):
    encoder = TableEncoder(max_categories=None).fit(table)
    codes, low, high = encoder.encode(table)
    assert (low > 0).all()
    assert (low <= high).all()
    assert (high < 1).all()
    return [encoder.decode(codes, rank, rng()) for rank in (low, high, low + 0.3 * (high - low))]


# Round trips

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMPY = {
    "float64": FLOATS,
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "int8": st.integers(-128, 127),
    "float16": st.floats(width=16, allow_nan=False, allow_infinity=False),
    "object": st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6),
    "datetime64[s]": st.integers(-(10**11), 10**11),
    "timedelta64[ns]": st.integers(-(2**60), 2**60),
    "bool": st.booleans(),
    "U3": st.text("abc", max_size=3),
}
PANDAS = {
    "float64": FLOATS,
    "cents": st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
    "int64": NUMPY["int64"],
    "int32": st.integers(-50, 50),
    "Int64": NUMPY["int64"],
    "UInt64": NUMPY["uint64"],
    "Int8": st.integers(-128, 127),
    "Float32": NUMPY["float32"],
    "bool": st.booleans(),
    "boolean": st.booleans(),
    "object": st.text(max_size=2) | st.booleans() | st.integers(-3, 3),
    "string": st.text("aäß ", max_size=2),
    "category": st.sampled_from(["x", "y", "z"]),
    "datetime64[ns]": st.integers(-(2**60), 2**60),
    "datetime64[us, Europe/Berlin]": st.integers(0, 2**50),
    "timedelta64[ms]": st.integers(-(2**40), 2**40),
    "int64[pyarrow]": NUMPY["int64"],
    "double[pyarrow]": FLOATS,
    "string[pyarrow]": st.text(max_size=2),
    "bool[pyarrow]": st.booleans(),
    "timestamp[us, tz=UTC][pyarrow]": st.integers(0, 2**50),
}
POLARS = {
    pl.Float64: FLOATS,
    pl.Float32: NUMPY["float32"],
    pl.Int64: NUMPY["int64"],
    pl.UInt64: NUMPY["uint64"],
    pl.Int8: st.integers(-128, 127),
    pl.Decimal(10, 2): st.integers(-(10**6), 10**6),
    pl.Date: st.integers(-(10**4), 10**4),
    pl.Time: st.integers(0, 86_400 * 10**9 - 1),
    pl.Datetime("ns"): st.integers(-(2**60), 2**60),
    pl.Datetime("us", "Europe/Berlin"): st.integers(0, 2**50),
    pl.Duration("ms"): st.integers(-(2**40), 2**40),
    pl.Boolean: st.booleans(),
    pl.String: st.text(max_size=2),
    pl.Categorical: st.text("xyz", max_size=1),
    pl.Enum(["z", "y", "x"]): st.sampled_from("xyz"),
    pl.Null: st.none(),
}


def cells(data, values, holes=True):
    """Draw the cells of a column, at times with a value that is repeated often, or with holes."""
    size = data.draw(st.sampled_from([1, 2, 15, 40]))
    drawn = data.draw(st.lists(values, min_size=size, max_size=size))
    drawn += drawn[:1] * data.draw(st.sampled_from([0, 0, 30]))
    if holes:
        drawn += [None] * data.draw(st.sampled_from([0, 0, 1, 5]))
    return data.draw(st.permutations(drawn))


@pytest.mark.parametrize("dtype", NUMPY)
@few
@given(data=st.data())
def test_arrays_come_back(dtype, data):
    holes = dtype.startswith(("float", "date", "time", "object"))
    drawn = cells(data, NUMPY[dtype], holes)
    if holes and "64[" in dtype:
        drawn = ["NaT" if cell is None else cell for cell in drawn]
    table = np.array(drawn, dtype=dtype).reshape(-1, 1)
    for decoded in round_trips(table):
        assert decoded.dtype == table.dtype
        assert_array_equal(decoded, table)


@pytest.mark.parametrize("dtype", PANDAS)
@few
@given(data=st.data())
def test_pandas_tables_come_back(dtype, data):
    drawn = cells(data, PANDAS[dtype], holes=dtype not in ("int64", "int32", "bool"))
    series = pd.Series(pd.array(drawn, dtype="Int64") if dtype.startswith(("date", "time")) else drawn)
    if dtype.startswith("date"):
        unit = dtype[11:13]
        series = pd.Series(series.fillna(np.iinfo(np.int64).min).to_numpy("int64").view(f"M8[{unit}]"))
        series = series.dt.tz_localize("UTC").astype(dtype) if "Berlin" in dtype else series
    elif dtype.startswith("timedelta"):
        series = pd.Series(series.fillna(np.iinfo(np.int64).min).to_numpy("int64").view("m8[ms]"))
    elif dtype == "category":
        series = pd.Series(pd.Categorical(drawn, categories=["z", "y", "unused", "x"], ordered=True))
    elif dtype == "object":
        series = pd.Series(drawn, dtype=object)
    else:
        series = pd.Series(pd.array(drawn, dtype={"cents": "float64"}.get(dtype, dtype)))
    table = pd.DataFrame({"a": series})
    for decoded in round_trips(table):
        assert_frame_equal(decoded, table, check_exact=True)


@pytest.mark.parametrize("dtype", POLARS, ids=str)
@few
@given(data=st.data())
def test_polars_tables_come_back(dtype, data):
    series = pl.Series("a", cells(data, POLARS[dtype]))
    if dtype == pl.Decimal:
        series = (series.cast(pl.Float64) / 100).round(2)
    elif dtype == pl.Date:
        series = series.cast(pl.Int32)
    table = series.cast(dtype).to_frame()
    for decoded in round_trips(table):
        assert decoded.schema == table.schema
        assert decoded.equals(table)


@pytest.mark.parametrize("convert", [lambda table: table, pl.from_pandas, lambda table: table.to_numpy()])
def test_a_mixed_table_comes_back(convert):
    table = convert(make_mixed_table(3000, random_state=0))
    for decoded in round_trips(table):
        if isinstance(table, pd.DataFrame):
            assert_frame_equal(decoded, table, check_exact=True)
        elif isinstance(table, pl.DataFrame):
            assert decoded.equals(table)
            assert decoded.schema == table.schema
        else:
            assert decoded.dtype == object
            assert pd.DataFrame(decoded).equals(pd.DataFrame(table))
            same = [type(x) is type(y) for x, y in zip(decoded.ravel(), table.ravel(), strict=True)]
            assert np.mean(same) > 0.99


def test_values_at_the_same_point_of_a_grid_come_back():
    table = pd.DataFrame({"a": [-2e-131, *np.arange(30) / 10, 0.1 + 0.2]})
    assert_frame_equal(round_trips(table)[0], table, check_exact=True)


def test_a_list_of_rows_is_an_array_of_objects():
    rows = [["a", 1], ["b", 2], ["a", None]]
    encoder = TableEncoder().fit(rows)
    assert_array_equal(encoder.numeric_, [False, True])
    codes, low, _ = encoder.encode(rows)
    assert encoder.decode(codes, low, rng()).tolist() == rows


def test_numbers_in_a_list_stay_numbers_beside_strings():
    encoder = TableEncoder().fit([["a", 1], ["b", 2], ["a", 3]])
    assert_array_equal(encoder.numeric_, [False, True])


def test_integers_of_any_size_in_an_array_of_objects():
    table = np.array([[2**70, 1], [3, 2], [5, 2**62 + 1]], dtype=object)
    assert_array_equal(round_trips(table)[0], table)


def test_rare_dtypes_of_polars_come_back():
    cells = [object(), None, object()]
    table = pl.DataFrame(
        {"object": pl.Series(cells, dtype=pl.Object), "huge": pl.Series([1, 2, None], dtype=pl.Int128)}
    )
    decoded, *_ = round_trips(table)
    assert decoded.schema == table.schema
    assert decoded["object"].to_list() == cells
    assert decoded["huge"].equals(table["huge"])


def test_row_names_may_be_given():
    table = pd.DataFrame({"a": [1.5, 2.5]}, index=["x", "y"])
    column = read_numbers(table, 0, empty_like(table))
    assert_frame_equal(assemble([column], empty_like(table), table.index), table)


def test_no_rows_decode_to_an_empty_table_of_the_same_dtypes():
    table = make_mixed_table(300, random_state=0)
    for X in (table, pl.from_pandas(table), table.to_numpy()):
        encoder = TableEncoder().fit(X)
        empty = encoder.decode(np.empty((0, 7), int), np.empty((0, len(encoder.detailed_))), rng())
        assert empty.shape == (0, 7)
        if X is table:
            assert_frame_equal(empty, table.head(0))


def test_columns_need_no_string_names_and_rows_no_names():
    table = pd.DataFrame({0: [1.5, 2.5], 7: ["a", "b"]}, index=[5, 5])
    for decoded in round_trips(table):
        assert_frame_equal(decoded, table.reset_index(drop=True))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_the_missing_cell_of_objects_is_that_of_training(missing):
    table = pd.DataFrame({"a": pd.Series(["x", missing, "y", "x"], dtype=object)})
    decoded, *_ = round_trips(table)
    assert decoded.loc[1, "a"] is missing
    decoded, *_ = round_trips(table.to_numpy())
    assert decoded[1, 0] is missing


@pytest.mark.parametrize("cell", [None, np.nan])
def test_polars_tells_null_from_nan(cell):
    table = pl.DataFrame({"a": [1.0, cell, 2.0]}, strict=False)
    assert round_trips(table)[0]["a"].is_null().any() == (cell is None)


def test_intervals_are_categories():
    table = pd.DataFrame({"a": pd.cut(np.arange(50), 4)})
    assert_frame_equal(round_trips(table)[0], table)


def test_arrow_dates_and_decimals_come_back():
    table = pa.table(
        {
            "date": pa.array([1, 2, None, 5], pa.date32()),
            "time": pa.array([1, 2, None, 5], pa.time64("us")),
            "decimal": pa.array([1.25, 2.5, None, 3.0]).cast(pa.decimal128(8, 2)),
        }
    ).to_pandas(types_mapper=pd.ArrowDtype)
    assert_frame_equal(round_trips(table)[0], table)


# Codes of numbers


def test_a_column_of_few_values_has_atoms_only():
    encoder, encoded = column(np.tile([7, 3, 11], 5))
    assert encoder.n_codes_.tolist() == [3]
    assert len(encoder.detailed_) == 0
    assert encoded.low.shape == (15, 0)
    assert encoded.codes[:3, 0].tolist() == [1, 0, 2]


def test_one_common_value_does_not_make_atoms_of_rare_ones():
    values = np.append(np.zeros(900), np.arange(1, 91))
    encoder, _ = column(values)
    assert encoder.is_bin_[0].tolist() == [False, True]
    encoder, _ = column(np.append(values, np.repeat(np.arange(1, 91), 10)))
    assert encoder.n_codes_.tolist() == [91]


def test_many_values_of_few_rows_each_are_binned():
    values = np.round(rng().normal(40, 4, 344), 1)
    assert len(np.unique(values)) > 90
    encoder, _ = column(values)
    assert encoder.n_codes_.tolist() == [1]


@pytest.mark.parametrize(("n_samples", "n_bins"), [(300, 1), (10_000, 2), (60_000, 8)])
def test_automatic_number_of_bins(n_samples, n_bins):
    encoder, _ = column(rng().normal(size=n_samples))
    assert encoder.n_codes_.tolist() == [n_bins]


@pytest.mark.parametrize("n_bins", [1, 5])
def test_bins_have_equally_many_cells(n_bins):
    _, encoded = column(rng().normal(size=1000), n_bins=n_bins)
    assert_array_equal(np.bincount(encoded.codes[:, 0]), np.full(n_bins, 1000 // n_bins))


def test_ranks_inside_a_bin_are_those_of_the_cells():
    values = rng().permutation(1000) / 7
    _, encoded = column(values, n_bins=5)
    for code in range(5):
        ranks = np.sort(encoded.low[encoded.codes[:, 0] == code, 0])
        assert_allclose(ranks, (np.arange(200) + 0.5) / 200, rtol=1e-6)
    assert_array_equal(encoded.low, encoded.high)
    assert_allclose(
        encoded.codes[:, 0] + encoded.low[:, 0], 5 * (values.argsort().argsort() + 0.5) / 1000, rtol=1e-6
    )


def test_equal_cells_share_an_interval_of_ranks():
    _, encoded = column(np.repeat(np.arange(200.0), 3), n_bins=1)
    assert_allclose(encoded.low[:, 0], (np.repeat(np.arange(200) * 3, 3) + 0.5) / 600, rtol=1e-5)
    assert_allclose(encoded.high - encoded.low, 2 / 600, rtol=1e-3)


def test_atoms_have_codes_of_their_own_between_bins():
    free = rng().normal(size=4000)
    values = np.concatenate([free, np.full(1000, 0.5), np.full(500, -9.0)])
    encoder, encoded = column(values, n_bins=8)
    (is_bin,) = encoder.is_bin_
    assert (~is_bin).sum() == 2
    assert not is_bin[0]  # -9 is the smallest value
    atom = np.flatnonzero(~is_bin)[1]
    codes = encoded.codes[:, 0]
    assert set(codes[values == 0.5]) == {atom}
    assert (codes[values < 0.5] < atom).all()
    assert (codes[values > 0.5] > atom).all()
    assert (encoded.low[codes == atom] == 0.5).all()
    decoded = drawn(encoder)["a"]
    assert_allclose((decoded == 0.5).mean(), 1000 / 5500, atol=0.03)
    assert ((decoded == -9) | (decoded >= free.min())).all()


def test_a_value_as_frequent_as_its_neighbours_is_no_atom():
    encoder, _ = column(rng().binomial(4000, 0.5, 3000))  # the commonest of more than 100 values have 1.3 %
    assert encoder.is_bin_[0].all()


@pytest.mark.parametrize("farthest", [5000, 1e9])
@pytest.mark.parametrize(("n_rows", "n_bins"), [(1000, 1), (1000, 4), (30_000, 1), (30_000, 6)])
def test_nothing_is_drawn_inside_a_void(n_rows, n_bins, farthest):
    values = rng().uniform(0, 100, n_rows)
    values[[3, 5, 8, 13, 21]] = [999, 999, 999, farthest, -700]  # too rare for atoms
    encoder = TableEncoder(n_bins=n_bins).fit(values[:, None])
    counts = np.round(10 * n_rows * (encoder.rank_high_[0] - encoder.rank_low_[0])).astype(int)
    codes = np.repeat(np.arange(len(counts)), counts)
    ranks = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    decoded = encoder.decode(codes[:, None], ranks[:, None], rng())[:, 0]
    is_far = (decoded < 0) | (decoded > 100)
    assert set(decoded[is_far]) == {-700, 999, farthest}
    # Each as often as in the table, ten times over.
    counts = [np.sum(decoded == value) for value in (-700, farthest, 999)]
    assert_allclose(counts, [10, 10, 30], atol=2)


@pytest.mark.parametrize("n_rows", [30, 100, 1000, 10_000])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "exponential"])
def test_smooth_columns_rarely_have_voids(distribution, n_rows):
    source = rng()
    columns = [getattr(source, distribution)(size=n_rows) for _ in range(50)]
    found = [TableEncoder().fit(values[:, None]).columns_[0].is_void.any() for values in columns]
    assert np.mean(found) <= 0.2


def test_bins_hold_at_least_20_cells_unless_between_atoms():
    values = np.repeat(np.arange(200.0), np.where(np.arange(200) % 20 == 10, 30, 1))
    encoder, encoded = column(values, n_bins=32)
    sizes = np.bincount(encoded.codes[:, 0])
    assert sizes[encoder.is_bin_[0]].min() >= 19 - 10
    encoder, encoded = column(rng().normal(size=100), n_bins=32)
    assert_array_equal(np.bincount(encoded.codes[:, 0]), np.full(5, 20))


def test_missing_is_the_last_code():
    values = rng().normal(size=500)
    values[::5] = np.nan
    encoder, encoded = column(values)
    assert (encoded.codes[::5] == encoder.n_codes_[0] - 1).all()
    assert (encoded.low[::5] == 0.5).all()
    assert encoder.scores_[0][-1] == 0
    assert (encoder.rank_low_[0][-1], encoder.rank_high_[0][-1]) == (0, 1)
    assert_allclose(encoder.frequencies_[0][-1], 0.2)


def test_a_column_without_cells_has_one_code():
    table = pd.DataFrame({"number": [np.nan] * 3, "text": [None] * 3, "when": pd.to_datetime([None] * 3)})
    encoder = TableEncoder().fit(table)
    assert encoder.n_codes_.tolist() == [1, 1, 1]
    assert_frame_equal(round_trips(table)[0], table)


def test_frequencies_ranks_and_scores_agree():
    table = make_mixed_table(3000, random_state=0)
    encoder = TableEncoder().fit(table)
    codes = encoder.encode(table).codes
    for index, frequencies in enumerate(encoder.frequencies_):
        assert_allclose(frequencies, np.bincount(codes[:, index]) / 3000)
        assert encoder.n_codes_[index] == len(frequencies) == len(encoder.scores_[index])
        assert encoder.scores_[index].dtype == np.float32
        if not encoder.numeric_[index]:
            assert not encoder.scores_[index].any()
    for index, low, high, is_bin in zip(
        encoder.detailed_, encoder.rank_low_, encoder.rank_high_, encoder.is_bin_, strict=True
    ):
        n_values = len(low) - bool(table.isna().iloc[:, index].any())
        assert low[0] == 0
        assert high[n_values - 1] == 1
        assert_array_equal(low[1:n_values], high[: n_values - 1])
        shares = encoder.frequencies_[index][:n_values]
        assert_allclose(high[:n_values] - low[:n_values], shares / shares.sum())
        assert (np.diff(encoder.scores_[index][:n_values]) > 0).all()
        assert len(is_bin) == len(low)
    assert_allclose(encoder.scores_[0] @ encoder.frequencies_[0], 0, atol=0.02)  # of "age": about symmetric


# Decoded numbers


INTEGERS = rng().integers(0, 10_000, 500)


@pytest.mark.parametrize(
    ("values", "step", "decimals"),
    [
        (INTEGERS, 1, 0),
        (INTEGERS * 50 + 7, 50, 0),
        (INTEGERS * 100.0, 100, 0),
        (INTEGERS + 0.5, 1, 1),
        (INTEGERS / 10, 0.1, 1),
        (INTEGERS / 100, 0.01, 2),
        (INTEGERS / 4, 0.25, 2),
        (INTEGERS * 0.1, 0.1, 1),  # with rounding errors
        (INTEGERS / 100_000 - 0.05, 1e-5, 5),
        ((INTEGERS / 100).astype(np.float32), 0.01, 2),
    ],
)
def test_decoded_values_lie_on_the_columns_grid_and_in_its_range(values, step, decimals):
    encoder, _ = column(values)
    decoded = drawn(encoder)["a"].to_numpy()
    assert decoded.dtype == values.dtype
    assert values.min() <= decoded.min()
    assert decoded.max() <= values.max()
    new = np.setdiff1d(decoded, values)
    assert len(new) > 100
    assert_array_equal(new, np.round(new, decimals))  # 0.3 rather than 0.30000000000000004
    steps = (new - values.min()) / step
    assert_allclose(steps, np.rint(steps), atol=1e-2)


def test_scaled_integers_keep_their_grid():
    integers = rng().integers(0, 1000, 400)
    values = integers / 999 * 2.3 - 1.7
    encoder, _ = column(values)
    places = (drawn(encoder)["a"] + 1.7) / 2.3 * 999
    assert_allclose(places, np.rint(places), atol=1e-9)


def test_continuous_numbers_have_no_grid():
    values = rng().normal(size=1000)
    encoder, _ = column(values)
    decoded = drawn(encoder, 5000)["a"]
    assert len(np.unique(decoded)) > 4500
    assert_allclose(np.quantile(decoded, [0.1, 0.5, 0.9]), np.quantile(values, [0.1, 0.5, 0.9]), atol=0.1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_beyond_the_range_of_floats_are_exact(dtype):
    limits = np.iinfo(dtype)
    values = rng().integers(limits.min, limits.max, 1000, dtype=dtype, endpoint=True)
    values[:2] = limits.min, limits.max
    encoder, encoded = column(values)
    decoded = encoder.decode(encoded.codes, encoded.low, rng())["a"].to_numpy()
    assert_array_equal(decoded, values)
    new = drawn(encoder)["a"].to_numpy()
    assert new.dtype == dtype
    assert_allclose(np.median(new.astype(float)), np.median(values.astype(float)), atol=2.0**60)


def test_decoded_values_increase_with_the_rank():
    for values in (rng().normal(size=500), rng().integers(0, 400, 600), rng().lognormal(0, 3, 700).round(2)):
        encoder, _ = column(values)
        codes = np.repeat(np.arange(encoder.n_codes_[0]), 500)[:, None]
        ranks = np.tile(np.linspace(0, 1, 500), encoder.n_codes_[0])[:, None]
        decoded = encoder.decode(codes, ranks, rng())["a"]
        assert decoded.is_monotonic_increasing
        assert (decoded.min(), decoded.max()) == (values.min(), values.max())


def test_a_column_of_very_many_values_is_interpolated():
    values = rng().normal(size=100_000)
    encoder, encoded = column(values)
    decoded = encoder.decode(encoded.codes, encoded.low, rng())["a"]
    middle = np.abs(values) < 3
    assert_allclose(decoded[middle], values[middle], atol=1e-3)
    assert decoded.min() == values.min()
    assert decoded.max() == values.max()
    assert len(pickle.dumps(encoder)) < 10**6


# New rows


@few
@given(
    st.lists(FLOATS, min_size=14, max_size=40),
    st.lists(FLOATS | st.just(np.nan), min_size=2, max_size=40),
    st.sampled_from([np.float64, np.float32, np.int64, np.uint64]),
)
def test_encoding_of_any_number_is_monotone(trained, new, dtype):
    limit = 1e18
    trained = np.clip(trained, 0 if dtype == np.uint64 else -limit, limit).astype(dtype).reshape(-1, 1)
    encoder = TableEncoder(n_bins=3).fit(trained)
    codes, low, high = encoder.encode(np.sort(np.array(new)).reshape(-1, 1), holes=True)
    n_numbers = np.isfinite(new).sum()
    assert (codes[n_numbers:] == -1).all()
    codes, low, high = codes[:n_numbers], low[:n_numbers], high[:n_numbers]
    assert (codes >= 0).all()
    assert (codes < encoder.n_codes_).all()
    assert (np.diff(codes[:, 0]) >= 0).all()
    if low.shape[1]:
        assert (np.diff(codes[:, 0] + low[:, 0].astype(float)) >= 0).all()
        assert (np.diff(codes[:, 0] + high[:, 0].astype(float)) >= 0).all()
    decoded = encoder.decode(codes, low, rng())
    assert ((decoded >= trained.min()) & (decoded <= trained.max())).all()


def test_a_new_number_gets_the_rank_of_its_place():
    trained = np.arange(0, 1000.0)
    encoder, _ = column(trained, n_bins=4)
    new = pd.DataFrame({"a": [10.5, 333.25, 999.5, -1.0, 5000.0]})
    codes, low, high = encoder.encode(new)
    assert codes[:, 0].tolist() == [0, 1, 3, 0, 3]
    assert_array_equal(low, high)
    assert_allclose(low[:2, 0], [11 / 250, (83.25 + 0.5) / 250], rtol=1e-5)
    assert encoder.decode(codes, low, rng())["a"].tolist()[2:] == [999, 0, 999]


def test_a_number_between_atoms_gets_the_nearer_one():
    encoder, _ = column(np.tile([0, 10, 100], 9))
    codes = encoder.encode(pd.DataFrame({"a": [-3, 4, 6, 54.4, 55.6, 1000]})).codes
    assert codes[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_holes_are_minus_one_on_request():
    table = make_mixed_table(300, random_state=0)
    encoder = TableEncoder().fit(table)
    given = table.astype(object)
    given["age"] = None
    given.loc[:10, "employed"] = np.nan
    given["education"] = np.nan
    given["income"] = np.nan
    codes = encoder.encode(given, holes=True).codes
    assert_array_equal(codes == -1, given.isna())
    full = encoder.encode(table).codes
    assert_array_equal(np.where(given.isna(), -1, full), codes)


def test_a_column_of_integers_with_holes_may_have_become_one_of_floats():
    table = pd.DataFrame({"a": np.arange(2**53, 2**53 + 300), "b": pd.date_range("2020", periods=300)})
    encoder = TableEncoder().fit(table)
    new = pd.DataFrame({"a": [None, 2.0**53 + 4], "b": [pd.Timestamp("2020-01-03"), None]})
    codes, low, _ = encoder.encode(new, holes=True)
    assert_array_equal(codes, [[-1, 0], [0, -1]])
    assert encoder.decode(np.maximum(codes, 0), low, rng()).iloc[0, 1] == pd.Timestamp("2020-01-03")


def test_units_of_time_are_converted():
    days = pd.DataFrame({"a": pd.date_range("2020", periods=300, tz="UTC")})
    encoder = TableEncoder().fit(days)
    expected = encoder.encode(days)
    for other in (days.astype("datetime64[s, Asia/Tokyo]"), days.astype(object)):
        for got, want in zip(encoder.encode(other), expected, strict=True):
            assert_array_equal(got, want)
    with pytest.raises(ValueError, match=r"column 'a' has dtype datetime64\[ns\] and had .* in training"):
        encoder.encode(days.astype("datetime64[ns, UTC]")["a"].dt.tz_localize(None).to_frame())
    with pytest.raises(ValueError, match=r"column 'a' has dtype .* in training: convert it"):
        encoder.encode(pl.from_pandas(days).select(pl.lit("x").alias("a")))


def test_rows_may_come_in_another_container():
    table = make_mixed_table(300, random_state=0)
    for trained, other in ((table, pl.from_pandas(table)), (pl.from_pandas(table), table)):
        encoder = TableEncoder().fit(trained)
        for got, want in zip(encoder.encode(other), encoder.encode(trained), strict=True):
            assert_array_equal(got, want)
    numbers = table[["age", "savings"]]
    encoder = TableEncoder().fit(numbers)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        codes = encoder.encode(numbers.to_numpy()).codes
    assert_array_equal(codes, encoder.encode(numbers).codes)


def test_integers_are_converted_between_signs():
    limit = 2**63 - 1
    for trained, new in ((np.int64, np.uint64), (np.uint64, np.int64)):
        encoder = TableEncoder().fit(np.array([[0], [5], [limit]] * 3, dtype=trained))
        cells = np.array([[0], [5], [limit]], dtype=new)
        assert encoder.encode(cells).codes[:, 0].tolist() == [0, 1, 2]
    assert encoder.encode(np.array([[-7]])).codes.tolist() == [[0]]
    encoder = TableEncoder().fit(np.array([[0], [5], [limit]] * 3))
    assert encoder.encode(np.array([[2**64 - 1]], dtype=np.uint64)).codes.tolist() == [[2]]


def test_times_do_not_become_numbers():
    times = np.array([["2020-01-01"], ["2020-01-02"]], dtype="datetime64[D]")
    encoder = TableEncoder().fit(times)
    assert encoder.encode(times.astype("datetime64[ns]")).codes[:, 0].tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"column 0 has dtype int64 and had datetime64\[D\] in training"):
        encoder.encode(times.astype(int))
    naive = pl.DataFrame({"a": [0, 1]}, schema={"a": pl.Datetime("us")})
    with pytest.raises(ValueError, match="only one of them has a time zone"):
        TableEncoder().fit(naive).encode(naive.select(pl.col("a").dt.replace_time_zone("UTC")))


# Categories


def test_categories_may_have_no_order():
    table = pd.DataFrame({"a": [1j, 2j, None, 1j]}, dtype=object)
    assert_frame_equal(round_trips(table)[0], table)


def test_floats_of_polars_may_be_categories():
    table = pl.DataFrame({"a": [2.5, float("nan"), None, 1.5]})
    encoder = TableEncoder(categorical_features=["a"]).fit(table)
    assert encoder.encode(table).codes[:, 0].tolist() == [1, 2, 2, 0]


def test_codes_follow_the_order_of_categories_and_leave_out_unseen_ones():
    levels = ["low", "unused", "middle", "high"]
    table = pd.DataFrame({"a": pd.Categorical(["high", "low", "middle"], levels, ordered=True)})
    encoder = TableEncoder().fit(table)
    assert encoder.encode(table).codes[:, 0].tolist() == [2, 0, 1]
    decoded = encoder.decode(np.array([[0], [1], [2]]), np.empty((3, 0)), rng())["a"]
    assert decoded.tolist() == ["low", "middle", "high"]
    assert decoded.dtype == table["a"].dtype


def test_strings_are_sorted():
    for table in (pd.DataFrame({"a": ["b", "a", "c"]}), pl.DataFrame({"a": ["b", "a", "c"]})):
        assert TableEncoder().fit(table).encode(table).codes[:, 0].tolist() == [1, 0, 2]


@pytest.mark.parametrize("choice", [[0], ["a"], [True, False]])
def test_numbers_may_be_categories(choice):
    table = pd.DataFrame({"a": [3, 1, 2, 3], "b": ["x", "y", "x", "y"]})
    encoder = TableEncoder(categorical_features=choice).fit(table)
    assert_array_equal(encoder.numeric_, [False, False])
    codes, low, _ = encoder.encode(table)
    assert codes[:, 0].tolist() == [2, 0, 1, 2]
    assert_frame_equal(encoder.decode(codes, low, rng()), table)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "datetime64[ns]", "object"])
def test_columns_of_arrays_may_be_categories(dtype):
    table = np.array([[3, 1, 2, 3], [1, 2, 3, 4]]).T.astype(dtype)
    if dtype != "int64":
        table[0, 0] = None if dtype == "object" else np.array("NaT" if "date" in dtype else "nan", dtype)
    encoder = TableEncoder(categorical_features=[0]).fit(table)
    assert_array_equal(encoder.numeric_, [False, True])
    codes, low, _ = encoder.encode(table)
    assert_array_equal(encoder.decode(codes, low, rng()), table)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_categories": 4},
        {"max_categories": 1},
        {"min_frequency": 30},
        {"min_frequency": 0.05},
        {"max_categories": 3, "min_frequency": 10},
    ],
)
def test_rare_categories_share_a_code_as_in_scikit_learn(limits):
    names = rng().choice(list("abcdefgh"), 500, p=[0.4, 0.2, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01])
    encoder, encoded = column(names, **{"max_categories": None, **limits})
    peer = OneHotEncoder(**limits).fit(names[:, None])
    assert encoder.n_codes_[0] == peer.transform(names[:1, None]).shape[1]
    shared = encoded.codes[:, 0] == encoder.n_codes_[0] - 1
    assert set(names[shared]) == set(peer.infrequent_categories_[0])
    decoded = encoder.decode(np.full((5000, 1), encoder.n_codes_[0] - 1), np.empty((5000, 0)), rng())["a"]
    found, counts = np.unique(decoded, return_counts=True)
    wanted, shares = np.unique(names[shared], return_counts=True)
    assert_array_equal(found, wanted)
    assert_allclose(counts / 5000, shares / shares.sum(), atol=0.03)


def test_missing_comes_after_the_code_that_rare_categories_share():
    encoder, encoded = column(["a"] * 5 + ["b", "c", None], max_categories=2)
    assert encoded.codes[:, 0].tolist() == [0] * 5 + [1, 1, 2]
    decoded = encoder.decode(encoded.codes, encoded.low, rng())["a"]
    assert decoded.isna().tolist() == [False] * 7 + [True]


def test_the_number_of_categories_is_limited_by_default():
    names = np.array([f"n{number}" for number in range(5000)])[rng().integers(0, 5000, 20_000)]
    encoder, _ = column(names)
    assert encoder.n_codes_.tolist() == [1000]
    encoder, _ = column(np.repeat(names[:800], 2)[:1000])
    assert encoder.n_codes_.tolist() == [100]
    assert len(set(drawn(encoder)["a"])) > 400
    encoder, _ = column(names[:2000], max_categories=None)
    assert encoder.n_codes_.tolist() == [len(set(names[:2000]))]


def test_identifiers_are_warned_of():
    table = pd.DataFrame({"key": [f"id-{number}" for number in range(200)]})
    with pytest.warns(UserWarning, match="column 'key' looks like an identifier, with 200 categories in 200"):
        encoder = TableEncoder().fit(table)
    assert encoder.n_codes_.tolist() == [20]
    TableEncoder().fit(table.head(50))


# Weights


def test_weights_count_as_repetitions():
    table = make_mixed_table(500, random_state=0)
    weights = rng().integers(0, 3, 500)
    weighted = TableEncoder(n_bins=4).fit(table, weights)
    plain = TableEncoder(n_bins=4).fit(table[weights > 0])
    assert_array_equal(weighted.n_codes_, plain.n_codes_)
    codes = plain.encode(table[weights > 0]).codes
    for index, frequencies in enumerate(weighted.frequencies_):
        assert_allclose(frequencies, np.bincount(codes[:, index], weights[weights > 0]) / weights.sum())


def test_equal_weights_are_none():
    table = make_mixed_table(500, random_state=0)
    first, second = TableEncoder().fit(table), TableEncoder().fit(table, np.full(500, 2.0))
    for one, other in zip(
        first.frequencies_ + first.rank_low_, second.frequencies_ + second.rank_low_, strict=True
    ):
        assert_allclose(one, other)


# What is refused

TABLE = pd.DataFrame({"a": np.arange(50) / 3, "b": ["x", "y"] * 25})


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_bins": 0}, ValueError, 'n_bins must be an integer >= 1, got 0; or give "auto"'),
        ({"n_bins": 2.5}, TypeError, "n_bins must be an integer"),
        ({"n_bins": "many"}, TypeError, "n_bins must be an integer >= 1, got 'many' of type str; or give"),
        ({"max_categories": 0}, ValueError, "max_categories must be an integer >= 1, got 0"),
        ({"max_categories": "all"}, TypeError, 'of type str; or give "auto" or None'),
        ({"min_frequency": 0}, ValueError, "min_frequency must be an integer >= 1, got 0"),
        ({"min_frequency": 1.5}, ValueError, "min_frequency must be a finite number > 0 and < 1"),
        ({"categorical_features": ["c"]}, ValueError, r"categorical_features names \['c'\], not in X"),
    ],
    ids=repr,
)
def test_wrong_parameters_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        TableEncoder(**parameters).fit(TABLE)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            TABLE.replace({"a": {1 / 3: np.inf}}),
            ValueError,
            "X contains infinity, first in column 'a', row 1;",
        ),
        (np.array([[1.0, -np.inf]]), ValueError, "X contains infinity, first in column 1, row 0;"),
        (TABLE.rename(columns={"b": "a"}), ValueError, r"several columns of the same name, \['a'\]"),
        (TABLE.head(0), ValueError, r"X has shape \(0, 2\): give it at least one row"),
        (TABLE[[]], ValueError, r"X has shape \(50, 0\)"),
        (
            pl.DataFrame({"a": [[1], [2]]}),
            ValueError,
            r"column 'a' has dtype List\(Int64\), which holds neither",
        ),
        (
            TABLE.assign(a=pd.period_range("2020", periods=50)),
            ValueError,
            r"column 'a' has dtype period\[D\]",
        ),
        (pd.DataFrame({"a": [[1], [2]]}), TypeError, "column 'a': .*not collections"),
        (pa.table({"a": [1, 2]}), TypeError, "convert it to a pandas or polars DataFrame"),
        (TABLE["a"], ValueError, "2-dimensional"),
        (np.zeros(3), ValueError, "2D"),
        (pd.DataFrame({"a": [1], 0: [2]}), TypeError, "[Ff]eature names"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_tables_are_named(X, error, message):
    with pytest.raises(error, match=message):
        TableEncoder().fit(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            TABLE.assign(b="new"),
            r"column 'b' has categories that training did not have, 'new': fit with rows ",
        ),
        (TABLE.assign(b=[f"c{i}" for i in range(50)]), r"'c0', 'c1', 'c10', 'c11', 'c12' and 45 more"),
        (
            TABLE.assign(a=np.nan),
            "column 'a' has missing cells, first in row 0, and had none in training: fill",
        ),
        (TABLE.assign(b=["x", None] * 25), "column 'b' has missing cells, first in row 1"),
        (TABLE.assign(a=np.inf), "X contains infinity, first in column 'a', row 0"),
        (TABLE.assign(a="x"), "column 'a' has dtype (object|str) and had float64 in training: convert it"),
        (TABLE[["b", "a"]], "feature names should match"),
        (TABLE[["a"]], "feature names should match"),
        (TABLE.rename(columns={"a": "z"}), "feature names should match"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_unlike_training_are_named(X, message):
    encoder = TableEncoder().fit(TABLE)
    with pytest.raises(ValueError, match=message):
        encoder.encode(X)


def test_unseen_categories_may_be_missing():
    encoder = TableEncoder().fit(TABLE)
    codes = encoder.encode(TABLE.assign(b=["new", "y"] * 25), unseen="missing").codes
    assert codes[:, 1].tolist() == [-1, 1] * 25
    with pytest.raises(ValueError, match="unseen must be one of 'error', 'missing', 'rare', got 'ignore'"):
        encoder.encode(TABLE, unseen="ignore")


def test_wrong_codes_are_refused():
    encoder = TableEncoder().fit(TABLE)
    codes, low, _ = encoder.encode(TABLE)
    for wrong in (codes - 1, codes + 2):
        with pytest.raises(ValueError, match="codes must lie between 0 and n_codes_ - 1"):
            encoder.decode(wrong, low, rng())
    with pytest.raises(ValueError, match=r"must have 2 and 1 columns, got shapes \(50, 1\) and \(50, 1\)"):
        encoder.decode(codes[:, :1], low, rng())
    with pytest.raises(NotFittedError):
        TableEncoder().encode(TABLE)
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        TableEncoder().fit(TABLE, np.zeros(50))


def test_a_failed_fit_leaves_the_earlier_state():
    encoder = TableEncoder().fit(TABLE)
    before = pickle.dumps(vars(encoder))
    with pytest.raises(ValueError, match="infinity"):
        encoder.fit(pd.DataFrame({"z": [1.0, np.inf]}))
    assert pickle.dumps(vars(encoder)) == before


# State and cost


def test_a_pickled_encoder_does_the_same():
    for table in (
        make_mixed_table(400, random_state=0),
        pl.from_pandas(make_mixed_table(400, random_state=0)),
    ):
        encoder = TableEncoder().fit(table)
        other = pickle.loads(pickle.dumps(encoder))
        for got, want in zip(other.encode(table), encoder.encode(table), strict=True):
            assert_array_equal(got, want)
        assert drawn(other).equals(drawn(encoder))
        assert len(encoder.template_) == 0


def test_parameters_are_stored_unchanged():
    parameters = {"n_bins": 3, "categorical_features": [0], "max_categories": 7, "min_frequency": 0.1}
    parameters["pixels"] = True
    assert clone(TableEncoder(**parameters)).get_params() == parameters


def test_encoding_is_compact_and_fast():
    table = make_mixed_table(20_000, random_state=0)
    table = pd.concat([table] * 5, ignore_index=True)
    table = pd.concat([table, table.add_suffix("2")], axis=1)
    start = time.perf_counter()
    encoder = TableEncoder().fit(table)
    encoded = encoder.encode(table)
    assert time.perf_counter() - start < 10  # about 1 on two cores
    assert isinstance(encoded, EncodedTable)
    assert encoded.codes.dtype == np.int32
    assert encoded.low.dtype == encoded.high.dtype == np.float32
    size = table.memory_usage(deep=True).sum()
    tracemalloc.start()
    try:
        encoder = TableEncoder().fit(table)
        encoder.encode(table)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()


def test_an_expected_number_is_the_mean_over_atoms_and_bins():
    x = np.random.default_rng(0).gamma(2, size=4000)
    (column,) = TableEncoder().fit(np.append(x, np.zeros(1000))[:, None]).columns_
    assert column.n_values == 2
    assert column.is_bin.tolist() == [False, True]
    # The whole bin, its middle, and a part of it as a mixture of two components.
    parts = [[0.0, 1.0], [0.0, 1.0], [0.5, 0.5]]
    densities = {1: ([[1.0], [1.0], [1.0]], [[0.0], [0.0], [1.0]], [[1.0], [1e-6], [1e-6]])}
    found = column.estimate(np.array(parts), {1: tuple(map(np.array, densities[1]))})
    assert_allclose(found, [x.mean(), np.median(x), np.quantile(x, ndtr(1)) / 2], rtol=0.01)


def test_an_expected_number_may_lie_in_a_gap():
    rng = np.random.default_rng(0)
    x = np.append(rng.normal(-5, 0.5, 500), rng.normal(5, 0.5, 500))
    (column,) = TableEncoder().fit(x[:, None]).columns_
    density = tuple(np.full((1, 1), value) for value in (1.0, 0.1, 0.5))
    scores = rng.normal(0.1, 0.5, size=100_000)
    drawn = column.decode(np.zeros(len(scores), int), ndtr(scores))[0]
    assert_allclose(column.estimate(np.ones((1, 1)), {0: density}), drawn.mean(), atol=0.3)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "datetime64[ns]"])
def test_an_expected_integer_of_many_digits_keeps_them(dtype):
    x = (2**62 + 1000 * np.arange(300)).astype(dtype)
    (column,) = TableEncoder().fit(pd.DataFrame({"x": x})).columns_
    density = tuple(np.full((1, 1), value) for value in (1.0, 0.0, 1e-6))
    found = column.estimate(np.ones((1, 1)), {0: density})
    assert abs(int(found[0]) - (2**62 + 149_500)) < 1000


def test_the_likeliest_category_of_a_shared_code_is_its_commonest():
    table = pd.DataFrame({"c": ["a"] * 50 + ["b"] * 5 + ["c"] * 4 + ["d"] * 3})
    (column,) = TableEncoder(max_categories=2).fit(table).columns_
    assert column.n_values == 2
    found = column.estimate(np.array([[0.4, 0.6], [0.1, 0.9]]), {})
    # Of the shared code's 0.6, its commonest category has 5/12.
    assert [column.categories[place] for place in found] == ["a", "b"]
