"""Operations that run on a GPU do what the CPU does: on the samples that they declare, with gradients."""

from __future__ import annotations

import pytest
from device_calls import WORKS, compare
from parity import ops

# A few of each kind: docs/CUDA.md has all, and `make cuda-table` holds them all.
CHOSEN = """
add sub mul div clamp pow exp sigmoid relu maximum eq logical_and remainder floor_divide bitwise_xor atan2 lerp
sum mean prod amax max argmin all var logsumexp cumulative matmul mm bmm addmm linear softmax log_softmax
gather scatter_add index_select take_along_dim cat stack reshape permute flip expand clone eye arange
nn.functional.mse_loss nn.functional.nll_loss nn.functional.gelu nn.functional.embedding
""".split()

OPS = {op.name: op for op in ops.listed()}
SAMPLES = [(name, sample) for name in CHOSEN if name in OPS for sample in OPS[name].samples[:2]]


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}({sample})" for name, sample in SAMPLES])
def test_as_on_the_cpu(name: str, sample: str) -> None:
    op = OPS[name]
    status, details = compare(op, sample, gradient=op.differentiable)
    assert status == WORKS, details


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64"]
)
def test_dtypes(dtype: str) -> None:
    for name, sample in (("mul", "t(3, 4), t(3, 4)"), ("sum", "t(3, 4), 1"), ("clone", "nc(3, 4)")):
        status, details = compare(OPS[name], sample, dtype)
        assert status == WORKS, (name, details)
