"""Ask a server for scores, and answer without it when it cannot.

The client is Rust inside: one HTTP/2 connection a calling thread, driven by that thread itself, with the interpreter
lock released. It packs a row once, by the server's own contract; the same bytes are scored by the fallback, so an
answer has the same bits whoever gave it.
"""

from __future__ import annotations

import copy
import json
import os
import ssl
import threading
import time
import uuid
import weakref
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import pyarrow as pa

from sternpost import _core
from sternpost._core import Decision
from sternpost.bundle import Bundle, open_bundle
from sternpost.contract import as_table
from sternpost.errors import UsageError
from sternpost.serve.kept import Asked, Kept

#: How long a table may take when nobody says.
TABLE_DEADLINE_S = 60.0
_SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Stake = Literal["shadow", "batch", "advise", "decide"]
PathLike = str | os.PathLike[str]

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """Scores rows at servers of one bundle; any number of threads may share it.

    `endpoints` is one address or several: `host:port`, `https://host:port`, `unix:/path`. With several, calls go to
    the least busy that is well. Nothing is sent before the first call.

    `bundle` is needed when the servers have more than one. `deadline_s` is how long a row may take, retries included.

    `fallback` answers when no server does in time: a `Bundle` or the path of one gives the server's own bits; a dict
    with `score` and `action` (either may be left out) gives always the same. A bundle that is not the server's is
    refused unless `allow_other_bundle`; `decision.bundle` says which one answered, `decision.source` is "fallback", or
    "rule" for a constant. Of the served rows the share `parity_share` is scored by the fallback too and compared bit
    by bit; see `stats`.

    `transport` is "stream" (one long-lived stream a connection) or "unary" (a call a row). `ca`, `cert` and `key` are
    PEM files for `https` addresses: whom to trust (default: the system's), and who we are. `server_name` is the name
    that the server's certificate must have, if not the address's. `token` is sent as a bearer's.

    `hedge_after_s` asks a second endpoint when the first has not answered after that time, for at most 5 % of the
    calls. `busy_poll_us` lets a caller spin that long before it sleeps: less latency for a whole core.
    `connections` bounds those to one endpoint. `watch_health` follows the endpoints' health in one background thread,
    so that a server that is about to end is left before it does.

    `journal` is a folder in which rows that the fallback answered are kept, in a journal of its own for every process;
    `sternpost journal ship` brings them to the others. What cannot be kept is counted in `stats`; it holds no answer
    up. Rows of tables are not kept.

    After a fork the child connects anew at its first call, and opens the fallback again; nothing of the parent is
    touched. UsageError for settings that cannot be used.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str],
        *,
        bundle: str | None = None,
        deadline_s: float = 1.0,
        fallback: Bundle | PathLike | Mapping[str, object] | None = None,
        transport: Literal["stream", "unary"] = "stream",
        ca: PathLike | None = None,
        cert: PathLike | None = None,
        key: PathLike | None = None,
        server_name: str | None = None,
        token: str | None = None,
        allow_other_bundle: bool = False,
        parity_share: float = 0.001,
        hedge_after_s: float | None = None,
        busy_poll_us: int = 0,
        connections: int = 64,
        watch_health: bool = True,
        journal: PathLike | None = None,
    ) -> None:
        addresses = [endpoints] if isinstance(endpoints, str) else list(endpoints)
        if transport not in ("stream", "unary"):
            raise UsageError(f"transport is {transport!r}; give 'stream' or 'unary'")
        if not 0.0 <= parity_share <= 1.0:
            raise UsageError(f"parity_share is {parity_share}; give a share from 0 to 1")
        if ca is None and any(address.startswith("https://") for address in addresses):
            ca = ssl.get_default_verify_paths().cafile or _SYSTEM_CERTIFICATES
        rule = _constant(fallback) if isinstance(fallback, Mapping) else None
        self.deadline_s = deadline_s
        self._fallback: Bundle | _Reopened | PathLike | None = None if isinstance(fallback, Mapping) else fallback
        self._settings = json.dumps(
            {
                "endpoints": addresses,
                "bundle": bundle or "",
                "rule": rule,
                "transport": transport,
                "ca": _text(ca),
                "cert": _text(cert),
                "key": _text(key),
                "server_name": server_name,
                "token": token,
                "allow_other_bundle": allow_other_bundle,
                "parity_every": round(1 / parity_share) if parity_share > 0 else None,
                "hedge_after_s": hedge_after_s,
                "busy_poll_us": busy_poll_us,
                "connections": connections,
                "watch_health": watch_health,
            }
        )
        self._journal = None if journal is None else Path(journal)
        self._kept: Kept | None = None
        self._lock = threading.Lock()
        self._core: _core.Client | None = None
        self._start()
        _clients.add(self)

    def _start(self) -> _core.Client:
        """The core of this process, made at first use."""
        with self._lock:
            if self._core is None:
                if isinstance(self._fallback, (str, os.PathLike)):
                    self._fallback = open_bundle(self._fallback)
                engine = None if self._fallback is None else self._fallback._engine
                self._core = _core.Client(self._settings, engine)
                if self._journal is not None:
                    self._kept = self._keeper(self._journal)
            return self._core

    def _keeper(self, journal: Path) -> Kept:
        fallback = self._fallback._of_parent if isinstance(self._fallback, _Reopened) else self._fallback
        if isinstance(fallback, Bundle):
            return Kept(journal, fallback.name, fallback.contract)
        return Kept(journal, json.loads(self._settings)["bundle"], None)

    def _forked(self) -> None:
        """Forgets what belongs to the parent; called in the child of a fork."""
        self._lock = threading.Lock()
        self._core = None
        self._kept = None
        if isinstance(self._fallback, Bundle):
            # Opened again when it is needed, from the parts that are in memory.
            self._fallback = _Reopened(self._fallback)

    def __repr__(self) -> str:
        return f"<client of {', '.join(json.loads(self._settings)['endpoints'])}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @overload
    def score(
        self,
        data: Mapping[str, object],
        *,
        deadline_s: float | None = None,
        stake: Stake = "advise",
        id: str = "",
        entity: str = "",
    ) -> Decision: ...
    @overload
    def score(
        self,
        data: Any,
        *,
        deadline_s: float | None = None,
        stake: Stake = "advise",
        id: str = "",
        entity: str = "",
    ) -> pa.Table: ...
    def score(
        self, data: Any, *, deadline_s: float | None = None, stake: Stake = "advise", id: str = "", entity: str = ""
    ) -> Any:
        """A row given as a dict gives a `Decision`; an Arrow-speaking table gives a table, as `Bundle.score` does.

        `deadline_s` overrides the client's; a table has a minute unless it is given. `stake` says what hangs on the
        answer: under overload the lowest ("shadow", "batch", "advise", "decide") is turned away first. `id` names a
        row's prediction (1 to 64 printable ASCII characters), so that a repetition is recognised; the client makes
        one otherwise. `entity` says whom a row is about (at most 256 bytes), for the server's journal.

        ContractError when keys or columns are missing or of the wrong type. UsageError for an entity beside a table.
        Unreachable, DeadlineExceeded, Overloaded or Refused when there is no answer and no fallback that may give one.
        """
        core = self._core or self._start()
        # The first test is ten times quicker, and a dict is what arrives.
        if type(data) is dict or isinstance(data, Mapping):
            deadline = self.deadline_s if deadline_s is None else deadline_s
            if self._kept is None:
                return core.score_row(data, deadline, stake, id, entity)
            return self._remembered(self._kept, data, deadline, Asked(stake, id, entity))
        if entity:
            raise UsageError("entity names whom one row is about; score the rows one by one to name them")
        return core.score_table(as_table(data), TABLE_DEADLINE_S if deadline_s is None else deadline_s, stake)

    def _remembered(self, kept: Kept, row: Mapping[str, object], deadline: float, asked: Asked) -> Decision:
        # Named here, so that server, fallback and outcome speak of the same prediction.
        name = asked.id or uuid.uuid4().hex
        begun = time.perf_counter_ns()
        core = self._core or self._start()
        decision, is_local = core.score_told(row, deadline, asked.stake, name, asked.entity)
        if is_local:
            kept.keep(row, decision, asked, time.perf_counter_ns() - begun)
        return decision

    def report(
        self,
        prediction_id: str,
        outcome: bool | int | float | str | None,
        *,
        known_at: datetime | None = None,
        happened_at: datetime | None = None,
        entity: str = "",
        source: str = "",
        revision: int = 0,
        deadline_s: float | None = None,
    ) -> None:
        """Tell what really happened after a prediction: 0 or 1, a number, or a class, in the model's own terms.

        `happened_at` is when it happened (default: `known_at`), `known_at` when it became known (default: now); both
        are aware datetimes. Instead of the prediction's id, which is then "", `entity` and `happened_at` may say what
        it is about. `source` names who tells (at most 64 bytes; "report" when empty). The same prediction, source and
        `revision` count once, so telling it again is harmless; a higher revision replaces what was told before.

        Returns when the server's journal has it, to the durability that it promises. ServerError when it could not be
        told, UsageError for moments without a time zone.
        """
        known_us = _micros("known_at", datetime.now(UTC) if known_at is None else known_at)
        happened_us = None if happened_at is None else _micros("happened_at", happened_at)
        core = self._core or self._start()
        deadline = self.deadline_s if deadline_s is None else deadline_s
        core.report(prediction_id, outcome, known_us, happened_us, entity, source, revision, deadline)

    def describe(self, *, deadline_s: float | None = None) -> dict[str, Any]:
        """What the server serves now: bundle, digest, task, classes, actions, features, rung, server, contract."""
        core = self._core or self._start()
        described: dict[str, Any] = json.loads(core.describe(self.deadline_s if deadline_s is None else deadline_s))
        return described

    def stats(self) -> dict[str, Any]:
        """What was counted since the client was made.

        `calls`, `served`, `errors`, `retries`, `hedges`, `throttled` (not sent, because servers turn most calls away),
        `described`, `fallbacks` by cause, `fallback_other_bundle` (the fallback was not the server's bundle and stayed
        silent), `parity` (`compared` and, of those, `different`), `p50_us` (estimates), `bundle` (digests), and for
        every endpoint its `breaker`, `health`, `in_flight` and `connections`; with a journal also `journal` (decisions
        `kept` and `lost`).
        """
        counted: dict[str, Any] = json.loads((self._core or self._start()).stats())
        if self._kept is not None:
            counted["journal"] = self._kept.stats()
        return counted

    def close(self) -> None:
        """Close idle connections and end the background thread. A later call connects again."""
        if self._core is not None:
            self._core.close()
        if self._kept is not None:
            self._kept.close()


class _Reopened:
    """A bundle of the parent process, opened anew at first use in the child."""

    def __init__(self, bundle: Bundle) -> None:
        self._of_parent = bundle
        self._bundle: Bundle | None = None

    @property
    def _engine(self) -> _core.Engine:
        if self._bundle is None:
            self._bundle = copy.copy(self._of_parent)
        return self._bundle._engine


def _constant(given: Mapping[str, object]) -> dict[str, object]:
    score, action = given.get("score"), given.get("action")
    unknown = sorted(set(given) - {"score", "action"})
    if unknown or not given:
        raise UsageError(f"a constant fallback has 'score' and 'action', not {', '.join(unknown) or 'nothing'}")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise UsageError(f"the constant fallback's score is {score!r}; give a number or leave it out")
    if action is not None and not isinstance(action, str):
        raise UsageError(f"the constant fallback's action is {action!r}; give a text or leave it out")
    return {"score": None if score is None else float(score), "action": action}


def _micros(name: str, moment: datetime) -> int:
    if moment.tzinfo is None:
        raise UsageError(f"{name} is {moment}, without a time zone; give an aware datetime")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _text(path: PathLike | None) -> str | None:
    return None if path is None else str(Path(path))


def _after_fork() -> None:
    for client in list(_clients):
        client._forked()


os.register_at_fork(after_in_child=_after_fork)
