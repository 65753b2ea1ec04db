"""Fit on several processes, on one machine or many, as torchrun starts them.

Every process (rank) holds a shard of the rows and takes its part of each batch; the gradients are averaged, so all
take the same steps and have the same weights. The first writes checkpoints. When a rank dies, torchrun starts all
anew, and they go on from the last checkpoint, which must be on a disk that all of them see.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from understudy import ranks

PATIENCE = timedelta(minutes=10)
"""How long a rank waits for the others before it fails."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that fit together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def shard(self, rows: np.ndarray) -> np.ndarray:
        """Every `size`-th row, as many on every rank: up to `size` - 1 rows are on two."""
        if self.size == 1 or not len(rows):
            return rows
        longest = -(-len(rows) // self.size)
        return rows[np.arange(self.rank, longest * self.size, self.size) % len(rows)]

    def share(self, rows: np.ndarray) -> np.ndarray:
        """Every `size`-th row, each on one rank only."""
        return rows[self.rank :: self.size]

    def average(self, gradients: Iterable[Tensor | None]) -> None:
        """Replace gradients by their means over the ranks."""
        there = [g for g in gradients if g is not None]
        if self.size == 1 or not there:
            return
        flat = torch.cat([g.flatten() for g in there])
        distributed.all_reduce(flat)
        flat /= self.size
        for g, mean in zip(there, flat.split([g.numel() for g in there]), strict=True):
            g.copy_(mean.view_as(g))

    def total(self, value: float, device: torch.device) -> float:
        """The sum of a number over the ranks, the same on all of them."""
        if self.size == 1:
            return value
        # Not every device has doubles, and a sum in float32 is the same everywhere too.
        held = torch.tensor([value], dtype=torch.float32, device=device)
        distributed.all_reduce(held)
        return float(held)


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """This process among the ranks, alone where torchrun didn't start it, while the block runs."""
    if ranks.count() == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0))
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        # torchrun keeps this store when it starts the ranks anew, with the addresses of those that are gone
        # (pytorch issue 135712).
        store = distributed.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
