"""Settings of `autoregressive`: its config, its device, the rows it holds out. torch is imported only where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from understudy.encoding.codec import MIN_UNITS
from understudy.errors import ConfigError
from understudy.schema import TableSchema

if TYPE_CHECKING:
    import torch

FEWEST_UNITS = 200
"""With fewer privacy units nothing is held out, and training is short."""
MOST_HELD_OUT = 2048


class AutoregressiveConfig(BaseModel):
    """Settings of `autoregressive`; None lets the table and the device decide.

    Attributes:
        device: where to fit: cpu, cuda, or auto (cuda if there is one).
        architecture: mlp, transformer, or auto (transformer on cuda).
        width, layers: of a column's perceptron (64, 1), or of the transformer (128, 4).
        steps: the most training steps (six passes over the rows, but 300 to 3,000 steps).
        batch_size: rows a step (about the root of twice the rows, 16 to 1,024).
        learning_rate: its peak (.016; transformer .003).
        weight_decay: of AdamW; biases have none (6,000 / rows, .2 to 3; transformer .1).
        target: whether samples draw the target column first or last.
        ordered_share: the share of rows that train the order in which samples are drawn; the others train any order.
        patience: sixteenths of `steps` without a better held-out likelihood after which to stop.
        temperature: below 1 draws more from what is frequent.
        top_p: below 1 leaves out the least probable tokens, which together hold 1 - top_p.
        min_units: privacy units that a category, exact value or extreme needs to be emitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    architecture: Literal["auto", "mlp", "transformer"] = "auto"
    width: int | None = Field(None, ge=4, le=4096)
    layers: int | None = Field(None, ge=0, le=64)
    steps: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)
    target: Literal["first", "last"] = "last"
    ordered_share: float = Field(0.75, ge=0, le=1)
    patience: int = Field(4, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    min_units: int = Field(MIN_UNITS, ge=1)


def choose_device(name: str) -> torch.device:
    """The device for auto, cpu or cuda. Raises ConfigError when it isn't there."""
    import torch

    there = torch.cuda.is_available()
    if name not in ("auto", "cpu", "cuda") and not name.startswith("cuda:"):
        raise ConfigError(f"device {name!r} is not known; choose auto, cpu or cuda")
    if name.startswith("cuda") and not there:
        raise ConfigError(f"device {name!r} is not there; choose cpu, or a machine with a GPU and torch for CUDA")
    return torch.device(("cuda" if there else "cpu") if name == "auto" else name)


def held_out_rows(table: pd.DataFrame, schema: TableSchema, rng: np.random.Generator) -> np.ndarray:
    """Which rows measure the likelihood instead of training, (n_rows,) bool: those of a tenth of the privacy units,
    and of about 2,048 rows at most; none of a small table."""
    chosen = rng.random(len(table))
    if schema.unit is not None and schema.unit in table:
        units = pd.factorize(table[schema.unit], use_na_sentinel=False)[0]
        chosen = rng.random(int(units.max()) + 1)[units]
        n_units = int(units.max()) + 1
    else:
        n_units = len(table)
    if n_units < FEWEST_UNITS:
        return np.zeros(len(table), dtype=bool)
    return chosen < min(0.1, MOST_HELD_OUT / len(table))
