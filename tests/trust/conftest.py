"""A bundle that was sealed long ago, and a ladder with a paused clock for every test of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.paused import Clock, ladder

SEALED = Path(__file__).parents[1] / "formats" / "data"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bundle_file() -> Path:
    return SEALED / "format-2.sbundle"


@pytest.fixture
def other_bundle_file() -> Path:
    return SEALED / "format-1.sbundle"


@pytest.fixture
def steps(tmp_path, clock):
    return ladder(tmp_path / "registry", clock)
