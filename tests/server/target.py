"""What callers that mean ill are let loose on: a server alone in its process, and a good call that it has to answer."""

from __future__ import annotations

import contextlib
import os
import socket

import hpack

from tests.routes import loans
from tests.routes.replies import of_decision, of_reply
from tests.server import frames, stubs
from tests.server.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    Raw,
    frame,
    head,
    message,
)
from tests.server.packing import packed
from tests.server.serving import Alone, resident_kib

SEED = int(os.environ.get("STERNPOST_SEED", "20260804"))
GROWN_KIB = 48 << 10
PATIENCE_MS, IDLE_MS = 400, 1500
# Clocks of connections are looked at every second.
CLOSED_S = 8.0
ROW = loans.real_rows(1, SEED)[0]
DESCRIBE, INFER = "/sternpost.v1.Scoring/Describe", "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/sternpost.v1.Scoring/ScoreStream"
CALM = 11


class Target(Alone):
    """A server, a good call to it, and what that call should answer."""

    def learn(self, bundle) -> None:
        self.wanted = of_decision(bundle.score(ROW))
        with Raw(self.address) as raw:
            answer = raw.ask(head(DESCRIBE), message(b""))
        description = stubs.scoring().DescribeReply.FromString(answer.data[5:])
        self.request = stubs.scoring().ScoreRequest(packed=packed(description, ROW)).SerializeToString()
        for _ in range(50):
            self.answers()
        self.warm = resident_kib(self.pid)

    def answers(self) -> None:
        with Raw(self.address) as raw:
            answer = raw.ask(head(), message(self.request))
            assert answer.code == 0, answer
            assert of_reply(stubs.scoring().ScoreReply.FromString(answer.data[5:])) == self.wanted


def opened(target: Target) -> socket.socket:
    host, port = target.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=CLOSED_S)


def drained(connection: socket.socket) -> bytes:
    """Everything until the other side closes; TimeoutError if it does not."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


def conversation(target: Target, path: str, body: bytes) -> bytes:
    """What a good client sends for one call, in one piece."""
    block = hpack.Encoder().encode(head(path))
    settings = frames.settings(window=1 << 20) + frame(SETTINGS, ACK)
    return PREFACE + settings + frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, body)
