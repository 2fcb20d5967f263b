"""Half-open connections: the peer is gone and no packet says so. A call ends inside of its deadline all the same."""

from __future__ import annotations

import time

import pytest

import sternpost as sp
from sternpost.errors import DeadlineExceeded, Unreachable
from sternpost.serve.server import Server, ServerSettings
from tests.client.conftest import loan
from tests.client.proxy import Proxy
from tests.client.test_bad_times import waited_for
from tests.project.loans_project import loans
from tests.server.certificates import Authority

DEADLINE_S = 0.5
# What a loaded machine may add until the caller runs again.
MARGIN_S = 0.2


@pytest.fixture(scope="module")
def real(bundle):
    with Server(bundle, ServerSettings(listen=("127.0.0.1:0",), http=None, threads=1, batch_threads=1)) as server:
        yield server


@pytest.fixture
def proxy(real):
    with Proxy(real.addresses[0]) as proxy:
        yield proxy


def timed(call):
    begun = time.monotonic()
    return call(), time.monotonic() - begun


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_a_server_that_is_lost_in_the_middle(proxy, bundle, transport):
    expected = bundle.score(loan()).score
    with sp.Client(proxy.address, transport=transport, fallback=bundle, deadline_s=DEADLINE_S) as client:
        assert client.score(loan()).source == "model"
        proxy.lose()
        for _ in range(20):
            decision, took = timed(lambda: client.score(loan()))
            assert (decision.source, decision.score) == ("fallback", expected)
            assert took < DEADLINE_S + MARGIN_S
        stats = client.stats()
        assert stats["fallbacks"]["deadline"] >= 1, "the first calls wait for an answer"
        assert stats["fallbacks"]["breaker_open"] >= 1, "and later ones know that none comes"
        proxy.find()
        assert waited_for(lambda: client.score(loan()).source == "model", 20.0), "a new connection is well"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing(proxy, bundle, tmp_path, scheme):
    """The connection comes about, and neither TLS nor HTTP/2 does."""
    (tmp_path / "ca.pem").write_bytes(Authority("tests").pem)
    proxy.lose()
    address = f"https://{proxy.address}" if scheme == "https" else proxy.address
    with sp.Client(address, ca=tmp_path / "ca.pem", fallback=bundle, deadline_s=DEADLINE_S) as client:
        decision, took = timed(lambda: client.score(loan()))
        assert decision.source == "fallback"
        assert took < DEADLINE_S + MARGIN_S


def test_without_a_fallback_it_is_told_in_time(proxy):
    with sp.Client(proxy.address, deadline_s=DEADLINE_S, watch_health=False) as client:
        client.score(loan())
        proxy.lose()
        begun = time.monotonic()
        with pytest.raises((DeadlineExceeded, Unreachable)):
            client.score(loan())
        assert time.monotonic() - begun < DEADLINE_S + MARGIN_S


def test_a_table_whose_server_is_lost(proxy, bundle):
    table = loans(2_000, seed=5)
    with sp.Client(proxy.address, fallback=bundle) as client:
        assert client.score(table, deadline_s=10.0).schema.metadata[b"sternpost.source"] == b"model"
        proxy.lose()
        scored, took = timed(lambda: client.score(table, deadline_s=1.0))
        assert scored.schema.metadata[b"sternpost.source"] == b"fallback"
        assert scored.equals(bundle.score(table))
        assert took < 1.0 + MARGIN_S
