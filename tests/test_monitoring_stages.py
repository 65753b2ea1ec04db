"""The monitoring pipeline's stages: quiet on fresh rows, loud on others, and the run fails then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.people import conformed_people, people
from tests.registry import evidence
from understudy import tracking
from understudy.errors import DriftError, RegistryError
from understudy.evidence import Evidence
from understudy.monitoring_stages import alarm, monitor
from understudy.stages import register
from understudy.tables import write_table


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with a version of `people`."""
    root = tmp_path_factory.mktemp("registry")
    made: Evidence = evidence(root / "e")
    fresh, _ = conformed_people(600, 7)
    write_table(fresh, made.tables / "holdout.parquet")
    register(evidence=made, out=root / "registration.json", tracking_uri=tracking.local_uri(root))
    return tracking.local_uri(root)


def monitored(table: Path, root: Path, server: str, model: str = "models:/people/1") -> str:
    return monitor(
        data=table, model_uri=model, out_dir=root / "out", report=root / "report.html", n_rows=500, seed=0,
        tracking_uri=server,
    )  # fmt: skip


def test_other_people_raise_an_alarm_that_fails_the_run(server: str, tmp_path: Path) -> None:
    """Ages shifted by 40 years, of 500 rows: far beyond any chance."""
    other = people(500)
    other["age"] = other["age"] + 40
    other.to_csv(tmp_path / "other.csv", index=False)
    verdict = monitored(tmp_path / "other.csv", tmp_path, server, "")
    assert verdict in ("drift", "broken")
    assert "<html" in (tmp_path / "report.html").read_text().lower()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["reasons"]
    with pytest.raises(DriftError, match=verdict) as caught:
        alarm(monitored=tmp_path / "out", verdict=verdict)
    assert caught.value.exit_code == 1


def test_no_alarm_where_all_is_well(tmp_path: Path) -> None:
    alarm(monitored=tmp_path, verdict="ok")


def test_a_model_that_isnt_there(server: str, tmp_path: Path) -> None:
    people(500).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(RegistryError):
        monitored(tmp_path / "p.csv", tmp_path, server, "models:/nobody@champion")
    assert not (tmp_path / "report.html").exists()
