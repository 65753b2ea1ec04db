"""Charts as inline SVG: no library, no script, and colours that follow the page's light or dark theme.

Every function returns one `<svg>` element with an accessible name. Colours are CSS classes of the template:
`real` and `made` for the two tables, `axis`, `label`, `pos` and `neg` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup

_LEVELS = 8


@dataclass(frozen=True)
class Figure:
    """A chart with its heading and a line below."""

    title: str
    caption: str
    chart: Markup


def chart(width: float, height: float, name: str, parts: Sequence[str]) -> Markup:
    """The element around `parts`; `name` is read out by a screen reader."""
    body = "".join(parts)
    return Markup(  # noqa: S704 - every text in parts went through escape()
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">{body}</svg>'
    )


def text(x: float, y: float, value: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(value)}</text>'


def shorten(value: str, length: int) -> str:
    return value if len(value) <= length else value[: length - 1] + "…"


def steps(
    edges: Sequence[float], real: Sequence[float], made: Sequence[float], name: str, dates: bool = False
) -> Markup:
    """Two histograms over shared edges: real filled, made as a line. `dates`: edges are nanoseconds since 1970.

    Where one bin towers over the rest the heights are square roots, so that the tail can be seen.
    """
    width, height, left, right, top, bottom = 300.0, 150.0, 8.0, 8.0, 8.0, 20.0
    low, high = edges[0], edges[-1]
    power = 0.5 if is_spiky(real) else 1.0
    peak = max([*real, *made, 1e-12])

    def x(v: float) -> float:
        return left + (v - low) / (high - low) * (width - left - right)

    def y(v: float) -> float:
        return height - bottom - (v / peak) ** power * (height - top - bottom)

    def path(values: Sequence[float]) -> str:
        points = [f"M{x(low):.1f} {y(0):.1f}"]
        for a, b, v in zip(edges[:-1], edges[1:], values, strict=True):
            points.append(f"L{x(a):.1f} {y(v):.1f}H{x(b):.1f}")
        return "".join(points) + f"V{y(0):.1f}"

    parts = [
        f'<path class="real fill" d="{path(real)}Z"/><path class="made line" d="{path(made)}"/>',
        f'<path class="axis" d="M{left} {y(0):.1f}H{width - right}"/>',
    ]
    for v, label in date_ticks(low, high) if dates else [(v, number(v)) for v in nice_ticks(low, high)]:
        anchor = "start" if x(v) < 24 else "end" if x(v) > width - 24 else "middle"
        parts.append(text(x(v), height - 6, label, anchor, ' font-size="10"'))
    return chart(width, height, name, parts)


def is_spiky(shares: Sequence[float]) -> bool:
    """Whether a histogram is drawn on a square-root scale."""
    return len(shares) > 2 and max(shares) > 0.6


def bars(labels: Sequence[str], real: Sequence[float], made: Sequence[float], name: str) -> Markup:
    """Paired horizontal bars, one pair per label; shares of 1."""
    width, left, right, row = 300.0, 112.0, 44.0, 21.0
    height = row * len(labels) + 4
    peak = max([*real, *made, 1e-12])
    scale = (width - left - right) / peak
    parts = []
    for i, (label, a, b) in enumerate(zip(labels, real, made, strict=True)):
        y = 3 + i * row
        parts.append(text(left - 6, y + 11.5, shorten(label, 17), "end", ' font-size="10"'))
        parts.append(f'<rect class="real" x="{left}" y="{y:.1f}" width="{a * scale:.1f}" height="7"/>')
        parts.append(f'<rect class="made" x="{left}" y="{y + 8:.1f}" width="{b * scale:.1f}" height="7"/>')
        parts.append(text(left + max(a, b) * scale + 4, y + 11.5, percent(b), "start", ' font-size="9"'))
        parts.append(
            f'<rect class="hit" x="0" y="{y:.1f}" width="{width}" height="{row - 3}">'
            f"<title>{escape(label)}: real {percent(a)}, synthetic {percent(b)}</title></rect>"
        )
    return chart(width, height, name, parts)


def ranking(labels: Sequence[str], values: Sequence[float], name: str, show: Callable[[float], str]) -> Markup:
    """One horizontal bar per label; negative values are drawn as 0."""
    width, left, right, row = 420.0, 150.0, 52.0, 22.0
    scale = (width - left - right) / max([*values, 1e-12])
    parts = []
    for i, (label, v) in enumerate(zip(labels, values, strict=True)):
        y = 2 + i * row
        parts.append(text(left - 8, y + 12, shorten(label, 22), "end"))
        parts.append(f'<rect class="made" x="{left}" y="{y:.1f}" width="{max(v, 0) * scale:.1f}" height="15"/>')
        parts.append(text(left + max(v, 0) * scale + 5, y + 12, show(v), "start"))
    return chart(width, row * len(labels) + 2, name, parts)


def roc(fpr: Sequence[float], tpr: Sequence[float], name: str) -> Markup:
    """The ROC curve above the diagonal of a coin toss."""
    size, left, bottom, top = 420.0, 46.0, 40.0, 8.0
    span = size - left - 20
    tall = 340.0 - bottom - top

    def at(a: float, b: float) -> str:
        return f"{left + a * span:.1f} {top + (1 - b) * tall:.1f}"

    line = "L".join(at(a, b) for a, b in zip(fpr, tpr, strict=True))
    parts = [
        f'<path class="made area" d="M{line}L{at(1, 0)}L{at(0, 0)}Z"/>',
        f'<path class="axis dash" d="M{at(0, 0)}L{at(1, 1)}"/><path class="made line" d="M{line}"/>',
        f'<path class="axis" d="M{at(0, 1)}L{at(0, 0)}L{at(1, 0)}"/>',
    ]
    for v in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(text(left + v * span, top + tall + 14, percent(v)))
        parts.append(text(left - 6, top + (1 - v) * tall + 4, percent(v), "end"))
    parts.append(text(left + span / 2, 340 - 6, "real rows taken for synthetic"))
    turn = f' transform="rotate(-90 10 {top + tall / 2:.0f})"'
    parts.append(text(10, top + tall / 2, "synthetic rows found", "middle", turn))
    return chart(size, 340, name, parts)


def heatmap(names: Sequence[str], matrix: np.ndarray, name: str, full: float = 1.0) -> Markup:
    """A square matrix; colour is full at |value| = `full`, NaN is left as an outline."""
    n = len(names)
    left, top, size = 96.0, 4.0, 300.0
    cell = size / n
    font = min(10.0, cell * 0.9)
    parts = [f'<g font-size="{font:.1f}">']
    for i, row_name in enumerate(names):
        y = top + i * cell
        parts.append(text(left - 4, y + cell / 2 + font * 0.35, shorten(row_name, 18), "end"))
        x = left + i * cell + cell / 2 + font * 0.35
        turn = f' transform="rotate(-90 {x:.1f} {top + size + 4:.1f})"'
        parts.append(text(x, top + size + 4, shorten(row_name, 18), "end", turn))
    parts.append("</g>")
    for i in range(n):
        for j in range(n):
            value = matrix[i, j]
            box = f'x="{left + j * cell:.1f}" y="{top + i * cell:.1f}" width="{cell:.1f}" height="{cell:.1f}"'
            if np.isnan(value):
                parts.append(f'<rect class="void" {box}/>')
                continue
            tone = "pos" if value >= 0 else "neg"
            opacity = min(abs(value) / full, 1.0)
            parts.append(
                f'<rect class="{tone}" {box} fill-opacity="{opacity:.2f}">'
                f"<title>{escape(names[i])}, {escape(names[j])}: {value:.2f}</title></rect>"
            )
    parts.append(f'<rect class="outline" x="{left}" y="{top}" width="{size}" height="{size}"/>')
    return chart(left + size + 4, top + size + 92, name, parts)


def cloud(
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    density: np.ndarray,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
) -> Markup:
    """A density as shaded cells, [row = y][column = x], and dots over it."""
    width, height = 420.0, 340.0
    across, up = width / (x_edges[-1] - x_edges[0]), height / (y_edges[-1] - y_edges[0])
    w, h = width / (len(x_edges) - 1), height / (len(y_edges) - 1)
    level = np.ceil(_LEVELS * np.sqrt(density / max(density.max(), 1e-300))).astype(int)
    parts = []
    for k in range(1, _LEVELS + 1):
        cells = "".join(
            f"M{j * w:.1f} {height - (i + 1) * h:.1f}h{w:.1f}v{h:.1f}h-{w:.1f}z" for i, j in np.argwhere(level == k)
        )
        parts.append(f'<path class="real" fill-opacity="{0.1 + 0.8 * k / _LEVELS:.2f}" d="{cells}"/>' if cells else "")
    dots = "".join(
        f'<circle cx="{(a - x_edges[0]) * across:.1f}" cy="{height - (b - y_edges[0]) * up:.1f}" r="2"/>'
        for a, b in zip(x, y, strict=True)
    )
    parts.append(
        f'<g class="made dots">{dots}</g><rect class="outline" x="0" y="0" width="{width}" height="{height}"/>'
    )
    return chart(width, height, name, parts)


def percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f}%" if value >= 9.95 or value == 0 else f"{value:.1f}%" if value >= 0.05 else "<0.1%"


def number(value: float) -> str:
    """A tick label of at most about six characters."""
    size = abs(value)
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if limit <= size < limit * 1e5:
            unit = 1e3 if suffix == "k" else limit
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, inside the interval."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    return [float(v) for v in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step + 0.0]


def date_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Years where they fit, else three dates or times; arguments in nanoseconds since 1970."""
    start, end = (np.datetime64(int(v), "ns") for v in (low, high))
    years = np.arange(start.astype("datetime64[Y]") + 1, end.astype("datetime64[Y]") + 1)
    if len(years) >= 3:
        kept = years[:: -(-len(years) // 6)]
        return [(float(y.astype("datetime64[ns]").astype(np.int64)), str(y)) for y in kept]
    unit, part = ("D", slice(None)) if high - low > 2 * 86_400e9 else ("m", slice(5, None))
    places = np.linspace(low, high, 7)[1:6:2]
    return [
        (float(v), str(np.datetime64(int(v), "ns").astype(f"datetime64[{unit}]"))[part].replace("T", " "))
        for v in places
    ]
