use super::*;

fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..len).map(|_| f64::from(next() as f32)).collect()
}

struct Case {
    rows: usize,
    classes: usize,
    x: Vec<f64>,
    targets: Vec<i64>,
    weight: Option<Vec<f64>>,
    smoothing: f64,
    scale: Vec<f64>,
}

/// Losses and gradient from the definition.
fn reference(c: &Case) -> [Vec<f64>; 2] {
    let (mut loss, mut gx) = (vec![0.0; c.rows], vec![0.0; c.x.len()]);
    for (row, &t) in c.targets.iter().enumerate() {
        if t == -100 {
            continue;
        }
        let x = &c.x[row * c.classes..(row + 1) * c.classes];
        let lse = x.iter().map(|v| v.exp()).sum::<f64>().ln();
        for k in 0..c.classes {
            let w = c.weight.as_ref().map_or(1.0, |w| w[k]);
            let share = c.smoothing / c.classes as f64 + if k as i64 == t { 1.0 - c.smoothing } else { 0.0 };
            loss[row] += w * share * (lse - x[k]);
            for j in 0..c.classes {
                let p = (x[j] - lse).exp();
                gx[row * c.classes + j] += c.scale[row] * w * share * (p - f64::from(u8::from(j == k)));
            }
        }
    }
    [loss, gx]
}

fn check<T: Exp>(c: &Case, tolerance: f64) {
    let narrow = |v: &[f64]| v.iter().map(|&v| T::from(v).unwrap()).collect::<Vec<T>>();
    let (x, scale, weight) = (narrow(&c.x), narrow(&c.scale), c.weight.as_deref().map(narrow));
    let call = CrossEntropy {
        rows: c.rows,
        classes: c.classes,
        logits: x.as_ptr(),
        targets: c.targets.as_ptr(),
        weight: weight.as_ref().map_or(std::ptr::null(), |w| w.as_ptr()),
        ignore_index: -100,
        label_smoothing: c.smoothing,
    };
    let nan = |len| vec![T::nan(); len];
    let (mut loss, mut lse, mut weights, mut gx) = (nan(c.rows), nan(c.rows), nan(c.rows), nan(c.x.len()));
    // SAFETY: the vectors have the call's extents.
    unsafe {
        assert_eq!(bad_target(&call), None);
        forward(call, loss.as_mut_ptr(), lse.as_mut_ptr(), weights.as_mut_ptr());
        backward(call, lse.as_ptr(), scale.as_ptr(), 1, gx.as_mut_ptr());
    }
    for (row, &t) in c.targets.iter().enumerate() {
        let want = if t == -100 { 0.0 } else { c.weight.as_ref().map_or(1.0, |w| w[t as usize]) };
        assert!((weights[row].to_f64().unwrap() - want).abs() < 1e-6);
    }
    for (got, want) in [loss, gx].iter().zip(reference(c)) {
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            let g = g.to_f64().unwrap();
            assert!(
                (g - w).abs() <= tolerance * (1.0 + w.abs()),
                "{} classes [{i}]: {g}, not {w}",
                c.classes
            );
        }
    }
}

#[test]
fn matches_the_definition() {
    for (rows, classes) in [(1, 1), (64, 10), (5, 64), (3, 100), (2, 1000), (0, 3)] {
        for smoothing in [0.0, 0.1] {
            for weighted in [false, true] {
                let targets =
                    (0..rows).map(|i| if i % 4 == 3 { -100 } else { (i * 7 % classes) as i64 }).collect();
                let weight = weighted.then(|| noise(classes, 3).into_iter().map(|w| w + 1.5).collect());
                let x = noise(rows * classes, 1).into_iter().map(|x| x * 4.0).collect();
                let c = Case { rows, classes, x, targets, weight, smoothing, scale: noise(rows, 2) };
                check::<f64>(&c, 1e-12);
                check::<f32>(&c, 3e-6);
            }
        }
    }
}

#[test]
fn bad_targets_are_found_and_extremes_are_right() {
    let (x, targets) = ([1e4f32, -1e4, f32::NEG_INFINITY, 0.0, 0.0, 0.0], [1i64, 3]);
    let mut call = CrossEntropy {
        rows: 2,
        classes: 3,
        logits: x.as_ptr(),
        targets: targets.as_ptr(),
        weight: std::ptr::null(),
        ignore_index: -1,
        label_smoothing: 0.0,
    };
    let (mut loss, mut lse, mut weight, mut gx) = ([0.0], [0.0], [0.0], [0.0; 3]);
    // SAFETY: the arrays have the call's extents.
    unsafe {
        assert_eq!(bad_target(&call), Some(1));
        call.rows = 1;
        assert_eq!(bad_target(&call), None);
        forward(call, loss.as_mut_ptr(), lse.as_mut_ptr(), weight.as_mut_ptr());
        backward(call, lse.as_ptr(), [1.0].as_ptr(), 0, gx.as_mut_ptr());
    }
    assert_eq!(loss, [2e4]);
    assert_eq!(gx, [1.0, -1.0, 0.0]);
}
