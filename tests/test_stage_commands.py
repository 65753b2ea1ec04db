"""`understudy stage ...` over params.yaml, and the dvc.yaml that runs it."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml

from tests.pipelines.runs import write_people
from understudy import stage_commands as commands
from understudy.config import SectionName
from understudy.errors import ConfigError, Rejected

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dvc() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return stages


def paths(entries: list[Any]) -> list[str]:
    return [next(iter(e)) if isinstance(e, dict) else e for e in entries]


def test_every_dvc_stage_is_a_command_and_the_other_way_round(dvc: dict[str, Any]) -> None:
    click = typer.main.get_command(commands.app)
    assert set(dvc) == set(click.commands)  # type: ignore[attr-defined]
    assert {s["cmd"] for s in dvc.values()} == {f"understudy stage {name}" for name in dvc}


def test_dvc_names_real_sections_and_files(dvc: dict[str, Any]) -> None:
    made = {o for s in dvc.values() for o in paths(s["outs"] + s.get("metrics", []))}
    for stage in dvc.values():
        assert set(stage.get("params", [])) <= set(get_args(SectionName))
        for dependency in stage["deps"]:
            assert dependency == "${data.path}" or dependency in made or (ROOT / dependency).exists(), dependency


def test_no_split_table_can_be_pushed_and_a_fresh_clone_can_pull(dvc: dict[str, Any]) -> None:
    for stage in dvc.values():
        for out in stage["outs"] + stage.get("metrics", []):
            assert next(iter(out.values())) == {"cache": False}


def test_stages_find_what_the_ones_before_wrote(tmp_path: Path) -> None:
    params, out = tmp_path / "params.yaml", tmp_path / "out"
    write_people(tmp_path / "people.csv")
    params.write_text(
        f"data: {{path: {tmp_path}/people.csv, target: plan, split_seed: 1}}\ngenerator: {{name: independent}}\n"
    )
    commands.preprocess(params, out)
    commands.train(params, out)
    commands.sample(params, out)
    assert sorted(p.name for p in out.iterdir()) == ["model", "preprocess", "synthetic.parquet"]


def test_the_gate_writes_a_verdict_only_for_pass(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    for verdict in ("INCONCLUSIVE", "FAIL"):
        (tmp_path / "audit/audit.json").write_text(json.dumps({"verdict": verdict}))
        with pytest.raises(Rejected, match=f"the audit's verdict is {verdict}; see"):
            commands.gate(tmp_path)
        assert not (tmp_path / "verdict.txt").exists()
    (tmp_path / "audit/audit.json").write_text('{"verdict": "PASS"}')
    commands.gate(tmp_path)
    assert (tmp_path / "verdict.txt").read_text() == "PASS\n"


def test_params_without_a_table(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("gate:\n")
    with pytest.raises(ConfigError, match=r"data.path is not set"):
        commands.preprocess(tmp_path / "params.yaml", tmp_path / "out")
