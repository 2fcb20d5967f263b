//! A native model as the scorer sees it.

use std::sync::Arc;

use super::element::Buffers;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::model::{Executor, Model, Session, Shape};
use crate::onnx::OnnxModel;
use crate::onnx_file::Graph;

/// The model of an ONNX file, run by whom its description names.
///
/// # Errors
/// `Error::Model` as [`OnnxModel::new`] or [`NativeModel::new`] gives it.
pub fn model(onnx: &[u8], shape: &Shape) -> Result<Arc<dyn Model>> {
    Ok(match shape.executor {
        Executor::OnnxRuntime => Arc::new(OnnxModel::new(onnx, shape.clone())?),
        Executor::Native => Arc::new(NativeModel::new(onnx, shape)?),
    })
}

/// A model that we run ourselves.
pub struct NativeModel {
    plan: Arc<Plan>,
}

/// The buffers of one worker.
struct NativeSession {
    plan: Arc<Plan>,
    buffers: Buffers,
}

impl NativeModel {
    /// Reads an ONNX file and plans all of it.
    ///
    /// # Errors
    /// `Error::Model` that names the first operator that we do not run, or says what is wrong with the file or does not fit its description.
    pub fn new(onnx: &[u8], shape: &Shape) -> Result<Self> {
        shape.check()?;
        let graph = Graph::read(onnx)?;
        Ok(Self { plan: Arc::new(Plan::new(&graph, shape)?) })
    }
}

impl Model for NativeModel {
    fn open(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(NativeSession { plan: self.plan.clone(), buffers: self.plan.buffers() }))
    }
}

impl Session for NativeSession {
    fn run(&mut self, rows: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
        let Plan { steps, input, output, block_rows, .. } = self.plan.as_ref();
        if Some(rows.len()) != n.checked_mul(input.width) {
            return Err(Error::Model(format!("{} values are not {n} rows of {} features", rows.len(), input.width)));
        }
        out.reserve(n * output.width);
        for rows in rows.chunks(block_rows * input.width) {
            let n = rows.len() / input.width;
            input.write(&mut self.buffers, n, |_, to| {
                to.copy_from_slice(rows);
                Ok(())
            })?;
            for step in steps {
                step.run(n, &mut self.buffers)?;
            }
            out.extend_from_slice(output.read(&self.buffers, n)?);
        }
        Ok(())
    }
}

impl std::fmt::Debug for NativeModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeModel").field("steps", &self.plan.steps.len()).finish_non_exhaustive()
    }
}
