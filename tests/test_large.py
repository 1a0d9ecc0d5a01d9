"""Tables larger than memory: parts in, shards on disk, and rows drawn into Parquet."""

import copy
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.stats import chisquare, kstest
from sklearn.utils import check_random_state

from skdiffusion import DiffusionGenerator, _checkpoint, _fitting, _generator, _parquet, _parts, _shards
from skdiffusion._checkpoint import Checkpoint
from skdiffusion._encoder import TableEncoder
from skdiffusion._parts import Parts
from skdiffusion._shards import Shards
from skdiffusion.datasets import make_mixed_table

pytestmark = pytest.mark.usefixtures("uncompiled")

# Seeds are fixed: a test of frequencies fails by chance at one in a thousand seeds, and so for none of these.
SIGNIFICANCE = 1e-3
N_SAMPLE, N_SHARD = 400, 256


def make(**parameters):
    defaults = {"epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 64, "random_state": 0}
    return DiffusionGenerator(**{**defaults, **parameters})


@pytest.fixture(scope="module", autouse=True)
def small_samples_and_shards():
    """Let a thousand rows be more than memory holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "_N_SAMPLE_ROWS", N_SAMPLE)
        patch.setattr(_shards, "_N_SHARD_ROWS", N_SHARD)
        patch.setattr(_parquet, "_N_CELLS", 1)  # 1024 rows, at least
        patch.setattr(_generator, "_N_DRAWN_CELLS", 1)
        yield


@pytest.fixture(scope="module")
def people():
    return make_mixed_table(1200, random_state=0)


def in_parts(table, n_rows=100):
    return [table[start : start + n_rows] for start in range(0, len(table), n_rows)]


@pytest.fixture(scope="module")
def folder(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    for place, part in enumerate(in_parts(people.sort_values("age"), 400)):
        part.to_parquet(folder / f"{place}.parquet", row_group_size=150)
    return folder


@pytest.fixture(scope="module")
def fitted(uncompiled, folder):
    return make().fit(folder)


def read(path):
    return pd.concat(list(Parts(path)), ignore_index=True)


class Frames:
    """Frames that are made anew each time they are gone through."""

    def __init__(self, make):
        self._make = make

    def __iter__(self):
        return self._make()


# Parts


def test_a_sample_of_parts_is_uniform_over_the_rows():
    numbers = np.arange(2000.0)[:, None]
    drawn = np.concatenate(
        [Parts(in_parts(numbers, 130)).sample(np.random.default_rng(seed))[0].ravel() for seed in range(20)]
    )
    assert len(drawn) == 20 * N_SAMPLE
    assert chisquare(np.histogram(drawn, 20, (0, 2000))[0]).pvalue > SIGNIFICANCE


def test_a_sample_has_no_row_twice_and_keeps_their_order():
    sample, n_rows = Parts(in_parts(np.arange(2000.0)[:, None], 130)).sample(np.random.default_rng(0))
    assert n_rows == 2000
    assert (np.diff(sample.ravel()) > 0).all()


def test_a_sample_of_few_rows_is_all_of_them(people):
    few = people[:N_SAMPLE]
    sample, n_rows = Parts(in_parts(few)).sample(np.random.default_rng(0))
    assert n_rows == N_SAMPLE
    assert_frame_equal(sample, few)


def test_a_sample_of_many_columns_has_fewer_rows(monkeypatch):
    monkeypatch.setattr(_parts, "_N_SAMPLE_CELLS", 1000)
    monkeypatch.setattr(_parts, "_MIN_SAMPLE_ROWS", 5)
    table = np.zeros((2000, 20))
    assert Parts(in_parts(table)).sample(np.random.default_rng(0))[0].shape == (50, 20)


def test_folders_named_by_values_are_a_column(people, tmp_path):
    people.to_parquet(tmp_path / "people", partition_cols=["region"])
    (part, *_) = Parts(tmp_path / "people")
    assert set(part.columns) == set(people.columns)


@pytest.mark.parametrize("kind", ["folder", "file", "string", "dataset"])
def test_all_ways_to_name_files_give_the_same_rows(folder, people, tmp_path, kind):
    X = {"folder": folder, "string": str(folder), "dataset": pyarrow.dataset.dataset(folder)}.get(kind)
    if kind == "file":
        X = tmp_path / "people.parquet"
        people.sort_values("age").to_parquet(X)
    expected = people.sort_values("age")
    rows, expected = (
        pyarrow.Table.from_pandas(table, preserve_index=False).to_pydict() for table in (read(X), expected)
    )
    assert rows == expected


# Shards


@pytest.fixture(scope="module")
def numbers():
    """A sorted table, and an encoder of all its rows."""
    table = pd.DataFrame({"row": np.arange(2000), "letter": np.repeat(list("abcde"), 400)})
    return table, TableEncoder().fit(table)


class Rows:
    """Stands in for a process: takes codes and the middle of ranks."""

    def arrays(self, encoded):
        return encoded.codes, encoded.low, encoded.high


def test_every_row_is_in_one_shard_or_held_out(numbers, tmp_path):
    table, encoder = numbers
    shards = Shards(tmp_path, in_parts(table), encoder, len(table), 0.25, np.random.default_rng(0))
    assert len(shards) == 8
    parts = [shards.rows(Rows(), place) for place in range(8)] + [shards.held_out(Rows())]
    codes, low, _ = (np.concatenate([part[place] for part in parts]) for place in range(3))
    assert_array_equal(
        np.sort(encoder.decode(codes, low, np.random.default_rng(0))["row"]), np.sort(table["row"])
    )
    assert abs(len(parts[-1][0]) - N_SHARD / 4) < 4 * np.sqrt(N_SHARD / 4)


def test_each_shard_of_a_sorted_table_is_a_sample_of_all_rows(numbers, tmp_path):
    table, encoder = numbers
    shards = Shards(tmp_path, in_parts(table), encoder, len(table), 0.25, np.random.default_rng(0))
    for place in range(len(shards)):
        codes, *_ = shards.rows(Rows(), place)
        assert chisquare(np.bincount(codes[:, 1], minlength=5)).pvalue > SIGNIFICANCE


def test_shards_come_again_after_the_last(numbers, tmp_path):
    table, encoder = numbers
    shards = Shards(tmp_path, in_parts(table), encoder, len(table), 0, np.random.default_rng(0))
    assert shards.held_out(Rows()) is None
    for array, other in zip(shards.rows(Rows(), 1), shards.rows(Rows(), 1 + len(shards)), strict=True):
        assert_array_equal(array, other)


def test_frequencies_are_those_of_all_rows_and_not_of_the_sample(tmp_path):
    table = pd.DataFrame({"letter": np.repeat(list("ab"), [1500, 500])})
    encoder = TableEncoder().fit(table[1400:1600])
    shards = Shards(tmp_path, in_parts(table), encoder, len(table), 0, np.random.default_rng(0))
    assert_array_equal(shards.frequencies[0], [0.75, 0.25])


def test_what_the_sample_lacks_joins_the_rare_or_has_no_code():
    table = pd.DataFrame({"many": list("aaabbbcd"), "few": list("aaaabbbb"), "n": np.arange(8.0)})
    encoder = TableEncoder(max_categories=3).fit(table)
    odd = pd.DataFrame({"many": ["z", None], "few": ["z", None], "n": [99.0, np.nan]})
    codes = encoder.encode(odd, unseen="rare").codes
    largest = encoder.encode(table[-1:]).codes[0, 2]
    assert_array_equal(codes, [[2, -1, largest], [-1, -1, -1]])


def test_a_full_disk_is_an_error_before_anything_is_written(people, monkeypatch):
    monkeypatch.setattr(_shards.shutil, "disk_usage", lambda folder: pd.Series({"free": 10}))
    with pytest.raises(OSError, match="set the environment variable TMPDIR"):
        make().fit(in_parts(people))


def test_a_table_that_changes_between_the_passes_is_an_error(people):
    lengths = iter([1200, 1100])
    changing = Frames(lambda: iter(in_parts(people[: next(lengths)])))
    with pytest.raises(ValueError, match="1200 rows when they were gone through first, and then 1100"):
        make().fit(changing)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(n_parts):
        def parts():
            rng = np.random.default_rng(0)
            return (rng.normal(size=(1000, 10)) for _ in range(n_parts))

        folder = tmp_path / str(n_parts)
        folder.mkdir()
        tracemalloc.start()
        rng = np.random.default_rng(0)
        table = Parts(Frames(parts))
        sample, n_rows = table.sample(rng)
        shards = Shards(folder, table, TableEncoder().fit(sample), n_rows, 0.1, rng)
        for epoch in range(3):
            shards.rows(Rows(), epoch)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(60) < 1.5 * peak(6)


# Fit


@pytest.fixture(scope="module")
def of_few(people):
    """Few rows of every kind of column, and a generator of them."""
    few = people[:N_SAMPLE].astype({"age": "Int64"})
    few["job"] = [f"job {place % 50}" for place in range(N_SAMPLE)]  # which share codes: a category is drawn
    few["nothing"] = None
    return few, make(max_categories=5, epochs=1).fit(few)


def test_few_rows_in_parts_are_fitted_as_a_table_in_memory(of_few):
    few, model = of_few
    assert make(max_categories=5, epochs=1).fit(in_parts(few)).history_ == model.history_


def test_a_fit_to_files_repeats(fitted, folder):
    assert make().fit(folder).history_ == fitted.history_


def test_an_epoch_is_a_shard_and_auto_takes_each_once_at_least(folder, monkeypatch):
    monkeypatch.setattr(_generator, "_N_EPOCH_STEPS", 1)
    monkeypatch.setattr(_fitting, "automatic_epochs", lambda n_rows: 1)
    assert make(epochs="auto").fit(folder).n_iter_ == 5


def test_min_frequency_counts_all_rows_and_not_those_of_the_sample(monkeypatch):
    encoders = []

    def stop(*arguments, **_):
        encoders.append(arguments[2])
        raise InterruptedError

    monkeypatch.setattr(_generator, "Shards", stop)
    table = pd.DataFrame({"letter": np.repeat(list("abcde"), [1600, 100, 100, 100, 100])})
    for min_frequency in (50, 200):
        with pytest.raises(InterruptedError):
            make(min_frequency=min_frequency).fit(in_parts(table))
    assert [encoder.n_codes_.tolist() for encoder in encoders] == [[5], [2]]


def test_a_sorted_table_in_parts_keeps_its_law():
    rng = np.random.default_rng(0)
    number = np.sort(rng.normal(size=3000))
    side = np.where(number + rng.normal(size=3000) > 0, "right", "left")
    table = pd.DataFrame({"number": number, "side": side})
    parameters = {"epochs": 12, "hidden_layer_sizes": (32,), "learning_rate": 0.01}
    rows = make(**parameters).fit(in_parts(table, 1000)).sample(2000, random_state=0)
    assert kstest(rows["number"], table["number"]).statistic < 0.06
    for frame in (rows, table):
        assert 0.65 < np.mean((frame["number"] > 0) == (frame["side"] == "right")) < 0.85


def test_cells_that_the_sample_lacks_do_not_disturb_the_rest(people):
    odd = people.copy()
    odd.loc[600, "job"] = "astronaut"
    odd.loc[601, "age"] = 10**6
    odd["employed"] = odd["employed"].astype("boolean")
    odd.loc[602, "employed"] = pd.NA
    model = make(random_state=1).fit(in_parts(odd))
    assert "astronaut" not in model.encoder_.columns_[-1].categories  # or take another seed
    assert np.isfinite(model.history_["loss"]).all()
    assert not model.sample(500, random_state=0)["employed"].isna().any()


def test_a_checkpoint_goes_on_and_knows_the_rows_outside_of_the_sample(people, tmp_path, monkeypatch):
    def write_and_stop(self, training):
        write(self, training)
        raise KeyboardInterrupt

    def parts_of(table):
        return [table[:700], table[700:]]

    expected = make(epochs=3).fit(parts_of(people))
    model, write = make(epochs=3, checkpoint=tmp_path / "fit"), Checkpoint.write
    monkeypatch.setattr(_checkpoint, "_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", write_and_stop)
        with pytest.raises(KeyboardInterrupt):
            model.fit(parts_of(people))
    sample, _ = Parts(parts_of(people)).sample(
        np.random.default_rng([check_random_state(0).randint(2**31), 1])
    )
    is_kept = people["income"].isin(sample["income"])
    assert 0 < is_kept.sum() < len(people)
    others = people.assign(income=people["income"].where(is_kept, people["income"].median()))
    with pytest.raises(ValueError, match="another fit, with other X, y or sample_weight"):
        model.fit(parts_of(others))
    for weight, other in zip(expected.weights_, model.fit(parts_of(people)).weights_, strict=True):
        assert_array_equal(weight, other)


def test_a_checkpoint_of_parts_needs_rows_dealt_alike(people, tmp_path):
    with pytest.raises(ValueError, match="a checkpoint of a table in parts needs an int random_state"):
        make(random_state=None, checkpoint=tmp_path / "fit").fit([people])


def test_a_failed_fit_leaves_the_old_state_and_no_files(fitted, people, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = fitted.sample(3, random_state=0)
    strange = people.assign(age=np.where(people.index == 1100, np.inf, people["age"]))
    with pytest.raises(ValueError, match="infinity"):
        fitted.fit(in_parts(strange))
    assert_frame_equal(fitted.sample(3, random_state=0), before)
    assert not list(tmp_path.iterdir())


# Parquet


def test_rows_drawn_into_a_file_are_those_of_sample(fitted, tmp_path):
    path = tmp_path / "rows.parquet"
    fitted.sample_to_parquet(path, 2500, random_state=0)
    assert_frame_equal(read(path), fitted.sample(2500, random_state=0))
    assert pq.ParquetFile(path).num_row_groups == 3


def test_pandas_finds_its_dtypes_in_a_file(of_few, tmp_path):
    _, model = of_few
    model.sample_to_parquet(tmp_path / "rows.parquet", 1500, random_state=0)
    assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), model.sample(1500, random_state=0))


def test_polars_frames_may_come_in_parts_and_go_into_a_file(people, tmp_path):
    table = pl.from_pandas(people[["age", "region", "job"]])
    model = make(process="gaussian", sampler="euler", n_sampling_steps=1, epochs=1).fit(in_parts(table))
    model.sample_to_parquet(tmp_path / "rows.parquet", 1500, random_state=0)
    rows = model.sample(1500, random_state=0)
    assert rows.schema == table.schema
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(rows)


def test_images_may_come_in_parts_and_go_into_a_file(tmp_path):
    images = pd.DataFrame(np.random.default_rng(0).integers(0, 17, size=(600, 4))).add_prefix("pixel ")
    parameters = {"image_shape": (2, 2), "sampler": "euler", "n_sampling_steps": 1}
    model = make(process="gaussian", hidden_layer_sizes=(4,), **parameters).fit(in_parts(images))
    model.sample_to_parquet(tmp_path / "rows.parquet", 5000, random_state=0)
    assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), model.sample(5000, random_state=0))


def test_no_missing_cells_are_drawn_if_none_may_be(fitted, tmp_path):
    fitted.sample_to_parquet(tmp_path / "rows.parquet", 200, allow_missing=False, random_state=0)
    assert not read(tmp_path / "rows.parquet").isna().any().any()


@pytest.mark.parametrize("reason", ["with y", "to an array"])
def test_rows_without_names_go_into_no_file(fitted, tmp_path, reason):
    model = copy.deepcopy(fitted)
    if reason == "with y":
        model.target_encoder_ = model.encoder_
    else:
        model.encoder_.template_ = np.empty((0, 7))
    with pytest.raises(ValueError, match=reason):
        model.sample_to_parquet(tmp_path / "rows.parquet", 5)


def test_a_file_of_drawn_rows_has_the_types_of_the_files_of_training_without_their_index(
    fitted, folder, tmp_path
):
    fitted.sample_to_parquet(tmp_path / "rows.parquet", 10)
    *fields, index = pyarrow.dataset.dataset(folder).schema
    assert index.name == "__index_level_0__"
    assert list(pq.read_schema(tmp_path / "rows.parquet")) == fields


def test_no_rows_give_a_file_without_rows(fitted, tmp_path):
    fitted.sample_to_parquet(tmp_path / "rows.parquet", 0)
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 0


def test_a_draw_that_fails_leaves_the_old_file_and_no_other(fitted, tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    path.write_text("old")
    monkeypatch.setattr(_generator, "_hidden", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted.sample_to_parquet(path, 5)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# Errors


def test_a_generator_of_frames_is_refused(people):
    with pytest.raises(TypeError, match="X is a generator, which can be gone through only once"):
        make().fit(part for part in in_parts(people))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.rename(columns={"age": "years"}), r"part 1 of X has the columns \['years'"),
        (lambda part: part[part.columns[::-1]], "in the same order"),
        (
            lambda part: part.astype({"age": float}),
            "column 'age' has dtype float64 in part 1 of X, and int64",
        ),
        (lambda part: part.assign(region=part["region"].cat.rename_categories(str.upper)), "column 'region'"),
        (lambda part: pl.from_pandas(part), "give parts of one kind"),
        (lambda part: part["age"], "part 1 of X is of type Series: give DataFrames"),
        (lambda part: part.to_numpy(), "give parts of one kind"),
    ],
)
def test_parts_that_differ_are_an_error_that_says_how(people, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make().fit([people[:10], change(people[10:20])])


@pytest.mark.parametrize("other", [np.zeros((3, 3)), np.zeros((3, 2), int)])
def test_arrays_that_differ_are_an_error(other):
    with pytest.raises(ValueError, match=r"part 1 of X has \d columns of"):
        make().fit([np.zeros((3, 2)), other])


def test_files_that_differ_are_an_error(people, tmp_path):
    people.to_parquet(tmp_path / "a.parquet")
    people.drop(columns="age").to_parquet(tmp_path / "b.parquet")
    with pytest.raises(
        ValueError, match=r"b\.parquet' has other columns or types .* none in place of age: int64"
    ):
        make().fit(tmp_path)


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for X in (tmp_path, tmp_path / "table.csv"):
        with pytest.raises(ValueError, match="cannot be read as Parquet"):
            make().fit(X)


def test_a_path_of_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        make().fit(tmp_path / "missing.parquet")


def test_a_folder_without_files_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no files"):
        make().fit(tmp_path)


def test_no_rows_are_an_error(people, tmp_path):
    people[:0].to_parquet(tmp_path / "none.parquet")
    for X in (tmp_path, [people[:0], people[:0]], Frames(lambda: iter([]))):
        with pytest.raises(ValueError, match="X has no rows"):
            make().fit(X)


def test_y_and_weights_need_a_table_in_memory(people, folder):
    for arguments in ({"y": people["age"]}, {"sample_weight": np.ones(len(people))}):
        with pytest.raises(ValueError, match="y and sample_weight need a table in memory"):
            make().fit(folder, **arguments)


def test_without_pyarrow_the_error_says_what_to_install(fitted, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install"):
        make().fit(folder)
    with pytest.raises(ImportError, match="pip install"):
        fitted.sample_to_parquet(tmp_path / "rows.parquet", 1)


@pytest.mark.parametrize(("path", "error"), [("no/rows.parquet", FileNotFoundError), ("", IsADirectoryError)])
def test_a_path_that_cannot_be_written_is_an_error(fitted, tmp_path, path, error):
    with pytest.raises(error):
        fitted.sample_to_parquet(tmp_path / path, 5)
