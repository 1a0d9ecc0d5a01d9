"""The quality report: its verdicts hold for tables of known quality, and its page shows them."""

import errno
import json
import os
import pickle
import re
import shutil
import subprocess
from collections import Counter
from html import escape, unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

from skdiffusion import _report_page, metrics
from skdiffusion._report_scales import Scale, judge, scales
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import Evaluation, evaluate, shape_error

SECTIONS = ["Summary", "Columns", "Pairs of columns", "Privacy", "How to read it"]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt; \x00 \udc80 \u202eright to left",
    "\u540d\u524d \u2603 \U0001f469\u200d\U0001f4bb",
    "long " * 1000,
    "unbroken" * 1000,
]


@pytest.fixture(scope="module")
def no_classifier():
    """Leave out the one slow figure, which has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "two_sample", lambda *_: (0.75, 0.625))
        yield


@pytest.fixture(scope="module")
def tables():
    """Real, good synthetic and held-out rows."""
    return [make_mixed_table(400, random_state=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def found(tables, no_classifier):
    return evaluate(*tables, target="job", random_state=0)


@pytest.fixture(scope="module")
def hostile(no_classifier):
    """Evaluate a table whose names and categories want to be more than text, with dates, atoms and holes."""

    def table(seed, n_rows=60):
        rng = np.random.default_rng(seed)
        columns = {name: rng.normal(size=n_rows) for name in HOSTILE}
        # Of dtype object, since strings of Arrow hold no surrogates.
        labels = [f"{name[:9]}{number}" for name in HOSTILE for number in range(100)]
        columns[HOSTILE[0]] = pd.Series(rng.choice(HOSTILE, n_rows), dtype=object)
        columns[HOSTILE[1]] = pd.Series(labels[:n_rows], dtype=object)
        columns["date"] = pd.Timestamp("2024-02-29") + pd.to_timedelta(rng.integers(0, 9**6, n_rows), "min")
        columns["wait"] = pd.to_timedelta(rng.exponential(9, n_rows), "h")
        columns["atom"] = np.where(rng.random(n_rows) < 0.4, 9999.0, rng.lognormal(size=n_rows))
        columns["holes"] = np.where(rng.random(n_rows) < 0.3, np.nan, rng.integers(0, 50, n_rows))
        frame = pd.DataFrame(dict(enumerate(columns.values())))
        frame.columns = pd.Index(columns, dtype=object)
        return frame

    return evaluate(*map(table, range(3)), random_state=0)


class Page(HTMLParser):
    """Tags, attributes and texts of a page, by tag; void elements have no end."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = Counter(), [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes += attributes
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def texts_of(self, tag):
        return [text for owner, text in self.texts if owner == tag]


def written(evaluation, folder):
    evaluation.to_html(folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


# Verdicts


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.0, "good"),
        (0.1, "good"),
        (0.19, "good"),
        (0.21, "fair"),
        (0.59, "fair"),
        (0.61, "poor"),
        (2, "poor"),
    ],
)
def test_a_figure_is_judged_by_its_way_to_a_useless_table(value, verdict):
    assert judge(value, Scale(0.05, 0.1, 1.1)) == verdict
    assert judge(1 - value, Scale(0.95, 0.9, -0.1, higher_is_better=True)) == verdict


def test_a_figure_is_unclear_where_chance_blurs_the_ends():
    assert judge(0.1, Scale(0.1, 0.3, 0.4)) == "unclear"
    assert judge(0.9, Scale(0.1, 0.3, 0.4)) == "poor"
    assert judge(0.1, Scale(np.nan, np.nan, 1.0)) == "unclear"


def test_what_a_useless_table_gets_is_not_good():
    assert judge(0.4, Scale(0.1, 0.3, 0.4)) == "unclear"
    assert judge(0.0, Scale(0.0, 0.0, 0.0)) == "good"  # of a constant column


def test_a_rare_category_that_is_never_drawn_is_not_good(no_classifier):
    real = pd.DataFrame({"kind": pd.Categorical(["usual"] * 396 + ["rare"] * 4)})
    (column,) = evaluate(real, real[:396], random_state=0).summary.columns
    assert column.error == pytest.approx(0.01)
    assert column.verdict == "unclear"


