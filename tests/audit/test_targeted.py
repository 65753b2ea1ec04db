"""Tier 3 on generators whose leaks are known. Seeds are fixed; comments give the odds."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from understudy.audit.model import Model
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.audit.targeted import (
    ReconstructionRisk,
    TargetedResult,
    TargetedRisk,
    not_cleared,
    proven_leaks,
    reconstruction,
    run_targeted,
    shadow,
)
from understudy.audit.targeted.queries import Values, draw_queries
from understudy.schema import Column, TableSchema


class Resample:
    """Draws rows of a table with replacement."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def sample(self, n_rows: int, *, rng: np.random.Generator) -> pd.DataFrame:
        return self.table.iloc[rng.integers(0, len(self.table), n_rows)].reset_index(drop=True)

    def log_density(self, table: pd.DataFrame) -> None:
        return None


def leaky(table: pd.DataFrame, rng: np.random.Generator) -> Model:
    return Resample(table)


@pytest.fixture(scope="module")
def tables(population, schema):
    """300 a side."""
    rng = np.random.default_rng(0)
    sizes = {"members": 300, "nonmembers": 300, "reference": 600, "synthetic": 600}
    return build({k: population(n, rng) for k, n in sizes.items()}, schema, refit=leaky)


@pytest.fixture(scope="module")
def ignoring(tables, population):
    """The same with a generator that never looks at its table."""
    fixed = population(3_000, np.random.default_rng(1))
    return dataclasses.replace(tables, refit=lambda table, rng: Resample(fixed))


QUICK = Policy(target_rows=200, target_fits=100, targets=2)


@pytest.fixture(scope="module")
def found(tables):
    return run_targeted(tables, QUICK, np.random.default_rng(0))


def test_a_bootstrap_gives_every_target_away(found):
    # 4 rows are drawn per row learnt: a target is missing from 2 % of its tables
    assert len(found.targets) == 4 and {t.game for t in found.targets} == {"redrawn", "fixed"}
    assert [t.rank for t in found.targets if t.game == "fixed"] == [1, 2]
    assert min(t.auc for t in found.targets) > 0.9
    assert all(t.auc_low <= t.auc <= t.auc_high and t.tpr > 0.8 > t.fpr for t in found.targets)
    assert (found.n_fits, found.rows_fitted, found.notes) == (100, 200, ())
    assert found.targets[0].n_learnt == found.targets[0].n_judged == 50


@pytest.mark.slow
def test_a_generator_that_ignores_its_table_is_cleared(ignoring):
    # tests of p > 1e-4; two upper bounds, whose limit is 4 standard errors above what is expected
    result = run_targeted(ignoring, QUICK, np.random.default_rng(2))
    assert min(t.p_value for t in result.targets) > 1e-4
    assert proven_leaks(result, QUICK, 0.01) == [] and not_cleared(result, QUICK, 0.01) == []
    assert all(r.p_value > 1e-4 for r in result.reconstructions)


def test_what_is_proven_fails_only_where_the_fits_are_as_large_as_the_release(found):
    leaks = proven_leaks(found, QUICK, 0.01)
    assert len(leaks) == 4 and leaks[-1].startswith("The same is proven of 6 more of the targets")
    no_secrets = found.model_copy(update={"reconstructions": ()})
    assert "rank 1 of the most isolated members" in " ".join(proven_leaks(no_secrets, QUICK, 0.01))
    no_targets = found.model_copy(update={"targets": ()})
    assert "Reconstruction of whether" in proven_leaks(no_targets, QUICK, 0.01)[0]
    larger = found.model_copy(update={"rows_trained": 5_000})
    assert proven_leaks(larger, QUICK, 0.01) == []
    points = not_cleared(larger, QUICK, 0.01)
    assert points and all("the released generator from 5,000" in text for text in points[:3])


@pytest.mark.slow
def test_equal_seeds_give_equal_figures(tables):
    policy = Policy(target_rows=100, target_fits=50, targets=1)
    once, twice = (run_targeted(tables, policy, np.random.default_rng(3)) for _ in range(2))
    assert once.targets == twice.targets and once.reconstructions == twice.reconstructions
    assert run_targeted(tables, policy, np.random.default_rng(4)).targets != once.targets


class Clock:
    """Stands in for the time module: each fit takes `step` seconds, nothing else any."""

    def __init__(self, step: float) -> None:
        self.step, self.now = step, 0.0

    def perf_counter(self) -> float:
        return self.now

    def refit(self, table: pd.DataFrame, rng: np.random.Generator) -> Model:
        self.now += self.step
        return Resample(table)


def _timed(tables, step, policy, monkeypatch):
    clock = Clock(step)
    monkeypatch.setattr("understudy.audit.targeted.shadow.time", clock)
    monkeypatch.setattr("understudy.audit.targeted.run.time", clock)
    return run_targeted(dataclasses.replace(tables, refit=clock.refit), policy, np.random.default_rng(0))


def test_the_budget_is_kept_and_its_cost_is_said(tables, monkeypatch):
    policy = Policy(target_rows=100, targets=1, targeted_seconds=200)
    result = _timed(tables, 1.0, policy, monkeypatch)
    # half of the time for rounds of two fits, the rest for rounds of two (with and without one target)
    assert result.n_fits == 50 and result.seconds <= 201
    assert result.notes[0] == (
        "The time allowed 50 of 200 fits a side with other people drawn anew, of which 25 a side judge: they find an AUC"
        " of 0.71."
    )
    less = _timed(tables, 1.0, policy.model_copy(update={"targeted_seconds": 40.0}), monkeypatch)
    assert less.targets == () and "too few to judge by" in less.notes[0]


