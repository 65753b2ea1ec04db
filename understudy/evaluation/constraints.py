"""Constraints: functional dependencies found in train, and the share of rows in which each still holds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from understudy.schema import TableSchema


@dataclass(frozen=True)
class DependencyKept:
    """`determinant` fixes `dependent` in train; shares of rows in which it holds, 1 is ideal.

    The holdout's share is what fresh real rows reach: a rule learnt from train need not be a law.
    """

    determinant: str
    dependent: str
    holdout: float
    synthetic: float


def dependencies_kept(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema
) -> tuple[DependencyKept, ...]:
    """Every dependency of train, the least kept first."""
    from understudy.dependencies import functional_dependencies, holds

    found = [
        DependencyKept(d.determinant, d.dependent, float(holds(d, holdout)), float(holds(d, synthetic)))
        for d in functional_dependencies(train, schema)
    ]
    return tuple(sorted(found, key=lambda d: (d.synthetic, d.determinant, d.dependent)))
