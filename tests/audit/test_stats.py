"""Numbers against scipy, published examples, brute force and simulation."""

import numpy as np
import pytest
from scipy import stats as reference

from understudy.audit import stats
from understudy.errors import TableError


def test_delong_equals_the_definition_with_ties():
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 6, 40).astype(float) + 1, rng.integers(0, 6, 30).astype(float)
    kernel = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    variance = kernel.mean(axis=1).var(ddof=1) / 40 + kernel.mean(axis=0).var(ddof=1) / 30
    area = stats.delong(inside, outside)
    assert area.value == pytest.approx(kernel.mean())
    assert area.se == pytest.approx(np.sqrt(variance))
    assert area.p_value == pytest.approx(reference.mannwhitneyu(inside, outside, alternative="greater").pvalue)
    low, high = area.interval(0.95)
    assert high - low == pytest.approx(2 * 1.959964 * area.se)
    assert area.upper(0.95) == pytest.approx(area.value + 1.644854 * area.se)


def test_delong_with_perfect_separation_and_without_information():
    perfect = stats.delong(np.arange(50.0) + 100, np.arange(50.0))
    assert perfect.value == 1 and perfect.se == pytest.approx(1 / 50) and perfect.p_value < 1e-15
    flat = stats.delong(np.ones(50), np.ones(50))
    assert (flat.value, flat.se, flat.p_value) == (0.5, 0.0, 1.0)
    with pytest.raises(TableError, match="2 units a side"):
        stats.delong(np.ones(1), np.ones(9))


def test_delong_interval_covers():
    # 2,000 runs at 95 %: the share covered has standard error .005; a failure at 4 of them, p < 1e-4
    rng = np.random.default_rng(1)
    truth = reference.norm.cdf(0.3 / np.sqrt(2))
    covered = 0
    for _ in range(2_000):
        low, high = stats.delong(rng.normal(0.3, 1, 200), rng.normal(0, 1, 150)).interval(0.95)
        covered += low <= truth <= high
    assert covered / 2_000 == pytest.approx(0.95, abs=0.02)


def test_adjustment_is_unbiased_and_narrower():
    # 1,500 runs; the mean's standard error is .0007, the covered share's .006: 4 errors each, p < 1e-3
    rng = np.random.default_rng(2)
    truth, plain, adjusted, covered = reference.norm.cdf(0.2 / np.sqrt(2)), [], [], 0
    for _ in range(1_500):
        x_in, x_out = rng.normal(size=150), rng.normal(size=150)
        s_in = np.sqrt(0.6) * x_in + np.sqrt(0.4) * rng.normal(size=150) + 0.2
        s_out = np.sqrt(0.6) * x_out + np.sqrt(0.4) * rng.normal(size=150)
        area = stats.adjusted_auc(s_in, s_out, x_in, x_out)
        plain.append(stats.delong(s_in, s_out).value)
        adjusted.append(area.value)
        low, high = area.interval(0.95)
        covered += low <= truth <= high
    assert np.mean(adjusted) == pytest.approx(truth, abs=0.003)
    assert np.std(adjusted) < 0.75 * np.std(plain)
    assert covered / 1_500 == pytest.approx(0.95, abs=0.024)


def test_adjustment_without_a_prediction_is_delong():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=30), rng.normal(size=40)
    assert stats.adjusted_auc(a, b, np.zeros(30), np.zeros(40)) == stats.delong(a, b)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (10, 1000), (999, 1000)])
def test_clopper_pearson_equals_scipy(k, n):
    test = reference.binomtest(k, n)
    interval = test.proportion_ci(0.95, "exact")
    assert stats.binomial_interval(k, n) == pytest.approx((interval.low, interval.high))
    upper = reference.binomtest(k, n, alternative="less").proportion_ci(0.95, "exact").high
    assert stats.binomial_upper(k, n) == pytest.approx(upper)


def test_clopper_pearson_rule_of_three():
    assert stats.binomial_upper(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))  # the familiar 3 / n


