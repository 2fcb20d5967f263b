"""Two bundles of one project, rows of every sort, and servers that do as they are told."""

from __future__ import annotations

import datetime as dt

import pytest

import sternpost as sp
from tests.client.fake_server import FakeServer, serving
from tests.project.loans_project import sealed_loans

AT = dt.datetime(2024, 5, 1, 12, 30, tzinfo=dt.UTC)


def loan(**changed: object) -> dict[str, object]:
    return {"amount": 1234.5, "income": 2500.0, "term": 24, "purpose": "car", "applied_at": AT} | changed


@pytest.fixture(scope="session")
def bundle() -> sp.Bundle:
    return sealed_loans()


@pytest.fixture
def server(bundle):
    with serving(bundle) as server:
        yield server


@pytest.fixture(params=["stream", "unary"])
def client(request, server: FakeServer):
    with sp.Client(server.address, transport=request.param) as client:
        yield client


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return "127.0.0.1:9"
