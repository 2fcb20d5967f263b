"""The typed face is the binary's, and both belong to this package."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from sternpost import _core

ROOT = Path(__file__).parents[2]


def test_the_stub_says_what_the_binary_has():
    command = [sys.executable, "-m", "mypy.stubtest", "sternpost._core", "--mypy-config-file", "pyproject.toml"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_package_and_binary_have_one_version():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    workspace = tomllib.loads((ROOT / "core" / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert {_core.__version__, version("sternpost"), workspace} == {declared}


def test_every_math_function_has_an_address():
    symbols = _core.math_symbols()
    assert {"sp_log", "sp_pow", "sp_remainder", "sp_lgamma"} <= symbols.keys()
    assert all(name.startswith("sp_") and address > 0 for name, address in symbols.items())
