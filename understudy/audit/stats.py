"""Statistics of the audit: pure functions of scores and counts, each citing its source.

Throughout, `scores_in` (n_in,) and `scores_out` (n_out,) are one attack's scores of the members and
the non-members, one per privacy unit; a higher score says "member".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

from understudy.errors import TableError


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve, its DeLong standard error, and the p-value of "no better than chance"."""

    value: float
    se: float
    p_value: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided normal interval, clipped to [0, 1]."""
        z = float(special.ndtri((1 + confidence) / 2))
        return max(0.0, self.value - z * self.se), min(1.0, self.value + z * self.se)

    def inflated(self, factor: float) -> Auc:
        """With a standard error `factor` times as large, and the p-value that goes with it."""
        if factor == 1.0:
            return self
        p = float(special.ndtr(special.ndtri(self.p_value) / factor))
        return Auc(self.value, self.se * factor, p)

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided upper bound."""
        return min(1.0, self.value + float(special.ndtri(confidence)) * self.se)


@dataclass(frozen=True)
class Rates:
    """How often an attack says "member": `hits_in` of `n_in` members, `hits_out` of `n_out` non-members."""

    hits_in: int
    n_in: int
    hits_out: int
    n_out: int

    @property
    def tpr(self) -> float:
        return self.hits_in / self.n_in

    @property
    def fpr(self) -> float:
        return self.hits_out / self.n_out

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided Clopper-Pearson upper bound of the TPR."""
        return binomial_upper(self.hits_in, self.n_in, confidence)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided Clopper-Pearson interval of the TPR."""
        return binomial_interval(self.hits_in, self.n_in, confidence)

    @property
    def p_value(self) -> float:
        """One-sided Fisher test of "members aren't flagged more often than non-members"."""
        return fisher_greater(self.hits_in, self.n_in, self.hits_out, self.n_out)


def delong(scores_in: np.ndarray, scores_out: np.ndarray) -> Auc:
    """AUC with DeLong's standard error; the p-value is Mann-Whitney's, one-sided, with ties.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), in the mid-rank form of Sun and Xu, IEEE
    Signal Processing Letters 21 (2014). The test uses the variance under the null, which, unlike
    DeLong's, doesn't vanish when the scores separate perfectly; for that case the standard error
    is replaced by that of one discordant unit. Scores that are all equal have AUC 0.5, error 0, p 1.
    """
    below, above = _placements(scores_in, scores_out)
    if np.ptp(np.concatenate([scores_in, scores_out])) == 0:
        return Auc(0.5, 0.0, 1.0)
    se = _standard_error(below, above)
    p = float(stats.mannwhitneyu(scores_in, scores_out, alternative="greater", method="asymptotic").pvalue)
    return Auc(float(below.mean()), se or 1 / min(len(below), len(above)), p)


def adjusted_auc(
    scores_in: np.ndarray, scores_out: np.ndarray, expected_in: np.ndarray, expected_out: np.ndarray
) -> Auc:
    """DeLong's AUC less the chance imbalance of covariates between members and non-members.

    `expected_*` (n,) predict a unit's rank from its own values, independently of the coin (`adjust`);
    any such prediction leaves the AUC unbiased, a good one narrows its interval. Vermeulen, Thas and
    Vansteelandt, Statistics in Medicine 34 (2015). The p-value remains Mann-Whitney's: the adjusted error is an
    estimate, whose normal tails are too thin for the small p-values that Holm asks of a small stratum.
    Without spread in the scores or in the prediction it is `delong`.
    """
    plain = delong(scores_in, scores_out)
    if plain.se == 0 or np.ptp(np.concatenate([expected_in, expected_out])) == 0:
        return plain
    below, above = _placements(scores_in, scores_out)
    # within each side, so that a leak doesn't pass for an effect of the covariate
    x = np.concatenate([expected_in - expected_in.mean(), expected_out - expected_out.mean()])
    y = np.concatenate([below - below.mean(), above.mean() - above])
    slope = float(x @ y / (x @ x)) if x @ x > 0 else 0.0
    auc = float(below.mean() - slope * (expected_in.mean() - expected_out.mean()))
    se = _standard_error(below - slope * expected_in, above + slope * expected_out)
    se = se or 1 / min(len(below), len(above))
    return Auc(min(1.0, max(0.0, auc)), se, plain.p_value)


