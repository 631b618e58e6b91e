//! ASGD: gradient descent and the mean of the places it came by (Polyak and Juditsky, 1992).

use super::gpu::{NUMBERS, SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, sign, with_decay};

#[derive(Clone, Copy)]
pub struct Asgd {
    pub lr: f64,
    pub lambd: f64,
    pub alpha: f64,
    pub t0: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct AsgdRule<C> {
    sign: C,
    weight_decay: C,
    shrink: C,
    eta: C,
    mu: C,
}

impl Asgd {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    if (s[1] != T(0)) g = g + s[1] * v[0];
    v[0] = v[0] * s[2] - s[3] * g;
    v[2] = s[4] == T(1) ? v[0] : v[2] + (v[0] - v[2]) * s[4];";
}

impl Optimizer for Asgd {
    type Rule<C: Real> = AsgdRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 3..=3;

    fn state(&self) -> Vec<&'static str> {
        vec!["ax"]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["step", "eta", "mu"]
    }

    const COUNTED: Option<&'static str> = Some(
        "const double eta = c[1], t = c[0];
    s[2] = T(1 - h[1] * eta);
    s[3] = T(eta);
    s[4] = T(c[2]);
    c[1] = K(h[0] / ::pow(1 + h[1] * h[0] * t, h[2]));
    c[2] = K(1 / (t - h[3] > 1 ? t - h[3] : 1));",
    );

    fn counted_by(&self) -> [f64; NUMBERS] {
        [self.lr, self.lambd, self.alpha, self.t0, 0.0]
    }

    fn rule<C: Real>(&self, counts: &mut [Count]) -> AsgdRule<C> {
        let t = counts[0].advance();
        let (eta, mu) = (counts[1].get(), counts[2].get());
        counts[1].set(self.lr / (1.0 + self.lambd * self.lr * t).powf(self.alpha));
        counts[2].set(1.0 / (t - self.t0).max(1.0));
        AsgdRule {
            sign: sign(self.maximize),
            weight_decay: constant(self.weight_decay),
            shrink: constant(1.0 - self.lambd * eta),
            eta: constant(eta),
            mu: constant(mu),
        }
    }
}

impl<C: Real> Rule<C> for AsgdRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let g = with_decay(values[1] * self.sign, values[0], self.weight_decay);
        let p = values[0] * self.shrink - self.eta * g;
        values[0] = p;
        values[2] = if self.mu == C::one() { p } else { values[2] + (p - values[2]) * self.mu };
    }

    const TEXT: &'static str = Asgd::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.weight_decay, self.shrink, self.eta, self.mu])
    }
}
