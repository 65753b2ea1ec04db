"""`python -m manifests.workloads FILE`: of a built overlay, what the role `engineer` may apply.

An administrator applies an overlay whole, once and when its policies change. CI, an engineer, applies what is left: no
namespaces, roles, secrets, volumes or network policies. The Role in the file says what that is. The endpoint itself is
left out too: the job `deploy` sets its model and image, and puts the one before back if it doesn't get ready.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from manifests.pods import Resource

ROLE = "engineer"
NEEDED = {"create", "patch"}
"""What `kubectl apply --server-side` asks for."""
ENDPOINT = {(kind, "serving") for kind in ("Deployment", "Service", "SeldonDeployment", "InferenceService")}


def workloads(resources: Iterable[Resource], role: str = ROLE) -> Iterator[Resource]:
    """The resources whose kind a Role of that name in their own namespace lets one create and patch."""
    every = list(resources)
    allowed = {
        (r["metadata"].get("namespace"), group, plural)
        for r in every
        if r["kind"] == "Role" and r["metadata"]["name"] == role
        for rule in r["rules"]
        if set(rule["verbs"]) >= NEEDED
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    for resource in every:
        group = str(resource["apiVersion"]).rpartition("/")[0]
        if (resource["kind"], resource["metadata"]["name"]) in ENDPOINT:
            continue
        if (resource["metadata"].get("namespace"), group, f"{resource['kind'].lower()}s") in allowed:
            yield resource


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m manifests.workloads FILE")
    whole = [r for r in yaml.safe_load_all(Path(sys.argv[1]).read_text(encoding="utf-8")) if r]
    yaml.safe_dump_all(workloads(whole), sys.stdout, sort_keys=False)
