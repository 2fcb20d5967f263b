from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sternpost as sp
from sternpost.serve.server import Server
from tests.routes.conftest import built
from tests.server.serving import Command, serving
from tests.server.stubs import Client, connect


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
