"""Plots of the benchmark page, drawn from the tables in `benchmarks/results` while the site is built."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

RESULTS = Path("../benchmarks/results")  # Sphinx runs this file in its own folder

OURS = {"color": "#D55E00", "zorder": 3}
OTHERS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "0.45", "black", "0.7")


@dataclass(frozen=True)
class Table:
    """A Markdown table of a result file."""

    heading: str
    """Of the section that it stands in."""

    note: str
    """The paragraph above it."""

    corner: str
    columns: list
    rows: dict
    """Cells by name of the row."""

    def column(self, name):
        """Return a column as numbers by row, without empty cells."""
        place = self.columns.index(name)
        return {row: float(cells[place]) for row, cells in self.rows.items() if cells[place] not in ("", "-")}


def tables(file):
    """Read the tables of a result file."""
    found, heading, note, lines = [], "", "", []
    for line in [*(RESULTS / file).read_text().splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if lines:
            (corner, *columns), _, *rows = lines
            found.append(Table(heading, note, corner, columns, {name: cells for name, *cells in rows}))
            lines = []
        if line.startswith("## "):
            heading = line[3:]
        note = line or note
    return found


def quality():
    """Draw errors at each noise level by data set, as shares of ridge's."""
    shown = ("PCA, best rank", "kNN, best k", "MLPRegressor, best alpha")
    _draw_errors("quality.md", shown, ("DenoisingRegressor", "DenoisingRegressor, best l2"), "ridge")


def denoising():
    """Draw the same for the denoiser of all levels."""
    ours = ("DiffusionDenoiser, sigma given", "sigma estimated")
    _draw_errors("denoising.md", (), ours, "ridge, one for each level")


def _draw_errors(file, others, ours, reference):
    found = tables(file)
    figure = plt.figure(figsize=(7, 5.2), layout="constrained")
    for place, table in enumerate(found, start=1):
        axis = figure.add_subplot(2, (len(found) + 1) // 2, place)
        levels = [float(name.split()[-1]) for name in table.columns]
        errors = {name: np.array(cells, float) for name, cells in table.rows.items()}
        axis.axhline(1, color="0.6", lw=1, label=reference)
        for name, color in zip(others, OTHERS, strict=False):
            axis.plot(levels, errors[name] / errors[reference], "o-", ms=3, color=color, label=name)
        for name, style in zip(ours, ("o-", "s--"), strict=True):
            axis.plot(levels, errors[name] / errors[reference], style, ms=4, label=name, **OURS)
        axis.set(title=table.corner, xscale="log", yscale="log", ylim=(0.45, 2.2), xlabel="noise")
        axis.set_xticks(levels, [f"{level:g}" for level in levels])
        axis.set_yticks([0.5, 0.7, 1, 1.4, 2], ["0.5", "0.7", "1", "1.4", "2"])
        axis.minorticks_off()
    figure.supylabel("error, ridge is 1")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def generation():
    """Draw the two-sample scores against held-out rows."""
    found = [table for table in tables("generation.md") if "XGB-C2ST held-out" in table.columns]
    scores = {table.corner: table.column("XGB-C2ST held-out") for table in found}
    names = list(dict.fromkeys(name for by_method in scores.values() for name in by_method))
    names = [name for name in names if "oracle" not in name and name != "largest - smallest"]
    _draw_dots(scores, names, "two-sample score, held-out rows")


def published():
    """Draw ours beside published figures."""
    found = [table for table in tables("generation.md") if "hardware, fit" in table.columns]
    _, axes = plt.subplots(len(found), 3, figsize=(8, 4.6), layout="constrained", sharey="row")
    for row, table in zip(axes, found, strict=True):
        for place, (axis, name) in enumerate(zip(row, table.columns[:3], strict=True)):
            values = table.column(name)
            colors = [OURS["color"] if "here" in method else OTHERS[0] for method in values]
            bars = axis.barh(range(len(values))[::-1], values.values(), color=colors, height=0.6)
            axis.bar_label(bars, [cells[place] for cells in table.rows.values()], padding=2)
            axis.set_yticks(range(len(values))[::-1], [method.replace(", here", "") for method in values])
            axis.set(xlim=(0, 1.4 * max(values.values())), xlabel=name)
        row[1].set(title=table.corner)


def imputation():
    """Draw root mean squared errors by data set, of rows that training had not seen."""
    found = [table for table in tables("imputation.md") if "not seen" in table.note]
    errors = {}
    for table in found:
        by_method = {name.split(": ")[1]: error for name, error in table.column("RMSE").items()}
        errors[table.heading] = {name: error / by_method["mean or mode"] for name, error in by_method.items()}
    _draw_dots(errors, list(next(iter(errors.values()))), "error, mean or mode is 1")


def outliers():
    """Draw the area under the ROC curve by data set, for both regimes."""
    clean, mixed = (table for table in tables("outliers.md") if table.corner == "data")
    _, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained", sharey=True)
    for axis, table in zip(axes, (clean, mixed), strict=True):
        for place, name in enumerate(reversed(table.columns)):
            values = list(table.column(name).values())
            style = OURS if name.startswith("Diffusion") else {"color": OTHERS[0]}
            axis.plot(values, np.full(len(values), place), "o", ms=4, alpha=0.4, mew=0, **style)
            axis.plot(np.mean(values), place, "|", ms=18, mew=2.5, **style)
        axis.set_yticks(range(len(table.columns)), reversed(table.columns))
        axis.set(xlabel="AUROC; lines are means", xlim=(0.2, 1.01))
    axes[0].set(title="learnt from usual rows")
    axes[1].set(title="learnt from all rows")


def over_sampling():
    """Draw mean scores of each remedy by classifier."""
    (means,) = [table for table in tables("oversampling.md") if "Mean score" in table.note]
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 3.3), layout="constrained", sharey=True)
    for axis, score in zip(axes, ("average precision", "balanced accuracy", "Brier score"), strict=True):
        for classifier, color in zip(("logistic", "forest", "boosting"), OTHERS[::2], strict=False):
            values = means.column(f"{classifier}, {score}")
            axis.plot(values.values(), range(len(values))[::-1], "o", color=color, label=classifier)
        axis.set_yticks(range(len(values))[::-1], values)
        axis.grid(axis="y", color="0.9")
        axis.set(xlabel=score)
    axes[0].get_yticklabels()[list(values).index("DiffusionOverSampler")].set_color(OURS["color"])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _draw_dots(values, names, label):
    """Draw a line of dots for each data set, a colour for each method."""
    ours = [name for name in names if name.startswith("Diffusion")]
    others = [name for name in names if name not in ours]
    figure, axis = plt.subplots(figsize=(7, 1.6 + 0.36 * len(values)), layout="constrained")
    places = range(len(values))[::-1]
    for name, color in zip(others, OTHERS, strict=False):
        known = [by_method.get(name, np.nan) for by_method in values.values()]
        axis.plot(known, places, "o", ms=6, color=color, label=name)
    for name, marker in zip(ours, "Ds", strict=False):
        known = [by_method[name] for by_method in values.values()]
        axis.plot(known, places, marker, ms=7, label=name, **OURS)
    axis.set_yticks(places, values)
    axis.grid(axis="y", color="0.9")
    axis.set(xlabel=label)
    figure.legend(loc="outside lower center", ncols=2)
