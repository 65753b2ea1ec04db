"""The tables of one audit as arrays: what every attack, control and tier-0 check reads.

Rows are compared in Gower's geometry (Biometrics 27, 1971): numerical and datetime columns by rank
on the reference table, categorical and boolean ones by equality, each column counting at most 1. Ranks hide how far out
an outlier lies, so rows are compared by value, too (`Scale.by_value`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from understudy.audit.model import Model, Refit
from understudy.audit.neighbours import Geometry, nearest
from understudy.audit.scale import Scale
from understudy.errors import SchemaError, TableError
from understudy.schema import Column, TableSchema
from understudy.splits import unit_codes

MAX_REFIT_ROWS = 10_000
"""Rows that an attacker's own generator learns: more take longer and are hardly sharper."""
NEIGHBOURS = 20
"""Neighbours kept per row: DPI looks at 20, the distance attack at 1 and 5."""


@dataclass(frozen=True, eq=False)
class Block:
    """One table, encoded.

    Attributes:
        numbers: (n_rows, p) float64, the values of numerical and datetime columns, NaN = missing.
        codes: (n_rows, q) int32, categorical and boolean columns; equal codes are equal values in all
            blocks of one audit, -1 = missing.
        geometry: the same rows as the distance sees them.
        units: (n_rows,) int64, the privacy unit of each row, numbered from 0.
        frame: the same rows as they came, for attacks that fit a generator.
    """

    numbers: np.ndarray
    codes: np.ndarray
    geometry: Geometry
    units: np.ndarray
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.units)

    def take(self, rows: np.ndarray) -> Block:
        """The given rows (positions or a mask); units keep their numbers."""
        return Block(
            self.numbers[rows], self.codes[rows], self.geometry.take(rows), self.units[rows], self.frame.iloc[rows]
        )

    def append(self, other: Block) -> Block:
        """Both tables' rows; units keep their numbers."""
        return Block(
            np.vstack([self.numbers, other.numbers]),
            np.vstack([self.codes, other.codes]),
            self.geometry.append(other.geometry),
            np.concatenate([self.units, other.units]),
            pd.concat([self.frame, other.frame], ignore_index=True),
        )

    def features(self) -> np.ndarray:
        """(n_rows, p + q) float64 for trees: values and codes side by side, NaN = missing."""
        return np.hstack([self.numbers, np.where(self.codes < 0, np.nan, self.codes)])

    def keys(self) -> np.ndarray:
        """(n_rows, p + q) int64 such that rows with equal keys hold equal values."""
        bits = np.where(self.numbers == 0, 0.0, self.numbers).view(np.int64)  # -0.0 equals 0.0
        bits = np.where(np.isnan(self.numbers), np.iinfo(np.int64).min, bits)
        return np.hstack([bits, self.codes.astype(np.int64)])


