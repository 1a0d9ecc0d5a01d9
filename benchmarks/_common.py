"""What the benchmarks share: where the data lie, how results are headed and printed, how runs are timed."""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

N_REPEATS = 5

DATA = Path(os.environ.get("SKDIFFUSION_DATA", "../shared/data"))


def print_header(question, *packages):
    """Print the question, the date, the versions, the machine and the command."""
    packages = ("skdiffusion", "numpy", "scikit-learn", *packages)
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    command = " ".join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]])
    print(
        f"{question}\n\n"
        f"{datetime.date.today()}, Python {platform.python_version()}, {versions}\n"
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}\n"
        f"command: {command}\n"
    )


def _version(name):
    """Return a package's version, or that of its build for processors alone."""
    try:
        return version(name)
    except PackageNotFoundError:
        return version(f"{name}-cpu")


def print_table(columns, rows):
    """Print rows of cells as a Markdown table, the first column aligned left, the others right."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    for row in [cells[0], rule, *cells[1:]]:
        padded = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        padded[0] = row[0].ljust(widths[0])
        print(f"| {' | '.join(padded)} |", flush=True)
    print()


def in_fresh_process(script, *arguments):
    """Run a script of this folder in a process of its own; return the JSON on its last line of output."""
    command = [sys.executable, script, *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory():
    """Return the largest resident memory that this process had so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage, where a child starts from its parent's peak.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def decimals(column):
    """Return the largest number of decimals of a pandas column's numbers, up to 9."""
    values = np.unique(column.dropna())
    return next((n for n in range(9) if np.array_equal(values, np.round(values, n))), 9)


def medians(runs):
    """Median of each entry over a list of dicts of numbers."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def read_table(name):
    """Read one of the data folder's CSV files as a DataFrame."""
    import pandas as pd

    path = DATA / f"{name}.csv.gz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: benchmarks/README.md says where the file comes from; set "
            f"SKDIFFUSION_DATA to the folder that holds it."
        )
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def tutorial_rows(n_rows, n_columns=16):
    """Clean rows in [0, 1] with dependent columns, and their noisy version."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n_rows, 4)) @ rng.normal(size=(4, n_columns))
    clean = (1 / (1 + np.exp(-factors))).astype(np.float32)
    return clean + rng.normal(0, 0.1, clean.shape).astype(np.float32), clean
