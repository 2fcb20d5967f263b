"""sternpost trust: how far a model may go, and who changed that."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sternpost.cli.label_options import moment
from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.cli.trust_options import (
    Incumbent,
    JournalPath,
    LedgerPlace,
    RegistryPlace,
    UseCase,
    Who,
    Why,
    open_ladder,
    told,
)
from sternpost.errors import DataError, GateMissed, UsageError

if TYPE_CHECKING:
    from sternpost.trust.evidence import Evidence
    from sternpost.trust.ladder import Ladder
    from sternpost.trust.rungs import Rung, Standing

NAME = "trust"
app = typer.Typer(help="How far a model may go, and who changed that.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """How far a model may go, and who changed that."""


@app.command("show")
def show(
    registry: RegistryPlace,
    use_case: Annotated[
        str | None, typer.Argument(metavar="[USE_CASE]", help="Only this one.", show_default=False)
    ] = None,
    *,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Say at which rung every use case is, with its champion and certificate."""
    ladder = open_ladder(registry, ledger)
    names = [use_case] if use_case is not None else sorted({r.use_case for r in ladder.ledger.verify()})
    found = [ladder.standing(name) for name in names]
    if as_json:
        print_json(
            {"registry": registry, "bundles": ladder.registry.digests(), "standings": [s.to_dict() for s in found]}
        )
        return
    for standing in found:
        typer.echo(told(standing))
        if standing.use_case and (people := ladder.approvers(standing.use_case)):
            typer.echo(f"  approved by {', '.join(people)}")
    if not found:
        typer.echo(f"{registry}: nothing entered yet")


@app.command("history")
def history(use_case: UseCase, registry: RegistryPlace, *, ledger: LedgerPlace = None, as_json: AsJson = False) -> None:
    """List every record about a use case, oldest first."""
    records = open_ladder(registry, ledger).history(use_case)
    if as_json:
        print_json({"use_case": use_case, "records": [r.to_dict() for r in records]})
        return
    for r in records:
        to = r.content.get("standing", {}).get("rung", "").upper()
        typer.echo(f"{r.serial:>4}  {r.moment:%Y-%m-%d %H:%M:%S}  {r.kind:<9} {to:<7} {r.who}: {r.why}")


