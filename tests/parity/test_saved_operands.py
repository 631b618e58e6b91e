"""What operations keep for their gradients: a tensor that PyTorch does not need may be changed in place here too."""

from __future__ import annotations

from typing import Any

import pytest

from parity.programs import CANDIDATE, REFERENCE

CALLS = """
torch.div(x, y)
x / y
torch.true_divide(x, y)
x * y
x + y
x - 2 * y
x ** 2
x ** y
2 ** x
torch.exp(x)
torch.expm1(x)
torch.log(x)
torch.log1p(x)
torch.sqrt(x)
torch.rsqrt(x)
torch.reciprocal(x)
torch.tanh(x)
torch.sigmoid(x)
torch.sin(x)
torch.erf(x)
torch.erfinv(x)
torch.logit(x)
torch.logit(x, 0.01)
torch.atan2(x, y)
torch.hypot(x, y)
torch.maximum(x, y)
torch.clamp(x, 0.2, 0.5)
torch.abs(x)
torch.where(x > 0.3, x, y)
torch.lerp(x, y, 0.3)
torch.ldexp(x, y)
torch.ldexp(x, torch.ones(3, 3))
torch.addcmul(x, x, y)
torch.addcdiv(x, x, y)
torch.cumsum(x, 0)
torch.logsumexp(x, 1)
torch.softmax(x, 1)
torch.log_softmax(x, 1)
torch.sum(x)
torch.mean(x, 1)
torch.prod(x)
torch.std(x)
torch.var(x, 1)
torch.norm(x)
torch.max(x)
torch.sort(x)[0]
torch.gather(x, 1, torch.tensor([[0], [1], [2]]))
torch.cat([x, y])
torch.stack([x, y])
torch.mm(x, y)
x @ y
torch.addmm(x, x, y)
torch.einsum('ij,jk->ik', x, y)
torch.linalg.inv(x)
torch.linalg.solve(x, y)
torch.linalg.qr(x)[0]
torch.linalg.cholesky(x @ x.T)
torch.det(x)
F.relu(x)
F.leaky_relu(x)
F.elu(x)
F.gelu(x)
F.silu(x)
F.softplus(x)
F.linear(x, y)
F.layer_norm(x, (3,))
F.mse_loss(x, y)
F.l1_loss(x, y)
F.smooth_l1_loss(x, y)
F.binary_cross_entropy(x, y)
F.normalize(x)
F.cosine_similarity(x, y)
F.conv1d(x[None], y[:, None].expand(3, 3, 3))
F.avg_pool1d(x[None], 2)
"""

ROWS = (
    [[0.3, 0.4, 0.6], [0.2, 0.5, 0.7], [0.1, 0.8, 0.35]],
    [[0.5, 0.9, 0.2], [0.6, 0.3, 0.4], [0.3, 0.2, 0.8]],
)


def is_refused(lib: Any, call: str, changed: str) -> bool:
    """Whether the backward says that a tensor it needs was changed: the result or an operand."""
    x, y = (lib.tensor(rows, dtype=lib.float64, requires_grad=True) * 1.0 for rows in ROWS)
    names = {"torch": lib, "F": lib.nn.functional, "x": x, "y": y}
    names["result"] = result = eval(call, names)
    names[changed].detach().add_(0)
    try:
        result.sum().backward()
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
        return True
    return False


@pytest.mark.parametrize("changed", ["result", "x", "y"])
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_no_more_is_needed(call: str, changed: str) -> None:
    if is_refused(CANDIDATE, call, changed):
        assert is_refused(REFERENCE, call, changed)
