"""A compiler's refusal, in the author's words: function, line, cause, and what to write instead."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

#: (pattern in the compiler's text, cause, replacement). The first that matches speaks; groups fill the braces.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        # Only of a module by another name, `m = math`; by its own it is refused before the compiler meets it.
        r"module '(\w+)' has no attribute '(\w+)'",
        "{0}.{1} is not available in a feature",
        "use plain operators and math's functions",
    ),
    (
        r"Unknown attribute '(fillna|isna|isnull|notna|apply|map|astype|clip|shift|rolling|mean|sum)' of type (\w+)",
        "a feature sees one {1}, not a column, so it has no .{0}",
        "write the scalar expression, e.g. `0.0 if sp.is_null(x) else x`",
    ),
    (
        r"Unknown attribute '(\w+)' of type (category[^\n]*?)\n",
        "a category has no .{0}",
        "compare it with its labels, or prepare the text before it becomes a column",
    ),
    (r"Unknown attribute '(\w+)' of type (\w+)", "a {1} has no .{0}", "use math or plain operators"),
    (r"NameError: name '(\w+)' is not defined", "{0} is not defined", "define or import it in the module"),
    (
        r"Function\(<built-in function (?:static_)?getitem>\)",
        "this value cannot be indexed",
        "index a tuple of constants",
    ),
    (
        r"Cannot unify (.+?) and (.+?) for '?\$?([\w.]+)'?",
        "the value is {0} on one path and {1} on another",
        "give every path the same type, e.g. 0.0 instead of 0",
    ),
    (
        r"Can't unify return type from the following types: ([^\n]+)",
        "the return values have different types: {0}",
        "give every return the same type, e.g. 0.0 instead of None or 0",
    ),
    (
        r"No implementation of function Function\(<[^>]*?(?:function|class|type) '?(?:_operator\.)?(\w+)'?[^>]*>\)"
        r" found for signature:\s+>>> \w+\(([^\n]*)\)",
        "{0} does not take ({1})",
        "convert the values to the same type first, e.g. float(x)",
    ),
)

#: Refusals of ours, raised inside the compiler, and what the compiler itself says of a name.
_RAISED = re.compile(r"Refusal: ([^\n]+)")


def explain(error: Exception, filename: str, first_line: int) -> tuple[int, str]:
    """(line, "cause; replacement") of a compiler's error about a function in `filename` starting at `first_line`."""
    text = _ESCAPES.sub("", str(error))
    lines = [int(n) for f, n in re.findall(r'File "([^"]+)", line (\d+)', text) if f == filename]
    line = lines[-1] if lines else first_line
    raised = _RAISED.findall(text)
    if raised:
        return line, raised[-1].strip()
    for pattern, cause, replacement in _KNOWN:
        found = re.search(pattern, text)
        if found:
            groups = [_plain(g or "") for g in found.groups()]
            return line, f"{cause.format(*groups)}; {replacement}"
    told = [
        s for s in (t.strip() for t in text.splitlines()) if s and not s.startswith(("File ", "During", "<source", "-"))
    ]
    detail = next((t for t in told if not t.startswith("Failed in")), type(error).__name__)
    return line, f"the compiler refuses it: {_plain(detail)}; use numbers, comparisons, math and if / else"


def _plain(text: str) -> str:
    """Without folders, and with the names of types that an author knows."""
    text = re.sub(r"/\S*/", "", text)
    for internal, known in (
        ("float64", "float"),
        ("int64", "int"),
        ("unicode_type", "str"),
        ("none", "None"),
        ("boolean", "bool"),
    ):
        text = text.replace(internal, known)
    return re.sub(r"Literal\[\w+\]\(([^)]*)\)", r"\1", text).strip()
