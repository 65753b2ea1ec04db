"""Draw from a fitted network: rows, rows under conditions, missing cells; and densities.

Conditioned columns come first, within what the condition allows, then the others in the layout's order. A value
that two tokens can emit (a spike and the bin around it) is seen by later columns as the token it encodes to, so
that what is drawn is what `log_density` describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.errors import ConfigError
from understudy.generators.neural_heads import draw_index, sharpened
from understudy.generators.neural_layout import Layout
from understudy.generators.neural_network import Network, Session

MAX_CANDIDATE_CHUNKS = 256
NO_PROBABILITY = "where: the generator gives these conditions together no probability; loosen one of them"
CHUNK = {"cpu": 1 << 13, "cuda": 1 << 17}
Lookups = Mapping[int, tuple[int, np.ndarray]]
"""Columns that another one determines: {column: (determinant, (its n_tokens,) uint8)}, places in the codec."""


@dataclass(frozen=True)
class Condition:
    """What a condition leaves of a column: the share of each token, (n_tokens,), and the codec that emits only that."""

    share: np.ndarray
    codec: Codec


@dataclass
class _Draws:
    """Rows in the making: tokens by the layout's columns, and values where they were needed early."""

    generator: torch.Generator
    rng: np.random.Generator
    codecs: dict[int, Codec]
    tokens: dict[int, Tensor]
    values: dict[int, np.ndarray]


