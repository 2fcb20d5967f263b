"""Provenance: what it says, that it comes back, and that it gives nobody away."""

import dataclasses
import getpass
import json
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sternpost.bundle.canonical import canonical_json
from sternpost.bundle.data_digest import data_digest
from sternpost.bundle.provenance import Provenance, code_digest, collect, library_versions
from sternpost.errors import BundleCorrupt

TABLE = pa.table({"x": [1.0, None], "s": ["a", "b"]})
SOURCES = {"flights.features": "def f(x): return x\n", "flights.contract": "class Flight: ...\n"}


@pytest.fixture
def provenance():
    return collect("late", "operations", reference=TABLE, sources=SOURCES, libraries=["numpy", "pyarrow", "no-such"])


def test_collect(provenance):
    assert provenance.name == "late"
    assert provenance.owner == "operations"
    assert provenance.data_digest == data_digest(TABLE)
    assert provenance.data_rows == 2
    assert provenance.code_digest == code_digest(SOURCES)
    assert provenance.libraries == {"numpy": library_versions(["numpy"])["numpy"], "pyarrow": pa.__version__}
    assert provenance.python.split(".")[:2] == [str(n) for n in sys.version_info[:2]]
    assert provenance.machine.endswith(f"-{sys.platform}")


def test_round_trip_and_determinism(provenance):
    data = provenance.to_json()
    assert Provenance.from_json(data) == provenance
    assert Provenance.from_json(data).to_json() == data
    again = collect(
        "late", "operations", reference=TABLE, sources=dict(reversed(SOURCES.items())), libraries=["pyarrow", "numpy"]
    )
    assert again.to_json() == data
    mixed = dataclasses.replace(provenance, libraries=dict(reversed(provenance.libraries.items())))
    assert mixed.to_json() == data


def test_holds_no_path_host_or_user(provenance):
    text = provenance.to_json().decode()
    assert "/" not in text
    values = [str(value) for value in json.loads(text).values()]
    for secret in (socket.gethostname(), getpass.getuser(), str(Path.home()), str(Path.cwd())):
        assert secret not in values
        assert len(secret) < 5 or secret not in text


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"name": 1},
        {"data_rows": -1},
        {"data_rows": True},
        {"data_rows": 1.0},
        {"libraries": []},
        {"libraries": {"numpy": 1}},
        {"machine": None},
    ],
)
def test_refuses_what_it_would_not_write(provenance, change):
    fields = json.loads(provenance.to_json())
    with pytest.raises(BundleCorrupt, match=r"provenance\.json"):
        Provenance.from_json(canonical_json(fields | change))
    missing = {key: value for key, value in fields.items() if key != next(iter(change))}
    if missing != fields:
        with pytest.raises(BundleCorrupt, match="missing"):
            Provenance.from_json(canonical_json(missing))


def test_code_digest():
    digest = code_digest(SOURCES)
    assert digest == code_digest({name: text.replace("\n", "\r\n") for name, text in SOURCES.items()})
    others = [
        {},
        {"flights.features": SOURCES["flights.features"]},
        SOURCES | {"flights.features": SOURCES["flights.features"] + " "},
        {"a": SOURCES["flights.features"], "b": SOURCES["flights.contract"]},
        {"flights.features": SOURCES["flights.contract"], "flights.contract": SOURCES["flights.features"]},
        SOURCES | {"empty": ""},
    ]
    digests = [code_digest(other) for other in others]
    assert len({digest, *digests}) == len(others) + 1


def test_libraries_are_not_imported():
    code = (
        "import sys\nfrom sternpost.bundle.provenance import library_versions\n"
        "before = set(sys.modules)\nprint(sorted(library_versions(['hypothesis', 'mypy'])))\n"
        "assert not {'hypothesis', 'mypy'} & (set(sys.modules) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "['hypothesis', 'mypy']\n"
