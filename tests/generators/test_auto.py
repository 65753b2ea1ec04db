"""`auto`: the rule, and that nothing but the chosen generator is left of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import people
from understudy import cli, stages
from understudy.config import Data, Generator, Params
from understudy.errors import ConfigError
from understudy.generators import DEFAULT, REGISTRY, auto, create, load
from understudy.generators.base import read_manifest
from understudy.schema import Column, TableSchema

ENOUGH = auto.FEWEST_UNITS


def schema_of(n_columns: int) -> TableSchema:
    """`n_columns` numbers, and an identifier, which isn't modelled."""
    numbers = tuple(Column(name=f"x{j}", kind="numerical") for j in range(n_columns))
    return TableSchema(columns=(*numbers, Column(name="key", kind="id")))


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "cuda", "name"),
    [
        (50, 5, False, "forest"),
        (ENOUGH - 1, 15, True, "forest"),
        (ENOUGH, 15, False, "autoregressive"),
        (1_000_000, 30, False, "autoregressive"),
        (ENOUGH, auto.MOST_COLUMNS, False, "autoregressive"),
        (ENOUGH, auto.MOST_COLUMNS + 1, False, "forest"),
        (ENOUGH, auto.MOST_COLUMNS + 1, True, "autoregressive"),
    ],
)
def test_the_rule(n_rows: int, n_columns: int, cuda: bool, name: str) -> None:
    choice = auto.choose(n_rows, n_columns, cuda=cuda)
    assert choice.name == name and choice.name in REGISTRY
    assert f"{n_rows:,}" in choice.reason or str(n_columns) in choice.reason


def table_of(n_rows: int, n_units: int | None = None) -> pd.DataFrame:
    """Only what the rule looks at: how many rows, and whose they are."""
    return pd.DataFrame({"key": np.arange(n_rows) % (n_units or n_rows)})


def test_only_modelled_columns_count() -> None:
    assert auto.resolve("auto", table_of(ENOUGH), schema_of(auto.MOST_COLUMNS)).name == "autoregressive"


@pytest.mark.parametrize(
    ("n_rows", "n_units", "name"),
    [
        (4 * ENOUGH, 4 * ENOUGH, "autoregressive"),
        (4 * ENOUGH, 3 * ENOUGH, "autoregressive"),  # 1.33 rows each
        (4 * ENOUGH, 2 * ENOUGH, "forest"),
        (ENOUGH, ENOUGH - 1, "forest"),
    ],
)
def test_privacy_units_count_and_not_rows(n_rows: int, n_units: int, name: str) -> None:
    schema = schema_of(5)
    assert auto.resolve("auto", table_of(n_rows, n_units), schema).name == "autoregressive"  # no unit is named
    choice = auto.resolve("auto", table_of(n_rows, n_units), schema.model_copy(update={"unit": "key"}))
    assert choice.name == name and f"{n_units:,} privacy units" in choice.reason


def test_a_gpu_counts_only_where_it_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = schema_of(auto.MOST_COLUMNS + 1)
    monkeypatch.setattr(auto, "_has_gpu", lambda: True)
    assert auto.resolve("auto", table_of(ENOUGH), wide).name == "autoregressive"
    assert auto.resolve("auto", table_of(ENOUGH), wide, {"device": "cpu"}).name == "forest"
    assert auto.resolve("auto", table_of(ENOUGH - 1), wide).name == "forest"


def test_a_name_stays_as_it_is() -> None:
    assert auto.resolve("independent", table_of(10), schema_of(3)) == auto.Choice("independent")
    assert auto.Choice("independent").facts() == {"generator": "independent"}


def test_it_is_the_default_everywhere_and_no_generator() -> None:
    assert auto.NAME == DEFAULT == Generator().name == "auto"
    assert cli.fit.__defaults__ and "auto" in cli.fit.__defaults__
    assert DEFAULT not in REGISTRY
    with pytest.raises(ConfigError, match="'auto' is a choice made for a table; name one of: forest, autoregressive"):
        create("auto")


@pytest.mark.parametrize(("n_rows", "name"), [(200, "forest"), (ENOUGH, "autoregressive")])
def test_fit_writes_the_chosen_generator(tmp_path: Path, n_rows: int, name: str) -> None:
    people(n_rows).to_csv(tmp_path / "t.csv", index=False)
    config = {"autoregressive": {"steps": 3}, "forest": {"n_trees": 2}}[name]
    made = stages.fit(
        data=Data(path=str(tmp_path / "t.csv")), model_dir=tmp_path / "m", generator="auto", config=config
    )
    assert made.facts["generator"] == name and f"{n_rows:,} rows" in made.facts["chosen because"]
    assert read_manifest(tmp_path / "m")["name"] == load(tmp_path / "m").name == name


def test_train_says_what_it_chose(tmp_path: Path) -> None:
    data = Data(path=str(_people(tmp_path)), target="plan", split_seed=1)
    stages.preprocess(data=str(data.path), out_dir=tmp_path / "p", params=Params(data=data))
    made = stages.train(
        train=tmp_path / "p/train.parquet", schema=tmp_path / "p/schema.json", model_dir=tmp_path / "m", generator="auto"
    )
    assert made.facts["generator"] == "forest" and "are fewer than" in made.facts["chosen because"]
    named = stages.train(
        train=tmp_path / "p/train.parquet", schema=tmp_path / "p/schema.json", model_dir=tmp_path / "m",
        generator="independent",
    )  # fmt: skip
    assert named.facts == {"generator": "independent"}


def test_a_wrong_setting_names_the_chosen_generator(tmp_path: Path) -> None:
    data = Data(path=str(_people(tmp_path)))
    with pytest.raises(ConfigError, match="generator forest: .*width"):
        stages.fit(data=data, model_dir=tmp_path / "m", generator="auto", config={"width": 8})
    assert not (tmp_path / "m").exists()


def test_a_wrong_setting_of_a_named_generator_is_told_before_the_table_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="generator forest: .*width"):
        stages.fit(
            data=Data(path=str(tmp_path / "none.csv")), model_dir=tmp_path / "m", generator="forest", config={"width": 8}
        )


def test_the_command_line_says_what_was_chosen(tmp_path: Path, monkeypatch, capsys) -> None:
    path = _people(tmp_path)
    call(monkeypatch, "fit", path, "-o", tmp_path / "m", "--set", "n_trees=2", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["generator"] == "forest" and told["chosen because"].startswith("600 rows are fewer than")
    call(monkeypatch, "fit", path, "-o", tmp_path / "m", "--generator", "independent")
    assert "chosen because" not in capsys.readouterr().out


def test_generators_are_listed_with_the_rule_first(monkeypatch, capsys) -> None:
    call(monkeypatch, "generators", "--json")
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["auto", *REGISTRY]
    assert told["auto"]["rule"] == auto.RULE and [n for n, c in told.items() if c["default"]] == ["auto"]
    call(monkeypatch, "generators")
    lines = capsys.readouterr().out
    assert lines.index("auto (default)") < lines.index("forest ")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["understudy", *map(str, arguments)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert not e.value.code


def _people(folder: Path) -> Path:
    people(600).to_csv(folder / "people.csv", index=False)
    return folder / "people.csv"
