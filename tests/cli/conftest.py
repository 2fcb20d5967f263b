"""A folder with a project, its bundle and rows to score, for every test of its own; and the command in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sternpost.cli import main
from tests.project.loans_project import loans, sealed_loans, write_project


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    write_project(tmp_path / "loans")
    sealed_loans().save(tmp_path / "b.sbundle")
    pq.write_table(loans(500, seed=9), tmp_path / "in.parquet", row_group_size=100)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Ended:
    """How a command ended: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capfd):
    """`run("score", ...)` in this process; quick, and everything but signals and start-up is as in a new one."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = main([str(a) for a in arguments])
        return Ended(code, *capfd.readouterr())

    return run
