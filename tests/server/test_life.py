"""A server's life as a command: start, drain, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.routes import loans
from tests.routes.replies import of_decision, of_reply
from tests.server import stubs
from tests.server.frames import DATA, END_STREAM, Raw, frame, head, message
from tests.server.operating import Code, described, flipped, placed, watching
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, Command, get, until

SEED = 20260803
ROWS = loans.real_rows(40, SEED)


def test_the_ready_line(command, bundle_file, loans_bundle):
    server = command(bundle_file, listen="localhost:0")
    assert server.ready.keys() == {"listen", "http", "bundles", "pid"}
    assert server.ready["pid"] == server.pid
    assert server.ready["bundles"] == [{"name": "boosting", "version": 1, "digest": loans_bundle.digest}]
    assert server.address.startswith("127.0.0.1:")
    assert get(server.http, "readyz") == (200, "ready\n")
    with stubs.connect(server.address) as client:
        description = described(client)
        replies = [client.scoring.Score(r, timeout=PATIENCE_S) for r in requests(description, ROWS)]
    assert [of_reply(reply) for reply in replies] == [of_decision(loans_bundle.score(row)) for row in ROWS]
    assert server.end() == 0
    assert "Traceback" not in server.said()


def in_flight(server: Command, count: int = 8) -> tuple[Raw, list[int], bytes]:
    """Calls whose headers have come and whose rows have not; and the rest of each."""
    with stubs.connect(server.address) as client:
        (request,) = requests(described(client), ROWS[:1])
    raw = Raw(server.address)
    streams = [raw.call(head(), None) for _ in range(count)]
    # Answered: the server has read what came before it.
    assert raw.ask(head("/lost")).code == 12
    return raw, streams, message(request.SerializeToString())


def test_drain_answers_what_is_on_its_way(command, bundle_file, loans_bundle):
    server = command("--drain", "20", bundle_file)
    raw, streams, rest = in_flight(server)
    with raw:
        server.signal(signal.SIGTERM)
        while raw.goaway is None:
            raw.read()
        assert raw.goaway == 0, "told to go without an error"
        for stream in streams:
            raw.send(frame(DATA, END_STREAM, stream, rest))
        for stream in streams:
            answer = raw.answer(stream)
            assert answer.code == 0
            reply = stubs.scoring().ScoreReply.FromString(answer.data[5:])
            assert of_reply(reply) == of_decision(loans_bundle.score(ROWS[0]))
        raw.closed()
    assert server.ended() == 0
    assert "cut off" not in server.said()


def test_drain_ends_streams_with_unavailable(command, bundle_file):
    server = command("--drain", "20", bundle_file)
    with stubs.connect(server.address) as client:
        (request,) = requests(described(client), ROWS[:1])
        ended = threading.Event()

        def rows():
            yield request
            ended.wait(PATIENCE_S)

        stream = client.scoring.ScoreStream(rows(), timeout=60)
        assert next(stream).failure.code == 0
        server.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        ended.set()
        assert raised.value.code() == Code.UNAVAILABLE
        assert "ask another one" in raised.value.details()
        assert server.ended() == 0


def test_drain_does_not_wait_for_who_only_watches(command, bundle_file):
    """A health Watch never ends by itself; a client that has one open must not hold up the end."""
    server = command("--drain", "20", bundle_file)
    with stubs.connect(server.address) as client:
        watch = watching(client)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.ended() == 0
        assert time.monotonic() - began < 10
        assert "cut off" not in server.said()


def test_health_is_told_before_calls_are_refused(command, bundle_file):
    server = command("--lame", "20", bundle_file)
    with stubs.connect(server.address) as client:
        watch = watching(client)
        server.signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert get(server.http, "readyz")[0] == 503
        assert get(server.http, "healthz")[0] == 200
        (request,) = requests(described(client), ROWS[:1])
        assert client.scoring.Score(request, timeout=PATIENCE_S).prediction_id
        watch.cancel()
    server.signal(signal.SIGTERM)
    assert server.ended() == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(command, bundle_file, first):
    server = command("--drain", "600", bundle_file)
    raw, _, _ = in_flight(server)
    with raw:
        server.signal(first)
        while raw.goaway is None:
            raw.read()
        assert server.process.poll() is None, "it waits for what is on its way"
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert time.monotonic() - began < 10
        raw.closed()
    assert "calls on their way were cut off" in server.said()


def listened_to(address: str) -> bool:
    try:
        Raw(address, preface=False).socket.close()
    except OSError:
        return False
    return True


def test_nobody_is_let_in_during_the_drain(command, bundle_file, tmp_path):
    path = tmp_path / "s"
    server = command("--drain", "600", "--listen", f"unix:{path}", bundle_file)
    raw, _, _ = in_flight(server)
    with raw:
        server.signal(signal.SIGTERM)
        while raw.goaway is None:
            raw.read()
        for address in server.ready["listen"]:
            until(lambda address=address: not listened_to(address))
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    assert not path.exists()


def test_a_signal_before_it_is_ready(bundle_file, tmp_path):
    """However early the signal comes, it ends in order, by its own code or by the one that shells give the signal."""
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sternpost.cli", "serve", "--listen", "127.0.0.1:0", "--http", "none", bundle_file],
            stdout=subprocess.PIPE,
            stderr=log,
        )
        # The kernel tells when SIGTERM is no longer the interpreter's to die of.
        caught = 1 << (signal.SIGTERM - 1)

        def handled() -> bool:
            status = Path(f"/proc/{process.pid}/status").read_text()
            return bool(int(status.split("SigCgt:")[1].split()[0], 16) & caught)

        until(handled)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) in (0, 128 + signal.SIGTERM)
        process.stdout.close()
        log.seek(0)
        assert "Traceback" not in log.read()


def test_the_log_is_json_when_asked(command, folder, bundle_file):
    path = placed(bundle_file, folder / "b.sbundle")
    server = command("--no-watch", "--log-form", "json", folder)
    flipped(bundle_file, path)
    server.signal(signal.SIGHUP)
    until(lambda: "not served" in server.said())
    server.end()
    lines = [json.loads(line) for line in server.said().splitlines()]
    assert any("not served" in json.dumps(line) for line in lines)
