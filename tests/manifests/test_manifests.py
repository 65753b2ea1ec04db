"""Every overlay builds and passes; every rule complains about what it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from components import image
from manifests import check
from manifests.pods import pods_of
from manifests.rules import problems

OWN = check.targets()
GOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: n}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: understudy-serve:0.1.0
          ports: [{name: http, containerPort: 8080}]
          env: [{name: MODE, value: fast}]
          envFrom: [{secretRef: {name: keys}}]
          readinessProbe: {httpGet: {path: /, port: http}}
          livenessProbe: {httpGet: {path: /, port: http}}
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: n}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: n}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: n}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: n}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: keys, namespace: n}
spec: {target: {name: keys}, data: []}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: n}
spec: {minReplicas: 1, maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
"""
Change = Callable[[dict[str, Any]], object]


def good() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(GOOD))


def broken(change: Change, kind: str = "Deployment") -> list[str]:
    """The complaints about GOOD after `change` of its first resource of a kind."""
    resources = copy.deepcopy(good())
    change(next(r for r in resources if r["kind"] == kind))
    return problems(resources, OWN)


def pod(r: dict[str, Any]) -> dict[str, Any]:
    return r["spec"]["template"]["spec"]


def container(r: dict[str, Any]) -> dict[str, Any]:
    return pod(r)["containers"][0]


def test_the_good_example_is_good() -> None:
    assert problems(good(), OWN) == []


DEPLOYMENT: list[tuple[str, Change]] = [
    ("is latest", lambda r: container(r).update(image="postgres:latest")),
    ("has no tag and no digest", lambda r: container(r).update(image="understudy-serve")),
    ("malformed digest", lambda r: container(r).update(image="understudy-serve@sha256:abc")),
    ("understudy-server is no target of the Dockerfile", lambda r: container(r).update(image="registry.example:5000/x/understudy-server:1")),
    ("may run as root", lambda r: pod(r)["securityContext"].update(runAsNonRoot=False)),
    ("may run as root", lambda r: container(r)["securityContext"].update(runAsUser=0)),
    ("seccompProfile isn't RuntimeDefault", lambda r: pod(r)["securityContext"].pop("seccompProfile")),
    ("may gain privileges", lambda r: container(r)["securityContext"].pop("allowPrivilegeEscalation")),
    ("may gain privileges", lambda r: container(r)["securityContext"].update(privileged=True)),
    ("capabilities aren't exactly drop ALL", lambda r: container(r)["securityContext"]["capabilities"].update(add=["NET_ADMIN"])),
    ("root file system can be written", lambda r: container(r)["securityContext"].pop("readOnlyRootFilesystem")),
    ("automountServiceAccountToken isn't false", lambda r: pod(r).pop("automountServiceAccountToken")),
    ("hostNetwork is on", lambda r: pod(r).update(hostNetwork=True)),
    ("is a hostPath", lambda r: pod(r).update(volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
    ("has a hostPort", lambda r: container(r)["ports"][0].update(hostPort=80)),
    ("no limits of memory", lambda r: container(r)["resources"]["limits"].pop("memory")),
    ("no requests of cpu and memory", lambda r: container(r)["resources"].pop("requests")),
    ("init: no limits", lambda r: pod(r).update(initContainers=[{**container(r), "name": "init", "resources": {}}])),
    ("no readinessProbe", lambda r: container(r).pop("readinessProbe")),
    ("no livenessProbe", lambda r: container(r).pop("livenessProbe")),
    ("API_KEY has its value in clear", lambda r: container(r)["env"].append({"name": "API_KEY", "value": "x"})),
    ("looks like a secret in clear", lambda r: container(r)["env"].append({"name": "DB", "value": "postgresql://me:hunter2@db/x"})),
    ("no NetworkPolicy names its pods", lambda r: r["spec"]["template"]["metadata"]["labels"].update(app="other")),
    ("ServiceAccount/nobody isn't there", lambda r: pod(r).update(serviceAccountName="nobody")),
    ("Secret/gone isn't there", lambda r: container(r).update(envFrom=[{"secretRef": {"name": "gone"}}])),
    ("PersistentVolumeClaim/v isn't there", lambda r: pod(r).update(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}])),
    ("ConfigMap/c isn't there", lambda r: container(r).update(envFrom=[{"configMapRef": {"name": "c"}}])),
    ("port http isn't one of", lambda r: container(r)["ports"][0].update(name="web")),
]  # fmt: skip


@pytest.mark.parametrize(("complaint", "change"), DEPLOYMENT, ids=[f"{i}-{c[:25]}" for i, (c, _) in enumerate(DEPLOYMENT)])
def test_each_rule_about_pods_fails_its_example(complaint: str, change: Change) -> None:
    assert any(complaint in line for line in broken(change)), broken(change)


