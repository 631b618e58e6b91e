//! Streams of random numbers: PyTorch's for the CPU, bit for bit, so that the same seed gives the same numbers; and
//! for GPUs the places of streams that their kernels draw from.

use std::sync::{Arc, LazyLock, Mutex};

use crate::bail;
use crate::cuda::gpu::{Gpu, MAX_GPUS, META};
use crate::device::Device;
use crate::error::Result;
use crate::fork::Section;

const N: usize = 624;
const M: usize = 397;

/// Words that are drawn at once where many values are wanted.
const AT_ONCE: usize = 512;

/// The default seed of PyTorch's generators.
pub const DEFAULT_SEED: u64 = 67280421310721;

/// mt19937 (Matsumoto and Nishimura, 1998), with the second half of a pair of normal numbers that was
/// not used yet.
#[derive(Clone)]
pub struct Mt19937 {
    state: [u32; N],
    /// Words left before the state has to be stirred.
    left: usize,
    next: usize,
    seed: u64,
    pub spare_normal: Option<f64>,
    pub spare_normal_f32: Option<f32>,
}

/// A word of the state as it is given out.
#[inline]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

#[inline]
fn uniform_f32(word: u32) -> f32 {
    // As a signed integer, for which every processor has a conversion.
    (word & 0xff_ffff) as i32 as f32 * (1.0 / 16_777_216.0)
}

#[inline]
fn uniform_f64(word: u64) -> f64 {
    (word & ((1 << 53) - 1)) as i64 as f64 * (1.0 / 9_007_199_254_740_992.0)
}

impl Mt19937 {
    pub fn new(seed: u64) -> Mt19937 {
        let mut state = [0u32; N];
        state[0] = seed as u32;
        for i in 1..N {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Mt19937 { state, left: 1, next: 0, seed, spare_normal: None, spare_normal_f32: None }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn stir(&mut self) {
        let twist = |a: u32, b: u32| {
            (((a & 0x8000_0000) | (b & 0x7fff_ffff)) >> 1) ^ (if b & 1 == 1 { 0x9908_b0df } else { 0 })
        };
        let s = &mut self.state;
        for i in 0..N - M {
            s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
        }
        for i in N - M..N - 1 {
            s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
        }
        s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
        self.left = N;
        self.next = 0;
    }

    /// 32 random bits.
    #[inline]
    pub fn random(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.stir();
        }
        self.next += 1;
        temper(self.state[self.next - 1])
    }

    /// As many times 32 random bits: the same as that many calls of [`Mt19937::random`].
    fn fill(&mut self, mut words: &mut [u32]) {
        while !words.is_empty() {
            if self.left == 1 {
                self.stir();
                // What follows counts the draw that stirred as well.
                self.left = N + 1;
            }
            let count = words.len().min(self.left - 1);
            let (now, later) = words.split_at_mut(count);
            for (word, &s) in now.iter_mut().zip(&self.state[self.next..]) {
                *word = temper(s);
            }
            self.next += count;
            self.left -= count;
            words = later;
        }
    }

    /// Draws of [`Mt19937::uniform_f32`].
    pub fn uniforms_f32(&mut self, values: &mut [f32]) {
        let mut words = [0; AT_ONCE];
        for values in values.chunks_mut(AT_ONCE) {
            let words = &mut words[..values.len()];
            self.fill(words);
            for (value, &word) in values.iter_mut().zip(&*words) {
                *value = uniform_f32(word);
            }
        }
    }

    /// Draws of [`Mt19937::uniform_f64`].
    pub fn uniforms_f64(&mut self, values: &mut [f64]) {
        let mut words = [0; AT_ONCE];
        for values in values.chunks_mut(AT_ONCE / 2) {
            let words = &mut words[..2 * values.len()];
            self.fill(words);
            for (value, pair) in values.iter_mut().zip(words.chunks_exact(2)) {
                *value = uniform_f64(((pair[0] as u64) << 32) | pair[1] as u64);
            }
        }
    }

    /// 64 random bits; the first draw is the upper half.
    #[inline]
    pub fn random64(&mut self) -> u64 {
        let high = self.random() as u64;
        (high << 32) | self.random() as u64
    }

    /// Uniform on [0, 1) with 24 bits.
    #[inline]
    pub fn uniform_f32(&mut self) -> f32 {
        uniform_f32(self.random())
    }

    /// Uniform on [0, 1) with 53 bits.
    #[inline]
    pub fn uniform_f64(&mut self) -> f64 {
        uniform_f64(self.random64())
    }

    /// One draw of the standard normal distribution, from pairs of doubles.
    pub fn normal_f64(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform_f64(), self.uniform_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * u1;
        self.spare_normal = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// The state in the layout of PyTorch's `get_rng_state`: 5056 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(5056);
        out.extend(self.seed.to_le_bytes());
        out.extend((self.left as i32).to_le_bytes());
        out.extend(1i32.to_le_bytes());
        out.extend((self.next as u64).to_le_bytes());
        for word in self.state {
            out.extend((word as u64).to_le_bytes());
        }
        out.extend(0f64.to_le_bytes());
        out.extend(self.spare_normal.unwrap_or(0.0).to_le_bytes());
        out.extend(0f64.to_le_bytes());
        out.extend((self.spare_normal.is_some() as i32).to_le_bytes());
        out.extend(0i32.to_le_bytes());
        out.extend(self.spare_normal_f32.unwrap_or(0.0).to_le_bytes());
        out.push(self.spare_normal_f32.is_some() as u8);
        out.extend([0u8; 3]);
        out
    }

    /// Reads what [`Mt19937::to_bytes`] wrote; `None` if it is not such a state.
    pub fn from_bytes(bytes: &[u8]) -> Option<Mt19937> {
        if bytes.len() != 5056 {
            return None;
        }
        let u64_at = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().expect("8 bytes"));
        let i32_at = |i: usize| i32::from_le_bytes(bytes[i..i + 4].try_into().expect("4 bytes"));
        let mut mt = Mt19937::new(u64_at(0));
        let (left, next) = (i32_at(8), u64_at(16));
        if !(1..=N as i32).contains(&left) || next > N as u64 || i32_at(12) != 1 {
            return None;
        }
        // Whatever is left must lie within the table.
        if next + left as u64 - 1 > N as u64 {
            return None;
        }
        (mt.left, mt.next) = (left as usize, next as usize);
        for (i, word) in mt.state.iter_mut().enumerate() {
            *word = u64_at(24 + 8 * i) as u32;
        }
        let after = 24 + 8 * N;
        mt.spare_normal = (i32_at(after + 24) != 0).then(|| f64::from_bits(u64_at(after + 8)));
        mt.spare_normal_f32 = (bytes[after + 36] != 0).then(|| f32::from_bits(i32_at(after + 32) as u32));
        Some(mt)
    }
}

