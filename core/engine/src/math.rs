//! The one arithmetic: C entry points of the portable libm that kernels call, by name and address.
//!
//! Features get the same bits on every machine because these functions are compiled Rust without fused or reordered operations, instead of
//! the host's libm, whose results depend on its version and the CPU. Where the `libm` crate uses a machine instruction it is one whose
//! result IEEE 754 fixes (square root, fused multiply-add), so the instruction and its replacement agree in every bit.

macro_rules! entry_points {
    (unary: $($unary:ident = $from:ident),*; binary: $($binary:ident = $from2:ident),*;) => {
        $(extern "C" fn $unary(x: f64) -> f64 { libm::$from(x) })*
        $(extern "C" fn $binary(x: f64, y: f64) -> f64 { libm::$from2(x, y) })*

        /// Name and address of every function, all of the form `double sp_x(double)` or `double sp_x(double, double)`.
        pub fn symbols() -> Vec<(&'static str, usize)> {
            vec![
                $((stringify!($unary), ($unary as extern "C" fn(f64) -> f64) as usize),)*
                $((stringify!($binary), ($binary as extern "C" fn(f64, f64) -> f64) as usize),)*
            ]
        }

        #[cfg(test)]
        const UNARIES: &[(&str, extern "C" fn(f64) -> f64)] = &[$((stringify!($unary), $unary)),*];
        #[cfg(test)]
        const BINARIES: &[(&str, extern "C" fn(f64, f64) -> f64)] = &[$((stringify!($binary), $binary)),*];
    };
}

entry_points! {
    unary:
        sp_log = log, sp_log1p = log1p, sp_log2 = log2, sp_log10 = log10, sp_exp = exp, sp_expm1 = expm1, sp_exp2 = exp2,
        sp_sqrt = sqrt, sp_cbrt = cbrt, sp_sin = sin, sp_cos = cos, sp_tan = tan, sp_asin = asin, sp_acos = acos, sp_atan = atan,
        sp_sinh = sinh, sp_cosh = cosh, sp_tanh = tanh, sp_asinh = asinh, sp_acosh = acosh, sp_atanh = atanh, sp_erf = erf,
        sp_erfc = erfc, sp_tgamma = tgamma, sp_lgamma = lgamma;
    binary:
        sp_pow = pow, sp_atan2 = atan2, sp_hypot = hypot, sp_fmod = fmod, sp_remainder = remainder;
}

#[cfg(test)]
mod tests;
