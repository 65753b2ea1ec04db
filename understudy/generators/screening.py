"""Which columns are worth splitting on, where there are too many to try them all."""

from __future__ import annotations

import numpy as np

from understudy.compiled import compiled


@compiled
def screen(codes, features, classes, rows, n_classes, out):
    """The information (nats a row) that each feature's codes hold on the classes, into out (p,).

    codes (n_codes, n) uint8; features (p,) int64; classes (n,) int64; rows (m,) int64. Corrected for chance
    (Miller 1955).
    """
    n = len(rows)
    own = np.zeros(n_classes)
    for i in range(n):
        own[classes[rows[i]]] += 1
    for j in range(len(features)):
        joint = np.zeros((256, n_classes))
        for i in range(n):
            joint[codes[features[j], rows[i]], classes[rows[i]]] += 1
        gain = 0.0
        cells, levels, present = 0, 0, 0
        for k in range(n_classes):
            present += own[k] > 0
        for c in range(256):
            total = joint[c].sum()
            levels += total > 0
            for k in range(n_classes):
                if joint[c, k] > 0:
                    cells += 1
                    gain += joint[c, k] * np.log(joint[c, k] * n / (total * own[k]))
        out[j] = (gain - 0.5 * (cells - levels - present + 1)) / n
