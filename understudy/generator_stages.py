"""What some generators can do beyond fitting and sampling: fill gaps, go on learning, be resumed.

Like the other stages these take paths and give the paths they wrote and their numbers; outputs are whole or absent.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy import ranks
from understudy.errors import ConfigError

if TYPE_CHECKING:
    from understudy.progress import Progress

ABLE = "autoregressive"
"""The generator that can do all of this."""


def impute(
    *, model_dir: str | Path, table: str | Path, out: str | Path, likely: bool = False, seed: int = 0
) -> dict[str, float]:
    """Write `table` to `out` with its missing cells drawn from the generator (with `likely`: its best guesses), the
    other cells as they are.

    Returns how many rows there were and how many cells were filled.
    Raises ConfigError for a generator that can't, SchemaError for a table that doesn't fit it.
    """
    import numpy as np

    from understudy.generators import base
    from understudy.generators.balanced import plain
    from understudy.tables import format_of, read_table, write_table

    format_of(out)
    generator = _able(plain(base.load(model_dir)), "impute", "fill missing cells")
    real = read_table(table)
    filled = generator.impute(real, rng=np.random.default_rng(seed), likely=likely)
    write_table(filled, out)
    cells = int(real.isna().sum().sum()) - int(filled.isna().sum().sum())
    return {"rows": float(len(real)), "cells_filled": float(cells)}


def update(
    *, model_dir: str | Path, table: str | Path, out: str | Path, replay: float = 1.0, seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, float]:  # fmt: skip
    """Go on learning from `table` and write the generator to `out`, which may be `model_dir` itself.

    Returns how many rows were learnt and the seconds it took. Raises ConfigError for a generator that can't.
    """
    import numpy as np

    from understudy.generators import base
    from understudy.generators.balanced import plain
    from understudy.tables import read_table

    saved = base.load(model_dir)
    generator = _able(plain(saved), "update", "go on learning")
    rows = read_table(table)
    started = time.perf_counter()
    generator.update(rows, rng=np.random.default_rng(seed), replay=replay, progress=progress)
    seconds = time.perf_counter() - started
    saved.save(Path(out))  # with its balance, if it has one
    return {"rows_train": float(len(rows)), "fit_seconds": seconds}


def fit_options(generator: Any, checkpoint: str | Path | None = None) -> dict[str, Path]:
    """What to give to `generator.fit` so that it keeps checkpoints. Raises ConfigError for one that keeps none, or
    that several processes can't fit together, where torchrun started several."""
    if ranks.count() > 1 and generator.name != ABLE:
        raise ConfigError(_cannot(generator.name, "be fitted by several processes"))
    if checkpoint is None:
        return {}
    import inspect

    if "checkpoint" not in inspect.signature(generator.fit).parameters:
        raise ConfigError(_cannot(generator.name, "keep checkpoints"))
    return {"checkpoint": Path(checkpoint)}


def _able(generator: Any, method: str, what: str) -> Any:
    if not hasattr(generator, method):
        raise ConfigError(_cannot(generator.name, what))
    return generator


def _cannot(name: str, what: str) -> str:
    return f"generator {name} can't {what}; fit one that can, e.g. --generator {ABLE}"
