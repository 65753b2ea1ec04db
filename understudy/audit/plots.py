"""The report's charts as inline SVG: no library, no script; colours come from the page's theme."""

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


@dataclass(frozen=True)
class Rate:
    """One attack on one of the three criteria: its success on members, with an interval, on the control, and of a naive
    guess; what is left of it (rho), and rho's upper bound. `judged`: the limit on it applies."""

    criterion: str
    detail: str
    who: str
    value: float
    low: float
    high: float
    control: float
    baseline: float
    rho: float
    rho_upper: float
    judged: bool


def roc(
    fpr: Sequence[float], curves: dict[str, Sequence[float]], ratio: float, smallest: float,
    band: tuple[str, Sequence[tuple[float, float, float]]] | None = None,
) -> Markup:  # fmt: skip
    """ROC curves on two log axes from `smallest`, where a leak of a few people shows.

    Dashed: an attack that guesses, and `ratio` times its rate. Lines are numbered like the legend. `band`: (fpr, low,
    high) of the curve it names, shaded.
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
    if band is not None:
        edge = [(f, low) for f, low, _ in band[1]] + [(f, high) for f, _, high in reversed(band[1])]
        points = " ".join(f"{x(f):.1f},{y(t):.1f}" for f, t in edge)
        parts.append(f'<polygon class="band" points="{points}"><title>{escape(band[0])}, 95 %</title></polygon>')
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


def rates(found: Sequence[Rate], limit: float) -> Markup:
    """Success on members beside the control and a naive guess, one attack per line, and the residual risk's bound."""
    width, row, left, right, top, bottom = 640.0, 21.0, 330.0, 70.0, 8.0, 40.0
    titles = list(dict.fromkeys(r.criterion for r in found))
    height = top + row * (len(found) + len(titles)) + bottom

    def x(rate: float) -> float:
        return left + rate * (width - left - right)

    base, at = height - bottom, top - row / 2
    parts = [f'<path class="grid-line" d="M{x(r):.1f} {top}V{base:.1f}"/>' for r in (0, 0.25, 0.5, 0.75, 1)]
    parts += [_text(x(r), base + 16, f"{r:.0%}") for r in (0, 0.5, 1)]
    parts.append(_text((left + width - right) / 2, height - 6, "of people the attack succeeds with"))
    for title in titles:
        at += row
        parts.append(_text(0, at + 4, title, "start", ' font-weight="600"'))
        if title == titles[0]:
            parts.append(_text(width, at + 4, "adds at most", "end"))
        for r in (r for r in found if r.criterion == title):
            at += row
            over = "over" if r.judged and r.rho_upper > limit else "within"
            label = r.detail if r.who == "all" else f"{r.detail}, {r.who}"
            parts.append(_text(left - 10, at + 4, label if len(label) <= 48 else f"{label[:47]}…", "end"))
            parts.append(f'<path class="bar {over}" d="M{x(r.low):.1f} {at:.1f}H{x(r.high):.1f}"/>')
            parts.append(f'<path class="control" d="M{x(r.control):.1f} {at - 7:.1f}V{at + 7:.1f}"/>')
            parts.append(f'<circle class="naive" cx="{x(r.baseline):.1f}" cy="{at:.1f}" r="3"/>')
            parts.append(f'<circle class="dot {over}" cx="{x(r.value):.1f}" cy="{at:.1f}" r="4.5"/>')
            most = max(r.rho_upper, 0.0)
            parts.append(_text(width, at + 4, f"{most:.1%}" if r.judged else f"({most:.0%})", "end"))
    return _svg(width, height, "Success of the attacks on members, on the control, and of a naive guess", parts)


def groups(bars: Sequence[Bar]) -> Markup:
    """An attack's figure by subgroup with its interval; a line at the mean of the groups."""
    row, left, right, top, bottom = 22.0, 216.0, 50.0, 4.0, 34.0
    titles = list(dict.fromkeys(b.group for b in bars))
    height = top + row * (len(bars) + len(titles)) + bottom
    low, high = min(b.low for b in bars), max(b.high for b in bars)
    low, high = low - 0.05 * (high - low + 0.02), high + 0.05 * (high - low + 0.02)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - right)

    base, at = height - bottom, top - row / 2
    middle = sum(b.value for b in bars) / len(bars)
    parts = [f'<path class="chance" d="M{x(middle):.1f} {top}V{base:.1f}"/>']
    parts.append(_text(x(middle), base + 16, f"{middle:.2f}"))
    for title in titles:
        at += row
        parts.append(_text(0, at + 4, title, "start", ' font-weight="600"'))
        for bar in (b for b in bars if b.group == title):
            at += row
            style = "over" if bar.over else "within"
            label = bar.label if len(bar.label) <= 36 else f"{bar.label[:35]}…"
            parts.append(_text(left - 10, at + 4, label, "end"))
            parts.append(f'<path class="bar {style}" d="M{x(bar.low):.1f} {at:.1f}H{x(bar.high):.1f}"/>')
            parts.append(f'<circle class="dot {style}" cx="{x(bar.value):.1f}" cy="{at:.1f}" r="4.5"/>')
            parts.append(_text(WIDTH - 4, at + 4, f"{bar.value:.3f}", "end"))
    return _svg(WIDTH, height, "Success by subgroup, with 95 % intervals", parts)


def _svg(width: float, height: float, name: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 - every text in parts went through escape()
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">{body}</svg>'
    )


def _text(x: float, y: float, value: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(value)}</text>'
