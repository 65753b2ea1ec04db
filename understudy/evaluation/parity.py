"""Whether two models treat groups alike, and how much less alike the one trained on synthetic rows does.

Of a class: the demographic parity difference is the largest less the smallest share of a group that a model gives the
class; the equalised-odds difference is the larger of that difference in true positive and in false positive rates
(fairlearn's definitions; a model gives the class it holds most probable). With two classes it doesn't matter which one
is meant; with more, each of the five most frequent is set against the rest and the largest difference counts. Of a
quantity: the differences of the groups' mean predictions and mean absolute errors, in standard deviations of the
target.

A rate over fewer than 30 rows is left out. `added` is synthetic less real. Its interval covers the choice of the
holdout, by a bootstrap over privacy units, and that of the rows either model learnt, by refits on halves of the real
ones: two models of different real samples treat groups differently too, and that isn't what synthesis did. (With the
holdout's part alone, a synthetic table of fresh real rows was found to add bias 27 times in 60.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from understudy.evaluation.predictions import N_REFITS, Predictions, Refits

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Measure = Literal["demographic_parity", "equalised_odds", "mean_prediction", "mean_error"]
LEAST_ROWS = 30
_CLASSES = 5
_CLASS_MEASURES: tuple[Measure, Measure] = ("demographic_parity", "equalised_odds")
_QUANTITY_MEASURES: tuple[Measure, Measure] = ("mean_prediction", "mean_error")
_DRAWS, _CHUNK = 500, 50


@dataclass(frozen=True)
class Parity:
    """One measure of one column's groups.

    Attributes:
        real, synthetic: of the model trained on real and on synthetic rows; 0: all groups are treated alike.
        added: synthetic - real; low, high: its interval.
    """

    measure: Measure
    real: float
    synthetic: float
    added: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Groups:
    """A column's groups in the holdout rows of `Predictions`: (n,) positions in `labels`, -1 = in none."""

    labels: tuple[str, ...]
    codes: np.ndarray


def group_rates(made: Predictions, groups: Groups) -> tuple[np.ndarray, np.ndarray] | None:
    """What each group gets of the model trained on synthetic and of that trained on real rows, both (n_groups,).

    The share that is given the rarer of two classes, or the mean prediction; None with more classes.
    """
    if made.metric == "auc" and len(_classes(made)) != 1:
        return None
    table = _rates(_totals(made, groups), made)
    return table[0, 0, :, 0, 0], table[0, 1, :, 0, 0]


def real_disparity(made: Predictions, groups: Groups) -> float:
    """The demographic parity (or mean prediction) difference of the model trained on real rows; 0 where undefined."""
    found = _differences(_rates(_totals(made, groups), made), _usable(made, groups))[0, 1, 0]
    return 0.0 if np.isnan(found) else float(found)


def measure_parity(
    made: Predictions, refits: Refits, columns: Sequence[Groups], rng: np.random.Generator, level: float
) -> list[tuple[Parity, ...]]:
    """Of each column its two measures, with intervals of coverage `level`; a measure without two groups is left out.

    Every column has two groups or more.
    """
    cells = [_cells(made, g) for g in columns]
    usable = [_usable(made, g) for g in columns]
    draws: list[list[np.ndarray]] = [[] for _ in columns]
    for weights in _resamples(made, rng):
        for found, cell, use in zip(draws, cells, usable, strict=True):
            totals = (weights @ cell).reshape(len(weights), len(use), -1)
            found.append(_differences(_rates(totals, made), use))
    measures = _CLASS_MEASURES if made.metric == "auc" else _QUANTITY_MEASURES
    out = []
    for groups, found, use in zip(columns, draws, usable, strict=True):
        point = _differences(_fairlearn_rates(made, groups), use)[0]  # (2 models, 2 measures)
        drawn = np.concatenate(found)
        again = np.stack([_differences(_rates(_totals(m, groups), m), use)[0, 0] for m in refits.models])
        parities = []
        for m, measure in enumerate(measures):
            added = drawn[:, 0, m] - drawn[:, 1, m]
            if np.isnan(point[:, m]).any() or np.isnan(added).any():
                continue
            synthetic, real = float(point[0, m]), float(point[1, m])
            more = synthetic - real
            margin = half_width(float(added.var(ddof=1)), float(refits.variance(again[:, m])), level)
            parities.append(Parity(measure, real, synthetic, more, more - margin, more + margin))
        out.append(tuple(parities))
    return out


def half_width(from_holdout: float, from_training: float, level: float) -> float:
    """Half the interval of a difference of two models, of coverage `level`.

    Args:
        from_holdout: the difference's variance from the choice of the holdout.
        from_training: each model's variance from that of its training rows, estimated by `N_REFITS` refits, hence
            Student's t with the degrees of freedom of Satterthwaite (Biometrics Bulletin 2, 1946).
    """
    from scipy.stats import t

    variance = from_holdout + 2 * from_training
    if variance <= 0:
        return 0.0
    freedom = (N_REFITS - 1) * (variance / (2 * from_training)) ** 2 if from_training > 0 else np.inf
    return float(t.ppf((1 + level) / 2, min(freedom, 1e6)) * np.sqrt(variance))


def _classes(made: Predictions) -> np.ndarray:
    """The classes that are each set against the rest: the rarer of two, or the five most frequent of more."""
    found, counts = np.unique(made.truth, return_counts=True)
    if len(found) == 2:
        return found[1:]
    return found[np.argsort(-counts, kind="stable")[:_CLASSES]]


