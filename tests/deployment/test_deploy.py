"""`understudy deploy`, with the real client against a stand-in of the API server and a real registry."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import mlflow
import pytest

from tests.deployment.commands import DIGEST, code, deploy
from tests.deployment.kube_server import KubeApi
from understudy.deployment import kube as kube_module
from understudy.errors import ConfigError, DeploymentError, PipelineError, RegistryError, Rejected

KEY = ("Deployment", "understudy", "serving")


def tags(registry: str, version: str) -> dict[str, str]:
    found = mlflow.MlflowClient(registry, registry).get_model_version("people", version).tags
    return {k.removeprefix("deployment."): v for k, v in found.items() if k.startswith("deployment.")}


def test_a_version_is_deployed_recorded_and_replaced_by_the_next(api: KubeApi, registry: str) -> None:
    done = deploy("--json")
    assert code(done) == 0, done.exception
    said = json.loads(done.stdout)
    assert (said["model"], said["replaced"], said["kind"]) == ("models:/people/1", "", "deployment")
    pod = api.objects[KEY]["spec"]["template"]["spec"]["containers"][0]
    assert pod["image"] == DIGEST and pod["args"][0] == "models:/people/1"
    assert ("Service", "understudy", "serving") in api.objects
    assert api.asked[:2] == ["PATCH Deployment dry", "PATCH Service dry"], "nothing is changed before all is tried"
    recorded = tags(registry, "1")
    assert (recorded["status"], recorded["kind"], recorded["namespace"]) == ("ready", "deployment", "understudy")
    assert (recorded["image"], recorded["cluster"]) == (DIGEST, api.url)

    again = json.loads(deploy("--json", model="models:/people/2").stdout)
    assert again["replaced"] == "models:/people/1"
    assert (tags(registry, "1")["status"], tags(registry, "2")["status"]) == ("replaced", "ready")
    assert api.objects[KEY]["metadata"]["generation"] == 2
    same = json.loads(deploy("--json", model="models:/people/2").stdout)
    assert same["replaced"] == "" and api.objects[KEY]["metadata"]["generation"] == 2
    assert tags(registry, "2")["status"] == "ready"


def test_an_alias_is_pinned_to_its_version(api: KubeApi, registry: str) -> None:
    mlflow.MlflowClient(registry, registry).set_registered_model_alias("people", "champion", "2")
    said = json.loads(deploy("--json", model="models:/people@champion").stdout)
    assert said["model"] == "models:/people/2"


@pytest.mark.parametrize("outcome", ["stuck", "deadline"])
def test_what_never_gets_ready_is_rolled_back(api: KubeApi, registry: str, outcome: str) -> None:
    assert code(deploy("--replicas", "2")) == 0
    before = copy.deepcopy(api.objects)
    api.outcome = outcome
    done = deploy("--timeout", "1", model="models:/people/2")
    assert isinstance(done.exception, DeploymentError) and code(done) == 1
    assert "what was there before is back" in str(done.exception)
    assert ("has failed: " if outcome == "deadline" else "is not ready after 1 s: ") in str(done.exception)
    for key, was in before.items():
        now = api.objects[key]
        assert now["spec"] == was["spec"], "to the letter"
        assert now["metadata"].get("annotations", {}) == was["metadata"].get("annotations", {})
        assert now["metadata"]["uid"] == was["metadata"]["uid"], "not made anew"
    assert (tags(registry, "1")["status"], tags(registry, "2")["status"]) == ("ready", "rolled back")


def test_a_first_deployment_that_fails_leaves_nothing(api: KubeApi) -> None:
    api.outcome = "deadline"
    done = deploy()
    assert isinstance(done.exception, DeploymentError)
    assert not api.objects


def test_no_right_to_it_is_found_before_anything_is_changed(api: KubeApi) -> None:
    api.forbidden = ("Service",)
    done = deploy()
    assert isinstance(done.exception, PipelineError) and code(done) == 2
    assert 'answered 403: services. "serving" is forbidden: User "ci" cannot patch' in str(done.exception)
    assert "ask for the role" in str(done.exception)
    assert not api.objects and not [a for a in api.asked if "dry" not in a and a.startswith("PATCH")]


def test_a_refusal_halfway_puts_back_what_was_applied(api: KubeApi) -> None:
    api.forbidden, api.forbid_writes_only = ("Service",), True
    done = deploy()
    assert isinstance(done.exception, PipelineError) and "403" in str(done.exception)
    assert KEY not in api.objects


def test_a_field_of_another_owner_is_a_conflict_unless_forced(api: KubeApi) -> None:
    assert code(deploy("--replicas", "2")) == 0
    api.objects[KEY]["spec"]["replicas"] = 5  # an autoscaler scaled it
    api.owners[KEY][("spec", "replicas")] = "hpa"
    done = deploy("--replicas", "3")
    assert isinstance(done.exception, PipelineError) and code(done) == 2
    assert 'conflict with "hpa": .spec.replicas' in str(done.exception) and "--force" in str(done.exception)
    assert api.objects[KEY]["spec"]["replicas"] == 5
    assert code(deploy()) == 0, "what isn't said is not taken"
    assert api.objects[KEY]["spec"]["replicas"] == 5
    assert code(deploy("--replicas", "3", "--force")) == 0
    assert api.objects[KEY]["spec"]["replicas"] == 3


def test_going_back_leaves_an_autoscalers_number_alone(api: KubeApi) -> None:
    assert code(deploy()) == 0
    api.objects[KEY]["spec"]["replicas"] = 5
    api.owners[KEY][("spec", "replicas")] = "hpa"
    api.outcome = "deadline"
    assert code(deploy(model="models:/people/2")) == 1
    assert api.objects[KEY]["spec"]["replicas"] == 5
    assert api.owners[KEY][("spec", "replicas")] == "hpa"


def test_another_write_in_between_is_tried_again(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.deployment.kube.time.sleep", lambda seconds: None)
    api.busy = 3
    assert code(deploy()) == 0
    api.busy = 1000
    done = deploy()
    assert isinstance(done.exception, PipelineError) and "409: Operation cannot be fulfilled" in str(done.exception)


def test_a_cluster_that_doesnt_answer_in_time(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_module, "REQUEST_SECONDS", 1)
    monkeypatch.setattr(kube_module, "TRIES", 2)
    api.slow = 1.5
    done = deploy()
    assert isinstance(done.exception, PipelineError) and code(done) == 2
    assert f"Kubernetes at {api.url} can't be reached (ReadTimeoutError)" in str(done.exception)


def test_a_wrong_token(api: KubeApi) -> None:
    api.token = "another"
    done = deploy()
    assert isinstance(done.exception, PipelineError) and "401" in str(done.exception) and "log in" in str(done.exception)


@pytest.mark.parametrize(("kind", "object_kind"), [("seldon", "SeldonDeployment"), ("kserve", "InferenceService")])
def test_seldon_and_kserve(api: KubeApi, registry: str, kind: str, object_kind: str) -> None:
    without = deploy("--kind", kind)
    assert isinstance(without.exception, PipelineError) and f"is {object_kind} installed in this cluster" in str(without.exception)
    api.installed = (object_kind,)
    assert code(deploy("--kind", kind, "--replicas", "2")) == 0
    assert tags(registry, "1")["kind"] == kind
    api.outcome = "stuck"
    done = deploy("--kind", kind, "--timeout", "1", model="models:/people/2")
    assert isinstance(done.exception, DeploymentError)
    assert "models:/people/1" in json.dumps(api.objects[(object_kind, "understudy", "serving")])


def test_only_what_passed_or_was_signed_off_is_deployed(api: KubeApi, registry: str) -> None:
    for version in ("3", "4"):
        done = deploy(model=f"models:/people/{version}")
        assert isinstance(done.exception, Rejected) and code(done) == 1
        assert "its audit's verdict is" in str(done.exception)
    assert not api.asked, "the cluster isn't even asked"
    client = mlflow.MlflowClient(registry, registry)
    for version in ("3", "4"):
        client.set_model_version_tag("people", version, "audit.signed_off_by", "Ada")
    assert isinstance(deploy(model="models:/people/3").exception, Rejected), "a FAIL can't be signed off"
    assert code(deploy(model="models:/people/4")) == 0
    client.delete_model_version_tag("people", "4", "audit.signed_off_by")


@pytest.mark.parametrize(
    ("model", "more", "error", "said"),
    [
        ("models:/people/99", [], RegistryError, "99"),
        ("out/model", [], ConfigError, "only a registered version is deployed"),
        ("models:/people/1", ["--kind", "nomad"], ConfigError, "kind 'nomad' is not known"),
        ("models:/people/1", ["--name", "Serving"], ConfigError, "name 'Serving' is no Kubernetes name"),
        ("models:/people/1", ["-n", "a/b"], ConfigError, "namespace 'a/b' is no Kubernetes name"),
        ("models:/people/1", ["--replicas", "0"], ConfigError, "replicas is 0"),
        ("models:/people/1", ["--timeout", "0"], ConfigError, "timeout is 0"),
        ("models:/people/1", ["--image", "understudy-serve:latest"], ConfigError, "the tag latest, which moves"),
        ("models:/people/1", ["--context", "nowhere"], ConfigError, "no cluster to deploy to"),
    ],
)
def test_bad_input_is_one_line(api: KubeApi, model: str, more: list[str], error: type[Exception], said: str) -> None:
    done = deploy(*more, model=model)
    assert isinstance(done.exception, error) and said in str(done.exception)
    assert code(done) == 2 and not api.asked


def test_no_kubeconfig_is_one_line(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = deploy()
    assert isinstance(done.exception, ConfigError) and "set KUBECONFIG" in str(done.exception)
