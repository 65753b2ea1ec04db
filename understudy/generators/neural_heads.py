"""The last layer of a neural generator: from a column's state to the probabilities of its tokens.

A column's tokens are drawn as group, then place within the group (see `neural_layout`). All columns' heads are
tensors padded to the widest column, so that one batched product serves them all.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from understudy.generators.neural_layout import Layout

NEVER = -1e4
"""The logit of what is never emitted: its probability is 0 in single precision."""
_INNER = 32
_WAVES = 6


def normal(*shape: int, scale: float, generator: torch.Generator) -> nn.Parameter:
    """A parameter of normal numbers with standard deviation `scale`."""
    return nn.Parameter(torch.randn(*shape, generator=generator) * scale)


class Heads(nn.Module):
    """P(group | state) and P(place | state, group) of every column.

    The weights of an ordered column's groups are free ones plus a few waves over their ranks, so that a shift of the
    whole distribution is learnt from few rows. Biases begin at the log frequencies, so that training begins at
    independent columns. What may not be emitted (`Layout.log_base` of -inf) has probability 0; such a token adds
    nothing to the loss.
    """

    group: Tensor
    fine: Tensor
    emitted: Tensor
    token: Tensor
    waves: Tensor
    closed: Tensor
    closed_fine: Tensor
    factored: Tensor
    slot: Tensor

    def __init__(self, layout: Layout, width: int, generator: torch.Generator) -> None:
        super().__init__()
        group, fine = torch.from_numpy(layout.group), torch.from_numpy(layout.fine)
        log_base = torch.from_numpy(layout.log_base)
        n, n_groups, n_fine = layout.token.shape
        at = torch.arange(n)[:, None]
        places = torch.full((n, n_groups, n_fine), -torch.inf)
        places[at.expand_as(group), group, fine] = torch.where(torch.isfinite(log_base), log_base, -torch.inf)
        # A padded token shares its place with token 0 of its column: write the real ones last.
        real = torch.isfinite(log_base)
        places[at.expand_as(group)[real], group[real], fine[real]] = log_base[real]
        groups = torch.logsumexp(places, 2)
        within = places - groups[:, :, None]
        self.sizes = (group.amax(1) + 1).tolist()
        factored = (torch.isfinite(places).sum(2) > 1).any(1)
        slot = torch.where(factored, torch.cumsum(factored, 0) - 1, -1)
        self.slots = slot.tolist()
        buffers = {
            "group": group, "fine": fine, "emitted": real, "token": torch.from_numpy(layout.token),
            "closed": torch.where(torch.isfinite(groups), 0.0, NEVER), "slot": slot,
            "closed_fine": torch.where(torch.isfinite(within), 0.0, NEVER)[factored],
            "factored": factored.nonzero()[:, 0], "waves": _waves(layout, n_groups),
        }  # fmt: skip
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        m = len(self.factored)
        self.weight = normal(n, width, n_groups, scale=0.1 * width**-0.5, generator=generator)
        self.smooth = normal(n, width, _WAVES, scale=0.1 * width**-0.5, generator=generator)
        self.bias = nn.Parameter(torch.where(torch.isfinite(groups), groups, 0.0))
        self.inner = normal(m, width, _INNER, scale=width**-0.5, generator=generator)
        self.inner_group = normal(m, n_groups, _INNER, scale=0.5, generator=generator)
        self.weight_fine = normal(m, _INNER, n_fine, scale=0.1 * _INNER**-0.5, generator=generator)
        self.bias_fine = nn.Parameter(torch.where(torch.isfinite(within), within, 0.0)[factored])

    def nll(self, states: Tensor, tokens: Tensor) -> Tensor:
        """-log P(token), (n_columns, batch) nats, 0 for tokens that are never emitted.

        states (n_columns, batch, width); tokens (batch, n_columns) int64. In single precision under autocast too:
        half precision would round log frequencies.
        """
        with torch.autocast(states.device.type, enabled=False):
            return self._nll(states.float(), tokens)

    def _nll(self, states: Tensor, tokens: Tensor) -> Tensor:
        wanted = tokens.T
        group, fine = self.group.gather(1, wanted), self.fine.gather(1, wanted)
        weight = torch.baddbmm(self.weight, self.smooth, self.waves)
        logits = torch.baddbmm((self.bias + self.closed)[:, None], states, weight)
        loss = -_log_prob(logits, group)
        if len(self.factored):
            which, at = group[self.factored], torch.arange(len(self.factored), device=group.device)[:, None]
            inner = torch.bmm(states[self.factored], self.inner) + self.inner_group[at, which]
            bias = (self.bias_fine + self.closed_fine)[at, which]
            logits = torch.bmm(nn.functional.gelu(inner), self.weight_fine) + bias
            loss = loss.index_add(0, self.factored, -_log_prob(logits, fine[self.factored]))
        return loss * self.emitted.gather(1, wanted)

    def group_logits(self, state: Tensor, column: int) -> Tensor:
        """Logits of one column's groups, (batch, groups of this column), from its state (batch, width)."""
        n = self.sizes[column]
        weight = torch.addmm(self.weight[column, :, :n], self.smooth[column], self.waves[column, :, :n])
        return torch.addmm(self.bias[column, :n] + self.closed[column, :n], state, weight)

    def fine_logits(self, state: Tensor, column: int, group: Tensor) -> Tensor:
        """Logits of the places within `group` (batch,) of a factored column, (batch, n_fine)."""
        k = self.slots[column]
        inner = nn.functional.gelu(state @ self.inner[k] + self.inner_group[k][group])
        return inner @ self.weight_fine[k] + (self.bias_fine[k] + self.closed_fine[k])[group]

    def log_prob(self, state: Tensor, column: int, tokens: Tensor) -> Tensor:
        """log P(token) of one column, (batch,); about NEVER where the token is never emitted."""
        group = self.group[column][tokens]
        found = _log_prob(self.group_logits(state, column), group)
        if self.slots[column] >= 0:
            found = found + _log_prob(self.fine_logits(state, column, group), self.fine[column][tokens])
        return torch.where(self.emitted[column][tokens], found, NEVER)

    def log_pmf(self, state: Tensor, column: int) -> Tensor:
        """log P(token) of every token of one column, (batch, most_tokens); about NEVER where it is never emitted."""
        groups = torch.log_softmax(self.group_logits(state, column), 1)
        group, fine, emitted = self.group[column], self.fine[column], self.emitted[column]
        found = groups[:, group]
        k = self.slots[column]
        if k >= 0:
            n = self.sizes[column]
            inner = nn.functional.gelu((state @ self.inner[k])[:, None] + self.inner_group[k][:n])
            logits = inner @ self.weight_fine[k] + self.bias_fine[k, :n] + self.closed_fine[k, :n]
            found = found + torch.log_softmax(logits, 2)[:, group, fine]
        return torch.where(emitted, found, NEVER)


