"""Clients' code generated from the published .proto files when the tests run, as any user would."""

from __future__ import annotations

import importlib
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
from grpc_tools import protoc

PROTO = Path(__file__).parents[2] / "proto"

#: Never through a proxy, and messages as large as they come.
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


@cache
def _generated(folder: Path, name: str) -> tuple[ModuleType, ModuleType]:
    # The file's own folder is the root, since the package of that name is taken by what is being tested.
    with tempfile.TemporaryDirectory() as made:
        ended = protoc.main(
            ["protoc", f"-I{folder}", f"--python_out={made}", f"--grpc_python_out={made}", f"{name}.proto"]
        )
        assert ended == 0
        sys.path.insert(0, made)
        try:
            return importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc")
        finally:
            sys.path.remove(made)


def scoring() -> Any:
    """Messages of `sternpost.v1`."""
    return _generated(PROTO / "sternpost" / "v1", "scoring")[0]


def inference() -> Any:
    """Messages of the Open Inference Protocol."""
    return _generated(PROTO / "inference", "inference")[0]


@dataclass(frozen=True)
class Client:
    """A channel and the stubs over it."""

    channel: grpc.Channel
    scoring: Any
    inference: Any

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()


def connect(address: str, credentials: grpc.ChannelCredentials | None = None, options: tuple = ()) -> Client:
    """A client of its own connection: no two share one."""
    # For a socket file grpcio makes its escaped path the authority, which h2 takes for a malformed request.
    local = (("grpc.default_authority", "localhost"),) if address.startswith("unix:") else ()
    every = (*OPTIONS, *local, *options)
    if credentials is None:
        channel = grpc.insecure_channel(address, options=every)
    else:
        channel = grpc.secure_channel(address, credentials, options=every)
    scoring = _generated(PROTO / "sternpost" / "v1", "scoring")[1].ScoringStub(channel)
    inference = _generated(PROTO / "inference", "inference")[1].GRPCInferenceServiceStub(channel)
    return Client(channel, scoring, inference)
