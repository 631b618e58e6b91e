"""The layers as functions: their weights are arguments."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.functional_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    IntOrPair = int | tuple[int, ...]

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "gelu",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mse_loss",
    "nll_loss",
    "pdist",
    "relu",
    "relu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

linear = _C.linear
gelu = _C.gelu
softplus = _C.softplus
relu_ = _C.relu_
leaky_relu_ = _C.leaky_relu_
elu_ = _C.elu_
pdist = _C.pdist


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: str | IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of (N, C, H, W) or (C, H, W) by ``weight`` (O, C / groups, kh, kw); see ``nn.Conv2d``."""
    if not isinstance(padding, str):
        return _C.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if padding == "valid":
        return _C.conv2d(input, weight, bias, stride, 0, dilation, groups)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    steps = (stride,) if isinstance(stride, int) else stride
    if any(step != 1 for step in steps):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    dilations = (dilation, dilation) if isinstance(dilation, int) else dilation
    totals = [d * (size - 1) for d, size in zip(dilations, weight.shape[-2:], strict=True)]
    # An odd total has its larger half on the right. The convolution pads both sides alike, so it is given the
    # larger half, and the first row or column of the result is left out.
    output = _C.conv2d(
        input, weight, bias, 1, tuple(total - total // 2 for total in totals), dilation, groups
    )
    if totals[0] % 2:
        output = output.narrow(-2, 1, output.size(-2) - 1)
    if totals[1] % 2:
        output = output.narrow(-1, 1, output.size(-1) - 1)
    return output.contiguous()


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window, and where it was if ``return_indices``; see ``nn.MaxPool2d``."""
    if stride is None:
        stride = kernel_size
    pool = _C.max_pool2d_with_indices if return_indices else _C.max_pool2d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """(values, int64 indices into each image's plane)."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise every channel of (N, C, ...); see ``nn.BatchNorm1d``.

    ValueError for one value a channel in training.
    """
    if training:
        shape = input.shape
        count = shape[0] if shape else 0
        for size in shape[2:]:
            count *= size
        if count == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
    return _C.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set elements to 0 with probability ``p`` and scale the rest; does nothing unless ``training``."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _C.dropout_(input, p, training) if inplace else _C.dropout(input, p, training)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``."""
    return _C.relu_(input) if inplace else _C.relu(input)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return _C.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return _C.tanh(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``."""
    return _C.silu_(input) if inplace else _C.silu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, ``negative_slope * x`` elsewhere."""
    return _C.leaky_relu_(input, negative_slope) if inplace else _C.leaky_relu(input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, ``alpha * (exp(x) - 1)`` elsewhere."""
    return _C.elu_(input, alpha) if inplace else _C.elu(input, alpha)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``exp(x)`` over its sum along ``dim``; ``dtype`` is converted to first."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return _C.softmax(input if dtype is None else input.to(dtype), dim)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``, without its overflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return _C.log_softmax(input if dtype is None else input.to(dtype), dim)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dim that old code means when it gives none."""
    import warnings

    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1
