"""Tables larger than memory, and samples longer than it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.people import conformed_people, people
from understudy import big_tables, stages
from understudy.big_tables import read_sample
from understudy.config import Data, Params
from understudy.errors import ConfigError, SchemaError, TableError
from understudy.generators import create
from understudy.inference import infer_schema
from understudy.tables import count_rows, read_table, write_table


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file counts as small, and chunks are short, so that short files take the way of long ones."""
    monkeypatch.setattr(big_tables, "_SMALL_BYTES", {False: 0, True: 0})
    monkeypatch.setattr(big_tables, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(big_tables, "_JSON_BLOCK", 1 << 14)


def test_a_row_sample_is_uniform_and_in_order(tmp_path: Path) -> None:
    """20 equal stretches of the file each give a hypergeometric count; a bound of 5 standard deviations on all of
    them errs with probability 2e-5."""
    n, size, parts = 400_000, 20_000, 20
    pd.DataFrame({"at": np.arange(n), "x": rng().normal(size=n)}).to_parquet(tmp_path / "t.parquet", row_group_size=30_000)
    drawn = read_sample(tmp_path / "t.parquet", max_rows=size, rng=rng(1))
    at = drawn.table["at"].to_numpy()
    assert (drawn.n_source, len(at), drawn.is_sample) == (n, size, True)
    assert (np.diff(at) > 0).all()
    counts = np.bincount(at * parts // n, minlength=parts)
    assert np.abs(counts - size / parts).max() < 5 * np.sqrt(size / parts * (1 - 1 / parts))


def test_the_seed_decides_which_rows(tmp_path: Path) -> None:
    pd.DataFrame({"at": np.arange(50_000)}).to_parquet(tmp_path / "t.parquet")
    one, again, other = (read_sample(tmp_path / "t.parquet", max_rows=2_000, rng=rng(s)).table for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert len(np.intersect1d(one["at"], other["at"])) < 200  # 80 expected


@pytest.mark.parametrize("key", [lambda u: u, lambda u: f"P{u:05d}", lambda u: u + 0.5])
def test_units_are_drawn_with_all_their_rows_and_without_regard_to_size(tmp_path: Path, key, streamed: None) -> None:
    """Half of 8,000 units have 1 row, half have 9: among the units drawn the share of large ones is a half, within 4
    standard errors (error probability 6e-5). Drawing rows would give 90 %."""
    units = np.repeat(np.arange(8_000), np.where(np.arange(8_000) % 2, 9, 1))
    units = rng().permutation(units)
    table = pd.DataFrame({"unit": [key(u) for u in units.tolist()], "x": np.arange(len(units))})
    table.to_parquet(tmp_path / "t.parquet", row_group_size=5_000)
    drawn = read_sample(tmp_path / "t.parquet", max_rows=10_000, unit="unit", rng=rng(3)).table
    assert 9_900 < len(drawn) <= 10_000
    have = drawn["unit"].value_counts()
    assert have.equals(table["unit"].value_counts()[have.index].rename_axis("unit"))  # every row of each
    share = float((have == 9).mean())
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / len(have))


def test_rows_without_a_unit_are_units_of_their_own(tmp_path: Path, streamed: None) -> None:
    table = pd.DataFrame({"unit": pd.array([None, 7] * 6_000, dtype="Int64"), "x": np.arange(12_000)})
    table.loc[table.index % 4 == 1, "unit"] = np.arange(3_000) + 100
    table.to_parquet(tmp_path / "t.parquet")
    drawn = read_sample(tmp_path / "t.parquet", max_rows=5_000, unit="unit", rng=rng()).table
    assert 1_000 < drawn["unit"].isna().sum() < 4_000
    assert len(drawn[drawn["unit"] == 7]) in (0, 3_000)


def test_a_unit_larger_than_the_bound_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"unit": 1, "x": np.arange(5_000)}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="more than 1,000 rows, all that data.max_rows admits; raise it"):
        read_sample(tmp_path / "t.parquet", max_rows=1_000, unit="unit", rng=rng())
    with pytest.raises(SchemaError, match="unit"):
        read_sample(tmp_path / "t.parquet", max_rows=1_000, unit="person", rng=rng())


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.jsonl", "t.jsonl.gz", "t.arrow"])
@pytest.mark.parametrize("max_rows", [1_500, 10_000])
def test_every_format_streams_to_what_reading_it_whole_gives(
    tmp_path: Path, name: str, max_rows: int, streamed: None
) -> None:
    table = people(4_000).assign(at=np.arange(4_000))
    write_table(table, tmp_path / name)
    whole = read_table(tmp_path / name)
    drawn = read_sample(tmp_path / name, max_rows=max_rows, rng=rng())
    assert (drawn.n_source, len(drawn.table)) == (4_000, min(max_rows, 4_000))
    expected = whole.iloc[drawn.table["at"].to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(drawn.table, expected, check_categorical=False)
    assert infer_schema(drawn.table, n_source=4_000) == infer_schema(whole)


def test_a_database_table_streams(tmp_path: Path, streamed: None) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}#people"
    with sqlite3.connect(tmp_path / "t.db") as connection:
        people(3_000).assign(at=np.arange(3_000)).to_sql("people", connection, index=False)
    drawn = read_sample(url, max_rows=1_000, rng=rng())
    assert (drawn.n_source, len(drawn.table)) == (3_000, 1_000)
    assert drawn.table["at"].is_monotonic_increasing


