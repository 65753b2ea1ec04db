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

TRANSFORMER = {"architecture": "transformer", "width": 32, "layers": 2, "steps": 150, "learning_rate": 0.005}
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
    assert np.abs(p - counts(fresh, grid) / 50_000).sum() / 2 < 0.04


def test_samples_follow_the_density(small: Autoregressive) -> None:
    # Chi-squared of 50,000 draws against the exact density; error probability 1e-4.
    grid = cells(small.schema)
    p = np.exp(small.log_density(grid))
    observed = counts(small.sample(50_000, rng=np.random.default_rng(7)), grid)
    assert stats.chisquare(observed, p / p.sum() * observed.sum()).pvalue > 1e-4
