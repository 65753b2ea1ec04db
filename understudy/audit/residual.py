"""Residual risk: what share of those whom people in general don't give away, the synthetic table gives away.

An attack succeeds with p_in of the members and with p_out of people who never trained. Of the share 1 - p_out
with whom it fails by itself, the release adds

    rho = (p_in - p_out) / (1 - p_out) = 1 - q_in / q_out,    q = 1 - p the rate of failure,

(Giomi et al., PoPETs 2023, arXiv 2211.10459, equation 2), so that a bound of rho is one of a ratio of two rates.
The score interval of that ratio is used: Miettinen and Nurminen, Statistics in Medicine 4 (1985), with the correction
for skewness of Gart and Nam, Biometrics 44 (1988), as in Laud, Pharmaceutical Statistics 16 (2017). Unlike Wald's it
holds near 0 and 1: over p_out from 0 to .99 and rho from 0 to .3 the exact coverage of the one-sided 95 % upper bound
is at least .938 at 30 units a side, .940 at 50, .943 at 100 and .945 at 1,000, and .952 to .966 on average; that of the
lower bound .936 and more (without the correction .917).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

LOWEST = -1.0
"""Where lower bounds are cut off: rho has none when nearly every non-member is a success."""
TAIL = 7.0
"""Standard deviations of a binomial count beyond which `null_clearance` doesn't look."""


@dataclass(frozen=True)
class Residual:
    """`hits_in` of `n_in` members and `hits_out` of `n_out` non-members; 1 of each at least.

    >>> r = Residual(120, 1000, 100, 1000)
    >>> round(r.value, 4), round(r.upper(), 4)
    (0.0222, 0.0474)
    """

    hits_in: int
    n_in: int
    hits_out: int
    n_out: int

    @property
    def value(self) -> float:
        """rho; 0 when everyone is a success, since nothing is left to give away."""
        missed_out = (self.n_out - self.hits_out) / self.n_out
        missed_in = (self.n_in - self.hits_in) / self.n_in
        if missed_out == 0:
            return LOWEST if missed_in else 0.0
        return max(LOWEST, 1 - missed_in / missed_out)

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided upper bound."""
        return 1 - self._ratio(float(special.ndtri(confidence)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval, half the error on each side; not below `LOWEST`."""
        z = float(special.ndtri((1 + confidence) / 2))
        return 1 - self._ratio(-z), 1 - self._ratio(z)

    def p_beyond(self, limit: float) -> float:
        """One-sided p-value of "rho is at most `limit`"."""
        missed_in, missed_out = self.n_in - self.hits_in, self.n_out - self.hits_out
        return float(special.ndtr(score(missed_in, self.n_in, missed_out, self.n_out, 1 - limit)))

    def _ratio(self, z: float) -> float:
        """The ratio q_in / q_out, in [0, 1 - LOWEST], whose score statistic is `z`; it falls in the ratio."""
        missed_in, missed_out = self.n_in - self.hits_in, self.n_out - self.hits_out
        low, high = 0.0, 1 - LOWEST
        for _ in range(50):
            middle = (low + high) / 2
            if score(missed_in, self.n_in, missed_out, self.n_out, middle) > z:
                low = middle
            else:
                high = middle
        return low if low == 0 or z > 0 else high


def score(
    missed_in: np.ndarray | int, n_in: int, missed_out: np.ndarray | int, n_out: int, ratio: float
) -> np.ndarray:
    """The skewness-corrected score statistic of "q_in = ratio x q_out"; standard normal if that is so.

    `missed_*` broadcast. Variances are at the maximum likelihood under the hypothesis (Miettinen and
    Nurminen, equation 12), so that they vanish only when the data and the hypothesis agree.
    """
    x1, x0 = np.asarray(missed_in, dtype=float), np.asarray(missed_out, dtype=float)
    n = n_in + n_out
    b = -(n_in * ratio + x1 + n_out + x0 * ratio)
    root = np.sqrt(np.maximum(b * b - 4 * n * ratio * (x1 + x0), 0))
    q0 = np.clip(2 * (x1 + x0) / (root - b), 0, 1)  # the smaller root, in the form that survives ratio = 0
    q1 = np.clip(ratio * q0, 0, 1)
    v1, v0 = q1 * (1 - q1) / n_in, ratio**2 * q0 * (1 - q0) / n_out
    variance = (v1 + v0) * n / (n - 1)
    safe = np.where(variance > 0, variance, 1.0)
    difference = x1 / n_in - ratio * x0 / n_out
    certain = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    plain = np.where(variance > 0, difference / np.sqrt(safe), certain)
    skew = np.where(variance > 0, (v1 * (1 - 2 * q1) / n_in - ratio * v0 * (1 - 2 * q0) / n_out) / (6 * safe**1.5), 0)
    # the z that solves skew z^2 + z = plain + skew
    c = np.where(np.isfinite(plain), plain + skew, 0.0)
    solved = 2 * c / (1 + np.sqrt(np.maximum(1 + 4 * skew * c, 0)))
    return np.where(np.isfinite(plain), solved, plain)


@lru_cache(maxsize=256)
def null_clearance(n_in: int, n_out: int, rate: float, limit: float, confidence: float = 0.95) -> float:
    """Probability that rho's upper bound is at most `limit` when both sides succeed at `rate`: no leak.

    Exact: the bound clears for the pairs of counts whose score at the limit is large enough.
    """
    missed = [_likely(n, 1 - rate) for n in (n_in, n_out)]
    mass = [stats.binom.pmf(x, n, 1 - rate) for x, n in zip(missed, (n_in, n_out), strict=True)]
    cleared = score(missed[0][:, None], n_in, missed[1][None, :], n_out, 1 - limit) >= special.ndtri(confidence)
    return float(min(1.0, mass[0] @ cleared @ mass[1]))


def _likely(n: int, p: float) -> np.ndarray:
    """The counts that a binomial of n and p can take but with negligible probability."""
    spread = TAIL * np.sqrt(n * p * (1 - p)) + TAIL
    return np.arange(max(0, int(n * p - spread)), min(n, int(n * p + spread) + 1) + 1)
