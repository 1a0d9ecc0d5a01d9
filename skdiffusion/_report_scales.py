"""Is a figure good, fair or poor? It is judged between what fresh real rows and what a useless table get."""

import math
from typing import NamedTuple

import numpy as np

# Where "good" and "fair" end, as shares of the way from fresh rows to a useless table. A tenth of the way to
# a table without resemblance is little. A tenth of the way to copies is much; for equal rows a hundredth is.
_RESEMBLANCE, _NEARNESS, _COPIES = (0.1, 0.5), (0.0, 0.1), (0.0, 0.01)
_ONE_IN_TWENTY = 1.645  # standard deviations that a normal number exceeds as often
# The same for the mean of three normal numbers of which negative ones count 0.
_ONE_IN_TWENTY_OF_FOLDS = 1.04


class Scale(NamedTuple):
    """What fresh rows usually get and what once in twenty tables, by bad luck; what a useless table gets."""

    usual: float
    fresh: float
    useless: float
    limits: tuple = _RESEMBLANCE
    higher_is_better: bool = False


def judge(value, scale):
    """Return "good", "fair", "poor", or "unclear" where a useless table passes for fresh rows."""
    sign = -1 if scale.higher_is_better else 1
    excess, way = sign * (value - scale.fresh), sign * (scale.useless - scale.fresh)
    luck = sign * (scale.fresh - scale.usual)
    if np.isnan([excess, way, luck]).any():
        return "unclear"
    if way <= luck:  # no way to go, unless the value is far beyond both ends
        if excess > max(way, 0) + luck:
            return "poor"
        return "good" if value == scale.usual == scale.useless else "unclear"
    good, fair = (limit * way for limit in scale.limits)
    return "good" if excess <= good else "fair" if excess <= fair else "poor"


def scales(n_rows, ideal, worst, natural_copies):
    """Return the scales of those figures whose chance is known without resampling.

    `n_rows` are the numbers of rows by table, `natural_copies` is the share of fresh rows that equal a
    training row.
    """
    real, synthetic, holdout = (n_rows.get(name) for name in ("real", "synthetic", "holdout"))
    drawn = min(real, synthetic)
    n_fresh = holdout or real
    copies = natural_copies + (1 - natural_copies) / n_fresh  # none of many rows may yet be one of more
    copies = min(copies + _spread(copies, synthetic, n_fresh), 1.0)
    found = {
        "two_sample_score": _falling(1.0, _two_sample_floor(real, synthetic), 0.0),
        "beta_recall": _falling(0.5, 0.5 - _spread(0.5, drawn, drawn), 0.0),
        "exact_copy_share": Scale(natural_copies, copies, 1.0, _COPIES),
    }
    if holdout is not None:
        ratio, share = (
            1 + _spread(0.05, synthetic, holdout) / 0.05,
            0.5 + _spread(0.5, synthetic, min(real, holdout)),
        )
        highest = min(worst["copy_ratio"], 1 / max(natural_copies, 1e-9))
        found |= {
            "two_sample_score_holdout": _falling(1.0, _two_sample_floor(holdout, synthetic), 0.0),
            "copy_ratio": Scale(1.0, ratio, highest, _NEARNESS),
            "closest_record_share": Scale(0.5, share, 1.0, _NEARNESS),
        }
    if (name := "train_synthetic_test_real") in ideal:
        found[name] = _falling(ideal[name], ideal[name], worst[name])
    return found


def _falling(usual, fresh, useless):
    return Scale(usual, fresh, useless, higher_is_better=True)


def _spread(share, *n_rows):
    """Return how far shares of rows differ by chance, once in twenty times more."""
    return _ONE_IN_TWENTY * math.sqrt(share * (1 - share) * sum(1 / n for n in n_rows))


def _two_sample_floor(n_first, n_second):
    """Return the score of guesses with bad luck, once in twenty times: each fold is a Mann-Whitney test."""
    first, second = n_first / 3, n_second / 3
    deviation = math.sqrt((first + second + 1) / (12 * first * second))  # of the area under the curve
    return 1 - _ONE_IN_TWENTY_OF_FOLDS * 2 * deviation
