"""The report's two charts as inline SVG: no library, no script; colours come from the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

from markupsafe import Markup

WIDTH = 440.0


@dataclass(frozen=True)
class Bar:
    """One attack in one stratum: an estimate with its two-sided interval and one-sided upper bound."""

    group: str
    label: str
    low: float
    value: float
    high: float
    over: bool


def roc(fpr: Sequence[float], curves: dict[str, Sequence[float]], ratio: float, smallest: float) -> Markup:
    """ROC curves on two log axes from `smallest`, where a leak of a few people shows.

    Dashed: an attack that guesses, and `ratio` times its rate. Lines are numbered like the legend.
    """
    height, left, right, top, bottom = 350.0, 58.0, 16.0, 12.0, 44.0
    span = -log10(smallest)

    def x(rate: float) -> float:
        return left + (1 + log10(max(rate, smallest)) / span) * (WIDTH - left - right)

    def y(rate: float) -> float:
        return height - bottom - (1 + log10(max(rate, smallest)) / span) * (height - top - bottom)

    parts = []
    for rate in (r for r in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if r >= smallest * 0.999):
        parts.append(f'<path class="grid-line" d="M{x(rate):.1f} {y(1):.1f}V{y(smallest):.1f}"/>')
        parts.append(f'<path class="grid-line" d="M{x(smallest):.1f} {y(rate):.1f}H{x(1):.1f}"/>')
        parts.append(_text(x(rate), height - bottom + 18, f"{rate:.1%}".replace(".0%", "%")))
        parts.append(_text(left - 8, y(rate) + 4, f"{rate:.1%}".replace(".0%", "%"), "end"))
    parts.append(_text((left + WIDTH - right) / 2, height - 6, "false alarms among people who never trained"))
    middle = (top + height - bottom) / 2
    turned = f' transform="rotate(-90 12 {middle:.0f})"'
    parts.append(_text(12, middle, "members found", "middle", turned))
    for factor, style in ((1.0, "chance"), (ratio, "limit")):
        ends = (smallest, 1 / factor)
        points = " ".join(f"{x(r):.1f},{y(min(1.0, factor * r)):.1f}" for r in ends)
        parts.append(f'<polyline class="{style}" points="{points}"/>')
    for i, (name, tpr) in enumerate(curves.items()):
        pairs = [(f, t) for f, t in zip(fpr, tpr, strict=True) if f >= smallest * 0.999]
        points = " ".join(f"{x(f):.1f},{y(t):.1f}" for f, t in pairs)
        parts.append(f'<polyline class="curve c{i % 8}" points="{points}"><title>{escape(name)}</title></polyline>')
    return _svg(WIDTH, height, "ROC curves of the attacks on logarithmic axes", parts)


def intervals(bars: Sequence[Bar], limit: float) -> Markup:
    """AUCs with their intervals, one per line; a line at 0.5 (guessing) and one at the `limit`."""
    row, left, right, top, bottom = 25.0, 190.0, 48.0, 4.0, 40.0
    groups = list(dict.fromkeys(b.group for b in bars))
    height = top + row * (len(bars) + len(groups)) + bottom
    low = min(0.45, *(b.low for b in bars))
    high = max(limit + 0.05, *(b.high for b in bars))

    def x(auc: float) -> float:
        return left + (auc - low) / (high - low) * (WIDTH - left - right)

    base = height - bottom
    parts = [
        f'<path class="chance" d="M{x(0.5):.1f} {top}V{base:.1f}"/>',
        f'<path class="limit" d="M{x(limit):.1f} {top}V{base:.1f}"/>',
        _text(x(0.5), base + 16, "0.5"),
        _text(x(limit), base + 16, f"{limit:.2f}"),
        _text((left + WIDTH - right) / 2, height - 6, "AUC (0.5 = guessing; red line = limit)"),
    ]
    at = top - row / 2
    for group in groups:
        at += row
        parts.append(_text(0, at + 4, group, "start", ' font-weight="600"'))
        for bar in (b for b in bars if b.group == group):
            at += row
            style = "over" if bar.over else "within"
            parts.append(_text(left - 10, at + 4, bar.label, "end"))
            parts.append(f'<path class="bar {style}" d="M{x(bar.low):.1f} {at:.1f}H{x(bar.high):.1f}"/>')
            parts.append(f'<circle class="dot {style}" cx="{x(bar.value):.1f}" cy="{at:.1f}" r="4.5"/>')
            parts.append(_text(WIDTH - 4, at + 4, f"{bar.value:.3f}", "end"))
    return _svg(WIDTH, height, "AUC of each attack with its 95 % interval", parts)


def _svg(width: float, height: float, name: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 - every text in parts went through escape()
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">{body}</svg>'
    )


def _text(x: float, y: float, value: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(value)}</text>'
