"""Tier 2 as a whole: what it reports, of which tables, and how often it is wrong without a leak."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from understudy.audit.criteria import attribute_inference, findings, linkability, run_criteria, singling_out
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.risk import CriterionRisk, judge
from understudy.audit.policy import Policy
from understudy.audit.stats import fisher_greater
from understudy.audit.tables import build
from understudy.errors import SchemaError
from understudy.schema import Column, TableSchema

QUICK = Policy(max_secrets=1, queries=200)


def test_every_risk_agrees_with_its_counts(bootstrap):
    told = []
    risks = run_criteria(
        bootstrap,
        QUICK,
        np.random.default_rng(0),
        secrets=["visits"],
        quasi_identifiers=["age", "weight", "region"],
        progress=lambda share, message: told.append(share),
    )
    assert [r.criterion for r in risks] == ["singling_out"] * 5 + ["linkability"] * 4 + ["attribute_inference"] * 3
    assert len({r.name for r in risks}) == len(risks)
    assert told == sorted(told) and told[-1] == 1
    for r in risks:
        assert r.rate_in == r.hits_in / r.n_in and r.rate_out_low <= r.rate_out <= r.rate_out_high
        assert r.rho == pytest.approx((r.rate_in - r.rate_out) / (1 - r.rate_out))
        assert r.rho_low <= r.rho <= r.rho_upper <= r.rho_high
        assert r.p_value == fisher_greater(r.hits_in, r.n_in, r.hits_out, r.n_out)
        assert f"{r.rate_in:.1%}" in r.words and f"{r.rho_upper:.1%}" in r.words and r.words.endswith(".")
        assert CriterionRisk.model_validate_json(r.model_dump_json()) == r
    assert risks[-1].columns == ("visits", "age", "weight", "region")


def test_what_is_leaked_of_outliers_only_shows_among_the_most_exposed(population, schema):
    """S holds the row of each of the 5 % of the members who are most exposed; 9 % of everyone may be."""
    rng = np.random.default_rng(5)
    sizes = {"members": 600, "nonmembers": 600, "reference": 1_200, "synthetic": 1_200}
    named = {k: population(n, rng) for k, n in sizes.items()}
    few = build(named, schema).vulnerable(0.05, 5)[:600]
    named["synthetic"] = pd.concat([named["synthetic"].iloc[few.sum() :], named["members"][few]], ignore_index=True)
    tables = build(named, schema)
    risks = run_criteria(tables, QUICK, rng, vulnerable=tables.vulnerable(0.1, 5))
    gated = {(r.detail, r.stratum): r for r in risks if r.gated}
    for detail in ("3 attributes", "random halves, k = 1"):
        everyone, exposed = gated[detail, "all"], gated[detail, "vulnerable"]
        assert everyone.rho < 0.09 < 0.25 < exposed.rho_low and not everyone.proven(QUICK)
        assert exposed.proven(QUICK) and exposed.n_in + exposed.n_out == 120 and "most exposed" in exposed.words
    assert len({r.name for r in risks}) == len(risks)


def test_who_trained_has_no_part_in_the_attempts(population, schema):
    """Another coin over the same pool: the same people are asked and hit. So without a leak Fisher's test is exact."""
    rng = np.random.default_rng(6)
    pool, reference, synthetic = (population(n, rng) for n in (200, 200, 300))
    again = rng.permutation(200)
    found = []
    for order in (np.arange(200), again):
        sides = {"members": pool.iloc[order[:100]], "nonmembers": pool.iloc[order[100:]]}
        named = {k: t.reset_index(drop=True) for k, t in sides.items()} | {"reference": reference, "synthetic": synthetic}
        targets = Targets.draw(build(named, schema), np.random.default_rng(0))
        secrets = targets.numbered(("weight", "job"), "")
        found.append(
            singling_out.attempts(targets, np.random.default_rng(1))
            + attribute_inference.attempts(targets, secrets, [], np.random.default_rng(2))
        )
    assert len(found[0]) == 9
    for once, twice in zip(*found, strict=True):
        np.testing.assert_array_equal(once.hit[again], twice.hit)
        np.testing.assert_array_equal(once.asked[again], twice.asked)


def test_the_same_seed_gives_the_same_risks(clean):
    once, twice = (run_criteria(clean, QUICK, np.random.default_rng(3)) for _ in range(2))
    assert once == twice


@pytest.mark.parametrize("field", ["secrets", "quasi_identifiers"])
def test_unknown_names_are_errors(clean, field):
    with pytest.raises(SchemaError, match="did you mean 'smoker'"):
        run_criteria(clean, QUICK, np.random.default_rng(0), **{field: ["smokr"]})
    with pytest.raises(SchemaError, match="did you mean 'smoker'"):
        findings(clean, QUICK.model_copy(update={field: ("smokr",)}), np.random.default_rng(0))


