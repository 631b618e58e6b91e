//! Every path, level, stride and edge against a product in f64 by definition.

use super::*;
use crate::cpu::simd::best;
use num_complex::Complex;

/// Repeatable numbers in [-1, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) * 0.5 * n as f64) as usize
    }
}

#[derive(Clone, Copy, Debug)]
enum Strides {
    Rows,
    Columns,
    PaddedRows,
    PaddedColumns,
    Neither,
    ReversedRows,
    ReversedColumns,
    OneRow,
    OneColumn,
}
use Strides::*;

const STRIDES: [Strides; 9] =
    [Rows, Columns, PaddedRows, PaddedColumns, Neither, ReversedRows, ReversedColumns, OneRow, OneColumn];

/// A matrix in memory of exactly the size its strides reach over.
struct Operand<T> {
    data: Vec<T>,
    first: usize,
    rs: isize,
    cs: isize,
}

impl<T: GemmElement> Operand<T> {
    fn new(rows: usize, cols: usize, strides: Strides, random: &mut Random) -> Self {
        let (r, c) = (rows as isize, cols as isize);
        let (rs, cs) = match strides {
            Rows => (c, 1),
            Columns => (1, r),
            PaddedRows => (c + 3, 1),
            PaddedColumns => (1, r + 5),
            Neither => (2 * c + 1, 2),
            ReversedRows => (-c, 1),
            ReversedColumns => (1, -r),
            OneRow => (0, 1),
            OneColumn => (1, 0),
        };
        let reach = |n: isize, s: isize| (n - 1).max(0) * s;
        let ends = [0, reach(r, rs), reach(c, cs), reach(r, rs) + reach(c, cs)];
        let low = *ends.iter().min().unwrap();
        let len = (ends.iter().max().unwrap() - low) as usize + 1;
        let len = if rows * cols == 0 { 0 } else { len };
        let data = (0..len).map(|_| T::from(random.next()).unwrap()).collect();
        Operand { data, first: -low as usize, rs, cs }
    }

    fn mat(&self) -> Mat<T> {
        Mat { ptr: self.data.as_ptr().wrapping_add(self.first), rs: self.rs, cs: self.cs }
    }

    fn at(&self, i: usize, j: usize) -> T {
        let at = self.first as isize + i as isize * self.rs + j as isize * self.cs;
        self.data[at as usize]
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Strides,
    b: Strides,
    /// Unused elements after each row of C.
    pad: usize,
    accumulate: bool,
    /// 0 none, 1 a column, 2 a row.
    bias: usize,
}

impl Case {
    fn plain(m: usize, n: usize, k: usize) -> Case {
        Case { m, n, k, a: Rows, b: Rows, pad: 0, accumulate: false, bias: 0 }
    }

    /// Runs `f` on random operands and compares what it did to C with the definition.
    fn check<T: GemmElement>(self, seed: u64, f: impl Fn(&Product<T>)) -> Vec<T> {
        let Case { m, n, k, .. } = self;
        let mut random = Random(seed);
        let a = Operand::<T>::new(m, k, self.a, &mut random);
        let b = Operand::<T>::new(k, n, self.b, &mut random);
        let bias: Vec<T> = (0..m.max(n)).map(|_| T::from(random.next()).unwrap()).collect();
        let ldc = n + self.pad;
        let before: Vec<T> = (0..m * ldc).map(|_| T::from(random.next()).unwrap()).collect();
        let mut c = before.clone();
        if !self.accumulate {
            // Must not be read.
            c.iter_mut().for_each(|x| *x = T::nan());
        }
        f(&Product {
            m,
            n,
            k,
            a: a.mat(),
            b: b.mat(),
            c: c.as_mut_ptr(),
            ldc,
            accumulate: self.accumulate,
            bias: match self.bias {
                0 => Bias::None,
                1 => Bias::PerColumn(bias.as_ptr()),
                _ => Bias::PerRow(bias.as_ptr()),
            },
        });
        let wide = |x: T| x.to_f64().unwrap();
        for i in 0..m {
            for j in 0..ldc {
                let got = wide(c[i * ldc + j]);
                if j >= n {
                    let kept = if self.accumulate { wide(before[i * ldc + j]) } else { f64::NAN };
                    assert!(got.to_bits() == kept.to_bits() || got.is_nan() && kept.is_nan());
                    continue;
                }
                let terms = || (0..k).map(|l| wide(a.at(i, l)) * wide(b.at(l, j)));
                let mut want: f64 = terms().sum();
                let size = 2.0 + terms().map(f64::abs).sum::<f64>();
                let tolerance = T::epsilon().to_f64().unwrap() * size * (4.0 + 2.0 * (k as f64).sqrt());
                if self.accumulate {
                    want += wide(before[i * ldc + j]);
                }
                match self.bias {
                    0 => {}
                    1 => want += wide(bias[j]),
                    _ => want += wide(bias[i]),
                }
                let error = (got - want).abs();
                assert!(error <= tolerance, "{self:?} at ({i}, {j}): {got}, not {want}");
            }
        }
        c
    }

