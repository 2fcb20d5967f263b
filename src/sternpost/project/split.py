"""Which rows train and which are held out.

Rows with a time are held out by whole UTC days: the distinct days before `train_before` are numbered in order, and
every n-th is held out. Rows of one day share their weather, prices and campaigns; held out at random they would tell
the model about each other, and the holdout would look better than the future will. Or every row from `holdout_from`
on is held out, and training ends one horizon earlier, as outcomes that came later were not known then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pt

from sternpost.contract.types import microseconds
from sternpost.errors import ContractError, UsageError
from sternpost.project.settings import SplitSection

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Split:
    """Row numbers of the loaded table, ascending: int64 [n]."""

    training: npt.NDArray[np.int64]
    holdout: npt.NDArray[np.int64]


def split_rows(table: pa.Table, known: npt.NDArray[np.bool_], settings: SplitSection, *, horizon_us: int = 0) -> Split:
    """Split the rows of `table` for which `known` (bool [n], the target is known).

    `horizon_us` is how long after its decision an outcome may be told, in microseconds.

    Raises `UsageError` when one side would be empty, `ContractError` when the time is missing or is no time.
    """
    if settings.time is None:
        return _at_random(np.flatnonzero(known), settings)
    moments = microseconds_of(f"[split] time = {settings.time}", table.column(settings.time))
    rows = np.flatnonzero(known)
    if settings.train_before is not None:
        rows = rows[moments[rows] < microseconds(settings.train_before)]
        if not len(rows):
            raise UsageError(
                f"[split] train_before = {settings.train_before.isoformat()}: none of the {int(known.sum())} rows with "
                f"a known target has {settings.time} before it; choose a later moment"
            )
    if settings.holdout_from is not None:
        return _at_the_end(rows, moments[rows], settings, horizon_us)
    days, number = np.unique(moments[rows] // DAY_US, return_inverse=True)
    if len(days) < settings.holdout_every_days:
        raise UsageError(
            f"[split] holdout_every_days = {settings.holdout_every_days}: {settings.time} has {len(days)} distinct "
            f"days for training, so no day is held out; lower it, or load more days"
        )
    held = number % settings.holdout_every_days == settings.holdout_every_days - 1
    return Split(rows[~held], rows[held])


def _at_the_end(
    rows: npt.NDArray[np.int64], moments: npt.NDArray[np.int64], settings: SplitSection, horizon_us: int
) -> Split:
    assert settings.holdout_from is not None
    start = microseconds(settings.holdout_from)
    split = Split(rows[(moments < start) & (moments + horizon_us <= start)], rows[moments >= start])
    for side, found in (("training", split.training), ("holdout", split.holdout)):
        if not len(found):
            gap = f" and {horizon_us / DAY_US:g} days of [outcome] horizon and grace" if horizon_us else ""
            raise UsageError(
                f"[split] holdout_from = {settings.holdout_from.isoformat()}{gap} leaves no row for the {side}; choose "
                f"another moment"
            )
    return split


def _at_random(rows: npt.NDArray[np.int64], settings: SplitSection) -> Split:
    held = round(len(rows) * settings.holdout_share)
    if not 0 < held < len(rows):
        raise UsageError(
            f"[split] holdout_share = {settings.holdout_share} of {len(rows)} rows with a known target leaves one side "
            f"without rows; load more rows"
        )
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    return Split(np.sort(rows[order[held:]]), np.sort(rows[order[:held]]))


def microseconds_of(what: str, values: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Microseconds UTC of a column of timestamps or dates, int64 [n]; `what` begins the message of a ContractError."""
    found = values.type
    if values.null_count:
        raise ContractError(f"{what}: the column is null in {values.null_count} rows; each row needs a time")
    if pt.is_timestamp(found) and found.tz is None:
        raise ContractError(f"{what}: the column has no time zone ({found}); cast it to timestamp('us', tz='UTC')")
    if not (pt.is_timestamp(found) or pt.is_date(found)):
        raise ContractError(f"{what}: the column is {found}, not a time; name a timestamp or a date column")
    moments = values.cast(pa.timestamp("us") if pt.is_date(found) else pa.timestamp("us", tz="UTC"), safe=False)
    return np.asarray(moments.cast(pa.int64()).to_numpy(), dtype=np.int64)
