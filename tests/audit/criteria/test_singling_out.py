"""Singling out."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit.criteria import singling_out
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.risk import judge
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.schema import Column, TableSchema

POLICY = Policy()


def _attempts(tables, seed=0):
    rng = np.random.default_rng(seed)
    return singling_out.attempts(Targets.draw(tables, rng), rng)


def test_by_hand():
    """Values: unique in S and in the pool hits, twice in the pool or in S doesn't; equal rows of S count once."""
    schema = TableSchema(columns=(Column(name="a", kind="categorical"), Column(name="b", kind="categorical")))

    def table(a):
        return pd.DataFrame({"a": pd.Categorical(a), "b": pd.Categorical(["x"] * len(a))})

    named = {
        "members": table(["only", "pair", "inside"]),
        "nonmembers": table(["pair", "twice", "outside"]),
        "reference": table(["r1", "r2", "r3", "r4", "r4"]),
        "synthetic": table(["only", "pair", "twice", "twice", "outside", "nobody"]).assign(
            b=pd.Categorical(["x", "x", "x", "y", "x", "x"])
        ),
    }
    targets = Targets.draw(build(named, schema), np.random.default_rng(0))
    alone = singling_out._singled_out(targets, [((0,), None)], singling_out._distinct(targets.tables.synthetic))
    assert alone.tolist() == [True, False, False, False, False, True]
    copied = named["synthetic"].assign(b=pd.Categorical(["x"] * 6))
    targets = Targets.draw(build({**named, "synthetic": copied}, schema), np.random.default_rng(0))
    alone = singling_out._singled_out(targets, [((0,), None)], singling_out._distinct(targets.tables.synthetic))
    assert alone.tolist() == [True, False, False, False, True, True]


def test_a_bootstrap_singles_out_the_members_it_holds(bootstrap):
    risks = judge(_attempts(bootstrap), bootstrap.member, POLICY)
    assert [r.detail for r in risks] == ["1 attribute", "2 attributes", "3 attributes", "4 attributes"]
    for r in risks:
        # 63 % of the members are in S
        assert 0.5 < r.rho < 0.7 and r.rho_low > 0.45 and r.p_value < 1e-20 and r.proven(POLICY)
        assert r.rate_out < 0.2 and r.baseline < 0.2


def test_fresh_people_single_out_members_no_more(clean):
    for r in judge(_attempts(clean), clean.member, POLICY):
        assert abs(r.rho) < 0.09 and r.p_value > 0.001 and r.rho_low < 0 < r.rho_upper


def test_the_coin_has_no_part_in_the_attempts(bootstrap):
    flipped = bootstrap.replace()
    object.__setattr__(flipped, "member", ~bootstrap.member)
    for a, b in zip(_attempts(bootstrap), _attempts(flipped), strict=True):
        np.testing.assert_array_equal(a.hit, b.hit)


def test_queries_count_what_they_ask(bootstrap, clean):
    for tables, leaks in ((bootstrap, True), (clean, False)):
        rng = np.random.default_rng(1)
        attempt, counts = singling_out.queries(Targets.draw(tables, rng), 500, rng)
        assert counts.n_in == counts.n_out == 500 and not attempt.gated
        assert (counts.hits_in > 1.5 * counts.hits_out) == leaks
        assert 0 < attempt.baseline < 0.5


@pytest.mark.parametrize("size", [1, 2, 4])
def test_sets_are_all_there_are_or_distinct_draws(size):
    rng = np.random.default_rng(0)
    few = singling_out._sets([3, 5, 8, 9], size, 40, rng)
    assert len(few) == {1: 4, 2: 6, 4: 1}[size] == len(set(few))
    many = singling_out._sets(list(range(30)), size, 20, rng)
    assert len(set(many)) == (20 if size > 1 else 20) and all(len(set(s)) == size for s in many)
