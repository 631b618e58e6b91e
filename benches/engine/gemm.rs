//! Matrix products: squares, Linear layers, matrix-vector, batches.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustnn::cpu::gemm::{Batch, Bias, Mat, Product, gemm_batch};
use std::hint::black_box;

/// One case: `count` products of `m` x `k` by `k` x `n`, B transposed or not.
struct Case {
    name: &'static str,
    count: usize,
    shape: (usize, usize, usize),
    b_transposed: bool,
}

const CASES: [Case; 10] = [
    Case { name: "square", count: 1, shape: (32, 32, 32), b_transposed: false },
    Case { name: "square", count: 1, shape: (256, 256, 256), b_transposed: false },
    Case { name: "square", count: 1, shape: (1024, 1024, 1024), b_transposed: false },
    Case { name: "linear", count: 1, shape: (64, 512, 784), b_transposed: true },
    Case { name: "linear", count: 1, shape: (64, 10, 256), b_transposed: true },
    Case { name: "linear", count: 1, shape: (512, 3072, 768), b_transposed: true },
    Case { name: "row times matrix", count: 1, shape: (1, 1024, 1024), b_transposed: true },
    Case { name: "matrix times column", count: 1, shape: (1024, 1, 1024), b_transposed: false },
    Case { name: "batch", count: 64, shape: (32, 32, 32), b_transposed: false },
    Case { name: "batch", count: 32, shape: (256, 256, 64), b_transposed: true },
];

fn gemm(criterion: &mut Criterion) {
    for Case { name, count, shape: (m, n, k), b_transposed } in CASES {
        let a: Vec<f32> = (0..count * m * k).map(|i| (i % 7) as f32 - 3.0).collect();
        let b: Vec<f32> = (0..count * k * n).map(|i| (i % 5) as f32 - 2.0).collect();
        let mut c = vec![0.0f32; count * m * n];
        let (rs, cs) = if b_transposed { (1, k as isize) } else { (n as isize, 1) };
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
        let batch = Batch { count, a: (m * k) as isize, b: (k * n) as isize, c: m * n };
        let mut group = criterion.benchmark_group("gemm f32");
        // Elements are multiply-adds: twice as many floating-point operations.
        group.throughput(Throughput::Elements((count * m * n * k) as u64));
        group.bench_function(BenchmarkId::new(name, format!("{count} x {m}x{n}x{k}")), |bencher| {
            // SAFETY: the buffers hold `count` operands and results of these sizes.
            bencher.iter(|| unsafe { gemm_batch(black_box(&product), &batch) });
        });
        group.finish();
    }
}

criterion_group!(benches, gemm);
criterion_main!(benches);
