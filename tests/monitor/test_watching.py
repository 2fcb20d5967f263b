"""Atoms of a server: snapshots, gauges, alarms and their hook; a clock and counts of our own stand for the server's."""

from __future__ import annotations

import http.server
import json
import math
import re
import shlex
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost._core import Reference, Window, tally
from sternpost.errors import UsageError
from sternpost.monitor.alarms import Budget
from sternpost.monitor.gauges import Told, exposition
from sternpost.monitor.hook import PER_HOUR, WAITING, Hook
from sternpost.monitor.snapshots import snapshots
from sternpost.monitor.watching import SLIDING, Watching, WatchSettings
from sternpost.serve.server import Collected
from tests.server.serving import until

SEED = 11
T0 = 1_772_359_200.0
DIGEST, OTHER = "ab" * 32, "cd" * 32


def rows(count: int, seed: int = SEED, shift: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1, count)
    return pa.table(
        {"x": pa.array(x, mask=random.random(count) < 0.1), "c": random.choice(["a", "b", "c"], count).tolist()}
    )


REFERENCE = Reference.of_table(rows(20_000))


class Served:
    """What a server would hand out: (name, digest, served) -> rows counted since the last time."""

    def __init__(self, settings: WatchSettings) -> None:
        self.now = T0
        self.pages: list[str] = []
        self.said: list[str] = []
        self.counted: dict[tuple[str, str, bool], Window] = {("loans", DIGEST, True): Window(REFERENCE)}
        self.watching = Watching(
            settings, self.collect, self.pages.append, lambda level, text: self.said.append(text), lambda: self.now
        )

    def collect(self):
        found = [Collected(*key, window) for key, window in self.counted.items()]
        self.counted = {key: Window(REFERENCE) for key in self.counted if key[2]}
        return found

    def score(self, table: pa.Table, name: str = "loans", digest: str = DIGEST, served: bool = True) -> None:
        key = (name, digest, served)
        self.counted[key] = self.counted.get(key, Window(REFERENCE)) + tally(REFERENCE, table)[0]

    def minute(self, table: pa.Table | None = None) -> None:
        if table is not None:
            self.score(table)
        self.now += 60
        self.watching.look()

    def metric(self, name: str, labels: str = "") -> float | None:
        found = re.search(rf"^{name}{re.escape(labels)} (.*)$", self.pages[-1], re.MULTILINE)
        return None if found is None else float(found[1])


def test_every_atom_is_a_snapshot_and_nothing_is_lost_or_counted_twice(tmp_path):
    server = Served(WatchSettings(folder=tmp_path, replica="a"))
    parts = [rows(100, seed) for seed in range(4)]
    for part in parts[:3]:
        server.minute(part)
        server.watching.look()
    server.minute()
    server.score(parts[3])
    server.now += 10
    server.watching.close()
    found = snapshots(tmp_path, DIGEST)
    assert len(found) == 4, "a minute without rows leaves no file"
    windows = [one.window(REFERENCE) for one in found]
    spans = [(start / 1e6 - T0, end / 1e6 - T0) for start, end in (window.span for window in windows)]
    assert spans == [(0, 60), (60, 120), (120, 180), (240, 250)]
    whole, once = Window.merge(REFERENCE, windows), tally(REFERENCE, pa.concat_tables(parts))[0]
    assert [whole.counts(c) for c in "xc"] == [once.counts(c) for c in "xc"]
    assert server.metric("sternpost_watch_rows_total", '{bundle="loans"}') == 400


def test_an_atom_may_be_a_number_of_rows(tmp_path):
    server = Served(WatchSettings(rows=250, folder=tmp_path, replica="a"))
    for seed in range(5):
        server.score(rows(100, seed))
        server.now += 1
        server.watching.look()
    assert [one.window(REFERENCE).rows["seen"] for one in snapshots(tmp_path, DIGEST)] == [300]
    server.watching.close()
    assert [one.window(REFERENCE).rows["seen"] for one in snapshots(tmp_path, DIGEST)] == [300, 200]


