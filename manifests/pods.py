"""The pods that manifests make: Kubernetes' own kinds, Seldon's, KServe's and Kubeflow's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """The pods of a workload: what their containers are, their labels, whether they run until stopped."""

    owner: str
    namespace: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    serves: bool = True

    @property
    def account(self) -> str:
        return str(self.spec.get("serviceAccountName", "default"))

    def containers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for key in ("initContainers", "containers"):
            for container in self.spec.get(key) or ():
                yield f"{self.owner}: container {container.get('name')}", container


def label(resource: Resource) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def pods_of(resource: Resource) -> Iterator[Pod]:
    """The pods that a resource makes, also those of Seldon's, KServe's and Kubeflow's kinds."""
    kind, spec = resource["kind"], resource.get("spec") or {}
    meta = resource["metadata"]
    own = {"owner": label(resource), "namespace": meta.get("namespace", "")}
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
        yield Pod(**own, **_template(spec["template"]))
    elif kind == "Job":
        yield Pod(**own, **_template(spec["template"]), serves=False)
    elif kind == "CronJob":
        yield Pod(**own, **_template(spec["jobTemplate"]["spec"]["template"]), serves=False)
    elif kind == "Pod":
        yield Pod(**own, spec=spec, labels=meta.get("labels") or {})
    elif kind == "SeldonDeployment":
        for predictor in spec["predictors"]:
            for component in predictor.get("componentSpecs") or ():
                yield Pod(**own, **_template(component))
    elif kind == "Server" and resource["apiVersion"].startswith("mlops.seldon.io"):
        named = {**(meta.get("labels") or {}), "seldon-server-name": meta["name"]}
        yield Pod(**own, spec=spec.get("podSpec") or {}, labels=named)
    elif kind == "InferenceService":
        for part in ("predictor", "transformer", "explainer"):
            if part in spec:
                yield Pod(**own, spec=spec[part], labels=spec[part].get("labels") or meta.get("labels") or {})
    elif kind in ("TrainingRuntime", "PyTorchJob"):
        for template in _ranks(spec):
            yield Pod(**own, **_template(template), serves=False)


def _ranks(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The pod templates of a distributed training: of a TrainingRuntime's jobs, or a PyTorchJob's replicas."""
    for job in ((spec.get("template") or {}).get("spec") or {}).get("replicatedJobs") or ():
        yield job["template"]["spec"]["template"]
    for replicas in (spec.get("pytorchReplicaSpecs") or {}).values():
        yield replicas["template"]


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    return {"spec": template["spec"], "labels": (template.get("metadata") or {}).get("labels") or {}}
