"""What fewer than 11 privacy units have is never emitted by a generator that may be released.

`bootstrap` is exempt: it draws real rows again and exists to fail the audit.
"""

import numpy as np
import pandas as pd
import pytest

from understudy.canonical import conform
from understudy.generators import REGISTRY, Generator, create
from understudy.inference import infer_schema
from understudy.schema import TableSchema

K = 11
NAMES = [n for n in REGISTRY if n != "bootstrap"]
QUICK = {"autoregressive": {"steps": 120}, "forest": {"n_trees": 4}}
HELD = {"rare": K - 1, "held": K + 1}


def persons(n_units: int = 500, seed: int = 0) -> pd.DataFrame:
    """Four rows a person. What is rare is held by 10 persons, in 40 rows; what is not, by 12 persons."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_units), 4)
    n = len(person)

    def of(first: int, units: int) -> np.ndarray:
        return (person >= first) & (person < first + units)

    table = pd.DataFrame({
        "person": person,
        "place": rng.choice(["north", "south"], n),
        "visits": rng.integers(3, 9, n),
        "amount": np.round(rng.lognormal(5, 0.5, n), 2),
        "score": rng.normal(0, 1, n),
        "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        "grade": rng.choice(["a", "b"], n).astype(object),
        "flag": False,
        "level": rng.normal(50, 10, n),
    })  # fmt: skip
    table.loc[of(0, HELD["rare"]), "place"] = "Atlantis"
    table.loc[of(20, HELD["held"]), "place"] = "Utopia"
    table.loc[of(40, 1), "visits"] = 12  # one person alone, in four rows: the largest
    table.loc[of(41, HELD["held"]), "visits"] = 10
    table.loc[of(60, 1), "amount"] = 50_000.0  # a round number, which rounding outwards would keep
    table.loc[of(61, 1), "day"] = pd.Timestamp("2030-06-01")
    table.loc[of(80, HELD["rare"]), "grade"] = None
    table.loc[of(100, HELD["held"]), "level"] = np.nan
    table.loc[of(120, HELD["rare"]), "score"] = np.nan
    table.loc[of(140, HELD["rare"]), "flag"] = True
    return table


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, TableSchema]:
    raw = persons()
    schema = infer_schema(raw, unit="person")
    return conform(raw, schema), schema


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest, table: tuple[pd.DataFrame, TableSchema]) -> Generator:
    name = request.param
    return create(name, **QUICK.get(name, {})).fit(table[0], schema=table[1], rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def drawn(fitted: Generator) -> pd.DataFrame:
    return fitted.sample(20_000, rng=np.random.default_rng(1))


def test_categories(drawn: pd.DataFrame) -> None:
    assert set(drawn["place"]) == {"north", "south", "Utopia"}
    assert not drawn["flag"].any()


def test_missing_values(drawn: pd.DataFrame) -> None:
    assert not drawn["grade"].isna().any() and not drawn["score"].isna().any()
    assert drawn["level"].isna().any()


def test_extremes(drawn: pd.DataFrame, table: tuple[pd.DataFrame, TableSchema]) -> None:
    assert drawn["visits"].max() == 10  # few values: none beyond what 11 units reach
    assert (drawn["amount"] != 50_000).all() and drawn["amount"].max() < 50_000
    assert drawn["day"].max() != pd.Timestamp("2030-06-01")
    for name in ("amount", "day", "level"):
        column = table[0].drop_duplicates("person")[name].dropna()
        assert drawn[name].min() != column.min() and drawn[name].max() != column.max()


def test_a_rare_pattern_of_missing_values_is_not_repeated() -> None:
    """Five persons lack a, b and c together; each alone is often missing, but independently of the others.

    Independent columns give the pattern in 0.001 of 20,000 rows, 20; five of 600 persons would be 167. A generator
    that repeated the pattern would exceed 60, which Poisson(20) does with probability below 1e-11.
    """
    rng = np.random.default_rng(3)
    n = 600
    raw = pd.DataFrame({name: rng.normal(0, 1, n) for name in "abc"} | {"x": rng.integers(0, 5, n)})
    for name in "abc":
        raw.loc[rng.random(n) < 0.1, name] = np.nan
    alone = raw[list("abc")].isna().all(axis=1)
    raw.loc[alone, "a"] = 0.0
    raw.loc[:4, list("abc")] = np.nan
    schema = infer_schema(raw)
    for name in NAMES:
        generator = create(name, **QUICK.get(name, {}))
        generator.fit(conform(raw, schema), schema=schema, rng=np.random.default_rng(0))
        drawn = generator.sample(20_000, rng=np.random.default_rng(1))
        assert drawn[list("abc")].isna().all(axis=1).sum() < 60, name


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_rare_categories_is_all_other(name: str) -> None:
    """60 categories of 9 or 10 rows each: none may be emitted."""
    rng = np.random.default_rng(2)
    raw = pd.DataFrame({"code": [f"c{i % 60}" for i in range(590)], "x": rng.normal(0, 1, 590)})
    schema = infer_schema(raw)
    assert schema.column("code").kind == "categorical"
    generator = create(name, **QUICK.get(name, {}))
    generator.fit(conform(raw, schema), schema=schema, rng=np.random.default_rng(0))
    drawn = generator.sample(1_000, rng=np.random.default_rng(1))
    assert set(drawn["code"]) == {"OTHER"}
    assert np.isfinite(generator.log_density(conform(raw, schema))).all()


def test_a_suppressed_missing_value_survives_the_artifact(fitted: Generator, tmp_path) -> None:
    fitted.save(tmp_path / "m")
    again = type(fitted).load(tmp_path / "m")
    assert not again.sample(5_000, rng=np.random.default_rng(4))["score"].isna().any()
