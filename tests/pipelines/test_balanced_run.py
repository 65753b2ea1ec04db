"""A balance in params.yaml, through KFP's local runner to the registry."""

import json
from pathlib import Path

import pytest

from pipelines.local import run
from tests.pipelines.runs import LENIENT, small_run, write_people
from understudy.labels import read_label
from understudy.tables import read_table


@pytest.mark.slow
def test_a_balanced_run_says_so_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = small_run(
        write_people(tmp_path / "people.csv"), gate=LENIENT, generator={"name": "independent", "balance": "region"},
        evaluate={"sensitive": ["region"]},
    )  # fmt: skip
    result = run(params, out_dir=tmp_path / "out")
    assert result.balance.startswith("balanced: altered to region")
    assert result.summary()["balance"] == result.balance == json.loads((tmp_path / "out/run.json").read_text())["balance"]
    for name in ("synthetic.parquet", "synthetic.csv"):
        assert read_label(tmp_path / "out" / name) == result.balance
    counts = read_table(tmp_path / "out/synthetic.csv")["region"].value_counts()
    assert counts.max() - counts.min() <= 1
    assert result.balance in (tmp_path / "out/evaluation/report.html").read_text()
    assert result.balance in (tmp_path / "out/audit/audit.html").read_text()
