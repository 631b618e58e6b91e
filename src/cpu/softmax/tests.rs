use super::*;

fn noise(len: usize, scale: f64) -> Vec<f64> {
    let mut state = 99u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * scale
    };
    (0..len).map(|_| f64::from(next() as f32)).collect()
}

/// Forward and gradient from the definition.
fn reference(shape: SoftmaxShape, log: bool, x: &[f64], gy: &[f64]) -> [Vec<f64>; 2] {
    let SoftmaxShape { outer, dim, inner } = shape;
    let (mut y, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for o in 0..outer {
        for i in 0..inner {
            let at = |d: usize| (o * dim + d) * inner + i;
            let max = (0..dim).map(|d| x[at(d)]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..dim).map(|d| (x[at(d)] - max).exp()).sum();
            let p = |d: usize| (x[at(d)] - max).exp() / sum;
            let flow: f64 = (0..dim).map(|d| gy[at(d)] * if log { 1.0 } else { p(d) }).sum();
            for d in 0..dim {
                y[at(d)] = if log { x[at(d)] - max - sum.ln() } else { p(d) };
                gx[at(d)] = if log { gy[at(d)] - p(d) * flow } else { p(d) * (gy[at(d)] - flow) };
            }
        }
    }
    [y, gx]
}

fn check<T: Exp>(shape: SoftmaxShape, scale: f64, tolerance: f64) {
    let len = shape.outer * shape.dim * shape.inner;
    let (x, gy) = (noise(len, scale), noise(len, 1.0));
    let narrow = |v: &[f64]| v.iter().map(|&v| T::from(v).unwrap()).collect::<Vec<T>>();
    let (xt, gyt) = (narrow(&x), narrow(&gy));
    for log in [false, true] {
        let want = reference(shape, log, &x, &gy);
        let (mut y, mut gx) = (vec![T::nan(); len], vec![T::nan(); len]);
        // SAFETY: the vectors have the shape's extent.
        unsafe {
            forward(shape, log, xt.as_ptr(), y.as_mut_ptr());
            backward(shape, log, y.as_ptr(), gyt.as_ptr(), gx.as_mut_ptr());
        }
        for (got, want) in [(y, &want[0]), (gx, &want[1])] {
            for (i, (g, w)) in got.iter().zip(want).enumerate() {
                let g = g.to_f64().unwrap();
                assert!(
                    (g - w).abs() <= tolerance * (1.0 + w.abs()),
                    "{shape:?} log {log} [{i}]: {g}, not {w}"
                );
            }
        }
    }
}

#[test]
fn matches_the_definition() {
    for (outer, dim, inner) in [
        (3, 1, 1),
        (4, 10, 1),
        (2, 63, 1),
        (2, 64, 1),
        (3, 1000, 1),
        (2, 5, 3),
        (3, 7, 100),
        (1, 4, 64),
        (0, 3, 1),
        (2, 0, 3),
    ] {
        let shape = SoftmaxShape { outer, dim, inner };
        check::<f64>(shape, 5.0, 1e-13);
        check::<f32>(shape, 5.0, 3e-6);
        check::<f32>(shape, 80.0, 2e-5);
    }
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    for inner in [1, 3] {
        for (x, want) in [
            (vec![0.0, -INF, 0.0, -INF], vec![0.5, 0.0, 0.5, 0.0]),
            (vec![1e30, 0.0, -1e30, 0.0], vec![1.0, 0.0, 0.0, 0.0]),
            (vec![0.0, f32::NAN, 0.0, 0.0], vec![f32::NAN; 4]),
            (vec![-INF; 4], vec![f32::NAN; 4]),
            (vec![INF, 0.0, 0.0, 0.0], vec![f32::NAN; 4]),
        ] {
            let spread: Vec<f32> = x.iter().flat_map(|&v| vec![v; inner]).collect();
            let mut y = vec![7.0; 4 * inner];
            // SAFETY: the vectors have the shape's extent.
            unsafe {
                forward(SoftmaxShape { outer: 1, dim: 4, inner }, false, spread.as_ptr(), y.as_mut_ptr())
            };
            for (d, want) in want.iter().enumerate() {
                for &y in &y[d * inner..(d + 1) * inner] {
                    assert!(y == *want || (y.is_nan() && want.is_nan()), "{x:?}: {y} at {d}");
                }
            }
        }
    }
}
