"""The flights project as it is installed, and its rows, loaded once for all tests of the demo."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sternpost.demo import example_folder
from sternpost.project import Project, load_project


@pytest.fixture(scope="session")
def project() -> Project:
    """The example, read where it is installed."""
    return load_project(example_folder("flights"))


@pytest.fixture(scope="session")
def flights(project: Project) -> pa.Table:
    """All that the example's load() gives, with the columns that training has no use for."""
    return project.module.module.load()
