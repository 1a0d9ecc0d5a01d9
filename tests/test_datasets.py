"""Generated tables: what their docstrings promise."""

import builtins

import numpy as np
import pandas as pd
import pytest

from skdiffusion.datasets import make_mixed_table


def test_the_same_seed_gives_the_same_table():
    pd.testing.assert_frame_equal(make_mixed_table(50, random_state=0), make_mixed_table(50, random_state=0))
    assert not make_mixed_table(50, random_state=0).equals(make_mixed_table(50, random_state=1))


def test_a_seed_leaves_global_random_state_alone():
    before = np.random.get_state()[2]  # noqa: NPY002
    make_mixed_table(50, random_state=0)
    assert np.random.get_state()[2] == before  # noqa: NPY002


def test_columns_are_of_every_kind():
    table = make_mixed_table(2_000, random_state=0)
    assert table.shape == (2_000, 7)
    assert table["age"].dtype == int
    assert table["age"].between(18, 90).all()
    assert table["income"].isna().mean() == pytest.approx(0.08, abs=0.02)
    assert (table["savings"] == 0).mean() == pytest.approx(0.4, abs=0.05)
    assert table["education"].cat.ordered
    assert not table["region"].cat.ordered
    assert table["region"].value_counts(normalize=True)["islands"] < 0.05
    assert table["employed"].dtype == bool
    assert table["job"].isna().equals(~table["employed"])


def test_columns_depend_on_each_other():
    table = make_mixed_table(2_000, random_state=0)
    assert table.groupby("education", observed=True)["income"].median().is_monotonic_increasing
    assert table.groupby(table["savings"] > 0)["income"].median().is_monotonic_increasing
    assert table.groupby("education", observed=True)["age"].median().is_monotonic_decreasing
    assert "engineer" not in set(table.loc[table["education"] == "school", "job"])


def test_one_row_is_a_table():
    assert len(make_mixed_table(1, random_state=0)) == 1


@pytest.mark.parametrize("n_samples", [0, 2.0, True, "many"])
def test_a_wrong_number_of_rows_is_named(n_samples):
    with pytest.raises(
        (TypeError, ValueError), match=f"n_samples must be an integer >= 1, got {n_samples!r}"
    ):
        make_mixed_table(n_samples)


def test_without_pandas_the_remedy_is_named(monkeypatch):
    real_import = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(
        ImportError, match="make_mixed_table needs pandas: install it with `pip install pandas`"
    ):
        make_mixed_table()
