"""Activations as functions that work element by element; some can overwrite their input."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

gelu = _C._nn_gelu
logsigmoid = _C._nn_logsigmoid
softplus = _C._nn_softplus
softshrink = _C._nn_softshrink
hardshrink = _C.hardshrink
prelu = _C.prelu
celu_ = _C.celu_
elu_ = _C._nn_elu_
hardtanh_ = _C._nn_hardtanh_
leaky_relu_ = _C._nn_leaky_relu_
relu_ = _C.relu_
rrelu_ = _C.rrelu_
selu_ = _C.selu_
threshold_ = _C.threshold_


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``."""
    return _C.relu_(input) if inplace else _C.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return _C.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return _C.tanh(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``."""
    return _C._nn_silu_(input) if inplace else _C._nn_silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``."""
    return _C._nn_mish_(input) if inplace else _C._nn_mish(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, ``negative_slope * x`` elsewhere."""
    return (_C._nn_leaky_relu_ if inplace else _C._nn_leaky_relu)(input, negative_slope)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``leaky_relu`` with slopes drawn from [lower, upper) in training, and their mean elsewhere."""
    return (_C.rrelu_ if inplace else _C.rrelu)(input, lower, upper, training)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, ``alpha * (exp(x) - 1)`` elsewhere."""
    return (_C._nn_elu_ if inplace else _C._nn_elu)(input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, ``alpha * (exp(x / alpha) - 1)`` elsewhere. RuntimeError for alpha 0."""
    return (_C.celu_ if inplace else _C.celu)(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` times a constant, with the alpha that keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _C.selu_(input) if inplace else _C.selu(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x limited to [min_val, max_val]. ValueError if the first is above the second."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return (_C._nn_hardtanh_ if inplace else _C._nn_hardtanh)(input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(x + 3, 0), 6) / 6``."""
    return _C._nn_hardsigmoid_(input) if inplace else _C._nn_hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)``."""
    return _C._nn_hardswish_(input) if inplace else _C._nn_hardswish(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, ``value`` elsewhere."""
    return (_C.threshold_ if inplace else _C.threshold)(input, threshold, value)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of ``dim`` times the sigmoid of the second. RuntimeError for an odd size."""
    return _C._nn_glu(input, dim)


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - input.tanh()