def test_only_copies_beside_few_held_out_rows_are_not_good():
    n_rows = {"real": 1000, "synthetic": 1000, "holdout": 10}
    scale = scales(n_rows, {}, {"copy_ratio": 20.0}, natural_copies=0.0)["closest_record_share"]
    assert judge(1.0, scale) == "unclear"


def test_fresh_rows_are_good(tables, found):
    real, fresh, _ = tables
    for evaluation in (found, evaluate(real, fresh, random_state=0)):
        verdicts = {name: word for name, word in evaluation.verdicts.items() if "two_sample" not in name}
        assert verdicts.keys() == {name for name in evaluation if "two_sample" not in name}
        assert {"fair", "poor"}.isdisjoint(verdicts.values()), verdicts
        assert {column.verdict for column in evaluation.summary.columns} == {"good"}
        assert evaluation.summary.pair_verdicts.keys() <= {"good", "unclear"}
    assert found.verdicts["two_sample_score"] == "fair"  # the stand-in's figure


def test_tables_without_use_are_poor(tables, no_classifier):
    real, fresh, holdout = tables
    same = fresh.iloc[[0] * len(fresh)]
    assert evaluate(real, same, holdout, random_state=0).verdicts["shape_error"] == "poor"
    chain = [table[["age", "savings"]].assign(years=table["age"] + 1.0) for table in tables]
    rng = np.random.default_rng(0)
    shuffled = pd.DataFrame({name: rng.permutation(column) for name, column in chain[1].items()})
    judged = evaluate(chain[0], shuffled, chain[2], random_state=0)
    assert judged.verdicts["trend_error"] == judged.summary.pairs[0].verdict == "poor"
    assert judged.summary.pairs[0].names == ("age", "years")
    assert judged.verdicts["shape_error"] == "good"


def test_copies_are_poor(tables, no_classifier):
    real, fresh, holdout = tables
    copies = real.sample(len(real), replace=True, random_state=0)
    verdicts = evaluate(real, copies, holdout, random_state=0).verdicts
    assert {verdicts[name] for name in ("copy_ratio", "closest_record_share", "exact_copy_share")} == {"poor"}
    few = pd.concat([fresh[:-20], real[:20]])
    assert evaluate(real, few, holdout, random_state=0).verdicts["exact_copy_share"] == "poor"


@pytest.mark.parametrize("with_holdout", [True, False])
def test_equal_rows_are_no_copies_where_they_are_natural(no_classifier, with_holdout):
    tables = [np.random.default_rng(seed).integers(0, 3, (300, 2)) for seed in range(2 + with_holdout)]
    judged = evaluate(*tables, random_state=0)
    assert judged["exact_copy_share"] == 1
    assert judged.verdicts["exact_copy_share"] in ("good", "unclear")


def test_missing_cells_count_in_the_verdict_of_a_column(tables, no_classifier):
    real, fresh, _ = tables
    holed = fresh.assign(income=fresh["income"].where(fresh.index % 2 == 0))
    columns = {column.name: column for column in evaluate(real, holed, random_state=0).summary.columns}
    assert columns["income"].error == shape_error(real, holed, per_column=True)["income"] < 0.1
    assert columns["income"].verdict == "poor"
    assert columns["age"].verdict == "good"


# What is kept


def test_shares_of_a_column_add_up_to_all_rows(found, hostile):
    for column in [*found.summary.columns, *hostile.summary.columns]:
        total = np.array(column.missing)
        total += np.array([bar[1:] for bar in column.bars]).reshape(-1, 2).sum(axis=0)
        total += column.bins.sum(axis=1) if column.bins is not None else 0
        assert_allclose(total, 1)
    for pair in [*found.summary.pairs, *hostile.summary.pairs]:
        assert_allclose(pair.shares.sum(axis=(1, 2)), 1)


