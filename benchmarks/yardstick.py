"""The yardstick of docs/benchmarks.md: quality by LightGBM against a holdout, leak by a distance attack.

C2ST: 5-fold LightGBM AUC of synthetic against holdout (0.5 is ideal). Gap: TRTR - TSTR, the AUC of LightGBM for a
target of classes, the R2 of scikit-learn's boosting (the same method and defaults) for a number.
DCR share: synthetic rows nearer to train than to an equally large holdout (0.5 is ideal). MIA: AUC of minus
the distance to the closest synthetic row, train rows against holdout rows; MIA outliers: the same on the
tenth of the rows that lie farthest from their 5 nearest holdout rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from understudy.evaluation import stats
from understudy.evaluation.aligned import Aligned, align
from understudy.evaluation.detection import measure_detection
from understudy.evaluation.distances import _encode, _rank_scale, closest_record, exact_copies, support
from understudy.evaluation.fidelity import measure_fidelity
from understudy.evaluation.nearest import nearest
from understudy.evaluation.utility import measure_utility
from understudy.schema import TableSchema

MIA_ROWS = 8_000
MAX_LEVELS = 256  # of a column of more categories the rarest count as one, where outliers are looked for


def lightgbm(categorical: np.ndarray, seed: int) -> Any:
    """LightGBM with its defaults on two threads; categorical (n_columns,) bool."""
    from lightgbm import LGBMClassifier

    class Native(LGBMClassifier):
        def fit(self, x: np.ndarray, y: np.ndarray) -> Native:
            return super().fit(x, y, categorical_feature=np.flatnonzero(categorical).tolist())

    return Native(n_jobs=2, verbose=-1, random_state=seed)


@dataclass(frozen=True)
class Score:
    """One synthetic table's figures; names as in the table that `frontier` prints."""

    shape: float
    trend: float
    c2st: float
    gap: float
    beta: float
    dcr: float
    mia: float
    mia_outliers: float
    copies: float
    copies_holdout: float


def score(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema, seed: int = 0
) -> Score:
    """Measure `synthetic` against the table it learnt and a holdout, with fixed folds and subsamples."""
    rngs = np.random.default_rng(seed).spawn(6)
    data = align({"train": train, "holdout": holdout, "synthetic": synthetic}, schema)
    fidelity = measure_fidelity(data, schema, rngs[0])
    detection = measure_detection(data, rngs[1], lightgbm)
    utility = measure_utility(data, schema.target, rngs[2], lightgbm) if schema.target else None
    covered = support(data, rngs[3])
    copies, copies_holdout = exact_copies(data)
    mia, mia_outliers = membership(data, rngs[4])
    return Score(
        shape=fidelity.shape_error or np.nan,
        trend=fidelity.trend_error or np.nan,
        c2st=detection.auc if detection else np.nan,
        gap=utility.gap if utility else np.nan,
        beta=covered.beta_recall if covered else np.nan,
        dcr=closest_record(data, rngs[5]).share,
        mia=mia,
        mia_outliers=mia_outliers,
        copies=copies,
        copies_holdout=copies_holdout,
    )


def membership(data: Aligned, rng: np.random.Generator) -> tuple[float, float]:
    """AUC of the distance attack on all rows, and on outliers."""
    train, holdout, synthetic = data.views
    half = rng.permutation(holdout.n_rows)
    # Outliers are rows far from real rows that are neither members nor the fresh rows under attack.
    n = min(train.n_rows, holdout.n_rows // 2, MIA_ROWS)
    members, fresh, other = train.sample(n, rng), holdout.take(half[:n]), holdout.take(half[n:])
    scale = _rank_scale(data, (train, holdout))
    rows_in, rows_out, rows_other, made = _encode(data, (members, fresh, other, synthetic), scale)
    distance = np.concatenate([nearest(rows, made, squared=False)[0] for rows in (rows_in, rows_out)])
    is_member = np.arange(2 * n) < n
    levels = np.max([rows[1].max(axis=0, initial=0) for rows in (rows_in, rows_out, rows_other)], axis=0) + 1
    crowd = NearestNeighbors(n_neighbors=5, n_jobs=2).fit(_flat(rows_other, levels))
    alone = np.concatenate([crowd.kneighbors(_flat(rows, levels))[0].mean(axis=1) for rows in (rows_in, rows_out)])
    outlier = alone >= np.quantile(alone, 0.9)
    return stats.auc(is_member, -distance)[0], stats.auc(is_member[outlier], -distance[outlier])[0]


def _flat(rows: tuple[np.ndarray, np.ndarray], levels: np.ndarray) -> np.ndarray:
    numbers, codes = rows
    codes, levels = np.minimum(codes, MAX_LEVELS - 1), np.minimum(levels, MAX_LEVELS)
    hot = [(codes[:, [j]] == np.arange(n)) / 2 for j, n in enumerate(levels)]
    return np.hstack([numbers, *hot]).astype(np.float32)
