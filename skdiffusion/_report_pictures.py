"""Pictures of the quality report as plain HTML and SVG, whose colours are those of the page's style."""

from html import escape

import numpy as np

_MAX_LETTERS = 14  # of the label of a bin


def chip(verdict):
    """Return a verdict as a small label."""
    return f'<span class="chip {verdict}">{verdict}</span>'


def scale_bar(value, scale):
    """Draw where a figure lies between fresh rows, on the left, and a useless table, on the right."""
    way = scale.useless - scale.fresh
    sign = -1 if scale.higher_is_better else 1
    if not sign * way > 0:
        return ""
    place = float(np.clip((value - scale.fresh) / way, 0, 1))
    good, fair = scale.limits
    zones = [("good", 0, good), ("fair", good, fair), ("poor", fair, 1)]
    zones = "".join(
        f'<rect class="{name}" x="{4 + 192 * start:.1f}" y="6" width="{192 * (end - start):.1f}" height="4"/>'
        for name, start, end in zones
    )
    mark = f'<circle cx="{4 + 192 * place:.1f}" cy="8" r="4"/>'
    return f'<svg class="scale" viewBox="0 0 200 16" aria-hidden="true">{zones}{mark}</svg>'


def column_card(column):
    """Draw a column of both tables."""
    facts = [
        column.kind,
        f"error {percent(column.error)}",
    ]
    if max(column.missing) > 0:
        facts.append(f"missing {percent(column.missing[0])} / {percent(column.missing[1])}")
    picture = _histogram(column.bins, column.ends) if column.bins is not None else ""
    bars = column.bars + ([("missing", *column.missing)] if max(column.missing) > 0 else [])
    return _card(escape(column.name), column.verdict, ", ".join(facts), picture + _bars(bars))


def pair_card(pair):
    """Draw how two columns go together in both tables."""
    real, synthetic = map(association, pair.associations)
    facts = f"error {percent(pair.error)}; {association_name(pair)} {real} real, {synthetic} synthetic"
    first, second = map(escape, pair.names)
    highest = pair.shares.max()
    maps = "".join(
        _heat_map(shares / highest, name)
        for shares, name in zip(pair.shares, ("real", "synthetic"), strict=True)
    )
    below, beside = map(_ticks, pair.ticks)
    maps = f'<div class="beside">{beside}</div>{maps}<div></div>' + 2 * f'<div class="below">{below}</div>'
    axes = f'<div class="axes"><span>→ {first}</span><span>↑ {second}</span></div>'
    return _card(f"{first} &times; {second}", pair.verdict, facts, f'<div class="maps">{maps}</div>{axes}')


def _ticks(labels):
    """Return the labels of bins, short ones; whole ones show where one points at them."""
    short = [text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 1] + "…" for text in labels]
    return "".join(
        f'<span title="{escape(label)}">{escape(text)}</span>'
        for label, text in zip(labels, short, strict=True)
    )


def association_name(pair):
    """Return what the association of a pair is called."""
    return "correlation" if pair.is_correlation else "Cramér's V"


def association(value):
    """Write an association; a constant column has none."""
    return "none" if np.isnan(value) else f"{value:.2f}"


def percent(share):
    """Write a share of rows, or an error."""
    return "none to compare" if np.isnan(share) else f"{100 * share:.1f} %"


def _card(title, verdict, facts, content):
    return (
        f'<figure class="card"><figcaption><span class="name">{title}</span>{chip(verdict)}'
        f"<small>{facts}</small></figcaption>{content}</figure>"
    )


def _histogram(bins, ends):
    """Draw shares of rows in bins: the real ones as a line of steps, the synthetic ones filled."""
    n_bins, highest = bins.shape[1], max(bins.max(), 1e-12)
    real, synthetic = ("".join(f"V{98 - 96 * share / highest:.1f}h1" for share in shares) for shares in bins)
    return (
        f'<svg class="histogram" viewBox="0 0 {n_bins} 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="synthetic" d="M0 98{synthetic}V98z"/><path class="real" d="M0 98{real}V98"/></svg>'
        f'<div class="ends"><span>{ends[0]}</span><span>{ends[1]}</span></div>'
    )


def _bars(bars):
    if not bars:
        return ""
    highest = max(max(bar[1:]) for bar in bars) or 1
    rows = "".join(
        f'<span class="label" title="{escape(label)}">{escape(label)}</span><span class="pair">'
        f'<i class="real" style="width:{100 * real / highest:.1f}%"></i>'
        f'<i class="synthetic" style="width:{100 * synthetic / highest:.1f}%"></i></span>'
        f'<span class="shares">{100 * real:.1f} / {percent(synthetic)}</span>'
        for label, real, synthetic in bars
    )
    return f'<div class="bars">{rows}</div>'


def _heat_map(shares, name):
    """Draw shares of rows in pairs of bins, the second column upwards; the area of a box is its share."""
    n_first, n_second = shares.shape
    boxes = []
    for x, y in np.argwhere(shares > 0).tolist():
        side = 0.96 * shares[x, y] ** 0.5
        boxes.append(
            f'<rect x="{x + (1 - side) / 2:.2f}" y="{n_second - 1 - y + (1 - side) / 2:.2f}" '
            f'width="{side:.2f}" height="{side:.2f}"/>'
        )
    return (
        f'<svg class="map {name}" viewBox="0 0 {n_first} {n_second}" preserveAspectRatio="none" '
        f'role="img" aria-label="{name}">{"".join(boxes)}</svg>'
    )
