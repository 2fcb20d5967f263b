"""HTTP/2 by hand, for what no client library would send."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
PATIENCE_S = 20.0
SCORE = "/sternpost.v1.Scoring/Score"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def message(body: bytes, compressed: int = 0) -> bytes:
    """A gRPC frame."""
    return struct.pack(">BI", compressed, len(body)) + body


def settings(**values: int) -> bytes:
    numbers = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", numbers[k], v) for k, v in values.items()))


def head(path: str = SCORE, method: str = "POST", **more: str) -> list[tuple[str, str]]:
    """Headers of a gRPC call; underscores in names stand for hyphens, and an empty value leaves a header out."""
    fields = {"te": "trailers", "content-type": "application/grpc", **{k.replace("_", "-"): v for k, v in more.items()}}
    pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    return [*pseudo, *((name, value) for name, value in fields.items() if value)]


@dataclass
class Answer:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    reset: int | None = None
    ended: bool = False

    @property
    def code(self) -> int | None:
        """gRPC's, if there is one."""
        code = self.headers.get("grpc-status")
        return None if code is None else int(code)


class Closed(Exception):
    """The server closed the connection, after what stands in `goaway`."""


class Raw:
    """A connection of one's own. Not shared between threads."""

    def __init__(self, address: str, tls: ssl.SSLContext | None = None, preface: bool = True) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE_S)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        self.next = 1
        self.held = b""
        self.block = b""
        if preface:
            self.send(PREFACE + settings(window=1 << 24) + frame(WINDOW, payload=struct.pack(">I", 1 << 24)))

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def call(self, headers: Iterable[tuple[str, str]], body: bytes | None = b"") -> int:
        """Sends a call, whole unless the body is None; gives the stream's number."""
        stream, self.next = self.next, self.next + 2
        self.answers[stream] = Answer()
        block = self.encoder.encode(list(headers))
        first, *more = [block[i : i + 16384] for i in range(0, len(block), 16384)]
        opening = frame(HEADERS, END_HEADERS * (not more), stream, first)
        for place, piece in enumerate(more, 1):
            opening += frame(CONTINUATION, END_HEADERS * (place == len(more)), stream, piece)
        data = b""
        if body is not None:
            pieces = [body[i : i + 16384] for i in range(0, len(body), 16384)] or [b""]
            last = len(pieces) - 1
            data = b"".join(frame(DATA, END_STREAM * (i == last), stream, piece) for i, piece in enumerate(pieces))
        self.send(opening + data)
        return stream

    def ask(self, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Answer:
        return self.answer(self.call(headers, body))

    def answer(self, stream: int) -> Answer:
        """What came on the stream, once it has ended."""
        while not self.answers[stream].ended:
            self.read()
        return self.answers[stream]

    def read(self) -> int:
        """Reads one frame; gives its kind. Raises Closed at the end of the connection."""
        first = self._exactly(9)
        length, kind, flags = int.from_bytes(first[:3], "big"), first[3], first[4]
        stream = int.from_bytes(first[5:], "big") & 0x7FFF_FFFF
        payload = self._exactly(length)
        answer = self.answers.get(stream, Answer())
        if kind in (SETTINGS, PING) and not flags & ACK:
            # Who has hung up meanwhile has said so, and that is read next.
            with contextlib.suppress(ConnectionError):
                self.send(frame(kind, ACK, payload=payload if kind == PING else b""))
        elif kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & END_HEADERS:
                answer.headers |= dict(self.decoder.decode(self.block))
                self.block = b""
        elif kind == DATA:
            answer.data += payload
        elif kind == RESET:
            answer.reset, answer.ended = int.from_bytes(payload, "big"), True
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            answer.ended = True
        return kind

    def closed(self) -> None:
        """Reads until the server closes the connection."""
        with contextlib.suppress(Closed):
            while True:
                self.read()

    def _exactly(self, count: int) -> bytes:
        while len(self.held) < count:
            try:
                piece = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError) as error:
                raise Closed(self.goaway) from error
            if not piece:
                raise Closed(self.goaway)
            self.held += piece
        taken, self.held = self.held[:count], self.held[count:]
        return taken
