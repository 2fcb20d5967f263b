"""Direction: a room imports only what stands to its left; a crate depends only on crates before it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sternpost"
BASE = ("errors", "_core", "contract")
#: Generated for grpcio; imports nothing of ours.
ROOMS = (
    *BASE,
    "v1",
    "page",
    "features",
    "frame",
    "export",
    "bundle",
    "serve",
    "aio",
    "monitor",
    "outcomes",
    "trust",
    "project",
    "cli",
    "demo",
)
CRATES = ("engine", "monitor", "journal", "wire", "client", "server", "python")
#: Run by hand and by the checks; nothing depends on it.
TOOLS = ("generate",)
FILE_LINES_MAX = 400
#: Calling object code; taking its address from Python; asking to be told of a fork.
UNSAFE = ("engine/src/kernel.rs", "engine/src/wide.rs", "python/src/engine.rs", "python/src/fork.rs")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno}: imports name their room in full"
            names = [f"{node.module}.{a.name}" for a in node.names]
        rooms |= {n.split(".")[1] for n in names if n.startswith("sternpost.")}
    return rooms


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_only_what_stands_to_its_left(path):
    room = room_of(path)
    if room == "__init__":
        return
    if room == "demo" and "flights" in path.parts:
        return  # an ordinary user project: it imports the package as a user does
    assert room in ROOMS, f"{room} has no place in the order of rooms: {ROOMS}"
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) | (set(BASE) if room in BASE else set())
    if room == "cli":
        allowed.add("demo")  # the last verb runs the demo; nothing imports the command line
    wrong = {r for r in imported_rooms(path) if (SOURCE / r).exists() or (SOURCE / f"{r}.py").exists()} - allowed
    assert not wrong, f"{path.relative_to(SOURCE)} imports {sorted(wrong)}, which stand to its right"


def test_crates_depend_only_on_crates_before_them():
    for place, crate in enumerate(CRATES):
        manifest = tomllib.loads((ROOT / "core" / crate / "Cargo.toml").read_text())
        ours = {n.removeprefix("sternpost-") for n in manifest["dependencies"] if n.startswith("sternpost-")}
        assert ours <= set(CRATES[:place]), f"{crate} depends on {ours}"


def test_every_crate_stands_in_the_order():
    members = tomllib.loads((ROOT / "core" / "Cargo.toml").read_text())["workspace"]["members"]
    assert (*CRATES, *TOOLS) == tuple(members)
    for crate in CRATES:
        manifest = tomllib.loads((ROOT / "core" / crate / "Cargo.toml").read_text())
        assert not any(f"sternpost-{tool}" in manifest["dependencies"] for tool in TOOLS), crate


def test_only_the_python_crate_knows_pyo3_and_only_argued_rooms_are_unsafe():
    for path in (ROOT / "core").rglob("*.rs"):
        if "target" in path.parts or "tests" in path.parts:
            continue
        text = path.read_text()
        if "pyo3" in text:
            assert path.is_relative_to(ROOT / "core" / "python"), path
        code = re.sub(r"//[^\n]*", "", text)
        if re.search(r"\bunsafe\b", code):
            assert path.relative_to(ROOT / "core").as_posix() in UNSAFE, f"{path} uses unsafe and is not among {UNSAFE}"


def test_files_have_one_subject_and_rooms_have_names():
    for path in [*SOURCE.rglob("*.py"), *(ROOT / "core").glob("*/src/**/*.rs")]:
        if "generated" in path.parts or path.stem.removesuffix("_grpc").endswith("_pb2"):
            continue
        lines = len(path.read_text().splitlines())
        assert lines <= FILE_LINES_MAX, f"{path.relative_to(ROOT)} has {lines} lines; split it by subject"
        assert not re.fullmatch(r"(utils?|helpers?|common|misc)", path.stem), path


def test_importing_has_no_side_effects_worth_waiting_for():
    import subprocess
    import sys

    heavy = "numba,sklearn,onnx,onnxruntime,skl2onnx,lightgbm,xgboost,pandas,polars,typer"
    code = f"import sys, sternpost; print([m for m in '{heavy}'.split(',') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]", f"importing sternpost imports {out}"


def test_the_map_names_every_room_and_crate():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for room in {room_of(p) for p in SOURCE.rglob("*.py")} - {"__init__"}:
        assert f"{room}/" in text or f"{room}.py" in text, f"docs/architecture.md does not name {room}"
    for crate in CRATES:
        assert f"core/{crate}" in text or f"  {crate}/" in text, crate
