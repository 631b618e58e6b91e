//! Adamax: Adam by the largest gradient instead of the mean square (Kingma and Ba, 2015).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, lerp, maximum, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Adamax {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct AdamaxRule<C> {
    sign: C,
    weight_decay: C,
    new_mean: C,
    beta2: C,
    /// -lr / (1 - beta1^t)
    step: C,
    eps: C,
}

impl Adamax {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * v[0];
    v[2] = s[2] + s[2] < T(1) ? v[2] + s[2] * (g - v[2]) : g - (g - v[2]) * (T(1) - s[2]);
    v[3] = maximum(v[3] * s[3], abs(g) + s[5]);
    v[0] = v[0] + s[4] * v[2] / v[3];";
}

impl Optimizer for Adamax {
    type Rule<C: Real> = AdamaxRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_inf"]
    }

    const COUNTED: Option<&'static str> = Some("s[4] = T(-(h[0] / (1 - ::pow(h[1], (double)c[0]))));");

    fn counted_by(&self) -> [f64; NUMBERS] {
        [self.lr, self.beta1, 0.0, 0.0, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> AdamaxRule<C> {
        let t = counts[0].advance();
        AdamaxRule {
            sign: sign(self.maximize),
            weight_decay: constant(self.weight_decay),
            new_mean: constant(1.0 - self.beta1),
            beta2: constant(self.beta2),
            step: constant(-(self.lr / (1.0 - self.beta1.powf(t)))),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for AdamaxRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let g = with_decay(values[1] * self.sign, values[0], self.weight_decay);
        let mean = lerp(values[2], g, self.new_mean);
        let largest = maximum(values[3] * self.beta2, g.abs() + self.eps);
        values[2] = mean;
        values[3] = largest;
        values[0] = values[0] + self.step * mean / largest;
    }

    const TEXT: &'static str = Adamax::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.weight_decay, self.new_mean, self.beta2, self.step, self.eps])
    }
}
