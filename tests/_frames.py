"""A DataFrame of every kind of column, for pandas and polars."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

PANDAS = pd.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "count": pd.array([1, None, 3], dtype="Int64"),
        "level": pd.Categorical(["x", "y", None], categories=["y", "x"], ordered=True),
        "text": ["u", None, "v"],
        "object": np.array(["u", np.nan, "v"], dtype=object),
        "flag": [True, False, True],
        "nullable": pd.array([True, None, False], dtype="boolean"),
    },
    index=[5, 7, 7],
)
POLARS = pl.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "count": [1, None, 3],
        "level": ["x", "y", None],
        "text": ["u", None, "v"],
        "object": ["u", None, "v"],
        "flag": [True, False, True],
        "nullable": [True, None, False],
    },
    schema_overrides={"level": pl.Enum(["y", "x"]), "object": pl.Categorical},
)
CATEGORICAL = np.array([False, False, True, True, True, True, True])
FRAMES = pytest.mark.parametrize("frame", [PANDAS, POLARS], ids=["pandas", "polars"])
