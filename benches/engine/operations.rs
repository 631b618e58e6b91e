//! What an operation costs beyond its arithmetic: on 4 floats, without and with recording, and a
//! node of the backward.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rustnn::autograd::engine::{Root, Walk, backward};
use rustnn::ops::arithmetic::{add, mul};
use rustnn::ops::{reduce, table, view};
use rustnn::tensor::Tensor;

fn four() -> Tensor {
    Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[4]).expect("a small tensor")
}

fn leaf() -> Tensor {
    let t = four();
    t.set_requires_grad(true).expect("floats can require gradients");
    t
}

fn operations(c: &mut Criterion) {
    let (x, y) = (four(), four());
    c.bench_function("add, 4 floats", |b| b.iter(|| add(black_box(&x), black_box(&y))));
    c.bench_function("mul by a number, 4 floats", |b| b.iter(|| mul(black_box(&x), 2.0)));
    c.bench_function("relu, 4 floats", |b| b.iter(|| table::relu(black_box(&x))));
    c.bench_function("view, 4 floats", |b| b.iter(|| view::view(black_box(&x), &[2, 2])));
    c.bench_function("sum, 4 floats", |b| b.iter(|| reduce::sum(black_box(&x), None, false, None)));
    let (x, y) = (leaf(), leaf());
    c.bench_function("add, 4 floats, recorded", |b| b.iter(|| add(black_box(&x), black_box(&y))));
    c.bench_function("mul, 4 floats, recorded", |b| b.iter(|| mul(black_box(&x), black_box(&y))));
    c.bench_function("relu, 4 floats, recorded", |b| b.iter(|| table::relu(black_box(&x))));
}

fn walks(c: &mut Criterion) {
    const DEPTH: usize = 1000;
    c.bench_function("backward through 1000 nodes", |b| {
        b.iter_batched(
            || {
                let mut y = add(&leaf(), 0.0).expect("add");
                for _ in 0..DEPTH {
                    y = add(&y, 1.0).expect("add");
                }
                reduce::sum(&y, None, false, None).expect("sum")
            },
            |y| backward(&[Root::new(y, None)], None, Walk::default()),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, operations, walks);
criterion_main!(benches);
