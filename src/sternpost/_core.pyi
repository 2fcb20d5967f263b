"""The typed face of the compiled core.

Errors are classes of `sternpost.errors`; nothing else is raised on purpose. `data` is any object with the Arrow
PyCapsule interface (`__arrow_c_stream__` or `__arrow_c_array__`): tables, record batches and readers of pyarrow, data
frames of polars and pandas. Calls release the interpreter lock, answer Ctrl-C, and give the same bits for any number
of threads.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Final, Protocol, final

import pyarrow as pa
from typing_extensions import Buffer

__all__ = [
    "AlarmDetector",
    "Client",
    "Decision",
    "Engine",
    "Journal",
    "JournalWriter",
    "Model",
    "Reference",
    "ReferenceColumn",
    "Server",
    "Violation",
    "Window",
    "__version__",
    "adjusted_p_values",
    "alarm_ever_sees",
    "binomial_sf",
    "chi_square_of_counts",
    "compare_counts",
    "compare_samples",
    "contract_breaches",
    "distances_of_counts",
    "fisher_exact",
    "init_onnxruntime",
    "kolmogorov_sf",
    "ks_of_counts",
    "level_per_test",
    "log_line",
    "log_to_stderr",
    "math_symbols",
    "missing_rate",
    "native_refusal",
    "noncentral_chi_square_cdf",
    "parity_of_samples",
    "psi_of_counts",
    "reference_rows_needed",
    "simulate_alarms",
    "tally",
    "unseen_rate",
    "wasserstein_of_counts",
]

__version__: Final[str]

class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

def math_symbols() -> dict[str, int]:
    """Name -> address of the C functions `double sp_x(double)` or `double sp_x(double, double)` that kernels call."""

def init_onnxruntime(path: str) -> None:
    """Load the ONNX Runtime library at an absolute path, once per process; later calls change nothing.

    ModelError if it fails.
    """

def native_refusal(onnx: bytes, spec: str) -> str | None:
    """Why this engine does not run an ONNX graph itself (the operator, and what about it); None if it does.

    `spec` is the model part of an engine's description; UsageError if it is not readable.
    """

# Statistics of drift; definitions and sources in docs/statistics.md. Counts are buffers of uint64, one per cell:
# the ordinary cells in order, then TAIL, UNSEEN, NAN, INF, NULL; with `plain` all cells are ordinary. Raw values
# are buffers of float64 or Arrow columns of float64 or float32 (array or chunked array). A statistic is a
# dictionary of `value`, `p_value`, `low`, `high` (floats or None) and `status`: ok, empty_reference, empty_current,
# constant, too_few or not_applicable. UsageError for other arguments or different numbers of cells, ContractError
# for a column of another Arrow type.

def compare_counts(
    reference: Buffer,
    current: Buffer,
    *,
    ordered: bool,
    reference_at: Buffer | None = None,
    current_at: Buffer | None = None,
    sd: float | None = None,
    iqr: float | None = None,
    singletons: int | None = None,
    tolerance: float = 0.0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Every statistic of one column.

    `status`, `reference_rows`, `current_rows`; `psi` (also `debiased`, `critical`, `cells`),
    `jensen_shannon`, `hellinger`, `total_variation`, `l_infinity`, `chi_square` (also `cramer_v`,
    `bergsma_v`, `groups`), `ks` (also `upper`), `wasserstein`, `wasserstein_per_sd`, `wasserstein_per_iqr`,
    `missing` (also `reference`, `current`, `test`), `unseen` (also `allowed`). `ordered` says that the
    ordinary cells stand in the order of their values; `reference_at` and `current_at` are the mean values of
    the ordinary cells; `singletons` counts labels that stand in one row of the reference alone.
    """

def psi_of_counts(
    reference: Buffer, current: Buffer, *, convention: str = "jeffreys", level: float = 0.95, plain: bool = False
) -> dict[str, Any]:
    """The population stability index, as under `psi` of `compare_counts`; by convention `jeffreys`, `raw`, `clip1e-4`,
    `evidently`, `scouter` or `deepchecks`. Only `jeffreys` has a p-value.
    """

