"""Linear reconstruction: can one attribute of many people be solved for from a synthetic table's counts?

After Annamalai, Gadotti and Rocher (arXiv 2301.10053, USENIX Security 2024). The attacker knows everything about n
people but one yes/no secret of each. Every cell of a few of the known attributes gives one equation: the people in it
have as many a "yes" between them as the table's rows in that cell say. The weighted least squares solution within
[0, 1], rounded, is the guess.

The same is done to members and to as many people who never trained, for whom the table can only tell what is usual:
what counts is by how much members are guessed better. Two tables are attacked: the released one, of whose training
table the members are a part, and one from the product's generator fitted on the attacked members alone, where the
equations hold for exactly these people: the strongest case, and the setting of the paper.

The equation takes the cell's share of "yes" in the synthetic table times the number of known people in it, not the
scaled count: the known number is free of the noise of drawing the cell. Cells of few people say more about each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from understudy.audit import stats
from understudy.audit.model import Refit
from understudy.audit.policy import Policy
from understudy.audit.residual import Residual
from understudy.audit.tables import AuditTables, Block, numbers_of
from understudy.audit.targeted.result import ReconstructionRisk

MOST_TARGETS = 1_000
MOST_SECRETS = 12
FEWEST_TARGETS = 50
SUBSETS = 400
"""Sets of known attributes whose cells are looked at."""
MAX_ORDER = 4
BINS = 6
"""Quantile bins of R of a known number."""
FIT_SAMPLES = 20
"""Rows drawn from a generator fitted on the targets, per row it learnt."""

Table = Literal["released", "refitted"]


@dataclass(frozen=True, eq=False)
class Known:
    """Binned rows: (n_rows, n_columns) whole numbers of at least 0, and what a "yes" is in each column."""

    bins: np.ndarray
    yes: np.ndarray  # (n_rows, n_columns) bool


@dataclass(frozen=True, eq=False)
class Binning:
    """How rows become `Known`.

    Attributes:
        edges: per number, the bins' edges on R.
        middles: per number, the value above which the answer is "yes".
        words: per labelled column, the bins of its words; missing is bin 0.
        commonest: per labelled column, the word that is a "yes".
    """

    tables: AuditTables
    edges: tuple[np.ndarray, ...]
    middles: tuple[float, ...]
    words: tuple[dict[str, int], ...]
    commonest: tuple[str, ...]

    @classmethod
    def of(cls, tables: AuditTables) -> Binning:
        edges, middles = [], []
        n_numbers = tables.reference.numbers.shape[1]
        for j in range(n_numbers):
            known = tables.reference.numbers[:, j]
            known = known[~np.isnan(known)]
            known = known if len(known) else np.zeros(1)
            edges.append(np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])))
            middles.append(float(np.median(known)))
        words, commonest = [], []
        for column in tables.columns[n_numbers:]:
            counts = tables.reference.frame[column.name].dropna().astype(str).value_counts()
            words.append({str(w): i + 1 for i, w in enumerate(counts.index)})
            commonest.append(str(counts.index[0]) if len(counts) else "")
        return cls(tables, tuple(edges), tuple(middles), tuple(words), tuple(commonest))

    def known(self, frame: pd.DataFrame) -> Known:
        columns = self.tables.columns
        n_numbers = len(self.edges)
        numbers = numbers_of(frame, columns[:n_numbers])
        bins, yes = [], []
        for j, (edges, middle) in enumerate(zip(self.edges, self.middles, strict=True)):
            x = numbers[:, j]
            bins.append(np.where(np.isnan(x), 0, np.searchsorted(edges, x, side="left") + 1))
            yes.append(x > middle)
        for column, words, first in zip(columns[n_numbers:], self.words, self.commonest, strict=True):
            text = frame[column.name].astype(object)
            there = text.notna().to_numpy()
            labels = text.astype(str)
            bins.append(np.where(there, labels.map(words).fillna(len(words) + 1).to_numpy(dtype=np.int64), 0))
            yes.append(there & (labels == first).to_numpy())
        return Known(np.column_stack(bins).astype(np.int64), np.column_stack(yes))

    def question(self, j: int) -> str:
        name = self.tables.columns[j].name
        if j < len(self.edges):
            return f"whether {name} is above the median"
        return f"whether {name} is the most common value"


def attack(
    tables: AuditTables, policy: Policy, rng: np.random.Generator, refit: Refit | None
) -> list[ReconstructionRisk]:
    """Every column in turn as the secret (`MOST_SECRETS` at most), from the released table and, with `refit`, from one
    fitted on the targets. Empty for fewer than `FEWEST_TARGETS` people a side or fewer than two columns."""
    members, outsiders = np.flatnonzero(tables.member), np.flatnonzero(~tables.member)
    most = min(len(members), len(outsiders), MOST_TARGETS)
    if most < FEWEST_TARGETS or len(tables.columns) < 2:
        return []
    inside = _rows_of(tables, rng.permutation(members)[:most])
    outside = _rows_of(tables, rng.permutation(outsiders)[:most])
    binning = Binning.of(tables)
    sources: list[tuple[Table, pd.DataFrame]] = [("released", tables.synthetic.frame)]
    if refit is not None:
        fitted = refit(inside.frame.reset_index(drop=True), rng)
        sources.append(("refitted", fitted.sample(FIT_SAMPLES * len(inside), rng=rng)))
    secrets = np.sort(rng.permutation(len(tables.columns))[:MOST_SECRETS])
    mine, theirs = binning.known(inside.frame), binning.known(outside.frame)
    judged = [_one_row_a_unit(b, rng) for b in (inside, outside)]
    found = []
    for table, frame in sources:
        synthetic = binning.known(frame)
        for j in secrets:
            truth = [k.yes[rows, j] for k, rows in zip((mine, theirs), judged, strict=True)]
            if min(t.mean() for t in truth) == 0 or max(t.mean() for t in truth) == 1:
                continue
            exact = table == "refitted"
            subsets = _subsets(len(tables.columns), j, rng)
            guess = [solve(k, synthetic, j, subsets, exact)[r] for k, r in zip((mine, theirs), judged, strict=True)]
            hits = [int((g == t).sum()) for g, t in zip(guess, truth, strict=True)]
            share = float(np.concatenate(truth).mean())
            counts = (hits[0], len(truth[0]), hits[1], len(truth[1]))
            name = tables.columns[j].name
            found.append(measure(table, name, binning.question(j), counts, max(share, 1 - share), policy))
    return found


def solve(people: Known, synthetic: Known, secret: int, subsets: list[np.ndarray], exact: bool) -> np.ndarray:
    """(n_people,) bool, the guesses of the secret. `exact`: the synthetic table's generator learnt from these people
    alone; else their cells differ by chance from those of all who trained."""
    rows, shares, weights, start = [], [], [], 0
    for subset in subsets:
        cells, counts_s, yes_s = _cells(people.bins[:, subset], synthetic.bins[:, subset], synthetic.yes[:, secret])
        there = counts_s > 0
        number = np.cumsum(there) - 1 + start
        kept = there[cells]
        rows.append(np.column_stack([number[cells[kept]], np.flatnonzero(kept)]))
        counts = np.bincount(cells, minlength=len(counts_s))[there]
        smooth = (yes_s[there] + 1) / (counts_s[there] + 2)
        spread = smooth * (1 - smooth)
        variance = counts**2 * spread / counts_s[there] + (0 if exact else counts * spread) + 0.1
        shares.append(counts * yes_s[there] / counts_s[there])
        weights.append(1 / np.sqrt(variance))
        start += int(there.sum())
    index = np.concatenate(rows)
    w, b = np.concatenate(weights), np.concatenate(shares)
    matrix = sparse.csr_matrix((w[index[:, 0]], (index[:, 0], index[:, 1])), shape=(start, len(people.bins)))
    return least_squares(matrix, w * b) > 0.5


def least_squares(matrix: sparse.csr_matrix, b: np.ndarray) -> np.ndarray:
    """(n,) the x in [0, 1] that minimises |matrix x - b|, by L-BFGS-B (Byrd et al., SIAM J. Sci. Comput. 16, 1995)."""
    from scipy.optimize import minimize

    transposed = matrix.T.tocsr()
    scale = max(float(b @ b), 1.0)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        off = matrix @ x - b
        return float(off @ off) / scale, 2 * (transposed @ off) / scale

    start = np.full(matrix.shape[1], 0.5)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(start), options={"maxiter": 300}).x


def measure(
    table: Table, secret: str, question: str, counts: tuple[int, int, int, int], baseline: float, policy: Policy
) -> ReconstructionRisk:
    """The risk that `counts` (hits_in, n_in, hits_out, n_out) show."""
    hits_in, n_in, hits_out, n_out = counts
    added = Residual(hits_in, n_in, hits_out, n_out)
    return ReconstructionRisk(
        table=table,
        secret=secret,
        question=question,
        n_in=n_in,
        n_out=n_out,
        hits_in=hits_in,
        hits_out=hits_out,
        baseline=baseline,
        rho=added.value,
        rho_upper=added.upper(policy.confidence),
        p_value=stats.fisher_greater(hits_in, n_in, hits_out, n_out),
        p_beyond=added.p_beyond(policy.max_residual_risk),
    )


def _rows_of(tables: AuditTables, units: np.ndarray) -> Block:
    """The rows of `units`, whole units, `MOST_TARGETS` rows at most (but one unit)."""
    rows = np.bincount(tables.pool.units, minlength=tables.n_units)
    kept = units[: max(1, int(np.searchsorted(np.cumsum(rows[units]), MOST_TARGETS, side="right")))]
    return tables.pool.take(np.flatnonzero(np.isin(tables.pool.units, kept)))


def _one_row_a_unit(block: Block, rng: np.random.Generator) -> np.ndarray:
    """A row of each unit, at random: the rows of one person are no independent trials."""
    order = rng.permutation(len(block))
    return np.sort(order[np.unique(block.units[order], return_index=True)[1]])


def _subsets(n_columns: int, secret: int, rng: np.random.Generator) -> list[np.ndarray]:
    others = np.setdiff1d(np.arange(n_columns), [secret])
    drawn = {
        tuple(np.sort(rng.permutation(others)[: rng.integers(1, min(MAX_ORDER, len(others)) + 1)]).tolist())
        for _ in range(SUBSETS)
    }
    return [np.array(s) for s in sorted(drawn)]


def _cells(people: np.ndarray, synthetic: np.ndarray, yes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cell of each person (n,), and of each cell that people are in how many synthetic rows and "yes" it has."""
    sizes = np.maximum(people.max(axis=0), synthetic.max(axis=0)) + 1
    key = np.zeros(len(people), dtype=np.int64)
    key_s = np.zeros(len(synthetic), dtype=np.int64)
    for j, size in enumerate(sizes):
        key, key_s = key * size + people[:, j], key_s * size + synthetic[:, j]
    distinct, cells = np.unique(key, return_inverse=True)
    at = np.clip(np.searchsorted(distinct, key_s), 0, len(distinct) - 1)
    mine = distinct[at] == key_s
    counts = np.bincount(at[mine], minlength=len(distinct))
    return cells.ravel(), counts, np.bincount(at[mine], weights=yes[mine], minlength=len(distinct))
