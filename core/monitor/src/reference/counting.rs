//! From a stretch of a column's values to its cells, whichever form the values have. A NaN is no value here; who tells it from null corrects
//! the counts afterwards.

use sternpost_engine::{NULL_FLAG, NULL_I64};

use super::Column;
use crate::cells::{Cells, Labels, Scale, Special};
use crate::moments::Fresh;

/// Integers that are turned into floats at once.
const STRETCH: usize = 256;
/// Numbers of which each by itself is counted more quickly than all are prepared.
pub(crate) const FEW: usize = 8;

impl Column {
    /// Floats: numbers and scores; flags as 0 and 1; labels by code.
    #[inline]
    pub(crate) fn count_floats(&self, values: &[f64], counts: &mut [u32], sums: &mut Fresh) {
        match &self.cells {
            Cells::Numeric(scale) | Cells::Score(scale) => {
                if values.len() <= FEW {
                    return values.iter().for_each(|value| self.count_number(scale, *value, counts, sums));
                }
                if scale.count(values, counts) {
                    for value in values.iter().filter(|value| !value.is_finite()) {
                        self.special(counts, if value.is_nan() { Special::Null } else { Special::Infinite });
                    }
                }
                sums.add(self.fixed, values);
            }
            Cells::Category(labels) => {
                for value in values {
                    let code = if value.is_nan() { sternpost_engine::NULL_CODE } else { *value as i32 };
                    self.count_code(labels, code, counts);
                }
            }
            Cells::Flag => {
                for value in values {
                    if value.is_nan() { self.special(counts, Special::Null) } else { bump(counts, usize::from(value.abs() > 0.0)) }
                }
            }
            Cells::Presence => {
                values.iter().for_each(|value| bump(counts, if value.is_nan() { 1 + Special::Null as usize } else { 0 }));
            }
        }
    }

    /// 64-bit integers, which count as the floats nearest to them.
    #[inline]
    pub(crate) fn count_longs(&self, values: &[i64], counts: &mut [u32], sums: &mut Fresh) {
        if matches!(self.cells, Cells::Presence) {
            return values.iter().for_each(|value| bump(counts, if *value == NULL_I64 { 1 + Special::Null as usize } else { 0 }));
        }
        if values.len() <= FEW {
            let mut floats = [0.0; FEW];
            widen(values, &mut floats);
            return self.count_floats(floats.get(..values.len()).unwrap_or_default(), counts, sums);
        }
        for values in values.chunks(STRETCH) {
            let mut floats = [0.0; STRETCH];
            widen(values, &mut floats);
            self.count_floats(floats.get(..values.len()).unwrap_or_default(), counts, sums);
        }
    }

    /// Category codes.
    #[inline]
    pub(crate) fn count_codes(&self, codes: &[i32], counts: &mut [u32]) {
        if let Cells::Category(labels) = &self.cells {
            codes.iter().for_each(|code| self.count_code(labels, *code, counts));
        }
    }

    /// Bools.
    #[inline]
    pub(crate) fn count_flags(&self, flags: &[i8], counts: &mut [u32]) {
        for flag in flags {
            bump(counts, if *flag == NULL_FLAG { 2 + Special::Null as usize } else { usize::from(*flag != 0) });
        }
    }

    #[inline(always)]
    fn count_number(&self, scale: &Scale, value: f64, counts: &mut [u32], sums: &mut Fresh) {
        if value.is_finite() {
            bump(counts, scale.place(value));
            sums.one(self.fixed.centre, self.fixed.per(), value);
        } else {
            self.special(counts, if value.is_nan() { Special::Null } else { Special::Infinite });
        }
    }

    #[inline(always)]
    fn count_code(&self, labels: &Labels, code: i32, counts: &mut [u32]) {
        match usize::try_from(code) {
            Ok(code) => match labels.place(code) {
                Some(place) => bump(counts, place),
                None => self.special(counts, Special::Unseen),
            },
            Err(_) => self.special(counts, if code == sternpost_engine::NULL_CODE { Special::Null } else { Special::Unseen }),
        }
    }

    #[inline(always)]
    fn special(&self, counts: &mut [u32], special: Special) {
        bump(counts, self.cells.special(special));
    }
}

#[inline(always)]
fn bump(counts: &mut [u32], cell: usize) {
    if let Some(count) = counts.get_mut(cell) {
        *count += 1;
    }
}

/// Integers as floats, the null as NaN.
pub(crate) fn widen(values: &[i64], floats: &mut [f64]) {
    for (float, value) in floats.iter_mut().zip(values) {
        *float = if *value == NULL_I64 { f64::NAN } else { *value as f64 };
    }
}
