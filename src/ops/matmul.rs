//! Products of matrices and vectors.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::gemm::{self, Batch, Bias, Mat, Product};
use crate::cpu::triangle::{self, Triangle};
use crate::dtype::{C64, C128, DType};
use crate::error::Result;
use crate::layout::{Show, Sizes, broadcast};
use crate::ops::arithmetic::{add, mul, sub};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, cuda, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Both operands as (batch, rows, columns), of one dtype.
struct Operands<'a> {
    a: &'a Tensor,
    b: &'a Tensor,
    /// Added to every row of the product.
    bias: Option<&'a Tensor>,
}

/// The product of matrices or of batches of them; no tape. Sizes have been checked.
fn product_raw(x: Operands, out: &Tensor) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    if x.a.size(x.a.ndim() - 1) == 0 && x.bias.is_none() {
        return creation::write_value(out, Scalar::Int(0));
    }
    match out.dtype() {
        DType::Bool => bail!(Unsupported, "\"addmm_impl_cpu_\" not implemented for 'Bool'"),
        _ if out.device().is_cuda() => cuda::matmul::product(out, x.a, x.b, x.bias),
        DType::F16 | DType::BF16 => {
            let (a, b) = (copy::to_dtype(x.a, DType::F32)?, copy::to_dtype(x.b, DType::F32)?);
            let bias = x.bias.map(|b| copy::to_dtype(b, DType::F32)).transpose()?;
            let wide = Tensor::empty(out.sizes(), DType::F32)?;
            product_raw(Operands { a: &a, b: &b, bias: bias.as_ref() }, &wide)?;
            copy::write(out, &wide)
        }
        DType::F32 => product_typed::<f32>(x, out, |p, b| {
            // SAFETY: `product_typed` describes operands that lie within their tensors.
            unsafe { gemm::gemm_batch(p, b) }
        }),
        DType::F64 => product_typed::<f64>(x, out, |p, b| {
            // SAFETY: as above.
            unsafe { gemm::gemm_batch(p, b) }
        }),
        DType::I64 => product_typed::<i64>(x, out, each(gemm::gemm_portable)),
        DType::I32 => product_typed::<i32>(x, out, each(gemm::gemm_portable)),
        DType::I16 => product_typed::<i16>(x, out, each(gemm::gemm_portable)),
        DType::I8 => product_typed::<i8>(x, out, each(gemm::gemm_portable)),
        DType::U8 => product_typed::<u8>(x, out, each(gemm::gemm_portable)),
        DType::C64 => product_typed::<C64>(x, out, each(gemm::gemm_complex)),
        DType::C128 => product_typed::<C128>(x, out, each(gemm::gemm_complex)),
    }
}

/// Products of a batch one after the other.
fn each<T: Copy>(run: unsafe fn(&Product<T>)) -> impl Fn(&Product<T>, &Batch) {
    move |product, batch| each_of(run, product, batch)
}

fn each_of<T: Copy>(run: unsafe fn(&Product<T>), product: &Product<T>, batch: &Batch) {
    for i in 0..batch.count as isize {
        let mut one = *product;
        one.a.ptr = one.a.ptr.wrapping_offset(i * batch.a);
        one.b.ptr = one.b.ptr.wrapping_offset(i * batch.b);
        one.c = one.c.wrapping_add(i as usize * batch.c);
        // SAFETY: `product_typed` describes operands that lie within their tensors.
        unsafe { run(&one) };
    }
}

fn product_typed<T: Copy>(x: Operands, out: &Tensor, run: impl Fn(&Product<T>, &Batch)) -> Result<()> {
    let n = out.ndim();
    let (count, k) = (out.sizes()[..n - 2].iter().product(), x.a.size(n - 1));
    let bias = x.bias.map(copy::contiguous).transpose()?;
    let product = Product::<T> {
        m: out.size(n - 2),
        n: out.size(n - 1),
        k,
        a: Mat { ptr: x.a.ptr().cast(), rs: x.a.strides()[n - 2], cs: x.a.strides()[n - 1] },
        b: Mat { ptr: x.b.ptr().cast(), rs: x.b.strides()[n - 2], cs: x.b.strides()[n - 1] },
        c: out.ptr().cast(),
        ldc: out.size(n - 1),
        accumulate: false,
        bias: bias.as_ref().map_or(Bias::None, |b| Bias::PerColumn(b.ptr().cast())),
    };
    let batch_stride = |t: &Tensor| if n == 3 { t.strides()[0] } else { 0 };
    let batch =
        Batch { count, a: batch_stride(x.a), b: batch_stride(x.b), c: out.size(n - 2) * out.size(n - 1) };
    run(&product, &batch);
    Ok(())
}

