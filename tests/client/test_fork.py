"""A child of a caller's process. The callers run in processes of their own, which hold no grpcio: its threads
and its own handlers do not survive a fork in every state.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.client.conftest import loan

CALLER = """
import json, os, sys
import sternpost as sp

address, path, row = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
told = []
with sp.Client(address, fallback=sp.open_bundle(path), parity_share=1.0, deadline_s=5.0) as client:
    told.append(client.score(row).score)
    for _ in range(3):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                decision = client.score(row)
                answer = [decision.source, decision.score, client.stats()["parity"]]
            except BaseException as error:
                answer = repr(error)
            os.write(write, json.dumps(answer).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            told.append(json.loads(pipe.read() or '"nothing was told"'))
        told.append(os.waitpid(child, 0)[1])
    told.append(client.score(row).score)
    told.append(client.stats()["errors"])
print(json.dumps(told))
"""


@pytest.fixture
def served(bundle, tmp_path):
    """Address and bundle file of a server in a process of its own."""
    path = tmp_path / "loans.sbundle"
    bundle.save(path)
    command = [sys.executable, "-m", "sternpost.cli", "serve", str(path), "--listen", "127.0.0.1:0", "--http", "none"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        (address,) = json.loads(process.stdout.readline())["listen"]
        yield address, path
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_child_connects_anew_and_leaves_the_parents_alone(served, bundle):
    address, path = served
    row = json.dumps(loan(), default=lambda moment: int(moment.timestamp() * 1e6))
    done = subprocess.run(
        [sys.executable, "-c", CALLER, address, str(path), row], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = bundle.score(loan()).score
    child = ["model", expected, {"compared": 1, "different": 0}]
    assert json.loads(done.stdout) == [expected, child, 0, child, 0, child, 0, expected, 0]
