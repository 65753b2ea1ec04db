"""Compile kernels with numba, cached on disk where that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`numba.njit` that releases the GIL. numba refuses to cache where neither the package's folder nor
    the user's can be written (a read-only container): then each process compiles for itself; set
    NUMBA_CACHE_DIR to a writable folder to avoid that."""
    return _compile(function)


def compiled_fast(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `compiled`, for sums that may be taken in any order over numbers that are never infinite or NaN, and
    divisions that are never by zero: so loops become vector instructions."""
    return _compile(function, fastmath=True, error_model="numpy")


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    from numba import njit

    try:
        return njit(cache=True, nogil=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return njit(nogil=True, **options)(function)  # type: ignore[no-any-return]
