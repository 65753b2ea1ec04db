"""What every overlay keeps to, whatever it deploys. One rule a function: resources in, complaints out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manifests.pods import Pod, Resource, label, pods_of

OWN = "understudy-"
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)KEY(_ID)?$", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bus_[A-Za-z0-9_-]{32,}"
    r"|://[^/\s:@{]+:[^/\s@{]+@|\bpassword\s*[=:]\s*[^\s{$]"
)

SOURCES = {
    "secretRef": "Secret", "secretKeyRef": "Secret", "configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap",
}  # fmt: skip
API_ACCOUNTS = {"deployer"}
"""Whose pods may talk to the Kubernetes API."""
MADE_BY_OPERATORS = [{"app.kubernetes.io/name": "seldon-envoy"}, {"app.kubernetes.io/name": "fit"}]
"""Labels of pods that no overlay makes, but that policies are about: Seldon's mesh, the ranks of manifests/training."""


def problems(resources: list[Resource], own_images: set[str]) -> list[str]:
    """All complaints of all rules. `own_images`: names of the images that we build."""
    pods = [pod for r in resources for pod in pods_of(r)]
    found = list(images(pods, own_images))
    found += overrides(resources)
    for rule in (security, limits, probes):
        found += rule(pods)
    for rule_of_all in (secrets, networks, references, exposure):
        found += rule_of_all(resources, pods)
    return found


def images(pods: Iterable[Pod], own_images: set[str]) -> Iterator[str]:
    """Every image has a tag or digest other than latest; ours are ones that the Dockerfile makes."""
    for pod in pods:
        for where, container in pod.containers():
            image = str(container.get("image", ""))
            path, _, digest = image.partition("@")
            name, _, tag = path.rpartition("/")[2].partition(":")
            if not tag and not digest:
                yield f"{where}: image {image or '(none)'} has no tag and no digest"
            if tag == "latest":
                yield f"{where}: image {image} is latest; name a version or a digest"
            if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
                yield f"{where}: image {image} has a malformed digest"
            if name.startswith(OWN) and name not in own_images:
                yield f"{where}: image {name} is no target of the Dockerfile; they are {', '.join(sorted(own_images))}"


def overrides(resources: list[Resource]) -> Iterator[str]:
    """A TrainJob says what is run; where and as whom stands in its runtime, which the other rules read."""
    for resource in resources:
        if resource["kind"] == "TrainJob":
            for key in ("image", "resourcesPerNode"):
                if key in (resource["spec"].get("trainer") or {}):
                    yield f"{label(resource)}: sets trainer.{key}; it belongs in the TrainingRuntime"
            if resource["spec"].get("podTemplateOverrides"):
                yield f"{label(resource)}: overrides its pods; change the TrainingRuntime"
            runtime = resource["spec"]["runtimeRef"]
            named = (runtime.get("kind"), runtime["name"], resource["metadata"].get("namespace"))
            if named not in {(r["kind"], r["metadata"]["name"], r["metadata"].get("namespace")) for r in resources}:
                yield f"{label(resource)}: {runtime.get('kind')}/{runtime['name']} isn't there"


