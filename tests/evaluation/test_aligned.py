from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.errors import SchemaError, TableError
from understudy.evaluation.aligned import align
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]


def test_codes_follow_values_and_labels_the_first_tables_frequency() -> None:
    schema = TableSchema(columns=(Column(name="c", kind="categorical"),))
    first = pd.DataFrame({"c": pd.Categorical(["b", "a", "b", None], categories=["a", "b", "unused"])})
    second = pd.DataFrame({"c": pd.Categorical(["new", "b"])})
    data = align({"train": first, "synthetic": second}, schema)
    assert data.labels["c"].tolist() == ["b", "a", "new"]
    assert data.views[0].codes["c"].tolist() == [0, 1, 0, -1]
    assert data.views[1].codes["c"].tolist() == [2, 0]


def test_every_kind_becomes_floats_or_codes(people: People, schema: TableSchema) -> None:
    table = people(50, 0).astype({"member": "boolean"})
    table["age"] = table["age"].astype("Int64").where(table.index != 3)
    table.loc[4, "member"] = pd.NA
    (view,) = align({"train": table}, schema).views
    assert set(view.numbers) == {"age", "pay", "since"}
    assert set(view.codes) == {"city", "member", "buys"}
    assert np.isnan(view.numbers["age"][3])
    assert view.codes["member"][4] == -1
    assert np.isnan(view.numbers["since"]).sum() == table["since"].isna().sum()


def test_units_are_shared_keys_and_unknown_ones_stand_alone() -> None:
    schema = TableSchema(columns=(Column(name="p", kind="id"), Column(name="b", kind="boolean")), unit="p")
    table = pd.DataFrame({"p": ["u", "u", None, None, "v"], "b": True})
    (view,) = align({"train": table}, schema).views
    assert view.units is not None
    assert view.units[0] == view.units[1]
    assert len(set(view.units.tolist())) == 4
    without = align({"synthetic": table[["b"]]}, schema).views[0]
    assert without.units is None


def test_bad_input_is_named(people: People, schema: TableSchema) -> None:
    table = people(5, 0)
    with pytest.raises(TableError, match="the synthetic table has no rows"):
        align({"train": table, "synthetic": table.iloc[:0]}, schema)
    with pytest.raises(SchemaError, match="the synthetic table lacks column 'pay'"):
        align({"train": table, "synthetic": table.drop(columns="pay")}, schema)
    with pytest.raises(SchemaError, match="column 'age' can't be read as numerical"):
        align({"train": table.assign(age="old")}, schema)
    with pytest.raises(TableError, match="only id and text"):
        align({"train": table}, TableSchema(columns=(Column(name="person", kind="id"),)))
