use super::*;
use crate::cpu::arg_extreme::arg_extreme;
use crate::cpu::lines::Side;

/// Numbers that go up and down, with few equal ones.
fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + 13) % 10007) as f32 / 97.0 - 51.0).collect()
}

fn reduced(reduction: Reduction, x: &[f32], kept: &[Dim], over: &[Dim]) -> Vec<f32> {
    let count = kept.iter().map(|d| d.0).product();
    let mut out = vec![f32::NAN; count];
    let input = Operand { ptr: x.as_ptr().cast_mut().cast(), dtype: DType::F32 };
    let to = Operand { ptr: out.as_mut_ptr().cast(), dtype: DType::F32 };
    // SAFETY: the dimensions lie in x, of which nothing is written.
    unsafe { reduce(reduction, to, input, kept, over) };
    out
}

#[test]
fn matrices_are_reduced_along_both_dimensions() {
    for (rows, cols) in [(1, 1), (3, 7), (17, 64), (9, 300), (300, 9), (130, 1030), (2000, 33), (2, 70_000)] {
        let x = wave(rows * cols);
        let (row, col) = ((rows, 4 * cols as isize), (cols, 4));
        for (kept, over) in [(row, col), (col, row)] {
            let at = |i: usize, k: usize| x[(i as isize * kept.1 + k as isize * over.1) as usize / 4];
            let sums = reduced(Reduction::Sum, &x, &[kept], &[over]);
            let highs = reduced(Reduction::Max, &x, &[kept], &[over]);
            let lows = reduced(Reduction::Min, &x, &[kept], &[over]);
            for i in 0..kept.0 {
                let line = || (0..over.0).map(|k| at(i, k));
                let exact: f64 = line().map(f64::from).sum();
                let size: f64 = line().map(|v| f64::from(v).abs()).sum();
                assert!(
                    (f64::from(sums[i]) - exact).abs() <= exact.abs() * 1e-7 + size * 3e-8,
                    "{rows}x{cols}"
                );
                assert_eq!(highs[i], line().fold(f32::NEG_INFINITY, f32::max));
                assert_eq!(lows[i], line().fold(f32::INFINITY, f32::min));
            }
        }
        let all = reduced(Reduction::Sum, &x, &[], &[(rows * cols, 4)]);
        assert_eq!(all, reduced(Reduction::Sum, &x, &[], &[row, col]));
        // Backwards, and every second element.
        let back = reduced(Reduction::Max, &x[rows * cols - 1..], &[], &[(rows * cols, -4)]);
        assert_eq!(back, reduced(Reduction::Max, &x, &[], &[(rows * cols, 4)]));
        let half = reduced(Reduction::Prod, &x, &[], &[(rows * cols.div_ceil(2).min(3) / rows, 8)]);
        let product: f64 = x.iter().step_by(2).take(cols.div_ceil(2).min(3)).map(|&v| f64::from(v)).product();
        assert_eq!(half, [product as f32]);
    }
}

#[test]
fn nan_wins_wherever_it_lies() {
    for n in [1, 7, 8, 31, 64, 255, 300, 5000] {
        for at in [0, n / 3, n - 1] {
            let mut x = wave(n);
            x[at] = f32::NAN;
            for reduction in [Reduction::Max, Reduction::Min, Reduction::Sum] {
                assert!(reduced(reduction, &x, &[], &[(n, 4)])[0].is_nan());
                // As columns, of which the others have none.
                let two: Vec<f32> = x.iter().flat_map(|&v| [1.0, v]).collect();
                let columns = reduced(reduction, &two, &[(2, 4)], &[(n, 8)]);
                assert!(!columns[0].is_nan() && columns[1].is_nan());
            }
        }
    }
}

#[test]
fn narrow_sums_do_not_wrap() {
    let x = vec![u8::MAX; 100_000];
    let mut out = [0i64];
    let input = Operand { ptr: x.as_ptr().cast_mut(), dtype: DType::U8 };
    let to = Operand { ptr: out.as_mut_ptr().cast(), dtype: DType::I64 };
    // SAFETY: all elements of x; one result.
    unsafe { reduce(Reduction::Sum, to, input, &[], &[(x.len(), 1)]) };
    assert_eq!(out, [25_500_000]);
}

