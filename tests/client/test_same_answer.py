"""A decision from a server is the decision of the bundle, field by field and bit by bit; so are its errors."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
import time

import numpy as np
import pytest

import sternpost as sp
from sternpost.errors import ContractError, Refused, UsageError
from tests.client.conftest import AT, loan
from tests.client.fake_server import Fail

ROWS = {
    "plain": loan(),
    "an int for a float": loan(amount=7),
    "numpy": loan(amount=np.float64(8.25), term=np.int16(12)),
    "null": loan(income=None),
    "nan for null": loan(income=math.nan),
    "unseen label": loan(purpose="boat"),
    "other zone": loan(applied_at=AT.astimezone(dt.timezone(dt.timedelta(hours=5)))),
    "microseconds": loan(applied_at=int(AT.timestamp() * 1e6)),
    "below": loan(amount=-1.0),
    "two rules": loan(amount=2e6, term=500),
    "not a number": loan(amount=math.nan),
    "infinite": loan(amount=math.inf),
    "beyond 64 bits": loan(term=2**70),
    "beyond 2**53": loan(amount=2**60),
    "null where none may be": loan(term=None),
    "not UTF-8": loan(purpose="\ud800"),
}


def bits(score: float | None) -> bytes | None:
    return None if score is None else struct.pack("<d", score)


def same(one: sp.Decision, other: sp.Decision) -> None:
    assert bits(one.score) == bits(other.score)
    assert [bits(score) for score in one.scores] == [bits(score) for score in other.scores]
    for part in ("label", "action", "binding", "reasons", "violations", "bundle"):
        assert getattr(one, part) == getattr(other, part), part


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_every_part_is_the_same(client, bundle, row):
    here, there = bundle.score(row), client.score(row)
    same(here, there)
    assert there.source == here.source
    assert there.rung == "advise"
    assert there.prediction_id


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_the_fallback_is_the_same_too(nobody, bundle, row):
    with sp.Client(nobody, fallback=bundle) as client:
        here, there = bundle.score(row), client.score(row)
        same(here, there)
        assert there.source == ("fallback" if here.score is not None else "none")


@pytest.mark.parametrize(
    "row",
    [
        loan(amount="12"),
        loan(term=1.5),
        loan(purpose=3),
        loan(applied_at=dt.datetime(2024, 5, 1)),
        {key: value for key, value in loan().items() if key != "term"},
        loan() | {"extra": 1},
    ],
    ids=["text for float", "float for int", "int for label", "naive", "missing", "extra"],
)
def test_mistakes_are_told_in_the_same_words(client, bundle, row):
    with pytest.raises(ContractError) as here:
        bundle.score(row)
    with pytest.raises(ContractError) as there:
        client.score(row)
    assert str(there.value) == str(here.value)


def test_the_callers_name_is_the_predictions(client, server):
    assert client.score(loan(), id="order-17").prediction_id == "order-17"
    names = {client.score(loan()).prediction_id for _ in range(50)}
    assert len(names) == 50, "every call has a name of its own"
    with pytest.raises(UsageError, match="printable ASCII"):
        client.score(loan(), id="ü")
    with pytest.raises(UsageError, match="stake"):
        client.score(loan(), stake="high")
    client.score(loan(), stake="decide")
    assert server.asked[-1].stake == 4


def test_rows_travel_on_one_stream(server):
    with sp.Client(server.address) as client:
        for _ in range(20):
            client.score(loan())
    assert server.streams == 1
    assert server.described == 1
    assert all(0 < request.timeout_us <= 1_000_000 for request in server.asked)


def test_other_columns_are_packed_anew(bundle, server, monkeypatch):
    """The server is given another contract while the client is connected."""
    with sp.Client(server.address) as client:
        before = client.score(loan())
        contract = bundle.contract.to_json().replace('"purpose"', '"use"')
        monkeypatch.setattr(type(server), "contract", property(lambda _: json.loads(contract)))
        with pytest.raises(ContractError, match="use"):
            client.score(loan())
        monkeypatch.undo()
        time.sleep(0.3)  # a row that does not fit leads to a question only so often
        assert client.score(loan()).score == before.score


def test_what_the_server_refuses_is_not_repeated(client, server):
    client.score(loan())
    server.script.append(Fail(3, "the row has a hole"))
    with pytest.raises(Refused, match="the row has a hole") as refused:
        client.score(loan())
    assert refused.value.reason == "BAD_REQUEST"
    assert client.stats()["retries"] == 0


def test_report_and_describe(client, server, bundle):
    client.report("order-17", True, known_at=AT)
    (reported,) = server.reported
    assert (reported.prediction_id, reported.outcome.flag) == ("order-17", True)
    assert reported.known_at_us == int(AT.timestamp() * 1e6)
    described = client.describe()
    assert described["digest"] == bundle.digest
    assert described["rung"] == "advise"
    assert [column["name"] for column in described["contract"]["columns"]] == list(loan())
