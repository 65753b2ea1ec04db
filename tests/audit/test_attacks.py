"""Each attack alone: finds what it is meant to find, is blind to the coin otherwise."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import stats
from understudy.audit.membership.dpi import synthetic_share
from understudy.audit.membership.ensemble import ATTACKS
from understudy.audit.membership.risk import measure
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.audit.trees import logits


@pytest.fixture(scope="module")
def copied(population, schema):
    """600 a side; half of S are members' rows with small changes."""
    rng = np.random.default_rng(0)
    members, nonmembers, reference = (population(n, rng) for n in (600, 600, 1_200))
    half = members.assign(weight=(members["weight"] + rng.normal(scale=0.5, size=600)).round(1))
    synthetic = pd.concat([half, population(600, rng)], ignore_index=True)
    named = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
    return build(named, schema)


@pytest.mark.parametrize(
    ("name", "least"), [("distance_1", 0.9), ("distance_5", 0.75), ("dpi", 0.55), ("classifier", 0.75), ("counts", 0.75)]
)
def test_attack_finds_near_copies(copied, name, least):
    scores = ATTACKS[name].score(copied, np.random.default_rng(1))
    assert scores.shape == (copied.n_units,) and np.isfinite(scores).all()
    assert stats.delong(scores[copied.member], scores[~copied.member]).value > least


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_is_null_on_fresh_rows(population, schema, name):
    # five tests of |z| < 3.9 with fixed seeds: p < 1e-3 in all
    rng = np.random.default_rng(2)
    sizes = {"members": 300, "nonmembers": 300, "reference": 600, "synthetic": 900}
    tables = build({k: population(n, rng) for k, n in sizes.items()}, schema)
    scores = ATTACKS[name].score(tables, rng)
    area = stats.delong(scores[tables.member], scores[~tables.member])
    assert abs(area.value - 0.5) < 3.9 * stats.null_auc_se(300, 300)


def test_attacks_are_reproducible(copied):
    for attack in ATTACKS.values():
        once, twice = (attack.score(copied, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(once, twice)


def test_synthetic_share_by_hand():
    to_s, to_r = np.array([[0.0, 1, 5]]), np.array([[2.0, 3, 4]])
    assert synthetic_share(to_s, to_r) == pytest.approx([2 / 3])
    tied = synthetic_share(np.array([[1.0, 1, 1]]), np.array([[1.0, 1, 1]]))
    assert tied == pytest.approx([0.5])


def test_logits_take_missing_values_and_a_constant_column():
    rng = np.random.default_rng(3)
    label = rng.random(400) < 0.5
    features = np.column_stack([label + rng.normal(size=400), np.ones(400), np.full(400, np.nan)])
    features[::7, 0] = np.nan
    value = logits(features, label, features, rounds=20, leaves=7, rng=rng)
    assert value[label].mean() > value[~label].mean() + 1


def test_measure_without_a_usable_level():
    risk = measure("dpi", "all", np.arange(8.0), np.arange(8) < 4, Policy(), np.random.default_rng(0))
    assert risk.level is None and not risk.supported and risk.tpr_p == 1
    assert risk.n_in == risk.n_out == 4 and risk.advantage == pytest.approx(2 * risk.auc - 1)
