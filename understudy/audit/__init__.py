"""The privacy audit and release gate, after the project's privacy-audit design.

Tier 0: copies, direct identifiers, rare values. Tier 1: membership inference (`membership`) on all units and on the
vulnerable tenth. Tier 2: singling out, linkability, attribute inference (`criteria`). Three controls, a three-way
gate. Not covered: claims of differential privacy. A PASS means that no violation above the detectable size was
found; it never means "anonymous".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from understudy.audit import closest, controls, criteria, rare, stats, tier0
from understudy.audit.criteria.columns import one_row_each
from understudy.audit.criteria.risk import TITLES
from understudy.audit.gate import decide
from understudy.audit.membership.ensemble import ATTACKS, run_attacks
from understudy.audit.membership.risk import Risk
from understudy.audit.model import Model, Refit
from understudy.audit.policy import Policy, tpr_level
from understudy.audit.record import AuditReport, Curves, Detectable
from understudy.audit.subgroups import SubgroupRisk, by_subgroup, groups_of
from understudy.audit.tables import AuditTables, build
from understudy.audit.targeted import TargetedResult, run_targeted
from understudy.errors import SchemaError, TableError
from understudy.schema import TableSchema
from understudy.splits import unit_codes

__all__ = ["ATTACKS", "AuditReport", "Policy", "audit"]

Progress = Callable[[float, str], None]
ROC_GRID = np.geomspace(1e-3, 1, 61)


def audit(
    *,
    members: pd.DataFrame,
    nonmembers: pd.DataFrame,
    reference: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: TableSchema,
    policy: Policy | None = None,
    model: Model | None = None,
    refit: Refit | None = None,
    targeted: bool = False,
    others: pd.DataFrame | None = None,
    rows_trained: int | None = None,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit a synthetic table against people who did and didn't train its generator.

    Args:
        members, nonmembers: conformed tables of the audit pool, by a fair coin per privacy unit.
        reference: real rows that never trained and aren't in the pool, as many or more.
        synthetic: the table to be released.
        schema: of all four. With `schema.unit`, the real tables have that column.
        policy: the gate's limits; None: the defaults.
        model: the released generator, for the white-box attack.
        refit: fits a generator of the same kind, for attackers who do that.
        targeted: also attack single people, by fits with and without them (`targeted`): minutes to an hour.
        others, rows_trained: for these, conformed rows that trained besides the members, and how many trained.
        rng: decides subsamples, folds and models' seeds.
        progress: told the share done and what is going on.

    Raises:
        TableError: a table has no rows, or there are fewer than 2 units on a side.
        SchemaError: a table lacks a modelled column or the privacy unit.
    """
    started = time.perf_counter()
    policy = policy or Policy()
    tell = progress or (lambda share, message: None)
    given = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
    _check(given, schema)
    frames, notes = _cap(given, schema, policy, rng)
    tell(0.02, "encoding the tables")
    tables = build(frames, schema, model=model, refit=refit, seed=int(rng.integers(2**31)))
    single = partial(run_targeted, others=others, rows_trained=rows_trained) if targeted else None
    report = _attacked(tables, frames, schema, policy, rng, tell, single)
    tell(1.0, report.verdict)
    return report.model_copy(update={"notes": tuple(notes), "seconds": round(time.perf_counter() - started, 2)})


def _attacked(
    tables: AuditTables,
    frames: dict[str, pd.DataFrame],
    schema: TableSchema,
    policy: Policy,
    rng: np.random.Generator,
    tell: Progress,
    attack_single: Callable[..., TargetedResult] | None,
) -> AuditReport:
    """Everything that is tried, and the verdict on it."""
    tell(0.10, "finding the vulnerable stratum")
    vulnerable = tables.vulnerable(policy.vulnerable_share, policy.vulnerable_neighbours)
    tell(0.20, "copies and identifiers")
    matches = tier0.copies(tables, policy, rng)
    tell(0.25, f"{len(ATTACKS)} membership attacks")
    risks, scores = run_attacks(tables, vulnerable, policy, rng, adjusted=True)
    told = criteria.findings(
        tables, policy, rng, vulnerable=vulnerable, progress=lambda s, m: tell(0.40 + 0.25 * s, m)
    )
    single = None
    if attack_single is not None:
        single = attack_single(tables, policy, rng, lambda share, message: tell(0.65, message))
    checks = _controls(tables, vulnerable, policy, rng, tell)
    matched = tier0.identifiers(frames, schema)
    n_in = int(tables.member.sum())
    n_out = tables.n_units - n_in
    decision = decide(
        n_in=n_in, n_out=n_out, risks=risks, matches=matches, identifiers=matched, controls=checks, policy=policy,
        criteria=told.risks, targeted=single,
    )  # fmt: skip
    return AuditReport(
        verdict=decision.verdict,
        reasons=decision.reasons,
        unit=schema.unit or "row",
        n_in=n_in,
        n_out=n_out,
        rows={name: len(frame) for name, frame in frames.items()},
        notes=(),
        policy=policy,
        risks=tuple(risks),
        criteria=told.risks,
        targeted=single,
        subgroups=_subgroups(tables, scores, told, policy, rng),
        copies=tuple(matches),
        identifiers=tuple(matched),
        flags=tuple(rare.flags(frames, schema, policy.rare_support)),
        controls=tuple(checks),
        detectable=_detectable(risks, policy),
        dcr_share=closest.dcr_share(tables, rng),
        curves=_curves(scores, tables.member),
        seconds=0.0,
    )


