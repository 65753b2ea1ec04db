"""Samples of a stated distribution: exact, shuffled, otherwise as learnt, and labelled in the artifact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.balance import Balance
from understudy.canonical import conform
from understudy.errors import ArtifactError, ConfigError
from understudy.generators import Generator, create, load
from understudy.generators.balanced import Balanced, label_of, plain, rebalanced
from understudy.schema import TableSchema

NAMES = ["forest", "independent", "bootstrap"]  # `autoregressive` samples by conditions likewise, and fits slowly
REGIONS = {"north": 0.25, "south": 0.25, "east": 0.25, "west": 0.25}


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, TableSchema]:
    return conformed_people(3000)


@pytest.fixture(scope="module")
def fitted(table: tuple[pd.DataFrame, TableSchema]) -> dict[str, Generator]:
    return {n: create(n).fit(table[0], schema=table[1], rng=np.random.default_rng(0)) for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_have_the_stated_shares_in_no_order_and_are_repeated_by_a_seed(
    fitted: dict, table: tuple, name: str
) -> None:
    balanced = Balanced(fitted[name], Balance(column="region"))
    assert isinstance(balanced, Generator) and balanced.balance.shares == REGIONS
    drawn = balanced.sample(2000, rng=np.random.default_rng(1))
    assert (drawn["region"].value_counts() == 500).all()
    pd.testing.assert_frame_equal(drawn, conform(drawn, table[1]), check_categorical=False)
    pd.testing.assert_frame_equal(drawn, balanced.sample(2000, rng=np.random.default_rng(1)))
    # shuffled: of the first 1,000 rows about 250 are north; hypergeometric sd 9.7, bound 5 sd
    assert abs((drawn["region"][:1000] == "north").sum() - 250) < 49
    assert len(balanced.sample(0, rng=np.random.default_rng(1))) == 0
    assert len(balanced.sample(1, rng=np.random.default_rng(1))) == 1


def test_within_a_value_nothing_is_altered(fitted: dict) -> None:
    generator = fitted["forest"]
    balanced = Balanced(generator, Balance(column="region")).sample(40_000, rng=np.random.default_rng(2))
    real = generator.sample(40_000, rng=np.random.default_rng(3))
    for region in REGIONS:
        gold = [(t.loc[t["region"] == region, "plan"] == "gold").mean() for t in (balanced, real)]
        # 10,000 and at least 3,000 rows: sd of the difference at most .0105, bound 4 sd for each of 4
        assert abs(gold[0] - gold[1]) < 0.042
    assert (balanced["region_code"].astype(str) == balanced["region"].map(dict(zip(REGIONS, "1234", strict=True))).astype(str)).all()


def test_a_boolean_column_and_given_shares(fitted: dict) -> None:
    for name in NAMES:
        drawn = Balanced(fitted[name], Balance.parse("active=true:0.1,false:0.9")).sample(100, rng=np.random.default_rng(0))
        assert drawn["active"].sum() == 10


def test_conditions_hold_and_one_on_the_column_replaces_the_balance(fitted: dict) -> None:
    balanced = Balanced(fitted["forest"], Balance(column="region"))
    old = balanced.sample(400, rng=np.random.default_rng(0), where={"age": {"min": 50}})
    assert (old["age"] >= 50).all() and (old["region"].value_counts() == 100).all()
    west = balanced.sample(50, rng=np.random.default_rng(0), where={"region": "west"})
    assert (west["region"] == "west").all()
    assert label_of(balanced, {"region": "west"}) == "" and "north 25%" in label_of(balanced)


def test_the_artifact_keeps_it_and_it_can_be_taken_away(fitted: dict, tmp_path: Path) -> None:
    balanced = Balanced(fitted["independent"], Balance.parse("region=west:0.9,north:0.1"))
    balanced.save(tmp_path / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    manifest = json.loads((tmp_path / "m/generator.json").read_text())
    assert manifest["balance"] == {"column": "region", "shares": {"west": 0.9, "north": 0.1}}
    again = load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        again.sample(300, rng=np.random.default_rng(3)), balanced.sample(300, rng=np.random.default_rng(3))
    )
    assert type(plain(again)).__name__ == "Independent"
    assert rebalanced(again, None) is again
    real = rebalanced(again, Balance.parse("none"))
    assert label_of(real) == "" and real.sample(1000, rng=np.random.default_rng(0))["region"].nunique() == 4
    other = rebalanced(again, Balance(column="plan")).sample(100, rng=np.random.default_rng(0))
    assert (other["plan"] == "gold").sum() == 50
    table = again.sample(5, rng=np.random.default_rng(0))
    assert np.array_equal(again.log_density(table), fitted["independent"].log_density(table))


@pytest.mark.parametrize("broken", [{"column": "pay"}, {"column": "region", "shares": {"mars": 1}}, 3])
def test_a_damaged_balance_is_refused(fitted: dict, tmp_path: Path, broken: object) -> None:
    fitted["independent"].save(tmp_path / "m")
    manifest = json.loads((tmp_path / "m/generator.json").read_text())
    (tmp_path / "m/generator.json").write_text(json.dumps(manifest | {"balance": broken}))
    with pytest.raises(ArtifactError, match="damaged"):
        load(tmp_path / "m")


def test_what_cannot_be_met_names_the_value(fitted: dict) -> None:
    balanced = Balanced(fitted["bootstrap"], Balance(column="region"))
    with pytest.raises(ConfigError, match="balance: region=.*no real row"):
        balanced.sample(10, rng=np.random.default_rng(0), where={"age": {"min": 1000}})


@pytest.mark.slow
def test_the_neural_generator_is_balanced_likewise(table: tuple) -> None:
    learnt = create("autoregressive", steps=60, width=8).fit(table[0], schema=table[1], rng=np.random.default_rng(0))
    drawn = Balanced(learnt, Balance(column="region")).sample(400, rng=np.random.default_rng(0))
    assert (drawn["region"].value_counts() == 100).all()
