"""A journal as Python sees it: tables in, the same rows out, damage told, one writer."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sternpost import _core
from sternpost.errors import ContractError, DataError, JournalCorrupt, JournalLocked, UsageError
from sternpost.outcomes.journal import DamagedRows, Journal
from tests.outcomes.journals import MOMENT, START, decisions, names, outcomes


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(tmp_path / "j")


def test_what_is_appended_is_read(journal):
    given = decisions(0, 500)
    assert journal.append_decisions(given) == 500
    assert journal.append_decisions(decisions(500, 100, digest="cd" * 32, bundle="others", inputs=False)) == 100
    assert journal.append_outcomes(outcomes(0, 50)) == 50
    event = pa.table({"at": pa.array([START], MOMENT), "kind": ["rung"], "detail": ['{"to": "off"}']})
    assert journal.append_events(event) == 1

    read = journal.decisions(bundle="rides")
    for name in given.column_names:
        assert read.column(name).to_pylist() == given.column(name).to_pylist(), name
    assert read.column("rung").null_count == 500
    assert journal.decisions().num_rows == 600
    assert journal.decisions(bundle="cd" * 32).num_rows == 100
    assert journal.outcomes().equals(outcomes(0, 50).cast(journal.outcomes().schema))
    assert journal.events().to_pylist() == [
        {"at": START, "kind": "rung", "bundle": None, "digest": None, "detail": '{"to": "off"}'}
    ]


def test_an_empty_journal_has_tables_without_rows(journal):
    with pytest.raises(UsageError, match="does not exist"):
        journal.decisions()
    journal.path.mkdir()
    assert journal.decisions().num_rows == journal.outcomes().num_rows == journal.events().num_rows == 0
    assert journal.query("select count(*) as n from decisions").to_pylist() == [{"n": 0}]
    assert journal.verify()["sound"]
    (journal.path.parent / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        Journal(journal.path.parent / "file").verify()


def test_decisions_by_time_and_columns(journal):
    journal.append_decisions(decisions(0, 100))
    since, until = START + dt.timedelta(minutes=10), START + dt.timedelta(minutes=20)
    assert names(journal.decisions(since=since, until=until)) == [f"p{i}" for i in range(10, 20)]
    assert journal.decisions(columns=["score", "at"]).column_names == ["score", "at"]
    with pytest.raises(UsageError, match="no column speed"):
        journal.decisions(columns=["speed"])
    with pytest.raises(UsageError, match="no time zone"):
        journal.decisions(since=dt.datetime(2026, 1, 1))


def test_inputs_of_two_contracts_stand_side_by_side_and_types_that_clash_are_told(journal):
    journal.append_decisions(decisions(0, 2))
    other = decisions(2, 1, digest="0" * 64).drop_columns(["inputs"])
    journal.append_decisions(other.append_column("inputs", pa.array([{"y": True}])))
    assert journal.decisions().column("inputs").to_pylist() == [
        {"x": 0.0, "c": None, "y": None},
        {"x": 1.0, "c": "red", "y": None},
        {"x": None, "c": None, "y": True},
    ] or journal.decisions().column("inputs").to_pylist()[0] == {"x": None, "c": None, "y": True}
    clash = decisions(3, 1, digest="1" * 64).drop_columns(["inputs"])
    journal.append_decisions(clash.append_column("inputs", pa.array([{"x": "text"}])))
    with pytest.raises(UsageError, match="ask for one bundle"):
        journal.decisions()
    assert journal.decisions(bundle="1" * 64).num_rows == 1


def test_shipping_decisions_twice_changes_nothing(journal):
    part = decisions(0, 10)
    assert journal.append_decisions(pa.concat_tables([part, part.slice(3, 2)]), unique=True) == 10
    assert journal.append_decisions(decisions(5, 10), unique=True) == 5
    journal.compact()
    assert journal.append_decisions(decisions(0, 20), unique=True) == 5
    assert sorted(names(journal.decisions())) == sorted(f"p{i}" for i in range(20))


def test_tables_that_do_not_fit_are_refused_with_the_column(journal):
    for table, told in (
        (decisions(0, 1).drop_columns(["digest"]), "no column digest"),
        (decisions(0, 1).append_column("speed", pa.array([1])), "no column speed"),
        (decisions(0, 1).set_column(4, "score", pa.array(["high"])), "column score of decisions is string"),
        (decisions(0, 1).set_column(2, "bundle", pa.nulls(1, pa.string())), "has 1 nulls"),
        (decisions(0, 1).set_column(1, "at", pa.array([dt.datetime(2026, 1, 1)])), "no time zone"),
        (decisions(0, 1).drop_columns(["inputs"]).append_column("inputs", pa.array([1])), "give a struct"),
    ):
        with pytest.raises(ContractError, match=told):
            journal.append_decisions(table)
    assert not journal.path.exists()


def test_labels_as_dictionaries_are_kept_as_strings(journal):
    table = decisions(0, 3).drop_columns(["inputs", "action"])
    struct = pa.StructArray.from_arrays([pa.array(["a", "b", "a"]).dictionary_encode()], ["c"])
    journal.append_decisions(
        table.append_column("inputs", struct).append_column("action", pa.array(["x", "y", "x"]).dictionary_encode())
    )
    read = journal.decisions()
    assert read.column("action").to_pylist() == ["x", "y", "x"]
    assert read.column("inputs").to_pylist() == [{"c": "a"}, {"c": "b"}, {"c": "a"}]


def test_a_second_writer_is_refused_and_told_the_process(journal):
    with _core.JournalWriter(journal.path) as writer:
        writer.append("outcomes", outcomes(0, 3))
        with pytest.raises(JournalLocked, match=f"written by process {os.getpid()}"):
            journal.append_outcomes(outcomes(3, 1))
        writer.flush()
        # Reading goes on meanwhile.
        assert journal.outcomes().num_rows == 3
        code = f"from sternpost.outcomes.journal import Journal; Journal({str(journal.path)!r}).append_events"
        code += "(__import__('pyarrow').table({'at': __import__('pyarrow').array([0], 'int64')}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode != 0
    assert journal.append_outcomes(outcomes(3, 1)) == 1


def test_a_closed_writer_and_a_child_of_a_fork_say_so(journal):
    writer = _core.JournalWriter(journal.path, "off")
    assert writer.append("outcomes", outcomes(0, 2)) == 2
    assert json.loads(writer.stats())["dropped"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried here
        child = os.fork()
    if child == 0:
        told = 1
        try:
            writer.append("outcomes", outcomes(0, 1))
        except Exception as error:
            told = 0 if type(error).__name__ == "ForkError" and "forked" in str(error) else 2
        del writer
        os._exit(told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.close()
    writer.close()
    assert journal.outcomes().num_rows == 2
    with pytest.raises(UsageError, match="is closed"):
        writer.append("outcomes", outcomes(0, 1))
    for call, told in (
        (lambda: _core.JournalWriter(journal.path, "always"), "off, async or group"),
        (lambda: _core.JournalWriter(journal.path, flush_interval_s=-1.0), "flush_interval_s is -1"),
    ):
        with pytest.raises(UsageError, match=told):
            call()


def segment(journal):
    return next(journal.path.glob("*.segment"))


def test_damage_is_told_and_what_is_good_is_read(journal):
    with _core.JournalWriter(journal.path) as writer:
        for part in range(4):
            writer.append("outcomes", outcomes(part * 10, 10))
    path = segment(journal)
    data = bytearray(path.read_bytes())
    frames = [i for i in range(0, len(data), 8) if data[i : i + 4] == b"SPJM"]
    assert len(frames) == 5
    data[frames[2] + 100] ^= 16
    path.write_bytes(data)
    with pytest.warns(DamagedRows, match=rf"outcomes-all-0000000001.*at byte {frames[2]}; 10 rows lost"):
        read = journal.outcomes()
    assert names(read) == [f"p{i}" for i in [*range(10), *range(20, 40)]]
    report = journal.verify()
    assert (report["sound"], report["rows"], report["rows_lost"]) == (False, 30, 10)
    [finding] = report["findings"]
    assert (finding["trouble"], finding["offset"]) == ("damaged", frames[2])
    # Evidence is kept as it is.
    assert journal.compact() == []
    assert path.read_bytes() == bytes(data)


def test_an_unreadable_segment_does_not_hide_the_others(journal):
    journal.append_outcomes(outcomes(0, 5))
    journal.append_outcomes(outcomes(5, 5))
    first = sorted(journal.path.glob("*.segment"))[0]
    data = bytearray(first.read_bytes())
    data[9] ^= 255
    first.write_bytes(data)
    with pytest.warns(DamagedRows, match="checksum of its header"):
        assert names(journal.outcomes()) == [f"p{i}" for i in range(5, 10)]
    report = journal.verify()
    assert not report["sound"]
    assert report["rows_lost"] is None
    with pytest.raises(JournalCorrupt):
        _core.Journal(journal.path).read(first.name)
    with pytest.raises(UsageError, match="not the name of a segment"):
        _core.Journal(journal.path).read("../x.segment")
    assert journal.append_outcomes(outcomes(10, 1)) == 1


def test_a_torn_segment_is_no_damage_and_is_mended_by_the_next_writer(journal):
    journal.append_outcomes(outcomes(0, 5))
    path = segment(journal)
    path.write_bytes(path.read_bytes()[:-70])
    report = journal.verify()
    assert report["sound"]
    assert report["findings"][0]["trouble"] == "torn"
    with _core.JournalWriter(journal.path) as writer:
        [mended] = json.loads(writer.recovered())
        assert (mended["file"], mended["rows"]) == (path.name, 0)
    assert len(list(journal.path.glob("*.torn"))) == 1


def test_foreign_files_are_told_and_left(journal):
    journal.append_outcomes(outcomes(0, 5))
    (journal.path / "notes.txt").write_text("mine")
    found = journal.look()
    assert found["foreign"] == ["notes.txt"]
    assert journal.outcomes().num_rows == 5


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="see that the folder exists"):
        Journal(tmp_path / "file" / "j").append_outcomes(outcomes(0, 1))


def test_a_full_disk_is_told(tmp_path):
    code = f"""
