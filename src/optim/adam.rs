//! Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, decay, lerp, maximum, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Adam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub amsgrad: bool,
    pub maximize: bool,
    pub decoupled_weight_decay: bool,
}

#[derive(Clone, Copy)]
pub struct AdamRule<C> {
    sign: C,
    weight_decay: C,
    shrink: C,
    /// 1 - beta1, beta2, 1 - beta2, each rounded once.
    new_mean: C,
    old_square: C,
    new_square: C,
    /// -lr / (1 - beta1^t)
    step: C,
    /// sqrt(1 - beta2^t)
    root_correction: C,
    eps: C,
}

impl Adam {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T p = v[0] * s[2], g = v[1] * s[0], largest;
    if (s[1] != T(0)) g = g + s[1] * p;
    v[2] = s[3] + s[3] < T(1) ? v[2] + s[3] * (g - v[2]) : g - (g - v[2]) * (T(1) - s[3]);
    v[3] = v[3] * s[4] + s[5] * g * g;
    largest = v[3];
    if constexpr (N == 5) largest = v[4] = maximum(v[4], v[3]);
    v[0] = p + s[6] * v[2] / (sqrt(largest) / s[7] + s[8]);";
}

impl Optimizer for Adam {
    type Rule<C: Real> = AdamRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=5;

    fn state(&self) -> Vec<&'static str> {
        let mut names = vec!["exp_avg", "exp_avg_sq"];
        if self.amsgrad {
            names.push("max_exp_avg_sq");
        }
        names
    }

    const COUNTED: Option<&'static str> = Some(
        "s[2] = T(1 - h[0] * h[3]);
    s[6] = T(-(h[0] / (1 - ::pow(h[1], (double)c[0]))));
    s[7] = T(::sqrt(1 - ::pow(h[2], (double)c[0])));",
    );

    fn counted_by(&self) -> [f64; NUMBERS] {
        let decay = if self.decoupled_weight_decay { self.weight_decay } else { 0.0 };
        [self.lr, self.beta1, self.beta2, decay, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> AdamRule<C> {
        let t = counts[0].advance();
        let (weight_decay, shrink) = decay(self.lr, self.weight_decay, self.decoupled_weight_decay);
        AdamRule {
            sign: sign(self.maximize),
            weight_decay,
            shrink,
            new_mean: constant(1.0 - self.beta1),
            old_square: constant(self.beta2),
            new_square: constant(1.0 - self.beta2),
            step: constant(-(self.lr / (1.0 - self.beta1.powf(t)))),
            root_correction: constant((1.0 - self.beta2.powf(t)).sqrt()),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for AdamRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0] * self.shrink;
        let g = with_decay(values[1] * self.sign, p, self.weight_decay);
        let mean = lerp(values[2], g, self.new_mean);
        let square = values[3] * self.old_square + self.new_square * g * g;
        values[2] = mean;
        values[3] = square;
        let mut largest = square;
        if N == 5 {
            largest = maximum(values[4], square);
            values[4] = largest;
        }
        let denominator = largest.sqrt() / self.root_correction + self.eps;
        values[0] = p + self.step * mean / denominator;
    }

    const TEXT: &'static str = Adam::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([
            self.sign,
            self.weight_decay,
            self.shrink,
            self.new_mean,
            self.old_square,
            self.new_square,
            self.step,
            self.root_correction,
            self.eps,
        ])
    }
}
