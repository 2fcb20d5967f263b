//! Journals as Python objects: one that reads, without a lock and without changing anything, and one that writes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrow_array::{RecordBatchIterator, RecordBatchReader};
use arrow_pyarrow::IntoPyArrow;
use arrow_schema::ArrowError;
use pyo3::prelude::*;
use serde_json::{Value, json};
use sternpost_engine::spec::BundleName;
use sternpost_journal::encode::{Table, Tables};
use sternpost_journal::layout::{Kind, Name};
use sternpost_journal::listing::list;
use sternpost_journal::retention::Retention;
use sternpost_journal::segment::{Finding, Segment};
use sternpost_journal::writer::{Durability, Fate, Full, NotTaken, Options, Producer, Writer};
use sternpost_journal::{Error, Result};

use crate::{errors, fork, gate, tables};

/// How long an append waits for room in the ring.
const WAIT: Duration = Duration::from_secs(60);
/// Tables that may wait to be written.
const RING: usize = 64;

/// Reads a journal.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Journal {
    folder: PathBuf,
}

#[pymethods]
impl Journal {
    #[new]
    fn new(path: PathBuf) -> Self {
        Self { folder: path }
    }

    /// File names of the segments, by kind, stream and number.
    fn files(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        gate::contained(py, || {
            let listing = py.detach(|| list(&self.folder)).map_err(|error| errors::from_journal(py, error))?;
            Ok(listing.segments.iter().map(|(name, _)| name.file()).collect())
        })
    }

    /// What one segment says of itself, as JSON, and its good batches.
    fn read<'py>(&self, py: Python<'py>, file: &str) -> PyResult<(String, Bound<'py, PyAny>)> {
        gate::contained(py, || {
            let Some(name) = Name::parse(file) else {
                return Err(errors::usage(py, format!("{file} is not the name of a segment; see files()")));
            };
            let read = py.detach(|| {
                let segment = Segment::open(&self.folder.join(name.file()))?;
                let (mut batches, mut findings) = (Vec::new(), segment.findings().to_vec());
                for batch in segment.read() {
                    match batch {
                        Ok(batch) => batches.push(batch),
                        // Told with its place by the look that verifies.
                        Err(Error::Damaged { .. }) => findings = segment.verify(),
                        Err(error) => return Err(error),
                    }
                }
                Ok((told(&name, &segment, &findings), segment.schema(), batches))
            });
            let (told, schema, batches) = read.map_err(|error| errors::from_journal(py, error))?;
            let reader: Box<dyn RecordBatchReader + Send> =
                Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok::<_, ArrowError>), schema));
            Ok((told.to_string(), reader.into_pyarrow(py)?))
        })
    }

    /// The folder's files as JSON; `decode` also decodes every batch.
    #[pyo3(signature = (decode=false))]
    fn look(&self, py: Python<'_>, decode: bool) -> PyResult<String> {
        gate::contained(py, || {
            let looked = gate::free(py, |go_on| look(&self.folder, decode, go_on))?;
            looked.map(|value| value.to_string()).map_err(|error| errors::from_journal(py, error))
        })
    }
}

fn look(folder: &std::path::Path, decode: bool, go_on: &dyn Fn() -> bool) -> Result<Value> {
    let listing = list(folder)?;
    let mut segments = Vec::new();
    for (name, path) in &listing.segments {
        if !go_on() {
            break;
        }
        match Segment::open(path) {
            Ok(segment) => {
                let findings = if decode { segment.verify() } else { segment.findings().to_vec() };
                segments.push(told(name, &segment, &findings));
            }
            // Compaction or retention was quicker.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => {
                let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
                segments.push(json!({"file": name.file(), "kind": name.kind, "stream": name.stream, "number": name.number, "bundle": "",
                    "digest": "", "created_us": null, "sealed": false, "rows": 0, "batches": 0, "bytes": bytes, "findings": [],
                    "unreadable": error.to_string()}));
            }
        }
    }
    let torn: Vec<_> = listing.torn.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect();
    Ok(json!({"segments": segments, "torn": torn, "foreign": listing.foreign}))
}

fn told(name: &Name, segment: &Segment, findings: &[Finding]) -> Value {
    let header = segment.header();
    json!({"file": name.file(), "kind": name.kind, "stream": name.stream, "number": name.number, "bundle": header.bundle,
        "digest": header.digest, "created_us": header.created_us, "sealed": segment.is_sealed(), "rows": segment.rows(),
        "batches": segment.batches(), "bytes": segment.bytes(), "findings": findings, "unreadable": null})
}

struct Open {
    writer: Writer<Tables>,
    producer: Producer<Table>,
}

/// Writes a journal: one per journal, by its lock.
#[pyclass(frozen, module = "sternpost._core")]
pub struct JournalWriter {
    folder: PathBuf,
    open: Mutex<Option<Open>>,
    generation: u64,
}

