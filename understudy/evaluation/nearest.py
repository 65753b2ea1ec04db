"""Nearest neighbours over mixed columns: exact, compiled, and with memory for one row at a time.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from understudy.compiled import compiled

_THREADS = 2


def nearest(
    query: tuple[np.ndarray, np.ndarray],
    reference: tuple[np.ndarray, np.ndarray],
    *,
    squared: bool,
    exclude: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest reference row of each query row.

    Args:
        query, reference: each ((n, d) float32 numbers, (n, c) int32 codes).
        squared: False: Gower's sum of |difference| and 1 for every code that differs; True: the squared
            Euclidean distance of numbers and one-hot codes, in which a differing code counts 2.
        exclude: (n_query,) position of a reference row each query row must not find (itself), -1 = none.

    Returns:
        (n_query,) float64 distances (of the form above) and (n_query,) int64 positions, the first of equals.
    """
    n = len(query[0])
    skip = np.full(n, -1, np.int64) if exclude is None else exclude.astype(np.int64)
    distance, position = np.empty(n), np.empty(n, np.int64)
    q_num, q_code = (np.ascontiguousarray(a) for a in query)
    r_num, r_code = (np.ascontiguousarray(a) for a in reference)

    def part(rows: slice) -> None:
        _scan(
            q_num[rows], q_code[rows], r_num, r_code, squared, skip[rows], distance[rows], position[rows]
        )  # fmt: skip

    part(slice(0, 1))  # compiles once, before the threads
    bounds = np.linspace(0, n, 4 * _THREADS + 1).astype(int)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(part, [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]))
    return distance, position


@compiled
def _scan(q_num, q_code, r_num, r_code, squared, skip, distance, position):  # type: ignore[no-untyped-def]
    """Fill `distance` and `position`; a candidate is dropped as soon as it can't be the nearest.

    Blocks and four partial sums, because a sum of one term at a time waits for each addition.
    """
    differs = 2.0 if squared else 1.0
    n_codes, n_numbers = q_code.shape[1], q_num.shape[1]
    in_fours = n_numbers - n_numbers % 4
    for i in range(q_num.shape[0]):
        best, at = np.inf, -1
        for j in range(r_num.shape[0]):
            if j == skip[i]:
                continue
            unequal, k = 0, 0
            while k < n_codes and unequal * differs < best:
                stop = min(k + 16, n_codes)
                for c in range(k, stop):
                    unequal += q_code[i, c] != r_code[j, c]
                k = stop
            d = unequal * differs
            if d >= best:
                continue
            a0, a1, a2, a3 = d, 0.0, 0.0, 0.0
            for k in range(0, in_fours, 4):
                g0 = abs(np.float64(q_num[i, k]) - np.float64(r_num[j, k]))
                g1 = abs(np.float64(q_num[i, k + 1]) - np.float64(r_num[j, k + 1]))
                g2 = abs(np.float64(q_num[i, k + 2]) - np.float64(r_num[j, k + 2]))
                g3 = abs(np.float64(q_num[i, k + 3]) - np.float64(r_num[j, k + 3]))
                a0 += g0 * g0 if squared else g0
                a1 += g1 * g1 if squared else g1
                a2 += g2 * g2 if squared else g2
                a3 += g3 * g3 if squared else g3
            for k in range(in_fours, n_numbers):
                g0 = abs(np.float64(q_num[i, k]) - np.float64(r_num[j, k]))
                a0 += g0 * g0 if squared else g0
            d = a0 + a1 + a2 + a3
            if d < best:
                best, at = d, j
        distance[i], position[i] = best, at
