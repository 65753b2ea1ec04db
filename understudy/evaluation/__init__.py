"""Evaluation of a synthetic table: fidelity, detection, utility, fairness, distances, coverage, constraints.

Pure functions of conformed tables and their schema; `id` and `text` columns are not looked at. What is not covered:
privacy (the audit's task) and any order or link between rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from understudy.evaluation.aligned import Aligned, align
from understudy.evaluation.constraints import dependencies_kept
from understudy.evaluation.coverage import measure_coverage
from understudy.evaluation.detection import Detection, measure_detection
from understudy.evaluation.distances import closest_record, exact_copies, support
from understudy.evaluation.fairness import Fairness, measure_fairness
from understudy.evaluation.fidelity import MAX_PAIRS, Fidelity, measure_fidelity
from understudy.evaluation.pictures import MAX_MARGINALS, marginals, projection
from understudy.evaluation.predictions import predict
from understudy.evaluation.result import Evaluation
from understudy.evaluation.subgroups import MIN_UNITS, check_sensitive
from understudy.evaluation.utility import Utility, score
from understudy.schema import TableSchema

__all__ = ["Evaluation", "evaluate"]

Progress = Callable[[float, str], None]


def evaluate(
    *,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: TableSchema,
    rng: np.random.Generator,
    sensitive: Sequence[str] = (),
    altered: str = "",
    progress: Progress | None = None,
) -> Evaluation:
    """Compare `synthetic` with the `train` table it was made from and with `holdout`, fresh rows of the same kind.

    Args:
        train, holdout, synthetic: conformed tables; synthetic need not have the privacy unit's column.
        schema: names the kinds, the target (utility) and the privacy unit (folds and standard errors).
        rng: draws subsamples, folds and learners' seeds; a new generator of the same seed gives the same evaluation.
        sensitive: the columns whose groups fairness compares; none: some are chosen, see `subgroups`.
        altered: what the synthetic table was altered to, in words; "" if it wasn't.
        progress: called with the share done, 0 to 1, and what comes next.

    Raises:
        SchemaError: a table lacks a modelled column or holds values of another kind; a sensitive column is unknown.
        ConfigError: a sensitive column is the target.
        TableError: a table has no rows, or the schema nothing to model.
    """
    tell = progress or (lambda share, message: None)
    sensitive = check_sensitive(sensitive, schema)
    tell(0.0, "reading columns")
    data = align({"train": train, "holdout": holdout, "synthetic": synthetic}, schema)
    # one stream per part: a change in one metric leaves the others' draws alone
    streams = rng.spawn(8)
    tell(0.05, "comparing columns and pairs")
    shapes = measure_fidelity(data, schema, streams[0], progress=lambda s: tell(0.05 + 0.1 * s, "comparing pairs"))
    fresh = measure_fidelity(replace(data, views=data.views[:2]), schema, streams[1], max_pairs=MAX_PAIRS // 4)
    telling = "telling synthetic from real rows"
    tell(0.2, telling)
    detected = measure_detection(data, streams[2], progress=lambda s: tell(0.2 + 0.35 * s, telling))
    tell(0.55, "training on synthetic, testing on real rows")
    made = predict(data, schema.target, streams[3]) if schema.target else None
    useful = score(made) if made else None
    tell(0.65, "comparing groups")
    fair = measure_fairness(data, schema, made, sensitive, streams[7])
    tell(0.7, "measuring distances")
    copies, copies_holdout = exact_copies(data)
    closest = closest_record(data, streams[4])
    tell(0.8, "measuring support")
    covered = support(data, streams[5])
    tell(0.9, "checking coverage and dependencies")
    shown = _shown(shapes)
    result = Evaluation(
        altered=altered,
        n_train=len(train),
        n_holdout=len(holdout),
        n_synthetic=len(synthetic),
        fidelity=shapes,
        fidelity_holdout=fresh,
        detection=detected,
        utility=useful,
        fairness=fair,
        closest_record=closest,
        support=covered,
        exact_copies=copies,
        exact_copies_holdout=copies_holdout,
        coverage=measure_coverage(data),
        dependencies=dependencies_kept(train, holdout, synthetic, schema),
        marginals=marginals(data, shown),
        projection=projection(data, streams[6]),
        notes=(*_notes(data, schema, shapes, detected, useful, len(shown)), *_fairness_notes(fair)),
    )
    tell(1.0, "evaluated")
    return result


def _shown(shapes: Fidelity) -> list[str]:
    """The columns whose histograms are drawn: all, or a wide table's worst, in table order."""
    ranked = sorted(shapes.columns, key=lambda c: 2.0 if c.score is None else c.score)
    keep = {c.name for c in ranked[:MAX_MARGINALS]}
    return [c.name for c in shapes.columns if c.name in keep]


def _notes(
    data: Aligned,
    schema: TableSchema,
    shapes: Fidelity,
    detected: Detection | None,
    useful: Utility | None,
    n_shown: int,
) -> list[str]:
    """A sentence for every figure that is absent or limited."""
    notes = []
    if schema.target is None:
        notes.append("The schema names no target, so utility (TSTR) is not measured.")
    elif useful is None:
        notes.append(f"Target {schema.target!r} leaves nothing to predict or score, so utility (TSTR) is not measured.")
    else:
        if useful.merged:
            notes.append(f"Utility counts the {useful.merged:,} rarest classes of {useful.target!r} as one.")
        if useful.absent:
            notes.append(
                f"No synthetic row has {useful.absent:,} of the classes of {useful.target!r}; TSTR can't rank them."
            )
    if detected is None:
        notes.append("A side has fewer than ten rows or privacy units, so detection (C2ST) is not measured.")
    if not shapes.pairs:
        notes.append("The table has a single column to compare, so there are no pairs and no trend error.")
    elif len(shapes.pairs) < shapes.n_pairs:
        notes.append(f"Trends are of a random {len(shapes.pairs):,} of {shapes.n_pairs:,} pairs, the target's first.")
    if n_shown < len(data.columns):
        notes.append(f"Histograms are drawn for the {n_shown} least well kept of {len(data.columns)} columns.")
    void = [
        c.name for c, s in zip(data.columns, shapes.columns, strict=True) if s.missing_synthetic == 1 > s.missing_train
    ]
    if void:
        notes.append(f"Synthetic has no value at all in: {', '.join(void[:10])}; such a column's shape scores 0.")
    return notes


def _fairness_notes(fair: Fairness | None) -> list[str]:
    if fair is None:
        return [f"No column divides the table into groups of {MIN_UNITS}, so fairness is not measured."]
    notes = []
    for c in fair.columns:
        small = f"of fewer than {MIN_UNITS} units in train or in the holdout"
        if not c.groups:
            notes.append(f"{c.column!r} has no two groups of {MIN_UNITS} units, so fairness is not measured by it.")
        elif c.merged:
            notes.append(f"{c.merged:,} groups of {c.column!r} {small}, or beyond the largest, are shown as one.")
        elif c.hidden:
            notes.append(f"{c.hidden:,} of the groups of {c.column!r}, {small}, are not shown.")
    return notes
