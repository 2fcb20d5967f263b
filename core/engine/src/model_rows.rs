//! From feature columns to a model's rows: the one cast from f64 to f32, and the one place where a NaN gets its bit pattern.
//!
//! A stretch of columns is cast first, in a loop that the compiler can pack, and then dealt out to the rows from the first-level cache.
//! Casting value by value into the rows takes half as long again: neither the cast nor the choice of the NaN is packed then.

use crate::NULL_F32;
use crate::wide::wide;

/// Rows and columns that are cast at a time: 8 KiB. Wide rather than long, so that most rows are written from end to end: a table's matrix
/// is larger than any cache, and a line of it that is left and met again has to be fetched again.
const ROWS: usize = 32;
const COLUMNS: usize = 64;

/// Writes the first rows of `columns` (`stride` values each) row-major into `out`, as many as it holds. Every NaN becomes the null:
/// arithmetic makes NaNs of other signs on other CPUs.
pub(crate) fn write(columns: &[f64], stride: usize, out: &mut [f32]) {
    if columns.is_empty() {
        return;
    }
    let width = columns.len() / stride;
    if out.len() == width {
        // A single row: its values are everywhere, and there is nothing to pack.
        for (to, column) in out.iter_mut().zip(columns.chunks_exact(stride)) {
            *to = cast(column[0]);
        }
        return;
    }
    let mut stretch = [[0.0; ROWS]; COLUMNS];
    for (number, rows) in out.chunks_mut(ROWS * width).enumerate() {
        let first = number * ROWS;
        let count = rows.len() / width;
        for (group, columns) in columns.chunks(COLUMNS * stride).enumerate() {
            for (to, column) in stretch.iter_mut().zip(columns.chunks_exact(stride)) {
                cast_all(&column[first..first + count], to);
            }
            let place = group * COLUMNS;
            let places = place..place + columns.len() / stride;
            for (row, values) in (0..ROWS).zip(rows.chunks_exact_mut(width)) {
                for (value, column) in values[places.clone()].iter_mut().zip(&stretch) {
                    *value = column[row];
                }
            }
        }
    }
}

wide! {
    // Not inlined, because the compiler would unroll it for the stretch's length before it gets to packing it.
    #[inline(never)]
    fn cast_all(values: &[f64], to: &mut [f32]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = cast(*value);
        }
    }
}

#[inline(always)]
fn cast(value: f64) -> f32 {
    let narrow = value as f32;
    if narrow.is_nan() { NULL_F32 } else { narrow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_at_its_place_and_every_nan_is_the_null() {
        for (rows, width, stride) in [(0, 3, 8), (1, 46, 1), (1, 5, 8), (7, 1, 8), (64, 16, 64), (65, 17, 80), (200, 46, 256)] {
            let value = |row: usize, column: usize| match (row * 31 + column) % 5 {
                0 => f64::from_bits(0xfff8_0000_0000_0001),
                1 => 1e300,
                _ => (row * 1000 + column) as f64 / 3.0,
            };
            let columns: Vec<f64> = (0..width * stride).map(|at| value(at % stride, at / stride)).collect();
            let mut out = vec![-1.0; rows * width];
            write(&columns, stride, &mut out);
            for (at, found) in out.iter().enumerate() {
                let expected = value(at / width, at % width) as f32;
                let expected = if expected.is_nan() { NULL_F32 } else { expected };
                assert_eq!(found.to_bits(), expected.to_bits(), "{rows} rows of {width}, place {at}");
            }
        }
        write(&[], 8, &mut []);
    }
}
