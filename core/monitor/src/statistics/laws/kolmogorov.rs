//! The law of Kolmogorov's statistic D of one sample, and of two.
//!
//! Which method where follows Simard and L'Ecuyer (2011): Durbin's matrix in the form of Marsaglia, Tsang and Wang (2003), twice Smirnov's
//! one-sided probability in the tail, Pelz and Good's expansion (1976) between.

use std::f64::consts::PI;

use super::binomial;

/// More terms of Smirnov's sum than this do not change it: the summand is smooth and vanishes at both ends.
const SMIRNOV_TERMS: f64 = 4000.0;

/// P(D > d) for a sample of `n` (a whole number >= 1) from a continuous law.
pub fn sf(d: f64, n: f64) -> f64 {
    if d.is_nan() || n.is_nan() || n < 1.0 {
        return f64::NAN;
    }
    if d <= 0.5 / n {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let square = n * d * d;
    if square >= 370.0 {
        return 0.0;
    }
    let tail = if n <= 140.0 { 4.0 } else { 2.2 };
    if d >= 0.5 || square >= tail {
        return (2.0 * smirnov(d, n)).min(1.0);
    }
    let below = if n <= 140.0 || (n <= 1000.0 && n * d.powf(1.5) <= 1.4) { durbin(d, n) } else { pelz_good(d, n) };
    (1.0 - below).clamp(0.0, 1.0)
}

/// P(D+ > d): d · sum over j of binomial(j; n, d + j/n) / (d + j/n).
fn smirnov(d: f64, n: f64) -> f64 {
    let last = (n * (1.0 - d)).floor();
    let stride = (n / SMIRNOV_TERMS).ceil().max(1.0);
    let steps = (last / stride).floor() as u64;
    let sum: f64 = (0..=steps)
        .map(|step| {
            let j = step as f64 * stride;
            let p = (d + j / n).min(1.0);
            binomial::pmf(j, n, p, -n * d) / p
        })
        .sum();
    d * sum * stride
}

/// P(D <= d) by the matrix H of order 2k-1, d = (k-h)/n: the middle of H^n times n!/n^n.
fn durbin(d: f64, n: f64) -> f64 {
    let k = (n * d).ceil().max(1.0) as usize;
    let h = k as f64 - n * d;
    let order = 2 * k - 1;
    let factorial: Vec<f64> = std::iter::once(1.0)
        .chain((1..=order).scan(1.0, |f, i| {
            *f *= i as f64;
            Some(*f)
        }))
        .collect();
    let over = |power: usize| factorial.get(power).map_or(0.0, |f| 1.0 / f);
    let edge = |row: usize| (1.0 - h.powi(row as i32 + 1)) * over(row + 1);
    let entry = |row: usize, column: usize| match (row + 1 == order, column == 0) {
        (true, true) => (1.0 - 2.0 * h.powi(order as i32) + (2.0 * h - 1.0).max(0.0).powi(order as i32)) * over(order),
        (false, true) => edge(row),
        (true, false) => edge(order - 1 - column),
        _ if row + 1 >= column => over(row + 1 - column),
        _ => 0.0,
    };
    let base: Vec<f64> = (0..order * order).map(|place| entry(place / order, place % order)).collect();
    let mut power: Vec<f64> = (0..order * order).map(|place| f64::from(u8::from(place / order == place % order))).collect();
    let mut exponent = 0_i32;
    let (mut square, mut square_exponent) = (base, 0_i32);
    let mut left = n as u64;
    while left > 0 {
        if left % 2 == 1 {
            power = product(&power, &square, order);
            exponent += square_exponent;
            rescale(&mut power, &mut exponent);
        }
        square = product(&square, &square, order);
        square_exponent *= 2;
        rescale(&mut square, &mut square_exponent);
        left /= 2;
    }
    let mut middle = power.get((k - 1) * order + k - 1).copied().unwrap_or(f64::NAN);
    for i in 1..=(n as u64) {
        middle *= i as f64 / n;
        if middle.abs() < 1e-140 {
            middle *= 1e140;
            exponent -= 140;
        }
    }
    (middle * 10_f64.powi(exponent)).clamp(0.0, 1.0)
}

fn product(left: &[f64], right: &[f64], order: usize) -> Vec<f64> {
    let mut result = vec![0.0; order * order];
    for (into, row) in result.chunks_exact_mut(order).zip(left.chunks_exact(order)) {
        for (&factor, other) in row.iter().zip(right.chunks_exact(order)) {
            if factor != 0.0 {
                into.iter_mut().zip(other).for_each(|(into, &other)| *into += factor * other);
            }
        }
    }
    result
}

fn rescale(matrix: &mut [f64], exponent: &mut i32) {
    if matrix.iter().fold(0.0_f64, |largest, value| largest.max(value.abs())) > 1e140 {
        matrix.iter_mut().for_each(|value| *value *= 1e-140);
        *exponent += 140;
    }
}

/// P(D <= d) by the expansion in 1/sqrt(n) to its third power.
fn pelz_good(d: f64, n: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let (z4, z6) = (z2 * z2, z2 * z2 * z2);
    let pi2 = PI * PI;
    let decay = pi2 / (8.0 * z2);
    if decay > 700.0 {
        return 0.0;
    }
    let mut k = [0.0_f64; 4];
    for odd in (1..200).step_by(2).map(f64::from) {
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (-decay * m2).exp();
        if weight < 1e-300 {
            break;
        }
        let terms = [
            1.0,
            pi2 / 4.0 * m2 - z2,
            6.0 * z6 + 2.0 * z4 + pi2 * (2.0 * z4 - 5.0 * z2) / 4.0 * m2 + pi2 * pi2 * (1.0 - 2.0 * z2) / 16.0 * m4,
            pi2 * pi2 * pi2 * (5.0 - 30.0 * z2) / 64.0 * m6
                + pi2 * pi2 * (212.0 * z4 - 60.0 * z2) / 16.0 * m4
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                - 30.0 * z6
                - 90.0 * z6 * z2,
        ];
        k.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
    }
    let (mut second, mut third) = (0.0, 0.0);
    for i in (1..100).map(f64::from) {
        let square = i * i;
        let weight = (-4.0 * decay * square).exp();
        if weight < 1e-300 {
            break;
        }
        second += square * weight;
        third += (3.0 * pi2 * square * z2 - pi2 * pi2 * square * square) * weight;
    }
    let root = (2.0 * PI).sqrt();
    let [k0, k1, k2, k3] = k;
    let k0 = root / z * k0;
    let k1 = root / (6.0 * z4) * k1;
    let k2 = root / (72.0 * z6 * z) * k2 - root * pi2 / (36.0 * z2 * z) * second;
    let k3 = root / (6480.0 * z6 * z4) * k3 + root / (216.0 * z6) * third;
    k0 + k1 / n.sqrt() + k2 / n + k3 / (n * n.sqrt())
}

/// P(D >= h / lcm(n, m)) of two samples of `n` and `m` without ties, exactly: the share of lattice paths from (0, 0) to (n, m) that touch
/// |i m - j n| >= h gcd.
///
/// Walked forward as the probability to have touched, which is a sum of positive terms: small p-values keep their digits. Outside of the
/// band the probability is 1, so only the band is walked: O(n · band).
pub fn two_sample_exact(h: u64, n: u64, m: u64) -> f64 {
    let (n, m) = (n.max(m), n.min(m));
    if m == 0 || h == 0 {
        return 1.0;
    }
    let gcd = gcd(n, m);
    let (down, across) = (n / gcd, m / gcd);
    // The distance is |i · across - j · down|, for i of n and j of m.
    let d = h as f64 / (down as f64 * m as f64);
    // DKW for two samples with Kim's constant: below the smallest float.
    if 2.0 * d * d * (n as f64 * m as f64 / (n + m) as f64) > 760.0 {
        return 0.0;
    }
    let Ok(width) = usize::try_from(m + 1) else { return f64::NAN };
    let mut touched = vec![1.0_f64; width];
    for i in 0..=n {
        let reach = i * across;
        // j with |reach - j down| < h.
        let first = if reach >= h { (reach - h) / down + 1 } else { 0 };
        let end = ((reach + h - 1) / down).min(m);
        let mut left = 1.0;
        for (j, cell) in (first..=end).zip(touched.iter_mut().skip(first as usize)) {
            let (x, y) = (i as f64, j as f64);
            *cell = if i == 0 && j == 0 {
                0.0
            } else if j == 0 {
                *cell
            } else if i == 0 {
                left
            } else {
                (x * *cell + y * left) / (x + y)
            };
            left = *cell;
        }
    }
    touched.last().copied().unwrap_or(f64::NAN).clamp(0.0, 1.0)
}

/// Greatest common divisor.
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