def distances_of_counts(reference: Buffer, current: Buffer, *, plain: bool = False) -> dict[str, dict[str, Any]]:
    """`jensen_shannon` (base 2), `jensen_shannon_divergence` (bits), `jensen_shannon_nats`, `hellinger`,
    `total_variation`, `l_infinity`.
    """

def ks_of_counts(reference: Buffer, current: Buffer, *, plain: bool = False) -> dict[str, Any]:
    """D at the edges of the ordinary cells with its p-value, and `upper`, which the raw D does not exceed."""

def wasserstein_of_counts(
    reference: Buffer,
    current: Buffer,
    reference_at: Buffer,
    current_at: Buffer,
    *,
    sd: float | None = None,
    iqr: float | None = None,
    plain: bool = False,
) -> dict[str, dict[str, Any]]:
    """`wasserstein`, `wasserstein_per_sd`, `wasserstein_per_iqr` from the mean values per cell, per side."""

def chi_square_of_counts(
    reference: Buffer, current: Buffer, *, pooling: str = "small", plain: bool = False
) -> dict[str, Any]:
    """The two-sample chi-square, `cramer_v`, `bergsma_v` and the number of `groups`; pooling `none`, `neighbours` or
    `small`.
    """

def missing_rate(
    reference_missing: int, reference_rows: int, current_missing: int, current_rows: int, *, level: float = 0.95
) -> dict[str, Any]:
    """The current rate less the reference's, both rates, and which `test` gave the p-value: `z` or `fisher`."""

def fisher_exact(reference_hits: int, reference_rows: int, current_hits: int, current_rows: int) -> float:
    """Two-sided p-value of Fisher's exact test."""

def unseen_rate(
    unseen_labels: int, labels: int, singletons: int, reference_labels: int, *, tolerance: float = 0.0
) -> dict[str, Any]:
    """The share of unseen labels, its one-sided binomial p-value against `allowed`:
    singletons / reference_labels + tolerance.
    """

def compare_samples(reference: object, current: object, *, method: str = "auto") -> dict[str, dict[str, Any]]:
    """`ks`, `wasserstein`, `wasserstein_per_sd`, `wasserstein_per_iqr`, `energy` of raw values.

    `method` of the p-value of KS: `exact`, `asymptotic`, or `auto` (exact up to 10,000 rows on the larger side).
    """

def parity_of_samples(reference: object, current: object) -> dict[str, dict[str, Any]]:
    """What other libraries give: `evidently_psi`, `evidently_jensen_shannon`, `evidently_wasserstein` (0.7),
    `nannyml_jensen_shannon`, `nannyml_hellinger` (0.13).
    """

def kolmogorov_sf(d: float, n: int) -> float:
    """P(D > d) of Kolmogorov's two-sided statistic for n rows."""

def binomial_sf(k: int, n: int, p: float) -> float:
    """P(X >= k) of n trials with probability p."""

def noncentral_chi_square_cdf(x: float, freedom: float, noncentrality: float) -> float:
    """P(X <= x) of the noncentral chi-square."""

@final
class Model:
    """An ONNX graph with its description (the model part of an engine's description), run on one thread.

    The description's `executor` says by whom: `onnxruntime`, also if it is absent, or `native`, this engine.
    """

    def __new__(cls, onnx: bytes, spec: str) -> Model:
        """ModelError if the graph cannot be loaded or run by its executor, or its ends do not fit the description."""

    def run(self, matrix: Buffer, rows_per_call: int, pad_to: int) -> bytes:
        """Raw outputs, little-endian float32 `[n, outputs]`, of a C-contiguous float32 matrix `[n, features]`.

        At most `rows_per_call` rows a run; a run of fewer than `pad_to` rows repeats its last row. UsageError for
        another matrix, ModelError if the runtime fails.
        """

