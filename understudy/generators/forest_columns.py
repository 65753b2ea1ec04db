"""One column of `forest`, given those before it: from its tokens, relative to others, or looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from understudy.encoding import TableCodec
from understudy.encoding.numerical import NumericalCodec
from understudy.encoding.relative import RelativeCodec
from understudy.generators import draws
from understudy.generators.bag import Bag, cumulative
from understudy.generators.forest_relative import RelativeColumn
from understudy.generators.lookups import LookupColumn, from_token_table
from understudy.generators.rows import Condition, Rows


class ColumnModel(Protocol):
    """P(column | the columns before it)."""

    kind: ClassVar[str]
    index: int

    def draw(self, rows: Rows, rng: np.random.Generator, condition: Condition | None) -> np.ndarray | None:
        """Put the column's values into `rows`; the probability of the condition given the row so far, (n,)."""
        ...

    def probability(self, rows: Rows) -> np.ndarray:
        """P(value | earlier columns), (n,): on the column's grid, a density where it is continuous."""
        ...

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]: ...


@dataclass
class TokenColumn:
    """A bag over the tokens of the column's own codec."""

    index: int
    bag: Bag
    kind: ClassVar[str] = "tokens"

    def draw(self, rows: Rows, rng: np.random.Generator, condition: Condition | None) -> np.ndarray | None:
        leaf, u = self.bag.pick(rows.codes, rng, spread=condition is None)
        tokens = np.empty(rows.n, dtype=np.uint8)
        codec, mass, cdf = rows.codec.codecs[self.index], None, self.bag.cdf
        if condition is not None:
            allowed = self.bag.pmf * condition.share.astype(np.float32)
            codec, mass, cdf = condition.codec, allowed.sum(axis=1, dtype=np.float64)[leaf], cumulative(allowed)
        draws.draw(leaf, cdf, u, tokens)
        rows.put(self.index, codec.decode(tokens, u))
        return mass

    def probability(self, rows: Rows) -> np.ndarray:
        codec = rows.codec.codecs[self.index]
        parts = codec.parts_of(rows.values[self.index])
        total = np.zeros(rows.n)
        for root in self.bag.roots:
            leaf = self.bag.leaves(rows.codes, root)
            for tokens, mass in parts:
                total += self.bag.pmf[leaf, tokens] * mass
        return total / len(self.bag.roots)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"index": self.index, "kind": self.kind}, self.bag.arrays()


def column_from_state(codec: TableCodec, meta: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> ColumnModel:
    """Raises KeyError, ValueError or IndexError for what doesn't fit together."""
    index = meta["index"]
    kind = meta.get("kind") or ("tokens" if meta["determinant"] < 0 else "table")
    if kind == "tokens":
        return TokenColumn(index, Bag.from_arrays(arrays))
    if kind == "lookup":
        return LookupColumn(index, meta["determinant"], arrays["cuts"], arrays["found"])
    if kind == "relative":
        raw = codec.codecs[index]
        if not isinstance(raw, NumericalCodec):
            raise ValueError(f"column {index} is not of numbers")
        return RelativeColumn(index, RelativeCodec.from_state(raw, meta["codec"], arrays), Bag.from_arrays(arrays))
    if kind == "table":
        return from_token_table(codec, index, meta["determinant"], arrays["table"])
    raise ValueError(f"a column of kind {kind!r}")
