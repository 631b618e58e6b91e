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
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import Tensor

    Function1 = Callable[[Tensor], Tensor]

_CHUNK = 16384  # elements that are integrated at once

_rule: tuple[Tensor, Tensor] | None = None


def _nodes() -> tuple[Tensor, Tensor]:
    """Nodes and weights for integrals over [0, 1], close together at its ends.

    The double exponential rule: equal steps of t after (1 + tanh(pi / 2 sinh(t))) / 2 (Takahasi and Mori,
    "Double exponential formulas for numerical integration", 1974).
    """
    global _rule
    if _rule is None:
        steps = [0.1 * i for i in range(-32, 33)]
        nodes = [1 / (1 + math.exp(-math.pi * math.sinh(t))) for t in steps]
        weights = [
            0.1 * math.pi * math.cosh(t) * u / (1 + math.exp(math.pi * math.sinh(t)))
            for u, t in zip(nodes, steps, strict=True)
        ]
        _rule = (_C.tensor(nodes, dtype=_C.float64), _C.tensor(weights, dtype=_C.float64))
    return _rule


def _integral(exponent: Function1, factor: Function1, reach: Tensor) -> Tensor:
    """The integral of exp(exponent(s)) factor(s) over s > 0: (n,), where `reach` (n, 1) is far enough.

    The exponent falls from 0; the integral ends about where it is -45.
    """
    for _ in range(20):
        half = reach / 2
        reach = _C.where(exponent(half) < -45, half, reach)
    nodes, weights = _nodes()
    s = reach * nodes
    return reach.squeeze(-1) * ((exponent(s).exp() * factor(s)) @ weights)


def _gamma_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """dx/dalpha of gamma numbers x, all (n,) and float64.

    With u = x exp(s) the density times du is that at x, times x exp(alpha s - x (exp(s) - 1)) ds.
    """
    a, z = alpha.unsqueeze(-1), x.unsqueeze(-1)
    below = z < a
    side = _C.where(below, -1.0, 1.0).double()
    centre = z.log() - _C.digamma(a)
    ratio = 45 / z
    above_reach = (ratio + ratio.log1p()).log1p() + (2 * ratio.clamp(max=5)).sqrt()
    integral = _integral(
        lambda s: a * (side * s) - z * _C.expm1(side * s),
        lambda s: centre + side * s,
        _C.where(below, (45 + z) / a, above_reach),
    )
    return x * side.squeeze(-1) * integral


def _beta_slope(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """dx/dalpha / (1 - x) of beta numbers x, all (n,) and float64.

    With u = x exp(-s) below x, and 1 - u = (1 - x) exp(-s) above.
    """
    x, alpha, beta = x.unsqueeze(-1), alpha.unsqueeze(-1), beta.unsqueeze(-1)
    below = x < alpha / (alpha + beta)
    # Turned so that the side is always the lower one: near is the distance to its end.
    near = _C.where(below, x, 1 - x)
    log_near, log_far = near.log(), _C.log1p(-near)
    power = _C.where(below, alpha, beta)
    other = _C.where(below, beta, alpha) - 1
    centre = _C.digamma(alpha) - _C.digamma(alpha + beta)
    integral = _integral(
        lambda s: other * (_C.log1p(-near * (-s).exp()) - log_far) - power * s,
        lambda s: _C.where(below, log_near - s, _C.log1p(-near * (-s).exp())) - centre,
        (45 - other.clamp(min=0) * log_far) / power,
    )
    return _C.where(below, -x / (1 - x), 1.0).squeeze(-1) * integral


def _by_chunks(slope: Any, *arguments: Tensor) -> Tensor:
    shape, dtype = arguments[0].shape, arguments[0].dtype
    rows = [argument.double().flatten().split(_CHUNK) for argument in arguments]
    return _C.cat([slope(*row) for row in zip(*rows, strict=True)]).reshape(shape).to(dtype)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        value = _C._gamma_draws(concentration, "gamma_cpu").to(concentration.dtype)
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
        drawn = _C._gamma_draws(concentration, "dirichlet").clamp_(min=eps_and_tiny(_C.float64)[1])
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
