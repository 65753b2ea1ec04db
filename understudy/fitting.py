"""From a table to a fitted generator on disk, by one process or by several together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy import ranks
from understudy.balance import Balance
from understudy.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

    from understudy.progress import Progress


def fit_and_save(
    read: Callable[[], tuple[pd.DataFrame, TableSchema]], model_dir: str | Path, generator: str,
    config: Mapping[str, Any] | None, *, seed: int, checkpoint: str | Path | None = None,
    balance: Balance | None = None, progress: Progress | None = None,
) -> tuple[dict[str, float], dict[str, str]]:  # fmt: skip
    """Fit the generator named `generator` on what `read` gives and write it to `model_dir`: its numbers and facts.

    Settings are checked before anything is read. Of several processes the first one writes. Raises ConfigError for a
    generator, or settings, that don't fit the table.
    """
    import numpy as np

    from understudy.generator_stages import fit_options
    from understudy.generators import auto
    from understudy.generators.balanced import label_of, rebalanced, stated

    auto.check(generator, config)
    table, schema = read()
    balance = balance.check(schema, table) if balance else None
    made, choice = auto.create(generator, config, table, schema)
    options = fit_options(made, checkpoint)
    if progress and choice.reason:
        progress(0.0, f"{choice.name}, since {choice.reason}")
    started = time.perf_counter()
    made.fit(table, schema=schema, rng=np.random.default_rng(seed), progress=progress, **options)
    seconds = time.perf_counter() - started
    ready = rebalanced(made, balance)
    if ranks.first():
        ready.save(Path(model_dir))
    return {"rows_train": float(len(table)), "fit_seconds": seconds}, choice.facts() | stated(label_of(ready))
