"""What a fresh process with one thread does: loads, fits and draws, and hears all that it does outside.

Run as a script: `python _fresh_process.py FOLDER`, with estimators in FOLDER/models; writes FOLDER/found.
"""

import os
import sys

NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.")
PROGRAMS = ("subprocess.", "os.system", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.startfile")
FILES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def hear():
    """Return a list to which is added what the process does outside of itself, as far as Python knows."""
    heard = []

    def listen(event, arguments):
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if is_write or event.startswith((*NETWORK, *PROGRAMS, *FILES)):
            heard.append(f"{event}: {arguments[:1]}")

    sys.addaudithook(listen)
    return heard


def fits():
    """Fit estimators with networks; return for each its weights, and what it makes of rows."""
    from _saved import NUMBERS, TABLE

    from skdiffusion import DenoisingRegressor, DiffusionDenoiser, DiffusionGenerator

    small = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0}
    generator = DiffusionGenerator(**small).fit(TABLE)
    regressor = DenoisingRegressor(**small).fit(NUMBERS, NUMBERS)
    denoiser = DiffusionDenoiser(**small).fit(NUMBERS)
    return {
        "generator": [*generator.weights_, generator.sample(20, random_state=0).to_csv()],
        "regressor": [*regressor.weights_, regressor.predict(NUMBERS)],
        "denoiser": [*denoiser.weights_, denoiser.transform(NUMBERS)],
    }


def main(folder):
    heard = hear()

    import joblib
    import tensorflow as tf
    from _saved import drawn, result
    from _uncompiled import uncompiled

    tf.config.threading.set_intra_op_parallelism_threads(1)
    with uncompiled():
        of_imports = heard[:]
        models = joblib.load(os.path.join(folder, "models"))
        found = {"loaded": {name: result(name, model) for name, model in models.items()}}
        found |= {"drawn": drawn(models["masked"]), "fits": fits()}
        found |= {"of_imports": of_imports, "of_work": heard[len(of_imports) :]}
    joblib.dump(found, os.path.join(folder, "found"))


if __name__ == "__main__":
    main(sys.argv[1])
