"""The reference of a bundle: what its inputs, features and outputs looked like in the rows that it was built on.

Live windows and drift are counted in its cells; `docs/monitoring-format.md` describes the file.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sternpost._core import Engine, Reference
from sternpost.export import ModelSpec
from sternpost.features import Kernel

#: The output of a binary model or a regression; the outputs of a multiclass model are `score:CLASS`.
SCORE = "score"


def make_reference(engine: Engine, kernel: Kernel, model: ModelSpec, rows: pa.Table) -> Reference:
    """From rows that all keep the contract, and an engine that scores them."""
    inputs = rows.select(kernel.contract.names)
    frame = engine.frame(inputs)
    outputs = outputs_of(engine.score_table(inputs), model)
    return Reference.of_bundle(kernel.contract.rules_json(), inputs, frame, outputs, _labels(kernel, frame))


def outputs_of(scored: pa.Table, model: ModelSpec) -> pa.Table:
    """The watched outputs in a scored table: a float64 column each, null where a row has no score."""
    if model.kind != "multiclass":
        return scored.select([SCORE])
    lists = scored.column("scores").combine_chunks()
    each = [pc.list_element(lists, place) for place in range(len(model.classes or ()))]
    return pa.table({f"{SCORE}:{name}": values for name, values in zip(model.classes or (), each, strict=True)})


def _labels(kernel: Kernel, frame: pa.Table) -> dict[str, list[str]]:
    """Labels of category features by code: those of the column that is passed on, else the codes themselves."""
    columns = {column.name: column for column in kernel.contract.columns}
    labels = {}
    for output in kernel.outputs:
        if output.type == "category":
            column = columns.get(output.name)
            most = pc.max(frame.column(output.name)).as_py()
            codes = [str(code) for code in range(1 + (-1 if most is None else most))]
            listed = column.categories if column is not None and column.type == "category" else None
            labels[output.name] = list(listed) if listed else codes
    return labels
