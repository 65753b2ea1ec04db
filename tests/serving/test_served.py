"""A served model out of the registry: its facts, its verdict, and a champion that changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.registry import evidence
from tests.serving.running import serving, until
from understudy import tracking
from understudy.errors import RegistryError, Rejected
from understudy.serving.served import find_source


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with two versions of `people`, of which 1 is the champion."""
    root, before = tmp_path_factory.mktemp("registry"), mlflow.get_tracking_uri()
    uri = tracking.local_uri(root)
    tracking.register_version(evidence(root / "a", seed=0), uri)
    tracking.register_version(evidence(root / "b", seed=1, c2st_auc=0.99), uri)
    yield uri
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(before)


def client(server: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(server, server)


def test_the_only_champion_is_found_with_its_facts(server: str) -> None:
    source = find_source("", server)
    served = source.load(allow_unaudited=False)
    facts = served.facts
    assert (facts.name, facts.version, facts.verdict, facts.generator) == ("people", "1", "PASS", "independent")
    assert facts.data_md5 == f"{0:032x}" and facts.schema_sha256 == served.schema.sha256() and facts.epsilon is None
    assert served.reference().equals(served.reference()) and len(served.reference()) == 5000
    assert find_source("models:/people/2", server).load(allow_unaudited=False).facts.version == "2"


def test_the_budget_is_told_and_a_tag_that_isnt_pass_refuses(server: str) -> None:
    c = client(server)
    for key, value in (("dp.epsilon", "1.5"), ("dp.delta", "1e-6")):
        c.set_model_version_tag("people", "2", key, value)
    facts = find_source("models:/people/2", server).load(allow_unaudited=False).facts
    assert (facts.epsilon, facts.delta) == (1.5, 1e-6)
    c.set_model_version_tag("people", "2", "audit.verdict", "FAIL")
    with pytest.raises(Rejected, match="model people version 2: its audit's verdict is FAIL"):
        find_source("models:/people/2", server).load(allow_unaudited=False)
    c.set_model_version_tag("people", "2", "audit.verdict", "PASS")


def test_an_inconclusive_verdict_is_served_once_signed_off_and_says_so(server: str) -> None:
    c, source = client(server), find_source("models:/people/2", server)
    assert not source.load(allow_unaudited=False).facts.signed_off
    c.set_model_version_tag("people", "2", "audit.verdict", "INCONCLUSIVE")
    with pytest.raises(Rejected, match="INCONCLUSIVE, not PASS"):
        source.load(allow_unaudited=False)
    c.set_model_version_tag("people", "2", "audit.signed_off_by", "Ada")
    facts = source.load(allow_unaudited=False).facts
    assert facts.signed_off and facts.verdict == "INCONCLUSIVE"
    c.set_model_version_tag("people", "2", "audit.verdict", "FAIL")  # nobody can sign that off
    with pytest.raises(Rejected, match="FAIL, not PASS"):
        source.load(allow_unaudited=False)
    c.delete_model_version_tag("people", "2", "audit.signed_off_by")
    c.set_model_version_tag("people", "2", "audit.verdict", "PASS")


@pytest.mark.parametrize("uri", ["models:/nobody@champion", "models:/people@nobody", "models:/people/99"])
def test_what_isnt_registered_is_one_line(server: str, uri: str) -> None:
    with pytest.raises(RegistryError) as e:
        find_source(uri, server).load(allow_unaudited=False)
    assert "\n" not in str(e.value)


def test_no_registry_and_two_champions_are_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no registry at"):
        find_source("", tracking.local_uri(tmp_path / "none"))
    c = client(server)
    c.create_registered_model("other")
    c.create_model_version("other", "/nowhere")
    c.set_registered_model_alias("other", "champion", "1")
    with pytest.raises(RegistryError, match="there are other, people"):
        find_source("", server)
    c.delete_registered_model("other")


@pytest.mark.slow
def test_a_new_champion_is_served_without_a_restart(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlserver")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    c = client(server)
    with serving("models:/people@champion", tmp_path, "--poll", "0.3") as running:

        def version() -> str:
            return str(json.loads(running.call("GET", "/model")[1])["version"])

        assert version() == "1" and running.sample(n_rows=5)[0] == 200
        for champion in ("2", "1"):  # forwards, and back
            c.set_registered_model_alias("people", "champion", champion)
            until(lambda champion=champion: version() == champion, 60)
            assert running.call("GET", f"/v2/models/people/versions/{champion}")[0] == 200
            assert running.sample(n_rows=5)[0] == 200 and running.records()[-1]["version"] == champion
            body = {"inputs": [], "parameters": {"n_rows": 3}}
            assert json.loads(running.call("POST", "/v2/models/people/infer", body)[1])["model_version"] == champion
        assert running.metric('understudy_model_info{generator="independent",name="people",version="1"}') == 1
