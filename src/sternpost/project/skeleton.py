"""A first project, written from a data file, for a person to edit. It trains as it is.

What cannot be read off the data is not guessed: which column is the target, and which column is the time of the
decision, the caller says. Every other column becomes part of the contract, or a comment that says why not.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

import pyarrow as pa

from sternpost.contract import ContractSpec, draft, skipped, to_source
from sternpost.contract.types import ANNOTATION
from sternpost.errors import ContractError, UsageError
from sternpost.project.data_file import Format, read_data_file
from sternpost.project.labels import kind_of
from sternpost.project.new_folder import refuse_content, whole_folder
from sternpost.project.settings import FILE_NAME, HOLDOUT_EVERY_DAYS
from sternpost.project.split import DAY_US, microseconds_of

MODULE = "model"

#: Which type of column the example feature is about, best first.
_PREFERRED = ("timestamp", "float", "int", "money", "category", "bool")

_TOML = """\
# What this project is and what it is held to. `sternpost train {folder} -o {name}.sbundle` reads it.

[project]
name = {name_text}
owner = "nobody yet"  # who answers for this model: a team or a person
decision = {decision_text}
module = "{module}"  # {module}.py

[split]
{split}

[gates]  # the holdout must reach these, or no bundle is made
{gates}

# From score to action. Bands ascend; the last takes the rest.
# [policy]
# bands = [{{below = 0.3, action = "no"}}, {{action = "yes"}}]
# refused = "review"
"""

_MODULE = '''\
"""{title}

Drafted from {source}: types, nulls and lower bounds are what the data shows. Go through the
contract and remove what is not known yet when the decision is made.
"""

from __future__ import annotations

{standard}from pathlib import Path

{imports}
{estimator_import}

import sternpost as sp

DATA = {data}

target = {target}


{contract}{skipped}

contract = Row


{feature}


#: What the model sees, in order: features by name, columns passed on as they are (categories as codes).
features = sp.FeatureSet(
    contract,
    [
{outputs}
    ],
)


def load() -> pa.Table:
    """Every row there is to learn from: the contract's columns and the target."""
    return {expression}


def fit(X, y, names):
    """A fitted estimator. X is float32 [rows, {width}], null is NaN; names are its columns."""
    return {estimator}(random_state=0).fit(X, y)
