"""What an operator does to a server and asks of it: files put in place, index, descriptions, health, metrics."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import sternpost as sp
from sternpost.serve.server import Server
from tests.server import stubs
from tests.server.serving import PATIENCE_S, get

Code = grpc.StatusCode


def placed(source: Path, target: Path) -> Path:
    """A file put in place in one step, as whoever deploys does it."""
    fresh = target.with_suffix(".new")
    shutil.copy(source, fresh)
    return fresh.replace(target)


def flipped(source: Path, target: Path) -> Path:
    """The same with one bit of one byte in its middle changed, put in place in one step."""
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    fresh = target.with_suffix(".new")
    fresh.write_bytes(data)
    return fresh.replace(target)


class Two:
    """Two bundles of one name with other scores, and a place that a server reads from."""

    def __init__(self, old: Path, new: Path, folder: Path) -> None:
        self.files = old, new
        self.old, self.new = sp.open_bundle(old), sp.open_bundle(new)
        self.path = placed(old, folder / "b.sbundle")

    def renew(self, back: bool = False) -> None:
        placed(self.files[not back], self.path)

    def damage(self) -> None:
        flipped(self.files[1], self.path)


def described(client: stubs.Client, bundle: str = "", **options):
    return client.scoring.Describe(stubs.scoring().DescribeRequest(bundle=bundle), timeout=PATIENCE_S, **options)


def code_of(call, request, **options) -> grpc.StatusCode:
    try:
        call(request, timeout=PATIENCE_S, **options)
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


def digest(client: stubs.Client) -> str:
    return described(client).digest


def index(client: stubs.Client) -> list[tuple[str, str, str, str]]:
    found = client.inference.RepositoryIndex(stubs.inference().RepositoryIndexRequest(), timeout=PATIENCE_S)
    return [(model.name, model.version, model.state, model.reason) for model in found.models]


def ready(client: stubs.Client) -> list[str]:
    return [name for name, _, state, _ in index(client) if state == "READY"]


def watching(client: stubs.Client):
    """A Watch of the whole server that has just said that it serves; health is looked at four times a second."""
    watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
    while next(watch).status != health_pb2.HealthCheckResponse.SERVING:
        pass
    return watch


def status(client: stubs.Client, name: str) -> int | None:
    """What Check says; None for a name that it does not know."""
    health = health_pb2_grpc.HealthStub(client.channel)
    try:
        return health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S).status
    except grpc.RpcError as error:
        if error.code() != Code.NOT_FOUND:
            raise
        return None


def exposition(server: Server) -> dict[str, dict[str, float]]:
    """/metrics by name and labels; every line is either a comment or a sample of a described metric."""
    status, text = get(server.http, "metrics")
    assert status == 200
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    found: dict[str, dict[str, float]] = {}
    sample = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert len(line.split(" ", 3)) == 4
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} stands in two places"
            kinds[name] = kind
        else:
            parsed = sample.fullmatch(line)
            assert parsed, line
            name, labels, value = parsed.groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in kinds or kinds.get(family) == "histogram", line
            assert not (name in kinds and kinds[name] == "counter" and not name.endswith("_total")), line
            assert (labels or "") not in found.setdefault(name, {}), line
            found[name][labels or ""] = float(value)
    return found
