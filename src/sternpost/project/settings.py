"""What `sternpost.toml` may say.

    [project]  name, owner, decision, module
    [split]    time, train_before, holdout_every_days or holdout_from; without a time, holdout_share and seed
    [gates]    floors and ceilings that the holdout has to keep, e.g. min_auc = 0.65
    [policy]   bands from score to action, and the action of rows that get no score
    [outcome]  what the outcome of a decision is and when it is due: horizon, grace, absence, ...
    [audit]    what the leak audit has to know: entity, entities_recur, and [[audit.waivers]]

Owed to callers: settings that exist are complete and consistent; every mistake is a `UsageError` that names file,
section, key and value, and for an unknown key the known one that is nearest.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)

from sternpost.bundle.policy import settle_policy
from sternpost.errors import DataError, UsageError
from sternpost.frame.audit.finding import CHECKS
from sternpost.outcomes.label import LabelDefinition

FILE_NAME = "sternpost.toml"
HOLDOUT_EVERY_DAYS = 4


def _moment(value: object) -> object:
    # `datetime` is a `date` to Python; a plain date means its first moment.
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        raise ValueError(f"it has no time zone; write {value.isoformat()}Z")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProjectSection(_Section):
    """`decision` says in one sentence what is decided with the score; `module` is the Python module's name."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    owner: str = Field(min_length=1)
    decision: str = Field(min_length=1)
    module: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class SplitSection(_Section):
    """With `time`, every n-th whole day before `train_before` is held out, or every row from `holdout_from` on; without
    a time, a seeded share of the rows."""

    time: str | None = None
    holdout_from: Annotated[dt.datetime | None, BeforeValidator(_moment)] = None
    train_before: Annotated[dt.datetime | None, BeforeValidator(_moment)] = None
    holdout_every_days: int = Field(default=HOLDOUT_EVERY_DAYS, ge=2)
    holdout_share: float = Field(default=0.25, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> SplitSection:
        with_time = self.model_fields_set & {"train_before", "holdout_every_days", "holdout_from"}
        without = self.model_fields_set & {"holdout_share", "seed"}
        if self.time is None and with_time:
            raise ValueError(f'{min(with_time)} needs a time column; add e.g. time = "created_at", or remove it')
        if self.time is not None and without:
            raise ValueError(
                f"{min(without)} is for rows without a time; with time, whole days are held out; remove it"
            )
        if {"holdout_from", "holdout_every_days"} <= self.model_fields_set:
            raise ValueError("holdout_from holds out the end, holdout_every_days days in between; remove one of them")
        if self.holdout_from is not None and self.train_before is not None and self.holdout_from >= self.train_before:
            raise ValueError(
                f"holdout_from = {self.holdout_from.isoformat()} leaves no holdout before train_before = "
                f"{self.train_before.isoformat()}; choose an earlier moment"
            )
        return self


class GatesSection(_Section):
    """What the holdout must reach; each that is named is kept, or no bundle is made."""

    min_auc: float | None = None
    max_brier: float | None = None
    max_log_loss: float | None = None
    min_accuracy: float | None = None
    max_mae: float | None = None
    max_rmse: float | None = None


class WaiverSection(_Section):
    """One finding of the leak audit that a named person lets pass until a day."""

    check: str
    column: str | None = None
    owner: str = Field(min_length=1)
    evidence: str = Field(min_length=1)
    expires: dt.date

    @field_validator("check")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CHECKS:
            raise ValueError(f"no check has that name; known: {', '.join(CHECKS)}")
        return value


class AuditSection(_Section):
    """`entity` is the column that says whom a row is about; `entities_recur`, that the model will meet it again."""

    entity: str | None = None
    entities_recur: bool = False
    waivers: list[WaiverSection] = []


def _policy(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("expected a section with bands and refused")
    try:
        return settle_policy(value)
    except UsageError as e:
        raise ValueError(str(e).removeprefix("policy: ")) from None


def _outcome(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("expected a section with horizon")
    try:
        return LabelDefinition.from_settings(value)
    except UsageError as e:
        raise ValueError(str(e)) from None


class Settings(_Section):
    """The whole file."""

    project: ProjectSection
    split: SplitSection = SplitSection()
    gates: GatesSection = GatesSection()
    policy: Annotated[dict[str, Any] | None, BeforeValidator(_policy)] = None
    outcome: Annotated[InstanceOf[LabelDefinition] | None, BeforeValidator(_outcome)] = None
    audit: AuditSection = AuditSection()


def read_settings(folder: Path) -> Settings:
    """The settings of the project in `folder`. Raises `UsageError` as promised above, `DataError` when the file cannot
    be read."""
    file = folder / FILE_NAME
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {state}; name a project folder, or make one: sternpost init {folder} --from DATA")
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        raise UsageError(
            f"{folder} has no {FILE_NAME}, so it is not a project; make one: sternpost init DIR --from DATA"
        ) from None
    except UnicodeDecodeError as e:
        raise UsageError(f"{file}: byte {e.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as e:
        raise DataError(f"cannot read {file}: {e.strerror or e}; check its permissions") from e
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{file}: not TOML: {e}") from None
    except ValidationError as e:
        raise UsageError(f"{file}: " + "; ".join(_explain(error) for error in e.errors())) from None


def _explain(error: Mapping[str, Any]) -> str:
    location = tuple(error["loc"])
    place = _place(location)
    if error["type"] == "extra_forbidden":
        known = _keys(location[:-1])
        near = get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        kind = "section" if len(location) == 1 else "key"
        return f"{place} is not a known {kind}; {hint}known: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{place} is missing; add it"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error["input"]
    return f"{place}: {message}" if isinstance(given, dict | BaseModel) else f"{place} = {given!r}: {message}"


def _place(location: tuple[str | int, ...]) -> str:
    if not location:
        return "the file"
    section, *rest = (str(part) for part in location)
    return " ".join([f"[{section}]", ".".join(rest)]).strip()


def _keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys that are known at a place of the file."""
    sections: dict[str, type[BaseModel]] = {
        "project": ProjectSection,
        "split": SplitSection,
        "gates": GatesSection,
        "audit": WaiverSection if "waivers" in location else AuditSection,
    }
    model = sections[str(location[0])] if location else Settings
    return list(model.model_fields)
