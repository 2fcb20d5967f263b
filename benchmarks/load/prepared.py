"""Requests as bytes, once per form: packed rows, Open Inference tensors, a peer's message, JSON.

Encoded here by hand from the protocols' definitions and not by the code under test; the load generator compares every
score that comes back with the bits that `Bundle.score` gave.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sternpost as sp
from benchmarks import workload
from benchmarks.loans import FEATURES
from benchmarks.material import POLICY, Material, tree

Row = dict[str, Any]
NAME = "loans-tree"


@dataclass(frozen=True)
class Prepared:
    """Files in `folder`: two bundles that differ in their owner only, and `<form>.rows`."""

    folder: Path
    onnx: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "loans.sbundle"

    @property
    def again(self) -> Path:
        return self.folder / "loans-again.sbundle.kept"

    def rows(self, call: str) -> Path:
        return self.folder / f"{'score' if call == 'stream' else call}.rows"

    @property
    def body(self) -> Path:
        """One framed request for h2load, which sends it again and again."""
        return self.folder / "score.body"


def prepare(material: Material) -> Prepared:
    """Fit, seal and encode; about half a minute for the full sizes."""
    material.prepare()
    made = Prepared(material.folder, material.onnx_path("tree"))
    shutil.copyfile(material.bundle_path("tree"), made.bundle)
    if not made.again.exists():
        train = workload.rows(material.sizes.train_rows)
        matrix = FEATURES.matrix(train)
        model = tree(material.sizes).fit(matrix, workload.target(matrix, FEATURES.names))
        reference = train.slice(0, min(20_000, train.num_rows))
        again = sp.build(
            features=FEATURES, model=model, reference=reference, policy=POLICY, name=NAME, owner="benchmarks, again"
        )
        unfinished = made.folder / "again.sbundle"
        again.save(unfinished)
        unfinished.rename(made.again)
    bundle = material.bundle("tree")
    table = workload.rows(material.sizes.single_rows, workload.SEED + 1)
    scores = bundle.score(table)["score"].to_pylist()
    rows = table.to_pylist()
    columns = list(bundle.contract.columns)
    digest = schema(columns)
    forms = {
        "score": [packed(row, columns, digest) for row in rows],
        "infer": [tensors(row, columns) for row in rows],
        "loans": [application(row) for row in rows],
        "json": [json.dumps(row).encode() for row in rows],
    }
    for form, bodies in forms.items():
        write(made.rows(form), bodies, scores)
    made.body.write_bytes(b"\0" + struct.pack(">I", len(forms["score"][0])) + forms["score"][0])
    (made.folder / "loans.body").write_bytes(b"\0" + struct.pack(">I", len(forms["loans"][0])) + forms["loans"][0])
    (made.folder / "json.body").write_bytes(forms["json"][0])
    return made


def write(path: Path, bodies: Sequence[bytes], scores: Iterable[float | None]) -> None:
    """The generator's file; a row without score is not compared."""
    out = bytearray(b"SPROWS01" + struct.pack("<I", len(bodies)))
    for body, score in zip(bodies, scores, strict=True):
        expected = b"\xff" * 8 if score is None else struct.pack("<d", score)
        out += struct.pack("<I", len(body)) + body + expected
    path.write_bytes(out)


def schema(columns: Sequence[Any]) -> int:
    """`DescribeReply.schema`: what a packed row was packed by."""
    digest = hashlib.sha256()

    def text(part: str) -> None:
        digest.update(struct.pack("<Q", len(part.encode())) + part.encode())

    for column in columns:
        for part in (column.name, column.type, "nullable" if column.nullable else ""):
            text(part)
        if column.type == "category":
            for part in (str(len(column.categories)), *column.categories):
                text(part)
    return int.from_bytes(digest.digest()[:8], "big")


def packed(row: Row, columns: Sequence[Any], digest: int) -> bytes:
    """`ScoreRequest` with a packed row."""
    values = bytearray()
    for column in columns:
        value = row[column.name]
        if value is None:
            values += b"\0"
        elif column.type == "float":
            values += b"\1" + struct.pack("<d", value)
        elif column.type == "int":
            values += b"\1" + struct.pack("<q", value)
        else:
            values += b"\1" + struct.pack("<I", column.categories.index(value))
    return field(4, b"\x09" + struct.pack("<Q", digest) + field(2, bytes(values)))


def tensors(row: Row, columns: Sequence[Any]) -> bytes:
    """`ModelInferRequest`, an input a column, raw; a null is marked by a mask beside its column."""
    inputs, raw = bytearray(), bytearray()

    def add(name: str, datatype: str, content: bytes) -> None:
        nonlocal inputs, raw
        inputs += field(5, field(1, name.encode()) + field(2, datatype.encode()) + field(3, b"\x01"))
        raw += field(7, content)

    for column in columns:
        value = row[column.name]
        if column.type == "float":
            add(column.name, "FP64", struct.pack("<d", 0.0 if value is None else value))
        elif column.type == "int":
            add(column.name, "INT64", struct.pack("<q", value or 0))
        else:
            text = (value or column.categories[0]).encode()
            add(column.name, "BYTES", struct.pack("<I", len(text)) + text)
        if value is None:
            add(f"{column.name}.null", "BOOL", b"\1")
    return field(1, NAME.encode()) + bytes(inputs) + bytes(raw)


def application(row: Row) -> bytes:
    """`loans.Application` of peers/loans.proto: fields by number in the order of the columns, absent for null."""
    out = bytearray()
    for number, value in enumerate(row.values(), start=1):
        if isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif value is not None:
            out += field(number, value.encode())
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
