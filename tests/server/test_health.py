"""Health as callers hear it: Check, and Watch from the first word to the last."""

from __future__ import annotations

import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.routes.conftest import built
from tests.server import stubs
from tests.server.operating import Code, described, status
from tests.server.serving import get, serving, until

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = ("", "sternpost.v1.Scoring", "inference.GRPCInferenceService")


def test_check(client, shared, loans_bundle):
    for name in (*SERVICES, loans_bundle.name):
        until(lambda name=name: status(client, name) == SERVING)
    assert status(client, "lost") is None


def watched(client: stubs.Client, *names: str) -> dict[str, Watched]:
    """A Watch for each name, once each is known to serve: health is looked at four times a second."""
    for name in names:
        until(lambda name=name: status(client, name) == SERVING)
    found = {name: Watched(client, name) for name in names}
    until(lambda: all(one.told == [SERVING] for one in found.values()))
    return found


class Watched:
    """What a Watch told, read by a thread."""

    def __init__(self, client: stubs.Client, name: str) -> None:
        self.told: list[int] = []
        self.ended: grpc.StatusCode | None = None
        request = health_pb2.HealthCheckRequest(service=name)
        self._call = health_pb2_grpc.HealthStub(client.channel).Watch(request)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.told.append(answer.status)
            self.ended = Code.OK
        except grpc.RpcError as error:
            self.ended = error.code()


def test_watch_tells_of_a_bundle_that_comes_and_goes(loans_bundle):
    other = built("linear")
    with serving([loans_bundle, other]) as server, stubs.connect(server.addresses[0]) as client:
        told = watched(client, *SERVICES, loans_bundle.name, other.name)
        assert server.withdraw(other.name)
        until(lambda: told[other.name].told == [SERVING, NOT_SERVING])
        server.serve(other)
        until(lambda: told[other.name].told == [SERVING, NOT_SERVING, SERVING])
        assert all(w.told == [SERVING] for name, w in told.items() if name != other.name)


def test_watch_tells_of_the_end(loans_bundle):
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        told = watched(client, *SERVICES, loans_bundle.name)
        server._core.announce_end()
        until(lambda: all(w.told == [SERVING, NOT_SERVING] for w in told.values()))
        assert get(server.http, "readyz") == (503, "not ready: the server is about to end\n")
        # Not serving is advice: who calls all the same is answered until the drain begins.
        assert described(client).bundle == loans_bundle.name


def test_watch_stays_with_a_name_that_is_not_known_yet(loans_bundle):
    """As grpc.health.v1 has it: SERVICE_UNKNOWN and the stream stays open; only Check says NOT_FOUND."""
    other = built("linear")
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        unknown = Watched(client, other.name)
        until(lambda: unknown.told == [SERVICE_UNKNOWN])
        assert status(client, other.name) is None
        server.serve(other)
        until(lambda: unknown.told == [SERVICE_UNKNOWN, SERVING])
        assert status(client, other.name) == SERVING
        assert unknown.ended is None
        server.drain(10.0)
        until(lambda: unknown.ended is not None)
        assert unknown.told == [SERVICE_UNKNOWN, SERVING, NOT_SERVING]
        assert unknown.ended == Code.UNAVAILABLE


def test_a_hundred_watches_hear_the_same(loans_bundle):
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        told = [Watched(client, name) for name in SERVICES for _ in range(33)]
        until(lambda: all(one.told == [SERVING] for one in told))
        server._core.announce_end()
        until(lambda: all(one.told == [SERVING, NOT_SERVING] for one in told))
