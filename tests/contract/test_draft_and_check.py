"""A drafted contract holds for its own data; a broken row is explained by column, row, value and rule."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.contract import draft, skipped, to_source
from sternpost.errors import ContractError

TABLE = pa.table(
    {
        "city": ["a", "b", None],
        "amount": pa.array([1, 2, 3], pa.int32()),
        "change": [-1.5, 0.0, None],
        "on": [True, False, True],
        "when": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 3, pa.timestamp("ms", tz="UTC")),
        "naive": pa.array([dt.datetime(2020, 1, 1)] * 3, pa.timestamp("us")),
        "day": pa.array([dt.date(2020, 1, 1)] * 3),
        "not a name": [1, 2, 3],
        "parts": [[1], [2], [3]],
        "paid": pa.array([Decimal("1.2345"), None, Decimal("-9.0000")], pa.decimal128(10, 4)),
    }
)


def test_a_draft_holds_for_its_own_data():
    drafted = draft(TABLE, "Loan")
    assert drafted.names == ("city", "amount", "change", "on", "when", "paid")
    assert drafted.by_name["city"].nullable
    assert drafted.by_name["amount"].ge == 0
    assert drafted.by_name["change"].ge is None
    assert sp.contract.check(drafted, TABLE) == []


def test_what_is_left_out_is_said_with_the_reason():
    reasons = skipped(TABLE)
    assert list(reasons) == ["naive", "day", "not a name", "parts"]
    assert "no time zone" in reasons["naive"]
    assert "cast it" in reasons["day"]
    assert "rename" in reasons["not a name"]


def test_the_source_of_a_draft_is_the_draft():
    names: dict = {"sp": sp, "__name__": __name__}
    exec(to_source(draft(TABLE, "Loan")), names)
    assert names["Loan"].spec == draft(TABLE, "Loan")


def test_a_table_without_usable_columns():
    with pytest.raises(ContractError, match="no column of this table fits"):
        draft(pa.table({"parts": [[1]]}))


class Row(sp.Contract):
    city: sp.Category = sp.column(categories=["a", "b"], on_unseen="refuse")
    wind: float = sp.column(unit="mph", ge=0, le=150)
    seats: int | None = sp.column(gt=0, on_violation="null")


def test_each_violation_names_row_column_value_rule():
    table = pa.table(
        {
            "city": ["a", "c", "b", None],
            "wind": [1.0, 200.0, float("nan"), 3.0],
            "seats": pa.array([0, 5, None, 7]),
        }
    )
    found = [(v.row, v.column, v.rule) for v in Row.check(table)]
    assert found == [
        (0, "seats", "gt"),
        (1, "city", "unseen"),
        (1, "wind", "le"),
        (2, "wind", "nan"),
        (3, "city", "null"),
    ]
    wind = next(v for v in Row.check(table) if v.rule == "le")
    assert "200" in wind.value
    for words in ("row 1", "wind", "200", "150"):
        assert words in wind.message
    assert len(Row.check(table, limit=2)) == 2


def test_a_missing_column_and_a_wrong_type_are_refused():
    good = pa.table({"city": ["a"], "wind": [1.0], "seats": [1]})
    with pytest.raises(ContractError, match="wind"):
        Row.check(good.drop_columns(["wind"]))
    for column, values in {
        "wind": pa.array(["1.0"]),
        "seats": pa.array([1.0]),
        "city": pa.array([1]),
    }.items():
        wrong = good.set_column(good.column_names.index(column), column, values)
        with pytest.raises(ContractError, match=f"{column}.*cast"):
            Row.check(wrong)
