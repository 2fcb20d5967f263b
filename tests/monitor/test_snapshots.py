"""Windows as files: whole, nobody else's, merged to the same bits in any order, and a CURRENT of the drift verb."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import resource
import signal

import pyarrow as pa
import pytest

from sternpost._core import Window, tally
from sternpost.cli import main
from sternpost.errors import DataError, UsageError
from sternpost.monitor.drift import Comparison
from sternpost.monitor.snapshots import Writer, snapshots
from tests.project.loans_project import loans, sealed_loans

START = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
MINUTE = 60_000_000


def counted(table: pa.Table, minute: int = 0, replica: str = "a") -> Window:
    """The inputs of a table as a window of one minute."""
    start = int(START.timestamp() * 1e6) + minute * MINUTE
    reference = sealed_loans().reference
    names = sealed_loans().contract.names
    return tally(reference, table.select(names))[0].marked(span=(start, start + MINUTE), replica=replica)


@pytest.fixture
def bundle():
    return sealed_loans()


def test_two_replicas_merge_to_the_same_bits_in_any_order(tmp_path, bundle):
    parts = [loans(300, seed=seed) for seed in range(4)]
    for replica, tables in (("a", parts[:2]), ("b.example", parts[2:])):
        writer = Writer(tmp_path, replica)
        for minute, table in enumerate(tables):
            writer.write("loans/é@home", bundle.digest, counted(table, minute, replica))
        writer.close()
    found = snapshots(tmp_path, bundle.digest)
    assert [(one.start, one.replica) for one in found] == [
        (START + dt.timedelta(minutes=minute), replica) for minute in (0, 1) for replica in ("a", "b.example")
    ]
    windows = [one.window(bundle.reference) for one in found]
    merged = {Window.merge(bundle.reference, order).to_bytes() for order in itertools.permutations(windows)}
    assert len(merged) == 1
    whole = Window.from_bytes(merged.pop(), bundle.reference)
    assert whole.replicas == ["a", "b.example"]
    once = counted(pa.concat_tables(parts))
    for column in bundle.reference.columns:
        assert whole.counts(column.name, column.role) == once.counts(column.name, column.role)


def test_a_replica_has_its_place_alone_and_overwrites_nothing(tmp_path, bundle):
    writer = Writer(tmp_path, "a")
    with pytest.raises(UsageError, match="replica named a writes there already; give --replica"):
        Writer(tmp_path, "a")
    with pytest.raises(UsageError, match="a name has 1 to 64"):
        Writer(tmp_path, "../a")
    window = counted(loans(10))
    first, second = writer.write("loans", bundle.digest, window), writer.write("loans", bundle.digest, window)
    assert first != second
    assert first.read_bytes() == second.read_bytes() == window.to_bytes()
    writer.close()
    Writer(tmp_path, "a").close()


def test_only_own_and_old_windows_are_forgotten(tmp_path, bundle):
    a, b = Writer(tmp_path, "a"), Writer(tmp_path, "b")
    for minute in range(3):
        a.write("loans", bundle.digest, counted(loans(10), minute))
        b.write("loans", bundle.digest, counted(loans(10), minute, "b"))
    (tmp_path / "notes.txt").write_text("mine")
    assert a.forget(START + dt.timedelta(minutes=2)) == 2
    assert [one.replica for one in snapshots(tmp_path, bundle.digest)] == ["b", "b", "a", "b"]
    assert (tmp_path / "notes.txt").exists()


def test_a_full_disk_leaves_no_half_file(tmp_path, bundle):
    writer = Writer(tmp_path, "a")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DataError, match="cannot write"):
            writer.write("loans", bundle.digest, counted(loans(10)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]


def test_drift_over_windows_is_drift_over_their_rows(tmp_path, bundle, capfd):
    writer = Writer(tmp_path / "w", "a")
    parts = [loans(400, seed=seed) for seed in range(3)]
    for hour, table in enumerate(parts):
        writer.write("loans", bundle.digest, counted(table, hour * 60))
    sealed = tmp_path / "b.sbundle"
    bundle.save(sealed)

    def told(*more: str):
        capfd.readouterr()
        code = main(["drift", str(sealed), "--windows", str(tmp_path / "w"), "--json", *more])
        out, err = capfd.readouterr()
        return json.loads(out) if code == 0 else err

    found = told("--html", str(tmp_path / "d.html"))
    rows = Comparison(bundle)
    rows.add(pa.concat_tables(parts))
    expected = {column.name: column for column in rows.report().columns if column.role == "input"}
    for column in found["columns"]:
        if column["role"] == "input":
            assert (column["psi"], column["missing"]) == (
                expected[column["name"]].psi,
                expected[column["name"]].missing,
            )
            assert column["current_rows"] == 1_200
    assert [period["name"] for period in found["periods"]] == [f"2026-03-01 {hour}:00" for hour in (10, 11, 12)]
    assert "Over time" in (tmp_path / "d.html").read_text()
    between = told("--since", "2026-03-01T11:00:00Z", "--until", "2026-03-01T12:00:00Z")
    assert between["current_rows"] == 400
    assert [p["name"] for p in told("--by", "day")["periods"]] == ["2026-03-01"]
    assert "no windows of bundle" in told("--since", "2027-01-01")
    assert "period 'decade' is not known" in told("--by", "decade")
    assert "one of the two" in told("rows.parquet")


def test_a_damaged_file_is_named(tmp_path, bundle):
    path = Writer(tmp_path, "a").write("loans", bundle.digest, counted(loans(10)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"@a\.window\.arrow.*cannot be read"):
        snapshots(tmp_path, bundle.digest)[0].window(bundle.reference)
