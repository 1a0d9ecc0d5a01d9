"""What do more rows, columns and categories cost? And does a table larger than memory fit it?

Tables are generated: every second column holds numbers, the others categories, and they depend on each other.
They are written to Parquet files, from which a generator with its default network learns, and it draws rows
into such a file. Every size has a process of its own. Seconds of reading are those before the training:
two passes over the files, the encoder's fit, and the shards. An epoch's seconds, and those of the draws, are
without compilation. The last table is one run on many rows, with resident memory and throughput from its
beginning to its end; of 20,000,000 rows each is trained on once. Run it from the repository root::

    python benchmarks/scaling.py > benchmarks/results/scaling.md
    python benchmarks/scaling.py --rows 20000000 > benchmarks/results/scaling_large.md
    python benchmarks/scaling.py --quick
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from _common import in_fresh_process, peak_memory, print_header, print_table
from scipy.special import ndtr

N_FILE_ROWS = 100_000
N_FACTORS = 4
SIZE = {"rows": 100_000, "columns": 20, "categories": 10}
CURVES = {
    "rows": [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
    "columns": [5, 20, 100, 500],
    "categories": [2, 10, 100, 1_000, 10_000],
}
QUICK = {"rows": [1_000, 3_000], "columns": [5, 20], "categories": [2, 100]}
N_DRAWN = 4096  # rows, after as many for the compilation
MILLION = 1_000_000


def write_table(folder, rows, columns, categories):
    """Write a table into files of some rows each."""
    weights = np.random.default_rng(0).normal(size=(N_FACTORS, columns)) / np.sqrt(2 * N_FACTORS)
    for place, start in enumerate(range(0, rows, N_FILE_ROWS)):
        n_rows = min(N_FILE_ROWS, rows - start)
        rng = np.random.default_rng([1, place])
        scores = rng.normal(size=(n_rows, N_FACTORS)) @ weights + rng.normal(
            size=(n_rows, columns)
        ) / np.sqrt(2)
        table = pd.DataFrame(scores).add_prefix("number ")
        for column in range(1, columns, 2):
            codes = np.minimum(ndtr(scores[:, column]) * categories, categories - 1).astype(int)
            table.isetitem(column, "c" + pd.Series(codes).astype(str))
        table.to_parquet(Path(folder, f"{place:06}.parquet"))


class Clock:
    """Notes when epochs end and rows are drawn, in place of the lines of progress."""

    def __init__(self):
        self.begin, self.epochs, self.drawn = None, [], []

    def line(self, *_):
        """Stand in for `VerboseLine`."""
        return self

    def on_epoch_begin(self, epoch):
        self.begin = self.begin or time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        self.epochs.append(time.perf_counter())
        return False

    def on_train_end(self):
        pass

    def rows_line(self, *_):
        """Stand in for `rows_line`."""
        return lambda n_done: self.drawn.append((n_done, time.perf_counter()))


class Frames:
    """The rows of files, and when they were read."""

    def __init__(self, folder):
        self.folder, self.read = folder, []

    def __iter__(self):
        from skdiffusion._parquet import dataset_of, frames_of

        read, n_rows = [], 0
        self.read.append(read)
        for frame in frames_of(dataset_of(self.folder)):
            yield frame
            n_rows += len(frame)
            read.append((n_rows, time.perf_counter()))


class Memory(threading.Thread):
    """Notes the process' resident memory, in MiB, twice a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.noted = []
        self.start()

    def run(self):
        process = psutil.Process()
        while True:
            self.noted.append((time.perf_counter(), process.memory_info().rss / 2**20))
            time.sleep(0.5)

    def largest(self, start, stop):
        """Largest in a stretch of time."""
        return max((size for moment, size in self.noted if start - 0.5 <= moment <= stop + 0.5), default=0)


