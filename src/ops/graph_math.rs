//! The functions of `cpu::math`, over tensors: with them the text of a gradient formula also means a
//! computation in differentiable operations, for gradients of gradients.
//!
//! A [`Var`] is the number of a value in an [`Arena`], so that it can be copied and a formula may use
//! a value twice. Errors are kept in the arena until the formula is through.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::error::{Error, Result};
use crate::ops::pointwise::{Arg, Row, apply};
use crate::ops::{activation, complex, creation, special, table};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The rows of all tables.
mod rows {
    pub use super::activation::rows::*;
    pub use super::special::rows::*;
    pub use super::table::rows::*;
}

#[derive(Default)]
pub struct Arena {
    values: RefCell<Vec<Value>>,
    error: RefCell<Option<Error>>,
}

#[derive(Clone)]
enum Value {
    Tensor(Tensor),
    Number(Scalar),
}

#[derive(Clone, Copy)]
pub struct Var<'a> {
    arena: &'a Arena,
    index: usize,
}

impl Arena {
    /// The value of a formula at the given arguments.
    pub fn evaluate(args: &[Arg], formula: for<'a> fn(&[Var<'a>]) -> Var<'a>) -> Result<Tensor> {
        let arena = Arena::default();
        for arg in args {
            arena.values.borrow_mut().push(match arg {
                Arg::Tensor(t) => Value::Tensor((*t).clone()),
                Arg::Number(s) => Value::Number(*s),
            });
        }
        let vars: Vec<Var> = (0..args.len()).map(|index| Var { arena: &arena, index }).collect();
        let result = formula(&vars).index;
        if let Some(error) = arena.error.take() {
            return Err(error);
        }
        match &arena.values.borrow()[result] {
            Value::Tensor(t) => Ok(t.clone()),
            Value::Number(_) => unreachable!("every formula reads the incoming gradient"),
        }
    }

    fn push(&self, value: Value) -> Var<'_> {
        let mut values = self.values.borrow_mut();
        values.push(value);
        Var { arena: self, index: values.len() - 1 }
    }

    fn apply<'a>(&'a self, row: &'static Row, args: &[Var<'a>]) -> Var<'a> {
        if self.error.borrow().is_some() {
            return args[0];
        }
        let values: Vec<Value> = args.iter().map(|v| self.values.borrow()[v.index].clone()).collect();
        let mut args_of: Vec<Arg> = values
            .iter()
            .map(|v| match v {
                Value::Tensor(t) => Arg::Tensor(t),
                Value::Number(s) => Arg::Number(*s),
            })
            .collect();
        // Two numbers make a number only by way of a tensor.
        let number;
        if args_of.iter().all(|a| a.tensor().is_none())
            && let Arg::Number(s) = args_of[0]
        {
            match crate::ops::creation::full(&[], s, s.dtype()) {
                Ok(t) => number = t,
                Err(e) => {
                    *self.error.borrow_mut() = Some(e);
                    return args[0];
                }
            }
            args_of[0] = Arg::Tensor(&number);
        }
        match apply(row, &args_of) {
            Ok(t) => self.push(Value::Tensor(t)),
            Err(e) => {
                *self.error.borrow_mut() = Some(e);
                args[0]
            }
        }
    }
}

/// A value of the formula or a literal in it.
pub trait Term<'a>: Copy {
    fn of(self, arena: &'a Arena) -> Var<'a>;
    fn arena(self) -> Option<&'a Arena>;
}
impl<'a> Term<'a> for Var<'a> {
    fn of(self, _: &'a Arena) -> Var<'a> {
        self
    }
    fn arena(self) -> Option<&'a Arena> {
        Some(self.arena)
    }
}
impl<'a> Term<'a> for f64 {
    fn of(self, arena: &'a Arena) -> Var<'a> {
        arena.push(Value::Number(Scalar::Float(self)))
    }
    fn arena(self) -> Option<&'a Arena> {
        None
    }
}

