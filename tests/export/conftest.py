"""Small data needs no threads: with them, a busy machine spends its time waiting in thread barriers."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    with threadpool_limits(limits=1):
        yield
