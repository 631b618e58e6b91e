use super::*;

/// Numbers in -1..1 that look random.
fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn f32s(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&x| x as f32).collect()
}

/// Forward output and the gradients of input, weight and bias, straight from the definition.
struct Reference {
    y: Vec<f64>,
    gx: Vec<f64>,
    gw: Vec<f64>,
    gb: Vec<f64>,
}

fn reference(s: &Conv2dShape, x: &[f64], w: &[f64], b: &[f64], gy: &[f64]) -> Reference {
    let [oh, ow] = s.out();
    let mut r = Reference {
        y: vec![0.0; s.n * s.oc * oh * ow],
        gx: vec![0.0; x.len()],
        gw: vec![0.0; w.len()],
        gb: vec![0.0; s.oc],
    };
    for n in 0..s.n {
        for (o, bias) in b.iter().enumerate() {
            let group = o / s.group_oc();
            for oy in 0..oh {
                for ox in 0..ow {
                    let at = ((n * s.oc + o) * oh + oy) * ow + ox;
                    r.y[at] = *bias;
                    r.gb[o] += gy[at];
                    for ch in 0..s.group_c() {
                        for ky in 0..s.kh {
                            for kx in 0..s.kw {
                                let y = (oy * s.stride[0] + ky * s.dilation[0]).wrapping_sub(s.padding[0]);
                                let xx = (ox * s.stride[1] + kx * s.dilation[1]).wrapping_sub(s.padding[1]);
                                if y >= s.h || xx >= s.w {
                                    continue;
                                }
                                let i = ((n * s.c + group * s.group_c() + ch) * s.h + y) * s.w + xx;
                                let k = ((o * s.group_c() + ch) * s.kh + ky) * s.kw + kx;
                                r.y[at] += x[i] * w[k];
                                r.gx[i] += gy[at] * w[k];
                                r.gw[k] += gy[at] * x[i];
                            }
                        }
                    }
                }
            }
        }
    }
    r
}

#[track_caller]
fn close<T: Real>(what: &str, s: &Conv2dShape, got: &[T], want: &[f64], tolerance: f64) {
    let scale = want.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let g = g.to_f64().unwrap();
        assert!((g - w).abs() <= tolerance * scale, "{what} of {s:?}: [{i}] is {g}, not {w}");
    }
}

struct Results<T> {
    y: Vec<T>,
    gx: Vec<T>,
    gw: Vec<T>,
    gb: Vec<T>,
}

fn run<T: Real + Ring>(mode: Mode, s: &Conv2dShape, x: &[T], w: &[T], b: &[T], gy: &[T]) -> Results<T> {
    // Filled with NaN: whatever is not written shows.
    let nan = |len| vec![T::nan(); len];
    let mut r = Results { y: nan(gy.len()), gx: nan(x.len()), gw: nan(w.len()), gb: nan(b.len()) };
    // SAFETY: the vectors have the shape's extents.
    unsafe {
        forward_in(mode, s, x.as_ptr(), w.as_ptr(), Some(b.as_ptr()), r.y.as_mut_ptr()).unwrap();
        backward_input_in(mode, s, gy.as_ptr(), w.as_ptr(), r.gx.as_mut_ptr()).unwrap();
        backward_weight_in(mode, s, x.as_ptr(), gy.as_ptr(), r.gw.as_mut_ptr()).unwrap();
        backward_bias(s, gy.as_ptr(), r.gb.as_mut_ptr());
    }
    r
}

fn modes() -> Vec<Mode> {
    let levels = Level::ALL.into_iter().filter(|l| *l <= simd::best());
    levels.flat_map(|level| [true, false].map(|winograd| Mode { level, winograd })).collect()
}

fn check(s: &Conv2dShape) {
    let [oh, ow] = s.out();
    let x = noise(s.n * s.c * s.h * s.w, 1);
    let w = noise(s.oc * s.group_c() * s.taps(), 2);
    let (b, gy) = (noise(s.oc, 3), noise(s.n * s.oc * oh * ow, 4));
    let want = reference(s, &x, &w, &b, &gy);
    let all = |what: &str, tolerance: f64, got: Results<f64>| {
        close(&format!("{what} y"), s, &got.y, &want.y, tolerance);
        close(&format!("{what} gx"), s, &got.gx, &want.gx, tolerance);
        close(&format!("{what} gw"), s, &got.gw, &want.gw, tolerance);
        close(&format!("{what} gb"), s, &got.gb, &want.gb, tolerance);
    };
    all("f64", 1e-12, run(Mode::current(), s, &x, &w, &b, &gy));
    let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<f64>>();
    for mode in modes() {
        let r = run(mode, s, &f32s(&x), &f32s(&w), &f32s(&b), &f32s(&gy));
        let r = Results { y: wide(r.y), gx: wide(r.gx), gw: wide(r.gw), gb: wide(r.gb) };
        all(&format!("{:?} winograd {}", mode.level, mode.winograd), 2e-5, r);
    }
}

