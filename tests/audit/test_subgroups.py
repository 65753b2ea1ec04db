"""Attack success by subgroup."""

import numpy as np
import pytest

from understudy.audit.residual import Residual
from understudy.audit.stats import delong
from understudy.audit.subgroups import MISSING, OTHERS, QUARTERS, by_subgroup, groups_of
from understudy.audit.tables import build
from understudy.errors import SchemaError


def test_rates_of_hits_and_areas_of_scores():
    rng = np.random.default_rng(0)
    member, groups = rng.random(900) < 0.5, np.repeat(["a", "b", "b"], 300)
    hits = rng.random(900) < np.where(member & (groups == "b"), 0.6, 0.1)
    b, a = by_subgroup(hits, member, groups, column="region")
    assert (a.group, b.group, a.measure, b.column) == ("a", "b", "rho", "region")
    mine = groups == "b"
    counts = Residual(int(hits[mine & member].sum()), b.n_in, int(hits[mine & ~member].sum()), b.n_out)
    assert b.value == counts.value and (b.low, b.high) == counts.interval()
    assert b.low > 0.4 > a.high and b.p_value < 1e-20 and b.rate_in == pytest.approx(0.6, abs=0.1)
    scores = hits + rng.random(900)
    area = by_subgroup(scores, member, groups, column="region")[0]
    assert area.measure == "auc" and area.rate_in is None
    assert area.value == delong(scores[mine & member], scores[mine & ~member]).value > 0.65


def test_small_groups_are_counted_together_or_not_at_all():
    member = np.arange(300) % 2 == 0
    groups = np.array(["big"] * 200 + ["s1"] * 40 + ["s2"] * 40 + ["s3"] * 20)
    found = by_subgroup(np.zeros(300, dtype=bool), member, groups, column="c")
    assert [(g.group, g.n_in, g.n_out) for g in found] == [("big", 100, 100), (OTHERS, 50, 50)]
    few = np.array(["big"] * 280 + ["rare"] * 20)
    assert [g.group for g in by_subgroup(np.zeros(300), member, few, column="c")] == ["big"]


def test_groups_of_values_quarters_and_gaps(population, schema):
    rng = np.random.default_rng(1)
    sizes = {"members": 200, "nonmembers": 200, "reference": 400, "synthetic": 100}
    tables = build({k: population(n, rng) for k, n in sizes.items()}, schema)
    rows = np.arange(400)
    region = groups_of(tables, "region", rows)
    assert region.tolist() == tables.pool.frame["region"].astype(str).tolist()
    assert set(groups_of(tables, "smoker", rows)) == {"True", "False"}
    visits = groups_of(tables, "visits", rows)
    assert ((visits == MISSING) == tables.pool.frame["visits"].isna().to_numpy()).all()
    age = groups_of(tables, "age", rows)
    assert set(age) == set(QUARTERS)
    values = tables.pool.frame["age"].to_numpy()
    assert values[age == QUARTERS[0]].max() < values[age == QUARTERS[1]].min()
    with pytest.raises(SchemaError, match="did you mean 'region'"):
        groups_of(tables, "regionn", rows)