#[test]
fn norms_add_up_magnitudes_and_squares() {
    let x = wave(1000);
    let mut out = [0f32];
    let input = Operand { ptr: x.as_ptr().cast_mut().cast(), dtype: DType::F32 };
    let to = Operand { ptr: out.as_mut_ptr().cast(), dtype: DType::F32 };
    for (term, exact) in [
        (NormTerm::Magnitude, x.iter().map(|&v| f64::from(v).abs()).sum::<f64>()),
        (NormTerm::Square, x.iter().map(|&v| f64::from(v).powi(2)).sum()),
    ] {
        // SAFETY: all elements of x; one result.
        unsafe { sum_terms(term, to, input, &[], &[(x.len(), 4)]) };
        assert!((f64::from(out[0]) - exact).abs() < exact * 1e-7);
    }
}

/// Indices along the dimension of `n` elements at `step` of a matrix whose other dimension is `(count, stride)`.
fn places(x: &[f32], (count, stride): Dim, (n, step): Dim, largest: bool) -> Vec<i64> {
    let (mut at, mut values) = (vec![-1i64; count], vec![0f32; count]);
    let side = |start: *mut u8, stride: isize, step: isize| Side {
        start,
        strides: [stride].into_iter().collect(),
        step,
    };
    let sides = [
        side(x.as_ptr().cast_mut().cast(), stride, step),
        side(values.as_mut_ptr().cast(), 4, 4),
        side(at.as_mut_ptr().cast(), 8, 8),
    ];
    // SAFETY: the lines lie in x, of which nothing is written; the outputs have one element a line.
    unsafe { arg_extreme(DType::F32, &[count], n, &sides, largest, true) };
    for (i, (&at, value)) in at.iter().zip(values).enumerate() {
        assert_eq!(x[(i as isize * stride + at as isize * step) as usize / 4].to_bits(), value.to_bits());
    }
    at
}

#[test]
fn places_of_extremes_are_the_first() {
    for (rows, cols) in [(1, 1), (5, 3), (4, 100), (100, 4), (20, 3000), (3000, 20), (2, 200_000), (300, 260)]
    {
        let mut x = wave(rows * cols);
        for round in 0..4 {
            // Equal extremes, infinities, NaN.
            let odd = [1e9, f32::NEG_INFINITY, f32::NAN, f32::INFINITY][round];
            (0..x.len()).filter(|i| i % 89 == 5 || i % 400 == 399).for_each(|i| x[i] = odd);
            let (row, col) = ((rows, 4 * cols as isize), (cols, 4));
            for (other, along) in [(row, col), (col, row)] {
                for largest in [false, true] {
                    let found = places(&x, other, along, largest);
                    for (i, &found) in found.iter().enumerate() {
                        let at = |k: usize| x[(i as isize * other.1 + k as isize * along.1) as usize / 4];
                        let better = |a: f32, b: f32| {
                            !b.is_nan() && (a.is_nan() || if largest { a > b } else { a < b })
                        };
                        let best = (0..along.0).reduce(|a, b| if better(at(b), at(a)) { b } else { a });
                        assert_eq!(found, best.unwrap() as i64, "{rows}x{cols} {largest} {odd}");
                    }
                }
            }
        }
    }
}

#[test]
fn sums_in_a_wider_type_are_of_that_type() {
    let x: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 1.0 } else { 2f32.powi(-40) }).collect();
    let mut out = [0f64];
    let input = Operand { ptr: x.as_ptr().cast_mut().cast(), dtype: DType::F32 };
    let to = Operand { ptr: out.as_mut_ptr().cast(), dtype: DType::F64 };
    // SAFETY: all elements of x; one result.
    unsafe { reduce(Reduction::Sum, to, input, &[], &[(x.len(), 4)]) };
    assert_eq!(out, [500.0 + 500.0 * 2f64.powi(-40)]);
}
