"""Mechanical checks: what the contract declares, the order of time, entities, copies. Counted by hand."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.errors import ContractError
from sternpost.frame.audit import Waiver, audit
from sternpost.frame.audit.availability import availability
from sternpost.frame.audit.duplicates import duplicates
from sternpost.frame.audit.separation import separation
from tests.frame.cases import HOUR_US, case

RANDOM = np.random.default_rng(3)
N = 400
Y = (RANDOM.random(N) < 0.4).astype(int)


class Trip(sp.Contract, known_at="decision"):
    distance: float
    delay: float = sp.column(known_at="outcome")
    weather: float = sp.column(known_at="90min")
    seen: float = sp.column(known_at="0s")


@sp.feature
def delay_h(delay: float) -> float:
    return delay / 60


@sp.feature
def slow(delay_h: float, distance: float) -> float:
    return delay_h / distance


def trips(features):
    values = {name: RANDOM.random(N) for name in Trip.spec.names}
    return case(values, Y, contract=Trip.spec, features=features)


def test_a_contract_says_when_columns_are_known_and_a_column_may_say_otherwise():
    assert [c.known_at for c in Trip.spec.columns] == ["decision", "outcome", "90min", "decision"]


@pytest.mark.parametrize("wrong", ["soon", "", 2, dt.timedelta(hours=2)])
def test_a_column_that_says_no_such_time_is_refused(wrong):
    with pytest.raises(ContractError, match=re.escape(f"known_at={wrong!r} is none of")):

        class Wrong(sp.Contract):
            x: float = sp.column(known_at=wrong)


def test_only_what_was_declared_is_written_and_the_engine_never_sees_it():
    class Plain(sp.Contract):
        x: float

    assert "known_at" not in Plain.spec.to_json()
    assert '"known_at":"outcome"' in Trip.spec.to_json()
    assert "known_at" not in Trip.spec.rules_json()
    assert type(Trip.spec).from_json(Trip.spec.to_json()) == Trip.spec


def test_a_late_column_blocks_when_a_feature_reads_it_even_through_another():
    found = {f.columns: f for f in availability(trips([slow, "distance"]))}
    assert found["delay",].severity == "BLOCK"
    assert found["delay",].read_by == ("slow",)
    assert found["weather",].severity == "INFO"
    assert set(found) == {("delay",), ("weather",)}
    late = {f.columns: f.severity for f in availability(trips(["weather"]))}
    assert late == {("delay",): "INFO", ("weather",): "BLOCK"}


def test_columns_of_which_nobody_said_are_one_warning():
    [found] = availability(case({"a": RANDOM.random(N), "b": RANDOM.random(N)}, Y, known_at=None))
    assert (found.check, found.severity, found.columns) == ("undeclared", "WARN", ("a", "b"))


def test_the_embargo_counts_training_rows_whose_outcome_is_later_than_a_held_out_row():
    # 300 rows train, an hour apart; the outcome takes 10 hours, so the last 9 know theirs after the holdout began:
    # the first held-out row comes 1, 2, .. 9 hours after them, and 10 hours after the tenth last.
    [found] = [
        f for f in separation(case({"a": Y * 1.0}, Y, horizon_us=10 * HOUR_US, entity=None)) if f.check == "embargo"
    ]
    assert found.severity == "BLOCK"
    assert found.figure == pytest.approx(9 / 300)
    kept = case({"a": Y * 1.0}, Y, horizon_us=10 * HOUR_US, training=np.arange(291))
    assert "embargo" not in {f.check for f in separation(kept)}


def test_days_in_between_are_warned_of_and_an_unknown_horizon_is_told():
    held = np.arange(100, 200)
    days = {"holdout": held, "split": "days"}
    severities = {f.check: f.severity for f in separation(case({"a": Y * 1.0}, Y, horizon_us=HOUR_US * 2, **days))}
    assert severities["embargo"] == "WARN"
    severities = {f.check: f.severity for f in separation(case({"a": Y * 1.0}, Y, horizon_us=None, **days))}
    assert severities["embargo"] == "INFO"


def test_training_after_the_holdout_began_blocks_and_random_rows_with_a_time_are_warned_of():
    late = case({"a": Y * 1.0}, Y, training=np.r_[0:300, 399], holdout=np.arange(300, 399))
    [found] = [f for f in separation(late) if f.check == "time_order"]
    assert (found.severity, found.figure) == ("BLOCK", pytest.approx(1 / 301))
    stamps = pa.array(np.arange(N), pa.timestamp("us", tz="UTC"))
    random = case({"a": Y * 1.0, "at": stamps}, Y, moments=None, split="random")
    [found] = [f for f in separation(random) if f.check == "time_order"]
    assert (found.severity, "at" in found.told) == ("WARN", True)


@pytest.mark.parametrize("kind", [pa.int64(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_entities_on_both_sides_block_unless_they_recur(kind):
    # 300 training rows of customers 0..149 (twice), 100 held out of customers 100..199: half of those were seen.
    numbers = pa.array(np.r_[np.arange(300) % 150, np.arange(100, 200)])
    who = numbers.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else numbers
    [found] = [f for f in separation(case({"a": Y * 1.0, "who": who}, Y, entity="who")) if f.check == "entity_overlap"]
    assert (found.severity, found.figure) == ("BLOCK", 0.5)
    again = case({"a": Y * 1.0, "who": who}, Y, entity="who", entities_recur=True)
    [found] = [f for f in separation(again) if f.check == "entity_overlap"]
    assert found.severity == "INFO"


def copied(n_copies: int, *, numbered: bool):
    columns = {name: RANDOM.random(N) for name in ("a", "b", "c")}
    columns["number"] = np.arange(N)
    y = Y.copy()
    for name, values in columns.items():
        if name != "number" or not numbered:
            values[300 : 300 + n_copies] = values[:n_copies]
    y[300 : 300 + n_copies] = y[:n_copies]
    return case(columns, y)


@pytest.mark.parametrize(("numbered", "words"), [(False, "every column"), (True, "do not number rows")])
def test_copies_across_the_split_are_counted_with_and_without_their_number(numbered, words):
    [found] = duplicates(copied(20, numbered=numbered))
    assert found.figure == pytest.approx(0.2)
    assert words in found.told


def test_rows_that_are_alike_by_chance_are_no_copies():
    # 12 kinds of rows, whose kind tells the outcome: each held-out row has a twin in training, none is a copy.
    coarse = {"a": RANDOM.integers(0, 3, N), "b": RANDOM.integers(0, 4, N)}
    told = (coarse["a"] > 0).astype(int)
    assert duplicates(case(coarse, told)) == []
    assert duplicates(case({**coarse, "number": np.arange(N)}, told)) == []
    assert duplicates(copied(0, numbered=True)) == []


def test_a_waiver_holds_until_its_day_and_stays_listed():
    waiver = Waiver("known_at", "operations", "an estimate", dt.date(2024, 6, 1), "weather")
    idle = Waiver("duplicates", "operations", "none left", dt.date(2024, 6, 1))
    subject = trips(["weather"])
    before = audit(subject, waivers=[waiver, idle], today=dt.date(2024, 5, 31))
    assert not before.blocked
    assert [(f.check, f.waiver) for f in before.findings if f.severity == "BLOCK"] == [("known_at", waiver)]
    assert [state for _, state in before.waivers] == ["in force", "not needed"]
    after = audit(subject, waivers=[waiver, idle], today=dt.date(2024, 6, 1))
    assert after.blocked
    assert [state for _, state in after.waivers] == ["expired", "expired"]
    assert len(after.to_dict()["waivers"]) == 2


def test_the_sentence_counts_what_matters_and_claims_nothing_more():
    waiver = Waiver("known_at", "operations", "an estimate", dt.date(2024, 6, 1), "weather")
    today = dt.date(2024, 5, 31)
    quiet = "Nothing refuses training or asks for a look"
    assert audit(trips(["weather"]), today=today).sentence == "1 finding refuses training."
    assert audit(trips(["weather"]), waivers=[waiver], today=today).sentence == f"{quiet}; 1 finding is waived."
    assert audit(trips(["distance"]), today=today).sentence == f"{quiet}."
    unnamed = case({"a": RANDOM.random(N)}, Y, known_at=None)
    assert audit(unnamed, today=today).sentence == "1 finding asks for a look."
    named = case({"a": RANDOM.random(N), "who": np.arange(N)}, Y, entity="who")
    assert audit(named, today=today).sentence == "Nothing was found."
