/// Distance in units of the last place of the float32 nearest to `exact`.
fn ulps(got: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if got == nearest || (got.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    let ulp = (f32::from_bits(nearest.abs().to_bits() + 1) - nearest.abs()).max(f32::from_bits(1)) as f64;
    (got as f64 - exact).abs() / ulp
}

fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
    let steps = 400_000;
    (0..=steps)
        .map(|i| from + (to - from) * (i as f32 / steps as f32))
        .map(|x| ulps(f(x), exact(x as f64)))
        .fold(0.0, f64::max)
}

#[test]
fn errors_in_ulp_are_as_documented() {
    use super::{f32_fma as a, f32_plain as b};
    for (exp, log, tanh) in [
        (a::exp as fn(f32) -> f32, a::log as fn(f32) -> f32, a::tanh as fn(f32) -> f32),
        (b::exp, b::log, b::tanh),
    ] {
        assert!(worst(exp, f64::exp, -103.0, 88.7) <= 1.5);
        assert!(worst(log, f64::ln, 1e-40, 1e-36) <= 1.0);
        assert!(worst(log, f64::ln, 1e-3, 100.0) <= 1.0);
        assert!(worst(log, f64::ln, 1.0, 1e38) <= 1.0);
        assert!(worst(tanh, f64::tanh, -10.0, 10.0) <= 2.0);
    }
    for (expm1, log1p, erf) in [
        (a::expm1 as fn(f32) -> f32, a::log1p as fn(f32) -> f32, a::erf as fn(f32) -> f32),
        (b::expm1, b::log1p, b::erf),
    ] {
        for (from, to) in [(-30.0, 88.7), (-1.0, 1.0), (-1e-3, 1e-3)] {
            assert!(worst(expm1, f64::exp_m1, from, to) <= 2.0, "expm1 on {from} to {to}");
        }
        for (from, to) in [(-0.999, 2.0), (-1e-3, 1e-3), (0.0, 1e30)] {
            assert!(worst(log1p, f64::ln_1p, from, to) <= 3.0, "log1p on {from} to {to}");
        }
        for (from, to) in [(-5.0, 5.0), (-1e-2, 1e-2)] {
            assert!(worst(erf, libm::erf, from, to) <= 2.0, "erf on {from} to {to}");
        }
    }
}

#[test]
fn functions_computed_in_double_precision_are_rounded_once() {
    use super::double::*;
    type Case = (&'static str, fn(f32) -> f32, fn(f64) -> f64);
    let cases: [Case; 9] = [
        ("sin", sin, f64::sin),
        ("cos", cos, f64::cos),
        ("tan", tan, f64::tan),
        ("exp2", exp2, f64::exp2),
        ("log2", log2, f64::log2),
        ("log10", log10, f64::log10),
        ("sinh", sinh, f64::sinh),
        ("cosh", cosh, f64::cosh),
        ("erf", erf, libm::erf),
    ];
    for (name, f, exact) in cases {
        for (from, to) in [(-8.0, 8.0), (-1e-3, 1e-3), (-80.0, 120.0), (1e-42, 1e-37), (-LARGE, LARGE)] {
            assert!(worst(f, exact, from, to) <= 0.54, "{name} on {from} to {to}");
        }
        for x in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1e-45] {
            let (got, expected) = (f(x), exact(x as f64) as f32);
            // Angles of large numbers are libm's.
            if x.abs() < LARGE || !matches!(name, "sin" | "cos" | "tan") {
                assert!(
                    got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
                    "{name}({x})"
                );
            }
        }
    }
}

#[test]
fn powers_are_those_of_libm() {
    let special =
        [0.0, 1.0, 0.5, 2.0, 3.0, 2.5, 7.0, 8.0, 1e-42, 1e38, f32::INFINITY, f32::NAN, 16_777_217.0];
    let all = || special.iter().flat_map(|&x| [x, -x]);
    for (a, b) in all().flat_map(|a| all().map(move |b| (a, b))) {
        let (got, expected) = (super::f32_fma::pow(a, b), super::f32_plain::pow(a, b));
        let near = (got - expected).abs() <= 2e-7 * expected.abs();
        let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        assert!(same || near && got != 0.0, "{a} to the power of {b}: {got}, not {expected}");
    }
    let exact = |x: f64| x.powf(-2.75);
    assert!(worst(|x| super::f32_fma::pow(x, -2.75), exact, 1e-3, 50.0) <= 0.52);
}

#[test]
fn the_normal_distribution_keeps_its_tail() {
    for cdf in [super::f32_fma::normal_cdf, super::f32_plain::normal_cdf] {
        for i in -60_000..60_000 {
            let x = i as f32 * 1e-4;
            let (got, exact) = (cdf(x) as f64, super::f64::normal_cdf(x as f64));
            assert!((got - exact).abs() <= 7e-6 * exact.min(0.02), "{x}: {got}, not {exact}");
        }
        assert_eq!((cdf(-7.0), cdf(f32::NEG_INFINITY), cdf(8.0), cdf(f32::INFINITY)), (0.0, 0.0, 1.0, 1.0));
        assert!(cdf(f32::NAN).is_nan());
    }
}

