"""What fitting and sampling cost: seconds, and the peak memory of a process that does nothing else.

`measure_cost` writes a table to a folder and runs this module as a child, which fits, samples and prints its figures.
The interpreter and the libraries ('idle') are in the peak.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from understudy.canonical import conform
from understudy.schema import TableSchema
from understudy.tables import read_table, write_batches, write_table

ROOT = Path(__file__).parents[1]
TRAIN, SCHEMA, SYNTHETIC = "train.parquet", "schema.json", "synthetic.parquet"


@dataclass(frozen=True)
class Cost:
    """One fit and its samples.

    Attributes:
        fit_seconds: of `fit`, kernels compiled before, the table in memory.
        fit_cpu_seconds: what all threads together spent on it, which other work on the machine hardly changes.
        rows_per_second: drawn in memory, without writing.
        fit_mb, peak_mb: peak resident memory up to the end of the fit, and of writing `n_rows` samples too, in MiB.
        idle_mb: the peak before the fit: interpreter, libraries, table, compiled kernels.
    """

    fit_seconds: float
    fit_cpu_seconds: float
    rows_per_second: float
    fit_mb: float
    peak_mb: float
    idle_mb: float


def measure_cost(
    folder: Path, table: pd.DataFrame, schema: TableSchema, generator: str, settings: Mapping[str, Any], seed: int,
    n_rows: int | None = None, timed_rows: int = 400_000,
) -> Cost:  # fmt: skip
    """Fit on `table` in a process of its own and leave `n_rows` (None: as many as it has) in `folder`/SYNTHETIC.

    The rows a second are measured over `timed_rows` more. Raises RuntimeError with the child's last line if it fails.
    """
    write_table(table, folder / TRAIN)
    (folder / SCHEMA).write_text(schema.to_json())
    return run_child(folder, generator, settings, seed, len(table) if n_rows is None else n_rows, timed_rows)


def run_child(
    folder: Path, generator: str, settings: Mapping[str, Any], seed: int, n_rows: int, timed_rows: int
) -> Cost:
    """The same for a table that lies in `folder` already."""
    job = {"folder": str(folder), "generator": generator, "settings": dict(settings), "seed": seed, "n_rows": n_rows,
           "timed_rows": timed_rows}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cost", json.dumps(job)], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["killed, perhaps for its memory"])[-1]
        raise RuntimeError(f"{generator} failed with exit code {done.returncode}: {last}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def fit_and_sample(
    folder: str, generator: str, settings: dict[str, Any], seed: int, n_rows: int, timed_rows: int
) -> Cost:
    """The child's work. Compiled kernels are made, or read from their cache, on a few rows first: that is paid once
    a machine, not once a fit."""
    from understudy.generators import create
    from understudy.generators.output import sample_batches

    schema = TableSchema.read(Path(folder) / SCHEMA)
    table = conform(read_table(Path(folder) / TRAIN), schema)
    few = table.iloc[:200].reset_index(drop=True)
    warm = create(generator, **settings).fit(few, schema=schema, rng=np.random.default_rng(0))
    warm.sample(10, rng=np.random.default_rng(0))
    idle = peak_mb()
    started, cpu_before = time.perf_counter(), time.process_time()
    made = create(generator, **settings).fit(table, schema=schema, rng=np.random.default_rng(seed))
    fitted, cpu_after = time.perf_counter(), time.process_time()
    fit_mb = peak_mb()
    del table

    def batches(n: int, own_seed: int) -> Iterator[pd.DataFrame]:
        return sample_batches(made, n, rng=np.random.default_rng(own_seed))

    write_batches(batches(n_rows, seed + 1000), Path(folder) / SYNTHETIC)
    peak = peak_mb()
    sampling = time.perf_counter()
    for _ in batches(timed_rows, seed):
        pass
    rate = timed_rows / (time.perf_counter() - sampling)
    return Cost(fitted - started, cpu_after - cpu_before, rate, fit_mb, peak, idle)


def peak_mb() -> float:
    """The peak resident memory of this process so far, in MiB.

    Linux's ru_maxrss starts at what the parent held when it forked (exec keeps it): VmHWM, where there is one, doesn't.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


if __name__ == "__main__":
    from dataclasses import asdict

    print(json.dumps(asdict(fit_and_sample(**json.loads(sys.argv[1])))))
