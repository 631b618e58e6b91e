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

_THIRD = 0.3333333432674408  # as PyTorch has it, in single precision
_CHUNK = 16384  # elements that are integrated at once

_rule: tuple[Tensor, Tensor] | None = None


def _gammas(alphas: list[float]) -> list[float]:
    """A number for each, by rejection: Marsaglia and Tsang, "A simple method for gamma variables" (2000).

    What the generator is to give, uniform numbers and pairs of normal ones made of two of them (Box and
    Muller, 1958), is read ahead from a copy of it; in the end as much is taken from the generator itself.
    """
    ahead = _C.default_generator.clone_state()
    # The second of a pair of normal numbers waits in the state.
    waiting, spare = _waiting_normal(ahead.get_state())
    pair = -1  # where in the stream the last pair lies
    stream: list[float] = []
    at = 0
    drawn = []
    for i, given in enumerate(alphas):
        alpha, scale = given, 1.0
        if alpha == 0.0:
            drawn.append(0.0)
            continue
        while True:
            if at + 4 > len(stream):
                count = 8 + 3 * (len(alphas) - i)
                stream += _C.rand(count, dtype=_C.float64, generator=ahead).tolist()
            if alpha < 1.0:
                scale = math.pow(1.0 - stream[at], 1.0 / alpha)
                at += 1
                alpha += 1.0
            d = alpha - _THIRD
            if spare is None:
                pair = at
                radius = math.sqrt(-2.0 * math.log1p(-stream[at + 1]))
                angle = 2.0 * math.pi * stream[at]
                at += 2
                x, spare = radius * math.cos(angle), radius * math.sin(angle)
            else:
                x, spare = spare, None
            y = 1.0 + x / math.sqrt(9.0 * d)
            if y <= 0.0:
                continue
            v = y * y * y
            u = 1.0 - stream[at]
            at += 1
            square = x * x
            if u < 1.0 - 0.0331 * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
                drawn.append(scale * d * v)
                break
    if stream:
        _advance(at, pair, waiting, spare is not None)
    return drawn


def _waiting_normal(state: Tensor) -> tuple[bool, float | None]:
    """Whether a normal number waits in a generator's state, in PyTorch's layout of 5056 bytes, and which."""
    if not state[5040]:
        return False, None
    return True, float(state[5024:5032].view(_C.float64))


def _advance(words: int, pair: int, waiting: bool, spare: bool) -> None:
    """Takes so many uniform numbers from the generator, the pair among them as normal ones if one is left."""
    if waiting and (pair >= 0 or not spare):
        _C.randn((), dtype=_C.float64, device="cpu")
    if spare and pair >= 0:
        _C.rand(pair, dtype=_C.float64, device="cpu")
        _C.randn((), dtype=_C.float64, device="cpu")
        words -= pair + 2
    _C.rand(words, dtype=_C.float64, device="cpu")


def _draws(concentration: Tensor, name: str) -> Tensor:
    """A float64 number for each element, in order. NotImplementedError for other dtypes than PyTorch's."""
    if concentration.dtype not in (_C.float32, _C.float64):
        kind = {_C.float16: "Half", _C.bfloat16: "BFloat16", _C.int64: "Long", _C.int32: "Int"}
        said = kind.get(concentration.dtype, str(concentration.dtype).removeprefix("torch."))
        raise NotImplementedError(f"\"{name}\" not implemented for '{said}'")
    drawn = _gammas(concentration.flatten().tolist())
    return _C.tensor(drawn, dtype=_C.float64).reshape(concentration.shape)


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
