"""The layers as functions: their weights are arguments."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.functional_dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from rustnn.nn.functional_embedding import embedding, embedding_bag, one_hot
from rustnn.nn.functional_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from rustnn.nn.functional_norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from rustnn.nn.functional_softmax import gumbel_softmax, log_softmax, softmax, softmin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    IntOrPair = int | tuple[int, ...]

__all__ = [
    "alpha_dropout",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "gelu",
    "group_norm",
    "gumbel_softmax",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pdist",
    "relu",
    "relu_",
    "rms_norm",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "tanh",
]

bilinear = _C.bilinear
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
