"""The fault table of `serve`: one line, the exit code, and nobody listening afterwards."""

from __future__ import annotations

import shutil

import pytest

SOMEWHERE = "--listen 127.0.0.1:0 --http none"
CASES = [
    ("", 2, "Missing argument 'BUNDLE...'"),
    ("lost.sbundle", 50, "lost.sbundle"),
    ("flipped.sbundle", 40, "flipped.sbundle: part "),
    ("cut.sbundle", 40, "cut.sbundle: "),
    ("in.parquet", 40, "not a bundle"),
    ("empty", 2, "no bundle in empty; give a bundle file, or a folder with *.sbundle files"),
    ("b.sbundle same.sbundle", 2, "same.sbundle: a bundle named loans is served already"),
    ("b.sbundle --require-signature", 2, "needs the keys to trust"),
    ("b.sbundle --trusted-key lost.pem", 50, "lost.pem"),
    ("b.sbundle --listen nowhere", 2, "nowhere is not an address"),
    ("b.sbundle --listen example.com:80", 2, "give HOST:PORT with a numeric host"),
    ("b.sbundle --listen unix:", 2, "unix: needs a path"),
    ("b.sbundle --listen unix:lost/s --http none", 2, "cannot listen on unix:lost/s"),
    ("b.sbundle --listen 0.0.0.0:0 --http none", 2, "can be reached from elsewhere and there is no certificate"),
    ("b.sbundle --listen 192.0.2.1:0 --insecure --http none", 2, "this machine has no such address"),
    ("b.sbundle --http unix:s", 2, "metrics are served over TCP"),
    ("b.sbundle --tls-cert c.pem", 2, "give both --tls-cert and --tls-key"),
    ("b.sbundle --tls-key c.pem", 2, "give both --tls-cert and --tls-key"),
    ("b.sbundle --tls-client-ca c.pem", 2, "--tls-client-ca needs --tls-cert and --tls-key"),
    (f"b.sbundle {SOMEWHERE} --tls-cert lost.pem --tls-key lost.pem", 2, "lost.pem"),
    ("b.sbundle --threads 0", 2, "Invalid value for '--threads'"),
    ("b.sbundle --queue-rows 0", 2, "Invalid value for '--queue-rows'"),
    ("b.sbundle --drain -1", 2, "Invalid value for '--drain'"),
    ("b.sbundle --log-form xml", 2, "xml is not a form of log; give text or json"),
    ("b.sbundle --log-level loud", 2, "loud is not a level"),
    ("b.sbundle --thread 1", 2, "No such option: --thread"),
]


@pytest.mark.parametrize(("line", "code", "fragment"), CASES, ids=[line or "nothing" for line, _, _ in CASES])
def test_one_line_and_the_code(work, run, monkeypatch, *, line, code, fragment):
    if "--log-" not in line:
        # It is for the whole process, and this one has other tests.
        monkeypatch.setattr("sternpost._core.log_to_stderr", lambda *_: None)
    whole = bytearray((work / "b.sbundle").read_bytes())
    (work / "cut.sbundle").write_bytes(whole[: len(whole) // 2])
    whole[len(whole) // 2] ^= 1
    (work / "flipped.sbundle").write_bytes(whole)
    (work / "empty").mkdir()
    shutil.copy(work / "b.sbundle", work / "same.sbundle")
    ended = run("serve", *line.split())
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("sternpost: ")
    assert ended.err.count("\n") == 1
    assert fragment in ended.err
