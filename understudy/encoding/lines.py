"""Robust sparse regression of one column of numbers on a few others, in plain or in money-like units.

Bills follow bills, totals their parts, lengths one another. Such a relation is one line, where trees need
thousands of leaves. A line is fitted to the least absolute deviation by reweighted least squares (Schlossmacher
1973), its columns chosen forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MAX_TERMS = 4
_ROWS = 8_000
_GAIN = 0.07  # a further term must lower the mean absolute deviation by this share


@dataclass(frozen=True)
class Line:
    """prediction = intercept + sum_k slopes[k] T(column k), with T(x) = arcsinh(x / scale), or x where scale is 0.

    Attributes:
        scale: that of the predicted column; its inverse T brings predictions back.
        columns: (k,) int64, the columns it rests on.
        slopes, scales, fills: (k,) float64; `fills` stand for missing values.
    """

    scale: float
    intercept: float
    columns: np.ndarray
    slopes: np.ndarray
    scales: np.ndarray
    fills: np.ndarray

    def predict(self, values: Mapping[int, np.ndarray], n_rows: int) -> np.ndarray:
        """In the units of T(predicted column), (n_rows,)."""
        total = np.full(n_rows, self.intercept)
        for k, slope, scale, fill in zip(self.columns, self.slopes, self.scales, self.fills, strict=True):
            x = values[int(k)]
            total += slope * bend(np.where(np.isnan(x), fill, x), scale)
        return total


def bend(x: np.ndarray, scale: float) -> np.ndarray:
    """arcsinh(x / scale): logarithmic far from zero, linear near it; x itself where `scale` is 0."""
    return np.arcsinh(x / scale) if scale else x


def unbend(x: np.ndarray, scale: float) -> np.ndarray:
    return np.sinh(np.clip(x, -300, 300)) * scale if scale else x


def fit_line(
    y: np.ndarray, values: Mapping[int, np.ndarray], candidates: np.ndarray, *, bent: bool, rng: np.random.Generator
) -> Line | None:
    """The line of `y` (n,) on some of the `candidates`, columns of `values`; None where no column helps."""
    rows = rng.permutation(len(y))[:_ROWS]
    y = y[rows]
    scale = float(np.median(np.abs(y))) / 4 if bent else 0.0
    if bent and scale <= 0:
        return None
    terms = [t for k in candidates if (t := _term(int(k), values[int(k)][rows], bent))]
    y = bend(y, scale)
    design, coefficients = np.ones((len(y), 1)), np.array([np.median(y)])
    chosen: list[int] = []
    best = float(np.abs(y - coefficients[0]).mean())
    while len(chosen) < min(MAX_TERMS, len(terms)) and best > 0:
        rest = _ranks(y - design @ coefficients)
        promise = [0.0 if i in chosen else abs(rest @ _ranks(t[3])) for i, t in enumerate(terms)]
        tried = [
            (*_least_absolute(np.column_stack([design, terms[i][3]]), y, 4), i)
            for i in np.argsort(promise)[::-1][:4] if promise[i] > 0
        ]  # fmt: skip
        if not tried or min(tried, key=lambda t: t[1])[1] > best * (1 - _GAIN):
            break
        coefficients, best, i = min(tried, key=lambda t: t[1])
        design = np.column_stack([design, terms[i][3]])
        chosen.append(i)
    if not chosen:
        return None
    coefficients, best = _least_absolute(design, y, 20)
    if not bent:
        coefficients = _simplest(design, y, coefficients, best)
    columns, scales, fills, _ = zip(*(terms[i] for i in chosen), strict=True)
    return Line(
        scale, float(coefficients[0]), np.array(columns, dtype=np.int64), np.asarray(coefficients[1:], dtype=float),
        np.array(scales, dtype=float), np.array(fills, dtype=float),
    )  # fmt: skip


def no_line() -> Line:
    """A line that predicts zero."""
    none = np.empty(0)
    return Line(0.0, 0.0, np.empty(0, dtype=np.int64), none, none, none)


def _term(k: int, x: np.ndarray, bent: bool) -> tuple[int, float, float, np.ndarray] | None:
    present = ~np.isnan(x)
    if present.mean() < 0.5:
        return None
    fill = float(np.median(x[present]))
    scale = 0.0
    if bent:
        size = np.abs(x[present])
        scale = float(np.median(size) or size.mean()) / 4
        if scale <= 0:
            return None
    bent_x = bend(np.where(present, x, fill), scale)
    return (k, scale, fill, bent_x) if np.ptp(bent_x) > 0 else None


def _ranks(x: np.ndarray) -> np.ndarray:
    """Standardised ranks, (n,)."""
    ranks = np.argsort(np.argsort(x)) - (len(x) - 1) / 2
    return ranks / np.sqrt(ranks @ ranks)


def _least_absolute(design: np.ndarray, y: np.ndarray, rounds: int) -> tuple[np.ndarray, float]:
    """Coefficients (k,), and the mean absolute deviation."""
    weight = np.ones(len(y))
    tiny = 1e-12 * (np.abs(y).mean() + 1e-12)
    for _ in range(rounds):
        weighted = design * weight[:, None]
        gram = weighted.T @ design
        gram[np.diag_indices(len(gram))] *= 1 + 1e-9
        coefficients = np.linalg.lstsq(gram, weighted.T @ y, rcond=None)[0]
        off = np.abs(y - design @ coefficients)
        weight = 1 / np.maximum(off, np.median(off) / 2 + tiny)
        weight /= weight.max()
    return coefficients, float(off.mean())


def _simplest(design: np.ndarray, y: np.ndarray, coefficients: np.ndarray, best: float) -> np.ndarray:
    """Slopes rounded to hundredths where that costs nothing: sums and differences stay exact."""
    simple = np.round(coefficients, 2)
    simple[0] = np.median(y - design[:, 1:] @ simple[1:])
    return simple if np.abs(y - design @ simple).mean() <= best * 1.02 else coefficients
