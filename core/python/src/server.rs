//! The server as a Python object: started, asked for wishes, ended. No call of a client ever comes by here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use sternpost_engine::arrow_rows::Table;
use sternpost_server::asks::{self, Ask, Asks, Wish};
use sternpost_server::catalog::{Opened, Registry, Trouble};
use sternpost_server::config::Config;
use sternpost_server::probe::Probe;
use sternpost_server::server::Server as Running;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::Rung;
use tonic::Code;

use crate::engine::Engine;
use crate::reference::{Reference, Window};
use crate::{errors, fork, gate, tables};

/// How often a waiting call looks for signals.
const LOOK: Duration = Duration::from_millis(100);

/// An engine, its golden rows, and the reference in whose cells it is watched.
type Given = (Py<Engine>, Py<PyAny>, Option<Py<Reference>>);

/// A running server.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Server {
    running: Running,
    asks: Asks,
    asked: std::sync::Mutex<Option<Ask>>,
    generation: u64,
}

#[pymethods]
impl Server {
    #[new]
    fn new(py: Python<'_>, settings: &str, bundles: Vec<Given>) -> PyResult<Self> {
        gate::contained(py, || {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let config = Config::from_json(settings, processors).map_err(|error| errors::usage(py, error))?;
            let registry = Arc::new(Registry::default());
            let opened = bundles.iter().map(|given| open(py, given, &registry)).collect::<PyResult<Vec<_>>>()?;
            let (line, asks) = asks::line();
            let started = py.detach(|| {
                let running = Running::start(config, registry, Arc::new(line))?;
                for bundle in opened {
                    running.serve(bundle).map_err(|failure| failure.message)?;
                }
                Ok(running)
            });
            let running = started.map_err(|error: String| errors::usage(py, error))?;
            Ok(Self { running, asks, asked: std::sync::Mutex::default(), generation: fork::generation() })
        })
    }

    /// Where gRPC is spoken.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.running.addresses().iter().map(ToString::to_string).collect()
    }

    /// Where health and metrics are served.
    #[getter]
    fn http(&self) -> Option<String> {
        self.running.http().map(|address| address.to_string())
    }

    /// Why the server is not ready; nothing if it is.
    #[getter]
    fn trouble(&self) -> Option<String> {
        self.running.health().trouble()
    }

    /// Name and version of what is served.
    #[getter]
    fn bundles(&self) -> Vec<(String, u64, String)> {
        let catalog = self.running.registry().catalog();
        catalog.bundles().iter().map(|served| (served.name.clone(), served.version, served.digest().to_owned())).collect()
    }

    /// Waits for a wish: ("load" or "unload", name), to be answered before the next; nothing after `seconds`.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<(&'static str, String)>> {
        gate::contained(py, || {
            self.same_process(py)?;
            let until = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let next = py.detach(|| self.asks.next(left.min(LOOK)));
                py.check_signals()?;
                match next {
                    Ok(Some(ask)) => {
                        let word = if ask.wish == Wish::Load { "load" } else { "unload" };
                        let name = ask.name.clone();
                        *self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ask);
                        return Ok(Some((word, name)));
                    }
                    Ok(None) if left > LOOK => {}
                    Ok(None) | Err(_) => return Ok(None),
                }
            }
        })
    }

    /// Answers the last wish: fulfilled, or why not.
    #[pyo3(signature = (refusal=None))]
    fn answer(&self, refusal: Option<String>) {
        let ask = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(ask) = ask {
            ask.answer(match refusal {
                None => Ok(()),
                Some(reason) => Err(Failure::new(Code::FailedPrecondition, Reason::NotReady, reason)),
            });
        }
    }

    /// Serves a bundle in place of one of the same name, when it is warm; its version.
    #[pyo3(signature = (engine, golden, reference=None))]
    fn serve(&self, py: Python<'_>, engine: Py<Engine>, golden: Py<PyAny>, reference: Option<Py<Reference>>) -> PyResult<u64> {
        gate::contained(py, || {
            self.same_process(py)?;
            let opened = open(py, &(engine, golden, reference), self.running.registry())?;
            py.detach(|| self.running.serve(opened)).map_err(|failure| errors::usage(py, failure.message))
        })
    }

    /// Serves a bundle no longer.
    fn withdraw(&self, py: Python<'_>, name: &str) -> bool {
        py.detach(|| self.running.withdraw(name))
    }

    /// What was counted since the last call: name and digest of the bundle, whether it may still count, the counts.
    fn collect(&self, py: Python<'_>) -> PyResult<Vec<(String, String, bool, Window)>> {
        gate::contained(py, || {
            self.same_process(py)?;
            let collected = py.detach(|| self.running.registry().watched().collect());
            Ok(collected.into_iter().map(|one| (one.name, one.digest, one.in_use, Window(one.window))).collect())
        })
    }

    /// Puts lines onto `/metrics`, in place of those of the last time.
    fn tell(&self, lines: &str) {
        self.running.registry().watched().tell(lines);
    }

    /// Says of a bundle why it is not served, or not in its newest form.
    fn report_trouble(&self, name: String, reason: String) {
        tracing::warn!(bundle = name, "not served: {reason}");
        self.running.trouble(Trouble { name, reason });
    }

    /// The journal's counts as JSON; nothing without a journal.
    #[getter]
    fn journal(&self) -> Option<String> {
        self.running.journal().map(|journal| serde_json::to_string(&journal.stats()).unwrap_or_default())
    }

    /// Tells health that the end is near and goes on taking calls.
    fn announce_end(&self) {
        self.running.announce_end();
    }

    /// Takes nothing new and finishes what is there; whether all was finished within `seconds`.
    fn drain(&self, py: Python<'_>, seconds: f64) -> bool {
        py.detach(|| self.running.drain(Duration::from_secs_f64(seconds.clamp(0.0, 1e6))))
    }

    /// Ends now and waits for the threads.
    fn end(&self, py: Python<'_>) {
        py.detach(|| {
            self.running.end();
            self.running.join();
        });
    }
}

