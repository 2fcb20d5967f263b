"""A server that speaks the protocol by somebody else's gRPC, and misbehaves as told.

It reads packed rows by the words of `scoring.proto`, scores them with a bundle in this process, and gives what it is
scripted to give first.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import grpc
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import sternpost as sp

DESCRIPTORS = Path(__file__).parents[2] / "core" / "wire" / "src" / "generated" / "descriptors.bin"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


@cache
def kinds_of_messages():
    names = ("DescribeRequest", "DescribeReply", "ScoreRequest", "ScoreReply", "ReportRequest", "ReportReply")
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sternpost.v1.{n}")) for n in names}


@cache
def flight_data():
    """Arrow Flight's message, by its published numbers."""
    file = descriptor_pb2.FileDescriptorProto(name="flight.proto", package="flight", syntax="proto3")
    kind = file.message_type.add(name="FlightData")
    for name, number in (("descriptor", 1), ("header", 2), ("app_metadata", 3), ("body", 1000)):
        kind.field.add(name=name, number=number, type=12, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("flight.FlightData"))


def as_ipc(data) -> bytes:
    """A Flight message as one of an Arrow stream."""
    padded = data.header + bytes(-len(data.header) % 8)
    return struct.pack("<Ii", 0xFFFFFFFF, len(padded)) + padded + data.body


def as_flight(ipc: bytes, **fields: bytes):
    (length,) = struct.unpack_from("<i", ipc, 4)
    return flight_data()(header=ipc[8 : 8 + length], body=ipc[8 + length :], **fields)


def schema_of(contract: dict) -> int:
    """The digest that ties rows to a description, from its definition."""
    told = hashlib.sha256()

    def text(words: str) -> None:
        told.update(struct.pack("<Q", len(words.encode())) + words.encode())

    for column in contract["columns"]:
        text(column["name"])
        text(column["type"])
        text("nullable" if column.get("nullable") else "")
        if column["type"] == "category":
            text(str(len(column["categories"])))
            for label in column["categories"]:
                text(label)
    return int.from_bytes(told.digest()[:8], "big")


def unpacked(contract: dict, data: bytes) -> dict[str, object]:
    """A packed row, by the words of the protocol."""
    row, at = {}, 0

    def take(form: str):
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    for column in contract["columns"]:
        kind, tag = column["type"], take("<B")
        if tag == 0:
            value = None
        elif tag == 2:
            value = 2**70
        elif tag == 3:
            length = take("<I")
            value, at = data[at : at + length].decode("utf-8", "surrogatepass"), at + length
        elif kind == "float":
            value = take("<d")
        elif kind == "bool":
            value = bool(take("<B"))
        elif kind == "category":
            value = column["categories"][take("<I")]
        else:
            value = take("<q")
        row[column["name"]] = value
    assert at == len(data)
    return row


@dataclass
class Fail:
    """A refusal: a gRPC code, and when to come back."""

    code: int
    message: str = "as told"
    retry_ms: int | None = None