/// The stream of a GPU: Philox (Salmon and others, 2011) makes any place of it at once, so that there is no state but
/// a place. The seed is the key; each thread of a kernel has a part of its own, in which `offset` numbers are used up.
#[derive(Clone, Copy)]
pub struct Philox {
    pub seed: u64,
    /// A multiple of 4: numbers are made by fours.
    pub offset: u64,
    /// The graph that is being captured with draws from here.
    pub capture: Option<Capture>,
}

/// Draws that a graph records: they begin where its memory says when it is replayed.
#[derive(Clone, Copy)]
pub struct Capture {
    /// Seed and offset of a replay, in memory of the GPU.
    pub address: u64,
    /// Numbers that a thread has taken since the capture began.
    pub used: u64,
}

/// Where a kernel draws from, as `rn::Place` has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub seed: u64,
    pub offset: u64,
    /// Where a graph has the seed, and what is to be added to the offset; 0 outside of graphs.
    pub graph: u64,
}

impl Philox {
    pub fn new(seed: u64) -> Philox {
        Philox { seed, offset: 0, capture: None }
    }

    /// Where to draw from, if each thread takes `count` numbers.
    pub fn take(&mut self, count: u64) -> Place {
        let place = Place { seed: self.seed, offset: self.offset, graph: 0 };
        self.offset = self.offset.wrapping_add(count.next_multiple_of(4));
        place
    }

    /// The same for a graph, whose capture is under way.
    fn take_in_graph(&mut self, count: u64) -> Result<Place> {
        let Some(capture) = &mut self.capture else {
            bail!(
                Autograd,
                "a generator that is not the default one is drawn from while a CUDA graph is captured: call register_generator_state() of the graph with it before"
            );
        };
        let place = Place { seed: 0, offset: capture.used, graph: capture.address };
        capture.used = capture.used.wrapping_add(count.next_multiple_of(4));
        Ok(place)
    }

    /// The state in the layout of PyTorch's `get_rng_state`: 16 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.seed.to_le_bytes(), self.offset.to_le_bytes()].concat()
    }

    /// Reads what [`Philox::to_bytes`] wrote, or a seed alone; `None` if it is not such a state.
    pub fn from_bytes(bytes: &[u8]) -> Option<Philox> {
        let (seed, rest) = bytes.split_first_chunk()?;
        let offset = if rest.is_empty() { 0 } else { u64::from_le_bytes(rest.try_into().ok()?) };
        offset.is_multiple_of(4).then_some(Philox { seed: u64::from_le_bytes(*seed), offset, capture: None })
    }
}

