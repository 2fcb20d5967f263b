"""There is no image engine where the tests run, so what the Dockerfile does is held against the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_image_is_built_by_the_makefiles_commands():
    dockerfile = (ROOT / "Dockerfile").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    used = re.findall(r"\bmake ([a-z-]+)", dockerfile)
    assert used, "the image is built by make"
    assert set(used) <= targets
    assert "-c requirements.lock" in makefile
    assert "-c requirements.lock" in dockerfile


def test_the_image_does_not_run_as_root_and_says_how_it_is():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.count("\nFROM ") == 2
    last = dockerfile.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!root)", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert last.index("USER ") < last.index("ENTRYPOINT")