fn shape(n: usize, c: usize, hw: [usize; 2], oc: usize, k: [usize; 2]) -> Conv2dShape {
    Conv2dShape {
        n,
        c,
        h: hw[0],
        w: hw[1],
        oc,
        kh: k[0],
        kw: k[1],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    }
}

#[test]
fn ordinary_shapes() {
    check(&Conv2dShape { padding: [1, 1], ..shape(3, 1, [28, 28], 16, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(2, 16, [14, 14], 33, [3, 3]) });
    check(&Conv2dShape { padding: [2, 2], ..shape(2, 5, [14, 15], 7, [5, 5]) });
    check(&Conv2dShape { padding: [3, 3], stride: [2, 2], ..shape(2, 3, [33, 37], 15, [7, 7]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(1, 64, [19, 58], 70, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(3, 16, [14, 14], 19, [3, 3]) });
    check(&Conv2dShape { padding: [0, 2], ..shape(2, 17, [18, 30], 16, [3, 3]) });
    check(&Conv2dShape { padding: [2, 0], ..shape(1, 33, [31, 31], 30, [3, 3]) });
    check(&shape(2, 20, [9, 17], 29, [1, 1]));
    check(&Conv2dShape { stride: [2, 2], ..shape(2, 20, [9, 17], 29, [1, 1]) });
    check(&Conv2dShape { padding: [1, 1], groups: 6, ..shape(2, 6, [13, 35], 6, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], groups: 6, ..shape(2, 6, [13, 35], 12, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], stride: [2, 2], groups: 5, ..shape(2, 5, [14, 21], 5, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(4, 9, [11, 18], 1, [3, 3]) });
    check(&Conv2dShape { groups: 6, ..shape(3, 6, [1, 1], 6, [1, 1]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(3, 18, [7, 7], 21, [3, 3]) });
    check(&Conv2dShape { padding: [2, 2], dilation: [2, 2], ..shape(2, 16, [28, 36], 17, [3, 3]) });
    check(&Conv2dShape { padding: [0, 3], dilation: [2, 3], ..shape(1, 18, [34, 48], 16, [3, 3]) });
    check(&Conv2dShape { padding: [1, 4], dilation: [1, 4], ..shape(1, 16, [8, 64], 16, [3, 3]) });
    // A sum of more than one block of terms.
    check(&Conv2dShape { padding: [1, 1], stride: [2, 1], ..shape(1, 100, [7, 7], 17, [3, 3]) });
}

#[test]
fn small_images_of_many_channels() {
    check(&Conv2dShape { padding: [1, 1], ..shape(5, 24, [4, 4], 19, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], stride: [2, 2], ..shape(3, 16, [4, 3], 33, [3, 3]) });
    check(&Conv2dShape { padding: [1, 1], ..shape(1, 17, [2, 2], 16, [3, 3]) });
    check(&Conv2dShape { stride: [2, 2], ..shape(4, 18, [4, 4], 20, [1, 1]) });
    // Of the nine taps only one meets the image; only some do, in part, never.
    check(&Conv2dShape { padding: [1, 1], ..shape(6, 20, [1, 1], 31, [3, 3]) });
    check(&Conv2dShape { padding: [4, 3], dilation: [4, 3], ..shape(2, 16, [2, 3], 16, [3, 3]) });
    check(&Conv2dShape { padding: [3, 0], stride: [3, 1], ..shape(2, 16, [1, 5], 18, [2, 3]) });
    check(&Conv2dShape { padding: [2, 2], stride: [4, 4], ..shape(1, 16, [3, 3], 16, [1, 2]) });
    // More images than a block has.
    check(&Conv2dShape { padding: [1, 1], ..shape(70, 16, [3, 3], 16, [3, 3]) });
}

#[test]
fn odd_shapes() {
    // Empty batch; kernel larger than the image; dilation beyond the image.
    check(&Conv2dShape { padding: [1, 1], ..shape(0, 2, [5, 5], 3, [3, 3]) });
    check(&Conv2dShape { padding: [3, 3], ..shape(2, 2, [2, 1], 3, [5, 6]) });
    check(&Conv2dShape { padding: [4, 5], dilation: [4, 5], ..shape(2, 2, [3, 3], 3, [3, 3]) });
    check(&Conv2dShape { padding: [2, 0], stride: [3, 4], ..shape(1, 2, [4, 9], 3, [2, 3]) });
    check(&Conv2dShape { padding: [7, 7], ..shape(1, 1, [1, 1], 1, [1, 1]) });
    check(&Conv2dShape { stride: [5, 5], ..shape(2, 3, [7, 11], 2, [2, 2]) });
}

#[test]
fn random_shapes() {
    let mut random = noise(10_000, 7).into_iter().map(|x| ((x + 1.0) * 1e6) as usize);
    let mut pick = |from: usize, to: usize| from + random.next().unwrap() % (to - from + 1);
    let mut checked = 0;
    while checked < 150 {
        let groups = pick(1, 3);
        let s = Conv2dShape {
            n: pick(1, 3),
            c: groups * pick(1, 5),
            h: pick(1, 20),
            w: pick(1, 40),
            oc: groups * pick(1, 17),
            kh: pick(1, 5),
            kw: pick(1, 5),
            stride: [pick(1, 3), pick(1, 3)],
            padding: [pick(0, 4), pick(0, 4)],
            dilation: [pick(1, 3), pick(1, 3)],
            groups,
        };
        if s.out_size().is_some() {
            check(&s);
            checked += 1;
        }
    }
}

/// An infinite pixel reaches the weights that it is multiplied with, and no others.
#[test]
fn infinities_stay_where_they_belong() {
    let s = Conv2dShape { padding: [1, 1], ..shape(1, 8, [14, 14], 3, [3, 3]) };
    let mut x = vec![1.0f32; 8 * 14 * 14];
    // The last column is under no output for the first column of the kernel's taps.
    x[13] = f32::INFINITY;
    let gy = vec![1.0f32; 3 * 14 * 14];
    for mode in modes() {
        let mut gw = vec![0.0; 3 * 8 * 9];
        // SAFETY: the vectors have the shape's extents.
        unsafe {
            backward_weight_in(Mode { winograd: false, ..mode }, &s, x.as_ptr(), gy.as_ptr(), gw.as_mut_ptr())
                .unwrap()
        };
        for (i, v) in gw.iter().enumerate() {
            let reached = i / 9 % 8 == 0 && i % 9 / 3 < 2 && i % 3 > 0;
            assert_eq!(*v == f32::INFINITY, reached, "{:?} [{i}] {v}", mode.level);
            assert_eq!(v.is_finite(), !reached, "{:?} [{i}] {v}", mode.level);
        }
    }
}

/// The same bits on any number of threads.
#[test]
fn threads_do_not_change_results() {
    let shapes = [
        Conv2dShape { padding: [1, 1], ..shape(9, 16, [14, 14], 33, [3, 3]) },
        Conv2dShape { padding: [2, 2], ..shape(1, 8, [28, 28], 16, [5, 5]) },
        Conv2dShape { padding: [1, 1], ..shape(7, 1, [28, 28], 16, [3, 3]) },
        Conv2dShape { stride: [2, 2], groups: 2, ..shape(2, 40, [15, 15], 6, [3, 3]) },
        Conv2dShape { padding: [1, 1], ..shape(40, 64, [4, 4], 64, [3, 3]) },
    ];
    for s in &shapes {
        let [oh, ow] = s.out();
        let x = f32s(&noise(s.n * s.c * s.h * s.w, 1));
        let w = f32s(&noise(s.oc * s.group_c() * s.taps(), 2));
        let (b, gy) = (f32s(&noise(s.oc, 3)), f32s(&noise(s.n * s.oc * oh * ow, 4)));
        for mode in modes() {
            let bits = || {
                let r = run(mode, s, &x, &w, &b, &gy);
                [r.y, r.gx, r.gw, r.gb].concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            let together = bits();
            // Inside a region everything runs on its caller.
            crate::cpu::par::for_each(2, &|_| assert!(bits() == together, "{s:?} {:?}", mode.level));
        }
    }
}
