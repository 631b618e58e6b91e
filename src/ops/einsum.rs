//! Einstein's summation: sums of products named by one letter a dimension.
//!
//! Operands are brought to one order of labels, with dimensions of one where a label is missing, and
//! contracted pair by pair through batched matrix products.

use crate::bail;
use crate::error::{Error, Result};
use crate::layout::Sizes;
use crate::ops::arithmetic::mul;
use crate::ops::matmul::bmm;
use crate::ops::registry::Op;
use crate::ops::{reduce, view};
use crate::tensor::Tensor;

/// A dimension of an operand: a letter, or all dimensions that no letter names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Letter(u8),
    Ellipsis,
}

/// Letters count as PyTorch orders them: capitals first.
const LETTERS: usize = 52;

fn letter_index(c: u8) -> Option<usize> {
    match c {
        b'A'..=b'Z' => Some((c - b'A') as usize),
        b'a'..=b'z' => Some((c - b'a') as usize + 26),
        _ => None,
    }
}

/// The labels of one operand, or of the result.
fn parse(text: &str, what: &str) -> Result<Vec<Label>> {
    let bytes = text.as_bytes();
    let mut labels = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b' ' => {}
            b'.' => {
                if labels.contains(&Label::Ellipsis) || bytes.get(i..i + 3) != Some(b"...") {
                    bail!(Shape, "einsum(): found '.' for {what} that is not part of any ellipsis");
                }
                labels.push(Label::Ellipsis);
                i += 2;
            }
            c if c.is_ascii_alphabetic() => labels.push(Label::Letter(c)),
            c => bail!(
                Shape,
                "einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z] (got '{}')",
                c as char
            ),
        }
        i += 1;
    }
    Ok(labels)
}

/// Where each letter and the ellipsis stand among the dimensions: those of the result first.
struct Order {
    /// By letter.
    at: [Option<usize>; LETTERS],
    ellipsis: usize,
    ellipsis_dims: usize,
    /// Dimensions of the result.
    kept: usize,
    all: usize,
}

pub fn einsum(equation: &str, operands: &[Tensor]) -> Result<Tensor> {
    if operands.is_empty() {
        bail!(Shape, "einsum(): must provide at least one operand");
    }
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (equation, None),
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != operands.len() {
        let more = if terms.len() < operands.len() { "more" } else { "fewer" };
        bail!(Shape, "einsum(): {more} operands were provided than specified in the equation");
    }
    let labels: Vec<Vec<Label>> =
        terms.iter().enumerate().map(|(i, t)| parse(t, &format!("operand {i}"))).collect::<Result<_>>()?;
    let order = order_of(&labels, output, operands)?;
    let mut sizes: Vec<(usize, usize)> = vec![(1, 0); order.all];
    let mut aligned = Vec::with_capacity(operands.len());
    for (i, (labels, operand)) in labels.iter().zip(operands).enumerate() {
        aligned.push(align(operand, labels, &order, i, &mut sizes)?);
    }
    // A dimension is summed as soon as no later operand has it.
    let last = |d: usize| aligned.iter().rposition(|t| t.size(d) != 1).unwrap_or(0);
    let last: Vec<usize> = (0..order.all).map(last).collect();
    let mut result = aligned[0].clone();
    let done_at_first: Vec<i64> =
        (order.kept..order.all).filter(|&d| last[d] == 0).map(|d| d as i64).collect();
    if !done_at_first.is_empty() {
        result = reduce::sum(&result, Some(&done_at_first), true, Some(result.dtype()))?;
    }
    for (i, operand) in aligned.iter().enumerate().skip(1) {
        let summed: Vec<usize> = (order.kept..order.all).filter(|&d| last[d] == i).collect();
        result = contract_pair(&result, operand, &summed)?;
    }
    let kept: Sizes = result.sizes()[..order.kept].into();
    view::reshape_to(&result, &kept)
}

