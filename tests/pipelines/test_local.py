"""The pipeline through KFP's local runner, on a small table."""

import json
import sqlite3
from pathlib import Path

import pytest

from pipelines.local import RunResult, run
from tests.pipelines.runs import LENIENT, small_run, write_people
from understudy import tracking
from understudy.config import Params
from understudy.errors import ConfigError, PipelineError, SchemaError, StorageError, TableError
from understudy.generators import load
from understudy.tables import read_table


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path, list[tuple[float, str]]]:
    root = tmp_path_factory.mktemp("run")
    seen: list[tuple[float, str]] = []
    params = small_run(write_people(root / "people.csv"), gate=LENIENT)
    result = run(params, out_dir=root / "out", progress=lambda share, message: seen.append((share, message)))
    return result, root / "out", seen


def test_a_run_that_passes_publishes_and_registers(passed: tuple[RunResult, Path, list[tuple[float, str]]]) -> None:
    result, out, _ = passed
    assert result.verdict == "PASS"
    assert result.passed
    assert (result.registration.name, result.registration.version, result.registration.champion) == ("people", 1, True)
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock", "audit", "evaluation", "mlartifacts", "mlflow.db", "model", "preprocess", "run.json", "run.log",
        "synthetic.csv", "synthetic.parquet",
    ]  # fmt: skip
    assert all(path.exists() for path in result.paths.values())
    told = json.loads((out / "run.json").read_text())
    assert told["verdict"] == "PASS"
    assert told["registration"]["version"] == 1
    assert set(told["seconds"]) >= {"preprocess", "train", "sample", "evaluate", "audit", "gate", "record", "register"}
    assert str(out) not in json.dumps(told["paths"])
    synthetic = read_table(out / "synthetic.parquet")
    assert len(synthetic) == len(read_table(out / "preprocess/train.parquet"))
    assert len(read_table(out / "synthetic.csv")) == len(synthetic)
    model = tracking.load_registered("models:/people@champion", tracking.local_uri(out))
    assert load(model).name == load(out / "model").name == "independent"


def test_its_progress_names_every_stage_and_reaches_the_end(
    passed: tuple[RunResult, Path, list[tuple[float, str]]],
) -> None:
    _, _, seen = passed
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    named = {message.split(":")[0] for _, message in seen}
    assert named == {"preprocess", "train", "sample", "evaluate", "audit", "gate", "record", "register"}


def test_its_summary_says_where_things_are_and_what_is_next(
    passed: tuple[RunResult, Path, list[tuple[float, str]]],
) -> None:
    shown = passed[0].summary()
    assert shown["registered"] == "people version 1 (the first champion)"
    assert "understudy sample models:/people@champion" in shown["next"]
    assert Path(shown["report"]).name == "report.html"


def test_an_inconclusive_run_publishes_but_registers_nothing_and_can_follow_a_passed_one(
    passed: tuple[RunResult, Path, list[tuple[float, str]]], tmp_path: Path
) -> None:
    _, out, _ = passed
    result = run(small_run(out.parent / "people.csv", seed=None), out_dir=out)
    assert result.verdict == "INCONCLUSIVE"  # 90 units a side, by the default policy
    assert result.reasons
    assert result.registration.version is None
    assert json.loads((out / "audit/audit.json").read_text())["verdict"] == "INCONCLUSIVE"
    assert not (out / "pending.json").exists()
    with sqlite3.connect(out / "mlflow.db") as db:
        assert db.execute("select count(*) from model_versions").fetchone() == (1,)
        verdicts = db.execute("select value from tags where key = 'audit.verdict' order by value").fetchall()
    assert verdicts == [("INCONCLUSIVE",), ("PASS",)]
    assert result.summary()["registered"] == "no"


@pytest.mark.parametrize(
    ("text", "section", "error", "message"),
    [
        ("a,b\n1,2\n3,4\n5,4\n", {}, TableError, "has 3 rows; at least 50 are needed"),
        (None, {"data": {"target": "plam"}}, SchemaError, "target 'plam' is not a column of the table"),
        (None, {"generator": {"name": "forrest"}}, ConfigError, "generator 'forrest' is not known"),
        (None, {"gate": {"alpa": 1}}, ConfigError, "gate: alpa"),
    ],
)
def test_a_steps_error_comes_out_as_it_was_raised(
    text: str | None, section: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    data = write_people(tmp_path / "people.csv")
    if text is not None:
        data.write_text(text)
    params = Params.of({"generator": {"name": "independent"}, **section}).model_copy()
    with pytest.raises(error, match=message) as e:
        run(params, data=data, out_dir=tmp_path / "out")
    assert "\n" not in str(e.value)
    assert {p.name for p in (tmp_path / "out").glob("*")} <= {".lock", "run.log"}


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere.csv: can't be read \(No such file"):
        run(small_run(tmp_path / "nowhere.csv"), out_dir=tmp_path / "out")


def test_a_place_that_cant_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="can't be written"):
        run(small_run(tmp_path / "x.csv"), out_dir=tmp_path / "file" / "out")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="another run is at work here"):
            run(small_run(tmp_path / "x.csv"), out_dir=out)
