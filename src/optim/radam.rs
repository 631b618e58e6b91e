//! RAdam: Adam that waits until it knows the variance (Liu et al., 2020).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, decay, flag, lerp, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Radam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub decoupled_weight_decay: bool,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct RadamRule<C> {
    sign: C,
    weight_decay: C,
    shrink: C,
    new_mean: C,
    old_square: C,
    new_square: C,
    /// -lr / (1 - beta1^t)
    step: C,
    /// Whether the variance is known well enough to divide by its root, and what the quotient is
    /// multiplied by.
    rectified: bool,
    rectification: C,
    eps: C,
}

impl Radam {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "const T p = v[0] * s[2];
    T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * p;
    v[2] = s[3] + s[3] < T(1) ? v[2] + s[3] * (g - v[2]) : g - (g - v[2]) * (T(1) - s[3]);
    v[3] = v[3] * s[4] + s[5] * g * g;
    v[0] = p + s[6] * v[2] * (s[7] != T(0) ? s[8] / (sqrt(v[3]) + s[9]) : T(1));";
}

impl Optimizer for Radam {
    type Rule<C: Real> = RadamRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_avg_sq"]
    }

    const COUNTED: Option<&'static str> = Some(
        "const double t = c[0], power = ::pow(h[2], t), correction = 1 - power, longest = 2 / (1 - h[2]) - 1;
    const double length = longest - 2 * t * power / correction;
    const double ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
    s[2] = T(1 - h[0] * h[3]);
    s[6] = T(-h[0] / (1 - ::pow(h[1], t)));
    s[7] = T(length > 5 ? 1 : 0);
    s[8] = T(::sqrt(ratio) * ::sqrt(correction));",
    );

    fn counted_by(&self) -> [f64; NUMBERS] {
        let decay = if self.decoupled_weight_decay { self.weight_decay } else { 0.0 };
        [self.lr, self.beta1, self.beta2, decay, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> RadamRule<C> {
        let t = counts[0].advance();
        let correction = 1.0 - self.beta2.powf(t);
        // Length of the running mean, as if it were a simple one: after many steps and now.
        let longest = 2.0 / (1.0 - self.beta2) - 1.0;
        let length = longest - 2.0 * t * self.beta2.powf(t) / correction;
        let ratio = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
        let (weight_decay, shrink) = decay(self.lr, self.weight_decay, self.decoupled_weight_decay);
        RadamRule {
            sign: sign(self.maximize),
            weight_decay,
            shrink,
            new_mean: constant(1.0 - self.beta1),
            old_square: constant(self.beta2),
            new_square: constant(1.0 - self.beta2),
            step: constant(-self.lr / (1.0 - self.beta1.powf(t))),
            rectified: length > 5.0,
            rectification: constant(ratio.sqrt() * correction.sqrt()),
            eps: constant(self.eps),
        }
    }
}

impl<C: Real> Rule<C> for RadamRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0] * self.shrink;
        let g = with_decay(values[1] * self.sign, p, self.weight_decay);
        let mean = lerp(values[2], g, self.new_mean);
        let square = values[3] * self.old_square + self.new_square * g * g;
        values[2] = mean;
        values[3] = square;
        let adapted = if self.rectified { self.rectification / (square.sqrt() + self.eps) } else { C::one() };
        values[0] = p + self.step * mean * adapted;
    }

    const TEXT: &'static str = Radam::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([
            self.sign,
            self.weight_decay,
            self.shrink,
            self.new_mean,
            self.old_square,
            self.new_square,
            self.step,
            flag(self.rectified),
            self.rectification,
            self.eps,
        ])
    }
}