def test_the_last_rows_of_a_bundle_that_was_replaced_are_its_own(tmp_path):
    server = Served(WatchSettings(folder=tmp_path, replica="a"))
    server.minute(rows(100))
    del server.counted["loans", DIGEST, True]
    server.score(rows(30), served=False)
    server.score(rows(50), digest=OTHER)
    server.minute()
    server.minute()
    seen = {d: [one.window(REFERENCE).rows["seen"] for one in snapshots(tmp_path, d)] for d in (DIGEST, OTHER)}
    assert seen == {DIGEST: [100, 30], OTHER: [50]}
    assert server.metric("sternpost_watch_window_rows", '{bundle="loans"}') == 50
    assert server.metric("sternpost_watch_rows_total", '{bundle="loans"}') == 180


def test_a_disk_that_refuses_costs_nothing_but_time(tmp_path):
    folder = tmp_path / "w"
    server = Served(WatchSettings(folder=folder, replica="a"))
    (folder / ".a.lock").unlink()
    folder.rmdir()
    server.minute(rows(100))
    server.minute(rows(70))
    assert server.metric("sternpost_watch_failures_total") >= 2
    assert sum("failed" in text for text in server.said) == 1, "the log is not filled by a disk"
    folder.mkdir()
    server.minute(rows(30))
    (only,) = snapshots(folder, DIGEST)
    window = only.window(REFERENCE)
    assert (window.rows["seen"], window.span) == (200, (int(T0 * 1e6), int((T0 + 180) * 1e6)))


def test_gauges_are_those_of_a_drift_report_over_the_sliding_window():
    server = Served(WatchSettings())
    server.minute(rows(5_000, 1, shift=3.0))
    for seed in range(SLIDING):
        server.minute(rows(200, seed, shift=0.5))
    server_rows = pa.concat_tables([rows(200, seed, shift=0.5) for seed in range(SLIDING)])
    expected = sp.drift(REFERENCE, server_rows)
    for name in ("x", "c"):
        labels = f'{{bundle="loans",column="{name}",role="input"}}'
        told = {
            key: server.metric(f"sternpost_watch_{key}", labels) for key in ("psi", "psi_debiased", "missing_share")
        }
        column = expected[name]
        assert told == {"psi": column.psi, "psi_debiased": column.psi_debiased, "missing_share": column.missing}
        assert server.metric("sternpost_watch_ks", labels) == (column.ks if name == "x" else None)
        assert server.metric("sternpost_watch_unseen_share", labels) == (None if name == "x" else 0)
    assert server.metric("sternpost_watch_window_rows", '{bundle="loans"}') == SLIDING * 200


def test_hostile_names_are_one_label_each():
    name = 'a"} 1\nsternpost_ready 0 \\'
    table = pa.table({name: [1.0, 2.0, 3.0]})
    reference = Reference.of_table(table)
    from sternpost.monitor.counting import Cells

    cells = [Cells.of(column) for column in reference.columns]
    broken = {("input", name, "null"): 2}
    page = exposition({name: Told(cells, tally(reference, table)[0], broken=broken)}, [])
    line = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\[\\"n])*",?)*\})? \S+|# (HELP|TYPE) .*')
    assert all(line.fullmatch(text) for text in page.splitlines())
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert (
        f'sternpost_watch_rules_broken_total{{bundle="{quoted}",column="{quoted}",role="input",rule="null"}} 2' in page
    )


def listening(tmp_path, exit_code: int = 0):
    """A command that appends what it is given to a file, and that file."""
    script = tmp_path / "hook.py"
    script.write_text(
        f"import sys\nopen({str(tmp_path / 'told')!r}, 'a').write(sys.stdin.read() + '\\n')\nsys.exit({exit_code})\n"
    )
    return shlex.join([sys.executable, str(script)]), tmp_path / "told"


