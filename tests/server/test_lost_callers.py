"""Callers that vanish without a word, and callers that are only silent: the former are let go, the latter kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import sternpost as sp
from tests.client.proxy import Proxy
from tests.server.frames import DATA, END_STREAM, PING, Raw, frame, head, message
from tests.server.serving import Alone, until
from tests.server.target import IDLE_MS, PATIENCE_MS, ROW, STREAM

# What a loaded machine may add.
MARGIN_S = 2.0


def streaming(address: str, request: bytes) -> Raw:
    """A connection with a stream that was answered once and stays open."""
    raw = Raw(address)
    stream = raw.call(head(STREAM), None)
    raw.send(frame(DATA, 0, stream, message(request)))
    while not raw.answers[stream].data:
        raw.read()
    return raw


def test_a_caller_that_is_lost_is_let_go(started):
    """Its stream stays open and no packet says that it is gone: a PING finds out."""
    bound_s = (IDLE_MS + PATIENCE_MS) / 1000 + 2.0
    with Proxy(started.address) as proxy, streaming(proxy.address, started.request):
        assert started.connections() == 1
        proxy.lose()
        until(lambda: started.connections() == 0, bound_s + MARGIN_S)


def test_a_caller_that_only_waits_is_kept(started):
    """It says nothing for longer than a connection may be idle, but answers the PING."""
    with streaming(started.address, started.request) as raw:
        raw.socket.settimeout(0.1)
        end = time.monotonic() + 3 * (IDLE_MS + PATIENCE_MS) / 1000
        pings = 0
        while time.monotonic() < end:
            try:
                pings += raw.read() == PING
            except TimeoutError:
                continue
        assert pings >= 2
        assert started.connections() == 1
        raw.send(frame(DATA, END_STREAM, 1, message(started.request)))
        raw.socket.settimeout(5)
        assert raw.answer(1).code == 0


def test_a_client_whose_connection_was_let_go_asks_again(bundle_file, tmp_path):
    """Between two calls of sp.Client nobody reads, so a PING of then is not answered; the next call never knows."""
    server = Alone(bundle_file, tmp_path / "log", idle_ms=300, patience_ms=200, threads=1)
    try:
        for transport in ("stream", "unary"):
            with sp.Client(server.address, transport=transport, watch_health=False, deadline_s=5.0) as client:
                for _ in range(2):
                    assert client.score(ROW).source == "model"
                    until(lambda: server.connections() == 0)
                assert client.score(ROW).source == "model"
                assert client.stats()["errors"] == 0
    finally:
        server.end()


def test_the_system_asks_for_the_host(started):
    """The server's socket has TCP's own keep-alive running: the timer of kind 2 in the kernel's table."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("no table of sockets in /proc")
    with Raw(started.address) as raw:
        assert raw.ask(head(), message(started.request)).code == 0
        here, there = raw.socket.getsockname()[1], raw.socket.getpeername()[1]

        def timer() -> str:
            for line in table.read_text().splitlines()[1:]:
                _, local, remote, _, _, timer, *_ = line.split()
                if (local[-4:], remote[-4:]) == (f"{there:04X}", f"{here:04X}"):
                    return timer[:2]
            raise AssertionError("no such socket")

        until(lambda: timer() == "02")
