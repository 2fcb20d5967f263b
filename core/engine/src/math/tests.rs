//! Accuracy against values that another program computed, and the bits themselves, pinned.

use super::{BINARIES, UNARIES, symbols};

/// Correctly rounded results, computed by mpmath 1.3 with 60 digits and rounded once.
mod vectors {
    pub const UNARY: [(&str, f64, u64); 75] = [
        ("sp_log", 0.1, 0xc0026bb1bbb55515),
        ("sp_log", 0.7, 0xbfd6d3c324e13f50),
        ("sp_log", 3.0, 0x3ff193ea7aad030b),
        ("sp_log", 1e300, 0x4085963447f87fb5),
        ("sp_log1p", 1e-09, 0x3e112e0be801f1d9),
        ("sp_log1p", 0.3, 0x3fd0ca937be1b9dc),
        ("sp_log1p", 7.5, 0x40011edb023bf0fe),
        ("sp_log2", 0.1, 0xc00a934f0979a371),
        ("sp_log2", 3.0, 0x3ff95c01a39fbd68),
        ("sp_log2", 1e-300, 0xc08f24a09f1a8b89),
        ("sp_log10", 0.2, 0xbfe65df657b04300),
        ("sp_log10", 5.0, 0x3fe65df657b04301),
        ("sp_log10", 12345.678, 0x40105db618083a9e),
        ("sp_exp", -0.7, 0x3fdfc80db9dd5542),
        ("sp_exp", 0.1, 0x3ff1aec7b35a00d4),
        ("sp_exp", 10.3, 0x40dd09279b492870),
        ("sp_exp", -700.0, 0x00d14f2b0fb9307f),
        ("sp_expm1", 1e-07, 0x3e7ad7f2b1414adb),
        ("sp_expm1", 0.9, 0x3ff75a88cab8f177),
        ("sp_expm1", -3.0, 0xbfee6824f33314f5),
        ("sp_exp2", 0.3, 0x3ff3b2c47bff8329),
        ("sp_exp2", -10.7, 0x3f43b2c47bff832c),
        ("sp_exp2", 100.25, 0x463306fe0a31b715),
        ("sp_sqrt", 2.0, 0x3ff6a09e667f3bcd),
        ("sp_sqrt", 0.1, 0x3fd43d136248490f),
        ("sp_sqrt", 1e-310, 0x1fc1297872d9cbae),
        ("sp_cbrt", 2.0, 0x3ff428a2f98d728b),
        ("sp_cbrt", -0.3, 0xbfe56bfea66ef78d),
        ("sp_cbrt", 1e300, 0x54b249ad2594c37d),
        ("sp_sin", 0.5, 0x3fdeaee8744b05f0),
        ("sp_sin", 3.0, 0x3fc210386db6d55b),
        ("sp_sin", 1000000.0, 0xbfd6664b2568d867),
        ("sp_sin", 1e22, 0xbfeb453ab76bf397),
        ("sp_cos", 0.5, 0x3fec1528065b7d50),
        ("sp_cos", 1.57, 0x3f4a181296fadbfb),
        ("sp_cos", 1000000.0, 0x3fedf9df9906d32c),
        ("sp_cos", 1e22, 0x3fe0be2cef01c8f4),
        ("sp_tan", 0.5, 0x3fe17b4f5bf3474a),
        ("sp_tan", 1.5, 0x402c33ed50b88777),
        ("sp_tan", 100.0, 0xbfe2ca74d62b5d38),
        ("sp_asin", 0.3, 0x3fd380159e14f6ff),
        ("sp_asin", -0.99, 0xbff6de3c6f33d51d),
        ("sp_acos", 0.3, 0x3ff441f5ecbeef59),
        ("sp_acos", -0.99, 0x4008001be1bc011b),
        ("sp_atan", 0.3, 0x3fd2a73a661eaf06),
        ("sp_atan", -5.0, 0xbff5f97315254857),
        ("sp_atan", 10000000000.0, 0x3ff921fb543d4de0),
        ("sp_sinh", 0.3, 0x3fd37d42af54b926),
        ("sp_sinh", 5.0, 0x40528d0166f07374),
        ("sp_sinh", -20.0, 0xc1aceb088b68e804),
        ("sp_cosh", 0.3, 0x3ff0b9b4e0b6ec4c),
        ("sp_cosh", 5.0, 0x40528d6fcbeff3aa),
        ("sp_cosh", -20.0, 0x41aceb088b68e804),
        ("sp_tanh", 0.3, 0x3fd2a4dda7d914fa),
        ("sp_tanh", -2.0, 0xbfeed9505e1bc3d4),
        ("sp_tanh", 10.0, 0x3feffffffdc96f35),
        ("sp_asinh", 0.3, 0x3fd2ec4ea565fcc1),
        ("sp_asinh", -50.0, 0xc0126bcbf1969c27),
        ("sp_acosh", 1.1, 0x3fdc636c1a882f2c),
        ("sp_acosh", 50.0, 0x40126b9783d0a89d),
        ("sp_atanh", 0.3, 0x3fd3cf2b50617c95),
        ("sp_atanh", -0.999, 0xc00e66cfde9c7c2d),
        ("sp_erf", 0.3, 0x3fd50838881dea0f),
        ("sp_erf", -1.1, 0xbfec2aa3d27302c0),
        ("sp_erf", 2.5, 0x3feffcaa8f4c9bea),
        ("sp_erfc", 0.3, 0x3fe57be3bbf10af8),
        ("sp_erfc", -1.1, 0x3ffe1551e9398160),
        ("sp_erfc", 5.5, 0x3d009182b326b229),
        ("sp_tgamma", 0.3, 0x4007eebbb8aec4ab),
        ("sp_tgamma", 4.7, 0x402edce1fb32a336),
        ("sp_tgamma", -1.5, 0x4002e7fb0bcdf4f2),
        ("sp_tgamma", 20.2, 0x43887d19219b570d),
        ("sp_lgamma", 0.3, 0x3ff188637a6c4196),
        ("sp_lgamma", 4.7, 0x4005e42861a0406b),
        ("sp_lgamma", 100.5, 0x407696f7f9481308),
    ];
    pub const BINARY: [(&str, f64, f64, u64); 12] = [
        ("sp_pow", 2.0, 0.5, 0x3ff6a09e667f3bcd),
        ("sp_pow", 0.1, 3.7, 0x3f2a26fd472780c3),
        ("sp_pow", 1.0000001, 10000000.0, 0x4005bf0a790ce6f2),
        ("sp_pow", 123.456, -2.5, 0x3ed8c47085e54025),
        ("sp_atan2", 1.0, 2.0, 0x3fddac670561bb4f),
        ("sp_atan2", -0.3, -7.0, 0xc008ca4395cb9f0b),
        ("sp_hypot", 3.1, 4.2, 0x4014e16fdacff937),
        ("sp_hypot", 1e300, 1e300, 0x7e40e4d50f99b211),
        ("sp_fmod", 5.5, 0.3, 0x3fb99999999999a8),
        ("sp_fmod", -7.25, 2.1, 0xbfee666666666664),
        ("sp_remainder", 5.5, 0.3, 0x3fb99999999999a8),
        ("sp_remainder", -7.25, 2.1, 0xbfee666666666664),
    ];
}

