"""Custom resources against the OpenAPI schemas of their definitions, as an API server checks them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from manifests.pods import Resource, label


@dataclass(frozen=True)
class Definitions:
    """Schemas by (apiVersion, kind)."""

    schemas: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Definitions:
        """From all YAML files below a folder; other resources in them are passed over.

        Raises SystemExit for a folder without any definition: a check of nothing would pass.
        """
        schemas = {}
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml", ".json")):
            for spec in _definitions(path):
                for version in spec["versions"]:
                    schema = (version.get("schema") or {}).get("openAPIV3Schema")
                    if schema:
                        schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = closed(schema)
        if not schemas:
            raise SystemExit(f"{folder}: holds no CustomResourceDefinition; docs/cluster.md says where to get them")
        return cls(schemas)

    def knows(self, resource: Resource) -> bool:
        return _key(resource) in self.schemas

    def problems(self, resource: Resource) -> list[str]:
        """What the schema refuses; nothing for a kind that isn't known."""
        from jsonschema import Draft202012Validator

        schema = self.schemas.get(_key(resource))
        if schema is None:
            return []
        found = sorted(Draft202012Validator(schema).iter_errors(resource), key=lambda e: list(map(str, e.path)))
        return [
            f"{label(resource)}: {'.'.join(map(str, e.path))}: {e.message.splitlines()[0][:200]}" for e in found
        ]


def _definitions(path: Path) -> Iterator[dict[str, Any]]:
    """The `spec` of each definition in a file: documents of their own, or items of a List, as kubectl gives them."""
    try:
        documents = [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(d, dict)]
    except (OSError, ValueError, yaml.YAMLError) as e:
        why = str(e).splitlines()[0]
        raise SystemExit(f"{path}: is no YAML ({why}); a Helm template must be rendered first") from None
    for document in documents:
        for item in document["items"] if document.get("kind") == "List" else [document]:
            # A project's folder holds kustomize's patches of definitions too, which have no versions.
            if item.get("kind") == "CustomResourceDefinition" and "versions" in (item.get("spec") or {}):
                yield item["spec"]


def closed(schema: Any, top: bool = True) -> Any:
    """An OpenAPI schema as a JSON schema that refuses fields it doesn't name, which a server would silently drop.

    Kubernetes' own extensions: `x-kubernetes-preserve-unknown-fields` and `-embedded-resource` leave an object open,
    `x-kubernetes-int-or-string` and `nullable` widen a type.
    """
    if isinstance(schema, list):
        return [closed(s, False) for s in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: v for k, v in schema.items() if _says(k)}
    for key in ("items", "not", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = closed(made[key], False)
    for key in ("allOf", "anyOf", "oneOf"):
        # These only restrict: their fields are those of the schema around them.
        if key in made:
            made[key] = [_restriction(s) for s in made[key]]
    if "properties" in made:
        made["properties"] = {k: closed(v, False) for k, v in made["properties"].items()}
        is_open = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource")
        if not is_open and "additionalProperties" not in made:
            made["additionalProperties"] = False
            if top:  # an API server knows these without being told
                for name in ("apiVersion", "kind", "metadata"):
                    made["properties"].setdefault(name, {})
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if top and isinstance(made.get("properties"), dict):
        made["properties"]["metadata"] = {}
    return made


def _restriction(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_restriction(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        k: {n: _restriction(s) for n, s in v.items()} if k == "properties" else _restriction(v)
        for k, v in schema.items()
        if _says(k)
    }


def _says(keyword: str) -> bool:
    """Whether a keyword restricts what a JSON schema takes. (Formats are Go's, such as int32.)"""
    return not keyword.startswith("x-kubernetes-") and keyword not in ("description", "default", "format", "nullable")


def _key(resource: Resource) -> tuple[str, str]:
    return str(resource["apiVersion"]), str(resource["kind"])
