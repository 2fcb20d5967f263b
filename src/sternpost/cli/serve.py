"""sternpost serve: bundles behind gRPC."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.options import RequireSignature, TrustedKeys
from sternpost.cli.watch_options import (
    AlarmBudget,
    Atom,
    KeepWindows,
    Monitor,
    OnAlarm,
    Replica,
    Windows,
    check_unmonitored,
    watch_settings,
)
from sternpost.errors import UsageError

if TYPE_CHECKING:
    from sternpost.serve.server import JournalSettings, Server, Traces
    from sternpost.serve.slow_lane import Errand

NAME = "serve"
_OTLP, _OTLP_TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_SCORE_TOKENS, _ADMIN_TOKENS = "STERNPOST_SCORE_TOKENS", "STERNPOST_ADMIN_TOKENS"


def run(
    bundles: Annotated[
        list[Path],
        typer.Argument(metavar="BUNDLE...", help="Bundle files, or folders of *.sbundle files.", show_default=False),
    ],
    *,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen", metavar="ADDRESS", help="HOST:PORT or unix:PATH; may be repeated. Default: 127.0.0.1:8500."
        ),
    ] = None,
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="Metrics and health over HTTP; none for nowhere.")
    ] = "127.0.0.1:8501",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=1024, help="Row threads. Default: every CPU.")
    ] = None,
    batch_threads: Annotated[
        int | None, typer.Option("--batch-threads", min=1, max=1024, help="Batch threads. Default: every CPU.")
    ] = None,
    queue_rows: Annotated[int | None, typer.Option("--queue-rows", min=1, help="Rows that may wait, a thread.")] = None,
    queue_wait_ms: Annotated[
        int | None, typer.Option("--queue-wait-ms", min=1, help="Longest predicted wait of a row without a deadline.")
    ] = None,
    connections: Annotated[int | None, typer.Option("--connections", min=1, help="Connections at once.")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="PEM", help="Certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="Its private key.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option("--tls-client-ca", metavar="PEM", help="Only clients certified by these may connect.")
    ] = None,
    admin_name: Annotated[
        list[str] | None, typer.Option("--admin-name", help="A name in client certificates that may load and unload.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen publicly without a certificate, on purpose.")
    ] = False,
    busy_poll: Annotated[
        bool, typer.Option("--busy-poll", help="Row threads never sleep; for CPUs that do nothing else.")
    ] = False,
    raw_answers: Annotated[
        bool, typer.Option("--raw-answers", help="Answer tensors raw even when they were asked typed.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="DIR", help="Remember what is answered in this folder.")
    ] = None,
    durability: Annotated[
        str, typer.Option("--durability", help="off, async, or group: answer when the disk has the row.")
    ] = "async",
    journal_full: Annotated[
        str | None,
        typer.Option(
            "--journal-full",
            help="A row that the journal cannot take: drop (answer and count), wait (0.1 s) or refuse. "
            "Default: refuse for group, else drop.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="LENGTH", help="How long it is kept, as 90d or 12h. Default: for ever."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Take over bundle files as they change, each second.")
    ] = True,
    monitor: Monitor = True,
    window: Atom = "1m",
    windows: Windows = None,
    keep_windows: KeepWindows = "30d",
    replica: Replica = None,
    alarm_budget: AlarmBudget = 10_000,
    on_alarm: OnAlarm = None,
    lame_s: Annotated[
        float, typer.Option("--lame", min=0, help="Seconds told as not serving before the drain begins.")
    ] = 0.0,
    drain_s: Annotated[float, typer.Option("--drain", min=0, help="Seconds for what is on its way at the end.")] = 30.0,
    traces: Annotated[
        str | None,
        typer.Option(
            "--traces",
            metavar="URL",
            help="Send spans of scored requests to an OTLP collector; env: to OTEL_EXPORTER_OTLP_ENDPOINT.",
        ),
    ] = None,
    trace_share: Annotated[
        float, typer.Option("--trace-share", min=0, max=1, help="Share of requests that begin a trace of their own.")
    ] = 0.01,
    log_form: Annotated[str, typer.Option("--log-form", help="text or json, on stderr.")] = "text",
    log_level: Annotated[str, typer.Option("--log-level", help="error, warn, info or debug.")] = "info",
    require_signature: RequireSignature = False,
    trusted_key: TrustedKeys = None,
) -> None:
    """Serve bundles over gRPC until SIGTERM. Prints one line of JSON with the addresses when ready.

    Bearer tokens come from the environment, separated by commas: STERNPOST_SCORE_TOKENS may score,
    STERNPOST_ADMIN_TOKENS may also load and unload.
    """
    from sternpost._core import log_line, log_to_stderr
    from sternpost.monitor.watching import Watching
    from sternpost.serve.server import ServerSettings, Tls
    from sternpost.serve.shelf import Shelf
    from sternpost.serve.supervise import Manners, supervise

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("a certificate and its key go together; give both --tls-cert and --tls-key")
    if tls_client_ca is not None and tls_cert is None:
        raise UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    tls = None
    if tls_cert is not None and tls_key is not None:
        tls = Tls(str(tls_cert), str(tls_key), None if tls_client_ca is None else str(tls_client_ca))
    settings = ServerSettings(
        listen=tuple(listen or ("127.0.0.1:8500",)),
        http=None if http == "none" else http,
        threads=threads,
        batch_threads=batch_threads,
        queue_rows=queue_rows,
        queue_wait_ms=queue_wait_ms,
        connections=connections,
        tls=tls,
        traces=None if traces is None else _traces(traces, trace_share),
        score_tokens=_tokens(_SCORE_TOKENS),
        admin_tokens=_tokens(_ADMIN_TOKENS),
        admin_names=tuple(admin_name or ()),
        insecure=insecure,
        busy_poll=busy_poll,
        raw_answers=raw_answers,
        journal=_journal(journal, durability, journal_full, keep),
        monitor=monitor,
    )
    watching = watch_settings(window, windows, keep_windows, replica, on_alarm=on_alarm, budget=alarm_budget)
    if not monitor:
        check_unmonitored(windows, replica, on_alarm)
    log_to_stderr(log_form, log_level)
    shelf = Shelf(bundles, require_signature, tuple(trusted_key or ()))
    manners = Manners(watch_s=1.0 if watch else None, lame_s=lame_s, drain_s=drain_s)

    def errands(server: Server) -> list[Errand]:
        return [Watching(watching, server.collect, server.tell, log_line)] if monitor else []

    with _tidied(settings.journal):
        finished = supervise(shelf, settings, manners, _tell, errands)
    if not finished:
        typer.echo("sternpost: calls on their way were cut off", err=True)


def _traces(url: str, share: float) -> Traces:
    """The collector, at a URL or where OpenTelemetry's own variables say."""
    from sternpost.serve.server import Traces

    if url == "env":
        own, base = os.environ.get(_OTLP_TRACES), os.environ.get(_OTLP)
        if not own and not base:
            raise UsageError(f"--traces env: neither {_OTLP_TRACES} nor {_OTLP} is set; set one, or give a URL")
        url = own or f"{base}".rstrip("/") + "/v1/traces"
    return Traces(url, share, os.environ.get("OTEL_SERVICE_NAME") or "sternpost")


