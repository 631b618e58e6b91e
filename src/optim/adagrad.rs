//! Adagrad: steps that shrink with the sum of squares (Duchi, Hazan and Singer, 2011).

use super::gpu::{SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Adagrad {
    pub lr: f64,
    pub lr_decay: f64,
    pub weight_decay: f64,
    pub eps: f64,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct AdagradRule<C> {
    sign: C,
    weight_decay: C,
    /// -lr / (1 + (t - 1) * lr_decay)
    step: C,
    eps: C,
}

impl Adagrad {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * v[0];
    v[2] = v[2] + g * g;
    v[0] = v[0] + s[2] * g / (sqrt(v[2]) + s[3]);";
}

impl Optimizer for Adagrad {
    type Rule<C: Real> = AdagradRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 3..=3;

    fn state(&self) -> Vec<&'static str> {
        vec!["sum"]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> AdagradRule<C> {
        let t = counts[0].advance();
        AdagradRule {
            sign: sign(self.maximize),
            weight_decay: constant(self.weight_decay),
            step: constant(-(self.lr / (1.0 + (t - 1.0) * self.lr_decay))),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for AdagradRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let g = with_decay(values[1] * self.sign, values[0], self.weight_decay);
        let sum = values[2] + g * g;
        values[2] = sum;
        values[0] = values[0] + self.step * g / (sum.sqrt() + self.eps);
    }

    const TEXT: &'static str = Adagrad::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.weight_decay, self.step, self.eps])
    }
}
