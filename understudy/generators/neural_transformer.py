"""The network for a GPU: a small causal transformer over columns in any order.

Every row of a batch comes in an order of its own; a position holds the value before it and the name of the column
to come (two positional encodings: Pannatier et al. 2024, sigma-GPT). One pass therefore teaches all conditionals of
one order, and sampling in any order is one pass too, with cached keys and values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.generators.neural_heads import Heads, normal
from understudy.generators.neural_layout import Layout
from understudy.generators.neural_network import Network, token_vectors

_HEAD_WIDTH = 32


class _Block(nn.Module):
    """Attention and a two-layer perceptron, each on normalised input, added to it."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.n_heads = max(width // _HEAD_WIDTH, 1)
        self.qkv = normal(width, 3 * width, scale=width**-0.5, generator=generator)
        self.out = normal(width, width, scale=0.3 * width**-0.5, generator=generator)
        self.up = normal(width, 4 * width, scale=width**-0.5, generator=generator)
        self.up_bias = nn.Parameter(torch.zeros(4 * width))
        self.down = normal(4 * width, width, scale=0.15 * width**-0.5, generator=generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, h: Tensor, cache: list[Tensor] | None = None) -> Tensor:
        """h (batch, length, width). With a cache [keys, values] h is one position, which sees all cached ones."""
        b, t, _ = h.shape
        qkv = (self.norms[0](h) @ self.qkv).view(b, t, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]  # (batch, heads, length, head width)
        if cache is not None:
            k, v = (torch.cat([old, new], 2) for old, new in zip(cache, (k, v), strict=True)) if cache else (k, v)
            cache[:] = [k, v]
        a = functional.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
        h = h + a.transpose(1, 2).reshape(b, t, -1) @ self.out
        return h + functional.gelu(self.norms[1](h) @ self.up + self.up_bias) @ self.down


class Transformer(Network):
    """`width` is that of the positions, `depth` the number of blocks.

    Attributes:
        trained: what the loss calls for `states`; training on a GPU puts a compiled one there.
    """

    at: Tensor

    def __init__(self, layout: Layout, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        self.n_columns = layout.n_columns
        self.vectors = token_vectors(layout, width, generator)
        self.targets = normal(self.n_columns, width, scale=0.5, generator=generator)
        self.start = normal(width, scale=0.5, generator=generator)
        self.blocks = nn.ModuleList(_Block(width, generator) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(layout, width, generator)
        self.register_buffer("at", torch.arange(self.n_columns), persistent=False)
        self.trained: Callable[[Tensor, Tensor], Tensor] = self.states

    def states(self, tokens: Tensor, order: Tensor) -> Tensor:
        """States (n_columns, batch, width) of every column given those before it in its row's `order` (batch, n)."""
        values = self.vectors[self.at, tokens]
        values = values.gather(1, order[:, :-1, None].expand(-1, -1, values.shape[2]))
        h = torch.cat([self.start.expand(len(tokens), 1, -1), values], 1) + self.targets[order]
        for block in self.blocks:
            h = block(h)
        place = torch.argsort(order, 1)
        return self.norm(h).gather(1, place[:, :, None].expand(-1, -1, h.shape[2])).transpose(0, 1)

    def loss(self, tokens: Tensor, generator: torch.Generator, share_ordered: float) -> Tensor:
        chance = torch.rand(tokens.shape, generator=generator, device=tokens.device)
        order = torch.argsort(chance, 1)
        k = round(len(tokens) * share_ordered)
        order[:k] = self.at
        return self.heads.nll(self.trained(tokens, order).float(), tokens).sum() / len(tokens)

    def ordered_nll(self, tokens: Tensor) -> Tensor:
        return self.heads.nll(self.states(tokens, self.at.expand(len(tokens), -1)).float(), tokens)

    def row_bytes(self) -> int:
        # Keys and values of every block, and the copy that each new one makes.
        return 4 * 2 * (len(self.blocks) + 1) * self.n_columns * self.norm.normalized_shape[0]

    def session(self, n_rows: int) -> TransformerSession:
        return TransformerSession(self, n_rows)


class TransformerSession:
    """Caches keys and values. A column's position is computed once, before the column is put."""

    def __init__(self, network: Transformer, n_rows: int) -> None:
        self.network = network
        self.before = network.start.expand(n_rows, -1)
        self.caches: list[list[Tensor]] = [[] for _ in network.blocks]
        self.at: int | None = None
        self.last: Tensor

    def state(self, column: int) -> Tensor:
        if self.at == column:
            return self.last
        if self.at is not None:
            raise ValueError(f"column {self.at} was begun; put it before column {column}")
        h = (self.before + self.network.targets[column])[:, None]
        for block, cache in zip(self.network.blocks, self.caches, strict=True):
            h = block(h, cache)
        self.at, self.last = column, self.network.norm(h)[:, 0].float()
        return self.last

    def put(self, column: int, tokens: Tensor) -> None:
        self.state(column)
        self.before, self.at = self.network.vectors[column][tokens], None
