import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.people import people
from tests.registry import evidence
from understudy import stages, tracking
from understudy.auditing import policy_of
from understudy.config import Params
from understudy.errors import ArtifactError, ConfigError, Rejected, SchemaError, TableError
from understudy.evidence import Registration
from understudy.provenance import file_md5
from understudy.schema import TableSchema
from understudy.tables import read_table


def raw_table(path: Path, n_units: int = 200) -> Path:
    """Two rows a person, a direct identifier, and every other kind of column."""
    table = people(2 * n_units, seed=4)
    table.insert(0, "person", [f"P{i // 2:04d}" for i in range(len(table))])
    table["email"] = [f"someone{i}@example.org" for i in range(len(table))]
    table.to_csv(path, index=False)
    return path


def params(**sections: Any) -> Params:
    data = {"target": "plan", "unit": "person", "split_seed": 1}
    return Params.of({"data": data, **sections})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stages")
    stages.preprocess(data=raw_table(root / "raw.csv"), out_dir=root / "tables", params=params())
    return root


def test_preprocess_splits_by_person_and_leaves_identifiers_out(prepared: Path) -> None:
    tables = {n: read_table(prepared / "tables" / f"{n}.parquet") for n in stages.TABLES}
    schema = TableSchema.read(prepared / "tables/schema.json")
    profile = json.loads((prepared / "tables/profile.json").read_text())
    assert schema.unit == "person"
    assert schema.target == "plan"
    assert "email" not in schema.names
    assert profile["dropped"] == {"email": "email"}
    assert all("email" not in t and "person" in t for t in tables.values())
    assert {n: len(t) for n, t in tables.items()} == profile["split"]
    persons = {n: set(t["person"]) for n, t in tables.items()}
    assert persons["members"] <= persons["train"]
    assert persons["holdout"] == persons["test"] | persons["nonmembers"]
    assert not persons["train"] & (persons["holdout"] | persons["reference"])
    assert not persons["reference"] & persons["holdout"]
    assert set.union(*persons.values()) == {f"P{i:04d}" for i in range(200)}
    assert sum(len(tables[n]) for n in ("train", "nonmembers", "reference", "test")) == 400


def test_preprocess_again_gives_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    stages.preprocess(data=prepared / "raw.csv", out_dir=tmp_path / "again", params=params())
    for file in (prepared / "tables").iterdir():
        assert file_md5(file) == file_md5(tmp_path / "again" / file.name)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"data": {"target": "plam"}}, SchemaError, "target 'plam' is not a column of the table; did you mean 'plan'?"),
        ({"data": {"drop": ["x"]}}, ConfigError, "dropped column 'x' is not a column"),
        ({"data": {"schema_file": "nowhere.json"}}, SchemaError, "nowhere.json"),
    ],
)
def test_a_failed_stage_leaves_nothing(
    change: dict[str, Any], error: type[Exception], message: str, prepared: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message.replace("?", r"\?")):
        stages.preprocess(data=prepared / "raw.csv", out_dir=tmp_path / "out", params=Params.of(change))
    assert not list(tmp_path.iterdir())


def test_another_table_than_was_planned_is_refused(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="the table changed since the run was planned"):
        stages.preprocess(data=prepared / "raw.csv", out_dir=tmp_path / "t", params=params(), data_md5="0" * 32)
    md5 = file_md5(prepared / "raw.csv")
    stages.preprocess(data=prepared / "raw.csv", out_dir=tmp_path / "t", params=params(), data_md5=md5)


def test_train_and_sample(prepared: Path, tmp_path: Path) -> None:
    tables = prepared / "tables"
    made = stages.train(
        train=tables / "train.parquet", schema=tables / "schema.json", model_dir=tmp_path / "model",
        generator="independent", config={"min_units": 5}, seed=2,
    )  # fmt: skip
    n_train = len(read_table(tables / "train.parquet"))
    assert made.metrics["rows_train"] == n_train
    assert json.loads((tmp_path / "model/generator.json").read_text())["config"] == {"min_units": 5}

    def sample(name: str, **options: Any) -> pd.DataFrame:
        stages.sample(model_dir=tmp_path / "model", out=tmp_path / name, **options)
        return read_table(tmp_path / name)

    assert len(sample("a.parquet", like=tables / "train.parquet")) == n_train
    first = sample("b.parquet", n_rows=50, seed=1)
    assert "person" not in first
    pd.testing.assert_frame_equal(first, sample("c.parquet", n_rows=50, seed=1))
    assert not first.equals(sample("d.parquet", n_rows=50, seed=2))
    assert set(sample("e.csv", n_rows=30, where={"region": "north"})["region"]) == {"north"}
    with pytest.raises(ConfigError, match="n_rows is not set"):
        stages.sample(model_dir=tmp_path / "model", out=tmp_path / "f.csv")


def test_evaluate_and_audit_write_whole_directories(prepared: Path, tmp_path: Path) -> None:
    tables = {n: prepared / "tables" / f"{n}.parquet" for n in stages.TABLES}
    schema = prepared / "tables/schema.json"
    synthetic = tables["reference"]
    seen: list[float] = []
    made = stages.evaluate(
        train=tables["train"], holdout=tables["holdout"], synthetic=synthetic, schema=schema,
        out_dir=tmp_path / "evaluation", progress=lambda share, message: seen.append(share),
    )  # fmt: skip
    assert json.loads((tmp_path / "evaluation/metrics.json").read_text()) == made.metrics
    assert {"c2st_auc", "shape_error", "tstr_gap"} <= set(made.metrics)
    assert "<html" in made.paths["report"].read_text()
    assert seen == sorted(seen)
    audited = stages.audit(
        members=tables["members"], nonmembers=tables["nonmembers"], reference=tables["reference"],
        synthetic=synthetic, schema=schema, out_dir=tmp_path / "audit",
    )  # fmt: skip
    assert stages.gate(audit=audited.paths["audit"]) == "INCONCLUSIVE"  # 30 persons a side
    assert sorted(p.name for p in (tmp_path / "audit").iterdir()) == ["audit.html", "audit.json", "metrics.json", "public.html", "public.json"]
    assert all(math.isfinite(v) for v in audited.metrics.values())
    assert not list(tmp_path.rglob("*.partial"))


def test_a_gate_field_that_is_not_there(prepared: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate: max_advantag: .*max_advantage"):
        policy_of({"max_advantag": 0.2})
    assert policy_of({"max_advantage": 0.2}).max_advantage == 0.2


@pytest.mark.parametrize("content", ["", "[]", '{"verdict": "MAYBE"}', "{}"])
def test_a_gate_without_a_verdict(content: str, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"audit.json"):
        stages.gate(audit=tmp_path / "audit.json")


def test_register_refuses_what_did_not_pass(tmp_path: Path) -> None:
    rejected = evidence(tmp_path, verdict="FAIL")
    with pytest.raises(Rejected, match=r"the verdict is FAIL, so nothing is registered; see .*audit.html"):
        stages.register(evidence=rejected, out=tmp_path / "r.json", tracking_uri=tracking.local_uri(tmp_path))
    assert not (tmp_path / "r.json").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_the_registration_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Registration("PASS", "people", "run", "sqlite:///x", 3, True, "the first champion")
    monkeypatch.setattr(tracking, "register_version", lambda evidence, uri, reference: answer)
    stages.register(evidence=evidence(tmp_path), out=tmp_path / "r.json")
    assert Registration.read(tmp_path / "r.json") == answer
