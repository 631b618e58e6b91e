//! Places in up to three dimensions, as kernels count them (places.cu).

use crate::bail;
use crate::error::Result;

/// `rn::Divisor`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Divisor {
    by: u32,
    factor: u32,
    shift: u32,
}

impl Divisor {
    /// Of numbers below 2^31.
    pub fn of(by: i32) -> Divisor {
        let by = by.max(1) as u32;
        let shift = 32 - (by - 1).leading_zeros();
        let factor = (((1u64 << 32) * ((1u64 << shift) - u64::from(by))) / u64::from(by) + 1) as u32;
        Divisor { by, factor, shift }
    }
}

/// A size as kernels have it.
pub fn int(value: i64) -> Result<i32> {
    match i32::try_from(value) {
        Ok(value) => Ok(value),
        Err(_) => bail!(Unsupported, "windows over 2^31 places are not implemented for CUDA tensors"),
    }
}

/// What `of` makes of each axis.
pub fn each<T, R: Copy + Default>(axes: &[T; 3], of: impl Fn(&T) -> Result<R>) -> Result<[R; 3]> {
    let mut out = [R::default(); 3];
    for (to, axis) in out.iter_mut().zip(axes) {
        *to = of(axis)?;
    }
    Ok(out)
}

/// So many planes go through one launch that a number below 2^31 counts their places: first planes and counts.
pub fn launches(planes: usize, places: usize) -> Result<impl Iterator<Item = (usize, usize)>> {
    let most = i32::MAX as usize / places.max(1);
    if most == 0 {
        bail!(Unsupported, "planes of 2^31 elements are not implemented for CUDA tensors");
    }
    Ok((0..planes).step_by(most).map(move |first| (first, most.min(planes - first))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_divide() {
        for by in [1, 2, 3, 5, 7, 9, 224, 640, 65_537, i32::MAX - 1, i32::MAX] {
            let d = Divisor::of(by);
            for n in [0, 1, 2, by - 1, by, by.saturating_add(1), 12_345_678, i32::MAX - 1, i32::MAX] {
                let high = (u64::from(n as u32) * u64::from(d.factor)) >> 32;
                assert_eq!((high + n as u64) >> d.shift, u64::from((n / by) as u32), "{n} / {by}");
            }
        }
    }
}
