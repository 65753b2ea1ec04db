"""Distances between tables: DCR, exact copies, and the naive alpha-precision and beta-recall.

DCR (distance to closest record): is a synthetic row nearer to train than to as many fresh rows? It compares
generators with each other; it is no evidence of privacy (arXiv 2505.01524), which is the audit's task.

alpha-precision and beta-recall: Alaa, van Breugel, Saveliev and van der Schaar, "How Faithful is your Synthetic
Data?", ICML 2021, in the "naive" form of synthcity (`AlphaPrecision.metrics`): no embedding, Euclidean distance on
min-max scaled numbers and one-hot categories, 1 - 2 * the area between the curve and the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.evaluation.aligned import Aligned, View

QUERIES = 5_000
REFERENCES = 50_000
CELLS = QUERIES * REFERENCES * 30  # a wider table is tried with fewer queries, so that its time stays bounded
MIN_QUERIES = 500
_LEVELS = 30


@dataclass(frozen=True)
class ClosestRecord:
    """Attributes:
    share, se: share of synthetic rows nearer to train than to the holdout (ties half), ideal 0.5.
    queries, references: synthetic rows tried; train and holdout rows each was compared with.
    edges, train, holdout: histogram of the distance (in columns) to each; shares that sum to 1.
    """

    share: float
    se: float
    queries: int
    references: int
    edges: tuple[float, ...]
    train: tuple[float, ...]
    holdout: tuple[float, ...]


@dataclass(frozen=True)
class Support:
    """`alpha_precision`: synthetic rows lie where train rows lie; `beta_recall`: train rows are covered. Ideal 1."""

    alpha_precision: float
    beta_recall: float
    beta_recall_se: float


def closest_record(data: Aligned, rng: np.random.Generator) -> ClosestRecord:
    """DCR of `data.views` = (train, holdout, synthetic), by Gower distance on ranks.

    Ranks are taken over train and holdout together, so that neither side scales the axes. At most 5,000
    synthetic rows (fewer of a table of hundreds of columns) are tried against at most 50,000 rows of each; the
    standard error is that of the trial rows.
    """
    from understudy.evaluation.nearest import nearest

    train, holdout, synthetic = data.views
    if train.units is not None and holdout.units is not None:
        # As many persons on both sides: the same number of rows from more persons covers more ground.
        n_units = min(len(np.unique(train.units)), len(np.unique(holdout.units)))
        train, holdout = (
            v.take(_rows_of(u, n_units, rng)) for v, u in ((train, train.units), (holdout, holdout.units))
        )
    n = min(train.n_rows, holdout.n_rows, REFERENCES)
    train, holdout = train.sample(n, rng), holdout.sample(n, rng)
    synthetic = synthetic.sample(_queries(n, len(data.columns)), rng)
    query, *references = _encode(data, (synthetic, train, holdout), _rank_scale(data, (train, holdout)))
    to_train, to_holdout = (nearest(query, r, squared=False)[0] for r in references)
    nearer = np.where(np.isclose(to_train, to_holdout, rtol=0, atol=1e-9), 0.5, to_train < to_holdout)
    top = max(float(np.quantile(np.concatenate([to_train, to_holdout]), 0.99)), 1e-9)
    edges = np.linspace(0, top, 41)
    shares = [np.histogram(np.minimum(d, top), edges)[0] / len(d) for d in (to_train, to_holdout)]
    return ClosestRecord(
        share=float(nearer.mean()),
        se=float(nearer.std() / np.sqrt(len(nearer))),
        queries=len(nearer),
        references=n,
        edges=tuple(edges.tolist()),
        train=tuple(shares[0].tolist()),
        holdout=tuple(shares[1].tolist()),
    )


def _queries(n_references: int, n_columns: int) -> int:
    """How many rows to try, so that no more than `CELLS` cells are compared."""
    return int(np.clip(CELLS // max(n_references * n_columns, 1), MIN_QUERIES, QUERIES))


def _rows_of(units: np.ndarray, n_units: int, rng: np.random.Generator) -> np.ndarray:
    """The rows of `n_units` privacy units drawn at random."""
    return np.flatnonzero(np.isin(units, rng.choice(np.unique(units), n_units, replace=False)))


def exact_copies(data: Aligned) -> tuple[float, float]:
    """Share of synthetic rows that equal a train row in every modelled column, and the same of holdout rows."""
    train, holdout, synthetic = (_row_keys(data, v) for v in data.views)
    known = np.unique(train)
    return float(np.isin(synthetic, known).mean()), float(np.isin(holdout, known).mean())


def support(data: Aligned, rng: np.random.Generator) -> Support | None:
    """alpha-precision and beta-recall of the last view (synthetic) for the first (train), equal numbers.

    The nearest neighbours are those of at most 5,000 train rows (fewer of a table of hundreds of columns), among all
    others. None below 2 rows.
    """
    from understudy.evaluation.nearest import nearest

    train, synthetic = data.views[0], data.views[-1]
    n = min(train.n_rows, synthetic.n_rows, REFERENCES)
    if n < 2:
        return None
    train, synthetic = train.sample(n, rng), synthetic.sample(n, rng)
    real, made = _encode(data, (train, synthetic), _unit_scale(data, train))
    levels = np.linspace(0, 1, _LEVELS)
    centre = _centre(real)
    radii = np.quantile(_to_centre(real, *centre), levels)
    precision = (_to_centre(made, *centre)[:, None] <= radii).mean(0)
    picked = np.sort(rng.choice(n, min(n, _queries(n, len(data.columns))), replace=False))
    query = real[0][picked], real[1][picked]
    to_real, _ = nearest(query, real, squared=True, exclude=picked)
    to_made, which = nearest(query, made, squared=True)
    reach = _to_centre(made, *_centre(made))[which]
    covered = to_made <= to_real
    inside = covered[:, None] & (reach[:, None] <= np.quantile(reach, levels))
    share = covered.mean()
    return Support(
        alpha_precision=_area(levels, precision),
        beta_recall=_area(levels, inside.mean(0)),
        beta_recall_se=float(np.sqrt(share * (1 - share) / len(picked))),
    )


Scale = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name -> (raw values, scaled values): a monotone map by interpolation."""


