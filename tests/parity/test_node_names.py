"""`grad_fn.name()` of every sample is PyTorch's, but where an operation is put together otherwise."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pytest

from parity.compare import compare
from parity.ops import Call, calls
from parity.programs import CANDIDATE, REFERENCE

# Made of other operations than in PyTorch, so that another one is the last.
OTHERWISE = set(
    """
    adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d corrcoef cov cumulative_trapezoid diag einsum fill kron linear matmul max_pool1d
    max_pool1d_with_indices nanquantile quantile remainder rms_norm trapezoid special.ndtr
    nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d nn.functional.adaptive_max_pool1d
    nn.functional.affine_grid nn.functional.avg_pool1d nn.functional.conv1d nn.functional.conv_transpose1d
    nn.functional.embedding_bag nn.functional.interpolate nn.functional.linear nn.functional.max_pool1d
    nn.functional.max_unpool1d nn.functional.pad nn.functional.rms_norm nn.functional.smooth_l1_loss
    nn.functional.scaled_dot_product_attention nn.functional.upsample_bilinear
    nn.functional.upsample_nearest norm linalg.norm linalg.tensorinv linalg.matrix_power linalg.matrix_norm
    linalg.cond linalg.ldl_solve fft.fft fft.ifft fft.ihfft stft
    """.split()
)
CALLS = [c for c in calls() if c.op.differentiable and c.variant == "function" and c.op.name not in OTHERWISE]


def names(call: Call, lib: ModuleType) -> list[Any] | None:
    """The names of the nodes behind the results; None if the call fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = call.make(lib, call.data(lib, "float64", requires_grad=True))
    except Exception:
        return None  # other tests say so
    results = made if isinstance(made, (tuple, list)) else [made]
    return [r.grad_fn.name() for r in results if getattr(r, "grad_fn", None) is not None]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_name(call: Call) -> None:
    theirs, ours = names(call, REFERENCE), names(call, CANDIDATE)
    if theirs is not None and ours is not None:
        assert ours == theirs


SAVED = """
x * y | x @ y | x.exp() | x.relu() | x.log() | x**y | 2**x | x**3 | x.softmax(1) | x / y | torch.bmm(x[None], y[None])
x @ y[0] | x[0].dot(y[0]) | torch.addmm(x, x, y) | x.max(0)[0] | x.min(0)[0] | x.sort(0)[0] | x.topk(1)[0] | x.sigmoid()
x.tanh() | x.sin() | x.abs() | x.clamp(0, 1) | F.gelu(x) | F.silu(x) | F.elu(x) | F.softplus(x) | F.hardtanh(x)
x.log_softmax(1) | x.logsumexp(1) | x.norm() | x.var(0) | x.std() | x.prod()
F.conv2d(x[None, None], y[None, None]) | F.layer_norm(x, (2,), y[0], x[0]) | F.group_norm(x[None], 1) | F.mse_loss(x, y)
F.batch_norm(x, torch.zeros(2), torch.ones(2), training=True) | F.max_pool2d(x[None], 2) | F.avg_pool2d(x[None], 2)
torch.maximum(x, y) | torch.lerp(x, y, 0.3) | torch.lerp(x, y, x) | torch.addcmul(x, x, y) | torch.addcdiv(x, x, y)
torch.atan2(x, y) | x.rsqrt() | x.sqrt() | torch.where(x > 2, x, y) | F.prelu(x, y[0, :1]) | x.cummax(0)[0] | x.kthvalue(1)[0]
F.smooth_l1_loss(x, y) | F.binary_cross_entropy(x.sigmoid(), y.sigmoid().detach()) | F.embedding(torch.tensor([0, 1]), x)
x.gather(1, torch.tensor([[0], [1]])) | x.index_select(0, torch.tensor([0])) | torch.linalg.qr(x)[0] | torch.cdist(x, y)
"""


# Of these PyTorch lists what we keep under no name, or do not keep.
UNLISTED = """
x @ y[0] | x[0].dot(y[0]) | torch.addmm(x, x, y) | x.max(0)[0] | x.min(0)[0] | x.sort(0)[0]
x.topk(1)[0] | F.mse_loss(x, y) | F.max_pool2d(x[None], 2) | F.avg_pool2d(x[None], 2) | x.cummax(0)[0]
x.kthvalue(1)[0] | F.smooth_l1_loss(x, y) | F.binary_cross_entropy(x.sigmoid(), y.sigmoid().detach())
F.embedding(torch.tensor([0, 1]), x) | x.gather(1, torch.tensor([[0], [1]]))
x.index_select(0, torch.tensor([0])) | torch.cdist(x, y)
"""


def expressions(text: str) -> list[str]:
    """What stands between the bars."""
    return [e.strip() for e in text.replace("\n", "|").split("|") if e.strip()]


@pytest.mark.parametrize("expression", expressions(SAVED))
def test_saved_tensors_are_listed(expression: str) -> None:
    found: list[dict[str, Any]] = []
    for lib in (CANDIDATE, REFERENCE):
        x, y = (lib.arange(1.0, 5.0).view(2, 2).requires_grad_() for _ in range(2))
        node = eval(expression, {"x": x, "y": y, "torch": lib, "F": lib.nn.functional}).grad_fn
        found.append({name: getattr(node, name) for name in dir(node) if name.startswith("_saved_")})
    ours, theirs = found
    tensors = {name for name, value in theirs.items() if isinstance(value, REFERENCE.Tensor)}
    assert set(ours) <= tensors
    assert bool(ours) == (expression not in expressions(UNLISTED) and bool(tensors))
    compare([ours[name].detach() for name in sorted(ours)], [theirs[name].detach() for name in sorted(ours)])