def _placements(scores_in: np.ndarray, scores_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_in,) share of non-members below each member, (n_out,) share of members above each non-member."""
    n_in, n_out = len(scores_in), len(scores_out)
    if min(n_in, n_out) < 2:
        raise TableError(f"an AUC needs 2 units a side, there are {n_in} and {n_out}; audit a larger table")
    both = stats.rankdata(np.concatenate([scores_in, scores_out]))
    below = (both[:n_in] - stats.rankdata(scores_in)) / n_out
    above = 1 - (both[n_in:] - stats.rankdata(scores_out)) / n_in
    return below, above


def _standard_error(below: np.ndarray, above: np.ndarray) -> float:
    return float(np.sqrt(below.var(ddof=1) / len(below) + above.var(ddof=1) / len(above)))


def binomial_upper(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of a rate, Clopper and Pearson, Biometrika 26 (1934); k of n."""
    return 1.0 if k >= n else float(special.betaincinv(k + 1, n - k, confidence))


def binomial_lower(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of a rate, Clopper and Pearson (1934)."""
    return 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, 1 - confidence))


def binomial_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval, half the error on each side."""
    each = (1 + confidence) / 2
    return binomial_lower(k, n, each), binomial_upper(k, n, each)


def fisher_greater(k_in: int, n_in: int, k_out: int, n_out: int) -> float:
    """P-value of Fisher's exact test that the rate k_in/n_in does not exceed k_out/n_out.

    The hypergeometric tail: R. A. Fisher, Statistical Methods for Research Workers (1934), section 21.02.
    """
    return float(stats.hypergeom.sf(k_in - 1, n_in + n_out, n_in, k_in + k_out))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm, Scandinavian Journal of Statistics 6 (1979), in the given order.

    Rejecting those at most alpha keeps the chance of any false rejection at most alpha, whatever
    the dependence between the tests.
    """
    order = np.argsort(p_values, kind="stable")
    factor = len(order) - np.arange(len(order))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factor))
    return [float(p) for p in adjusted]


def threshold_rank(n: int, fpr: float) -> int:
    """The largest k for which a fresh score exceeds the k-th largest of n with probability <= fpr.

    That probability is k/(n + 1) for any continuous distribution (its order statistics are Beta
    distributed). 0 when n is too small for this rate.
    """
    return int(fpr * (n + 1) + 1e-9)


def crossfit_rates(
    scores_in: np.ndarray, scores_out: np.ndarray, fpr: float, rng: np.random.Generator
) -> Rates:
    """TPR and FPR at a nominal `fpr`, each unit judged by a threshold it had no part in.

    Members and non-members are halved at random. Each half of the non-members sets a threshold
    (`threshold_rank`), by which the other half of the non-members and one half of the members
    are judged: both rates are honest, and every unit counts once. Equal scores are ordered at
    random, which keeps the nominal rate for discrete scores (Lehmann and Romano, Testing
    Statistical Hypotheses, section 3.2). Raises TableError when a half can't express `fpr`.
    """
    n_in, n_out = len(scores_in), len(scores_out)
    if threshold_rank(n_out // 2, fpr) < 1 or n_in < 2:
        raise TableError(f"a false-alarm rate of {fpr:g} needs more than {n_out} non-members; audit a larger table")
    both = np.concatenate([scores_in, scores_out])
    rank = np.empty(len(both))
    rank[np.lexsort((rng.permutation(len(both)), both))] = np.arange(len(both))
    halves_in = np.array_split(rng.permutation(rank[:n_in]), 2)
    halves_out = np.array_split(rng.permutation(rank[n_in:]), 2)
    hits_in = hits_out = 0
    for a, b in ((0, 1), (1, 0)):
        k = threshold_rank(len(halves_out[a]), fpr)
        threshold = np.partition(halves_out[a], -k)[-k]
        hits_in += int((halves_in[b] > threshold).sum())
        hits_out += int((halves_out[b] > threshold).sum())
    return Rates(hits_in, n_in, hits_out, n_out)


@lru_cache(maxsize=256)
def null_clearance(n_in: int, n_out: int, fpr: float, limit: float, confidence: float = 0.95) -> float:
    """Probability that, without any leak, the TPR's upper bound at `fpr` is at most `limit`.

    `crossfit_rates` under the null: each half's threshold is exceeded with a Beta-distributed
    probability, hence two beta-binomial counts, of which this is the exact convolution.
    """
    hits = np.arange(n_in)
    allowed = int((special.betaincinv(hits + 1, n_in - hits, confidence) <= limit).sum()) - 1
    if threshold_rank(n_out // 2, fpr) < 1 or allowed < 0:
        return 0.0
    masses = []
    for m_in, m_out in ((n_in // 2, n_out - n_out // 2), (n_in - n_in // 2, n_out // 2)):
        k = threshold_rank(m_out, fpr)
        masses.append(stats.betabinom.pmf(np.arange(min(allowed, m_in) + 1), m_in, k, m_out + 1 - k))
    return float(min(1.0, np.convolve(*masses)[: allowed + 1].sum()))


def null_auc_clearance(n_in: int, n_out: int, limit: float, confidence: float = 0.95) -> float:
    """Probability that, without any leak, the AUC's one-sided upper bound is at most `limit` (normal)."""
    se = null_auc_se(n_in, n_out)
    return float(special.ndtr((limit - 0.5) / se - special.ndtri(confidence)))


def null_auc_se(n_in: int, n_out: int) -> float:
    """The AUC's standard error without leak and ties: Hanley and McNeil, Radiology 143 (1982)."""
    return float(np.sqrt((n_in + n_out + 1) / (12 * n_in * n_out)))


def detectable_auc(n_in: int, n_out: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The AUC that one one-sided test finds with probability `power`.

    >>> round(detectable_auc(1000, 1000), 3)
    0.532
    """
    return float(min(1.0, 0.5 + (special.ndtri(1 - alpha) + special.ndtri(power)) * null_auc_se(n_in, n_out)))


def detectable_tpr(n_in: int, n_out: int, fpr: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The TPR at `fpr` that one one-sided test of two proportions finds with probability `power`.

    Normal approximation with the continuity correction that Fisher's test needs: Fleiss, Levin and
    Paik, Statistical Methods for Rates and Proportions (2003), chapter 4. The threshold is an estimate
    here, so this is a little more than for a known threshold (.026 against .022 at 1,000 a side, 1 %).

    >>> round(detectable_tpr(1000, 1000, 0.01), 3)
    0.026
    """
    from scipy.optimize import brentq

    def missing(tpr: float) -> float:
        pooled = (n_in * tpr + n_out * fpr) / (n_in + n_out)
        null = np.sqrt(pooled * (1 - pooled) * (1 / n_in + 1 / n_out))
        alternative = np.sqrt(tpr * (1 - tpr) / n_in + fpr * (1 - fpr) / n_out)
        effect = tpr - fpr - (1 / n_in + 1 / n_out) / 2
        return float(effect - special.ndtri(1 - alpha) * null - special.ndtri(power) * alternative)

    return 1.0 if missing(1.0) < 0 else float(brentq(missing, fpr, 1.0))


def roc(scores_in: np.ndarray, scores_out: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(len(grid),) the empirical TPR at each FPR of `grid`, straight lines through ties; for drawing only."""
    values = np.unique(np.concatenate([scores_in, scores_out]))[::-1]
    fpr = np.append(0.0, 1 - np.searchsorted(np.sort(scores_out), values) / len(scores_out))
    tpr = np.append(0.0, 1 - np.searchsorted(np.sort(scores_in), values) / len(scores_in))
    return np.interp(grid, fpr, tpr)
