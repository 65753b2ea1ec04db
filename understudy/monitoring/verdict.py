"""What a check found: ok, drift or broken, with the effect and the threshold of every column. JSON for machines."""

from __future__ import annotations

import datetime
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from understudy.monitoring.shift import DEPENDENCE, DRAWS, Effect

OK, DRIFT, BROKEN = "ok", "drift", "broken"
BROKEN_SHARE = 0.5
"""From this share of columns on it isn't drift: it is another table, or a broken model."""
FORMAT = 1


@dataclass(frozen=True)
class ColumnFinding:
    """One column: how its values moved, and the pair of it that moved most beyond its threshold.

    That pair may exceed its threshold without an alarm of this column: then the partner is to blame.
    """

    column: str
    effect: float
    threshold: float
    dependence: float | None
    dependence_threshold: float | None
    partner: str | None
    alarm: bool


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes:
        check: served, data or requests.
        overall: ok, drift or broken.
        reasons: why not ok, a line each.
        drift_share: share of the columns that raise an alarm, those that are missing among them.
        rows: in the window, given, in the reference.
        note: what makes the verdict less certain, if anything does.
        false_alarm: the probability that a window that differs by chance only raises an alarm.
        paths: report.html and the workspace of `evidently ui`.
        action: what to run now, if anything; with what it came to, once it ran.
    """

    check: str
    model: str
    version: str
    overall: str
    reasons: tuple[str, ...]
    drift_share: float
    rows: dict[str, int]
    columns: tuple[ColumnFinding, ...]
    effects: tuple[Effect, ...]
    faults: tuple[str, ...] = ()
    note: str = ""
    false_alarm: float = 1 / (DRAWS + 1)
    time: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    action: dict[str, Any] = field(default_factory=dict)

    @property
    def alarm(self) -> bool:
        return self.overall != OK

    def to_json(self) -> str:
        content = {"format": FORMAT, **asdict(self), "alarm": self.alarm}
        content["pairs_compared"] = sum(e.partner != "" for e in self.effects)
        content["pairs_in_alarm"] = [asdict(e) for e in self.effects if e.partner and e.alarm]
        del content["effects"]
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def facts(self) -> dict[str, Any]:
        """For people: the worst columns first."""
        worst = sorted((c for c in self.columns if c.alarm), key=lambda c: -max(c.effect, c.dependence or 0))
        return {
            "model": f"{self.model} version {self.version}" if self.model else "",
            "window": f"{self.rows['window']:,} of {self.rows['given']:,} rows, against {self.rows['reference']:,}",
            "columns in alarm": f"{len(worst) + len(self.faults)} of {len(self.columns) + len(self.faults)}",
            "why": list(self.reasons),
            "note": self.note,
            **self.paths,
        }


def judge(
    check: str, effects: Sequence[Effect], current: pd.DataFrame, reference: pd.DataFrame, *, faults: Sequence[str],
    rows: dict[str, int], model: str = "", version: str = "", note: str = "",
) -> Verdict:  # fmt: skip
    """The verdict of the effects that were measured and of what is wrong with columns that could not be measured."""
    columns = _findings(effects)
    dead = [n for n in current.columns if current[n].isna().all() and not reference[n].isna().all()]
    reasons = [*faults, *(f"column {n!r} has only missing values" for n in dead)]
    reasons += [_reason(c) for c in columns if c.alarm and c.column not in dead]
    total = len(columns) + len(faults)
    share = (sum(c.alarm for c in columns) + len(faults)) / max(total, 1)
    overall = BROKEN if faults or dead or share >= BROKEN_SHARE else DRIFT if reasons else OK
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Verdict(
        check, model, version, overall, tuple(reasons), round(share, 4), rows, columns, tuple(effects), tuple(faults),
        note=note, time=now,
    )  # fmt: skip


def _findings(effects: Sequence[Effect]) -> tuple[ColumnFinding, ...]:
    values = {e.column: e for e in effects if not e.partner}
    pairs = [e for e in effects if e.statistic == DEPENDENCE]
    culprits = _culprits({n for n, e in values.items() if e.alarm}, [e for e in pairs if e.alarm])
    found = []
    for name, e in values.items():
        own = [p for p in pairs if name in (p.column, p.partner)]
        worst = max(own, key=lambda p: p.effect - p.threshold, default=None)
        partner = None if worst is None else worst.partner if worst.column == name else worst.column
        found.append(
            ColumnFinding(
                name, round(e.effect, 4), round(e.threshold, 4), None if worst is None else round(worst.effect, 4),
                None if worst is None else round(worst.threshold, 4), partner, e.alarm or name in culprits,
            )  # fmt: skip
        )
    return tuple(found)


def _culprits(moved: set[str], pairs: Sequence[Effect]) -> set[str]:
    """The fewest columns, greedily, that explain why `pairs` moved; first those whose own values `moved`. Of two
    that explain as many, the one whose pairs moved further.

    One shuffled column moves all of its pairs; its partners are not to blame.
    """
    excess: dict[str, float] = defaultdict(float)
    for p in pairs:
        for name in (p.column, p.partner):
            excess[name] += p.effect - p.threshold
    culprits = set(moved)
    left = [p for p in pairs if p.column not in moved and p.partner not in moved]
    while left:
        counts = Counter(n for p in left for n in (p.column, p.partner))
        name = max(sorted(counts), key=lambda n: (counts[n], excess[n]))
        culprits.add(name)
        left = [p for p in left if name not in (p.column, p.partner)]
    return culprits


def _reason(c: ColumnFinding) -> str:
    if c.effect > c.threshold:
        return f"column {c.column!r}: {c.effect:.1%} of its rows moved, the threshold is {c.threshold:.1%}"
    assert c.dependence is not None and c.dependence_threshold is not None
    return (
        f"column {c.column!r}: its relation to {c.partner!r} changed for {c.dependence:.1%} of the rows,"
        f" the threshold is {c.dependence_threshold:.1%}"
    )
