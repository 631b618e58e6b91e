//! Complex numbers and their parts: views of them, numbers made of them, conjugates, angles, signs.
//! A conjugate is computed at once: there is no tensor that is only marked as one.

use smallvec::smallvec;

use crate::autograd;
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, broadcast};
use crate::ops::arithmetic::{abs, mul};
use crate::ops::pointwise::{apply_inplace, empty_like_operands};
use crate::ops::registry::Op;
use crate::ops::table::{self, rows};
use crate::ops::{copy, creation, view};
use crate::tensor::Tensor;

/// The bytes of a complex tensor as real numbers: every stride doubled, `shift` 1 for the imaginary part.
fn part(x: &Tensor, shift: usize) -> Tensor {
    let layout = x.layout();
    let strides = layout.strides.iter().map(|s| s * 2).collect();
    let layout = Layout { sizes: layout.sizes.clone(), strides, offset: layout.offset * 2 + shift };
    x.alias_as(layout, x.dtype().to_real())
}

/// The real part: a view of complex numbers, a real tensor itself.
pub fn real(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        return Ok(x.clone());
    }
    let layout = part(x, 0).layout().clone();
    Ok(view::view_as_dtype(x, layout, x.dtype().to_real(), "real", |g| {
        complex(g, &creation::zeros(g.sizes(), g.dtype())?)
    }))
}

/// The imaginary part: a view.
pub fn imag(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        bail!(Autograd, "imag is not implemented for tensors with non-complex dtypes.");
    }
    let layout = part(x, 1).layout().clone();
    Ok(view::view_as_dtype(x, layout, x.dtype().to_real(), "imag", |g| {
        complex(&creation::zeros(g.sizes(), g.dtype())?, g)
    }))
}

fn check_parts(re: &Tensor, im: &Tensor) -> Result<()> {
    if re.dtype() != im.dtype() {
        bail!(
            DType,
            "Expected object of scalar type {} but got scalar type {} for second argument",
            re.dtype().scalar_name(),
            im.dtype().scalar_name()
        );
    }
    if !matches!(re.dtype(), DType::F32 | DType::F64) {
        bail!(
            DType,
            "Expected both inputs to be Half, Float or Double tensors but got {} and {}",
            re.dtype().scalar_name(),
            im.dtype().scalar_name()
        );
    }
    Ok(())
}

/// Complex numbers of their parts, which have one real dtype and are broadcast.
pub fn complex(re: &Tensor, im: &Tensor) -> Result<Tensor> {
    check_parts(re, im)?;
    let sizes = broadcast(re.sizes(), im.sizes())?;
    let out = empty_like_operands(&sizes, &[re.into(), im.into()], re.dtype().to_complex())?;
    copy::write(&part(&out, 0), &view::expand_to(&re.detach(), &sizes)?)?;
    copy::write(&part(&out, 1), &view::expand_to(&im.detach(), &sizes)?)?;
    if !autograd::needs_grad(&[re, im]) {
        return Ok(out);
    }
    let (re_sizes, im_sizes) = (re.layout().sizes.clone(), im.layout().sizes.clone());
    Ok(autograd::record(out, "complex", &[re, im], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        Ok(smallvec![
            Some(crate::ops::reduce::sum_to_size(&real(g)?, &re_sizes)?),
            Some(crate::ops::reduce::sum_to_size(&imag(g)?, &im_sizes)?),
        ])
    }))
}

/// The numbers of these absolute values and angles.
fn polar(radius: &Tensor, angle: &Tensor) -> Result<Tensor> {
    check_parts(radius, angle)?;
    complex(&mul(radius, &table::cos(angle)?)?, &mul(radius, &table::sin(angle)?)?)
}

/// The conjugate; a real tensor itself.
pub fn conj(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() { table::conj(x) } else { Ok(x.clone()) }
}

/// 0 or pi for real numbers. Of complex ones the result is contiguous, as PyTorch's is.
fn angle(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        return table::angle(x);
    }
    let x = copy::contiguous(x)?;
    table::atan2(&imag(&x)?, &real(&x)?)
}

/// The direction of complex numbers: x / |x|, 0 for 0; the sign of real ones.
pub fn sgn(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        return table::sign(x);
    }
    table::over_modulus(x, &copy::to_dtype(&abs(x)?, x.dtype())?)
}

fn is_real(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() {
        return table::is_real(x);
    }
    creation::full(x.sizes(), crate::scalar::Scalar::Bool(true), DType::Bool)
}

pub fn pair_of_reals(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        bail!(Autograd, "view_as_real is only supported for complex tensors");
    }
    let mut layout = part(x, 0).layout().clone();
    layout.sizes.push(2);
    layout.strides.push(1);
    Ok(view::view_as_dtype(x, layout, x.dtype().to_real(), "view_as_real", |g| {
        complex(&view::select(g, -1, 0)?, &view::select(g, -1, 1)?)
    }))
}

