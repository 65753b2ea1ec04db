"""`understudy monitor` from end to end: a registered version's reference, verdicts, reports, metrics, retraining."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.people import conformed_people
from tests.registry import evidence
from understudy import cli, stages
from understudy.monitoring import reference as references
from understudy.tables import write_table
from understudy.tracking import local_uri


def understudy(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    old = sys.argv
    sys.argv = ["understudy", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = old
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a registered model of people in its registry, and its generator in model/."""
    root = tmp_path_factory.mktemp("monitoring")
    made = evidence(root)
    generator = stages_generator(root)
    write_table(generator.sample(4000, rng=np.random.default_rng(1)), made.synthetic)
    write_table(conformed_people(3000, 2)[0], made.tables / "holdout.parquet")
    stages.register(evidence=made, out=root / "registration.json", tracking_uri=local_uri(root))
    return root


def stages_generator(root: Path) -> Any:
    from understudy.generators.base import load

    return load(root / "model")


@pytest.fixture(autouse=True)
def registry(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", local_uri(place))


def test_a_version_carries_its_reference(place: Path) -> None:
    found = references.of_version("models:/people@champion")
    assert (found.model, found.version, len(found.table)) == ("people", "1", 4000)
    assert found.baseline["age"] > 0 and len(found.baseline) == 11 + 55


def test_served_rows_of_the_champion_are_ok_and_others_are_not(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, metrics = tmp_path / "out", tmp_path / "textfile/understudy.prom"
    code, shown, _ = understudy(
        capsys, "monitor", "served", "--draw", place / "model", "-n", 1000, "-o", out, "--metrics-file", metrics, "--json"
    )
    verdict = json.loads(shown)
    assert (code, verdict["overall"], verdict["model"], verdict["version"]) == (0, "ok", "people", "1")
    text = metrics.read_text()
    assert 'understudy_drift_alarm{check="served",model="people",version="1"} 0.0' in text
    assert 'understudy_drift_threshold{check="served",column="age",model="people",statistic="values",version="1"}' in text

    rows = stages_generator(place).sample(1000, rng=np.random.default_rng(3))
    rows["age"] = 80
    write_table(rows, tmp_path / "rows.csv")
    code, shown, _ = understudy(capsys, "monitor", "served", "--table", tmp_path / "rows.csv", "-n", 1000, "-o", out)
    assert code == 1 and "Verdict: drift" in shown and "column 'age'" in shown
    html = (out / "served/report.html").read_text()
    assert "share of rows that moved" in html and "<script src=" not in html and "<link rel=\"stylesheet\" href=\"http" not in html
    assert_one_history_of(out / "workspace", runs=2)


def assert_one_history_of(workspace: Path, runs: int) -> None:
    """The dashboard of `evidently ui` plots all runs as one line."""
    from evidently.ui.service.base import SeriesFilter
    from evidently.ui.service.type_aliases import ZERO_UUID
    from evidently.ui.workspace import Workspace

    store = Workspace.create(str(workspace))
    (project,) = store.list_projects()
    assert project.name == "people: served" and len(store.list_runs(project.id)) == runs
    (panel, _) = project.dashboard.model().panels
    wanted = SeriesFilter(tags=[], metadata={}, metric=panel.values[0].metric, metric_labels=panel.values[0].metric_labels)
    found = asyncio.run(store.datasets.project_manager.get_data_series(ZERO_UUID, project.id, [wanted], None, None))
    (series,) = found.series
    assert len(series.values) == runs and series.values[0] == 0 and series.values[-1] > 0


def test_new_data_that_drifted_starts_a_retraining(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = conformed_people(1500, 8)[0]
    write_table(new, tmp_path / "new.parquet")
    out = tmp_path / "out"
    code, shown, _ = understudy(capsys, "monitor", "data", tmp_path / "new.parquet", "-n", 1500, "-o", out)
    assert code == 0 and "to retrain" not in shown and not (out / "data/retrain.yaml").exists()
    new["score"] += 1
    write_table(new, tmp_path / "new.parquet")
    marker = tmp_path / "ran"
    script = f"{sys.executable} -c \"import sys,pathlib; pathlib.Path('{marker}').write_text(' '.join(sys.argv[1:]))\""
    code, shown, _ = understudy(
        capsys, "monitor", "data", tmp_path / "new.parquet", "-n", 1500, "-o", out, "--retrain", "--retrain-with", script
    )
    assert code == 1 and "retrained, exit code 0" in shown
    assert marker.read_text() == f"--params {out / 'data/retrain.yaml'}"
    params = yaml.safe_load((out / "data/retrain.yaml").read_text())
    assert params["data"]["path"] == str(tmp_path / "new.parquet") and params["data"]["target"] == "plan"
    assert params["register"]["name"] == "people"
    verdict = json.loads((out / "data/verdict.json").read_text())
    assert verdict["action"]["exit_code"] == 0 and verdict["action"]["command"].startswith(sys.executable)


def test_a_dead_column_is_broken_and_no_reason_to_retrain(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(conformed_people(500, 8)[0].assign(children=None), tmp_path / "new.csv")
    out = tmp_path / "out"
    code, shown, _ = understudy(capsys, "monitor", "data", tmp_path / "new.csv", "-n", 500, "-o", out, "--retrain", "--json")
    verdict = json.loads(shown)
    assert (code, verdict["overall"], verdict["action"]) == (1, "broken", {})
    assert "column 'children' has only missing values" in verdict["reasons"]
    assert verdict["pairs_compared"] == 55 and (out / "data/report.html").exists()


@pytest.fixture
def endpoint(place: Path) -> Iterator[str]:
    """What a server answers to GET /model and POST /sample: version 2, and rows of the generator as Arrow."""
    import pyarrow as pa

    generator = stages_generator(place)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(json.dumps({"name": "people", "version": "2"}).encode())

        def do_POST(self) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            table = pa.Table.from_pandas(generator.sample(asked["n_rows"], rng=np.random.default_rng()), preserve_index=False)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            self._send(sink.getvalue().to_pybytes())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_server_of_another_version_is_broken(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "secret")
    code, shown, _ = understudy(capsys, "monitor", "served", "--url", endpoint, "-n", 500, "-o", tmp_path)
    assert code == 1 and "Verdict: broken" in shown and "serves people version 2, not people version 1" in shown


def test_a_reference_of_files(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = understudy(
        capsys, "monitor", "reference", "--synthetic", place / "synthetic.parquet", "--holdout",
        place / "preprocess/holdout.parquet", "--schema", place / "preprocess/schema.json", "-o", tmp_path / "ref",
    )  # fmt: skip
    assert code == 0 and {p.name for p in (tmp_path / "ref").iterdir()} == {"reference.parquet", "schema.json", "baseline.json"}
    assert references.read(tmp_path / "ref").baseline == references.of_version("models:/people").baseline


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["served"], "give one of --table FILE, --url"),
        (["served", "--table", "a.csv", "--draw", "b"], "give one of --table FILE, --url"),
        (["served", "models:/nobody@champion", "--table", "a.csv"], "nobody"),
        (["served", "--table", "none.csv"], "no such file"),
        (["served", "--table", "none.csv", "--reference", "nowhere"], "nowhere"),
        (["served", "--draw", "model", "-n", "100"], "give at least 200"),
        (["served", "--draw", "model", "--metrics-file", "x.txt"], "name it so"),
        (["data", "few.csv"], "the window has 3 rows"),
        (["requests", "none.jsonl"], "No such file"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    pd.DataFrame({"age": [1, 2, 3]}).to_csv(place / "few.csv", index=False)
    code, _, err = understudy(capsys, "monitor", *arguments, "-o", tmp_path)
    assert code == 2 and message in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("verdict.json"))
