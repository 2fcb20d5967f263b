//! The reference: what every watched column looked like in the rows that a bundle (or a comparison) was built on.
//!
//! It fixes the cells and the fixed point of every column; whatever is compared with it is counted in these. Its digest is the sha256 of its file.

mod column;
mod counting;
pub(crate) mod file;
mod making;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

pub use column::{Column, Role};
pub(crate) use counting::{FEW, widen};
pub use making::columns;

/// All watched columns, in order: inputs, features, outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    columns: Vec<Column>,
    rows: u64,
    nan_is_null: bool,
    file: Vec<u8>,
    digest: [u8; 32],
    hex: String,
    /// Where each column's counts begin in a vector of all, and the length of that at the end.
    starts: Vec<usize>,
}

impl Reference {
    /// A reference of so many rows. `nan_is_null` says that a NaN is no value, as it is for an engine; otherwise it has a cell of its own.
    ///
    /// # Errors
    /// `Error::Data` for columns that contradict themselves or each other.
    pub fn new(columns: Vec<Column>, rows: u64, nan_is_null: bool) -> Result<Self> {
        for column in &columns {
            column.check(rows).map_err(|fault| Error::Data(format!("column {}: {fault}", column.name)))?;
        }
        let file = file::write(&columns, rows, nan_is_null)?;
        Self::whole(columns, rows, nan_is_null, file)
    }

    /// The reference in a file's bytes. The format is described in `docs/monitoring-format.md`.
    ///
    /// # Errors
    /// `Error::Damaged` for anything that [`Self::to_bytes`] cannot have given.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (columns, rows, nan_is_null) = file::read(bytes)?;
        for column in &columns {
            column.check(rows).map_err(|fault| file::damaged(&format!("column {}: {fault}", column.name)))?;
        }
        Self::whole(columns, rows, nan_is_null, bytes.to_vec()).map_err(|error| file::damaged(&error.to_string()))
    }

    fn whole(columns: Vec<Column>, rows: u64, nan_is_null: bool, file: Vec<u8>) -> Result<Self> {
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert((column.role, column.name.as_str()))) {
            return Err(Error::Data(format!("{} {} is there twice; drop or rename one", twice.role.word(), twice.name)));
        }
        if !columns.is_sorted_by_key(|column| column.role) {
            return Err(Error::Data("columns do not stand in the order inputs, features, outputs".to_owned()));
        }
        let mut starts = vec![0];
        for column in &columns {
            starts.push(starts.last().copied().unwrap_or(0) + column.cells.len());
        }
        let digest: [u8; 32] = Sha256::digest(&file).into();
        Ok(Self { columns, rows, nan_is_null, digest, hex: hex(&digest), file, starts })
    }

    /// The file's bytes: the same for equal references of one version.
    pub fn to_bytes(&self) -> &[u8] {
        &self.file
    }

    /// sha256 of the file.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The same in hex.
    pub fn hex(&self) -> String {
        self.hex.clone()
    }

    /// The watched columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Rows that it was made from.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether a NaN is no value.
    pub fn nan_is_null(&self) -> bool {
        self.nan_is_null
    }

    /// Cells of all columns together.
    pub fn cells(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Where a column's counts stand among those of all columns.
    pub fn span(&self, column: usize) -> std::ops::Range<usize> {
        match (self.starts.get(column), self.starts.get(column + 1)) {
            (Some(start), Some(end)) => *start..*end,
            _ => 0..0,
        }
    }

    /// The position of a column by name; where several roles have the name, the first in their order.
    ///
    /// # Errors
    /// `Error::Mismatch` that tells the names there are.
    pub fn position(&self, name: &str, role: Option<Role>) -> Result<usize> {
        let fits = |column: &Column| column.name == name && role.is_none_or(|role| column.role == role);
        self.columns.iter().position(fits).ok_or_else(|| {
            let names = self.columns.iter().filter(|column| role.is_none_or(|role| column.role == role)).map(|column| column.name.as_str());
            let near = sternpost_engine::nearest::name(name, names).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let role = role.map_or("column", Role::word);
            Error::Mismatch(format!("the reference has no {role} {name}{near}"))
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
