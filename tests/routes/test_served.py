"""Every case again, through a server and the clients that people have: the same bits, action and reasons."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import flight

from tests.server import stubs
from tests.server.packing import named, packed, requests
from tests.server.serving import PATIENCE_S

from . import loans
from .conftest import MODELS, SEED, built
from .replies import of_decision, of_reply, of_row, of_tensors
from .test_same_bits import ROW

CASES = [*loans.real_rows(300, SEED + 1), *loans.nasty_rows(loans.real_rows(1, SEED + 2)[0])]
TABLE = loans.table(CASES)
# What a table of these types cannot hold, but a Python row and the wire can.
BEYOND = [
    {**CASES[0], name: value}
    for name, values in {
        "amount": [2**63 - 1, 2**63, -(2**63), 2**70],
        "jobs": [-(2**63), 2**63, -(2**200)],
        "term_months": [2**64, -(2**63)],
        "applied": [-(2**63), 2**63 - 1, 2**63],
        "rate": [2**53 + 1, 1, 0],
        "income": [10**400, 2**53, -(2**53) - 1],
    }.items()
    for value in values
]


@pytest.fixture(scope="module")
def expected(bundle) -> list[tuple]:
    return [of_row(row) for row in bundle.score(TABLE, threads=1).to_pylist()]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def client(server, request):
    with stubs.connect(server.addresses[request.param == "unix"]) as client:
        yield client


@pytest.fixture(scope="module")
def description(client, bundle):
    return client.scoring.Describe(stubs.scoring().DescribeRequest(bundle=bundle.name), timeout=PATIENCE_S)


def test_there_is_something_to_compare(expected):
    assert sum(answer[0] is not None for answer in expected) > 300
    assert sum(answer[0] is None for answer in expected) >= 14


def test_unary_packed(client, bundle, description, expected):
    pb = stubs.scoring()
    for number, (row, wanted) in enumerate(zip(CASES, expected, strict=True)):
        request = pb.ScoreRequest(bundle=bundle.name, id=f"row-{number}", packed=packed(description, row))
        reply = client.scoring.Score(request, timeout=PATIENCE_S)
        assert of_reply(reply) == wanted, row
        assert (reply.prediction_id, reply.digest) == (f"row-{number}", bundle.digest)
        assert reply.source == (pb.SOURCE_NONE if wanted[0] is None else pb.SOURCE_MODEL)
        assert (reply.binding, reply.timing.block_rows >= 1) == (False, True)


def test_unary_named(client, bundle, description, expected):
    pb = stubs.scoring()
    for row, wanted in zip(CASES, expected, strict=True):
        reply = client.scoring.Score(
            pb.ScoreRequest(bundle=bundle.name, named=named(description, row)), timeout=PATIENCE_S
        )
        assert of_reply(reply) == wanted, row


def test_rows_that_no_table_holds(client, bundle, description):
    for row in BEYOND:
        (request,) = requests(description, [row])
        assert of_reply(client.scoring.Score(request, timeout=PATIENCE_S)) == of_decision(bundle.score(row)), row


def test_many_at_once_share_blocks(client, bundle, description, expected):
    """Hundreds of calls on their way together: whatever blocks they make, every row has its own bits."""
    calls = [client.scoring.Score.future(r, timeout=PATIENCE_S) for r in requests(description, CASES, stake=4)]
    assert [of_reply(call.result()) for call in calls] == expected


def test_stream(client, bundle, description, expected):
    pb = stubs.scoring()
    mixed = [
        pb.ScoreRequest(bundle=bundle.name, id=f"s-{i}", named=named(description, row))
        if i % 3 == 0
        else pb.ScoreRequest(bundle=bundle.name, id=f"s-{i}", packed=packed(description, row))
        for i, row in enumerate(CASES)
    ]
    replies = list(client.scoring.ScoreStream(iter(mixed), timeout=PATIENCE_S))
    assert [reply.failure.code for reply in replies] == [0] * len(CASES)
    assert [reply.prediction_id for reply in replies] == [request.id for request in mixed]
    assert [of_reply(reply) for reply in replies] == expected


@settings(max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=12))
def test_random_rows(server, one_bundle, rows):
    with stubs.connect(server.addresses[1]) as client:
        description = client.scoring.Describe(
            stubs.scoring().DescribeRequest(bundle=one_bundle.name), timeout=PATIENCE_S
        )
        together = [of_row(row) for row in one_bundle.score(loans.table(rows)).to_pylist()]
        replies = client.scoring.ScoreStream(iter(requests(description, rows)), timeout=PATIENCE_S)
        assert [of_reply(reply) for reply in replies] == together


@pytest.fixture(scope="session")
def by_triton(server, tmp_path_factory) -> dict:
    """What the published client got for every bundle; one process for all, since it takes a while to start."""
    rows = tmp_path_factory.mktemp("triton") / "rows.arrow"
    with pa.ipc.new_file(rows, TABLE.schema) as writer:
        writer.write_table(TABLE)
    names = [built(name).name for name in MODELS]
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("triton_caller.py"), server.addresses[0], rows, *names],
        capture_output=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


@pytest.mark.parametrize("way", ["columns", "arrow", "stream arrow", "aio columns", "aio arrow"])
def test_tritonclient(bundle, by_triton, expected, way):
    sayable = [
        all(row[name] is not None for name in ("sector", "amount", "income", "term_months", "applied")) for row in CASES
    ]
    wanted = expected if "arrow" in way else [a for a, said in zip(expected, sayable, strict=True) if said]
    assert len(wanted) >= len(CASES) - 5
    assert of_tensors(by_triton[bundle.name][way]) == wanted


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_flight_exchange(server, bundle, expected, size):
    with flight.connect(f"grpc://{server.addresses[0]}") as client:
        writer, reader = client.do_exchange(flight.FlightDescriptor.for_path(bundle.name))
        with writer:
            writer.begin(TABLE.schema)
            found = []
            for batch in TABLE.to_batches(max_chunksize=size):
                writer.write_batch(batch)
                found.append(reader.read_chunk().data)
            writer.done_writing()
            with pytest.raises(StopIteration):
                reader.read_chunk()
        assert [batch.num_rows for batch in found] == [b.num_rows for b in TABLE.to_batches(max_chunksize=size)]
    assert [of_row(row) for row in pa.Table.from_batches(found).to_pylist()] == expected


class _ByName(ProtoReflectionDescriptorDatabase):
    """The client that grpc_reflection comes with, over the version of the service that is asked for."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        super().__init__(channel)
        self._stub.ServerReflectionInfo = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )


@pytest.mark.parametrize("version", ["v1alpha", "v1"])
def test_a_client_made_by_reflection_alone(client, bundle, description, expected, version):
    database = _ByName(client.channel, version)
    assert {
        "sternpost.v1.Scoring",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        f"grpc.reflection.{version}.ServerReflection",
    } <= set(database.get_services())
    service = descriptor_pool.DescriptorPool(database).FindServiceByName("sternpost.v1.Scoring")
    method = service.methods_by_name["Score"]
    request_type = message_factory.GetMessageClass(method.input_type)
    score = client.channel.unary_unary(
        "/sternpost.v1.Scoring/Score",
        request_serializer=request_type.SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    for request, wanted in zip(requests(description, CASES[::20]), expected[::20], strict=True):
        asked = request_type.FromString(request.SerializeToString())
        assert of_reply(score(asked, timeout=PATIENCE_S)) == wanted