def _waves(layout: Layout, n_groups: int) -> Tensor:
    """cos(k pi rank) of every group of an ordered column, (n_columns, _WAVES, n_groups); 0 for categories."""
    rank, own = np.nan_to_num(layout.rank), np.isfinite(layout.rank)
    at = np.arange(len(rank))[:, None]
    total, count = np.zeros((2, len(rank), n_groups))
    np.add.at(total, (at, layout.group), rank * own)
    np.add.at(count, (at, layout.group), own)
    angle = np.pi * np.arange(1, _WAVES + 1)[:, None] * (total / np.maximum(count, 1))[:, None]
    return torch.from_numpy((np.cos(angle) * (count > 0)[:, None]).astype(np.float32))


def _log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """log softmax at `index`, over the last axis."""
    return torch.log_softmax(logits, -1).gather(-1, index[..., None])[..., 0]


def sharpened(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """softmax(logits / temperature), (batch, n), of which `top_p` below 1 keeps only the most probable ones that
    together hold this share (nucleus sampling, Holtzman et al. 2020); their sum is then not 1."""
    p = torch.softmax(logits if temperature == 1.0 else logits / temperature, 1)
    if top_p < 1.0:
        ordered, at = torch.sort(p, dim=1, descending=True)
        before = torch.cumsum(ordered, 1) - ordered
        p = torch.zeros_like(p).scatter(1, at, torch.where(before < top_p, ordered, 0.0))
    return p


def draw_index(weights: Tensor, generator: torch.Generator) -> Tensor:
    """An index of each row with probability proportional to its weight, (batch,) int64; weights (batch, n)."""
    cumulative = torch.cumsum(weights, 1)
    total = cumulative[:, -1:].contiguous()
    u = torch.rand(len(weights), 1, generator=generator, device=weights.device) * total
    # Rounding may carry u to the very end: the last index that has any weight.
    last = torch.searchsorted(cumulative, total)
    return torch.minimum(torch.searchsorted(cumulative, u, right=True), last)[:, 0]
