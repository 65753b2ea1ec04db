"""Attribute inference: guessing a secret column of a person whose other columns are known, from the synthetic table.

A guess is right if the category is, or if at most 2.5 % of people (of R) lie between the guessed number and the true
one. Two attackers use S. One remembers: the nearest synthetic row has the answer. One learns: of the nearest row, the
five nearest and boosted trees, all trained on S, the learner that guesses best for people of R; for neither
members nor non-members, so that the choice favours none.

**What is gated.** What 92 % of people have in common is guessed right for 92 % of everyone: rho then is a share of
the other 8 %, blurred by the noise of the 92 %, and means little. So the limit applies to the people whose secret
*none of the three learners trained on R* gets right. That depends on a person's own values and on R alone, so that the
chosen members and non-members are as exchangeable as all of them; non-members are guessed rarely there, and rho says
what the table gives away of a person beyond what is true of people in general. It is the remembering attacker
who is gated: even a table of copied rows hardly raises the learner's rate, since it smooths over single rows
(a bootstrap of 25,000 simulated people: rho of an age is .06 learned, .5 remembered). The gated attempts are

- per secret, over the people chosen as above;
- over everyone, one secret each: of those that no learner gets right the one least expected of the person, by the
  mean of what the five nearest rows of R and the trees trained on R hold probable. It is sharp where one
  secret leaves too few people.

The learner's rates over everyone are reported: how often it is right, and how often its surest 1 %, 10 % and all
guesses about members are, against the same model trained on R (Francis, arXiv 2507.01710: an attacker need not guess
for all).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from understudy.audit.criteria import guesses
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.guesses import Guesses
from understudy.audit.criteria.risk import Attempt, Precision
from understudy.audit.tables import Block

LEARNERS = ("nearest row", "five nearest rows", "boosted trees")
MAX_SELECTION_ROWS = 1_000
"""People of R on whom the learner is chosen."""
MAX_REFERENCE_ROWS = 10_000
RECALLS = (0.01, 0.1, 1.0)


def attempts(
    targets: Targets,
    secrets: list[int],
    quasi_identifiers: list[int],
    rng: np.random.Generator,
    tell: Callable[[float, str], None] = lambda share, message: None,
) -> list[Attempt]:
    """One attempt on the `secrets` together, and two on each: gated, and on everyone. None without any known column.

    The attacker knows the `quasi_identifiers`, or without any all columns (`MAX_COLUMNS` of a wide table).
    """
    known = sorted(quasi_identifiers) or targets.within_budget(rng, secrets)
    secrets = [s for s in secrets if set(known) - {s}]
    if not secrets:
        return []
    everyone = targets.tables.reference
    order = rng.permutation(len(everyone))
    reference = everyone.take(order[:MAX_REFERENCE_ROWS])
    chosen_on = everyone.take(order[:MAX_SELECTION_ROWS])
    synthetic = targets.tables.synthetic.take(rng.permutation(len(targets.tables.synthetic)))
    n_units = len(targets.pool)
    asked_of = targets.pool.append(chosen_on)
    near_s = guesses.neighbours(targets, asked_of, synthetic, known, secrets)
    tell(0.4, "attribute inference: neighbours")
    near_r = guesses.neighbours(targets, targets.pool, reference, known, secrets)
    found: list[Attempt] = []
    told, unexpected = np.empty((2, len(secrets), n_units))
    for i, column in enumerate(secrets):
        tell(0.5 + 0.5 * i / len(secrets), f"attribute inference: {targets.names([column])[0]}")
        by_s = _learn(targets, synthetic, asked_of, column, known, (near_s[0][i], near_s[1][i]), rng)
        by_r = _learn(targets, reference, targets.pool, column, known, (near_r[0][i], near_r[1][i]), rng)
        case = _Case.of(targets, column, known, by_s, by_r, asked_of)
        found += [case.remembered(targets), case.learned(targets)]
        told[i], unexpected[i] = case.hit[0], np.where(case.general, -1, 1 - case.expected)
    return [_one_each(targets, secrets, told > 0, unexpected), *found]


def _learn(
    targets: Targets,
    train: Block,
    queries: Block,
    column: int,
    known: list[int],
    near: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> list[Guesses]:
    """Each learner's guesses, in the order of `LEARNERS`; `near` are the rows of `train` nearest to the queries."""
    secret, truth = (guesses.secret_of(targets, block, column) for block in (train, queries))
    some = train.take(np.arange(min(len(train), guesses.MAX_TRAINING_ROWS)))
    return [
        guesses.by_nearest(secret, *near),
        guesses.by_neighbours(secret, *near, truth, numeric=column < targets.n_numbers),
        guesses.by_trees(targets, some, queries, column, known, rng),
    ]


