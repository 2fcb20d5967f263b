"""Too much of what is allowed: frames, calls, connections, headers, bytes that unpack to more, answers not read."""

from __future__ import annotations

import contextlib
import gzip
import struct
from functools import cache

import hpack
import pytest

from tests.server import frames
from tests.server.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    Closed,
    Raw,
    frame,
    head,
    message,
)
from tests.server.serving import resident_kib
from tests.server.target import CALM, CLOSED_S, DESCRIBE, GROWN_KIB, INFER, STREAM, Target, opened


def flood(target: Target, start: bytes, unit: bytes, count: int) -> Raw:
    """Sends without reading, until all is sent, the other side takes no more for a moment, or hangs up."""
    raw = Raw(target.address, preface=False)
    raw.socket.settimeout(0.5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        raw.send(start)
        for _ in range(count // 100):
            raw.send(unit * 100)
    return raw


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(frame(PING, payload=b"pingping"), id="ping"),
        pytest.param(frames.settings(table=0, window=1), id="settings"),
        pytest.param(frame(SETTINGS), id="empty settings"),
        pytest.param(frame(frames.PRIORITY, 0, 3, b"\0\0\0\0\1"), id="priority"),
        pytest.param(frame(99, 0, 0, b"unknown"), id="unknown frames"),
        pytest.param(frame(frames.WINDOW, 0, 0, b"\0\0\0\1"), id="windows"),
    ],
)
def test_floods_of_frames(target, unit):
    with flood(target, PREFACE + frame(SETTINGS), unit, 50_000):
        target.answers()
        assert resident_kib(target.pid) - target.warm < GROWN_KIB


@pytest.mark.parametrize("path", [frames.SCORE, DESCRIBE, STREAM], ids=["score", "describe", "stream"])
def test_rapid_reset(target, path):
    """Calls opened and broken off at once: the caller is soon taken for what it is, or served at its own pace."""
    # Nothing of it is to be remembered: the same bytes open every call.
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    encoded = encoder.encode(head(path))
    raw = Raw(target.address, preface=False)
    with raw:
        raw.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            raw.send(PREFACE + frame(SETTINGS))
            for start in range(1, 40_001, 200):
                raw.send(
                    b"".join(
                        frame(HEADERS, END_HEADERS, stream, encoded) + frame(RESET, 0, stream, struct.pack(">I", 8))
                        for stream in range(start, start + 200, 2)
                    )
                )
        target.answers()
        with contextlib.suppress(TimeoutError, Closed):
            while raw.goaway is None:
                raw.read()
        assert raw.goaway in (None, 0, CALM), "broken off as an attacker, or idle by now"


def test_many_connections(target):
    connections = [opened(target) for _ in range(1000)]
    try:
        target.answers()
        for connection in connections[::2]:
            connection.sendall(PREFACE + frame(SETTINGS))
        target.answers()
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.nightly
def test_ten_thousand_connects(target):
    for _ in range(10):
        connections = [opened(target) for _ in range(1000)]
        target.answers()
        for connection in connections:
            connection.close()


def test_headers_beyond_measure(target):
    """More than 16 KiB of headers: that call is refused, and the connection is good for another."""
    with Raw(target.address) as raw:
        bomb = [*head(), *((f"x-{n}", "y" * 1000) for n in range(15))]
        assert raw.ask(bomb, message(target.request)).code == 0
        refused = raw.ask([*bomb, ("x-more", "y" * 4000)], message(target.request))
        assert refused.code != 0
        assert refused.reset is not None or refused.headers[":status"] == "431"
        assert raw.ask(head(), message(target.request)).code == 0


def test_a_header_said_once_and_repeated_many_times(target):
    """An index of one byte stands for 4 KiB: 16,000 of them would be 64 MiB."""
    with Raw(target.address) as raw:
        encoder = hpack.Encoder()
        large = encoder.encode([("x-large", "y" * 3900)])
        block = raw.encoder.encode(head())
        raw.answers[1] = frames.Answer()
        with contextlib.suppress(Closed, ConnectionError):
            raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block + large + b"\xbe" * 16_000))
            raw.answer(1)
        assert raw.answers[1].code != 0


def test_headers_that_never_end(target):
    with Raw(target.address) as raw:
        raw.socket.settimeout(CLOSED_S)
        piece = frame(CONTINUATION, 0, 1, b"\x40\x01a\x7f\x81\x7e" + b"y" * 253)
        with contextlib.suppress(ConnectionError, TimeoutError):
            raw.send(frame(HEADERS, 0, 1, b"\x83"))
            for _ in range(2000):
                raw.send(piece * 20)
        raw.closed()
        assert raw.goaway in (None, CALM, 1)


@cache
def zeros() -> bytes:
    """200 MiB in 200 KiB."""
    return gzip.compress(bytes(200 << 20), 6)


@pytest.mark.parametrize("path", [frames.SCORE, DESCRIBE, INFER], ids=["score", "describe", "infer"])
def test_a_message_that_grows_when_unpacked(target, path):
    bomb = zeros()
    with Raw(target.address) as raw:
        # Its size passes once both sides have agreed on windows.
        raw.ask(head("/lost"))
        for _ in range(3):
            answer = raw.ask(head(path, grpc_encoding="gzip"), message(bomb, 1))
            assert answer.code in (3, 8), answer


def test_a_reader_that_reads_nothing(target):
    """Rows without end and no room for an answer: the server stops reading them."""
    raw = Raw(target.address, preface=False)
    with raw:
        raw.socket.settimeout(1)
        raw.send(PREFACE + frames.settings(window=0) + frame(SETTINGS, ACK))
        raw.send(frame(HEADERS, END_HEADERS, 1, hpack.Encoder().encode(head(STREAM))))
        unit = frame(DATA, 0, 1, message(target.request) * 20)
        sent = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < 64 << 20:
                raw.send(unit)
                sent += len(unit)
        target.answers()
        assert resident_kib(target.pid) - target.warm < GROWN_KIB
