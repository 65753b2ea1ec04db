"""Every kind of bad input: exit code 2, one line that names the thing and the remedy, nothing half-written."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people, people
from understudy import cli
from understudy.generators import create

Prepare = Callable[[Path], list[str]]
ROWS = "age,sex,pay\n" + "".join(f"{20 + i % 40},{'fm'[i % 2]},{1000 + 7 * i}\n" for i in range(80))


def fit(content: bytes | str, *options: str, name: str = "t.csv") -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        (tmp / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["fit", str(tmp / name), "-o", str(tmp / "model"), *options]

    return prepare


def fit_frame(frame: Callable[[], pd.DataFrame], *options: str, name: str = "t.parquet") -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        frame().to_parquet(tmp / name)
        return ["fit", str(tmp / name), "-o", str(tmp / "model"), *options]

    return prepare


def with_column(**columns: object) -> Callable[[], pd.DataFrame]:
    return lambda: people(100).assign(**columns)


def with_schema(text: str) -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        (tmp / "schema.json").write_text(text)
        return [*fit(ROWS)(tmp), "--schema", str(tmp / "schema.json")]

    return prepare


def sample(*options: str, damage: Callable[[Path], object] = lambda m: None, out: str = "s.csv") -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        table, schema = conformed_people(200)
        create("independent").fit(table, schema=schema, rng=np.random.default_rng(0)).save(tmp / "model")
        damage(tmp / "model")
        rows = [] if "-n" in options else ["-n", "10"]
        return ["sample", str(tmp / "model"), "-o", str(tmp / out), *rows, *options]

    return prepare


def edit(**fields: object) -> Callable[[Path], object]:
    def damage(model: Path) -> None:
        manifest = json.loads((model / "generator.json").read_text())
        (model / "generator.json").write_text(json.dumps({**manifest, **fields}))

    return damage


def run(params: str, *options: str) -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        (tmp / "params.yaml").write_text(params)
        return ["run", "--params", str(tmp / "params.yaml"), "-o", str(tmp / "out"), *options]

    return prepare


def three_tables(command: str, synthetic: pd.DataFrame) -> Prepare:
    def prepare(tmp: Path) -> list[str]:
        for name in ("train", "holdout", "reference"):
            people(200).to_parquet(tmp / f"{name}.parquet")
        synthetic.to_parquet(tmp / "synthetic.parquet")
        real = {"evaluate": ("--train", "--holdout"), "audit": ("--members", "--nonmembers", "--reference")}[
            command
        ]
        files = [
            x
            for option, name in zip(real, ("train", "holdout", "reference"), strict=False)
            for x in (option, str(tmp / f"{name}.parquet"))
        ]
        return [command, *files, "--synthetic", str(tmp / "synthetic.parquet"), "-o", str(tmp / "report")]

    return prepare


WIDE = ",".join(f"c{i}" for i in range(5000)) + "\n" + ",".join("1" * 5000) + "\n"

CASES: dict[str, tuple[Prepare, str]] = {
    # the file
    "empty file": (fit(""), "t.csv: the file is empty"),
    "header only": (fit("age,sex\n"), "no rows"),
    "blank lines only": (fit("\n\n\n"), "empty"),
    "too many fields": (fit(ROWS + "1,f,2,3\n"), "line 82 has 4 fields where the header has 3"),
    "too few fields": (fit(ROWS + "1,f\n"), "line 82 has 2 fields where the header has 3"),
    "wrong delimiter": (fit(ROWS.replace(",", ":")), "looks delimited by ':'"),
    "utf-16 with BOM": (fit(ROWS.encode("utf-16")), "pass --encoding utf-16"),
    "latin-1": (fit((ROWS + "33,é,12\n").encode("latin-1")), "not valid UTF-8; pass --encoding latin-1"),
    "unknown encoding": (fit(ROWS, "--encoding", "klingon"), "encoding 'klingon' is not known"),
    "NUL bytes": (fit(ROWS.encode() + b"\x00\x00"), "NUL bytes"),
    "duplicate column names": (fit("a,b,a\n1,2,3\n"), "duplicate column name 'a'"),
    "a column without a name": (fit("a,,b\n1,2,3\n"), "column 2 has no name"),
    "non-UTF-8 names": (fit(b"age,g\xe9nero\n1,2\n"), "not valid UTF-8"),
    "unreadable names": (fit("age,a\x07b\n1,2\n"), "unreadable characters"),
    "5,000 columns": (fit(WIDE), "5,000 columns, the most is 4,096"),
    "no such file": (lambda tmp: ["fit", str(tmp / "none.csv"), "-o", str(tmp / "m")], "none.csv: no such file"),
    "a directory": (lambda tmp: ["fit", str(tmp), "-o", str(tmp / "m")], "is a directory"),
    "an unreadable path": (lambda tmp: ["fit", str(tmp / ("x" * 300 + ".csv")), "-o", str(tmp / "m")], "can't be read (File name too long)"),
    "unknown suffix": (fit(ROWS, name="t.xlsx"), "'.xlsx' is not a table format"),
    "gzip that is none": (fit(ROWS, name="t.csv.gz"), "check the file and its compression suffix"),
    "truncated gzip": (fit(gzip.compress(ROWS.encode() * 50)[:-300], name="t.csv.gz"), "t.csv.gz: "),
    "parquet that is none": (fit(ROWS, name="t.parquet"), "not a readable parquet file"),
    "arrow that is none": (fit(ROWS, name="t.arrow"), "not a readable arrow file"),
    "malformed JSON lines": (fit('{"a": 1}\n{"a": \n', name="t.jsonl"), "not a readable jsonl file"),
    "nested values": (fit('{"a": {"b": 1}}\n' * 60, name="t.jsonl"), "column 'a' is nested"),
    "SQL without a table": (lambda tmp: ["fit", f"sqlite:///{tmp}/x.db", "-o", str(tmp / "m")], "names no table"),
    # the table
    "mixed types": (fit(ROWS + "old,f,1\n"), "column 'age' mixes numbers with other values such as 'old'"),
    "all-null column": (fit_frame(with_column(x=None)), "column 'x' has no values at all; leave it out with --drop"),
    "constant column": (fit_frame(with_column(x=1)), "column 'x' has a single value throughout; leave it out with --drop"),
    "infinite values": (fit_frame(with_column(x=[np.inf, 1.5] * 50)), "column 'x' has infinite values"),
    "dates out of range": (
        fit("born,x\n" + "".join(f"{2262 + i}-01-01,{i % 9}\n" for i in range(80))),
        "column 'born' has dates out of range",
    ),
    "3 rows": (fit("a,b\n1,x\n2,y\n3,x\n"), "the table has 3 rows; at least 50"),
    "identifiers only": (fit_frame(lambda: pd.DataFrame({"id": range(100)})), "no column is left to model"),
    "a balance of an unknown column": (fit(ROWS, "--balance", "sec"), "'sec' is not a column of the table; did you mean 'sex'"),
    "a balance of numbers": (fit(ROWS, "--balance", "pay"), "balance: column 'pay' is numerical"),
    "a balance of an unknown value": (fit(ROWS, "--balance", "sex=x:.5,f:.5"), "sex='x' is not a value the generator can draw"),
    "shares that don't sum to 1": (fit(ROWS, "--balance", "sex=m:.5,f:.6"), "the shares of 'sex' sum to 1.1, not to 1"),
    "a balance in the params": (run("sample: {balance: {column: sex, shares: {m: 2}}}"), "the share of sex=m is 2; give one from 0 to 1"),
    "unknown target": (fit(ROWS, "--target", "pya"), "target 'pya' is not a column of the table; did you mean 'pay'"),
    "target with one class": (fit_frame(with_column(x="yes"), "--target", "x"), "target 'x' has a single value"),
    "target that is an identifier": (fit_frame(with_column(x=[f"a{i}@b.org" for i in range(100)]), "--unit", "x", "--target", "x"), "not modelled"),
    "unknown unit": (fit(ROWS, "--unit", "who"), "unit 'who' is not a column"),
    "unknown dropped column": (fit(ROWS, "--drop", "who"), "'who' is not a column"),
    # the schema file
    "schema file missing": (lambda tmp: [*fit(ROWS)(tmp), "--schema", str(tmp / "s.json")], "s.json: can't be read"),
    "schema file malformed": (with_schema("{"), "Invalid JSON"),
    "schema of another table": (with_schema('{"columns": [{"name": "aeg", "kind": "numerical"}]}'), "did you mean 'age'"),
    "schema that does not fit": (with_schema('{"columns": [{"name": "sex", "kind": "numerical"}]}'), "'sex' doesn't hold numerical"),
    "schema bounds": (with_schema('{"columns": [{"name": "age", "kind": "numerical", "decimals": 0, "minimum": 0, "maximum": 30}]}'), "outside the schema's maximum"),
    # the generator
    "unknown generator": (fit(ROWS, "--generator", "magic"), "generator 'magic' is not known; choose one of: auto, forest"),
    "unknown setting": (fit(ROWS, "--set", "depth=3"), "generator forest: depth"),
    "setting out of range": (fit(ROWS, "--set", "n_trees=0"), "generator forest: n_trees"),
    "setting without value": (fit(ROWS, "--set", "n_trees"), "write key=value"),
    "negative seed": (fit(ROWS, "--seed", "-1"), "--seed"),
    "output below a file": (lambda tmp: [*fit(ROWS)(tmp)[:3], str(tmp / "t.csv" / "model")], "a part of the path is a file"),
    # sampling
    "missing model": (lambda tmp: ["sample", str(tmp / "none"), "-n", "1", "-o", str(tmp / "s.csv")], "no generator here"),
    "tampered weights": (sample(damage=lambda m: (m / "weights.safetensors").write_bytes(b"\0" * 99)), "doesn't match its checksum"),
    "truncated manifest": (sample(damage=lambda m: (m / "generator.json").write_text('{"form')), "damaged"),
    "foreign format number": (sample(damage=edit(format=99)), "artifact format 99 is not one this version reads"),
    "foreign generator": (sample(damage=edit(name="gan")), "holds a 'gan' generator"),
    "unregistered model": (lambda tmp: ["sample", "models:/nobody@champion", "-n", "1", "-o", str(tmp / "s.csv")], "no registry at"),
    "negative rows": (sample("-n", "-5"), "n_rows is -5"),
    "too many rows": (sample("-n", "100000000000"), "n_rows is 100000000000"),
    "rows that are no number": (sample("-n", "many"), "'-n'"),
    "unknown output suffix": (sample(out="s.xls"), "'.xls' is not a table format"),
    "condition on an unknown column": (sample("--where", "agee=3"), "'agee' is not a column of the table; did you mean 'age'"),
    "condition on an unknown category": (sample("--where", "region=mars"), "region='mars' is not a value the generator knows"),
    "condition out of range": (sample("--where", "age>=400"), "outside what the generator can emit"),
    "condition that is none": (sample("--where", "age"), "is no condition"),
    # pipeline, evaluation, audit
    "unknown key in params": (run("generator: {nmae: forest}"), "generator.nmae"),
    "params that are no YAML": (run("data: ["), "not valid YAML"),
    "no table": (run("{}"), "no table to work on"),
    "missing params file": (lambda tmp: ["run", "--params", str(tmp / "p.yaml")], "p.yaml: can't be read"),
    "evaluate without a column": (three_tables("evaluate", people(200).drop(columns="age")), "age"),
    "audit of an empty table": (three_tables("audit", people(200).iloc[:0]), "no rows"),
    "unknown option": (lambda tmp: ["fit", "--fast"], "--fast"),
}  # fmt: skip


def call(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["understudy", *arguments])
    with pytest.raises(SystemExit) as e:
        cli.main()
    return int(e.value.code or 0)


@pytest.mark.parametrize("case", list(CASES))
def test_bad_input(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare, says = CASES[case]
    arguments = prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code = call(arguments, monkeypatch)
    printed = capsys.readouterr()
    assert code == 2, printed
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("understudy: "), printed.err
    assert says in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file-size limit of 64 kB stands in for a full disk: the kernel refuses the write."""
    people(3000).to_parquet(tmp_path / "t.parquet")
    done = subprocess.run(
        [sys.executable, "-m", "understudy.cli", "fit", str(tmp_path / "t.parquet"), "-o", str(tmp_path / "model")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "model: can't be written" in done.stderr and len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize(
    "content", ["\ufeff" + ROWS, ROWS.replace("\n", "\r\n"), ROWS.replace(",", ";"), ROWS.replace(",", " , ")]
)
def test_dialects_that_are_no_errors(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = fit(content, "--generator", "independent", "--json")(tmp_path)
    assert call(arguments, monkeypatch) == 0
    assert (tmp_path / "model" / "generator.json").exists()
