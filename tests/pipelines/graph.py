"""Read a compiled pipeline as a graph: its tasks, at any depth, and what feeds each input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.cluster import Cluster
from pipelines.compile import compile_pipeline

IMAGES = {n: f"registry.example/understudy-{n}@sha256:{str(i) * 64}" for i, n in enumerate(("cpu", "gpu"), 1)}
CLUSTER = Cluster(image=IMAGES["cpu"], gpu_image=IMAGES["gpu"], root="s3://artifacts/runs", pvc="understudy")


@dataclass(frozen=True)
class Graph:
    """`spec` is the pipeline spec, `platform` what Kubernetes is told of each executor."""

    spec: Mapping[str, Any]
    platform: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, folder: Path, cluster: Cluster = CLUSTER) -> Graph:
        text = compile_pipeline(name, folder / f"{name}.yaml", cluster).read_text()
        spec, platform = yaml.safe_load_all(text)
        return cls(spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"])

    def dags(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every component that has tasks, by name, the root first."""
        yield "root", self.spec["root"]
        for name, component in self.spec["components"].items():
            if "dag" in component:
                yield name, component

    def tasks(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """(name, task, the component it is in), for every task of every dag."""
        for _, component in self.dags():
            for name, task in component["dag"]["tasks"].items():
                yield name, task, component

    def component(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.spec["components"][task["componentRef"]["name"]]
        return found

    def executors(self) -> dict[str, Mapping[str, Any]]:
        """The container of every component that has one, by executor label."""
        all_ = self.spec["deploymentSpec"]["executors"]
        return {label: e["container"] for label, e in all_.items() if "container" in e}

    def unfed(self) -> list[str]:
        """Inputs without a producer: every one should be [] of these."""
        problems = []
        for name, task, parent in self.tasks():
            declared = self.component(task).get("inputDefinitions", {})
            given = task.get("inputs", {})
            for kind in ("parameters", "artifacts"):
                for key, definition in declared.get(kind, {}).items():
                    fed = given.get(kind, {}).get(key)
                    if fed is None and not definition.get("isOptional") and key != self._loop_item(task):
                        problems.append(f"{name}.{key} is not given")
                for key, fed in given.get(kind, {}).items():
                    if not self._produced(fed, parent):
                        problems.append(f"{name}.{key} has no producer: {fed}")
        return problems

    def _loop_item(self, task: Mapping[str, Any]) -> str:
        return str(task.get("parameterIterator", {}).get("itemInput", ""))

    def _produced(self, fed: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
        inputs = parent.get("inputDefinitions", {})
        if "runtimeValue" in fed:
            return True
        if "componentInputParameter" in fed:
            return fed["componentInputParameter"] in inputs.get("parameters", {})
        if "componentInputArtifact" in fed:
            return fed["componentInputArtifact"] in inputs.get("artifacts", {})
        out = fed.get("taskOutputParameter") or fed["taskOutputArtifact"]
        producer = parent["dag"]["tasks"][out["producerTask"]]
        key = out.get("outputParameterKey") or out["outputArtifactKey"]
        outputs = self.component(producer).get("outputDefinitions", {})
        return key in outputs.get("parameters", {}) or key in outputs.get("artifacts", {})
