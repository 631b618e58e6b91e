//! Every operation at every level against plain arithmetic.

use super::*;
use std::fmt::Debug;

struct Scale<'a> {
    x: &'a mut [f32],
    by: f32,
}

impl Kernel<f32> for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let by = s.splat(self.by);
        for chunk in self.x.chunks_mut(S::LANES) {
            let (p, mask) = (chunk.as_mut_ptr(), s.mask(chunk.len()));
            // SAFETY: the mask keeps to the chunk.
            unsafe { s.store_masked(p, mask, s.mul(s.load_masked(p, mask), by)) }
        }
    }
}

#[test]
fn a_kernel_runs_at_every_level() {
    for level in Level::ALL {
        let mut x: Vec<f32> = (0..19).map(|i| i as f32).collect();
        f32::dispatch(level, Scale { x: &mut x, by: 2.0 });
        assert!(x.iter().enumerate().all(|(i, &v)| v == 2.0 * i as f32));
    }
}

struct Check;

macro_rules! check {
    ($t:ty) => {
        impl Kernel<$t> for Check {
            type Output = ();
            #[inline(always)]
            fn run<S: Simd<$t>>(self, s: S) {
                let lanes = S::LANES;
                let a: Vec<$t> = (0..lanes).map(|i| i as $t - 1.5).collect();
                let b: Vec<$t> = (0..lanes).map(|i| 3.0 - 0.5 * i as $t).collect();
                // SAFETY: every buffer below is `lanes` long, or the mask says how long.
                unsafe {
                    let (va, vb) = (s.load(a.as_ptr()), s.load(b.as_ptr()));
                    let each = |v: S::Vector, f: &dyn Fn($t, $t) -> $t| {
                        let mut out: Vec<$t> = vec![0.0; lanes];
                        s.store(out.as_mut_ptr(), v);
                        let want: Vec<$t> = a.iter().zip(&b).map(|(&x, &y)| f(x, y)).collect();
                        assert_eq!(out, want);
                    };
                    each(s.zero(), &|_, _| 0.0);
                    each(s.splat(7.0), &|_, _| 7.0);
                    each(s.add(va, vb), &|x, y| x + y);
                    each(s.sub(va, vb), &|x, y| x - y);
                    each(s.mul(va, vb), &|x, y| x * y);
                    each(s.div(va, s.splat(4.0)), &|x, _| x / 4.0);
                    each(s.fma(va, vb, s.splat(1.0)), &|x, y| x * y + 1.0);
                    each(s.max(va, vb), &|x, y| x.max(y));
                    each(s.min(va, vb), &|x, y| x.min(y));
                    let nan = s.splat(<$t>::NAN);
                    each(s.max(nan, va), &|x, _| x);
                    each(s.min(nan, va), &|x, _| x);
                    each(s.or_nan(va, vb), &|x, _| x);
                    assert!(s.sum(s.or_nan(va, nan)).is_nan());
                    assert!(s.sum(s.max(va, nan)).is_nan());
                    assert_eq!(s.sum(va), a.iter().sum::<$t>());
                    for n in 0..=lanes + 1 {
                        let kept = n.min(lanes);
                        let part = a[..kept].to_vec();
                        let v = s.load_masked(part.as_ptr(), s.mask(n));
                        let mut whole: Vec<$t> = vec![9.0; lanes];
                        s.store(whole.as_mut_ptr(), v);
                        assert_eq!(whole[..kept], a[..kept]);
                        assert!(whole[kept..].iter().all(|&x| x == 0.0));
                        let mut out: Vec<$t> = vec![9.0; lanes];
                        s.store_masked(out.as_mut_ptr(), s.mask(n), va);
                        assert_eq!(out[..kept], a[..kept]);
                        assert!(out[kept..].iter().all(|&x| x == 9.0));
                    }
                    check_transpose(s, |x| x as $t);
                }
            }
        }
    };
}
check!(f32);
check!(f64);

/// Every block size, every width, a stride of either sign.
#[inline(always)]
fn check_transpose<T: Copy + PartialEq + Debug, S: Simd<T>>(s: S, value: impl Fn(usize) -> T) {
    let lanes = S::LANES;
    let (stride, wide) = (lanes + 3, lanes + 2);
    let src: Vec<T> = (0..lanes * stride).map(|i| value(i + 1)).collect();
    for rows in 0..=lanes {
        for cols in 0..=lanes {
            for width in [rows, lanes, rows / 2] {
                for flip in [false, true] {
                    let mut dst = vec![value(0); lanes * wide];
                    let first = if flip { rows.saturating_sub(1) } else { 0 };
                    let step = if flip { -(stride as isize) } else { stride as isize };
                    // SAFETY: rows and cols are at most lanes, and the buffers hold that many.
                    unsafe {
                        let from = src.as_ptr().add(first * stride);
                        s.transpose(from, step, (rows, cols), dst.as_mut_ptr(), wide, width);
                    }
                    for c in 0..lanes {
                        for r in 0..wide {
                            let row = if flip { first.wrapping_sub(r) } else { r };
                            let inside = c < cols && r < rows.min(width);
                            let want = if inside { value(row * stride + c + 1) } else { value(0) };
                            assert_eq!(dst[c * wide + r], want);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_level_computes_the_same() {
    for level in Level::ALL {
        f32::dispatch(level, Check);
        f64::dispatch(level, Check);
    }
}

#[test]
fn levels_have_names_and_an_order() {
    assert_eq!(Level::from_name("avx2"), Some(Level::Avx2));
    assert_eq!(Level::from_name("sse9"), None);
    assert!(Level::Portable < Level::Avx2 && Level::Avx2 < Level::Avx512);
    assert!(level() <= best());
}