def _models(made: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """What each model predicts: classes, or quantities."""
    if made.metric == "auc":
        return made.synthetic.argmax(1), made.real.argmax(1)
    return made.synthetic, made.real


def _facts(made: Predictions) -> np.ndarray:
    """What is summed over a group, (n_rows, n_facts): 1, then of each class or quantity and each model what rates need.

    Of a class: whether the row has it, and of each model whether it is given, and whether both. Of a quantity: of each
    model the prediction and the absolute error.
    """
    one = np.ones((len(made.truth), 1))
    if made.metric == "r2":
        parts = [np.column_stack([p, np.abs(p - made.truth)]) for p in _models(made)]
        return np.hstack([one, *parts])
    columns = [one]
    for k in _classes(made):
        has = made.truth == k
        gives = [p == k for p in _models(made)]
        columns.append(np.column_stack([has, *(f for g in gives for f in (g, g & has))]).astype(float))
    return np.hstack(columns)


def _cells(made: Predictions, groups: Groups) -> csr_array:
    """The facts of each unit summed by group, (n_units, n_groups * n_facts)."""
    from scipy.sparse import csr_array

    facts = _facts(made)
    keys = made.holdout.units
    units = np.arange(len(facts)) if keys is None else np.unique(keys, return_inverse=True)[1]
    row, fact = np.nonzero(facts * (groups.codes >= 0)[:, None])
    n_facts = facts.shape[1]
    places = (units[row], groups.codes[row] * n_facts + fact)
    return csr_array((facts[row, fact], places), shape=(int(units.max()) + 1, len(groups.labels) * n_facts))


def _totals(made: Predictions, groups: Groups) -> np.ndarray:
    """The facts of the holdout itself, (1, n_groups, n_facts)."""
    return np.asarray(_cells(made, groups).sum(0)).reshape(1, len(groups.labels), -1)


def _resamples(made: Predictions, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each unit is drawn in each resample, (n_chunk, n_units), chunk by chunk."""
    n = len(made.truth) if made.holdout.units is None else len(np.unique(made.holdout.units))
    for _ in range(0, _DRAWS, _CHUNK):
        yield np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(_CHUNK)]).astype(np.float64)


def _rates(totals: np.ndarray, made: Predictions) -> np.ndarray:
    """(n_draws, 2 models, n_groups, n_classes, n_rates): selection, true and false positive rates; or for a quantity
    the mean prediction and the mean error, of one class."""
    n = totals[:, :, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        if made.metric == "r2":
            means = (totals[:, :, 1:] / n).reshape(*totals.shape[:2], 2, 1, 2)
            return np.moveaxis(means, 2, 1)
        facts = totals[:, :, 1:].reshape(*totals.shape[:2], -1, 5)
        has = facts[..., 0]
        models = [
            np.stack([gives / n, both / has, (gives - both) / (n - has)], axis=-1)
            for gives, both in ((facts[..., 1], facts[..., 2]), (facts[..., 3], facts[..., 4]))
        ]
    return np.stack(models, axis=1)


def _fairlearn_rates(made: Predictions, groups: Groups) -> np.ndarray:
    """`_rates` of the holdout itself, by fairlearn; (1, 2, n_groups, n_classes, n_rates)."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import mean_absolute_error

    shown = groups.codes >= 0
    truth, models, codes = made.truth[shown], [p[shown] for p in _models(made)], groups.codes[shown]
    present = np.unique(codes)

    def frame(metrics: dict[str, object], truth: np.ndarray, given: np.ndarray) -> np.ndarray:
        found = MetricFrame(metrics=metrics, y_true=truth, y_pred=given, sensitive_features=codes)
        out = np.full((len(groups.labels), len(metrics)), np.nan)
        out[present] = found.by_group.loc[present].to_numpy(float)
        return out

    if made.metric == "r2":
        means = {"prediction": lambda y_true, y_pred: float(np.mean(y_pred)), "error": mean_absolute_error}
        return np.stack([frame(means, truth, p)[:, None] for p in models])[None]
    three = {"selection": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    return np.stack(
        [np.stack([frame(three, (truth == k) * 1, (p == k) * 1) for k in _classes(made)], axis=1) for p in models]
    )[None]


def _usable(made: Predictions, groups: Groups) -> np.ndarray:
    """Which rates rest on enough rows, (n_groups, n_classes, n_rates) bool."""
    totals = _totals(made, groups)[0]
    n = totals[:, :1]
    if made.metric == "r2":
        return np.repeat(n[:, :, None] >= LEAST_ROWS, 2, axis=2)
    has = totals[:, 1::5]
    return np.stack([np.broadcast_to(n, has.shape), has, n - has], axis=-1) >= LEAST_ROWS


def _differences(rates: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """(n_draws, 2 models, 2 measures): the largest less the smallest group's rate; NaN with fewer than two groups."""
    known = usable & ~np.isnan(rates)
    spread = np.where(known, rates, -np.inf).max(2) - np.where(known, rates, np.inf).min(2)  # over groups
    spread = np.where(known.sum(2) >= 2, spread, -np.inf).max(2)  # over classes: (n_draws, 2, n_rates)
    spread = np.stack([spread[..., 0], spread[..., 1:].max(-1)], axis=-1)
    return np.where(np.isneginf(spread), np.nan, spread)
