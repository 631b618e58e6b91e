//! RMSprop: steps by the root of the mean square (Hinton, 2012), or of the variance (Graves, 2013).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, flag, lerp, sign, with_decay};

#[derive(Clone, Copy)]
pub struct RmsProp {
    pub lr: f64,
    pub alpha: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum: f64,
    pub centered: bool,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct RmsPropRule<C> {
    sign: C,
    weight_decay: C,
    lr: C,
    old: C,
    new: C,
    eps: C,
    momentum: C,
    centered: bool,
}

impl RmsProp {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * v[0];
    v[2] = v[2] * s[3] + s[4] * g * g;
    T variance = v[2];
    if constexpr (N > 3) if (s[7] != T(0)) {
        v[3] = s[4] + s[4] < T(1) ? v[3] + s[4] * (g - v[3]) : g - (g - v[3]) * (T(1) - s[4]);
        variance = variance - v[3] * v[3];
    }
    T step = g / (sqrt(variance) + s[5]);
    if constexpr (N > 3) if (N == 5 || s[7] == T(0)) step = v[N - 1] = v[N - 1] * s[6] + step;
    v[0] = v[0] - s[2] * step;";
}

impl Optimizer for RmsProp {
    type Rule<C: Real> = RmsPropRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 3..=5;

    fn state(&self) -> Vec<&'static str> {
        let mut names = vec!["square_avg"];
        if self.centered {
            names.push("grad_avg");
        }
        if self.momentum > 0.0 {
            names.push("momentum_buffer");
        }
        names
    }

    const COUNTED: Option<&'static str> = Some("s[2] = T(h[0]);");

    fn counted_by(&self) -> [f64; NUMBERS] {
        [self.lr, 0.0, 0.0, 0.0, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> RmsPropRule<C> {
        counts[0].advance();
        RmsPropRule {
            sign: sign(self.maximize),
            weight_decay: constant(self.weight_decay),
            lr: constant(self.lr),
            old: constant(self.alpha),
            new: constant(1.0 - self.alpha),
            eps: constant(self.eps),
            momentum: constant(self.momentum),
            centered: self.centered,
        }
    }
}

impl<C: Real> Rule<C> for RmsPropRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let g = with_decay(values[1] * self.sign, values[0], self.weight_decay);
        let square = values[2] * self.old + self.new * g * g;
        values[2] = square;
        let mut variance = square;
        if N > 3 && self.centered {
            let mean = lerp(values[3], g, self.new);
            values[3] = mean;
            variance = square - mean * mean;
        }
        let mut step = g / (variance.sqrt() + self.eps);
        if N == 5 || N == 4 && !self.centered {
            step = values[N - 1] * self.momentum + step;
            values[N - 1] = step;
        }
        values[0] = values[0] - self.lr * step;
    }

    const TEXT: &'static str = RmsProp::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([
            self.sign,
            self.weight_decay,
            self.lr,
            self.old,
            self.new,
            self.eps,
            self.momentum,
            flag(self.centered),
        ])
    }
}
