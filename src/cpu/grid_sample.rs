//! Sampling of images and volumes at given points. Along each axis a point meets up to four elements
//! (taps), each with a weight and the weight's slope; values and gradients are products of these.

use num_traits::Float;
use std::ops::Range;

use crate::cpu::conv::Shared;
use crate::cpu::par;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Interpolation {
    Linear,
    Nearest,
    Cubic,
}

/// What lies beyond the edges.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Beyond {
    Zeros,
    Border,
    Reflection,
}

/// Input (n, c, sizes), points (n, points, 3), output (n, c, points). An image has a depth of one, and
/// its points two coordinates; the last axis comes first.
#[derive(Clone, Copy)]
pub struct Sampling {
    pub n: usize,
    pub c: usize,
    pub sizes: [usize; 3],
    pub dims: usize,
    pub points: usize,
    pub interpolation: Interpolation,
    pub beyond: Beyond,
    /// Whether -1 and 1 are the centres of the outermost elements, or their outer edges.
    pub align_corners: bool,
}

#[derive(Clone, Copy)]
struct Tap<T> {
    index: usize,
    weight: T,
    slope: T,
    /// The weight's second and third power of a small step, as in its Taylor series.
    higher: [T; 2],
}

/// The taps of an axis; those beyond the edges are left out.
#[derive(Clone, Copy)]
struct Taps<T> {
    list: [Tap<T>; 4],
    len: usize,
}

pub trait Real: Float + Send + Sync + 'static {
    /// Ties go to the even number.
    fn nearest(self) -> Self;
    /// The integer below, as an index and as a number; far outside for what is not a number. Written
    /// without `floor`, which is a call on processors without SSE 4.1.
    fn below(self) -> (i64, Self);
}

macro_rules! real {
    ($t:ident) => {
        impl Real for $t {
            fn nearest(self) -> $t {
                self.round_ties_even()
            }
            #[inline(always)]
            fn below(self) -> (i64, $t) {
                if self.is_nan() {
                    return (i64::MIN, self);
                }
                let whole = self as i64;
                let low = if whole as $t > self { whole.saturating_sub(1) } else { whole };
                (low, low as $t)
            }
        }
    };
}
real!(f32);
real!(f64);

fn number<T: Real>(x: f64) -> T {
    T::from(x).expect("a small constant")
}

impl Sampling {
    fn volume(&self) -> usize {
        self.sizes.iter().product()
    }

    /// A coordinate moved inside, and its slope.
    fn inside<T: Real>(&self, x: T, size: usize) -> (T, T) {
        let (one, last) = (T::one(), number::<T>(size as f64 - 1.0));
        let clipped = |x: T, slope: T| {
            if x <= T::zero() {
                (T::zero(), T::zero())
            } else if x >= last {
                (last, T::zero())
            } else {
                (x, slope)
            }
        };
        match self.beyond {
            Beyond::Zeros => (x, one),
            Beyond::Border => clipped(x, one),
            Beyond::Reflection => {
                let (low, span) = if self.align_corners {
                    (T::zero(), last)
                } else {
                    (number::<T>(-0.5), number::<T>(size as f64))
                };
                if span <= T::zero() {
                    return (T::zero(), T::zero());
                }
                let (from, sign) = if x < low { (low - x, -one) } else { (x - low, one) };
                let extra = from % span;
                let flips = (from / span).floor();
                if flips % number::<T>(2.0) == T::zero() {
                    clipped(extra + low, sign)
                } else {
                    clipped(span - extra + low, -sign)
                }
            }
        }
    }

    /// A coordinate from -1 to 1 as a place on an axis, and the scale between them.
    #[inline(always)]
    fn place<T: Real>(&self, coordinate: T, size: usize) -> (T, T) {
        let (one, half) = (T::one(), number::<T>(0.5));
        let extent = number::<T>(if self.align_corners { size as f64 - 1.0 } else { size as f64 });
        let x = if self.align_corners {
            (coordinate + one) * half * extent
        } else {
            ((coordinate + one) * extent - one) * half
        };
        (x, extent * half)
    }

