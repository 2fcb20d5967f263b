//! Loops compiled twice: for every CPU of the architecture, and for those with AVX2, which is chosen when the loop is called.
//!
//! Only the number of values that an instruction takes differs. Fused multiply-add stays off, so both forms do the same additions,
//! multiplications and comparisons, and give the same bits.

/// Defines a function whose body is compiled in both forms. For loops over slices; the choice costs a load and a jump per call.
///
/// The one `unsafe` here is sound: it calls a safe function whose only demand is AVX2, right after the CPU said that it has it.
#[macro_export]
macro_rules! wide {
    ($(#[$note:meta])* $sight:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$note])*
        $sight fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn packed($($argument: $kind),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2.
                    #[allow(unsafe_code)]
                    return unsafe { packed($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}

pub use wide;