    fn check_levels<T: GemmElement>(self, seed: u64) {
        for level in Level::ALL.into_iter().filter(|&l| l <= best()) {
            for parallel in [false, true] {
                // SAFETY: `check` made the operands to fit.
                self.check::<T>(seed, |p| unsafe { gemm_at(level, p, parallel) });
            }
        }
        // SAFETY: likewise.
        self.check::<T>(seed, |p| unsafe { gemm_portable(p) });
    }
}

#[test]
fn odd_shapes() {
    let sizes = [1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 17, 29, 31, 32, 33, 47, 64, 65];
    let mut random = Random(1);
    for &m in &sizes {
        for &n in &sizes {
            let k = sizes[random.below(sizes.len())];
            let case = Case { accumulate: random.below(2) == 1, ..Case::plain(m, n, k) };
            case.check_levels::<f32>(random.0);
            case.check_levels::<f64>(random.0);
        }
    }
}

#[test]
fn all_strides() {
    let mut random = Random(2);
    for a in STRIDES {
        for b in STRIDES {
            for (m, n, k) in [(1, 40, 37), (37, 1, 40), (3, 70, 33), (5, 9, 100), (70, 4, 50)] {
                let case = Case { a, b, ..Case::plain(m, n, k) };
                case.check_levels::<f32>(random.0);
            }
            let (m, n, k) = (1 + random.below(60), 1 + random.below(120), 1 + random.below(60));
            let bias = random.below(3);
            let case = Case { a, b, pad: random.below(4), bias, ..Case::plain(m, n, k) };
            case.check_levels::<f32>(random.0);
            case.check_levels::<f64>(random.0);
        }
    }
}

#[test]
fn random_cases() {
    let mut random = Random(3);
    for _ in 0..300 {
        let mut size = |most: usize| 1 + random.below([8, 40, most][random.0 as usize % 3]);
        let (m, n, k) = (size(150), size(150), size(400));
        let case = Case {
            a: STRIDES[random.below(9)],
            b: STRIDES[random.below(9)],
            pad: random.below(3),
            accumulate: random.below(2) == 1,
            bias: random.below(3),
            ..Case::plain(m, n, k)
        };
        case.check_levels::<f32>(random.0);
        case.check_levels::<f64>(random.0);
    }
}

#[test]
fn several_blocks_of_k_and_n() {
    for bias in [0, 1, 2] {
        for accumulate in [false, true] {
            let case = Case { bias, accumulate, b: Columns, ..Case::plain(30, 40, 1100) };
            case.check_levels::<f32>(4);
            let case = Case { bias, accumulate, pad: 1, ..Case::plain(15, 2100, 390) };
            case.check_levels::<f32>(5);
        }
    }
    // The last two: B copied as its rows fall into few sets of the caches, or A read in place.
    let shapes = [(8200, 70, 5), (140, 620, 37), (70, 256, 1100), (200, 300, 800)];
    for case in shapes.map(|(m, n, k)| Case::plain(m, n, k)) {
        for a in [Rows, Columns] {
            Case { a, ..case }.check_levels::<f32>(6);
        }
    }
}

#[test]
fn empty_and_k_zero() {
    for (m, n, k) in [(0, 5, 5), (5, 0, 5), (0, 0, 0), (5, 6, 0), (1, 1, 0), (40, 70, 0)] {
        for bias in [0, 1, 2] {
            for accumulate in [false, true] {
                Case { bias, accumulate, ..Case::plain(m, n, k) }.check_levels::<f32>(7);
            }
        }
    }
}

#[test]
fn nan_and_infinity_reach_every_sum_they_are_in() {
    for (m, n, k) in [(1, 50, 40), (40, 1, 50), (20, 40, 30), (130, 130, 130)] {
        for level in Level::ALL {
            for b_columns in [false, true] {
                let mut a = vec![1.0f32; m * k];
                let mut b = vec![1.0f32; k * n];
                let at = |l: usize, j: usize| if b_columns { j * k + l } else { l * n + j };
                // Row 0 meets infinity, column n - 1 NaN, and 0 * infinity is NaN.
                a[k - 1] = f32::INFINITY;
                b[at(0, n - 1)] = f32::NAN;
                if n > 1 {
                    b[at(k - 1, 0)] = 0.0;
                }
                let mut c = vec![0.0f32; m * n];
                let (rs, cs) = if b_columns { (1, k as isize) } else { (n as isize, 1) };
                let product = Product {
                    m,
                    n,
                    k,
                    a: Mat { ptr: a.as_ptr(), rs: k as isize, cs: 1 },
                    b: Mat { ptr: b.as_ptr(), rs, cs },
                    c: c.as_mut_ptr(),
                    ldc: n,
                    accumulate: false,
                    bias: Bias::None,
                };
                // SAFETY: operands of the sizes given.
                unsafe { gemm_at(level, &product, false) };
                for i in 0..m {
                    for j in 0..n {
                        let got = c[i * n + j];
                        if j == n - 1 || (i == 0 && j == 0) {
                            assert!(got.is_nan(), "({i}, {j}) of {m} x {n} x {k}: {got}");
                        } else if i == 0 {
                            assert_eq!(got, f32::INFINITY);
                        } else {
                            assert_eq!(got, if j == 0 { k as f32 - 1.0 } else { k as f32 });
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let shapes = [(1, 3000, 700), (3000, 1, 700), (200, 300, 400), (64, 64, 64), (6, 900, 800)];
    for (seed, (m, n, k)) in shapes.into_iter().enumerate() {
        for b in [Rows, Columns] {
            let case = Case { b, ..Case::plain(m, n, k) };
            let run = |parallel| {
                // SAFETY: `check` made the operands to fit.
                case.check::<f32>(seed as u64, |p| unsafe { gemm_at(best(), p, parallel) })
            };
            assert_eq!(run(false), run(true));
        }
    }
}

#[test]
fn batches() {
    // (shape, strides of A, B and C in products; 0 is the same for all)
    for (m, n, k) in [(3, 5, 7), (20, 30, 40), (1, 64, 64), (150, 150, 150)] {
        for (a_step, b_step) in [(1, 1), (1, 0), (0, 1), (0, 0), (-1, 1)] {
            for bias_rows in [false, true] {
                let count = 7;
                let mut random = Random(8);
                let mut values =
                    |len: usize| -> Vec<f32> { (0..len).map(|_| random.next() as f32).collect() };
                let (a, b, bias) = (values(count * m * k), values(count * k * n), values(m.max(n)));
                let first = if a_step < 0 { (count - 1) * m * k } else { 0 };
                let a_mat = Mat { ptr: a.as_ptr().wrapping_add(first), rs: k as isize, cs: 1 };
                let b_mat = Mat { ptr: b.as_ptr(), rs: n as isize, cs: 1 };
                let bias =
                    if bias_rows { Bias::PerRow(bias.as_ptr()) } else { Bias::PerColumn(bias.as_ptr()) };
                let mut c = vec![0.0f32; count * m * n];
                let (ptr, ldc, accumulate) = (c.as_mut_ptr(), n, false);
                let one = Product { m, n, k, a: a_mat, b: b_mat, c: ptr, ldc, accumulate, bias };
                let (a_step, b_step) = (a_step * (m * k) as isize, b_step * (k * n) as isize);
                let batch = Batch { count, a: a_step, b: b_step, c: m * n };
                // SAFETY: the buffers hold `count` products.
                unsafe { gemm_batch(&one, &batch) };
                for i in 0..count {
                    let mut want = vec![0.0f32; m * n];
                    let c_i = want.as_mut_ptr();
                    // SAFETY: likewise.
                    unsafe { gemm_portable(&Product { c: c_i, ..one.nth(&batch, i) }) };
                    for (x, y) in c[i * m * n..].iter().zip(&want) {
                        assert!((x - y).abs() < 1e-4);
                    }
                }
            }
        }
    }
}

#[test]
fn other_types() {
    fn product<T: Ring>(a: &[T], b: &[T], c: &mut [T], (m, n, k): (usize, usize, usize)) {
        let a = Mat { ptr: a.as_ptr(), rs: k as isize, cs: 1 };
        // B is given transposed.
        let b = Mat { ptr: b.as_ptr(), rs: 1, cs: k as isize };
        let (c, ldc) = (c.as_mut_ptr(), n);
        let (accumulate, bias) = (false, Bias::None);
        // SAFETY: slices of the sizes given.
        unsafe { gemm_portable(&Product { m, n, k, a, b, c, ldc, accumulate, bias }) }
    }
    let mut c = [0i64; 4];
    product(&[1, 2, 3, 4], &[5, 7, 6, 8], &mut c, (2, 2, 2));
    assert_eq!(c, [19, 22, 43, 50]);
    let mut c = [0u8; 1];
    product(&[200, 100], &[2, 3], &mut c, (1, 1, 2));
    assert_eq!(c, [188]); // 700 mod 256
    let mut c = [0i32; 1];
    product(&[i32::MAX], &[2], &mut c, (1, 1, 1));
    assert_eq!(c, [-2]);
    let i = Complex::new(0.0f32, 1.0);
    let mut c = [Complex::new(0.0, 0.0)];
    product(&[i, i], &[i, i * 2.0], &mut c, (1, 1, 2));
    assert_eq!(c, [Complex::new(-3.0, 0.0)]);
}

#[test]
fn complex_products_through_real_ones_are_those_of_the_definition() {
    use num_complex::Complex;
    type C = Complex<f64>;
    let (m, k, n) = (19, 23, 17);
    let number = |i: usize| C::new((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 40.0 - 1.2);
    let a: Vec<C> = (0..m * k).map(number).collect();
    let b: Vec<C> = (0..k * n).map(|i| number(i + 7)).collect();
    let bias: Vec<C> = (0..n).map(|i| number(i + 3)).collect();
    for (a_turned, b_turned, accumulate) in
        [(false, false, false), (true, false, true), (false, true, false), (true, true, true)]
    {
        let layout = |turned: bool, rows: usize, columns: usize| match turned {
            true => (1, rows as isize),
            false => (columns as isize, 1),
        };
        let ((ars, acs), (brs, bcs)) = (layout(a_turned, m, k), layout(b_turned, k, n));
        let mut results = [vec![C::new(0.5, -0.5); m * n], vec![C::new(0.5, -0.5); m * n]];
        for (run, c) in
            [gemm_complex::<f64> as unsafe fn(&Product<C>), gemm_portable::<C>].iter().zip(&mut results)
        {
            let product = Product {
                m,
                n,
                k,
                a: Mat { ptr: a.as_ptr(), rs: ars, cs: acs },
                b: Mat { ptr: b.as_ptr(), rs: brs, cs: bcs },
                c: c.as_mut_ptr(),
                ldc: n,
                accumulate,
                bias: Bias::PerColumn(bias.as_ptr()),
            };
            // SAFETY: the vectors have the sizes that the product says.
            unsafe { run(&product) };
        }
        let [fast, plain] = results;
        assert!(fast.iter().zip(&plain).all(|(x, y)| (x - y).norm() < 1e-12));
    }
}
