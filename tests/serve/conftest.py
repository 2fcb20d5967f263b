"""A bundle, rows of every sort, and the scores they get in memory: what scored files are compared with."""

from __future__ import annotations

import pytest

from tests.project.loans_project import loans, replaced, sealed_loans
from tests.serve.arrow_files import ROWS


@pytest.fixture(scope="module")
def bundle():
    return sealed_loans()


@pytest.fixture(scope="module")
def rows():
    """Rows with everything in them: nulls, an unseen label, and some that the contract refuses."""
    table = replaced(loans(ROWS, seed=5), "amount", {0: -1.0, 2_000: float("nan"), 5_002: 2e6})
    return replaced(table, "purpose", {17: "boat"})


@pytest.fixture(scope="module")
def expected(bundle, rows):
    return bundle.score(rows)
