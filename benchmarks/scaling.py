"""How the cost of fitting and sampling grows with the table: `python -m benchmarks.scaling`.

    python -m benchmarks.scaling --generators forest autoregressive --json scaling.json --plot scaling.png
    python -m benchmarks.scaling --rows 10000 100000 1000000 --columns 10 30 100 300

Fits simulated tables of mixed kinds: over `--rows` with `--at-columns` columns, and over `--columns` with `--at-rows`
rows, each fit in a process of its own (benchmarks/cost.py). Prints a Markdown table, and the exponent b of
CPU time ~ rows^b (slope of log seconds on log rows, least squares; and between the two longest tables alone, where
fixed costs matter least). 1 is linear. `--quality` adds what more rows are good for: C2ST and the TSTR gap of samples
against 20,000 fresh rows, always the same ones and as many of each, so that figures of different lengths compare.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import plots
from benchmarks.cost import SYNTHETIC, Cost, measure_cost
from benchmarks.yardstick import lightgbm
from understudy.canonical import conform
from understudy.conditions import parse_settings
from understudy.evaluation.aligned import align
from understudy.evaluation.detection import measure_detection
from understudy.evaluation.utility import measure_utility
from understudy.inference import infer_schema
from understudy.schema import TableSchema
from understudy.tables import read_table

N_FACTORS = 6
FRESH_ROWS = 20_000


@dataclass(frozen=True)
class Point:
    """One fit: which generator, on a table of what size, at what cost; C2ST and gap are NaN if not measured."""

    generator: str
    rows: int
    columns: int
    cost: Cost
    c2st: float = float("nan")
    gap: float = float("nan")


def mixed(n_rows: int, n_columns: int, seed: int = 0) -> tuple[pd.DataFrame, TableSchema]:
    """A conformed table of `n_columns` columns that share six latent factors, the first a binary target.

    Which factors a column follows depends on the number of columns only, so that `seed` draws rows of one population.
    In turn: normal with three decimals, whole numbers, eight categories, zero-inflated amounts, booleans, dates, 1,000
    categories of Zipf's frequencies.
    """
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_rows, N_FACTORS)).astype(np.float32)
    columns: dict[str, Any] = {"target": np.where(factors[:, 0] + rng.normal(size=n_rows) > 0.5, "yes", "no")}
    design = np.random.default_rng(n_columns)
    for j in range(1, n_columns):
        x = factors @ (design.normal(size=N_FACTORS) * (design.random(N_FACTORS) < 0.4)).astype(np.float32)
        columns[f"c{j}"] = _column(j % 7, x + rng.normal(0, 0.7, n_rows).astype(np.float32), rng)
    table = pd.DataFrame(columns)
    schema = infer_schema(table, target="target")
    return conform(table, schema), schema


def _column(kind: int, x: np.ndarray, rng: np.random.Generator) -> Any:
    n = len(x)
    if kind == 0:
        return np.round(x.astype(float), 3)
    if kind == 1:
        return np.round(20 * x).astype(int)
    if kind == 2:
        return pd.Categorical.from_codes(np.clip(x + 4, 0, 7).astype(int), categories=[f"level {k}" for k in range(8)])
    if kind == 3:
        return np.where(rng.random(n) < 0.4, 0.0, np.round(np.exp(4 + x.astype(float)), 2))
    if kind == 4:
        return x > 0.3
    if kind == 5:
        return pd.Timestamp("2020-01-01") + pd.to_timedelta(np.round(200 + 60 * x).astype(int), unit="D")
    # Ranks by a latent order: which of the many categories a row has depends on its factors.
    codes = np.minimum(np.exp(2.5 + 1.2 * x), 999).astype(int)
    return pd.Categorical.from_codes(codes, categories=[f"item {k:03d}" for k in range(1000)])


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log seconds on log size, by least squares.

    >>> round(exponent([10, 100, 1000], [1, 10, 100]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(generator: str, settings: dict[str, Any], rows: int, columns: int, n_sample: int, quality: bool) -> Point:
    """One fit of a fresh table; the sampled rows stream to a Parquet file."""
    table, schema = mixed(rows, columns)
    with tempfile.TemporaryDirectory() as folder:
        cost = measure_cost(Path(folder), table, schema, generator, settings, 0, n_rows=n_sample, timed_rows=n_sample)
        if not quality:
            return Point(generator, rows, columns, cost)
        synthetic = conform(read_table(Path(folder) / SYNTHETIC).head(FRESH_ROWS), schema, require_all=False)
    fresh = conform(mixed(FRESH_ROWS, columns, seed=1)[0], schema)
    c2st, gap = compare(table.head(FRESH_ROWS), fresh, synthetic, schema)
    return Point(generator, rows, columns, cost, c2st, gap)


def compare(
    train: pd.DataFrame, fresh: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema
) -> tuple[float, float]:
    """C2ST and TSTR gap, by LightGBM."""
    data = align({"train": train, "holdout": fresh, "synthetic": synthetic}, schema)
    told = measure_detection(data, np.random.default_rng(0), lightgbm)
    useful = measure_utility(data, str(schema.target), np.random.default_rng(1), lightgbm)
    return told.auc if told else float("nan"), useful.gap if useful else float("nan")


def line(p: Point) -> str:
    """The point as a line of the Markdown table."""
    c = p.cost
    cells = [p.generator, f"{p.rows:,}", p.columns, f"{c.fit_seconds:.2f}", f"{c.fit_cpu_seconds:.2f}",
             f"{c.fit_mb:.0f}",
             f"{c.rows_per_second:,.0f}", f"{c.peak_mb:.0f}"]  # fmt: skip
    if not np.isnan(p.c2st):
        cells += [f"{p.c2st:.4f}", f"{p.gap:.4f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def growth(points: Sequence[Point], of: str) -> str:
    """One line: the exponents of the fit's time over `of`, which is rows or columns."""
    sizes, seconds = [getattr(p, of) for p in points], [p.cost.fit_cpu_seconds for p in points]
    text = f"{points[0].generator}: CPU time of the fit grows as {of}^{exponent(sizes, seconds):.2f}"
    if len(points) > 2:
        text += f", between the two largest as {of}^{exponent(sizes[-2:], seconds[-2:]):.2f}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generators", nargs="+", default=["forest", "autoregressive"])
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--at-columns", type=int, default=30)
    parser.add_argument("--columns", type=int, nargs="*", default=[10, 30, 100, 300])
    parser.add_argument("--at-rows", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=300_000, help="rows to sample of each")
    parser.add_argument("--quality", action="store_true", help="also measure C2ST and the TSTR gap")
    parser.add_argument("--set", action="append", default=[], help="GENERATOR.KEY=VALUE")
    parser.add_argument("--json", type=Path, help="also write every figure here")
    parser.add_argument("--plot", type=Path, help="write a picture here (.png or .svg)")
    options = parser.parse_args()
    more = " C2ST | gap |" if options.quality else ""
    print(f"| generator | rows | columns | fit s | fit CPU s | fit MB | sampled rows/s | peak MB |{more}")
    print("|---" * (10 if options.quality else 8) + "|")
    series: dict[str, list[list[Point]]] = {}
    for name in options.generators:
        prefix = f"{name}."
        settings = parse_settings([s.removeprefix(prefix) for s in options.set if s.startswith(prefix)])
        series[name] = []
        for sizes in ([(r, options.at_columns) for r in options.rows], [(options.at_rows, c) for c in options.columns]):
            points = []
            for rows, columns in sizes:
                p = measure(name, settings, rows, columns, options.sample, options.quality)
                points.append(p)
                print(line(p), flush=True)
            series[name].append(points)
    print()
    for by_rows, by_columns in series.values():
        for points, of in ((by_rows, "rows"), (by_columns, "columns")):
            if len(points) > 1:
                print(growth(points, of))
    flat = [
        {"over": over} | asdict(p)
        for both in series.values()
        for over, points in zip(("rows", "columns"), both, strict=True)
        for p in points
    ]
    if options.json:
        options.json.write_text(json.dumps({"python": sys.version.split()[0], "points": flat}, indent=1))
    if options.plot:
        import matplotlib

        matplotlib.use("Agg")
        plots.scaling(flat, options.plot)


if __name__ == "__main__":
    main()
