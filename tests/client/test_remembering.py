"""What the fallback answered is kept on the spot, and shipped once however often it is shipped."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sternpost as sp
from sternpost.errors import UsageError
from sternpost.outcomes.journal import Journal
from sternpost.outcomes.shipping import ship
from tests.client.conftest import loan
from tests.server.remembered import exact, inputs_of
from tests.server.serving import until

SEED = int(os.environ.get("STERNPOST_SEED", str(random.SystemRandom().randrange(2**32))))
#: Every kind of oddity that the client takes: unlisted labels, bounds broken, nulls.
ROWS = [
    loan(),
    loan(amount=-5.0),
    loan(amount=float("nan")),
    loan(income=float("inf")),
    loan(purpose="never seen"),
    loan(term=2**62),
    loan(purpose=None),
    loan(applied_at=None),
]


def _kept(folder: Path) -> list[dict]:
    (own,) = folder.iterdir()
    return Journal(own).decisions().to_pylist()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "kept"


def test_what_the_fallback_answered_is_kept_as_received(nobody, bundle, folder):
    before = dt.datetime.now(dt.UTC)
    with sp.Client(nobody, fallback=bundle, journal=folder) as client:
        given = [client.score(row, entity=f"e{n}", stake="decide") for n, row in enumerate(ROWS)]
        assert client.stats()["journal"] == {"kept": len(ROWS), "lost": 0}
    rows = _kept(folder)
    assert len(rows) == len(ROWS)
    for n, (row, decision, sent) in enumerate(zip(rows, given, ROWS, strict=True)):
        assert row["prediction_id"] == decision.prediction_id is not None
        assert (row["source"], row["entity"], row["stake"]) == (decision.source, f"e{n}", "decide")
        assert exact(row["score"]) == exact(decision.score) == exact(bundle.score(row["inputs"]).score)
        assert (row["action"], tuple(row["reasons"])) == (decision.action, decision.reasons)
        assert inputs_of(row["inputs"]) == inputs_of(sent)
        assert (row["bundle"], row["digest"]) == (bundle.name, bundle.digest)
        assert before - dt.timedelta(milliseconds=1) <= row["at"] <= dt.datetime.now(dt.UTC)
        assert row["latency_ns"] > 0
    assert "fallback" in {row["source"] for row in rows}


def test_what_a_server_answered_is_not_kept_here(server, bundle, folder):
    with sp.Client(server.address, fallback=bundle, journal=folder) as client:
        for row in ROWS[:3]:
            assert client.score(row).prediction_id
        assert client.stats()["journal"] == {"kept": 0, "lost": 0}
    assert not folder.exists()


def test_a_constant_is_kept_as_a_rule(nobody, folder):
    with sp.Client(nobody, fallback={"score": 0.5, "action": "ask"}, journal=folder) as client:
        decision = client.score(loan(), id="order-1")
    assert decision.prediction_id == "order-1"
    (row,) = _kept(folder)
    assert (row["prediction_id"], row["source"], row["score"], row["action"]) == ("order-1", "rule", 0.5, "ask")


def test_a_journal_that_cannot_be_written_costs_no_answer(nobody, bundle, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with sp.Client(nobody, fallback=bundle, journal=blocked) as client:
        assert client.score(loan()).score == bundle.score(loan()).score
        assert client.stats()["journal"] == {"kept": 0, "lost": 1}


def test_processes_write_journals_of_their_own(nobody, bundle, folder):
    with sp.Client(nobody, fallback=bundle, journal=folder) as client:
        client.score(loan())
        child = os.fork()
        if child == 0:
            client.score(loan())
            client.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        client.score(loan())
    assert sorted(Journal(own).decisions().num_rows for own in folder.iterdir()) == [1, 2]


def test_shipping_again_changes_nothing(nobody, bundle, folder, tmp_path):
    for _ in range(2):
        with sp.Client(nobody, fallback=bundle, journal=folder) as client:
            names = [client.score(row).prediction_id for row in ROWS]
    with sp.Client(nobody, fallback={"score": 0.5}, journal=folder) as client:
        client.score(loan(), id="ruled")
    into = tmp_path / "all"
    first, second = ship(folder, into), ship(folder, into)
    count = 2 * len(ROWS) + 1
    assert (first.journals, first.decisions, first.new) == (3, count, count)
    assert (second.decisions, second.new) == (count, 0)
    kept = Journal(into).decisions()
    assert kept.num_rows == count == len(set(kept.column("prediction_id").to_pylist()))
    assert {*names, "ruled"} <= set(kept.column("prediction_id").to_pylist())
    with pytest.raises(UsageError, match="into itself"):
        ship(into, into)
    with pytest.raises(UsageError, match="holds no journal"):
        ship(tmp_path / "absent", into)


def _segments(folder: Path) -> int:
    return len(list(folder.glob("*.segment")))


_SHIP = "import sys; from sternpost.outcomes.shipping import ship; ship(*sys.argv[1:])"


def test_killed_while_shipping_and_repeated_nothing_is_lost_or_doubled(nobody, bundle, folder, tmp_path):
    print(f"STERNPOST_SEED={SEED}")
    chance, names = random.Random(SEED), set()
    for _ in range(12):
        with sp.Client(nobody, fallback=bundle, journal=folder) as client:
            names |= {client.score(row).prediction_id for row in ROWS}
    into = tmp_path / "all"
    for _ in range(6):
        before, more = _segments(into), chance.randint(1, 6)
        with subprocess.Popen([sys.executable, "-c", _SHIP, folder, into]) as shipping:
            # A segment for each journal that was read: the kill falls between two, or into one.
            until(lambda: shipping.poll() is not None or _segments(into) >= before + more)  # noqa: B023
            shipping.send_signal(signal.SIGKILL)
    ship(folder, into)
    kept = Journal(into).decisions().column("prediction_id").to_pylist()
    assert len(kept) == len(set(kept))
    assert set(kept) == names
