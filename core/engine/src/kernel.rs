//! Calling the object code that computes all features of a block at once. The only module with `unsafe`.
//!
//! The C form of a kernel:
//! ```c
//! int32_t sternpost_kernel(int64_t *ret, void **excinfo, int64_t n,
//!                          const double **f64, const int64_t **i64, const int32_t **i32, const int8_t **i8, double **out);
//! ```
//! Each table holds the columns of one class in contract order, `out` one column per feature; every column has `n` values. 0 says that all
//! rows are done. Anything else says that some row raised, and nothing about which: the block is then run again row by row with outputs
//! that hold a canary, and the first feature (in the order the kernel computes them) that still holds it is the one that raised.
//!
//! Why the `unsafe` here is sound: an address is only accepted together with the promise of [`Kernel::from_address`]; pointers are taken
//! afresh from exclusive borrows for every call and every column is at least as long as `n` says, which is checked here.

use std::ffi::c_void;

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::rule::{Mark, Rule};

type Function = unsafe extern "C" fn(
    *mut i64,
    *mut *mut c_void,
    i64,
    *const *const f64,
    *const *const i64,
    *const *const i32,
    *const *const i8,
    *const *mut f64,
) -> i32;

/// A quiet NaN that no arithmetic produces: its payload spells nothing a CPU would make up.
const CANARY: u64 = 0x7ffc_5345_4e54_494e;

/// Compiled features.
#[derive(Debug)]
pub struct Kernel {
    function: Function,
    features: usize,
    order: Vec<usize>,
}

/// Pointer tables, kept so that a call allocates nothing.
#[derive(Debug, Default)]
pub struct Tables {
    floats: Vec<*const f64>,
    longs: Vec<*const i64>,
    codes: Vec<*const i32>,
    flags: Vec<*const i8>,
    outputs: Vec<*mut f64>,
}

// SAFETY: the pointers are dead between calls; every call overwrites them from borrows it holds itself.
unsafe impl Send for Tables {}

impl Kernel {
    /// Wraps an address; `order` lists the features in the order the kernel computes them.
    ///
    /// # Errors
    /// `Error::Kernel` for a null address or an order that is not a permutation of the features.
    ///
    /// # Safety
    /// `address` must be a function of the form above, compiled for the contract and the number of features it is used with, and its code
    /// must stay mapped while this value lives.
    pub unsafe fn from_address(address: usize, features: usize, order: Vec<usize>) -> Result<Self> {
        if address == 0 {
            return Err(Error::Kernel("the kernel's address is null; load its object code first".to_owned()));
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..features) {
            return Err(Error::Kernel(format!(
                "the kernel's order {order:?} does not list each of {features} features once; build it again"
            )));
        }
        // SAFETY: the caller promises that the address is such a function; it is not null.
        let function = unsafe { std::mem::transmute::<*const c_void, Function>(std::ptr::with_exposed_provenance(address)) };
        Ok(Self { function, features, order })
    }

    /// Number of output columns.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Computes the first `len` rows of a block into `outputs` (a column of `rows.capacity` values per feature). Rows that raise become
    /// refused marks in `raised`, with block positions after compaction; their outputs are not to be used.
    ///
    /// # Errors
    /// `Error::Internal` if buffers are shorter than the contract and capacity ask for.
    pub fn run(
        &self,
        contract: &Contract,
        rows: &Rows,
        len: usize,
        outputs: &mut [f64],
        tables: &mut Tables,
        raised: &mut Vec<Mark>,
    ) -> Result<()> {
        raised.clear();
        if len == 0 {
            return Ok(());
        }
        let capacity = rows.capacity;
        let slots = contract.slots;
        let fits = len <= capacity
            && rows.floats.len() == slots.floats * capacity
            && rows.longs.len() == slots.longs * capacity
            && rows.codes.len() == slots.codes * capacity
            && rows.flags.len() == slots.flags * capacity
            && outputs.len() == self.features * capacity;
        if !fits {
            return Err(Error::Internal("a block's buffers do not fit its contract".to_owned()));
        }
        tables.aim(rows, outputs, 0);
        // SAFETY: every column holds `capacity >= len` values and stays borrowed for the call.
        if unsafe { self.call(tables, len) } == 0 {
            return Ok(());
        }
        for row in 0..len {
            for feature in 0..self.features {
                outputs[feature * capacity + row] = f64::from_bits(CANARY);
            }
            tables.aim(rows, outputs, row);
            // SAFETY: as above; from `row < len` on, every column holds at least one more value.
            if unsafe { self.call(tables, 1) } != 0 {
                let untouched = |feature: &&usize| outputs[**feature * capacity + row].to_bits() == CANARY;
                let place = self.order.iter().find(untouched).or(self.order.last()).copied().unwrap_or(0);
                raised.push(Mark { row, place: place as u32, rule: Rule::Raised, refused: true });
            }
        }
        Ok(())
    }

    /// # Safety
    /// Every table must hold pointers to columns of at least `len` values, valid for the call.
    unsafe fn call(&self, tables: &Tables, len: usize) -> i32 {
        let mut value = 0i64;
        let mut exception = std::ptr::null_mut();
        // SAFETY: the form of the function was promised at construction, the tables by this function's caller.
        unsafe {
            (self.function)(
                &raw mut value,
                &raw mut exception,
                len as i64,
                tables.floats.as_ptr(),
                tables.longs.as_ptr(),
                tables.codes.as_ptr(),
                tables.flags.as_ptr(),
                tables.outputs.as_ptr(),
            )
        }
    }
}

impl Tables {
    /// Points every entry at `row` of its column.
    fn aim(&mut self, rows: &Rows, outputs: &mut [f64], row: usize) {
        fn columns<T>(table: &mut Vec<*const T>, data: &[T], capacity: usize, row: usize) {
            table.clear();
            table.extend(data.chunks_exact(capacity).map(|column| column[row..].as_ptr()));
        }
        columns(&mut self.floats, &rows.floats, rows.capacity, row);
        columns(&mut self.longs, &rows.longs, rows.capacity, row);
        columns(&mut self.codes, &rows.codes, rows.capacity, row);
        columns(&mut self.flags, &rows.flags, rows.capacity, row);
        self.outputs.clear();
        self.outputs.extend(outputs.chunks_exact_mut(rows.capacity).map(|column| column[row..].as_mut_ptr()));
    }
}
