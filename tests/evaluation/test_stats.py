from __future__ import annotations

import numpy as np
import pytest

from understudy.evaluation import stats


def test_auc_and_delong_variance_by_hand() -> None:
    positive = np.array([True, True, False, False])
    area, psi = stats.auc(positive, np.array([0.9, 0.4, 0.5, 0.1]))
    # pairs won: 3 of 4. Placements 1, .5 of the positives and .5, 1 of the negatives: variance .125/2 + .125/2
    assert area == 0.75
    assert stats.standard_error(psi) == pytest.approx(np.sqrt(0.125))


def test_ties_count_half() -> None:
    area, _ = stats.auc(np.array([True, False, False]), np.array([1.0, 1.0, 0.0]))
    assert area == 0.75


def test_auc_of_one_class_is_undefined() -> None:
    area, psi = stats.auc(np.array([True, True]), np.array([1.0, 0.0]))
    assert np.isnan(area)
    assert not psi.any()


def test_standard_errors_match_the_spread_over_samples() -> None:
    rng = np.random.default_rng(0)
    areas, area_errors, ratios, ratio_errors = [], [], [], []
    for _ in range(400):
        y = rng.normal(size=200)
        guess = y + rng.normal(size=200)
        for values, (value, psi), errors in (
            (areas, stats.auc(y > 0, guess), area_errors),
            (ratios, stats.r2(y, guess / 2), ratio_errors),
        ):
            values.append(value)
            errors.append(stats.standard_error(psi))
    # the spread of 400 draws is known to 3.5 %: 15 % off has odds below 1e-4
    assert np.mean(area_errors) == pytest.approx(np.std(areas), rel=0.15)
    assert np.mean(ratio_errors) == pytest.approx(np.std(ratios), rel=0.15)


def test_rows_of_one_unit_are_not_independent() -> None:
    rng = np.random.default_rng(1)
    positive, score = rng.random(300) < 0.5, rng.random(300)
    _, once = stats.auc(positive, score)
    _, thrice = stats.auc(np.repeat(positive, 3), np.repeat(score, 3))
    units = np.repeat(np.arange(300), 3)
    assert stats.standard_error(thrice) < 0.6 * stats.standard_error(once)
    assert stats.standard_error(thrice, units) == pytest.approx(stats.standard_error(once), rel=0.01)


def test_a_paired_difference_of_equal_scores_has_no_error() -> None:
    rng = np.random.default_rng(2)
    positive, score = rng.random(50) < 0.5, rng.random(50)
    assert stats.standard_error(stats.auc(positive, score)[1] - stats.auc(positive, 2 * score)[1]) == 0


def test_roc_of_a_perfect_score() -> None:
    fpr, tpr = stats.roc(np.array([True, False]), np.array([1.0, 0.0]), points=3)
    assert fpr.tolist() == [0, 0.5, 1]
    assert tpr.tolist()[1:] == [1, 1]