/// Distance in units of the last place; the same for results of either sign.
fn ulps(left: f64, right: u64) -> u64 {
    left.to_bits().abs_diff(right)
}

/// Units of the last place that a function may be off: gamma of a negative argument takes the reflection formula, whose errors add up.
fn allowed(name: &str) -> u64 {
    if name == "sp_tgamma" { 4 } else { 1 }
}

#[test]
fn results_are_within_a_unit_of_the_correctly_rounded_ones() {
    for (name, x, expected) in vectors::UNARY {
        let (_, function) = UNARIES.iter().find(|(known, _)| *known == name).expect("a known function");
        let found = function(x);
        assert!(ulps(found, expected) <= allowed(name), "{name}({x}) = {found}, expected {}", f64::from_bits(expected));
    }
    for (name, x, y, expected) in vectors::BINARY {
        let (_, function) = BINARIES.iter().find(|(known, _)| *known == name).expect("a known function");
        let found = function(x, y);
        assert!(ulps(found, expected) <= allowed(name), "{name}({x}, {y}) = {found}, expected {}", f64::from_bits(expected));
    }
}

#[test]
fn every_function_has_a_vector_and_an_address_of_its_own() {
    let mut addresses: Vec<usize> = symbols().iter().map(|(_, address)| *address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), UNARIES.len() + BINARIES.len());
    let tested = |name: &str| vectors::UNARY.iter().any(|row| row.0 == name) || vectors::BINARY.iter().any(|row| row.0 == name);
    assert!(symbols().iter().all(|(name, _)| tested(name)));
}

/// Bundles hold feature bits. Another libm, or the same one compiled to other bits, would make every bundle that uses it fail its golden rows;
/// this notices at home, and on every machine that runs the tests.
#[test]
fn the_bits_are_the_ones_that_bundles_were_built_with() {
    let mut state = 0x5354_4552_4e50_4f53u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 40.0
    };
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |value: f64| {
        let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
        hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    };
    for _ in 0..4_000 {
        let (x, y) = (draw(), draw());
        UNARIES.iter().for_each(|(_, function)| add(function(x)));
        UNARIES.iter().for_each(|(_, function)| add(function(x / 40.0)));
        BINARIES.iter().for_each(|(_, function)| add(function(x, y)));
    }
    assert_eq!(hash, 16_320_014_508_507_549_097);
}
