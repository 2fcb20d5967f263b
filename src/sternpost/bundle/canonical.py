"""Canonical JSON: one value, one spelling, so that equal content has equal bytes and an equal digest.

Keys sorted, no spaces, UTF-8, no NaN or infinities, one newline at the end.
"""

from __future__ import annotations

import json

from sternpost.errors import BundleCorrupt


def canonical_json(value: object) -> bytes:
    """The bytes of `value`. Raises `ValueError` for NaN, infinities and text that UTF-8 cannot carry."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def parse_canonical(data: bytes, part: str) -> object:
    """The value of canonical JSON; any other spelling of it raises `BundleCorrupt` naming `part`."""
    try:
        value: object = json.loads(data.decode("utf-8"))
        again = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise BundleCorrupt(f"part {part}: not readable as JSON ({str(error).splitlines()[0]})") from None
    # Also catches what `json` forgives: repeated keys, spaces, other escapes, other spellings of a number.
    if again != data:
        raise BundleCorrupt(
            f"part {part}: the JSON is not in its canonical spelling, so something else wrote or changed it"
        )
    return value


def exact_fields(value: object, fields: dict[str, type | tuple[type, ...]], part: str) -> dict[str, object]:
    """`value` as a dict that has exactly these keys with these types, else `BundleCorrupt` naming part and key."""
    if not isinstance(value, dict):
        raise BundleCorrupt(f"part {part}: expected a JSON object, found {type(value).__name__}")
    if wrong := sorted(value.keys() ^ fields.keys()):
        state = "missing" if wrong[0] in fields else "unknown"
        raise BundleCorrupt(f"part {part}: key {wrong[0]!r} is {state}")
    for key, kind in fields.items():
        found = value[key]
        # `bool` is an `int` to Python, never to us.
        if not isinstance(found, kind) or isinstance(found, bool):
            raise BundleCorrupt(f"part {part}: key {key!r} has a value of type {type(found).__name__}")
    return value
