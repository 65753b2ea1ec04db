"""Quality, leak and cost of generators on one table: `python -m benchmarks.frontier`.

    python -m benchmarks.frontier --generators forest independent bootstrap --seeds 3
    python -m benchmarks.frontier --train TRAIN --holdout HOLDOUT --target COLUMN --set forest.min_leaf=100

Without a table it takes Adult (32,561 train rows, 16,281 holdout rows) from ../shared/data, or else
two thirds of the demo table's persons against the rest. Each fit runs in a process of its own, so that its peak
memory is its own (the interpreter and the libraries, 'idle', are in it). Prints a Markdown table of means over
the seeds, and below it standard errors.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.yardstick import score
from understudy.canonical import conform
from understudy.conditions import parse_settings
from understudy.inference import infer_schema
from understudy.schema import TableSchema
from understudy.tables import read_table, write_table

ROOT = Path(__file__).parents[1]
ADULT = ROOT.parent / "shared" / "data"
COST = ("fit s", "rows/s", "MB")
HEADER = {
    "shape": "shape %", "trend": "trend %", "c2st": "C2ST", "gap": "gap", "beta": "beta", "dcr": "DCR share",
    "mia": "MIA", "mia_outliers": "MIA outliers", "copies": "copies", "copies_holdout": "copies, fresh rows",
}  # fmt: skip
FORMATS = {
    "shape %": ".2f", "trend %": ".2f", "fit s": ".1f", "rows/s": ",.0f", "MB": ".0f", "copies": ".2%",
    "copies, fresh rows": ".2%",
}  # fmt: skip
Tables = tuple[pd.DataFrame, pd.DataFrame, TableSchema]


def default_tables() -> Tables:
    """Adult where it is at hand, else the demo table."""
    if (ADULT / "adult_train.csv.gz").exists():
        return load(ADULT / "adult_train.csv.gz", ADULT / "adult_test.csv.gz", "income")
    raw = read_table(ROOT / "data" / "rand_hie.csv")
    schema = infer_schema(raw, target="health", unit="person")
    table = conform(raw, schema)
    first = pd.factorize(table["person"])[0] % 3 < 2
    return table[first].reset_index(drop=True), table[~first].reset_index(drop=True), schema


def load(train: Path, holdout: Path, target: str | None) -> Tables:
    raw = read_table(train)
    schema = infer_schema(raw, target=target)
    return conform(raw, schema), conform(read_table(holdout), schema), schema


def measure(name: str, settings: dict, seed: int, tables: Tables) -> dict[str, float]:
    """Fit and sample in a process of its own, then score here."""
    train, holdout, schema = tables
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        write_table(train, tmp / "train.parquet")
        (tmp / "schema.json").write_text(schema.to_json())
        job = {"folder": folder, "generator": name, "settings": settings, "seed": seed}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.frontier", "--job", json.dumps(job)],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        cost = json.loads(done.stdout.splitlines()[-1])
        synthetic = conform(read_table(tmp / "synthetic.parquet"), schema, require_all=False)
    return cost | {HEADER[k]: v for k, v in asdict(score(train, holdout, synthetic, schema, seed)).items()}


def fit_and_sample(folder: str, generator: str, settings: dict, seed: int) -> None:
    """The child: prints its seconds, rows a second and megabytes as JSON."""
    from understudy.generators import create

    schema = TableSchema.read(Path(folder) / "schema.json")
    table = conform(read_table(Path(folder) / "train.parquet"), schema)
    # Compile (or read the cache of) the kernels on another table first: it is paid once per machine, not per fit.
    few = table.iloc[:200].reset_index(drop=True)
    warm = create(generator, **settings).fit(few, schema=schema, rng=np.random.default_rng(0))
    warm.sample(10, rng=np.random.default_rng(0))
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    made = create(generator, **settings).fit(table, schema=schema, rng=np.random.default_rng(seed))
    fitted = time.perf_counter()
    synthetic = made.sample(len(table), rng=np.random.default_rng(seed + 1000))
    n_many = 400_000
    sampled = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made.sample(n_many, rng=np.random.default_rng(seed))
    many = time.perf_counter()
    write_table(synthetic, Path(folder) / "synthetic.parquet")
    kb = 1024 if sys.platform != "darwin" else 1024**2
    cost = {"fit s": fitted - started, "rows/s": n_many / (many - sampled), "MB": peak / kb, "idle": idle / kb}
    print(json.dumps(cost))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generators", nargs="+", default=["forest", "independent", "bootstrap"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--holdout", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--set", action="append", default=[], help="GENERATOR.KEY=VALUE")
    parser.add_argument("--json", type=Path, help="also write every run's figures here")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        fit_and_sample(**json.loads(options.job))
        return
    tables = load(options.train, options.holdout, options.target) if options.train else default_tables()
    train, holdout, _ = tables
    size = f"{len(train):,} train rows, {len(holdout):,} holdout rows, {train.shape[1]} columns"
    print(f"{size}, {options.seeds} seeds\n")
    columns = [*COST, *HEADER.values()]
    print("| generator | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    spread, runs = [], []
    for name in options.generators:
        prefix = f"{name}."
        settings = parse_settings([s.removeprefix(prefix) for s in options.set if s.startswith(prefix)])
        found = pd.DataFrame([measure(name, settings, seed, tables) for seed in range(options.seeds)])
        runs.append({"generator": name, "settings": settings, "runs": found.to_dict("records")})
        means = [format(found[c].mean(), FORMATS.get(c, ".4f")) for c in columns]
        print(f"| {name} | " + " | ".join(means) + " |", flush=True)
        errors = found[columns].std(ddof=1) / np.sqrt(len(found))
        spread.append(f"{name}: " + ", ".join(f"{c} {errors[c]:.4f}" for c in HEADER.values()))
    if options.seeds > 1:
        print("\nStandard errors over the seeds. " + ". ".join(spread) + ".")
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
