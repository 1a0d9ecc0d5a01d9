"""The quality report as HTML: one page without scripts that loads nothing, and a small table for notebooks.

Whatever comes from a table, names and categories, goes through `escape`.
"""

from collections import Counter
from html import escape

from ._files import checked, replacing
from ._report_pictures import association, association_name, chip, column_card, pair_card, percent, scale_bar
from ._report_style import STYLE
from ._report_words import (
    CARE,
    CHANCE,
    COLUMNS,
    FEW_ROWS,
    NO_HOLDOUT,
    NOT_PROMISED,
    PAIRS,
    PRIVACY,
    RESEMBLANCE,
    UNCLEAR,
    VERDICTS,
)

_MAX_DRAWN, _MAX_LISTED, _MAX_PAIRS_DRAWN, _MAX_NAMED = 24, 500, 6, 5
_FEW_ROWS = 300


def page(scores, verdicts, summary):
    """Return a whole page."""
    sections = {
        "Summary": _summary(scores, verdicts, summary),
        "Columns": _columns(summary),
        "Pairs of columns": _pairs(summary),
        "Privacy": _privacy(scores, verdicts, summary),
        "How to read it": _reading(scores, summary),
    }
    anchors = {title: title.split()[0].lower() for title in sections}
    links = " ".join(f'<a href="#{anchors[title]}">{title}</a>' for title in sections)
    body = "\n".join(
        f'<section id="{anchors[title]}">\n<h2>{title}</h2>\n{content}\n</section>'
        for title, content in sections.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Quality report of a synthetic table</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Quality report of a synthetic table</h1>
<p>{_sizes(summary)}</p>
<nav>{links}</nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def small_table(rows):
    """Return a header and rows of texts, the first of which are names, as an HTML table for a notebook."""
    head, *rows = [[escape(str(cell)) for cell in row] for row in rows]
    head = "".join(f"<th>{cell}</th>" for cell in head)
    rows = [
        f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, *cells in rows
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def write(path, text):
    """Write a file, so that a failure leaves what was there."""
    with replacing(checked(path)) as file:
        file.write(text.encode())


# Sections


def _sizes(summary):
    rows = summary.n_rows
    text = f"{rows['synthetic']:,} synthetic rows beside {rows['real']:,} real ones"
    text += f" and {rows['holdout']:,} held-out ones" if "holdout" in rows else ""
    return f"{text}; {_count(len(summary.columns), 'column')}."


def _summary(scores, verdicts, summary):
    notes = [NO_HOLDOUT] if "holdout" not in summary.n_rows else []
    notes += [FEW_ROWS] if min(summary.n_rows.values()) < _FEW_ROWS else []
    notes = "".join(f'<p class="note">{note}</p>' for note in notes)
    found = {
        "Resemblance": _counts(Counter(verdicts[name] for name in RESEMBLANCE if name in verdicts)),
        "Copies": _counts(Counter(verdicts[name] for name in PRIVACY if name in verdicts)),
        "Columns": _counts(Counter(column.verdict for column in summary.columns)),
        "Pairs of columns": _counts(summary.pair_verdicts),
    }
    if worst := [column.name for column in summary.columns if column.verdict == "poor"][:_MAX_NAMED]:
        found["Columns"] += f" Worst: {', '.join(f'<bdi>{escape(name)}</bdi>' for name in worst)}."
    items = "".join(f"<li><b>{topic}</b>: {text}</li>" for topic, text in found.items())
    return f"<ul>{items}</ul>{notes}{_figures(scores, verdicts, summary, RESEMBLANCE | PRIVACY)}"


def _counts(verdicts):
    """Say how many figures, columns or pairs have each verdict."""
    words = [
        f"{verdicts[word]:,} {word}" for word in ("poor", "fair", "good", "unclear") if verdicts.get(word)
    ]
    return f"{', '.join(words) or 'none'}."


def _figures(scores, verdicts, summary, words):
    """Return a table of figures."""
    rows = []
    for name, text in words.items():
        if name not in scores:
            continue
        verdict, scale = verdicts[name], summary.scales[name]
        said = UNCLEAR
        if verdict != "unclear":
            said = scale_bar(scores[name], scale) + getattr(text, verdict)
        sign = "≥" if scale.higher_is_better else "≤"
        rows.append(
            f"<tr><th>{text.title}<small>{name}</small>{_of_target(name, summary)}</th>"
            f"<td>{chip(verdict)}</td>"
            f'<td data-label="value"><b>{scores[name]:.4f}</b></td>'
            f'<td data-label="fresh rows">{sign} {scale.fresh:.3f}</td>'
            f'<td data-label="useless table">{scale.useless:.3f}</td>'
            f'<td class="said">{said}</td></tr>'
        )
    head = "<th>figure</th><th>verdict</th><th>value</th><th>fresh rows</th><th>useless table</th><th></th>"
    return f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _of_target(name, summary):
    """Say what models predict, and by what they are judged."""
    if name != "train_synthetic_test_real" or summary.target is None:
        return ""
    target, score = summary.target
    return f"<small>{score}, predicting <bdi>{escape(target)}</bdi></small>"


def _columns(summary):
    drawn, listed = summary.columns[:_MAX_DRAWN], summary.columns[:_MAX_LISTED]
    n_left = len(summary.columns) - len(drawn)
    left = f" The worst {len(drawn)} are drawn; {n_left} others are in the list below." if n_left else ""
    rows = "".join(
        f"<tr><th>{escape(column.name)}</th><td>{column.kind}</td><td>{percent(column.error)}</td>"
        f"<td>{_missing(column)}</td><td>{chip(column.verdict)}</td></tr>"
        for column in listed
    )
    n_unlisted = len(summary.columns) - len(listed)
    unlisted = f"<p>{_count(n_unlisted, 'further column')} left out of this list.</p>" if n_unlisted else ""
    return (
        f"<p>{COLUMNS}{left}</p>{_legend()}"
        f'<div class="cards">{"".join(map(column_card, drawn))}</div>'
        f"<details><summary>All {_count(len(summary.columns), 'column')} as a list, worst first</summary>"
        '<table class="list"><thead><tr><th>column</th><th>kind</th><th>error</th>'
        f"<th>missing, real / synthetic</th><th>verdict</th></tr></thead><tbody>{rows}</tbody></table>"
        f"{unlisted}</details>"
    )


def _pairs(summary):
    if not summary.pairs:
        return "<p>There is no pair of columns to compare.</p>"
    drawn = summary.pairs[:_MAX_PAIRS_DRAWN]
    n_left = sum(summary.pair_verdicts.values()) - len(summary.pairs)
    left = f" {_count(n_left, 'further pair')} left out." if n_left else ""
    rows = "".join(
        f"<tr><th>{escape(pair.names[0])} &times; {escape(pair.names[1])}</th>"
        f"<td>{association_name(pair)} "
        f"{' / '.join(map(association, pair.associations))}</td>"
        f"<td>{percent(pair.error)}</td><td>{chip(pair.verdict)}</td></tr>"
        for pair in summary.pairs
    )
    return (
        f"<p>{PAIRS}</p>{_legend()}"
        f'<div class="cards wide">{"".join(map(pair_card, drawn))}</div>'
        f"<details><summary>The worst {_count(len(summary.pairs), 'pair')} as a list</summary>"
        '<table class="list"><thead><tr><th>pair</th><th>real / synthetic</th><th>error</th>'
        f"<th>verdict</th></tr></thead><tbody>{rows}</tbody></table><p>{left}</p></details>"
    )


def _privacy(scores, verdicts, summary):
    missing = f'<p class="note">{NO_HOLDOUT}</p>' if "holdout" not in summary.n_rows else ""
    return (
        f"{_figures(scores, verdicts, summary, PRIVACY)}{missing}"
        f"<h3>What is not promised</h3><p>{NOT_PROMISED}</p><h3>Who may see this page</h3><p>{CARE}</p>"
    )


def _reading(scores, summary):
    known = {name: text for name, text in (RESEMBLANCE | PRIVACY).items() if name in scores}
    rows = "".join(
        f"<dt>{text.title} <small>{name}</small></dt><dd>{text.reading} Useless table: {text.useless}.</dd>"
        for name, text in known.items()
    )
    verdicts, chance = VERDICTS.format(once=summary.n_splits + 1), CHANCE.format(n=summary.n_splits)
    return f"<p>{verdicts}</p><p>{chance}</p><dl>{rows}</dl>"


def _legend():
    return '<p class="legend"><span class="real">real</span> <span class="synthetic">synthetic</span></p>'


def _missing(column):
    return " / ".join(map(percent, column.missing)) if any(column.missing) else "none"


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
