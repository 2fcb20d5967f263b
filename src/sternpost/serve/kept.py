"""What a client answered without a server, kept on the spot, to be shipped to a journal of decisions later.

A client must answer whatever becomes of its journal: nothing here raises once the journal is open, and what could not
be kept is counted. Every process writes a journal of its own, since a journal has one writer.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sternpost import _core
from sternpost._core import Decision
from sternpost.contract.spec import ContractSpec
from sternpost.errors import SternpostError

_MOMENT = pa.timestamp("us", tz="UTC")
_TYPES: dict[str, pa.DataType] = {
    "float": pa.float64(),
    "int": pa.int64(),
    "money": pa.int64(),
    "bool": pa.bool_(),
    "category": pa.string(),
    "timestamp": _MOMENT,
}
#: A rule has no digest of its own.
_RULE = "rule"


@dataclass(frozen=True)
class Asked:
    """What a caller said about a row: what hangs on it, its name for the prediction, and whom it is about."""

    stake: str
    id: str
    entity: str


class Kept:
    """Decisions of this process, in a folder of its own below `folder`; made at the first decision."""

    def __init__(self, folder: Path, name: str, contract: ContractSpec | None) -> None:
        self.folder = folder
        self.name = name
        self._contract = contract
        self._lock = threading.Lock()
        self._writer: _core.JournalWriter | None = None
        self._lost = 0
        self._kept = 0

    def keep(self, row: Mapping[str, object], decision: Decision, asked: Asked, latency_ns: int) -> None:
        """Append one decision; what the disk does not take is counted as lost."""
        try:
            table = self._table(row, decision, asked, latency_ns)
            with self._lock:
                if self._writer is None:
                    self._writer = _core.JournalWriter(self._own(), "async")
                writer = self._writer
            # Without a bundle, as for a constant, the inputs have no columns and are left out.
            bundle = self.name or _RULE if decision.bundle else _RULE
            writer.append("decisions", table, bundle, decision.bundle or _RULE)
            self._kept += 1
        except (SternpostError, pa.ArrowException, OSError, ValueError, TypeError, OverflowError):
            self._lost += 1

    def stats(self) -> dict[str, int]:
        """Decisions `kept` and `lost`."""
        return {"kept": self._kept, "lost": self._lost}

    def close(self) -> None:
        """Write what waits and give the lock back. A later decision begins another folder."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(SternpostError):
                writer.close()

    def _own(self) -> Path:
        return self.folder / f"{os.getpid()}-{secrets.token_hex(4)}"

    def _table(self, row: Mapping[str, object], decision: Decision, asked: Asked, latency_ns: int) -> pa.Table:
        columns: dict[str, pa.Array] = {
            "prediction_id": pa.array([decision.prediction_id], pa.string()),
            "at": pa.array([datetime.now(UTC)], _MOMENT),
            "rung": pa.array([decision.rung], pa.string()),
            "source": pa.array([decision.source], pa.string()),
            "stake": pa.array([asked.stake], pa.string()),
            "score": pa.array([decision.score], pa.float64()),
            "scores": pa.array([list(decision.scores) or None], pa.list_(pa.float64())),
            "label": pa.array([decision.label], pa.string()),
            "action": pa.array([decision.action], pa.string()),
            "binding": pa.array([decision.binding], pa.bool_()),
            "reasons": pa.array([list(decision.reasons)], pa.list_(pa.string())),
            "latency_ns": pa.array([latency_ns], pa.int64()),
            "request_id": pa.array([asked.id or None], pa.string()),
            "entity": pa.array([asked.entity or None], pa.string()),
        }
        if self._contract is not None and decision.bundle:
            inputs = [_value(row.get(column.name), _TYPES[column.type]) for column in self._contract.columns]
            names = [column.name for column in self._contract.columns]
            columns["inputs"] = pa.StructArray.from_arrays(inputs, names)
        return pa.table(columns)


def _value(value: object, kind: pa.DataType) -> pa.Array:
    """As received; null where the column cannot hold it, which the decision's reasons then name."""
    given: Any = value
    try:
        return pa.array([given], kind, from_pandas=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.nulls(1, kind)