fn check_dtypes(name: &str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "expected m1 and m2 to have the same dtype, but got: {} != {} ({name})",
            a.dtype().c_name(),
            b.dtype().c_name()
        );
    }
    Ok(())
}

/// The conjugate transpose of the last two dimensions: the adjoint of a factor.
pub fn adjoint(x: &Tensor) -> Result<Tensor> {
    let turned = view::transpose(x, -1, -2)?;
    if x.dtype().is_complex() { table::conj(&turned) } else { Ok(turned) }
}

/// Product of two matrices.
pub fn mm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    for (name, t) in [("self", a), ("mat2", b)] {
        if t.ndim() != 2 {
            bail!(Shape, "{name} must be a matrix, got a tensor of shape {}", Show(t.sizes()));
        }
    }
    if a.size(1) != b.size(0) {
        bail!(
            Shape,
            "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})",
            a.size(0),
            a.size(1),
            b.size(0),
            b.size(1)
        );
    }
    check_dtypes("mm", a, b)?;
    let out = Tensor::empty(&[a.size(0), b.size(1)], a.dtype())?;
    product_raw(Operands { a, b, bias: None }, &out)?;
    Ok(recorded_product(out, a, b, "mm", mm))
}

/// Hangs the gradient of a product behind it: g·bᴴ and aᴴ·g.
fn recorded_product(
    out: Tensor,
    a: &Tensor,
    b: &Tensor,
    name: &'static str,
    product: fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Tensor {
    if !autograd::needs_grad(&[a, b]) {
        return out;
    }
    autograd::record(out, name, &[a, b], &[Save::Input(0), Save::Input(1)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_a = if cx.needs(0) { Some(product(g, &adjoint(&cx.saved(1)?)?)?) } else { None };
        let for_b = if cx.needs(1) { Some(product(&adjoint(&cx.saved(0)?)?, g)?) } else { None };
        Ok(smallvec![for_a, for_b])
    })
}

/// Products of two batches of matrices.
pub fn bmm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    for (name, t) in [("batch1", a), ("batch2", b)] {
        if t.ndim() != 3 {
            bail!(Shape, "{name} must be a 3D tensor, got a tensor of shape {}", Show(t.sizes()));
        }
    }
    if a.size(0) != b.size(0) || a.size(2) != b.size(1) {
        bail!(
            Shape,
            "Expected size for first two dimensions of batch2 tensor to be: [{}, {}] but got: [{}, {}].",
            a.size(0),
            a.size(2),
            b.size(0),
            b.size(1)
        );
    }
    check_dtypes("bmm", a, b)?;
    let out = Tensor::empty(&[a.size(0), a.size(1), b.size(2)], a.dtype())?;
    product_raw(Operands { a, b, bias: None }, &out)?;
    Ok(recorded_product(out, a, b, "bmm", bmm))
}

/// Matrix times vector.
pub fn mv(a: &Tensor, x: &Tensor) -> Result<Tensor> {
    if a.ndim() != 2 || x.ndim() != 1 {
        bail!(Shape, "vector + matrix @ vector expected, got {}, {}, {}", 1, a.ndim(), x.ndim());
    }
    if a.size(1) != x.size(0) {
        bail!(
            Shape,
            "size mismatch, got input ({}), mat ({}x{}), vec ({})",
            a.size(0),
            a.size(0),
            a.size(1),
            x.size(0)
        );
    }
    if a.dtype() != x.dtype() {
        bail!(
            DType,
            "addmv input tensors must have the same dtype, but got {}, {}, and {}",
            x.dtype().scalar_name(),
            a.dtype().scalar_name(),
            x.dtype().scalar_name()
        );
    }
    view::squeeze(&mm(a, &view::unsqueeze(x, 1)?)?, Some(&[1]))
}

/// Refuses what is not a pair of vectors of one dtype and length.
pub fn check_dot(a: &Tensor, b: &Tensor) -> Result<()> {
    if a.ndim() != 1 || b.ndim() != 1 {
        bail!(Shape, "1D tensors expected, but got {}D and {}D tensors", a.ndim(), b.ndim());
    }
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "dot : expected both vectors to have same dtype, but found {} and {}",
            a.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
    }
    if a.size(0) != b.size(0) {
        bail!(
            Shape,
            "inconsistent tensor size, expected tensor {} and src {} to have the same number of elements, but got {} and {} elements respectively",
            Show(a.sizes()),
            Show(b.sizes()),
            a.size(0),
            b.size(0)
        );
    }
    if a.dtype() == DType::Bool {
        bail!(Unsupported, "\"dot\" not implemented for 'Bool'");
    }
    Ok(())
}

