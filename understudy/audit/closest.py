"""The DCR share, shown because it is asked for, and never gated.

Tables that pass tests on the distance to the closest record are open to membership inference (Yao et al., "The DCR
delusion", arXiv 2505.01524): the share is an average over all synthetic rows, in which the few that tell on a
person vanish. docs/audit.md has a table that passes it and fails the audit.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.neighbours import nearest
from understudy.audit.tables import AuditTables

MAX_ROWS = 5_000


def dcr_share(tables: AuditTables, rng: np.random.Generator) -> float:
    """The share of synthetic rows nearer to a member's row than to any of as many non-members' rows; ties count half.

    0.5 is what fresh rows have; 5,000 rows give it a standard error of .007.
    """
    mine = tables.member[tables.pool.units]
    inside, outside = (rng.permutation(np.flatnonzero(side)) for side in (mine, ~mine))
    n = min(len(inside), len(outside))
    synthetic = tables.synthetic.geometry.take(rng.permutation(len(tables.synthetic))[:MAX_ROWS])
    to_in, to_out = (nearest(synthetic, tables.pool.geometry.take(rows[:n]), 1)[:, 0] for rows in (inside, outside))
    return float(np.mean(to_in < to_out) + np.mean(to_in == to_out) / 2)
