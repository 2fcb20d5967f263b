//! Models as ONNX graphs, run by an ONNX Runtime library that the caller points at.
//!
//! Bits come first: one thread inside the runtime, operators in sequence, and never more than `chunk_rows` nor fewer than `min_rows` rows a
//! run, because some operators add up in another order for other row counts. No arena and no memory pattern: rows are small, sessions are
//! many. The runtime's log is silent, since whatever it would log as an error also comes back as one.

use std::sync::{Arc, Mutex, OnceLock};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::memory::Allocator;
use ort::session::builder::SessionBuilder;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions};
use ort::value::{Tensor, TensorElementType, TensorRef, ValueType};

use crate::error::{Error, Result};
use crate::model::{Model, Session, Shape};

/// Row counts that a session keeps tensors for: one row, the fewest and the most rows of a run.
const LANES: usize = 3;

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Loads the runtime library, once per process; later calls change nothing.
///
/// # Errors
/// `Error::Model` if the library cannot be loaded or is too old.
pub fn load_runtime(path: &str) -> Result<()> {
    let _alone = LOADING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if ENVIRONMENT.get().is_some() {
        return Ok(());
    }
    let failed = |error: String| Error::Model(format!("ONNX Runtime cannot be loaded from {path}: {error}; install onnxruntime again"));
    let environment = ort::init_from(path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("sternpost")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    environment.set_log_level(LogLevel::Fatal);
    let _ = ENVIRONMENT.set(environment);
    Ok(())
}

/// An ONNX graph with its description.
#[derive(Debug)]
pub struct OnnxModel {
    graph: Arc<[u8]>,
    shape: Shape,
}

/// A session over an ONNX graph.
pub struct OnnxSession {
    session: ort::session::Session,
    options: RunOptions<HasSelectedOutputs>,
    shape: Shape,
    padded: Vec<f32>,
    lanes: Vec<Lane>,
}

/// Input and output tensors for one number of rows, made once: making them costs as much as a small model.
struct Lane {
    rows: usize,
    input: Tensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
}

impl Lane {
    fn new(rows: usize, width: usize, output: &str, output_shape: &[i64]) -> ort::Result<Self> {
        let input = Tensor::from_array(([rows, width], vec![0.0; rows * width]))?;
        let output_tensor = Tensor::<f32>::new(&Allocator::default(), output_shape.to_vec())?;
        let selector = OutputSelector::no_default().with(output).preallocate(output, output_tensor);
        Ok(Self { rows, input, options: RunOptions::new()?.with_outputs(selector) })
    }
}

impl OnnxModel {
    /// Keeps the graph; it is first read when a session is opened.
    ///
    /// # Errors
    /// `Error::Model` if the description does not fit itself.
    pub fn new(graph: &[u8], shape: Shape) -> Result<Self> {
        shape.check()?;
        Ok(Self { graph: graph.into(), shape })
    }

    /// The description.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A session that can also be run with other numbers of rows than the description's.
    ///
    /// # Errors
    /// `Error::Model` if the runtime is not loaded or does not take the graph, or the graph's ends do not fit the description.
    pub fn open_session(&self) -> Result<OnnxSession> {
        OnnxSession::open(&self.graph, &self.shape)
    }
}

impl Model for OnnxModel {
    fn open(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.open_session()?))
    }
}

impl OnnxSession {
    fn open(graph: &[u8], shape: &Shape) -> Result<Self> {
        let Some(environment) = ENVIRONMENT.get() else {
            return Err(Error::Model("ONNX Runtime is not loaded; call init_onnxruntime with the path of its library first".to_owned()));
        };
        let failed = |error: String| Error::Model(format!("the ONNX model cannot be loaded: {error}"));
        let session = builder(environment)
            .and_then(|mut builder| builder.commit_from_memory(graph))
            .map_err(|error| failed(error.message().to_owned()))?;
        check_ends(&session, shape)?;
        let outputs = OutputSelector::no_default().with(shape.output.as_str());
        let options = RunOptions::new().map_err(|error| failed(error.to_string()))?.with_outputs(outputs);
        Ok(Self { session, options, shape: shape.clone(), padded: Vec::new(), lanes: Vec::new() })
    }