@dataclass(frozen=True, eq=False)
class _Case:
    """One secret of every unit.

    Attributes:
        column, known: the secret, and what the attacker knows.
        hit, confidence: (3, n_units), of each learner trained on S.
        hit_r, confidence_r: likewise trained on R.
        expected: (n_units,) how probable the five nearest rows of R and the trees trained on R hold the truth.
        best: which learner guesses best for people of R.
        blind: (n_units,) bool, whether the most frequent value would be right.
    """

    column: int
    known: list[int]
    hit: np.ndarray
    confidence: np.ndarray
    hit_r: np.ndarray
    confidence_r: np.ndarray
    expected: np.ndarray
    best: int
    blind: np.ndarray

    @classmethod
    def of(
        cls, targets: Targets, column: int, known: list[int], by_s: list[Guesses], by_r: list[Guesses], asked_of: Block
    ) -> _Case:
        """`by_s` guess for the pool and then for people of R, `by_r` for the pool."""
        n, numeric = len(targets.pool), column < targets.n_numbers
        truth = guesses.secret_of(targets, asked_of, column)
        hit = np.array([guesses.right(g.values, truth, numeric) for g in by_s])
        constant = guesses.naive(guesses.secret_of(targets, targets.tables.reference, column), numeric)
        return cls(
            column=column,
            known=known,
            hit=hit[:, :n],
            confidence=np.array([g.confidence[:n] for g in by_s]),
            hit_r=np.array([guesses.right(g.values, truth[:n], numeric) for g in by_r]),
            confidence_r=np.array([g.confidence for g in by_r]),
            expected=np.mean([g.of_truth for g in by_r if g.of_truth is not None], axis=0),
            best=int(np.argmax(hit[:, n:].sum(axis=1))),
            blind=guesses.right(np.full(n, constant), truth[:n], numeric),
        )

    @property
    def general(self) -> np.ndarray:
        """(n_units,) bool: told by fresh people."""
        return np.any(self.hit_r, axis=0)

    def remembered(self, targets: Targets) -> Attempt:
        (name,) = targets.names([self.column])
        asked = ~self.general
        return Attempt(
            criterion="attribute_inference",
            detail=f"{name}, beyond general knowledge",
            columns=self._columns(targets),
            idea=f"Where fresh people don't tell {name!r}, the nearest synthetic row does for",
            asked=asked,
            hit=self.hit[0],
            baseline=float(self.blind[asked].mean()) if asked.any() else 0.0,
        )

    def learned(self, targets: Targets) -> Attempt:
        (name,) = targets.names([self.column])
        best = self.best
        return Attempt(
            criterion="attribute_inference",
            detail=name,
            columns=self._columns(targets),
            idea=f"A model of the synthetic table ({LEARNERS[best]}) tells {name!r} for",
            asked=np.ones(len(self.blind), dtype=bool),
            hit=self.hit[best],
            baseline=float(self.blind.mean()),
            gated=False,
            precision=_precision(
                targets.tables.member,
                (self.confidence[best], self.hit[best]),
                (self.confidence_r[best], self.hit_r[best]),
            ),
        )

    def _columns(self, targets: Targets) -> tuple[str, ...]:
        return targets.names([self.column, *(j for j in self.known if j != self.column)])


def _one_each(targets: Targets, secrets: list[int], told: np.ndarray, unexpected: np.ndarray) -> Attempt:
    """The nearest row about each person's most unexpected secret.

    `told` (n_secrets, n_units) bool; `unexpected` likewise, in [0, 1], -1 where fresh people tell.
    """
    which, at = unexpected.argmax(axis=0), np.arange(unexpected.shape[1])
    asked = unexpected[which, at] >= 0
    chance = np.zeros(len(at))
    for i, column in enumerate(secrets):
        numeric = column < targets.n_numbers
        truth = guesses.secret_of(targets, targets.pool, column)
        constant = guesses.naive(guesses.secret_of(targets, targets.tables.reference, column), numeric)
        chance += (which == i) & guesses.right(np.full(len(truth), constant), truth, numeric)
    return Attempt(
        criterion="attribute_inference",
        detail="one secret each, beyond general knowledge",
        columns=targets.names(secrets),
        idea="Of the column each that is least expected of a person, the nearest synthetic row tells the value for",
        asked=asked,
        hit=told[which, at],
        baseline=float(chance[asked].mean()) if asked.any() else 0.0,
    )


def _precision(
    member: np.ndarray, by_s: tuple[np.ndarray, np.ndarray], by_r: tuple[np.ndarray, np.ndarray]
) -> tuple[Precision, ...]:
    """Over members, by (confidence, right) (n_units,) of the models trained on S and on R."""
    found = []
    n = int(member.sum())
    for recall in RECALLS:
        most = max(1, round(recall * n))
        s, r = (hit[member][np.argsort(-sure[member], kind="stable")[:most]].mean() for sure, hit in (by_s, by_r))
        found.append(Precision(recall=recall, guesses=most, synthetic=float(s), reference=float(r)))
    return tuple(found)
