"""Parquet files, read and written some rows at a time."""

from contextlib import contextmanager
from pathlib import Path

from ._files import checked, replacing

# Cells of a frame, about: little beside TensorFlow, and enough that the cost of a frame vanishes.
_N_CELLS = 2**21


def dataset_of(path):
    """Open a Parquet file, or a folder of them, as a pyarrow dataset, and check that the files are alike.

    Folders named ``column=value`` are a column.
    """
    _, dataset = _pyarrow()
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"X is the path {str(path)!r}, where there is no file or folder: correct it, or give a "
            "pyarrow.dataset.Dataset of a place that is no local path."
        )
    with _readable(path):
        found = dataset.dataset(str(path), format="parquet", partitioning="hive")
    if not found.files:
        raise ValueError(f"the folder {str(path)!r} holds no files: give one with Parquet files.")
    first, *others = found.get_fragments()
    expected = _columns(first)
    for fragment in others:
        # Left to itself, pyarrow fills columns that a file lacks, and leaves out those that only it has.
        if (columns := _columns(fragment)) != expected:
            raise ValueError(
                f"{fragment.path!r} has other columns or types than {first.path!r}, "
                f"{_few(columns - expected)} in place of {_few(expected - columns)}: give files that are "
                "alike, or a pyarrow.dataset.Dataset with the schema that you mean."
            )
    return found


def frames_of(dataset):
    """Yield the rows of a pyarrow dataset as pandas DataFrames with Arrow's dtypes.

    NumPy's dtypes would depend on whether some rows have missing cells.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("Parquet is read with pandas: `pip install skdiffusion[parquet]`") from error
    n_rows = max(1024, _N_CELLS // max(len(dataset.schema), 1))
    # Threads would read up to a GiB ahead of what takes the rows, whatever the readahead.
    bounds = {"batch_readahead": 2, "fragment_readahead": 1, "use_threads": False}
    for batch in dataset.to_batches(batch_size=n_rows, **bounds):
        yield batch.to_pandas(types_mapper=pd.ArrowDtype)


def write(path, frames, example):
    """Write frames into one Parquet file, so that a failure leaves what was there.

    Arrow's types are those of `example`, a frame with cells of every kind: there may be none in some rows.
    """
    pyarrow, _ = _pyarrow()
    from pyarrow.parquet import ParquetWriter

    path = checked(path)
    try:
        schema = _as_arrow(example, pyarrow).schema
    except pyarrow.ArrowException as error:
        raise ValueError(f"Parquet does not hold all columns: {error}; convert them before fit.") from error
    with replacing(path) as file, ParquetWriter(file, schema) as writer:
        for frame in frames:
            writer.write_table(_as_arrow(frame, pyarrow).cast(schema))


def _as_arrow(frame, pyarrow):
    if not hasattr(frame, "iloc"):
        return frame.to_arrow()
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    # What pandas notes of its dtypes is of no use for Arrow's, and those of categories it cannot read again.
    is_of_arrow = any(hasattr(dtype, "pyarrow_dtype") for dtype in frame.dtypes)
    return table.replace_schema_metadata() if is_of_arrow else table


def _pyarrow():
    try:
        import pyarrow
        from pyarrow import dataset
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: `pip install skdiffusion[parquet]`") from error
    return pyarrow, dataset


@contextmanager
def _readable(path):
    """Let an error of pyarrow name the file."""
    pyarrow, _ = _pyarrow()
    try:
        yield
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{str(path)!r} cannot be read as Parquet: {error}") from error


def _columns(fragment):
    """Return names and types of a file's columns."""
    with _readable(fragment.path):
        return {f"{field.name}: {field.type}" for field in fragment.physical_schema}


def _few(columns):
    """List some columns, and say that there are more."""
    listed = sorted(columns)
    return (", ".join(listed[:3]) or "none") + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