fn binary<'a>(row: &'static Row, a: impl Term<'a>, b: impl Term<'a>) -> Var<'a> {
    let arena = a.arena().or(b.arena()).expect("one side is a value");
    arena.apply(row, &[a.of(arena), b.of(arena)])
}

macro_rules! operators {
    ($($trait:ident $method:ident $row:ident),*) => { $(
        impl<'a, T: Term<'a>> $trait<T> for Var<'a> {
            type Output = Var<'a>;
            fn $method(self, other: T) -> Var<'a> { binary(&rows::$row::ROW, self, other) }
        }
        impl<'a> $trait<Var<'a>> for f64 {
            type Output = Var<'a>;
            fn $method(self, other: Var<'a>) -> Var<'a> { binary(&rows::$row::ROW, self, other) }
        }
    )* };
}
operators!(Add add plus, Sub sub minus, Mul mul mul, Div div div);

impl<'a> Neg for Var<'a> {
    type Output = Var<'a>;
    fn neg(self) -> Var<'a> {
        self.arena.apply(&rows::neg::ROW, &[self])
    }
}

macro_rules! functions {
    ($($name:ident)*) => { $(
        pub fn $name<'a>(x: Var<'a>) -> Var<'a> { x.arena.apply(&rows::$name::ROW, &[x]) }
    )* };
}
functions!(exp exp2 log log1p sqrt tanh sigmoid sin cos abs sign expm1 sinh cosh erf trunc conj zero_of sinc sinc_slope
    lgamma digamma i0 i0e i1 i1e erfcx erfinv log_sigmoid normal_cdf);

macro_rules! functions_of_two {
    ($($name:ident => $row:ident),*) => { $(
        pub fn $name<'a>(a: impl Term<'a>, b: impl Term<'a>) -> Var<'a> { binary(&rows::$row::ROW, a, b) }
    )* };
}
functions_of_two!(xlogy => xlogy, zeta => zeta, polygamma => polygamma, maximum => maximum, minimum => minimum, over_modulus => over_modulus, pow => pow, lt => lt, le => le, gt => gt, ge => ge, eq => eq, floor_divide => div_floor, quotient => div);

pub fn select<'a>(condition: Var<'a>, a: impl Term<'a>, b: impl Term<'a>) -> Var<'a> {
    let arena = condition.arena;
    arena.apply(&rows::select::ROW, &[condition, a.of(arena), b.of(arena)])
}

pub fn is_nan(x: Var<'_>) -> Var<'_> {
    x.arena.apply(&rows::isnan::ROW, &[x])
}

pub fn is_finite(x: Var<'_>) -> Var<'_> {
    x.arena.apply(&rows::isfinite::ROW, &[x])
}

pub fn nonzero(x: Var<'_>) -> Var<'_> {
    x
}

/// Whether it is a real number, and not negative.
pub fn is_nonnegative(x: Var<'_>) -> Var<'_> {
    let value = x.arena.values.borrow()[x.index].clone();
    let Value::Tensor(t) = value else { return ge(x, 0.0) };
    if !t.dtype().is_complex() {
        return ge(x, 0.0);
    }
    let of = || {
        let positive = table::ge(&complex::real(&t)?, 0.0)?;
        table::logical_and(&positive, &table::eq(&complex::imag(&t)?, 0.0)?)
    };
    match of() {
        Ok(holds) => x.arena.push(Value::Tensor(holds)),
        Err(e) => {
            *x.arena.error.borrow_mut() = Some(e);
            x
        }
    }
}

/// Zeros like `x`.
pub fn zero(x: Var<'_>) -> Var<'_> {
    let value = x.arena.values.borrow()[x.index].clone();
    let Value::Tensor(t) = value else { return x.arena.push(Value::Number(Scalar::Float(0.0))) };
    match creation::zeros(t.sizes(), t.dtype()) {
        Ok(zeros) => x.arena.push(Value::Tensor(zeros)),
        Err(e) => {
            *x.arena.error.borrow_mut() = Some(e);
            x
        }
    }
}