/// The inner product of two vectors.
pub fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_dot(a, b)?;
    let row = view::unsqueeze(a, 0)?;
    view::reshape_to(&mm(&row, &view::unsqueeze(b, 1)?)?, &[])
}

/// `a @ b` for any numbers of dimensions: vectors lose theirs, leading dimensions are broadcast.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match (a.ndim(), b.ndim()) {
        (0, _) | (_, 0) => bail!(
            Shape,
            "both arguments to matmul need to be at least 1D, but they are {}D and {}D",
            a.ndim(),
            b.ndim()
        ),
        (1, 1) => dot(a, b),
        (2, 2) => mm(a, b),
        (2, 1) => mv(a, b),
        (1, 2) => view::squeeze(&mm(&view::unsqueeze(a, 0)?, b)?, Some(&[0])),
        (1, _) => view::squeeze(&matmul(&view::unsqueeze(a, 0)?, b)?, Some(&[-2])),
        (_, 1) => view::squeeze(&matmul(a, &view::unsqueeze(b, 1)?)?, Some(&[-1])),
        // One matrix for the whole batch: rows of the batch side by side.
        (n, 2) => {
            if a.size(n - 1) != b.size(0) {
                bail!(
                    Shape,
                    "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})",
                    a.sizes()[..n - 1].iter().product::<usize>(),
                    a.size(n - 1),
                    b.size(0),
                    b.size(1)
                );
            }
            let mut sizes: Sizes = a.sizes().into();
            sizes[n - 1] = b.size(1);
            let rows = a.sizes()[..n - 1].iter().product();
            let flat = view::reshape_to(a, &[rows, a.size(n - 1)])?;
            view::reshape_to(&mm(&flat, b)?, &sizes)
        }
        _ => batched(a, b),
    }
}

fn batched(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let split = |t: &Tensor| (t.sizes()[..t.ndim() - 2].to_vec(), t.size(t.ndim() - 2), t.size(t.ndim() - 1));
    let ((a_batch, m, k), (b_batch, k2, n)) = (split(a), split(b));
    let batch = broadcast(&a_batch, &b_batch)?;
    if k != k2 {
        bail!(
            Shape,
            "Expected size for first two dimensions of batch2 tensor to be: [{}, {k}] but got: [{}, {k2}].",
            batch.iter().product::<usize>(),
            batch.iter().product::<usize>()
        );
    }
    let count = batch.iter().product();
    let flat = |t: &Tensor, rows: usize, columns: usize| -> Result<Tensor> {
        let mut sizes = batch.clone();
        sizes.extend([rows, columns]);
        view::reshape_to(&view::expand_to(t, &sizes)?, &[count, rows, columns])
    };
    let mut sizes = batch.clone();
    sizes.extend([m, n]);
    view::reshape_to(&bmm(&flat(a, m, k)?, &flat(b, k, n)?)?, &sizes)
}

/// `input @ weightᵀ + bias`: what a linear layer computes.
/// Shapes: input (*, in), weight (out, in), bias (out) or none.
pub fn linear(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let fused = input.ndim() >= 1 && weight.ndim() == 2 && bias.is_none_or(|b| b.ndim() == 1);
    if !fused {
        let product = matmul(input, &view::transpose(weight, -1, -2)?)?;
        return match bias {
            Some(bias) => add(&product, bias),
            None => Ok(product),
        };
    }
    let (features, outputs) = (weight.size(1), weight.size(0));
    let last = input.size(input.ndim() - 1);
    let rows: usize = input.sizes()[..input.ndim() - 1].iter().product();
    if last != features {
        bail!(Shape, "mat1 and mat2 shapes cannot be multiplied ({rows}x{last} and {features}x{outputs})");
    }
    if let Some(bias) = bias
        && bias.size(0) != outputs
    {
        bail!(
            Shape,
            "The expanded size of the tensor ({outputs}) must match the existing size ({}) at non-singleton dimension 1.  Target sizes: [{rows}, {outputs}].  Tensor sizes: {}",
            bias.size(0),
            Show(bias.sizes())
        );
    }
    for other in [Some(weight), bias].into_iter().flatten() {
        if input.dtype() != other.dtype() {
            bail!(
                DType,
                "mat1 and mat2 must have the same dtype, but got {} and {}",
                input.dtype().scalar_name(),
                other.dtype().scalar_name()
            );
        }
    }
    let mut sizes: Sizes = input.sizes().into();
    sizes[input.ndim() - 1] = outputs;
    let flat = if input.ndim() == 2 { input.clone() } else { view::reshape_to(input, &[rows, features])? };
    let out = Tensor::empty(&[rows, outputs], input.dtype())?;
    let turned = weight.alias(weight.layout().transpose(0, 1));
    product_raw(Operands { a: &flat, b: &turned, bias }, &out)?;
    let mut inputs: SmallVec<[&Tensor; 3]> = smallvec![&flat, weight];
    inputs.extend(bias);
    let out = if autograd::needs_grad(&inputs) {
        let has_bias = bias.is_some();
        autograd::record(out, "AddmmBackward0", &inputs, &[Save::Input(0), Save::Input(1)], move |cx| {
            let count = 2 + has_bias as usize;
            let Some(g) = cx.grad() else { return Ok(smallvec![None; count]) };
            let for_input = if cx.needs(0) { Some(mm(g, &cx.saved(1)?)?) } else { None };
            let for_weight =
                if cx.needs(1) { Some(mm(&view::transpose(g, 0, 1)?, &cx.saved(0)?)?) } else { None };
            let mut grads = smallvec![for_input, for_weight];
            if has_bias {
                grads.push(if cx.needs(2) { Some(reduce::sum(g, Some(&[0]), false, None)?) } else { None });
            }
            Ok(grads)
        })
    } else {
        out
    };
    if input.ndim() == 2 { Ok(out) } else { view::reshape_to(&out, &sizes) }
}

