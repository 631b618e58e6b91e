use super::*;

/// Values and flat indices from PyTorch's definition.
fn reference(p: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<i64>) {
    let [oh, ow] = p.out();
    let (mut y, mut indices) = (Vec::new(), Vec::new());
    for plane in x.chunks_exact(p.h * p.w) {
        for row in 0..oh {
            for col in 0..ow {
                let (mut best, mut index) = (f32::NEG_INFINITY, None);
                for ky in 0..p.kernel[0] {
                    for kx in 0..p.kernel[1] {
                        let iy = (row * p.stride[0] + ky * p.dilation[0]).wrapping_sub(p.padding[0]);
                        let ix = (col * p.stride[1] + kx * p.dilation[1]).wrapping_sub(p.padding[1]);
                        if iy >= p.h || ix >= p.w {
                            continue;
                        }
                        let v = plane[iy * p.w + ix];
                        if v > best || v.is_nan() || index.is_none() {
                            (best, index) = (v, Some(iy * p.w + ix));
                        }
                    }
                }
                y.push(best);
                indices.push(index.unwrap() as i64);
            }
        }
    }
    (y, indices)
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

fn check(p: PoolShape, special: bool) {
    let mut state = 5u64;
    let x: Vec<f32> = (0..p.planes * p.h * p.w)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 40) % 17 {
                0 if special => f32::NAN,
                1..4 if special => f32::NEG_INFINITY,
                // Few values, so that there are ties.
                v => v as f32 - 8.0,
            }
        })
        .collect();
    let (want, want_indices) = reference(&p, &x);
    let len = want.len();
    let gy: Vec<f32> = (0..len).map(|i| (i % 13) as f32 - 4.0).collect();
    let mut want_gx = vec![0.0; x.len()];
    for (i, &index) in want_indices.iter().enumerate() {
        let [oh, ow] = p.out();
        want_gx[i / (oh * ow) * p.h * p.w + index as usize] += gy[i];
    }
    let (mut y, mut codes, mut indices, mut gx) =
        (vec![7.0; len], vec![0; len], vec![-1; len], vec![7.0; x.len()]);
    // SAFETY: the vectors have the shape's extents.
    unsafe {
        max_pool(p, x.as_ptr(), y.as_mut_ptr());
        assert!(same(&y, &want), "{p:?}");
        y.fill(7.0);
        max_pool_indices(p, x.as_ptr(), y.as_mut_ptr(), indices.as_mut_ptr());
        assert!(same(&y, &want), "{p:?}");
        assert_eq!(indices, want_indices, "{p:?}");
        max_pool_backward(p, gy.as_ptr(), Found::Indices(indices.as_ptr()), gx.as_mut_ptr());
        assert_eq!(gx, want_gx, "{p:?}");
        if p.fits_codes() {
            max_pool_codes(p, x.as_ptr(), y.as_mut_ptr(), codes.as_mut_ptr());
            gx.fill(7.0);
            max_pool_backward(p, gy.as_ptr(), Found::Codes(codes.as_ptr()), gx.as_mut_ptr());
            assert_eq!(gx, want_gx, "{p:?}");
        }
        if !special {
            let ints: Vec<i64> = x.iter().map(|&v| v as i64).collect();
            let mut y = vec![0i64; len];
            max_pool_indices(p, ints.as_ptr(), y.as_mut_ptr(), indices.as_mut_ptr());
            assert_eq!(indices, want_indices);
            assert!(y.iter().zip(&want).all(|(&a, &b)| a as f32 == b));
        }
    }
}

#[test]
fn matches_the_definition() {
    let base = PoolShape {
        planes: 3,
        h: 28,
        w: 28,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    };
    for special in [false, true] {
        check(base, special);
        check(PoolShape { h: 7, w: 37, ..base }, special);
        check(PoolShape { h: 7, w: 37, ceil_mode: true, ..base }, special);
        check(PoolShape { h: 23, w: 41, kernel: [3, 3], padding: [1, 1], ..base }, special);
        check(PoolShape { h: 2, w: 600, kernel: [1, 3], stride: [1, 1], padding: [0, 1], ..base }, special);
        check(PoolShape { h: 40, w: 40, kernel: [17, 17], stride: [3, 2], padding: [8, 8], ..base }, special);
        check(PoolShape { planes: 0, ..base }, special);
        for i in 0..300 {
            let pick = |salt: usize, from: usize, to: usize| {
                from + (i * 7919 + salt * 104_729) / 7 % (to - from + 1)
            };
            let kernel = [pick(1, 1, 5), pick(2, 1, 5)];
            let p = PoolShape {
                planes: pick(3, 1, 3),
                h: pick(4, 1, 20),
                w: pick(5, 1, 40),
                kernel,
                stride: [pick(6, 1, 4), pick(7, 1, 4)],
                padding: [pick(8, 0, kernel[0] / 2), pick(9, 0, kernel[1] / 2)],
                dilation: [pick(10, 1, 3), pick(11, 1, 3)],
                ceil_mode: i % 2 == 0,
            };
            // With dilation a window may lie wholly in the padding: PyTorch's rule is tested where it does not.
            let [oh, ow] = p.out();
            let covered = |axis: usize, outputs: usize| {
                (0..outputs).all(|o| (0..p.kernel[axis]).any(|k| p.inside(axis, k, outputs).contains(&o)))
            };
            if oh * ow > 0 && covered(0, oh) && covered(1, ow) {
                check(p, special);
            }
        }
    }
}
