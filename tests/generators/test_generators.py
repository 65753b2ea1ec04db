"""What every generator must do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.canonical import conform
from understudy.errors import ArtifactError, ConfigError, SchemaError
from understudy.generators import REGISTRY, Generator, create, load
from understudy.generators.output import sample_batches
from understudy.inference import infer_schema
from understudy.schema import TableSchema

NAMES = list(REGISTRY)
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, TableSchema]:
    return conformed_people(3000)


@pytest.fixture(scope="module")
def fitted(table: tuple[pd.DataFrame, TableSchema]) -> dict[str, Generator]:
    return {n: create(n).fit(table[0], schema=table[1], rng=np.random.default_rng(0)) for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_samples_conform_and_are_reproducible(fitted: dict, table: tuple, name: str) -> None:
    generator, schema = fitted[name], table[1]
    drawn = generator.sample(2000, rng=np.random.default_rng(1))
    assert isinstance(generator, Generator)
    assert list(drawn.columns) == [c.name for c in schema.released]
    pd.testing.assert_frame_equal(drawn, conform(drawn, schema), check_categorical=False)
    pd.testing.assert_frame_equal(drawn, generator.sample(2000, rng=np.random.default_rng(1)))
    assert not drawn.equals(generator.sample(2000, rng=np.random.default_rng(2)))
    assert len(generator.sample(0, rng=np.random.default_rng(1))) == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_gives_the_same_rows_and_no_pickle(fitted: dict, tmp_path: Path, name: str) -> None:
    fitted[name].save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["generator.json", "weights.safetensors"]
    again = load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        again.sample(500, rng=np.random.default_rng(3)),
        fitted[name].sample(500, rng=np.random.default_rng(3)),
    )


@pytest.mark.parametrize("name", NAMES)
def test_margins_are_right(fitted: dict, table: tuple, name: str) -> None:
    # 20,000 draws: the standard error of a share is at most .0035, of the training share .009; bound 4 sd.
    drawn = fitted[name].sample(20_000, rng=np.random.default_rng(4))
    assert abs((drawn["plan"] == "gold").mean() - (table[0]["plan"] == "gold").mean()) < 0.02
    assert abs(drawn["age"].mean() - table[0]["age"].mean()) < 0.8
    assert abs(drawn["children"].isna().mean() - table[0]["children"].isna().mean()) < 0.02
    assert set(drawn["bonus"] % 1000) == {0}


@pytest.mark.parametrize("name", NAMES)
def test_conditions_hold_in_every_row(fitted: dict, name: str) -> None:
    where = {"plan": "gold", "age": {"min": 30, "max": 40}, "region": ["north", "west"], "active": True}
    drawn = fitted[name].sample(700, rng=np.random.default_rng(5), where=where)
    assert len(drawn) == 700
    assert set(drawn["plan"]) == {"gold"}
    assert drawn["age"].between(30, 40).all()
    assert set(drawn["region"]) <= {"north", "west"}
    assert drawn["active"].all()


@pytest.mark.parametrize("name", NAMES)
def test_errors_name_the_thing(fitted: dict, name: str) -> None:
    generator, rng = fitted[name], np.random.default_rng(0)
    with pytest.raises(ConfigError, match="n_rows is -1"):
        generator.sample(-1, rng=rng)
    with pytest.raises(ConfigError, match="n_rows is 1000000000000"):
        generator.sample(10**12, rng=rng)
    with pytest.raises(SchemaError, match="did you mean 'plan'"):
        generator.sample(1, rng=rng, where={"plann": "gold"})
    with pytest.raises(ConfigError, match="where"):
        generator.sample(1, rng=rng, where={"region": "nowhere"})
    with pytest.raises(ConfigError, match=f"generator {name}: depth"):
        create(name, depth=3)


def test_an_unknown_generator_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'tree' is not known; choose one of: auto, forest"):
        create("tree")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: (p / "weights.safetensors").write_bytes(b"x"), "doesn't match its checksum"),
        (lambda p: (p / "weights.safetensors").unlink(), "can't be read"),
        (lambda p: (p / "generator.json").unlink(), "generator.json is missing"),
        (lambda p: (p / "generator.json").write_text("{"), "damaged"),
        (lambda p: edit(p, format=99), "format 99 is not one this version reads"),
        (lambda p: edit(p, name="magic"), "holds a 'magic' generator"),
        (lambda p: edit(p, name="independent"), "damaged"),
        (lambda p: edit(p, schema={"columns": []}), "damaged"),
        (lambda p: edit(p, state={}), "damaged"),
        (lambda p: edit(p, config={"n_trees": "many"}), "n_trees"),
    ],
)
def test_a_damaged_artifact_is_refused_in_one_line(fitted: dict, tmp_path: Path, damage, says: str) -> None:
    fitted["forest"].save(tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(ArtifactError, match=says) as e:
        load(tmp_path / "m")
    assert "\n" not in str(e.value)


def edit(path: Path, **fields: object) -> None:
    manifest = json.loads((path / "generator.json").read_text())
    (path / "generator.json").write_text(json.dumps({**manifest, **fields}))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*-format-*")), ids=lambda p: p.name)
def test_golden_artifacts_load_and_give_the_rows_they_gave(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "m")
    drawn = load(tmp_path / "m").sample(20, rng=np.random.default_rng(0))
    expected = conform(pd.read_csv(path / "sample.csv"), load(path).schema)
    pd.testing.assert_frame_equal(drawn, expected, check_categorical=False, rtol=1e-9)


def test_there_is_a_golden_artifact_of_every_generator() -> None:
    assert {p.name.split("-format-")[0] for p in GOLDEN.glob("*-format-*")} == set(NAMES)


def test_identifiers_are_dropped_or_replaced_by_surrogates() -> None:
    table, _ = conformed_people(500)
    table.insert(0, "patient_id", np.arange(5000, 5500))
    table["email"] = [f"real{i}@example.com" for i in range(500)]
    schema = infer_schema(table, target="plan")
    generator = create("forest").fit(conform(table, schema), schema=schema, rng=np.random.default_rng(0))
    drawn = pd.concat(sample_batches(generator, 300_000, rng=np.random.default_rng(0)), ignore_index=True)
    assert drawn["patient_id"].is_unique and len(drawn) == 300_000
    assert "email" not in drawn


def test_no_training_row_is_in_the_artifact(tmp_path: Path) -> None:
    """A value that only one row has must not be found in what is released (bootstrap aside)."""
    table, _ = conformed_people(2000)
    table.loc[7, "score"] = 1234.56789
    table["region"] = table["region"].cat.add_categories("Atlantis-7")
    table.loc[7, "region"] = "Atlantis-7"
    schema = infer_schema(table, target="plan")
    for name in ("forest", "independent"):
        create(name).fit(table, schema=schema, rng=np.random.default_rng(0)).save(tmp_path / name)
        blob = b"".join(p.read_bytes() for p in (tmp_path / name).iterdir())
        assert np.float64(1234.56789).tobytes() not in blob
        assert b"Atlantis-7" not in blob
