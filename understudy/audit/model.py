"""What the audit may know of a generator: the released one, and how an attacker would fit another like it.

Both are handed in by the caller; the audit knows no concrete generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd


class Model(Protocol):
    """A fitted generator, as an attacker uses it."""

    def sample(self, n_rows: int, *, rng: np.random.Generator) -> pd.DataFrame: ...

    def log_density(self, table: pd.DataFrame) -> np.ndarray | None:
        """log P(row), (n_rows,) nats, -inf where the model can't emit the row; None where it has no density."""
        ...


Refit = Callable[[pd.DataFrame, np.random.Generator], Model]
"""Fits the product's own generator on a conformed table (with or without the privacy unit's column)."""
