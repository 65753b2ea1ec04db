"""A small pipeline run for tests: a table of simulated people, and a gate that its size can pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.people import people
from understudy.config import Params

# 90 persons a side prove nothing: this policy only lets the machinery behind a PASS be tested.
LENIENT = {
    "minimum_units": 2,
    "max_advantage": 0.98,
    "tpr_ratio": 9.9,
    "fpr_levels": [0.1],
    "clearance": 0.01,
    "least_clearance": 0.01,
    "alpha": 0.001,
    "alpha_small": 0.0001,
    "control_alpha": 0.0001,
    "mixed_share": 0.9,
    "vulnerable_share": 0.5,
    "max_residual_risk": 0.98,
}


def write_people(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    people(600).drop(columns=["joined", "score", "children"]).to_csv(path, index=False)
    return path


def small_run(data: Path, *, seed: int | None = 3, **sections: Any) -> Params:
    return Params.of(
        {
            "data": {"path": str(data), "target": "plan", "split_seed": seed},
            "generator": {"name": "independent"},
            **sections,
        }
    )
