"""scikit-learn's trees: the stock converter, then what it leaves out.

A fitted tree says for each split where NaN goes, also when it has seen none in training; the stock
converter sends it right everywhere. The mean of a forest is added once, not in every tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sternpost.export.ending import attribute, centre_leaves, tree_nodes

Converter = Callable[[Any, Any, Any], None]


def repaired(stock: Converter) -> Converter:
    """The stock converter of a tree or forest, followed by the repairs."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        first = len(container.nodes)
        stock(scope, operator, container)
        estimator = operator.raw_operator
        trees = [estimator.tree_] if hasattr(estimator, "tree_") else [each.tree_ for each in estimator.estimators_]
        for node in tree_nodes(container, first):
            where = zip(attribute(node, "nodes_treeids").ints, attribute(node, "nodes_nodeids").ints, strict=True)
            # Leaves have no direction; what the attribute says there is never read.
            directions = [int(trees[tree].missing_go_to_left[split]) for tree, split in where]
            attribute(node, "nodes_missing_value_tracks_true").ints[:] = directions
            if node.op_type == "TreeEnsembleRegressor" and len(trees) > 1 and attribute(node, "n_targets").i == 1:
                centre_leaves(node)

    return convert
