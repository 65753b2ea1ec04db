import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from typer.testing import CliRunner

from tests.registry import evidence
from tests.supplychain.test_signing import KEY, private, public
from understudy import signoff, tracking
from understudy.errors import ArtifactError, ConfigError, Rejected
from understudy.monitoring.reference import of_version
from understudy.signoff import sign_off
from understudy.supplychain import verify_artifact


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    with tracking.connected(tracking.local_uri(root)) as client:
        client.search_registered_models()
    return root / "mlflow.db"


@pytest.fixture
def out(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    before = mlflow.get_tracking_uri()
    yield tmp_path
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(before)


def recorded(out: Path, verdict: str = "INCONCLUSIVE", **kwargs: Any) -> mlflow.MlflowClient:
    """A run with this verdict in `out`, as `understudy run` leaves it."""
    server = tracking.local_uri(out)
    made = tracking.record_run(evidence(out, verdict=verdict, **kwargs), server)
    (out / "run.json").write_text(json.dumps({"registration": json.loads(made.to_json())}))
    return mlflow.MlflowClient(server, server)


def test_an_inconclusive_run_is_signed_off_and_registered_as_a_candidate(out: Path) -> None:
    client = recorded(out)
    made = sign_off(out_dir=out, by=" Ada Lovelace ", reason="internal use only")
    assert (made.version, made.champion, made.verdict) == (1, False, "INCONCLUSIVE")
    version = client.get_model_version_by_alias("people", "candidate")
    run = client.get_run(made.run_id)
    for tags in (version.tags, run.data.tags):
        assert tags["audit.verdict"] == "INCONCLUSIVE"
        assert tags["audit.signed_off_by"] == "Ada Lovelace"
        assert tags["audit.signed_off_reason"] == "internal use only"
        assert tags["audit.signed_off_at"].endswith("+00:00")
    assert version.tags["model.sha256"] == run.data.tags["model.sha256"]
    assert tracking._alias(client, "people", "champion") is None
    assert json.loads((out / "registration.json").read_text())["version"] == 1
    assert tracking.load_registered("models:/people@candidate", tracking.local_uri(out)).is_dir()
    reference = of_version("models:/people@candidate", tracking.local_uri(out))
    assert len(reference.table) == 200 and reference.version == "1"  # it can be monitored


def test_what_is_signed_off_is_signed_with_the_runs_provenance(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = recorded(out, seed=3)
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", private(KEY))
    made = sign_off(out_dir=out, by="Ada", reason="r")
    found = verify_artifact(tracking.load_registered("models:/people@candidate", tracking.local_uri(out)), public(KEY))
    tags = client.get_run(made.run_id).data.tags
    assert (found.verdict, found.data_md5, found.code_commit) == ("INCONCLUSIVE", f"{3:032x}", "abc")
    assert found.invocation == tags["understudy.key"]
    assert found.parameters["data.path"] == "people.csv" and "data.split_seed" not in found.parameters


def test_champion_only_when_asked_for_and_not_worse(out: Path) -> None:
    client = recorded(out)
    assert sign_off(out_dir=out, by="Ada", reason="r", champion=True).champion
    assert client.get_model_version_by_alias("people", "champion").version == 1
    client = recorded(out, seed=1, c2st_auc=0.9)
    made = sign_off(out_dir=out, by="Ada", reason="r", champion=True)
    assert not made.champion and "stays version 1" in made.reason
    assert client.get_model_version_by_alias("people", "candidate").version == 2


def test_sign_offs_are_only_ever_added(out: Path) -> None:
    client = recorded(out)
    sign_off(out_dir=out, by="Ada", reason="first")
    before = client.get_model_version("people", "1").tags
    assert sign_off(out_dir=out, by="Ada", reason="first").version == 1  # the same again changes nothing
    assert client.get_model_version("people", "1").tags == before
    sign_off(out_dir=out, by="Grace", reason="second")
    after = client.get_model_version("people", "1").tags
    assert before.items() <= after.items()
    assert (after["audit.signed_off_by.2"], after["audit.signed_off_reason.2"]) == ("Grace", "second")
    assert len(client.search_model_versions("name = 'people'")) == 1


def test_a_sign_off_that_broke_off_is_continued(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = recorded(out)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(signoff, "_create_version", killed)
        with pytest.raises(KeyboardInterrupt):
            sign_off(out_dir=out, by="Ada", reason="r")
    first = client.search_runs(["1"])[0].data.tags["audit.signed_off_at"]
    made = sign_off(out_dir=out, by="Ada", reason="r")
    tags = client.get_model_version("people", "1").tags
    assert made.version == 1 and tags["audit.signed_off_at"] == first and "audit.signed_off_by.2" not in tags


@pytest.mark.parametrize("verdict", ["FAIL", "PASS"])
def test_other_verdicts_can_not_be_signed_off(out: Path, verdict: str) -> None:
    client = recorded(out, verdict)
    with pytest.raises(Rejected, match=f"the verdict is {verdict}, and only INCONCLUSIVE"):
        sign_off(out_dir=out, by="Ada", reason="r")
    # Nor by writing another verdict into the file: the recorded one counts.
    (out / "audit" / "audit.json").write_text(json.dumps({"verdict": "INCONCLUSIVE"}))
    with pytest.raises(Rejected):
        sign_off(out_dir=out, by="Ada", reason="r")
    assert not client.search_model_versions() and "audit.signed_off_by" not in client.search_runs(["1"])[0].data.tags


def test_another_model_than_the_recorded_one_is_refused(out: Path) -> None:
    recorded(out)
    (out / "model" / "generator.json").write_text("{}")
    with pytest.raises(ArtifactError, match="is not the model of run"):
        sign_off(out_dir=out, by="Ada", reason="r")


@pytest.mark.parametrize(
    ("by", "reason", "says"),
    [
        ("", "r", "--by must be one line of text, and not empty"),
        ("  ", "r", "--by must be one line"),
        ("Ada", "two\nlines", "--reason must be one line"),
        ("Ada", "hidden\u202etext", "--reason must be one line"),
        ("A" * 101, "r", "--by has 101 characters; 100 are the most"),
        ("Ada", "r" * 501, "--reason has 501 characters"),
    ],
)
def test_a_name_and_a_reason_are_needed(tmp_path: Path, by: str, reason: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sign_off(out_dir=tmp_path, by=by, reason=reason)


def test_without_a_recorded_run_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no recorded run here"):
        sign_off(out_dir=tmp_path, by="Ada", reason="r")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ArtifactError, match="says nothing of a recorded run"):
        sign_off(out_dir=tmp_path, by="Ada", reason="r")


def test_the_command_prints_what_was_registered(out: Path) -> None:
    from understudy.cli import app

    recorded(out)
    arguments = ["sign-off", "--by", "Ada", "--reason", "tests", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["verdict"] == "INCONCLUSIVE" and shown["model"] == "models:/people@candidate"