def test_bins_of_a_pair_are_labelled_and_ordered(no_classifier, tmp_path):
    size = pd.Categorical(["M", "S", "M", "XL", "M", None] * 20, ["S", "M", "L", "XL"], ordered=True)
    real = pd.DataFrame({"size": size, "rating": [3.0, 1.0, 4.0, 5.0, 5.0, np.nan] * 20})
    judged = evaluate(real, real.sample(frac=1, random_state=0), random_state=0)
    (pair,) = judged.summary.pairs
    assert pair.names == ("size", "rating")
    assert pair.ticks[0] == ["S", "M", "XL", "missing"]
    assert pair.ticks[1] == ["1", "", "", "5", "missing"]
    assert_allclose(
        pair.shares[0], np.array([[1, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0] * 4 + [1]]) / 6
    )
    (bars,) = [column.bars for column in judged.summary.columns if column.name == "size"]
    assert [label for label, *_ in bars] == ["S", "M", "XL"]
    assert written(judged, tmp_path).count('<span title="XL">XL</span>') == 2


def test_the_page_names_the_target_and_its_score(tables, no_classifier, tmp_path):
    for target, score in (("job", "area under the ROC curve"), ("age", "R2")):
        text = written(evaluate(*tables, target=target, random_state=0), tmp_path)
        assert f"<small>{score}, predicting <bdi>{target}</bdi></small>" in text


def test_columns_have_the_errors_of_the_metric_the_worst_first(tables, found):
    errors = shape_error(*tables[:2], per_column=True)
    assert {column.name: column.error for column in found.summary.columns} == errors
    real, fresh, _ = tables
    spoilt = evaluate(real, fresh.assign(age=fresh["age"] + 9, region="east"), random_state=0).summary
    assert {column.name for column in spoilt.columns[:2]} == {"age", "region"}
    assert spoilt.columns[0].verdict == "poor"


def test_atoms_dates_and_durations_are_told(found, hostile):
    columns = {column.name: column for column in [*found.summary.columns, *hostile.summary.columns]}
    assert [label for label, *_ in columns["savings"].bars] == ["0"]
    assert [label for label, *_ in columns["atom"].bars] == ["9999"]
    assert columns["job"].kind == "category"
    assert len(columns["job"].bars) == 6
    assert columns[HOSTILE[1]].bars[-1][0] == "53 others"
    assert columns["date"].kind == "date"
    assert all(re.fullmatch(r"(≤ |≥ )?202[45]-\d\d-\d\d", end) for end in columns["date"].ends)
    assert columns["wait"].kind == "duration"
    assert all(re.fullmatch(r"(≤ |≥ )?[\d.]+ (h|days)", end) for end in columns["wait"].ends)


def test_durations_are_written_in_units_that_people_read(no_classifier):
    waits = pd.to_timedelta(["90s", "2h", "3D"] * 20)
    (column,) = evaluate(*[pd.DataFrame({"wait": waits})] * 2, random_state=0).summary.columns
    assert [label for label, *_ in column.bars] == ["90 s", "2 h", "3 days"]


@pytest.mark.parametrize(
    ("dtype", "labels", "ends"),
    [
        ("M8[M]", r"1970-0[1-3]-01", r"(≤ |≥ )?\d{4}-\d\d-01"),
        ("M8[Y]", r"197[0-2]-01-01", r"(≤ |≥ )?\d{4}-01-01"),
        ("m8[M]", r"\d months", r"(≤ |≥ )?\d+ months"),
        ("m8[2Y]", r"[024] years", r"(≤ |≥ )?\d+ years"),
    ],
)
def test_months_and_years_have_no_length(no_classifier, tmp_path, dtype, labels, ends):
    for n_values in (3, 300):
        table = np.arange(300).reshape(-1, 1) % n_values
        judged = evaluate(*[table.astype("i8").astype(dtype)] * 2, random_state=0)
        (column,) = judged.summary.columns
        assert all(re.fullmatch(labels, label) for label, *_ in column.bars)
        assert all(re.fullmatch(ends, end) for end in column.ends)
        written(judged, tmp_path)
    assert column.bins is not None


def test_an_evaluation_keeps_no_table(no_classifier):
    tables = [np.random.default_rng(seed).normal(size=(5000, 5)) for seed in range(2)]
    judged = evaluate(*tables, random_state=0)
    assert len(pickle.dumps(judged)) < 40_000 < tables[0].nbytes


# The page