OTHERS: list[tuple[str, str, Change]] = [
    ("Service/web: selects no pod", "Service", lambda r: r["spec"]["selector"].update(app="gone")),
    ("is a LoadBalancer", "Service", lambda r: r["spec"].update(type="LoadBalancer")),
    ("scales Deployment/gone", "HorizontalPodAutoscaler", lambda r: r["spec"]["scaleTargetRef"].update(name="gone")),
    ("no NetworkPolicy denies all", "NetworkPolicy", lambda r: r["spec"].update(policyTypes=["Ingress"])),
    ("no NetworkPolicy denies all", "NetworkPolicy", lambda r: r["spec"].update(egress=[{}])),
    ("lets anyone in", "NetworkPolicy", lambda r: r["spec"].update(ingress=[{"ports": [{"port": 80}]}])),
]


@pytest.mark.parametrize(("complaint", "kind", "change"), OTHERS, ids=[f"{i}-{c[:25]}" for i, (c, _, _) in enumerate(OTHERS)])
def test_each_rule_about_other_kinds_fails_its_example(complaint: str, kind: str, change: Change) -> None:
    assert any(complaint in line for line in broken(change, kind)), broken(change, kind)


@pytest.mark.parametrize("content", [{"data": {"p": "eA=="}}, {"stringData": {"p": "x"}}])
def test_a_secret_in_clear_is_refused(content: dict[str, Any]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, **content}
    assert "Secret/s: holds a secret in clear; refer to one with an ExternalSecret" in problems([*good(), secret], OWN)


@pytest.mark.parametrize("value", ["-----BEGIN RSA PRIVATE KEY-----", "AKIAABCDEFGHIJKLMNOP", "password = hunter2", "us_" + "a" * 40])
def test_a_secret_in_a_config_map_is_noticed(value: str) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"f": value}}
    assert problems([*good(), config], OWN) == ["ConfigMap/c: data.f: looks like a secret in clear"]


@pytest.mark.parametrize(
    "resource",
    [
        {"kind": "SeldonDeployment", "spec": {"predictors": [{"componentSpecs": [{"spec": {"containers": [{"name": "x", "image": "a:latest"}]}}]}]}},
        {"kind": "Server", "spec": {"podSpec": {"containers": [{"name": "x", "image": "a:latest"}]}}},
        {"kind": "InferenceService", "spec": {"predictor": {"containers": [{"name": "x", "image": "a:latest"}]}}},
        {"kind": "TrainingRuntime", "spec": {"template": {"spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "a:latest"}]}}}}}]}}}},
        {"kind": "PyTorchJob", "spec": {"pytorchReplicaSpecs": {"Worker": {"template": {"spec": {"containers": [{"name": "x", "image": "a:latest"}]}}}}}},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "a:latest"}]}}}}}},
    ],
    ids=lambda r: r["kind"],
)
def test_the_pods_of_custom_kinds_are_looked_at(resource: dict[str, Any]) -> None:
    whole = {"apiVersion": "mlops.seldon.io/v1alpha1", "metadata": {"name": "m", "namespace": "n"}, **resource}
    found = problems([*good(), whole], OWN)
    name = f"{resource['kind']}/m: container x"
    assert f"{name}: image a:latest is latest; name a version or a digest" in found
    assert any(line.startswith(f"{name}: may run as root") for line in found)
    # A job needs no probe.
    assert any("no readinessProbe" in line for line in found) == (resource["kind"] not in ("CronJob", "TrainingRuntime", "PyTorchJob"))


def test_the_images_of_components_are_targets_of_the_dockerfile() -> None:
    assert {"understudy-cpu", "understudy-gpu", "understudy-serve", "understudy-seldon"} == OWN
    named = [v for k, v in vars(image).items() if k.endswith("IMAGE")]
    assert named and {n.split(":")[0] for n in named} <= OWN


@pytest.mark.parametrize("version", check.VERSIONS)
def test_an_unknown_field_is_refused_in_each_kubernetes_version(version: str) -> None:
    deployment = good()[0]
    assert check.core_problems([deployment], version) == ([], [])
    deployment["spec"]["replicsa"] = 2
    found, _ = check.core_problems([deployment], version)
    assert len(found) == 1 and "replicsa" in found[0] and version in found[0]


def test_a_misspelt_core_kind_is_not_taken_for_a_custom_one() -> None:
    found, custom = check.core_problems([{"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": {"name": "x"}}], "1.32")
    assert custom == [] and "no such kind" in found[0]


