from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sternpost as sp
from sternpost.serve.server import Server
from tests.routes.conftest import built
from tests.server.certificates import Authority
from tests.server.operating import Two
from tests.server.serving import Command, resident_kib, serving, until
from tests.server.stubs import Client, connect
from tests.server.target import GROWN_KIB, IDLE_MS, PATIENCE_MS, SEED, Target


@pytest.fixture(scope="session")
def loans_bundle() -> sp.Bundle:
    return built("boosting")


@pytest.fixture(scope="session")
def bundle_file(loans_bundle, tmp_path_factory) -> Path:
    """A sealed file; nobody writes into it."""
    path = tmp_path_factory.mktemp("sealed") / "boosting.sbundle"
    loans_bundle.save(path)
    return path


@pytest.fixture(scope="session")
def newer_file(tmp_path_factory) -> Path:
    """Another bundle of the same name, with other scores."""
    path = tmp_path_factory.mktemp("sealed") / "newer.sbundle"
    built("boosting", trees=11).save(path)
    return path


@pytest.fixture
def server(loans_bundle) -> Iterator[Server]:
    """Over TCP, for tests that count or end it."""
    with serving(loans_bundle) as server:
        yield server


@pytest.fixture(scope="module")
def shared(loans_bundle, tmp_path_factory) -> Iterator[Server]:
    """Over TCP and a socket file, for tests that leave no trace."""
    path = tmp_path_factory.mktemp("socket") / "s"
    with serving(loans_bundle, listen=("127.0.0.1:0", f"unix:{path}")) as server:
        yield server


@pytest.fixture(scope="module")
def client(shared) -> Iterator[Client]:
    with connect(shared.addresses[0]) as client:
        yield client


@pytest.fixture
def command(tmp_path) -> Iterator[Callable[..., Command]]:
    """`command("--watch", ..., files)`: a `sternpost serve` of its own on free ports, ended after the test."""
    started: list[Command] = []

    def start(*arguments: object, listen: str = "127.0.0.1:0", **env: Any) -> Command:
        log = tmp_path / f"serve-{len(started)}.log"
        started.append(Command(["--listen", listen, "--http", "127.0.0.1:0", *arguments], log, env))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture(scope="session")
def started(bundle_file, loans_bundle, tmp_path_factory) -> Iterator[Target]:
    """A server with little patience."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    target = Target(bundle_file, log, patience_ms=PATIENCE_MS, idle_ms=IDLE_MS, message_bytes=4 << 20, threads=2)
    target.learn(loans_bundle)
    yield target
    assert target.end() == 0
    assert "panicked" not in log.read_text()


@pytest.fixture
def target(started) -> Iterator[Target]:
    """The server; afterwards it answers a good call as before, has let every connection go, and holds no more memory
    than GROWN_KIB above what it held when it was warm."""
    print(f"seed {SEED}")
    yield started
    started.answers()
    until(lambda: started.connections() == 0)
    grown = resident_kib(started.pid) - started.warm
    assert grown < GROWN_KIB, f"{grown} KiB more than when it was warm"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where bundles are put for a command."""
    path = tmp_path / "bundles"
    path.mkdir()
    return path


@pytest.fixture
def two(bundle_file, newer_file, folder) -> Two:
    return Two(bundle_file, newer_file, folder)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("tests")
