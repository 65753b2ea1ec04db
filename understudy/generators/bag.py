"""A bag of trees over split codes, with a distribution of tokens in every leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from understudy.generators import draws, trees

if TYPE_CHECKING:
    from understudy.encoding import Codec
    from understudy.encoding.relative import RelativeCodec
    from understudy.generators.forest_settings import ForestConfig

LEVELS = (12, 48)
"""About how many groups of tokens each level has. Trees split for the first, then, where that is done, for finer
ones: a shift of a number shows in a few groups, and pays for few. One row more in a group of prior share q multiplies
its probability by about 1 + 1 / (w q): a few large groups at each level keep that small, where a leaf over 256 tokens
would name its rows."""
ROWS_A_TREE = 1 << 17
"""More rows don't change a tree's shape much; all rows count in its leaves."""
LEAF_CELLS = 1 << 27
"""Cells of the leaves' distributions of all columns at most: 512 MiB of float32."""


@dataclass
class Bag:
    """The trees of one column, laid end to end, and the token distribution of each leaf.

    Attributes:
        feature, mask, left: nodes of all trees, as in `trees.Tree`, with `left` counted over all.
        roots: (n_trees,) int32, the root of each tree.
        row: (n_nodes,) int32, the row of `pmf` that belongs to a leaf, -1 for inner nodes.
        pmf: (n_leaves, n_tokens) float32.
    """

    feature: np.ndarray
    mask: np.ndarray
    left: np.ndarray
    roots: np.ndarray
    row: np.ndarray
    pmf: np.ndarray

    def __post_init__(self) -> None:
        self.cdf = cumulative(self.pmf)

    def pick(self, codes: np.ndarray, rng: np.random.Generator, *, spread: bool) -> tuple[np.ndarray, np.ndarray]:
        """The leaf, a row of `pmf`, of a tree drawn for each row, and numbers u (n,), uniform on [0, 1), to draw by.

        With `spread`, u is spread evenly over rows of the same leaf, and of neighbouring ones (systematic sampling):
        each row is drawn as ever, but the counts of tokens vary less than those of independent rows.
        """
        n = codes.shape[1]
        leaf = self.leaves(codes, self.roots[rng.integers(0, len(self.roots), n, dtype=np.int32)])
        if not spread:
            return leaf, rng.random((n,))
        u = np.empty(n)
        draws.spread(leaf, rng.permutation(n), len(self.pmf), rng.random(), u)
        return leaf, u

    def leaves(self, codes: np.ndarray, start: np.ndarray | int) -> np.ndarray:
        """The row of `pmf` each row ends in, from the node `start`, (n,) int32."""
        n = codes.shape[1]
        nodes = np.empty(n, dtype=np.int32)
        starts = np.broadcast_to(np.asarray(start, dtype=np.int32), (n,))
        draws.leaves(codes, self.feature, self.mask, self.left, np.ascontiguousarray(starts), nodes)
        return self.row[nodes]

    def arrays(self) -> dict[str, np.ndarray]:
        return {k: getattr(self, k) for k in ("feature", "mask", "left", "roots", "row", "pmf")}

    @classmethod
    def from_arrays(cls, a: dict[str, np.ndarray]) -> Bag:
        return cls(a["feature"], a["mask"], a["left"], a["roots"], a["row"], a["pmf"])


def cumulative(p: np.ndarray) -> np.ndarray:
    return np.cumsum(p, axis=1, dtype=np.float64).astype(np.float32)


def fit_bag(
    y: np.ndarray, codec: Codec | RelativeCodec, codes: np.ndarray, ordered: np.ndarray, features: np.ndarray,
    weight: np.ndarray, config: ForestConfig, rng: np.random.Generator,
) -> Bag:  # fmt: skip
    """Grow the trees for tokens y (n,) uint8 of `codec`.

    codes (n_codes, n) uint8; ordered (n_codes,) bool; features (p,) int64, the codes to split on; weight (n,) as
    `unit_weights`.
    """
    n, n_tokens = len(y), codec.n_tokens
    mass = np.bincount(y, minlength=n_tokens)
    levels = token_levels(codec, mass)
    classes, n_classes = levels[:, y].astype(np.uint8), levels.max(axis=1) + 1
    weights = np.array([config.shrinkage] + [config.shrinkage_within] * (len(levels) - 1))
    emit = codec.emittable()
    floor = (mass + 0.5) * emit
    floor /= floor.sum()
    n_trees = config.n_trees if len(features) else 1
    # The rows of a unit repeat each other: they are evidence for one (the design effect, Kish 1965).
    rows_a_unit = n / weight.sum()
    # A large table's leaves must fit in memory: fewer and larger ones.
    min_leaf = max(config.min_leaf, weight.sum() * n_trees * n_tokens * len(codes) / LEAF_CELLS)
    parts, pmfs, roots = [], [], []
    n_nodes = n_leaves = 0
    for _ in range(n_trees):
        size = min(max(int(n * config.subsample), min(n, 2)), ROWS_A_TREE) if len(features) else n
        rows = rng.permutation(n)[:size]
        # A subsample counts fewer units: keep the least leaf in units of the whole table.
        tree = trees.Tree(*trees.grow(
            codes, ordered, features, classes, weight, rows, n_classes, min_leaf * size / n,
            config.penalty * rows_a_unit, config.max_depth,
        ))  # fmt: skip
        nodes = np.empty(n, dtype=np.int32)
        draws.leaves(codes, tree.feature, tree.mask, tree.left, np.zeros(n, dtype=np.int32), nodes)
        counts = trees.count(nodes, y, len(tree.feature), n_tokens)
        p = emit * trees.shrink(counts, tree.feature, tree.left, levels, weights * rows_a_unit, floor)
        leaf = tree.feature < 0
        pmfs.append((p[leaf] / p[leaf].sum(axis=1, keepdims=True)).astype(np.float32))
        row = np.where(leaf, np.cumsum(leaf) - 1 + n_leaves, -1)
        parts.append((tree.feature, tree.mask, tree.left + n_nodes, row))
        roots.append(n_nodes)
        n_nodes += len(tree.feature)
        n_leaves += int(leaf.sum())
    feature, mask, left, row = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Bag(
        feature, mask, left.astype(np.int32), np.array(roots, dtype=np.int32), row.astype(np.int32),
        np.concatenate(pmfs),
    )  # fmt: skip


def token_levels(codec: Codec | RelativeCodec, mass: np.ndarray) -> np.ndarray:
    """Nested groups of tokens, (len(LEVELS) + 1, n_tokens) int64, from coarse to the tokens themselves.

    `mass` is the number of rows of each token, (n_tokens,).
    """
    levels = [np.arange(codec.n_tokens)]
    for n_groups in reversed(LEVELS):
        # A finer group goes where its first token goes, so that groups nest.
        first = np.unique(levels[-1], return_index=True)[1]
        coarser = codec.coarse(mass, n_groups)[first]
        levels.append(np.unique(coarser, return_inverse=True)[1][levels[-1]])
    return np.stack(levels[::-1])
