"""The distribution that `autoregressive` learns: density, samples, conditions, relations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.generators.test_forest import cells, small_table
from tests.people import conformed_people
from understudy.canonical import conform
from understudy.errors import ConfigError
from understudy.generators import create, load
from understudy.generators.autoregressive import Autoregressive
from understudy.inference import infer_schema

TRANSFORMER = {"architecture": "transformer", "width": 32, "layers": 2, "steps": 150}
KINDS = [{}, TRANSFORMER]


@pytest.fixture(scope="module", params=KINDS, ids=["mlp", "transformer"])
def small(request: pytest.FixtureRequest) -> Autoregressive:
    table, schema = small_table(5000)
    return create("autoregressive", **request.param).fit(table, schema=schema, rng=np.random.default_rng(0))


def counts(drawn: pd.DataFrame, grid: pd.DataFrame) -> np.ndarray:
    found = drawn.astype(str).value_counts()
    return np.array([found.get(tuple(r), 0) for r in grid.astype(str).itertuples(index=False)])


def test_the_density_sums_to_one_and_fits_the_table(small: Autoregressive) -> None:
    grid = cells(small.schema)
    p = np.exp(small.log_density(grid))
    assert p.sum() == pytest.approx(1, abs=1e-4)
    fresh, _ = small_table(50_000, seed=1)
    assert np.abs(p - counts(fresh, grid) / 50_000).sum() / 2 < (0.04 if small.architecture == "mlp" else 0.06)


def test_samples_follow_the_density(small: Autoregressive) -> None:
    # Chi-squared of 50,000 draws against the exact density; error probability 1e-4.
    grid = cells(small.schema)
    p = np.exp(small.log_density(grid))
    observed = counts(small.sample(50_000, rng=np.random.default_rng(7)), grid)
    assert stats.chisquare(observed, p / p.sum() * observed.sum()).pvalue > 1e-4


@pytest.mark.parametrize("where", [{"c": True}, {"d": 3}, {"d": {"min": 2}, "b": "k"}, {"a": "y", "d": [0, 2]}])
def test_conditional_samples_follow_the_conditional_density(small: Autoregressive, where: dict) -> None:
    # Conditioned columns come first, in another order than the density's; error probability 1e-4 each.
    grid = cells(small.schema)
    p = np.exp(small.log_density(grid))
    meets = np.ones(len(grid), dtype=bool)
    for name, condition in where.items():
        if isinstance(condition, dict):
            meets &= (grid[name] >= condition["min"]).to_numpy()
        else:
            meets &= grid[name].isin(condition if isinstance(condition, list) else [condition]).to_numpy()
    observed = counts(small.sample(30_000, rng=np.random.default_rng(8), where=where), grid[meets])
    assert observed.sum() == 30_000
    assert stats.chisquare(observed, p[meets] / p[meets].sum() * 30_000).pvalue > 1e-4


@pytest.fixture(scope="module")
def people_model() -> Autoregressive:
    table, schema = conformed_people(4000)
    return create("autoregressive").fit(table, schema=schema, rng=np.random.default_rng(0))


def test_relations_and_dependencies_are_learnt(people_model: Autoregressive) -> None:
    # The correlation of a fit has a standard error of about .02; stopping early and decay shrink it by up to .12.
    table, _ = conformed_people(4000)
    drawn = people_model.sample(20_000, rng=np.random.default_rng(1))
    real = np.corrcoef(table["age"], table["pay"])[0, 1]
    assert np.corrcoef(drawn["age"], drawn["pay"])[0, 1] == pytest.approx(real, abs=0.18)
    gold = (drawn["plan"] == "gold").groupby(drawn["region"], observed=True).mean()
    assert gold["west"] > (drawn["plan"] == "gold").mean() + 0.05
    assert drawn.groupby("region", observed=True)["region_code"].nunique().eq(1).all()


def test_a_condition_on_a_looked_up_column_holds_and_reaches_its_determinant(people_model: Autoregressive) -> None:
    assert people_model.lookups
    drawn = people_model.sample(500, rng=np.random.default_rng(2), where={"region_code": [1, 3]})
    assert set(drawn["region_code"]) == {1, 3} and set(drawn["region"]) == {"north", "east"}


def test_conditions_that_exclude_each_other_are_an_error(people_model: Autoregressive) -> None:
    with pytest.raises(ConfigError, match="no probability"):
        people_model.sample(10, rng=np.random.default_rng(2), where={"region_code": 1, "region": "west"})


def test_frequencies_are_those_of_the_table(people_model: Autoregressive) -> None:
    # 50,000 draws: three standard errors of a share are .007.
    table, _ = conformed_people(4000)
    drawn = people_model.sample(50_000, rng=np.random.default_rng(3))
    for name in ("region", "grade", "plan", "active"):
        a, b = (t[name].astype(str).value_counts(normalize=True) for t in (table, drawn))
        assert (a - b).abs().max() < 0.012, name


def test_lower_temperature_and_top_p_draw_what_is_frequent() -> None:
    table, schema = small_table(2000)
    usual, cold, cut = (
        create("autoregressive", steps=100, **s).fit(table, schema=schema, rng=np.random.default_rng(0))
        for s in ({}, {"temperature": 0.5}, {"top_p": 0.7})
    )
    shares = [
        g.sample(5000, rng=np.random.default_rng(0)).astype(str).value_counts(normalize=True).iloc[:5].sum()
        for g in (usual, cold, cut)
    ]
    assert shares[1] > shares[0] + 0.05 and shares[2] > shares[0] + 0.05


@pytest.mark.slow
def test_many_columns_take_the_shared_layer() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(1500, 1))
    raw = pd.DataFrame(np.round(base + rng.normal(size=(1500, 60)), 2), columns=[f"x{i}" for i in range(60)])
    schema = infer_schema(raw)
    g = create("autoregressive", steps=250).fit(conform(raw, schema), schema=schema, rng=np.random.default_rng(0))
    assert type(g.network).__name__ == "WideMlp"
    drawn = g.sample(3000, rng=np.random.default_rng(1))
    found = np.corrcoef(drawn.to_numpy(), rowvar=False)[np.triu_indices(60, 1)].mean()
    assert found > 0.25  # 0.5 in the table


@pytest.mark.parametrize("n_rows", [2, 5, 60])
@pytest.mark.parametrize("architecture", ["mlp", "transformer"])
def test_tiny_tables(n_rows: int, architecture: str) -> None:
    table, schema = conformed_people(60)
    g = create("autoregressive", architecture=architecture, width=8, steps=5).fit(
        table.iloc[:n_rows].reset_index(drop=True), schema=schema, rng=np.random.default_rng(0)
    )
    assert len(g.sample(100, rng=np.random.default_rng(0))) == 100


def test_the_rows_do_not_depend_on_the_number_of_threads(people_model: Autoregressive) -> None:
    import torch

    from understudy.generators.neural_network import threads

    def fitted(n: int) -> pd.DataFrame:
        table, schema = conformed_people(500)
        with threads(n):
            g = create("autoregressive", steps=20).fit(table, schema=schema, rng=np.random.default_rng(0))
            return g.sample(20_000, rng=np.random.default_rng(0))

    before = torch.get_num_threads()
    pd.testing.assert_frame_equal(fitted(1), fitted(2))
    assert torch.get_num_threads() == before


def test_a_transformer_comes_back_from_its_artifact(tmp_path) -> None:
    table, schema = conformed_people(300)
    settings = {"architecture": "transformer", "width": 16, "layers": 1, "steps": 5}
    g = create("autoregressive", **settings).fit(table, schema=schema, rng=np.random.default_rng(0))
    g.save(tmp_path / "m")
    again = load(tmp_path / "m")
    pd.testing.assert_frame_equal(*(x.sample(200, rng=np.random.default_rng(1)) for x in (g, again)))
    np.testing.assert_allclose(g.log_density(table), again.log_density(table))


def test_a_device_that_is_not_there_is_an_error() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    table, schema = small_table(50)
    with pytest.raises(ConfigError, match="'cuda' is not there; choose cpu"):
        create("autoregressive", device="cuda").fit(table, schema=schema, rng=np.random.default_rng(0))