def _controls(
    tables: AuditTables, vulnerable: np.ndarray, policy: Policy, rng: np.random.Generator, tell: Progress
) -> list[controls.Control]:
    tell(0.65, "control: exchangeability")
    found = [controls.exchangeable(tables, policy, rng)]
    tell(0.70, "control: real rows in place of the synthetic table")
    found.append(controls.negative(tables, vulnerable, policy, rng))
    tell(0.85, "control: member rows mixed in")
    found.append(controls.positive(tables, vulnerable, policy, rng))
    return found


def _check(tables: dict[str, pd.DataFrame], schema: TableSchema) -> None:
    for name, table in tables.items():
        if not len(table):
            raise TableError(f"the {name} table has no rows; the audit needs all four tables")
        if schema.unit is not None and name != "synthetic" and schema.unit not in table.columns:
            raise SchemaError(f"the {name} table lacks the privacy unit {schema.unit!r}; keep that column")
    for name in ("members", "nonmembers", "reference"):
        if unit_codes(tables[name], schema.unit)[1] < 2:
            raise TableError(f"the {name} table has 1 privacy unit; the audit needs 2 at least, and 250 to conclude")


def _cap(
    tables: dict[str, pd.DataFrame], schema: TableSchema, policy: Policy, rng: np.random.Generator
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """At most `max_units` units a side, `max_rows` rows of R (whole units) and of S; and what was left out."""
    frames, notes = {}, []
    for name, table in tables.items():
        if name == "synthetic":
            kept = np.sort(rng.permutation(len(table))[: policy.max_rows])
        else:
            codes, n_units = unit_codes(table, schema.unit)
            most = policy.max_units if name != "reference" else max(1, int(policy.max_rows * n_units / len(table)))
            chosen = np.zeros(n_units, dtype=bool)
            chosen[rng.permutation(n_units)[:most]] = True
            kept = np.flatnonzero(chosen[codes])
        frames[name] = table.iloc[kept].reset_index(drop=True)
        if len(kept) < len(table):
            notes.append(f"{len(kept):,} of the {name} table's {len(table):,} rows were drawn at random and audited.")
    return frames, notes


def _detectable(risks: list[Risk], policy: Policy) -> tuple[Detectable, ...]:
    sizes = {r.stratum: (r.n_in, r.n_out) for r in risks}
    found = []
    for stratum, (n_in, n_out) in sizes.items():
        level, _ = tpr_level(n_in, n_out, policy)
        tpr = None if level is None else stats.detectable_tpr(n_in, n_out, level)
        area = stats.detectable_auc(n_in, n_out)
        found.append(Detectable(stratum=stratum, n_in=n_in, n_out=n_out, auc=area, level=level, tpr=tpr))
    return tuple(found)


def _subgroups(
    tables: AuditTables,
    scores: dict[str, np.ndarray],
    told: criteria.Findings,
    policy: Policy,
    rng: np.random.Generator,
) -> dict[str, tuple[SubgroupRisk, ...]]:
    """Who is exposed more than others: the stacked membership attack, singling out and linkability, by subgroup."""
    if not policy.subgroups:
        return {}
    rows = one_row_each(tables.pool.units, rng)
    attempts = {f"{TITLES[a.criterion]} ({a.detail})": a for a in told.attempts if a.criterion != "attribute_inference"}
    found: dict[str, list[SubgroupRisk]] = {}
    for column in policy.subgroups:
        groups = groups_of(tables, column, rows)
        if "stack" in scores:
            title = ATTACKS["stack"].title
            found.setdefault(title, []).extend(by_subgroup(scores["stack"], tables.member, groups, column=column))
        for title, a in attempts.items():
            asked = a.asked
            found.setdefault(title, []).extend(
                by_subgroup(a.hit[asked], tables.member[asked], groups[asked], column=column)
            )
    return {title: tuple(risks) for title, risks in found.items()}


def _curves(scores: dict[str, np.ndarray], member: np.ndarray) -> Curves:
    tpr = {name: tuple(stats.roc(s[member], s[~member], ROC_GRID).round(5).tolist()) for name, s in scores.items()}
    return Curves(fpr=tuple(ROC_GRID.round(6).tolist()), tpr=tpr)
