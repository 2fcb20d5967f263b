"""A project becomes a sealed bundle, or a reason why not.

In order: load; keep the rows whose outcome is known; split; audit; build the model's matrix, which applies the
contract; fit; seal, which proves the export; score the holdout with the sealed bundle; keep the gates. The same project
on the same data gives the same digest, as far as `fit` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.bundle import Bundle, build
from sternpost.errors import ContractViolation, FeatureError, LeakFound
from sternpost.frame.audit import AuditReport
from sternpost.project.auditing import audit_rows, known_rows, split_of
from sternpost.project.labels import to_numpy
from sternpost.project.loading import Project
from sternpost.project.measures import Gate, check_gates, measure
from sternpost.project.settings import FILE_NAME

#: Parity, golden rows and the profile come from at most this many training rows.
REFERENCE_ROWS_MAX = 200_000
_REFERENCE_SEED = 0

#: What training calls the steps it takes, in order.
STEPS = ("load", "split", "audit", "features", "fit", "seal", "measure")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """A sealed bundle (not yet written) and what is known about it.

    Rows: `rows_loaded`, of them `rows_unknown` with a null target, `rows_training`, `rows_holdout`, of these
    `rows_refused` by the contract when scored; what lies after `train_before` is neither. `metrics` are the holdout's,
    a number that its rows do not determine is None; `audit` is the leak audit; `seconds` by step.
    """

    bundle: Bundle
    metrics: dict[str, float | None]
    gates: tuple[Gate, ...]
    audit: AuditReport
    rows_loaded: int
    rows_unknown: int
    rows_training: int
    rows_holdout: int
    rows_refused: int
    seconds: dict[str, float]


class _Clock:
    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.stop(now)
        self._name, self._began = name, now
        self.seconds[name] = 0.0
        if self.progress is not None:
            self.progress(name)

    def stop(self, now: float | None = None) -> None:
        if self.seconds:
            self.seconds[self._name] = round((now or time.perf_counter()) - self._began, 3)


def train(project: Project, *, progress: Progress | None = None) -> TrainResult:
    """Train and seal. `progress` is called with the name of each step (one of STEPS) when it begins.

    Raises `UsageError` (settings, or the project's own code), `ContractError` and `ContractViolation` (rows, by their
    number in what load() gave, from 0), `LeakFound` when the audit refuses, `FeatureError`, `ExportError`,
    `ParityError`, and `GateMissed` when the holdout stays below a gate.
    """
    _need_scikit_learn()
    clock = _Clock(progress)
    clock.step("load")
    table = project.load()
    known = known_rows(project, table)

    clock.step("split")
    split = split_of(project, table, known)
    training = table.take(split.training)
    holdout = table.take(split.holdout)
    y = to_numpy(project.target, training.column(project.target))
    truth = to_numpy(project.target, holdout.column(project.target))

    clock.step("audit")
    audited = audit_rows(project, table, known, split)
    if audited.blocked:
        raise LeakFound(_refusal(audited), audited)

    clock.step("features")
    features = project.features.learn(training)
    try:
        X = features.matrix(training)
    except ContractViolation as e:
        raise _in_loaded_rows(e, split.training) from None

    clock.step("fit")
    model = project.fit(X, y, features.names)

    clock.step("seal")
    settings = project.settings
    bundle = build(
        contract=project.contract,
        features=features,
        model=model,
        reference=_sample(training),
        name=settings.project.name,
        owner=settings.project.owner,
        policy=settings.policy,
        description=settings.project.decision,
    )

    clock.step("measure")
    scored = bundle.score(holdout)
    answered = np.asarray(scored.column("score").is_valid().to_numpy(), dtype=np.bool_)
    if not answered.any():
        raise ContractViolation(
            f"all {holdout.num_rows} holdout rows are refused: {', '.join(scored.column('reasons')[0].as_py())} for "
            f"row {split.holdout[0]} (counted from 0); correct the data, or the contract"
        )
    metrics = measure(bundle.model, scored.filter(pa.array(answered)), truth[answered])
    gates = check_gates(settings.gates, bundle.model.kind, metrics)
    clock.stop()
    return TrainResult(
        bundle=bundle,
        metrics=metrics,
        gates=gates,
        audit=audited,
        rows_loaded=table.num_rows,
        rows_unknown=int((~known).sum()),
        rows_training=len(split.training),
        rows_holdout=len(split.holdout),
        rows_refused=int((~answered).sum()),
        seconds=clock.seconds,
    )


def _need_scikit_learn() -> None:
    try:
        import sklearn  # noqa: F401 - asked before the data is loaded, not after
    except ModuleNotFoundError:
        raise FeatureError("training needs scikit-learn; pip install 'sternpost[train]'") from None


def _refusal(audited: AuditReport) -> str:
    told = "; ".join(f"{f.check}: {f.told}" for f in audited.findings if f.blocks)
    return (
        f"the leak audit refuses training: {told}; sternpost audit says what to do; a finding that is no leak is "
        f"waived by name in {FILE_NAME}: [[audit.waivers]] check, column, owner, evidence, expires"
    )


def _sample(training: pa.Table) -> pa.Table:
    if training.num_rows <= REFERENCE_ROWS_MAX:
        return training
    picked = np.random.default_rng(_REFERENCE_SEED).choice(training.num_rows, REFERENCE_ROWS_MAX, replace=False)
    return training.take(np.sort(picked))


def _in_loaded_rows(error: ContractViolation, rows: npt.NDArray[np.int64]) -> ContractViolation:
    """The same violations, with rows as numbered by what load() gave."""
    if not error.violations:
        return error
    shown = [v.message.replace(f"row {v.row},", f"row {rows[v.row]},", 1) for v in error.violations[:3]]
    return ContractViolation(
        f"load() gave rows that the contract refuses (counted from 0): {'; '.join(shown)}"
        f"{' ...' if len(error.violations) > 3 else ''}; what happens to such values can also be said in the "
        f"contract: sp.column(on_violation=...)",
        error.violations,
    )
