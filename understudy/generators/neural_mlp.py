"""The networks for a CPU: one small perceptron a column, all columns' computed as batched products.

A column's perceptron never sees the column itself, so that every row teaches every column: with a set S of columns
shown, column j learns P(j | S without j). Sampling computes only the perceptron of the column to draw.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.generators.neural_heads import Heads, normal
from understudy.generators.neural_layout import Layout
from understudy.generators.neural_network import Network, token_vectors


class _Columns(nn.Module):
    """Per column: a first layer from a vector of `n_in`, `depth` residual layers, a normalised state."""

    def __init__(self, n_columns: int, n_in: int, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        self.width = width
        self.first = normal(n_columns, n_in, width, scale=(0.5 * n_in) ** -0.5, generator=generator)
        self.first_bias = nn.Parameter(torch.zeros(n_columns, 1, width))
        self.layers = nn.ParameterList(
            normal(n_columns, width, width, scale=width**-0.5, generator=generator) for _ in range(depth)
        )
        self.biases = nn.ParameterList(torch.zeros(n_columns, 1, width) for _ in range(depth))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """States (n_columns, batch, width) from x (batch, n_in); keep (n_columns, n_in) hides parts of x."""
        first = self.first if keep is None else self.first * keep[:, :, None]
        h = functional.gelu(torch.matmul(x, first) + self.first_bias)
        for weight, bias in zip(self.layers, self.biases, strict=True):
            h = h + functional.gelu(torch.baddbmm(bias, self._norm(h), weight))
        return self._norm(h)

    def one(self, x: Tensor, column: int, first: Tensor) -> Tensor:
        """The state of one column, (batch, width), from the seen part of x and the rows of `first` for it."""
        h = functional.gelu(torch.addmm(self.first_bias[column], x, first))
        for weight, bias in zip(self.layers, self.biases, strict=True):
            h = h + functional.gelu(torch.addmm(bias[column], self._norm(h), weight[column]))
        return self._norm(h)

    def _norm(self, h: Tensor) -> Tensor:
        return functional.layer_norm(h, (self.width,))


def random_seen(batch: int, n_columns: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A random set of columns for each row, (batch, n_columns) bool; all sizes are about equally likely."""
    share = torch.rand(batch, 1, generator=generator, device=device)
    return torch.rand(batch, n_columns, generator=generator, device=device) < share


