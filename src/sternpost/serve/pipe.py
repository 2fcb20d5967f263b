"""Arrow streams that can be read only once, from front to back: standard input, named pipes.

Owed to callers: what is no Arrow stream is refused after its first bytes; a stream that was cut off is refused at its
end, even where Arrow itself would not notice.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pyarrow as pa
from pyarrow import ipc

from sternpost.errors import DataError, UsageError
from sternpost.serve.formats import HEAD_BYTES, Format, check_end, explained, format_of, sound

_PIECE_BYTES = 1 << 20


class Pipe(io.RawIOBase):
    """A pipe as Arrow wants to read it. `place` is its name in messages."""

    def __init__(self, source: int | str | os.PathLike[str], place: str) -> None:
        """Open a path, or a descriptor that stays the caller's. Raises `DataError`."""
        super().__init__()
        self.place = place
        with explained(place):
            self._file = io.FileIO(source, closefd=not isinstance(source, int))
        self._head = b""
        self._ended = False

    def open(self) -> ipc.RecordBatchStreamReader:
        """The stream's reader, its schema read. Raises `DataError`, or `UsageError` for a terminal."""
        if self._file.isatty():
            raise UsageError(f"{self.place} is a terminal; name a file, or pipe an Arrow IPC stream in")
        with explained(self.place):
            self._head = self.read(HEAD_BYTES)
            kind = format_of(self._head, self.place)
            if kind is not Format.STREAM:
                raise DataError(
                    f"{self.place}: found {kind.value}, which cannot be read from a pipe; give the file's name, or "
                    "send an Arrow IPC stream"
                )
            return ipc.open_stream(pa.PythonFile(self, mode="r"))

    def batches(self, reader: ipc.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
        """The rows, once, in order, and proof that the stream is whole. Raises `DataError`."""
        with explained(self.place):
            for batch in reader:
                yield sound(batch)
            # Arrow stops at the end marker. Having met the end of the pipe means that there was none.
            check_end(self.place, marked=not self._ended, more=bool(self.read(1)))

    def readable(self) -> bool:
        """Yes; Arrow asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, or fewer at the end of the pipe."""
        pieces, self._head = [self._head[:size]], self._head[size:]
        wanted = size - len(pieces[0])
        while wanted > 0:
            if self._file.closed:
                raise DataError(f"{self.place}: was closed while it was being read")
            piece = self._file.read(min(wanted, _PIECE_BYTES))
            if not piece:
                self._ended = True
                break
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Close the pipe; a descriptor that was handed in stays open. A read in another thread ends with an error."""
        self._file.close()
        super().close()
