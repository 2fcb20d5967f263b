"""Sockets, encryption, tokens, spinning, many threads, asyncio."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import sternpost as sp
from sternpost.errors import Unreachable
from tests.client.conftest import loan
from tests.client.fake_server import serving


def certificate(folder):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "ca.pem"
    path.write_bytes(pem)
    return path, pem, secret


def test_a_socket_in_the_file_system(bundle, tmp_path):
    with serving(bundle, address=f"unix:{tmp_path}/s.sock") as server, sp.Client(server.address) as client:
        assert client.score(loan()).score == bundle.score(loan()).score


def test_encrypted_and_with_a_token(bundle, tmp_path):
    ca, pem, secret = certificate(tmp_path)
    credentials = grpc.ssl_server_credentials([(secret, pem)])
    with serving(bundle, credentials=credentials) as server:
        address = f"https://{server.address}"
        with sp.Client(address, ca=ca, token="secret") as client:
            assert client.score(loan()).score == bundle.score(loan()).score
        assert server.seen[0]["authorization"] == "Bearer secret"
        other, *_ = certificate((tmp_path / "other").mkdir() or tmp_path / "other")
        with sp.Client(address, ca=other) as client, pytest.raises(Unreachable, match="certificate"):
            client.score(loan())


def test_spinning_gives_the_same(bundle, server):
    with sp.Client(server.address, busy_poll_us=200) as client:
        for _ in range(20):
            assert client.score(loan()).score == bundle.score(loan()).score


def test_many_threads_share_a_client_and_get_their_own_answers(bundle, server):
    rows = [loan(amount=float(amount)) for amount in range(100, 500)]
    expected = [bundle.score(row).score for row in rows]
    with sp.Client(server.address, connections=4, deadline_s=10.0) as client, ThreadPoolExecutor(16) as pool:
        assert [decision.score for decision in pool.map(client.score, rows)] == expected
        assert client.stats()["endpoints"][0]["connections"]["open"] <= 4


def test_coroutines(bundle, server, nobody):
    async def ask():
        async with sp.aio.Client(server.address, threads=4, deadline_s=10.0) as client:
            decisions = await asyncio.gather(*(client.score(loan(amount=float(n))) for n in range(1, 30)))
            await client.report(decisions[0].prediction_id, 1)
            return [decision.score for decision in decisions], client.stats(), await client.describe()

    scores, stats, described = asyncio.run(ask())
    assert scores == [bundle.score(loan(amount=float(n))).score for n in range(1, 30)]
    assert stats["endpoints"][0]["connections"]["open"] <= 4
    assert described["digest"] == bundle.digest

    async def alone():
        async with sp.aio.Client(nobody, fallback=bundle) as client:
            return (await client.score(loan())).source

    assert asyncio.run(alone()) == "fallback"
