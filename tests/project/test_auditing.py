"""A project is audited on its own, and before it is trained; a waiver lets it pass; the holdout may be the end."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from sternpost.errors import LeakFound, UsageError
from sternpost.project import audit_project, load_project, train
from sternpost.project.settings import SplitSection
from sternpost.project.split import split_rows
from tests.project.loans_project import MODULE, TOML, write_project
from tests.project.test_split import known, moments

LATE = MODULE.replace("class Loan(sp.Contract):", 'class Loan(sp.Contract, known_at="decision"):').replace(
    'term: int = sp.column(unit="month", ', 'term: int = sp.column(unit="month", known_at="outcome", '
)
WAIVER = """
[[audit.waivers]]
check = "known_at"
column = "term"
owner = "credit@example.com"
evidence = "the term of the application, copied before it is changed"
expires = 2999-01-01
"""


def test_an_undeclared_project_is_warned_and_trains(tmp_path):
    project = load_project(write_project(tmp_path / "p"))
    report = audit_project(project)
    assert not report.blocked
    assert "undeclared" in {f.check for f in report.having("WARN")}
    assert train(project).audit.findings == report.findings


def test_a_late_column_refuses_training_until_it_is_waived(tmp_path):
    with pytest.raises(
        LeakFound, match=r"known_at: term is known with the outcome, and goes into term.*audit\.waivers"
    ) as e:
        train(load_project(write_project(tmp_path / "p", module=LATE)))
    assert e.value.exit_code == 20
    assert e.value.report.blocked
    result = train(load_project(write_project(tmp_path / "q", module=LATE, toml=TOML + WAIVER)))
    [waived] = [f for f in result.audit.findings if f.waiver is not None]
    assert waived.columns == ("term",)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('check = "known_at"\nowner = "x"\nevidence = "y"', r"expires is missing"),
        (
            'check = "known"\nowner = "x"\nevidence = "y"\nexpires = 2030-01-01',
            "no check has that name; known: known_at",
        ),
        ('chek = "known_at"\nowner = "x"\nevidence = "y"\nexpires = 2030-01-01', "did you mean check"),
    ],
)
def test_a_waiver_that_says_too_little_is_refused(tmp_path, wrong, words):
    with pytest.raises(UsageError, match=words):
        load_project(write_project(tmp_path / "p", toml=f"{TOML}\n[[audit.waivers]]\n{wrong}\n"))


def test_the_entity_is_read_beside_the_contract(tmp_path):
    report = audit_project(load_project(write_project(tmp_path / "p", toml=TOML + '\n[audit]\nentity = "loan_id"\n')))
    assert "entity_overlap" not in {f.check for f in report.findings}


def test_the_end_is_held_out_and_training_ends_a_horizon_before():
    table = moments("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    settings = SplitSection(time="at", holdout_from=dt.datetime(2024, 1, 4, tzinfo=dt.UTC))
    split = split_rows(table, known(table), settings)
    assert (split.training.tolist(), split.holdout.tolist()) == ([0, 1, 2], [3, 4])
    day = 86_400_000_000
    assert split_rows(table, known(table), settings, horizon_us=day).training.tolist() == [0, 1, 2]
    assert split_rows(table, known(table), settings, horizon_us=day + 1).training.tolist() == [0, 1]
    with pytest.raises(UsageError, match="leaves no row for the training"):
        split_rows(table, known(table), settings, horizon_us=4 * day)
    with pytest.raises(ValueError, match="remove one of them"):
        SplitSection(time="at", holdout_from=dt.datetime(2024, 1, 4, tzinfo=dt.UTC), holdout_every_days=3)


def test_a_quantity_is_audited_above_and_below_its_median(tmp_path):
    from sternpost.project.auditing import _outcome

    values = pa.chunked_array([[1.5, 2.5, None, 3.5, 4.5]])
    assert _outcome("x", values, np.array([True, True, False, True, True])).tolist() == [0, 0, -1, 1, 1]
