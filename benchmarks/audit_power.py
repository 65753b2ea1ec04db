"""Which leaks the audit catches: a table of generators whose leaks are known, each with its verdict.

    python -m benchmarks.audit_power --size 5000 [--table adult] [--runs 3]

`--size` units a side, a reference of twice that, as many synthetic as training rows (20,000 at most are read). On the
simulated population, `train` is the members and four times as many others. With `--table adult` people are
drawn from the Adult table (shared/data beside the repository), and the fresh rows are real ones.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.leaky import LEAKS, SCHEMA, population
from understudy.audit import AuditReport, audit
from understudy.canonical import conform
from understudy.generators.refit import refit_of
from understudy.schema import TableSchema

ADULT = Path(__file__).parents[1] / "../shared/data"


def people(table: str, size: int, rng: np.random.Generator) -> tuple[dict[str, pd.DataFrame], TableSchema]:
    """members, nonmembers, reference, others (who train too) and fresh, disjoint."""
    if table == "simulated":
        sizes = {"members": size, "nonmembers": size, "reference": 2 * size, "others": 4 * size, "fresh": 5 * size}
        return {name: population(n, rng) for name, n in sizes.items()}, SCHEMA
    from understudy.inference import infer_schema

    files = [ADULT / f"adult_{part}.csv.gz" for part in ("train", "test")]
    raw = pd.concat([pd.read_csv(f, keep_default_na=False, na_values=["", "?"]) for f in files], ignore_index=True)
    schema = infer_schema(raw, target="income")
    whole = conform(raw, schema)
    rest = (len(whole) - 4 * size) // 2
    if rest < size:
        raise SystemExit(f"Adult has {len(whole):,} rows, too few for {size:,} a side; at most {len(whole) // 6:,}")
    names = ("members", "nonmembers", "reference", "others", "fresh")
    parts = np.split(rng.permutation(len(whole)), np.cumsum([size, size, 2 * size, rest]))
    return {n: whole.iloc[p].reset_index(drop=True) for n, p in zip(names, parts, strict=True)}, schema


def one_run(leak: str, table: str, size: int, seed: int) -> AuditReport:
    rng = np.random.default_rng([size, seed])
    parts, schema = people(table, size, rng)
    train = pd.concat([parts["members"], parts["others"]], ignore_index=True)
    synthetic = conform(LEAKS[leak](train, parts["fresh"], rng), schema)
    real = {name: conform(parts[name], schema) for name in ("members", "nonmembers", "reference")}
    return audit(**real, synthetic=synthetic, schema=schema, refit=refit_of(None, schema), rng=rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=5_000, help="units a side")
    parser.add_argument("--table", choices=["simulated", "adult"], default="simulated")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--leaks", nargs="+", default=list(LEAKS), choices=list(LEAKS))
    args = parser.parse_args()
    print("| generator | verdicts | DCR share | the surest reason |\n|---|---|---|---|")
    for leak in args.leaks:
        started = time.perf_counter()
        reports = [one_run(leak, args.table, args.size, seed) for seed in range(args.runs)]
        seconds = (time.perf_counter() - started) / args.runs
        counts = Counter(r.verdict for r in reports)
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
        reason = reports[0].reasons[0] if reports[0].reasons else reports[0].could_detect
        print(f"| {leak} | {verdicts} | {reports[0].dcr_share:.3f} | {reason} ({seconds:.0f} s) |", flush=True)


if __name__ == "__main__":
    main()
