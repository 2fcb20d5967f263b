"""sternpost inspect: what a bundle is, what it needs, what is known about it."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any

from sternpost.cli.options import AsJson, BundlePath, RequireSignature, TrustedKeys
from sternpost.cli.present import console, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NAME = "inspect"


def run(
    bundle: BundlePath,
    *,
    require_signature: RequireSignature = False,
    trusted_key: TrustedKeys = None,
    as_json: AsJson = False,
) -> None:
    """Open a bundle, which checks every byte and replays its golden rows, and show what is in it."""
    from sternpost.bundle import open_bundle

    keys = trusted_key or []
    opened = open_bundle(bundle, require_signature=require_signature, trusted_keys=keys)
    key = None if opened.seal is None else opened.seal.public_key
    facts = {**opened.describe(), "signature": {"signed_by": _signer(key), "trusted": bool(keys)}}
    if as_json:
        print_json(facts)
    else:
        _show(console(), facts)


def _show(out: Console, facts: dict[str, Any]) -> None:
    # Lines for a person wrap on a terminal and stay whole in a file.
    say = partial(out.print, soft_wrap=True)
    model, parity, seal, origin = facts["model"], facts["parity"], facts["seal"], facts["provenance"]
    say(f"{facts['name']}, answered for by {facts['owner']}")
    if facts["description"]:
        say(facts["description"])
    say(f"digest     {facts['digest']}")
    say(f"size       {facts['size_bytes']:,} bytes")
    say(f"signature  {_signature(facts['signature'])}")
    if seal is not None:
        say(f"created    {seal['created']} by sternpost {seal['created_by']}")
    classes = f", classes {', '.join(model['classes'])}" if model["classes"] else ""
    made_by = f"{parity['estimator']} of {parity['library']}"
    say(f"model      {model['kind']}: {made_by}, {model['features']} features{classes}")
    say(f"parity     {_parity(parity['report'])}")
    say(f"golden     {facts['golden_rows']} rows replayed, every bit equal")
    kernel = facts["kernel"]
    say(f"kernel     {kernel['object_bytes']:,} bytes of code, loaded from {kernel['loaded_from']}")
    say(f"policy     {_policy(facts['policy'])}")
    out.print()
    out.print(_contract(facts["contract"], facts["profile"]["columns"]))
    out.print()
    out.print(_features(facts["features"]))
    out.print()
    say(f"reference  {origin['data_rows']:,} rows, data digest {origin['data_digest']}")
    say(f"code       digest {origin['code_digest']}")
    libraries = ", ".join(f"{name} {version}" for name, version in origin["libraries"].items())
    say(f"built with Python {origin['python']} on {origin['machine']}: {libraries}")


def _signer(public_key: str | None) -> str | None:
    from base64 import b64decode

    from sternpost.bundle.signature import fingerprint, load_public

    return None if public_key is None else fingerprint(load_public(b64decode(public_key)))


def _signature(state: dict[str, Any]) -> str:
    if state["signed_by"] is None:
        return "none"
    if state["trusted"]:
        return f"by {state['signed_by']}, one of the trusted keys"
    return f"by {state['signed_by']}, not compared with a trusted key (--trusted-key PEM)"


def _parity(report: dict[str, Any] | None) -> str:
    if report is None:
        return "a ready .onnx file: there was no estimator to compare with"
    tried = ", ".join(f"{count:,} {family}" for family, count in report["rows"].items() if count)
    allowed = report["allowed"]
    return (
        f"largest difference {_number(report['max_abs'])}; {_number(report['max_rel'])} of the row's scale, "
        f"{_number(allowed['tolerance'])} allowed; rows tried: {tried}"
    )


def _number(value: float | str) -> str:
    # What is not finite is text in a report.
    return value if isinstance(value, str) else f"{value:.3g}"


def _policy(policy: dict[str, Any]) -> str:
    if not policy["bands"]:
        return f"no bands; a refused row: {policy['refused']}"
    told = (
        f"{band['action']} below {band['below']:g}" if band["below"] is not None else f"else {band['action']}"
        for band in policy["bands"]
    )
    return f"{', '.join(told)}; a refused row: {policy['refused']}"


def _table(title: str, *headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _contract(contract: dict[str, Any], profile: dict[str, Any]) -> Table:
    table = _table(f"contract {contract['name']}", "column", "type", "unit", "rules", "when broken", "in the reference")
    for c in contract["columns"]:
        table.add_row(
            c["name"],
            f"{c['type']}{' | None' if c['nullable'] else ''}",
            c["unit"] or "",
            _rules(c),
            c["on_violation"] if c["type"] != "category" else f"{c['on_violation']}, unseen: {c['on_unseen']}",
            _seen(c, profile[c["name"]]),
        )
    return table


def _rules(column: dict[str, Any]) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [f"{s} {_value(column, column[k])}" for k, s in signs.items() if column[k] is not None]
    if column["categories"] is not None:
        shown = ", ".join(column["categories"][:8])
        bounds.append(f"{len(column['categories'])} labels: {shown}{', ...' if len(column['categories']) > 8 else ''}")
    return ", ".join(bounds)


def _seen(column: dict[str, Any], found: dict[str, Any]) -> str:
    told = []
    if found.get("min") is not None:
        told.append(f"{_value(column, found['min'])} .. {_value(column, found['max'])}")
    if "true" in found:
        told.append(f"{found['true']:,} true")
    if found["nulls"]:
        told.append(f"{found['nulls']:,} null")
    if found.get("unseen"):
        told.append(f"{found['unseen']:,} unseen")
    return ", ".join(told)


def _value(column: dict[str, Any], value: float) -> str:
    if column["type"] == "timestamp":
        return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=value)).isoformat(timespec="seconds") + "Z"
    if column["type"] == "money":
        digits = column["minor_digits"] or 0
        return f"{value / 10**digits:.{digits}f}{' ' + column['currency'] if column['currency'] else ''}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _features(features: list[dict[str, Any]]) -> Table:
    table = _table(f"{len(features)} features, as the model sees them", "feature", "type", "unit", "description")
    for f in features:
        table.add_row(f["name"], f["type"], f["unit"] or "", f["description"] or "")
    return table
