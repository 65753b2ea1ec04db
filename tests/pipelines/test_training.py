"""The compiled pipeline: same bytes, right graph, safe parameters."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.arguments import arguments
from pipelines.compile import compile_training
from understudy.config import Params
from understudy.errors import StorageError
from understudy.provenance import code_sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(compile_training(tmp_path_factory.mktemp("ir") / "t.yaml").read_text())
    return made


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    here = compile_training(tmp_path / "a.yaml").read_bytes()
    other = tmp_path / "b.yaml"
    # A fresh interpreter has another hash seed.
    subprocess.run([sys.executable, "-m", "pipelines.compile", str(other)], cwd=ROOT, check=True, capture_output=True)
    assert here == other.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]


def test_a_place_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        compile_training(tmp_path / "file" / "t.yaml")


def test_the_graph(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    needs = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    assert needs["preprocess"] == {"importer"}
    assert needs["train"] == {"preprocess"}
    assert needs["sample"] == {"preprocess", "train"}
    assert needs["evaluate"] == {"preprocess", "sample"}
    assert needs["audit"] == {"preprocess", "train", "sample"}
    assert needs["record"] == {"preprocess", "train", "sample", "evaluate", "audit"}
    assert needs["gate"] == {"audit"}
    condition = next(name for name in tasks if name.startswith("condition"))
    assert {"gate", "record"} <= needs[condition]
    inside = spec["components"][f"comp-{condition}"]["dag"]["tasks"]
    assert set(inside) == {"register"}


def test_the_condition_is_on_the_gates_single_output(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    condition = next(task for name, task in tasks.items() if name.startswith("condition"))
    assert "== 'PASS'" in condition["triggerPolicy"]["condition"]
    assert "pipelinechannel--gate-Output" in condition["triggerPolicy"]["condition"]


def test_steps_with_effects_are_never_cached(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    condition = next(name for name in tasks if name.startswith("condition"))
    inside = spec["components"][f"comp-{condition}"]["dag"]["tasks"]
    assert not tasks["record"]["cachingOptions"].get("enableCache")
    assert not inside["register"]["cachingOptions"].get("enableCache")
    assert tasks["train"]["cachingOptions"]["enableCache"]


def test_data_and_code_are_in_the_cache_key(spec: dict[str, Any]) -> None:
    inputs = spec["root"]["dag"]["tasks"]["preprocess"]["inputs"]["parameters"]
    assert {"data_md5", "code_sha256"} <= set(inputs)


def test_no_parameter_is_optional_at_none_or_a_number(spec: dict[str, Any]) -> None:
    """Optional ints at None crash, and numbers in structs come back as floats: sections are JSON texts."""
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert {p["parameterType"] for p in parameters.values()} == {"STRING"}
    assert [name for name, p in parameters.items() if not p.get("isOptional")] == ["data"]


def test_the_ir_names_no_place_on_a_machine(spec: dict[str, Any]) -> None:
    text = json.dumps(spec)
    assert str(ROOT) not in text
    assert not re.search(r"/(home|root|Users)/", text)


def test_arguments_are_the_sections_and_no_secrets() -> None:
    params = Params.of({"data": {"path": "postgresql://me:pa55-w0rd@host/db#people"}, "sample": {"n_rows": 5}})
    given = arguments(params, data="snapshot.parquet", data_md5="m", tracking_uri="sqlite:///x")
    assert "pa55-w0rd" not in json.dumps(given)
    assert given["code_sha256"] == code_sha256()
    sections = {k.removesuffix("_options"): v for k, v in given.items() if k.endswith("_options")}
    back = Params.from_json(**sections)
    assert back.sample.n_rows == 5
    assert back.registration.name == "people"
    assert back.data.path == "postgresql://host/db#people"
