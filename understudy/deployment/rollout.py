"""Deploy a registered version: check it, apply it, wait until it is ready, or go back to what was there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.deployment.kube import MANAGER, Kube, Manifest, readiness
from understudy.deployment.target import MODEL, Target
from understudy.errors import DeploymentError, PipelineError, Rejected, UnderstudyError
from understudy.evidence import PASS, SIGNED_OFF_BY, is_signed_off
from understudy.files import write_text
from understudy.progress import Progress
from understudy.registered import RegisteredVersion, Registry
from understudy.tracking import connected

READY, ROLLED_BACK, REPLACED = "ready", "rolled back", "replaced"
_SERVERS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
Before = list[tuple[Manifest, dict[str, Any] | None]]


@dataclass(frozen=True)
class Deployed:
    """What is served now, `model` (models:/NAME/VERSION), and what it replaced ("": nothing)."""

    model: str
    kind: str
    name: str
    namespace: str
    image: str
    replaced: str
    seconds: float


def deploy(
    model: str, target: Target, kube: Kube, *, tracking_uri: str = "", force: bool = False, every: float = 2.0,
    progress: Progress | None = None,
) -> Deployed:  # fmt: skip
    """Serve a registered version (`models:/NAME@ALIAS`; an alias is looked up once) and record that in the registry.

    Tags of the version: `deployment.status` (ready, rolled back, replaced), `.at`, `.kind`, `.name`, `.namespace`,
    `.image`, `.cluster`.
    Raises Rejected, and does nothing, for a version whose verdict isn't PASS (or INCONCLUSIVE and signed off);
    RegistryError; PipelineError when the cluster refuses, and nothing was changed or all was put back;
    DeploymentError when it wasn't ready in time, and all was put back.
    """
    started = time.monotonic()
    version = Registry(tracking_uri).version(model)
    check(version)
    manifests = target.manifests(version)
    for m in manifests:  # what would be refused is refused before anything is changed
        kube.apply(m, force=force, dry_run=True)
    before: Before = [(m, kube.read(m)) for m in manifests]
    try:
        for m in manifests:
            kube.apply(m, force=force)
        _wait(kube, manifests, target.timeout, every, progress)
    except (UnderstudyError, KeyboardInterrupt) as e:
        said = _roll_back(kube, before, str(e) or "interrupted")
        _record(version, target, kube, tracking_uri, ROLLED_BACK)
        if isinstance(e, UnderstudyError):
            raise type(e)(said) from e
        raise
    replaced = _served(before)
    if replaced and replaced != _uri(version):
        _tag(replaced, {"deployment.status": REPLACED}, tracking_uri)
    _record(version, target, kube, tracking_uri, READY)
    seconds = round(time.monotonic() - started, 1)
    shown = replaced if replaced != _uri(version) else ""
    return Deployed(_uri(version), target.kind, target.name, target.namespace, target.image, shown, seconds)


def write_manifests(model: str, target: Target, out: Path, tracking_uri: str = "") -> Path:
    """Write what `deploy` would apply to a YAML file. Raises Rejected, RegistryError."""
    import yaml

    version = Registry(tracking_uri).version(model)
    check(version)
    write_text(out, yaml.safe_dump_all(target.manifests(version), sort_keys=False))
    return out


def check(version: RegisteredVersion) -> None:
    """Raises Rejected for a version that may not be served."""
    verdict = version.tags.get("audit.verdict", "unknown")
    if verdict != PASS and not is_signed_off(verdict, version.tags.get(SIGNED_OFF_BY, "")):
        raise Rejected(f"{_uri(version)}: its audit's verdict is {verdict} and not signed off; it isn't deployed")


def _wait(
    kube: Kube, manifests: Sequence[Manifest], timeout: float, every: float, progress: Progress | None
) -> None:
    """Until all are ready. Raises DeploymentError."""
    began = time.monotonic()
    while True:
        answers = [(m, readiness(kube.read(m) or dict(m))) for m in manifests]
        waiting = [(m, said) for m, (ready, said, _) in answers if not ready]
        if not waiting:
            return
        manifest, said = waiting[0]
        what = f"{manifest['kind']} {manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
        seconds = time.monotonic() - began
        if any(failed for _, (_, _, failed) in answers):
            raise DeploymentError(f"{what} has failed: {said}")
        if seconds > timeout:
            raise DeploymentError(f"{what} is not ready after {timeout:.0f} s: {said}")
        if progress:
            progress(min(seconds / timeout, 0.99), said)
        time.sleep(every)


def _roll_back(kube: Kube, before: Before, why: str) -> str:
    """Put back what was there; what to tell a person. Goes on where one object can't be put back."""
    left = []
    for manifest, was in reversed(before):
        try:
            if was is None:
                kube.delete(manifest)
            else:
                kube.apply(_restorable(was, manifest), force=True)
        except PipelineError as e:
            left.append(str(e))
    if left:
        return f"{why}; and going back failed too, see to it by hand: {left[0]}"
    return f"{why}; what was there before is back"


def _restorable(was: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """An object as it can be applied again: without what the server writes, and without a number of replicas that
    is another owner's business, an autoscaler's, and was left to it."""
    meta = {k: v for k, v in was["metadata"].items() if k not in _SERVERS_OWN}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith("deployment.kubernetes.io/")}
    spec = dict(was["spec"])
    ours = [m.get("fieldsV1", {}) for m in was["metadata"].get("managedFields", []) if m.get("manager") == MANAGER]
    if "replicas" not in manifest["spec"] and not any("f:replicas" in f.get("f:spec", {}) for f in ours):
        spec.pop("replicas", None)
    kept = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
    return {**kept, "metadata": meta | {"annotations": notes}, "spec": spec}


def _served(before: Before) -> str:
    """The version that was served before; "" where nothing was, or nobody said."""
    notes = [(was["metadata"].get("annotations") or {}).get(MODEL, "") for _, was in before if was]
    return next((n for n in notes if n), "")


def _record(version: RegisteredVersion, target: Target, kube: Kube, tracking_uri: str, status: str) -> None:
    tags = {
        "deployment.status": status,
        "deployment.at": datetime.now(UTC).isoformat(timespec="seconds"),
        "deployment.kind": target.kind,
        "deployment.name": target.name,
        "deployment.namespace": target.namespace,
        "deployment.image": target.image,
        "deployment.cluster": kube.host,
    }
    _tag(_uri(version), tags, tracking_uri)


def _tag(model: str, tags: Mapping[str, str], tracking_uri: str) -> None:
    """Raises RegistryError."""
    name, _, number = model.removeprefix("models:/").rpartition("/")
    with connected(tracking_uri, create=False) as client:
        for key, value in tags.items():
            client.set_model_version_tag(name, number, key, value)


def _uri(version: RegisteredVersion) -> str:
    return f"models:/{version.name}/{version.version}"
