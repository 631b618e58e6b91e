//! Adadelta: steps in the unit of the parameter (Zeiler, 2012).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Adadelta {
    pub lr: f64,
    pub rho: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct AdadeltaRule<C> {
    sign: C,
    weight_decay: C,
    lr: C,
    old: C,
    new: C,
    eps: C,
}

impl Adadelta {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * v[0];
    v[2] = v[2] * s[3] + s[4] * g * g;
    const T delta = sqrt(v[3] + s[5]) / sqrt(v[2] + s[5]) * g;
    v[3] = v[3] * s[3] + s[4] * delta * delta;
    v[0] = v[0] - s[2] * delta;";
}

impl Optimizer for Adadelta {
    type Rule<C: Real> = AdadeltaRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["square_avg", "acc_delta"]
    }

    const COUNTED: Option<&'static str> = Some("s[2] = T(h[0]);");

    fn counted_by(&self) -> [f64; NUMBERS] {
        [self.lr, 0.0, 0.0, 0.0, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> AdadeltaRule<C> {
        counts[0].advance();
        AdadeltaRule {
            sign: sign(self.maximize),
            weight_decay: constant(self.weight_decay),
            lr: constant(self.lr),
            old: constant(self.rho),
            new: constant(1.0 - self.rho),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for AdadeltaRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let g = with_decay(values[1] * self.sign, values[0], self.weight_decay);
        let square = values[2] * self.old + self.new * g * g;
        let delta = (values[3] + self.eps).sqrt() / (square + self.eps).sqrt() * g;
        values[2] = square;
        values[3] = values[3] * self.old + self.new * delta * delta;
        values[0] = values[0] - self.lr * delta;
    }

    const TEXT: &'static str = Adadelta::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.weight_decay, self.lr, self.old, self.new, self.eps])
    }
}
