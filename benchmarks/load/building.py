"""What the candidates need: our programs, the C++ floor, environments for the peers. Made once into a folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass
class Built:
    """Paths of what could be made, and why the rest could not."""

    generator: Path
    tonic_echo: Path
    cpp_echo: Path | None = None
    peers: Path | None = None
    mlserver: Path | None = None
    stubs: Path | None = None
    missing: dict[str, str] = field(default_factory=dict)


def build(folder: Path, *, mlserver: bool = False) -> Built:
    """Everything that this machine can build. Raises CalledProcessError if our own programs do not."""
    manifest = HERE / "generator" / "Cargo.toml"
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest], check=True)
    release = manifest.parent / "target" / "release"
    built = Built(release / "sternpost-load", release / "tonic-echo")
    for name, make in {"cpp_echo": _cpp_echo, "peers": _peers, "mlserver": _mlserver if mlserver else None}.items():
        if make is None:
            built.missing[name] = "not asked for (--mlserver)"
            continue
        try:
            setattr(built, name, make(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            built.missing[name] = _why(error)
    if built.peers is not None:
        built.stubs = _stubs(folder, built.peers)
    return built


def _cpp_echo(folder: Path) -> Path:
    source, proto = HERE / "floor" / "echo.cc", ROOT / "proto"
    message = proto / "sternpost" / "v1" / "scoring.proto"
    made = folder / f"cpp-echo-{_digest(source, message)}"
    if made.exists():
        return made
    for tool in ("g++", "protoc", "grpc_cpp_plugin", "pkg-config"):
        if shutil.which(tool) is None:
            raise OSError(f"{tool} is not installed")
    into = folder / "cpp"
    into.mkdir(parents=True, exist_ok=True)
    plugin = f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}"
    _run("protoc", f"-I{proto}", f"--cpp_out={into}", f"--grpc_out={into}", plugin, message)
    libraries = _run("pkg-config", "--libs", "grpc++", "protobuf").split()
    generated = [into / "sternpost" / "v1" / f"scoring.{kind}.cc" for kind in ("pb", "grpc.pb")]
    unfinished = into / "echo"
    _run("g++", "-O2", "-std=c++17", f"-I{into}", source, *generated, "-o", unfinished, *libraries)
    return unfinished.rename(made)


def _peers(folder: Path) -> Path:
    return _environment(folder, HERE / "requirements.txt")


def _mlserver(folder: Path) -> Path:
    return _environment(folder, HERE / "requirements-mlserver.txt")


def _environment(folder: Path, requirements: Path) -> Path:
    """The Python of an environment with these packages."""
    made = folder / f"env-{requirements.stem}-{_digest(requirements)}"
    python = made / "bin" / "python"
    done = made / "complete"
    if not done.exists():
        _run(sys.executable, "-m", "venv", "--clear", made)
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
        done.touch()
    return python


def _stubs(folder: Path, python: Path) -> Path:
    into = folder / "stubs"
    into.mkdir(exist_ok=True)
    protos = HERE / "peers"
    command = ("-m", "grpc_tools.protoc", f"-I{protos}", f"--python_out={into}", f"--grpc_python_out={into}")
    _run(python, *command, protos / "loans.proto")
    return into


def _run(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=900).stdout


def _why(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return str(said).strip().splitlines()[-1][:200]


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
