"""Column shapes and pair trends, as SDMetrics' QualityReport defines them.

Shape of a column is 1 - the Kolmogorov-Smirnov statistic (`KSComplement`) of a numerical or datetime
column and 1 - the total variation distance (`TVComplement`) of a categorical or boolean one, missing
values left out. Trend of a pair is 1 - |difference of the Pearson correlations| / 2 of two numerical columns
over complete rows (`CorrelationSimilarity`), and otherwise 1 - the total variation distance of
the joint frequencies (`ContingencySimilarity`), missing being a category of its own and numerical columns
cut into ten equal bins between *each table's own* extremes (`ColumnPairTrends._discretize_column`).
Pairs are scored on at most 50,000 rows a table, as there. Source: github.com/sdv-dev/SDMetrics, 0.14 to 0.24.

Two deviations, neither to the generator's advantage: a column without any synthetic value scores 0, and a synthetic
column that is constant has correlation 0; SDMetrics leaves both out. What is empty or constant in train itself is
left out here too.

Own extremes make Trend noisy: one row moves every bin (over subsamples of Adult's test rows 2.1 +- 0.4, with train's
bins 1.8 +- 0.1). So the same score with bins fixed by train's extremes stands beside it, and ranks the pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from understudy.evaluation.aligned import Aligned, View, within_one
from understudy.schema import Column, TableSchema

PAIR_ROWS = 50_000
MAX_PAIRS = 20_000
_BINS = 10


@dataclass(frozen=True)
class ColumnScore:
    """How well one column's distribution is kept.

    Attributes:
        metric: `KSComplement` or `TVComplement`.
        score: 0 to 1, 1 is ideal; None when train has no value.
        missing_train, missing_synthetic: share of missing values.
    """

    name: str
    kind: str
    metric: str
    score: float | None
    missing_train: float
    missing_synthetic: float


@dataclass(frozen=True)
class PairScore:
    """How well the relation of two columns is kept.

    Attributes:
        metric: `CorrelationSimilarity` or `ContingencySimilarity`.
        score: 0 to 1, 1 is ideal; None when undefined in train.
        score_fixed: the same with train's bins for both tables; differs for mixed pairs only.
        train, synthetic: Pearson correlation, or Cramer's V of the (binned) columns; None when undefined.
    """

    first: str
    second: str
    metric: str
    score: float | None
    score_fixed: float | None
    train: float | None
    synthetic: float | None


@dataclass(frozen=True)
class Fidelity:
    """Attributes:
    shape_error, trend_error: 100 * (1 - mean score), 0 is ideal; None without any scored column or pair.
    trend_error_fixed: `trend_error` with bins fixed by train.
    columns, pairs: the scores behind them.
    n_pairs: pairs of the table; `pairs` holds fewer when they were sampled.
    """

    shape_error: float | None
    trend_error: float | None
    trend_error_fixed: float | None
    columns: tuple[ColumnScore, ...]
    pairs: tuple[PairScore, ...]
    n_pairs: int


def measure_fidelity(
    data: Aligned,
    schema: TableSchema,
    rng: np.random.Generator,
    max_pairs: int = MAX_PAIRS,
    progress: Callable[[float], None] | None = None,
) -> Fidelity:
    """Shape and Trend of `data.views` = (train, ..., synthetic): the first against the last.

    The longer table is subsampled to the length of the shorter. Beyond `max_pairs` pairs a random choice is scored,
    pairs with the target first.
    """
    train, synthetic = data.views[0], data.views[-1]
    n = min(train.n_rows, synthetic.n_rows)
    train, synthetic = train.sample(n, rng), synthetic.sample(n, rng)
    columns = tuple(column_shape(data, c, train, synthetic) for c in data.columns)
    train, synthetic = train.sample(PAIR_ROWS, rng), synthetic.sample(PAIR_ROWS, rng)
    chosen, n_pairs = _choose_pairs([c.name for c in data.columns], schema.target, max_pairs, rng)
    pairs = _trends(data, chosen, train, synthetic, progress)
    return Fidelity(
        shape_error=_error([c.score for c in columns]),
        trend_error=_error([p.score for p in pairs]),
        trend_error_fixed=_error([p.score_fixed for p in pairs]),
        columns=columns,
        pairs=pairs,
        n_pairs=n_pairs,
    )


def ks_complement(train: np.ndarray, synthetic: np.ndarray) -> float | None:
    """1 - the two-sample Kolmogorov-Smirnov statistic; NaN is left out."""
    a, b = np.sort(train[~np.isnan(train)]), np.sort(synthetic[~np.isnan(synthetic)])
    if len(a) == 0:
        return None
    if len(b) == 0:
        return 0.0
    steps = np.concatenate([a, b])
    cdf_a = np.searchsorted(a, steps, side="right") / len(a)
    cdf_b = np.searchsorted(b, steps, side="right") / len(b)
    return float(1 - np.abs(cdf_a - cdf_b).max())


def tv_complement(train: np.ndarray, synthetic: np.ndarray) -> float | None:
    """1 - the total variation distance of two code arrays; negative codes are missing and left out."""
    a, b = train[train >= 0], synthetic[synthetic >= 0]
    if len(a) == 0:
        return None
    if len(b) == 0:
        return 0.0
    size = int(max(a.max(), b.max())) + 1
    gap = np.bincount(a, minlength=size) / len(a) - np.bincount(b, minlength=size) / len(b)
    return float(1 - np.abs(gap).sum() / 2)


def column_shape(data: Aligned, column: Column, train: View, synthetic: View) -> ColumnScore:
    """How well one column of `synthetic` keeps its distribution in `train`."""
    name = column.name
    if name in data.labels:
        metric, score = "TVComplement", tv_complement(train.codes[name], synthetic.codes[name])
    else:
        metric, score = "KSComplement", ks_complement(train.numbers[name], synthetic.numbers[name])
    missing = [float(v.missing(name).mean()) for v in (train, synthetic)]
    return ColumnScore(name, column.kind, metric, score, missing[0], missing[1])


def contingency(
    train: tuple[np.ndarray, np.ndarray], synthetic: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float | None, float | None]:
    """ContingencySimilarity of two pairs of code arrays and Cramer's V in train and in synthetic.

    Codes may be -1 (missing), which counts as a category. V is None when a column is constant.
    """
    width = int(max(train[1].max(), synthetic[1].max())) + 2
    height = int(max(train[0].max(), synthetic[0].max())) + 2
    a, b = ((first + 1).astype(np.int64) * width + second + 1 for first, second in (train, synthetic))
    cells = height * width
    if cells > 4 * (len(a) + len(b)):  # sparse: number only the cells that occur
        keys, dense = np.unique(np.concatenate([a, b]), return_inverse=True)
        a, b, cells = dense[: len(a)], dense[len(a) :], len(keys)
    else:
        keys = np.arange(cells)
    count_a, count_b = np.bincount(a, minlength=cells), np.bincount(b, minlength=cells)
    score = 1 - np.abs(count_a / len(a) - count_b / len(b)).sum() / 2
    rows, cols = keys // width, keys % width
    return float(score), _cramers_v(count_a, rows, cols), _cramers_v(count_b, rows, cols)


def correlations(numbers: np.ndarray) -> np.ndarray:
    """(d, d) Pearson correlations of (n, d) columns over pairwise complete rows, NaN where undefined."""
    numbers, present = within_one(numbers), ~np.isnan(numbers)
    n = np.maximum(present.sum(0), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        filled = np.where(present, numbers, 0.0)
        centred = np.where(present, numbers - filled.sum(0) / n, 0.0)
        scale = np.sqrt((centred**2).sum(0) / n)
        z = centred / np.where(scale > 0, scale, 1.0)
        m = present.astype(float)
        pairs = m.T @ m
        sx = z.T @ m  # (d, d): sum of column i over the rows where column j is present
        sxx = (z**2).T @ m
        cov = z.T @ z - sx * sx.T / pairs
        var = sxx - sx**2 / pairs
        r = cov / np.sqrt(var * var.T)
        r[(var < 1e-12 * pairs) | (var < 1e-12 * pairs).T | (pairs < 2)] = np.nan
    return np.clip(r, -1, 1)


def _choose_pairs(
    names: list[str], target: str | None, limit: int, rng: np.random.Generator
) -> tuple[list[tuple[int, int]], int]:
    first, second = np.triu_indices(len(names), 1)
    total = len(first)
    if total > limit:
        t = names.index(target) if target in names else -1
        with_target = (first == t) | (second == t)
        order = np.lexsort((rng.random(total), ~with_target))[:limit]
        keep = np.sort(order)
        first, second = first[keep], second[keep]
    return list(zip(first.tolist(), second.tolist(), strict=True)), total


def _trends(
    data: Aligned,
    chosen: list[tuple[int, int]],
    train: View,
    synthetic: View,
    progress: Callable[[float], None] | None,
) -> tuple[PairScore, ...]:
    names = [c.name for c in data.columns]
    position = {name: i for i, name in enumerate(data.numbers)}
    r_train, r_synthetic = (_correlation_matrix(data, v) for v in (train, synthetic))
    edges = [{n: _edges(v.numbers[n]) for n in data.numbers} for v in (train, synthetic)]
    real, made, fixed = (
        {n: _discrete(v, n, e.get(n)) for n in names}
        for v, e in ((train, edges[0]), (synthetic, edges[1]), (synthetic, edges[0]))
    )
    out = []
    for step, (i, j) in enumerate(chosen):
        a, b = names[i], names[j]
        if a in position and b in position:
            at = position[a], position[b]
            out.append(_correlation_pair(a, b, float(r_train[at]), float(r_synthetic[at])))
        else:
            same, v_train, v_made = contingency((real[a], real[b]), (fixed[a], fixed[b]))
            mixed = a in position or b in position
            score = contingency((real[a], real[b]), (made[a], made[b]))[0] if mixed else same
            out.append(PairScore(a, b, "ContingencySimilarity", score, same, v_train, v_made))
        if progress is not None and step % 50 == 0:
            progress(step / len(chosen))
    return tuple(out)


def _correlation_matrix(data: Aligned, view: View) -> np.ndarray:
    names = data.numbers
    return correlations(np.column_stack([view.numbers[n] for n in names])) if names else np.empty((0, 0))


def _correlation_pair(first: str, second: str, train: float, synthetic: float) -> PairScore:
    if np.isnan(train):
        return PairScore(first, second, "CorrelationSimilarity", None, None, None, None)
    made = 0.0 if np.isnan(synthetic) else synthetic
    score = 1 - abs(train - made) / 2
    return PairScore(first, second, "CorrelationSimilarity", score, score, train, made)


def _edges(values: np.ndarray) -> np.ndarray:
    """(11,) edges of ten equal bins between the extremes, as np.histogram_bin_edges gives them.

    That refuses a range too narrow for ten floats, where some of these edges are equal.
    """
    present = values[~np.isnan(values)]
    low, high = (present.min(), present.max()) if len(present) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def _discrete(view: View, name: str, edges: np.ndarray | None) -> np.ndarray:
    """Codes of a column for a contingency table; numbers are cut at `edges`.

    np.digitize puts the last edge and NaN in an eleventh bin, so SDMetrics counts missing numbers with the maximum;
    so does this.
    """
    if edges is None:
        return view.codes[name]
    return np.digitize(view.numbers[name], edges).astype(np.int32)


def _cramers_v(count: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> float | None:
    """Bias-corrected Cramer's V (Bergsma, J. Korean Stat. Soc. 42, 2013) of a table given as cells."""
    n = int(count.sum())
    by_row, by_col = np.bincount(rows, weights=count), np.bincount(cols, weights=count)
    r, k = np.count_nonzero(by_row), np.count_nonzero(by_col)
    if min(r, k) < 2 or n < 3:
        return None
    at = count > 0
    phi2 = (count[at].astype(float) ** 2 / (by_row[rows[at]] * by_col[cols[at]])).sum() - 1
    phi2 = max(phi2 - (k - 1) * (r - 1) / (n - 1), 0.0)
    width = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return float(min(np.sqrt(phi2 / width), 1.0)) if width > 0 else None


def _error(scores: list[float | None]) -> float | None:
    known = [s for s in scores if s is not None]
    return float(100 * (1 - np.mean(known))) if known else None
