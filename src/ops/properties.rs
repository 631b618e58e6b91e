//! Questions about tensors that are answered with yes or no.

use crate::bail;
use crate::dtype::DType;
use crate::ops::reduce;
use crate::ops::registry::Op;

pub const OPS: &[Op] = &[
    Op::new("is_floating_point(Tensor input) -> bool", |a| Ok(a.tensor(0).dtype().is_floating().into()))
        .method()
        .doc("Whether the dtype is a floating-point one.")
        .samples("t(2) | ints(2)")
        .no_gradient(),
    Op::new("is_complex(Tensor input) -> bool", |a| Ok(a.tensor(0).dtype().is_complex().into()))
        .method()
        .doc("Whether the dtype is a complex one.")
        .samples("t(2) | ints(2)")
        .no_gradient(),
    Op::new("is_signed(Tensor input) -> bool", |a| {
        Ok((!matches!(a.tensor(0).dtype(), DType::U8 | DType::Bool)).into())
    })
    .method()
    .doc("Whether the dtype has negative numbers.")
    .samples("t(2) | bools(2)")
    .no_gradient(),
    Op::new("is_nonzero(Tensor input) -> bool", |a| {
        let x = a.tensor(0);
        match x.numel() {
            1 => Ok((!reduce::item(x)?.is_zero()).into()),
            0 => bail!(Autograd, "Boolean value of Tensor with no values is ambiguous"),
            _ => bail!(Autograd, "Boolean value of Tensor with more than one value is ambiguous"),
        }
    })
    .method()
    .doc("Whether the only element is not zero.")
    .samples("t() | t(1, 1)")
    .no_gradient(),
    Op::new("is_same_size(Tensor input, Tensor other) -> bool", |a| {
        Ok((a.tensor(0).sizes() == a.tensor(1).sizes()).into())
    })
    .method()
    .doc("Whether the shapes are equal.")
    .samples("t(2, 3), t(2, 3) | t(2, 3), t(3)")
    .no_gradient(),
];
