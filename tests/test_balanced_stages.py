"""A balance on its way through the stages: what it alters, and that everything made with it says so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.people import people
from tests.registry import evidence
from understudy import cli, stages
from understudy.balance import Balance
from understudy.config import Data
from understudy.errors import ConfigError
from understudy.generators import load
from understudy.labels import read_label
from understudy.schema import TableSchema
from understudy.tables import read_table

EVEN = "balanced: altered to region: north 25%, south 25%, east 25%, west 25%; not the real distribution"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("balanced")
    people(400).to_csv(root / "people.csv", index=False)
    made = stages.fit(
        data=Data(path=str(root / "people.csv"), target="plan"), model_dir=root / "model", generator="independent",
        balance=Balance(column="region"),
    )  # fmt: skip
    assert made.facts["balance"] == EVEN
    return root / "model"


def test_a_sample_follows_the_generators_balance_or_another_and_says_so(model: Path, tmp_path: Path) -> None:
    made = stages.sample(model_dir=model, out=tmp_path / "a.parquet", n_rows=40)
    assert made.facts == {"balance": EVEN} and read_label(tmp_path / "a.parquet") == EVEN
    assert (read_table(tmp_path / "a.parquet")["region"].value_counts() == 10).all()
    made = stages.sample(model_dir=model, out=tmp_path / "b.csv", n_rows=40, balance=Balance.parse("plan=gold:0.9,basic:0.1"))
    assert made.facts["balance"].startswith("balanced: altered to plan: gold 90%")
    assert (read_table(tmp_path / "b.csv")["plan"] == "gold").sum() == 36
    made = stages.sample(model_dir=model, out=tmp_path / "b.csv", n_rows=40, balance=Balance.parse("none"))
    assert made.facts == {} and read_label(tmp_path / "b.csv") == ""
    with pytest.raises(ConfigError, match="--balance or --where"):
        stages.sample(model_dir=model, out=tmp_path / "c.csv", n_rows=4, balance=Balance(column="plan"), where={"plan": "gold"})
    assert not (tmp_path / "c.csv").exists()


def test_the_command_line_prints_it(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["understudy", "sample", str(model), "-n", "8", "-o", str(tmp_path / "a.csv"), "--json"])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code == 0
    assert json.loads(capsys.readouterr().out)["balance"] == EVEN


def test_reports_and_registry_say_so(model: Path, tmp_path: Path) -> None:
    e = evidence(tmp_path)
    stages.sample(model_dir=model, out=tmp_path / "synthetic.parquet", n_rows=200)
    tables = {n: tmp_path / f"{n}.csv" for n in ("train", "holdout", "reference")}
    for seed, path in enumerate(tables.values()):
        people(200, seed).to_csv(path, index=False)
    schema = TableSchema.read(e.tables / "schema.json")
    evaluated = stages.evaluate(
        train=tables["train"], holdout=tables["holdout"], synthetic=tmp_path / "synthetic.parquet", schema=schema,
        out_dir=tmp_path / "evaluated", sensitive=["region"],
    )  # fmt: skip
    assert EVEN in evaluated.paths["report"].read_text()
    details = json.loads((tmp_path / "evaluated/evaluation.json").read_text())
    assert details["altered"] == EVEN
    assert [c["column"] for c in details["fairness"]["columns"]] == ["region"]
    audited = stages.audit(
        members=tables["train"], nonmembers=tables["holdout"], reference=tables["reference"],
        synthetic=tmp_path / "synthetic.parquet", schema=schema, out_dir=tmp_path / "audited",
    )  # fmt: skip
    assert json.loads(audited.paths["audit"].read_text())["altered"] == EVEN
    assert EVEN in (tmp_path / "audited/public.html").read_text()
    assert EVEN in audited.paths["report"].read_text()
    assert e.tags()["balance"] == EVEN and "balance.model" not in e.tags()
    tags = dataclasses.replace(e, model_dir=model).tags()
    assert tags["balance"] == tags["balance.model"] == EVEN


def test_a_train_stage_keeps_it_and_an_update_too(tmp_path: Path) -> None:
    e = evidence(tmp_path)
    stages.train(
        train=e.tables / "train.parquet", schema=e.tables / "schema.json", model_dir=tmp_path / "m",
        generator="independent", balance=Balance(column="region"),
    )  # fmt: skip
    again = load(tmp_path / "m")
    again.save(tmp_path / "copy")
    assert json.loads((tmp_path / "copy/generator.json").read_text())["balance"]["shares"] == dict.fromkeys(
        ("north", "south", "east", "west"), 0.25
    )
