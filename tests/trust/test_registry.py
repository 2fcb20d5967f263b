"""A registry holds bundles as they are, and shows the old standing or the new one, on any file system."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import pyarrow.fs as pafs
import pytest

from sternpost.errors import BundleCorrupt, DataError, UsageError
from sternpost.trust.registry import Registry
from sternpost.trust.rungs import Rung, Standing

A, B = "aa" * 32, "bb" * 32


@pytest.fixture(params=["folder", "url", "filesystem", "object_store"])
def registry(request, tmp_path) -> Registry:
    if request.param == "folder":
        return Registry(tmp_path)
    if request.param == "url":
        return Registry(tmp_path.as_uri())
    if request.param == "filesystem":
        return Registry("deep/down", filesystem=pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    return Registry("bucket", filesystem=pafs._MockFileSystem())


def test_a_bundle_comes_back_bit_for_bit_under_its_digest(registry, bundle_file):
    digest = registry.put(bundle_file)
    assert registry.put(bundle_file) == digest
    assert registry.digests() == [digest]
    assert registry.find(digest[:8]) == digest
    assert registry.open(digest).digest == digest
    with pytest.raises(UsageError, match="has no bundle"):
        registry.open(A)
    with pytest.raises(UsageError, match="no bundle begins with 'zz'"):
        registry.find("zz")


def test_standings_are_replaced_and_kept(registry):
    assert registry.standing("loans") is None
    steps = [Standing("loans", Rung.SHADOW, A, serial=1), Standing("loans", Rung.ADVISE, B, (A,), serial=2)]
    for step in steps:
        registry.set(step)
        assert registry.standing("loans") == step
    assert registry.history("loans") == steps
    assert registry.use_cases() == ["loans"]


def test_what_is_no_bundle_does_not_enter(registry, tmp_path):
    wrong = tmp_path / "wrong.sbundle"
    wrong.write_bytes(b"nothing")
    with pytest.raises(BundleCorrupt, match=r"wrong\.sbundle"):
        registry.put(wrong)
    with pytest.raises(DataError, match="cannot read"):
        registry.put(tmp_path / "absent.sbundle")
    assert registry.digests() == []


def test_a_bundle_under_another_name_is_refused(tmp_path, bundle_file):
    registry = Registry(tmp_path)
    path = tmp_path / "bundles" / f"{A}.sbundle"
    path.parent.mkdir()
    path.write_bytes(bundle_file.read_bytes())
    with pytest.raises(BundleCorrupt, match="holds bundle"):
        registry.open(A)


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "x" * 101, "a\nb"])
def test_a_use_case_is_a_plain_name(tmp_path, name):
    with pytest.raises(UsageError, match="is no name"):
        Registry(tmp_path).set(Standing(name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 2}', '{"format": 1, "rung": "captain"}', "null", "[1]"])
def test_a_rung_file_that_cannot_be_read_is_told(tmp_path, text):
    registry = Registry(tmp_path)
    registry.set(Standing("loans", serial=1))
    (tmp_path / "rungs" / "loans.json").write_text(text)
    with pytest.raises(DataError, match="write it anew from the ledger"):
        registry.standing("loans")


def test_a_place_that_is_none_is_told():
    with pytest.raises(UsageError, match="names no file system"):
        Registry("nowhere://bucket")


def test_readers_see_the_old_or_the_new_never_a_mix_and_never_nothing(tmp_path):
    registry, stop, seen = Registry(tmp_path), threading.Event(), set()
    pairs = {n: Standing("loans", Rung.ADVISE, f"{n:064x}", (f"{n + 1:064x}",), serial=n) for n in range(1, 150)}
    registry.set(pairs[1])

    def read() -> None:
        while not stop.is_set():
            found = registry.standing("loans")
            assert found == pairs[found.serial]
            seen.add(found.serial)

    readers = [threading.Thread(target=read) for _ in range(2)]
    failed: list[object] = []
    threading.excepthook, before = lambda hook: failed.append(hook.exc_value), threading.excepthook
    try:
        for r in readers:
            r.start()
        for standing in pairs.values():
            registry.set(standing)
    finally:
        stop.set()
        for r in readers:
            r.join()
        threading.excepthook = before
    assert not failed
    assert len(seen) > 1


def test_power_cut_while_the_rung_file_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    registry = Registry(tmp_path)
    old = Standing("loans", Rung.SHADOW, A, serial=1)
    registry.set(old)
    for call in ("fsync", "replace"):
        with monkeypatch.context() as m:
            m.setattr(os, call, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                registry.set(replace(old, rung=Rung.DECIDE, champion=B, serial=2))
        assert registry.standing("loans") == old
    assert json.loads((tmp_path / "rungs" / "loans.json").read_text())["rung"] == "shadow"


def test_a_swap_takes_less_than_a_second(tmp_path):
    registry = Registry(tmp_path)
    begun = time.monotonic()
    registry.set(Standing("loans", Rung.SHADOW, A, serial=1))
    assert time.monotonic() - begun < 1