def test_people_with_several_rows_count_once(population, schema):
    rng = np.random.default_rng(4)
    person = TableSchema(columns=(*schema.columns, Column(name="person", kind="id")), unit="person")

    def people(n, first):
        rows = population(3 * n, rng)
        return rows.assign(person=first + np.repeat(np.arange(n), 3)[rng.permutation(3 * n)])

    named = {"members": people(300, 0), "nonmembers": people(280, 1_000), "reference": people(600, 2_000)}
    named["synthetic"] = named["members"].drop(columns="person").sample(500, random_state=0)
    tables = build(named, person)
    for r in run_criteria(tables, QUICK, rng, secrets=["weight"]):
        if r.detail != "queries" and "beyond" not in r.detail:
            assert (r.n_in, r.n_out) == (300, 280)
        if r.gated:
            assert r.p_value < 1e-6  # 500 of the members' 900 rows are in S


@pytest.mark.parametrize("kinds", [{"a": "numerical"}, {"a": "categorical"}, {"a": "numerical", "b": "categorical"}])
def test_small_and_poor_tables(kinds):
    """Few rows, gaps, one column, constants: risks or none, but no error and no NaN."""
    rng = np.random.default_rng(0)
    schema = TableSchema(columns=tuple(Column(name=n, kind=k, nullable=True) for n, k in kinds.items()))
    values = {
        "numerical": [np.full(12, 3.0), np.where(rng.random(12) < 0.4, np.nan, rng.normal(size=12)), np.full(12, np.nan)],
        "categorical": [
            pd.Categorical(["x"] * 12),
            pd.Categorical(np.where(rng.random(12) < 0.3, None, rng.choice(list("uvw"), 12)), categories=list("uvw")),
            pd.Categorical([None] * 12, categories=["x"]),
        ],
    }
    for i in range(3):
        frame = pd.DataFrame({n: values[k][i] for n, k in kinds.items()})
        named = dict.fromkeys(("members", "nonmembers", "reference"), frame) | {"synthetic": frame.iloc[:2]}
        risks = run_criteria(build(named, schema), QUICK, np.random.default_rng(i))
        assert all(np.isfinite([r.rho, r.rho_low, r.rho_upper, r.baseline, r.p_value]).all() for r in risks)
        assert not any(r.supported and r.gated and r.rho_upper > 1 for r in risks)


def test_without_a_leak_tests_reject_and_bounds_miss_as_rarely_as_promised(population, schema):
    """Singling out and linkability of 40 fresh tables, 6 tests each at 5 %.

    Tests of one table are dependent, so each of the six is counted over the 40 tables: more than 7 rejections,
    or bounds below 0, of 40 have probability .0005 at 5 %, less than 1 % for 12 such counts.
    """
    rejected, missed = np.zeros(6, dtype=int), np.zeros(6, dtype=int)
    for i in range(40):
        rng = np.random.default_rng([7, i])
        sizes = {"members": 150, "nonmembers": 150, "reference": 300, "synthetic": 300}
        tables = build({k: population(n, rng) for k, n in sizes.items()}, schema)
        targets = Targets.draw(tables, rng)
        attempts = singling_out.attempts(targets, rng) + linkability.attempts(targets, [], rng)
        risks = judge(attempts, tables.member, QUICK)
        rejected += [r.p_value <= 0.05 for r in risks]
        missed += [r.rho_upper < 0 for r in risks]
    assert distributions.binom.sf(7, 40, 0.05) < 8e-4
    assert rejected.max() <= 7 and missed.max() <= 7


@pytest.mark.slow
def test_without_a_leak_attribute_inference_rejects_as_rarely_as_promised(population, schema):
    """As above, 30 tables, one secret: more than 6 of 30 at 5 % have probability .0006."""
    policy = Policy(secrets=("job",))
    rejected, missed = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    for i in range(30):
        rng = np.random.default_rng([8, i])
        sizes = {"members": 200, "nonmembers": 200, "reference": 400, "synthetic": 400}
        tables = build({k: population(n, rng) for k, n in sizes.items()}, schema)
        risks = [r for r in run_criteria(tables, policy, rng) if r.criterion == "attribute_inference"]
        rejected += [r.p_value <= 0.05 for r in risks]
        missed += [r.rho_upper < 0 for r in risks]
    assert rejected.max() <= 6 and missed.max() <= 6


def test_support_is_for_all_gated_attempts_of_a_criterion_together(clean):
    rng = np.random.default_rng(0)
    attempts = singling_out.attempts(Targets.draw(clean, rng), rng)
    (alone,) = judge(attempts[3:], clean.member, Policy(clearance=0.95))
    together = judge(attempts[3:] * 5, clean.member, Policy(clearance=0.95))[0]
    assert alone.supported >= together.supported
    assert judge(attempts, ~np.zeros_like(clean.member), QUICK) == []  # nobody to compare with
