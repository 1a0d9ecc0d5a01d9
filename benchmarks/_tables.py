"""The tables of the generator's benchmark: training rows, held-out rows, kinds of columns, target."""

from dataclasses import dataclass

import pandas as pd
from _common import read_table
from sklearn.model_selection import train_test_split

_HOLDOUT_SHARE, _SPLIT_SEED = 0.1, 0
_N_QUICK, _N_QUICK_HOLDOUT = 500, 250


@dataclass(frozen=True)
class DataSet:
    """Where a table comes from, and what its columns are."""

    label: str
    target: str
    categorical: str = ""
    """Names of the categorical columns, which are read as strings."""

    files: tuple = ()
    """One file, which is split, or training and held-out rows."""

    dropped: tuple = ()
    """Columns that are left out."""

    leaks: tuple = ()
    """Columns from which the target is known: no features when it is predicted."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to test on."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    categorical: list
    target: str
    leaks: list


DATA_SETS = {
    "adult": DataSet(
        "Adult",
        "income",
        "workclass education marital-status occupation relationship race sex native-country income",
        files=("adult_train", "adult_test"),
    ),
    "shoppers": DataSet(
        "Online Shoppers",
        "Revenue",
        "Month OperatingSystems Browser Region TrafficType VisitorType Weekend Revenue",
        files=("online_shoppers",),
    ),
    "california": DataSet("California housing", "median_house_value", files=("california_housing",)),
    "diamonds": DataSet("Diamonds", "price", "cut color clarity", files=("diamonds",)),
    "bike": DataSet(
        "Bike sharing",
        "cnt",
        "season yr mnth hr holiday weekday workingday weathersit",
        files=("bike_sharing_hour",),
        dropped=("instant", "dteday"),
        leaks=("casual", "registered"),
    ),
    "abalone": DataSet("Abalone", "Rings", "Sex", files=("abalone",)),
    "penguins": DataSet("Penguins", "species", "island sex species", files=("penguins",)),
}


def load(name, *, quick=False):
    """Read a data set and split it; with `quick` into a few hundred rows."""
    data_set = DATA_SETS[name]
    tables = read_data_set(data_set)
    if len(tables) == 1:
        tables = train_test_split(tables[0], test_size=_HOLDOUT_SHARE, random_state=_SPLIT_SEED)
    if quick:
        sizes = (_N_QUICK, _N_QUICK_HOLDOUT)
        tables = [table.head(size) for table, size in zip(tables, sizes, strict=True)]
    train, holdout = (table.reset_index(drop=True) for table in tables)
    return Split(train, holdout, data_set.categorical.split(), data_set.target, list(data_set.leaks))


def read_data_set(data_set):
    """Read the tables of a data set, categories as strings."""
    return [_read(data_set, file) for file in data_set.files]


def _read(data_set, file):
    table = read_table(file).drop(columns=list(data_set.dropped))
    categorical = data_set.categorical.split()
    for name in categorical:
        table[name] = table[name].map(str, na_action="ignore").astype(object)
    if unknown := [name for name in table.select_dtypes(object) if name not in categorical]:
        raise ValueError(f"columns {unknown} of {file} hold strings, but are not in its categorical list")
    return table
