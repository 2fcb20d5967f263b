"""Who is measured, and how each is started."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.building import HERE, ROOT, Built
from benchmarks.load.prepared import NAME, Prepared
from benchmarks.load.server import Server, free_port

OURS = "sternpost"


@dataclass(frozen=True)
class Candidate:
    """`call` is the generator's word for what it speaks; a floor's scores mean nothing."""

    name: str
    about: str
    call: str
    floor: bool = False
    unix: bool = True
    #: The peers' model has float32 outputs by another route; ours must give the same bits.
    tolerance: float = 0.0


ALL = (
    Candidate(OURS, "ours: contract, features, model, policy", "score"),
    Candidate("tonic echo", "floor: our messages, no scoring", "score", floor=True),
    Candidate("C++ gRPC echo", "floor: our messages, no scoring, Debian's gRPC", "score", floor=True),
    Candidate("grpc.aio", "Python features and ONNX Runtime in the handler", "loans", tolerance=1e-6),
    Candidate("grpcio, 4 threads", "Python features and ONNX Runtime in a thread pool", "loans", tolerance=1e-6),
    Candidate("FastAPI", "uvicorn, JSON over HTTP/1.1", "json", unix=False, tolerance=1e-6),
    Candidate("MLServer", "custom runtime, Open Inference Protocol", "infer", unix=False, tolerance=1e-6),
)


def absent(candidate: Candidate, built: Built) -> str | None:
    """Why it cannot take part; None if it can."""
    needs = {
        "C++ gRPC echo": "cpp_echo", "grpc.aio": "peers", "grpcio, 4 threads": "peers", "FastAPI": "peers",
        "MLServer": "mlserver",
    }  # fmt: skip
    need = needs.get(candidate.name)
    return built.missing.get(need) if need else None


def server(
    candidate: Candidate, prepared: Prepared, built: Built, folder: Path, *, cpu: int, unix: bool = False,
    served: Path | None = None,
) -> Server:  # fmt: skip
    """Not started yet. `served` is the bundle's path if another than the prepared one."""
    address = "127.0.0.1:0"
    if unix:
        path = folder / "s.sock"
        path.unlink(missing_ok=True)
        address = f"unix:{path}"
    log = folder / f"{candidate.name.split()[0]}.log".replace(",", "")
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(built.stubs or "")])}
    onnx = str(prepared.onnx)
    if candidate.name == OURS:
        options = ["--listen", address, "--http", "127.0.0.1:0", "--threads", "1"]
        command = [sys.executable, "-m", "sternpost.cli", "serve", str(served or prepared.bundle), *options]
        return Server(command, cpu=cpu, log=log)
    if candidate.name == "tonic echo":
        return Server([str(built.tonic_echo), address], cpu=cpu, log=log)
    if candidate.name == "C++ gRPC echo":
        return Server([str(built.cpp_echo), address], cpu=cpu, log=log)
    if candidate.name == "MLServer":
        return _mlserver(built, folder, {**env, "LOANS_ONNX": onnx}, log, cpu)
    module = {"grpc.aio": "grpc_aio", "grpcio, 4 threads": "grpc_sync", "FastAPI": "fastapi_app"}[candidate.name]
    command = [str(built.peers), "-m", f"benchmarks.load.peers.{module}", onnx, address]
    return Server(command, cpu=cpu, log=log, env=env)


def _mlserver(built: Built, folder: Path, env: dict[str, str], log: Path, cpu: int) -> Server:
    """MLServer reads a folder and chooses no port itself."""
    home = folder / "mlserver"
    home.mkdir(exist_ok=True)
    port = free_port()
    settings = {
        "debug": False, "parallel_workers": 0, "host": "127.0.0.1", "grpc_port": port, "http_port": free_port(),
        "metrics_port": free_port(),
    }  # fmt: skip
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps({"name": NAME, "implementation": "runtime.Loans"}))
    (home / "runtime.py").write_text((HERE / "peers" / "mlserver" / "runtime.py").read_text())
    command = [str(built.mlserver), "-m", "mlserver.cli", "start", str(home)]
    return Server(command, cpu=cpu, log=log, env=env, port=port)
