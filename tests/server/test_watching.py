"""What a server counts is what was scored, bit for bit: by every way, over threads, over a reload, after a kill."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import sternpost as sp
from sternpost._core import Window, tally
from sternpost.bundle.reference import outputs_of
from sternpost.monitor.snapshots import snapshots
from tests.routes import loans
from tests.server import stubs
from tests.server.operating import described
from tests.server.packing import infer_request, requests
from tests.server.serving import PATIENCE_S, get, serving, until

ROWS = loans.real_rows(240, 20_261_123)


def recounted(bundle: sp.Bundle, rows: list[dict]) -> dict[tuple[str, str], list[int]]:
    """The counts of rows that keep the contract, made from their tables by the counting of tables."""
    table = loans.table(rows)
    scored = outputs_of(bundle.score(table), bundle.model)
    parts = {"input": table.select(bundle.contract.names), "feature": bundle.frame(table), "output": scored}
    windows = {role: tally(bundle.reference, part, role)[0] for role, part in parts.items()}
    return {(c.name, c.role): windows[c.role].counts(c.name, c.role) for c in bundle.reference.columns}


def counts(window: Window) -> dict[tuple[str, str], list[int]]:
    return {(c.name, c.role): window.counts(c.name, c.role) for c in window.reference.columns}


def everything(server, digest: str) -> Window:
    """What a server in this process counted of a bundle."""
    found = [one.window for one in server.collect() if one.digest == digest]
    return Window.merge(found[0].reference, found)


def scored_by_rows(address: str, rows: list[dict]) -> None:
    with stubs.connect(address) as client:
        asked = requests(described(client), rows)
        for request in asked[: len(asked) // 2]:
            client.scoring.Score(request, timeout=PATIENCE_S)
        list(client.scoring.ScoreStream(iter(asked[len(asked) // 2 :]), timeout=PATIENCE_S))


def test_every_way_counts_what_it_scored(loans_bundle):
    with serving(loans_bundle, threads=2, batch_threads=2) as server:
        assert everything(server, loans_bundle.digest).rows["seen"] == 0, "golden rows are not counted"
        callers = [
            threading.Thread(target=scored_by_rows, args=(server.addresses[0], ROWS[at : at + 40]))
            for at in range(0, 160, 40)
        ]
        for caller in callers:
            caller.start()
        parts = []
        while any(caller.is_alive() for caller in callers):
            parts.append(everything(server, loans_bundle.digest))
        for caller in callers:
            caller.join()
        with sp.Client(server.addresses[0]) as client:
            client.score(loans.table(ROWS[160:200]))
        with stubs.connect(server.addresses[0]) as client:
            client.inference.ModelInfer(infer_request(loans_bundle.name, ROWS[200:]), timeout=PATIENCE_S)
        until(
            lambda: parts.append(everything(server, loans_bundle.digest)) or sum(p.rows["seen"] for p in parts) >= 240
        )
    window = Window.merge(loans_bundle.reference, parts)
    assert window.rows == {"seen": 240, "refused": 0, "scored": 240, "dropped": 0}
    assert counts(window) == recounted(loans_bundle, ROWS)


def test_refused_rows_are_counted_with_their_rules(loans_bundle):
    with serving(loans_bundle) as server:
        scored_by_rows(server.addresses[0], [*ROWS[:10], *({**ROWS[0], "amount": -1} for _ in range(6))])
        window = everything(server, loans_bundle.digest)
    assert window.rows == {"seen": 16, "refused": 6, "scored": 10, "dropped": 0}
    assert window.broken == {("input", "amount", "ge"): 6}


def test_a_replaced_bundle_keeps_its_last_rows(loans_bundle, newer_file):
    newer = sp.open_bundle(newer_file)
    with serving(loans_bundle) as server:
        scored_by_rows(server.addresses[0], ROWS[:30])
        server.serve(newer)
        scored_by_rows(server.addresses[0], ROWS[30:70])
        found = server.collect()
        until(lambda: [one.digest for one in server.collect()] == [newer.digest])
    seen = Counter()
    for one in found:
        seen[one.digest] += one.window.rows["seen"]
    assert seen == {loans_bundle.digest: 30, newer.digest: 40}
    windows = {one.digest: one.window for one in found}
    assert counts(windows[newer.digest]) == recounted(newer, ROWS[30:70])


def test_nobody_counts_where_monitoring_is_off(loans_bundle):
    with serving(loans_bundle, monitor=False) as server:
        scored_by_rows(server.addresses[0], ROWS[:10])
        assert server.collect() == []


def rows_in(folder: Path, bundle: sp.Bundle) -> int:
    return sum(one.window(bundle.reference).rows["seen"] for one in snapshots(folder, bundle.digest))


def test_a_served_bundle_leaves_snapshots_gauges_and_an_alarm(command, bundle_file, loans_bundle, tmp_path):
    script = tmp_path / "hook.py"
    script.write_text(f"import sys; open({str(tmp_path / 'told')!r}, 'a').write(sys.stdin.read() + '\\n')\n")
    hook = shlex.join([sys.executable, str(script)])
    folder = tmp_path / "w"
    options = ("--window", "66rows", "--windows", folder, "--replica", "one", "--on-alarm", hook)
    server = command(*options, "--log-form", "json", bundle_file)
    scored_by_rows(server.address, [*ROWS[:60], *({**ROWS[0], "amount": -1} for _ in range(6))])
    until(lambda: rows_in(folder, loans_bundle) == 66)
    until((tmp_path / "told").exists)
    of = f'bundle="{loans_bundle.name}"'
    page = until(lambda: (found := metrics(server.http)).get("sternpost_watch_rows_total", {}).get(of) and found)
    assert page["sternpost_watch_rows_total"] == {of: 66}
    assert page["sternpost_watch_rows_refused_total"] == {of: 6}
    assert page["sternpost_watch_rules_broken_total"] == {f'{of},column="amount",role="input",rule="ge"': 6}
    assert page["sternpost_alarm"] == {of: 1}
    gauges = page["sternpost_watch_psi_debiased"]
    columns = [c for c in loans_bundle.reference.columns if c.kind != "presence"]
    assert set(gauges) == {f'{of},column="{c.name}",role="{c.role}"' for c in columns}
    alarm = json.loads(until(lambda: (tmp_path / "told").read_text()).splitlines()[0])
    assert (alarm["bundle"], alarm["replica"]) == (loans_bundle.name, "one")
    assert {"contract"} <= {json.loads(line)["kind"] for line in (tmp_path / "told").read_text().splitlines()}
    scored_by_rows(server.address, ROWS[60:80])
    assert server.end() == 0
    assert rows_in(folder, loans_bundle) == 86, "the last part of an atom is kept at the end"
    lines = [json.loads(line) for line in server.said().splitlines()]
    assert any("alarm: {" in line["fields"]["message"] for line in lines)


def metrics(address: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for line in get(address, "metrics")[1].splitlines():
        if (parts := re.fullmatch(r"([a-z0-9_]+)\{(.*)\} (\S+)", line)) is not None:
            found.setdefault(parts[1], {})[parts[2]] = float(parts[3])
    return found


def test_two_replicas_and_a_kill(command, bundle_file, loans_bundle, tmp_path):
    folder = tmp_path / "w"
    first = command("--window", "60rows", "--windows", folder, "--replica", "a", bundle_file)
    second = command("--window", "60rows", "--windows", folder, "--replica", "b", bundle_file)
    scored_by_rows(first.address, ROWS[:60])
    until(lambda: rows_in(folder, loans_bundle) == 60)
    scored_by_rows(first.address, ROWS[60:80])
    scored_by_rows(second.address, ROWS[80:240])
    until(lambda: rows_in(folder, loans_bundle) >= 120)
    first.signal(signal.SIGKILL)
    first.ended()
    assert second.end() == 0
    found = [one.window(loans_bundle.reference) for one in snapshots(folder, loans_bundle.digest)]
    whole = Window.merge(loans_bundle.reference, found)
    assert whole.to_bytes() == Window.merge(loans_bundle.reference, found[::-1]).to_bytes()
    assert whole.replicas == ["a", "b"]
    assert counts(whole) == recounted(loans_bundle, [*ROWS[:60], *ROWS[80:240]]), "only the atom of the killed is lost"
    again = command("--windows", folder, "--replica", "a", bundle_file)
    assert again.end() == 0


def test_options_that_make_no_sense_are_told(bundle_file, tmp_path, capfd):
    from sternpost.cli import main

    for options, why in (
        (("--window", "soon"), "--window: 'soon' is no length of time"),
        (("--keep-windows", "0d"), "--keep-windows: '0d' is no time at all"),
        (("--no-monitor", "--windows", tmp_path), "--windows needs what --no-monitor turns off"),
        (("--windows", tmp_path, "--replica", "a/b"), "a name has 1 to 64"),
        (("--on-alarm", "say 'it"), "is no command"),
        (("--alarm-budget", "0"), "windows_per_alarm"),
    ):
        listen = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
        assert main(["serve", *map(str, options), *listen, str(bundle_file)]) == 2
        assert why in capfd.readouterr().err
