"""A server in this process: bundles behind gRPC, scored on threads of its own that never ask the interpreter."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from sternpost import _core
from sternpost.bundle import Bundle
from sternpost.errors import UsageError

_READY_S = 10.0


@dataclass(frozen=True)
class Tls:
    """PEM files; with `client_authorities` a client without a certificate of theirs is turned away."""

    certificate: str
    key: str
    client_authorities: str | None = None


@dataclass(frozen=True)
class Traces:
    """Where spans of scored requests go: a collector that speaks OTLP over HTTP, as in `http://127.0.0.1:4318`.

    A caller's `traceparent` is continued when its flag says sampled. Of the requests without one the share `share`,
    from 0 to 1, begins a trace of its own. `service` is the name under which the collector knows this server.
    """

    url: str
    share: float = 0.01
    service: str = "sternpost"


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """Where and how a server remembers what it answers. docs/journal.md tells what each promise takes and costs.

    `durability` is "off", "async" or "group" (an answer is sent when the disk has it). `full` says what happens to a
    row that the journal cannot take or write: "drop" answers it and counts the loss, "wait" holds the thread for at
    most 0.1 s before, "refuse" turns it away; by default "refuse" for group and "drop" otherwise. Segments are deleted
    `keep_s` seconds after their last row; None keeps them.
    """

    folder: str
    durability: Literal["off", "async", "group"] = "async"
    full: Literal["drop", "wait", "refuse"] | None = None
    keep_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Everything a server is told. None leaves a bound at its default; docs/serving.md lists them."""

    listen: Sequence[str] = ("127.0.0.1:8500",)
    http: str | None = "127.0.0.1:8501"
    threads: int | None = None
    batch_threads: int | None = None
    queue_rows: int | None = None
    queue_bytes: int | None = None
    queue_wait_ms: int | None = None
    connections: int | None = None
    streams: int | None = None
    row_bytes: int | None = None
    message_bytes: int | None = None
    batch_rows: int | None = None
    patience_ms: int | None = None
    idle_ms: int | None = None
    tls: Tls | None = None
    traces: Traces | None = None
    score_tokens: Sequence[str] = ()
    admin_tokens: Sequence[str] = ()
    admin_names: Sequence[str] = ()
    insecure: bool = False
    busy_poll: bool = False
    raw_answers: bool = False
    journal: JournalSettings | None = None
    monitor: bool = True  # count what is scored in the cells of the bundle's reference, if it has one

    def to_json(self) -> str:
        """As the core reads it."""
        told = {name: value for name, value in asdict(self).items() if value is not None and name != "monitor"}
        return json.dumps(told)


class Collected(NamedTuple):
    """What a bundle counted since the last time. `in_use`: may it count more?"""

    bundle: str
    digest: str
    in_use: bool
    window: _core.Window


class Server:
    """Starts serving when made; `close` ends it. Port 0 lets the system choose; `addresses` tells what it chose.

    `journal`, a folder or `JournalSettings`, takes the place of the settings' own: answers are remembered there.

    Scoring, health, reflection, the Open Inference Protocol and Arrow Flight share the port. Raises UsageError for
    settings that do not fit this machine, ModelError for a bundle whose model cannot run.
    """

    def __init__(
        self,
        bundles: Bundle | Sequence[Bundle],
        settings: ServerSettings | None = None,
        *,
        journal: JournalSettings | str | os.PathLike[str] | None = None,
    ) -> None:
        given = [bundles] if isinstance(bundles, Bundle) else list(bundles)
        names = [bundle.name for bundle in given]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"two bundles are named {twice}; serve one of the two")
        settings = settings or ServerSettings()
        if journal is not None:
            kept = journal if isinstance(journal, JournalSettings) else JournalSettings(folder=os.fspath(journal))
            settings = replace(settings, journal=kept)
        self._monitor = settings.monitor
        parts = [(bundle._engine, bundle.golden.rows, self._reference(bundle)) for bundle in given]
        self._core = _core.Server(settings.to_json(), parts)
        # Whoever connects next finds it ready; a server that cannot become so is asked for its trouble.
        until = time.monotonic() + _READY_S
        while given and self._core.trouble is not None and time.monotonic() < until:
            time.sleep(0.001)

    @property
    def addresses(self) -> list[str]:
        """Where gRPC is spoken, as `HOST:PORT` or `unix:PATH`."""
        return self._core.addresses

    @property
    def http(self) -> str | None:
        """Where `/metrics`, `/healthz` and `/readyz` are."""
        return self._core.http

    @property
    def trouble(self) -> str | None:
        """Why the server is not ready; None when every thread has just scored a golden row of every bundle."""
        return self._core.trouble

    @property
    def bundles(self) -> list[tuple[str, int, str]]:
        """Name, version (how many bundles of this name were served) and digest of what is served."""
        return self._core.bundles

    @property
    def journal(self) -> dict[str, Any] | None:
        """What the journal counted: rows appended, durable, dropped and lost, bytes, fsyncs, lag; None without one."""
        told = self._core.journal
        return None if told is None else json.loads(told)

    def serve(self, bundle: Bundle) -> int:
        """Serve a bundle in place of one of the same name, once it is warm; returns its version.

        Calls on their way are answered by the bundle that they came for. Raises UsageError when the bundle cannot be
        served; the old one then still is.
        """
        return self._core.serve(bundle._engine, bundle.golden.rows, self._reference(bundle))

    def withdraw(self, name: str) -> bool:
        """Serve a bundle no longer; False when it was not served."""
        return self._core.withdraw(name)

    def collect(self) -> list[Collected]:
        """What was counted since the last call, for every watched bundle. A bundle that was replaced is there until its
        last rows are told."""
        return [Collected(*found) for found in self._core.collect()]

    def tell(self, lines: str) -> None:
        """Put lines of the text exposition format onto `/metrics`, in place of those of the last time."""
        self._core.tell(lines)

    def drain(self, seconds: float = 30.0) -> bool:
        """Take nothing new, finish what is there; whether all was finished in time."""
        return self._core.drain(seconds)

    def close(self) -> None:
        """End now; calls on their way are cut off. After `drain` there are none."""
        self._core.end()

    def _reference(self, bundle: Bundle) -> _core.Reference | None:
        return bundle.reference if self._monitor else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