import resource, signal, pyarrow as pa
from tests.outcomes.journals import decisions
from sternpost.outcomes.journal import Journal
from sternpost.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal({str(tmp_path / "j")!r})
assert journal.append_decisions(decisions(0, 100)) == 100
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    journal.append_decisions(decisions(100, 5000))
except DataError as error:
    assert "5000 rows were not written" in str(error), error
else:
    raise AssertionError("no error")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.append_decisions(decisions(100, 5)) == 5
assert journal.decisions().num_rows == 105
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_sql_sees_the_tables_and_its_errors_are_one_sentence(journal):
    journal.append_decisions(decisions(0, 100))
    journal.append_outcomes(outcomes(0, 40))
    joined = "select count(*) as n, sum(o.value) as late from decisions d join outcomes o using (prediction_id)"
    assert journal.query(joined).to_pylist() == [{"n": 40, "late": 20.0}]
    assert journal.query("select inputs.x as x from decisions order by x desc limit 1").to_pylist() == [{"x": 99.0}]
    with pytest.raises(UsageError, match="the SQL cannot be run") as told:
        journal.query("select nonsense from decisions")
    assert "\n" not in str(told.value)


def test_export_writes_parquet(journal, tmp_path):
    journal.append_decisions(decisions(0, 30))
    journal.append_outcomes(outcomes(0, 7))
    assert journal.export(tmp_path / "out") == {"decisions": 30, "outcomes": 7, "events": 0}
    assert pq.read_table(tmp_path / "out" / "decisions.parquet").equals(journal.decisions())
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"decisions.parquet", "outcomes.parquet"}


values = st.one_of(st.none(), st.floats(width=64, allow_nan=False))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.text(max_size=5), values, st.lists(st.text(max_size=3), max_size=3)), max_size=20),
        max_size=4,
    )
)
def test_random_batches_come_out_as_they_went_in(tmp_path_factory, parts):
    journal = Journal(tmp_path_factory.mktemp("j"))
    expected = []
    for rows in parts:
        table = pa.table(
            {
                "prediction_id": pa.array([r[0] for r in rows], pa.string()),
                "at": pa.array([START] * len(rows), MOMENT),
                "bundle": pa.array(["b"] * len(rows), pa.string()),
                "digest": pa.array(["d"] * len(rows), pa.string()),
                "score": pa.array([r[1] for r in rows], pa.float64()),
                "reasons": pa.array([r[2] for r in rows], pa.list_(pa.string())),
            }
        )
        journal.append_decisions(table)
        expected += rows
    read = journal.decisions(columns=["prediction_id", "score", "reasons"])
    assert [tuple(row.values()) for row in read.to_pylist()] == expected
    journal.compact()
    read = journal.decisions(columns=["prediction_id", "score", "reasons"])
    assert [tuple(row.values()) for row in read.to_pylist()] == expected
