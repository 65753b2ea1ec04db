"""Which candidate wins, and that only a winner that passed is registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.registry import evidence
from understudy import tracking
from understudy.errors import ConfigError, PipelineError, Rejected
from understudy.evidence import PASS, Evidence
from understudy.leaderboard import Entry, best, candidates, promote


def entry(verdict: str = PASS, **metrics: float) -> Entry:
    return Entry("forest", "{}", verdict, {"c2st_auc_se": 0.01, **metrics}, "run")


def test_the_best_is_hardest_to_tell_from_real() -> None:
    assert best([entry(c2st_auc=0.60), entry(c2st_auc=0.55), entry(c2st_auc=0.70)]) == 1


def test_among_equals_utility_decides() -> None:
    """.56 is within two standard errors of the difference (2 * sqrt(2) * .01 = .028) of .55; .58 is not."""
    listed = [entry(c2st_auc=0.55, tstr_gap=0.03), entry(c2st_auc=0.56, tstr_gap=0.01), entry(c2st_auc=0.58, tstr_gap=0)]
    assert best(listed) == 1


def test_only_what_passed_can_win() -> None:
    assert best([entry("FAIL", c2st_auc=0.5), entry("INCONCLUSIVE", c2st_auc=0.5), entry(c2st_auc=0.9)]) == 2
    assert best([entry("FAIL", c2st_auc=0.5)]) is None
    assert best([]) is None


def test_one_without_figures_comes_last_but_can_win_alone() -> None:
    assert best([entry(), entry(c2st_auc=0.9)]) == 1
    assert best([entry()]) == 0


@pytest.mark.parametrize("text", ["", "[]", "forest", "{}", '[{"nmae": "forest"}]', "[1]"])
def test_candidates_that_cant_be(text: str) -> None:
    with pytest.raises(ConfigError):
        candidates(generators=text)


def given(found: list[Evidence], root: Path, server: str, **more: Any) -> dict[str, Any]:
    for e in found:  # the steps' outputs have this layout
        e.synthetic.parent.joinpath("sampled").mkdir(exist_ok=True)
        e.synthetic.rename(e.synthetic.parent / "sampled" / "synthetic.parquet")
    params = found[0].params
    return {
        "tables": str(found[0].tables),
        "models": [str(e.model_dir) for e in found],
        "synthetics": [str(e.synthetic.parent / "sampled") for e in found],
        "evaluations": [str(e.evaluation) for e in found],
        "audits": [str(e.audit) for e in found],
        "generators": json.dumps([{"name": "independent", "seed": i} for i in range(len(found))]),
        "out": root / "registration.json",
        "board": root / "board.md",
        "data_md5": "0" * 32,
        "code_commit": "abc",
        "tracking_uri": server,
        "data": params.section_json("data"),
        "register": params.section_json("register"),
    } | more


def test_all_are_recorded_and_the_best_that_passed_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tracking.local_uri(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    found = [
        evidence(tmp_path / "a", c2st_auc=0.6),
        evidence(tmp_path / "b", c2st_auc=0.51, verdict="FAIL"),
        evidence(tmp_path / "c", c2st_auc=0.55),
    ]
    arguments = given(found, tmp_path, server)
    made = promote(**arguments)
    client = mlflow.MlflowClient(server, server)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert sorted(r.data.tags["audit.verdict"] for r in runs) == ["FAIL", "PASS", "PASS"]
    assert made.champion and made.version == 1
    assert client.get_run(made.run_id).data.metrics["c2st_auc"] == 0.55
    rows = (tmp_path / "board.md").read_text().splitlines()[2:]
    assert [r.split("|")[1:4] for r in rows] == [[" best ", " independent ", " PASS "], ["  ", " independent ", " PASS "], ["  ", " independent ", " FAIL "]]
    assert promote(**arguments).version == 1, "done again, it is the same version"

    rejected = given([evidence(tmp_path / n, verdict="INCONCLUSIVE", seed=3) for n in ("d", "e")], tmp_path, server)
    (tmp_path / "registration.json").unlink()
    with pytest.raises(Rejected, match="no candidate passed the audit"):
        promote(**rejected)
    assert not (tmp_path / "registration.json").exists()
    assert len(client.search_model_versions("name = 'people'")) == 1


def test_lists_that_dont_belong_together_are_refused(tmp_path: Path) -> None:
    arguments = given([evidence(tmp_path / "a")], tmp_path, "")
    with pytest.raises(PipelineError, match="1 candidates gave 1 models and 2 audits"):
        promote(**arguments | {"audits": arguments["audits"] * 2})
    with pytest.raises(PipelineError, match="candidate 'forest' came with a 'independent'"):
        promote(**arguments | {"generators": '["forest"]'})