    /// Appends the raw outputs of `n` rows, at most `rows_per_run` a run; a run of fewer than `pad_to` rows repeats its last row.
    ///
    /// # Errors
    /// `Error::Model` if the rows do not fit the description or the runtime fails.
    pub fn run_chunks(&mut self, rows: &[f32], n: usize, rows_per_run: usize, pad_to: usize, out: &mut Vec<f32>) -> Result<()> {
        let width = self.shape.features;
        if rows.len() != n * width || rows_per_run == 0 {
            return Err(Error::Model(format!("{} values in runs of {rows_per_run} are not {n} rows of {width} features", rows.len())));
        }
        let mut first = 0;
        while first < n {
            let count = rows_per_run.min(n - first);
            self.run_once(&rows[first * width..(first + count) * width], count, pad_to, out)?;
            first += count;
        }
        Ok(())
    }

    fn run_once(&mut self, rows: &[f32], n: usize, pad_to: usize, out: &mut Vec<f32>) -> Result<()> {
        let width = self.shape.features;
        let (data, sent) = if n < pad_to {
            self.padded.clear();
            self.padded.extend_from_slice(rows);
            for _ in n..pad_to {
                self.padded.extend_from_slice(&rows[(n - 1) * width..]);
            }
            (self.padded.as_slice(), pad_to)
        } else {
            (rows, n)
        };
        let failed = |error: ort::Error| Error::Model(format!("the ONNX model failed on {n} rows: {}", error.message()));
        let wanted = sent * self.shape.outputs;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.rows == sent) {
            lane.input.extract_tensor_mut().1.copy_from_slice(data);
            let outputs = self.session.run_with_options(ort::inputs![&lane.input], &lane.options).map_err(failed)?;
            out.extend_from_slice(&outputs[0].try_extract_tensor::<f32>().map_err(failed)?.1[..n * self.shape.outputs]);
            return Ok(());
        }
        let input = TensorRef::from_array_view(([sent, width], data)).map_err(failed)?;
        let outputs = self.session.run_with_options(ort::inputs![input], &self.options).map_err(failed)?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        if values.len() != wanted {
            return Err(Error::Model(format!(
                "the ONNX model gave shape {shape:?} for {sent} rows where its description says {} outputs a row; export the model again",
                self.shape.outputs
            )));
        }
        out.extend_from_slice(&values[..n * self.shape.outputs]);
        if self.lanes.len() < LANES && (sent == 1 || sent == self.shape.min_rows || sent == self.shape.chunk_rows) {
            self.lanes.push(Lane::new(sent, width, &self.shape.output, shape).map_err(failed)?);
        }
        Ok(())
    }
}

impl Session for OnnxSession {
    fn run(&mut self, rows: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
        self.run_chunks(rows, n, self.shape.chunk_rows, self.shape.min_rows, out)
    }
}

fn builder(environment: &Environment) -> ort::Result<SessionBuilder> {
    let cpu = ort::ep::CPU::default().with_arena_allocator(false).build();
    let builder = ort::session::Session::builder(environment)?
        .with_execution_providers([cpu])?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(LogLevel::Fatal)?;
    Ok(builder)
}

/// Refuses a graph whose ends are not one f32 matrix in and the named f32 tensor out, before a run could misread them.
fn check_ends(session: &ort::session::Session, shape: &Shape) -> Result<()> {
    let names = |outlets: &[ort::value::Outlet]| outlets.iter().map(|outlet| outlet.name().to_owned()).collect::<Vec<_>>().join(", ");
    let [input] = session.inputs() else {
        return Err(Error::Model(format!(
            "the ONNX model has {} inputs ({}); exactly one matrix of all features is needed",
            session.inputs().len(),
            names(session.inputs())
        )));
    };
    if input.name() != shape.input {
        return Err(Error::Model(format!("the ONNX model's input is {}, its description says {}", input.name(), shape.input)));
    }
    let Some(output) = session.outputs().iter().find(|output| output.name() == shape.output) else {
        return Err(Error::Model(format!("the ONNX model has no output {}; it has {}", shape.output, names(session.outputs()))));
    };
    for (end, what) in [(input, "input"), (output, "output")] {
        if !matches!(end.dtype(), ValueType::Tensor { ty: TensorElementType::Float32, .. }) {
            return Err(Error::Model(format!("the ONNX model's {what} {} is {}; a float32 tensor is needed", end.name(), end.dtype())));
        }
    }
    if let ValueType::Tensor { shape: dimensions, .. } = input.dtype() {
        let width = dimensions.last().copied().unwrap_or(-1);
        if dimensions.len() != 2 || (width >= 0 && width as usize != shape.features) {
            return Err(Error::Model(format!(
                "the ONNX model's input {} has shape {dimensions:?}; [rows, {}] is needed",
                input.name(),
                shape.features
            )));
        }
    }
    Ok(())
}
