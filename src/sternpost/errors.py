"""Every error that Sternpost raises on purpose, and the exit code a command ends with when one reaches it.

    SternpostError
    |-- UsageError              2   the call or the settings are wrong
    |-- ForkError               2   an engine opened before a fork was used after it
    |-- ContractError          20   a table or row has the wrong columns or types
    |   `-- ContractViolation  20   rows break the contract's rules; `.violations` lists them
    |-- LeakFound              20   the leak audit refuses training; `.report` is the whole audit
    |-- FeatureError           20   a feature cannot be compiled; names function, line, cause, replacement
    |-- GateMissed             30   a model stayed below what was asked of it; `.gates` holds every gate
    |   `-- Inconclusive       31   nothing speaks against it, but the evidence does not suffice
    |-- ApprovalPending        60   the evidence suffices, named people have not approved yet
    |-- KernelError            40   compiled features cannot be loaded or called
    |-- ModelError             40   a model cannot be loaded or run
    |-- ExportError            40   an estimator cannot be turned into ONNX
    |   `-- ParityError        40   it can, but the two disagree; `.worst` shows the worst row
    |-- BundleError            40   a bundle cannot be opened
    |   |-- BundleCorrupt      40   content missing, extra, truncated or altered; names the part
    |   |-- BundleVersion      40   written in a format this version does not read
    |   |-- GoldenMismatch     40   the golden rows do not replay to the same bits on this machine
    |   `-- SignatureError     40   unsigned, or signed by somebody else
    |-- JournalError           40   a journal cannot be read
    |   |-- JournalCorrupt     40   bytes of a segment are not those that were written; names file and place
    |   `-- JournalVersion     40   written in a format this version does not read
    |-- LedgerBroken           70   a record of the ledger is altered, missing or out of order; names the first one
    |-- DataError              50   reading or writing data failed; trying again may help
    |   |-- JournalLocked      50   another process writes this journal; names it
    |   `-- Superseded         50   somebody else changed the use case meanwhile; look again
    `-- ServerError            50   a server gave no answer, and nothing could stand in for it
        |-- Unreachable        50   it cannot be talked to, or does not serve now
        |-- DeadlineExceeded   50   it did not answer in time
        |-- Overloaded         50   it has more to do than it can
        `-- Refused             2   it understood and said no; `.reason` is its word

Messages carry the value, the place and the next step. A caller that wants one `except` takes `SternpostError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sternpost._core import Violation


class SternpostError(Exception):
    """Root of the tree. `exit_code` is what a command returns when this error ends it."""

    exit_code: ClassVar[int] = 70


class UsageError(SternpostError):
    """The call, the command line or the settings file is wrong."""

    exit_code = 2


class ForkError(SternpostError):
    """An engine opened before a fork was used in the child process."""

    exit_code = 2


class ContractError(SternpostError):
    """Columns are missing, unknown or of the wrong type; nothing was scored."""

    exit_code = 20


class ContractViolation(ContractError):
    """Rows break the contract's rules. `violations` holds them, in row order."""

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)


class LeakFound(SternpostError):
    """The leak audit refuses training; no bundle was made. `report` is the audit, see `sternpost.frame.audit`."""

    exit_code = 20

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class FeatureError(SternpostError):
    """A feature cannot become part of a kernel."""

    exit_code = 20


class GateMissed(SternpostError):
    """A model stayed below what was asked of it: by [gates], so that no bundle was made, or by its terms, so that its
    rung stays. `gates` holds every gate with its verdict."""

    exit_code = 30

    def __init__(self, message: str, gates: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.gates = tuple(gates)


class Inconclusive(GateMissed):
    """Nothing speaks against the model, but the evidence does not suffice, or its budget is spent."""

    exit_code = 31


class ApprovalPending(SternpostError):
    """The evidence suffices; the approvals of named people do not."""

    exit_code = 60


class LedgerBroken(SternpostError):
    """The ledger is not what was written. Stop: nothing that rests on it can be relied on."""

    exit_code = 70


class KernelError(SternpostError):
    """Compiled features cannot be loaded or called on this machine."""

    exit_code = 40


class ModelError(SternpostError):
    """A model cannot be loaded or run."""

    exit_code = 40


class ExportError(SternpostError):
    """An estimator cannot be turned into ONNX."""

    exit_code = 40


class ParityError(ExportError):
    """The exported model and the estimator disagree beyond the stated difference.

    `worst` is the row with the largest difference, `report` the whole comparison; see `sternpost.export.report`.
    """

    def __init__(self, message: str, worst: object = None, report: object = None) -> None:
        super().__init__(message)
        self.worst = worst
        self.report = report


class BundleError(SternpostError):
    """A bundle cannot be opened."""

    exit_code = 40


class BundleCorrupt(BundleError):
    """Content is missing, extra, truncated or altered."""


class BundleVersion(BundleError):
    """The bundle's format is not one this version reads."""


class GoldenMismatch(BundleError):
    """The golden rows inside the bundle do not replay to the same bits here."""


class SignatureError(BundleError):
    """The bundle is unsigned, or its signature does not fit the trusted key."""


class JournalError(SternpostError):
    """A journal cannot be read."""

    exit_code = 40


class JournalCorrupt(JournalError):
    """Bytes of a segment are not those that were written."""


class JournalVersion(JournalError):
    """The segment's format is not one this version reads."""


class DataError(SternpostError):
    """Reading or writing data failed."""

    exit_code = 50


class JournalLocked(DataError):
    """Another process, or another object of this one, writes the journal."""


class Superseded(DataError):
    """The use case was changed by somebody else since it was looked at; nothing was written."""


class ServerError(SternpostError):
    """A server gave no answer, and nothing could stand in for it; trying again later may help."""

    exit_code = 50


class Unreachable(ServerError):
    """No server can be talked to, or none serves now."""


class DeadlineExceeded(ServerError):
    """There was no answer before the deadline."""


class Overloaded(ServerError):
    """The server has more to do than it can."""


class Refused(ServerError):
    """The server understood the request and said no; asking again changes nothing.

    `reason` is its word: BAD_REQUEST, UNKNOWN_BUNDLE, OTHER_SCHEMA, TOO_LARGE, NOT_ALLOWED, UNSUPPORTED, INTERNAL.
    """

    exit_code = 2

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason
