"""What an operator sees and sets: health, pages, tokens, certificates, addresses."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sternpost.errors import UsageError
from sternpost.serve.server import Server, ServerSettings, Tls
from tests.routes import loans
from tests.routes.conftest import built
from tests.server import stubs
from tests.server.certificates import Authority
from tests.server.frames import Raw, head, message
from tests.server.packing import packed, requests
from tests.server.serving import PATIENCE_S, get, serving, until

Code = grpc.StatusCode
ROWS = loans.real_rows(30, 20260802)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ("", "sternpost.v1.Scoring", "inference.GRPCInferenceService")


def described(client: stubs.Client, bundle: str = "", **options):
    return client.scoring.Describe(stubs.scoring().DescribeRequest(bundle=bundle), timeout=PATIENCE_S, **options)


def code_of(call, request, **options) -> grpc.StatusCode:
    try:
        call(request, timeout=PATIENCE_S, **options)
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


# --- health


def status(client: stubs.Client, name: str) -> int | None:
    """What Check says; None for a name that it does not know."""
    health = health_pb2_grpc.HealthStub(client.channel)
    try:
        return health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S).status
    except grpc.RpcError as error:
        if error.code() != Code.NOT_FOUND:
            raise
        return None


def test_check(client, shared, loans_bundle):
    for name in (*SERVICES, loans_bundle.name):
        until(lambda name=name: status(client, name) == SERVING)
    assert status(client, "lost") is None


def watched(client: stubs.Client, *names: str) -> dict[str, Watched]:
    """A Watch for each name, once each is known to serve: health is looked at four times a second, and tonic's Watch
    ends at once for a name that it does not know yet."""
    for name in names:
        until(lambda name=name: status(client, name) == SERVING)
    found = {name: Watched(client, name) for name in names}
    until(lambda: all(one.told == [SERVING] for one in found.values()))
    return found


class Watched:
    """What a Watch told, read by a thread."""

    def __init__(self, client: stubs.Client, name: str) -> None:
        self.told: list[int] = []
        self.ended: grpc.StatusCode | None = None
        request = health_pb2.HealthCheckRequest(service=name)
        self._call = health_pb2_grpc.HealthStub(client.channel).Watch(request)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.told.append(answer.status)
            self.ended = Code.OK
        except grpc.RpcError as error:
            self.ended = error.code()


def test_watch_tells_of_a_bundle_that_comes_and_goes(loans_bundle):
    other = built("linear")
    with serving([loans_bundle, other]) as server, stubs.connect(server.addresses[0]) as client:
        told = watched(client, *SERVICES, loans_bundle.name, other.name)
        assert server.withdraw(other.name)
        until(lambda: told[other.name].told == [SERVING, NOT_SERVING])
        server.serve(other)
        until(lambda: told[other.name].told == [SERVING, NOT_SERVING, SERVING])
        assert all(w.told == [SERVING] for name, w in told.items() if name != other.name)


def test_watch_tells_of_the_end(loans_bundle):
    with serving(loans_bundle) as server, stubs.connect(server.addresses[0]) as client:
        told = watched(client, *SERVICES, loans_bundle.name)
        server._core.announce_end()
        until(lambda: all(w.told == [SERVING, NOT_SERVING] for w in told.values()))
        assert get(server.http, "readyz") == (503, "not ready: the server is about to end\n")
        # Not serving is advice: who calls all the same is answered until the drain begins.
        assert described(client).bundle == loans_bundle.name


# --- pages


def exposition(server: Server) -> dict[str, dict[str, float]]:
    """/metrics by name and labels; every line is either a comment or a sample of a described metric."""
    status, text = get(server.http, "metrics")
    assert status == 200
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    found: dict[str, dict[str, float]] = {}
    sample = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert len(line.split(" ", 3)) == 4
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} stands in two places"
            kinds[name] = kind
        else:
            parsed = sample.fullmatch(line)
            assert parsed, line
            name, labels, value = parsed.groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in kinds or kinds.get(family) == "histogram", line
            assert not (name in kinds and kinds[name] == "counter" and not name.endswith("_total")), line
            assert (labels or "") not in found.setdefault(name, {}), line
            found[name][labels or ""] = float(value)
    return found


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


# --- tokens

LOAD, UNLOAD = "RepositoryModelLoad", "RepositoryModelUnload"


def bearing(token: str | None) -> dict:
    return {} if token is None else {"metadata": (("authorization", token),)}


@pytest.mark.parametrize(
    ("token", "score", "admin"),
    [
        (None, Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("Bearer wrong", Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("Bearer ", Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("score-1", Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("Basic score-1", Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("Bearer score-1x", Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ("Bearer score-1", Code.OK, Code.PERMISSION_DENIED),
        ("Bearer score-2", Code.OK, Code.PERMISSION_DENIED),
        ("Bearer admin-1", Code.OK, Code.OK),
        ("bearer score-1", Code.OK, Code.PERMISSION_DENIED),
    ],
)
def test_tokens(guarded, token, score, admin):
    address, name = guarded
    oip = stubs.inference()
    with stubs.connect(address) as client:
        given = bearing(token)
        pb = stubs.scoring()
        assert code_of(client.scoring.Describe, pb.DescribeRequest(), **given) == score
        assert code_of(client.inference.ModelMetadata, oip.ModelMetadataRequest(name=name), **given) == score
        scored = code_of(client.scoring.Score, pb.ScoreRequest(), **given)
        assert scored == (Code.INVALID_ARGUMENT if score == Code.OK else score)
        load = oip.RepositoryModelLoadRequest(model_name=name)
        assert code_of(client.inference.RepositoryModelLoad, load, **given) == admin
        # Whether it is well is told to whoever can connect.
        assert code_of(health_pb2_grpc.HealthStub(client.channel).Check, health_pb2.HealthCheckRequest()) == Code.OK


@pytest.fixture(scope="module")
def guarded(loans_bundle, bundle_file, tmp_path_factory):
    """A command with tokens: loading needs somebody who holds the files."""
    from tests.server.serving import Command

    env = {"STERNPOST_SCORE_TOKENS": "score-1, score-2", "STERNPOST_ADMIN_TOKENS": "admin-1"}
    log = tmp_path_factory.mktemp("guarded") / "log"
    command = Command(["--listen", "127.0.0.1:0", "--http", "none", bundle_file], log, env)
    yield command.address, loans_bundle.name
    assert command.end() == 0
    for token in ("score-1", "score-2", "admin-1"):
        assert token not in command.said()


# --- certificates


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("tests")


def trusting(authority: Authority, client=None) -> grpc.ChannelCredentials:
    pair = (None, None) if client is None else (client.key, client.certificate)
    return grpc.ssl_channel_credentials(authority.pem, *pair)


def seen(address: str, authority: Authority) -> int:
    """Serial number of the certificate that a new connection gets."""
    from cryptography import x509

    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_alpn_protocols(["h2"])
    host, port = address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.selected_alpn_protocol() == "h2"
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
        return x509.load_der_x509_certificate(secured.getpeercert(True)).serial_number


def test_tls(loans_bundle, authority, tmp_path):
    files = authority.sign("localhost").write(tmp_path, "server")
    with serving(loans_bundle, tls=Tls(*files)) as server:
        address = server.addresses[0].replace("127.0.0.1", "localhost")
        with stubs.connect(address, trusting(authority)) as client:
            description = described(client)
            (request,) = requests(description, ROWS[:1])
            assert client.scoring.Score(request, timeout=PATIENCE_S).digest == loans_bundle.digest
        with stubs.connect(address, trusting(Authority("somebody else"))) as client:
            assert code_of(client.scoring.Describe, stubs.scoring().DescribeRequest()) == Code.UNAVAILABLE
        with stubs.connect(server.addresses[0]) as client:
            assert code_of(client.scoring.Describe, stubs.scoring().DescribeRequest()) == Code.UNAVAILABLE


def test_a_certificate_is_renewed_without_a_restart(loans_bundle, authority, tmp_path):
    first, second = authority.sign("localhost"), authority.sign("localhost")
    files = first.write(tmp_path, "server")
    with serving(loans_bundle, tls=Tls(*files)) as server:
        address = server.addresses[0]
        assert seen(address, authority) == first.serial
        with stubs.connect(address.replace("127.0.0.1", "localhost"), trusting(authority)) as old:
            assert described(old).bundle
            # Half a renewal: the certificate does not go with the key, and the old pair stays in use.
            other = tmp_path / "half"
            other.mkdir()
            second.write(other, "server")
            (other / "server.pem").replace(tmp_path / "server.pem")
            looked_twice = time.monotonic() + 0.6
            while time.monotonic() < looked_twice:
                assert seen(address, authority) == first.serial
            second.write(tmp_path, "server")
            until(lambda: seen(address, authority) == second.serial)
            assert described(old).bundle, "a connection outlives the certificate it began with"


def test_mutual_tls(loans_bundle, authority, tmp_path):
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    files = authority.sign("localhost").write(tmp_path, "server")
    tls = Tls(*files, client_authorities=str(tmp_path / "ca.pem"))
    pb, oip = stubs.scoring(), stubs.inference()
    unload = oip.RepositoryModelUnloadRequest(model_name="lost")
    with serving(loans_bundle, tls=tls, admin_names=("ops.example.com",)) as server:
        address = server.addresses[0].replace("127.0.0.1", "localhost")
        with stubs.connect(address, trusting(authority)) as nobody:
            assert code_of(nobody.scoring.Describe, pb.DescribeRequest()) == Code.UNAVAILABLE
        stranger = Authority("somebody else").sign("ops.example.com", client=True)
        with stubs.connect(address, trusting(authority, stranger)) as client:
            assert code_of(client.scoring.Describe, pb.DescribeRequest()) == Code.UNAVAILABLE
        expired = authority.sign("ops.example.com", client=True, days=-1)
        with stubs.connect(address, trusting(authority, expired)) as client:
            assert code_of(client.scoring.Describe, pb.DescribeRequest()) == Code.UNAVAILABLE
        with stubs.connect(address, trusting(authority, authority.sign("app.example.com", client=True))) as client:
            assert code_of(client.scoring.Describe, pb.DescribeRequest()) == Code.OK
            assert code_of(client.inference.RepositoryModelUnload, unload) == Code.UNAUTHENTICATED
        with stubs.connect(address, trusting(authority, authority.sign("ops.example.com", client=True))) as client:
            # The wish reaches whoever holds the files; in this process nobody does, so the call is given up.
            with pytest.raises(grpc.RpcError) as raised:
                client.inference.RepositoryModelUnload(unload, timeout=0.2)
            assert raised.value.code() == Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("what", ["no file", "no certificate", "no key", "another key", "no authority"])
def test_certificates_that_cannot_be_used(loans_bundle, authority, tmp_path, what):
    certificate, key = authority.sign("localhost").write(tmp_path, "server")
    (tmp_path / "empty.pem").write_bytes(b"")
    empty, other = str(tmp_path / "empty.pem"), authority.sign("localhost").write(tmp_path, "other")[1]
    tls, says = {
        "no file": (Tls(str(tmp_path / "lost.pem"), key), "lost.pem"),
        "no certificate": (Tls(empty, key), "empty.pem: no certificate in it"),
        "no key": (Tls(certificate, empty), "give a PEM private key"),
        "another key": (Tls(certificate, other), "does not go with"),
        "no authority": (Tls(certificate, key, empty), "empty.pem"),
    }[what]
    with pytest.raises(UsageError, match=re.escape(says)):
        Server(loans_bundle, ServerSettings(listen=("127.0.0.1:0",), http=None, tls=tls))


# --- addresses


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_nothing_listens_publicly_by_mistake(loans_bundle, address):
    with pytest.raises(UsageError, match="can be reached from elsewhere and there is no certificate"):
        Server(loans_bundle, ServerSettings(listen=(address,), http=None))


def test_a_taken_port_is_told(loans_bundle, shared):
    for settings in (
        ServerSettings(listen=(shared.addresses[0],), http=None),
        ServerSettings(listen=("127.0.0.1:0",), http=shared.http),
        ServerSettings(listen=(shared.addresses[1],), http=None),
    ):
        with pytest.raises(UsageError, match=r"cannot listen on .*another program listens there"):
            Server(loans_bundle, settings)


def test_a_left_over_socket_file_is_replaced_and_cleaned_up(loans_bundle, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with serving(loans_bundle, listen=(f"unix:{path}",)) as server, stubs.connect(server.addresses[0]) as client:
        assert described(client).bundle == loans_bundle.name
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(loans_bundle, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(UsageError, match="cannot listen on unix:"):
        Server(loans_bundle, ServerSettings(listen=(f"unix:{path}",), http=None))
    assert path.read_text() == "data"


def test_ports_and_files_are_free_after_the_end(loans_bundle):
    with serving(loans_bundle) as server:
        address, http = server.addresses[0], server.http
    for _ in range(3):
        with serving(loans_bundle, listen=(address,), http=http) as server:
            assert (server.addresses[0], server.http) == (address, http)


def test_two_bundles_of_one_name(loans_bundle):
    with pytest.raises(UsageError, match=f"two bundles are named {loans_bundle.name}"):
        Server([loans_bundle, loans_bundle])


def test_more_connections_than_may_be_open(loans_bundle):
    """The one too many is closed; when another goes, there is room again."""
    with serving(loans_bundle, connections=2) as server:
        address = server.addresses[0]
        with Raw(address) as one, Raw(address) as two:
            assert [raw.ask(head("/lost"), message(b"")).code for raw in (one, two)] == [12, 12]
            with Raw(address) as three:
                three.closed()
        until(lambda: sum(exposition(server)["sternpost_connections"].values()) == 0)
        with Raw(address) as raw:
            assert raw.ask(head("/lost"), message(b"")).code == 12
            assert packed(described_by(address), ROWS[0])


def described_by(address: str):
    with stubs.connect(address) as client:
        return described(client)
