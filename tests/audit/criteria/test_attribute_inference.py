"""Attribute inference: the learners, and what is gated."""

import numpy as np
import pytest

from understudy.audit.criteria import attribute_inference, guesses
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.guesses import Classes
from understudy.audit.criteria.risk import judge
from understudy.audit.neighbours import nearest_rows
from understudy.audit.policy import Policy

POLICY = Policy()


def _attempts(tables, secrets, known=(), seed=0):
    rng = np.random.default_rng(seed)
    targets = Targets.draw(tables, rng)
    return attribute_inference.attempts(targets, targets.numbered(secrets, ""), targets.numbered(known, ""), rng)


def test_neighbours_leave_the_secret_out(clean):
    targets = Targets.draw(clean, np.random.default_rng(0))
    queries, points, known = targets.pool.take(np.arange(40)), clean.synthetic, [0, 1, 3, 4, 6]
    secrets = [1, 4, 7]  # a number with gaps, a category, a column that isn't known anyway
    rows, distances = guesses.neighbours(targets, queries, points, known, secrets)
    assert rows.shape == distances.shape == (3, 40, 5)
    for i, secret in enumerate(secrets):
        others = [j for j in known if j != secret]
        expected, _ = nearest_rows(targets.part(queries, others), targets.part(points, others), 5)
        np.testing.assert_allclose(distances[i], expected, atol=1e-5)
        assert all(len(set(r)) == 5 for r in rows[i])


def test_right_guesses():
    truth = np.array([0.5, 0.5, np.nan, np.nan, 0.5])
    guess = np.array([0.524, 0.526, np.nan, 0.5, np.nan])
    assert guesses.right(guess, truth, numeric=True).tolist() == [True, False, True, False, False]
    assert guesses.right(np.array([3.0, 2]), np.array([3.0, 3]), numeric=False).tolist() == [True, False]


def test_the_majority_of_five_neighbours():
    secret = np.array([7.0, 8, 9, 8, 9, np.nan])
    rows = np.array([[0, 1, 3, 2, 5], [2, 1, 0, 3, 4], [0, 5, 5, 5, 1]])
    found = guesses.by_neighbours(secret, rows, np.zeros((3, 5)), np.array([8.0, 7, 8]), numeric=False)
    assert found.values[:2].tolist() == [8, 9]  # 8 twice; 9 and 8 twice each: the nearest
    assert np.isnan(found.values[2])
    assert found.of_truth.tolist() == pytest.approx([0.4, 0.2, 0.2])


def test_classes_of_numbers_and_categories():
    spiky = np.concatenate([np.full(80, 0.4), np.linspace(0.81, 1, 20), [np.nan] * 5])
    classes = Classes.of(spiky, numeric=True)
    assert classes.centres[0] == 0.4 and np.isnan(classes.centres[-1])
    assert (classes.label(spiky)[:80] == 0).all() and (classes.label(spiky)[-5:] == len(classes.centres) - 1).all()
    many = np.repeat(np.arange(20.0), np.arange(40, 20, -1))
    classes = Classes.of(many, numeric=False)
    assert classes.centres.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]  # the last stands for all others
    assert classes.label(np.array([3.0, 19.0, 99.0, np.nan])).tolist() == [3, 9, 9, 10]


@pytest.mark.parametrize(("secret", "numeric", "best"), [([1, 1, 2], False, 1), ([0.1, 0.48, 0.5, 0.52, 0.9], True, 0.5)])
def test_naive_guess(secret, numeric, best):
    assert guesses.naive(np.array(secret, dtype=float), numeric) == best


def test_a_bootstrap_tells_secrets_that_fresh_people_dont(bootstrap):
    attempts = _attempts(bootstrap, ["job", "weight"])
    one, job, job_plain, weight, _ = judge(attempts, bootstrap.member, POLICY)
    assert one.detail == "one secret each, beyond general knowledge" and one.columns == ("job", "weight")
    for r in (one, job, weight):
        assert r.gated and 0.45 < r.rho < 0.75 and r.p_value < 1e-15 and r.rate_out < 0.35  # 63 % are in S
    assert not job_plain.gated and job_plain.n_in == 400 and job_plain.rate_out > job.rate_out
    levels = [(p.recall, p.guesses) for p in job_plain.precision]
    assert levels == [(0.01, 4), (0.1, 40), (1.0, 400)]
    assert job_plain.precision[2].synthetic == pytest.approx(job_plain.rate_in)


def test_fresh_people_tell_no_more_of_members(clean):
    for r in judge(_attempts(clean, ["job", "weight"]), clean.member, POLICY):
        assert r.p_value > 0.001 and r.rho_low < 0 < r.rho_upper + 0.05


def test_the_coin_has_no_part_in_the_attempts(bootstrap):
    flipped = bootstrap.replace()
    object.__setattr__(flipped, "member", ~bootstrap.member)
    for a, b in zip(_attempts(bootstrap, ["job"]), _attempts(flipped, ["job"]), strict=True):
        np.testing.assert_array_equal(a.hit, b.hit)
        np.testing.assert_array_equal(a.asked, b.asked)


def test_quasi_identifiers_are_all_that_is_known(bootstrap):
    attempts = _attempts(bootstrap, ["job"], ["smoker"])
    assert attempts[1].columns == ("job", "smoker")
    # a boolean tells hardly anyone's job, even from copied rows
    (one,) = judge(attempts[:1], bootstrap.member, POLICY)
    assert abs(one.rho) < 0.15
    assert _attempts(bootstrap, ["job"], ["job"]) == []
