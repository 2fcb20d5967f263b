"""Certificates between client and server: whom each trusts, until when, and what a call does when they do not."""

from __future__ import annotations

import pytest

import sternpost as sp
from sternpost.errors import Unreachable, UsageError
from sternpost.serve.server import Server, ServerSettings, Tls
from tests.client.conftest import loan
from tests.client.test_bad_times import waited_for
from tests.server.certificates import Authority

SECONDS = 1 / 86_400


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("tests")


@pytest.fixture(scope="module")
def ca(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(authority.pem)
    return str(path)


def secured(bundle, files, client_authorities=None) -> Server:
    tls = Tls(*files, client_authorities=client_authorities)
    return Server(bundle, ServerSettings(listen=("127.0.0.1:0",), http=None, threads=1, batch_threads=1, tls=tls))


def asked(server, bundle, **settings):
    """Who answers a row, and what a client without a fallback is told instead."""
    address = f"https://{server.addresses[0]}"
    with sp.Client(address, fallback=bundle, deadline_s=5.0, watch_health=False, **settings) as client:
        decision = client.score(loan())
        assert decision.score == bundle.score(loan()).score
    with sp.Client(address, deadline_s=5.0, watch_health=False, **settings) as client:
        try:
            client.score(loan())
        except Unreachable as error:
            return decision.source, str(error)
        return decision.source, ""


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({}, ""),
        ({"days": -1}, "expired"),
        ({"since": 1, "days": 2}, "not valid yet"),
    ],
    ids=["valid", "expired", "not yet valid"],
)
def test_when_a_servers_certificate_is_valid(bundle, authority, ca, tmp_path, *, made, says):
    with secured(bundle, authority.sign("localhost", **made).write(tmp_path, "server")) as server:
        source, told = asked(server, bundle, ca=ca)
    assert source == ("fallback" if says else "model")
    assert says in told
    assert bool(told) == bool(says)


def test_the_name_in_a_servers_certificate(bundle, authority, ca, tmp_path):
    with secured(bundle, authority.sign("scores.example.com").write(tmp_path, "server")) as server:
        assert asked(server, bundle, ca=ca, server_name="scores.example.com") == ("model", "")
        source, told = asked(server, bundle, ca=ca, server_name="other.example.com")
        assert source == "fallback"
        assert "not valid for name" in told
        assert "other.example.com" in told


def test_a_servers_authority(bundle, authority, tmp_path):
    (tmp_path / "other.pem").write_bytes(Authority("somebody else").pem)
    with secured(bundle, authority.sign("localhost").write(tmp_path, "server")) as server:
        source, told = asked(server, bundle, ca=str(tmp_path / "other.pem"))
    assert source == "fallback"
    assert "certificate" in told


@pytest.mark.parametrize("who", ["known", "nobody", "a stranger", "expired", "not yet valid", "a server"])
def test_who_a_client_is(bundle, authority, ca, tmp_path, who):
    """With `client_authorities` only a client that they certified, for being a client, and now, is let in."""
    signed = {
        "known": lambda: authority.sign("app.example.com", client=True),
        "nobody": lambda: None,
        "a stranger": lambda: Authority("somebody else").sign("app.example.com", client=True),
        "expired": lambda: authority.sign("app.example.com", client=True, days=-1),
        "not yet valid": lambda: authority.sign("app.example.com", client=True, since=1, days=2),
        "a server": lambda: authority.sign("app.example.com"),
    }[who]()
    own = {}
    if signed is not None:
        own = dict(zip(("cert", "key"), signed.write(tmp_path, "client"), strict=True))
    with secured(bundle, authority.sign("localhost").write(tmp_path, "server"), ca) as server:
        source, told = asked(server, bundle, ca=ca, **own)
    assert source == ("model" if who == "known" else "fallback")
    assert bool(told) == (who != "known")


def test_a_certificate_that_expires_meanwhile(bundle, authority, ca, tmp_path):
    """Judged by the wall clock at every new connection; one that exists goes on."""
    files = authority.sign("localhost", days=4 * SECONDS).write(tmp_path, "server")
    with secured(bundle, files) as server:
        address = f"https://{server.addresses[0]}"
        with sp.Client(address, ca=ca, watch_health=False, deadline_s=5.0) as old:
            assert old.score(loan()).source == "model"

            def refused() -> bool:
                with sp.Client(address, ca=ca, watch_health=False, deadline_s=5.0) as new:
                    try:
                        new.score(loan())
                    except Unreachable as error:
                        return "expired" in str(error)
                    return False

            assert waited_for(refused, 30.0)
            assert old.score(loan()).source == "model"


def test_half_of_a_clients_certificate_is_told(authority, ca, tmp_path):
    certificate, _ = authority.sign("app.example.com", client=True).write(tmp_path, "client")
    with pytest.raises(UsageError, match="give cert and key"):
        sp.Client("https://127.0.0.1:1", ca=ca, cert=certificate)