class Sampler:
    """Draws from `network`, which stays on its device. Columns are counted in the layout's order."""

    def __init__(
        self, network: Network, layout: Layout, codec: TableCodec, lookups: Lookups, temperature: float, top_p: float
    ) -> None:
        self.network, self.layout, self.codec, self.lookups = network, layout, codec, lookups
        self.temperature, self.top_p = temperature, top_p
        self.place = {int(j): i for i, j in enumerate(layout.columns)}

    @property
    def chunk(self) -> int:
        return CHUNK.get(self.network.device.type, CHUNK["cpu"])

    @torch.inference_mode()
    def rows(self, n_rows: int, rng: np.random.Generator, conditions: Mapping[int, Condition]) -> dict[int, np.ndarray]:
        """Values of all columns by their place in the codec: floats, or label indices for categories.

        Raises ConfigError for conditions that together have no probability.
        """
        parts = [
            self._chunk_of_rows(min(self.chunk, n_rows - a), own, conditions)
            for a, own in zip(
                range(0, max(n_rows, 1), self.chunk), rng.spawn(-(-max(n_rows, 1) // self.chunk)), strict=True
            )
        ]
        return {j: np.concatenate([p[j] for p in parts]) for j in parts[0]}

    def _chunk_of_rows(
        self, n: int, rng: np.random.Generator, conditions: Mapping[int, Condition]
    ) -> dict[int, np.ndarray]:
        draws = self._draws(rng, {self.place[j]: c.codec for j, c in conditions.items() if j in self.place})
        shares = self._shares(conditions)
        session = self.network.session(n)
        if shares:
            self._condition(n, shares, draws)
            for i, tokens in draws.tokens.items():
                session.put(i, tokens)
        for i in range(self.layout.n_columns):
            if i not in shares:
                self._draw(session, i, draws, None)
        return self._values(draws, conditions)

    def _shares(self, conditions: Mapping[int, Condition]) -> dict[int, Tensor]:
        """The allowed share of each token of the conditioned learnt columns, single tokens first.

        A condition on a column that is looked up becomes one on its determinant.
        """
        found: dict[int, np.ndarray] = {}
        for j, condition in conditions.items():
            determinant, table = self.lookups.get(j, (j, np.arange(len(condition.share))))
            i = self.place[determinant]
            found[i] = found.get(i, np.ones(len(table))) * condition.share[table]
        if any(not share.any() for share in found.values()):
            raise ConfigError(NO_PROBABILITY)
        order = sorted(found, key=lambda i: (np.count_nonzero(found[i]) > 1, i))
        return {i: self._padded(found[i]) for i in order}

    def _condition(self, n: int, shares: Mapping[int, Tensor], draws: _Draws) -> None:
        """Draw the conditioned columns of `n` rows into `draws`.

        A candidate is kept with probability proportional to that of the conditions of later columns given the
        columns before them: the product of the normalisers of its draws. That is exact, and with one condition, or
        with single values, every candidate is kept.
        """
        kept: list[_Draws] = []
        n_kept, highest, size = 0, 0.0, max(n, 4096) if len(shares) > 1 else n
        for attempt in range(MAX_CANDIDATE_CHUNKS):
            session = self.network.session(size)
            own = _Draws(draws.generator, draws.rng, draws.codecs, {}, {})
            mass = torch.ones(size, device=self.network.device)
            for i, share in shares.items():
                mass = mass * self._draw(session, i, own, share)
            highest = max(highest, float(mass.max()) if size else 1.0)
            if highest <= 1e-30:
                continue
            # The first condition's probability is the same for all rows: alone it rejects none.
            u = torch.rand(size, generator=draws.generator, device=mass.device) * (len(shares) > 1)
            keep = (u * highest < mass).nonzero()[:, 0]
            kept.append(own)
            own.tokens = {i: t[keep] for i, t in own.tokens.items()}
            own.values = {i: v[keep.cpu().numpy()] for i, v in own.values.items()}
            n_kept += len(keep)
            if n_kept >= n:
                break
            size = int(np.clip((n - n_kept) * 1.2 * (attempt + 1) * size / max(n_kept, 1), 4096, 4 * self.chunk))
        if n and not n_kept:
            raise ConfigError(NO_PROBABILITY)
        pick = np.arange(n) if n_kept >= n else draws.rng.integers(0, n_kept, n)
        at = torch.from_numpy(pick).to(self.network.device)
        draws.tokens = {i: torch.cat([k.tokens[i] for k in kept])[at] for i in shares}
        draws.values = {i: np.concatenate([k.values[i] for k in kept])[pick] for i in kept[0].values}

    def _draw(self, session: Session, i: int, draws: _Draws, share: Tensor | None) -> Tensor:
        """Draw column `i`, put it; the probability of its condition `share` per row (1 without one).

        share: (most_tokens,) or (n_rows, most_tokens).
        """
        with self._precision():
            state = session.state(i)
        heads = self.network.heads
        if share is None:
            group = draw_index(sharpened(heads.group_logits(state, i), self.temperature, self.top_p), draws.generator)
            place = torch.zeros_like(group)
            if heads.slots[i] >= 0:
                logits = heads.fine_logits(state, i, group)
                place = draw_index(sharpened(logits, self.temperature, self.top_p), draws.generator)
            tokens, mass = heads.token[i][group, place], torch.ones((), device=state.device)
        else:
            p = sharpened(heads.log_pmf(state, i), self.temperature, self.top_p) * share
            tokens, mass = draw_index(p, draws.generator), p.sum(1)
        draws.tokens[i] = self._settled(i, tokens, draws)
        with self._precision():
            session.put(i, draws.tokens[i])
        return mass

    def _settled(self, i: int, tokens: Tensor, draws: _Draws) -> Tensor:
        """The tokens that later columns see: those that the drawn values encode to."""
        codec = draws.codecs[i]
        if isinstance(codec, CategoricalCodec) or not codec.grid or codec.exact.all() or not codec.exact.any():
            return tokens
        drawn = tokens.cpu().numpy().astype(np.uint8)
        draws.values[i] = codec.decode(drawn, draws.rng.random(len(drawn)))
        return torch.from_numpy(codec.tokens_of(draws.values[i]).astype(np.int64)).to(tokens.device)

    def _values(self, draws: _Draws, conditions: Mapping[int, Condition]) -> dict[int, np.ndarray]:
        """Values of all columns by their place in the codec."""
        found: dict[int, np.ndarray] = {}
        tokens = {i: t.to(torch.uint8).cpu().numpy() for i, t in draws.tokens.items()}
        for j, codec in enumerate(self.codec.codecs):
            determinant, table = self.lookups.get(j, (j, None))
            i = self.place[determinant]
            if table is not None:
                own = conditions[j].codec if j in conditions else codec
                found[j] = own.decode(table[tokens[i]], draws.rng.random(len(tokens[i])))
            elif i in draws.values:
                found[j] = draws.values[i]
            else:
                found[j] = draws.codecs[i].decode(tokens[i], draws.rng.random(len(tokens[i])))
        return found

    @torch.inference_mode()
    def fill(self, tokens: np.ndarray, missing: np.ndarray, rng: np.random.Generator) -> dict[int, np.ndarray]:
        """Values for cells that are missing, given the others: {column of the codec: (n_rows,) values}.

        tokens (n codec columns, n_rows) uint8; missing (n codec columns, n_rows) bool. Only missing cells of the
        answer mean anything. A missing value is never drawn.
        """
        found = {
            j: np.zeros(tokens.shape[1], dtype=np.int64 if isinstance(c, CategoricalCodec) else np.float64)
            for j, c in enumerate(self.codec.codecs)
            if missing[j].any()
        }
        concerned = np.flatnonzero(missing.any(axis=0))
        if not len(concerned):
            return found
        patterns, which = np.unique(missing[:, concerned].T, axis=0, return_inverse=True)
        for k, pattern in enumerate(patterns):
            rows = concerned[which.ravel() == k]
            for part in np.array_split(rows, -(-len(rows) // self.chunk)):
                values = self._fill_pattern(tokens[:, part], pattern, rng)
                for j in np.flatnonzero(pattern):
                    found[int(j)][part] = values[int(j)]
        return found

    def _fill_pattern(self, tokens: np.ndarray, pattern: np.ndarray, rng: np.random.Generator) -> dict[int, np.ndarray]:
        """As `fill`, for rows that miss the same columns: pattern (n codec columns,) bool."""
        n, device = tokens.shape[1], self.network.device
        draws = self._draws(rng, {})
        session = self.network.session(n)
        for i, j in enumerate(self.layout.columns):
            if not pattern[j]:
                draws.tokens[i] = torch.from_numpy(tokens[j].astype(np.int64)).to(device)
                session.put(i, draws.tokens[i])
        for i, j in enumerate(self.layout.columns):
            if pattern[j]:
                share = self._not_missing(int(j)).expand(n, -1)
                for d, (determinant, table) in self.lookups.items():
                    if determinant == j and not pattern[d]:
                        fits = share * self._padded(table == tokens[d][:, None])
                        share = torch.where(fits.any(1, keepdim=True), fits, share)
                self._draw(session, i, draws, share)
        return self._values(draws, {})

    def _not_missing(self, j: int) -> Tensor:
        share = np.ones(self.codec.codecs[j].n_tokens)
        if self.codec.codecs[j].null >= 0 and len(share) > 1:
            share[self.codec.codecs[j].null] = 0.0
        return self._padded(share)

    def _padded(self, share: np.ndarray) -> Tensor:
        """(..., n_tokens) as (..., most_tokens) on the device."""
        whole = np.zeros((*share.shape[:-1], self.layout.group.shape[1]), dtype=np.float32)
        whole[..., : share.shape[-1]] = share
        return torch.from_numpy(whole).to(self.network.device)

    def _draws(self, rng: np.random.Generator, codecs: Mapping[int, Codec]) -> _Draws:
        generator = torch.Generator(self.network.device).manual_seed(int(rng.integers(1 << 62)))
        own = {i: codecs.get(i, self.codec.codecs[int(j)]) for i, j in enumerate(self.layout.columns)}
        return _Draws(generator, rng, own, {}, {})

    def _precision(self) -> torch.autocast:
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.network.device.type == "cuda")

    @torch.inference_mode()
    def log_density(self, tokens: np.ndarray, parts: list[list[tuple[np.ndarray, np.ndarray]]]) -> np.ndarray:
        """log P(row) in the layout's order, (n_rows,) nats; tokens (n codec columns, n_rows) uint8, parts as from
        `Codec.parts` by codec column."""
        n, device = tokens.shape[1], self.network.device
        session, total = self.network.session(n), np.zeros(n)
        with np.errstate(divide="ignore"):
            for i, j in enumerate(self.layout.columns):
                state, p = session.state(i), np.zeros(n)
                for own, mass in parts[int(j)]:
                    wanted = torch.from_numpy(own.astype(np.int64)).to(device)
                    p += np.exp(self.network.heads.log_prob(state, i, wanted).cpu().numpy().astype(float)) * mass
                total += np.log(p)
                session.put(i, torch.from_numpy(tokens[j].astype(np.int64)).to(device))
            for j, (determinant, table) in self.lookups.items():
                total += np.log(sum(mass * (table[tokens[determinant]] == own) for own, mass in parts[j]))
        return total