def security(pods: Iterable[Pod]) -> Iterator[str]:
    """Pod security `restricted`, and more: a read-only root file system, a numeric user, no API token."""
    for pod in pods:
        of_pod = pod.spec.get("securityContext") or {}
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod.owner}: {key} is on"
        for volume in pod.spec.get("volumes") or ():
            if "hostPath" in volume:
                yield f"{pod.owner}: volume {volume['name']} is a hostPath"
        if pod.spec.get("automountServiceAccountToken") is not False and pod.account not in API_ACCOUNTS:
            yield f"{pod.owner}: automountServiceAccountToken isn't false"
        for where, container in pod.containers():
            context = container.get("securityContext") or {}
            effective = {**of_pod, **context}
            if effective.get("runAsNonRoot") is not True or not effective.get("runAsUser"):
                yield f"{where}: may run as root; set runAsNonRoot and a runAsUser other than 0"
            if (effective.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
                yield f"{where}: seccompProfile isn't RuntimeDefault"
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{where}: may gain privileges; set allowPrivilegeEscalation to false"
            if (context.get("capabilities") or {}) != {"drop": ["ALL"]}:
                yield f"{where}: capabilities aren't exactly drop ALL"
            if context.get("readOnlyRootFilesystem") is not True:
                yield f"{where}: the root file system can be written"


def limits(pods: Iterable[Pod]) -> Iterator[str]:
    for pod in pods:
        for where, container in pod.containers():
            resources = container.get("resources") or {}
            for key in ("requests", "limits"):
                missing = {"cpu", "memory"} - set(resources.get(key) or {})
                if missing:
                    yield f"{where}: no {key} of {' and '.join(sorted(missing))}"


def probes(pods: Iterable[Pod]) -> Iterator[str]:
    """Readiness and liveness of what serves. A job's exit code says how it went; what it needs is a deadline."""
    for pod in pods:
        if not pod.serves:
            continue
        for container in pod.spec.get("containers") or ():
            for probe in ("readinessProbe", "livenessProbe"):
                if not container.get(probe):
                    yield f"{pod.owner}: container {container.get('name')}: no {probe}"


def secrets(resources: Iterable[Resource], pods: Iterable[Pod]) -> Iterator[str]:
    """No secret's value is in a manifest."""
    for resource in resources:
        if resource["kind"] == "Secret" and (resource.get("data") or resource.get("stringData")):
            yield f"{label(resource)}: holds a secret in clear; refer to one with an ExternalSecret"
        for path, value in _strings(resource):
            if SECRET_VALUE.search(value):
                yield f"{label(resource)}: {path}: looks like a secret in clear"
    for pod in pods:
        for where, container in pod.containers():
            for variable in container.get("env") or ():
                name, value = variable["name"], variable.get("value")
                if value and SECRET_NAME.search(name) and not name.endswith(("_FILE", "_PATH")):
                    yield f"{where}: {name} has its value in clear; use secretKeyRef"


def networks(resources: Iterable[Resource], pods: Iterable[Pod]) -> Iterator[str]:
    """A namespace with pods denies everything, and each of its workloads has a policy of its own."""
    policies = [r for r in resources if r["kind"] == "NetworkPolicy"]
    for namespace in sorted({p.namespace for p in pods}):
        here = [r for r in policies if r["metadata"].get("namespace", "") == namespace]
        if not any(_denies_all(r) for r in here):
            yield f"Namespace/{namespace}: no NetworkPolicy denies all ingress and egress by default"
        for pod in (p for p in pods if p.namespace == namespace):
            named = [r for r in here if r["spec"]["podSelector"] and _selects(r["spec"]["podSelector"], pod.labels)]
            if not named:
                yield f"{pod.owner}: no NetworkPolicy names its pods"
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            if not rule.get("from"):
                yield f"{label(policy)}: lets anyone in"


def references(resources: list[Resource], pods: list[Pod]) -> Iterator[str]:
    """Accounts, claims, secrets and configurations that are referred to are there; selectors select something."""
    there = {(r["kind"], r["metadata"]["name"]) for r in resources}
    external = [r for r in resources if r["kind"] == "ExternalSecret"]
    stored = {(r["metadata"].get("namespace"), r["spec"]["target"]["name"]) for r in external}
    made = [p.labels for p in pods]
    made += MADE_BY_OPERATORS
    for pod in pods:
        for kind, name, optional in _referred(pod.spec):
            if kind == "Secret":
                missing = bool(stored) and (pod.namespace, name) not in stored and not optional
            else:
                missing = (kind, name) not in there
            if missing:
                yield f"{pod.owner}: {kind}/{name} isn't there"
    for resource in resources:
        spec = resource.get("spec") or {}
        if resource["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            selector = spec.get("selector") or spec.get("podSelector") or {}
            labels = selector if resource["kind"] == "Service" else selector.get("matchLabels") or {}
            if labels and not any(_selects({"matchLabels": labels}, m) for m in made):
                yield f"{label(resource)}: selects no pod"
        if resource["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            if (target["kind"], target["name"]) not in there:
                yield f"{label(resource)}: scales {target['kind']}/{target['name']}, which isn't there"
        if resource["kind"] == "Service":
            yield from _ports(resource, pods)


def exposure(resources: Iterable[Resource], pods: Iterable[Pod]) -> Iterator[str]:
    """Nothing is reached from outside but through a gateway."""
    for resource in resources:
        kind = (resource.get("spec") or {}).get("type")
        if resource["kind"] == "Service" and kind in ("NodePort", "LoadBalancer"):
            yield f"{label(resource)}: is a {kind}; publish it through the gateway"
    for pod in pods:
        for where, container in pod.containers():
            if any("hostPort" in port for port in container.get("ports") or ()):
                yield f"{where}: has a hostPort"


def _ports(service: Resource, pods: Iterable[Pod]) -> Iterator[str]:
    selector = service["spec"].get("selector") or {}
    for pod in pods:
        if selector and _selects({"matchLabels": selector}, pod.labels):
            declared = [port for _, container in pod.containers() for port in container.get("ports") or ()]
            known = {p.get("name") for p in declared} | {p["containerPort"] for p in declared}
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in known:
                    yield f"{label(service)}: port {target} isn't one of {pod.owner}"


def _referred(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(kind, name, optional) of what a pod refers to."""
    if spec.get("serviceAccountName"):
        yield "ServiceAccount", spec["serviceAccountName"], False
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], False
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], bool(volume["configMap"].get("optional"))
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], bool(volume["secret"].get("optional"))
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        given = list(container.get("envFrom") or ())
        given += [e["valueFrom"] for e in container.get("env") or () if "valueFrom" in e]
        for source in given:
            for key, named in source.items():
                if key in SOURCES:
                    yield SOURCES[key], named["name"], bool(named.get("optional"))


def _denies_all(policy: Resource) -> bool:
    spec = policy["spec"]
    return (
        not spec["podSelector"]
        and set(spec.get("policyTypes") or ()) == {"Ingress", "Egress"}
        and not spec.get("ingress")
        and not spec.get("egress")
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of equalities and exceptions, the only ones used here, selects these labels."""
    for expression in selector.get("matchExpressions") or ():
        if expression["operator"] != "NotIn":
            raise ValueError(f"a selector's operator {expression['operator']!r} is not known to these rules")
        if labels.get(expression["key"]) in expression["values"]:
            return False
    return all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())


def _strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from _strings(v, f"{path}.{k}" if path else str(k))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from _strings(v, f"{path}.{i}")
    elif isinstance(value, str):
        yield path, value
