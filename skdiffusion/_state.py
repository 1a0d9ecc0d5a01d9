"""The state of an estimator: replaced at once, marked in files, without DataFrames."""

from importlib import import_module
from io import BytesIO

from sklearn.utils.validation import validate_data

from ._table import is_frame

VERSION = import_module(__package__).__version__

# Goes up when an estimator's state changes so that what is in older files can no longer be used.
_FORMAT = 1
_MARK = "_skdiffusion"


class StateMixin:
    """Estimators whose state is replaced as a whole, and says in a file which version wrote it."""

    def _set_learnt(self, table, learnt):
        """Replace what an earlier fit has learnt: an interrupt finds the old state or the new one."""
        fitted = type(self).__new__(type(self))
        vars(fitted).update({name: value for name, value in vars(self).items() if not name.endswith("_")})
        validate_data(fitted, table, skip_check_array=True)
        vars(fitted).update(learnt)
        self.__dict__ = vars(fitted)

    def __getstate__(self):
        return {**super().__getstate__(), _MARK: {"version": VERSION, "format": _FORMAT}}

    def __setstate__(self, state):
        state = dict(state)
        mark = state.pop(_MARK, {"version": "of an unknown version", "format": None})
        if mark["format"] != _FORMAT:
            raise ValueError(
                f"this {type(self).__name__} was saved by skdiffusion {mark['version']}, in format "
                f"{mark['format']}, and skdiffusion {VERSION} reads format {_FORMAT}: load it with the "
                "version that saved it, or fit it anew."
            )
        # Parameters that the version had not which saved it.
        super().__setstate__(type(self)().get_params(deep=False) | state)


def as_plain(template):
    """Return a table without rows as plain data, or as it is where its dtypes would not come back."""
    if not is_frame(template):
        return template
    try:
        plain = _plain_pandas(template) if hasattr(template, "iloc") else _plain_polars(template)
        return plain if _are_alike(from_plain(plain), template) else template
    except Exception:  # each library has errors of its own
        return template


def from_plain(plain):
    """Return the table without rows that `as_plain` was given."""
    if not isinstance(plain, dict):
        return plain
    if plain["library"] not in ("pandas", "polars"):
        raise ValueError(f"the file names {plain['library']!r} as the library of a table: it was altered.")
    library = import_module(plain["library"])
    if plain["library"] == "polars":
        return library.read_ipc(BytesIO(plain["arrow"]))
    dtypes = [_pandas_dtype(dtype, library) for dtype in plain["dtypes"]]
    table = library.DataFrame({place: library.Series([], dtype=dtype) for place, dtype in enumerate(dtypes)})
    names = plain["names"]
    dtype = _pandas_dtype(names["dtype"], library)
    table.columns = library.Index(names["cells"], dtype=dtype, tupleize_cols=dtype is None)
    table.columns.names = names["names"]
    return table


def _plain_polars(template):
    file = BytesIO()
    template.write_ipc(file)
    return {"library": "polars", "arrow": file.getvalue()}


def _plain_pandas(template):
    names = template.columns
    dtype = _plain_dtype(names.dtype) if names.nlevels == 1 else None
    cells = {"cells": names.tolist(), "dtype": dtype, "names": list(names.names)}
    return {"library": "pandas", "names": cells, "dtypes": [_plain_dtype(dtype) for dtype in template.dtypes]}


def _plain_dtype(dtype):
    """Return a dtype of pandas as its name, or as the arguments of which the name says nothing."""
    if hasattr(dtype, "categories"):
        cells = dtype.categories
        return {"categories": cells.tolist(), "of": _plain_dtype(cells.dtype), "ordered": dtype.ordered}
    if type(dtype).__name__ == "StringDtype":
        return {"storage": dtype.storage, "has_nan": isinstance(dtype.na_value, float)}
    return str(dtype)


def _pandas_dtype(plain, pd):
    if not isinstance(plain, dict):
        return plain and pd.api.types.pandas_dtype(plain)
    if "storage" in plain:
        return pd.StringDtype(plain["storage"], na_value=float("nan") if plain["has_nan"] else pd.NA)
    categories = pd.Index(plain["categories"], dtype=_pandas_dtype(plain["of"], pd))
    return pd.CategoricalDtype(categories, ordered=plain["ordered"])


def _are_alike(restored, template):
    """Tell whether two tables have the same columns, in name and dtype."""
    if list(restored.dtypes) != list(template.dtypes):
        return False
    if not hasattr(template, "iloc"):
        return restored.columns == template.columns
    return restored.columns.equals(template.columns) and restored.columns.names == template.columns.names
