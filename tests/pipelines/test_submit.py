"""`understudy pipeline submit` and `schedule`, with the real client against a stand-in of the server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from pipelines.submit import Server, Submitted, check_arguments, wait
from tests.pipelines.kfp_server import Kfp, serving, task
from understudy.cli import app
from understudy.errors import ConfigError, PipelineError, Rejected
from understudy.provenance import code_sha256, file_md5

PASSED = (task("gate", "SUCCEEDED"), task("register", "SUCCEEDED"))
SAMPLING = ("--set", "model=models:/people@champion", "--set", "out=s3://b/x", "--set", "n_rows=1000000000")


@pytest.fixture
def kfp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kfp]:
    monkeypatch.chdir(tmp_path)
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving(Kfp(tasks=PASSED)) as server:
        yield server


def submit(kfp: Kfp, *more: str, name: str = "sampling", command: str = "submit") -> Result:
    options = SAMPLING if name == "sampling" else ()
    return CliRunner().invoke(app, ["pipeline", command, *([name] if command == "submit" else []), "--host", kfp.url, *options, *more])


def code(result: Result) -> int:
    """The exit code that `main` would give."""
    return int(getattr(result.exception, "exit_code", result.exit_code))


def test_a_run_is_uploaded_started_followed_and_succeeds(kfp: Kfp) -> None:
    done = submit(kfp, "--wait", "--every", "0.01", "--json")
    assert code(done) == 0, done.output
    said = json.loads(done.stdout)
    assert said["state"] == "SUCCEEDED" and said["id"] == "r0"
    assert said["url"] == f"{kfp.url}/#/runs/details/r0"
    run = kfp.runs["r0"]
    assert run["runtime_config"]["parameters"] == {
        "model": "models:/people@champion", "out": "s3://b/x", "n_rows": 1_000_000_000, "code_sha256": code_sha256(),
    }  # fmt: skip
    assert kfp.experiments["e0"]["display_name"] == "understudy"
    version = kfp.versions[run["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["display_name"] == said["version"]
    spec = next(iter(yaml.safe_load_all(version["text"])))
    assert spec["pipelineInfo"]["name"] == "understudy-sampling" == said["pipeline"]


def test_the_same_pipeline_is_uploaded_once(kfp: Kfp) -> None:
    for _ in range(2):
        assert code(submit(kfp)) == 0
    assert len(kfp.pipelines) == 1 and len(kfp.runs) == 2
    before = len(kfp.versions)
    assert code(submit(kfp, "--retries", "5")) == 0
    assert len(kfp.versions) == before + 1, "another cluster is another version"


def test_training_takes_its_arguments_from_the_params_file(kfp: Kfp, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a,b\n1,2\n")
    (tmp_path / "params.yaml").write_text("data: {path: people.csv, target: b}\ngenerator: {name: forest}\n")
    done = submit(kfp, "--data", "s3://tables/people.csv", name="training")
    assert code(done) == 0, done.output
    given = kfp.runs["r0"]["runtime_config"]["parameters"]
    assert given["data"] == "s3://tables/people.csv"
    assert given["data_md5"] == file_md5(tmp_path / "people.csv")
    assert json.loads(given["generator_options"])["name"] == "forest"
    assert json.loads(given["register_options"])["name"] == "people"
    assert "tracking_uri" not in given, "the cluster's own"


@pytest.mark.parametrize(
    ("states", "tasks", "said"),
    [
        (["RUNNING", "FAILED"], [task("train", "FAILED", "out of memory")], "'train' failed out of memory"),
        (["CANCELED"], [], "run r0 is CANCELED"),
        (["SUCCEEDED"], [task("gate", "SUCCEEDED"), task("record", "SUCCEEDED")], "the verdict is not PASS"),
        (["SUCCEEDED"], [task("gate", "SUCCEEDED"), task("register", "SKIPPED")], "the verdict is not PASS"),
    ],
)
def test_a_failed_run_and_a_failed_audit_are_exit_code_1(kfp: Kfp, states: list[str], tasks: list[Any], said: str) -> None:
    kfp.states, kfp.tasks = states, tasks
    done = submit(kfp, "--wait", "--every", "0.01")
    assert isinstance(done.exception, Rejected) and code(done) == 1
    assert said in str(done.exception)


def test_without_wait_nothing_is_said_of_the_outcome(kfp: Kfp) -> None:
    kfp.states = ["FAILED"]
    assert code(submit(kfp)) == 0
    assert kfp.looks == 0


def test_the_token_comes_from_the_environment(kfp: Kfp, monkeypatch: pytest.MonkeyPatch) -> None:
    kfp.token = "s3cret"
    refused = submit(kfp)
    assert code(refused) == 2
    assert "401" in str(refused.exception) and "KF_PIPELINES_TOKEN" in str(refused.exception)
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "s3cret")
    done = submit(kfp)
    assert code(done) == 0
    assert "s3cret" not in done.output


def test_a_server_that_refuses_is_exit_code_2(kfp: Kfp) -> None:
    kfp.refusal = (403, "User 'x' is not authorized with reason")
    done = submit(kfp)
    assert isinstance(done.exception, PipelineError) and code(done) == 2
    assert "answered 403 User 'x' is not authorized" in str(done.exception)
    assert not kfp.runs


def test_a_server_that_isnt_there_is_exit_code_2(kfp: Kfp, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "understudy.cli", "pipeline", "submit", "sampling", "--host", "http://127.0.0.1:9", *SAMPLING]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "understudy: KFP server http://127.0.0.1:9: can't be reached; check --host and the network"
    assert "Traceback" not in done.stderr


def test_no_server_at_all_is_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    done = CliRunner().invoke(app, ["pipeline", "submit", "sampling", *SAMPLING])
    assert isinstance(done.exception, ConfigError) and "--host" in str(done.exception)


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("sampling", ["--set", "n_row=5"], "'n_row' is no parameter of understudy-sampling; they are: "),
        ("sampling", ["--set", "n_rows=many"], "n_rows is 'many'; give a value of type number_integer"),
        ("sampling", ["--set", "n_rows"], "give key=value"),
        ("training", [], "give --data s3://"),
        ("training", ["--data", "people.csv"], "a path of this machine"),
        ("nonsense", [], "pipeline 'nonsense' is not known"),
        ("sampling", ["--image", "understudy-cpu:latest"], "the tag latest, which moves"),
        ("sampling", ["--package", "nothing.yaml"], "is no compiled pipeline"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(kfp: Kfp, name: str, more: list[str], said: str) -> None:
    done = submit(kfp, *more, name=name)
    assert isinstance(done.exception, ConfigError) and code(done) == 2
    assert said in str(done.exception)
    assert not kfp.runs and not kfp.versions


def test_a_missing_argument_is_named() -> None:
    spec = {
        "pipelineInfo": {"name": "p"},
        "root": {"inputDefinitions": {"parameters": {"a": {"parameterType": "STRING"}, "b": {"parameterType": "LIST"}}}},
    }
    assert check_arguments(spec, {"a": "x", "b": "[1]"}) == {"a": "x", "b": [1]}
    with pytest.raises(ConfigError, match="parameter 'a' of p is not set; add --set a=VALUE"):
        check_arguments(spec, {"b": "[1]"})


def test_a_compiled_file_can_be_submitted_as_it_is(kfp: Kfp, tmp_path: Path) -> None:
    package = tmp_path / "p.yaml"
    assert CliRunner().invoke(app, ["pipeline", "compile", "sampling", "-o", str(package), "--gpus", "0"]).exit_code == 0
    assert code(submit(kfp, "--package", str(package))) == 0
    reference = kfp.runs["r0"]["pipeline_version_reference"]
    assert kfp.versions[reference["pipeline_version_id"]]["text"] == package.read_text()


def test_short_silence_of_the_server_is_waited_out(kfp: Kfp) -> None:
    assert code(submit(kfp)) == 0
    kfp.broken = 3
    run = Submitted("p", "v", "r0", kfp.url)
    assert wait(Server(kfp.url), run, timeout=20, every=0.01).state == "SUCCEEDED"
    kfp.broken = 1000
    with pytest.raises(PipelineError, match="503"):
        wait(Server(kfp.url), run, timeout=20, every=0.01)


def test_waiting_has_an_end(kfp: Kfp) -> None:
    kfp.states = ["RUNNING"]
    done = submit(kfp, "--wait", "--every", "0.01", "--timeout", "0.05")
    assert isinstance(done.exception, PipelineError) and code(done) == 2
    assert "is RUNNING after 0 s" in str(done.exception)


def test_a_run_that_isnt_there_is_said_at_once(kfp: Kfp) -> None:
    with pytest.raises(PipelineError, match="404 Run r9 not found"):
        wait(Server(kfp.url), Submitted("p", "v", "r9", ""), timeout=20, every=0.01)


def test_a_schedule_runs_one_at_a_time_and_replaces_its_namesake(kfp: Kfp) -> None:
    for hour in (3, 4):
        done = submit(kfp, "--cron", f"0 0 {hour} * * *", "sampling", "--job", "nightly", "--json", command="schedule")
        assert code(done) == 0, done.output
    assert len(kfp.schedules) == 1
    made = next(iter(kfp.schedules.values()))
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"
    assert (made["display_name"], made["max_concurrency"], made["no_catchup"], made["mode"]) == ("nightly", 1, True, "ENABLE")
    assert made["runtime_config"]["parameters"]["n_rows"] == 1_000_000_000
    assert json.loads(done.stdout)["id"] == made["recurring_run_id"]
    five = submit(kfp, "--cron", "0 3 * * *", "sampling", command="schedule")
    assert isinstance(five.exception, ConfigError) and "six fields" in str(five.exception)
