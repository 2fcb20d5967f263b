"""A TCP proxy that can lose a peer as networks do: bytes stop, nothing is closed, and nobody is told."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards to `HOST:PORT` in a thread of its own. After `lose` the connections of then, and those that come later,
    stay open and carry nothing until `find`."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = host, int(port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._woken, self._waker = socket.socketpair()
        self._others: dict[socket.socket, socket.socket] = {}
        self._lost = threading.Event()
        self._over = False
        self.forwarded = 0
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def lose(self) -> None:
        """From now on every byte is swallowed, and so is the word that a connection ended."""
        self._lost.set()

    def find(self) -> None:
        """New connections are forwarded again; those that were lost stay so."""
        self._others.clear()
        self._lost.clear()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            selector.register(self._door, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._over:
                for key, _ in selector.select():
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._door:
                        near = stack.enter_context(ready.accept()[0])
                        far = stack.enter_context(socket.create_connection(self._target))
                        self._others |= {near: far, far: near}
                        selector.register(near, selectors.EVENT_READ)
                        selector.register(far, selectors.EVENT_READ)
                    elif ready is not self._woken and not self._forward(ready):
                        selector.unregister(ready)

    def _forward(self, ready: socket.socket) -> bool:
        """Whether there may be more."""
        with contextlib.suppress(ConnectionError):
            data = ready.recv(65536)
            other = self._others.get(ready)
            if self._lost.is_set() or other is None:
                return bool(data)
            if data:
                other.sendall(data)
                self.forwarded += len(data)
                return True
            other.shutdown(socket.SHUT_WR)
        return False

    def close(self) -> None:
        self._over = True
        self._waker.send(b"x")
        self._thread.join()
        for one in (self._door, self._woken, self._waker):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
