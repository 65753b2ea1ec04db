"""Linkability."""

import numpy as np
import pytest

from understudy.audit.criteria import linkability
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.risk import judge
from understudy.audit.policy import Policy

POLICY = Policy()


def _risks(tables, known=(), seed=0):
    rng = np.random.default_rng(seed)
    targets = Targets.draw(tables, rng)
    return judge(linkability.attempts(targets, targets.numbered(known, ""), rng), tables.member, POLICY)


def test_a_bootstrap_links_the_members_it_holds(bootstrap):
    one, ten = _risks(bootstrap)
    assert (one.detail, ten.detail) == ("random halves, k = 1", "random halves, k = 10")
    assert one.rho_low > 0.3 and one.rate_out < 0.05 and one.proven(POLICY)
    assert 0.5 < ten.rho < 0.7 and ten.rate_out < 0.3  # 63 % of the members are in S


def test_fresh_people_link_members_no_more(clean):
    for r in _risks(clean):
        assert r.p_value > 0.001 and abs(r.rho) < 0.1


def test_quasi_identifiers_against_the_rest(bootstrap):
    risks = _risks(bootstrap, ["age", "weight", "since"])
    assert [r.detail for r in risks[2:]] == ["quasi-identifiers, k = 1", "quasi-identifiers, k = 10"]
    assert risks[2].rho_low > 0.3 and "quasi-identifiers" in risks[2].words


def test_halves_share_the_columns_evenly(clean):
    targets = Targets.draw(clean, np.random.default_rng(0))
    names = targets.names(range(8))
    for seed in range(20):
        a, b = linkability._halve(targets, list(range(8)), np.random.default_rng(seed))
        assert sorted(a + b) == list(range(8)) and len(a) == len(b) == 4
        assert (names.index("income") in a) != (names.index("since") in a)  # those of the most values are apart


@pytest.mark.parametrize(("k", "n"), [(1, 50), (10, 50), (3, 4)])
def test_chance_of_two_random_sets(k, n):
    rng = np.random.default_rng(0)
    shared = [len(np.intersect1d(rng.permutation(n)[:k], rng.permutation(n)[:k])) > 0 for _ in range(4_000)]
    assert linkability._chance(k, n) == pytest.approx(np.mean(shared), abs=4 * 0.5 / 4_000**0.5)
