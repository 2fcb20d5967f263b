"""Rows that were answered are in the journal: as received, with the bits of the answer, whatever way they came."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import sternpost as sp
from sternpost.errors import UsageError
from sternpost.outcomes.journal import Journal
from sternpost.serve.server import JournalSettings, Server
from tests.routes import loans
from tests.routes.replies import of_decision, of_reply, of_row
from tests.server import stubs
from tests.server.packing import named, packed
from tests.server.remembered import decisions, exact, inputs_of
from tests.server.serving import Command, get, serving
from tests.server.stubs import Client, connect

SEED = 20261123
ROWS = [*loans.real_rows(60, SEED), *loans.nasty_rows(loans.real_rows(1, SEED + 1)[0])]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "journal"


@pytest.fixture(params=["off", "async", "group"])
def remembering(request, loans_bundle, folder) -> Iterator[Server]:
    with serving(loans_bundle, journal=JournalSettings(folder=str(folder), durability=request.param)) as server:
        yield server


def _described(client: Client) -> Any:
    return client.scoring.Describe(stubs.scoring().DescribeRequest())


def _requests(client: Client, route: str) -> list[Any]:
    pb, description = stubs.scoring(), _described(client)
    stakes = [pb.STAKE_UNSPECIFIED, pb.STAKE_SHADOW, pb.STAKE_BATCH, pb.STAKE_ADVISE, pb.STAKE_DECIDE]
    return [
        pb.ScoreRequest(
            id=f"{route}-{place}",
            entity="" if place % 3 == 0 else f"person {place}",
            stake=stakes[place % 5],
            **({"named": named(description, row)} if route == "named" else {"packed": packed(description, row)}),
        )
        for place, row in enumerate(ROWS)
    ]


def test_every_way_leaves_the_same_inputs_and_bits(remembering, loans_bundle, folder):
    before = dt.datetime.now(dt.UTC)
    replies: dict[str, Any] = {}
    with connect(remembering.addresses[0]) as client:
        for route in ("unary", "named"):
            for request in _requests(client, route):
                replies[request.id] = client.scoring.Score(request)
        for request, reply in zip(
            asked := _requests(client, "stream"), client.scoring.ScoreStream(iter(asked)), strict=True
        ):
            replies[request.id] = reply
    after = dt.datetime.now(dt.UTC)
    remembering.close()
    kept = decisions(folder)
    assert kept.keys() == replies.keys()
    for name, row in kept.items():
        place = int(name.split("-")[1])
        assert of_row(row) == of_reply(replies[name]), name
        assert inputs_of(row["inputs"]) == inputs_of(ROWS[place]), name
        assert row["entity"] == (None if place % 3 == 0 else f"person {place}")
        assert row["stake"] == ["advise", "shadow", "batch", "advise", "decide"][place % 5]
        assert row["source"] == ("none" if row["score"] is None else "model")
        assert row["rung"] == "advise"
        assert row["binding"] is False
        assert row["digest"] == loans_bundle.digest
        assert row["bundle"] == loans_bundle.name
        assert before - dt.timedelta(milliseconds=1) <= row["at"] <= after
        timing = replies[name].timing
        assert row["latency_ns"] == timing.queue_ns + timing.score_ns > 0


def test_what_was_kept_can_be_scored_again(remembering, loans_bundle, folder):
    with sp.Client(remembering.addresses[0]) as client:
        asked = [client.score(row, entity=f"e{place}") for place, row in enumerate(ROWS)]
    remembering.close()
    kept = decisions(folder)
    assert len(kept) == len(ROWS)
    for place, decision in enumerate(asked):
        row = kept[decision.prediction_id]
        assert row["entity"] == f"e{place}"
        assert of_decision(decision) == of_row(row) == of_decision(loans_bundle.score(row["inputs"]))


def test_names_are_made_where_none_is_given(remembering, folder):
    pb = stubs.scoring()
    with connect(remembering.addresses[0]) as client:
        request = pb.ScoreRequest(packed=packed(_described(client), ROWS[0]))
        given = [client.scoring.Score(request).prediction_id for _ in range(20)]
    remembering.close()
    assert decisions(folder).keys() == set(given)
    assert len(set(given)) == 20


def test_what_was_not_answered_is_not_there(remembering, folder):
    pb = stubs.scoring()
    with connect(remembering.addresses[0]) as client:
        row = packed(_described(client), ROWS[0])
        for wrong in (
            pb.ScoreRequest(id="a", packed=pb.PackedRow(schema=row.schema, values=row.values[:-1])),
            pb.ScoreRequest(id="b", packed=row, entity="x" * 257),
            pb.ScoreRequest(id="c"),
        ):
            with pytest.raises(grpc.RpcError) as told:
                client.scoring.Score(wrong)
            assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        client.scoring.Score(pb.ScoreRequest(id="d", packed=row, entity="x" * 256))
    remembering.close()
    kept = decisions(folder)
    assert kept.keys() == {"d"}
    assert kept["d"]["entity"] == "x" * 256


def test_under_group_an_answer_is_on_the_disk_when_it_comes(loans_bundle, folder):
    """Read with the server still running: nothing but the answer was waited for."""
    journal = JournalSettings(folder=str(folder), durability="group")
    with serving(loans_bundle, journal=journal) as server, sp.Client(server.addresses[0]) as client:
        for place in range(30):
            decision = client.score(ROWS[place])
            assert decision.prediction_id in decisions(folder)
        told = server.journal
        assert told is not None
        assert told["durable"] >= 30
        assert told["fsyncs"] >= 1
        assert told["dropped"] == told["lost"] == 0


def test_a_busy_group_shares_its_flushes(loans_bundle, folder):
    journal = JournalSettings(folder=str(folder), durability="group")
    with serving(loans_bundle, journal=journal) as server, connect(server.addresses[0]) as client:
        requests = _requests(client, "stream") * 5
        for number, request in enumerate(requests):
            request.id = f"r{number}"
        assert len(list(client.scoring.ScoreStream(iter(requests)))) == len(requests)
        told = server.journal
        assert told is not None
        # Were every row flushed on its own, there would be as many flushes.
        assert told["durable"] >= len(requests) > told["fsyncs"]


def test_a_drained_server_has_written_everything(loans_bundle, folder):
    journal = JournalSettings(folder=str(folder), durability="async")
    with serving(loans_bundle, journal=journal) as server:
        with sp.Client(server.addresses[0]) as client:
            given = {client.score(row).prediction_id for row in ROWS}
        assert server.drain(10)
        server.close()
        assert decisions(folder).keys() == given


def test_changes_of_what_is_served_are_events(loans_bundle, folder):
    began = time.time()
    with Server(loans_bundle, _settings(), journal=folder) as server:
        server.serve(loans_bundle)
        server._core.report_trouble("other", "it is damaged")
        server.withdraw(loans_bundle.name)
    events = Journal(folder).events().to_pylist()
    assert [event["kind"] for event in events] == ["loaded", "loaded", "failed", "withdrawn"]
    assert [event["bundle"] for event in events] == [loans_bundle.name, loans_bundle.name, "other", loans_bundle.name]
    assert [event["digest"] for event in events] == [loans_bundle.digest] * 2 + [None, loans_bundle.digest]
    details = [json.loads(event["detail"]) for event in events]
    assert details == [
        {"version": 1, "rung": "advise"},
        {"version": 2, "rung": "advise"},
        {"reason": "it is damaged"},
        {"version": 2},
    ]
    assert all(began - 1 < event["at"].timestamp() < time.time() + 1 for event in events)


def test_metrics_tell_how_the_journal_is(loans_bundle, folder):
    with Server(loans_bundle, _settings(), journal=JournalSettings(folder=str(folder), durability="group")) as server:
        with sp.Client(server.addresses[0]) as client:
            for row in ROWS[:10]:
                client.score(row)
        page = get(server.http, "metrics")[1]
        values = dict(line.split() for line in page.splitlines() if line.startswith("sternpost_journal_"))
        told = server.journal
    # Ten rows and the event that the bundle was loaded.
    assert values["sternpost_journal_durable_total"] == "11"
    assert values["sternpost_journal_dropped_total"] == values["sternpost_journal_lost_total"] == "0"
    assert values["sternpost_journal_failing"] == "0"
    assert float(values["sternpost_journal_lag_seconds"]) >= 0
    assert int(values["sternpost_journal_bytes_total"]) == told["bytes"] > 0
    assert int(values["sternpost_journal_fsyncs_total"]) == told["fsyncs"] > 0


def test_a_journal_has_one_writer(loans_bundle, folder):
    with Server(loans_bundle, _settings(), journal=folder), pytest.raises(UsageError, match="being written by process"):
        Server(loans_bundle, _settings(), journal=folder)
    # And is free again.
    with Server(loans_bundle, _settings(), journal=folder):
        pass


def test_a_server_without_a_journal_tells_no_counts(server):
    assert server.journal is None
    assert "sternpost_journal_" not in get(server.http, "metrics")[1]


def _settings() -> Any:
    from sternpost.serve.server import ServerSettings

    return ServerSettings(listen=("127.0.0.1:0",), http="127.0.0.1:0")


def test_the_verb_remembers_until_it_is_ended(bundle_file, folder, tmp_path):
    given = ["--listen", "127.0.0.1:0", "--http", "none", "--journal", folder, "--durability", "async", "--keep", "90d"]
    command = Command([bundle_file, *given], tmp_path / "log")
    try:
        with sp.Client(command.address) as client:
            names = {client.score(row).prediction_id for row in ROWS[:20]}
    finally:
        assert command.end() == 0
    assert decisions(folder).keys() == names
    assert [event["kind"] for event in Journal(folder).events().to_pylist()] == ["loaded"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--durability", "group"], "give --journal DIR"),
        (["--keep", "90d"], "give --journal DIR"),
        (["--journal", "here", "--durability", "sure"], "off, async or group"),
        (["--journal", "here", "--journal-full", "burst"], "drop, wait or refuse"),
        (["--journal", "here", "--keep", "soon"], "--keep"),
        (["--journal", "here", "--keep", "0d"], "no time at all"),
    ],
)
def test_the_verb_says_what_is_wrong_with_its_journal(bundle_file, given, says):
    command = [sys.executable, "-m", "sternpost.cli", "serve", str(bundle_file), *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_comparing_notices_a_bit():
    assert exact(0.0) != exact(-0.0)
    assert exact(1.0) != exact(1)