def test_fisher_equals_scipy_and_the_lady_tasting_tea():
    assert stats.fisher_greater(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert stats.fisher_greater(3, 4, 1, 4) == pytest.approx(17 / 70)
    expected = reference.fisher_exact([[30, 970], [12, 988]], alternative="greater").pvalue
    assert stats.fisher_greater(30, 1000, 12, 1000) == pytest.approx(expected)


def test_holm_keeps_order_and_monotony():
    # Holm 1979 by hand: 4 x .01, 3 x .02 < 3 x .03 taken in order of p, capped by the running maximum
    assert stats.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([]) == []
    assert stats.holm([0.7, 0.9]) == [1.0, 1.0]


def test_crossfit_rates_are_honest_under_the_null():
    # 3,000 runs of 100 a side; each mean rate has a standard error of about .0008: 4 errors, p < 1e-3
    rng = np.random.default_rng(4)
    tpr, fpr = [], []
    for _ in range(3_000):
        rates = stats.crossfit_rates(rng.normal(size=100), rng.normal(size=100), 0.1, rng)
        tpr.append(rates.tpr)
        fpr.append(rates.fpr)
    nominal = 5 / 51  # the 5th largest of 50 non-members is exceeded with this probability
    assert np.mean(tpr) == pytest.approx(nominal, abs=0.004)
    assert np.mean(fpr) == pytest.approx(nominal, abs=0.004)


def test_crossfit_rates_of_constant_scores_stay_near_the_nominal_rate():
    rng = np.random.default_rng(5)
    tpr = [stats.crossfit_rates(np.ones(100), np.ones(100), 0.1, rng).tpr for _ in range(500)]
    assert np.mean(tpr) == pytest.approx(5 / 51, abs=0.01)


def test_crossfit_rates_find_a_leak_and_refuse_a_small_sample():
    rng = np.random.default_rng(6)
    leaking = np.concatenate([np.full(60, 9.0), rng.normal(size=940)])
    rates = stats.crossfit_rates(leaking, rng.normal(size=1000), 0.01, rng)
    assert 0.05 < rates.tpr < 0.09 and rates.p_value < 1e-8
    with pytest.raises(TableError, match="needs more than 100 non-members"):
        stats.crossfit_rates(leaking, rng.normal(size=100), 0.01, rng)


def test_null_clearance_equals_simulation():
    # 4,000 runs: standard error .004 at .93; 4 errors, p < 1e-4
    rng = np.random.default_rng(7)
    cleared = [
        stats.crossfit_rates(rng.random(500), rng.random(500), 0.01, rng).upper() <= 0.03 for _ in range(4_000)
    ]
    assert stats.null_clearance(500, 500, 0.01, 0.03) == pytest.approx(0.9288, abs=1e-3)
    assert np.mean(cleared) == pytest.approx(stats.null_clearance(500, 500, 0.01, 0.03), abs=0.02)


def test_detectable_effects_of_the_design():
    assert [round(stats.detectable_auc(n, n), 3) for n in (500, 1_000, 5_000)] == [0.545, 0.532, 0.514]
    assert stats.detectable_tpr(1_000, 1_000, 0.01) == pytest.approx(0.0256, abs=5e-4)
    # the power promised, by simulation at a known threshold; standard error .009
    rng = np.random.default_rng(8)
    tpr = stats.detectable_tpr(1_000, 1_000, 0.1)
    found = [stats.fisher_greater(rng.binomial(1000, tpr), 1000, rng.binomial(1000, 0.1), 1000) <= 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def test_roc_of_scores():
    grid = np.array([0.0, 0.5, 1.0])
    assert stats.roc(np.array([3.0, 4.0]), np.array([1.0, 2.0]), grid) == pytest.approx([1, 1, 1])
    assert stats.roc(np.ones(5), np.ones(5), grid) == pytest.approx([0, 0.5, 1])
