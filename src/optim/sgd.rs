//! Stochastic gradient descent, with momentum.

use super::gpu::{SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, flag, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct SgdRule<C> {
    sign: C,
    lr: C,
    momentum: C,
    keep: C,
    weight_decay: C,
    nesterov: bool,
}

impl Sgd {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[4] != T(0)) g = g + s[4] * v[0];
    if constexpr (N == 3) {
        v[2] = v[2] * s[2] + g * s[3];
        g = s[5] != T(0) ? g + s[2] * v[2] : v[2];
    }
    v[0] = v[0] - s[1] * g;";
}

impl Optimizer for Sgd {
    type Rule<C: Real> = SgdRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 2..=3;

    fn state(&self) -> Vec<&'static str> {
        if self.momentum == 0.0 { vec![] } else { vec!["momentum_buffer"] }
    }

    fn counts(&self) -> &'static [&'static str] {
        &[]
    }

    fn rule<C: Real>(&self, _: &mut [Count]) -> SgdRule<C> {
        SgdRule {
            sign: sign(self.maximize),
            lr: constant(self.lr),
            momentum: constant(self.momentum),
            keep: constant(1.0 - self.dampening),
            weight_decay: constant(self.weight_decay),
            nesterov: self.nesterov,
        }
    }
}

impl<C: Real> Rule<C> for SgdRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0];
        let mut g = with_decay(values[1] * self.sign, p, self.weight_decay);
        if N == 3 {
            let buffer = values[2] * self.momentum + g * self.keep;
            values[2] = buffer;
            g = if self.nesterov { g + self.momentum * buffer } else { buffer };
        }
        values[0] = p - self.lr * g;
    }

    const TEXT: &'static str = Sgd::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.lr, self.momentum, self.keep, self.weight_decay, flag(self.nesterov)])
    }
}
