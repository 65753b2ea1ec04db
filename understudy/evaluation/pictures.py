"""What the report draws, as aggregates: histograms of each column and a projection of the table.

Nothing here shows a single real row: categories with fewer than `MIN_ROWS` train rows are pooled, histograms
leave out the outer half percent on either side, and the projection shows real rows as a density only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.evaluation.aligned import Aligned, View, within_one
from understudy.schema import Column

MAX_MARGINALS = 60
MIN_ROWS = 11
_BARS = 12
_BINS = 30
_FIT_ROWS = 10_000
_DOTS = 700
_GRID = 36
_ONE_HOT = 12
_MAX_FEATURES = 300


@dataclass(frozen=True)
class Marginal:
    """One column in train and synthetic.

    Attributes:
        edges: n + 1 bin edges of a number or datetime (nanoseconds); empty for categories.
        labels: n categories shown, the last may stand for pooled ones; empty for numbers.
        train, synthetic: n shares of the rows that have a value.
    """

    name: str
    kind: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    train: tuple[float, ...]
    synthetic: tuple[float, ...]


@dataclass(frozen=True)
class Projection:
    """The first two principal components of train.

    Attributes:
        x_edges, y_edges: edges of a grid over the middle 98 % of train.
        density: train's share in each cell, [row = y][column = x].
        x, y: synthetic rows inside the grid.
        explained: share of train's variance in the two components.
    """

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    density: tuple[tuple[float, ...], ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    explained: float


def marginals(data: Aligned, columns: list[str]) -> tuple[Marginal, ...]:
    """The histograms of the named columns: the first view (train) and the last (synthetic)."""
    train, synthetic = data.views[0], data.views[-1]
    named = {c.name: c for c in data.columns}
    return tuple(
        _bars(data, named[n], train, synthetic) if n in data.labels else _histogram(named[n], train, synthetic)
        for n in columns
    )


def projection(data: Aligned, rng: np.random.Generator) -> Projection | None:
    """Principal components of standardised numbers and one-hot categories; None with fewer than two features."""
    train, synthetic = data.views[0].sample(_FIT_ROWS, rng), data.views[-1].sample(_DOTS, rng)
    real, made = _features(data, train, synthetic)
    if real.shape[1] < 2 or len(real) < 3:
        return None
    values, vectors = np.linalg.eigh(np.cov(real, rowvar=False))
    if values[-2] <= 1e-12:
        return None
    axes = vectors[:, [-1, -2]]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1, 1)  # eigenvectors have no sign of their own
    real, made = real @ axes, made @ axes
    edges = [_grid(real[:, k]) for k in (0, 1)]
    count, _, _ = np.histogram2d(real[:, 1], real[:, 0], bins=[edges[1], edges[0]])
    inside = np.all([(made[:, k] >= edges[k][0]) & (made[:, k] <= edges[k][-1]) for k in (0, 1)], axis=0)
    return Projection(
        x_edges=tuple(edges[0].tolist()),
        y_edges=tuple(edges[1].tolist()),
        density=tuple(tuple(row) for row in (count / len(real)).tolist()),
        x=tuple(made[inside, 0].tolist()),
        y=tuple(made[inside, 1].tolist()),
        explained=float(values[-2:].sum() / max(values.sum(), 1e-300)),
    )


def _bars(data: Aligned, column: Column, train: View, synthetic: View) -> Marginal:
    labels = data.labels[column.name]
    counts = [np.bincount(c[c >= 0], minlength=len(labels)) for c in (v.codes[column.name] for v in (train, synthetic))]
    shown = int(min((counts[0] >= MIN_ROWS).sum(), _BARS))  # labels are ordered by train's frequency
    if len(labels) - shown == 1 and counts[0][shown:].sum() >= MIN_ROWS:
        shown += 1
    names = [str(v) for v in labels[:shown]]
    shares = [c / max(c.sum(), 1) for c in counts]
    parts = [s[:shown].tolist() for s in shares]
    if len(labels) > shown:
        names.append(f"{len(labels) - shown:,} more")
        parts = [[*p, float(s[shown:].sum())] for p, s in zip(parts, shares, strict=True)]
    return Marginal(column.name, column.kind, (), tuple(names), tuple(parts[0]), tuple(parts[1]))


def _histogram(column: Column, train: View, synthetic: View) -> Marginal:
    real, made = (v.numbers[column.name] for v in (train, synthetic))
    real, made = real[~np.isnan(real)], made[~np.isnan(made)]
    low, high = np.quantile(real, [0.005, 0.995]) if len(real) else (0.0, 1.0)
    if column.integer and high - low < 2**52:
        # whole widths, else some bins hold more integers than others and the histogram looks like a comb
        width = max(np.ceil((high - low + 1) / _BINS), 1.0)
        edges = np.floor(low) - 0.5 + width * np.arange(int((high - np.floor(low)) // width) + 2)
    else:
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    shares = [np.histogram(v, edges)[0] / max(len(v), 1) for v in (real, made)]
    return Marginal(
        column.name, column.kind, tuple(edges.tolist()), (), tuple(shares[0].tolist()), tuple(shares[1].tolist())
    )


def _features(data: Aligned, train: View, synthetic: View) -> tuple[np.ndarray, np.ndarray]:
    """Standardised by train; at most 300 features."""
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for c in data.columns:
        if c.name in train.numbers:
            both = within_one(np.concatenate([train.numbers[c.name], synthetic.numbers[c.name]]))
            known = both[: train.n_rows][~train.missing(c.name)]
            both = np.nan_to_num(both - (np.median(known) if len(known) else 0.0), nan=0.0)
            parts.append((both[: train.n_rows], both[train.n_rows :]))
        else:
            for k in range(min(len(data.labels[c.name]), _ONE_HOT)):
                parts.append(tuple((v.codes[c.name] == k).astype(float) for v in (train, synthetic)))  # type: ignore[arg-type]
    kept = [(a / s, b / s) for a, b in parts[:_MAX_FEATURES] if (s := a.std()) > 0]
    if not kept:
        return np.empty((train.n_rows, 0)), np.empty((synthetic.n_rows, 0))
    real, made = np.column_stack([a for a, _ in kept]), np.column_stack([b for _, b in kept])
    return np.clip(real - real.mean(0), -5, 5), np.clip(made - real.mean(0), -5, 5)


def _grid(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.01, 0.99])
    return np.linspace(low, high if high > low else low + 1, _GRID + 1)
