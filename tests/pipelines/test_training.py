"""The training pipeline: its graph, and what its parameters hold. What all pipelines share is in test_graph.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.arguments import arguments
from pipelines.compile import compile_pipeline
from understudy.config import Params
from understudy.errors import StorageError
from understudy.provenance import code_sha256


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    text = compile_pipeline("training", tmp_path_factory.mktemp("ir") / "t.yaml").read_text()
    made: dict[str, Any] = next(iter(yaml.safe_load_all(text)))
    return made


def test_a_place_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        compile_pipeline("training", tmp_path / "file" / "t.yaml")


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


def test_no_parameter_is_optional_at_none_or_a_number(spec: dict[str, Any]) -> None:
    """Optional ints at None crash, and numbers in structs come back as floats: sections are JSON texts."""
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert {p["parameterType"] for p in parameters.values()} == {"STRING"}
    assert [name for name, p in parameters.items() if not p.get("isOptional")] == ["data"]


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
