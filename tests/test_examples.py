"""The examples of the gallery run, and show what they say.

They are in a file of their own, so that another worker than that of the pages runs them.
"""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
TUTORIAL = FOLDER / "plot_tutorial.py"  # has a test of its own
EXAMPLES = sorted({*FOLDER.glob("plot_*.py")} - {TUTORIAL})

pytestmark = pytest.mark.usefixtures("no_window")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example, capsys):
    runpy.run_path(str(example))
    assert capsys.readouterr().out


def test_tutorial_shows_what_it_says(capsys):
    found = runpy.run_path(str(TUTORIAL))
    error, test = found["error"], found["test"]
    noisy, denoiser, mean = found["noisy_test"], found["denoiser"], found["train"].mean(axis=0)
    mean_error = error(0 * test + mean)
    # The tutorial's hundred steps: little can be recovered, and an L2 of 0.01 leaves the mean.
    assert 0.75 * mean_error < error(denoiser.predict(noisy)) < mean_error
    assert error(found["with_l2"].predict(noisy)) == pytest.approx(mean_error, rel=0.05)
    # From pure noise all rows end alike.
    assert found["dreamt"].std(axis=0).mean() < 0.1 * test.std(axis=0).mean()
    # A sensible noise level: most of the noise goes.
    mild = found["mild_test"]
    for model in (found["mild"], found["default"]):
        assert error(model.predict(mild)) < 0.35 * error(mild)
