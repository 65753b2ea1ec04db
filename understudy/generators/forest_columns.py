"""One column of `forest`: its trees and leaf distributions, or the lookup that determines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from understudy.dependencies import functional_dependencies
from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.generators import trees
from understudy.schema import TableSchema

if TYPE_CHECKING:
    from understudy.generators.forest import ForestConfig

LEVELS = (12, 48)
"""About how many groups of tokens each level has. Trees split for the first: a shift of a number shows in a few
groups, and pays for few. One row more in a group of prior share q multiplies its probability by about 1 + 1 / (w q):
a few large groups at each level keep that small, where a leaf over 256 tokens would name its rows."""


@dataclass
class ColumnForest:
    """The trees of one column, laid end to end, and the token distribution of each leaf.

    Attributes:
        index: the column's place in the codec.
        feature, mask, left: nodes of all trees, as in `trees.Tree`, with `left` counted over all.
        roots: (n_trees,) int32, the root of each tree.
        row: (n_nodes,) int32, the row of `pmf` that belongs to a leaf, -1 for inner nodes.
        pmf: (n_leaves, n_tokens) float32.
        determinant: the column whose token determines this one's, -1 if it is drawn from trees.
        table: (n_tokens of the determinant,) uint8, the lookup.
    """

    index: int
    feature: np.ndarray
    mask: np.ndarray
    left: np.ndarray
    roots: np.ndarray
    row: np.ndarray
    pmf: np.ndarray
    determinant: int = -1
    table: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.cdf = np.cumsum(self.pmf, axis=1, dtype=np.float64).astype(np.float32)

    @classmethod
    def lookup(cls, index: int, determinant: int, table: np.ndarray) -> ColumnForest:
        none = np.empty(0, dtype=np.int32)
        return cls(
            index, none, none, none, none, none, np.empty((0, 1), dtype=np.float32), determinant, table
        )

    def _leaf_rows(self, codes: np.ndarray, start: np.ndarray) -> np.ndarray:
        nodes = np.empty(codes.shape[1], dtype=np.int32)
        trees.leaves(codes, self.feature, self.mask, self.left, start, nodes)
        return self.row[nodes]

    def draw(
        self, codes: np.ndarray, u: np.ndarray, share: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (n,) uint8, and the probability of the condition `share` (n_tokens,) per row, if there is one.

        `u` (n,) uniform on [0, 1) is used up and left uniform within the token.
        """
        if self.table is not None:
            tokens = self.table[codes[self.determinant]]
            return tokens, None if share is None else share[tokens]
        u *= len(self.roots)
        which = u.astype(np.int32)
        u -= which
        leaf = self._leaf_rows(codes, self.roots[which])
        tokens = np.empty(len(u), dtype=np.uint8)
        if share is None:
            trees.draw(leaf, self.cdf, u, tokens)
            return tokens, None
        allowed = self.pmf * share.astype(np.float32)
        trees.draw(leaf, np.cumsum(allowed, axis=1, dtype=np.float64).astype(np.float32), u, tokens)
        return tokens, allowed.sum(axis=1, dtype=np.float64)[leaf]

    def probability(self, codes: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """P(value | earlier columns), (n,), averaged over the trees; `parts` as from `Codec.parts`."""
        total = np.zeros(codes.shape[1])
        if self.table is not None:
            for tokens, mass in parts:
                total += mass * (self.table[codes[self.determinant]] == tokens)
            return total
        for root in self.roots:
            leaf = self._leaf_rows(codes, np.full(codes.shape[1], root, dtype=np.int32))
            for tokens, mass in parts:
                total += self.pmf[leaf, tokens] * mass
        return total / len(self.roots)

    def meta(self) -> dict[str, Any]:
        return {"index": self.index, "determinant": self.determinant}

    def arrays(self) -> dict[str, np.ndarray]:
        if self.table is not None:
            return {"table": self.table}
        return {k: getattr(self, k) for k in ("feature", "mask", "left", "roots", "row", "pmf")}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ColumnForest:
        if meta["determinant"] >= 0:
            return cls.lookup(meta["index"], meta["determinant"], arrays["table"])
        a = arrays
        return cls(meta["index"], a["feature"], a["mask"], a["left"], a["roots"], a["row"], a["pmf"])


def fit_column(
    index: int, earlier: np.ndarray, codec: Codec, tokens: np.ndarray, codes: np.ndarray, ordered: np.ndarray,
    weight: np.ndarray, config: ForestConfig, rng: np.random.Generator,
) -> ColumnForest:  # fmt: skip
    """Grow the trees of one column on the `earlier` ones.

    tokens, codes (n_columns, n_rows) uint8; ordered (n_columns,) bool; weight (n_rows,) as `unit_weights`.
    """
    y = tokens[index]
    n, n_tokens = len(y), codec.n_tokens
    mass = np.bincount(y, minlength=n_tokens)
    levels = token_levels(codec, mass)
    classes, n_classes = levels[0][y].astype(np.uint8), int(levels[0].max()) + 1
    weights = np.array([config.shrinkage] + [config.shrinkage_within] * (len(levels) - 1))
    emit = codec.emittable()
    floor = (mass + 0.5) * emit
    floor /= floor.sum()
    n_trees = config.n_trees if len(earlier) else 1
    # The rows of a unit repeat each other: they are evidence for one (the design effect, Kish 1965).
    rows_a_unit = n / weight.sum()
    parts, pmfs, roots = [], [], []
    n_nodes = n_leaves = 0
    everything = np.zeros(n, dtype=np.int32)
    for _ in range(n_trees):
        size = max(int(n * config.subsample), min(n, 2)) if len(earlier) else n
        rows = rng.permutation(n)[:size]
        # A subsample counts fewer units: keep the least leaf in units of the whole table.
        least = config.min_leaf * size / n
        tree = trees.Tree(*trees.grow(
            codes, ordered, earlier, classes, weight, rows, n_classes, least, config.penalty * rows_a_unit,
            config.max_depth,
        ))  # fmt: skip
        nodes = np.empty(n, dtype=np.int32)
        trees.leaves(codes, tree.feature, tree.mask, tree.left, everything, nodes)
        counts = trees.count(nodes, y, len(tree.feature), n_tokens)
        p = emit * trees.shrink(counts, tree.feature, tree.left, levels, weights * rows_a_unit, floor)
        leaf = tree.feature < 0
        pmfs.append(p[leaf] / p[leaf].sum(axis=1, keepdims=True))
        row = np.where(leaf, np.cumsum(leaf) - 1 + n_leaves, -1)
        parts.append((tree.feature, tree.mask, tree.left + n_nodes, row))
        roots.append(n_nodes)
        n_nodes += len(tree.feature)
        n_leaves += int(leaf.sum())
    feature, mask, left, row = (np.concatenate(x) for x in zip(*parts, strict=True))
    return ColumnForest(
        index, feature, mask, left.astype(np.int32), np.array(roots, dtype=np.int32), row.astype(np.int32),
        np.concatenate(pmfs).astype(np.float32),
    )  # fmt: skip


def token_levels(codec: Codec, mass: np.ndarray) -> np.ndarray:
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


def derived_columns(
    table: pd.DataFrame, schema: TableSchema, codec: TableCodec, tokens: np.ndarray
) -> dict[int, tuple[int, np.ndarray]]:
    """Columns to look up instead of learning: {column: (determinant, token table)}.

    Both sides must be emitted exactly: every token one value. Of a mutual pair the first column is learnt.
    """
    found: dict[int, tuple[int, np.ndarray]] = {}
    exact = [_one_value_each(c) for c in codec.codecs]
    for d in functional_dependencies(table, schema):
        a, b = codec.index(d.determinant), codec.index(d.dependent)
        if b in found or a in found or d.dependent == schema.target or not (exact[a] and exact[b]):
            continue
        if any(b == source for source, _ in found.values()):
            continue
        lookup = np.zeros(codec.codecs[a].n_tokens, dtype=np.uint8)
        lookup[tokens[a]] = tokens[b]
        if np.array_equal(lookup[tokens[a]], tokens[b]):
            found[b] = (a, lookup)
    return found


def _one_value_each(codec: Codec) -> bool:
    if isinstance(codec, CategoricalCodec):
        return len(codec.labels) == len(np.unique(codec.token_of)) and not codec.emit_other
    return bool(codec.exact.all())