fn order_of(labels: &[Vec<Label>], output: Option<&str>, operands: &[Tensor]) -> Result<Order> {
    let mut counts = [0usize; LETTERS];
    let mut ellipsis_dims = 0;
    for (i, (labels, operand)) in labels.iter().zip(operands).enumerate() {
        let letters = labels.iter().filter(|l| **l != Label::Ellipsis).count();
        let has_ellipsis = letters < labels.len();
        if operand.ndim() < letters || (operand.ndim() > letters && !has_ellipsis) {
            bail!(
                Shape,
                "einsum(): the number of subscripts in the equation ({letters}) {} the number of dimensions ({}) for operand {i}{}",
                if has_ellipsis { "is more than" } else { "does not match" },
                operand.ndim(),
                if has_ellipsis { "" } else { " and no ellipsis was given" }
            );
        }
        if has_ellipsis {
            ellipsis_dims = ellipsis_dims.max(operand.ndim() - letters);
        }
        for label in labels {
            if let Label::Letter(c) = label {
                counts[letter_index(*c).expect("parsed as a letter")] += 1;
            }
        }
    }
    let mut order = Order { at: [None; LETTERS], ellipsis: 0, ellipsis_dims, kept: 0, all: 0 };
    let mut has_ellipsis = false;
    match output {
        None => {
            // The dimensions of the ellipsis, then every letter that stands once.
            has_ellipsis = true;
            order.kept = ellipsis_dims;
            for (i, _) in counts.iter().enumerate().filter(|(_, count)| **count == 1) {
                order.at[i] = Some(order.kept);
                order.kept += 1;
            }
        }
        Some(text) => {
            for label in parse(text, "the output")? {
                let Label::Letter(c) = label else {
                    has_ellipsis = true;
                    order.ellipsis = order.kept;
                    order.kept += ellipsis_dims;
                    continue;
                };
                let i = letter_index(c).expect("parsed as a letter");
                if order.at[i].is_some() {
                    bail!(
                        Shape,
                        "einsum(): output subscript {} appears more than once in the output",
                        c as char
                    );
                }
                if counts[i] == 0 {
                    bail!(
                        Shape,
                        "einsum(): output subscript {} does not appear in the equation for any input operand",
                        c as char
                    );
                }
                order.at[i] = Some(order.kept);
                order.kept += 1;
            }
        }
    }
    order.all = order.kept;
    if !has_ellipsis {
        order.ellipsis = order.all;
        order.all += ellipsis_dims;
    }
    for (i, _) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        if order.at[i].is_none() {
            order.at[i] = Some(order.all);
            order.all += 1;
        }
    }
    if order.all > 64 {
        return Err(Error::Shape(format!("einsum(): {} dimensions are more than 64", order.all)));
    }
    Ok(order)
}

/// An operand with its dimensions in the common order; those it lacks are of size one.
fn align(
    operand: &Tensor,
    labels: &[Label],
    order: &Order,
    number: usize,
    sizes: &mut [(usize, usize)],
) -> Result<Tensor> {
    let letters = labels.iter().filter(|l| **l != Label::Ellipsis).count();
    let mut x = operand.clone();
    // For each dimension of the result, the dimension of `x`.
    let mut from: Vec<Option<usize>> = vec![None; order.all];
    let mut dim = 0;
    for label in labels {
        let Label::Letter(c) = label else {
            let covered = operand.ndim() - letters;
            for k in 0..covered {
                from[order.ellipsis + order.ellipsis_dims - covered + k] = Some(dim);
                dim += 1;
            }
            continue;
        };
        let at = order.at[letter_index(*c).expect("parsed as a letter")].expect("every letter has a place");
        match from[at] {
            None => {
                from[at] = Some(dim);
                dim += 1;
            }
            // The same letter again: the diagonal, in the place of the first.
            Some(first) => {
                let (n, m) = (x.size(first), x.size(dim));
                if n != m && n != 1 && m != 1 {
                    bail!(
                        Shape,
                        "einsum(): subscript {} is repeated for operand {number} but the sizes don't match, {m} != {n}",
                        *c as char
                    );
                }
                let diagonal = view::diagonal(&x, 0, first as i64, dim as i64)?;
                let end = diagonal.ndim() as i64 - 1;
                let mut back: Vec<i64> = (0..end).collect();
                back.insert(first, end);
                x = view::permute(&diagonal, &back)?;
            }
        }
    }
    let present: Vec<i64> = from.iter().flatten().map(|&d| d as i64).collect();
    let mut x = view::permute(&x, &present)?;
    for (d, source) in from.iter().enumerate() {
        if source.is_none() {
            x = view::unsqueeze(&x, d as i64)?;
        }
    }
    for (d, size) in sizes.iter_mut().enumerate() {
        if x.size(d) == 1 {
            continue;
        }
        if size.0 != 1 && size.0 != x.size(d) {
            bail!(
                Shape,
                "einsum(): operands do not broadcast with remapped shapes [original->remapped]: dimension {d} has size {} for operand {} and size {} for operand {number}",
                size.0,
                size.1,
                x.size(d)
            );
        }
        *size = (x.size(d), number);
    }
    Ok(x)
}