fn addmm(input: &Tensor, a: &Tensor, b: &Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
    let dtype = input.dtype();
    if matches!(dtype, DType::F16 | DType::BF16) && a.dtype() == dtype && b.dtype() == dtype {
        // In single precision, and rounded once.
        let wide = |t: &Tensor| copy::to_dtype(t, DType::F32);
        return copy::to_dtype(&scaled_sum(&wide(input)?, mm(&wide(a)?, &wide(b)?)?, beta, alpha)?, dtype);
    }
    scaled_sum(input, mm(a, b)?, beta, alpha)
}

/// `product` alone, whatever `input` holds; the gradient of `input` is zero.
pub fn without(input: &Tensor, product: Tensor) -> Result<Tensor> {
    if !autograd::needs_grad(&[input]) || input.dtype().is_complex() {
        return Ok(product);
    }
    add(&product, &table::zero_of(input)?)
}

/// beta * input + alpha * product, in the shape of the product.
pub fn scaled_sum(input: &Tensor, product: Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
    // The factors of integers are cut to integers.
    let factor = |s: Scalar| if product.dtype().is_integral() { Scalar::Int(s.to_i64()) } else { s };
    let (beta, alpha) = (factor(beta), factor(alpha));
    if broadcast(input.sizes(), product.sizes()).ok().as_deref() != Some(product.sizes()) {
        let target: Vec<i64> = product.sizes().iter().map(|&s| s as i64).collect();
        view::expand(input, &target)?;
    }
    let product =
        if alpha.to_complex() == Scalar::Int(1).to_complex() { product } else { mul(&product, alpha)? };
    if beta.is_zero() {
        return without(input, product);
    }
    let input =
        if beta.to_complex() == Scalar::Int(1).to_complex() { input.clone() } else { mul(input, beta)? };
    add(&input, &product)
}

fn outer(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    for (name, t) in [("self", a), ("vec2", b)] {
        if t.ndim() != 1 {
            bail!(Autograd, "outer: Expected 1-D argument {name}, but got {}-D", t.ndim());
        }
    }
    mul(&view::unsqueeze(a, 1)?, b)
}

/// The lower or upper triangle; the rest is zero.
pub fn triangle(x: &Tensor, diagonal: i64, lower: bool) -> Result<Tensor> {
    if x.ndim() < 2 {
        bail!(
            Autograd,
            "{}: input tensor must have at least 2 dimensions",
            if lower { "tril" } else { "triu" }
        );
    }
    let source = copy::contiguous(&x.detached())?;
    let out = if source.device().is_cuda() {
        autograd::no_grad(|| triangle_on_gpu(&source, diagonal, lower))?
    } else {
        Tensor::empty(x.sizes(), x.dtype())?
    };
    if out.numel() > 0 && !out.device().is_cuda() {
        let (rows, columns, size) = (x.size(x.ndim() - 2), x.size(x.ndim() - 1), x.dtype().size());
        let part = Triangle { rows, columns, size, diagonal, lower };
        // SAFETY: contiguous tensors of the same sizes, as bytes; `out` is fresh.
        unsafe { triangle::triangle(&part, out.numel() / (rows * columns), source.ptr(), out.ptr()) };
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let name = if lower { "tril" } else { "triu" };
    Ok(autograd::record(out, name, &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| triangle(g, diagonal, lower)).transpose()?])
    }))
}

