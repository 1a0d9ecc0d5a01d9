"""What the pages show must run as it stands."""

import re
import runpy
from contextlib import nullcontext
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from _uncompiled import uncompiled

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HERE = [page for page in PAGES if page.name != "clusters.md"]  # whose code test_clusters.py runs
PLOTS = ROOT / "docs" / "benchmark_plots.py"

pytestmark = pytest.mark.usefixtures("no_window")


@pytest.mark.parametrize("page", HERE, ids=lambda path: path.name)
def test_code_blocks_of_a_page_run_one_after_another(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what they write
    namespace = {}
    # The start page runs as it does for its readers; of the others compiling would be most of the time.
    with nullcontext() if page.name == "README.md" else uncompiled():
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            exec(compile(block, page.name, "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_relative_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_plot_of_the_benchmark_page_is_drawn_from_the_committed_tables(monkeypatch):
    monkeypatch.chdir(PLOTS.parent)
    functions = runpy.run_path(str(PLOTS))
    names = re.findall(r"plot:: benchmark_plots\.py (\w+)", (ROOT / "docs" / "benchmarks.md").read_text())
    assert names
    for name in names:
        functions[name]()
        assert [axis for axis in plt.gcf().axes if not axis.has_data()] == [], name
