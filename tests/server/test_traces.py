"""Spans of scored requests: the caller's trace goes on, the collector hears of it, and no row ever waits for either."""

from __future__ import annotations

import re
import time

import grpc
import pytest

from sternpost.errors import UsageError
from sternpost.serve.server import Server, ServerSettings, Traces
from tests.routes import loans
from tests.server import stubs
from tests.server.collector import Collector
from tests.server.operating import Code, described
from tests.server.packing import infer_request, requests
from tests.server.serving import PATIENCE_S, get, serving, until

ROWS = loans.real_rows(30, 20260818)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SCORE, STREAM = "sternpost.v1.Scoring/Score", "sternpost.v1.Scoring/ScoreStream"


def carrying(flags: str = "01", trace: str = TRACE) -> dict:
    return {"metadata": (("traceparent", f"00-{trace}-{PARENT}-{flags}"),), "timeout": PATIENCE_S}


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


def fates(server: Server) -> dict[str, int]:
    found = re.findall(r'^sternpost_trace_spans_total\{fate="(\w+)"\} (\d+)$', get(server.http, "metrics")[1], re.M)
    return {fate: int(count) for fate, count in found}


def test_nothing_is_sent_unless_it_is_asked_for(loans_bundle, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        (request,) = requests(described(client), ROWS[:1])
        client.scoring.Score(request, **carrying())
        assert fates(server) == {}
    assert collector.asked == []


def test_a_callers_trace_goes_on(loans_bundle, collector):
    traces = Traces(collector.url, share=0.0, service="loans-eu")
    with serving(loans_bundle, traces=traces) as server, stubs.connect(server.addresses[0]) as client:
        sent = requests(described(client), ROWS)
        began = time.time_ns()
        replies = [client.scoring.Score(request, **carrying()) for request in sent]
        ended = time.time_ns()
        # The collector has them before the server has its answer.
        until(lambda: fates(server) == {"sent": len(ROWS), "dropped": 0, "lost": 0})
        assert len(collector.spans) == len(ROWS)
    assert set(collector.asked) == {("/v1/traces", "application/x-protobuf")}
    assert {"service.name": "loans-eu"} in collector.resources
    assert {(span.trace, span.parent, span.name, span.kind) for span in collector.spans} == {(TRACE, PARENT, SCORE, 2)}
    assert len({span.id for span in collector.spans} - {PARENT}) == len(ROWS), "each span has a name of its own"
    told = {span.attributes["sternpost.prediction_id"]: span for span in collector.spans}
    for reply in replies:
        span = told[reply.prediction_id]
        assert span.attributes == {
            "rpc.system": "grpc",
            "rpc.service": "sternpost.v1.Scoring",
            "rpc.method": "Score",
            "rpc.grpc.status_code": 0,
            "sternpost.bundle.digest": loans_bundle.digest,
            "sternpost.prediction_id": reply.prediction_id,
            "sternpost.source": "none" if reply.reasons and not reply.HasField("score") else "model",
            "sternpost.queue_ns": reply.timing.queue_ns,
            "sternpost.score_ns": reply.timing.score_ns,
            "sternpost.block_rows": reply.timing.block_rows,
        }
        assert not span.failed
        # The wall clock may be slewed meanwhile; a millisecond is far more than that.
        assert began - 1_000_000 <= span.start_ns <= span.end_ns <= ended + 1_000_000
        assert span.end_ns - span.start_ns >= reply.timing.queue_ns + reply.timing.score_ns


def test_who_decides(loans_bundle, collector):
    """The caller's flag; where no caller says anything, the share; a header that is none is as if there were none."""
    for share, roots in ((0.0, 0), (1.0, 2)):
        collector.spans.clear()
        with (
            serving(loans_bundle, traces=Traces(collector.url, share)) as server,
            stubs.connect(server.addresses[0]) as client,
        ):
            (request,) = requests(described(client), ROWS[:1])
            client.scoring.Score(request, **carrying("00"))
            client.scoring.Score(request, timeout=PATIENCE_S)
            client.scoring.Score(request, **carrying(trace="0" * 32))
            client.scoring.Score(request, **carrying("01"))
        assert len(collector.spans) == 1 + roots, "what waited was sent before the server ended"
        assert [span.parent for span in collector.spans] == [""] * roots + [PARENT]
        assert len({span.trace for span in collector.spans}) == 1 + roots


def test_rows_of_a_stream_and_requests_of_the_protocol(loans_bundle, collector):
    with (
        serving(loans_bundle, traces=Traces(collector.url, share=0.0)) as server,
        stubs.connect(server.addresses[0]) as client,
    ):
        sent = requests(described(client), ROWS)
        replies = list(client.scoring.ScoreStream(iter(sent), **carrying()))
        client.inference.ModelInfer(infer_request(loans_bundle.name, ROWS[:1]), **carrying())
        until(lambda: len(collector.spans) == len(ROWS) + 1)
    streamed = [span for span in collector.spans if span.name == STREAM]
    assert [span.attributes["sternpost.prediction_id"] for span in streamed] == [r.prediction_id for r in replies]
    (protocol,) = [span for span in collector.spans if span.name != STREAM]
    assert protocol.name == "inference.GRPCInferenceService/ModelInfer"
    assert protocol.attributes["rpc.grpc.status_code"] == 0
    assert {span.parent for span in collector.spans} == {PARENT}


def test_how_a_request_ended(loans_bundle, collector):
    pb = stubs.scoring()
    with (
        serving(loans_bundle, traces=Traces(collector.url, share=0.0)) as server,
        stubs.connect(server.addresses[0]) as client,
    ):
        (request,) = requests(described(client), ROWS[:1])
        ends = {
            Code.NOT_FOUND: pb.ScoreRequest(bundle="lost", packed=request.packed),
            Code.INVALID_ARGUMENT: pb.ScoreRequest(),
            Code.DEADLINE_EXCEEDED: pb.ScoreRequest(packed=request.packed, timeout_us=1, stake=4),
        }
        for code, asked in ends.items():
            with pytest.raises(grpc.RpcError) as raised:
                client.scoring.Score(asked, **carrying())
            if raised.value.code() != code:
                assert (code, raised.value.code()) == (Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED)
        (failed,) = client.scoring.ScoreStream(iter([pb.ScoreRequest()]), **carrying())
        assert failed.failure.code == 3
        with pytest.raises(grpc.RpcError):
            client.inference.ModelInfer(infer_request("lost", ROWS[:1]), **carrying())
        until(lambda: len(collector.spans) == 5)
    codes = [(span.attributes["rpc.grpc.status_code"], span.failed) for span in collector.spans]
    assert codes[:2] == [(5, False), (3, False)]
    assert codes[2] in {(4, True), (8, False)}, "too late, or known before that it would be"
    assert codes[3:] == [(3, False), (5, False)]


@pytest.mark.parametrize("trouble", ["nobody there", "refuses", "says nothing"])
def test_a_collector_in_trouble_is_no_trouble_for_rows(loans_bundle, collector, trouble):
    if trouble == "refuses":
        collector.status = 503
    elif trouble == "says nothing":
        collector.held.clear()
    url = "http://127.0.0.1:9" if trouble == "nobody there" else collector.url
    with serving(loans_bundle, traces=Traces(url, share=1.0)) as server, stubs.connect(server.addresses[0]) as client:
        sent = requests(described(client), ROWS)
        slowest = 0.0
        for request in sent * 10:
            began = time.monotonic()
            client.scoring.Score(request, timeout=PATIENCE_S)
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0, "a second is less than the collector's patience"
        until(lambda: fates(server)["lost"] == len(sent) * 10)
        assert fates(server) == {"sent": 0, "dropped": 0, "lost": len(sent) * 10}
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 5.0, "nor does the end wait for it"


def test_more_spans_than_may_wait_are_dropped_and_counted(loans_bundle, collector):
    collector.held.clear()
    burst, rows = 4096 + 2000, 0
    with serving(loans_bundle, traces=Traces(collector.url, share=1.0)) as server:
        with stubs.connect(server.addresses[0]) as client:
            (request,) = requests(described(client), ROWS[:1])
            # What waits is given up with each batch that is not taken in two seconds: a slow burst is sent again.
            for _ in range(10):
                replies = list(client.scoring.ScoreStream((request for _ in range(burst)), timeout=PATIENCE_S))
                assert len(replies) == burst
                rows += burst
                if fates(server)["dropped"] > 0:
                    break
        assert fates(server)["dropped"] > 0
        collector.held.set()
        until(lambda: sum(fates(server).values()) == rows)


@pytest.mark.parametrize(
    ("traces", "says"),
    [
        (Traces("https://collector:4318"), "beside the server"),
        (Traces("collector"), "http://127.0.0.1:4318"),
        (Traces("http://c:1", share=1.5), "from 0 to 1"),
    ],
)
def test_what_cannot_be_traced_is_told(loans_bundle, traces, says):
    with pytest.raises(UsageError, match=says):
        Server(loans_bundle, ServerSettings(listen=("127.0.0.1:0",), http=None, traces=traces))


def test_the_command_takes_the_address_from_the_environment(command, bundle_file, collector):
    server = command(
        "--traces",
        "env",
        "--trace-share",
        "1",
        bundle_file,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/base/",
        OTEL_SERVICE_NAME="by-name",
    )
    with stubs.connect(server.address) as client:
        (request,) = requests(described(client), ROWS[:1])
        client.scoring.Score(request, timeout=PATIENCE_S)
    assert server.end() == 0
    assert [span.name for span in collector.spans] == [SCORE]
    assert collector.asked == [("/base/v1/traces", "application/x-protobuf")]
    assert {"service.name": "by-name"} in collector.resources
