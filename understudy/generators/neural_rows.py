"""Rows in the making: columns are drawn or put one after the other, in any order.

A value that two tokens can emit (a spike and the bin around it) is seen by later columns as the token it encodes
to, so that what is drawn is what `Sampler.log_density` describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.generators.lookups import LookupColumn
from understudy.generators.neural_heads import draw_index, sharpened
from understudy.generators.neural_layout import Layout
from understudy.generators.neural_network import Network

Lookups = Mapping[int, LookupColumn]
"""Columns that another one determines, by place in the codec."""


@dataclass(frozen=True)
class Model:
    """What drawing needs: the network, what its columns mean, and how sharply to draw."""

    network: Network
    layout: Layout
    codec: TableCodec
    lookups: Lookups
    temperature: float
    top_p: float

    def padded(self, share: np.ndarray) -> Tensor:
        """(..., n_tokens) as (..., most_tokens) on the network's device."""
        whole = np.zeros((*share.shape[:-1], self.layout.group.shape[1]), dtype=np.float32)
        whole[..., : share.shape[-1]] = share
        return torch.from_numpy(whole).to(self.network.device)

    def precision(self) -> torch.autocast:
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.network.device.type == "cuda")


class Rows:
    """`n_rows` rows; columns are counted in the layout's order.

    With `likely` the columns drawn under a share take their most likely value instead.

    Attributes:
        drawn: the tokens drawn or put, by column.
        seen: the tokens that later columns see.
        values: the values of columns that had to be decoded at once.
        log_weight: (n_rows,) the log of the normalisers of all conditions, less that of the probability of what was
            drawn: with the log-probability of the rows in another order it says by how much that order likes them more.
    """

    def __init__(
        self, model: Model, n_rows: int, rng: np.random.Generator, codecs: Mapping[int, Codec], *, weigh: bool = False,
        likely: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.rng, self.weigh, self.likely = model, rng, weigh, likely
        device = model.network.device
        self.generator = torch.Generator(device).manual_seed(int(rng.integers(1 << 62)))
        self.codecs = {i: codecs.get(i, model.codec.codecs[int(j)]) for i, j in enumerate(model.layout.columns)}
        self.session = model.network.session(n_rows)
        self.drawn: dict[int, Tensor] = {}
        self.seen: dict[int, Tensor] = {}
        self.values: dict[int, np.ndarray] = {}
        self.log_weight = torch.zeros(n_rows, device=device)

    def put(self, i: int, tokens: Tensor) -> None:
        self.drawn[i] = self.seen[i] = tokens
        with self.model.precision():
            self.session.put(i, tokens)

    def draw(self, i: int, share: Tensor | None = None) -> None:
        """Draw column `i` and put it. With `share`, (most_tokens,) or (n_rows, most_tokens), each token's probability
        counts by that much only: what a condition allows of it."""
        heads, sharp = self.model.network.heads, (self.model.temperature, self.model.top_p)
        with self.model.precision():
            state = self.session.state(i).float()
        if share is None:
            group = draw_index(sharpened(heads.group_logits(state, i), *sharp), self.generator)
            place = torch.zeros_like(group)
            if heads.slots[i] >= 0:
                place = draw_index(sharpened(heads.fine_logits(state, i, group), *sharp), self.generator)
            tokens = heads.token[i][group, place]
            if self.weigh:
                self.log_weight -= heads.log_prob(state, i, tokens)
        else:
            p = sharpened(heads.log_pmf(state, i), *sharp)
            allowed = p * share
            tokens = self._likely(i, allowed) if self.likely else draw_index(allowed, self.generator)
            if self.weigh:
                self.log_weight += torch.log(allowed.sum(1)) - torch.log(p.gather(1, tokens[:, None])[:, 0])
        self.put(i, self._settled(i, tokens))
        self.drawn[i] = tokens

    def note(self, i: int, tokens: np.ndarray) -> np.ndarray:
        """Take column `i` as drawn elsewhere, (n_rows,) uint8; the tokens that later columns are to see."""
        self.drawn[i] = torch.from_numpy(tokens)
        self.seen[i] = self._settled(i, self.drawn[i])
        return self.seen[i].numpy().astype(np.uint8)

    def _likely(self, i: int, weights: Tensor) -> Tensor:
        """The most probable category, or the token of an ordered column's median; weights (n_rows, most_tokens)."""
        if isinstance(self.codecs[i], CategoricalCodec):
            return weights.argmax(1)
        cumulative = torch.cumsum(weights, 1)
        return (cumulative < cumulative[:, -1:] / 2).sum(1)

    def _uniform(self, n: int) -> np.ndarray:
        """Where in their tokens values lie, (n,) in [0, 1)."""
        return np.full(n, 0.5) if self.likely else self.rng.random(n)

    def _settled(self, i: int, tokens: Tensor) -> Tensor:
        """The tokens that the drawn values encode to."""
        codec = self.codecs[i]
        if isinstance(codec, CategoricalCodec) or not codec.grid or codec.exact.all() or not codec.exact.any():
            return tokens
        drawn = tokens.cpu().numpy().astype(np.uint8)
        self.values[i] = codec.decode(drawn, self._uniform(len(drawn)))
        return torch.from_numpy(codec.tokens_of(self.values[i]).astype(np.int64)).to(tokens.device)

    def log_prob(self) -> Tensor:
        """log P(what was drawn) in the layout's order, (n_rows,) nats."""
        network = self.model.network
        session, total = network.session(len(self.log_weight)), torch.zeros_like(self.log_weight)
        for i in range(self.model.layout.n_columns):
            total += network.heads.log_prob(session.state(i), i, self.drawn[i])
            session.put(i, self.seen[i])
        return total

    def decoded(
        self, keep: np.ndarray | None = None, only: np.ndarray | None = None,
        values: Mapping[int, np.ndarray] | None = None,
    ) -> dict[int, np.ndarray]:  # fmt: skip
        """Values of all columns, or of `only` those, by their place in the codec: of all rows, or of those in `keep`.

        Columns that are looked up follow from the others, or from `values` that were known before, by place.
        """
        every = slice(None) if keep is None else keep
        wanted = range(len(self.model.codec.codecs)) if only is None else only.tolist()
        found: dict[int, np.ndarray] = {}
        for i, j in enumerate(self.model.layout.columns.tolist()):
            if j not in wanted:
                continue
            if i in self.values:
                found[j] = self.values[i][every]
            else:
                tokens = self.drawn[i].to(torch.uint8).cpu().numpy()[every]
                found[j] = self.codecs[i].decode(tokens, self._uniform(len(tokens)))
        for j, lookup in self.model.lookups.items():
            if j in wanted:
                a = lookup.determinant
                found[j] = lookup.of(found[a] if a in found else (values or {})[a])
        return found
