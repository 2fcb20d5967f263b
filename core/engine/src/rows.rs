//! A block of decoded rows: one column-major buffer per kernel class, and what was found while filling it.
//!
//! Buffers are made once for `capacity` rows and reused; filling, judging and compacting a block allocates nothing in the steady state
//! (marks grow a vector only on violations, and it is kept). [`Findings`] judges single values; it is the one code that decides what a
//! value becomes, whichever source it came from.

use crate::contract::{Bounds, Column, Contract};
use crate::rule::{Mark, Response, Rule};
use crate::{NULL_CODE, NULL_F64, NULL_FLAG, NULL_I64, UNSEEN_CODE};

/// One value before it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<T> {
    /// There is none.
    Null,
    /// There is one that the physical type cannot hold.
    OutOfRange,
    /// There is one.
    Value(T),
}

/// Decoded rows, at most `capacity` of them.
#[derive(Debug)]
pub struct Rows {
    /// Rows the buffers hold.
    pub capacity: usize,
    /// Rows filled in.
    pub len: usize,
    /// float columns, column after column, `capacity` values each.
    pub floats: Vec<f64>,
    /// int, timestamp and money columns.
    pub longs: Vec<i64>,
    /// category columns.
    pub codes: Vec<i32>,
    /// bool columns.
    pub flags: Vec<i8>,
    /// What was found.
    pub findings: Findings,
}

/// Broken rules of a block, and the rows they refuse.
#[derive(Debug)]
pub struct Findings {
    /// In the order of discovery: by column, then by row.
    pub marks: Vec<Mark>,
    refused: Vec<bool>,
    refused_rows: usize,
    discarded: usize,
}

impl Rows {
    /// Buffers for `capacity` rows of a contract.
    pub fn new(contract: &Contract, capacity: usize) -> Self {
        let slots = contract.slots;
        Self {
            capacity,
            len: 0,
            floats: vec![NULL_F64; slots.floats * capacity],
            longs: vec![NULL_I64; slots.longs * capacity],
            codes: vec![NULL_CODE; slots.codes * capacity],
            flags: vec![NULL_FLAG; slots.flags * capacity],
            findings: Findings { marks: Vec::new(), refused: vec![false; capacity], refused_rows: 0, discarded: 0 },
        }
    }

    /// Forgets the previous block; `len` rows (at most the capacity) are about to be filled.
    pub fn reset(&mut self, len: usize) {
        debug_assert!(len <= self.capacity);
        self.len = len;
        self.findings.marks.clear();
        if self.findings.refused_rows > 0 {
            self.findings.refused.fill(false);
            self.findings.refused_rows = 0;
            self.findings.discarded = 0;
        }
    }

    /// The place for `len` values of the float column `slot`, from row `at` on, beside the findings that judging them needs.
    pub fn float_span(&mut self, slot: usize, at: usize, len: usize) -> (&mut [f64], &mut Findings) {
        let start = slot * self.capacity + at;
        (&mut self.floats[start..start + len], &mut self.findings)
    }

    /// The same for int, timestamp and money columns.
    pub fn long_span(&mut self, slot: usize, at: usize, len: usize) -> (&mut [i64], &mut Findings) {
        let start = slot * self.capacity + at;
        (&mut self.longs[start..start + len], &mut self.findings)
    }

    /// The same for category columns.
    pub fn code_span(&mut self, slot: usize, at: usize, len: usize) -> (&mut [i32], &mut Findings) {
        let start = slot * self.capacity + at;
        (&mut self.codes[start..start + len], &mut self.findings)
    }

    /// The same for bool columns.
    pub fn flag_span(&mut self, slot: usize, at: usize, len: usize) -> (&mut [i8], &mut Findings) {
        let start = slot * self.capacity + at;
        (&mut self.flags[start..start + len], &mut self.findings)
    }

    /// Writes the rows that are not refused into `kept` and closes the gaps in every column, so that `kept.len()` rows remain.
    pub fn compact(&mut self, kept: &mut Vec<usize>) {
        kept.clear();
        if self.findings.refused_rows == 0 {
            kept.extend(0..self.len);
            return;
        }
        kept.extend((0..self.len).filter(|row| !self.findings.refused[*row]));
        gather(&mut self.floats, self.capacity, kept);
        gather(&mut self.longs, self.capacity, kept);
        gather(&mut self.codes, self.capacity, kept);
        gather(&mut self.flags, self.capacity, kept);
    }
}

