"""Yesterday's bundle opens today, with yesterday's bits."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.errors import UsageError
from sternpost.features import machine_code

DATA = Path(__file__).parent / "data"


def check(bundle: sp.Bundle, name: str) -> None:
    recorded = json.loads((DATA / f"{name}.json").read_text())
    rows = pa.ipc.open_file(DATA / f"{name}.arrow").read_all()
    assert bundle.digest == recorded["digest"]
    scored = bundle.score(rows).to_pylist()
    assert [None if r["score"] is None else r["score"].hex() for r in scored] == recorded["scores"]
    assert [r["action"] for r in scored] == recorded["actions"]
    assert [r["reasons"] for r in scored] == recorded["reasons"]


@pytest.mark.parametrize("name", sorted(p.stem for p in DATA.glob("*.sbundle")))
def test_an_old_bundle_opens_and_scores_as_it_did(name):
    check(sp.open_bundle(DATA / f"{name}.sbundle"), name)


def test_an_old_bundle_opens_on_another_cpu(monkeypatch):
    monkeypatch.setattr(machine_code, "_loaded", {})
    monkeypatch.setattr(machine_code, "object_fits_here", lambda: False)
    bundle = sp.open_bundle(DATA / "format-1.sbundle")
    assert bundle.describe()["kernel"]["loaded_from"] == "emitted"
    check(bundle, "format-1")


def test_every_format_so_far_is_here():
    assert [p.name for p in sorted(DATA.glob("*.sbundle"))] == ["format-1.sbundle", "format-2.sbundle"]


def test_references_came_with_format_2():
    first, second = (sp.open_bundle(DATA / f"format-{number}.sbundle") for number in (1, 2))
    assert first.reference is None
    with pytest.raises(UsageError, match="format 1 and has no reference"):
        first.require_reference()
    recorded = json.loads((DATA / "format-2.json").read_text())
    assert second.require_reference().digest == recorded["reference"]
    assert {c.role for c in second.require_reference().columns} == {"input", "feature", "output"}
