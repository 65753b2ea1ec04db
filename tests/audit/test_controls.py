"""Each control alone: passes when it should, fails for what it is there to notice."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import adjust, controls
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.schema import Column, TableSchema

POLICY = Policy()


@pytest.fixture(scope="module")
def fair(population, schema):
    rng = np.random.default_rng(0)
    sizes = {"members": 400, "nonmembers": 400, "reference": 800, "synthetic": 800}
    return build({name: population(n, rng) for name, n in sizes.items()}, schema)


def test_a_fair_coin_is_exchangeable(fair):
    control = controls.exchangeable(fair, POLICY, np.random.default_rng(1))
    assert control.passed and "99% interval" in control.detail


def test_exchangeability_rarely_fails_by_chance():
    # 40 fair coins at 99 %: more than 3 failures have p < 1e-3
    schema = TableSchema(columns=tuple(Column(name=n, kind="numerical") for n in "ab"))
    rng = np.random.default_rng(2)
    failed = 0
    for _ in range(40):
        names = ("members", "nonmembers", "reference", "synthetic")
        tables = {name: pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"]) for name in names}
        failed += not controls.exchangeable(build(tables, schema), POLICY, rng).passed
    assert failed <= 3


def test_rare_categories_do_not_tell_the_coin():
    # 20 fair coins at 99 %, a column whose categories mostly occur once: more than 3 failures have p < 1e-3
    schema = TableSchema(columns=(Column(name="a", kind="categorical"), Column(name="b", kind="numerical")))
    rng = np.random.default_rng(3)
    failed = 0
    for _ in range(20):
        tables = {
            name: pd.DataFrame({"a": np.char.add("a", rng.integers(0, 900, 300).astype(str)), "b": rng.normal(size=300)})
            for name in ("members", "nonmembers", "reference", "synthetic")
        }
        failed += not controls.exchangeable(build(tables, schema), POLICY, rng).passed
    assert failed <= 3


def test_too_few_units_for_folds_fail_the_control():
    schema = TableSchema(columns=(Column(name="a", kind="numerical"),))
    few = pd.DataFrame({"a": [1.0, 2, 3]})
    tables = build(dict.fromkeys(("members", "nonmembers", "reference", "synthetic"), few), schema)
    control = controls.exchangeable(tables, POLICY, np.random.default_rng(0))
    assert not control.passed and "too few" in control.detail


def test_negative_control_is_null(fair):
    control = controls.negative(fair, fair.vulnerable(0.1, 5), POLICY, np.random.default_rng(3))
    assert control.passed and "400 real rows" in control.detail


def test_negative_control_notices_an_audit_that_favours_members(population, schema):
    # the reference table holds the members: attacks call them "members" without any generator
    rng = np.random.default_rng(4)
    members, nonmembers = population(400, rng), population(400, rng)
    reference = pd.concat([members, members.assign(weight=members["weight"] + 0.1)], ignore_index=True)
    named = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": nonmembers}
    tables = build(named, schema)
    assert not controls.negative(tables, tables.vulnerable(0.1, 5), POLICY, rng).passed


def test_positive_control_fires(fair):
    control = controls.positive(fair, fair.vulnerable(0.1, 5), POLICY, np.random.default_rng(5))
    assert control.passed and control.detail.startswith("40 member rows (10% of") and "copies" in control.detail


def test_positive_control_is_blind_where_rows_identify_nobody():
    rng = np.random.default_rng(6)
    schema = TableSchema(columns=(Column(name="a", kind="boolean"), Column(name="b", kind="boolean")))
    names = ("members", "nonmembers", "reference", "synthetic")
    tables = build({n: pd.DataFrame(rng.random((400, 2)) < 0.5, columns=["a", "b"]) for n in names}, schema)
    control = controls.positive(tables, tables.vulnerable(0.1, 5), POLICY, rng)
    assert not control.passed and "blind" in control.detail


def test_expected_ranks_are_predictive_and_cross_fitted():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(600, 3))
    assert np.corrcoef(adjust.expected(x[:, 0] + 0.3 * rng.normal(size=600), x, rng), x[:, 0])[0, 1] > 0.8
    # pure noise can't be predicted out of fold: the correlation has a standard error of .04
    noise = rng.normal(size=600)
    assert abs(np.corrcoef(adjust.expected(noise, x, rng), noise)[0, 1]) < 0.16
    assert not adjust.expected(noise[:99], x[:99], rng).any()