def measure(folder, epochs, n_drawn):
    """Fit to a folder and draw; return what was noted."""
    import skdiffusion._training  # noqa: F401  imports are not what is timed here
    from skdiffusion import DiffusionGenerator, _fitting, _generator

    clock, memory, frames = Clock(), Memory(), Frames(folder)
    _fitting.VerboseLine, _generator.rows_line = clock.line, clock.rows_line
    seen = []

    def fitted(*arguments, **options):
        result = train(*arguments, **options)
        seen.append(result.n_rows_seen)
        return result

    train, _generator.fitted = _generator.fitted, fitted
    model = DiffusionGenerator(epochs=epochs, early_stopping=False, random_state=0, verbose=1)
    start = time.perf_counter()
    model.fit(frames)
    trained = time.perf_counter()
    path = Path(folder).with_suffix(".drawn")
    if n_drawn == N_DRAWN:
        model.sample_to_parquet(path, N_DRAWN)
    begun = time.perf_counter()
    model.sample_to_parquet(path, n_drawn)
    end = time.perf_counter()
    bounds = {"read": (start, clock.begin), "train": (clock.begin, clock.epochs[-1]), "draw": (begun, end)}
    n_epoch_rows = seen[0] / len(clock.epochs)
    progress = {f"reading, pass {place + 1}": read for place, read in enumerate(frames.read)}
    progress["training"] = [(n_epoch_rows * (place + 1), moment) for place, moment in enumerate(clock.epochs)]
    progress["drawing"] = clock.drawn
    return {
        "seconds": {name: stop - start for name, (start, stop) in bounds.items()},
        "memory": {name: memory.largest(*bound) for name, bound in bounds.items()},
        "epoch": (clock.epochs[-1] - clock.epochs[0]) / (seen[0] - n_epoch_rows),
        "calibration": trained - clock.epochs[-1],
        "peak": peak_memory(),
        "progress": progress,
        "over time": [memory.largest(*np.linspace(start, end, 21)[place : place + 2]) for place in range(20)],
    }


def rate(progress, is_first):
    """Rows per second of the first or last million, or half of the rows if they are fewer."""
    rows, moments = np.array(progress).T
    n_rows = min(MILLION, rows[-1] / 2)
    ends = (rows[0], rows[0] + n_rows) if is_first else (rows[-1] - n_rows, rows[-1])
    start, stop = np.interp(ends, rows, moments)
    return n_rows / max(stop - start, 1e-9)


def run(size, epochs, n_drawn):
    """Write a table and measure in a process of its own."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "table")
        folder.mkdir()
        write_table(folder, **size)
        n_bytes = sum(os.path.getsize(path) for path in folder.iterdir())
        task = {"folder": str(folder), "epochs": epochs, "n_drawn": n_drawn}
        return {**in_fresh_process(__file__, "--worker", json.dumps(task)), "bytes": n_bytes}


def print_curves(curves):
    """One table for each thing that grows."""
    for name, values in curves.items():
        fixed = {other: size for other, size in SIZE.items() if other != name}
        print(
            f"## {name}\n\n{', '.join(f'{size:,} {other}' for other, size in fixed.items())}.\n", flush=True
        )
        rows = []
        for value in values:
            size = {**SIZE, name: value}
            found = run(size, 3, N_DRAWN)
            costs = (
                found["seconds"]["read"] / size["rows"],
                found["epoch"],
                found["seconds"]["draw"] / N_DRAWN,
            )
            rows.append([f"{value:,}", *(f"{1e6 * cost:.1f}" for cost in costs), f"{found['peak']:.0f}"])
        print_table([name, "read, us a row", "epoch, us a row", "draw, us a row", "peak MiB"], rows)


def print_large(rows, n_drawn):
    """Print the run on many rows."""
    size = {**SIZE, "rows": rows}
    found = run(size, "auto" if rows > MILLION else 3, n_drawn)
    print(f"## {rows:,} rows of {size['columns']} columns, {n_drawn:,} rows drawn\n")
    print(f"{found['bytes'] / 2**30:.2f} GiB of Parquet. Calibration: {found['calibration']:.0f} s.\n")
    seconds, memory = found["seconds"], found["memory"]
    names = {"read": "reading and encoding", "train": "training", "draw": "drawing"}
    print_table(
        ["stage", "seconds", "largest resident memory, MiB"],
        [[names[name], f"{seconds[name]:.0f}", f"{memory[name]:.0f}"] for name in names],
    )
    print_table(
        ["rows a second", "first million", "last million"],
        [
            [name, f"{rate(progress, True):,.0f}", f"{rate(progress, False):,.0f}"]
            for name, progress in found["progress"].items()
            if len(progress) > 2
        ],
    )
    print("Largest resident memory in each twentieth of the time.\n")
    over_time = [[f"{5 * place} %", f"{size:.0f}"] for place, size in enumerate(found["over time"])]
    print_table(["time", "MiB"], over_time)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--rows", type=int, help="only the run on so many rows")
    parser.add_argument("--drawn", type=int, help="rows to draw in that run; as many as there are by default")
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(**arguments.worker)))
        return
    print_header(__doc__.splitlines()[0], "keras", "tensorflow", "pandas", "pyarrow")
    if arguments.rows is None:
        print_curves(QUICK if arguments.quick else CURVES)
    if arguments.rows or arguments.quick:
        rows = arguments.rows or 300_000
        print_large(rows, arguments.drawn or (8192 if arguments.quick else rows))


if __name__ == "__main__":
    main()
