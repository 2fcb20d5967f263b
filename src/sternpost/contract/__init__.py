"""What a row must be: columns, types, units, nulls, bounds, categories.

    types    the six column types and their one representation
    spec     a contract as a value: JSON, Arrow schema, learning categories
    declare  a contract as a class
    draft    a first draft from a table
    duration lengths of time as people write them, here and in settings

The rules themselves are applied by the engine, the same code for one row and for a file.
"""

from sternpost.contract.declare import Contract, check, column, spec_of
from sternpost.contract.draft import draft, skipped, to_source
from sternpost.contract.spec import Column, ContractSpec, as_table
from sternpost.contract.types import Category, Money, Timestamp

__all__ = [
    "Category",
    "Column",
    "Contract",
    "ContractSpec",
    "Money",
    "Timestamp",
    "as_table",
    "check",
    "column",
    "draft",
    "skipped",
    "spec_of",
    "to_source",
]
