"""`understudy impute`, `update`, `generators`, and `fit --checkpoint`."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.people import conformed_people, people
from understudy import cli, generator_stages
from understudy.errors import ConfigError
from understudy.generators import create, load
from understudy.tables import read_table


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "model"
    table, schema = conformed_people(400)
    create("autoregressive", steps=20, width=8).fit(table, schema=schema, rng=np.random.default_rng(0)).save(path)
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["understudy", *map(str, arguments)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    return int(e.value.code or 0)


def test_impute_fills_the_gaps_of_a_file(model: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    holes = people(200, seed=1)
    holes.loc[::3, "pay"] = np.nan
    holes.loc[::4, "region"] = None
    holes.to_csv(tmp_path / "holes.csv", index=False)
    gaps = int(read_table(tmp_path / "holes.csv").isna().sum().sum())
    assert call(monkeypatch, "impute", model, tmp_path / "holes.csv", "-o", tmp_path / "full.csv", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    filled = read_table(tmp_path / "full.csv")
    assert shown["rows"] == 200 and shown["cells_filled"] == gaps
    assert not filled.isna().any().any()
    assert list(filled.columns) == list(holes.columns)
    assert filled["pay"][1] == holes["pay"][1]


def test_update_writes_a_generator_that_learnt(model: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    people(300, seed=2).to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "updated"
    assert call(monkeypatch, "update", model, tmp_path / "new.csv", "-o", out, "--replay", "0.5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows_train"] == 300
    assert len(load(out).sample(10, rng=np.random.default_rng(0))) == 10
    assert (out / "weights.safetensors").read_bytes() != (model / "weights.safetensors").read_bytes()


def test_fit_with_a_checkpoint_leaves_none_when_it_is_done(tmp_path: Path, monkeypatch) -> None:
    people(300).to_csv(tmp_path / "t.csv", index=False)
    code = call(
        monkeypatch, "fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--generator", "autoregressive", "--set", "steps=5",
        "--checkpoint", tmp_path / "c",
    )  # fmt: skip
    assert code == 0 and (tmp_path / "m").is_dir() and not (tmp_path / "c").exists()


def test_a_generator_that_cannot_names_one_that_can(tmp_path: Path, monkeypatch, capsys) -> None:
    table, schema = conformed_people(100)
    create("independent").fit(table, schema=schema, rng=np.random.default_rng(0)).save(tmp_path / "m")
    people(50).to_csv(tmp_path / "t.csv", index=False)
    for command in ("impute", "update"):
        assert call(monkeypatch, command, tmp_path / "m", tmp_path / "t.csv", "-o", tmp_path / "out.csv") == 2
        said = capsys.readouterr().err.strip()
        assert "generator independent can't" in said and "--generator autoregressive" in said and "\n" not in said
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(ConfigError, match="generator forest can't keep checkpoints"):
        generator_stages.fit_options(create("forest"), tmp_path)


def test_impute_refuses_a_table_that_lacks_a_column(model: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    people(50).drop(columns="age").to_csv(tmp_path / "t.csv", index=False)
    assert call(monkeypatch, "impute", model, tmp_path / "t.csv", "-o", tmp_path / "out.csv") == 2
    assert "'age' is not a column of the table" in capsys.readouterr().err


def test_generators_are_listed(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "generators") == 0
    assert "autoregressive" in capsys.readouterr().out