#[pymethods]
impl JournalWriter {
    #[new]
    #[pyo3(signature = (path, durability="group", *, flush_interval_s=0.05, segment_bytes=67108864, segment_age_s=3600.0, keep_bytes=None, keep_s=None))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn new(
        py: Python<'_>,
        path: PathBuf,
        durability: &str,
        flush_interval_s: f64,
        segment_bytes: u64,
        segment_age_s: f64,
        keep_bytes: Option<u64>,
        keep_s: Option<f64>,
    ) -> PyResult<Self> {
        gate::contained(py, || {
            let durability = match durability {
                "off" => Durability::Off,
                "async" => Durability::Async,
                "group" => Durability::Group,
                other => return Err(errors::usage(py, format!("{other} is not a durability; give off, async or group"))),
            };
            let seconds = |name: &str, seconds: f64| {
                Duration::try_from_secs_f64(seconds).map_err(|_| errors::usage(py, format!("{name} is {seconds}; give seconds above 0")))
            };
            let options = Options {
                durability,
                full: Full::Wait(WAIT),
                ring: RING,
                flush_interval: seconds("flush_interval_s", flush_interval_s)?,
                segment_bytes,
                segment_age: seconds("segment_age_s", segment_age_s)?,
                retention: Retention { bytes: keep_bytes, age: keep_s.map(|keep| seconds("keep_s", keep)).transpose()? },
                ..Options::default()
            };
            let opened = py.detach(|| {
                let writer = Writer::open(&path, Tables, options)?;
                let producer = writer.producer()?;
                Ok(Open { writer, producer })
            });
            let open = opened.map_err(|error| errors::from_journal(py, error))?;
            Ok(Self { folder: path, open: Mutex::new(Some(open)), generation: fork::generation() })
        })
    }

    /// Appends rows; gives their number.
    #[pyo3(signature = (kind, data, bundle="", digest=""))]
    fn append(&self, py: Python<'_>, kind: &str, data: &Bound<'_, PyAny>, bundle: &str, digest: &str) -> PyResult<usize> {
        gate::contained(py, || {
            self.same_process(py)?;
            let Some(kind) = Kind::of(kind) else {
                return Err(errors::usage(py, format!("{kind} is not a kind; give decisions, outcomes or events")));
            };
            let (_, batches) = tables::batches(py, data)?;
            let bundle = BundleName { name: bundle.to_owned(), digest: digest.to_owned() };
            let rows = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
            let pushed = py.detach(|| {
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                let open = open.as_mut().ok_or_else(|| Error::Closed(self.folder.clone()))?;
                for batch in batches {
                    match open.producer.push(Table { kind, bundle: bundle.clone(), batch }) {
                        Ok(_) => {}
                        Err(NotTaken::Closed(_)) => return Err(Error::Closed(self.folder.clone())),
                        Err(_) => return Ok(false),
                    }
                }
                Ok(true)
            });
            match pushed.map_err(|error| errors::from_journal(py, error))? {
                true => Ok(rows),
                false => Err(errors::data(py, self.failed("the disk did not take the rows in time"))),
            }
        })
    }

    /// Waits until everything appended is kept, as the durability says.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        gate::contained(py, || {
            self.same_process(py)?;
            let lost = gate::free(py, |go_on| {
                loop {
                    // Locked only to look: others may append meanwhile, and then wait for their own.
                    let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(open) = open.as_ref() else { return Ok(false) };
                    let last = open.producer.pushed();
                    if open.producer.fate(last) != Fate::Pending || last == 0 {
                        return Ok((1..=last).rev().take(RING * 2).any(|number| open.producer.fate(number) == Fate::Lost));
                    }
                    open.producer.flush();
                    if !go_on() {
                        return Err(());
                    }
                    std::thread::sleep(Duration::from_micros(500));
                }
            })?;
            match lost {
                Ok(false) | Err(()) => Ok(()),
                Ok(true) => Err(errors::data(py, self.failed("rows were not written"))),
            }
        })
    }

    /// The counts, as JSON.
    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        self.same_process(py)?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().ok_or_else(|| errors::from_journal(py, Error::Closed(self.folder.clone())))?;
        Ok(json!(open.writer.stats()).to_string())
    }

    /// What was repaired when the journal was opened, as JSON.
    fn recovered(&self, py: Python<'_>) -> PyResult<String> {
        self.same_process(py)?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().ok_or_else(|| errors::from_journal(py, Error::Closed(self.folder.clone())))?;
        Ok(json!(open.writer.recovered()).to_string())
    }

    /// Writes what was appended, seals and gives the lock back; later calls change nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        gate::contained(py, || {
            self.same_process(py)?;
            let lost = py.detach(|| {
                let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
                open.map(|open| open.writer.close()).filter(|stats| stats.lost + stats.dropped > 0)
            });
            match lost {
                None => Ok(()),
                Some(stats) => {
                    let cause = stats.last_error.unwrap_or_default();
                    let lost = stats.lost + stats.dropped;
                    Err(errors::data(py, format!("{}: {lost} rows were not written: {cause}; append them again", self.folder.display())))
                }
            }
        })
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }
}

impl JournalWriter {
    fn same_process(&self, py: Python<'_>) -> PyResult<()> {
        if self.generation == fork::generation() {
            return Ok(());
        }
        let folder = self.folder.display();
        Err(errors::forked_as(
            py,
            format!("the journal {folder} was opened before the process forked; append in the process that opened it"),
        ))
    }

    fn failed(&self, what: &str) -> String {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = open.as_ref().and_then(|open| open.writer.stats().last_error).unwrap_or_default();
        format!("{}: {what}: {cause}; see that the disk has room, then append again", self.folder.display())
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // In a child of a fork there is no thread to wait for, and the lock is the parent's.
        if self.generation != fork::generation() {
            std::mem::forget(self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}
