"""A table scored by a server is the table scored by the bundle, whoever answers."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.errors import ContractError, DeadlineExceeded, Unreachable
from tests.client.fake_server import Fail
from tests.project.loans_project import loans, replaced


@pytest.fixture(scope="module")
def table() -> pa.Table:
    table = replaced(loans(20_000, seed=3), "amount", {0: -1.0, 9_000: float("nan")})
    return replaced(table, "purpose", {17: "boat"})


def source(table: pa.Table) -> str:
    return table.schema.metadata[b"sternpost.source"].decode()


def test_a_table_comes_back_scored(server, bundle, table):
    with sp.Client(server.address) as client:
        scored = client.score(table, stake="batch")
    assert scored.equals(bundle.score(table))
    assert source(scored) == "model"
    assert scored.schema.metadata[b"sternpost.bundle"].decode() == bundle.digest
    assert server.batches == [8192, 8192, 3616]
    assert b'"stake":"batch"' in server.described_by


def test_dictionaries_and_chunks_travel(server, bundle, table):
    parts = [table.slice(0, 100), table.slice(100, 10_000), table.slice(10_100)]
    encoded = [part.set_column(4, "purpose", part["purpose"].dictionary_encode()) for part in parts]
    chunked = pa.Table.from_batches([batch for part in encoded for batch in part.combine_chunks().to_batches()])
    with sp.Client(server.address) as client:
        assert client.score(chunked).equals(bundle.score(table))


def test_a_table_without_rows(server, bundle, table):
    with sp.Client(server.address) as client:
        assert client.score(table.slice(0, 0)).equals(bundle.score(table.slice(0, 0)))


def test_the_fallback_scores_the_whole_table(server, bundle, table, nobody):
    with sp.Client(nobody, fallback=bundle) as client:
        scored = client.score(table)
        assert (source(scored), scored.equals(bundle.score(table))) == ("fallback", True)
    with sp.Client(server.address, fallback=bundle) as client:
        client.score(table.slice(0, 10))
        server.delay_s = 0.2
        begun = time.monotonic()
        scored = client.score(table, deadline_s=0.5)
        assert time.monotonic() - begun < 0.5
        assert (source(scored), scored.equals(bundle.score(table))) == ("fallback", True)
        server.delay_s = 0.0
        server.script += [Fail(14)] * 3
        assert source(client.score(table)) in ("fallback", "model")


def test_late_and_lost_are_told(server, table, nobody):
    with sp.Client(server.address) as client:
        server.delay_s = 0.2
        with pytest.raises(DeadlineExceeded):
            client.score(table, deadline_s=0.3)
    with sp.Client(nobody) as client, pytest.raises(Unreachable):
        client.score(table)


def test_columns_that_do_not_fit_are_told_in_the_same_words(server, bundle, table):
    with sp.Client(server.address) as client:
        for wrong in (table.drop_columns(["term"]), table.set_column(3, "term", table["purpose"])):
            with pytest.raises(ContractError) as here:
                bundle.score(wrong)
            with pytest.raises(ContractError) as there:
                client.score(wrong)
            assert str(there.value) == str(here.value)
    assert server.batches == []