def test_a_slow_generator_is_left_alone_and_that_is_said(tables, monkeypatch):
    result = _timed(tables, 6.0, Policy(target_rows=100), monkeypatch)
    assert result.targets == () and result.detectable_auc is None and result.fit_seconds == 6
    assert "weren't tried: a fit on 100 rows takes 6.0 s, allowed 5 s" in result.notes[0]
    assert {r.table for r in result.reconstructions} == {"released"} and result.seconds == 12
    nothing = run_targeted(dataclasses.replace(tables, refit=None), QUICK, np.random.default_rng(0))
    assert "can't be fitted anew" in nothing.notes[0] and nothing.fit_seconds is None


@pytest.fixture(scope="module")
def persons(population, schema):
    """150 persons a side of one to three rows."""
    rng = np.random.default_rng(5)

    def draw(n: int, first: int) -> pd.DataFrame:
        who = np.repeat(np.arange(n), rng.integers(1, 4, n))
        return population(len(who), rng).assign(person=who + first)

    named = {"members": draw(150, 0), "nonmembers": draw(150, 1_000), "reference": draw(300, 2_000)}
    named["synthetic"] = population(400, rng)
    by_person = TableSchema(columns=(*schema.columns, Column(name="person", kind="id")), unit="person")
    return build(named, by_person, refit=leaky)


def test_a_target_is_all_rows_of_a_person(persons):
    policy = Policy(target_rows=120, target_fits=50, targets=2)
    chosen = shadow.choose_targets(persons, policy, np.random.default_rng(0))
    assert persons.member[chosen.units].all() and chosen.fixed.sum() <= 120
    jobs = chosen.fixed_round(policy, np.random.default_rng(1))
    everyone = set(jobs[0].table["person"])
    left = [everyone - set(j.table["person"]) for j in jobs[1:]]
    assert [len(gone) for gone in left] == [1] * 2 and len(set.union(*left)) == 2
    with_and_without = chosen.redrawn_round(policy, np.random.default_rng(1))
    assert all(with_and_without[0].about[i] != with_and_without[1].about[i] for i in range(2))
    result = run_targeted(persons, policy, np.random.default_rng(2))
    assert min(t.auc for t in result.targets) > 0.9
    assert max(r.n_in for r in result.reconstructions) <= 150


def test_other_rows_that_trained_fill_the_table(tables, population):
    policy = Policy(target_rows=500)
    others = population(1_000, np.random.default_rng(6))
    chosen = shadow.choose_targets(tables, policy, np.random.default_rng(0), others)
    assert chosen.fixed.sum() == 500 and (chosen.unit_of[chosen.fixed] >= tables.n_units).sum() == 200
    assert shadow.choose_targets(tables, policy, np.random.default_rng(0)).fixed.sum() == 300


def test_queries_by_hand(tables):
    rows = np.array([7])
    queries = draw_queries(tables, rows, np.random.default_rng(0))
    itself = tables.pool.frame.iloc[rows]
    other = tables.pool.frame.iloc[[8]]
    once = queries.answers(Values.of(itself, tables.columns))[: len(queries.asked)]
    assert (once == 1).all()  # a row agrees with itself in all it is asked about
    mixed = queries.answers(Values.of(pd.concat([itself, itself, other]), tables.columns))[: len(queries.asked)]
    assert mixed.min() == 2 and mixed.max() == 3
    assert queries.answers(Values.of(other, tables.columns))[: len(queries.asked)].min() == 0


def test_least_squares_solves_for_the_secret():
    from scipy import sparse

    rng = np.random.default_rng(0)
    secret = rng.random(60) < 0.4
    matrix = sparse.csr_matrix((rng.random((200, 60)) < 0.1).astype(float))
    solved = reconstruction.least_squares(matrix, matrix @ secret.astype(float))
    np.testing.assert_array_equal(solved > 0.5, secret)


def test_reconstruction_of_the_released_table_is_null_without_a_leak(tables):
    # 8 tests of p > 1e-4 at a fixed seed
    risks = reconstruction.attack(tables, Policy(), np.random.default_rng(0), None)
    assert len(risks) == 8 and min(r.p_value for r in risks) > 1e-4
    assert {r.table for r in risks} == {"released"}


def test_reconstruction_finds_a_bootstrap(found):
    refitted = [r for r in found.reconstructions if r.table == "refitted"]
    assert min(r.rho for r in refitted) > 0.5 and max(r.p_value for r in refitted) < 1e-6
    assert all(r.rho <= r.rho_upper <= 1 for r in refitted)


def test_the_result_makes_a_round_trip_and_names_nobody(found):
    assert TargetedResult.model_validate_json(found.model_dump_json()) == found
    assert not {"unit", "row", "index"} & (set(TargetedRisk.model_fields) | set(ReconstructionRisk.model_fields))
    assert set(found.metrics()) == {
        "targeted_fits", "targeted_auc_redrawn", "targeted_auc_fixed", "reconstruction_released", "reconstruction_refitted"
    }  # fmt: skip


def test_tables_of_one_column_or_few_people(population, schema):
    rng = np.random.default_rng(9)
    sizes = {"members": 30, "nonmembers": 30, "reference": 60, "synthetic": 60}
    policy = Policy(target_rows=50, target_fits=50, targets=1)
    for keep in (["visits"], ["smoker"], list(schema.names)):
        part = TableSchema(columns=tuple(c for c in schema.columns if c.name in keep))
        named = {k: population(n, rng)[keep] for k, n in sizes.items()}
        result = run_targeted(build(named, part, refit=leaky), policy, rng)
        assert len(result.targets) == 2 and result.reconstructions == ()
        assert "No attribute was reconstructed" in result.notes[-1]
