"""The verbs in this process, on a folder of files that is written for them."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from sternpost.cli import main


@pytest.fixture
def run_verb(tmp_path, capfd):
    """What `sternpost measure` prints for two tables as of a moment."""

    def run(made, told, as_of, *more) -> str:
        pq.write_table(made, tmp_path / "decisions.parquet")
        pq.write_table(told, tmp_path / "outcomes.parquet")
        capfd.readouterr()
        options = ["--horizon", "365d", "--grace", "30d", "--absence", "negative_at_maturity", "--by", "vintage"]
        options += ["--period", "month", "--as-of", as_of.isoformat()]
        assert main(["measure", str(tmp_path), *options, *more]) == 0
        return capfd.readouterr().out

    return run
