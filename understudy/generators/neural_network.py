"""What the networks of `autoregressive` have in common: any-order conditionals, by sessions.

A network gives P(column | any set of other columns). It is trained on a fresh set for every row and column (Uria et
al. 2014; Strauss & Oliva 2021; Hoogeboom et al. 2022), and, for a share of the rows, on the sets that sampling in
the layout's own order will meet (Shih et al. 2022 train for the conditionals that will be asked for).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from understudy.generators.neural_heads import Heads
from understudy.generators.neural_layout import Layout


class Session(Protocol):
    """Rows in the making: columns are put one after the other, in any order, and then seen by those to come."""

    def state(self, column: int) -> Tensor:
        """The state of `column` given what was put, (n_rows, width), for `Heads`."""
        ...

    def put(self, column: int, tokens: Tensor) -> None:
        """Let `column` be seen; tokens (n_rows,) int64."""
        ...


class Network(nn.Module, ABC):
    """Base of the networks. Columns are counted in the layout's order."""

    heads: Heads
    n_columns: int

    @abstractmethod
    def loss(self, tokens: Tensor, generator: torch.Generator, share_ordered: float) -> Tensor:
        """Mean nats a row, over random sets of seen columns; tokens (batch, n_columns) int64."""
        ...

    @abstractmethod
    def ordered_nll(self, tokens: Tensor) -> Tensor:
        """-log P of each column given those before it in the layout's order, (n_columns, batch) nats."""
        ...

    @abstractmethod
    def session(self, n_rows: int) -> Session:
        ...

    @abstractmethod
    def row_bytes(self) -> int:
        """Memory that a session takes for a row, about."""
        ...

    def most_rows(self) -> int:
        """How many rows a session should have: a few hundred MB on a CPU, a few GB on a GPU."""
        budget, most = (1 << 32, 1 << 17) if self.device.type == "cuda" else (1 << 28, 1 << 13)
        return max(min(budget // self.row_bytes(), most), 64)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def token_vectors(layout: Layout, width: int, generator: torch.Generator) -> nn.Parameter:
    """First vectors of all tokens, (n_columns, most_tokens, width).

    Random for categories; for ordered columns waves of the token's rank and a little noise, so that neighbours
    begin alike.
    """
    vectors = torch.randn(*layout.group.shape, width, generator=generator) * 0.5
    rank = torch.from_numpy(layout.rank)
    ordered = ~torch.isnan(rank)
    angle = rank[ordered][:, None] * math.pi * torch.arange(1, (width + 1) // 2 + 1)
    waves = torch.cat([angle.cos(), angle.sin()], 1)[:, :width]
    vectors[ordered] = 0.2 * vectors[ordered] + 0.7 * waves
    return nn.Parameter(vectors)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Have torch compute on `n` CPU threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build(layout: Layout, architecture: str, width: int, depth: int, seed: int) -> Network:
    """A network with fresh weights on the CPU. `architecture` is mlp or transformer."""
    from understudy.generators.neural_mlp import NarrowMlp, WideMlp
    from understudy.generators.neural_transformer import Transformer

    generator = torch.Generator().manual_seed(seed)
    if architecture == "transformer":
        return Transformer(layout, width, depth, generator)
    kind = NarrowMlp if layout.n_columns <= NarrowMlp.MOST_COLUMNS else WideMlp
    return kind(layout, width, depth, generator)


def to_arrays(network: Network) -> dict[str, np.ndarray]:
    """Its weights as float32 arrays on the CPU, whatever they were fitted on."""
    return {k: v.detach().to("cpu", torch.float32).numpy() for k, v in network.state_dict().items()}


def from_arrays(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Load weights. Raises ValueError when they don't belong to this network."""
    try:
        network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})
    except RuntimeError as e:
        raise ValueError(str(e)) from None
