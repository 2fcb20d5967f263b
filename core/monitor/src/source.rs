//! One Arrow column on its way into cells: the engine decodes it, block by block, as it decodes rows to be scored.
//!
//! Any chunking, no copies beyond one block. What no cell of numbers, labels or flags can hold is still there or not there.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use sternpost_engine::arrow_rows::{Table, bytes_of};
use sternpost_engine::contract::{Bounds, Column as Declared, Contract, Kind, Slots};
use sternpost_engine::dictionary::Dictionary;
use sternpost_engine::rows::Rows;
use sternpost_engine::rule::Response;
use sternpost_engine::scorer::BLOCK_ROWS;

use crate::cells::{Cells, Special};
use crate::error::{Error, Result};
use crate::moments::{FRESH, Fresh, Moments};
use crate::reference::{Column, Role, widen};

/// Numbers that are turned into floats at once.
pub(crate) const STRETCH: usize = 256;
/// Labels that a table's own reference knows at most; the rarest of more are unseen.
const KNOWN_LABELS: usize = 10_000;

/// What a column's values are once decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// Floats.
    Float,
    /// 64-bit integers.
    Long,
    /// 64-bit integers to be divided by this.
    Scaled(f64),
    /// Labels.
    Code,
    /// Labels by code, as integers.
    CodeNumber,
    /// Bools.
    Flag,
    /// Instants, of which only the presence counts.
    Instant,
    /// Anything else, likewise.
    Opaque,
}

/// A column bound to its values.
#[derive(Debug)]
pub struct Source {
    name: String,
    role: Role,
    form: Form,
    contract: Contract,
    table: Table,
    rows: usize,
    /// Nulls as Arrow has them.
    nulls: u64,
    labels: Vec<String>,
}

/// What a range of a column adds up to.
#[derive(Debug)]
pub(crate) struct Counted {
    pub counts: Vec<u64>,
    pub moments: Moments,
}

impl Source {
    /// A column of a contract, judged as a row's would be: what the contract turns into null is null. `contract` has this column only.
    ///
    /// # Errors
    /// `Error::Engine` for a column that is absent or of another type.
    pub fn of_contract(contract: Contract, schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        let table = Table::bind(&contract, schema, batches)?;
        let Some(column) = contract.columns.first() else { return Err(Error::Data("a contract without columns".to_owned())) };
        let form = match &column.kind {
            Kind::Float(_) => Form::Float,
            Kind::Int(_) | Kind::Money { .. } => Form::Long,
            Kind::Bool => Form::Flag,
            Kind::Category { .. } => Form::Code,
            Kind::Timestamp(_) => Form::Instant,
        };
        let labels = if let Kind::Category { labels, .. } = &column.kind { labels.labels().to_vec() } else { Vec::new() };
        let (name, rows) = (column.name.clone(), table.rows());
        Ok(Self { name, role: Role::Input, form, nulls: 0, contract, table, rows, labels })
    }

