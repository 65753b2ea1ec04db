"""Fit a network: AdamW over a one-cycle schedule, averaged weights, early stopping on held-out likelihood.

Everything random follows from the seed and the step, so that a resumed fit takes the very steps of an uninterrupted
one. Rows are moved to the device once, as bytes.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from understudy.generators import neural_checkpoint
from understudy.generators.neural_checkpoint import Progressed
from understudy.generators.neural_distributed import Ranks
from understudy.generators.neural_network import Network, threads
from understudy.generators.neural_transformer import Transformer
from understudy.progress import Progress

WARM_UP = 0.05
AVERAGED = 0.1
"""Averaged weights reach back over about this share of the steps done (Karras et al. 2024, power-function averages)."""
N_CHECKS = 16
WORTH_COMPILING = 1000
"""Compiling takes about half a minute: shorter fits go without."""
_BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: the most steps.
        batch_size: rows a step.
        learning_rate: its peak; it falls to zero over `steps` as a cosine.
        weight_decay: of AdamW, times the learning rate.
        ordered_share: the share of rows whose seen columns are those of the sampling order.
        patience: sixteenths of `steps` without a better held-out likelihood after which to stop.
        checkpoint_seconds: the least time between checkpoints.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    ordered_share: float
    patience: int
    checkpoint_seconds: float

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = (step + 1) / self.steps
        return self.learning_rate * min(done / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Checkpointing:
    """Where to keep checkpoints, and what they belong to."""

    folder: Path
    belongs_to: str


class Training:
    """One fit of a network on tokens; leaves the averaged weights of the best check in the network.

    rows, held_out: (n_rows, n_columns) uint8 tokens; held_out may be empty: then all steps are taken.
    """

    def __init__(
        self, network: Network, rows: np.ndarray, held_out: np.ndarray, schedule: Schedule, *, seed: int,
        device: torch.device, checkpoint: Checkpointing | None = None, progress: Progress | None = None,
        ranks: Ranks = Ranks(),
    ) -> None:  # fmt: skip
        self.network, self.schedule, self.ranks = network.to(device), schedule, ranks
        self.rows = torch.from_numpy(np.ascontiguousarray(ranks.shard(rows))).to(device)
        self.held_out = torch.from_numpy(np.ascontiguousarray(ranks.share(held_out))).to(device)
        self.n_held_out = len(held_out)
        self.batch_size = max(min(schedule.batch_size // ranks.size, len(self.rows)), 1)
        # What ranks draw for their rows differs; the only one draws what it always has.
        self.seed = seed if ranks.size == 1 else _mix(seed, ranks.rank)
        self.checkpoint, self.progress = checkpoint, progress if ranks.first else None
        self.parameters: dict[str, Tensor] = dict(network.named_parameters())
        self.average = {k: v.detach().clone() for k, v in self.parameters.items()}
        self.best = {k: v.clone() for k, v in self.average.items()}
        # Biases hold the columns' frequencies: decay would pull them toward uniform ones.
        free = [v for k, v in self.parameters.items() if _undecayed(k, v)]
        decayed = [v for k, v in self.parameters.items() if not _undecayed(k, v)]
        groups = [{"params": decayed, "weight_decay": schedule.weight_decay}, {"params": free, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=_BETAS, fused=True)
        self.generator = torch.Generator(device)
        self.now = Progressed()
        if device.type == "cuda" and schedule.steps >= WORTH_COMPILING:
            compile_states(network, self.rows, self.batch_size)

    def run(self) -> float:
        """Train to the end; the held-out nats a row of what was kept, NaN without held-out rows.

        On one CPU thread: the products are small, threads that wait for each other cost more on a busy machine than
        they gain on an idle one, and the result is the same on any number of cores.
        """
        with threads(1):
            return self._run()

    def _run(self) -> float:
        self._resume()
        written = time.monotonic()
        # A sixteenth of the fit, or one pass over the rows if that is less: a small table is learnt by heart quickly.
        passes = len(self.rows) // self.batch_size
        every = max(min(self.schedule.steps // N_CHECKS, passes), 1)
        self.network.train()
        while self.now.step < self.schedule.steps and not self.now.done:
            self._step()
            if self.now.step % every == 0 or self.now.step == self.schedule.steps:
                self._check()
            if self.checkpoint and self.ranks.first and time.monotonic() - written >= self.schedule.checkpoint_seconds:
                self._write(self.checkpoint)
                written = time.monotonic()
        self._load(self.best if self.n_held_out else self.average)
        self.network.eval()
        return self.now.best if self.n_held_out else math.nan

    def _step(self) -> None:
        step = self.now.step
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(step)
        self.generator.manual_seed(_mix(self.seed, 0, step))
        with self._precision():
            loss = self.network.loss(self._batch(step), self.generator, self.schedule.ordered_share)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average(p.grad for p in self.parameters.values())
        self.optimiser.step()
        self.now.step = step + 1
        weight = max(1 / (1 + AVERAGED * self.now.step), 1 / (1 + AVERAGED * self.schedule.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), weight)

    def _batch(self, step: int) -> Tensor:
        """The rows of a step: a fresh permutation every epoch, and no short batches."""
        n, size = len(self.rows), self.batch_size
        a_epoch = n // size
        epoch, at = divmod(step, a_epoch)
        if at == 0 or not hasattr(self, "order"):
            generator = torch.Generator().manual_seed(_mix(self.seed, 1, epoch))
            self.order = torch.randperm(n, generator=generator).to(self.rows.device)
        return self.rows[self.order[at * size : (at + 1) * size]].long()

    def _check(self) -> None:
        """Measure the averaged weights on held-out rows; keep the best, stop when they get no better."""
        now = self.now
        said = f"step {now.step} of {self.schedule.steps}"
        if self.n_held_out:
            loss = self._held_out_loss()
            if loss < now.best:
                now.best, now.best_step = loss, now.step
                for k, v in self.average.items():
                    self.best[k].copy_(v)
            now.done = (now.step - now.best_step) * N_CHECKS >= self.schedule.patience * self.schedule.steps
            said += f", held-out {loss:.3f} nats a row"
        if self.progress:
            self.progress(1.0 if now.done else now.step / self.schedule.steps, said)

    def _held_out_loss(self) -> float:
        trained = {k: v.detach().clone() for k, v in self.parameters.items()}
        self._load(self.average)
        self.network.eval()
        with torch.no_grad(), self._precision():
            total = sum(float(self.network.ordered_nll(part.long()).sum()) for part in self.held_out.split(2048))
        self._load(trained)
        self.network.train()
        return self.ranks.total(total, self.rows.device) / self.n_held_out

    def _load(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for k, v in weights.items():
                self.parameters[k].copy_(v)

    def _precision(self) -> AbstractContextManager[object]:
        if self.rows.device.type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", dtype=torch.bfloat16)

    def _write(self, checkpoint: Checkpointing) -> None:
        tensors = {f"weights.{k}": v for k, v in self.parameters.items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for k, v in self.parameters.items():
            tensors |= {f"optimiser.{k}.{name}": x for name, x in self.optimiser.state[v].items()}
        neural_checkpoint.write(checkpoint.folder, checkpoint.belongs_to, self.now, tensors)

    def _resume(self) -> None:
        found = neural_checkpoint.read(self.checkpoint.folder, self.checkpoint.belongs_to) if self.checkpoint else None
        if found is None:
            return
        self.now, tensors = found
        for k, v in self.parameters.items():
            v.data.copy_(tensors[f"weights.{k}"])
            self.average[k].copy_(tensors[f"average.{k}"])
            self.best[k].copy_(tensors[f"best.{k}"])
            self.optimiser.state[v] = {
                name: tensors[f"optimiser.{k}.{name}"].to("cpu" if name == "step" and not v.is_cuda else v.device)
                for name in ("step", "exp_avg", "exp_avg_sq")
            }


def compile_states(network: Network, rows: Tensor, batch_size: int) -> None:
    """Have a transformer's pass compiled for training, if that works here; else leave it as it is.

    Compiling needs Triton and a C compiler, which not every GPU machine has.
    """
    if not isinstance(network, Transformer) or not len(rows):
        return
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    example = rows[:1].long().expand(batch_size, -1)
    compiled = torch.compile(network.states, dynamic=False)
    try:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            compiled(example, network.at.expand(batch_size, -1)).float().sum().backward()
    except (TorchDynamoException, InductorError, ImportError):
        return
    finally:
        network.zero_grad(set_to_none=True)
    network.trained = compiled


def _undecayed(name: str, weights: Tensor) -> bool:
    """Biases, gains, and the few weights that move a whole distribution."""
    return "bias" in name or "smooth" in name or weights.ndim < 2


def _mix(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