class NarrowMlp(Network):
    """Each perceptron sees the vectors of all columns side by side: n_columns^2 small blocks of weights."""

    MOST_COLUMNS: ClassVar[int] = 48
    VECTOR: ClassVar[int] = 16
    one_thread = True
    at: Tensor
    before: Tensor
    others: Tensor

    def __init__(self, layout: Layout, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        n, d = layout.n_columns, self.VECTOR
        self.n_columns = n
        self.vectors = token_vectors(layout, d, generator)
        self.columns = _Columns(n, n * d, width, depth, generator)
        self.heads = Heads(layout, width, generator)
        others = 1 - torch.eye(n)
        for name, sees in (("before", torch.tril(others)), ("others", others)):
            self.register_buffer(name, sees.repeat_interleave(d, dim=1), persistent=False)
        self.register_buffer("at", torch.arange(n), persistent=False)

    def loss(self, tokens: Tensor, generator: torch.Generator, share_ordered: float) -> Tensor:
        k = round(len(tokens) * share_ordered)
        total = self.ordered_nll(tokens[:k]).sum() if k else torch.zeros((), device=tokens.device)
        if k < len(tokens):
            rest = tokens[k:]
            seen = random_seen(len(rest), self.n_columns, generator, tokens.device)
            x = (self.vectors[self.at, rest] * seen[:, :, None]).flatten(1)
            total = total + self.heads.nll(self.columns(x, self.others), rest).sum()
        return total / len(tokens)

    def ordered_nll(self, tokens: Tensor) -> Tensor:
        x = self.vectors[self.at, tokens].flatten(1)
        return self.heads.nll(self.columns(x, self.before), tokens)

    def row_bytes(self) -> int:
        return 4 * (self.n_columns * self.VECTOR + 8 * self.columns.width)

    def session(self, n_rows: int) -> NarrowSession:
        return NarrowSession(self, n_rows)


class NarrowSession:
    """Keeps the vectors of the columns put so far, side by side."""

    def __init__(self, network: NarrowMlp, n_rows: int) -> None:
        self.network = network
        self.x = torch.empty(n_rows, network.n_columns * network.VECTOR, device=network.device)
        self.put_columns: list[int] = []

    def state(self, column: int) -> Tensor:
        d, n = self.network.VECTOR, len(self.put_columns)
        columns = self.network.columns
        first = columns.first[column].view(-1, d, columns.width)
        first = first[:n] if self.put_columns == list(range(n)) else first[self.put_columns]
        return columns.one(self.x[:, : n * d], column, first.reshape(n * d, columns.width))

    def put(self, column: int, tokens: Tensor) -> None:
        d, n = self.network.VECTOR, len(self.put_columns)
        self.x[:, n * d : (n + 1) * d] = self.network.vectors[column][tokens]
        self.put_columns.append(column)


class WideMlp(Network):
    """For many columns: one layer shared by all of them, then a perceptron a column; weights grow with n_columns.

    A column that is shown is not learnt from that row.
    """

    VECTOR: ClassVar[int] = 16
    SHARED: ClassVar[int] = 384
    at: Tensor

    def __init__(self, layout: Layout, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        n, d = layout.n_columns, self.VECTOR
        self.n_columns = n
        self.vectors = token_vectors(layout, d, generator)
        self.shared = normal(n, d, self.SHARED, scale=(0.5 * n * d) ** -0.5, generator=generator)
        self.shared_bias = nn.Parameter(torch.zeros(self.SHARED))
        self.columns = _Columns(n, self.SHARED, width, depth, generator)
        self.heads = Heads(layout, width, generator)
        self.register_buffer("at", torch.arange(n), persistent=False)

    def _nll(self, tokens: Tensor, seen: Tensor) -> Tensor:
        x = (self.vectors[self.at, tokens] * seen[:, :, None]).flatten(1)
        x = self.activated(x @ self.shared.flatten(0, 1) + self.shared_bias)
        return self.heads.nll(self.columns(x), tokens)

    def activated(self, x: Tensor) -> Tensor:
        return functional.gelu(functional.layer_norm(x, (self.SHARED,)))

    def loss(self, tokens: Tensor, generator: torch.Generator, share_ordered: float) -> Tensor:
        seen = random_seen(len(tokens), self.n_columns, generator, tokens.device)
        k = round(len(tokens) * share_ordered)
        first = torch.randint(0, self.n_columns, (k, 1), generator=generator, device=tokens.device)
        seen[:k] = self.at < first
        hidden = ~seen
        # Hoogeboom et al. 2022, equation 5: the mean over the hidden columns stands for all of them.
        a_row = (self._nll(tokens, seen).T * hidden).sum(1) / hidden.sum(1).clamp_min(1)
        return a_row.mean() * self.n_columns

    def ordered_nll(self, tokens: Tensor) -> Tensor:
        session = self.session(len(tokens))
        found = []
        for j in range(self.n_columns):
            log_pmf = self.heads.log_pmf(session.state(j), j)
            wanted = tokens[:, [j]]
            found.append(-log_pmf.gather(1, wanted)[:, 0] * self.heads.emitted[j][wanted[:, 0]])
            session.put(j, tokens[:, j])
        return torch.stack(found)

    def row_bytes(self) -> int:
        return 4 * (3 * self.SHARED + 8 * self.columns.width)

    def session(self, n_rows: int) -> WideSession:
        return WideSession(self, n_rows)


class WideSession:
    """Keeps the input of the shared layer, to which every column put adds its part."""

    def __init__(self, network: WideMlp, n_rows: int) -> None:
        self.network = network
        self.x = network.shared_bias.detach().repeat(n_rows, 1)

    def state(self, column: int) -> Tensor:
        n = self.network
        return n.columns.one(n.activated(self.x), column, n.columns.first[column])

    def put(self, column: int, tokens: Tensor) -> None:
        n = self.network
        # One row of the product for every token, then a lookup.
        self.x = self.x + (n.vectors[column] @ n.shared[column])[tokens]
