"""A server's life as a command: start, reload by every way there is, drain, end."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import sternpost as sp
from tests.routes import loans
from tests.routes.conftest import built
from tests.routes.replies import of_decision, of_reply
from tests.server import stubs
from tests.server.frames import DATA, END_STREAM, Raw, frame, head, message
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, Command, get, until

Code = grpc.StatusCode
SEED = 20260803
ROWS = loans.real_rows(40, SEED)


def placed(source: Path, target: Path) -> Path:
    """A file put in place in one step, as whoever deploys does it."""
    fresh = target.with_suffix(".new")
    shutil.copy(source, fresh)
    return fresh.replace(target)


def flipped(source: Path, target: Path) -> Path:
    """The same with one bit of one byte in its middle changed, put in place in one step."""
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    fresh = target.with_suffix(".new")
    fresh.write_bytes(data)
    return fresh.replace(target)


def describe(client: stubs.Client):
    return client.scoring.Describe(stubs.scoring().DescribeRequest(), timeout=PATIENCE_S)


def digest(client: stubs.Client) -> str:
    return describe(client).digest


def index(client: stubs.Client) -> list[tuple[str, str, str, str]]:
    found = client.inference.RepositoryIndex(stubs.inference().RepositoryIndexRequest(), timeout=PATIENCE_S)
    return [(model.name, model.version, model.state, model.reason) for model in found.models]


def ready(client: stubs.Client) -> list[str]:
    return [name for name, _, state, _ in index(client) if state == "READY"]


def watching(client: stubs.Client):
    """A Watch of the whole server that has just said that it serves; health is looked at four times a second."""
    watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
    while next(watch).status != health_pb2.HealthCheckResponse.SERVING:
        pass
    return watch


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "bundles"
    path.mkdir()
    return path


class Two:
    """Two bundles of one name with other scores, and a place that a server reads from."""

    def __init__(self, old: Path, new: Path, folder: Path) -> None:
        self.files = old, new
        self.old, self.new = sp.open_bundle(old), sp.open_bundle(new)
        self.path = placed(old, folder / "b.sbundle")

    def renew(self, back: bool = False) -> None:
        placed(self.files[not back], self.path)

    def damage(self) -> None:
        flipped(self.files[1], self.path)


@pytest.fixture
def two(bundle_file, newer_file, folder) -> Two:
    return Two(bundle_file, newer_file, folder)


def test_the_ready_line(command, bundle_file, loans_bundle):
    server = command(bundle_file, listen="localhost:0")
    assert server.ready.keys() == {"listen", "http", "bundles", "pid"}
    assert server.ready["pid"] == server.pid
    assert server.ready["bundles"] == [{"name": "boosting", "version": 1, "digest": loans_bundle.digest}]
    assert server.address.startswith("127.0.0.1:")
    assert get(server.http, "readyz") == (200, "ready\n")
    with stubs.connect(server.address) as client:
        description = describe(client)
        replies = [client.scoring.Score(r, timeout=PATIENCE_S) for r in requests(description, ROWS)]
    assert [of_reply(reply) for reply in replies] == [of_decision(loans_bundle.score(row)) for row in ROWS]
    assert server.end() == 0
    assert "Traceback" not in server.said()


@pytest.mark.parametrize("way", ["file", "hangup", "request"])
def test_reload(command, folder, two, way):
    server = command("--watch" if way == "file" else "--no-watch", folder)
    with stubs.connect(server.address) as client:
        assert digest(client) == two.old.digest
        two.renew()
        if way == "hangup":
            server.signal(signal.SIGHUP)
        elif way == "request":
            load = stubs.inference().RepositoryModelLoadRequest(model_name="boosting")
            client.inference.RepositoryModelLoad(load, timeout=PATIENCE_S)
            assert digest(client) == two.new.digest, "an answered wish is fulfilled"
        until(lambda: digest(client) == two.new.digest)
        assert index(client) == [("boosting", "2", "READY", "")]
        (request,) = requests(describe(client), ROWS[:1])
        assert of_reply(client.scoring.Score(request, timeout=PATIENCE_S)) == of_decision(two.new.score(ROWS[0]))
        assert two.new.score(ROWS[0]).score != two.old.score(ROWS[0]).score


def test_bundles_come_and_go_with_their_files(command, folder, bundle_file, tmp_path):
    placed(bundle_file, folder / "b.sbundle")
    built("linear").save(tmp_path / "linear")
    server = command(folder)
    with stubs.connect(server.address) as client:
        assert ready(client) == ["boosting"]
        placed(tmp_path / "linear", folder / "l.sbundle")
        until(lambda: ready(client) == ["boosting", "linear"])
        (folder / "l.sbundle").unlink()
        until(lambda: ready(client) == ["boosting"])
        health = health_pb2_grpc.HealthStub(client.channel)

        def gone() -> bool:
            try:
                found = health.Check(health_pb2.HealthCheckRequest(service="linear"), timeout=PATIENCE_S)
            except grpc.RpcError as error:
                # It came and went between two looks at health.
                return error.code() == Code.NOT_FOUND
            return found.status == health_pb2.HealthCheckResponse.NOT_SERVING

        until(gone)


def test_unload_and_load_by_request(command, bundle_file, loans_bundle):
    server = command("--no-watch", bundle_file)
    oip = stubs.inference()
    with stubs.connect(server.address) as client:
        client.inference.RepositoryModelUnload(
            oip.RepositoryModelUnloadRequest(model_name="boosting"), timeout=PATIENCE_S
        )
        with pytest.raises(grpc.RpcError) as raised:
            describe(client)
        assert raised.value.code() in (Code.UNAVAILABLE, Code.NOT_FOUND)
        assert get(server.http, "readyz")[0] == 503
        # One published client names the model in the first field.
        client.inference.RepositoryModelLoad(
            oip.RepositoryModelLoadRequest(repository_name="boosting"), timeout=PATIENCE_S
        )
        assert digest(client) == loans_bundle.digest
        until(lambda: get(server.http, "readyz")[0] == 200)
        for call, request in (
            (client.inference.RepositoryModelLoad, oip.RepositoryModelLoadRequest(model_name="lost")),
            (client.inference.RepositoryModelUnload, oip.RepositoryModelUnloadRequest(model_name="lost")),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                call(request, timeout=PATIENCE_S)
            assert "lost" in raised.value.details()


@pytest.mark.parametrize("way", ["file", "request"])
def test_a_damaged_bundle_leaves_the_old_one_serving(command, folder, two, way):
    server = command("--watch" if way == "file" else "--no-watch", folder)
    load = stubs.inference().RepositoryModelLoadRequest(model_name="boosting")
    with stubs.connect(server.address) as client:
        two.damage()
        if way == "request":
            with pytest.raises(grpc.RpcError) as raised:
                client.inference.RepositoryModelLoad(load, timeout=PATIENCE_S)
            assert raised.value.code() == Code.FAILED_PRECONDITION
            assert "b.sbundle" in raised.value.details()
        until(lambda: index(client)[0][3])
        ((name, version, state, why),) = index(client)
        assert (name, version, state) == ("boosting", "1", "READY")
        assert why.startswith("a newer form is not served: ")
        assert "b.sbundle: " in why
        trouble = [s for s in get(server.http, "metrics")[1].splitlines() if s.startswith("sternpost_bundle_trouble{")]
        assert len(trouble) == 1
        assert 'bundle="boosting"' in trouble[0]
        assert "b.sbundle: " in trouble[0]
        assert get(server.http, "readyz")[0] == 200
        replies = [client.scoring.Score(r, timeout=PATIENCE_S) for r in requests(describe(client), ROWS)]
        assert [of_reply(reply) for reply in replies] == [of_decision(two.old.score(row)) for row in ROWS]
        # And a sound one after it is taken over, and nothing is wrong any more.
        two.renew()
        if way == "request":
            client.inference.RepositoryModelLoad(load, timeout=PATIENCE_S)
        until(lambda: index(client) == [("boosting", "2", "READY", "")])
        assert digest(client) == two.new.digest
        assert "sternpost_bundle_trouble{" not in get(server.http, "metrics")[1]
    assert "Traceback" not in server.said()


RELOADS = 10


def test_reloads_under_load_fail_no_call(command, folder, two):
    """Every call of three callers, unary and streamed, is answered by one of two bundles with that bundle's bits."""
    server = command("--no-watch", folder)
    wanted = {b.digest: [of_decision(b.score(row)) for row in ROWS] for b in (two.old, two.new)}
    assert len(wanted) == 2
    over = threading.Event()

    def unary() -> list[str]:
        seen = []
        with stubs.connect(server.address) as client:
            sent = requests(describe(client), ROWS)
            for place in itertools.cycle(range(len(ROWS))):
                if over.is_set():
                    break
                reply = client.scoring.Score(sent[place], timeout=PATIENCE_S)
                assert of_reply(reply) == wanted[reply.digest][place]
                seen.append(reply.digest)
        return seen

    def streamed() -> list[str]:
        with stubs.connect(server.address) as client:
            sent = requests(describe(client), ROWS)
            seen = []
            for place, reply in enumerate(client.scoring.ScoreStream(_until(over, sent), timeout=60)):
                assert reply.failure.code == 0, reply.failure
                assert of_reply(reply) == wanted[reply.digest][place % len(ROWS)]
                seen.append(reply.digest)
            return seen

    with ThreadPoolExecutor() as pool, stubs.connect(server.address) as client:
        callers = [pool.submit(unary), pool.submit(unary), pool.submit(streamed)]
        try:
            for number in range(1, RELOADS + 1):
                two.renew(back=number % 2 == 0)
                load = stubs.inference().RepositoryModelLoadRequest(model_name="boosting")
                client.inference.RepositoryModelLoad(load, timeout=PATIENCE_S)
                assert digest(client) == (two.new if number % 2 else two.old).digest
        finally:
            over.set()
        seen = [caller.result() for caller in callers]
        assert index(client) == [("boosting", str(RELOADS + 1), "READY", "")]
    for digests in seen:
        assert set(digests) == set(wanted), "each caller met both bundles"
        assert sum(a != b for a, b in itertools.pairwise(digests)) == RELOADS, "never back to one that was replaced"


def _until(over: threading.Event, sent: list):
    for request in itertools.cycle(sent):
        if over.is_set():
            return
        yield request


# --- the end


def in_flight(server: Command, count: int = 8) -> tuple[Raw, list[int], bytes]:
    """Calls whose headers have come and whose rows have not; and the rest of each."""
    with stubs.connect(server.address) as client:
        (request,) = requests(describe(client), ROWS[:1])
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
        (request,) = requests(describe(client), ROWS[:1])
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
        (request,) = requests(describe(client), ROWS[:1])
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
