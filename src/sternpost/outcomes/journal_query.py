"""SQL over a journal, answered by DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pyarrow as pa

from sternpost.errors import UsageError


def query(sql: str, tables: Mapping[str, Callable[[], pa.Table]]) -> pa.Table:
    """The last statement's answer, over those of `tables` that the text names. Raises `UsageError` in one sentence."""
    try:
        import duckdb
    except ModuleNotFoundError:
        raise UsageError("queries need DuckDB: pip install 'sternpost[watch]'") from None
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        for name, read in tables.items():
            if re.search(rf"\b{name}\b", sql, re.IGNORECASE):
                connection.register(name, read())
        try:
            answer = connection.sql(sql)
            # A statement without an answer (COPY ... TO, SET) has run by now.
            return pa.table({}) if answer is None else answer.to_arrow_table()
        except duckdb.Error as e:
            told = " ".join(str(e).split("LINE 1:")[0].split())
            # DuckDB has a keyword AT, and the parser's own words do not lead there.
            quotes = '; write "at" in double quotes' if re.search(r'(?<!")\bat\b(?!")', sql, re.IGNORECASE) else ""
            raise UsageError(f"the SQL cannot be run: {told}; tables are {', '.join(tables)}{quotes}") from e
