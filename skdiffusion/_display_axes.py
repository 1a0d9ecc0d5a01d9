"""Axes and colours of displays. matplotlib is imported where something is drawn."""

import numpy as np

# Colours that people with any colour vision tell apart (Okabe & Ito 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GREY = "0.35"

_DURATIONS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


def axes_for(ax):
    """Return axes to draw into and their figure, new ones where there are none."""
    ax = new_figure((6.4, 4)).subplots() if ax is None else ax
    return ax, ax.figure


def grid_of_axes(n_axes, *, n_across, size):
    """Return axes of a new figure, so many in a line, each of a size in inches."""
    n_across = min(n_across, n_axes)
    n_down = -(-n_axes // n_across)
    axes = new_figure((size[0] * n_across, size[1] * n_down)).subplots(n_down, n_across, squeeze=False)
    axes = axes.ravel()
    for ax in axes[n_axes:]:
        ax.remove()
    return axes[:n_axes]


def enough_axes(axes, n_axes):
    """Return the first axes, or raise if there are too few."""
    axes = np.ravel(axes)
    if len(axes) < n_axes:
        raise ValueError(f"axes must be {n_axes} Axes, got {len(axes)}.")
    return axes[:n_axes]


def new_figure(size, layout="constrained"):
    """Return a figure of a size in inches."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("Displays need matplotlib; try: pip install 'skdiffusion[plot]'") from None
    return pyplot.figure(figsize=size, layout=layout)


def on_axis(axis, name, kind, *cells):
    """Label an axis for a column, see `column_cells`, and return arrays of its cells as they stand on it.

    Durations are turned into the largest unit in which half of them are more than 1.
    """
    from matplotlib import dates

    if kind == "duration":
        lengths = np.abs(np.concatenate([np.ravel(each) for each in cells]))
        typical = np.median(lengths[lengths > 0]) if (lengths > 0).any() else 1
        unit = next((unit for unit, seconds in _DURATIONS.items() if typical >= seconds), "ns")
        name, cells = f"{name} ({unit})", [each / _DURATIONS[unit] for each in cells]
    elif kind == "date":
        first, last = dates.date2num(np.array(["0001-01-02", "9999-12-30"], "M8[D]"))
        cells = [each + dates.date2num(np.datetime64(0, "D")) for each in cells]
        if all(((each > first) & (each < last) | np.isnan(each)).all() for each in cells):
            locator = dates.AutoDateLocator(minticks=2, maxticks=5)
            axis.set_major_locator(locator)
            axis.set_major_formatter(dates.ConciseDateFormatter(locator))
        else:  # of which calendars know nothing
            name = f"{name} (days)"
    axis.set_label_text(str(name))
    return cells
