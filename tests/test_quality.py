from typing import Any

import numpy as np
import pandas as pd
import pytest

from understudy.errors import SchemaError, TableError, UnderstudyError
from understudy.quality import check
from understudy.schema import Column, TableSchema


def schema(**changes: Any) -> TableSchema:
    columns = (
        Column(name="person", kind="id"),
        Column(name="age", kind="numerical", decimals=0, minimum=0, maximum=120),
        Column(name="pay", kind="numerical", decimals=2, nullable=True),
        Column(name="group", kind="categorical", categories=("a", "b")),
    )
    return TableSchema(**{"columns": columns, "target": "group", "unit": "person", **changes})


def table(n: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    pay = rng.normal(1000, 100, n).round(2)
    pay[: n // 4] = np.nan
    return pd.DataFrame(
        {
            "person": [f"p{i // 2}" for i in range(n)],
            "age": rng.integers(18, 90, n),
            "pay": pay,
            "group": pd.Categorical(np.where(np.arange(n) % 2, "a", "b")),
        }
    )


def test_the_profile_counts() -> None:
    profile = check(table(), schema())
    assert profile["rows"] == 100
    assert profile["units"] == 50
    assert profile["columns"]["pay"]["missing"] == 0.25
    assert profile["columns"]["group"] == {"kind": "categorical", "missing": 0.0, "distinct": 2}
    assert profile["columns"]["age"]["minimum"] == table()["age"].min()
    assert profile["warnings"] == []


def test_warnings_name_the_remedy() -> None:
    t = pd.concat([table(60)] * 3, ignore_index=True)
    t["pay"] = t["pay"].where(np.arange(len(t)) < 60)
    t["group"] = pd.Categorical(np.where(np.arange(len(t)) < 5, "a", "b"))
    warnings = check(t, schema(unit=None))["warnings"]
    assert any("'pay'" in w and "% of the values are missing" in w for w in warnings)
    assert any("repeat an earlier row" in w and "--unit" in w for w in warnings)
    assert "target 'group': class 'a' has only 5 rows" in warnings


def three_rows(t: pd.DataFrame) -> pd.DataFrame:
    return t.head(3)


def one_class(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(group=pd.Categorical(["a"] * len(t)))


def no_class(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(group=pd.Categorical([None] * len(t), categories=["a"]))


def too_old(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(age=t["age"].where(t.index > 1, 130))


def negative(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(age=t["age"].where(t.index > 0, -1))


def stranger(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(group=pd.Categorical(["c", *t["group"].astype(str)[1:]]))


def gap(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(age=t["age"].astype("Int64").where(t.index > 2))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (three_rows, TableError, "the table has 3 rows; at least 50 are needed"),
        (one_class, TableError, "target 'group' has a single value ('a') in all rows"),
        (no_class, TableError, "target 'group' has no values"),
        (too_old, SchemaError, "'age' has 2 values outside the schema's maximum (120.0), such as '130'"),
        (negative, SchemaError, "'age' has 1 values outside the schema's minimum (0.0), such as '-1'"),
        (stranger, SchemaError, "'group' has 1 values outside the schema's categories (a, b), such as 'c'"),
        (gap, SchemaError, "'age' has 3 missing values, but the schema says nullable: false"),
    ],
)
def test_what_cant_be_worked_with_is_one_line(spoil: Any, error: type[UnderstudyError], message: str) -> None:
    with pytest.raises(error) as e:
        check(spoil(table()), schema())
    assert message in str(e.value)
    assert "\n" not in str(e.value)