def test_the_page_has_all_sections_and_figures(found, tmp_path):
    text = written(found, tmp_path)
    page = Page(text)
    assert page.texts_of("h2") == SECTIONS
    assert page.texts_of("h1") == ["Quality report of a synthetic table"]
    rows = dict(re.findall(r"<small>(\w+)</small>.{,90}</th><td><span class=\"chip (\w+)\">", text))
    assert rows == found.verdicts
    shown = dict(re.findall(r"<small>(\w+)</small>.{,90}</th>.*?<b>([\d.]+)</b>", text))
    assert shown == {name: f"{value:.4f}" for name, value in found.items()}
    assert set(re.findall(r"<dt>.*?<small>(\w+)</small>", text)) == found.keys()
    assert text.count('<figure class="card">') == 7 + 6
    assert "400 synthetic rows beside 400 real ones and 400 held-out ones; 7 columns." in text
    assert "What is not promised" in text
    assert "No held-out rows" not in text


def test_without_holdout_the_page_says_what_is_missing(tables, no_classifier, tmp_path):
    text = written(evaluate(*tables[:2], random_state=0), tmp_path)
    assert Page(text).texts_of("h2") == SECTIONS
    assert "No held-out rows were given." in text
    assert "<small>copy_ratio</small>" not in text
    assert "<small>exact_copy_share</small>" in text


def test_names_and_categories_come_out_as_text(hostile, no_classifier, tmp_path):
    cells = np.random.default_rng(0).normal(size=(60, 3))
    few = pd.DataFrame(cells, columns=HOSTILE[:3])
    poor = evaluate(few, few + 9, random_state=0)  # whose names stand in the summary and at all pairs
    for evaluation in (hostile, poor):
        text = written(evaluation, tmp_path)
        page = Page(text)
        assert not {"script", "img"} & page.tags.keys()
        assert not [name for name, _ in page.attributes if name.startswith("on") or "src" in name]
        assert not [part for part in ("http:", "https:", "url(", "\x00") if part in text]
        assert set(HOSTILE[:3]) <= {text.strip() for text in page.texts_of("span")}
        assert {escape(name) in text for name in HOSTILE[:3]} == {True}
        assert max(map(len, page.texts_of("span"))) < 200
    assert page.texts_of("bdi") == [column.name for column in poor.summary.columns]
    assert sum(" \u00d7 " in text for text in page.texts_of("span")) == 3


def test_the_page_is_the_same_each_time_and_after_pickling(tables, found, tmp_path):
    text = written(found, tmp_path)
    assert written(evaluate(*tables, target="job", random_state=0), tmp_path) == text
    assert written(pickle.loads(pickle.dumps(found)), tmp_path) == text
    polars = [pl.from_pandas(table.astype({"region": str, "education": str})) for table in tables]
    plain = [table.astype({"region": object, "education": object}) for table in tables]
    texts = [written(evaluate(*each[:2], random_state=0), tmp_path) for each in (polars, plain)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("n_columns", "n_drawn"), [(5, 5), (200, 24)])
