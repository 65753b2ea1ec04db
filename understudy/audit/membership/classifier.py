"""Attack 3, a classifier of S against R: does x look synthetic to a model that knows both?

Score: the logit of boosted trees told to separate synthetic from reference rows, after LOGAN (Hayes et
al., PoPETs 2019), where the GAN's discriminator plays this part. The two tables enter with equal
sizes; a larger S is cut into parts, each against R, whose logits are averaged.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.tables import AuditTables
from understudy.audit.trees import logits

MAX_PARTS = 2
MAX_TRAINING_ROWS = 10_000
"""Rows of each table in one fit: more make it slower, hardly sharper."""


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) mean logits."""
    pool = tables.pool.features()
    total = np.zeros(len(pool))
    for synthetic, reference in tables.equal_parts(MAX_PARTS, rng):
        s, r = synthetic.features()[:MAX_TRAINING_ROWS], reference.features()[:MAX_TRAINING_ROWS]
        label = np.arange(len(s) + len(r)) < len(s)
        total += logits(np.vstack([s, r]), label, pool, rounds=100, leaves=31, rng=rng)
    return tables.per_unit(total)
