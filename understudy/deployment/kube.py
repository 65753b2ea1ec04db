"""What a deployment needs of the Kubernetes API, through the official client: read, apply, delete, is it ready.

Objects are applied on the server's side (Server-Side Apply): the server keeps who owns which field, and refuses to
take one from another owner, such as an autoscaler's `replicas`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from understudy.errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MANAGER = "understudy"
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "Service": "/api/v1/namespaces/{namespace}/services/{name}",
    "SeldonDeployment": "/apis/machinelearning.seldon.io/v1/namespaces/{namespace}/seldondeployments/{name}",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{name}",
}
TRIES = 5
"""Of a request that met another writer, or a server that is busy."""
REQUEST_SECONDS = 30
Manifest = Mapping[str, Any]


class Kube:
    """A cluster. `context` is one of the kubeconfig's; "": its current one, or the pod's own account."""

    def __init__(self, context: str = "", pause: float = 1.0) -> None:
        self.api: ApiClient = _client(context)
        self.host: str = str(self.api.configuration.host)
        self.pause = pause

    def read(self, manifest: Manifest) -> dict[str, Any] | None:
        """The object of a manifest's kind and name as it is, None where there is none."""
        return self._ask("GET", manifest, missing=True)

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Make the object be as the manifest says. `force` takes fields from other owners; `dry_run` changes nothing.

        Raises PipelineError: a conflict with another owner, no right to do it, an invalid manifest, no answer.
        """
        query = [("fieldManager", MANAGER), ("force", "true" if force else "false")]
        query += [("dryRun", "All")] if dry_run else []
        return self._ask("PATCH", manifest, query, dict(manifest)) or {}

    def delete(self, manifest: Manifest) -> None:
        """Remove the object; nothing there is fine."""
        self._ask("DELETE", manifest, [("propagationPolicy", "Foreground")], missing=True)

    def _ask(
        self, method: str, manifest: Manifest, query: list[tuple[str, str]] | None = None,
        body: dict[str, Any] | None = None, *, missing: bool = False,
    ) -> dict[str, Any] | None:  # fmt: skip
        """One request; again where the server says that another try may do."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        meta, kind = manifest["metadata"], manifest["kind"]
        path = PATHS[kind].format(namespace=meta["namespace"], name=meta["name"])
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"
        for left in reversed(range(TRIES)):
            try:
                answer: dict[str, Any] = self.api.call_api(
                    path, method, query_params=query or [], header_params=headers, body=body,
                    auth_settings=["BearerToken"], response_type="object", _return_http_data_only=True,
                    _request_timeout=REQUEST_SECONDS,
                )  # fmt: skip
                return answer
            except ApiException as e:
                if e.status == 404 and missing and _status(e).get("details", {}).get("name"):
                    return None
                if not (left and _again(e)):
                    raise PipelineError(f"{kind} {meta['namespace']}/{meta['name']}: {_reason(e, kind)}") from None
            except (HTTPError, OSError) as e:
                if not left:
                    raise PipelineError(
                        f"Kubernetes at {self.host} can't be reached ({type(e).__name__}); check the context"
                    ) from None
            time.sleep(self.pause)
        raise AssertionError("unreachable")


def readiness(found: Manifest) -> tuple[bool, str, bool]:
    """(whether it is ready, what is said of it, whether it has failed for good) of an object as the server gave it."""
    status, meta = found.get("status") or {}, found["metadata"]
    if status.get("observedGeneration", meta.get("generation", 0)) < meta.get("generation", 0):
        return False, "not seen by its controller yet", False
    if found["kind"] == "Deployment":
        return _deployment_readiness(found.get("spec") or {}, status)
    if found["kind"] == "SeldonDeployment":
        state = str(status.get("state") or "Creating")
        return state == "Available", f"{state} {status.get('description') or ''}".strip(), state == "Failed"
    if found["kind"] == "InferenceService":
        ready: Mapping[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
        return ready.get("status") == "True", str(ready.get("message") or ready.get("reason") or "no word yet"), False
    return True, "", False


def _deployment_readiness(spec: Manifest, status: Manifest) -> tuple[bool, str, bool]:
    if "observedGeneration" not in status:
        return False, "not seen by its controller yet", False
    wanted = spec.get("replicas", 1)
    updated, available, total = (status.get(k, 0) for k in ("updatedReplicas", "availableReplicas", "replicas"))
    said = f"{updated} of {wanted} replicas updated, {available} available"
    stuck = [c for c in status.get("conditions", []) if c.get("reason") == "ProgressDeadlineExceeded"]
    if stuck:
        return False, f"{said}: {stuck[0].get('message', '')}", True
    return updated == wanted == total and available >= wanted, said, False


def _client(context: str) -> ApiClient:
    from kubernetes import client, config
    from kubernetes.config import ConfigException

    settings = client.Configuration()
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not context and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                config_file=os.environ.get("KUBECONFIG") or None, context=context or None,
                client_configuration=settings, persist_config=False,
            )  # fmt: skip
    except (ConfigException, OSError) as e:
        raise ConfigError(f"no cluster to deploy to: {e}; set KUBECONFIG, or name a context of it") from None
    settings.retries = False
    return client.ApiClient(settings)


def _status(e: Any) -> dict[str, Any]:
    """The `Status` object in a refusal; {} where there is none."""
    try:
        found = json.loads(e.body or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _again(e: Any) -> bool:
    """Whether the same request may be granted a moment later: the server is busy, or another write came between."""
    owners = [c for c in _status(e).get("details", {}).get("causes", []) if c.get("reason") == "FieldManagerConflict"]
    return e.status in (429, 500, 502, 503, 504) or (e.status == 409 and not owners)


def _reason(e: Any, kind: str) -> str:
    said = str(_status(e).get("message") or e.reason or "")[:400]
    hint = {
        401: "log in to the cluster again",
        403: "ask for the role `engineer` in this namespace",
        404: f"is {kind} installed in this cluster, and is the namespace there?",
        409: "another owner sets this; leave it out, or take it over with --force",
    }.get(e.status, "")
    return f"the cluster answered {e.status}: {said}" + (f"; {hint}" if hint else "")