def _journal(folder: Path | None, durability: str, full: str | None, keep: str | None) -> JournalSettings | None:
    from sternpost.serve.server import JournalSettings

    if durability not in ("off", "async", "group"):
        raise UsageError(f"--durability is {durability}; give off, async or group")
    if full not in (None, "drop", "wait", "refuse"):
        raise UsageError(f"--journal-full is {full}; give drop, wait or refuse")
    if folder is not None:
        keep_s = None
        if keep is not None:
            from sternpost.contract.duration import duration

            keep_s = duration(keep, "--keep", above_zero=True).total_seconds()
        return JournalSettings(folder=str(folder), durability=durability, full=full, keep_s=keep_s)  # type: ignore[arg-type]
    if durability != "async" or full is not None or keep is not None:
        raise UsageError("--durability, --journal-full and --keep are about a journal; give --journal DIR")
    return None


def _tidied(journal: JournalSettings | None) -> contextlib.AbstractContextManager[object]:
    """What keeps the journal tidy while the server runs."""
    if journal is None:
        return contextlib.nullcontext()
    from sternpost.outcomes.tidying import Tidier

    return Tidier(Path(journal.folder), journal.keep_s, lambda told: typer.echo(f"sternpost: {told}", err=True))


def _tokens(variable: str) -> tuple[str, ...]:
    return tuple(token.strip() for token in os.environ.get(variable, "").split(",") if token.strip())


def _tell(server: Server) -> None:
    bundles = [{"name": name, "version": version, "digest": digest} for name, version, digest in server.bundles]
    line = {"listen": server.addresses, "http": server.http, "bundles": bundles, "pid": os.getpid()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
