"""Another bundle for a running server, by every way there is; and a bad one, which changes nothing."""

from __future__ import annotations

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.routes import loans
from tests.routes.conftest import built
from tests.routes.replies import of_decision, of_reply
from tests.server import stubs
from tests.server.operating import Code, described, digest, index, placed, ready
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, get, until

SEED = 20260803
ROWS = loans.real_rows(40, SEED)


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
        (request,) = requests(described(client), ROWS[:1])
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
            described(client)
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
        replies = [client.scoring.Score(r, timeout=PATIENCE_S) for r in requests(described(client), ROWS)]
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
            sent = requests(described(client), ROWS)
            for place in itertools.cycle(range(len(ROWS))):
                if over.is_set():
                    break
                reply = client.scoring.Score(sent[place], timeout=PATIENCE_S)
                assert of_reply(reply) == wanted[reply.digest][place]
                seen.append(reply.digest)
        return seen

    def streamed() -> list[str]:
        with stubs.connect(server.address) as client:
            sent = requests(described(client), ROWS)
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