@pytest.mark.parametrize("overlay", sorted(p.name for p in check.OVERLAYS.iterdir()))
def test_every_overlay_builds_and_passes(overlay: str) -> None:
    found, counts = check.check(check.OVERLAYS / overlay, None, OWN)
    assert found == []
    assert counts["resources"] > 30
    if overlay == "dev":
        assert counts["custom"] == 0  # a small cluster needs no operator


@pytest.mark.parametrize("name", ["pytorchjob", "trainjob"])
def test_every_distributed_training_passes(name: str) -> None:
    job = check.TRAINING / f"{name}.yaml"
    assert job in check.checked()
    found, counts = check.check(job, None, OWN)
    assert found == []
    assert counts["unchecked"] == {"pytorchjob": ["ExternalSecret", "PyTorchJob"], "trainjob": ["ExternalSecret", "TrainJob", "TrainingRuntime"]}[name]
    pods = [p for r in check.training(job) for p in pods_of(r)]
    assert [p.namespace for p in pods] == ["understudy-pipelines"]


TRAINING: list[tuple[str, str, Change]] = [
    ("may run as root", "PyTorchJob", lambda r: ranks(r)["securityContext"].pop("runAsNonRoot")),
    ("no limits of memory", "TrainingRuntime", lambda r: ranks(r)["containers"][0]["resources"]["limits"].pop("memory")),
    ("is latest", "TrainingRuntime", lambda r: ranks(r)["containers"][0].update(image="understudy-gpu:latest")),
    ("understudy-trainer is no target of the Dockerfile", "PyTorchJob", lambda r: ranks(r)["containers"][0].update(image="understudy-trainer:1")),
    ("PersistentVolumeClaim/gone isn't there", "PyTorchJob", lambda r: ranks(r)["volumes"][0]["persistentVolumeClaim"].update(claimName="gone")),
    ("no NetworkPolicy denies all", "PyTorchJob", lambda r: r["metadata"].update(namespace="understudy-training")),
    ("no NetworkPolicy names its pods", "NetworkPolicy", lambda r: r["spec"]["podSelector"]["matchLabels"].update({"app.kubernetes.io/name": "seldon-envoy"})),
    ("sets trainer.image", "TrainJob", lambda r: r["spec"]["trainer"].update(image="a:1")),
    ("overrides its pods", "TrainJob", lambda r: r["spec"].update(podTemplateOverrides=[{}])),
    ("TrainingRuntime/gone isn't there", "TrainJob", lambda r: r["spec"]["runtimeRef"].update(name="gone")),
]  # fmt: skip


def ranks(r: dict[str, Any]) -> dict[str, Any]:
    return next(iter(pods_of(r))).spec  # type: ignore[return-value]


@pytest.mark.parametrize(("complaint", "kind", "change"), TRAINING, ids=[f"{i}-{c[:25]}" for i, (c, _, _) in enumerate(TRAINING)])
def test_a_distributed_training_that_breaks_a_rule_is_named(complaint: str, kind: str, change: Change) -> None:
    resources: list[Any] = check.training(check.TRAINING / ("trainjob.yaml" if kind.startswith("Train") else "pytorchjob.yaml"))
    change(next(r for r in reversed(resources) if r["kind"] == kind and (kind != "NetworkPolicy" or r["metadata"]["name"] == "ranks")))
    found = problems(resources, OWN)
    assert any(complaint in line for line in found), found


def test_a_selector_that_the_rules_cant_read_is_an_error() -> None:
    policy = {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "policyTypes": ["Ingress"]}
    with pytest.raises(ValueError, match="'Exists' is not known to these rules"):
        problems([*good(), {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x", "namespace": "n"}, "spec": policy}], OWN)


def test_the_serving_pods_are_the_same_whoever_runs_them() -> None:
    """The plain Deployment, Seldon v1 and KServe differ in ports and the container's name only."""

    def served(overlay: str, kind: str) -> dict[str, Any]:
        r = next(r for r in check.build(check.OVERLAYS / overlay) if r["kind"] == kind and r["metadata"]["name"] == "serving")
        spec = {"Deployment": lambda: r["spec"]["template"]["spec"], "InferenceService": lambda: r["spec"]["predictor"]}.get(
            kind, lambda: r["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
        )()
        c = dict(spec["containers"][0])
        c["args"] = [a for a in c["args"] if "port=" not in a]
        c["env"] = sorted(c["env"], key=lambda e: e["name"])
        return {k: v for k, v in c.items() if k not in ("name", "ports")} | {"volumes": spec["volumes"], "pod": spec["securityContext"]}

    plain = served("prod", "Deployment")
    assert served("seldon-v1", "SeldonDeployment") == plain
    assert served("kserve", "InferenceService") == plain
