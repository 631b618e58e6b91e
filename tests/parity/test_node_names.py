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
    linalg.cond fft.fft fft.ifft fft.ihfft stft
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


@pytest.mark.parametrize(
    "expression", ["x * y", "x @ y", "x.exp()", "x.relu()", "x.log()", "x**y", "x.softmax(1)"]
)
def test_saved_tensors_are_listed(expression: str) -> None:
    found: list[dict[str, Any]] = []
    for lib in (CANDIDATE, REFERENCE):
        x, y = (lib.arange(1.0, 5.0).view(2, 2).requires_grad_() for _ in range(2))
        node = eval(expression, {"x": x, "y": y}).grad_fn
        found.append({name: getattr(node, name) for name in dir(node) if name.startswith("_saved_")})
    ours, theirs = found
    tensors = {name for name, value in theirs.items() if isinstance(value, REFERENCE.Tensor)}
    assert ours
    assert set(ours) <= tensors
    compare([ours[name].detach() for name in sorted(ours)], [theirs[name].detach() for name in sorted(ours)])
