"""The residual risk and its interval."""

import numpy as np
import pytest
from scipy import special, stats

from understudy.audit.residual import LOWEST, Residual, null_clearance, score


def test_value_and_bounds_by_hand():
    r = Residual(300, 1_000, 200, 1_000)
    assert r.value == pytest.approx(0.1 / 0.8)
    low, high = r.interval()
    assert low < r.value < r.upper() < high
    # Wald on the log ratio agrees to .002 at these sizes
    se = np.sqrt(300 / (700 * 1_000) + 200 / (800 * 1_000))
    assert high == pytest.approx(1 - 0.875 * np.exp(-1.96 * se), abs=2e-3)
    assert low == pytest.approx(1 - 0.875 * np.exp(1.96 * se), abs=2e-3)


@pytest.mark.parametrize(
    ("counts", "value"),
    [((0, 50, 0, 50), 0.0), ((50, 50, 50, 50), 0.0), ((50, 50, 0, 50), 1.0), ((0, 50, 50, 50), LOWEST), ((1, 1, 0, 1), 1.0)],
)
def test_extreme_counts_have_finite_bounds_around_the_value(counts, value):
    r = Residual(*counts)
    assert r.value == value
    low, high = r.interval()
    tiny = 1e-9
    assert LOWEST <= low <= value + tiny and value - tiny <= high <= 1 and value - tiny <= r.upper() <= high + tiny


def test_no_hits_at_all_give_a_small_bound():
    # 0 of 1,000 and 0 of 1,000: about z^2/(n + z^2)
    assert Residual(0, 1_000, 0, 1_000).upper() < 0.004
    assert Residual(0, 1_000, 0, 1_000).upper() > 0.001


@pytest.mark.parametrize(("n_in", "n_out"), [(30, 30), (50, 50), (100, 100), (300, 150)])
def test_one_sided_bounds_cover_exactly_enumerated(n_in, n_out):
    """Over every pair of counts: 95 % promised, at least 93 % held, also near 0 and 1."""
    z = special.ndtri(0.95)
    for p_out in (0.0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99):
        for rho in (0.0, 0.03, 0.09, 0.3):
            q_out = 1 - p_out
            x, y = np.arange(n_in + 1)[:, None], np.arange(n_out + 1)[None, :]
            mass = stats.binom.pmf(x, n_in, (1 - rho) * q_out) * stats.binom.pmf(y, n_out, q_out)
            value = score(x, n_in, y, n_out, 1 - rho)
            assert mass[value <= z].sum() >= 0.93  # the upper bound of rho is above it
            assert mass[value >= -z].sum() >= 0.93


def test_bounds_invert_the_score():
    r = Residual(37, 200, 21, 180)
    assert score(163, 200, 159, 180, 1 - r.upper()) == pytest.approx(special.ndtri(0.95), abs=1e-6)


@pytest.mark.parametrize(("n", "rate"), [(200, 0.05), (500, 0.2), (1_000, 0.5)])
def test_null_clearance_is_the_simulated_probability(n, rate):
    rng = np.random.default_rng(0)
    clear = [Residual(a, n, b, n).upper() <= 0.09 for a, b in rng.binomial(n, rate, (2_000, 2))]
    expected = null_clearance(n, n, rate, 0.09)
    assert np.mean(clear) == pytest.approx(expected, abs=3.9 * np.sqrt(0.25 / 2_000))  # p < 1e-4


def test_null_clearance_falls_with_the_rate_and_rises_with_the_size():
    assert null_clearance(1_000, 1_000, 0.05, 0.09) > 0.999 > null_clearance(1_000, 1_000, 0.5, 0.09) > 0.3
    assert null_clearance(5_000, 5_000, 0.5, 0.09) > 0.99
    assert null_clearance(5_000, 5_000, 0.92, 0.09) < 0.7


def test_everything_right_has_no_bound_and_nothing_to_add_to():
    assert Residual(100, 100, 50, 100).upper() == pytest.approx(1.0)
    assert Residual(100, 100, 100, 100).p_beyond(0.09) == pytest.approx(0.5)


def test_the_bound_covers_and_the_test_beyond_a_limit_keeps_its_level():
    # 2,000 pairs of binomial counts at rho = .09 exactly; standard error of a share near .05: .005, bound 3 of them
    rng = np.random.default_rng(0)
    p_out = 0.7
    hits = rng.binomial(400, [1 - 0.91 * (1 - p_out), p_out], (2_000, 2))
    risks = [Residual(int(a), 400, int(b), 400) for a, b in hits]
    assert np.mean([r.upper() >= 0.09 for r in risks]) > 0.935
    assert np.mean([r.p_beyond(0.09) <= 0.05 for r in risks]) < 0.065
