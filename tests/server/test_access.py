"""Who is let in: tokens, certificates of servers and of clients."""

from __future__ import annotations

import re
import socket
import ssl
import time

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sternpost.errors import UsageError
from sternpost.serve.server import Server, ServerSettings, Tls
from tests.routes import loans
from tests.server import stubs
from tests.server.certificates import Authority
from tests.server.operating import Code, code_of, described
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, Command, serving, until

ROWS = loans.real_rows(1, 20260802)


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
    env = {"STERNPOST_SCORE_TOKENS": "score-1, score-2", "STERNPOST_ADMIN_TOKENS": "admin-1"}
    log = tmp_path_factory.mktemp("guarded") / "log"
    command = Command(["--listen", "127.0.0.1:0", "--http", "none", bundle_file], log, env)
    yield command.address, loans_bundle.name
    assert command.end() == 0
    for token in ("score-1", "score-2", "admin-1"):
        assert token not in command.said()


def trusting(authority: Authority, client=None) -> grpc.ChannelCredentials:
    pair = (None, None) if client is None else (client.key, client.certificate)
    return grpc.ssl_channel_credentials(authority.pem, *pair)


def seen(address: str, authority: Authority) -> int:
    """Serial number of the certificate that a new connection gets."""
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
