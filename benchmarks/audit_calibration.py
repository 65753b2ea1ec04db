"""How often the gate passes a generator that leaks nothing, and fails one that does.

    python -m benchmarks.audit_calibration --sizes 250 500 800 1000 5000 --runs 100

Each run draws fresh people from one simulated population of eight mixed columns: members, non-members, a reference
table of as many as both, and a synthetic table of 4 rows a member (8,000 at most), which is
`sample`  an independent draw of the population: no generator can leak less,
`mix`     the same with 5 % of its rows replaced by training rows (members are a fifth of those).
Printed per size: the share of each verdict; for `sample` the share of one-sided 95 % bounds above the truth: AUC
0.5 (95 % is promised) and the nominal false-alarm rate (fewer: it is for the threshold used, see `audit.policy`).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
import pandas as pd

from understudy.audit import AuditReport, audit
from understudy.schema import Column, TableSchema

KINDS = {
    "age": ("numerical", 0),
    "income": ("numerical", 2),
    "weight": ("numerical", 1),
    "visits": ("numerical", 0),
    "region": ("categorical", None),
    "job": ("categorical", None),
    "smoker": ("boolean", None),
    "grade": ("categorical", None),
}
SCHEMA = TableSchema(
    columns=tuple(Column.model_validate({"name": n, "kind": k, "decimals": d}) for n, (k, d) in KINDS.items())
)


def population(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """`n` people: three latent normals and a group shape eight dependent columns."""
    z, group = rng.normal(size=(n, 3)), rng.integers(0, 3, n)
    job = np.clip((3 * z[:, 1] + 6 + rng.normal(size=n)).astype(int), 0, 11)
    return pd.DataFrame(
        {
            "age": np.clip(np.round(45 + 15 * z[:, 0] + 3 * group), 18, 90).astype("int64"),
            "income": np.round(np.exp(10 + 0.6 * z[:, 0] + 0.5 * z[:, 1]), 2),
            "weight": np.round(75 + 12 * z[:, 1] + 4 * z[:, 2], 1),
            "visits": rng.poisson(np.exp(0.3 * z[:, 2] + 0.5)).astype("int64"),
            "region": pd.Categorical(np.array(["north", "south", "east", "west"])[(group + rng.integers(0, 2, n)) % 4]),
            "job": pd.Categorical(np.array([f"job {i}" for i in range(12)])[job]),
            "smoker": rng.random(n) < 1 / (1 + np.exp(-z[:, 2])),
            "grade": pd.Categorical(np.array(["a", "b", "c"])[group]),
        }
    )


def one_run(n_units: int, leak: str, seed: int) -> AuditReport:
    """One audit of `n_units` a side."""
    rng = np.random.default_rng([n_units, seed])
    members, nonmembers, reference = (population(k, rng) for k in (n_units, n_units, 2 * n_units))
    synthetic = population(min(4 * n_units, 8_000), rng)
    if leak == "mix":
        train = pd.concat([members, population(4 * n_units, rng)], ignore_index=True)
        n_mixed = round(0.05 * len(synthetic))
        copied = train.iloc[rng.permutation(len(train))[:n_mixed]]
        synthetic = pd.concat([synthetic.iloc[n_mixed:], copied], ignore_index=True)
    return audit(
        members=members, nonmembers=nonmembers, reference=reference, synthetic=synthetic, schema=SCHEMA, rng=rng
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 500, 800, 1_000, 5_000], help="units a side")
    parser.add_argument("--runs", type=int, default=20, help="audits per size")
    parser.add_argument("--leak", choices=["sample", "mix"], default="sample")
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    print(" units   PASS   FAIL  INCONCL  AUC ok  TPR ok  s/audit  why not passed")
    for n_units in args.sizes:
        started = time.perf_counter()
        reports = [one_run(n_units, args.leak, args.first_seed + i) for i in range(args.runs)]
        seconds = (time.perf_counter() - started) / args.runs
        share = {v: sum(r.verdict == v for r in reports) / args.runs for v in ("PASS", "FAIL", "INCONCLUSIVE")}
        risks = [risk for r in reports for risk in r.risks]
        auc_ok = np.mean([risk.auc_upper >= 0.5 for risk in risks])
        tpr_ok = np.mean([risk.tpr_upper >= risk.level for risk in risks if risk.level is not None])
        why = Counter(reason.split(":")[0].split(" control")[0] for r in reports for reason in r.reasons[:1])
        print(
            f"{n_units:>6} {share['PASS']:>6.3f} {share['FAIL']:>6.3f} {share['INCONCLUSIVE']:>8.3f}"
            f" {auc_ok:>7.3f} {tpr_ok:>7.3f} {seconds:>8.1f}  {dict(why.most_common(5))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