@app.command("at")
def at(
    use_case: UseCase,
    time: Annotated[str, typer.Argument(metavar="TIME", help="A date or a moment, e.g. 2024-05-01T10:00:00Z.")],
    registry: RegistryPlace,
    *,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Say what a use case was allowed at a moment, and by which bundle."""
    when = moment(time, "TIME")
    standing = open_ladder(registry, ledger).at(use_case, when)
    live = standing.certificate is not None and standing.certificate.live(when)
    if as_json:
        print_json({"at": when.isoformat(), "certificate_live": live, "standing": standing.to_dict()})
    else:
        dead = "" if standing.certificate is None or live else "; its certificate was not alive"
        typer.echo(f"{when:%Y-%m-%d %H:%M:%S} UTC: {told(standing)}{dead}")


@app.command("promote")
def promote(
    use_case: UseCase,
    registry: RegistryPlace,
    who: Who,
    why: Why,
    *,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="A bundle to bring in: champion where the use case is OFF, "
                     "else a challenger.", show_default=False),
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option("--terms", metavar="FILE", help="TOML with [trust] and [outcome], registered when the champion "
                     "enters.", show_default=False),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="NAME", help="Who made the model, if not --who.", show_default=False),
    ] = None,
    journal: JournalPath = None,
    challenger: Annotated[
        str | None,
        typer.Option("--challenger", metavar="DIGEST", help="With --journal: make this challenger the champion if "
                     "it is no worse; the beginning of its digest will do.", show_default=False),
    ] = None,
    incumbent: Incumbent = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="T", help="Evidence up to then. Default: now.", show_default=False)
    ] = None,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Bring a bundle in, or take the champion one rung up if the journal's evidence has earned it."""
    if (bundle is None) == (journal is None):
        raise UsageError("give --bundle FILE to bring a model in, or --journal DIR to promote the one that is there")
    ladder = open_ladder(registry, ledger, make=bundle is not None)
    if bundle is not None:
        standing = _entered(ladder, use_case, bundle, terms, who=who, why=why, author=author)
    else:
        evidence = _evidence(ladder, use_case, journal, incumbent=incumbent, as_of=as_of, challenger=challenger)
        standing = ladder.promote(use_case, evidence, who=who, why=why)
    _done(standing, as_json=as_json)


@app.command("look")
def look(
    use_case: UseCase,
    registry: RegistryPlace,
    *,
    journal: JournalPath = None,
    incumbent: Incumbent = None,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Take a model down if its certificate is dead or the evidence is against it; for every day. Never promotes."""
    ladder = open_ladder(registry, ledger)
    ladder.settle()
    before = ladder.standing(use_case)
    dead = ladder.look(use_case)
    verdict = dead if journal is None or dead.rung is not before.rung else ladder.look(
        use_case, _evidence(ladder, use_case, journal, incumbent=incumbent)
    )  # fmt: skip
    now = ladder.standing(use_case)
    if as_json:
        gates = [g.to_dict() for g in verdict.gates]
        print_json({"reason": verdict.reason.value, "gates": gates, "standing": now.to_dict()})
    else:
        typer.echo(told(now))
        for gate in verdict.gates:
            typer.echo(f"  {gate.name:<12} {gate.why:<12} {gate.told}")
    if now.serial != before.serial:
        raise typer.Exit(GateMissed.exit_code)


@app.command("approve")
def approve(
    use_case: UseCase,
    registry: RegistryPlace,
    who: Who,
    why: Why,
    *,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Put your name to it: the champion may decide. Two people are needed, neither the model's author."""
    ladder = open_ladder(registry, ledger)
    record = ladder.approve(use_case, who=who, why=why)
    people = ladder.approvers(use_case)
    if as_json:
        print_json({"record": record.to_dict(), "approvers": list(people)})
    else:
        typer.echo(f"{use_case}: approved by {', '.join(people)}")


@app.command("demote")
def demote(
    use_case: UseCase,
    registry: RegistryPlace,
    who: Who,
    why: Why,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="RUNG", help="off, shadow or advise. Default: one down.", show_default=False),
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Bring back the champion before.")] = False,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Take a model down, at once."""
    ladder = open_ladder(registry, ledger)
    if rollback:
        if to is not None:
            raise UsageError("--rollback and --to exclude each other; roll back first, then demote")
        _done(ladder.rollback(use_case, who=who, why=why), as_json=as_json)
    else:
        _done(ladder.demote(use_case, who=who, why=why, to=None if to is None else _rung(to)), as_json=as_json)


@app.command("halt")
def halt(
    use_case: UseCase,
    registry: RegistryPlace,
    who: Who,
    why: Why,
    *,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Stop a model now. It stays stopped until a person releases it."""
    _done(open_ladder(registry, ledger).halt(use_case, who=who, why=why), as_json=as_json)


@app.command("release")
def release(
    use_case: UseCase,
    registry: RegistryPlace,
    who: Who,
    why: Why,
    *,
    to: Annotated[str, typer.Option("--to", metavar="RUNG", help="off, shadow, or advise if it was there.")] = "shadow",
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Let a halted model go on, by name."""
    _done(open_ladder(registry, ledger).release(use_case, who=who, why=why, to=_rung(to)), as_json=as_json)


def _entered(
    ladder: Ladder, use_case: str, bundle: Path, terms: Path | None, *, who: str, why: str, author: str | None
) -> Standing:
    from sternpost.trust.rungs import Rung
    from sternpost.trust.terms import read_terms

    if ladder.standing(use_case).rung is not Rung.OFF:
        if terms is not None:
            raise UsageError(f"{use_case} has registered terms already; other terms mean to begin again from OFF")
        return ladder.challenge(use_case, ladder.registry.put(bundle), who=who, why=why, author=author)
    if terms is None:
        raise UsageError("a model enters under terms; give --terms FILE, see docs/trust.md for an example")
    read = read_terms(terms)
    return ladder.enter(use_case, ladder.registry.put(bundle), read, who=who, why=why, author=author)


def _evidence(
    ladder: Ladder,
    use_case: str,
    journal: Path | None,
    *,
    incumbent: Path | None,
    as_of: str | None = None,
    challenger: str | None = None,
) -> Evidence:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sternpost.outcomes.ledger import open_ledger
    from sternpost.trust.looking import evidence_of

    assert journal is not None
    theirs = None
    if incumbent is not None:
        try:
            theirs = pq.read_table(incumbent)
        except (pa.ArrowException, OSError) as e:
            raise DataError(f"cannot read {incumbent}: {str(e).splitlines()[0]}; --incumbent is a Parquet file") from e
    until = dt.datetime.now(dt.UTC) if as_of is None else moment(as_of, "--as-of")
    digest = None if challenger is None else ladder.registry.find(challenger)
    return evidence_of(ladder, use_case, open_ledger(journal), as_of=until, incumbent=theirs, challenger=digest)


def _rung(text: str) -> Rung:
    from sternpost.trust.rungs import Rung

    try:
        return Rung(text.lower())
    except ValueError:
        raise UsageError(f"--to {text!r} is no rung; write off, shadow or advise") from None


def _done(standing: Standing, *, as_json: bool) -> None:
    said: dict[str, Any] = standing.to_dict()
    if as_json:
        print_json({"standing": said})
    else:
        typer.echo(told(standing))