def test_words_after_the_first_block_of_numbers(tmp_path: Path, streamed: None) -> None:
    lines = [f"{i},{i % 7}" for i in range(900_000)] + ["900000,n/k", "900001,3"]
    (tmp_path / "t.csv").write_text("at,x\n" + "\n".join(lines) + "\n")
    drawn = read_sample(tmp_path / "t.csv", max_rows=900_001, rng=rng())
    assert drawn.n_source == 900_002 and drawn.table["at"].dtype.kind == "i"
    assert set(drawn.table["x"]) == {*"0123456", "n/k"}


def test_a_ragged_row_far_down_is_named(tmp_path: Path, streamed: None) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 2_000_000 + "1,2,3\n")
    with pytest.raises(TableError, match="line 2000002 has 3 fields where the header has 2"):
        read_sample(tmp_path / "t.csv", max_rows=1_000, rng=rng())


def test_row_numbers_are_recognised_in_a_sample() -> None:
    n = 100_000
    table = pd.DataFrame({"at": np.arange(n) + 5, "cents": rng().integers(0, n, n), "x": rng().normal(size=n)})
    some = table.iloc[np.sort(rng(1).choice(n, 5_000, replace=False))].reset_index(drop=True)
    kinds = {c.name: c.kind for c in infer_schema(some, n_source=n).columns}
    assert kinds == {"at": "id", "cents": "numerical", "x": "numerical"}


def test_rows_are_counted_without_reading_them(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.csv"):
        write_table(people(321), tmp_path / name)
        assert count_rows(tmp_path / name) == 321


def test_stages_say_what_they_drew(tmp_path: Path) -> None:
    people(6_000).to_parquet(tmp_path / "t.parquet")
    data = Data(path=str(tmp_path / "t.parquet"), target="plan", max_rows=4_000, split_seed=1)
    said: list[str] = []
    made = stages.preprocess(
        data=data.path or "", out_dir=tmp_path / "p", params=Params(data=data), progress=lambda share, what: said.append(what)
    )
    assert (made.metrics["rows_source"], made.metrics["rows"]) == (6_000, 4_000)
    profile = json.loads((tmp_path / "p" / "profile.json").read_text())
    assert (profile["rows_source"], profile["rows"]) == (6_000, 4_000)
    assert any("6,000 rows" in w for w in profile["warnings"])
    assert any("6,000 rows: 4,000 were drawn at random" in s for s in said)
    fitted = stages.fit(data=data, model_dir=tmp_path / "m", generator="independent")
    assert (fitted.metrics["rows_source"], fitted.metrics["rows_train"]) == (6_000, 4_000)
    with pytest.raises(ConfigError, match="max_rows"):
        Params.of({"data": {"max_rows": 10}})


def peak_mb(code: str, *arguments: object) -> tuple[float, float]:
    """(MiB, seconds) that `code` needs in a process of its own, over what importing the library needs."""
    tail = "\nprint(next(x for x in open('/proc/self/status') if x.startswith('VmHWM')).split()[1])"
    import_only = "import pandas, pyarrow.dataset, pyarrow.csv, understudy.stages, understudy.big_tables\n"

    def run(source: str) -> float:
        command = [sys.executable, "-c", source + tail, *map(str, arguments)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]) / 1024

    idle = run(import_only)
    started = time.perf_counter()
    return run(import_only + code) - idle, time.perf_counter() - started


def write_long(path: Path, n_groups: int, rows: int, single: bool) -> None:
    """A Parquet file of 8 columns of random bytes' worth, in many row groups or in one."""
    schema = pa.schema([(f"x{j}", pa.float64()) for j in range(7)] + [("at", pa.int64())])
    with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for g in range(1 if single else n_groups):
            n = rows * (n_groups if single else 1)
            columns = [pa.array(rng(100 * g + j).normal(size=n)) for j in range(7)]
            writer.write_table(pa.table([*columns, pa.array(np.arange(n) + g * rows)], schema=schema), row_group_size=n)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("form", ["parquet", "one group", "csv"])
def test_a_table_larger_than_the_memory_it_may_use(tmp_path: Path, form: str) -> None:
    """10,000,000 rows of 64 bytes, 610 MiB in memory; the sample of 100,000 rows is 6 MiB."""
    path = tmp_path / "t.parquet"
    write_long(path, 100, 100_000, single=form == "one group")
    if form == "csv":
        from pyarrow import csv as pa_csv

        with parquet.ParquetFile(path) as file, pa_csv.CSVWriter(tmp_path / "t.csv", file.schema_arrow) as writer:
            for batch in file.iter_batches(columns=None):
                writer.write_batch(batch)
        path = tmp_path / "t.csv"
    code = """
import sys, numpy as np
from understudy.big_tables import read_sample
drawn = read_sample(sys.argv[1], max_rows=100_000, rng=np.random.default_rng(0))
assert (drawn.n_source, len(drawn.table)) == (10_000_000, 100_000)
"""
    needed, seconds = peak_mb(code, path)
    print(f"{form}: {needed:.0f} MiB, {seconds:.1f} s")
    assert needed < 250


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_samples_stream_in_constant_memory(tmp_path: Path, suffix: str) -> None:
    """Eight times as many rows need no more memory; 5 batches of 262,144 rows fill it."""
    table, schema = conformed_people(2_000)
    create("independent").fit(table, schema=schema, rng=rng()).save(tmp_path / "m")
    code = """
import sys
from understudy import stages
stages.sample(model_dir=sys.argv[1], out=sys.argv[2], n_rows=int(sys.argv[3]))
"""
    few, many = 600_000, 4_800_000 if suffix != "jsonl" else 1_800_000
    needed = {n: peak_mb(code, tmp_path / "m", tmp_path / f"s.{suffix}", n)[0] for n in (few, many)}
    print(suffix, needed)
    assert needed[many] < needed[few] + 100
    if suffix == "parquet":
        assert count_rows(tmp_path / "s.parquet") == many