impl Server {
    fn same_process(&self, py: Python<'_>) -> PyResult<()> {
        if self.generation == fork::generation() { Ok(()) } else { Err(errors::forked(py)) }
    }
}

/// An engine with a probe from its golden rows, watched if there is a reference.
fn open(py: Python<'_>, (engine, golden, reference): &Given, registry: &Registry) -> PyResult<Opened> {
    let mut scorer = engine.get().scorer(py)?;
    if let Some(reference) = reference {
        let watched = py.detach(|| registry.watched().watch(&scorer, reference.get().0.clone()));
        scorer = watched.map_err(|error| errors::from_monitor(py, error))?;
    }
    let table: Table = tables::read(py, golden.bind(py), &scorer)?;
    let probe = py.detach(|| Probe::of(&scorer, &table)).map_err(|error| errors::from_core(py, error))?;
    // Without a certificate nothing that is served decides.
    Ok(Opened { scorer, rung: Rung::Advise, probe })
}

/// Writes one line to the server's log.
#[pyfunction]
pub fn log_line(level: &str, text: &str) {
    match level {
        "error" => tracing::error!("{text}"),
        "warn" => tracing::warn!("{text}"),
        _ => tracing::info!("{text}"),
    }
}

/// Writes the server's log to stderr: "text" or "json" lines of a level ("error", "warn", "info", "debug"). Later calls change nothing.
#[pyfunction]
#[pyo3(signature = (form="text", level="info"))]
pub fn log_to_stderr(py: Python<'_>, form: &str, level: &str) -> PyResult<()> {
    let Ok(level) = level.parse::<tracing::Level>() else {
        return Err(errors::usage(py, format!("{level} is not a level; give error, warn, info or debug")));
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(|| sternpost_server::log::Stderr).with_target(false);
    // Fails only where somebody else logs already.
    let _ = match form {
        "json" => builder.json().try_init(),
        "text" => builder.with_ansi(false).try_init(),
        other => return Err(errors::usage(py, format!("{other} is not a form of log; give text or json"))),
    };
    Ok(())
}
