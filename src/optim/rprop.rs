//! Rprop: a step size for each element, by the signs of its gradient (Riedmiller and Braun, 1993).

use super::gpu::{SETTINGS, padded};
use super::{Count, Optimizer, Real, Rule, constant, sign};

#[derive(Clone, Copy)]
pub struct Rprop {
    pub eta_minus: f64,
    pub eta_plus: f64,
    pub least: f64,
    pub most: f64,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
pub struct RpropRule<C> {
    sign: C,
    eta_minus: C,
    eta_plus: C,
    least: C,
    most: C,
}

impl Rprop {
    /// The rule below, for GPUs.
    pub const TEXT: &str = "T g = v[1] * s[0];
    const T agreement = g * v[2];
    T size = v[3] * (agreement > T(0) ? s[2] : agreement < T(0) ? s[1] : T(1));
    size = size < s[3] ? s[3] : size;
    size = size > s[4] ? s[4] : size;
    if (agreement < T(0)) g = T(0);
    v[0] = v[0] - sign(g) * size;
    v[2] = g;
    v[3] = size;";
}

impl Optimizer for Rprop {
    type Rule<C: Real> = RpropRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["prev", "step_size"]
    }

    const COUNTED: Option<&'static str> = Some("");

    fn rule<C: Real>(&self, counts: &mut [Count]) -> RpropRule<C> {
        counts[0].advance();
        RpropRule {
            sign: sign(self.maximize),
            eta_minus: constant(self.eta_minus),
            eta_plus: constant(self.eta_plus),
            least: constant(self.least),
            most: constant(self.most),
        }
    }
}

impl<C: Real> Rule<C> for RpropRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let (zero, one) = (C::zero(), C::one());
        let mut g = values[1] * self.sign;
        let agreement = g * values[2];
        let factor = if agreement > zero {
            self.eta_plus
        } else if agreement < zero {
            self.eta_minus
        } else {
            one
        };
        let size = values[3] * factor;
        let size = if size < self.least { self.least } else { size };
        let size = if size > self.most { self.most } else { size };
        // After a change of sign the element rests for a step.
        g = if agreement < zero { zero } else { g };
        let direction = if g > zero { one } else { zero } - if g < zero { one } else { zero };
        values[0] = values[0] - direction * size;
        values[2] = g;
        values[3] = size;
    }

    const TEXT: &'static str = Rprop::TEXT;

    fn settings(&self) -> [C; SETTINGS] {
        padded([self.sign, self.eta_minus, self.eta_plus, self.least, self.most])
    }
}
