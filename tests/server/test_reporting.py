"""Outcomes that callers tell: checked, and kept before they are acknowledged."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import sternpost as sp
import sternpost.aio
from sternpost.errors import ServerError, UsageError
from sternpost.outcomes.journal import Journal
from sternpost.serve.server import JournalSettings, Server
from tests.server import stubs
from tests.server.serving import serving
from tests.server.stubs import connect

HAPPENED = dt.datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=dt.UTC)
KNOWN = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def remembering(loans_bundle, folder) -> Iterator[Server]:
    with serving(loans_bundle, journal=JournalSettings(folder=str(folder), durability="group")) as server:
        yield server


def _outcomes(folder: Path) -> list[dict[str, Any]]:
    return Journal(folder).outcomes().to_pylist()


@pytest.mark.parametrize(
    ("outcome", "value", "label"),
    [
        (True, 1.0, None),
        (False, 0.0, None),
        (0, 0.0, None),
        (12.5, 12.5, None),
        (-3, -3.0, None),
        ("paid", None, "paid"),
    ],
)
def test_what_is_told_is_there_when_it_is_acknowledged(remembering, folder, outcome, value, label):
    before = dt.datetime.now(dt.UTC)
    with sp.Client(remembering.addresses[0]) as client:
        client.report(
            "p1", outcome, happened_at=HAPPENED, known_at=KNOWN, source="ledger", revision=2, entity="person 7"
        )
        # Read while the server still runs.
        (row,) = _outcomes(folder)
    recorded = row.pop("recorded_at")
    assert before - dt.timedelta(milliseconds=1) <= recorded <= dt.datetime.now(dt.UTC)
    assert row == {
        "prediction_id": "p1",
        "entity": "person 7",
        "happened_at": HAPPENED,
        "observed_at": KNOWN,
        "value": value,
        "label": label,
        "source": "ledger",
        "revision": 2,
    }


def test_little_need_be_said(remembering, folder):
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    pb = stubs.scoring()
    with connect(remembering.addresses[0]) as client:
        client.scoring.Report(pb.ReportRequest(prediction_id="p1", outcome=pb.Value(integer=1)))
    (row,) = _outcomes(folder)
    assert row["source"] == "report"
    assert row["revision"] == 0
    assert row["entity"] is None
    assert before <= row["happened_at"] == row["observed_at"] == row["recorded_at"] <= dt.datetime.now(dt.UTC)


def test_coroutines_report_too(remembering, folder):
    async def tell() -> None:
        async with sternpost.aio.Client(remembering.addresses[0]) as client:
            await client.report("p1", 1, happened_at=HAPPENED, source="a")
            await client.report("", 0, happened_at=HAPPENED, entity="person 1")

    asyncio.run(tell())
    rows = _outcomes(folder)
    assert [(row["prediction_id"], row["entity"], row["value"]) for row in rows] == [
        ("p1", None, 1.0),
        (None, "person 1", 0.0),
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prediction_id": "with space"}, "an id has at most 64"),
        ({"prediction_id": "x" * 65}, "an id has at most 64"),
        ({"prediction_id": ""}, "a report has a prediction_id"),
        ({"prediction_id": "", "entity": "person"}, "a report has a prediction_id"),
        ({"entity": "x" * 257}, "entity has 257 bytes"),
        ({"source": "x" * 65}, "source has 65 bytes"),
        ({"revision": -1}, "revision is -1"),
        ({"known_at_us": 2**62}, "known_at_us is"),
        ({"happened_at_us": -(2**62)}, "happened_at_us is"),
        ({"outcome": {"number": float("nan")}}, "give a finite number"),
        ({"outcome": {"integer": 2**53 + 1}}, "beyond 2\\^53"),
        ({"outcome": {"null": True}}, "no outcome"),
        ({"outcome": {"text": ""}}, "0 bytes"),
        ({"outcome": {"text": "x" * 1025}}, "1025 bytes"),
        ({"outcome": {}}, "no outcome"),
    ],
)
def test_what_cannot_be_an_outcome_is_refused(remembering, folder, fields, says):
    pb = stubs.scoring()
    given = {"prediction_id": "p1", "outcome": {"flag": True}, **fields}
    report = pb.ReportRequest(**{**given, "outcome": pb.Value(**given["outcome"])})
    with connect(remembering.addresses[0]) as client, pytest.raises(grpc.RpcError, match=says) as told:
        client.scoring.Report(report)
    assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert Journal(folder).outcomes().num_rows == 0


def test_moments_have_a_time_zone(remembering):
    naive = dt.datetime(2026, 1, 1)
    with sp.Client(remembering.addresses[0]) as client:
        for name in ("known_at", "happened_at"):
            with pytest.raises(UsageError, match=f"{name} is .* without a time zone"):
                client.report("p1", 1, **{name: naive})


def test_without_a_journal_there_is_nothing_to_add_to(server):
    pb = stubs.scoring()
    with connect(server.addresses[0]) as client, pytest.raises(grpc.RpcError, match="keeps no journal") as told:
        client.scoring.Report(pb.ReportRequest(prediction_id="p1", outcome=pb.Value(flag=True)))
    assert told.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with sp.Client(server.addresses[0]) as client, pytest.raises(ServerError, match="keeps no journal"):
        client.report("p1", 1)
