"""A server that cannot keep up, for real: more callers than it has room for, each row a millisecond of work."""

from __future__ import annotations

import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

import sternpost as sp
from sternpost.errors import Overloaded, ServerError
from sternpost.serve.server import Server, ServerSettings
from tests.client.test_bad_times import waited_for

CALLERS = 16
DEADLINE_S = 1.0
MARGIN_S = 0.3
ROW = {"x": 1.5}


class Slow(sp.Contract):
    x: float


@sp.feature
def long_way(x: float) -> float:
    """A logistic map, step by step; nobody can say sooner where it ends."""
    value = 0.3 + x * 1e-6
    for _ in range(1_000_000):
        value = 3.9 * value * (1.0 - value)
    return value


@pytest.fixture(scope="module")
def bundle() -> sp.Bundle:
    features = sp.FeatureSet(Slow, [long_way])
    past = pa.table({"x": np.linspace(0.0, 1.0, 40)})
    model = LinearRegression().fit(features.matrix(past), past["x"].to_numpy())
    return sp.build(features=features, model=model, reference=past, name="slow", owner="tests")


@pytest.fixture
def server(bundle):
    settings = ServerSettings(listen=("127.0.0.1:0",), http=None, threads=1, batch_threads=1, queue_rows=4)
    with Server(bundle, settings) as server:
        yield server


def crowd(call, seconds: float = 3.0) -> list:
    """What many callers got who all ask at once, again and again."""
    stop, got = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            begun = time.monotonic()
            got.append((call(), time.monotonic() - begun))

    threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return got


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_everybody_is_answered_in_time_and_the_server_is_spared(server, bundle, transport):
    expected = bundle.score(ROW).score
    fallback = {"score": 0.5, "action": "look"}
    with sp.Client(server.addresses[0], fallback=fallback, transport=transport, deadline_s=DEADLINE_S) as client:
        assert client.score(ROW).source == "model"
        got = crowd(lambda: client.score(ROW))
        assert {(decision.source, decision.score) for decision, _ in got} == {("model", expected), ("rule", 0.5)}
        assert max(took for _, took in got) < DEADLINE_S + MARGIN_S
        stats = client.stats()
        assert stats["errors"] == 0
        assert stats["calls"] == stats["served"] + sum(stats["fallbacks"].values()) == len(got) + 1
        assert stats["fallbacks"]["overloaded"] > 0
        assert stats["throttled"] > 0, "most are turned away, so some are not sent"
        assert stats["retries"] <= 10 + stats["calls"] / 10, "repetitions have a budget"
        # When the crowd has gone, the server is asked again.
        assert waited_for(lambda: client.score(ROW).source == "model", 30.0)


def test_without_a_fallback_it_is_told(server):
    def call() -> str:
        try:
            return client.score(ROW).source
        except ServerError as error:
            return type(error).__name__

    with sp.Client(server.addresses[0], deadline_s=DEADLINE_S) as client:
        got = crowd(call)
        assert {"model", Overloaded.__name__} <= {answer for answer, _ in got}
        assert max(took for _, took in got) < DEADLINE_S + MARGIN_S
