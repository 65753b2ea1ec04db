"""The compiled pipelines, walked as graphs: fed inputs, placed steps, the same bytes each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.image import GPU_IMAGE, IMAGE
from pipelines.cluster import GPU, STEPS, USER, Cluster
from pipelines.compile import NAMES, compile_pipeline
from tests.pipelines.graph import CLUSTER, IMAGES, Graph
from understudy.errors import ConfigError
from understudy.images import check_image

ROOT = Path(__file__).parents[2]
TRAINS = {"training": {"exec-train"}, "leaderboard": {"exec-train"}}
EFFECTS = {"record", "register", "promote", "fetch", "sample-shard", "join-shards", "monitor", "alarm"}
"""Steps that act on, or ask, something outside the run: a cached answer would be stale."""


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def graph(name: str, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return Graph.of(name, tmp_path_factory.mktemp("ir"))


def test_compiling_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    here = compile_pipeline(name, tmp_path / "a.yaml").read_bytes()
    command = [sys.executable, "-m", "pipelines.compile", name, str(tmp_path / "b.yaml")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # a fresh interpreter has another hash seed
    assert here == (tmp_path / "b.yaml").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]


def test_every_input_has_a_producer(graph: Graph) -> None:
    assert graph.unfed() == []
    assert len(list(graph.tasks())) >= 2


def test_the_walk_finds_an_input_without_a_producer(tmp_path: Path) -> None:
    graph = Graph.of("sampling", tmp_path)
    tasks = graph.spec["root"]["dag"]["tasks"]
    del tasks["shards"]["inputs"]["parameters"]["n_rows"]
    tasks["fetch"]["inputs"]["parameters"]["model_uri"] = {"componentInputParameter": "modle"}
    assert len(graph.unfed()) == 2


def test_images_are_pinned_by_digest(graph: Graph) -> None:
    for label, container in graph.executors().items():
        assert container["image"] == IMAGES["gpu" if label == "exec-train" else "cpu"], label
        assert "pip install" not in json.dumps(container["command"])


def test_only_training_asks_for_a_gpu(name: str, graph: Graph) -> None:
    def asks(container: Any) -> bool:
        return "accelerator" in container.get("resources", {})

    assert {label for label, c in graph.executors().items() if asks(c)} == TRAINS.get(name, set())
    assert {label for label, p in graph.platform.items() if "tolerations" in p} == TRAINS.get(name, set())
    for label in TRAINS.get(name, set()):
        accelerator = graph.executors()[label]["resources"]["accelerator"]
        assert accelerator["resourceType"] == GPU and accelerator["resourceCount"] == "1"
        assert graph.platform[label]["tolerations"] == [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]


def test_without_gpus_training_runs_in_the_other_image(tmp_path: Path) -> None:
    graph = Graph.of("training", tmp_path, Cluster(gpus=0))
    assert {c["image"] for c in graph.executors().values()} == {IMAGE}
    assert not [c for c in graph.executors().values() if "accelerator" in c["resources"]]


def test_every_step_has_requests_limits_retries_and_a_timeout(graph: Graph) -> None:
    for label, container in graph.executors().items():
        resources = container["resources"]
        for kind in ("Cpu", "Memory"):
            assert resources[f"resource{kind}Request"] and resources[f"resource{kind}Limit"], label
        assert int(graph.platform[label]["activeDeadlineSeconds"]) >= 600
        assert graph.platform[label]["securityContext"] == {
            "runAsUser": str(USER), "runAsGroup": str(USER), "runAsNonRoot": True,
        }  # fmt: skip
        assert [m["mountPath"] for m in graph.platform[label]["pvcMount"]] == ["/understudy"]
    for name, task, _ in graph.tasks():
        if graph.component(task).get("executorLabel") in graph.executors():
            policy = task.get("retryPolicy", {})
            expected = (2, 2.0, "30s") if STEPS[name].retried else (None, None, None)
            found = policy.get("maxRetryCount"), policy.get("backoffFactor"), policy.get("backoffDuration")
            assert found == expected, name


def test_secrets_are_references_and_reach_only_who_needs_them(graph: Graph) -> None:
    for label, container in graph.executors().items():
        step = STEPS[label.removeprefix("exec-")]
        named = {s["secretName"]: {k["envVar"] for k in s["keyToEnv"]} for s in graph.platform[label].get("secretAsEnv", [])}
        assert named == {secret: set(keys) for secret, keys in step.secrets}
        assert not [e for e in container.get("env", []) if e["name"] != "MLFLOW_TRACKING_URI"]


def test_steps_with_effects_are_never_cached_and_learning_is(graph: Graph) -> None:
    for name, task, _ in graph.tasks():
        cached = task.get("cachingOptions", {}).get("enableCache", False)
        if name in EFFECTS:
            assert not cached, name
        elif name in ("preprocess", "train", "sample", "evaluate", "audit"):
            assert cached, name


def test_data_and_code_are_in_the_cache_key(name: str, graph: Graph) -> None:
    tasks = {n: t for n, t, _ in graph.tasks()}
    if "preprocess" in tasks:
        assert {"data_md5", "code_sha256"} <= set(tasks["preprocess"]["inputs"]["parameters"])


def test_loops_and_conditions_are_on_single_outputs(graph: Graph) -> None:
    """KFP skips a condition on a named output and reports success; a loop over one fails."""
    found = 0
    for name, task, _ in graph.tasks():
        iterated = task.get("parameterIterator", {}).get("items", {}).get("inputParameter", "")
        condition = task.get("triggerPolicy", {}).get("condition", "")
        if iterated or condition:
            found += 1
            assert re.search(r"-Output(']|$)", iterated or condition), f"{name}: {iterated or condition}"
    assert found or "monitor" in graph.spec["pipelineInfo"]["name"]


def test_the_ir_names_no_place_on_a_machine(graph: Graph) -> None:
    text = json.dumps([graph.spec, graph.platform])
    assert str(ROOT) not in text
    assert not re.search(r"/(home|root|Users)/", text)


def test_artifacts_go_where_the_cluster_says(graph: Graph) -> None:
    assert graph.spec["defaultPipelineRoot"] == CLUSTER.root


def test_a_billion_rows_is_a_parameter(tmp_path: Path) -> None:
    parameters = Graph.of("sampling", tmp_path).spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["n_rows"]["parameterType"] == "NUMBER_INTEGER"
    assert parameters["n_shards"]["parameterType"] == "NUMBER_INTEGER"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "understudy-cpu:latest"}, "the tag latest, which moves"),
        ({"image": "registry.example:5000/understudy-cpu"}, "no digest and no tag"),
        ({"gpu_image": "a@sha256:123"}, "malformed digest"),
        ({"image": "a b:1"}, "no name of an image"),
        ({"gpus": -1}, "gpus is -1"),
        ({"retries": -1}, "retries -1"),
        ({"pvc": "My_Claim"}, "no name of a claim"),
        ({"root": "/tmp/x"}, "no place for artifacts"),
    ],
)
def test_a_cluster_that_cant_be_is_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Cluster(**options)


def test_tags_will_do_where_there_is_no_digest() -> None:
    for image in (IMAGE, GPU_IMAGE, "registry.example:5000/a/b:1.2", f"a:1@sha256:{'0' * 64}"):
        check_image(image)
