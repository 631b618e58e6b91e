//! NAdam: Adam that looks one step ahead (Dozat, 2016).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, decay, lerp, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Nadam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum_decay: f64,
    pub decoupled_weight_decay: bool,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct NadamRule<C> {
    sign: C,
    weight_decay: C,
    shrink: C,
    new_mean: C,
    old_square: C,
    new_square: C,
    /// 1 - beta2^t
    correction: C,
    /// Steps along the gradient and along its mean.
    along_gradient: C,
    along_mean: C,
    eps: C,
}

impl Nadam {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "const T p = v[0] * s[2];
    T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * p;
    v[2] = s[3] + s[3] < T(1) ? v[2] + s[3] * (g - v[2]) : g - (g - v[2]) * (T(1) - s[3]);
    v[3] = v[3] * s[4] + s[5] * g * g;
    v[0] = p + (s[7] * g + s[8] * v[2]) / (sqrt(v[3] / s[6]) + s[9]);";
}

impl Optimizer for Nadam {
    type Rule<C: Real> = NadamRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_avg_sq"]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["step", "mu_product"]
    }

    const COUNTED: Option<&'static str> = Some(
        "const double t = c[0];
    const double mu = h[1] * (1 - 0.5 * ::pow(0.96, t * h[4])), next = h[1] * (1 - 0.5 * ::pow(0.96, (t + 1) * h[4]));
    c[1] = K((double)c[1] * (double)K(mu));
    const double product = c[1];
    s[2] = T(1 - h[0] * h[3]);
    s[6] = T(1 - ::pow(h[2], t));
    s[7] = T(-h[0] * (1 - mu) / (1 - product));
    s[8] = T(-h[0] * next / (1 - product * next));",
    );

    fn counted_by(&self) -> [f64; NUMBERS] {
        let decay = if self.decoupled_weight_decay { self.weight_decay } else { 0.0 };
        [self.lr, self.beta1, self.beta2, decay, self.momentum_decay]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> NadamRule<C> {
        let t = counts[0].advance();
        let momentum = |t: f64| self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(t * self.momentum_decay));
        let (mu, mu_next) = (momentum(t), momentum(t + 1.0));
        counts[1].multiply(mu);
        let product = counts[1].get();
        let (weight_decay, shrink) = decay(self.lr, self.weight_decay, self.decoupled_weight_decay);
        NadamRule {
            sign: sign(self.maximize),
            weight_decay,
            shrink,
            new_mean: constant(1.0 - self.beta1),
            old_square: constant(self.beta2),
            new_square: constant(1.0 - self.beta2),
            correction: constant(1.0 - self.beta2.powf(t)),
            along_gradient: constant(-self.lr * (1.0 - mu) / (1.0 - product)),
            along_mean: constant(-self.lr * mu_next / (1.0 - product * mu_next)),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for NadamRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0] * self.shrink;
        let g = with_decay(values[1] * self.sign, p, self.weight_decay);
        let mean = lerp(values[2], g, self.new_mean);
        let square = values[3] * self.old_square + self.new_square * g * g;
        values[2] = mean;
        values[3] = square;
        let denominator = (square / self.correction).sqrt() + self.eps;
        values[0] = p + (self.along_gradient * g + self.along_mean * mean) / denominator;
    }

    const TEXT: &'static str = Nadam::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([
            self.sign,
            self.weight_decay,
            self.shrink,
            self.new_mean,
            self.old_square,
            self.new_square,
            self.correction,
            self.along_gradient,
            self.along_mean,
            self.eps,
        ])
    }
}
