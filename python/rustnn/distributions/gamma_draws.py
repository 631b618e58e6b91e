"""Numbers of the gamma and Dirichlet distributions, with gradients to their concentrations.

The numbers, and what is taken from the generator for them, are PyTorch's. A draw is a function of its
concentration once its quantile is held, so its derivative is -(dF/da) / p with the distribution function F
and the density p (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", 2018). The integral
in dF/da is taken numerically, on the side of the draw that has less weight.
"""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd.function import Function, once_differentiable
from rustnn.distributions.utils import eps_and_tiny

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

_THIRD = 0.3333333432674408  # as PyTorch has it, in single precision
_STEP = 0.25
_CHUNK = 16384  # elements that are integrated at once

_rule: tuple[Tensor, Tensor] | None = None


def _uniform() -> float:
    return float(_C.rand((), dtype=_C.float64, device="cpu"))


def _normal() -> float:
    return float(_C.randn((), dtype=_C.float64, device="cpu"))


def _draw(alpha: float) -> float:
    """One number, by rejection: Marsaglia and Tsang, "A simple method for gamma variables" (2000)."""
    scale = 1.0
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        scale = math.pow(1.0 - _uniform(), 1.0 / alpha)
        alpha += 1.0
    d = alpha - _THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = _normal()
        y = 1.0 + c * x
        if y <= 0.0:
            continue
        v = y * y * y
        u = 1.0 - _uniform()
        square = x * x
        if u < 1.0 - 0.0331 * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def _draws(concentration: Tensor, name: str) -> Tensor:
    """A float64 number for each element, in order. NotImplementedError for other dtypes than PyTorch's."""
    if concentration.dtype not in (_C.float32, _C.float64):
        kind = {_C.float16: "Half", _C.bfloat16: "BFloat16", _C.int64: "Long", _C.int32: "Int"}
        said = kind.get(concentration.dtype, str(concentration.dtype).removeprefix("torch."))
        raise NotImplementedError(f"\"{name}\" not implemented for '{said}'")
    drawn = [_draw(alpha) for alpha in concentration.flatten().tolist()]
    return _C.tensor(drawn, dtype=_C.float64).reshape(concentration.shape)


def _nodes() -> tuple[Tensor, Tensor]:
    """Nodes and weights for integrals over [0, inf) of what decays on the scale of 1, or of up to 1e5.

    The double exponential rule: equal steps of t after s = exp(t - exp(-t)) (Takahasi and Mori, 1974).
    """
    global _rule
    if _rule is None:
        steps = [-4 + _STEP * i for i in range(67)]
        nodes = [math.exp(t - math.exp(-t)) for t in steps]
        weights = [_STEP * s * (1 + math.exp(-t)) for s, t in zip(nodes, steps, strict=True)]
        _rule = (_C.tensor(nodes, dtype=_C.float64), _C.tensor(weights, dtype=_C.float64))
    return _rule


def _gamma_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """dx/dalpha of gamma numbers x, all (n,) and float64.

    With u = x exp(s) the density times du is that at x, times x exp(alpha s - x (exp(s) - 1)) ds.
    """
    nodes, weights = _nodes()
    scale = 1 / ((alpha - x).abs() + x.sqrt())
    side = _C.where(x < alpha, -1.0, 1.0).double()
    a, z = alpha.unsqueeze(-1), x.unsqueeze(-1)
    s = (side * scale).unsqueeze(-1) * nodes
    integrand = _C.exp(a * s - z * _C.expm1(s)) * (z.log() + s - _C.digamma(a))
    return x * side * scale * (integrand @ weights)


def _beta_slope(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """dx/dalpha / (1 - x) of beta numbers x, all (n,) and float64.

    With u = x exp(-s) below x, and 1 - u = (1 - x) exp(-s) above.
    """
    nodes, weights = _nodes()
    below = x < alpha / (alpha + beta)
    # The side is turned so that it is always the lower one: near is the distance to its end.
    near = _C.where(below, x, 1 - x)
    far = 1 - near
    power = _C.where(below, alpha, beta)
    other = _C.where(below, beta, alpha) - 1
    scale = 1 / ((power - other * near / far).abs() + (other.abs() * near).sqrt() / far)
    s = scale.unsqueeze(-1) * nodes
    log_far = _C.log1p(-near.unsqueeze(-1) * _C.exp(-s))
    weight = _C.exp(-power.unsqueeze(-1) * s + other.unsqueeze(-1) * (log_far - far.log().unsqueeze(-1)))
    log_u = _C.where(below.unsqueeze(-1), near.log().unsqueeze(-1) - s, log_far)
    centre = (_C.digamma(alpha) - _C.digamma(alpha + beta)).unsqueeze(-1)
    integral = scale * ((weight * (log_u - centre)) @ weights)
    return _C.where(below, -x / (1 - x), 1.0) * integral


def _by_chunks(slope: Any, *arguments: Tensor) -> Tensor:
    shape, dtype = arguments[0].shape, arguments[0].dtype
    rows = [argument.double().flatten().split(_CHUNK) for argument in arguments]
    return _C.cat([slope(*row) for row in zip(*rows, strict=True)]).reshape(shape).to(dtype)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        value = _draws(concentration, "gamma_cpu").to(concentration.dtype)
        value = value.clamp_(min=eps_and_tiny(value.dtype)[1]).to(concentration.device)
        ctx.save_for_backward(value, concentration)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        value, concentration = ctx.saved_tensors
        return grad_output * _by_chunks(_gamma_slope, value, concentration)


class _Dirichlet(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        dtype = concentration.dtype
        drawn = _draws(concentration, "dirichlet").clamp_(min=eps_and_tiny(_C.float64)[1])
        eps, tiny = eps_and_tiny(dtype)
        value = (drawn / drawn.sum(-1, True)).to(dtype).clamp_(min=tiny, max=1 - eps / 2)
        value = value.to(concentration.device)
        ctx.save_for_backward(value, concentration)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        value, concentration = ctx.saved_tensors
        rest = (concentration.sum(-1, True) - concentration).expand_as(concentration)
        slope = _by_chunks(_beta_slope, value, concentration, rest)
        # What one class gains, the others lose in proportion.
        return slope * (grad_output - (value * grad_output).sum(-1, keepdim=True))  # type: ignore[no-any-return]


def standard_gamma(concentration: Tensor) -> Tensor:
    """Gamma numbers of rate 1, one for each concentration: (*), float32 or float64."""
    return _StandardGamma.apply(concentration)  # type: ignore[no-any-return]


def sample_dirichlet(concentration: Tensor) -> Tensor:
    """Dirichlet vectors along the last dimension: (*, K), float32 or float64."""
    return _Dirichlet.apply(concentration)  # type: ignore[no-any-return]
