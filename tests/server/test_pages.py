"""The pages over HTTP: alive, ready, and what was counted."""

from __future__ import annotations

import re

from tests.routes import loans
from tests.server import stubs
from tests.server.operating import Code, code_of, described, exposition
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, get, until

ROWS = loans.real_rows(30, 20260802)


def test_pages(shared):
    assert get(shared.http, "healthz") == (200, "alive\n")
    assert get(shared.http, "readyz") == (200, "ready\n")
    assert get(shared.http, "lost")[0] == 404


def test_metrics_count_what_was_done(server, loans_bundle):
    of = f'bundle="{loans_bundle.name}"'
    before = exposition(server)
    assert before["sternpost_ready"] == {"": 1.0}
    assert before["sternpost_requests_answered_total"] == {of: 0.0}
    digest = f'{of},version="1",digest="{loans_bundle.digest}",rung="ADVISE"'
    assert before["sternpost_bundle_info"] == {digest: 1.0}
    bad = {**ROWS[0], "amount": -1}
    with stubs.connect(server.addresses[0]) as client:
        description = described(client)
        for request in requests(description, [*ROWS, bad]):
            client.scoring.Score(request, timeout=PATIENCE_S)
        list(client.scoring.ScoreStream(iter(requests(description, ROWS)), timeout=PATIENCE_S))
        torn = stubs.scoring().PackedRow(schema=description.schema, values=b"\x09")
        assert code_of(client.scoring.Score, stubs.scoring().ScoreRequest(packed=torn)) == Code.INVALID_ARGUMENT
        after = exposition(server)
        rows = 2 * len(ROWS) + 1
        assert after["sternpost_requests_answered_total"] == {of: rows}
        assert after["sternpost_requests_failed_total"] == {of: 1.0}
        assert after["sternpost_rows_refused_total"][of] >= 1.0
        assert sum(after["sternpost_connections"].values()) == 1.0
        assert set(after["sternpost_waiting_rows"].values()) == {0.0}
        for name in ("sternpost_queue_seconds", "sternpost_request_seconds"):
            assert after[f"{name}_count"] == {of: rows}
        assert after["sternpost_score_seconds_count"] == {of: after["sternpost_runs_total"][of]}
        index = client.inference.ModelStatistics(stubs.inference().ModelStatisticsRequest(name=loans_bundle.name))
        assert index.model_stats[0].inference_stats.success.count == rows
    until(lambda: sum(exposition(server)["sternpost_connections"].values()) == 0.0)


def test_a_torn_row_is_no_row_of_the_scorer(server, loans_bundle):
    """`rows_total` and `rows_refused_total` count rows that went through the scorer; torn bytes never were a row."""
    of = f'bundle="{loans_bundle.name}"'
    with stubs.connect(server.addresses[0]) as client:
        torn = stubs.scoring().PackedRow(schema=described(client).schema, values=b"\x09")
        assert code_of(client.scoring.Score, stubs.scoring().ScoreRequest(packed=torn)) == Code.INVALID_ARGUMENT
    found = exposition(server)
    assert found["sternpost_rows_total"] == {of: 0.0}
    assert found["sternpost_rows_refused_total"] == {of: 0.0}


def test_histograms_are_histograms(server):
    with stubs.connect(server.addresses[0]) as client:
        for request in requests(described(client), ROWS):
            client.scoring.Score(request, timeout=PATIENCE_S)
    found = exposition(server)
    for name in ("sternpost_queue_seconds", "sternpost_score_seconds", "sternpost_request_seconds"):
        buckets = [
            (float(re.search(r',le="([^"]+)"', labels)[1]), count) for labels, count in found[f"{name}_bucket"].items()
        ]
        bounds, counts = zip(*buckets, strict=True)
        assert bounds == tuple(sorted(set(bounds)))
        assert bounds[0] <= 1e-6
        assert bounds[-1] == float("inf")
        assert counts == tuple(sorted(counts)), "counts of a histogram never fall"
        (count,) = found[f"{name}_count"].values()
        (total,) = found[f"{name}_sum"].values()
        assert counts[-1] == count > 0
        # The sum lies between what the buckets' lower and upper bounds make of it.
        parts = [b - a for a, b in zip((0, *counts), counts, strict=False)]
        lowest = sum(part * bound for part, bound in zip(parts, (0, *bounds), strict=False))
        highest = sum(part * bound for part, bound in zip(parts, bounds, strict=True) if part)
        assert lowest <= total <= highest
