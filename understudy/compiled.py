"""Compile kernels with numba, cached on disk where that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`numba.njit` that releases the GIL. numba refuses to cache where neither the package's folder nor
    the user's can be written (a read-only container): then each process compiles for itself; set
    NUMBA_CACHE_DIR to a writable folder to avoid that."""
    from numba import njit

    try:
        return njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return njit(nogil=True)(function)  # type: ignore[no-any-return]
