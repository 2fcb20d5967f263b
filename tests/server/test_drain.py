"""Streams that nobody works in do not hold up the end: each is ended by a status, long before the drain's bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pyarrow as pa
import pyarrow.flight
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.routes import loans
from tests.server import stubs
from tests.server.frames import Raw, head, message
from tests.server.operating import Code
from tests.server.packing import infer_request
from tests.server.serving import PATIENCE_S, serving

ROWS = loans.real_rows(5, 20260817)
BOUND_S = 60.0


def first_of(make: Callable[[Iterator], grpc.Call], first: object) -> tuple[grpc.Call, threading.Event]:
    """A stream that was asked once, answered, and is left open by a caller who says nothing more."""
    silent = threading.Event()

    def words():
        yield first
        silent.wait(BOUND_S)

    call = make(words())
    next(call)
    return call, silent


@pytest.mark.parametrize("kind", ["ModelStreamInfer", "reflection", "health", "ScoreStream"])
def test_an_idle_stream_is_ended_by_the_drain(loans_bundle, kind):
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        reflection = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        make, first = {
            "ModelStreamInfer": (client.inference.ModelStreamInfer, infer_request(loans_bundle.name, ROWS[:1])),
            "reflection": (
                reflection.ServerReflectionInfo,
                reflection_pb2.ServerReflectionRequest(list_services=""),
            ),
            "health": (lambda _: health.Watch(health_pb2.HealthCheckRequest()), None),
            "ScoreStream": (client.scoring.ScoreStream, stubs.scoring().ScoreRequest()),
        }[kind]
        call, silent = first_of(make, first)
        try:
            begun = time.monotonic()
            assert server.drain(BOUND_S)
            assert time.monotonic() - begun < PATIENCE_S / 3
            with pytest.raises(grpc.RpcError) as raised:
                list(call)
            assert raised.value.code() == Code.UNAVAILABLE
            assert "ask another one" in raised.value.details()
        finally:
            silent.set()


def test_an_idle_table_is_ended_by_the_drain(loans_bundle):
    """What was sent before is answered; only then the stream ends."""
    table = loans.table(ROWS)
    with serving(loans_bundle) as server, pa.flight.connect(f"grpc://{server.addresses[0]}") as client:
        descriptor = pa.flight.FlightDescriptor.for_path(loans_bundle.name)
        writer, reader = client.do_exchange(descriptor)
        writer.begin(table.schema)
        writer.write_table(table)
        assert reader.read_chunk().data.num_rows == len(ROWS)
        begun = time.monotonic()
        assert server.drain(BOUND_S)
        assert time.monotonic() - begun < PATIENCE_S / 3
        with pytest.raises(pa.flight.FlightUnavailableError, match="ask another one"):
            reader.read_chunk()
        with pytest.raises(pa.flight.FlightUnavailableError):
            writer.close()


def test_a_stream_with_work_in_flight_is_answered_first(loans_bundle):
    """Many requests in one burst and the drain right behind them: what was read is answered, in order."""
    request = infer_request(loans_bundle.name, ROWS[:1])
    silent = threading.Event()

    def words():
        for number in range(200):
            request.id = str(number)
            yield request
        silent.wait(BOUND_S)

    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        call = client.inference.ModelStreamInfer(words())
        answered = [next(call).infer_response.id]
        drained = threading.Thread(target=server.drain, args=(BOUND_S,))
        begun = time.monotonic()
        drained.start()
        try:
            with pytest.raises(grpc.RpcError) as raised:
                answered.extend(reply.infer_response.id for reply in call)
            assert raised.value.code() == Code.UNAVAILABLE
        finally:
            silent.set()
            drained.join()
        assert time.monotonic() - begun < PATIENCE_S / 3
        assert answered == [str(number) for number in range(len(answered))]


def test_a_client_that_reads_only_while_it_calls_holds_nothing_up(loans_bundle):
    """It leaves our word unread and our PING unanswered: it finds both, and the end, when it looks again."""
    with serving(loans_bundle) as server:
        request = stubs.scoring().ScoreRequest(bundle=loans_bundle.name).SerializeToString()
        raw = Raw(server.addresses[0])
        raw.ask(head(), message(request))
        begun = time.monotonic()
        assert server.drain(BOUND_S)
        assert time.monotonic() - begun < PATIENCE_S / 3
        raw.closed()
        assert raw.goaway == 0, "no error"
        raw.socket.close()