def _rank_scale(data: Aligned, views: tuple[View, ...]) -> Scale:
    out = {}
    for name in data.numbers:
        values = np.concatenate([v.numbers[name] for v in views])
        values, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        out[name] = values, (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1)
    return out


def _unit_scale(data: Aligned, view: View) -> Scale:
    out = {}
    for name in data.numbers:
        values = view.numbers[name]
        values = values[~np.isnan(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        out[name] = np.array([low, high if high > low else low + 1]), np.array([0.0, 1.0])
    return out


def _encode(data: Aligned, views: tuple[View, ...], scale: Scale) -> list[tuple[np.ndarray, np.ndarray]]:
    """((n, d) float32 numbers, (n, c) int32 codes) of each view.

    A missing number sits at the middle of the scale, and a further code says that it is missing.
    """
    gaps = [n for n in data.numbers if any(v.missing(n).any() for v in views)]
    out = []
    for v in views:
        numbers = np.empty((v.n_rows, len(data.numbers)), np.float32)
        for j, name in enumerate(data.numbers):
            raw, scaled = scale[name]
            numbers[:, j] = _interpolate(v.numbers[name], raw, scaled)
        codes = [v.codes[n] for n in data.coded] + [v.missing(n) for n in gaps]
        stacked = np.column_stack(codes).astype(np.int32) if codes else np.empty((v.n_rows, 0), np.int32)
        out.append((numbers, stacked))
    return out


def _interpolate(values: np.ndarray, raw: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """Scaled values; beyond the ends of a two-point (linear) scale the line goes on."""
    if len(raw) == 0:
        return np.zeros(len(values))
    if len(raw) == 2 and scaled[0] == 0 and scaled[1] == 1:
        out = (values - raw[0]) / (raw[1] - raw[0])
    else:
        out = np.interp(values, raw, scaled)
    return np.where(np.isnan(values), 0.5, out)


def _centre(rows: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The mean row: (d,) numbers and, per code column, the frequencies of its codes (missing first)."""
    numbers, codes = rows
    frequencies = [np.bincount(codes[:, j] + 1) / len(codes) for j in range(codes.shape[1])]
    return numbers.mean(0, dtype=float), frequencies


def _to_centre(rows: tuple[np.ndarray, np.ndarray], centre: np.ndarray, frequencies: list[np.ndarray]) -> np.ndarray:
    """(n,) Euclidean distance to the mean row: |e_c - p|^2 = 1 - 2 p_c + sum p^2 spares the one-hot columns."""
    numbers, codes = rows
    total = ((numbers - centre) ** 2).sum(1)
    for j, p in enumerate(frequencies):
        at = codes[:, j] + 1
        known = np.where(at < len(p), p[np.minimum(at, len(p) - 1)], 0.0)
        total = total + 1 - 2 * known + (p**2).sum()
    return np.sqrt(np.maximum(total, 0.0))


def _area(levels: np.ndarray, curve: np.ndarray) -> float:
    """1 - 2 * the area between the curve and the diagonal, by synthcity's rectangle rule."""
    return float(1 - 2 * np.abs(levels - curve).sum() * (levels[1] - levels[0]))


def _row_keys(data: Aligned, view: View) -> np.ndarray:
    """(n_rows,) uint64: a 64-bit mix of every modelled column; a collision has odds of about n^2 / 2^64."""
    key = np.full(view.n_rows, 0x9E3779B97F4A7C15, np.uint64)
    for c in data.columns:
        if c.name in view.codes:
            bits = view.codes[c.name].astype(np.int64).view(np.uint64)
        else:
            values = view.numbers[c.name] + 0.0  # -0.0 equals 0.0
            bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
        key = _mix(key ^ _mix(bits + np.uint64(0x9E3779B97F4A7C15)))
    return key


def _mix(x: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser (Steele, Lea and Flood, OOPSLA 2014); order matters through the outer mix."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
