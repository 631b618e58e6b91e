//! Connectionist temporal classification (Graves et al., 2006): the forward and backward variables of
//! all alignments of a target, in logarithms.
//!
//! The states of a target of length s are its labels with a blank before, between and behind them:
//! 2 s + 1. An alignment stays, goes on by one, or skips a blank between two different labels.

use num_traits::Float;

/// One sequence: `log_probs` has `time` rows, `stride` apart.
#[derive(Clone, Copy)]
pub struct Sequence<'a, T> {
    pub log_probs: *const T,
    pub stride: usize,
    pub time: usize,
    /// All within a row.
    pub labels: &'a [i64],
    pub blank: usize,
}

impl<T: Float> Sequence<'_, T> {
    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    fn label(&self, state: usize) -> usize {
        if state.is_multiple_of(2) { self.blank } else { self.labels[state / 2] as usize }
    }

    /// Whether the blank before the label at a state may be left out.
    fn skips_to(&self, state: usize) -> bool {
        state % 2 == 1 && state >= 3 && self.labels[state / 2] != self.labels[state / 2 - 1]
    }

    /// # Safety
    /// `t` is below `time`.
    unsafe fn at(&self, t: usize, class: usize) -> T {
        // SAFETY: the caller's promise.
        unsafe { *self.log_probs.add(t * self.stride + class) }
    }
}

/// ln(sum of exponentials).
fn log_sum<T: Float>(terms: [T; 3]) -> T {
    let largest = terms[0].max(terms[1]).max(terms[2]);
    if largest == T::neg_infinity() {
        return largest;
    }
    (terms.iter().fold(T::zero(), |sum, &x| sum + (x - largest).exp())).ln() + largest
}

/// The negative log likelihood. `alpha` has `time` rows of 2 s + 1 states, which are all written.
///
/// # Safety
/// `log_probs` has the rows that the sequence says.
pub unsafe fn forward<T: Float>(s: &Sequence<T>, alpha: &mut [T]) -> T {
    let states = s.states();
    if s.time == 0 {
        return if s.labels.is_empty() { T::zero() } else { T::infinity() };
    }
    let none = T::neg_infinity();
    alpha[..states].fill(none);
    // SAFETY: every `t` is below `time`.
    unsafe {
        for (state, a) in alpha[..states.min(2)].iter_mut().enumerate() {
            *a = s.at(0, s.label(state));
        }
        for t in 1..s.time {
            let (before, now) = alpha[(t - 1) * states..(t + 1) * states].split_at_mut(states);
            for state in 0..states {
                let back = |n: usize| if state >= n { before[state - n] } else { none };
                let skipped = if s.skips_to(state) { back(2) } else { none };
                now[state] = log_sum([before[state], back(1), skipped]) + s.at(t, s.label(state));
            }
        }
    }
    let last = &alpha[(s.time - 1) * states..s.time * states];
    let one_less = if states > 1 { last[states - 2] } else { none };
    -log_sum([last[states - 1], one_less, none])
}

/// Writes the gradient of the negative log likelihood `nll` by the log probabilities, times `scale`, as if
/// these were normalised: e^lp - e^(alpha + beta + nll - lp). `work` has room for 2 * (2 s + 1) states,
/// `totals` for a row of classes; rows of `grad` are `stride` apart, those up to `time` are written.
///
/// # Safety
/// `log_probs` and `grad` have the rows that the sequence says; `totals` has as many classes as they.
pub unsafe fn backward<T: Float>(
    s: &Sequence<T>,
    alpha: &[T],
    nll: T,
    scale: T,
    work: &mut [T],
    totals: &mut [T],
    grad: *mut T,
) {
    let (states, none) = (s.states(), T::neg_infinity());
    let (mut after, mut beta) = work.split_at_mut(states);
    for t in (0..s.time).rev() {
        // SAFETY: every `t` is below `time`, and classes are within a row.
        unsafe {
            for state in 0..states {
                let emitted = s.at(t, s.label(state));
                beta[state] = if t + 1 == s.time {
                    if state + 2 >= states { emitted } else { none }
                } else {
                    let ahead = |n: usize| if state + n < states { after[state + n] } else { none };
                    let skipped = if state + 2 < states && s.skips_to(state + 2) { ahead(2) } else { none };
                    log_sum([after[state], ahead(1), skipped]) + emitted
                };
            }
            totals.fill(none);
            for state in 0..states {
                let total = &mut totals[s.label(state)];
                *total = log_sum([*total, alpha[t * states + state] + beta[state], none]);
            }
            for (class, &total) in totals.iter().enumerate() {
                let lp = s.at(t, class);
                grad.add(t * s.stride + class).write((lp.exp() - (total + nll - lp).exp()) * scale);
            }
        }
        std::mem::swap(&mut after, &mut beta);
    }
}
