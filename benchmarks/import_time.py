"""What does `import skdiffusion` add to `import sklearn`?

Each import runs in a process of its own, in turns. Run it from the repository root::

    python benchmarks/import_time.py > benchmarks/results/import_time.md
"""

import subprocess
import sys
from statistics import median

from _common import print_header, print_table

N_RUNS = 15
STATEMENTS = {
    "import sklearn": "import sklearn",
    "import sklearn, skdiffusion": "import sklearn, skdiffusion",
    "and its two estimators": "import sklearn, skdiffusion; "
    "skdiffusion.DiffusionNoiser; skdiffusion.DenoisingRegressor",
    "import sklearn.base, sklearn.utils": "import sklearn.base, sklearn.utils",
    "import keras": "import keras",
}
PROGRAM = """
import sys, time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start, "keras" in sys.modules or "tensorflow" in sys.modules)
"""


def main():
    print_header(__doc__.splitlines()[0], "keras", "tensorflow")
    seconds, loads = {name: [] for name in STATEMENTS}, {}
    for _ in range(N_RUNS):
        for name, statement in STATEMENTS.items():
            command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            seconds[name].append(float(output[0]))
            loads[name] = output[1]
    base = median(seconds["import sklearn"])
    print(f"Medians of {N_RUNS} processes.")
    print_table(
        ["statement", "seconds", "added to import sklearn", "Keras or TensorFlow loaded"],
        [
            [name, f"{median(s):.3f}", f"{median(s) - base:+.3f}", "yes" if loads[name] == "True" else "no"]
            for name, s in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
