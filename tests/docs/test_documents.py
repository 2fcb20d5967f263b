"""Every command and every code block in the documents runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
BIN = Path(sys.executable).parent


def blocks(document: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_code_and_commands_run_in_order(document, tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for kind, text in blocks(document):
        if kind == "python":
            script = tmp_path / f"block_{ran}.py"
            script.write_text(text)
            done = subprocess.run(
                [sys.executable, script.name],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            ran += 1
        for line in text.splitlines() if kind == "console" else []:
            assert line.startswith("$ "), f"{document.name}: a console block holds commands: {line!r}"
            command = shlex.split(line[2:])
            if command[0] == "make":
                assert set(command[1:]) <= TARGETS
                continue
            assert command[0] == "sternpost", line
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            ran += 1
    if document.name == "README.md":
        assert ran >= 4


def test_every_make_target_named_exists_and_every_target_is_told():
    told = set()
    for document in DOCUMENTS:
        told |= set(re.findall(r"\bmake ([a-z][a-z-]*)\b", document.read_text()))
    commands = {t for t in told if t in TARGETS}
    assert {"demo", "test", "check", "bench", "setup", "format", "nightly"} <= commands


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_readme_is_one_screen_of_claims_with_numbers():
    text = (ROOT / "README.md").read_text()
    assert "NUMBERS" not in text
    assert len(text.splitlines()) < 120
