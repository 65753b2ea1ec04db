"""From a generator's directory to a table of synthetic rows on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.balance import Balance
from understudy.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from understudy.progress import Progress


def write_sample(
    model_dir: str | Path, out: str | Path, n_rows: int | None, *, like: str | Path | None, seed: int | None,
    where: Mapping[str, Any] | None, balance: Balance | None, progress: Progress,
) -> tuple[int, float, str]:  # fmt: skip
    """Write `n_rows` rows to `out`, or as many as the table `like` has: how many, the seconds, and the label.

    The label says what the rows were altered to; "" where nothing was. Raises ConfigError for a request that can't
    be met.
    """
    import numpy as np

    from understudy.generators import base
    from understudy.generators.balanced import label_of, rebalanced
    from understudy.generators.output import sample_batches
    from understudy.tables import count_rows, format_of, write_batches

    if n_rows is None and like is None:
        raise ConfigError("n_rows is not set; say how many rows to sample")
    if balance and balance.column in (where or {}):
        raise ConfigError(f"{balance.column!r} is balanced and has a condition; give --balance or --where for it")
    format_of(out)
    total = count_rows(like) if n_rows is None and like is not None else base.check_n_rows(n_rows or 0)
    generator = rebalanced(base.load(model_dir), balance)
    label = label_of(generator, where)

    def batches() -> Iterator[pd.DataFrame]:
        done = 0
        for batch in sample_batches(generator, total, rng=np.random.default_rng(seed), where=where):
            yield batch
            done += len(batch)
            progress(done / max(total, 1), f"{done:,} rows")

    started = time.perf_counter()
    write_batches(batches(), out, label)
    return total, time.perf_counter() - started, label
