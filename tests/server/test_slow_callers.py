"""Callers that begin and do not go on: each is given up after its own patience, and nothing of it stays."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time

import pytest

from tests.server import frames
from tests.server.frames import DATA, END_HEADERS, HEADERS, PREFACE, SETTINGS, Raw, frame, head, message
from tests.server.serving import until
from tests.server.target import CLOSED_S, DESCRIBE, INFER, SEED, conversation, drained, opened

HALVES = {
    "nothing": b"",
    "half a preface": PREFACE[:10],
    "no settings": PREFACE,
    "half of a frame's head": PREFACE + frame(SETTINGS) + b"\0\0",
    "half a frame": PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, bytes(100))[:50],
    "headers without an end": PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, b"\x83"),
}


def test_connections_that_go_no_further_are_closed(target):
    """Each after its own patience, all at the same time; who answers no PING is not waited for either."""
    with contextlib.ExitStack() as stack:
        connections = {half: stack.enter_context(opened(target)) for half in HALVES}
        for half, connection in connections.items():
            connection.sendall(HALVES[half])
        end = time.monotonic() + CLOSED_S
        for half, connection in connections.items():
            connection.settimeout(max(end - time.monotonic(), 0.001))
            try:
                drained(connection)
            except TimeoutError:
                pytest.fail(f"a connection that sent {half} is still open after {CLOSED_S} s")


def test_a_preface_one_byte_at_a_time_is_closed_all_the_same(target):
    """Patience is with the whole, so a byte now and then does not prolong it."""
    with opened(target) as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        for place in range(len(PREFACE)):
            with contextlib.suppress(ConnectionError):
                connection.send(PREFACE[place : place + 1])
            try:
                if not connection.recv(65536):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < CLOSED_S
        connection.settimeout(CLOSED_S)
        drained(connection)


def test_half_requests_are_given_up(target):
    """To every service, each on a connection of its own, all at the same time."""
    halves = [(p, sent) for p in (frames.SCORE, DESCRIBE, INFER) for sent in (b"", b"\0\0", b"\0\0\0\0\x10abc")]
    with contextlib.ExitStack() as stack:
        begun = []
        for path, sent in halves:
            raw = stack.enter_context(Raw(target.address))
            raw.socket.settimeout(CLOSED_S)
            stream = raw.call(head(path), None)
            if sent:
                raw.send(frame(DATA, 0, stream, sent))
            begun.append((raw, stream))
        for (raw, stream), half in zip(begun, halves, strict=True):
            try:
                assert raw.answer(stream).code == 4, half
            except TimeoutError:
                pytest.fail(f"nothing within {CLOSED_S} s of {half}, which does not go on")


def test_an_idle_connection_is_told_to_go(target):
    with Raw(target.address) as raw:
        raw.socket.settimeout(CLOSED_S)
        assert raw.ask(head(), message(target.request)).code == 0
        raw.closed()
        assert raw.goaway == 0


def test_connections_that_break_off_in_the_middle_leave_nothing(target):
    random_ = random.Random(SEED)
    whole = conversation(target, frames.SCORE, message(target.request))
    for _ in range(300):
        with opened(target) as connection:
            connection.sendall(whole[: random_.randrange(len(whole))])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: target.connections() == 0)