#[test]
fn special_values() {
    use super::f32_fma::*;
    assert!(exp(f32::NAN).is_nan() && log(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    assert_eq!((exp(f32::INFINITY), exp(f32::NEG_INFINITY), exp(0.0)), (f32::INFINITY, 0.0, 1.0));
    assert_eq!((log(0.0), log(f32::INFINITY), log(1.0)), (f32::NEG_INFINITY, f32::INFINITY, 0.0));
    assert!(log(-1.0).is_nan() && log(f32::NEG_INFINITY).is_nan());
    assert_eq!((tanh(40.0), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
    assert!(tanh(-0.0).is_sign_negative() && tanh(0.0).is_sign_positive());
    assert!(expm1(f32::NAN).is_nan() && log1p(f32::NAN).is_nan() && erf(f32::NAN).is_nan());
    assert_eq!((expm1(f32::INFINITY), expm1(f32::NEG_INFINITY)), (f32::INFINITY, -1.0));
    assert_eq!((log1p(f32::INFINITY), log1p(-1.0)), (f32::INFINITY, f32::NEG_INFINITY));
    assert!(log1p(-1.5).is_nan() && log1p(f32::NEG_INFINITY).is_nan());
    assert_eq!((erf(f32::INFINITY), erf(f32::NEG_INFINITY), erf(4.5)), (1.0, -1.0, 1.0));
    for zero in [0.0f32, -0.0] {
        assert_eq!([expm1(zero), log1p(zero), erf(zero)].map(f32::to_bits), [zero.to_bits(); 3]);
    }
    assert!(maximum(1.0, f32::NAN).is_nan() && minimum(f32::NAN, 1.0).is_nan());
    assert_eq!((floor_divide(-7.0, 2.0), remainder(-7.0, 2.0), remainder(7.0, -2.0)), (-4.0, 1.0, -1.0));
}

#[test]
fn integer_division_rounds_down() {
    use super::int::*;
    use std::num::Wrapping as W;
    assert_eq!(floor_divide(W(-7), W(2)), W(-4));
    assert_eq!(remainder(W(-7), W(2)), W(1));
    assert_eq!(floor_divide(W(i64::MIN), W(-1)), W(i64::MIN));
    assert_eq!((pow(W(2), W(10)), pow(W(-1), W(-3)), pow(W(2), W(-1))), (W(1024), W(-1), W(0)));
}

/// Distance in units of the last place, of float64 numbers that are not zero.
fn ulps64(got: f64, expected: f64) -> u64 {
    if got.is_nan() && expected.is_nan() { 0 } else { got.to_bits().abs_diff(expected.to_bits()) }
}

#[test]
fn functions_of_float64_are_within_an_ulp_of_libm() {
    use super::float64::*;
    type Case = (&'static str, fn(f64) -> f64, fn(f64) -> f64, &'static [(f64, f64)], u64);
    let angles = &[(-8.0, 8.0), (-1e-3, 1e-3), (-LARGE, LARGE), (1e-310, 1e-300)];
    let cases: [Case; 6] = [
        ("exp", exp, f64::exp, &[(-745.0, 709.7), (-1.0, 1.0), (-1e-9, 1e-9), (-745.0, -708.0)], 1),
        ("log", log, f64::ln, &[(1e-310, 1e-300), (0.5, 2.0), (0.99, 1.01), (1e-3, 1e3), (1.0, 1e308)], 1),
        ("sin", sin, f64::sin, angles, 1),
        ("cos", cos, f64::cos, angles, 1),
        ("tanh", tanh, f64::tanh, &[(-23.0, 23.0), (-0.5, 0.5), (1e-310, 1e-3)], 3),
        ("sigmoid", sigmoid, super::f64::sigmoid, &[(-700.0, 40.0), (-3.0, 3.0)], 2),
    ];
    for (name, f, exact, ranges, most) in cases {
        for (from, to) in ranges {
            for i in 0..=200_000 {
                let x = from + (to - from) * (i as f64 / 200_000.0);
                assert!(ulps64(f(x), exact(x)) <= most, "{name}({x:e}) is {:e}, not {:e}", f(x), exact(x));
            }
        }
        for x in [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE, 5e-324, 1.0] {
            if x.is_finite() || !matches!(name, "sin" | "cos") {
                assert!(ulps64(f(x), exact(x)) <= 1, "{name}({x}) is {}, not {}", f(x), exact(x));
            }
        }
    }
    // Next to multiples of half a turn nearly all digits cancel.
    for k in 1..300_000 {
        let x = k as f64 * std::f64::consts::FRAC_PI_2;
        assert!(ulps64(sin(x), x.sin()) <= 1 && ulps64(cos(x), x.cos()) <= 1, "{x}");
    }
}

#[test]
fn small_integers_divide_as_all_do() {
    use super::{int, int_small};
    use std::num::Wrapping;
    let edge = (1i64 << 51) - 1;
    let mut numbers: Vec<i64> =
        (-40..40).chain([edge, edge - 1, edge / 3, edge / 7 * 7 - 1, 1 << 50]).collect();
    numbers.extend((1..200).map(|i: i64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15u64 as i64) >> (13 + i % 40)));
    numbers.extend(numbers.clone().iter().map(|x| -x));
    for &a in &numbers {
        assert!(!int_small::is_large(Wrapping(a)));
        for &b in numbers.iter().filter(|&&b| b != 0) {
            let (a, b) = (Wrapping(a), Wrapping(b));
            assert_eq!(int_small::floor_divide(a, b), int::floor_divide(a, b), "{a} // {b}");
            assert_eq!(int_small::trunc_divide(a, b), int::trunc_divide(a, b), "{a} / {b}");
            assert_eq!(int_small::remainder(a, b), int::remainder(a, b), "{a} % {b}");
            assert_eq!(int_small::fmod(a, b), int::fmod(a, b), "fmod({a}, {b})");
        }
    }
    for a in [edge + 1, -edge - 2, i64::MAX, i64::MIN] {
        assert!(int_small::is_large(Wrapping(a)));
    }
}