def test_the_page_draws_the_worst_columns_and_lists_all(
    no_classifier, n_columns, n_drawn, tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    judged = evaluate(*rng.normal(size=(2, 40, n_columns)), random_state=0)
    text = written(judged, tmp_path)
    columns, pairs = re.findall(r'<div class="cards.*?<details>', text, re.DOTALL)
    assert columns.count('<figure class="card">') == n_drawn
    assert pairs.count('<figure class="card">') == 6
    (listed,) = re.findall(r"All \d+ columns as a list.*?</table>", text, re.DOTALL)
    assert listed.count("<tr><th>") == 1 + n_columns
    assert ("176 others are in the list" in text) == (n_columns == 200)
    assert f"about once in {20 if n_columns == 5 else 6} tables" in text
    assert len(text) < 250_000
    monkeypatch.setattr(_report_page, "_MAX_LISTED", 4)
    text = written(judged, tmp_path)
    assert f"{n_columns - 4} further column" in text


def test_a_table_of_one_column_has_no_pairs(no_classifier, tmp_path):
    tables = np.random.default_rng(0).normal(size=(2, 50, 1))
    assert "There is no pair of columns" in written(evaluate(*tables, random_state=0), tmp_path)


def test_no_nan_reaches_the_page(no_classifier, tmp_path):
    category = pd.Categorical(["one"] * 60, ["one", "other"])
    real = pd.DataFrame({"kind": category, "number": np.arange(60.0)})
    synthetic = real.assign(number=real["number"][::-1].to_numpy())
    judged = evaluate(real, synthetic, random_state=0)
    assert np.isnan(judged.summary.pairs[0].associations).all()
    text = written(judged, tmp_path).partition("<main>")[2]
    assert "none / none" in text
    assert not re.search(r"\bnan\b", text)


# Files and notebooks


def test_a_folder_that_is_not_there_is_an_error(found, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere': make it"):
        found.to_html(tmp_path / "nowhere" / "report.html")
    with pytest.raises(IsADirectoryError, match="is a folder: give the path of a file"):
        found.to_html(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_page(found, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        found.to_html(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    found.to_html(str(path))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_printed_table_says_what_the_page_says(found, tmp_path):
    header, *lines = str(found).splitlines()
    assert header.split("  ")[-3:] == ["fresh rows", "useless table", "verdict"]
    row = (
        r'<small>(\w+).*?</small></th><td><span class="chip (\w+)">.*?<b>([\d.]+)</b>.*?"fresh rows">([^<]+)<'
        r'.*?"useless table">([^<]+)<'
    )
    page = {}
    for name, verdict, value, fresh, useless in re.findall(row, written(found, tmp_path)):
        fresh = fresh.replace("≤", "<=").replace("≥", ">=")
        page[name] = f"{value} {fresh} {useless} {verdict}"
    assert {name: " ".join(cells) for name, *cells in map(str.split, lines)} == page
    ends = [line.rindex(f" {line.split()[-1]}") for line in [header, *lines]]
    assert len(set(ends)) == 1  # verdicts stand below each other


def test_a_notebook_shows_a_small_table(found):
    page = Page(found._repr_html_())
    cells = page.texts_of("td")
    assert cells[::4] == [f"{value:.4f}" for value in found.values()]
    assert cells[3::4] == list(found.verdicts.values())
    assert page.texts_of("th")[:4] == ["value", "fresh rows", "useless table", "verdict"]
    bare = Evaluation({"<b>": 0.5}, {"<b>": 0.0}, {"<b>": 1.0})
    assert bare.verdicts == {}
    assert Page(bare._repr_html_()).texts_of("th") == ["value", "ideal", "worst", "<b>"]
    with pytest.raises(ValueError, match="holds figures alone"):
        bare.to_html("report.html")


# In a browser


def in_browser(pages, widths, folder):
    """Open pages in frames of some widths, and return what is measured there and what the console says."""
    frames = "".join(
        f'<iframe srcdoc="{escape(text)}" style="width:{width}px" scrolling="no"></iframe>'
        for text in pages
        for width in widths
    )
    script = """<script>addEventListener("load", () => {
      const found = [...document.querySelectorAll("iframe")].map((frame) => {
        const page = frame.contentDocument, root = page.documentElement;
        page.querySelectorAll("details").forEach((each) => { each.open = true; });
        const high = [...page.querySelectorAll("section")].map((each) => each.offsetHeight);
        const ends = [...page.querySelectorAll("body *")].map((each) => each.getBoundingClientRect().right);
        const bars = [...page.querySelectorAll(".pair")].map((each) => each.offsetWidth);
        return {width: root.clientWidth, content: Math.max(root.scrollWidth, ...ends),
          sections: [...page.querySelectorAll("h2")].map((each) => each.textContent),
          heights: high, bar: Math.min(...bars), foreign: page.querySelectorAll("script, img").length};
      });
      document.body.innerHTML = "<pre id=found></pre>";
      document.querySelector("#found").textContent = JSON.stringify(found);
    });</script>"""
    wrapper = folder / "frames.html"
    wrapper.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}{script}</body>', encoding="utf-8"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    options += [f"--user-data-dir={folder / 'profile'}", wrapper.as_uri()]
    command = [shutil.which("chromium"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (result,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(unescape(result)), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium to open pages with")
def test_the_page_reads_well_in_a_browser(found, hostile, tmp_path):
    pages, widths = [written(evaluation, tmp_path) for evaluation in (found, hostile)], (400, 1400)
    measured, console = in_browser(pages, widths, tmp_path)
    assert console == []
    assert [each["width"] for each in measured] == [*widths, *widths]
    for each in measured:
        assert each["content"] <= each["width"]
        assert each["sections"] == SECTIONS
        assert min(each["heights"]) > 100
        assert each["bar"] > 30
        assert each["foreign"] == 0
