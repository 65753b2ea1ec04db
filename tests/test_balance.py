from __future__ import annotations

import numpy as np
import pytest

from understudy.balance import Balance
from understudy.config import Params
from understudy.errors import ConfigError, SchemaError, UnderstudyError
from understudy.schema import Column, TableSchema

SCHEMA = TableSchema(
    columns=(
        Column(name="sex", kind="categorical"),
        Column(name="member", kind="boolean"),
        Column(name="age", kind="numerical"),
        Column(name="person", kind="id"),
    )
)


@pytest.mark.parametrize(
    ("text", "column", "shares"),
    [
        ("sex", "sex", {}),
        ("sex=F:.5,M:.5", "sex", {"F": 0.5, "M": 0.5}),
        ("pay=band=a,b:0.25,c:d:0.75", "pay", {"band=a,b": 0.25, "c:d": 0.75}),  # the first = that pairs follow
        ("x=>50K:1", "x", {">50K": 1.0}),
        ("none", "none", {}),
    ],
)
def test_text_is_read(text: str, column: str, shares: dict[str, float]) -> None:
    assert Balance.parse(text) == Balance(column=column, shares=shares)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no column"),
        ("sex=F", "write COLUMN"),
        ("sex=F:0.6,M:0.5", "sum to 1.1, not to 1"),
        ("sex=F:-0.5,M:1.5", "from 0 to 1"),
        ("sex=F:0.5,F:0.5", "twice"),
        ("sex=F:1e999,M:0", "from 0 to 1"),
        ("sex=F:.,M:1", "valid number"),
    ],
)
def test_what_is_no_distribution_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as e:
        Balance.parse(text)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("column", "error", "says"),
    [
        ("sx", SchemaError, "did you mean 'sex'"),
        ("age", ConfigError, "numerical"),
        ("person", ConfigError, "is id"),
    ],
)
def test_a_column_that_cannot_be_balanced_is_refused(column: str, error: type[UnderstudyError], says: str) -> None:
    with pytest.raises(error, match=says):
        Balance(column=column).check(SCHEMA)


def test_values_are_those_that_the_generator_draws() -> None:
    assert Balance(column="sex").resolved(["F", "M"]).shares == {"F": 0.5, "M": 0.5}
    with pytest.raises(ConfigError, match="'X' is not a value the generator can draw; it draws: F, M"):
        Balance.parse("sex=F:.5,X:.5").resolved(["F", "M"])
    with pytest.raises(ConfigError, match="draws no value"):
        Balance(column="sex").resolved([])
    yes = Balance.of({"column": "member", "shares": {True: 0.2, "false": 0.8}}).check(SCHEMA)
    assert yes.shares == {"True": 0.2, "False": 0.8}


def test_counts_are_the_shares_to_within_a_row_and_right_on_average() -> None:
    balance = Balance(column="c", shares={"a": 0.5, "b": 0.3, "c": 0.2, "d": 0.0})
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 7, 1000):
        drawn = np.array([list(balance.counts(n, rng).values()) for _ in range(2000)])
        assert (drawn.sum(1) == n).all()
        exact = n * np.array([0.5, 0.3, 0.2, 0.0])
        assert (np.abs(drawn - exact) <= 1).all() and (drawn[:, 3] == 0).all()
        # a count varies by at most half a row: 5 standard errors of 2,000 draws; a false alarm once in a million
        assert np.abs(drawn.mean(0) - exact).max() < 5 * 0.5 / np.sqrt(2000)


def test_a_long_label_is_cut() -> None:
    label = Balance(column="c", shares={f"v{i}": 1 / 20 for i in range(20)}).label
    assert label.startswith("balanced: altered to c: v0 5%, v1 5%")
    assert "8 more; not the real distribution" in label


def test_parameters_hold_it_as_text_or_mapping_and_travel_as_json() -> None:
    p = Params.parse("sample: {balance: sex}\ngenerator: {balance: {column: sex, shares: {F: 0.4, M: 0.6}}}")
    assert p.sample.balance == Balance(column="sex")
    assert Params.from_json(generator=p.section_json("generator")).generator.balance == p.generator.balance
    assert Params().sample.balance is None
    with pytest.raises(ConfigError, match="sample.balance: the shares of 'sex' sum to 0.9"):
        Params.parse("sample: {balance: 'sex=F:.4,M:.5'}")
    with pytest.raises(ConfigError, match=r"sample.balance.share: unknown key; did you mean 'shares'"):
        Params.parse("sample: {balance: {column: sex, share: {F: 1}}}")