/// [`triangle`] as a choice between elements and zeros.
fn triangle_on_gpu(x: &Tensor, diagonal: i64, lower: bool) -> Result<Tensor> {
    let numbers =
        |n: usize| creation::arange(Scalar::Int(0), Scalar::Int(n as i64), Scalar::Int(1), DType::I64);
    let (rows, columns) = (numbers(x.size(x.ndim() - 2))?, numbers(x.size(x.ndim() - 1))?);
    let offset = sub(&columns, &view::unsqueeze(&rows, 1)?)?;
    let kept = match lower {
        true => table::le(&offset, Scalar::Int(diagonal))?,
        false => table::ge(&offset, Scalar::Int(diagonal))?,
    };
    table::select(&kept, x, Scalar::Bool(false))
}

fn matmul_call(a: &Args) -> Result<crate::ops::registry::Output> {
    Ok(matmul(a.tensor(0), a.tensor(1))?.into())
}

pub const OPS: &[Op] = &[
    Op::new("matmul(Tensor input, Tensor other) -> Tensor", matmul_call)
        .method()
        .doc("Product of matrices, vectors, or broadcast batches of matrices.")
        .samples("t(3, 4), t(4, 2) | t(3), t(3) | t(3, 4), t(4) | t(3), t(3, 4) | t(2, 3, 4), t(2, 4, 5) | t(5, 1, 3, 4), t(2, 4, 2) | t(2, 3, 4), t(4, 2) | t(0, 3), t(3, 2) | t(2, 0), t(0, 3) | nc(3, 4), nc(4, 5)"),
    Op::new("mm(Tensor input, Tensor mat2) -> Tensor", |a| Ok(mm(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("Product of two matrices.")
        .samples("t(3, 4), t(4, 2) | nc(3, 4), t(4, 2)"),
    Op::new("bmm(Tensor input, Tensor mat2) -> Tensor", |a| Ok(bmm(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("Products of two batches of matrices.")
        .samples("t(2, 3, 4), t(2, 4, 5)"),
    Op::new("mv(Tensor input, Tensor vec) -> Tensor", |a| Ok(mv(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("Matrix times vector.")
        .samples("t(3, 4), t(4)"),
    Op::new("dot(Tensor input, Tensor tensor) -> Tensor", |a| Ok(dot(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("The inner product of two vectors.")
        .samples("t(3), t(3)"),
    Op::new("outer(Tensor input, Tensor vec2) -> Tensor", |a| Ok(outer(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("The outer product of two vectors.")
        .samples("t(3), t(4)"),
    Op::new("addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        Ok(addmm(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3), a.scalar(4))?.into())
    })
    .method()
    .inplace()
    .doc("beta * input + alpha * mat1 @ mat2.")
    .samples("t(3, 5), t(3, 4), t(4, 5) | t(5), t(3, 4), t(4, 5), beta=0.5, alpha=2"),
    Op::new("baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        Ok(scaled_sum(a.tensor(0), bmm(a.tensor(1), a.tensor(2))?, a.scalar(3), a.scalar(4))?.into())
    })
    .method()
    .inplace()
    .doc("beta * input + alpha * batch1 @ batch2.")
    .samples("t(2, 3, 5), t(2, 3, 4), t(2, 4, 5)"),
    Op::new("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", |a| {
        Ok(linear(a.tensor(0), a.tensor(1), a.opt_tensor(2))?.into())
    })
    .doc("input @ weight.T + bias.")
    .samples("t(3, 4), t(5, 4), t(5) | t(3, 4), t(5, 4) | t(2, 3, 4), t(5, 4), t(5) | t(4), t(5, 4), t(5) | t(0, 4), t(5, 4), t(5)"),
    Op::new("tril(Tensor input, int diagonal=0) -> Tensor", |a| Ok(triangle(a.tensor(0), a.int(1), true)?.into()))
        .method()
        .inplace()
        .doc("The lower triangle; the rest is zero.")
        .samples("t(3, 4) | t(3, 3), 1 | t(2, 3, 3), -1"),
    Op::new("triu(Tensor input, int diagonal=0) -> Tensor", |a| Ok(triangle(a.tensor(0), a.int(1), false)?.into()))
        .method()
        .inplace()
        .doc("The upper triangle; the rest is zero.")
        .samples("t(3, 4) | t(3, 3), 1 | t(2, 3, 3), -1"),
];