    /// A column as it stands in a table, to be counted in `cells` if they are given. `labels` are those of a category by code; without either
    /// they are found.
    ///
    /// # Errors
    /// `Error::Data` or `Error::Engine` for a column that is absent, there twice, or changes its type.
    pub fn of_table(
        name: &str,
        role: Role,
        cells: Option<&Cells>,
        labels: Option<Vec<String>>,
        schema: &Schema,
        batches: &[RecordBatch],
    ) -> Result<Self> {
        let field = schema.field_with_name(name).map_err(|_| Error::Data(format!("the table has no column {name}")))?;
        let labels = match cells {
            Some(Cells::Category(known)) => Some(known.known().to_vec()),
            _ => labels,
        };
        let form = match (field.data_type(), cells) {
            (DataType::Null, Some(Cells::Category(_))) => Form::Code,
            (DataType::Null, Some(Cells::Flag)) => Form::Flag,
            (_, Some(Cells::Presence)) => Form::Opaque,
            // The codes that a kernel gives.
            (kind, _) if kind.is_integer() && labels.is_some() && role == Role::Feature => Form::CodeNumber,
            (kind, _) => form(kind),
        };
        let arrays: Vec<&dyn Array> = batches.iter().filter_map(|batch| batch.column_by_name(name)).map(|array| array.as_ref()).collect();
        let nulls = arrays.iter().map(|array| array.logical_null_count() as u64).sum();
        let labels = match labels {
            Some(labels) => labels,
            None if form == Form::Code => found(&arrays),
            None => Vec::new(),
        };
        let (kind, slots) = match form {
            Form::Float => (Kind::Float(Bounds::default()), Slots { floats: 1, ..Slots::default() }),
            Form::Long | Form::CodeNumber => (Kind::Int(Bounds::default()), Slots { longs: 1, ..Slots::default() }),
            Form::Scaled(_) => {
                let minor_digits = if let DataType::Decimal128(_, scale) = field.data_type() { *scale } else { 0 };
                (Kind::Money { bounds: Bounds::default(), minor_digits }, Slots { longs: 1, ..Slots::default() })
            }
            Form::Code => {
                let labels =
                    Dictionary::new(&labels).map_err(|twice| Error::Data(format!("column {name}: the label {twice} is there twice")))?;
                (Kind::Category { labels, on_unseen: Response::Count }, Slots { codes: 1, ..Slots::default() })
            }
            Form::Flag => (Kind::Bool, Slots { flags: 1, ..Slots::default() }),
            Form::Instant | Form::Opaque => (Kind::Bool, Slots::default()),
        };
        let declared = Declared { name: name.to_owned(), kind, nullable: true, unit: None, on_violation: Response::Count, slot: 0 };
        let columns = if form == Form::Opaque { Vec::new() } else { vec![declared] };
        let contract = Contract { name: name.to_owned(), columns, slots };
        let table = Table::bind(&contract, schema, batches)?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Self { name: name.to_owned(), role, form, contract, table, rows, nulls, labels })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What its values are.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Known labels, by code.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(crate) fn is_score(&self) -> bool {
        self.role == Role::Output && self.form == Form::Float
    }

