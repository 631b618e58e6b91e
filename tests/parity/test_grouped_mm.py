"""`nn.functional.grouped_mm`: products of matrices in groups."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, hold

CALLS = """
t(6, 8), t(3, 8, 16), offs=_o(2, 4, 6)
t(6, 8), t(3, 8, 16), offs=_o(2, 2, 6)
t(6, 8), t(3, 8, 16), offs=_o(0, 6, 6)
t(6, 8), t(3, 16, 8).mT, offs=_o(1, 4, 6)
t(3, 4, 8), t(3, 8, 16)
t(3, 4, 8), t(8, 24), offs=_o(8, 16, 24)
t(3, 4, 8), t(8, 24), offs=_o(4, 16, 24)
t(4, 8), t(8, 16), offs=_o(2, 4, 8)
t(4, 8), t(8, 16), offs=_o(4, 8)
t(6, 8), t(3, 8, 16), offs=_o(2, 4, 6).long()
t(6, 8), t(3, 8, 16), offs=_o(2, 6)
t(6, 8), t(3, 8, 16)
t(3, 4, 8), t(3, 8, 16), offs=_o(2, 4, 6)
t(3, 4, 8), t(2, 8, 16)
t(6, 4), t(3, 8, 16), offs=_o(2, 4, 6)
t(8), t(3, 8, 16), offs=_o(2, 4, 6)
t(6, 8), t(8), offs=_o(2, 4, 6)
t(6, 8), t(3, 8, 16), offs=_o(2, 4, 6), bias=t(16)
t(6, 8), t(3, 8, 16), offs=_o(2, 4, 6), out_dtype=torch.float64
t(6, 8).double(), t(3, 8, 16).double(), offs=_o(2, 4, 6)
t(6, 8), t(3, 8, 16).double(), offs=_o(2, 4, 6)
t(6, 8).long(), t(3, 8, 16), offs=_o(2, 4, 6)
"""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_grouped_mm(call: str, dtype: str) -> None:
    hold(f"""
def _o(*ends): return torch.tensor(ends, dtype=torch.int32)
def _f(a, b, **others):
    a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
    y = F.grouped_mm(a, b, **others)
    (y * t(*y.shape)).sum().backward()
    return y, a.grad, b.grad
try: y = _f({call})
except RuntimeError as error: y = F.grouped_mm({call})
""", dtype=dtype, rtol=2e-2 if "16" in dtype else 1e-4, atol=1e-1 if "16" in dtype else 1e-5, strides=False)  # fmt: skip


def test_what_no_group_has_is_zero() -> None:
    """PyTorch leaves it as the memory was."""
    ends = CANDIDATE.tensor([2, 3], dtype=CANDIDATE.int32)
    result = CANDIDATE.nn.functional.grouped_mm(CANDIDATE.ones(5, 4), CANDIDATE.ones(2, 4, 3), offs=ends)
    assert result.tolist() == [[4.0] * 3] * 3 + [[0.0] * 3] * 2


@pytest.mark.parametrize("ends", [[4, 2], [-1, 3], [2, 9]])
def test_offsets_that_do_not_go_up(ends: list[int]) -> None:
    """PyTorch reads beyond the matrix."""
    with pytest.raises(RuntimeError, match="offs should go up"):
        CANDIDATE.nn.functional.grouped_mm(
            CANDIDATE.ones(5, 4), CANDIDATE.ones(2, 4, 3), offs=CANDIDATE.tensor(ends, dtype=CANDIDATE.int32)
        )
