"""A stand-in of the API server and a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.deployment.kube_server import KubeApi, serving
from tests.registry import evidence
from understudy import tracking


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
