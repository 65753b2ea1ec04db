"""The result of an evaluation: figures, their details, and what the report draws."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from understudy.evaluation.constraints import DependencyKept
from understudy.evaluation.coverage import Coverage
from understudy.evaluation.detection import Detection
from understudy.evaluation.distances import ClosestRecord, Support
from understudy.evaluation.fairness import Fairness
from understudy.evaluation.fidelity import Fidelity
from understudy.evaluation.pictures import Marginal, Projection
from understudy.evaluation.utility import Utility


@dataclass(frozen=True)
class Evaluation:
    """How good a synthetic table is; every part that could not be measured is None and explained in `notes`.

    Attributes:
        altered: what the synthetic table was altered to, in words; "" if it wasn't.
        n_train, n_holdout, n_synthetic: rows of the three tables.
        fidelity ... coverage: the details of each metric.
        fidelity_holdout: the holdout in place of synthetic: what fresh real rows score.
        exact_copies, exact_copies_holdout: shares of rows that equal a train row.
        dependencies: functional dependencies of train, the least kept first.
        marginals, projection: aggregates for the report's plots.
        notes: one sentence for each figure that is absent or limited.
    """

    altered: str
    n_train: int
    n_holdout: int
    n_synthetic: int
    fidelity: Fidelity
    fidelity_holdout: Fidelity
    detection: Detection | None
    utility: Utility | None
    fairness: Fairness | None
    closest_record: ClosestRecord
    support: Support | None
    exact_copies: float
    exact_copies_holdout: float
    coverage: Coverage
    dependencies: tuple[DependencyKept, ...]
    marginals: tuple[Marginal, ...]
    projection: Projection | None
    notes: tuple[str, ...]

    @property
    def utility_metric(self) -> str | None:
        """`auc` or `r2`; None without a usable target."""
        return self.utility.metric if self.utility else None

    @property
    def metrics(self) -> dict[str, float]:
        """The headline figures under their stable names; one that could not be measured is absent."""
        d, u, s = self.detection, self.utility, self.support
        kept = [x.synthetic for x in self.dependencies]
        found = {
            "shape_error": self.fidelity.shape_error,
            "trend_error": self.fidelity.trend_error,
            "trend_error_fixed": self.fidelity.trend_error_fixed,
            "shape_error_holdout": self.fidelity_holdout.shape_error,
            "trend_error_holdout": self.fidelity_holdout.trend_error,
            "c2st_auc": d.auc if d else None,
            "c2st_auc_se": d.se if d else None,
            "tstr": u.tstr if u else None,
            "trtr": u.trtr if u else None,
            "tstr_gap": u.gap if u else None,
            "tstr_gap_se": u.gap_se if u else None,
            "dcr_share": self.closest_record.share,
            "dcr_share_se": self.closest_record.se,
            "exact_copies": self.exact_copies,
            "exact_copies_holdout": self.exact_copies_holdout,
            "alpha_precision": s.alpha_precision if s else None,
            "beta_recall": s.beta_recall if s else None,
            "category_coverage": self.coverage.category_coverage,
            "range_coverage": self.coverage.range_coverage,
            "dependencies_kept": sum(kept) / len(kept) if kept else None,
        }
        measured = {k: float(v) for k, v in found.items() if v is not None}
        return measured | (self.fairness.metrics if self.fairness else {})

    def to_json(self) -> str:
        """Figures and details without the plots' data; strict JSON (no NaN)."""
        details: dict[str, Any] = {
            "rows": {"train": self.n_train, "holdout": self.n_holdout, "synthetic": self.n_synthetic},
            "altered": self.altered,
            "metrics": self.metrics,
            "utility_metric": self.utility_metric,
            "columns": [asdict(c) for c in self.fidelity.columns],
            "pairs": [asdict(p) for p in self.fidelity.pairs],
            "detection_importances": dict(self.detection.importances) if self.detection else {},
            "utility": asdict(self.utility) if self.utility else None,
            "fairness": asdict(self.fairness) if self.fairness else None,
            "coverage": dict(self.coverage.by_column),
            "dependencies": [asdict(d) for d in self.dependencies],
            "notes": list(self.notes),
        }
        return json.dumps(details, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
