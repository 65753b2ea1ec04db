"""Tier 3: attacks on single people, and on one attribute of all of them."""

from understudy.audit.targeted.result import (
    ReconstructionRisk,
    TargetedResult,
    TargetedRisk,
    not_cleared,
    proven_leaks,
)
from understudy.audit.targeted.run import run_targeted

__all__ = ["ReconstructionRisk", "TargetedResult", "TargetedRisk", "not_cleared", "proven_leaks", "run_targeted"]
