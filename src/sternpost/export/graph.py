"""Edits of an ONNX graph that do not change what it computes.

`canonical` gives the same bytes for the same computation: names made by converters (some are random) are
replaced by positions, descriptions and producer stamps are dropped, and only what the score needs is kept.
`without_zipmap` exposes the float tensor that a ZipMap would wrap into one dictionary per row.
"""

from __future__ import annotations

from typing import Any

IR_VERSION = 8  # the one that belongs to opset 17


def without_zipmap(model: Any, output: str) -> tuple[str, tuple[str, ...] | None]:
    """(tensor behind `output`, class labels) when a ZipMap makes it, else (output, None)."""
    for node in model.graph.node:
        if node.op_type == "ZipMap" and output in node.output:
            for attribute in node.attribute:
                if attribute.name == "classlabels_int64s":
                    return node.input[0], tuple(str(label) for label in attribute.ints)
                if attribute.name == "classlabels_strings":
                    return node.input[0], tuple(label.decode() for label in attribute.strings)
            return node.input[0], None
    return output, None


def only_output(model: Any, tensor: str, columns: int | None) -> None:
    """Make `tensor`, float32 [N, columns], the single output and drop every node and constant it does not need."""
    from onnx import TensorProto, helper

    graph = model.graph
    needed, kept = {tensor}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input) | _outer_names(node)
    nodes = [_copy(node) for node in reversed(kept)]
    constants = [_copy(item) for item in graph.initializer if item.name in needed]
    inputs = [_copy(item) for item in graph.input if item.name in needed or len(graph.input) == 1]
    for name, items in (("node", nodes), ("initializer", constants), ("input", inputs)):
        del getattr(graph, name)[:]
        getattr(graph, name).extend(items)
    del graph.output[:]
    shape = ["N"] if columns is None else ["N", columns]
    graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape))
    del graph.value_info[:]


def canonical(model: Any, features: int, input_name: str, output_name: str) -> bytes:
    """Bytes that depend only on the computation. The graph must have one input and one output; renames both."""
    from onnx import TensorProto, helper

    graph = model.graph
    renamed = {graph.input[0].name: input_name, graph.output[0].name: output_name, "": ""}
    _rename(graph, renamed)
    columns = graph.output[0].type.tensor_type.shape.dim[1:]
    width = [dim.dim_value for dim in columns]
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", features]))
    graph.output.append(helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["N", *width]))
    graph.name, graph.doc_string = "model", ""
    fresh = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=_opsets(model))
    fresh.producer_name, fresh.producer_version, fresh.doc_string = "sternpost", "", ""
    return bytes(fresh.SerializeToString(deterministic=True))


def _opsets(model: Any) -> list[Any]:
    """One entry per domain in use; converters may list a domain twice or leave in one that nothing uses."""
    from onnx import helper

    used = {node.domain if node.domain != "ai.onnx" else "" for node in model.graph.node}
    versions: dict[str, int] = {}
    for item in model.opset_import:
        domain = item.domain if item.domain != "ai.onnx" else ""
        versions[domain] = max(item.version, versions.get(domain, 0))
    return [helper.make_opsetid(domain, versions[domain]) for domain in sorted(versions) if domain in used | {""}]


def _rename(graph: Any, renamed: dict[str, str]) -> None:
    """Names by position. Subgraphs share the dictionary: in ONNX a name is unique over all of them."""
    for kind, items in (("c", graph.initializer), ("i", graph.input)):
        for item in items:
            item.name = renamed.setdefault(item.name, f"{kind}{len(renamed)}")
            item.doc_string = ""
    for node in graph.node:
        for tensors in (node.input, node.output):
            for i, name in enumerate(tensors):
                tensors[i] = renamed.setdefault(name, f"t{len(renamed)}")
        node.name, node.doc_string = f"{node.op_type}_{node.output[0]}", ""
        attributes = sorted((_copy(item) for item in node.attribute), key=lambda item: str(item.name))
        del node.attribute[:]
        node.attribute.extend(attributes)
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _rename(inner, renamed)
    for item in graph.output:
        item.name = renamed.setdefault(item.name, f"t{len(renamed)}")


def _outer_names(node: Any) -> set[str]:
    """Everything that the subgraphs of a node mention."""
    found: set[str] = set()
    for attribute in node.attribute:
        for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            for child in inner.node:
                found |= set(child.input) | _outer_names(child)
            found |= {item.name for item in inner.output}
    return found


def _copy(message: Any) -> Any:
    twin = type(message)()
    twin.CopyFrom(message)
    return twin
