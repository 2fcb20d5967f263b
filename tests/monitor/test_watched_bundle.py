"""A watched bundle counts what it scores: the same bits as counting the same rows as tables."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost._core import Window, tally
from sternpost.bundle import Bundle
from sternpost.bundle.reference import outputs_of
from sternpost.cli import main
from sternpost.errors import UsageError
from sternpost.monitor.snapshots import snapshots
from tests.project.loans_project import loans, sealed_loans


def recount(bundle: Bundle, rows: pa.Table) -> Window:
    """The rows of a table that are not refused, their features and outputs, each counted as a table."""
    scored = bundle.score(rows)
    kept = scored.column("score").is_valid()
    inputs = rows.select(bundle.contract.names).filter(kept)
    tables = {"input": inputs, "feature": bundle.frame(inputs), "output": outputs_of(scored.filter(kept), bundle.model)}
    total = Window(bundle.require_reference())
    for role, table in tables.items():
        window, untold = tally(bundle.require_reference(), table, role)
        assert untold == {}
        total += window
    return total


def same_counts(found: Window, expected: Window) -> bool:
    columns = expected.reference.columns
    return all(
        found.counts(column.name, column.role) == expected.counts(column.name, column.role)
        and found.mean_and_deviation(column.name, column.role) == expected.mean_and_deviation(column.name, column.role)
        and found.clipped(column.name, column.role) == expected.clipped(column.name, column.role)
        for column in columns
    )


@pytest.fixture
def bundle():
    return sealed_loans()


@pytest.fixture
def rows(bundle):
    """Some are refused: their amount is nothing."""
    table = loans(700, seed=11)
    amounts = table.column("amount").to_pylist()
    amounts[::50] = [-1.0] * len(amounts[::50])
    return table.set_column(table.schema.get_field_index("amount"), "amount", pa.array(amounts))


def test_rows_and_tables_over_threads_are_counted_as_their_recount(bundle, rows):
    watched = bundle.watched()
    single = rows.select(bundle.contract.names).to_pylist()

    def score(part: int) -> None:
        for row in single[part::3]:
            watched.score(row)

    threads = [threading.Thread(target=score, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    early = watched.collect()
    for thread in threads:
        thread.join()
    watched.score(rows, threads=2)
    found = early + watched.collect()
    once = recount(bundle, rows)
    assert found.rows == {"seen": 1400, "refused": 28, "scored": 1372, "dropped": 0}
    assert found.broken == {("input", "amount", "gt"): 28}
    assert same_counts(found, once + once)
    assert watched.collect() == Window(bundle.reference)


def test_scores_are_the_same_and_nothing_else_is_counted(bundle, rows):
    watched = bundle.watched()
    assert watched.score(rows).equals(bundle.score(rows))
    assert watched.collect().rows["seen"] == 700
    watched.frame(rows.slice(1, 20))
    watched.matrix(rows.slice(1, 20))
    bundle.score(rows)
    assert watched.watched().score(rows).num_rows == 700
    assert watched.collect().rows["seen"] == 0
    with pytest.raises(UsageError, match="the engine is not watched; collect from the one that"):
        bundle.collect()


def test_a_batch_run_leaves_the_window_of_its_rows(bundle, rows, tmp_path, capsys):
    pq.write_table(rows, tmp_path / "rows.parquet")
    bundle.save(tmp_path / "loans.sbundle")
    out = str(tmp_path / "out.arrow")
    words = ["score", str(tmp_path / "loans.sbundle"), str(tmp_path / "rows.parquet"), "-o", out]
    folder = tmp_path / "windows"
    assert main([*words, "--windows", str(folder), "--replica", "nightly", "--batch-rows", "97"]) == 0
    (one,) = snapshots(folder, bundle.digest)
    window = one.window(bundle.reference)
    assert same_counts(window, recount(bundle, rows))
    assert (window.rows["seen"], window.rows["scored"], window.replicas) == (700, 686, ["nightly"])
    start, end = window.span
    assert start <= end

    # A run that ends early leaves none; words that make no sense are told before a row is read.
    assert main([*words, "--windows", str(folder), "--strict"]) != 0
    assert len(snapshots(folder, bundle.digest)) == 1
    assert main([*words, "--replica", "nightly"]) == 2
    assert "give --windows DIR as well" in capsys.readouterr().err
    assert main(["drift", str(tmp_path / "loans.sbundle"), "--windows", str(folder)]) == 0