    /// The two taps of linear interpolation, some of which may lie outside.
    #[inline(always)]
    fn neighbours<T: Real>(&self, coordinate: T, size: usize) -> [Option<Tap<T>>; 2] {
        let (x, scale) = self.place(coordinate, size);
        let (x, slope) = self.inside(x, size);
        let (index, low) = x.below();
        let tap = |index: i64, weight: T, slope: T| {
            let higher = [T::zero(); 2];
            ((index as u64) < size as u64).then_some(Tap { index: index as usize, weight, slope, higher })
        };
        let slope = slope * scale;
        [tap(index, low + T::one() - x, -slope), tap(index.saturating_add(1), x - low, slope)]
    }

    fn taps<T: Real>(&self, coordinate: T, size: usize) -> Taps<T> {
        let one = T::one();
        let (x, scale) = self.place(coordinate, size);
        let nothing = Tap { index: 0, weight: T::zero(), slope: T::zero(), higher: [T::zero(); 2] };
        let mut taps = Taps { list: [nothing; 4], len: 0 };
        let mut push = |at: T, [weight, slope, second, third]: [T; 4]| {
            // Not a number, and what is far away, lies nowhere.
            if let Some(index) = at.to_i64().filter(|&i| i >= 0 && (i as u64) < size as u64) {
                let higher = [second * scale * scale, third * scale * scale * scale];
                taps.list[taps.len] = Tap { index: index as usize, weight, slope: slope * scale, higher };
                taps.len += 1;
            }
        };
        match self.interpolation {
            Interpolation::Nearest => {
                push(self.inside(x, size).0.nearest(), [one, T::zero(), T::zero(), T::zero()]);
            }
            Interpolation::Linear => {
                for tap in self.neighbours(coordinate, size).into_iter().flatten() {
                    taps.list[taps.len] = tap;
                    taps.len += 1;
                }
            }
            Interpolation::Cubic => {
                let low = x.floor();
                let part = x - low;
                for k in 0..4 {
                    let step = number::<T>(k as f64 - 1.0);
                    push(self.inside(low + step, size).0.trunc(), cubic(part - step));
                }
            }
        }
        taps
    }

    /// The taps of a point, depth first.
    ///
    /// # Safety
    /// `grid` has the coordinates of the point.
    unsafe fn taps_of<T: Real>(&self, grid: *const T) -> [Taps<T>; 3] {
        let single = Tap { index: 0, weight: T::one(), slope: T::zero(), higher: [T::zero(); 2] };
        std::array::from_fn(|axis| {
            if axis + self.dims < 3 {
                return Taps { list: [single; 4], len: 1 };
            }
            // SAFETY: the caller's promise.
            self.taps(unsafe { *grid.add(2 - axis) }, self.sizes[axis])
        })
    }

    /// The elements that some points of an image meet: for all channels the same.
    ///
    /// # Safety
    /// `grid` has the coordinates of all points of the image.
    unsafe fn meet<T: Real>(&self, grid: *const T, points: Range<usize>, met: &mut Met<T>) {
        met.list.clear();
        met.ends.clear();
        if self.interpolation == Interpolation::Linear && self.dims == 2 {
            // SAFETY: the caller's promise.
            unsafe { self.meet_in_image(grid, points, met) };
            return;
        }
        for point in points {
            // SAFETY: the caller's promise.
            let taps = unsafe { self.taps_of::<T>(grid.add(point * self.dims)) };
            for z in &taps[0].list[..taps[0].len] {
                for y in &taps[1].list[..taps[1].len] {
                    for x in &taps[2].list[..taps[2].len] {
                        met.list.push(Meeting {
                            index: (z.index * self.sizes[1] + y.index) * self.sizes[2] + x.index,
                            weight: z.weight * y.weight * x.weight,
                            slopes: [
                                z.weight * y.weight * x.slope,
                                z.weight * y.slope * x.weight,
                                z.slope * y.weight * x.weight,
                            ],
                        });
                    }
                }
            }
            met.ends.push(met.list.len());
        }
    }

