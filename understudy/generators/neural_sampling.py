"""Draw from a fitted network: rows, rows under conditions, missing cells; and densities."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from understudy.encoding import Codec
from understudy.errors import ConfigError
from understudy.generators.neural_compiled import CompiledMlp
from understudy.generators.neural_mlp import NarrowMlp
from understudy.generators.neural_network import threads
from understudy.generators.neural_rows import Model, Rows
from understudy.generators.rows import NO_PROBABILITY, Condition
from understudy.generators.rows import Rows as TableRows

MOST_CANDIDATE_CHUNKS = 256
COMPILED_CHUNK = 4096
FEWEST_CANDIDATES = 4096
MOST_WEIGHT = 20.0
"""Weights of candidates are cut at so many times their mean."""

Part = dict[int, np.ndarray]


class Sampler:
    """Draws from a model, on its network's device. Columns are counted in the layout's order unless said otherwise."""

    def __init__(self, model: Model) -> None:
        self.model, self.chunk = model, model.network.most_rows()
        self.place = {int(j): i for i, j in enumerate(model.layout.columns)}
        plain = model.temperature == 1.0 and model.top_p == 1.0 and model.network.device.type == "cpu"
        self.compiled = CompiledMlp(model.network) if plain and isinstance(model.network, NarrowMlp) else None
        if self.compiled:  # as fast in smaller chunks, for some 50 MB less
            self.chunk = min(self.chunk, COMPILED_CHUNK)

    def rows(self, n_rows: int, rng: np.random.Generator, conditions: Mapping[int, Condition]) -> Part:
        """Values of all columns by their place in the codec: floats, or label indices for categories.

        `conditions` too are by place in the codec. Raises ConfigError for those that together have no probability.
        """
        sizes = [min(self.chunk, n_rows - a) for a in range(0, max(n_rows, 1), self.chunk)]
        conditions = self._of_learnt(conditions)
        codecs = {j: c.codec for j, c in conditions.items()}
        shares = self._shares(conditions)

        def one(size: int, own: np.random.Generator) -> Part:
            with torch.inference_mode():
                return self._conditioned(size, own, shares, codecs) if shares else self._free(size, own)

        parts = self._map(one, sizes, rng.spawn(len(sizes)))
        return {j: np.concatenate([p[j] for p in parts]) for j in parts[0]}

    def _map(self, one: Callable[..., Part], sizes: list[int], rngs: list[np.random.Generator]) -> list[Part]:
        """`one` of every chunk: on a CPU several at a time, each on one thread; the answer doesn't depend on that."""
        if self.model.network.device.type != "cpu":
            return list(map(one, sizes, rngs))
        with threads(torch.get_num_threads()), ThreadPoolExecutor(
            min(os.cpu_count() or 1, 8), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return list(pool.map(one, sizes, rngs))

    def _free(self, n_rows: int, rng: np.random.Generator) -> Part:
        rows = Rows(self.model, n_rows, rng, {})
        if self.compiled:
            seen = np.empty((self.model.layout.n_columns, n_rows), dtype=np.uint8)
            for i in range(len(seen)):
                seen[i] = rows.note(i, self.compiled.draw(i, seen[:i], rng))
        else:
            for i in range(self.model.layout.n_columns):
                rows.draw(i)
        return rows.decoded()

    def _of_learnt(self, conditions: Mapping[int, Condition]) -> dict[int, Condition]:
        """The same conditions; what is asked of a column that is looked up is asked of its determinant."""
        found = {j: c for j, c in conditions.items() if j not in self.model.lookups}
        for j, lookup in self.model.lookups.items():
            if j in conditions:
                a = lookup.determinant
                met = conditions[j].met(lookup.found)
                found[a] = lookup.narrowed(met, self.model.codec.codecs[a], found.get(a))
        return found

    def _shares(self, conditions: Mapping[int, Condition]) -> dict[int, Tensor]:
        """The allowed share of each token of the conditioned columns, (most_tokens,), single tokens first."""
        found = {self.place[j]: c.share for j, c in conditions.items()}
        if any(not share.any() for share in found.values()):
            raise ConfigError(NO_PROBABILITY)
        order = sorted(found, key=lambda i: (np.count_nonzero(found[i]) > 1, i))
        return {i: self.model.padded(found[i]) for i in order}

    def _conditioned(
        self, n_rows: int, rng: np.random.Generator, shares: Mapping[int, Tensor], codecs: Mapping[int, Codec]
    ) -> Part:
        """Rows of the conditional distribution of what `log_density` describes.

        Candidates are drawn with the conditioned columns first, each within its condition. That order's joint
        distribution is not quite that of the layout's order, so a candidate is kept with probability proportional to
        the ratio of the two (importance resampling), in which the normalisers of the conditions take part. The ratio
        is near 1 for most; to be sure of an end it is cut at `MOST_WEIGHT` times its mean.
        """
        order = [*shares, *(i for i in range(self.model.layout.n_columns) if i not in shares)]
        same_order = order == sorted(order)
        kept: list[Part] = []
        n_kept, n_tried, cut = 0, 0, 0.0
        size = max(n_rows, FEWEST_CANDIDATES)
        for _ in range(MOST_CANDIDATE_CHUNKS):
            own = {self.place[j]: c for j, c in codecs.items()}
            rows = Rows(self.model, size, rng, own, weigh=True)
            for i in order:
                rows.draw(i, shares.get(i))
            if same_order and len(shares) == 1:
                log_weight = torch.where(rows.log_weight.isfinite(), 0.0, -torch.inf)
            else:
                log_weight = rows.log_weight + rows.log_prob()
            weight = torch.exp(log_weight.double()).nan_to_num(0.0, 0.0, 0.0)
            if not cut:
                cut = min(float(weight.max()), MOST_WEIGHT * float(weight.mean()))
            if cut:
                u = torch.rand(size, generator=rows.generator, device=weight.device, dtype=torch.float64)
                keep = (u * cut < weight).nonzero()[:, 0].cpu().numpy()
                kept.append(rows.decoded(keep))
                n_kept += len(keep)
            n_tried += size
            if n_kept >= n_rows:
                break
            wanted = 1.2 * (n_rows - n_kept) * n_tried / max(n_kept, 1)
            size = int(np.clip(wanted, FEWEST_CANDIDATES, 4 * self.chunk))
        if n_rows and not n_kept:
            raise ConfigError(NO_PROBABILITY)
        pick = np.arange(n_rows) if n_kept >= n_rows else rng.integers(0, n_kept, n_rows)
        return {j: np.concatenate([k[j] for k in kept])[pick] for j in kept[0]}

    @threads(1)
    @torch.inference_mode()
    def fill(self, table: TableRows, missing: np.ndarray, rng: np.random.Generator, likely: bool) -> Part:
        """Values, drawn or `likely`, for cells that are missing, given the others: {codec column: (n_rows,) values}.

        missing (n codec columns, n_rows) bool. Only missing cells of the answer mean anything. A missing value is
        never drawn.
        """
        found = {j: np.zeros_like(table.values[j]) for j in range(len(missing)) if missing[j].any()}
        concerned = np.flatnonzero(missing.any(axis=0))
        if not len(concerned):
            return found
        keys = [missing[:, concerned]]
        for d, lookup in self.model.lookups.items():
            # A known value says which of the determinant's are possible: rows that share it are filled together.
            value = np.unique(table.values[d][concerned], return_inverse=True)[1]
            known = missing[lookup.determinant, concerned] & ~missing[d, concerned]
            keys.append(np.where(known, value + 1, 0)[None])
        which = np.unique(np.concatenate(keys), axis=1, return_inverse=True)[1].ravel()
        for k in range(int(which.max()) + 1):
            rows = concerned[which == k]
            for part in np.array_split(rows, -(-len(rows) // self.chunk)):
                pattern = missing[:, part[0]]
                values = self._fill_pattern(table.take(part), pattern, rng, likely)
                for j in np.flatnonzero(pattern):
                    found[int(j)][part] = values[int(j)]
        return found

    def _fill_pattern(self, table: TableRows, pattern: np.ndarray, rng: np.random.Generator, likely: bool) -> Part:
        """As `fill`, for rows that miss the same columns: pattern (n codec columns,) bool."""
        columns = self.model.layout.columns
        possible: dict[int, Condition] = {}
        for d, lookup in self.model.lookups.items():
            a = lookup.determinant
            if pattern[a] and not pattern[d]:
                met = lookup.found == table.values[d][0]
                with suppress(ConfigError):  # no value of the determinant fits: any may stand there
                    possible[a] = lookup.narrowed(met, self.model.codec.codecs[a], possible.get(a))
        codecs = {self.place[a]: c.codec for a, c in possible.items()}
        rows = Rows(self.model, table.n, rng, codecs, likely=likely)
        for i, j in enumerate(columns):
            if not pattern[j]:
                tokens = self.model.codec.codecs[j].tokens_of(table.values[int(j)])
                rows.put(i, torch.from_numpy(tokens.astype(np.int64)).to(rows.log_weight.device))
        for i, j in enumerate(columns):
            if pattern[j]:
                share = self._not_missing(int(j))
                if int(j) in possible:
                    share = share * self.model.padded(possible[int(j)].share)
                rows.draw(i, share.expand(table.n, -1))
        return rows.decoded(only=np.flatnonzero(pattern), values=table.values)

    def _not_missing(self, j: int) -> Tensor:
        codec = self.model.codec.codecs[j]
        share = np.ones(codec.n_tokens)
        if codec.null >= 0 and len(share) > 1:
            share[codec.null] = 0.0
        return self.model.padded(share)

    @threads(1)
    @torch.inference_mode()
    def log_density(self, table: TableRows) -> np.ndarray:
        """log P(row) in the layout's order, (n_rows,) nats."""
        network, n = self.model.network, table.n
        session, total = network.session(n), np.zeros(n)
        with np.errstate(divide="ignore"):
            for i, j in enumerate(self.model.layout.columns):
                codec, values = self.model.codec.codecs[j], table.values[int(j)]
                state, p = session.state(i), np.zeros(n)
                for own, mass in codec.parts_of(values):
                    wanted = torch.from_numpy(own.astype(np.int64)).to(network.device)
                    p += np.exp(network.heads.log_prob(state, i, wanted).cpu().numpy().astype(float)) * mass
                total += np.log(p)
                session.put(i, torch.from_numpy(codec.tokens_of(values).astype(np.int64)).to(network.device))
            for lookup in self.model.lookups.values():
                total += np.log(lookup.probability(table))
        return total
