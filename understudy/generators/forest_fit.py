"""How `forest` learns its columns: what to model each one by, in which order, on which features.

What is open is decided by the likelihood of rows that the trial didn't learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from understudy.encoding import Codec, TableCodec
from understudy.encoding.numerical import NumericalCodec
from understudy.encoding.relative import RelativeCodec, fit_relative
from understudy.generators import trees
from understudy.generators.bag import fit_bag, token_levels
from understudy.generators.forest_columns import ColumnModel, TokenColumn
from understudy.generators.forest_relative import RelativeColumn
from understudy.generators.lookups import LookupColumn
from understudy.generators.rows import Rows

if TYPE_CHECKING:
    from understudy.generators.forest import ForestConfig

TRIAL_ROWS = 8_000
TRIAL_TREES = 2
LEAST_GAIN = 0.01  # nats a row by which another way must beat the plain one
MAX_FEATURES = 64
MAX_ORDERED = 64  # with more columns the order isn't tried out
_FLOOR = 1e-12


@dataclass(frozen=True)
class Learning:
    """What the columns are learnt from.

    Attributes:
        rows: all columns known.
        weight: (n,) as `unit_weights`.
        lookups: {column: LookupColumn}, the columns that another one determines.
    """

    rows: Rows
    weight: np.ndarray
    lookups: dict[int, LookupColumn]
    config: ForestConfig

    @property
    def codec(self) -> TableCodec:
        return self.rows.codec

    def take(self, rows: np.ndarray, config: ForestConfig) -> Learning:
        return Learning(self.rows.take(rows), self.weight[rows], self.lookups, config)

    def trial(self, rng: np.random.Generator) -> tuple[Learning, Rows]:
        """A few rows to learn from with few trees, and others to be judged by; no unit is in both but by chance."""
        at = rng.permutation(self.rows.n)[: 2 * TRIAL_ROWS]
        half = len(at) // 2
        quick = self.config.model_copy(update={"n_trees": min(TRIAL_TREES, self.config.n_trees)})
        return self.take(at[:half], quick), self.rows.take(at[half:])


def fit_columns(
    learning: Learning, order: list[int], rng: np.random.Generator, threads: int,
    tell: Callable[[int], None] = lambda j: None,
) -> list[ColumnModel]:  # fmt: skip
    """Models of the columns in `order`, each followed by those it determines."""
    plan: list[int] = []
    for j in order:
        plan += [j, *(d for d, model in learning.lookups.items() if model.determinant == j)]
    seeds = rng.spawn(len(plan))

    def one(at: int) -> ColumnModel:
        j = plan[at]
        model = learning.lookups.get(j) or fit_column(j, np.array(plan[:at], dtype=np.int64), learning, seeds[at])
        tell(j)
        return model

    with ThreadPoolExecutor(threads) as pool:
        # The last columns have most to split on: begin with them.
        futures = {at: pool.submit(one, at) for at in reversed(range(len(plan)))}
        return [futures[at].result() for at in range(len(plan))]


def choose_order(
    learning: Learning, target: int | None, rng: np.random.Generator, threads: int
) -> list[int]:
    """The order of the columns to learn, the target first: that of the table, or by falling or rising number of
    distinct values, whichever gives unseen rows the highest likelihood."""
    free = [j for j in range(len(learning.codec.codecs)) if j not in learning.lookups]
    distinct = {j: len(np.unique(learning.rows.values[j][:TRIAL_ROWS])) for j in free}
    orders = [free, sorted(free, key=lambda j: -distinct[j]), sorted(free, key=lambda j: distinct[j])]
    orders = [sorted(o, key=lambda j: j != target) for o in orders]
    if len(free) > MAX_ORDERED:
        return orders[1]
    few, judge = learning.trial(rng)
    scores = []
    for order in orders:
        columns = fit_columns(few, order, np.random.default_rng(0), threads)
        scores.append(sum(log_probability(c, judge).mean() for c in columns if not isinstance(c, LookupColumn)))
    return orders[int(np.argmax(scores))]


def log_probability(column: ColumnModel, rows: Rows) -> np.ndarray:
    return np.log(np.maximum(column.probability(rows), _FLOOR))


def fit_column(index: int, earlier: np.ndarray, learning: Learning, rng: np.random.Generator) -> ColumnModel:
    """The model of column `index` given the `earlier` ones: of its tokens, or relative to other numbers."""
    raw = learning.codec.codecs[index]
    ways: list[RelativeCodec | None] = [None]
    if isinstance(raw, NumericalCodec) and not (raw.exact.all() and len(raw.knots) < 40):
        numbers = np.array(
            [k for k in earlier if isinstance(learning.codec.codecs[k], NumericalCodec)], dtype=np.int64
        )
        for bent in (False, True) if len(numbers) else ():
            found = fit_relative(
                index, numbers, raw, learning.rows.values, learning.weight, learning.config.min_units, bent=bent,
                rng=rng.spawn(1)[0],
            )  # fmt: skip
            ways += [found] if found else []
    best = 0
    if len(ways) > 1:
        few, judge = learning.trial(rng.spawn(1)[0])
        seeds = rng.spawn(len(ways))
        scores = [
            log_probability(_fit_way(index, way, earlier, few, seed), judge).mean() for way, seed in zip(ways, seeds, strict=True)
        ]
        best = int(np.argmax(np.array(scores) - LEAST_GAIN * (np.arange(len(ways)) > 0)))
    return _fit_way(index, ways[best], earlier, learning, rng)


def _fit_way(
    index: int, way: RelativeCodec | None, earlier: np.ndarray, learning: Learning, rng: np.random.Generator
) -> ColumnModel:
    rows, codes = learning.rows, learning.rows.codes
    ordered = np.array([isinstance(c, NumericalCodec) for c in learning.codec.codecs] + [True])
    codec: Codec | RelativeCodec = way or learning.codec.codecs[index]
    if way:
        f = way.predict(rows.values, rows.n)
        y = way.encode(rows.values[index], rows.values, f)
        codes = np.vstack([codes[:-1], way.prediction_codes(f)[None]])
    else:
        y = tokens_of(learning.codec.codecs[index], rows.values[index])
    features = _screened(earlier, y, codec, codes, rng)
    if way:
        features = np.append(features, len(codes) - 1)
    bag = fit_bag(y, codec, codes, ordered, features, learning.weight, learning.config, rng)
    return RelativeColumn(index, way, bag) if way else TokenColumn(index, bag)


def tokens_of(codec: Codec, values: np.ndarray) -> np.ndarray:
    return codec.tokens_of(values)


def _screened(
    earlier: np.ndarray, y: np.ndarray, codec: Codec | RelativeCodec, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The `MAX_FEATURES` earlier columns that share most information with y, in their order."""
    if len(earlier) <= MAX_FEATURES:
        return earlier
    levels = token_levels(codec, np.bincount(y, minlength=codec.n_tokens))[0]
    rows = rng.permutation(len(y))[:TRIAL_ROWS]
    gains = np.empty(len(earlier))
    trees.screen(codes, earlier, levels[y].astype(np.int64), rows, int(levels.max()) + 1, gains)
    return np.sort(earlier[np.argsort(-gains, kind="stable")[:MAX_FEATURES]])