fn number_of_pair(x: &Tensor) -> Result<Tensor> {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        bail!(
            Autograd,
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: {}",
            x.dtype().scalar_name()
        );
    }
    let last = x.ndim().wrapping_sub(1);
    if x.ndim() == 0 {
        bail!(Autograd, "Input tensor must have one or more dimensions");
    }
    if x.size(last) != 2 {
        bail!(Autograd, "Tensor must have a last dimension of size 2");
    }
    if x.strides()[last] != 1 {
        bail!(Autograd, "Tensor must have a last dimension with stride 1");
    }
    if !x.layout().offset.is_multiple_of(2) {
        bail!(Autograd, "Tensor must have a storage_offset divisible by 2");
    }
    if x.strides()[..last].iter().any(|s| s % 2 != 0) {
        bail!(Autograd, "Tensor must have a stride divisible by 2 for all but last dimension");
    }
    let mut layout = x.layout().clone();
    layout.sizes.pop();
    layout.strides.pop();
    layout.strides.iter_mut().for_each(|s| *s /= 2);
    layout.offset /= 2;
    Ok(view::view_as_dtype(x, layout, x.dtype().to_complex(), "view_as_complex", pair_of_reals))
}

pub const OPS: &[Op] = &[
    Op::new("real(Tensor input) -> Tensor", |a| Ok(real(a.tensor(0))?.into()))
        .doc("The real part; a view.")
        .samples("t(3, 4) | nc(3, 2) | t(2, dtype=torch.complex64)"),
    Op::new("imag(Tensor input) -> Tensor", |a| Ok(imag(a.tensor(0))?.into()))
        .doc("The imaginary part of complex numbers; a view.")
        .samples("t(2, 3, dtype=torch.complex64) | nc(3, 2, dtype=torch.complex128)"),
    Op::new("complex(Tensor real, Tensor imag) -> Tensor", |a| Ok(complex(a.tensor(0), a.tensor(1))?.into()))
        .doc("Complex numbers of their parts, float32 or float64.")
        .samples("t(3, 4, dtype=torch.float64), t(4, dtype=torch.float64) | nc(3, 2, dtype=torch.float64), t(2, dtype=torch.float64)"),
    Op::new("polar(Tensor abs, Tensor angle) -> Tensor", |a| Ok(polar(a.tensor(0), a.tensor(1))?.into()))
        .doc("Complex numbers of their absolute values and angles.")
        .samples("t(3, 4, low=0.1, high=3, dtype=torch.float64), t(4, dtype=torch.float64) | nc(3, 2, low=0.1, high=3, dtype=torch.float64), t(2, dtype=torch.float64)"),
    Op::new("view_as_real(Tensor input) -> Tensor", |a| Ok(pair_of_reals(a.tensor(0))?.into()))
        .doc("Complex numbers as pairs along a new last dim; a view.")
        .samples("t(2, 3, dtype=torch.complex64) | nc(3, 2, dtype=torch.complex128)"),
    Op::new("view_as_complex(Tensor input) -> Tensor", |a| Ok(number_of_pair(a.tensor(0))?.into()))
        .doc("Pairs along the last dim as complex numbers; a view.")
        .samples("t(3, 2, dtype=torch.float64) | t(2, dtype=torch.float64)"),
    Op::new("conj(Tensor input) -> Tensor", |a| Ok(conj(a.tensor(0))?.into()))
        .method()
        .doc("The conjugate.")
        .samples("t(3, 4) | t(2, dtype=torch.complex64)"),
    Op::new("conj_physical(Tensor input) -> Tensor", |a| Ok(conj(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(apply_inplace(&rows::conj::ROW, &[a.tensor(0).into()])?.into()))
        .doc("The conjugate, in memory of its own.")
        .samples("t(3, 4) | t(2, dtype=torch.complex64)"),
    Op::new("resolve_conj(Tensor input) -> Tensor", |a| Ok(a.tensor(0).clone().into()))
        .method()
        .doc("The tensor itself: conjugates are computed at once.")
        .samples("t(3)"),
    Op::new("resolve_neg(Tensor input) -> Tensor", |a| Ok(a.tensor(0).clone().into()))
        .method()
        .doc("The tensor itself: negatives are computed at once.")
        .samples("t(3)"),
    Op::new("is_conj(Tensor input) -> bool", |_| Ok(false.into()))
        .method()
        .doc("False: conjugates are computed at once.")
        .samples("t(3)"),
    Op::new("is_neg(Tensor input) -> bool", |_| Ok(false.into()))
        .method()
        .doc("False: negatives are computed at once.")
        .samples("t(3)"),
    Op::new("angle(Tensor input) -> Tensor", |a| Ok(angle(a.tensor(0))?.into()))
        .method()
        .doc("The angle in the complex plane; 0 or pi for real numbers.")
        .samples("t(3, 4) | nc(3, 2) | t() | t(0)"),
    Op::new("sgn(Tensor input) -> Tensor", |a| Ok(sgn(a.tensor(0))?.into()))
        .method()
        .inplace()
        .doc("x / |x|, 0 for 0.")
        .samples("t(3, 4) | nc(3, 2) | t() | t(0)"),
    Op::new("isreal(Tensor input) -> Tensor", |a| Ok(is_real(a.tensor(0))?.into()))
        .method()
        .doc("Whether the imaginary part is 0.")
        .samples("t(3, 4) | t(0)")
        .no_gradient(),
];
