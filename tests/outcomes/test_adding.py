"""Outcome events into a journal: nothing lost, nothing twice, every row accounted for."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost.errors import ContractError, UsageError
from sternpost.outcomes import LabelDefinition
from sternpost.outcomes.adding import add_outcomes
from sternpost.outcomes.ledger import LedgerFiles, open_ledger
from tests.outcomes.ledgers import day, decisions

NOW = day(50)


@pytest.fixture
def ledger(tmp_path):
    made = decisions([{"prediction_id": n, "at": day(i), "entity": f"e{n}"} for i, n in enumerate("abc")])
    pq.write_table(made, tmp_path / "decisions.parquet")
    return open_ledger(tmp_path)


def test_rows_become_events_with_what_they_lack_filled(ledger):
    added = add_outcomes(ledger, pa.table({"prediction_id": ["a", "b"], "value": [1, 0]}), source="core", now=NOW)
    assert (added.rows, added.added, added.duplicates, added.orphans, added.late) == (2, 2, 0, 0, None)
    kept = ledger.outcomes().to_pylist()
    assert [(r["prediction_id"], r["value"], r["source"], r["revision"]) for r in kept] == [
        ("a", 1.0, "core", 0), ("b", 0.0, "core", 0)]  # fmt: skip
    assert {r["happened_at"] for r in kept} == {r["recorded_at"] for r in kept} == {NOW}


def test_added_again_nothing_is_added(ledger):
    table = pa.table({"prediction_id": ["a", "a", "b"], "value": [1.0, 1.0, 0.0]})
    first = add_outcomes(ledger, table, now=NOW)
    assert (first.added, first.duplicates) == (2, 1)
    # Later, and undated: the moment of recording differs, the event does not.
    again = add_outcomes(ledger, table, now=NOW + dt.timedelta(days=1))
    assert (again.added, again.duplicates) == (0, 3)
    assert ledger.outcomes().num_rows == 2


def test_what_differs_is_kept_even_under_the_same_identity(ledger):
    add_outcomes(ledger, pa.table({"prediction_id": ["a"], "value": [1.0]}), now=NOW)
    other = add_outcomes(ledger, pa.table({"prediction_id": ["a"], "value": [0.0]}), now=NOW)
    assert (other.added, other.duplicates) == (1, 0)
    dated = pa.table({"prediction_id": ["a"], "value": [1.0], "happened_at": pa.array([day(9)])})
    assert add_outcomes(ledger, dated, now=NOW).added == 1
    revised = pa.table({"prediction_id": ["a"], "value": [1.0], "revision": [1]})
    assert add_outcomes(ledger, revised, now=NOW).added == 1


def test_columns_called_otherwise_orphans_and_late_ones(ledger):
    table = pa.table({"loan": ["a", "zz"], "bad": [True, False], "on": pa.array([day(5), day(6)])})
    columns = {"prediction_id": "loan", "value": "bad", "happened_at": "on"}
    added = add_outcomes(
        ledger, table, columns=columns, now=NOW, definition=LabelDefinition(horizon="30d", grace="10d")
    )
    assert (added.added, added.orphans, added.late) == (2, 1, 1)


def test_by_entity_with_a_time(ledger):
    table = pa.table({"entity": ["ea", "who"], "label": ["x", "y"], "happened_at": pa.array([day(1), day(1)])})
    added = add_outcomes(ledger, table, now=NOW)
    assert (added.added, added.orphans) == (2, 1)


def test_every_bad_row_comes_back_with_its_reason_and_the_good_ones_are_added(ledger):
    rows = [
        ({"prediction_id": "a", "value": 1.0}, ""),
        ({"value": 1.0}, "no prediction_id and no entity"),
        ({"entity": "ea", "value": 1.0}, "an entity without happened_at"),
        ({"prediction_id": " ", "value": 1.0, "source": " "}, "no prediction_id and no entity"),
        ({"prediction_id": "b", "value": 1.0, "revision": -1}, "a negative revision"),
        ({"prediction_id": "b"}, "no value and no label in the first telling"),
        ({"prediction_id": "b", "revision": 1}, ""),
        ({"prediction_id": "b", "value": float("inf")}, "a value that is not finite"),
        (
            {"prediction_id": "b", "value": 1.0, "happened_at": day(9), "observed_at": day(8)},
            "happened after it was observed",
        ),
        ({"prediction_id": "b", "value": 1.0, "happened_at": day(60)}, "observed after it was recorded"),
        ({"prediction_id": "b", "value": 1.0, "recorded_at": day(99), "happened_at": day(1)}, "recorded in the future"),
    ]
    schema = {
        "prediction_id": pa.string(), "entity": pa.string(), "value": pa.float64(), "source": pa.string(),
        "revision": pa.int64(), "happened_at": pa.timestamp("us", "UTC"), "observed_at": pa.timestamp("us", "UTC"),
        "recorded_at": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    table = pa.table({n: pa.array([r.get(n) for r, _ in rows], t) for n, t in schema.items()})
    kept = []
    added = add_outcomes(ledger, table, now=NOW, keep_bad=kept.append)
    assert added.bad.column("why").to_pylist() == [why for _, why in rows if why]
    assert kept[0].equals(added.bad)
    assert added.bad.drop_columns(["why"]).equals(table.filter(pa.array([bool(why) for _, why in rows])))
    assert added.added + len(added.bad) + added.duplicates == added.rows == len(rows)


def test_nothing_is_added_when_the_bad_rows_cannot_be_kept(ledger):
    def full(_):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        add_outcomes(ledger, pa.table({"prediction_id": ["a", None], "value": [1.0, 1.0]}), now=NOW, keep_bad=full)
    assert ledger.outcomes().num_rows == 0


@pytest.mark.parametrize(
    ("table", "columns", "kind", "match"),
    [
        ({"x": [1]}, {}, UsageError, "--column prediction_id"),
        ({"prediction_id": ["a"]}, {}, UsageError, "value or label"),
        ({"id": ["a"], "value": [1.0]}, {"prediction_id": "ID"}, UsageError, "no such column"),
        ({"id": ["a"], "value": [1.0]}, {"prediktion": "id"}, UsageError, "has no prediktion"),
        ({"prediction_id": ["a"], "value": ["yes"]}, {}, ContractError, "yes"),
        ({"prediction_id": [1.5], "value": [1.0]}, {}, ContractError, "whole numbers"),
        (
            {"prediction_id": ["a"], "value": [1.0], "happened_at": [dt.datetime(2024, 1, 1)]},
            {},
            ContractError,
            "no time zone",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_whole(ledger, table, columns, kind, match):
    with pytest.raises(kind, match=match):
        add_outcomes(ledger, pa.table(table), columns=columns, now=NOW)
    assert ledger.outcomes().num_rows == 0


def test_an_empty_table_adds_nothing(ledger, tmp_path):
    empty = pa.table({"prediction_id": pa.array([], pa.string()), "value": pa.array([], pa.float64())})
    assert add_outcomes(ledger, empty, now=NOW).added == 0
    assert isinstance(ledger, LedgerFiles)
    assert not list(tmp_path.glob("outcomes*"))