/// The product of two operands in the common order, summed over some dimensions, which become one.
fn contract_pair(a: &Tensor, b: &Tensor, summed: &[usize]) -> Result<Tensor> {
    if summed.is_empty() {
        return mul(a, b);
    }
    let (mut a, mut b) = (a.clone(), b.clone());
    let (mut both, mut only_a, mut only_b, mut inner) = (vec![], vec![], vec![], vec![]);
    for d in 0..a.ndim() {
        let (in_a, in_b) = (a.size(d) != 1, b.size(d) != 1);
        if summed.contains(&d) {
            match (in_a, in_b) {
                (true, true) => inner.push(d),
                (true, false) => a = reduce::sum(&a, Some(&[d as i64]), true, Some(a.dtype()))?,
                (false, true) => b = reduce::sum(&b, Some(&[d as i64]), true, Some(b.dtype()))?,
                (false, false) => {}
            }
        } else if in_a && in_b {
            both.push(d);
        } else if in_b {
            only_b.push(d);
        } else {
            only_a.push(d);
        }
    }
    let rest: Vec<usize> = summed.iter().copied().filter(|d| !inner.contains(d)).collect();
    let count = |t: &Tensor, dims: &[usize]| dims.iter().map(|&d| t.size(d)).product::<usize>();
    let (batch, m, n, k) = (count(&a, &both), count(&a, &only_a), count(&b, &only_b), count(&a, &inner));
    let order = |parts: &[&[usize]]| parts.concat().iter().map(|&d| d as i64).collect::<Vec<_>>();
    let left = view::permute(&a, &order(&[&both, &only_a, &inner, &only_b, &rest]))?;
    let right = view::permute(&b, &order(&[&both, &inner, &only_b, &only_a, &rest]))?;
    let product = bmm(&view::reshape_to(&left, &[batch, m, k])?, &view::reshape_to(&right, &[batch, k, n])?)?;
    let arranged = [&both[..], &only_a, &only_b, summed].concat();
    let sizes: Vec<usize> = arranged
        .iter()
        .map(|d| match (summed.contains(d), only_b.contains(d)) {
            (true, _) => 1,
            (false, true) => b.size(*d),
            (false, false) => a.size(*d),
        })
        .collect();
    let mut back = vec![0i64; arranged.len()];
    for (place, &d) in arranged.iter().enumerate() {
        back[d] = place as i64;
    }
    view::permute(&view::reshape_to(&product, &sizes)?, &back)
}

pub const OPS: &[Op] = &[
    Op::new("einsum(str equation, Tensor[] operands) -> Tensor", |a| {
        Ok(einsum(a.str(0).unwrap_or_default(), a.tensors(1))?.into())
    })
    .doc("Sums of products, named by one letter a dimension: 'ij,jk->ik' is a matrix product.")
    .samples("'ij,jk->ik', t(2, 3), t(3, 4) | 'bij,bjk', t(2, 3, 4), nc(2, 4, 3) | '...ii->...i', t(2, 3, 3) | 'i,i', t(0), t(0) | 'i,ij,j->', t(2), t(2, 3), t(3)"),
];
