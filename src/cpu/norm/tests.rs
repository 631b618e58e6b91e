use super::*;

fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

struct Case<T> {
    y: Vec<T>,
    mean: Vec<T>,
    invstd: Vec<T>,
    var: Vec<T>,
    eval: Vec<T>,
    gx: Vec<T>,
    gw: Vec<T>,
    gb: Vec<T>,
    eval_gx: Vec<T>,
}

const EPS: f64 = 1e-5;

fn run<T: Real>(shape: BatchNormShape, x: &[T], gy: &[T], w: &[T], b: &[T]) -> Case<T> {
    let nan = |len| vec![T::nan(); len];
    let (all, c) = (x.len(), shape.c);
    let mut r = Case {
        y: nan(all),
        mean: nan(c),
        invstd: nan(c),
        var: nan(c),
        eval: nan(all),
        gx: nan(all),
        gw: nan(c),
        gb: nan(c),
        eval_gx: nan(all),
    };
    let none = std::ptr::null_mut();
    // SAFETY: the vectors have the shape's extents.
    unsafe {
        let saved = SavedStatistics {
            mean: r.mean.as_mut_ptr(),
            invstd: r.invstd.as_mut_ptr(),
            var: r.var.as_mut_ptr(),
        };
        batch_norm_train(shape, x.as_ptr(), w.as_ptr(), b.as_ptr(), EPS, r.y.as_mut_ptr(), saved);
        let batch = Statistics::Batch { mean: r.mean.as_ptr(), invstd: r.invstd.as_ptr() };
        let running = Statistics::Running { mean: r.mean.as_ptr(), var: r.var.as_ptr(), eps: EPS };
        batch_norm_eval(shape, x.as_ptr(), w.as_ptr(), b.as_ptr(), running, r.eval.as_mut_ptr());
        let g = Gradients { x: r.gx.as_mut_ptr(), weight: r.gw.as_mut_ptr(), bias: r.gb.as_mut_ptr() };
        batch_norm_backward(shape, x.as_ptr(), gy.as_ptr(), w.as_ptr(), batch, g);
        let g = Gradients { x: r.eval_gx.as_mut_ptr(), weight: none, bias: none };
        batch_norm_backward(shape, x.as_ptr(), gy.as_ptr(), w.as_ptr(), running, g);
    }
    r
}

#[track_caller]
fn close<T: Real>(what: &str, got: &[T], want: &[f64], tolerance: f64) {
    let scale = want.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let g = g.to_f64().unwrap();
        assert!((g - w).abs() <= tolerance * scale, "{what}[{i}] is {g}, not {w}");
    }
}

fn check(shape: BatchNormShape, offset: f64) {
    let BatchNormShape { n, c, l } = shape;
    let x: Vec<f64> = noise(n * c * l, 1).into_iter().map(|v| f64::from((v + offset) as f32)).collect();
    let (gy, w, b) = (noise(n * c * l, 2), noise(c, 3), noise(c, 4));
    let m = (n * l) as f64;
    let channel = |i: usize| i / l % c;
    let mut want = [(); 9].map(|()| vec![0.0; c]);
    let per_channel = |f: &dyn Fn(usize) -> f64| {
        let mut sums = vec![0.0; c];
        (0..x.len()).for_each(|i| sums[channel(i)] += f(i));
        sums
    };
    want[1] = per_channel(&|i| x[i]).iter().map(|s| s / m).collect();
    want[3] = per_channel(&|i| (x[i] - want[1][channel(i)]).powi(2)).iter().map(|s| s / m).collect();
    want[2] = want[3].iter().map(|v| (v + EPS).sqrt().recip()).collect();
    let hat = |i: usize| (x[i] - want[1][channel(i)]) * want[2][channel(i)];
    let y: Vec<f64> = (0..x.len()).map(|i| hat(i) * w[channel(i)] + b[channel(i)]).collect();
    let gb = per_channel(&|i| gy[i]);
    let gw = per_channel(&|i| gy[i] * hat(i));
    let eval_gx: Vec<f64> = (0..x.len()).map(|i| gy[i] * w[channel(i)] * want[2][channel(i)]).collect();
    let gx: Vec<f64> = (0..x.len())
        .map(|i| {
            let k = channel(i);
            w[k] * want[2][k] * (gy[i] - gb[k] / m - hat(i) * gw[k] / m)
        })
        .collect();
    let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
    let r = run(shape, &x, &gy, &w, &b);
    let what = format!("{shape:?} f64");
    for (got, want) in
        [(&r.y, &y), (&r.eval, &y), (&r.gx, &gx), (&r.gw, &gw), (&r.gb, &gb), (&r.eval_gx, &eval_gx)]
    {
        close(&what, got, want, 1e-9);
    }
    for (got, want) in [(&r.mean, &want[1]), (&r.var, &want[3]), (&r.invstd, &want[2])] {
        close(&what, got, want, 1e-9);
    }
    let r = run(shape, &narrow(&x), &narrow(&gy), &narrow(&w), &narrow(&b));
    let what = format!("{shape:?} f32");
    // The input itself is rounded to about `offset * 2^-24`.
    let t = 1e-5 * (1.0 + offset.abs());
    for (got, want) in
        [(&r.y, &y), (&r.eval, &y), (&r.gx, &gx), (&r.gw, &gw), (&r.gb, &gb), (&r.eval_gx, &eval_gx)]
    {
        close(&what, got, want, t);
    }
    for (got, want) in [(&r.mean, &want[1]), (&r.var, &want[3]), (&r.invstd, &want[2])] {
        close(&what, got, want, 1e-5);
    }
}

#[test]
fn matches_the_definition() {
    for (n, c, l) in
        [(2, 3, 5), (4, 7, 49), (3, 5, 196), (64, 3, 64), (2, 2, 1000), (8, 37, 1), (2, 100, 1), (1, 2, 2)]
    {
        check(BatchNormShape { n, c, l }, 0.0);
    }
    // A mean far from zero must not cost the variance its digits.
    check(BatchNormShape { n: 4, c: 3, l: 300 }, 1000.0);
    check(BatchNormShape { n: 400, c: 3, l: 1 }, 1000.0);
}

#[test]
fn infinities_stay_in_their_channel() {
    let shape = BatchNormShape { n: 2, c: 2, l: 20 };
    let mut x: Vec<f32> = noise(80, 1).into_iter().map(|v| v as f32).collect();
    x[3] = f32::INFINITY;
    let gy = vec![1.0f32; 80];
    let r = run(shape, &x, &gy, &[1.0, 1.0], &[0.0, 0.0]);
    for (i, y) in r.y.iter().enumerate() {
        assert_eq!(y.is_nan(), i / 20 % 2 == 0);
    }
}
