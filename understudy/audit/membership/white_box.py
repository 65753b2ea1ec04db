"""Attack 8, white-box: does the released generator itself expect x more than one fitted on R?

Score: log p_G(x) - log p(x | fitted on R): the likelihood of Yeom et al. (CSF 2018), calibrated for how
probable x is anyway (Watson et al., ICLR 2022). It needs the generator's artifact, not only its rows.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.tables import AuditTables, bounded


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray | None:
    """(n_units,) differences of log-densities, nats; `rng` is not used. None for a generator without a density."""
    assert tables.model is not None
    own = tables.model.log_density(tables.pool.frame)
    if own is None:
        return None
    expected = tables.reference_density
    return tables.per_unit(bounded(own) - (0.0 if expected is None else expected))
