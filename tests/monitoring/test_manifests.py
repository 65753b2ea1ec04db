"""The alert rules and the dashboard: they parse, and every metric in them is one that is exposed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests/monitoring"
EXPOSED = {
    "understudy_requests_total", "understudy_rows_total", "understudy_request_seconds_bucket",
    "understudy_failures_total", "understudy_reload_failures_total", "understudy_model_info",
    "understudy_audit_log_failures_total", "understudy_drift_share", "understudy_drift_alarm",
    "understudy_drift_broken", "understudy_drift_checked_timestamp_seconds", "understudy_drift_effect",
    "understudy_drift_threshold",
}  # fmt: skip
NAME = re.compile(r"understudy_[a-z_]+")


def rule_spec() -> dict[str, Any]:
    manifest = yaml.safe_load((MANIFESTS / "prometheusrule.yaml").read_text())
    assert manifest["kind"] == "PrometheusRule"
    spec: dict[str, Any] = manifest["spec"]
    return spec


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MANIFESTS / "dashboard.json").read_text())
    return content


def test_every_alert_says_what_to_do_and_uses_metrics_that_exist() -> None:
    rules = [rule for group in rule_spec()["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names) >= 9
    for rule in rules:
        assert set(NAME.findall(rule["expr"])) and set(NAME.findall(rule["expr"])) <= EXPOSED, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_every_alert_is_tested() -> None:
    tests = (MANIFESTS / "rules_test.yaml").read_text()
    for group in rule_spec()["groups"]:
        for rule in group["rules"]:
            assert rule["alert"] in tests


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed (Debian: prometheus)")
def test_promtool_accepts_the_rules_and_their_tests(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule_spec()))
    shutil.copy(MANIFESTS / "rules_test.yaml", tmp_path)
    for command in (["check", "rules", "--lint-fatal", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        done = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    found = dashboard()
    assert found["uid"] == "understudy" and found["schemaVersion"] >= 36
    assert [v["name"] for v in found["templating"]["list"]] == ["datasource"]
    panels = found["panels"]
    ids = [p["id"] for p in panels]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for p in panels:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24 and not cells & taken, f"{p['title']} overlaps another panel"
        taken |= cells
        if p["type"] == "row":
            continue
        assert p["type"] in ("stat", "timeseries", "table") and p["targets"]
        for target in p["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert set(NAME.findall(target["expr"])) <= EXPOSED, p["title"]
    shown = {n for p in panels for t in p.get("targets", ()) for n in NAME.findall(t["expr"])}
    assert shown == EXPOSED


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed (Debian: prometheus)")
def test_promtool_parses_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [t["expr"] for p in dashboard()["panels"] for t in p.get("targets", ())]
    rules = [{"record": f"understudy:panel_{i}", "expr": q} for i, q in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
