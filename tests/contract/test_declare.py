"""A contract as a class: every mistake is found when the class is made, and named."""

from __future__ import annotations

import datetime as dt
import re

import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.contract import ContractSpec, spec_of
from sternpost.errors import ContractError


class Flight(sp.Contract):
    carrier: sp.Category
    origin: sp.Category = sp.column(categories=["EWR", "JFK", "LGA"])
    distance_mi: float = sp.column(unit="mile", ge=0, description="great circle")
    wind_speed_mph: float | None = sp.column(unit="mph", ge=0, le=150, on_violation="null")
    sched_dep_utc: sp.Timestamp = sp.column(ge=dt.datetime(1970, 1, 2, tzinfo=dt.UTC))
    fare: sp.Money | None = sp.column(currency="USD")
    seats: int
    night: bool | None


def test_annotations_become_columns():
    assert Flight.spec.names == (
        "carrier", "origin", "distance_mi", "wind_speed_mph", "sched_dep_utc", "fare", "seats", "night",
    )  # fmt: skip
    types = [c.type for c in Flight.spec.columns]
    assert types == ["category", "category", "float", "float", "timestamp", "money", "int", "bool"]
    assert [c.nullable for c in Flight.spec.columns] == [False, False, False, True, False, True, False, True]
    assert Flight.spec.by_name["sched_dep_utc"].ge == 86_400_000_000
    assert Flight.spec.by_name["fare"].minor_digits == 2


def test_json_and_arrow_schema_keep_everything():
    learned = Flight.learn(pa.table({"carrier": ["UA", "AA", "UA"]}))
    assert ContractSpec.from_json(learned.to_json()) == learned
    schema = learned.arrow_schema()
    assert ContractSpec.from_arrow_schema(schema) == learned
    assert schema.field("sched_dep_utc").type == pa.timestamp("us", tz="UTC")
    assert not schema.field("seats").nullable
    assert schema.field("distance_mi").metadata == {b"unit": b"mile", b"description": b"great circle"}
    assert ContractSpec.from_arrow_schema(pa.schema(list(schema), metadata=schema.metadata)).digest == learned.digest


def test_categories_are_learned_sorted_and_only_where_open():
    learned = Flight.learn(pa.table({"carrier": ["UA", None, "AA", "B6", "AA"]}))
    assert learned.by_name["carrier"].categories == ("AA", "B6", "UA")
    assert learned.by_name["origin"].categories == ("EWR", "JFK", "LGA")
    assert Flight.spec.unlearned == ("carrier",)
    assert learned.learn(pa.table({"carrier": ["ZZ"]})) is learned


def test_at_most_255_labels_the_most_frequent():
    rare = [f"label {i:04}" for i in range(300)]
    learned = Flight.learn(pa.table({"carrier": rare + rare[100:]}))
    labels = learned.by_name["carrier"].categories
    assert len(labels) == 255
    assert set(rare[100:]) <= set(labels)


def test_a_contract_may_extend_another():
    class Later(Flight):
        gate: sp.Category | None

    assert Later.spec.names == (*Flight.spec.names, "gate")
    assert Flight.spec.names[-1] == "night"


MISTAKES = [
    ("x: str", "'str' is not a column type"),
    ("x: float | int", "is not a column type"),
    ("x: list[float]", "is not a column type"),
    ("x = sp.column(ge=0)", "has no type"),
    ("x: float = 3.0", "write `= sp.column(...)`"),
    ("x: float = sp.column(ge=2, le=1)", "no value is above 2"),
    ("x: int = sp.column(ge=0.5)", "must be a whole number"),
    ("x: bool = sp.column(ge=0)", "a bool has no bounds"),
    ("x: float = sp.column(ge=float('nan'))", "is not a number"),
    ("x: float = sp.column(on_violation='null')", "annotate the column `float | None`"),
    ("x: float = sp.column(on_violation='drop')", "none of refuse, null, count"),
    ("x: float = sp.column(categories=['a'])", "only a Category lists categories"),
    ("x: sp.Category = sp.column(categories=['a', 'a'])", "listed twice"),
    ("x: sp.Timestamp = sp.column(ge=dt.datetime(2020, 1, 1))", "no time zone"),
]


@pytest.mark.parametrize(("line", "words"), MISTAKES)
def test_mistakes_are_named(line, words):
    names: dict = {"sp": sp, "dt": dt, "__name__": __name__}
    with pytest.raises((ContractError, ValueError), match=re.escape(words)):
        exec(f"class Row(sp.Contract):\n    {line}\n", names)


def test_it_is_a_declaration():
    with pytest.raises(ContractError, match="a declaration, not a row"):
        Flight(carrier="UA")
    with pytest.raises(ContractError, match="no columns"):
        spec_of(type("Empty", (sp.Contract,), {}))
    with pytest.raises(ContractError, match="expected a Contract class"):
        spec_of(dict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format":2,"name":"x","columns":[]}', '{"format":1,"name":"x"}', "nul"]
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(ContractError):
        ContractSpec.from_json(text)
