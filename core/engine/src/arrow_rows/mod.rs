//! Arrow data into blocks of rows.
//!
//! [`Table::bind`] resolves the contract's columns once per call: by name, in any order, extra columns ignored. Afterwards the rows of all
//! batches are one sequence, and [`Table::fill`] decodes any range of it into a block, so a block does not depend on how the sender
//! cut the batches. Each class has one typed loop that decodes and looks for trouble; only a block that has some is walked value by value.

mod describe;
mod labels;
mod nulls;
mod numbers;
mod types;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;

use crate::contract::{Contract, Kind};
use crate::error::{Error, Result};
use crate::nearest;
use crate::rows::Rows;

pub use labels::bytes_of;

/// Batches whose columns are bound to a contract.
#[derive(Debug)]
pub struct Table {
    batches: Vec<Bound>,
    /// First row of every batch, and the number of rows at the end.
    starts: Vec<usize>,
}

#[derive(Debug)]
struct Bound {
    columns: Vec<BoundColumn>,
}

#[derive(Debug, Clone)]
struct BoundColumn {
    array: ArrayRef,
    /// For dictionary arrays: the contract's code of every dictionary entry.
    codes: Option<Arc<[i32]>>,
}

impl Table {
    /// Binds batches, all of `schema`, to a contract.
    ///
    /// # Errors
    /// `Error::Contract` that names missing or doubled columns, or the column whose type the contract does not take, with the cast to write.
    pub fn bind(contract: &Contract, schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        let positions = positions(contract, schema)?;
        for (column, position) in contract.columns.iter().zip(&positions) {
            types::check(column, schema.field(*position).data_type())?;
        }
        let mut table = Self { batches: Vec::with_capacity(batches.len()), starts: vec![0] };
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            let previous = table.batches.last();
            let columns = contract.columns.iter().zip(&positions).enumerate().map(|(place, (column, position))| {
                let array = batch.column(*position).clone();
                let codes = match &column.kind {
                    Kind::Category { labels, .. } => {
                        let before = previous.map(|bound: &Bound| &bound.columns[place]);
                        labels::translate(labels, &array, before.map(|before| (&before.array, &before.codes)))?
                    }
                    _ => None,
                };
                Ok(BoundColumn { array, codes })
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            table.batches.push(Bound { columns });
            table.starts.push(table.rows() + batch.num_rows());
        }
        Ok(table)
    }

    /// Rows of all batches.
    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Decodes rows `first..first + rows.len` (the block was reset to its length before) and judges every value.
    ///
    /// # Errors
    /// `Error::Internal` if an array is not of the type its schema says.
    pub fn fill(&self, contract: &Contract, first: usize, rows: &mut Rows) -> Result<()> {
        let len = rows.len;
        let mut at = 0;
        while at < len {
            let batch = self.batch_of(first + at);
            let offset = first + at - self.starts[batch];
            let count = (self.starts[batch + 1] - self.starts[batch] - offset).min(len - at);
            for (place, (column, bound)) in contract.columns.iter().zip(&self.batches[batch].columns).enumerate() {
                let span = Span { place: place as u32, offset, count, at };
                match &column.kind {
                    Kind::Category { labels, .. } => labels::decode(column, labels, &bound.array, bound.codes.as_deref(), span, rows)?,
                    _ => numbers::decode(column, &bound.array, span, rows)?,
                }
            }
            at += count;
        }
        Ok(())
    }

    /// The value at a row and contract column as text, for messages; empty for null.
    pub fn describe(&self, row: usize, place: usize) -> String {
        if row >= self.rows() {
            return String::new();
        }
        let batch = self.batch_of(row);
        let column = self.batches[batch].columns.get(place);
        column.map(|column| describe::value(&column.array, row - self.starts[batch])).unwrap_or_default()
    }

    fn batch_of(&self, row: usize) -> usize {
        self.starts.partition_point(|start| *start <= row) - 1
    }
}

/// Where in an array values are read, and where in the block they go.
#[derive(Debug, Clone, Copy)]
struct Span {
    place: u32,
    offset: usize,
    count: usize,
    at: usize,
}

fn positions(contract: &Contract, schema: &Schema) -> Result<Vec<usize>> {
    let mut missing = Vec::new();
    let mut positions = Vec::with_capacity(contract.columns.len());
    for column in &contract.columns {
        let mut found = schema.fields().iter().enumerate().filter(|(_, field)| *field.name() == column.name);
        match (found.next(), found.next()) {
            (Some((position, _)), None) => positions.push(position),
            (Some(_), Some(_)) => {
                return Err(Error::Contract(format!("column {}: the table has it twice; drop or rename one", column.name)));
            }
            (None, _) => missing.push(column.name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(positions);
    }
    let free = || schema.fields().iter().map(|field| field.name().as_str()).filter(|name| contract.position(name).is_none());
    let listed = missing.iter().map(|name| match nearest::name(name, free()) {
        Some(near) => format!("{name} (the table has {near})"),
        None => (*name).to_owned(),
    });
    let listed: Vec<_> = listed.collect();
    let noun = if listed.len() == 1 { "column" } else { "columns" };
    Err(Error::Contract(format!(
        "{noun} missing from the table: {}; add what contract {} declares, or rename",
        listed.join(", "),
        contract.name
    )))
}

/// An array that is not of the type its schema promised.
fn mistyped(array: &dyn Array) -> Error {
    Error::Internal(format!("an array of type {} where its schema said otherwise", array.data_type()))
}