/// Moves the `keep` rows (ascending) of every column to the column's front.
pub fn gather<T: Copy>(columns: &mut [T], capacity: usize, keep: &[usize]) {
    for column in columns.chunks_exact_mut(capacity) {
        for (to, from) in keep.iter().enumerate() {
            column[to] = column[*from];
        }
    }
}

impl Findings {
    /// Whether a row gets no score.
    pub fn is_refused(&self, row: usize) -> bool {
        self.refused[row]
    }

    /// How many rows get no score.
    pub fn refused_rows(&self) -> usize {
        self.refused_rows
    }

    /// How many of them were no rows at all.
    pub fn discarded(&self) -> usize {
        self.discarded
    }

    /// Takes out a row that could not be read to its end: it gets no score, has broken no rule, and is counted by nobody who watches. Once a row.
    pub fn discard(&mut self, row: usize) {
        self.marks.retain(|mark| mark.row != row);
        self.refused_rows += usize::from(!self.refused[row]);
        self.refused[row] = true;
        self.discarded += 1;
    }

    /// Records a broken rule and tells what the value becomes.
    pub fn record(&mut self, column: &Column, place: u32, row: usize, rule: Rule) -> Response {
        let response = column.response(rule);
        self.push(Mark { row, place, rule, refused: response == Response::Refuse });
        response
    }

    /// Records a mark, and refuses its row if the mark says so.
    pub fn push(&mut self, mark: Mark) {
        if mark.refused && !self.refused[mark.row] {
            self.refused[mark.row] = true;
            self.refused_rows += 1;
        }
        self.marks.push(mark);
    }

    /// Judges one value of a float column; the result is what the kernel sees.
    pub fn judge_float(&mut self, column: &Column, bounds: &Bounds<f64>, place: u32, row: usize, cell: Cell<f64>) -> f64 {
        let (rule, value) = match cell {
            Cell::Null if column.nullable => return NULL_F64,
            Cell::Null => (Rule::Null, NULL_F64),
            Cell::OutOfRange => (Rule::Range, NULL_F64),
            Cell::Value(value) if value.is_nan() && column.nullable => return NULL_F64,
            Cell::Value(value) if value.is_nan() => (Rule::Nan, NULL_F64),
            Cell::Value(value) if value.is_infinite() => (Rule::Infinite, value),
            Cell::Value(value) => match bounds.broken_by(value) {
                None => return value,
                Some(rule) => (rule, value),
            },
        };
        match self.record(column, place, row, rule) {
            Response::Count => value,
            Response::Null | Response::Refuse => NULL_F64,
        }
    }

    /// Judges one value of an int, timestamp or money column; `limits` is what the type allows.
    pub fn judge_long(
        &mut self,
        column: &Column,
        bounds: &Bounds<i64>,
        limits: (i64, i64),
        place: u32,
        row: usize,
        cell: Cell<i64>,
    ) -> i64 {
        let (rule, value) = match cell {
            Cell::Null if column.nullable => return NULL_I64,
            Cell::Null => (Rule::Null, NULL_I64),
            Cell::OutOfRange => (Rule::Range, NULL_I64),
            Cell::Value(value) if value < limits.0 || value > limits.1 => (Rule::Range, NULL_I64),
            Cell::Value(value) => match bounds.broken_by(value) {
                None => return value,
                Some(rule) => (rule, value),
            },
        };
        match self.record(column, place, row, rule) {
            Response::Count => value,
            Response::Null | Response::Refuse => NULL_I64,
        }
    }

    /// Judges one value of a bool column.
    pub fn judge_flag(&mut self, column: &Column, place: u32, row: usize, value: Option<bool>) -> i8 {
        match value {
            Some(value) => i8::from(value),
            None => {
                if !column.nullable {
                    self.record(column, place, row, Rule::Null);
                }
                NULL_FLAG
            }
        }
    }

    /// Judges one value of a category column, already looked up: its code or [`UNSEEN_CODE`], with the bytes behind it.
    pub fn judge_code(&mut self, column: &Column, place: u32, row: usize, value: Option<(i32, &[u8])>) -> i32 {
        let rule = match value {
            Some((code, _)) if code >= 0 => return code,
            Some((_, label)) if std::str::from_utf8(label).is_ok() => Rule::Unseen,
            Some(_) => Rule::Utf8,
            None if column.nullable => return NULL_CODE,
            None => Rule::Null,
        };
        match self.record(column, place, row, rule) {
            Response::Count => UNSEEN_CODE,
            Response::Null | Response::Refuse => NULL_CODE,
        }
    }
}
