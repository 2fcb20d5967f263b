"""What the parts work on, made once into a folder: fitted models, sealed bundles, the peers' ONNX files, row files.

Nothing of it is committed. Everything follows from `Sizes` and the workload's seed, so a folder may be kept and used
again for the same sizes (`--data`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

import sternpost as sp
from benchmarks import workload
from benchmarks.loans import FEATURES

MODELS = ("tree", "linear")
TABLES = 2
MAX_BATCH = 65_536
POLICY = {"bands": [{"below": 0.2, "action": "grant"}, {"below": 0.5, "action": "ask"}, {"action": "decline"}]}


@dataclass(frozen=True)
class Sizes:
    """How much of everything. `calls` is calls per round of a single row, `rounds` the interleaved rounds."""

    train_rows: int = 200_000
    trees: int = 200
    table_rows: int = 1_000_000
    single_rows: int = 20_000
    rounds: int = 9
    calls: int = 500

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


FULL = Sizes()
QUICK = Sizes(train_rows=50_000, table_rows=200_000, single_rows=5_000, rounds=5, calls=300)


class Material:
    """Files in `folder` for these sizes; `prepare` makes what is missing, the rest only reads."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes

    def prepare(self) -> None:
        """Fit, seal and write. Takes about a minute for the full sizes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(not path.exists() for m in MODELS for path in (self.bundle_path(m), self.onnx_path(m))):
            self._fit()
        for i in range(TABLES):
            if not self.table_path(i).exists():
                _write(self.table_path(i), workload.rows(self.sizes.table_rows, workload.SEED + 10 + i))

    def bundle_path(self, model: str) -> Path:
        """The sealed bundle of "tree" or "linear"."""
        return self.folder / f"{model}-{self._fitted}.sbundle"

    def onnx_path(self, model: str) -> Path:
        """The same model as a user without Sternpost exports it."""
        return self.folder / f"{model}-{self._fitted}.onnx"

    def table_path(self, i: int) -> Path:
        """Arrow file of `table_rows` rows; file `i` of two with different rows."""
        return self.folder / f"rows-{self.sizes.table_rows}-{i}.arrow"

    def bundle(self, model: str) -> sp.Bundle:
        return sp.open_bundle(self.bundle_path(model))

    def table(self, i: int) -> pa.Table:
        """The rows of file `i`, in memory, in one piece."""
        with pa.OSFile(str(self.table_path(i))) as source:
            return pa.ipc.open_file(source).read_all().combine_chunks()

    @cached_property
    def single_rows(self) -> list[dict[str, Any]]:
        """Rows as dicts, None for null."""
        return workload.rows(self.sizes.single_rows, workload.SEED + 1).to_pylist()

    @property
    def _fitted(self) -> str:
        return f"{self.sizes.train_rows}x{self.sizes.trees}"

    def _fit(self) -> None:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train = workload.rows(self.sizes.train_rows)
        matrix = FEATURES.matrix(train)
        y = workload.target(matrix, FEATURES.names)
        estimators = {
            "tree": tree(self.sizes),
            "linear": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=500)),
        }
        for model, estimator in estimators.items():
            estimator.fit(matrix, y)
            reference = train.slice(0, min(20_000, train.num_rows))
            bundle = sp.build(
                features=FEATURES, model=estimator, reference=reference, policy=POLICY,
                name=f"loans-{model}", owner="benchmarks",
            )  # fmt: skip
            bundle.save(self.bundle_path(model))
            self.onnx_path(model).write_bytes(_peer_onnx(model, estimator))


def tree(sizes: Sizes) -> Any:
    """The tree model, not fitted; the same rows make the same one again."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=sizes.trees, num_leaves=31, learning_rate=0.08, random_state=workload.SEED,
        deterministic=True, force_row_wise=True, n_jobs=2, verbose=-1,
    )  # fmt: skip


def _peer_onnx(model: str, estimator: Any) -> bytes:
    """The estimator by the public converters, without the list of maps that they add by default."""
    width = len(FEATURES.names)
    if model == "tree":
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        made = convert_lightgbm(
            estimator, initial_types=[("input", FloatTensorType([None, width]))], zipmap=False, target_opset=15
        )
    else:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        made = to_onnx(
            estimator,
            initial_types=[("input", FloatTensorType([None, width]))],
            options={id(estimator): {"zipmap": False}},
            target_opset=15,
        )
    return made.SerializeToString()


def _write(path: Path, table: pa.Table) -> None:
    unfinished = path.with_suffix(".part")
    with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=MAX_BATCH)
    unfinished.rename(path)
