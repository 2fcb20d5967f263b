"""Categories and nulls inside a kernel: codes that know their labels, comparing them, asking for null and unseen.

Needs numba; imported only where features are compiled.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from llvmlite import ir
from numba.core.extending import models, register_model

from sternpost.contract.types import NULL_CODE, NULL_INT, UNSEEN_CODE
from sternpost.features.author import is_null, is_unseen
from sternpost.features.extension import Refusal, implements, intrinsic, types


class CategoryType(types.Type):
    """A category's code, int32, that knows the labels it stands for."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        super().__init__(name=f"category{labels!r}")


@register_model(CategoryType)
class _CategoryModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.IntType(32))


def category_of(labels: tuple[str, ...]) -> Any:
    """An intrinsic that reads an int32 code as a category with these labels."""
    made = CategoryType(labels)

    @intrinsic
    def as_category(_context: Any, _code: Any) -> Any:
        return made(types.int32), lambda _ctx, _builder, _sig, args: args[0]

    return as_category


@intrinsic
def code_of(_context: Any, category: Any) -> Any:
    """The int32 code of a category."""
    if not isinstance(category, CategoryType):
        return None
    return types.int32(category), lambda _ctx, _builder, _sig, args: args[0]


def _label_code(category: CategoryType, literal: Any) -> int:
    label = literal.literal_value
    if label not in category.labels:
        near = get_close_matches(label, category.labels, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it lists {', '.join(category.labels[:12])}"
        raise Refusal(f"label {label!r} is not among the {len(category.labels)} the contract lists; {hint}")
    return category.labels.index(label)


def _compare(symbol: Callable[[Any, Any], Any], equal: bool) -> None:
    @implements(symbol)
    def compare(a: Any, b: Any) -> Any:
        if isinstance(b, CategoryType) and isinstance(a, types.StringLiteral):
            code = _label_code(b, a)
            return (lambda a, b: code_of(b) == code) if equal else (lambda a, b: code_of(b) != code)
        if isinstance(a, CategoryType) and isinstance(b, types.StringLiteral):
            code = _label_code(a, b)
            return (lambda a, b: code_of(a) == code) if equal else (lambda a, b: code_of(a) != code)
        if isinstance(a, CategoryType) and isinstance(b, CategoryType):
            if a.labels != b.labels:
                raise Refusal("two categories with different labels cannot be compared; compare each with a label")
            return (lambda a, b: code_of(a) == code_of(b)) if equal else (lambda a, b: code_of(a) != code_of(b))
        return None


_compare(operator.eq, True)
_compare(operator.ne, False)


@implements(is_null)
def _is_null(value: Any) -> Any:
    if isinstance(value, types.Float):
        return lambda value: value != value  # noqa: PLR0124 - true for NaN alone
    if isinstance(value, CategoryType):
        return lambda value: code_of(value) == NULL_CODE
    if isinstance(value, types.Integer):
        return lambda value: value == NULL_INT
    if isinstance(value, types.Boolean):
        return lambda value: False
    return None


@implements(is_unseen)
def _is_unseen(label: Any) -> Any:
    return (lambda label: code_of(label) == UNSEEN_CODE) if isinstance(label, CategoryType) else None
