"""Whatever is done to a ledger behind its back is found, and the first broken record is named."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from sternpost.errors import LedgerBroken, Superseded, UsageError
from sternpost.trust.chain import Head
from sternpost.trust.ledger import FILE_NAME, HEAD_NAME, Ledger
from tests.trust.paused import START

PEOPLE = ("ann", "bob", "cem", "dia", "eve", "fay")


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    found = Ledger(tmp_path)
    for place, who in enumerate(PEOPLE):
        found.append("config", "loans", {"n": place}, who=who, why=f"reason {place}", at=START)
    return found


def broken(ledger) -> str:
    with pytest.raises(LedgerBroken) as caught:
        Ledger(Path(ledger.place).parent).verify()
    return str(caught.value)


def sql(ledger, *statements: str) -> None:
    with closing(sqlite3.connect(ledger.place)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_ledger_reads_back_what_was_written_and_who_wrote_it(ledger):
    records = ledger.verify()
    assert [(r.serial, r.who, r.why, r.content) for r in records] == [
        (n + 1, who, f"reason {n}", {"n": n}) for n, who in enumerate(PEOPLE)
    ]
    assert all(a.digest == b.previous for a, b in itertools.pairwise(records))


@pytest.mark.parametrize("column", ["at", "kind", "use_case", "who", "why", "evidence", "body", "previous", "digest"])
@pytest.mark.parametrize("serial", [1, 3, 6])
def test_an_edit_of_any_column_of_any_record_is_found(ledger, column, serial):
    value = "at + 1" if column == "at" else f"'{'e' * 64}'" if column in ("previous", "digest") else "'{\"n\":9}\n'"
    sql(ledger, f'update sternpost_ledger set "{column}" = {value} where serial = {serial}')
    assert f"record {serial} " in broken(ledger)


@pytest.mark.parametrize("serial", [1, 3, 6])
def test_a_deleted_record_is_found_also_the_last_one(ledger, serial):
    sql(ledger, f"delete from sternpost_ledger where serial = {serial}")
    assert f"record {serial} is missing" in broken(ledger)


def test_a_deletion_with_the_rest_moved_up_is_found(ledger):
    sql(ledger, "delete from sternpost_ledger where serial = 3", *(
        f"update sternpost_ledger set serial = {n - 1} where serial = {n}" for n in (4, 5, 6)
    ))  # fmt: skip
    assert "record 3 was altered" in broken(ledger)


def test_two_records_that_changed_places_are_found(ledger):
    sql(
        ledger, *(f"update sternpost_ledger set serial = {b} where serial = {a}" for a, b in ((2, 99), (4, 2), (99, 4)))
    )
    assert "record 2 was altered" in broken(ledger)


def test_a_record_written_anew_with_a_fitting_digest_breaks_the_next_one(ledger):
    from dataclasses import replace

    third = replace(ledger.records()[2], who="mallory")
    sql(ledger, f"update sternpost_ledger set who = 'mallory', digest = '{third.hashed()}' where serial = 3")
    assert "record 4 does not follow record 3" in broken(ledger)


@pytest.mark.parametrize("left", [5, 1, 0])
def test_records_cut_off_at_the_end_are_found_by_the_head(ledger, left):
    sql(ledger, f"delete from sternpost_ledger where serial > {left}")
    assert f"record {left + 1} is missing: the head names 6" in broken(ledger)
    with pytest.raises(LedgerBroken, match="the head names 6"):
        ledger.append("config", "loans", {}, who="ann", why="to go on as if nothing were", at=START)


def test_a_cut_ledger_with_a_forged_head_is_found_by_a_head_noted_elsewhere(ledger, tmp_path):
    noted = ledger.head()
    sql(ledger, "delete from sternpost_ledger where serial = 6")
    fifth = ledger.records()[-1]
    (tmp_path / HEAD_NAME).write_text(json.dumps({"serial": 5, "digest": fifth.digest}))
    assert len(ledger.verify()) == 5
    with pytest.raises(LedgerBroken, match="record 6 is missing"):
        ledger.verify(noted)


def test_a_head_that_is_gone_or_unreadable_or_of_another_ledger_is_found(ledger, tmp_path):
    head = tmp_path / HEAD_NAME
    true = head.read_text()
    head.unlink()
    assert "is missing" in broken(ledger)
    head.write_text(true[:20])
    assert "cannot be read" in broken(ledger)
    head.write_text(json.dumps({"serial": 4, "digest": "a" * 64}))
    assert "record 4 is not the one that the head names" in broken(ledger)


def test_a_ledger_that_is_gone_is_found(ledger, tmp_path):
    (tmp_path / FILE_NAME).unlink()
    assert "is missing, its head is there" in broken(ledger)


def test_a_damaged_file_is_told_without_a_traceback(ledger, tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 500)
    assert "the file is damaged" in broken(ledger)


def test_a_record_needs_a_person_a_reason_a_moment_and_a_known_kind(ledger):
    with pytest.raises(UsageError, match="who is empty"):
        ledger.append("config", "loans", {}, who=" ", why="x", at=START)
    with pytest.raises(UsageError, match="why is empty"):
        ledger.append("config", "loans", {}, who="ann", why="", at=START)
    with pytest.raises(UsageError, match="has no time zone"):
        ledger.append("config", "loans", {}, who="ann", why="x", at=START.replace(tzinfo=None))
    with pytest.raises(UsageError, match="'bless' is not one of"):
        ledger.append("bless", "loans", {}, who="ann", why="x", at=START)


def test_of_many_who_saw_the_same_state_exactly_one_wins_and_the_others_are_told(tmp_path):
    first = Ledger(tmp_path).append("enter", "loans", {}, who="ann", why="begin", at=START)
    start, ended = threading.Barrier(8), []

    def promote(who: str) -> None:
        mine = Ledger(tmp_path)
        start.wait()
        try:
            mine.append("promote", "loans", {}, who=who, why="up", at=START, seen=first.serial)
            ended.append((who, "won"))
        except Superseded as e:
            ended.append((who, str(e)))

    threads = [threading.Thread(target=promote, args=(f"person {n}",)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    winner = [who for who, how in ended if how == "won"]
    assert len(winner) == 1
    assert all(f"{winner[0]} was first" in how for _, how in ended if how != "won")
    assert [r.who for r in Ledger(tmp_path).verify()] == ["ann", *winner]


def test_use_cases_do_not_supersede_each_other_and_none_is_lost(tmp_path):
    Ledger(tmp_path)

    def write(name: str) -> None:
        mine = Ledger(tmp_path)
        last = 0
        for n in range(10):
            last = mine.append("promote", name, {"n": n}, who="ann", why="up", at=START, seen=last).serial

    threads = [threading.Thread(target=write, args=(f"case{k}",)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    records = Ledger(tmp_path).verify()
    assert len(records) == 30
    for k in range(3):
        assert [r.content["n"] for r in records if r.use_case == f"case{k}"] == list(range(10))


WRITER = """
import datetime as dt, sys
from sternpost.trust.ledger import Ledger
ledger = Ledger(sys.argv[1])
print("ready", flush=True)
while True:
    ledger.append("config", "loans", {}, who="ann", why="again", at=dt.datetime.now(dt.UTC))
    print(".", end="", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_records(tmp_path):
    told = 0
    for kill in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.stdout.read(3 + kill)
        os.kill(writer.pid, signal.SIGKILL)
        told += 3 + kill + len(writer.stdout.read())
        writer.wait()
        writer.stdout.close()
        assert len(Ledger(tmp_path).verify()) >= told, "a record that was acknowledged is gone"


def test_a_writer_that_dies_between_record_and_head_breaks_nothing(ledger, monkeypatch):
    monkeypatch.setattr(Ledger, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ledger.append("config", "loans", {}, who="gus", why="dies", at=START)
    monkeypatch.undo()
    assert len(ledger.verify()) == 7
    assert ledger.head() == Head(6, ledger.records()[5].digest)
    ledger.append("config", "loans", {}, who="hal", why="goes on", at=START)
    assert ledger.head() == Head(8, ledger.verify()[7].digest)
