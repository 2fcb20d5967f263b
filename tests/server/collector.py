"""A collector of spans for tests: takes OTLP over HTTP and decodes it by the published field numbers."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


def fields(data: bytes) -> list[tuple[int, Any]]:
    """A protobuf message as (number, value): varints and fixed64 as int, everything else as bytes."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            found.append((number, varint()))
        elif kind == 1:
            found.append((number, struct.unpack_from("<Q", data, at)[0]))
            at += 8
        elif kind == 2:
            length = varint()
            assert at + length <= len(data)
            found.append((number, data[at : at + length]))
            at += length
        else:
            raise AssertionError(kind)
    return found


def every(data: bytes, *path: int) -> list[Any]:
    """All values at a path of field numbers."""
    first, *rest = path
    values = [value for number, value in fields(data) if number == first]
    return [inner for value in values for inner in every(value, *rest)] if rest else values


def attributes(items: list[bytes]) -> dict[str, Any]:
    found = {}
    for item in items:
        (key,) = every(item, 1)
        ((kind, value),) = fields(every(item, 2)[0])
        found[key.decode()] = value.decode() if kind == 1 else value
    return found


@dataclass(frozen=True)
class Span:
    trace: str
    id: str
    parent: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    failed: bool

    @classmethod
    def read(cls, data: bytes) -> Span:
        one = dict(fields(data))
        return cls(
            trace=one[1].hex(),
            id=one[2].hex(),
            parent=one.get(4, b"").hex(),
            name=one[5].decode(),
            kind=one[6],
            start_ns=one[7],
            end_ns=one[8],
            attributes=attributes(every(data, 9)),
            failed=every(one.get(15, b""), 3) == [2],
        )


@dataclass
class Collector:
    """Listens from the start; `status` is what it answers, and `held` lets it answer nothing until it is set."""

    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.held.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.asked.append((self.path, self.headers["content-type"]))
                collector.held.wait(20)
                if collector.status == 200:
                    collector.resources += [attributes([item]) for item in every(body, 1, 1, 1)]
                    collector.spans += [Span.read(span) for span in every(body, 1, 2, 2)]
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
