"""Another bundle under a running client: every decision says which one gave it, and the fallback stays itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import sternpost as sp
from sternpost.errors import Unreachable
from sternpost.serve.server import Server, ServerSettings
from tests.routes import loans
from tests.routes.conftest import built

ROWS = loans.real_rows(20, 20260815)


@pytest.fixture(scope="module")
def old() -> sp.Bundle:
    return built("boosting")


@pytest.fixture(scope="module")
def new() -> sp.Bundle:
    return built("boosting", trees=11)


@pytest.fixture
def server(old):
    with Server(old, ServerSettings(listen=("127.0.0.1:0",), http=None, threads=1, batch_threads=1)) as server:
        yield server


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_every_decision_says_which_bundle_gave_it(server, old, new, transport):
    scores = {b.digest: [b.score(row).score for row in ROWS] for b in (old, new)}
    over = threading.Event()
    with sp.Client(server.addresses[0], fallback=old, transport=transport, parity_share=1.0) as client:

        def call() -> list[str]:
            seen = []
            while not over.is_set():
                for row, (one, other) in zip(ROWS, zip(*scores.values(), strict=True), strict=True):
                    decision = client.score(row, deadline_s=10.0)
                    assert decision.score == {old.digest: one, new.digest: other}[decision.bundle]
                    assert decision.source == "model"
                    seen.append(decision.bundle)
            return seen

        with ThreadPoolExecutor() as pool:
            callers = [pool.submit(call) for _ in range(3)]
            try:
                for bundle in (new, old, new):
                    server.serve(bundle)
                    assert client.score(ROWS[0], deadline_s=10.0).bundle == bundle.digest
            finally:
                over.set()
            seen = [caller.result() for caller in callers]
        assert all(len(digests) >= len(ROWS) for digests in seen)
        parity = client.stats()["parity"]
        assert parity["different"] == 0, "what another bundle scored is not compared with this one"


@pytest.mark.parametrize("allowed", [False, True])
def test_the_fallback_of_before_is_silent_unless_it_may_speak(server, old, new, allowed):
    with sp.Client(server.addresses[0], fallback=old, allow_other_bundle=allowed, deadline_s=5.0) as client:
        assert client.score(ROWS[0]).bundle == old.digest
        server.serve(new)
        assert client.score(ROWS[0]).bundle == new.digest
        server.close()
        if allowed:
            decision = client.score(ROWS[0])
            assert (decision.source, decision.bundle) == ("fallback", old.digest)
            assert decision.score == old.score(ROWS[0]).score
        else:
            with pytest.raises(Unreachable, match="allow_other_bundle"):
                client.score(ROWS[0])
            assert client.stats()["fallback_other_bundle"] == 1


def test_back_to_the_bundle_of_the_fallback(server, old, new):
    """What counts is what the server said last."""
    with sp.Client(server.addresses[0], fallback=old, deadline_s=5.0) as client:
        for bundle in (new, old):
            server.serve(bundle)
            assert client.score(ROWS[0]).bundle == bundle.digest
        server.close()
        assert client.score(ROWS[0]).source == "fallback"