@final
class Violation:
    """One broken rule: row (from 0), column, rule, value as text (at most 80 characters, empty for null), and the
    sentence.

    For the rule `raised` the column is the feature's name; for `score_not_finite` it is empty.
    """

    @property
    def row(self) -> int: ...
    @property
    def column(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def message(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Decision:
    """The answer about one row, and who gave it.

    `score` is None where there is none; `reasons` then says why, as `<rule>:<column>`, `raised:<feature>` or
    `score_not_finite`. `source` is "model", "fallback" (the client's local bundle), "rule" (its constant) or "none"
    (the row has no score). `scores` and `label` are for multiclass models. `bundle` is the bundle's digest, empty for a
    rule. `rung` is a server's, and so is `prediction_id` unless the caller named the prediction.
    """

    @property
    def score(self) -> float | None: ...
    @property
    def scores(self) -> tuple[float, ...]: ...
    @property
    def label(self) -> str | None: ...
    @property
    def action(self) -> str | None: ...
    @property
    def binding(self) -> bool: ...
    @property
    def source(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def violations(self) -> tuple[Violation, ...]: ...
    @property
    def bundle(self) -> str: ...
    @property
    def rung(self) -> str | None: ...
    @property
    def prediction_id(self) -> str | None: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class Engine:
    """One contract, one kernel, one model; any number of threads may call it at once.

    `spec` is JSON: contract, features, order, model or null, policy or null, bundle. `kernel_address` is the address
    of a `sternpost_kernel` compiled for exactly this contract and feature list, and `kernel_guard` any object that
    keeps it mapped. Every method raises ForkError in a child of the process that made the engine, ContractError for
    data whose columns or types do not fit, and KernelError or ModelError if the part it needs is absent or fails.
    """

    def __new__(
        cls,
        spec: str,
        *,
        kernel_address: int | None = None,
        kernel_guard: object | None = None,
        onnx: bytes | None = None,
    ) -> Engine:
        """ContractError, KernelError or ModelError for a part that is not usable."""

    def score_row(self, row: Mapping[str, object]) -> Decision:
        """Score one row; its keys are exactly the contract's columns.

        ContractError for a missing or unknown key or a wrong type.
        """

    def score_table(self, data: _ArrowStream | _ArrowArray, threads: int | None = None) -> pa.Table:
        """Score a table; one output row per input row, in order.

        Columns: score float64, for multiclass models label string and scores fixed_size_list<double>, action string,
        reasons list<string>. A row without a score has a null score and at least one reason.
        """

    def frame(self, data: _ArrowStream | _ArrowArray, threads: int | None = None) -> pa.Table:
        """Features, a column each: double, int64, bool, int32 codes for categories; null for null.

        ContractViolation, which lists them, if any row is refused.
        """

    def matrix(self, data: _ArrowStream | _ArrowArray, threads: int | None, out: Buffer) -> None:
        """What a model would see, written into `out`: a writable C-contiguous float32 matrix `[rows, features]`.

        Nobody else may touch `out` during the call. UsageError for another buffer; ContractViolation if any row is
        refused, and then `out` holds nothing of use.
        """

    def check(self, data: _ArrowStream | _ArrowArray, limit: int = 100) -> list[Violation]:
        """The first `limit` violations of the contract, by row and then by column. Features are not computed."""

    def watched(self, reference: Reference) -> Engine:
        """The same engine, watched: what is scored with it (rows and tables; not `golden`) is counted until `collect`.

        UsageError for a reference of other columns.
        """

    def collect(self) -> Window:
        """What a watched engine counted since the last call, over all threads. UsageError if it is not watched."""

    def golden(self, data: _ArrowStream | _ArrowArray) -> tuple[bytes, bytes]:
        """Feature bits `[rows, features]` and raw model output bits `[rows, max(1, outputs)]`, row-major little-
        endian float64.

        A refused row is the canonical NaN in every place; without a model the second part is one column of it.
        """

def log_line(level: str, text: str) -> None:
    """Write a line to the core's log, as "info", "warn" or "error"."""

def log_to_stderr(form: str = "text", level: str = "info") -> None:
    """Write the core's log to stderr, as "text" or "json" lines of a level; later calls change nothing.

    UsageError for another form or level.
    """

@final
class Server:
    """A running server; rows never come by the interpreter. ForkError in a child of the process that made it."""

    def __new__(
        cls, settings: str, bundles: list[tuple[Engine, _ArrowStream | _ArrowArray, Reference | None]]
    ) -> Server:
        """Serve engines, each with its golden rows and the reference to watch it by, by JSON settings.

        UsageError for settings that do not fit, and for a reference of another bundle.
        """

    @property
    def addresses(self) -> list[str]: ...
    @property
    def http(self) -> str | None: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def bundles(self) -> list[tuple[str, int, str]]: ...
    @property
    def journal(self) -> str | None: ...
    def wait(self, seconds: float) -> tuple[str, str] | None:
        """The next wish, ("load" or "unload", name), to be answered before the next; None after `seconds`."""

    def answer(self, refusal: str | None = None) -> None:
        """Answer the last wish: fulfilled, or why not."""

    def serve(self, engine: Engine, golden: _ArrowStream | _ArrowArray, reference: Reference | None = None) -> int:
        """Serve an engine in place of one of the same bundle name; its version. UsageError when it cannot be served."""

    def withdraw(self, name: str) -> bool:
        """Serve a bundle no longer."""

    def collect(self) -> list[tuple[str, str, bool, Window]]:
        """What watched bundles counted since the last call: name, digest, whether they may still count, the counts."""

    def tell(self, lines: str) -> None:
        """Put lines onto `/metrics`, in place of those of the last time."""

    def report_trouble(self, name: str, reason: str) -> None:
        """Say of a bundle why it is not served, or not in its newest form."""

    def announce_end(self) -> None:
        """Tell health that the end is near, and go on."""

    def drain(self, seconds: float) -> bool:
        """Take nothing new and finish what is there; whether all was finished in time."""

    def end(self) -> None:
        """End now and wait for the threads."""

@final
class Client:
    """Talks to servers of one bundle; any number of threads may call it at once.

    `settings` is JSON, every key of which is needed: endpoints, bundle, rule (null, or a constant's score and action),
    transport, ca, cert, key, server_name, token, allow_other_bundle, parity_every, hedge_after_s, busy_poll_us,
    connections, watch_health. Nothing is sent before the first call. Every method raises ForkError in a child of the
    process that made the client.
    """

    def __new__(cls, settings: str, fallback: Engine | None = None) -> Client:
        """UsageError for settings that cannot be used."""

    def score_row(
        self, row: Mapping[str, object], deadline_s: float, stake: str = "advise", id: str = "", entity: str = ""
    ) -> Decision:
        """Score one row; its keys are exactly the contract's columns.

        ContractError for a missing or unknown key or a wrong type, ServerError when nobody answers.
        """

    def score_told(
        self, row: Mapping[str, object], deadline_s: float, stake: str, id: str, entity: str
    ) -> tuple[Decision, bool]:
        """The same, and whether the answer was given here: by the fallback, not by a server."""

    def score_table(
        self,
        data: _ArrowStream | _ArrowArray,
        deadline_s: float,
        stake: str = "advise",
        threads: int | None = None,
    ) -> pa.Table:
        """Score a table, with the columns of `Engine.score_table`; `threads` are those of the fallback."""

    def report(
        self,
        prediction_id: str,
        outcome: object,
        known_at_us: int,
        happened_at_us: int | None,
        entity: str,
        source: str,
        revision: int,
        deadline_s: float,
    ) -> None:
        """Tell what happened after a prediction."""

    def describe(self, deadline_s: float) -> str:
        """What the server serves, as JSON."""

    def stats(self) -> str:
        """What was counted so far, as JSON."""

    def close(self) -> None:
        """Close idle connections and end the background watch; later calls connect again."""

@final
class AlarmDetector:
    """The Shiryaev-Roberts e-detector over window counts; columns and budget are JSON.

    See `sternpost.monitor.alarms` for the typed way to it.
    """

    def __new__(cls, columns: str, budget: str) -> AlarmDetector:
        """UsageError for columns or a budget that cannot be used."""

    @staticmethod
    def from_bytes(state: bytes) -> AlarmDetector:
        """The detector that wrote these bytes; DataError if none did."""

    def to_bytes(self) -> bytes:
        """All it knows, as an Arrow IPC file."""

    def update(self, counts: list[list[int]]) -> str:
        """Take one window: rows per cell, per column in order; the verdict as JSON. UsageError for other cells."""

    def acknowledge(self) -> bool:
        """Start anew after an alarm; False if none was waiting."""

    def reach(self, rows_per_window: float, windows: float) -> str:
        """The smallest changes seen within so many windows, per column, as JSON."""

    @property
    def columns(self) -> str: ...
    @property
    def budget(self) -> str: ...
    @property
    def alarms(self) -> int: ...

def simulate_alarms(simulation: str, first: int, count: int, threads: int) -> str:
    """Runs of a simulation (JSON) from number `first` on, as JSON: per run the windows until each threshold, or null,
    and the windows in all. UsageError for a description that cannot be used.
    """

def alarm_ever_sees(simulation: str) -> bool:
    """Whether the detector would ever see the simulation's change, with the columns' counts as its reference."""

def contract_breaches(limits: str, rows: int, refused: int, broken: list[tuple[str, str, int]]) -> str:
    """Which limits (JSON) one window's broken rules (column, rule, rows) exceed, as JSON."""

def adjusted_p_values(p: list[float], dependent: bool) -> list[float]:
    """Adjusted by Benjamini-Yekutieli, or Benjamini-Hochberg if not dependent; NaN stays. UsageError outside [0, 1]."""

def level_per_test(alarms: float, windows: int, columns: int) -> float:
    """alarms / (windows * columns), at most 1."""

def reference_rows_needed(width: float, columns: int, confidence: float) -> float:
    """Rows of a reference whose own error at the edges is `width`, over so many columns."""

@final
class ReferenceColumn:
    """One watched column. `counts` holds the ordinary cells in order, then TAIL, UNSEEN, NAN, INFINITE, NULL.

    `role` is "input", "feature" or "output"; `kind` "numeric", "category", "flag", "presence" or "score". For numbers
    cell k is (edges[k-1], edges[k]], the ends open; `points` says which cells hold one value only, `means` the mean of
    each cell's values. `labels` are those with a cell of their own. `cells` are words for all cells.
    """

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def edges(self) -> list[float]: ...
    @property
    def points(self) -> list[bool]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def cells(self) -> list[str]: ...
    @property
    def counts(self) -> list[int]: ...
    @property
    def means(self) -> list[float | None]: ...
    @property
    def min(self) -> float | None: ...
    @property
    def max(self) -> float | None: ...
    @property
    def mean(self) -> float | None: ...
    @property
    def deviation(self) -> float | None: ...
    def groups(self, grid: int) -> list[int]:
        """For every ordinary cell its cell in the coarser grid of about 10 or 20 equal masses."""

@final
class Reference:
    """What every watched column looked like in the rows that something was built on; see docs/monitoring-format.md.

    Equal references have equal files; `digest` is the file's sha256 in hex.
    """

    @staticmethod
    def of_table(data: _ArrowStream | _ArrowArray, threads: int | None = None) -> Reference:
        """Every column of a table, as inputs. DataError for columns that are there twice."""

    @staticmethod
    def of_bundle(
        contract: str,
        inputs: _ArrowStream | _ArrowArray,
        features: _ArrowStream | _ArrowArray,
        outputs: _ArrowStream | _ArrowArray,
        labels: Mapping[str, Sequence[str]],
        threads: int | None = None,
    ) -> Reference:
        """Rows that keep the contract, their features and their outputs; `labels` of category features, by code."""

    @staticmethod
    def from_bytes(data: bytes) -> Reference:
        """DataError for anything that is no reference's file."""

    def to_bytes(self) -> bytes: ...
    @property
    def digest(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def nan_is_null(self) -> bool: ...
    @property
    def columns(self) -> list[ReferenceColumn]: ...
    def column(self, name: str, role: str | None = None) -> ReferenceColumn:
        """By name; where several roles have it, the first of input, feature, output. UsageError for no such column."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Window:
    """Counts in the cells of one reference; merging is exact, whatever the order.

    `rows` has seen, refused, scored, dropped; `span` is first and last moment in microseconds since 1970, UTC;
    `broken` counts rules by (role, column, rule). UsageError for windows of another reference, names that are not
    watched, and a part that was none.
    """

    def __new__(cls, reference: Reference) -> Window: ...
    @staticmethod
    def from_bytes(data: bytes, reference: Reference) -> Window:
        """DataError for anything that is no window's file."""

    @staticmethod
    def merge(reference: Reference, windows: Sequence[Window]) -> Window: ...
    def to_bytes(self) -> bytes: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def rows(self) -> dict[str, int]: ...
    @property
    def span(self) -> tuple[int, int] | None: ...
    @property
    def replicas(self) -> list[str]: ...
    def counts(self, name: str, role: str | None = None, *, grid: int | None = None) -> list[int]:
        """As `ReferenceColumn.counts`; `grid` (10 or 20) gives those of coarser cells."""

    def mean_and_deviation(self, name: str, role: str | None = None) -> tuple[float, float] | None: ...
    def clipped(self, name: str, role: str | None = None) -> int: ...
    @property
    def broken(self) -> dict[tuple[str, str, str], int]: ...
    def __add__(self, other: Window, /) -> Window: ...
    def __radd__(self, value: Window, /) -> Window: ...
    def __sub__(self, part: Window, /) -> Window: ...
    def __rsub__(self, value: Window, /) -> Window: ...
    def marked(self, *, span: tuple[int, int] | None = None, replica: str | None = None) -> Window:
        """The same counts, told when and by whom they were counted."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

def tally(
    reference: Reference, data: _ArrowStream | _ArrowArray, role: str = "input", threads: int | None = None
) -> tuple[Window, dict[str, str]]:
    """Count a table's columns of a role; the second part says of columns that could not be counted why."""

@final
class Journal:
    """Reads the segments of a journal's folder; takes no lock and changes nothing.

    A segment that is being written is read up to its last good frame.
    """

    def __new__(cls, path: str | PathLike[str]) -> Journal: ...
    def files(self) -> list[str]:
        """File names of the segments, by kind, stream and number. DataError if the folder cannot be read."""

    def read(self, file: str) -> tuple[str, pa.RecordBatchReader]:
        """What a segment says of itself, as JSON (an element of `look()["segments"]`), and its good batches.

        JournalCorrupt if header or schema are damaged, JournalVersion for another format, DataError if it cannot be
        opened.
        """

    def look(self, decode: bool = False) -> str:
        """What is in the folder, as JSON: `segments` (file, kind, stream, number, bundle, digest, created_us, sealed,
        rows, batches, bytes, findings, unreadable), `torn` and `foreign` files. A finding has trouble ("torn" or
        "damaged"), offset, bytes, rows_lost (null if it cannot be told), what. `decode` also decodes every batch.
        """

@final
class JournalWriter:
    """Appends tables to a journal; one writer per journal, from opening to closing.

    `durability` is "off", "async" or "group"; see `docs/journal.md`. JournalLocked if somebody else writes. Every
    method raises ForkError in a child of the process that opened it, and UsageError after closing.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        durability: str = "group",
        *,
        flush_interval_s: float = 0.05,
        segment_bytes: int = 67108864,
        segment_age_s: float = 3600.0,
        keep_bytes: int | None = None,
        keep_s: float | None = None,
    ) -> JournalWriter: ...
    def append(self, kind: str, data: _ArrowStream | _ArrowArray, bundle: str = "", digest: str = "") -> int:
        """Append rows of a kind ("decisions", "outcomes", "events"); their number. They are kept when `flush` or
        `close` returns.

        Of decisions the columns bundle and digest are left out and given as arguments. DataError when the disk fails.
        """

    def flush(self) -> None:
        """Wait until everything appended is kept. DataError if something was lost."""

    def stats(self) -> str:
        """What was counted, as JSON."""

    def recovered(self) -> str:
        """What was repaired when the journal was opened, as JSON: file, rows, bytes_cut, findings, unreadable."""

    def close(self) -> None:
        """Write everything, seal and give the lock back. DataError if something was lost."""

    def __enter__(self) -> JournalWriter: ...
    def __exit__(self, *_error: object) -> None: ...
