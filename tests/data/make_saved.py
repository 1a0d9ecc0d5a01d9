"""Write the files of this version's estimators that later versions must load.

Run it once for each format, from the root: PYTHONPATH=tests python tests/data/make_saved.py
"""

from pathlib import Path
from zipfile import ZIP_DEFLATED

import joblib
import skops.io
from _saved import fitted_models, result
from _uncompiled import uncompiled

import skdiffusion

HERE = Path(__file__).parent

IN_SKOPS = ("masked", "regressor", "noiser")  # of which files are larger


def main():
    """Write the files."""
    with uncompiled():
        models = fitted_models()
        expected = {name: result(name, model) for name, model in models.items()}
    for kind, names in (("joblib", models), ("skops", IN_SKOPS)):
        saved = {name: (models[name], expected[name]) for name in names}
        path = HERE / f"saved-{skdiffusion.__version__}.{kind}"
        if kind == "joblib":
            joblib.dump(saved, path, compress=9)
        else:
            skops.io.dump(saved, path, compression=ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":  # pytest imports all modules for their doctests
    main()
