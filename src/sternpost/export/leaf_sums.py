"""Sums of leaves without rounding, from a tree operator that can only add float32.

A leaf is cut into pieces, each a whole number of steps of its own grid; the grids are so coarse that the
float32 sum of one piece over all trees is a whole number below 2**24, hence exact in whatever order it is
added. The pieces are put together in double precision. Three pieces lose about 1e-16 of the
largest sum there can be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.export.ending import attribute, tree_nodes
from sternpost.export.float32 import F64
from sternpost.export.plain_nodes import PlainNodes

PIECES = 3
_BITS = 23  # one below the 24 of a float32, so that rounding to the grid cannot overflow it
Ints = npt.NDArray[np.int64]


def pieces(trees: Ints, values: F64) -> list[F64]:
    """Leaf values [L, K] as three summands; `trees` [L] says which leaves exclude each other."""
    rest, found = values, []
    for _ in range(PIECES):
        largest = np.zeros((int(trees.max(initial=0)) + 1, values.shape[1]))
        np.maximum.at(largest, trees, np.abs(rest))
        total = largest.sum(axis=0)
        grid = np.exp2(np.ceil(np.log2(np.where(total > 0.0, total, 1.0))) - _BITS)
        found.append(np.round(rest / grid) * grid)
        rest = rest - found[-1]
    return found


class Sketch:
    """An operator for which a converter writes nodes that are read and then thrown away."""

    def __init__(self, operator: Any, estimator: Any, source: Any, names: list[str]) -> None:
        self._operator = operator
        self.raw_operator = estimator
        self.inputs = [source]
        self.outputs = [_Renamed(each, name) for each, name in zip(operator.outputs, names, strict=True)]
        self.output_full_names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


class _Renamed:
    def __init__(self, variable: Any, full_name: str) -> None:
        self._variable = variable
        self.full_name = self.onnx_name = full_name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._variable, name)


def take_trees(plain: PlainNodes, operator: Any, estimator: Any, source: Any, converter: Any) -> Any:
    """The one tree operator that `converter` writes for `estimator`, and nothing of what it writes around it."""
    nodes = plain.container.nodes
    first = len(nodes)
    names = [plain.scope.get_unique_variable_name("unused") for _ in operator.outputs]
    converter(plain.scope, Sketch(operator, estimator, source, names), plain.container)
    (node,) = tree_nodes(plain.container, first)
    del nodes[first:]
    return node


def by_class(values: F64, classes: Ints) -> F64:
    """Values [L] spread over columns [L, K]: each in the column of its class."""
    spread = np.zeros((len(values), int(classes.max()) + 1))
    spread[np.arange(len(values)), classes] = values
    return spread


def sum_leaves(plain: PlainNodes, node: Any, source: str, where: tuple[Ints, Ints], values: F64) -> str:
    """Double [N, K]: the sum over trees of the leaf reached.

    `node` gives the splits; `where` the (tree, node) of each leaf; `values` [L, K] what it adds.
    """
    trees, nodes = where
    width = values.shape[1]
    cut = np.hstack(pieces(trees, values))
    leaf, target = np.nonzero(cut)
    if not len(leaf):
        leaf, target = np.array([0]), np.array([0])
    splits = {item.name: _plain(item) for item in node.attribute if item.name.startswith("nodes_")}
    summed = plain.add(
        "TreeEnsembleRegressor",
        source,
        op_domain="ai.onnx.ml",
        n_targets=PIECES * width,
        aggregate_function="SUM",
        post_transform="NONE",
        target_treeids=trees[leaf].tolist(),
        target_nodeids=nodes[leaf].tolist(),
        target_ids=target.tolist(),
        target_weights=cut[leaf, target].tolist(),
        **splits,
    )
    wide = plain.double(summed)
    high, middle, low = (plain.columns(wide, list(range(at * width, (at + 1) * width))) for at in range(PIECES))
    return plain.add("Add", high, plain.add("Add", middle, low))


def leaves_of(node: Any) -> tuple[Ints, Ints]:
    """(tree, node) of every leaf, in the operator's order."""
    modes = np.array(attribute(node, "nodes_modes").strings, dtype=object) == b"LEAF"
    trees, nodes = (np.array(attribute(node, name).ints, dtype=np.int64) for name in ("nodes_treeids", "nodes_nodeids"))
    return trees[modes], nodes[modes]


def _plain(item: Any) -> list[Any]:
    return list(item.ints) or list(item.floats) or list(item.strings)
