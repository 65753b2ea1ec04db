"""Conditions and settings as text: `--where age>=50`, `--set min_leaf=100`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from understudy.errors import ConfigError
from understudy.schema import TableSchema, unknown_column


def parse_where(texts: Sequence[str], schema: TableSchema) -> dict[str, Any]:
    """`COLUMN=VALUE` (repeated: any of the values; empty: missing), `COLUMN>=NUMBER`, `COLUMN<=NUMBER`.

    The longest column name that fits is taken, so that names and values may hold signs.
    Raises ConfigError or SchemaError.

    >>> from understudy.schema import Column
    >>> s = TableSchema(columns=(Column(name="age", kind="numerical"), Column(name="pay", kind="categorical")))
    >>> parse_where(["age>=30", "age<=40", "pay=>50K"], s)
    {'age': {'min': '30', 'max': '40'}, 'pay': '>50K'}
    """
    where: dict[str, Any] = {}
    for text in texts:
        name, operator, value = _split(text, schema)
        present = where.get(name)
        if operator == "=":
            if isinstance(present, dict):
                raise ConfigError(f"--where {text}: {name!r} has a range already; give values or a range")
            where[name] = (
                value if present is None else [*(present if isinstance(present, list) else [present]), value]
            )
            continue
        if present is not None and not isinstance(present, dict):
            raise ConfigError(f"--where {text}: {name!r} has values already; give values or a range")
        where[name] = {**(present or {}), "min" if operator == ">=" else "max": value}
    return where


def _split(text: str, schema: TableSchema) -> tuple[str, str, str]:
    for name in sorted(schema.names, key=len, reverse=True):
        for operator in (">=", "<=", "="):
            if text.startswith(name + operator):
                return name, operator, text[len(name) + len(operator) :]
    head = next((text.split(o)[0] for o in (">=", "<=", "=") if o in text), None)
    if head is None:
        raise ConfigError(
            f"--where {text}: is no condition; write COLUMN=VALUE, COLUMN>=NUMBER or COLUMN<=NUMBER"
        )
    raise ConfigError(f"--where {text}: {unknown_column(head, schema.names, 'column')}")


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` with YAML values. Raises ConfigError.

    >>> parse_settings(["min_leaf=100", "name=x"])
    {'min_leaf': 100, 'name': 'x'}
    """
    import yaml

    settings: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {text}: write key=value")
        try:
            settings[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {text}: the value can't be read; write key=value") from None
    return settings
