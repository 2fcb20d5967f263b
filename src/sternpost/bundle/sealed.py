"""A bundle in memory: what was sealed, ready to score.

Opening proves every byte, loads the kernel, starts the model and replays the golden rows; only then is there a
`Bundle`. Scoring one row and scoring a table run the same code in the engine. A bundle holds code that runs with the
rights of the process that opens it: open what you trust, or require a signature.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost._core import Decision, Engine, Reference, Window
from sternpost.bundle.archive import REFERENCE, Seal, digest_of, read_archive, write_archive
from sternpost.bundle.golden import Golden, replay
from sternpost.bundle.model_run import start_onnxruntime
from sternpost.bundle.provenance import Provenance
from sternpost.bundle.signature import PrivateKeyLike, PublicKeyLike
from sternpost.contract import ContractSpec, as_table
from sternpost.errors import BundleCorrupt, ContractError, DataError, KernelError, UsageError
from sternpost.export import ModelSpec
from sternpost.features import Kernel
from sternpost.features.kernel import matrix_of

OBJECT_PART = "kernel.x86-64-v3.o"
PARTS = (
    "about.json",
    "contract.json",
    "features.json",
    "golden.arrow",
    "golden.features",
    "golden.scores",
    "kernel.ll",
    OBJECT_PART,
    "model.json",
    "model.onnx",
    "parity.json",
    "policy.json",
    "profile.json",
    "provenance.json",
)


class Bundle:
    """Contract, features, model, policy and evidence under one digest. Made by `build` and `open_bundle`."""

    def __init__(self, parts: Mapping[str, bytes], seal: Seal | None, golden: Golden | None = None) -> None:
        """From verified parts; `golden` is given when they were recorded in this very process. Raises BundleError."""
        self._parts = dict(parts)
        self.seal = seal
        self.digest = digest_of(self._parts)
        wrong = sorted(set(self._parts) - {REFERENCE} ^ set(PARTS))
        if wrong:
            state = "missing" if wrong[0] in PARTS else "unknown"
            raise BundleCorrupt(f"part {wrong[0]}: {state}; the bundle was not written by this format's builder")
        try:
            about = json.loads(self._parts["about.json"])
            self.name: str = about["name"]
            self.owner: str = about["owner"]
            self.description: str | None = about["description"]
            self.contract = ContractSpec.from_json(self._parts["contract.json"])
            self.kernel = Kernel.from_json(
                self._parts["features.json"], self.contract, self._parts["kernel.ll"].decode(), self._parts[OBJECT_PART]
            )
            self.model = ModelSpec.from_json(self._parts["model.json"].decode())
            self.policy: dict[str, Any] = json.loads(self._parts["policy.json"])
            self.parity: dict[str, Any] = json.loads(self._parts["parity.json"])
            self.profile: dict[str, Any] = json.loads(self._parts["profile.json"])
        except (ValueError, KeyError, TypeError, ContractError) as e:
            raise BundleCorrupt(f"a part cannot be read: {e}") from None
        self._reference = self._read_reference()
        self.provenance = Provenance.from_json(self._parts["provenance.json"])
        self._engine = self._start()
        if golden is None:
            replay(self._engine, Golden.from_parts(self._parts), self.kernel.names)

    def _start(self) -> Engine:
        start_onnxruntime()
        try:
            return self.kernel.engine(
                onnx=self._parts["model.onnx"],
                model=json.loads(self.model.to_json()),
                policy=self.policy,
                name=self.name,
                digest=self.digest,
            )
        except KernelError as e:
            raise KernelError(f"bundle {self.name}: {e}") from None

    def __repr__(self) -> str:
        return f"<bundle {self.name} {self.digest[:12]}, {len(self.kernel.outputs)} features, {self.model.kind}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Bundle, (self._parts, self.seal)

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts together."""
        return sum(map(len, self._parts.values()))

    @property
    def reference(self) -> Reference | None:
        """What inputs, features and outputs looked like when it was built; None in bundles of format 1."""
        return self._reference

    def require_reference(self) -> Reference:
        """The reference. UsageError in bundles that have none, with what to do."""
        if self._reference is None:
            raise UsageError(
                f"bundle {self.name} is of format 1 and has no reference to compare with; "
                "build it again with this version"
            )
        return self._reference

    def _read_reference(self) -> Reference | None:
        if REFERENCE not in self._parts:
            return None
        try:
            return Reference.from_bytes(self._parts[REFERENCE])
        except DataError as e:
            raise BundleCorrupt(f"part {REFERENCE}: {e}") from None

    @property
    def golden(self) -> Golden:
        """The golden rows with their recorded bits."""
        return Golden.from_parts(self._parts)

    @overload
    def score(self, data: Mapping[str, object], *, threads: int | None = None) -> Decision: ...
    @overload
    def score(self, data: Any, *, threads: int | None = None) -> pa.Table: ...
    def score(self, data: Any, *, threads: int | None = None) -> Any:
        """A row given as a dict gives a `Decision`; an Arrow-speaking table gives a table, row by row in its order.

        The table has the columns `score` (float64), `label` and `scores` (multiclass), `action` (string) and
        `reasons` (list of "rule:column"). A refused row has a null score and says why. `threads` (default: the
        CPUs of this process) changes no bit. Raises ContractError when columns are missing or of the wrong type.
        """
        # The first test is ten times quicker, and a dict is what arrives.
        if type(data) is dict or isinstance(data, Mapping):
            return self._engine.score_row(data)
        return self._engine.score_table(as_table(data), threads)

    def frame(self, table: Any, *, threads: int | None = None) -> pa.Table:
        """The features of every row, typed; see FeatureSet.frame."""
        return self._engine.frame(as_table(table), threads)

    def matrix(self, table: Any, *, threads: int | None = None) -> npt.NDArray[np.float32]:
        """What the model sees of every row, float32 [n, F]; see FeatureSet.matrix."""
        return matrix_of(self._engine, table, len(self.kernel.outputs), threads)

    def watched(self) -> Bundle:
        """The same bundle, watched: what its `score` scores is counted in the cells of its reference.

        It shares everything with this one but the counts; this one counts nothing. UsageError without a reference.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._engine = self._engine.watched(self.require_reference())
        return twin

    def collect(self) -> Window:
        """What was counted since the last call, over all threads. UsageError for a bundle that is not `watched`."""
        return self._engine.collect()

    def save(self, path: str | os.PathLike[str], *, signing_key: PrivateKeyLike | None = None) -> str:
        """Write the bundle, whole or not at all, and return its digest. `signing_key` seals it with a signature."""
        return write_archive(path, self._parts, seal=self.seal, signing_key=signing_key)

    def describe(self) -> dict[str, Any]:
        """Everything a person would ask, JSON-able: contract, features, model, evidence, origin, seal."""
        return {
            "name": self.name,
            "owner": self.owner,
            "description": self.description,
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "contract": json.loads(self.contract.to_json()),
            "features": [vars(o) for o in self.kernel.outputs],
            "model": json.loads(self.model.to_json()),
            "policy": self.policy,
            "parity": self.parity,
            "golden_rows": self.golden.rows.num_rows,
            "profile": self.profile,
            "provenance": json.loads(self._parts["provenance.json"]),
            "kernel": {"loaded_from": self.kernel.loaded.origin, "object_bytes": len(self.kernel.object_code)},
            "seal": None if self.seal is None else vars(self.seal),
        }


def open_bundle(
    path: str | os.PathLike[str], *, require_signature: bool = False, trusted_keys: Sequence[PublicKeyLike] = ()
) -> Bundle:
    """Open a bundle: every byte is checked, the golden rows are replayed.

    With `trusted_keys` (ed25519 public keys or their files) the signature must be by one of them;
    `require_signature` refuses an unsigned one. Raises BundleCorrupt, BundleVersion, SignatureError,
    GoldenMismatch, KernelError, DataError: each names the part and the next step.
    """
    archive = read_archive(path, require_signature=require_signature, trusted_keys=trusted_keys)
    return Bundle(archive.parts, archive.seal)
