"""What a quality report shows of two tables: scales of figures, columns and pairs.

Tables are float matrices with codes for categories. None outlives the making of a summary: what is kept are
shares of rows in a few bins and categories, for each column and for the worst pairs.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from ._metric_columns import associations, column_errors, pair_errors
from ._metric_distances import alpha_precision, share_of_twins
from ._report_scales import Scale, judge, scales

_MAX_ROWS = (
    10_000  # that count for chance: with more, it is small beside the tenth of the way that is still good
)
_MANY_PAIRS = 1000  # from which on there are fewer random parts
_MAX_PAIRS = 20  # that are kept
_MAX_BARS, _MAX_ATOMS, _N_BINS, _N_PAIR_BINS = 8, 4, 24, 8
_MAX_LETTERS = 80
_UNITS = (("days", 86400), ("h", 3600), ("min", 60), ("s", 1))
_NO_LENGTH = {"Y": "years", "M": "months", "generic": ""}


@dataclass(frozen=True)
class Summary:
    """Numbers of rows by table, scales of figures, and columns and pairs, the worst first.

    Some 20 pairs are there; `pair_verdicts` counts the verdicts of all. `target` is the name of the column
    that models predict, and what their score is called.
    """

    n_rows: dict
    n_splits: int
    scales: dict
    columns: list
    pairs: list
    pair_verdicts: dict
    target: tuple | None


@dataclass(frozen=True)
class Column:
    """A column of both tables.

    `missing` are shares of the real and the synthetic rows. `bars` are tuples of a label and these shares.
    `bins` are the shares of the other numbers, an array of shape (2, n_bins), or None; `ends` their labels.
    """

    name: str
    kind: str
    error: float
    verdict: str
    missing: tuple
    bars: list
    bins: np.ndarray | None
    ends: tuple


@dataclass(frozen=True)
class Pair:
    """Two columns of both tables.

    `associations` are the real and the synthetic one: correlations of numbers, else Cramer's V. `shares` are
    those of the rows in each pair of bins, an array of shape (2, n_first, n_second). `ticks` are the labels
    of the bins of each column; of numbers only the outermost ones have any.
    """

    names: tuple
    is_correlation: bool
    error: float
    verdict: str
    associations: tuple
    shares: np.ndarray
    ticks: tuple


def summarize(tables, names, categorical, labels, orders, dtypes, target, ideal, worst, rng):
    """Summarize a real, a synthetic and perhaps a held-out matrix, by name.

    `labels` are the categories by place, `orders` the same in their order where they have one, `dtypes` those
    of numbers, dates and durations; `ideal` and `worst` are figures as in an evaluation.
    """
    real, synthetic = tables["real"], tables["synthetic"]
    n_pairs = len(names) * (len(names) - 1) // 2
    n_splits = 19 if n_pairs <= _MANY_PAIRS else 5
    errors, trends = column_errors(real, synthetic, categorical), pair_errors(real, synthetic, categorical)
    chance = _chance(tables, categorical, n_splits, rng)
    useless = _of_useless_tables(real, categorical, rng)

    n_rows = {name: len(table) for name, table in tables.items()}
    natural_copies = ideal["exact_copy_share"] if "holdout" in tables else share_of_twins(real)
    drawn = {name: min(n, _MAX_ROWS) for name, n in n_rows.items()}
    found = scales(drawn, ideal, worst, natural_copies)
    for name, key, chosen in (
        ("shape_error", "shapes", slice(None)),
        ("trend_error", "trends", trends[1]),
        ("trend_error_all_pairs", "trends", slice(None)),
    ):
        by_chance = np.array([_mean(errors[chosen]) for errors in chance[key]])
        found[name] = Scale(_mean(by_chance), float(np.fmax.reduce(by_chance)), _mean(useless[key][chosen]))
    precision = chance["precision"]
    found["alpha_precision"] = Scale(_mean(np.array(precision)), min(precision), 0.0, higher_is_better=True)

    differences = _differences(errors, real, synthetic)
    verdicts = _verdicts(differences, chance["columns"], useless["columns"])
    ordered = {place: _labels(categories, orders.get(place)) for place, categories in labels.items()}
    columns = []
    for place in _worst_first(differences, chance["columns"]):
        cells = real[:, place], synthetic[:, place], ordered.get(place), dtypes[place]
        columns.append(_column(names[place], *cells, errors[place], verdicts[place]))

    verdicts = _verdicts(trends[0], chance["trends"], useless["trends"])
    pairs, places = [], list(combinations(range(len(names)), 2))
    ranked = [index for index in _worst_first(trends[0], chance["trends"]) if not np.isnan(trends[0][index])]
    for index in ranked[:_MAX_PAIRS]:
        chosen = list(places[index])
        cells = real[:, chosen], synthetic[:, chosen], categorical[chosen]
        kinds = [(ordered.get(place), dtypes[place]) for place in chosen]
        pairs.append(
            _pair([names[place] for place in chosen], *cells, kinds, trends[0][index], verdicts[index])
        )
    counts = Counter(verdicts[index] for index in ranked)
    if target is not None:
        score = "area under the ROC curve" if categorical[names.index(target)] else "R2"
        target = _text(target), score
    found = {name: found[name] for name in ideal}
    return Summary(n_rows, n_splits, found, columns, pairs, dict(counts), target)


class _Labels(NamedTuple):
    """Categories by code, and for each code its place in their order; None without an order."""

    texts: list
    places: np.ndarray | None


def _labels(categories, order):
    if order is None:
        return _Labels(categories, None)
    places = {category: place for place, category in enumerate(order)}
    found = [places.get(category, len(places)) for category in categories]
    return _Labels(categories, np.array(found))


# Ends of the scales


def _chance(tables, categorical, n_splits, rng):
    """Compare tables that differ by chance only: random parts of the real and held-out rows.

    They have as many rows as the tables that are judged, if possible. Resampling with replacement would not
    do: it draws no category that is new.
    """
    found = {"shapes": [], "columns": [], "trends": [], "precision": []}
    rows = np.vstack([table for name, table in tables.items() if name != "synthetic"])
    n_second = min(len(tables["synthetic"]), len(rows) // 2, _MAX_ROWS)
    n_first = min(len(tables["real"]), len(rows) - n_second, _MAX_ROWS)
    for _ in range(n_splits):
        order = rng.permutation(len(rows))
        first, second = rows[order[:n_first]], rows[order[n_first : n_first + n_second]]
        errors = column_errors(first, second, categorical)
        found["shapes"].append(errors)
        found["columns"].append(_differences(errors, first, second))
        found["trends"].append(pair_errors(first, second, categorical)[0])
        found["precision"].append(alpha_precision(first, second, categorical))
    return found


def _of_useless_tables(real, categorical, rng):
    """Judge two tables without use: one row again and again, and columns shuffled one by one."""
    constant = np.array([_commonest(column, each) for column, each in zip(real.T, categorical, strict=True)])
    constant = np.broadcast_to(constant, real.shape)
    errors = column_errors(real, constant, categorical)
    shuffled = np.column_stack([rng.permutation(column) for column in real.T])
    trends = pair_errors(real, shuffled, categorical)[0]
    return {"shapes": errors, "columns": _differences(errors, real, constant), "trends": trends}


def _commonest(column, is_categorical):
    """Return the commonest category, or the median of numbers as one of them."""
    cells = np.sort(column[~np.isnan(column)])
    if not len(cells):
        return np.nan
    return np.bincount(cells.astype(int)).argmax() if is_categorical else cells[len(cells) // 2]


def _differences(errors, real, synthetic):
    """Return how far columns differ in what is there, or in how much is missing if that is more."""
    return np.fmax(errors, np.abs(np.isnan(real).mean(axis=0) - np.isnan(synthetic).mean(axis=0)))


def _worst_first(errors, chance):
    """Return the places of errors, those that exceed what chance explains by most first."""
    excess = errors - np.nan_to_num(chance).mean(axis=0)
    return np.argsort(-np.nan_to_num(excess, nan=-1.0), kind="stable").tolist()


def _verdicts(errors, chance, useless):
    """Judge one by one errors, of which none of many fresh ones is to be called bad."""
    if not len(errors):
        return []
    chance = np.nan_to_num(chance)
    usual, spread = chance.mean(axis=0), chance.std(axis=0, ddof=1)
    fresh = usual - ndtri(0.05 / len(errors)) * np.maximum(spread, spread.mean())
    return [judge(error, Scale(*ends)) for error, *ends in zip(errors, usual, fresh, useless, strict=True)]


def _mean(errors):
    errors = errors[~np.isnan(errors)]
    return float(errors.mean()) if len(errors) else np.nan


# Columns


def _column(name, real, synthetic, labels, dtype, error, verdict):
    missing = tuple(float(np.isnan(cells).mean()) for cells in (real, synthetic))
    if labels is None:
        kind = {"M": "date", "m": "duration"}.get(dtype.kind, "number")
        bars, bins, ends = _bars_and_bins(real, synthetic, dtype)
    else:
        kind, bars, bins, ends = "category", _bars_of_categories(real, synthetic, labels), None, ()
    return Column(_text(name), kind, float(error), verdict, missing, bars, bins, ends)


def _bars_of_categories(real, synthetic, labels):
    shares = np.array([_shares(cells, np.arange(len(labels.texts))) for cells in (real, synthetic)])
    order = np.lexsort([-shares[1], -shares[0]])
    shown = order if len(order) <= _MAX_BARS else order[: _MAX_BARS - 1]
    bars = [(_text(labels.texts[code]), *shares[:, code].tolist()) for code in _in_order(shown, labels)]
    if n_others := len(order) - len(shown):
        bars.append((f"{n_others} others", *shares[:, order[len(shown) :]].sum(axis=1).tolist()))
    return bars


def _in_order(codes, labels):
    """Return codes in the order of their categories, as they are if there is none."""
    if labels.places is None:
        return codes.tolist()
    return codes[np.argsort(labels.places[codes], kind="stable")].tolist()


def _bars_and_bins(real, synthetic, dtype):
    """Give few values and atoms a bar each, and other numbers bins."""
    present = [cells[~np.isnan(cells)] for cells in (real, synthetic)]
    values = np.unique(np.concatenate(present))
    shares = np.array([_shares(cells, values) for cells in (real, synthetic)])
    if len(values) <= _MAX_BARS:
        atoms = np.arange(len(values))
    else:
        largest = shares.max(axis=0)
        atoms = np.flatnonzero((largest >= 0.05) & (largest >= 5 * np.median(largest)))
        atoms = np.sort(atoms[np.argsort(-largest[atoms], kind="stable")[:_MAX_ATOMS]])
    bars = [(_number(values[place], dtype), *shares[:, place].tolist()) for place in atoms.tolist()]
    if len(atoms) == len(values):
        return bars, None, ()
    rest = [cells[~np.isin(cells, values[atoms])] for cells in present]
    edges, clipped = _edges(*rest)
    bins = np.array(
        [
            np.histogram(cells.clip(edges[0], edges[-1]), edges)[0] / len(whole)
            for cells, whole in zip(rest, (real, synthetic), strict=True)
        ]
    )
    signs = [sign if is_clipped else "" for sign, is_clipped in zip(("≤ ", "≥ "), clipped, strict=True)]
    ends = edges[0], min(edges[-1], max(cells.max(initial=edges[0]) for cells in rest))
    return bars, bins, tuple(sign + _end(end, dtype, ends) for sign, end in zip(signs, ends, strict=True))


def _shares(cells, values):
    """Return the share of each of some sorted values, among all cells."""
    present = cells[~np.isnan(cells)]
    places = np.searchsorted(values, present)
    return np.bincount(places, minlength=len(values)) / len(cells)


def _edges(real, synthetic):
    """Return edges of bins for all but the outermost numbers, and whether some lie below and above them."""
    both = np.concatenate([real, synthetic])
    low, high = np.quantile(real if len(real) else both, [0.01, 0.99], method="nearest")
    if low == high:
        low, high = both.min(), both.max()
    if max(-low, high) < 2**52 and (both == np.round(both)).all():  # as many whole numbers in each bin
        width = max(np.ceil((high - low + 1) / _N_BINS), 1)
        edges = np.arange(low, high + width + 1, width)
    else:
        way = np.linspace(0, 1, _N_BINS + 1)
        edges = np.unique(low * (1 - way) + high * way)
    if len(edges) < 2:
        edges = np.array([low, np.nextafter(low, np.inf)])
    return edges, (both.min() < edges[0], both.max() > edges[-1])


# Pairs


def _pair(names, real, synthetic, categorical, kinds, error, verdict):
    found = tuple(float(associations(table, categorical)[0, 1]) for table in (real, synthetic))
    coded = [_codes(real[:, side], synthetic[:, side], *kinds[side]) for side in (0, 1)]
    n_first, n_second = (len(ticks) for _, ticks in coded)
    shares = [
        np.bincount(first * n_second + second, minlength=n_first * n_second) / len(first)
        for first, second in zip(*(codes for codes, _ in coded), strict=True)
    ]
    shares = np.array(shares).reshape(2, n_first, n_second)
    names, ticks = tuple(map(_text, names)), tuple(ticks for _, ticks in coded)
    return Pair(names, not categorical.any(), float(error), verdict, found, shares, ticks)


def _codes(real, synthetic, labels, dtype):
    """Return codes of a column's cells, and labels of all codes.

    Codes are categories, the commonest first or in their order, or bins of as many real rows; then holes.
    """
    tables, is_hole = (real, synthetic), [np.isnan(cells) for cells in (real, synthetic)]
    present = real[~is_hole[0]] if not is_hole[0].all() else synthetic[~is_hole[1]]
    if not len(present):
        codes, ticks = [np.zeros(len(cells), int) for cells in tables], []
    elif labels is not None:
        values, counts = np.unique(present.astype(int), return_counts=True)
        commonest = values[np.argsort(-counts, kind="stable")][: _N_PAIR_BINS - 1]
        commonest = np.array(_in_order(commonest, labels), int)
        codes = [cells[:, None] == commonest for cells in tables]
        codes = [np.where(each.any(axis=1), each.argmax(axis=1), len(commonest)) for each in codes]
        has_others = any(
            (each[~hole] == len(commonest)).any() for each, hole in zip(codes, is_hole, strict=True)
        )
        ticks = [_text(labels.texts[code]) for code in commonest.tolist()] + ["others"] * has_others
    else:
        way = np.linspace(0, 1, _N_PAIR_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(present, way, method="nearest"))
        known = np.concatenate([cells[~hole] for cells, hole in zip(tables, is_hole, strict=True)])
        ends = known.min(), known.max()
        edges = edges[edges < ends[1]]  # the highest number of each bin but the last
        codes = [np.searchsorted(edges, cells) for cells in tables]
        low, high = (_end(end, dtype, ends) for end in ends)
        ticks = [low, *[""] * (len(edges) - 1), high] if len(edges) else [low]
    codes = [np.where(hole, len(ticks), each) for each, hole in zip(codes, is_hole, strict=True)]
    return codes, ticks + ["missing"] * bool(np.concatenate(is_hole).any())


# Texts


def _text(label):
    """Return a label as short text that any file can hold."""
    text = str(label)
    text = text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 1] + "…"
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text
    )


def _number(value, dtype):
    """Write a number, a date or a duration in full."""
    if dtype.kind not in "mM":
        return f"{value:.10g}"
    unit, count = np.datetime_data(dtype)
    if dtype.kind == "m":
        seconds = _seconds(dtype)
        if seconds is None:
            return f"{value * count:.10g} {_NO_LENGTH[unit]}".strip()
        seconds = float(f"{value * seconds:.12g}")  # without the last places, where it is rounded
        name, length = next((each for each in _UNITS if seconds and not seconds % each[1]), _UNITS[-1])
        return f"{seconds / length:.12g} {name}"
    date = np.datetime64(int(value) * count, unit)
    return str(date.astype("M8[D]" if date == date.astype("M8[D]") else "M8[s]")).replace("T", " ")


def _end(value, dtype, ends):
    """Write an end of an axis, no more precisely than a reader needs."""
    if dtype.kind not in "mM":
        return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    seconds = _seconds(dtype)
    if seconds is None:
        return _number(value, dtype)
    if dtype.kind == "M":
        return _number(value, dtype)[: 10 if (ends[1] - ends[0]) * seconds > 3 * 86400 else None]
    longest = max(map(abs, ends)) * seconds
    name, length = next((each for each in _UNITS if longest >= each[1]), _UNITS[-1])
    return f"{value * seconds / length:.3g} {name}"


def _seconds(dtype):
    """Return the length of a unit of dates or durations, None for years and months, which differ."""
    unit, count = np.datetime_data(dtype)
    return None if unit in _NO_LENGTH else np.timedelta64(count, unit) / np.timedelta64(1, "s")
