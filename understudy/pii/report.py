"""What was found in each column of a raw table, how sure that is, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from understudy.config import Pii
from understudy.pii.columns import find
from understudy.pii.detect import Finding
from understudy.schema import Column


class ColumnReport(BaseModel):
    """One column that holds, or may hold, personal identifiers.

    Attributes:
        column: its name.
        found: the kind of identifier, `key` or `text`.
        rule: more closely: the rule that the values pass, or the name that says so.
        by: value, name, inside text, model (presidio), schema (a key, a unit, or what a schema file says).
        share: of the distinct values, how many are (or hold) one; None where only the name or the schema tells.
        chance: the share that random digits would reach; None likewise.
        sure: high, medium or low.
        done: what was done about it, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    found: str
    rule: str
    by: str
    share: float | None
    chance: float | None
    sure: str
    done: str


def report(
    raw: pd.DataFrame, columns: Mapping[str, Column], *, pii: Pii, unit: str | None = None, target: str | None = None,
    tokenised: Iterable[str] = (),
) -> list[ColumnReport]:  # fmt: skip
    """The columns of `raw` with findings, and those that aren't modelled; `columns` is what the schema made of them."""
    found = []
    for name in map(str, raw.columns):
        column, finding = columns.get(name), find(raw[name], presidio=pii.presidio, language=pii.language)
        if name in tokenised:
            told = f"tokenised (HMAC-SHA256); {_kept(name, unit)}"
            found.append(_line(name, finding, column, told))
        elif finding or (column and not column.modelled):
            found.append(_line(name, finding, column, _done(name, finding, column, unit, target)))
    return found


def _kept(name: str, unit: str | None) -> str:
    if name == unit:
        return "kept in the real tables, where it tells persons apart; never modelled or released"
    return "kept in the real tables; surrogates in the synthetic one"


def _line(name: str, finding: Finding | None, column: Column | None, done: str) -> ColumnReport:
    if finding is None:
        kind = column.kind if column else "id"
        what = (column.identifier if column and column.identifier else None) or ("text" if kind == "text" else "key")
        return ColumnReport(
            column=name, found=what, rule=_RULES.get(what, "by the schema"), by="schema", share=None, chance=None,
            sure="medium", done=done,
        )  # fmt: skip
    measured = finding.by != "name"
    return ColumnReport(
        column=name, found=finding.kind, rule=finding.rule, by=finding.by, done=done, sure=finding.sure,
        share=round(finding.share, 4) if measured else None,
        chance=round(finding.chance, 4) if finding.by == "value" else None,
    )  # fmt: skip


_RULES = {
    "key": "different in (nearly) every row",
    "unit key": "names the privacy unit",
    "text": "several words a value",
    "token": "named in data.tokenise",
}


def _done(name: str, finding: Finding | None, column: Column | None, unit: str | None, target: str | None) -> str:
    if column is None:
        return "the column can't be used"
    if name == unit:
        return _kept(name, unit)
    if not column.modelled:
        if column.action == "drop":
            return "dropped"
        return "replaced by numbers" if column.identifier == "key" else "replaced by invented values"
    why = "it is the target" if name == target else "a schema file says so"
    if finding and finding.by in ("inside text", "model") and name != target:
        why = "few values hold one; a value of fewer than min_units units is not emitted"
    return f"modelled: {why}"


def identifier_facts(profile: Mapping[str, Any]) -> dict[str, str]:
    """What a run says about the identifiers in a table's `profile`: a line a column; nothing where there are none."""
    lines = [f"{x['column']}: {x['found']} ({x['rule']}; {x['sure']} certainty), {x['done']}" for x in profile["pii"]]
    return {"identifiers": "\n".join(lines)} if lines else {}
