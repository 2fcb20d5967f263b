"""Client and server of one project: every way, a reload, an end."""

from __future__ import annotations

import threading
import time

import pytest

import sternpost as sp
from sternpost.errors import Refused
from sternpost.serve.server import Server, ServerSettings
from tests.client.conftest import loan
from tests.client.test_bad_times import waited_for
from tests.client.test_same_answer import ROWS, same
from tests.project.loans_project import loans, replaced


@pytest.fixture
def real(bundle):
    with Server(bundle, ServerSettings(listen=["127.0.0.1:0"], http=None, threads=1, batch_threads=1)) as server:
        yield server


def known_to_serve(client: sp.Client) -> sp.Client:
    """The client, once it has heard that the server is ready."""
    client.describe()
    assert waited_for(lambda: client.stats()["endpoints"][0]["health"] == "serving", 20.0)
    return client


@pytest.fixture(params=["stream", "unary"])
def client(request, real, bundle):
    with sp.Client(real.addresses[0], transport=request.param, fallback=bundle, parity_share=1.0) as client:
        yield known_to_serve(client)


def test_rows_are_scored_with_the_same_bits(client, bundle):
    for row in ROWS.values():
        here, there = bundle.score(row), client.score(row)
        same(here, there)
        assert there.source == here.source
    stats = client.stats()
    assert stats["served"] == len(ROWS)
    assert stats["parity"] == {"compared": len(ROWS), "different": 0}


def test_tables_are_scored_with_the_same_bits(real, bundle):
    table = replaced(loans(20_000, seed=3), "amount", {0: -1.0, 9_000: float("nan")})
    with sp.Client(real.addresses[0]) as client:
        for some in (table, table.slice(5, 1), table.slice(0, 0)):
            scored = client.score(some)
            assert scored.equals(bundle.score(some))
            assert scored.schema.metadata[b"sternpost.source"] == b"model"
        encoded = table.set_column(4, "purpose", table["purpose"].dictionary_encode())
        assert client.score(encoded).equals(bundle.score(table))


def test_a_wrong_bundle_is_told(real):
    with sp.Client(real.addresses[0], bundle="elsewhere") as client, pytest.raises(Refused) as refused:
        client.score(loan())
    assert refused.value.reason == "UNKNOWN_BUNDLE"


def test_a_server_that_ends_does_not_wait_for_us_and_nobody_waits_for_it(real, bundle):
    with sp.Client(real.addresses[0], fallback=bundle, deadline_s=0.5) as client:
        expected = known_to_serve(client).score(loan()).score
        stop, answers = threading.Event(), []

        def call() -> None:
            while not stop.is_set():
                begun = time.monotonic()
                decision = client.score(loan())
                answers.append((decision.source, decision.score, time.monotonic() - begun))

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.3)
            begun = time.monotonic()
            assert real.drain(10.0)
            assert time.monotonic() - begun < 5.0
            real.close()
            time.sleep(0.2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert {source for source, *_ in answers} == {"model", "fallback"}
        assert {score for _, score, _ in answers} == {expected}
        assert max(took for *_, took in answers) < 0.5
        assert client.stats()["errors"] == 0