    /// [`Sampling::meet`] for linear interpolation in images, which is what nearly everybody asks for.
    ///
    /// # Safety
    /// As there.
    unsafe fn meet_in_image<T: Real>(&self, grid: *const T, points: Range<usize>, met: &mut Met<T>) {
        for point in points {
            // SAFETY: the caller's promise.
            let (x, y) = unsafe { (*grid.add(point * 2), *grid.add(point * 2 + 1)) };
            let columns = self.neighbours(x, self.sizes[2]);
            for row in self.neighbours(y, self.sizes[1]).into_iter().flatten() {
                for column in columns.iter().flatten() {
                    met.list.push(Meeting {
                        index: row.index * self.sizes[2] + column.index,
                        weight: row.weight * column.weight,
                        slopes: [row.weight * column.slope, row.slope * column.weight, T::zero()],
                    });
                }
            }
            met.ends.push(met.list.len());
        }
    }
}

/// An element that a point meets: what it weighs, and how that changes with each coordinate of the point.
struct Meeting<T> {
    index: usize,
    weight: T,
    slopes: [T; 3],
}

/// The elements that some points meet, point after point.
struct Met<T> {
    list: Vec<Meeting<T>>,
    ends: Vec<usize>,
}

impl<T> Met<T> {
    fn new() -> Met<T> {
        Met { list: Vec::new(), ends: Vec::new() }
    }

    /// Those of each point.
    #[inline(always)]
    fn points(&self) -> impl Iterator<Item = &[Meeting<T>]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let part = &self.list[start..end];
            start = end;
            part
        })
    }
}

/// Points that go through all channels together: what they meet stays in the first-level cache, and so
/// does the part of a channel they lie in.
const BLOCK: usize = 128;

/// Cubic convolution (Keys, 1981) with the slope -0.75 at a distance: the coefficients of its Taylor
/// series there.
fn cubic<T: Real>(distance: T) -> [T; 4] {
    let a = number::<T>(-0.75);
    let [one, two, three, four, five, eight] = [1.0, 2.0, 3.0, 4.0, 5.0, 8.0].map(number::<T>);
    let x = distance.abs();
    let sign = if distance < T::zero() { -one } else { one };
    if x <= one {
        let weight = ((a + two) * x - (a + three)) * x * x + one;
        let slope = sign * (three * (a + two) * x - two * (a + three)) * x;
        [weight, slope, three * (a + two) * x - (a + three), sign * (a + two)]
    } else {
        let weight = ((a * x - five * a) * x + eight * a) * x - four * a;
        let slope = sign * ((three * a * x - two * five * a) * x + eight * a);
        [weight, slope, (three * x - five) * a, sign * a]
    }
}

/// The element that a tap of a point meets along an axis, and the tap's weight as a polynomial of a small
/// step of the coordinate. Taps beyond the edges have no weight.
pub struct Series<T> {
    pub index: i64,
    pub coefficients: [T; 4],
}

impl Sampling {
    /// Number of taps along an axis, and of coefficients of their weights that are not zero.
    pub fn taps_and_terms(&self) -> (usize, usize) {
        match self.interpolation {
            Interpolation::Nearest => (1, 1),
            Interpolation::Linear => (2, 2),
            Interpolation::Cubic => (4, 4),
        }
    }

    /// The taps of a coordinate along an axis of the input (0 the depth).
    pub fn series<T: Real>(&self, coordinate: T, axis: usize) -> [Series<T>; 4] {
        let taps = self.taps(coordinate, self.sizes[axis]);
        taps.list.map(|tap| Series {
            index: tap.index as i64,
            coefficients: [tap.weight, tap.slope, tap.higher[0], tap.higher[1]],
        })
    }
}

