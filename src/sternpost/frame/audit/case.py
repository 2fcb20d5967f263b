"""What is audited: the rows that were loaded, what became of them, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.contract import ContractSpec
from sternpost.features import FeatureSet

#: How rows are held out: whole days between training days, everything from a moment on, or a random share.
SplitKind = Literal["days", "from", "random"]
#: The outcome of a row that has none yet.
UNKNOWN = -1


@dataclass(frozen=True)
class AuditCase:
    """`table` [n rows] has the contract's columns (and more, perhaps) of all rows that were loaded.

    - `outcome`: int64 [n], the class of each row, 0 .. classes - 1, or UNKNOWN. A quantity has two classes, above its
      median and not.
    - `training`, `holdout`: int64 row numbers, ascending; rows in neither are not audited.
    - `moments`: int64 [n], microseconds UTC of each row's decision, or None where rows have no time.
    - `horizon_us`: how long after its decision an outcome may come, or None where nobody said.
    - `entity`: the column that says whom a row is about; `entities_recur` that the same will be met again when the
      model decides, so that both sides of the split may share them.
    """

    name: str
    contract: ContractSpec
    features: FeatureSet
    table: pa.Table
    target: str
    outcome: npt.NDArray[np.int64]
    training: npt.NDArray[np.int64]
    holdout: npt.NDArray[np.int64]
    split: SplitKind
    moments: npt.NDArray[np.int64] | None = None
    horizon_us: int | None = None
    entity: str | None = None
    entities_recur: bool = False

    @property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """For every column of the contract the model's inputs that it goes into."""
        reads = self.features.reads
        return {c: tuple(f for f, columns in reads.items() if c in columns) for c in self.contract.names}
