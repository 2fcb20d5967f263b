"""Rows that stand on both sides of a split.

Twice: with every column, and without what merely numbers rows (identifiers, times), because a copy often gets a new
number. Rows can be alike by chance, so either look counts only where its columns together tell rows apart, and the
second only where twins share their outcome more often than strangers would.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.frame.audit.case import AuditCase
from sternpost.frame.audit.finding import Finding

#: Held-out rows with a twin in training: more than this is told.
SHARE_MAX = 0.001
#: Of the rows: a column of whole numbers or text with so many different values numbers the rows.
UNIQUE_MIN = 0.95
#: How many twins a row may be expected to have by chance before twins without numbers mean nothing.
_CHANCE_MAX = 0.001
_Z_MIN = 4.0


def duplicates(case: AuditCase) -> list[Finding]:
    """At most one finding for each of the two looks."""
    if not len(case.training) or not len(case.holdout):
        return []
    whole, plain = _digests(case)
    remedy = "remove copies before splitting, or find out why rows were loaded twice"
    found = []
    exact = np.full(len(case.holdout), -1) if whole is None else _twins(whole, case)
    share = float(np.mean(exact >= 0))
    if share > SHARE_MAX:
        told = f"{share:.2%} of the held-out rows stand in training too, equal in every column"
        found.append(Finding("duplicates", "WARN", (), told, remedy, share, SHARE_MAX))
    if plain is None:
        return found
    twins = _twins(plain, case)
    twins[exact >= 0] = -1
    share = float(np.mean(twins >= 0))
    if share > SHARE_MAX and _more_than_chance(case, twins):
        told = (
            f"{share:.2%} of the held-out rows stand in training too, equal in all columns that do not number rows or "
            "tell their time, and with the same outcome"
        )
        found.append(Finding("duplicates", "WARN", (), told, remedy, share, SHARE_MAX))
    return found


def numbers_rows(values: pa.ChunkedArray) -> bool:
    """Whether a column of whole numbers or text has nearly as many different values as rows."""
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    known = len(values) - values.null_count
    return bool(known >= 20 and pc.count_distinct(values).as_py() >= UNIQUE_MIN * known)


def _digests(case: AuditCase) -> tuple[npt.NDArray[np.uint64] | None, npt.NDArray[np.uint64] | None]:
    """uint64 [n] of every row: of all columns, and of those that say more than number and time; None where the columns
    together do not tell rows apart."""
    digests = [np.zeros(case.table.num_rows, np.uint64) for _ in range(2)]
    chances = [math.log(len(case.training))] * 2
    for place, column in enumerate(case.contract.columns):
        values = case.table.column(column.name)
        codes = _codes(values)
        share = np.bincount(codes + 1) / len(codes)
        alike = math.log(float((share**2).sum()))
        tells_more = column.type != "timestamp" and not numbers_rows(values)
        for look in (0, 1) if tells_more else (0,):
            digests[look] = _mixed(digests[look], codes, place)
            chances[look] += alike
    told = [d if chance < math.log(_CHANCE_MAX) else None for d, chance in zip(digests, chances, strict=True)]
    return told[0], told[1]


def _codes(values: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """int64 [n]: equal values have equal codes, null is -1."""
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    indices = encoded.unify_dictionaries().combine_chunks()
    indices = indices.indices if isinstance(indices, pa.DictionaryArray) else indices.chunk(0).indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _mixed(digest: npt.NDArray[np.uint64], codes: npt.NDArray[np.int64], place: int) -> npt.NDArray[np.uint64]:
    """splitmix64 of what was mixed before and one column more (Steele, Lea, Flood, OOPSLA 2014)."""
    x = digest * np.uint64(0x9E3779B97F4A7C15) + codes.view(np.uint64) + np.uint64(place + 1)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)


def _twins(digests: npt.NDArray[np.uint64], case: AuditCase) -> npt.NDArray[np.int64]:
    """For each held-out row a training row with the same digest, or -1: int64 [holdout]."""
    known, first = np.unique(digests[case.training], return_index=True)
    held = digests[case.holdout]
    place = np.minimum(np.searchsorted(known, held), len(known) - 1)
    return np.where(known[place] == held, case.training[first[place]], -1)


def _more_than_chance(case: AuditCase, twins: npt.NDArray[np.int64]) -> bool:
    has = twins >= 0
    same = case.outcome[case.holdout[has]] == case.outcome[twins[has]]
    shares = np.bincount(case.outcome[case.training]) / len(case.training)
    chance = float((shares**2).sum())
    spread = math.sqrt(chance * (1 - chance) / len(same))
    return spread > 0 and (float(same.mean()) - chance) / spread > _Z_MIN
