//! Rprop: a step size for each element, by the signs of its gradient (Riedmiller and Braun, 1993).

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

impl Optimizer for Rprop {
    type Rule<C: Real> = RpropRule<C>;
    const VALUES: std::ops::RangeInclusive<usize> = 4..=4;

    fn state(&self) -> Vec<&'static str> {
        vec!["prev", "step_size"]
    }

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
}
