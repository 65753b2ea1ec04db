"""Quality, leak and cost of generators on one table, or on many: `python -m benchmarks.frontier`.

    python -m benchmarks.frontier --generators auto forest independent bootstrap --seeds 3
    python -m benchmarks.frontier --generators forest autoregressive --rows 1000 --sample 16000 --seeds 3
    python -m benchmarks.frontier --train TRAIN --holdout HOLDOUT --target COLUMN --set forest.min_leaf=100
    python -m benchmarks.frontier --table credit            # a table of benchmarks/tables.py; `all` takes the main ones

Without a table it takes Adult (32,561 train rows, 16,281 holdout rows) from ../shared/data, or else
two thirds of the demo table's persons against the rest. Each fit runs in a process of its own, so that its peak
memory is its own (the interpreter and the libraries, 'idle', are in it). Prints a Markdown table of means over
the seeds, one line per table and generator, and below it standard errors. `auto` is measured as what it chooses.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import tables
from benchmarks.cost import SYNTHETIC, measure_cost
from benchmarks.yardstick import score
from understudy.canonical import conform
from understudy.conditions import parse_settings
from understudy.errors import UnderstudyError
from understudy.generators import REGISTRY, auto
from understudy.inference import infer_schema
from understudy.schema import TableSchema
from understudy.tables import read_table

ROOT = Path(__file__).parents[1]
ADULT = ROOT.parent / "shared" / "data"
COST = ("fit s", "fit CPU s", "rows/s", "MB")
HEADER = {
    "shape": "shape %", "trend": "trend %", "c2st": "C2ST", "gap": "gap", "beta": "beta", "dcr": "DCR share",
    "mia": "MIA", "mia_outliers": "MIA outliers", "copies": "copies", "copies_holdout": "copies, fresh rows",
}  # fmt: skip
FORMATS = {
    "shape %": ".2f", "trend %": ".2f", "fit s": ".1f", "fit CPU s": ".1f", "rows/s": ",.0f", "MB": ".0f",
    "copies": ".2%", "copies, fresh rows": ".2%",
}  # fmt: skip
COLUMNS = [*COST, *HEADER.values()]
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


def chosen_tables(options: argparse.Namespace) -> Iterator[tuple[str, Tables]]:
    """(name, tables) that the command line asks for, one at a time."""
    if options.train:
        yield options.train.name.split(".")[0], load(options.train, options.holdout, options.target)
    elif options.table:
        names = [n for given in options.table for n in (tables.MAIN if given == "all" else [given])]
        for name in names:
            yield name, tables.load(name)
    else:
        yield "adult" if (ADULT / "adult_train.csv.gz").exists() else "demo", default_tables()


def measure(
    name: str, settings: dict[str, Any], seed: int, parts: Tables, n_rows: int | None = None,
    n_sample: int | None = None,
) -> dict[str, float]:  # fmt: skip
    """Fit and sample in a process of its own, then score here.

    `n_rows`: learn from a random choice of so many train rows, another one for every seed; `n_sample`: rows to draw
    (None: as many as were learnt from).
    """
    train, holdout, schema = parts
    if n_rows is not None:
        train = train.sample(n_rows, random_state=np.random.default_rng(seed)).reset_index(drop=True)
    name = auto.resolve(name, train, schema, settings).name
    with tempfile.TemporaryDirectory() as folder:
        cost = measure_cost(Path(folder), train, schema, name, settings, seed, n_rows=n_sample)
        synthetic = conform(read_table(Path(folder) / SYNTHETIC), schema, require_all=False)
    figures = {
        "fit s": cost.fit_seconds, "fit CPU s": cost.fit_cpu_seconds, "rows/s": cost.rows_per_second,
        "MB": cost.peak_mb, "idle": cost.idle_mb,
    }  # fmt: skip
    return figures | {HEADER[k]: v for k, v in asdict(score(train, holdout, synthetic, schema, seed)).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generators", nargs="+", default=[auto.NAME, *REGISTRY])
    parser.add_argument("--seeds", type=int, default=1)
    known = ", ".join([*tables.TABLES, "all"])
    parser.add_argument("--table", nargs="+", help=f"tables of benchmarks/tables.py: {known}")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--holdout", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--rows", type=int, help="learn from so many of the train rows only")
    parser.add_argument("--sample", type=int, help="rows to draw; as many as were learnt from")
    parser.add_argument("--set", action="append", default=[], help="GENERATOR.KEY=VALUE")
    parser.add_argument("--json", type=Path, help="also write every run's figures here")
    options = parser.parse_args()
    try:
        report(options)
    except UnderstudyError as e:
        sys.exit(str(e))


def report(options: argparse.Namespace) -> None:
    """Print a line per table and generator as soon as it is measured."""
    print("| table | generator | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    sizes, spread, runs = [], [], []
    for table, parts in chosen_tables(options):
        train, holdout, schema = parts
        learnt = min(options.rows or len(train), len(train))
        sizes.append(f"{table}: {learnt:,} train rows, {len(holdout):,} holdout rows, {train.shape[1]} columns, "
                     + (f"gap in {metric_of(schema)}" if schema.target else "no target"))  # fmt: skip
        measured: dict[tuple[str, str], pd.DataFrame] = {}
        for name in options.generators:
            prefix = f"{name}."
            settings = parse_settings([s.removeprefix(prefix) for s in options.set if s.startswith(prefix)])
            choice = auto.resolve(name, train.head(learnt), schema, settings)
            key = (choice.name, json.dumps(settings, sort_keys=True))
            if key not in measured:  # else `auto` chose one that was measured already, or the other way round
                measured[key] = pd.DataFrame(
                    [measure(name, settings, seed, parts, learnt, options.sample) for seed in range(options.seeds)]
                )
            found = measured[key]
            runs.append(
                {"table": table, "generator": name, "chosen": choice.name, "rows": learnt, "settings": settings,
                 "runs": found.to_dict("records")}
            )  # fmt: skip
            label = f"{name} ({choice.name})" if choice.reason else name
            means = [format(found[c].mean(), FORMATS.get(c, ".4f")) for c in COLUMNS]
            print(f"| {table} | {label} | " + " | ".join(means) + " |", flush=True)
            errors = found[COLUMNS].std(ddof=1) / np.sqrt(len(found))
            spread.append(f"{table}, {name}: " + ", ".join(f"{c} {errors[c]:.4f}" for c in ["fit s", *HEADER.values()]))
            if options.json:
                options.json.write_text(json.dumps(runs, indent=1))
    print(f"\n{options.seeds} seeds. " + ". ".join(sizes) + ".")
    if options.seeds > 1:
        print("\nStandard errors over the seeds. " + ". ".join(spread) + ".")


def metric_of(schema: TableSchema) -> str:
    """What the target's gap is measured in."""
    assert schema.target is not None
    return "R2" if schema.column(schema.target).kind in ("numerical", "datetime") else "AUC"


if __name__ == "__main__":
    main()
