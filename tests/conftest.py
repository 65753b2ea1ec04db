"""What all tests share: a file of tests leaves the environment as it found it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def environment_is_kept() -> Iterator[None]:
    """Libraries write to it too: mlflow's tracking URI would send the next file's runs to another registry."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
