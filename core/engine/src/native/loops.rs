//! The loops of operators that work number by number, compiled for wide instructions.

use crate::wide::wide;

macro_rules! zipped {
    ($($name:ident: $kind:ty => $to:ty, |$one:ident, $other:ident| $body:expr;)*) => {$(
        wide! {
            pub(super) fn $name(ones: &[$kind], others: &[$kind], to: &mut [$to]) {
                for ((to, $one), $other) in to.iter_mut().zip(ones).zip(others) {
                    let ($one, $other) = (*$one, *$other);
                    *to = $body;
                }
            }
        }
    )*};
}

macro_rules! mapped {
    ($($name:ident: $kind:ty => $to:ty, |$one:ident| $body:expr;)*) => {$(
        wide! {
            pub(super) fn $name(ones: &[$kind], to: &mut [$to]) {
                for (to, $one) in to.iter_mut().zip(ones) {
                    let $one = *$one;
                    *to = $body;
                }
            }
        }
    )*};
}

macro_rules! chosen {
    ($($name:ident: $kind:ty;)*) => {$(
        wide! {
            pub(super) fn $name(asked: &[bool], yes: &[$kind], no: &[$kind], to: &mut [$kind]) {
                for (((to, asked), yes), no) in to.iter_mut().zip(asked).zip(yes).zip(no) {
                    *to = if *asked { *yes } else { *no };
                }
            }
        }
    )*};
}

zipped! {
    add_singles: f32 => f32, |a, b| a + b;
    sub_singles: f32 => f32, |a, b| a - b;
    mul_singles: f32 => f32, |a, b| a * b;
    div_singles: f32 => f32, |a, b| a / b;
    // A NaN on either side stays one.
    min_singles: f32 => f32, |a, b| if a < b || a.is_nan() { a } else { b };
    max_singles: f32 => f32, |a, b| if a > b || a.is_nan() { a } else { b };
    add_doubles: f64 => f64, |a, b| a + b;
    sub_doubles: f64 => f64, |a, b| a - b;
    mul_doubles: f64 => f64, |a, b| a * b;
    div_doubles: f64 => f64, |a, b| a / b;
    min_doubles: f64 => f64, |a, b| if a < b || a.is_nan() { a } else { b };
    max_doubles: f64 => f64, |a, b| if a > b || a.is_nan() { a } else { b };
    add_wholes: i64 => i64, |a, b| a.wrapping_add(b);
    sub_wholes: i64 => i64, |a, b| a.wrapping_sub(b);
    mul_wholes: i64 => i64, |a, b| a.wrapping_mul(b);
    eq_singles: f32 => bool, |a, b| a == b;
    gt_singles: f32 => bool, |a, b| a > b;
    ge_singles: f32 => bool, |a, b| a >= b;
    lt_singles: f32 => bool, |a, b| a < b;
    le_singles: f32 => bool, |a, b| a <= b;
    eq_doubles: f64 => bool, |a, b| a == b;
    gt_doubles: f64 => bool, |a, b| a > b;
    ge_doubles: f64 => bool, |a, b| a >= b;
    lt_doubles: f64 => bool, |a, b| a < b;
    le_doubles: f64 => bool, |a, b| a <= b;
    eq_wholes: i64 => bool, |a, b| a == b;
    gt_wholes: i64 => bool, |a, b| a > b;
    ge_wholes: i64 => bool, |a, b| a >= b;
    lt_wholes: i64 => bool, |a, b| a < b;
    le_wholes: i64 => bool, |a, b| a <= b;
    impute_missing: f32 => f32, |a, b| if a.is_nan() { b } else { a };
    above: f32 => f32, |a, b| if a > b { 1.0 } else { 0.0 };
}

mapped! {
    abs_singles: f32 => f32, |a| a.abs();
    neg_singles: f32 => f32, |a| -a;
    floor_singles: f32 => f32, |a| a.floor();
    ceil_singles: f32 => f32, |a| a.ceil();
    sqrt_singles: f32 => f32, |a| a.sqrt();
    sign_singles: f32 => f32, |a| if a.is_nan() { a } else { f32::from(i8::from(a > 0.0) - i8::from(a < 0.0)) };
    abs_doubles: f64 => f64, |a| a.abs();
    neg_doubles: f64 => f64, |a| -a;
    floor_doubles: f64 => f64, |a| a.floor();
    ceil_doubles: f64 => f64, |a| a.ceil();
    sqrt_doubles: f64 => f64, |a| a.sqrt();
    sign_doubles: f64 => f64, |a| if a.is_nan() { a } else { f64::from(i8::from(a > 0.0) - i8::from(a < 0.0)) };
    nan_singles: f32 => bool, |a| a.is_nan();
    nan_doubles: f64 => bool, |a| a.is_nan();
    not: bool => bool, |a| !a;
    single_to_double: f32 => f64, |a| f64::from(a);
    double_to_single: f64 => f32, |a| a as f32;
    whole_to_single: i64 => f32, |a| a as f32;
    whole_to_double: i64 => f64, |a| a as f64;
    flag_to_single: bool => f32, |a| f32::from(u8::from(a));
    flag_to_double: bool => f64, |a| f64::from(u8::from(a));
    flag_to_whole: bool => i64, |a| i64::from(a);
    single_to_whole: f32 => i64, |a| whole(f64::from(a));
    double_to_whole: f64 => i64, |a| whole(a);
    single_to_flag: f32 => bool, |a| a != 0.0;
    double_to_flag: f64 => bool, |a| a != 0.0;
    whole_to_flag: i64 => bool, |a| a != 0;
}

chosen! {
    choose_singles: f32;
    choose_doubles: f64;
    choose_wholes: i64;
}

/// What the processor makes of it, and so ONNX Runtime: the least number for what does not fit.
#[inline(always)]
fn whole(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) { value as i64 } else { i64::MIN }
}
