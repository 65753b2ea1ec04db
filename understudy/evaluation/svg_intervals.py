"""Dots with intervals and pairs of dots, one a line, as inline SVG in the manner of `svg`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TypeVar

from markupsafe import Markup

from understudy.evaluation.svg import chart, nice_ticks, shorten, text

T = TypeVar("T")
_WIDTH, _LEFT, _RIGHT, _LINE, _FOOT = 420.0, 140.0, 14.0, 18.0, 20.0


@dataclass(frozen=True)
class Interval:
    """A value between its bounds."""

    low: float
    value: float
    high: float


def intervals(lines: Sequence[tuple[str, str, Interval]], name: str, show: Callable[[float], str]) -> Markup:
    """(heading, label, interval) a line, lines of one heading together; one wholly above 0 is drawn in colour."""
    low = min(0.0, *(i.low for _, _, i in lines))
    high = max(0.0, *(i.high for _, _, i in lines))

    def draw(x: Callable[[float], float], y: float, i: Interval) -> str:
        tone = "over" if i.low > 0 else "under"
        return (
            f'<path class="whisker {tone}" d="M{x(i.low):.1f} {y:.1f}H{x(i.high):.1f}"/>'
            f'<circle class="dot {tone}" cx="{x(i.value):.1f}" cy="{y:.1f}" r="4"/>'
        )

    def say(i: Interval) -> str:
        return f"{show(i.value)} ({show(i.low)} to {show(i.high)})"

    return _lines(lines, low, high, name, show, draw, say)


def pairs(lines: Sequence[tuple[str, str, float, float]], name: str, show: Callable[[float], str]) -> Markup:
    """(heading, label, real, synthetic) a line: two dots from 0 on."""
    high = max(0.0, *(v for line in lines for v in line[2:]))

    def draw(x: Callable[[float], float], y: float, both: tuple[float, float]) -> str:
        return (
            f'<path class="whisker under" d="M{x(both[0]):.1f} {y:.1f}H{x(both[1]):.1f}"/>'
            f'<circle class="real" cx="{x(both[0]):.1f}" cy="{y:.1f}" r="5"/>'
            f'<circle class="made" cx="{x(both[1]):.1f}" cy="{y:.1f}" r="4"/>'
        )

    def say(both: tuple[float, float]) -> str:
        return f"real {show(both[0])}, synthetic {show(both[1])}"

    return _lines([(h, label, (a, b)) for h, label, a, b in lines], 0.0, high, name, show, draw, say)


def _lines(
    lines: Sequence[tuple[str, str, T]],
    low: float,
    high: float,
    name: str,
    show: Callable[[float], str],
    draw: Callable[[Callable[[float], float], float, T], str],
    say: Callable[[T], str],
) -> Markup:
    high = high if high > low else low + 1e-3
    scale = (_WIDTH - _LEFT - _RIGHT) / (high - low)

    def x(v: float) -> float:
        return _LEFT + (v - low) * scale

    y, parts = 0.0, []
    for heading, group in groupby(lines, key=lambda line: line[0]):
        y += _LINE
        parts.append(text(4, y - 4, shorten(heading, 60), "start", ' font-weight="600"'))
        for _, label, what in group:
            y += _LINE
            parts.append(text(_LEFT - 10, y - 5, shorten(label, 22), "end", ' font-size="10"'))
            parts.append(draw(x, y - 9, what))
            parts.append(
                f'<rect class="hit" x="0" y="{y - _LINE:.1f}" width="{_WIDTH:g}" height="{_LINE:g}">'
                f"<title>{escape(heading)}, {escape(label)}: {escape(say(what))}</title></rect>"
            )
    foot = f'<path class="axis" d="M{_LEFT:g} {y + 3:.1f}H{_WIDTH - _RIGHT:g}"/>'
    zero = f'<path class="axis dash" d="M{x(0.0):.1f} 4V{y + 3:.1f}"/>'
    ticks = [text(x(v), y + 15, show(v), "middle", ' font-size="10"') for v in nice_ticks(low, high, 4)]
    return chart(_WIDTH, y + _FOOT, name, [zero, foot, *ticks, *parts])
