"""A small, complete project over synthetic loans, written into a folder: what the tests of projects, verbs and batch
scoring train on."""

from __future__ import annotations

import datetime as dt
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import sternpost as sp
from sternpost.project import load_project, train

ROWS = 1_200

TOML = """\
[project]
name = "loans"
owner = "credit@example.com"
decision = "A loan that will probably not be paid back is looked at by a person."
module = "loans"

[split]
time = "applied_at"

[gates]
min_auc = 0.6

[policy]
bands = [{below = 0.5, action = "grant"}, {action = "look"}]
refused = "review"
"""

MODULE = '''\
from pathlib import Path

import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier

import sternpost as sp

target = "unpaid"


class Loan(sp.Contract):
    amount: float = sp.column(unit="EUR", gt=0, le=1e6)
    income: float | None = sp.column(unit="EUR/month", ge=0)
    term: int = sp.column(unit="month", ge=1, le=120)
    purpose: sp.Category
    applied_at: sp.Timestamp


@sp.feature(unit="month")
def burden(amount: float, income: float) -> float:
    """Months of income that the loan is worth."""
    return amount / income if income > 0 else 99.0


@sp.feature
def applied_hour(applied_at: sp.Timestamp) -> int:
    return sp.hour(applied_at)


contract = Loan
features = sp.FeatureSet(Loan, [burden, applied_hour, "amount", "income", "term", "purpose"])


def load():
    return pq.read_table(Path(__file__).parent / "loans.parquet")


def fit(X, y, names):
    return HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
'''


def loans(rows: int = ROWS, seed: int = 0) -> pa.Table:
    """Rows that keep the contract, with an id that no contract knows, and the target."""
    random = np.random.default_rng(seed)
    amount = np.round(random.uniform(500, 50_000, rows), 2)
    income = np.round(random.uniform(500, 8_000, rows), 2)
    term = random.integers(6, 96, rows)
    purpose = random.choice(["car", "house", "travel", "other"], rows)
    chance = 1 / (1 + np.exp(-(amount / income - 8) / 2 - (purpose == "travel")))
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    applied = [start + dt.timedelta(minutes=int(m)) for m in np.sort(random.integers(0, 40 * 24 * 60, rows))]
    return pa.table(
        {
            "loan_id": pa.array(np.arange(rows, dtype=np.int64)),
            "amount": amount,
            "income": pa.array(income, mask=random.random(rows) < 0.05),
            "term": pa.array(term, pa.int64()),
            "purpose": pa.array(purpose.tolist(), pa.string()),
            "applied_at": pa.array(applied, pa.timestamp("us", tz="UTC")),
            "unpaid": pa.array((random.random(rows) < chance).astype(np.int8)),
        }
    )


def replaced(table: pa.Table, column: str, values: dict[int, object]) -> pa.Table:
    """The table with other values at some rows of one column."""
    listed = table[column].to_pylist()
    for row, value in values.items():
        listed[row] = value
    place = table.column_names.index(column)
    return table.set_column(place, column, pa.array(listed, table.schema.field(column).type))


def write_project(folder: Path, *, toml: str = TOML, module: str = MODULE, table: pa.Table | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sternpost.toml").write_text(toml)
    (folder / "loans.py").write_text(module)
    pq.write_table(loans() if table is None else table, folder / "loans.parquet")
    return folder


@cache
def sealed_loans() -> sp.Bundle:
    """The bundle of this project, trained once per process."""
    with tempfile.TemporaryDirectory() as folder:
        return train(load_project(write_project(Path(folder) / "loans"))).bundle
