"""Inside of the deadline there is an answer, and it says who gave it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time

import pytest

import sternpost as sp
from sternpost.errors import DeadlineExceeded, Overloaded, Refused, Unreachable, UsageError
from tests.client.conftest import loan
from tests.client.fake_server import Fail, serving

UNAVAILABLE, EXHAUSTED = 14, 8


def waited_for(what, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_nobody_there_is_told(nobody):
    with sp.Client(nobody) as client, pytest.raises(Unreachable, match=r"127.0.0.1:9"):
        client.score(loan())


def test_a_server_that_is_busy_for_a_moment_is_asked_again(client, server):
    client.score(loan())
    server.script += [Fail(UNAVAILABLE, retry_ms=30), Fail(EXHAUSTED, retry_ms=30)]
    begun = time.monotonic()
    assert client.score(loan()).source == "model"
    assert time.monotonic() - begun >= 0.06
    assert client.stats()["retries"] == 2
    assert len({request.id for request in server.asked[-3:]}) == 1, "a repeated request has the same name"


def test_never_means_never(client, server):
    client.score(loan())
    server.script.append(Fail(EXHAUSTED, "full", retry_ms=-1))
    with pytest.raises(Overloaded, match="full"):
        client.score(loan())
    assert client.stats()["retries"] == 0


def test_at_most_three_tries(client, server):
    client.score(loan())
    asked = len(server.asked)
    server.script += [Fail(UNAVAILABLE, retry_ms=1)] * 3
    with pytest.raises(Unreachable):
        client.score(loan())
    assert len(server.asked) - asked == 3


def test_retries_have_a_budget(server):
    with sp.Client(server.address) as client:
        client.score(loan())
        server.script += [Fail(EXHAUSTED, retry_ms=1)] * 200
        for _ in range(60):
            with pytest.raises(Overloaded):
                client.score(loan())
        stats = client.stats()
        assert stats["retries"] <= 10 + 6
        assert stats["throttled"] > 0, "most calls are turned away, so some are not sent"


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_late_is_told_in_time(server, bundle, transport):
    with sp.Client(server.address, transport=transport) as client:
        client.score(loan())
        server.delay_s = 2.0
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.score(loan(), deadline_s=0.5)
        assert 0.45 < time.monotonic() - begun < 1.2
        server.delay_s = 0.0
        # The late answer belongs to nobody: the next row gets its own.
        assert client.score(loan(amount=99.0)).score == bundle.score(loan(amount=99.0)).score


def test_late_servers_leave_time_for_the_fallback(server, bundle):
    with sp.Client(server.address, fallback=bundle) as client:
        client.score(loan())
        server.delay_s = 2.0
        begun = time.monotonic()
        decision = client.score(loan(), deadline_s=0.5)
        assert time.monotonic() - begun < 0.5
        assert (decision.source, decision.score) == ("fallback", bundle.score(loan()).score)
        assert client.stats()["fallbacks"]["deadline"] == 1


def test_a_server_that_fails_is_left_alone(bundle, nobody):
    with sp.Client(nobody, fallback=bundle, watch_health=False) as client:
        for _ in range(20):
            assert client.score(loan()).source == "fallback"
        begun = time.monotonic()
        assert client.score(loan()).source == "fallback"
        assert time.monotonic() - begun < 0.1
        stats = client.stats()
        assert stats["endpoints"][0]["breaker"] == "open"
        assert stats["fallbacks"]["breaker_open"] > 10
        assert stats["calls"] == sum(stats["fallbacks"].values())


def test_a_server_that_comes_back_is_asked_again(bundle):
    with serving(bundle) as server:
        address = server.address
    with sp.Client(address, fallback=bundle) as client:
        for _ in range(10):
            assert client.score(loan()).source == "fallback"
        with serving(bundle, address=address):
            assert waited_for(lambda: client.score(loan()).source == "model")


def test_draining_servers_are_left_at_once(server, bundle):
    with sp.Client(server.address, fallback=bundle) as client:
        assert client.score(loan()).source == "model"
        assert waited_for(lambda: client.stats()["endpoints"][0]["health"] == "serving")
        server.drain()
        assert waited_for(lambda: client.stats()["endpoints"][0]["health"] == "not serving")
        asked = len(server.asked)
        assert client.score(loan()).source == "fallback"
        assert client.stats()["fallbacks"]["draining"] == 1
        assert len(server.asked) == asked
        server.serve_again()
        assert waited_for(lambda: client.score(loan()).source == "model")


def test_draining_without_a_fallback_is_better_than_nobody(server):
    with sp.Client(server.address) as client:
        client.score(loan())
        server.drain()
        assert waited_for(lambda: client.stats()["endpoints"][0]["health"] == "not serving")
        assert client.score(loan()).source == "model"


def test_another_bundle_does_not_stand_in_unless_it_may(server, bundle):
    server.digest = "f" * 64
    for allowed in (False, True):
        with sp.Client(server.address, fallback=bundle, allow_other_bundle=allowed) as client:
            assert client.score(loan()).bundle == "f" * 64
            server.script.append(Fail(UNAVAILABLE, retry_ms=-1))
            if allowed:
                decision = client.score(loan())
                assert (decision.source, decision.bundle) == ("fallback", bundle.digest)
            else:
                with pytest.raises(Unreachable, match="allow_other_bundle"):
                    client.score(loan())
                assert client.stats()["fallback_other_bundle"] == 1


def test_a_constant_stands_in(nobody, server):
    with sp.Client(nobody, fallback={"score": 0.5, "action": "look"}) as client:
        decision = client.score(loan())
        assert (decision.source, decision.score, decision.action) == ("rule", 0.5, "look")
        assert (decision.bundle, decision.reasons) == ("", ())
    with sp.Client(server.address, fallback={"action": "look"}) as client:
        assert client.score(loan()).source == "model"
        server.script.append(Fail(UNAVAILABLE, retry_ms=-1))
        decision = client.score(loan())
        assert (decision.source, decision.score, decision.action) == ("rule", None, "look")
    for wrong in ({}, {"skore": 1}, {"score": "high"}, {"action": 1}):
        with pytest.raises(UsageError):
            sp.Client(nobody, fallback=wrong)


def test_wrong_settings_are_told(bundle):
    for settings in (
        {"endpoints": "localhost"},
        {"endpoints": []},
        {"endpoints": "a:1", "transport": "pigeon"},
        {"endpoints": "a:1", "parity_share": 2.0},
        {"endpoints": "https://a:1", "ca": "/nowhere.pem"},
        {"endpoints": "a:1", "token": "line\nbreak"},
    ):
        with pytest.raises(UsageError):
            sp.Client(**settings)
    with sp.Client("a:1") as client, pytest.raises(UsageError, match="deadline_s"):
        client.score(loan(), deadline_s=0)


def test_served_rows_are_compared_with_the_fallback(server, bundle):
    with sp.Client(server.address, fallback=bundle, parity_share=0.5) as client:
        for _ in range(10):
            client.score(loan())
        assert client.stats()["parity"] == {"compared": 5, "different": 0}
        server.lie = 1e-9
        for _ in range(10):
            client.score(loan())
        assert client.stats()["parity"] == {"compared": 10, "different": 5}


def test_one_dead_endpoint_is_nobodys_error(server, nobody):
    with sp.Client([nobody, server.address]) as client:
        for _ in range(30):
            assert client.score(loan()).source == "model"


def test_a_slow_endpoint_is_hedged(bundle):
    with (
        serving(bundle) as slow,
        serving(bundle) as quick,
        sp.Client([slow.address, quick.address], hedge_after_s=0.03) as client,
    ):
        for _ in range(4):
            client.score(loan())
        slow.delay_s = 0.5
        for _ in range(4):
            begun = time.monotonic()
            assert client.score(loan(), deadline_s=2.0).source == "model"
            assert time.monotonic() - begun < 0.4
        hedges = client.stats()["hedges"]
        assert 1 <= hedges["won"] <= hedges["sent"] <= 4


def test_a_killed_server_leaves_no_call_without_an_answer(bundle, tmp_path):
    path = tmp_path / "loans.sbundle"
    bundle.save(path)
    command = [sys.executable, "-m", "sternpost.cli", "serve", str(path), "--listen", "127.0.0.1:0", "--http", "none"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    answers, deadline_s = [], 0.5
    expected = bundle.score(loan()).score
    try:
        (address,) = json.loads(process.stdout.readline())["listen"]
        stop = threading.Event()
        with sp.Client(address, fallback=path, deadline_s=deadline_s) as client:

            def call() -> None:
                while not stop.is_set():
                    begun = time.monotonic()
                    try:
                        decision = client.score(loan())
                        answers.append((decision.source, decision.score, time.monotonic() - begun))
                    except Exception as error:
                        answers.append((repr(error), None, 0.0))

            threads = [threading.Thread(target=call) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            process.send_signal(signal.SIGKILL)
            time.sleep(1.0)
            stop.set()
            for thread in threads:
                thread.join()
    finally:
        process.kill()
        process.communicate()
    assert {source for source, *_ in answers} == {"model", "fallback"}
    assert {score for _, score, _ in answers} == {expected}
    assert max(took for *_, took in answers) < deadline_s + 0.05


def test_ctrl_c_ends_a_wait(server):
    with sp.Client(server.address) as client:
        client.score(loan())
        server.delay_s = 3.0

        def ring(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            begun = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                client.score(loan(), deadline_s=10.0)
            assert time.monotonic() - begun < 1.0
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            server.delay_s = 0.0
        assert client.score(loan()).source == "model"


def test_a_wrong_name_is_the_callers_to_know(server, bundle):
    server.script.append(Fail(5, "no bundle of that name"))
    with sp.Client(server.address, fallback=bundle) as client:
        # It was described before, so the server lost it: an answer is better than none.
        assert client.score(loan()).source == "fallback"
        assert client.stats()["fallbacks"]["failed"] == 1
    server.script.append(Fail(5, "no bundle of that name"))
    with sp.Client(server.address) as client, pytest.raises(Refused, match="no bundle"):
        client.score(loan())
