//! Rows of float32 that lie side by side in memory, in vectors.

use crate::cpu::simd::Simd;

/// How vectors come together.
#[derive(Clone, Copy, PartialEq)]
pub enum Step {
    Sum,
    SumOfMagnitudes,
    SumOfSquares,
    Product,
    /// NaN wins, as in [`Step::Min`].
    Max,
    Min,
}

/// Lanes of the widest vector.
const WIDEST: usize = 16;
/// Vectors that gather elements side by side.
const VECTORS: usize = 4;
/// Blocks of eight steps of each vector that come together in float32 before their total is widened.
const BLOCKS: usize = 8;

/// A row of -0.0, which changes nothing that it is added to, then one of `start`: a window of it fills up the last
/// vector of a row.
const fn filler(start: f32) -> [f32; 2 * WIDEST] {
    let mut filler = [-0.0; 2 * WIDEST];
    let mut i = WIDEST;
    while i < 2 * WIDEST {
        filler[i] = start;
        i += 1;
    }
    filler
}

impl Step {
    const fn start(self) -> f32 {
        match self {
            Step::Sum | Step::SumOfMagnitudes | Step::SumOfSquares => 0.0,
            Step::Product => 1.0,
            Step::Max => f32::NEG_INFINITY,
            Step::Min => f32::INFINITY,
        }
    }

    #[inline(always)]
    fn filler(self) -> &'static [f32; 2 * WIDEST] {
        static ZEROS: [f32; 2 * WIDEST] = filler(0.0);
        static ONES: [f32; 2 * WIDEST] = filler(1.0);
        static LOWEST: [f32; 2 * WIDEST] = filler(f32::NEG_INFINITY);
        static HIGHEST: [f32; 2 * WIDEST] = filler(f32::INFINITY);
        match self {
            Step::Sum | Step::SumOfMagnitudes | Step::SumOfSquares => &ZEROS,
            Step::Product => &ONES,
            Step::Max => &LOWEST,
            Step::Min => &HIGHEST,
        }
    }

    /// What of an element is gathered.
    #[inline(always)]
    fn term<S: Simd<f32>>(self, s: S, x: S::Vector) -> S::Vector {
        match self {
            Step::SumOfMagnitudes => s.max(x, s.sub(s.zero(), x)),
            Step::SumOfSquares => s.mul(x, x),
            _ => x,
        }
    }

    #[inline(always)]
    fn join<S: Simd<f32>>(self, s: S, a: S::Vector, b: S::Vector) -> S::Vector {
        match self {
            Step::Sum | Step::SumOfMagnitudes | Step::SumOfSquares => s.add(a, b),
            Step::Product => s.mul(a, b),
            Step::Max => s.or_nan(s.max(a, b), a),
            Step::Min => s.or_nan(s.min(a, b), a),
        }
    }

    /// Eight vectors in a tree. No closures, which would be compiled apart, without the vectors' instructions.
    ///
    /// # Safety
    /// They can be read, from `p` on, at `stride` elements.
    #[inline(always)]
    unsafe fn eight<S: Simd<f32>>(self, s: S, p: *const f32, stride: usize) -> S::Vector {
        let mut x = [s.zero(); 8];
        for (k, x) in x.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *x = self.term(s, unsafe { s.load(p.add(k * stride)) });
        }
        let mut half = 4;
        while half > 0 {
            for k in 0..half {
                x[k] = self.join(s, x[k], x[k + half]);
            }
            half /= 2;
        }
        x[0]
    }

    #[inline(always)]
    fn join_wide(self, a: f64, b: f64) -> f64 {
        match self {
            Step::Sum | Step::SumOfMagnitudes | Step::SumOfSquares => a + b,
            Step::Product => a * b,
            Step::Max if b > a || b.is_nan() => b,
            Step::Min if b < a || b.is_nan() => b,
            Step::Max | Step::Min => a,
        }
    }
}

/// What `n` elements come to.
///
/// # Safety
/// They can be read at `row`, side by side.
#[inline(always)]
pub unsafe fn total<S: Simd<f32>>(s: S, step: Step, row: *const f32, n: usize) -> f64 {
    let start = s.splat(step.start());
    let mut vectors = [start; VECTORS];
    let mut wide = f64::from(step.start());
    let (width, mut blocks, mut i) = (VECTORS * S::LANES, 0, 0);
    // SAFETY: all that is read lies before `n`, but for the filler's window, which lies inside it.
    unsafe {
        while i + 8 * width <= n {
            for (j, to) in vectors.iter_mut().enumerate() {
                let eight = step.eight(s, row.add(i + j * S::LANES), width);
                *to = step.join(s, *to, eight);
            }
            i += 8 * width;
            blocks += 1;
            if blocks == BLOCKS {
                wide = step.join_wide(wide, across(s, step, vectors));
                vectors = [start; VECTORS];
                blocks = 0;
            }
        }
        while i + width <= n {
            for (j, to) in vectors.iter_mut().enumerate() {
                *to = step.join(s, *to, step.term(s, s.load(row.add(i + j * S::LANES))));
            }
            i += width;
        }
        while i + S::LANES <= n {
            vectors[0] = step.join(s, vectors[0], step.term(s, s.load(row.add(i))));
            i += S::LANES;
        }
        if i < n {
            let filler = s.load(step.filler().as_ptr().add(WIDEST - (n - i)));
            let last = s.add(s.load_masked(row.add(i), s.mask(n - i)), filler);
            vectors[1] = step.join(s, vectors[1], step.term(s, last));
        }
    }
    step.join_wide(wide, across(s, step, vectors))
}

/// What all lanes of the vectors come to.
#[inline(always)]
fn across<S: Simd<f32>>(s: S, step: Step, [a, b, c, d]: [S::Vector; VECTORS]) -> f64 {
    let mut lanes = [0.0f32; WIDEST];
    // SAFETY: no vector is wider.
    unsafe { s.store(lanes.as_mut_ptr(), step.join(s, step.join(s, a, b), step.join(s, c, d))) };
    let mut wide = lanes.map(f64::from);
    let mut half = S::LANES / 2;
    while half > 0 {
        for j in 0..half {
            wide[j] = step.join_wide(wide[j], wide[j + half]);
        }
        half /= 2;
    }
    wide[0]
}
