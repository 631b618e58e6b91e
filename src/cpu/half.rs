//! Conversions of half-precision floats without branches, so that loops over them are vectorised.

/// The value of a float16, by its bits.
#[inline(always)]
pub fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff) << 13;
    // The exponent moves from bias 15 to 127; a subnormal number is the fraction of one that is normal.
    let normal = rest + (112 << 23);
    let one = 113 << 23;
    let subnormal = (f32::from_bits(rest | one) - f32::from_bits(one)).to_bits();
    let small = bits & 0x7c00 == 0;
    let large = bits & 0x7c00 == 0x7c00;
    let magnitude = if small { subnormal } else { normal };
    f32::from_bits(sign | if large { rest | 0x7f80_0000 } else { magnitude })
}

/// The nearest float16, as bits; ties go to the even one.
#[inline(always)]
pub fn to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rest = bits & 0x7fff_ffff;
    let odd = (rest >> 13) & 1;
    let normal = rest.wrapping_sub(112 << 23).wrapping_add(0xfff + odd) >> 13;
    // Adding one half shifts the last bits of a subnormal number out, rounding as the CPU does.
    let half = 126 << 23;
    let subnormal = (f32::from_bits(rest) + f32::from_bits(half)).to_bits().wrapping_sub(half);
    let large = if rest > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let magnitude = if rest < 113 << 23 { subnormal } else { normal };
    let magnitude = if rest >= 143 << 23 { large } else { magnitude };
    (magnitude | (bits >> 16 & 0x8000)) as u16
}

/// The value of a bfloat16, by its bits.
#[inline(always)]
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bfloat16, as bits; ties go to the even one.
#[inline(always)]
pub fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    (if nan { bits >> 16 | 0x40 } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn conversions_are_those_of_the_crate_half() {
        for bits in 0..=u16::MAX {
            let (a, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(
                from_f16(bits).to_bits() == a.to_f32().to_bits() || a.is_nan() && from_f16(bits).is_nan()
            );
            assert!(
                from_bf16(bits).to_bits() == b.to_f32().to_bits() || b.is_nan() && from_bf16(bits).is_nan()
            );
        }
        for i in 0..1 << 21 {
            for low in [0, 1, 0x7ff] {
                let x = f32::from_bits(i << 11 | low);
                assert!(
                    to_f16(x) == f16::from_f32(x).to_bits()
                        || x.is_nan() && f16::from_bits(to_f16(x)).is_nan()
                );
                assert!(
                    to_bf16(x) == bf16::from_f32(x).to_bits()
                        || x.is_nan() && bf16::from_bits(to_bf16(x)).is_nan()
                );
            }
        }
    }
}
