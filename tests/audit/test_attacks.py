"""Each attack alone: finds what it is meant to find, is blind to the coin otherwise."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import stats
from understudy.audit.membership.domias import chow_liu, log_density
from understudy.audit.membership.dpi import synthetic_share
from understudy.audit.membership.ensemble import ATTACKS, score_all
from understudy.audit.membership.risk import measure
from understudy.audit.membership.stack import INFLATION, combine
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.audit.trees import logits
from understudy.generators.refit import refit_of


@pytest.fixture(scope="module")
def copied(population, schema):
    """600 a side; half of S are members' rows with small changes."""
    rng = np.random.default_rng(0)
    members, nonmembers, reference = (population(n, rng) for n in (600, 600, 1_200))
    half = members.assign(weight=(members["weight"] + rng.normal(scale=0.5, size=600)).round(1))
    synthetic = pd.concat([half, population(600, rng)], ignore_index=True)
    named = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
    model = refit_of(None, schema)(members, rng)
    return build(named, schema, model=model, refit=refit_of(None, schema))


@pytest.fixture(scope="module")
def found(copied):
    """The scores of every attack on it."""
    return score_all(copied, copied.vulnerable(0.1, 5), np.random.default_rng(1))


LEAST = {
    "distance_1": 0.9, "distance_5": 0.75, "distance_value": 0.9, "dpi": 0.55, "classifier": 0.75, "domias": 0.6, "counts": 0.75,
    "partial_copies": 0.95, "lra": 0.55, "surrogate": 0.6, "stack": 0.95, "white_box": 0.75,
}  # fmt: skip


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_finds_near_copies(copied, found, name):
    scores = found[name]
    looked = np.isfinite(scores)
    assert scores.shape == (copied.n_units,) and looked.sum() == (120 if name == "lra" else 1_200)
    member = copied.member[looked]
    assert stats.delong(scores[looked][member], scores[looked][~member]).value > LEAST[name]


def test_attacks_are_null_on_fresh_rows(population, schema):
    # ten tests of |z| < 3.9 (the stack: of its own error) with fixed seeds: p < 1e-3 in all
    rng = np.random.default_rng(2)
    sizes = {"members": 300, "nonmembers": 300, "reference": 600, "synthetic": 900}
    tables = build({k: population(n, rng) for k, n in sizes.items()}, schema, refit=refit_of(None, schema))
    everyone = np.ones(600, dtype=bool)
    scores = score_all(tables, everyone, rng)
    assert set(scores) == set(ATTACKS) - {"white_box"}
    for name, score in scores.items():
        area = stats.delong(score[tables.member], score[~tables.member])
        error = stats.null_auc_se(300, 300) * (INFLATION if name == "stack" else 1)
        assert abs(area.value - 0.5) < 3.9 * error, name


def test_attacks_are_reproducible_and_draw_from_streams_of_their_own(copied, found):
    again = score_all(copied.replace(synthetic=copied.synthetic), copied.vulnerable(0.1, 5), np.random.default_rng(1))
    assert "white_box" not in again  # another table's generator is not known
    for name, scores in again.items():
        np.testing.assert_array_equal(scores, found[name])


def test_the_tree_of_dependences_is_found():
    rng = np.random.default_rng(4)
    a = rng.integers(0, 4, 5_000)
    b = np.where(rng.random(5_000) < 0.9, a, rng.integers(0, 4, 5_000))
    c = np.where(rng.random(5_000) < 0.8, b, rng.integers(0, 4, 5_000))
    rows, sizes = np.column_stack([a, c, b]), [4, 4, 4]
    tree = chow_liu(rows, sizes)
    assert {frozenset(edge) for edge in tree[1:]} == {frozenset((0, 2)), frozenset((1, 2))}
    cells = np.indices((4, 4, 4)).reshape(3, -1).T
    assert np.exp(log_density(cells, rows, tree, sizes)).sum() == pytest.approx(1)


def test_stack_learns_nothing_from_coins_and_finds_what_attacks_share():
    # null: |z| < 3.9 of the inflated error, p < 1e-4
    rng = np.random.default_rng(6)
    member = np.arange(2_000) < 1_000
    noise = rng.normal(size=(2_000, 6))
    null = combine(noise, member, rng)
    area = stats.delong(null[member], null[~member])
    assert abs(area.value - 0.5) < 3.9 * INFLATION * area.se
    shared = combine(noise + 0.3 * member[:, None], member, rng)
    single = stats.delong((noise + 0.3 * member[:, None])[member, 0], noise[~member, 0])
    assert stats.delong(shared[member], shared[~member]).value > single.value + 0.1


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