@dataclass(frozen=True, eq=False)
class AuditTables:
    """The audit pool A with its coin, the reference table R and the synthetic table S.

    Attributes:
        columns: the modelled columns; numerical and datetime ones first, as in `Block.numbers`.
        levels: (q,) how many codes each column of `Block.codes` has.
        pool: the rows of A.
        member: (n_units,) bool, the coin of each unit of A: did it train?
        reference: R; never trained, never a target.
        synthetic: S.
        scale: of the numbers.
        model: the released generator, for white-box attacks; None: only S is known.
        refit: how an attacker fits a generator like it; None: they can't.
        seed: of what is fitted once for all attacks.
    """

    columns: tuple[Column, ...]
    levels: tuple[int, ...]
    pool: Block
    member: np.ndarray
    reference: Block
    synthetic: Block
    scale: Scale
    model: Model | None = None
    refit: Refit | None = None
    seed: int = 0

    @property
    def n_units(self) -> int:
        return len(self.member)

    def per_unit(self, row_scores: np.ndarray) -> np.ndarray:
        """(n_units,) the mean of each unit's row scores (n_rows,).

        All rows of a unit are on one side, and row scores are log-likelihood ratios or monotone in
        one, whose sum is the most powerful score of a unit (Neyman and Pearson); the mean is that sum
        freed of the number of rows, which says nothing about membership.
        """
        rows = np.bincount(self.pool.units, minlength=self.n_units)
        return np.bincount(self.pool.units, weights=row_scores, minlength=self.n_units) / rows

    def any_of_unit(self, rows: np.ndarray) -> np.ndarray:
        """(n_units,) bool, whether any row of the unit is True in `rows` (n_rows,)."""
        return np.bincount(self.pool.units, weights=rows, minlength=self.n_units) > 0

    @cached_property
    def to_synthetic(self) -> np.ndarray:
        """(n_pool_rows, <= 20) distances of each row of A to its nearest rows of S, ascending."""
        return nearest(self.pool.geometry, self.synthetic.geometry, NEIGHBOURS)

    @cached_property
    def to_reference(self) -> np.ndarray:
        """(n_pool_rows, <= 20) distances of each row of A to its nearest rows of R, ascending."""
        return nearest(self.pool.geometry, self.reference.geometry, NEIGHBOURS)

    @cached_property
    def to_synthetic_by_value(self) -> np.ndarray:
        """(n_pool_rows, 1) distances by value of each row of A to its nearest row of S."""
        return nearest(self._by_value(self.pool), self._by_value(self.synthetic), 1)

    @cached_property
    def to_reference_by_value(self) -> np.ndarray:
        """(n_pool_rows, <= 20) distances by value of each row of A to its nearest rows of R, ascending."""
        return nearest(self._by_value(self.pool), self._by_value(self.reference), NEIGHBOURS)

    def _by_value(self, block: Block) -> Geometry:
        return self.scale.by_value(block.numbers, block.geometry)

    @cached_property
    def reference_density(self) -> np.ndarray | None:
        """(n_pool_rows,) log-density of A's rows under a generator fitted on R; None without one (`fitted_density`)."""
        return fitted_density(self, self.reference, np.random.default_rng(self.seed))

    def equal_parts(self, most: int, rng: np.random.Generator) -> list[tuple[Block, Block]]:
        """Pairs of a part of S and R, of equal size: disjoint parts of a larger S, at most `most`,
        or one of S and a part of a larger R. Rows are drawn, and ordered, at random."""
        n_s, n_r = len(self.synthetic), len(self.reference)
        if n_s < n_r:
            return [(self.synthetic, self.reference.take(rng.permutation(n_r)[:n_s]))]
        order = rng.permutation(n_s)
        parts = [order[i * n_r : (i + 1) * n_r] for i in range(min(most, n_s // n_r))]
        return [(self.synthetic if n_s == n_r else self.synthetic.take(p), self.reference) for p in parts]

    def replace(self, **blocks: Block) -> AuditTables:
        """The same audit with another `synthetic` (or `reference`) block; another S is of no known model."""
        model = None if "synthetic" in blocks else self.model
        other = dataclasses.replace(self, model=model, **blocks)  # type: ignore[arg-type]
        for name in ("to_reference", "to_reference_by_value", "reference_density"):  # what depends on R alone
            if "reference" not in blocks and name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other

    def vulnerable(self, share: float, neighbours: int) -> np.ndarray:
        """(n_units,) bool: the `share` of units that lie farthest from others, the stratum V.

        By `isolation`, which looks at neither S nor the coin.
        """
        chosen = np.zeros(self.n_units, dtype=bool)
        chosen[np.argsort(-self.isolation(neighbours), kind="stable")[: round(share * self.n_units)]] = True
        return chosen

    def isolation(self, neighbours: int) -> np.ndarray:
        """(n_units,) a unit's standing in (0, 1]: the share of units that lie no farther from others.

        By the mean distance of its rows to their `neighbours` nearest rows of R and of other units (privacy-audit.md);
        the higher of its standings by rank and by value. By rank alone the units with the most extreme numbers are
        no more isolated than any others (one in six of them is in the tenth, simulated), and those a generator
        remembers first.
        """
        standing = np.zeros(self.n_units)
        pools = (self.pool.geometry, self.to_reference), (self._by_value(self.pool), self.to_reference_by_value)
        for pool, to_reference in pools:
            others = nearest(pool, pool, neighbours, units=self.pool.units)
            distances = np.sort(np.hstack([to_reference[:, :neighbours], others]), axis=1)[:, :neighbours]
            isolated = self.per_unit(distances.mean(axis=1))
            standing = np.maximum(standing, rankdata(isolated, method="max") / self.n_units)
        return standing


def fitted_density(tables: AuditTables, block: Block, rng: np.random.Generator) -> np.ndarray | None:
    """(n_pool_rows,) `bounded` log-density of A's rows under a generator fitted on rows of `block`, which is S or R.

    As many rows of either are learnt. None where attackers can't refit, or the generator has no density.
    """
    if tables.refit is None:
        return None
    most = min(MAX_REFIT_ROWS, len(tables.synthetic), len(tables.reference))
    rows = np.sort(rng.permutation(len(block))[:most])
    density = tables.refit(block.frame.iloc[rows], rng).log_density(tables.pool.frame)
    return None if density is None else bounded(density)


def bounded(log_density: np.ndarray) -> np.ndarray:
    """(n,) with what a generator can't emit (-inf) at a hundredth of the least probable of the others."""
    finite = log_density[np.isfinite(log_density)]
    low = float(finite.min()) - np.log(100) if len(finite) else 0.0
    return np.nan_to_num(np.maximum(log_density, low), nan=low, posinf=float(finite.max()) if len(finite) else 0.0)


def build(
    tables: Mapping[str, pd.DataFrame], schema: TableSchema, *, model: Model | None = None, refit: Refit | None = None,
    seed: int = 0,
) -> AuditTables:  # fmt: skip
    """Encode conformed tables named members, nonmembers, reference and synthetic.

    Raises TableError for a table without rows and SchemaError for one without a modelled column.
    """
    columns = schema.modelled
    if not columns:
        raise SchemaError("the schema has no column that a generator learns; there is nothing to audit")
    for name, table in tables.items():
        if not len(table):
            raise TableError(f"the {name} table has no rows; the audit needs all four tables")
        absent = [c.name for c in columns if c.name not in table.columns]
        if absent:
            raise SchemaError(f"the {name} table lacks column {absent[0]!r}; give a table that fits the schema")
    quantities = tuple(c for c in columns if c.kind in ("numerical", "datetime"))
    labels = tuple(c for c in columns if c not in quantities)
    numbers = {n: numbers_of(t, quantities) for n, t in tables.items()}
    codes, levels = _codes(tables, labels)
    scale = Scale.of(numbers["reference"], list(numbers.values()))
    units = {n: unit_codes(t, schema.unit if schema.unit in t.columns else None) for n, t in tables.items()}
    blocks = {
        n: Block(numbers[n], codes[n], scale.geometry(numbers[n], codes[n], levels), units[n][0], t)
        for n, t in tables.items()
    }
    n_in, n_out = units["members"][1], units["nonmembers"][1]
    nonmembers = dataclasses.replace(blocks["nonmembers"], units=units["nonmembers"][0] + n_in)
    return AuditTables(
        columns=quantities + labels,
        levels=levels,
        pool=blocks["members"].append(nonmembers),
        member=np.arange(n_in + n_out) < n_in,
        reference=blocks["reference"],
        synthetic=blocks["synthetic"],
        scale=scale,
        model=model,
        refit=refit,
        seed=seed,
    )


def numbers_of(table: pd.DataFrame, columns: tuple[Column, ...]) -> np.ndarray:
    """(n_rows, p) float64, NaN = missing, of numerical and datetime columns."""
    values = np.empty((len(table), len(columns)))
    for j, column in enumerate(columns):
        series = table[column.name]
        if column.kind == "datetime":
            stamps = series.to_numpy(dtype="datetime64[ns]")
            values[:, j] = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(float))
        else:
            values[:, j] = series.to_numpy(dtype=float, na_value=np.nan)
    return values


def _codes(
    tables: Mapping[str, pd.DataFrame], columns: tuple[Column, ...]
) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """Each table's codes over the values that all tables have between them, in the order of their names.

    In the order in which they first occur the codes of a column of many categories would tell the coin: the last ones
    would be those that no member has.
    """
    codes = {n: np.empty((len(t), len(columns)), dtype=np.int32) for n, t in tables.items()}
    levels = []
    for j, column in enumerate(columns):
        series = [t[column.name].astype(object) for t in tables.values()]
        joined, values = pd.factorize(pd.concat(series, ignore_index=True), sort=False)
        place = np.empty(len(values) + 1, dtype=np.int32)
        place[np.argsort([str(v) for v in values], kind="stable")] = np.arange(len(values))
        place[-1] = -1
        parts = np.split(place[joined], np.cumsum([len(s) for s in series])[:-1])
        for name, part in zip(tables, parts, strict=True):
            codes[name][:, j] = part
        levels.append(len(values))
    return codes, tuple(levels)
