//! Loops compiled twice: for every CPU of the architecture, and for those with AVX2 and FMA, which is chosen when the loop is called.
//!
//! Only the number of values that an instruction takes differs. Nothing is fused that the loop does not ask to be fused (`mul_add`, whose
//! result IEEE 754 fixes), so both forms do the same operations and give the same bits.

/// Defines a function whose body is compiled in both forms. For loops over slices; the choice costs a load and a jump per call.
///
/// The one `unsafe` here is sound: it calls a safe function whose only demand is AVX2 and FMA, right after the CPU said that it has them.
#[macro_export]
macro_rules! wide {
    ($(#[$note:meta])* $sight:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$note])*
        $sight fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn packed($($argument: $kind),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the CPU has AVX2 and FMA.
                    #[allow(unsafe_code)]
                    return unsafe { packed($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}

pub use wide;
