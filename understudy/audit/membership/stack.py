"""Attack 9, the stack: what all black-box attacks know together.

Score: cross-fitted logistic regression on the attacks' normal scores, that is on their ranks. It is the one attack that
learns from coins, of units that it isn't judged by. Its weights are not negative, since each attack's
score is higher for "trained" by construction, and are shrunk toward equal ones: without a leak there
is nothing to learn, and noise in the weights would widen the bound for nothing.

Weights learnt on the folds that others are judged by make the folds' results depend on each other: without a leak
the AUC varies more than DeLong's error says, 2 times its variance for plain logistic regression, whatever the
folds, and 1.4 to 1.6 times for this one (simulated, 9 attacks, 1,000 a side). `INFLATION` allows for that.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, ndtri
from scipy.stats import rankdata

FOLDS = 5
PENALTY = 0.1
"""Per unit, on squared distances of weights from equal ones."""
TOTAL = 0.1
"""The sum of the equal weights."""
INFLATION = 1.25
"""Of the standard error of the stack's AUC."""


def combine(scores: np.ndarray, member: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) cross-fitted ranks in (0, 1) from (n_units, attacks) scores; `member` (n_units,) bool is the coin."""
    features = np.column_stack([ndtri((rankdata(s) - 0.5) / len(s)) for s in scores.T])
    fold = stratified_folds(member, FOLDS, rng)
    combined = np.empty(len(member))
    for f in range(FOLDS):
        held = fold == f
        value = features[held] @ _weights(features[~held], member[~held].astype(float))
        combined[held] = (rankdata(value) - 0.5) / max(held.sum(), 1)
    return combined


def stratified_folds(member: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) a fold for each unit, at random; the folds have equal shares of members, within one."""
    fold = np.empty(len(member), dtype=int)
    for side in (member, ~member):
        fold[rng.permutation(np.flatnonzero(side))] = np.arange(side.sum()) % n_folds
    return fold


def _weights(features: np.ndarray, member: np.ndarray) -> np.ndarray:
    """(attacks,) the weights that maximise the penalised likelihood."""
    n, n_attacks = features.shape
    equal = np.full(n_attacks, TOTAL / n_attacks)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        intercept, weights = parameters[0], parameters[1:]
        logit = features @ weights + intercept
        residual, away = expit(logit) - member, weights - equal
        value = (np.logaddexp(0, logit) - member * logit).sum() + PENALTY * n / 2 * (away**2).sum()
        return float(value), np.append(residual.sum(), features.T @ residual + PENALTY * n * away)

    bounds = [(None, None)] + [(0, None)] * n_attacks
    return np.asarray(minimize(loss, np.append(0.0, equal), jac=True, method="L-BFGS-B", bounds=bounds).x[1:])
