"""How often the gate passes a generator that leaks nothing, and whether its bounds hold.

    python -m benchmarks.audit_calibration --sizes 500 1000 --runs 200

Each run draws fresh people from the simulated population of `benchmarks.leaky`: members, non-members, a reference
table of as many as both, and a synthetic table of 4 rows a member (8,000 at most) that is an independent draw of the
population: no generator can leak less. Whole audits, with refits and controls.

Printed per size: the share of each verdict, with the standard error of FAIL's; the share of one-sided 95 % bounds
above the truth, of AUCs (0.5), of TPRs (the nominal false-alarm rate: fewer, since it is for the threshold used,
see `audit.policy`) and of residual risks (0).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from benchmarks.leaky import LEAKS, SCHEMA, population
from understudy.audit import AuditReport, audit
from understudy.canonical import conform
from understudy.generators.refit import refit_of


def one_run(n_units: int, leak: str, seed: int) -> AuditReport:
    """One audit of `n_units` a side."""
    rng = np.random.default_rng([n_units, seed])
    members, nonmembers, reference = (conform(population(k, rng), SCHEMA) for k in (n_units, n_units, 2 * n_units))
    fresh = population(min(4 * n_units, 8_000), rng)
    synthetic = conform(LEAKS[leak](members, fresh, rng), SCHEMA)
    real = {"members": members, "nonmembers": nonmembers, "reference": reference}
    return audit(**real, synthetic=synthetic, schema=SCHEMA, refit=refit_of(None, SCHEMA), rng=rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1_000], help="units a side")
    parser.add_argument("--runs", type=int, default=200, help="audits per size")
    parser.add_argument("--leak", choices=list(LEAKS), default="no leak", help="of the members' rows")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="a line per audit")
    args = parser.parse_args()
    print(" units  runs   PASS   FAIL (error) INCONCL  AUC ok  TPR ok  rho ok  s/audit  why not passed")
    for n_units in args.sizes:
        started = time.perf_counter()
        reports = []
        for seed in range(args.first_seed, args.first_seed + args.runs):
            reports.append(one_run(n_units, args.leak, seed))
            if args.each:
                print(f"{n_units} {seed} {reports[-1].verdict} {' '.join(reports[-1].reasons)}", flush=True)
        print(summary(n_units, reports, (time.perf_counter() - started) / args.runs), flush=True)


def summary(n_units: int, reports: list[AuditReport], seconds: float) -> str:
    """A line of the table."""
    n = len(reports)
    share = {v: sum(r.verdict == v for r in reports) / n for v in ("PASS", "FAIL", "INCONCLUSIVE")}
    error = (max(share["FAIL"], 1 / n) * (1 - share["FAIL"]) / n) ** 0.5
    risks = [risk for r in reports for risk in r.risks]
    auc_ok = np.mean([risk.auc_upper >= 0.5 for risk in risks])
    tpr_ok = np.mean([risk.tpr_upper >= risk.level for risk in risks if risk.level is not None])
    rho_ok = np.mean([c.rho_upper >= 0 for r in reports for c in r.criteria if c.gated])
    why = Counter(reason.split(":")[0].split(" control")[0] for r in reports for reason in r.reasons[:1])
    return (
        f"{n_units:>6} {n:>5} {share['PASS']:>6.3f} {share['FAIL']:>6.3f} ({error:.3f}) {share['INCONCLUSIVE']:>7.3f}"
        f" {auc_ok:>7.3f} {tpr_ok:>7.3f} {rho_ok:>7.3f} {seconds:>8.1f}  {dict(why.most_common(5))}"
    )


if __name__ == "__main__":
    main()
