"""Build `data/rand_hie.csv`: the RAND Health Insurance Experiment, written for people to read.

Origin: `statsmodels.datasets.randhie` (public domain; RAND Corporation through Cameron and
Trivedi, *Microeconometrics*, 2005), 20,190 person-years, ten coded columns. What each column
becomes, and what was restored to missing, is in docs/data.md.

The build is deterministic: the same statsmodels table gives the same bytes.

    python -m pipelines.demo_data [OUT.csv]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import TableError
from understudy.files import atomic

if TYPE_CHECKING:
    import pandas as pd

ROWS = 20_190
CHRONIC_ITEMS = (23, 29)
"""Lengths of the two check lists: an observed `disea` is a whole number of items, in per cent."""


def person_keys(coded: pd.DataFrame) -> pd.Series:
    """`P00001`, `P00002`, ...: one key for each run of consecutive rows with the same covariates.

    The table has no person id, but a person's years follow each other and all columns except
    the visits (`mdvis`) are fixed at enrolment. Two neighbours with the same covariates get one
    key; for a privacy unit that errs on the safe side.
    """
    covariates = coded.drop(columns="mdvis")
    run = covariates.ne(covariates.shift()).any(axis=1).cumsum()
    return run.map("P{:05d}".format)


def dollars(logarithm: pd.Series) -> pd.Series:
    """Invert `ln(max(1, x))` to cents; 0 stands for x <= 1, which is nothing."""
    import numpy as np

    return np.exp(logarithm).round(2).where(logarithm > 0, 0.0)


def observed_share(disea: pd.Series) -> pd.Series:
    """True where `disea` is a whole number of items of one of the check lists, rounded to 0.1 %."""
    import numpy as np

    exact = np.zeros(len(disea), dtype=bool)
    for items in CHRONIC_ITEMS:
        whole = (disea * items / 100).round()
        exact |= np.isclose(disea, (whole * 100 / items).round(1), atol=1e-6)
    return disea.where(exact).notna()


def readable(coded: pd.DataFrame) -> pd.DataFrame:
    """Ten coded columns, (20,190, 10), as eight readable ones behind a person key, (20,190, 9)."""
    import numpy as np
    import pandas as pd

    health = np.select(
        [coded["hlthp"] == 1, coded["hlthf"] == 1, coded["hlthg"] == 1], ["poor", "fair", "good"], "excellent"
    )
    limited = coded["physlm"].map({0.0: "no", 1.0: "yes"})  # fractions are imputed means: missing
    return pd.DataFrame(
        {
            "person": person_keys(coded),
            "visits": coded["mdvis"],
            "coinsurance": np.expm1(coded["lncoins"]).round().astype(int),
            "deductible_plan": np.where(coded["idp"] == 1, "yes", "no"),
            "participation_payment": dollars(coded["lpi"]),
            "maximum_expenditure": dollars(coded["fmde"]),
            "physical_limitation": limited,
            "chronic_diseases": coded["disea"].where(observed_share(coded["disea"])),
            "health": health,
        }
    )


def build(out: Path) -> Path:
    """Write the table. Raises TableError when statsmodels ships another one than is documented."""
    from statsmodels.datasets import randhie

    coded = randhie.load_pandas().data
    if len(coded) != ROWS:
        raise TableError(f"statsmodels' randhie has {len(coded)} rows, not {ROWS}; see docs/data.md")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as tmp:
        readable(coded).to_csv(tmp, index=False, lineterminator="\n")
    return out


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "data/rand_hie.csv")))
