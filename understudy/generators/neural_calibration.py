"""Correct a fitted network's biases so that what it draws has the frequencies of the table it learnt.

Small errors of the conditionals add up along a row: common categories come out too often. Drawing column after
column, each column's biases are shifted until the mean of its probabilities over rows drawn so far is its frequency
in training. Only those frequencies are used, which the layout holds anyway.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from understudy.generators.neural_heads import draw_index
from understudy.generators.neural_network import Network, threads

MOST_ROWS = 1 << 13
ROUNDS = 4
_MOST_SHIFT = 1.0
_FEWEST_ROWS = 100
"""A group that fewer drawn rows fell in keeps its places as they are."""


@threads(1)
@torch.no_grad()
def calibrate(network: Network, frequencies: np.ndarray, seed: int) -> None:
    """Shift the head biases of `network` in place, in the layout's order.

    frequencies (n_columns, most_tokens), 0 for tokens that are never emitted. The shifts are those of iterative
    proportional fitting on the mean, at most 1 nat, so that a token that is hardly ever drawn isn't blown up.
    """
    heads, device = network.heads, network.device
    network.eval()
    generator = torch.Generator(device).manual_seed(seed)
    session = network.session(2 * min(network.most_rows(), MOST_ROWS))
    shares = torch.from_numpy(frequencies.astype(np.float32)).to(device)
    for i in range(network.n_columns):
        base, state = shares[i], session.state(i)
        wanted = torch.zeros(heads.sizes[i], device=device).index_add(0, heads.group[i], base)
        shift = _shift(heads.group_logits(state, i), wanted)
        heads.bias[i, : heads.sizes[i]] += shift
        group = draw_index(torch.softmax(heads.group_logits(state, i), 1), generator)
        place = torch.zeros_like(group)
        k = heads.slots[i]
        if k >= 0:
            logits = heads.fine_logits(state, i, group)
            for g in range(heads.sizes[i]):
                rows = group == g
                own = base[heads.token[i, g]] * (heads.closed_fine[k, g] == 0)
                if int(rows.sum()) >= _FEWEST_ROWS and int((own > 0).sum()) > 1:
                    shift = _shift(logits[rows], own / own.sum())
                    heads.bias_fine[k, g] += shift
                    logits[rows] += shift
            place = draw_index(torch.softmax(logits, 1), generator)
        session.put(i, heads.token[i][group, place])


def _shift(logits: Tensor, wanted: Tensor) -> Tensor:
    """What to add to the logits (n_rows, n) so that the mean of their softmax is `wanted` (n,)."""
    total = torch.zeros_like(wanted)
    for _ in range(ROUNDS):
        mean = torch.softmax(logits + total, 1).mean(0)
        step = torch.log(wanted.clamp_min(1e-12)) - torch.log(mean.clamp_min(1e-12))
        total = (total + torch.where(wanted > 0, step, 0.0)).clamp(-_MOST_SHIFT, _MOST_SHIFT)
    return total
