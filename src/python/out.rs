//! `out=`: results that are written into given tensors.
//!
//! By default a result is cast to the dtype of the tensor, if that is of no lower kind. PyTorch's functions
//! have other rules too, by their history rather than by what they do; the lists below name them.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::autograd;
use crate::bail;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::registry::{Output, Value};
use crate::python::arguments::Values;
use crate::python::convert::{handle, items, named_object, output_object, tensor_of};
use crate::python::signature::{Kind, Signature};
use crate::python::tensor::PyTensor;
use crate::python::warnings;
use crate::tensor::Tensor;

/// Functions without `out=`.
const WITHOUT: &str = "
    adaptive_avg_pool1d adjoint alpha_dropout argwhere as_strided as_strided_scatter avg_pool1d
    bartlett_window batch_norm bilinear binary_cross_entropy_with_logits bincount blackman_window
    broadcast_to cdist celu channel_shuffle clone combinations conj constant_pad_nd conv1d conv2d conv3d
    conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d corrcoef cosine_embedding_loss
    cosine_similarity count_nonzero cov cumulative_trapezoid det diag_embed diagflat diagonal
    diagonal_scatter dist embedding feature_alpha_dropout feature_dropout fft.fftshift fft.ifftshift fill
    flatten flip fliplr flipud full_like group_norm gru_cell hamming_window hann_window
    hinge_embedding_loss imag index_fill index_put instance_norm isclose isfinite isinf isnan isreal
    kaiser_window kl_div layer_norm linalg.diagonal linalg.vander logdet margin_ranking_loss masked_fill
    masked_scatter max_pool1d max_pool2d max_pool3d movedim narrow ones_like pairwise_distance pdist
    permute pinverse pixel_shuffle pixel_unshuffle poisson_nll_loss positive prelu put ravel real relu
    repeat_interleave reshape resolve_conj resolve_neg rms_norm rnn_relu_cell rnn_tanh_cell roll rot90
    rrelu rsub select select_scatter selu signal.windows.bartlett signal.windows.blackman
    signal.windows.cosine signal.windows.exponential signal.windows.gaussian
    signal.windows.general_hamming signal.windows.hamming signal.windows.hann signal.windows.kaiser
    signal.windows.nuttall squeeze stft t tile trace transpose trapezoid tril_indices triplet_margin_loss
    triu_indices unflatten unsqueeze vander view_as_complex view_as_real zeros_like
";

/// Functions that write tensors of the result's dtype alone.
const OF_ONE_DTYPE: &str = "
    abs addmm addmv all amax amin any argmax argmin argsort baddbmm bitwise_not bmm bucketize ceil
    chain_matmul clamp_max clamp_min complex conj_physical cross diag dot float_power floor frac gather
    hardshrink heaviside histc index_add index_copy index_reduce index_select inverse isin isneginf
    isposinf linalg.cholesky linalg.cross linalg.det linalg.inv linalg.lu_solve linalg.matrix_norm
    linalg.multi_dot linalg.norm linalg.solve linalg.solve_triangular linalg.svdvals linalg.vecdot
    linalg.vector_norm linear log_softmax logcumsumexp lu_solve masked_select matmul mm msort multinomial
    mv nan_to_num nanquantile narrow_copy neg nonzero norm ormqr polar quantile renorm round scatter
    scatter_add scatter_reduce searchsorted sgn sign signbit slice_scatter softmax take take_along_dim
    tensordot tril triu trunc vdot where
";

/// Functions with several results that cast them all to the tensors' dtypes; others with several do not.
const CASTING_ALL: &str = "geqrf linalg.lstsq lu";

/// Functions that may not write into what they read, not even if it is the very same tensor.
const APART: &str = "
    cat cross diff gather index_select kron kthvalue linalg.cross masked_select nonzero outer take
    take_along_dim
";

/// Those of them that PyTorch makes of other functions, which see another view: nothing to write is nothing shared.
const APART_UNLESS_EMPTY: &str = "addr diff kron outer take_along_dim";

/// The same, but for their first argument: they change it.
const APART_FROM_THE_REST: &str = "
    addr index_add index_copy index_reduce scatter scatter_add scatter_reduce
";

/// Functions of broadcast arguments: one that is `out=` too must have the shape of the result already.
const BROADCASTING: &str = "
    add addcdiv addcmul atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    clamp copysign div eq floor_divide fmax fmin fmod gcd ge gt heaviside hypot igamma igammac lcm le
    logaddexp logaddexp2 logical_and logical_or logical_xor lt max maximum min minimum mul ne nextafter
    remainder special.chebyshev_polynomial_t special.chebyshev_polynomial_u special.chebyshev_polynomial_v
    special.chebyshev_polynomial_w special.hermite_polynomial_h special.hermite_polynomial_he
    special.laguerre_polynomial_l special.legendre_polynomial_p special.shifted_chebyshev_polynomial_t
    special.shifted_chebyshev_polynomial_u special.shifted_chebyshev_polynomial_v
    special.shifted_chebyshev_polynomial_w special.xlog1py special.zeta sub where xlogy
";

/// Functions that compute in the dtype of the given tensor.
const IN_DTYPE_OF_OUT: &str = "
    arange cumprod cumsum eye full linspace logspace nansum ones prod range sum zeros
";

fn is_in(name: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|n| n == name)
}

/// Whether the function takes `out=` at all.
pub fn is_taken(name: &str) -> bool {
    !is_in(name, WITHOUT)
}

