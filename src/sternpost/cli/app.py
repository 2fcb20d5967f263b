"""The verbs as one command, and how it ends.

Verbs import what they need when they run, so that `sternpost --help` is quick.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from sternpost.cli import (
    audit,
    demo,
    drift,
    init,
    inspect,
    journal,
    keygen,
    measure,
    outcomes,
    replay,
    score,
    serve,
    sign,
    simulate,
    train,
    trust,
    verify,
)
from sternpost.errors import DataError, SternpostError, UsageError

INTERRUPTED, PIPE_CLOSED, TERMINATED, INTERNAL = 130, 141, 143, 70

app = typer.Typer(
    name="sternpost",
    help="Seal a Python feature file and a fitted model into a bundle, and score Arrow data with it.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (init, audit, train, inspect, score, serve, drift, simulate, measure, verify, replay, demo, sign, keygen):
    app.command(verb.NAME)(verb.run)
app.add_typer(outcomes.app, name=outcomes.NAME)
app.add_typer(journal.app, name=journal.NAME)
app.add_typer(trust.app, name=trust.NAME)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from sternpost.bundle.archive import sternpost_version

        typer.echo(f"sternpost {sternpost_version()}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


class _Terminated(BaseException):
    """The process was asked to end: unwinds like an interrupt, so that half files are removed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code. Never raises."""
    if "_STERNPOST_COMPLETE" in os.environ:
        app(prog_name="sternpost")  # a shell asks what could follow; answers and leaves
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        earlier = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # only the main thread may; elsewhere the host decides what a signal does
        earlier = None
    try:
        command = typer.main.get_command(app)
        with command.make_context("sternpost", given) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except BaseException as error:
        return _ended(error, as_json="--json" in given)
    finally:
        if earlier is not None:
            signal.signal(signal.SIGTERM, earlier)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _ended(error: BaseException, *, as_json: bool) -> int:
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if os.environ.get("STERNPOST_TRACEBACK") == "1":
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, BrokenPipeError) or isinstance(error.__cause__, BrokenPipeError):
        _silence_stdout()
        return PIPE_CLOSED
    kind, message, code = _explain(error)
    try:
        if as_json:
            body = {"error": {"kind": kind, "message": message, "exit_code": code}}
            sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        sys.stderr.write(f"sternpost: {message}\n")
        sys.stderr.flush()
    except OSError:
        _silence_stdout()
    return code


def _explain(error: BaseException) -> tuple[str, str, int]:
    """(kind, one line, exit code) of whatever ended the command."""
    if isinstance(error, SternpostError):
        return type(error).__name__, _one_line(str(error)), error.exit_code
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "Interrupted", "interrupted before the end", INTERRUPTED
    if isinstance(error, _Terminated):
        return "Terminated", "terminated before the end", TERMINATED
    # What the parser of the command line raises; it has no base class that typer makes public.
    format_message: Any = getattr(error, "format_message", None)
    if format_message is not None:
        context = getattr(error, "ctx", None)
        help_of = context.command_path if context is not None else "sternpost"
        told = _one_line(format_message()).removesuffix(".")
        return "UsageError", f"{told}. See {help_of} --help.", UsageError.exit_code
    if isinstance(error, OSError):
        return "DataError", _one_line(f"{error.strerror or error}: {error.filename or ''}"), DataError.exit_code
    if isinstance(error, MemoryError):
        return "MemoryError", "out of memory; use fewer rows at a time, or a larger machine", INTERNAL
    told = _one_line(f"{type(error).__name__}: {error}")
    return (
        "InternalError",
        f"internal error: {told}; this is a fault of sternpost: report it with the output of STERNPOST_TRACEBACK=1",
        INTERNAL,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _silence_stdout() -> None:
    # Python flushes stdout once more when it ends, and would complain there.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
