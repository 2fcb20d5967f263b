"""From the function an author wrote to the function the compiler gets, and the refusals that need no compiler.

Five rewrites, each on the syntax tree, each keeping line numbers, so that a later refusal still names the line:

1. decorators and annotations go;
2. `x is None` becomes `is_null(x)`;
3. `return None` becomes the null of the declared type;
4. `carrier in ("UA", "AA")` becomes a chain of comparisons, as labels are codes in a kernel;
5. `a ** b` becomes the portable power, unless `b` is a small whole number, which multiplies.

What can never be part of a kernel is refused here by name, with what to write instead.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sternpost.errors import FeatureError
from sternpost.features.author import place_of

NULL_NAME = "__sternpost_null__"
IS_NULL_NAME = "__sternpost_is_null__"
POWER_NAME = "__sternpost_power__"
_SMALL_EXPONENT_MAX = 16

_REFUSED: tuple[tuple[type[ast.AST] | tuple[type[ast.AST], ...], str], ...] = (
    (
        (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
        "a comprehension allocates; write a loop over range()",
    ),
    ((ast.List, ast.Dict, ast.Set), "a list, dict or set allocates; use a tuple of constants"),
    (ast.JoinedStr, "a formatted string allocates; a raise takes a constant message"),
    ((ast.Import, ast.ImportFrom), "an import cannot run in a kernel; import at the top of the module"),
    ((ast.Global, ast.Nonlocal), "a feature keeps no state between rows; pass the value as a column"),
    ((ast.Try, ast.With), "try and with are not compiled; test the value before using it"),
    ((ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith), "a feature returns one value; use return"),
    ((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef), "define helper functions at module level"),
    (ast.Match, "match is not compiled; write if / elif"),
    (ast.Delete, "del is not compiled; leave the name alone"),
    (ast.Starred, "star arguments are not compiled; name each argument"),
)

_REFUSED_CALLS = {
    "print": "a kernel cannot print; call the feature as a Python function to look at it",
    "open": "a kernel cannot read files; pass the value as a column",
    "input": "a kernel cannot ask; pass the value as a column",
    "eval": "a kernel runs compiled code only",
    "exec": "a kernel runs compiled code only",
    "str": "a kernel holds no strings; compare a category with its labels",
    "list": "a list allocates; use a tuple of constants",
    "dict": "a dict allocates; use if / elif over labels",
    "set": "a set allocates; write `x in (1, 2, 3)`",
    "sorted": "sorting allocates; use min() and max()",
    "sum": "sum() allocates; add the terms",
}

_REFUSED_MODULES = {
    "random": "a feature must give the same bits every time; pass the random number as a column",
    "time": "the clock is not an input of a feature; pass the decision time as a column",
    "datetime": "timestamps are whole microseconds in a kernel; use sp.hour, sp.weekday, sp.local",
    "re": "a kernel holds no strings; extract the pattern before, into a category",
    "os": "a kernel sees its columns only",
    "pandas": "a feature sees one row; use math and plain operators",
    "polars": "a feature sees one row; use math and plain operators",
}


@dataclass(frozen=True)
class Rewritten:
    """A function ready for the compiler: its module syntax tree, its normalised source and the globals it reads."""

    tree: ast.Module
    source: str
    reads: Mapping[str, Any]


def rewrite(function: Callable[..., Any], what: str) -> Rewritten:
    """Rewrite `function`; `what` names it in messages ("feature local_hour"). Raises FeatureError."""
    where = f"{what} ({place_of(function)})"
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise FeatureError(f"{where}: its source is not to be found; define it in a file, not in a string") from None
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise FeatureError(f"{where}: a feature is written with def, not as a lambda or async")
    definition.decorator_list = []
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    if ast.get_docstring(definition) is not None:
        definition.body = definition.body[1:]
        if not definition.body:
            raise FeatureError(f"{where}: the function has no body; return a value")
    names = inspect.getclosurevars(function)
    outer = {**names.globals, **names.nonlocals}
    definition.body = [ast.fix_missing_locations(_Rewriter(what, outer).visit(s)) for s in definition.body]
    used = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name)}
    reads = {k: v for k, v in outer.items() if k in used}
    if function.__name__ in used:
        raise FeatureError(f"{where}: it calls itself; write a loop with a fixed number of steps")
    return Rewritten(tree, ast.unparse(tree), reads)


class _Rewriter(ast.NodeTransformer):
    def __init__(self, what: str, outer: Mapping[str, Any]) -> None:
        self.what = what
        self.outer = outer

    def refuse(self, node: ast.AST, why: str) -> FeatureError:
        return FeatureError(f"{self.what}, line {getattr(node, 'lineno', '?')}: {why}")

    def visit(self, node: ast.AST) -> Any:
        for kinds, why in _REFUSED:
            if isinstance(node, kinds):
                raise self.refuse(node, why)
        return super().visit(node)

    def visit_Return(self, node: ast.Return) -> Any:
        value = node.value if node.value is not None else ast.Constant(None)
        return ast.copy_location(ast.Return(self.visit(_with_null(value))), node)

    def visit_Raise(self, node: ast.Raise) -> Any:
        call = node.exc
        plain = isinstance(call, ast.Name) or (
            isinstance(call, ast.Call) and all(isinstance(a, ast.Constant) for a in call.args) and not call.keywords
        )
        if not plain or node.cause is not None:
            raise self.refuse(node, 'a raise takes a constant message: raise ValueError("negative distance")')
        return node

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) == 1:
            left, op, right = node.left, node.ops[0], node.comparators[0]
            if isinstance(op, (ast.Is, ast.IsNot)):
                if not (isinstance(right, ast.Constant) and right.value is None):
                    raise self.refuse(node, "`is` compares objects, and a kernel has none; write ==")
                test = ast.Call(ast.Name(IS_NULL_NAME, ast.Load()), [self.visit(left)], [])
                return _at(node, test if isinstance(op, ast.Is) else ast.UnaryOp(ast.Not(), test))
            if isinstance(op, (ast.In, ast.NotIn)):
                return _at(node, self._membership(node, left, op, right))
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.generic_visit(node)
        return self._checked(node, node.op, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        if isinstance(node.target, ast.Name) and isinstance(node.op, (ast.Pow, ast.LShift, ast.RShift)):
            read = ast.Name(node.target.id, ast.Load())
            value = self.visit(ast.copy_location(ast.BinOp(read, node.op, node.value), node))
            return _at(node, ast.Assign([node.target], value))
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id in _REFUSED_CALLS and node.func.id not in self.outer:
            raise self.refuse(node, _REFUSED_CALLS[node.func.id])
        if isinstance(node.func, ast.Name) and node.func.id == "round" and len(node.args) > 1:
            raise self.refuse(node, "round() to digits is not exact; write math.floor(x * 100 + 0.5) / 100")
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        value = self.outer.get(node.id)
        root = getattr(value, "__name__", "").split(".")[0] if inspect.ismodule(value) else None
        if root in _REFUSED_MODULES:
            raise self.refuse(node, _REFUSED_MODULES[root])
        owner = getattr(value, "__module__", None)
        if not inspect.ismodule(value) and owner in _REFUSED_MODULES:
            raise self.refuse(node, _REFUSED_MODULES[owner])
        if isinstance(value, (list, dict, set)):
            kind = type(value).__name__
            raise self.refuse(node, f"{node.id} is a {kind}, which can change; use a tuple of constants")
        return node

    def _checked(self, node: ast.AST, op: ast.operator, left: ast.expr, right: ast.expr) -> Any:
        if isinstance(op, (ast.LShift, ast.RShift)):
            if not (isinstance(right, ast.Constant) and isinstance(right.value, int) and 0 <= right.value < 64):
                raise self.refuse(node, "a shift takes a constant from 0 to 63; anything else has no stated value")
        elif isinstance(op, ast.Pow):
            small = isinstance(right, ast.Constant) and type(right.value) is int
            if not (small and 0 <= right.value <= _SMALL_EXPONENT_MAX):  # type: ignore[attr-defined]
                return _at(node, ast.Call(ast.Name(POWER_NAME, ast.Load()), [left, right], []))
        elif isinstance(op, ast.MatMult):
            raise self.refuse(node, "a feature is scalar; there is no matrix product")
        return node

    def _membership(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        if isinstance(right, ast.Name) and isinstance(self.outer.get(right.id), (tuple, frozenset)):
            members: list[Any] = sorted(self.outer[right.id], key=str)
        elif isinstance(right, (ast.Tuple, ast.List, ast.Set)) and all(isinstance(e, ast.Constant) for e in right.elts):
            members = [e.value for e in right.elts if isinstance(e, ast.Constant)]
        else:
            raise self.refuse(node, 'membership needs constants in place: x in ("AA", "UA")')
        if not isinstance(left, ast.Name):
            raise self.refuse(node, "membership is tested on a plain name; assign the value to one first")
        if not members:
            return ast.Constant(isinstance(op, ast.NotIn))
        equal = [ast.Compare(ast.Name(left.id, ast.Load()), [ast.Eq()], [ast.Constant(m)]) for m in members]
        test: ast.expr = equal[0] if len(equal) == 1 else ast.BoolOp(ast.Or(), list(equal))
        return test if isinstance(op, ast.In) else ast.UnaryOp(ast.Not(), test)


def _with_null(value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Constant) and value.value is None:
        return ast.Name(NULL_NAME, ast.Load())
    if isinstance(value, ast.IfExp):
        return ast.IfExp(value.test, _with_null(value.body), _with_null(value.orelse))
    return value


def _at(node: ast.AST, made: ast.expr | ast.stmt) -> Any:
    ast.copy_location(made, node)
    return ast.fix_missing_locations(made)
