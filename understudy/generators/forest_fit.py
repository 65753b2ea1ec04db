"""How `forest` learns its columns: what to model each one by, on which features.

A column of numbers is modelled relative to others where that gives rows that a trial didn't learn from a higher
likelihood. The order of the columns is the table's: by falling or rising number of distinct values, or whichever
order gave unseen rows the highest likelihood, tables came out worse more often than better.
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
from understudy.generators.bag import fit_bag, token_levels
from understudy.generators.forest_columns import ColumnModel, TokenColumn
from understudy.generators.forest_relative import RelativeColumn
from understudy.generators.lookups import LookupColumn
from understudy.generators.rows import Rows
from understudy.generators.screening import screen

if TYPE_CHECKING:
    from understudy.generators.forest_settings import ForestConfig

TRIAL_ROWS = 8_000
TRIAL_TREES = 2
LEAST_GAIN = 0.01  # nats a row by which another way must beat the plain one
MAX_FEATURES = 64
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

    def trial(self, rng: np.random.Generator) -> tuple[Learning, np.ndarray, Rows]:
        """A few rows to learn from with few trees, their places, and others to be judged by."""
        at = rng.permutation(self.rows.n)[: 2 * TRIAL_ROWS]
        half = len(at) // 2
        quick = self.config.model_copy(update={"n_trees": min(TRIAL_TREES, self.config.n_trees)})
        return self.take(at[:half], quick), at[:half], self.rows.take(at[half:])


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


def log_probability(column: ColumnModel, rows: Rows) -> np.ndarray:
    return np.log(np.maximum(column.probability(rows), _FLOOR))


def fit_column(index: int, earlier: np.ndarray, learning: Learning, rng: np.random.Generator) -> ColumnModel:
    """The model of column `index` given the `earlier` ones: of its tokens, or relative to other numbers."""
    own, values = learning.codec.codecs[index], learning.rows.values
    ways: list[tuple[Codec | RelativeCodec, np.ndarray]] = [(own, own.tokens_of(values[index]))]
    if isinstance(own, NumericalCodec) and not (own.exact.all() and len(own.knots) < 40):
        numbers = np.array([k for k in earlier if isinstance(learning.codec.codecs[k], NumericalCodec)], dtype=np.int64)
        for bent in (False, True) if len(numbers) else ():
            found = fit_relative(
                index, numbers, own, values, learning.weight, learning.config.min_units, bent=bent,
                rng=rng.spawn(1)[0],
            )  # fmt: skip
            ways += [found] if found else []
    best = 0
    if len(ways) > 1:
        few, learn, judge = learning.trial(rng.spawn(1)[0])
        scores = []
        for (codec, tokens), seed in zip(ways, rng.spawn(len(ways)), strict=True):
            model = _fit_way(index, codec, tokens[learn], earlier, few, seed)
            scores.append(log_probability(model, judge).mean())
        best = int(np.argmax(np.array(scores) - LEAST_GAIN * (np.arange(len(ways)) > 0)))
    return _fit_way(index, *ways[best], earlier, learning, rng)


def _fit_way(
    index: int, codec: Codec | RelativeCodec, tokens: np.ndarray, earlier: np.ndarray, learning: Learning,
    rng: np.random.Generator,
) -> ColumnModel:  # fmt: skip
    rows, codes = learning.rows, learning.rows.codes
    ordered = np.array([isinstance(c, NumericalCodec) for c in learning.codec.codecs] + [True])
    features = _screened(earlier, tokens, codec, codes, rng)
    if isinstance(codec, RelativeCodec):
        codes = np.vstack([codes[:-1], codec.prediction_codes(codec.predict(rows.values, rows.n))[None]])
        features = np.append(features, len(codes) - 1)
    bag = fit_bag(tokens, codec, codes, ordered, features, learning.weight, learning.config, rng)
    return RelativeColumn(index, codec, bag) if isinstance(codec, RelativeCodec) else TokenColumn(index, bag)


def _screened(
    earlier: np.ndarray, y: np.ndarray, codec: Codec | RelativeCodec, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The `MAX_FEATURES` earlier columns that share most information with y, in their order."""
    if len(earlier) <= MAX_FEATURES:
        return earlier
    levels = token_levels(codec, np.bincount(y, minlength=codec.n_tokens))[0]
    rows = rng.permutation(len(y))[:TRIAL_ROWS]
    gains = np.empty(len(earlier))
    screen(codes, earlier, levels[y].astype(np.int64), rows, int(levels.max()) + 1, gains)
    return np.sort(earlier[np.argsort(-gains, kind="stable")[:MAX_FEATURES]])