/// `y`: the input at the points.
///
/// # Safety
/// Contiguous with the extents of `s`; `y` may be uninitialised and overlaps nothing.
pub unsafe fn forward<T: Real>(s: &Sampling, x: *const T, grid: *const T, y: *mut T) {
    let (x, grid, y) = (Shared::of(x), Shared::of(grid), Shared::new(y));
    let blocks = s.points.div_ceil(BLOCK);
    let volume = s.volume();
    let cost = (20 + 8 * s.c) as f64 * s.points.min(BLOCK) as f64;
    par::for_range(s.n * blocks, par::grain_for(s.n * blocks, cost), &|items| {
        let mut met = Met::new();
        for item in items {
            let (image, first) = (item / blocks, item % blocks * BLOCK);
            let points = first..s.points.min(first + BLOCK);
            // SAFETY: what is met lies within the input; every block writes its own outputs.
            unsafe {
                s.meet(grid.at(image * s.points * s.dims), points, &mut met);
                for c in 0..s.c {
                    let from = x.at((image * s.c + c) * volume);
                    let to = y.at((image * s.c + c) * s.points + first);
                    for (j, met) in met.points().enumerate() {
                        let part = |m: &Meeting<T>| *from.add(m.index) * m.weight;
                        // Four without a loop: nearly all points of images.
                        let sum = match met {
                            [a, b, c, d] => part(a) + part(b) + part(c) + part(d),
                            _ => met.iter().fold(T::zero(), |sum, m| sum + part(m)),
                        };
                        to.add(j).write(sum);
                    }
                }
            }
        }
    });
}

/// What the output's gradient says about the input and the points.
///
/// # Safety
/// As [`forward`]; `gx` and `ggrid` have the extents of `x` and `grid`, or are null if not wanted.
pub unsafe fn backward<T: Real>(
    s: &Sampling,
    x: *const T,
    grid: *const T,
    gy: *const T,
    gx: *mut T,
    ggrid: *mut T,
) {
    let (wants_x, wants_grid) = (!gx.is_null(), !ggrid.is_null());
    let (x, grid, gy) = (Shared::of(x), Shared::of(grid), Shared::of(gy));
    let (gx, ggrid) = (Shared::new(gx), Shared::new(ggrid));
    let volume = s.volume();
    let cost = (s.c * (volume + 16 * s.points)) as f64;
    par::for_range(s.n, par::grain_for(s.n, cost), &|images| {
        let mut met = Met::new();
        for image in images {
            if wants_x {
                // SAFETY: an image is written by one thread; what is met lies within it; here and below.
                unsafe { gx.at(image * s.c * volume).write_bytes(0, s.c * volume) };
            }
            for first in (0..s.points).step_by(BLOCK) {
                let points = first..s.points.min(first + BLOCK);
                let mut slopes = [[T::zero(); 3]; BLOCK];
                // SAFETY: see above.
                unsafe {
                    s.meet(grid.at(image * s.points * s.dims), points.clone(), &mut met);
                    for c in 0..s.c {
                        let plane = (image * s.c + c) * volume;
                        let (from, to) = (x.at(plane), gx.at(plane));
                        let gy = gy.at((image * s.c + c) * s.points + first);
                        for (j, met) in met.points().enumerate() {
                            let g = *gy.add(j);
                            if wants_x {
                                let add = |m: &Meeting<T>| {
                                    let place = to.add(m.index);
                                    *place = *place + g * m.weight;
                                };
                                match met {
                                    [a, b, c, d] => [a, b, c, d].into_iter().for_each(add),
                                    _ => met.iter().for_each(add),
                                }
                            }
                            if wants_grid {
                                let part = |m: &Meeting<T>| {
                                    let v = *from.add(m.index);
                                    m.slopes.map(|slope| v * slope)
                                };
                                let both = |a: [T; 3], b: [T; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
                                let sum = match met {
                                    [a, b, c, d] => both(both(part(a), part(b)), both(part(c), part(d))),
                                    _ => met.iter().map(part).fold([T::zero(); 3], both),
                                };
                                slopes[j] = both(slopes[j], sum.map(|v| v * g));
                            }
                        }
                    }
                    if wants_grid {
                        for (point, sums) in points.zip(&slopes) {
                            let to = ggrid.at((image * s.points + point) * s.dims);
                            to.copy_from_nonoverlapping(sums.as_ptr(), s.dims);
                        }
                    }
                }
            }
        }
    });
}
