"""One row from Python: what comes back, and what each kind of mistake is told."""

import datetime as dt
import json
from collections import UserDict
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sternpost import _core, errors
from tests.core.flight_engine import COLUMNS, engine, model_spec

NOON = dt.datetime(2013, 1, 1, 12, tzinfo=dt.UTC)
ROW = {"speed_mph": 3.0, "legs": 1, "night": True, "carrier": "AA", "departs_utc": NOON, "fare": 1999}


@pytest.fixture(scope="module")
def regression():
    return engine(model_spec("regression", 1))


def test_a_scored_row_says_who_answered(regression):
    decision = regression.score_row(ROW)
    assert (decision.score, decision.action, decision.source, decision.binding) == (6.0, "go", "model", False)
    assert (decision.label, decision.scores, decision.reasons, decision.violations) == (None, (), (), ())
    assert decision.bundle == "sha256:00"
    assert "score=6.0" in repr(decision)
    assert decision.to_dict()["action"] == "go"
    assert regression.score_row(UserDict(ROW)).score == 6.0


def test_a_refused_row_says_why_and_what_to_do(regression):
    decision = regression.score_row(ROW | {"speed_mph": 400.0, "carrier": "ZZ"})
    assert (decision.score, decision.action, decision.source) == (None, "ask", "none")
    assert decision.reasons == ("le:speed_mph", "unseen:carrier")
    assert decision.violations[0].message == (
        "row 0, column speed_mph: 400.0 mph breaks le 150.0 mph; correct the value, or widen the bound in the contract"
    )
    assert (decision.violations[1].value, decision.violations[1].rule) == ("ZZ", "unseen")
    assert decision.violations == regression.score_row(ROW | {"speed_mph": 400.0, "carrier": "ZZ"}).violations


def test_a_feature_that_raises_is_named(regression):
    decision = regression.score_row(ROW | {"legs": 13})
    assert (decision.score, decision.reasons) == (None, ("raised:code",))


def test_a_score_that_is_not_finite_is_no_score(regression):
    decision = regression.score_row(ROW | {"speed_mph": None})
    assert (decision.score, decision.reasons, decision.action) == (None, ("score_not_finite",), "ask")


def test_long_values_are_cut(regression):
    violation = regression.score_row(ROW | {"carrier": "x" * 500}).violations[0]
    assert len(violation.value) == 80


def test_binary_takes_the_positive_output_and_multiclass_the_largest():
    assert engine(model_spec("binary", 2, ["0", "1"])).score_row(ROW | {"carrier": "UA"}).score == 14.0
    decision = engine(model_spec("multiclass", 3, ["a", "b", "c"])).score_row(ROW | {"carrier": "UA"})
    assert (decision.score, decision.label, decision.scores) == (36.0, "c", (16.0, 14.0, 36.0))


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (3, 6.0),
        (np.float64(3), 6.0),
        (np.float32(0.1), 2 * float(np.float32(0.1))),
        (np.int16(3), 6.0),
        (2**53 + 1, None),
    ],
)
def test_numbers_of_many_kinds_are_floats(regression, value, score):
    expected = None if score is None else float(np.float32(score))
    assert regression.score_row(ROW | {"speed_mph": value}).score == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"legs": np.int64(1)},
        {"night": np.bool_(True)},
        {"carrier": np.str_("AA")},
        {"departs_utc": pd.Timestamp(NOON)},
        {"departs_utc": 1_357_041_600_000_000},
        {"departs_utc": pd.NaT},
        {"fare": pd.NA},
    ],
)
def test_scalars_of_other_libraries_count_as_what_they_hold(regression, changed):
    assert regression.score_row(ROW | changed).score == 6.0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"speed_mph": "3"}, "column speed_mph: '3' is of type str; expected float"),
        ({"speed_mph": True}, "column speed_mph: True is of type bool; expected float"),
        ({"legs": 1.0}, "column legs: 1.0 is of type float; expected int"),
        ({"legs": True}, "column legs: True is of type bool; expected int"),
        ({"night": 1}, "column night: 1 is of type int; expected bool"),
        ({"carrier": b"AA"}, "column carrier: b'AA' is of type bytes; expected category"),
        ({"departs_utc": "2013"}, "column departs_utc: '2013' is of type str; expected timestamp"),
        ({"departs_utc": dt.datetime(2013, 1, 1)}, "column departs_utc: 2013-01-01 00:00:00 has no time zone"),
        ({"departs_utc": dt.date(2013, 1, 1)}, "is of type date; expected timestamp"),
        ({"fare": 19.99}, "column fare: 19.99 is of type float; expected money"),
        ({"carier": "AA"}, "key carier is not a column of contract Flight; did you mean carrier?"),
    ],
)
def test_wrong_types_are_the_caller_s_mistake(regression, changed, told):
    with pytest.raises(errors.ContractError) as raised:
        regression.score_row(ROW | changed)
    assert told in str(raised.value)


def test_missing_keys_are_named_with_the_nearest_one_there(regression):
    row = {key: value for key, value in ROW.items() if key != "carrier"} | {"carier": "AA"}
    with pytest.raises(errors.ContractError, match=r"column missing from the row: carrier \(it has carier\)"):
        regression.score_row(row)
    with pytest.raises(errors.ContractError, match="a list is not a row"):
        regression.score_row([1, 2])


def test_lone_surrogates_are_not_utf8(regression):
    assert regression.score_row(ROW | {"carrier": "\ud800"}).reasons == ("utf8:carrier",)


@pytest.mark.parametrize(
    "instant",
    [
        NOON,
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        dt.datetime(2013, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=0),
        dt.datetime(2013, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=1),
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        pd.Timestamp("2013-01-01 00:00:00.000000999", tz="Europe/Paris"),
        pd.Timestamp("1969-12-31 23:59:59.999999999", tz="UTC"),
    ],
)
def test_a_datetime_is_the_same_instant_in_a_row_and_in_a_table(instant):
    """A bound at the very microsecond tells whether both routes read the same one."""
    in_table = pa.array([instant], pa.timestamp("us", "UTC"))
    micros = in_table.cast(pa.int64())[0].as_py()
    for low, reasons in [(micros, ()), (micros + 1, ("ge:departs_utc",))]:
        columns = [column | {"ge": low} if column["name"] == "departs_utc" else column for column in COLUMNS]
        bounded = engine(model_spec("regression", 1), columns=columns)
        assert bounded.score_row(ROW | {"departs_utc": instant}).reasons == reasons
        table = pa.Table.from_pylist([ROW]).set_column(4, "departs_utc", in_table)
        assert bounded.score_table(table)["reasons"].to_pylist() == [list(reasons)]


def test_constructors_tell_which_part_is_wrong():
    def spec(**changed):
        contract = {"format": 1, "name": "F", "columns": [{"name": "x", "type": "float"}]}
        return json.dumps({"contract": contract, "features": [], "order": [], "model": None, "policy": None} | changed)

    with pytest.raises(errors.ContractError, match="not readable"):
        _core.Engine("{")
    with pytest.raises(errors.ContractError, match="column x: its categories"):
        _core.Engine(spec(contract={"format": 1, "name": "F", "columns": [{"name": "x", "type": "category"}]}))
    with pytest.raises(errors.KernelError, match="null"):
        _core.Engine(spec(), kernel_address=0)
    with pytest.raises(errors.ModelError, match="names none"):
        _core.Engine(spec(), onnx=b"x")
    with pytest.raises(errors.ModelError, match="without a model"):
        engine(None).score_row(ROW)
