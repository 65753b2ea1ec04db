"""Tables of known generators."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.audit.tables import AuditTables, build


@pytest.fixture(scope="session")
def leaky(population, schema) -> Callable[..., AuditTables]:
    """Builds the tables of `n` units a side; of S the share `copied` are rows drawn from the training table, of which
    members are a half, the others fresh people."""

    def draw(n: int, copied: float, seed: int) -> AuditTables:
        rng = np.random.default_rng([seed, n])
        members, nonmembers, reference, rest = (population(k, rng) for k in (n, n, 2 * n, n))
        train = pd.concat([members, rest], ignore_index=True)
        n_copied = round(copied * 2 * n)
        copies = train.iloc[rng.integers(0, len(train), n_copied)]
        fresh = population(2 * n - n_copied, rng) if n_copied < 2 * n else copies.iloc[:0]
        synthetic = pd.concat([t for t in (fresh, copies) if len(t)], ignore_index=True)
        named = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
        return build(named, schema)

    return draw


@pytest.fixture(scope="session")
def bootstrap(leaky) -> AuditTables:
    """400 a side; S is a bootstrap of the training table, so that 63 % of the members occur in it."""
    return leaky(400, 1.0, 0)


@pytest.fixture(scope="session")
def clean(leaky) -> AuditTables:
    """400 a side; S are fresh people."""
    return leaky(400, 0.0, 1)