/// What `out=` means for the arguments of the call.
pub fn prepare(
    out: &Bound<'_, PyAny>,
    name: &str,
    signature: &Signature,
    values: &mut Values,
) -> PyResult<()> {
    let Some(target) = tensor_of(out).filter(|_| is_in(name, IN_DTYPE_OF_OUT)) else { return Ok(()) };
    let Some(i) = signature.parameters.iter().position(|p| p.kind == Kind::DType) else { return Ok(()) };
    match values[i] {
        Value::DType(asked) if asked != target.dtype() => Err(PyRuntimeError::new_err(format!(
            "dtype {} does not match dtype of out parameter ({})",
            asked.scalar_name(),
            target.dtype().scalar_name()
        ))),
        _ => {
            values[i] = Value::DType(target.dtype());
            Ok(())
        }
    }
}

/// Writes the results of `name` into the given tensors, which are returned in their place.
pub fn write<'py>(
    out: Bound<'py, PyAny>,
    name: &str,
    values: &[Value],
    output: Output,
) -> PyResult<Bound<'py, PyAny>> {
    let py = out.py();
    let write_all = |results: &[Tensor]| -> PyResult<Vec<Tensor>> {
        let targets = items(&out).unwrap_or_default();
        if targets.len() != results.len() {
            return Err(PyRuntimeError::new_err(format!(
                "{name}() has {} results here, but out= holds {} tensors",
                results.len(),
                targets.len()
            )));
        }
        for (target, result) in targets.iter().filter_map(tensor_of).zip(results) {
            check(&target, name, values, result)?;
            if !is_in(name, CASTING_ALL) {
                check_dtype(&target, result)?;
            }
        }
        let write = |(target, result): (Bound<'py, PyAny>, &Tensor)| {
            let written = write_one(target, result)?;
            Ok(handle(written.cast::<PyTensor>()?))
        };
        targets.into_iter().zip(results).map(write).collect()
    };
    match output {
        Output::Tensor(result) => {
            let target = handle(out.cast::<PyTensor>()?);
            check(&target, name, values, &result)?;
            if is_in(name, OF_ONE_DTYPE) {
                check_dtype(&target, &result)?;
            }
            write_one(out, &result)
        }
        Output::Tensors(results) => output_object(py, Output::Tensors(write_all(&results)?)),
        Output::Named(name, fields, results) => {
            named_object(py, &format!("{name}_out"), fields, write_all(&results)?)
        }
        other => output_object(py, other),
    }
}

fn check_dtype(target: &Tensor, result: &Tensor) -> Result<()> {
    if target.dtype() != result.dtype() {
        bail!(
            Shape,
            "Expected out tensor to have dtype {}, but got {} instead",
            result.dtype().c_name(),
            target.dtype().c_name()
        );
    }
    Ok(())
}

/// Refuses an `out=` that results cannot be written to one by one: it reaches an element twice, or a part
/// of what is read.
fn check(out: &Tensor, name: &str, values: &[Value], result: &Tensor) -> Result<()> {
    let inputs = || {
        values.iter().flat_map(|value| match value {
            Value::Tensor(t) => std::slice::from_ref(t),
            Value::Tensors(list) => list.as_slice(),
            _ => &[],
        })
    };
    if out.sizes() != result.sizes() && is_in(name, BROADCASTING) && inputs().any(|t| t.is(out)) {
        bail!(
            Shape,
            "output with shape {:?} doesn't match the broadcast shape {:?}",
            out.sizes(),
            result.sizes()
        );
    }
    if out.numel() > 0 && out.layout().has_internal_overlap() {
        bail!(
            Shape,
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation."
        );
    }
    let (apart, rest_apart) = (is_in(name, APART), is_in(name, APART_FROM_THE_REST));
    let shared = |(i, t): (usize, &Tensor)| {
        let apart = apart || (rest_apart && i > 0);
        let reach = |t: &Tensor| t.layout().extent().unwrap_or((0, 0));
        let ((a, b), (c, d)) = (reach(t), reach(out));
        if t.is(out) {
            return apart && (out.numel() > 0 || !is_in(name, APART_UNLESS_EMPTY));
        }
        out.numel() > 0
            && t.storage().same(out.storage())
            && t.dtype() == out.dtype()
            && (apart || t.layout() != out.layout())
            // Of tensors with gaps nobody can tell cheaply; PyTorch lets them pass too.
            && t.layout().is_non_overlapping_and_dense()
            && out.layout().is_non_overlapping_and_dense()
            && (a < d && c < b)
    };
    if inputs().enumerate().any(shared) {
        bail!(
            Shape,
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation."
        );
    }
    Ok(())
}

/// The result is written into a given tensor, which takes its shape.
fn write_one<'py>(out: Bound<'py, PyAny>, result: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let object = out.cast::<PyTensor>()?;
    let target = handle(object);
    if autograd::needs_grad(&[&target, result]) {
        return Err(PyRuntimeError::new_err(
            "functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.",
        ));
    }
    if !result.dtype().can_cast(target.dtype()) {
        return Err(PyRuntimeError::new_err(format!(
            "result type {} can't be cast to the desired output type {}",
            result.dtype().scalar_name(),
            target.dtype().scalar_name()
        )));
    }
    if target.sizes() == result.sizes() {
        copy::assign(&target, result)?;
    } else {
        if target.numel() > 0 {
            let text = format!(
                "An output with one or more elements was resized since it had shape {:?}, which does not match the required output shape {:?}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                target.sizes(),
                result.sizes()
            );
            warnings::show(out.py(), &text)?;
        }
        let fresh = copy::to_dtype(result, target.dtype())?;
        object.get().replace(target.with_data(&fresh));
    }
    Ok(out)
}