    /// Whether cells can take values like these; otherwise what is there, for a message.
    pub(crate) fn fits(&self, cells: &Cells) -> std::result::Result<(), &'static str> {
        let (fits, word) = match self.form {
            Form::Float | Form::Long | Form::Scaled(_) => (cells.scale().is_some(), "numbers"),
            Form::Code => (matches!(cells, Cells::Category(_)), "labels"),
            Form::CodeNumber => (matches!(cells, Cells::Category(_)), "codes"),
            Form::Flag => (matches!(cells, Cells::Flag), "bools"),
            Form::Instant => (false, "instants"),
            Form::Opaque => (false, "values that have no cells"),
        };
        if fits || matches!(cells, Cells::Presence) { Ok(()) } else { Err(word) }
    }

    /// Decodes a range block by block.
    pub(crate) fn each(&self, range: Range<usize>, mut block: impl FnMut(&Self, &Rows, usize)) -> Result<()> {
        let mut rows = Rows::new(&self.contract, BLOCK_ROWS);
        for first in range.clone().step_by(BLOCK_ROWS) {
            let len = BLOCK_ROWS.min(range.end - first);
            rows.reset(len);
            self.table.fill(&self.contract, first, &mut rows)?;
            block(self, &rows, len);
        }
        Ok(())
    }

    /// The numbers of a stretch of a block, null as NaN.
    pub(crate) fn floats<'a>(&self, rows: &'a Rows, first: usize, len: usize, own: &'a mut [f64; STRETCH]) -> &'a [f64] {
        let longs = rows.longs.get(first..first + len).unwrap_or_default();
        match self.form {
            Form::Float => return rows.floats.get(first..first + len).unwrap_or_default(),
            Form::Scaled(by) => {
                widen(longs, own);
                own.iter_mut().for_each(|value| *value /= by);
            }
            _ => widen(longs, own),
        }
        own.get(..len).unwrap_or_default()
    }

    /// Counts a range in a column's cells; with NaN as null until [`Self::settle`].
    pub(crate) fn count(&self, column: &Column, range: Range<usize>) -> Result<Counted> {
        let mut counted = Counted { counts: vec![0; column.cells.len()], moments: Moments::default() };
        if self.is_opaque(&column.cells) {
            // Nothing is looked at but the number of nulls, so the first range stands for all.
            if range.start == 0 {
                counted.counts[0] = (self.rows as u64).saturating_sub(self.nulls);
                counted.counts[column.cells.special(Special::Null)] = self.nulls;
            }
            return Ok(counted);
        }
        let mut counts = vec![0u32; column.cells.len()];
        let mut sums = Fresh::default();
        for first in range.clone().step_by(FRESH) {
            self.each(first..range.end.min(first + FRESH), |source, rows, len| source.block(column, rows, len, &mut counts, &mut sums))?;
            for (total, count) in counted.counts.iter_mut().zip(&mut counts) {
                *total += u64::from(std::mem::take(count));
            }
            counted.moments.take(&mut sums);
        }
        Ok(counted)
    }

    fn is_opaque(&self, cells: &Cells) -> bool {
        matches!(cells, Cells::Presence) && self.contract.columns.is_empty()
    }

    fn block(&self, column: &Column, rows: &Rows, len: usize, counts: &mut [u32], sums: &mut Fresh) {
        match self.form {
            Form::Float => column.count_floats(rows.floats.get(..len).unwrap_or_default(), counts, sums),
            Form::Code => column.count_codes(rows.codes.get(..len).unwrap_or_default(), counts),
            Form::Flag => column.count_flags(rows.flags.get(..len).unwrap_or_default(), counts),
            Form::Instant => column.count_longs(rows.longs.get(..len).unwrap_or_default(), counts, sums),
            _ => {
                let mut own = [0.0; STRETCH];
                for first in (0..len).step_by(STRETCH) {
                    column.count_floats(self.floats(rows, first, STRETCH.min(len - first), &mut own), counts, sums);
                }
            }
        }
    }

    /// Tells NaN from null in counts of all rows: whatever is no value and has no null in Arrow was one that is not a number.
    pub(crate) fn settle(&self, column: &Column, counts: &mut [u64], nan_is_null: bool) {
        if nan_is_null || column.cells.scale().is_none() {
            return;
        }
        let (nan, null) = (column.cells.special(Special::Nan), column.cells.special(Special::Null));
        let all = counts.get(null).copied().unwrap_or(0);
        let nans = all.saturating_sub(self.nulls);
        counts[nan] = nans;
        counts[null] = all - nans;
    }
}

fn form(kind: &DataType) -> Form {
    match kind {
        DataType::Float64 | DataType::Float32 | DataType::Null => Form::Float,
        DataType::Decimal128(_, scale) => Form::Scaled(10f64.powi(i32::from(*scale))),
        DataType::Boolean => Form::Flag,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Form::Code,
        DataType::Dictionary(key, value) if key.is_integer() && matches!(**value, DataType::Utf8 | DataType::LargeUtf8) => Form::Code,
        kind if kind.is_integer() => Form::Long,
        _ => Form::Opaque,
    }
}

/// The labels of a column in the order of their bytes; of more than [`KNOWN_LABELS`] the most frequent.
fn found(arrays: &[&dyn Array]) -> Vec<String> {
    let mut counts: HashMap<&[u8], u64> = HashMap::new();
    for array in arrays {
        for label in (0..array.len()).filter_map(|row| bytes_of(*array, row)) {
            *counts.entry(label).or_default() += 1;
        }
    }
    let mut labels: Vec<(&str, u64)> =
        counts.into_iter().filter_map(|(label, count)| Some((std::str::from_utf8(label).ok()?, count))).collect();
    labels.sort_unstable_by_key(|(label, count)| (std::cmp::Reverse(*count), *label));
    labels.truncate(KNOWN_LABELS);
    labels.sort_unstable();
    labels.into_iter().map(|(label, _)| label.to_owned()).collect()
}
