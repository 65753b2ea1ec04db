"""`understudy deploy`, with the real client against a stand-in of the API server and a real registry."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from typer.testing import CliRunner, Result

from manifests import check
from tests.deployment.kube_server import KubeApi, serving
from tests.registry import evidence
from understudy import tracking
from understudy.cli import app
from understudy.deployment import kube as kube_module
from understudy.errors import ConfigError, DeploymentError, PipelineError, RegistryError, Rejected

KEY = ("Deployment", "understudy", "serving")
DIGEST = f"registry.example/understudy-serve@sha256:{'a' * 64}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two versions of `people` that passed, and a third and fourth whose tags say otherwise."""
    root = tmp_path_factory.mktemp("registry")
    server = tracking.local_uri(root)
    for seed in range(4):
        tracking.register_version(evidence(root / str(seed), seed=seed), server)
    client = mlflow.MlflowClient(server, server)
    for version in ("3", "4"):
        client.set_model_version_tag("people", version, "audit.verdict", "FAIL" if version == "3" else "INCONCLUSIVE")
    return server


@pytest.fixture
def api(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    made = KubeApi()
    with serving(made, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield made


def deploy(*more: str, model: str = "models:/people/1") -> Result:
    return CliRunner().invoke(app, ["deploy", model, "--image", DIGEST, "--every", "0.01", *more])


def code(result: Result) -> int:
    return int(getattr(result.exception, "exit_code", result.exit_code))


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


@pytest.mark.parametrize("kind", ["deployment", "seldon", "kserve"])
def test_manifests_can_be_written_instead_and_are_safe(api: KubeApi, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "m.yaml"
    assert code(deploy("--kind", kind, "--render", str(out), "--audit-claim", "audit-log")) == 0
    assert not api.asked
    text = out.read_text()
    made: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    pod = next(p for p in _pods(made) if "containers" in p)
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert set(container["resources"]) == {"requests", "limits"}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert {"claimName": "audit-log"} in [v.get("persistentVolumeClaim") for v in pod["volumes"]]
    if kind == "deployment":
        import kubernetes_validate

        for manifest in made:
            for version in ("1.30", "1.33"):
                kubernetes_validate.validate(manifest, version, strict=True)


def rendered(tmp_path: Path, kind: str, *more: str) -> dict[str, Any]:
    """The workload that `deploy` would apply."""
    out = tmp_path / "m.yaml"
    assert code(deploy("--kind", kind, "--render", str(out), "--audit-claim", "audit-log", *more)) == 0
    first: dict[str, Any] = next(iter(yaml.safe_load_all(out.read_text())))
    return first


@pytest.mark.parametrize(("kind", "overlay"), [("deployment", "prod"), ("seldon", "seldon-v1"), ("kserve", "kserve")])
def test_the_pod_is_the_overlays(api: KubeApi, tmp_path: Path, kind: str, overlay: str) -> None:
    """What `deploy` puts over an applied overlay differs from it in the model and the image, and in nothing else."""
    made = rendered(tmp_path, kind)
    applied = next(
        r for r in check.build(check.OVERLAYS / overlay) if (r["kind"], r["metadata"]["name"]) == (made["kind"], "serving")
    )
    ours, theirs = (next(p for p in _pods(m) if "containers" in p) for m in (made, applied))
    (a,), (b,) = ours["containers"], theirs["containers"]
    assert a["args"][1:] == b["args"][1:]
    assert sorted(a["env"], key=str) == sorted((e for e in b["env"] if e["name"] != "MODEL"), key=str)
    for port in (*a["ports"], *b["ports"]):
        port.setdefault("protocol", "TCP")
    # The pods of the Deployment are spread by components/scaling, a field that stays with who applied it.
    differ = {"image", "args", "env"}
    assert {k: v for k, v in a.items() if k not in differ} == {k: v for k, v in b.items() if k not in differ}
    outside = {"containers", "topologySpreadConstraints", "labels", "annotations", "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
    assert {k: v for k, v in ours.items() if k not in outside} == {k: v for k, v in theirs.items() if k not in outside}


@pytest.mark.parametrize("kind", ["deployment", "seldon", "kserve"])
@pytest.mark.parametrize("claim", ["audit-log", ""])
def test_replicas_dont_share_an_audit_log(api: KubeApi, tmp_path: Path, kind: str, claim: str) -> None:
    pod = next(p for p in _pods(rendered(tmp_path, kind, "--audit-claim", claim)) if "containers" in p)
    container = pod["containers"][0]
    mount = next(m for m in container["volumeMounts"] if m["name"] == "audit-log")
    assert mount["subPathExpr"] == "$(POD)"
    assert {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}} in container["env"]


def test_seldon_scales_as_the_overlay_does_unless_a_number_is_asked_for(api: KubeApi, tmp_path: Path) -> None:
    overlay = next(r for r in check.build(check.OVERLAYS / "seldon-v1") if r["kind"] == "SeldonDeployment")
    given = overlay["spec"]["predictors"][0]["componentSpecs"][0]
    made = rendered(tmp_path, "seldon")["spec"]["predictors"][0]["componentSpecs"][0]
    assert (made["hpaSpec"], made["pdbSpec"]) == (given["hpaSpec"], given["pdbSpec"])
    for replicas, budget in ((1, None), (2, {"minAvailable": 1}), (5, {"minAvailable": 4})):
        predictor = rendered(tmp_path, "seldon", "--replicas", str(replicas))["spec"]["predictors"][0]
        assert predictor["replicas"] == replicas
        assert "hpaSpec" not in predictor["componentSpecs"][0]
        assert predictor["componentSpecs"][0].get("pdbSpec") == budget


def _pods(content: Any) -> Iterator[dict[str, Any]]:
    """Every pod spec in nested manifests."""
    if isinstance(content, dict):
        if "containers" in content:
            yield content
        for value in content.values():
            yield from _pods(value)
    elif isinstance(content, list):
        for value in content:
            yield from _pods(value)
