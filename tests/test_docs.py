"""What the documents show must run as it stands."""

import re
import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIAL = ROOT / "docs" / "examples" / "plot_tutorial.py"  # has a test of its own
PLOTS = ROOT / "docs" / "benchmark_plots.py"
EXAMPLES = sorted({*TUTORIAL.parent.glob("plot_*.py")} - {TUTORIAL})


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_code_blocks_of_a_page_run_one_after_another(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what they write
    namespace = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(block, page.name, "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_relative_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example, capsys):
    runpy.run_path(str(example))
    assert capsys.readouterr().out


def test_each_plot_of_the_benchmark_page_is_drawn_from_the_committed_tables(monkeypatch):
    monkeypatch.chdir(PLOTS.parent)
    functions = runpy.run_path(str(PLOTS))
    names = re.findall(r"plot:: benchmark_plots\.py (\w+)", (ROOT / "docs" / "benchmarks.md").read_text())
    assert names
    for name in names:
        functions[name]()
        assert [axis for axis in plt.gcf().axes if not axis.has_data()] == [], name


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
