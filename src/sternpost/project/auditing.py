"""What the leak audit is given of a project, and the waivers that stand in its settings."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.errors import ContractError
from sternpost.frame.audit import AuditCase, AuditReport, Waiver, audit
from sternpost.frame.audit.case import UNKNOWN
from sternpost.project.labels import kind_of, plain, to_numpy
from sternpost.project.loading import Project
from sternpost.project.split import Split, microseconds_of, split_rows


def audit_project(project: Project, *, today: dt.date | None = None) -> AuditReport:
    """Load the project's rows, split them as training would, and audit them.

    Raises `UsageError` and `ContractError` as training does.
    """
    table = project.load()
    known = known_rows(project, table)
    return audit_rows(project, table, known, split_of(project, table, known), today=today)


def known_rows(project: Project, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows have a known target: bool [n]. ContractError when none has."""
    known = np.asarray(plain(table.column(project.target)).is_valid().to_numpy(), dtype=np.bool_)
    if not known.any():
        raise ContractError(
            f"load() gave {table.num_rows} rows, none of them with a known {project.target}; there is nothing to learn"
        )
    return known


def split_of(project: Project, table: pa.Table, known: npt.NDArray[np.bool_]) -> Split:
    """The project's split; see `split_rows`."""
    outcome = project.settings.outcome
    return split_rows(table, known, project.settings.split, horizon_us=0 if outcome is None else outcome.due_us)


def audit_rows(
    project: Project,
    table: pa.Table,
    known: npt.NDArray[np.bool_],
    split: Split,
    *,
    today: dt.date | None = None,
) -> AuditReport:
    """The audit of rows that are loaded and split."""
    settings = project.settings
    section = settings.split
    time = section.time
    case = AuditCase(
        name=settings.project.name,
        contract=project.contract,
        features=project.features,
        table=table,
        target=project.target,
        outcome=_outcome(project.target, table.column(project.target), known),
        training=split.training,
        holdout=split.holdout,
        split="random" if time is None else "days" if section.holdout_from is None else "from",
        moments=None if time is None else microseconds_of(f"[split] time = {time}", table.column(time)),
        horizon_us=None if settings.outcome is None else settings.outcome.due_us,
        entity=settings.audit.entity,
        entities_recur=settings.audit.entities_recur,
    )
    waivers = [Waiver(**w.model_dump()) for w in settings.audit.waivers]
    return audit(case, waivers=waivers, today=today)


def _outcome(name: str, target: pa.ChunkedArray, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The class of each row, int64 [n]; see AuditCase."""
    values = to_numpy(name, plain(target).filter(pa.array(known)))
    if kind_of(name, target) == "quantity":
        classes = (values > np.median(values)).astype(np.int64)
    else:
        classes = np.unique(values, return_inverse=True)[1]
    outcome = np.full(len(known), UNKNOWN, np.int64)
    outcome[known] = classes
    return outcome