/// A stream that several places can draw from.
pub struct Stream<S>(Arc<Mutex<S>>);

impl<S> Clone for Stream<S> {
    fn clone(&self) -> Stream<S> {
        Stream(Arc::clone(&self.0))
    }
}

impl<S> Stream<S> {
    pub fn new(state: S) -> Stream<S> {
        Stream(Arc::new(Mutex::new(state)))
    }

    /// Whether both are one stream.
    pub fn same(&self, other: &Stream<S>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Runs `body` with the stream to itself.
    pub fn with<R>(&self, body: impl FnOnce(&mut S) -> R) -> R {
        let _section = Section::begin();
        let mut stream = self.0.lock().unwrap_or_else(|e| e.into_inner());
        body(&mut stream)
    }
}

/// The stream of the CPU that is used where no generator is named.
pub static DEFAULT: LazyLock<Stream<Mt19937>> = LazyLock::new(|| Stream::new(Mt19937::new(DEFAULT_SEED)));

/// Those of the GPUs. Nobody can foresee their seeds unless they are seeded, as in PyTorch.
pub static GPUS: LazyLock<[Stream<Philox>; MAX_GPUS]> =
    LazyLock::new(|| std::array::from_fn(|_| Stream::new(Philox::new(unforeseen_seed()))));

/// A seed that nobody can foresee.
pub fn unforeseen_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.finish() & ((1 << 53) - 1)
}

/// A generator: a stream of the CPU or of a GPU.
#[derive(Clone)]
pub enum Generator {
    Cpu(Stream<Mt19937>),
    Cuda(u8, Stream<Philox>),
}

impl Generator {
    pub fn device(&self) -> Device {
        match self {
            Generator::Cpu(_) => Device::Cpu,
            Generator::Cuda(index, _) => Device::Cuda(*index),
        }
    }
}

/// Draws on the CPU, from the default stream if no generator is named.
pub fn draw<R>(generator: Option<&Generator>, body: impl FnOnce(&mut Mt19937) -> Result<R>) -> Result<R> {
    match generator {
        None => DEFAULT.with(body),
        Some(Generator::Cpu(stream)) => stream.with(body),
        Some(Generator::Cuda(..)) => {
            bail!(Autograd, "Expected a 'cpu' device type for generator but found 'cuda'")
        }
    }
}

/// Takes `count` numbers a thread from the stream of a GPU, from its default one if no generator is named.
pub fn take(generator: Option<&Generator>, gpu: &Gpu, count: u64) -> Result<Place> {
    let capturing = gpu.is_capturing();
    let draw = |philox: &mut Philox| match capturing {
        true => philox.take_in_graph(count),
        false => Ok(philox.take(count)),
    };
    let gpu = gpu.index;
    match generator {
        _ if gpu == META => Ok(Place { seed: 0, offset: 0, graph: 0 }),
        None => GPUS[gpu as usize].with(draw),
        Some(Generator::Cuda(index, stream)) if *index == gpu => stream.with(draw),
        Some(Generator::Cuda(index, _)) => bail!(
            Autograd,
            "Expected a generator of 'cuda:{gpu}', where the tensor is, but found one of 'cuda:{index}'"
        ),
        Some(Generator::Cpu(_)) => {
            bail!(Autograd, "Expected a 'cuda' device type for generator but found 'cpu'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_stream() {
        // First outputs of mt19937 for init_genrand(5489), from its authors.
        let mut mt = Mt19937::new(5489);
        assert_eq!([mt.random(), mt.random(), mt.random()], [3499211612, 581869302, 3890346734]);
    }

    #[test]
    fn states_round_trip() {
        let mut mt = Mt19937::new(7);
        (0..1000).for_each(|_| _ = mt.random());
        mt.normal_f64();
        let mut again = Mt19937::from_bytes(&mt.to_bytes()).unwrap();
        assert_eq!(again.normal_f64(), mt.normal_f64());
        assert_eq!(again.random64(), mt.random64());
        assert!(Mt19937::from_bytes(&[0; 5056]).is_none());
    }

    #[test]
    fn places_of_philox_round_trip() {
        let mut philox = Philox::new(7);
        assert_eq!([philox.take(4).offset, philox.take(5).offset, philox.offset], [0, 4, 12]);
        let again = Philox::from_bytes(&philox.to_bytes()).unwrap();
        assert_eq!((again.seed, again.offset), (7, 12));
        assert_eq!(Philox::from_bytes(&9u64.to_le_bytes()).unwrap().seed, 9);
        assert!(Philox::from_bytes(&[0; 7]).is_none() && Philox::from_bytes(&[1; 16]).is_none());
    }
}
