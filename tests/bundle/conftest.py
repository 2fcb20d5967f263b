"""A small and a large bundle, as bytes, for every test of the container."""

from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sternpost.bundle.archive import write_archive
from tests.bundle.bundle_cases import CREATED, SMALL


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def other_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@pytest.fixture(scope="session")
def small(tmp_path_factory, key) -> bytes:
    """A signed bundle of less than 2 kB."""
    path = tmp_path_factory.mktemp("small") / "small.sbundle"
    write_archive(path, SMALL, created=CREATED, signing_key=key)
    data = path.read_bytes()
    assert len(data) < 2_000
    return data


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> bytes:
    """An unsigned bundle of about a megabyte in 40 parts."""
    path: Path = tmp_path_factory.mktemp("large") / "large.sbundle"
    rng = np.random.default_rng(7)
    parts = {f"part-{i:02}.bin": rng.bytes(int(rng.integers(0, 50_000))) for i in range(40)}
    write_archive(path, parts, created=CREATED)
    return path.read_bytes()
