"""How often `understudy monitor` alarms when it should, and when it shouldn't.

    python -m benchmarks.monitoring --windows 50 --out docs/benchmarks-monitoring.md

A generator is fitted on a simulated table of people (tests.people: 11 columns of all kinds, known relations); its
synthetic rows are the reference. Served windows are drawn anew; new data windows are fresh real rows. Clean windows:
the share of alarms, with a Clopper-Pearson 95 % interval. Then the same windows with one thing wrong each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from tests.people import conformed_people
from understudy.generators import create
from understudy.generators.base import Generator
from understudy.monitoring.reference import ROWS
from understudy.monitoring.shift import compare
from understudy.monitoring.verdict import OK, Verdict, judge
from understudy.monitoring.windows import Window
from understudy.schema import TableSchema

FIT_ROWS = 10_000
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def unchanged(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table


def shuffled(name: str) -> Change:
    """One column in another order: its own distribution is what it was."""

    def change(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return table.assign(**{name: table[name].to_numpy()[rng.permutation(len(table))]})

    return change


def moved(name: str, value: object, points: float) -> Change:
    """`points` of all rows get `value` instead of another one."""

    def change(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        others = np.flatnonzero((table[name] != value).to_numpy())
        chosen = rng.choice(others, int(round(points * len(table))), replace=False)
        column = table[name].copy()
        column.iloc[chosen] = value
        return table.assign(**{name: column})

    return change


def scenarios() -> Iterator[tuple[str, Change]]:
    yield "clean", unchanged
    for name in ("score", "plan", "joined"):
        yield f"`{name}` shuffled", shuffled(name)
    for points in (0.1, 0.05, 0.03):
        yield f"{points:.0%} of the rows moved to region north", moved("region", "north", points)
    yield "10% of the rows moved to plan gold", moved("plan", "gold", 0.1)


def checked(
    table: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema, n_rows: int, seed: int, start: dict[str, float]
) -> Verdict:
    rng = np.random.default_rng(seed)
    window = Window.of(table, schema, list(reference.columns), n_rows, rng)
    effects = compare(window.table, reference, schema, rng=rng, units=window.units, baseline=start)
    rows = {"window": len(window.table), "given": window.n_given, "reference": len(reference)}
    return judge("served", effects, window.table, reference, faults=window.faults, rows=rows)


def rate(alarms: int, windows: int) -> str:
    low, high = stats.binomtest(alarms, windows).proportion_ci(method="exact")
    return f"{alarms} of {windows} ({low:.0%} to {high:.0%})"


def swapped(schema: TableSchema) -> Generator:
    """A generator of a table with the same columns and other people: older, from elsewhere, without the relations."""
    other, _ = conformed_people(FIT_ROWS, 77)
    rng = np.random.default_rng(5)
    other["region"] = other["region"].to_numpy()[::-1]
    other["pay"] = other["pay"] * 1.3
    other["age"] = np.clip(other["age"] + 10, 18, 95)
    return create("independent").fit(other, schema=schema, rng=rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--wrong", type=int, default=10, help="windows of each kind of fault")
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 1000])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    train, schema = conformed_people(FIT_ROWS, 1)
    holdout, _ = conformed_people(ROWS, 2)
    generator = create("forest").fit(train, schema=schema, rng=np.random.default_rng(0))
    reference = generator.sample(ROWS, rng=np.random.default_rng(0))
    known = compare(holdout, reference, schema, rng=np.random.default_rng(0))
    baseline = {e.key: e.beyond_chance for e in known}
    other = swapped(schema)
    lines = ["| window | rows | check | alarms (95 % interval) |", "|---|---|---|---|"]

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    started = time.perf_counter()
    for n_rows in options.rows:
        for name, change in scenarios():
            windows = options.windows if change is unchanged else options.wrong
            for check, start in (("served", {}), ("data", baseline)):
                found = 0
                for i in range(windows):
                    rng = np.random.default_rng(1000 + i)
                    drawn = generator.sample(n_rows, rng=rng)
                    if check == "data":
                        drawn = conformed_people(n_rows, 5000 + i)[0]
                    verdict = checked(change(drawn, rng), reference, schema, n_rows, i, start)
                    found += verdict.overall != OK
                say(f"| {name} | {n_rows:,} | {check} | {rate(found, windows)} |")
        wrong = [
            checked(other.sample(n_rows, rng=np.random.default_rng(i)), reference, schema, n_rows, i, {}).overall
            for i in range(options.wrong)
        ]
        say(f"| generator swapped | {n_rows:,} | served | {rate(sum(w != OK for w in wrong), len(wrong))},"
            f" {wrong.count('broken')} of them broken |")  # fmt: skip
    print(f"{time.perf_counter() - started:.0f} s")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
