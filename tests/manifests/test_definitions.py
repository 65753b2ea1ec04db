"""Custom resources are checked against the definitions in a folder, where one is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests import check
from manifests.schemas import Definitions

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.mlops.seldon.io}
spec:
  group: mlops.seldon.io
  names: {kind: Model}
  versions:
    - name: v1alpha1
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [storageUri]
              properties:
                storageUri: {type: string}
                secretName: {type: string}
                requirements: {type: array, items: {type: string}}
                replicas: {type: integer, format: int32}
                memory: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}
                note: {type: string, nullable: true}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
                kind: {type: object, properties: {a: {type: string}, b: {type: string}}, oneOf: [{required: [a]}, {required: [b]}]}
"""


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    (tmp_path / "crds.yaml").write_text(CRD + "---\nkind: Other\n")
    return Definitions.read(tmp_path)


def model(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Model", "metadata": {"name": "m"}, "spec": {"storageUri": "s3://x", **spec}}


@pytest.mark.parametrize("spec", [{}, {"replicas": 2}, {"memory": "1Gi"}, {"memory": 5}, {"note": None}, {"free": {"any": 1}}, {"kind": {"a": "x"}}])
def test_what_a_definition_allows_passes(definitions: Definitions, spec: dict[str, Any]) -> None:
    assert definitions.problems(model(**spec)) == []


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"storageUri": 1}, "Model/m: spec.storageUri: 1 is not of type 'string'"),
        ({"replicas": "two"}, "Model/m: spec.replicas: 'two' is not of type 'integer'"),
        ({"storageURI": "s3://x"}, "Model/m: spec: Additional properties are not allowed ('storageURI' was unexpected)"),
        ({"memory": [1]}, "Model/m: spec.memory: [1] is not valid under any of the given schemas"),
        ({"kind": {"a": "x", "b": "y"}}, "Model/m: spec.kind: {'a': 'x', 'b': 'y'} is valid under each of"),
    ],
)  # fmt: skip
def test_what_a_definition_forbids_is_named(definitions: Definitions, spec: dict[str, Any], complaint: str) -> None:
    found = definitions.problems(model(**spec))
    assert len(found) == 1 and found[0].startswith(complaint)


def test_definitions_as_kubectl_lists_them(tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(CRD)]}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(listed))
    assert Definitions.read(tmp_path).knows(model())


def test_a_template_among_definitions_is_named(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text("{{- if .Values.crds }}\n" + CRD)
    with pytest.raises(SystemExit, match=r"crd.yaml: is no YAML .* a Helm template must be rendered first"):
        Definitions.read(tmp_path)


def test_patches_of_definitions_are_passed_over(tmp_path: Path) -> None:
    """Projects keep them beside the definitions."""
    (tmp_path / "crd.yaml").write_text(CRD)
    (tmp_path / "patch.yaml").write_text("kind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {conversion: {strategy: Webhook}}\n")
    assert Definitions.read(tmp_path).knows(model())


def test_a_folder_without_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no CustomResourceDefinition"):
        Definitions.read(tmp_path)


def test_the_command_says_what_it_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "crds.yaml").write_text(CRD)
    assert check.main(["--crds", str(tmp_path), str(check.OVERLAYS / "seldon-v2")]) == 0
    said = capsys.readouterr().out
    unchecked = said.split("not checked against a schema: ")[1].split(" (")[0].split(", ")
    assert "Experiment" in unchecked and "Model" not in unchecked
    assert said.endswith("no problems\n")
