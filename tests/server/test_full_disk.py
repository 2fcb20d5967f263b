"""Nothing more can be written: the log is lost, and everything else goes on."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.routes import loans
from tests.routes.replies import of_decision, of_reply
from tests.server import stubs
from tests.server.frames import Raw
from tests.server.operating import described, digest, index
from tests.server.packing import requests
from tests.server.serving import PATIENCE_S, Command, get, until

ROWS = loans.real_rows(20, 20260816)
#: Bytes that a file may grow to.
SMALL = 300


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


@contextlib.contextmanager
def serving(how: str, arguments: list[object], log: Path):
    """A command whose log goes where nothing more fits."""
    if how == "full":
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        command = Command(arguments, Path("/dev/full"))
    elif how == "limited":
        command = Command(arguments, log, preexec_fn=limited)
    else:
        os.mkfifo(log)
        read = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        command = Command(arguments, log)
        os.close(read)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
        command.process.communicate()


@pytest.mark.parametrize("how", ["full", "limited", "nobody reads it"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_scoring_goes_on_when_the_log_cannot_be_written(two, folder, tmp_path, how, form):
    arguments = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--no-watch", "--connections", "2"]
    with serving(how, [*arguments, "--log-form", form, folder], tmp_path / "log") as server:
        with stubs.connect(server.address) as client:
            description = described(client)
            sent = requests(description, ROWS)
            # Each of these is worth a line: connections turned away, and a bundle that is not taken over.
            with Raw(server.address):
                for _ in range(20):
                    with Raw(server.address) as one_too_many:
                        one_too_many.closed()
            two.damage()
            for _ in range(5):
                server.signal(signal.SIGHUP)
            until(lambda: index(client)[0][3])
            replies = [client.scoring.Score(request, timeout=PATIENCE_S) for request in sent]
            assert [of_reply(reply) for reply in replies] == [of_decision(two.old.score(row)) for row in ROWS]
            assert get(server.http, "readyz")[0] == 200
            page = get(server.http, "metrics")[1]
            assert "sternpost_bundle_trouble{" in page
            lost = re.search(r"^sternpost_log_lines_lost_total (\d+)$", page, re.MULTILINE)
            assert lost, page
            assert int(lost[1]) >= 10, "what is lost is counted; the first lines may have found room"
            two.renew()
            server.signal(signal.SIGHUP)
            until(lambda: digest(client) == two.new.digest)
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    if how == "limited":
        assert (tmp_path / "log").stat().st_size <= SMALL, "the limit was one"


def test_a_ready_line_that_cannot_be_written_ends_the_command(bundle_file, tmp_path):
    """Whoever waits for it would wait for ever."""
    log = tmp_path / "log"
    with Path("/dev/full").open("wb") as full, log.open("wb") as err:
        arguments = ["--listen", "127.0.0.1:0", "--http", "none", str(bundle_file)]
        ended = subprocess.run(
            [sys.executable, "-m", "sternpost.cli", "serve", *arguments], stdout=full, stderr=err, timeout=PATIENCE_S
        )
    assert ended.returncode != 0
    assert "Traceback" not in log.read_text()
