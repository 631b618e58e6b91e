//! What the machine itself can do, for the fractions that compare.py prints: `peak THREADS` writes the most
//! floating-point operations (float32, fused multiply-add in registers) and the most bytes (a copy of memory that no
//! cache holds, read and written) in a second.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

const LANES: usize = if cfg!(target_feature = "avx512f") { 16 } else { 8 };
const CHAINS: usize = 12;
const STEPS: usize = 2_000_000;
const COPIED: usize = 1 << 26;

fn multiply_add() {
    let (a, b) = (black_box([1.000_000_1_f32; LANES]), black_box([1e-9_f32; LANES]));
    let mut sums = black_box([[1.0_f32; LANES]; CHAINS]);
    for _ in 0..STEPS {
        for sum in &mut sums {
            for lane in 0..LANES {
                sum[lane] = sum[lane].mul_add(a[lane], b[lane]);
            }
        }
    }
    black_box(sums);
}

/// The shortest of some rounds in which every thread runs its own piece of work.
fn seconds<T: Send>(pieces: &mut [T], work: impl Fn(&mut T) + Sync) -> f64 {
    let work = &work;
    let rounds = (0..7).map(|_| {
        let start = Instant::now();
        thread::scope(|scope| {
            for piece in pieces.iter_mut() {
                scope.spawn(move || work(piece));
            }
        });
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn main() {
    let threads: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    let time = seconds(&mut vec![(); threads], |()| multiply_add());
    let operations = (2 * LANES * CHAINS * STEPS * threads) as f64 / time;
    let words = COPIED / threads;
    let mut memory = vec![(vec![1.0_f32; words], vec![0.0_f32; words]); threads];
    let time = seconds(&mut memory, |(from, to)| black_box(to).copy_from_slice(black_box(from)));
    let bytes = (2 * 4 * words * threads) as f64 / time;
    println!("{operations} {bytes}");
}