def test_a_shift_is_told_once_over_a_restart_and_again_after_the_cool_down(tmp_path):
    command, told = listening(tmp_path)
    settings = WatchSettings(folder=tmp_path / "w", replica="a", hook=command, budget=Budget(windows_per_alarm=1000))
    server = Served(settings)
    for seed in range(5):
        server.minute(rows(500, seed))
    assert server.metric("sternpost_alarm", '{bundle="loans"}') == 0
    server.minute(rows(500, 77, shift=1.0))
    server.watching.close()
    first = [json.loads(line) for line in told.read_text().splitlines()]
    assert [alarm["kind"] for alarm in first] == ["shift"]
    assert first[0]["bundle"] == "loans"
    assert first[0]["digest"] == DIGEST
    assert first[0]["replica"] == "a"
    assert first[0]["window"] == {"start_us": int((T0 + 300) * 1e6), "end_us": int((T0 + 360) * 1e6), "rows": 500}
    assert first[0]["culprits"][0]["column"] == "x"
    assert first[0]["culprits"][0]["since"] == 5
    assert "x" in first[0]["named"]
    assert sum("alarm: {" in text for text in server.said) == 1
    assert server.metric("sternpost_alarm", '{bundle="loans"}') == 1
    assert server.metric("sternpost_alarms_total", '{bundle="loans",kind="shift"}') == 1
    again = Served(settings)
    for seed in range(40):
        again.minute(rows(500, seed, shift=1.0))
    assert again.metric("sternpost_alarm", '{bundle="loans"}') == 1, "the cool-down goes on over the restart"
    assert again.metric("sternpost_alarms_total", '{bundle="loans",kind="shift"}') == 0
    for seed in range(40):
        again.minute(rows(500, seed, shift=1.0))
    again.watching.close()
    assert len(told.read_text().splitlines()) == 2


def test_another_budget_begins_anew_and_says_so(tmp_path):
    for budget, told in ((100.0, 0), (100.0, 0), (200.0, 1)):
        server = Served(WatchSettings(folder=tmp_path, replica="a", budget=Budget(windows_per_alarm=budget)))
        server.minute(rows(500))
        server.watching.close()
        assert sum("begin anew" in text for text in server.said) == told
    (state,) = tmp_path.glob("*.alarm.arrow")
    state.write_bytes(b"no state")
    server = Served(WatchSettings(folder=tmp_path, replica="a"))
    server.minute(rows(500))
    server.watching.close()
    assert any("cannot be read" in text for text in server.said)


def test_a_hook_that_fails_hangs_or_floods_is_bounded_and_counted(tmp_path):
    said: list[str] = []
    log = lambda level, text: said.append(text)  # noqa: E731
    command, _ = listening(tmp_path, exit_code=3)
    for target, why in (
        (command, "ended with 3"),
        (shlex.join([sys.executable, "-c", "import time; time.sleep(60)"]), "ended after 0.5 s"),
        ("/no/such/command", "No such file"),
        ("http://127.0.0.1:9/", "refused"),
    ):
        hook = Hook(target, log, patience_s=0.5 if "sleep" in target else 10.0)
        hook.tell({"kind": "shift"})
        until(lambda hook=hook: hook.failures == 1)
        hook.close()
        assert why in said[-1], said
    hook = Hook(command, log)
    hook._begun.extend([math.inf] * PER_HOUR)
    hook.tell({})
    until(lambda: hook.failures == 1)
    assert hook.calls == 0
    hook.close()
    for _ in range(WAITING + 1):
        hook.tell({})
    assert hook.failures == 2
    assert "wait already" in said[-1]
    with pytest.raises(UsageError, match="is no command"):
        Hook("say 'it", log)
    with pytest.raises(UsageError, match="is empty"):
        Hook(" ", log)


def test_data_never_becomes_a_word_of_the_command(tmp_path):
    command, told = listening(tmp_path)
    hook = Hook(command, lambda level, text: None)
    alarm = {"culprits": [{"column": f'$(touch {tmp_path}/x); `id` "\n'}]}
    hook.tell(alarm)
    hook.close()
    assert json.loads(told.read_text()) == alarm
    assert not (tmp_path / "x").exists()


def test_a_web_address_gets_the_alarm_posted():
    got = []

    class Door(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(204 if len(got) == 1 else 500)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        said: list[str] = []
        hook = Hook(f"http://127.0.0.1:{door.server_port}/", lambda level, text: said.append(text))
        hook.tell({"kind": "contract"})
        hook.tell({"kind": "shift"})
        hook.close()
        door.shutdown()
    assert got == [("application/json", {"kind": "contract"}), ("application/json", {"kind": "shift"})]
    assert (hook.calls, hook.failures) == (2, 1)
    assert "it answered 500" in said[0]
