"""`torch.gradient`: derivatives by finite differences."""

from __future__ import annotations

from typing import Any

import pytest

from parity.compare import compare
from parity.programs import CANDIDATE, REFERENCE

GOOD = """
t([1., 2., 4., 7.])
t([1, 2, 4, 7])
t([1., 2., 4., 7.]).half()
t([1., 2., 4., 7.]).double(), edge_order=2
t([1., 2., 4.]), edge_order=2
t([1., 2.])
t([1j, 2 + 1j, 4j])
r(3, 4)
r(3, 4), dim=1
r(3, 4), dim=(-1,), spacing=2.
r(3, 4), spacing=2
r(3, 4), spacing=[2., 0.5]
r(3, 4), spacing=torch.tensor(3.)
r(3, 4), spacing=torch.tensor(3.), edge_order=2
r(3, 4), dim=0, spacing=[t([0., 1., 4.])]
r(3, 4), spacing=(t([0., 1., 4.]), t([0., 0.5, 0.7, 3.]))
r(3, 4), spacing=(t([0., 1., 4.]), t([0., 0.5, 0.7, 3.])), edge_order=2
r(3, 4), spacing=(t([0, 1, 4]), t([0, 2, 3, 5]))
r(2, 3, 4), dim=[2, 0]
r(2, 3, 4).transpose(0, 2)
r(2), spacing=[t([0., 2.])]
t(1.)
r(0, 3), dim=1
"""

BAD = """
r(1)
r(3), edge_order=3
r(3, 3), spacing=[1., 2., 3.]
r(3, 3), spacing=[1., 2.], dim=0
r(3, 3), dim=(0, 0)
r(3, 3), dim=5
r(2, 3), edge_order=2
t([True, False])
t([1, 2], dtype=torch.uint8)
r(3, 3), spacing=[t([[1., 2.]]), t([1.])]
r(3, 3), spacing=t([1., 2.])
3
"""


def call(lib: Any, line: str) -> Any:
    lib.manual_seed(0)
    return eval(f"torch.gradient({line})", {"torch": lib, "t": lib.tensor, "r": lib.rand})


@pytest.mark.parametrize("line", GOOD.strip().splitlines())
def test_values(line: str) -> None:
    compare(call(CANDIDATE, line), call(REFERENCE, line), strides=False)


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_mistakes(line: str) -> None:
    with pytest.raises(Exception) as theirs:
        call(REFERENCE, line)
    with pytest.raises(theirs.type) as ours:
        call(CANDIDATE, line)
    # What PyTorch says of bool tensors depends on who subtracts them.
    if not any(words in str(theirs.value) for words in ("invalid combination", "Subtraction")):
        assert str(ours.value) == str(theirs.value)


def test_derivative_of_the_differences() -> None:
    found = []
    for lib in (CANDIDATE, REFERENCE):
        lib.manual_seed(0)
        x = lib.rand(4, 5, dtype=lib.float64, requires_grad=True)
        at = lib.tensor([0.0, 1.0, 1.5, 4.0, 5.0], dtype=lib.float64, requires_grad=True)
        sum(g.pow(2).sum() for g in lib.gradient(x, spacing=[at], dim=1, edge_order=2)).backward()
        found.append((x.grad, at.grad))
    compare(found[0], found[1])