@dataclass
class FakeServer:
    bundle: sp.Bundle
    address: str = "127.0.0.1:0"
    #: Eaten from the front, one for every row asked for.
    script: deque = field(default_factory=deque)
    delay_s: float = 0.0
    digest: str | None = None
    #: Added to every score.
    lie: float = 0.0
    credentials: grpc.ServerCredentials | None = None
    asked: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    reported: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    streams: int = 0
    described: int = 0

    def __post_init__(self) -> None:
        self._health = threading.Condition()
        self._serving = True
        self._over = False
        self._server = grpc.server(ThreadPoolExecutor(64))
        kinds = kinds_of_messages()

        def unary(call, request, reply):
            return grpc.unary_unary_rpc_method_handler(
                call, request_deserializer=kinds[request].FromString, response_serializer=kinds[reply].SerializeToString
            )

        scoring = {
            "Describe": unary(self._describe, "DescribeRequest", "DescribeReply"),
            "Score": unary(self._score, "ScoreRequest", "ScoreReply"),
            "Report": unary(self._report, "ReportRequest", "ReportReply"),
            "ScoreStream": grpc.stream_stream_rpc_method_handler(
                self._stream,
                request_deserializer=kinds["ScoreRequest"].FromString,
                response_serializer=kinds["ScoreReply"].SerializeToString,
            ),
        }
        flight = {
            "DoExchange": grpc.stream_stream_rpc_method_handler(
                self._exchange,
                request_deserializer=flight_data().FromString,
                response_serializer=lambda data: data.SerializeToString(),
            )
        }
        health = {"Watch": grpc.unary_stream_rpc_method_handler(self._watch)}
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("sternpost.v1.Scoring", scoring),
                grpc.method_handlers_generic_handler("arrow.flight.protocol.FlightService", flight),
                grpc.method_handlers_generic_handler("grpc.health.v1.Health", health),
            )
        )
        if self.credentials is None:
            port = self._server.add_insecure_port(self.address)
        else:
            port = self._server.add_secure_port(self.address, self.credentials)
        if not self.address.startswith("unix:"):
            self.address = f"{self.address.rsplit(':', 1)[0]}:{port}"
        self._server.start()

    @property
    def contract(self) -> dict:
        return json.loads(self.bundle.contract.to_json())

    def drain(self) -> None:
        with self._health:
            self._serving = False
            self._health.notify_all()

    def serve_again(self) -> None:
        with self._health:
            self._serving = True
            self._health.notify_all()

    def stop(self) -> None:
        with self._health:
            self._over = True
            self._health.notify_all()
        self._server.stop(0).wait()

    def _watch(self, _request, context):
        told = None
        while True:
            with self._health:
                while told == self._serving and not self._over and context.is_active():
                    self._health.wait(0.05)
                if self._over or not context.is_active():
                    return
                told = self._serving
            yield SERVING if told else NOT_SERVING

    def _describe(self, _request, context):
        self.seen.append(dict(context.invocation_metadata()))
        self.described += 1
        contract, model = self.contract, json.loads(self.bundle.model.to_json())
        return kinds_of_messages()["DescribeReply"](
            bundle=self.bundle.name,
            digest=self.digest or self.bundle.digest,
            schema=schema_of(contract),
            task=model["kind"],
            classes=model.get("classes") or [],
            actions=[band["action"] for band in self.bundle.policy["bands"]] + [self.bundle.policy["refused"]],
            features=[output.name for output in self.bundle.kernel.outputs],
            rung=3,
            contract=json.dumps(contract),
            server="fake",
        )

    def _answer(self, request):
        """A reply, or a `Fail`."""
        self.asked.append(request)
        time.sleep(self.delay_s)
        told = self.script.popleft() if self.script else None
        if told is not None:
            return told
        if request.packed.schema != schema_of(self.contract):
            return Fail(9, "the row was packed by another description")
        decision = self.bundle.score(unpacked(self.contract, request.packed.values))
        reply = kinds_of_messages()["ScoreReply"](
            prediction_id=request.id or "made-by-the-server",
            scores=decision.scores,
            label=decision.label or "",
            action=decision.action or "",
            source=1 if decision.score is None else 2,
            rung=3,
            reasons=decision.reasons,
            digest=self.digest or self.bundle.digest,
        )
        if decision.score is not None:
            reply.score = decision.score + self.lie
        return reply

    def _score(self, request, context):
        reply = self._answer(request)
        if not isinstance(reply, Fail):
            return reply
        if reply.retry_ms is not None:
            context.set_trailing_metadata((("grpc-retry-pushback-ms", str(reply.retry_ms)),))
        code = next(code for code in grpc.StatusCode if code.value[0] == reply.code)
        context.abort(code, reply.message)
        raise AssertionError

    def _stream(self, requests, _context):
        self.streams += 1
        for request in requests:
            reply = self._answer(request)
            if isinstance(reply, Fail):
                failed = kinds_of_messages()["ScoreReply"]()
                failed.failure.code = reply.code
                failed.failure.message = reply.message
                failed.failure.retry_after_ms = reply.retry_ms or 0
                reply = failed
            yield reply

    def _exchange(self, messages, context):
        """A scored batch for every batch."""
        told = self.script.popleft() if self.script else None
        if told is not None:
            context.abort(next(code for code in grpc.StatusCode if code.value[0] == told.code), told.message)
        before = b""
        answers = self.bundle.score(pa.schema(self.bundle.contract.arrow_schema()).empty_table()).schema
        for data in messages:
            ipc = as_ipc(data)
            if not before:
                self.described_by = data.descriptor
                yield as_flight(
                    answers.serialize().to_pybytes(), app_metadata=(self.digest or self.bundle.digest).encode()
                )
            if pa.ipc.read_message(ipc).type != "record batch":
                before += ipc  # the schema, and dictionaries as they change
                continue
            time.sleep(self.delay_s)
            batch = pa.ipc.open_stream(before + ipc).read_next_batch()
            self.batches.append(batch.num_rows)
            if batch.num_rows == 0:
                continue
            for scored in self.bundle.score(pa.table(batch)).combine_chunks().to_batches():
                yield as_flight(scored.serialize().to_pybytes())

    def _report(self, request, _context):
        self.reported.append(request)
        return kinds_of_messages()["ReportReply"]()


@contextmanager
def serving(bundle: sp.Bundle, **settings):
    server = FakeServer(bundle, **settings)
    try:
        yield server
    finally:
        server.stop()
