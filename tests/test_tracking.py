import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.registry import evidence
from understudy import tracking
from understudy.errors import ConfigError, RegistryError
from understudy.evidence import worse
from understudy.generators import load


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised SQLite store; making one takes seconds, copying it doesn't."""
    root = tmp_path_factory.mktemp("store")
    with tracking.connected(tracking.local_uri(root)) as client:
        client.search_registered_models()
    return root / "mlflow.db"


@pytest.fixture
def server(empty_store: Path, tmp_path: Path) -> Iterator[str]:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    before = mlflow.get_tracking_uri()
    yield tracking.local_uri(tmp_path)
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(before)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # which mlflow sets as well


@pytest.fixture
def client(server: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(server, server)


def versions(client: mlflow.MlflowClient) -> list[int]:
    return sorted(int(v.version) for v in client.search_model_versions())


def runs(client: mlflow.MlflowClient) -> list[Any]:
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))


def test_a_model_that_passed_is_registered_and_samples(
    server: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    e = evidence(tmp_path)
    made = tracking.register_version(e, server)
    assert (made.version, made.champion, made.verdict) == (1, True, "PASS")
    version = client.get_model_version_by_alias("people", "champion")
    assert version.tags["audit.verdict"] == "PASS"
    assert version.tags["schema.sha256"] == e.schema.sha256()
    assert version.tags["data.md5"] == e.data_md5
    assert version.tags["code.commit"] == "abc"
    assert client.get_model_version_by_alias("people", "candidate").version == version.version

    model = mlflow.pyfunc.load_model("models:/people@champion")
    sampled = model.predict(pd.DataFrame({"n_rows": [100], "seed": [3]}))
    assert list(sampled.columns) == [c.name for c in e.schema.released]
    expected = load(e.model_dir).sample(100, rng=np.random.default_rng(3))
    pd.testing.assert_frame_equal(sampled, expected)
    two = model.predict(pd.DataFrame({"n_rows": [5, 7], "where": ['{"region": "north"}', None]}))
    assert len(two) == 12
    assert (two["region"][:5] == "north").all()
    with pytest.raises(ConfigError, match="give a JSON object"):
        model.predict(pd.DataFrame({"n_rows": [5], "where": ["north"]}))

    directory = tracking.load_registered("models:/people@champion", server)
    assert load(directory).name == "independent"
    assert tracking.load_registered("models:/people/1", server) == tracking.load_registered("models:/people", server)


def test_what_is_logged(server: str, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    e = evidence(tmp_path, path="postgresql://me:pa55-w0rd@host/db#people")
    made = tracking.register_version(e, server)
    run = client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["c2st_auc"] == 0.55
    assert run.data.metrics["audit.mia_auc"] == 0.5
    assert run.data.params["generator.name"] == "auto"
    assert run.data.tags["generator.name"] == "independent"  # what was fitted
    assert "data.split_seed" not in run.data.params
    assert {a.path for a in client.list_artifacts(made.run_id)} == {"evaluation", "audit", "schema.json"}
    reports = {a.path for a in client.list_artifacts(made.run_id, "evaluation")}
    assert reports == {"evaluation/report.html", "evaluation/metrics.json"}
    lineage = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    assert lineage["raw"].digest == e.data_md5
    assert set(lineage) == {"raw", "training", "synthetic"}
    store = (tmp_path / "mlflow.db").read_bytes()
    assert b"pa55-w0rd" not in store
    assert b"host/db" in store


def test_nothing_is_pickled_and_requirements_are_pinned(server: str, tmp_path: Path) -> None:
    tracking.register_version(evidence(tmp_path), server)
    logged = next((tmp_path / "mlartifacts/models").iterdir()) / "artifacts"
    files = [p for p in (tmp_path / "mlartifacts").rglob("*") if p.is_file()]
    assert not [p for p in files if p.suffix in (".pkl", ".pickle", ".joblib", ".cloudpickle", ".pt")]
    # A pickle of protocol 2 and up starts with 0x80 and the protocol's number.
    assert not [p for p in files if p.read_bytes()[:1] == b"\x80"]
    assert "loader_module: understudy.pyfunc" in (logged / "MLmodel").read_text()
    required = (logged / "requirements.txt").read_text().split()
    assert any(r.startswith("understudy==") for r in required)
    assert any(r.startswith("numpy==") for r in required)
    assert all("==" in r for r in required)


def test_registering_again_makes_nothing_new(server: str, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    e = evidence(tmp_path)
    first, second = tracking.register_version(e, server), tracking.register_version(e, server)
    recorded = tracking.record_run(e, server)
    assert first.run_id == second.run_id == recorded.run_id
    assert (second.version, second.champion, second.reason) == (1, True, "registered before")
    assert versions(client) == [1]
    assert len(runs(client)) == 1


@pytest.mark.parametrize(
    "step", ["log_inputs", "create_model_version", "set_registered_model_alias", "set_model_version_tag"]
)
def test_a_registration_that_broke_off_is_continued(
    step: str, server: str, client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = evidence(tmp_path)

    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as m:
        m.setattr(mlflow.MlflowClient, step, kill)
        with pytest.raises(Killed):
            tracking.register_version(e, server)
    made = tracking.register_version(e, server)
    assert (made.version, made.champion) == (1, True)
    assert versions(client) == [1]
    assert [r.info.run_id for r in runs(client)] == [made.run_id]
    models = client.search_logged_models([runs(client)[0].info.experiment_id])
    assert len(models) == 1


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE"])
def test_a_rejected_model_is_recorded_and_not_registered(
    verdict: str, server: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    made = tracking.record_run(evidence(tmp_path, verdict=verdict), server)
    assert made.version is None
    assert client.get_run(made.run_id).data.tags["audit.verdict"] == verdict
    assert versions(client) == []
    assert client.search_registered_models() == []


def test_the_champion_is_defended(server: str, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    def challenge(seed: int, **options: Any) -> tuple[bool, str]:
        made = tracking.register_version(evidence(tmp_path / str(seed), seed=seed, **options), server)
        candidate = client.get_model_version_by_alias("people", "candidate")
        assert int(candidate.version) == made.version == seed
        return made.champion, made.reason

    assert challenge(1) == (True, "the first champion")
    # Two standard errors of the difference are .028.
    moved, why = challenge(2, c2st_auc=0.60)
    assert not moved
    assert why == "the champion stays version 1: its c2st_auc is 0.550, the new one has 0.600"
    assert challenge(3, c2st_auc=0.57) == (True, "not worse than version 1")
    moved, why = challenge(4, tstr_gap=0.05)
    assert not moved
    assert "tstr_gap" in why
    moved, why = challenge(5, c2st_auc=0.5, drop="grade")
    assert not moved
    assert why == "the champion stays version 3, which has another schema"
    assert client.get_model_version_by_alias("people", "champion").version == 3


def test_worse_takes_both_errors_into_account() -> None:
    assert not worse({"c2st_auc": 0.578, "c2st_auc_se": 0.01}, {"c2st_auc": 0.55, "c2st_auc_se": 0.01})
    assert worse({"c2st_auc": 0.579, "c2st_auc_se": 0.01}, {"c2st_auc": 0.55, "c2st_auc_se": 0.01})
    assert not worse({"c2st_auc": 0.9}, {})


@pytest.mark.parametrize(
    ("uri", "message"),
    [("models:/people@champion", "people"), ("models:/people/9", "people"), ("models:/nobody", "nobody")],
)
def test_what_is_not_there_is_one_line(uri: str, message: str, server: str, tmp_path: Path) -> None:
    tracking.record_run(evidence(tmp_path), server)
    with pytest.raises(RegistryError, match=message) as e:
        tracking.load_registered(uri, server)
    assert "\n" not in str(e.value)


def test_without_a_store_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"no registry at .*understudy run"):
        tracking.load_registered("models:/people@champion", tracking.local_uri(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_environment_is_left_as_it_was(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (None, "sqlite:///elsewhere.db"):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if given:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        with tracking.connected(server):
            pass
        assert os.environ.get("MLFLOW_TRACKING_URI") == given


def test_the_server_is_given_or_from_the_environment_or_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.uri() == f"sqlite:///{tmp_path.resolve()}/out/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking.uri() == "http://tracking:5000"
    assert tracking.uri("sqlite:///x.db") == "sqlite:///x.db"


def test_the_key_follows_every_input(tmp_path: Path) -> None:
    first = evidence(tmp_path)
    key = first.key
    assert evidence(tmp_path).key == key
    (first.model_dir / "generator.json").write_text(json.dumps({}))
    assert first.key != key
    assert evidence(tmp_path / "other", verdict="FAIL").key != key
    assert evidence(tmp_path / "third", path="other.csv").key != key
