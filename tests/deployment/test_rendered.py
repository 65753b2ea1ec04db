"""What `understudy deploy` would apply: safe, and the overlays' own pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests import check
from manifests.pods import pods_of
from tests.deployment.commands import code, deploy
from tests.deployment.kube_server import KubeApi


@pytest.mark.parametrize("kind", ["deployment", "seldon", "kserve"])
def test_manifests_can_be_written_instead_and_are_safe(api: KubeApi, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "m.yaml"
    assert code(deploy("--kind", kind, "--render", str(out), "--audit-claim", "audit-log")) == 0
    assert not api.asked
    text = out.read_text()
    made: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    pod = next(pods_of(made[0])).spec
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
    ours, theirs = (next(pods_of(m)).spec for m in (made, applied))
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
    pod = next(pods_of(rendered(tmp_path, kind, "--audit-claim", claim))).spec
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
