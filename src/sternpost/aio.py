"""The client for code that awaits: `sternpost.aio.Client` has the methods of `sternpost.Client` as coroutines.

A row is still scored by a calling thread that drives its own connection, because that is the quickest way for one
row. Here those threads are the client's own, at most `threads` of them; what is asked beyond that waits its turn, and
the wait counts against the deadline only once its turn has come. A coroutine that is cancelled stops waiting; its
thread goes on to the answer or the deadline.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

import pyarrow as pa

from sternpost._core import Decision
from sternpost.serve.client import Client as Blocking
from sternpost.serve.client import Stake

T = TypeVar("T")


class Client:
    """`sternpost.Client` for asyncio. Takes what that takes, and `threads`: the calls that are on their way at once.

    The threads belong to this client and are bounded; the loop's default executor is left alone. One thread and one
    connection carry one call at a time.
    """

    def __init__(self, endpoints: str | Sequence[str], *, threads: int = 32, **settings: Any) -> None:
        self._client = Blocking(endpoints, **settings)
        self._threads = threads
        self._made_in = os.getpid()
        self._pool = self._executor()

    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="sternpost-aio")

    async def _run(self, call: Callable[..., T], *arguments: Any, **settings: Any) -> T:
        if self._made_in != os.getpid():
            # A fork leaves threads behind; the executor would wait for them.
            self._made_in, self._pool = os.getpid(), self._executor()
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *arguments, **settings))

    @overload
    async def score(
        self,
        data: Mapping[str, object],
        *,
        deadline_s: float | None = None,
        stake: Stake = "advise",
        id: str = "",
        entity: str = "",
    ) -> Decision: ...
    @overload
    async def score(
        self,
        data: Any,
        *,
        deadline_s: float | None = None,
        stake: Stake = "advise",
        id: str = "",
        entity: str = "",
    ) -> pa.Table: ...
    async def score(
        self, data: Any, *, deadline_s: float | None = None, stake: Stake = "advise", id: str = "", entity: str = ""
    ) -> Any:
        """As `sternpost.Client.score`."""
        return await self._run(self._client.score, data, deadline_s=deadline_s, stake=stake, id=id, entity=entity)

    async def report(
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
        """As `sternpost.Client.report`."""
        await self._run(
            self._client.report,
            prediction_id,
            outcome,
            known_at=known_at,
            happened_at=happened_at,
            entity=entity,
            source=source,
            revision=revision,
            deadline_s=deadline_s,
        )

    async def describe(self, *, deadline_s: float | None = None) -> dict[str, Any]:
        """As `sternpost.Client.describe`."""
        return await self._run(self._client.describe, deadline_s=deadline_s)

    def stats(self) -> dict[str, Any]:
        """As `sternpost.Client.stats`; nothing is waited for."""
        return self._client.stats()

    async def close(self) -> None:
        """End the threads and close the connections; calls on their way are answered first."""
        await asyncio.to_thread(self._pool.shutdown)
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        await self.close()
        return False