'''


def skeleton(
    folder: str | os.PathLike[str],
    data_path: str | os.PathLike[str],
    *,
    target: str | None,
    time: str | None = None,
) -> Path:
    """Write a project into `folder` (new or empty) from a Parquet, Arrow IPC or CSV file, and return the folder.

    `target` is the column to predict: a class when it is bool, text or a whole number with few values, else a
    quantity. `time` is the moment of the decision, by which rows are held out; without it they are held out at
    random. Raises `UsageError` when the folder has content, when the target is not given, or a column is not there;
    `ContractError` when nothing can be learned from the target; `DataError` when a file cannot be read or written.
    """
    place, source = Path(folder), Path(data_path)
    refuse_content(place)
    table, data_format = read_data_file(source)
    _check_columns(table, target, time)
    _check_time(table, time)
    assert target is not None, "a missing target was refused above"
    kind = kind_of(target, table.column(target))
    if table.column_names == [target]:
        raise ContractError(f"{source} has no column but the target {target}; there is nothing to learn from")
    rest = table.drop_columns([target])
    contract = draft(rest, "Row")
    module = _module(place, source, data_format, contract=contract, left_out=skipped(rest), target=target, kind=kind)
    toml = _toml(place, target, kind, time, table)
    with whole_folder(place) as made:
        (made / FILE_NAME).write_text(toml, encoding="utf-8")
        (made / f"{MODULE}.py").write_text(module, encoding="utf-8")
    return place


def _check_columns(table: pa.Table, target: str | None, time: str | None) -> None:
    has = ", ".join(table.column_names[:40])
    if target is None:
        raise UsageError(f"which column is to be predicted? Say --target COLUMN; the file has {has}")
    for option, name in (("--target", target), ("--time", time)):
        if name is not None and table.column_names.count(name) != 1:
            state = "is there twice" if name in table.column_names else "is not there"
            raise UsageError(f"{option} {name}: that column {state}; the file has {has}")
    if time == target:
        raise UsageError(f"--time {time}: that is the target; the time is when the decision is made")


def _check_time(table: pa.Table, time: str | None) -> None:
    if time is None:
        return
    days = len(set((microseconds_of(f"--time {time}", table.column(time)) // DAY_US).tolist()))
    if days < HOLDOUT_EVERY_DAYS:
        raise UsageError(
            f"--time {time}: {days} distinct days are too few to hold out every {HOLDOUT_EVERY_DAYS}th; leave --time "
            f"out, and rows are held out at random"
        )


def _toml(place: Path, target: str, kind: str, time: str | None, table: pa.Table) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", place.resolve().name).strip("-._") or "project"
    if time is not None:
        split = (
            f"time = {json.dumps(time)}\n"
            f"holdout_every_days = {HOLDOUT_EVERY_DAYS}  # one whole day in so many is held out\n"
            "# train_before = 2024-01-01T00:00:00Z  # later rows stay out of training and holdout"
        )
    else:
        times = [f.name for f in table.schema if pa.types.is_timestamp(f.type) or pa.types.is_date(f.type)]
        known = f"  # candidates: {', '.join(times[:5])}" if times else ""
        split = (
            "# A random holdout flatters when rows near in time are alike. With the time of the decision, whole days\n"
            f'# are held out instead: time = "..."{known}\n'
            "holdout_share = 0.25\n"
            "seed = 0"
        )
    gate = "# min_auc = 0.7  # or min_accuracy, max_log_loss" if kind == "classes" else "# max_mae = 1.0  # or max_rmse"
    return _TOML.format(
        folder=place,
        name=name,
        name_text=json.dumps(name),
        decision_text=json.dumps(f"What is done, knowing how likely or large {target} is: say it in one sentence."),
        module=MODULE,
        split=split,
        gates=gate,
    )


def _module(
    place: Path,
    source: Path,
    data_format: Format,
    *,
    contract: ContractSpec,
    left_out: dict[str, str],
    target: str,
    kind: str,
) -> str:
    feature, name, uses_math = _example_feature(contract)
    passed_on = [c.name for c in contract.columns if c.type != "timestamp"]
    outputs = [name, *(json.dumps(n) for n in passed_on)]
    estimator = "HistGradientBoostingClassifier" if kind == "classes" else "HistGradientBoostingRegressor"
    imports = data_format.imports
    if imports != "import pyarrow as pa":
        imports = f"import pyarrow as pa\n{imports}"
    return _MODULE.format(
        title=f"Predicts {json.dumps(target)}.",
        source=source.name,
        standard="import math\n" if uses_math else "",
        imports=imports,
        estimator_import=f"from sklearn.ensemble import {estimator}",
        data=_data_path(place, source),
        target=json.dumps(target),
        contract=to_source(contract),
        skipped=_skipped(left_out),
        feature=feature,
        outputs="\n".join(f"        {o}," for o in outputs),
        expression=data_format.expression,
        width=len(outputs),
        estimator=estimator,
    )


def _data_path(place: Path, source: Path) -> str:
    folder, file = place.resolve(), source.resolve()
    if file.is_relative_to(folder):
        return f"Path(__file__).parent / {json.dumps(str(file.relative_to(folder)))}"
    return f"Path({json.dumps(str(file))})"


def _skipped(left_out: dict[str, str]) -> str:
    lines = [
        line
        for name, reason in left_out.items()
        for line in textwrap.wrap(
            f"{name}: left out, {reason}", 110, initial_indent="    # ", subsequent_indent="    #   ",
            break_on_hyphens=False,
        )
    ]  # fmt: skip
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _example_feature(contract: ContractSpec) -> tuple[str, str, bool]:
    """One feature over a column of the contract, its name, and whether it uses math."""
    # The body says sp. and math., so a column of that name would hide them.
    usable = [c for c in contract.columns if c.name not in ("sp", "math")] or contract.columns
    column = min(usable, key=lambda c: (_PREFERRED.index(c.type), c.ge is None))
    x = column.name
    size = f"math.log1p({x})" if column.ge is not None else f"math.log1p(abs({x}))"
    log = (f"{x}_log", size, "float", f"The size of {x}, large values drawn together.")
    name, body, returns, words = {
        "timestamp": (f"{x}_hour", f"sp.hour({x})", "int", f"Hour of the UTC day of {x}; sp.local knows time zones."),
        "category": (f"{x}_unseen", f"sp.is_unseen({x})", "bool", f"{x} has a label that training did not see."),
        "bool": (f"not_{x}", f"not {x}", "bool", f"The opposite of {x}."),
    }.get(column.type, log)
    while name in contract.by_name:
        name += "_feature"
    source = (
        "@sp.feature\n"
        f"def {name}({x}: {ANNOTATION[column.type]}) -> {returns}:\n"
        f'    """{words}\n\n'
        "    An example: a feature is one scalar function of columns and other features; a null gives a null.\n"
        '    """\n'
        f"    return {body}"
    )
    return source, name, "math." in body
