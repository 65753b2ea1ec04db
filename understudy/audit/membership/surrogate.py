"""Attack 7, the surrogate: would the product's own generator, fitted on S, expect x more than one fitted on R?

Score: log p(x | fitted on S) - log p(x | fitted on R). DOMIAS with the sharpest density at hand, the generator's
own; an attacker who knows the product can do this with the released table alone.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.tables import AuditTables, fitted_density


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray | None:
    """(n_units,) differences of log-densities, nats; None for a generator without a density."""
    expected = tables.reference_density
    if expected is None:
        return None
    own = fitted_density(tables, tables.synthetic, rng)
    return None if own is None else tables.per_unit(own - expected)
