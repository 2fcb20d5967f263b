"""Where a server listens, and how many it lets in."""

from __future__ import annotations

import socket

import pytest

from sternpost.errors import UsageError
from sternpost.serve.server import Server, ServerSettings
from tests.routes import loans
from tests.server import stubs
from tests.server.frames import Raw, head, message
from tests.server.operating import described, exposition
from tests.server.packing import packed
from tests.server.serving import serving, until

ROWS = loans.real_rows(30, 20260802)


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
