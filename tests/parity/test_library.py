"""`torch.library`: operations of users, their schemas, gradients and kernels, in programs that both libraries run."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from parity.programs import CANDIDATE, REFERENCE, run, same_outcome

#: Each program has an operation namespace of its own: names are registered for good.
PRELUDE = """
import typing
from typing import Optional, Sequence, List, Tuple, Union
L = torch.library; T = torch.Tensor
def _sq(a: T, k: float = 2.0) -> T: return a * a * k
sq = L.custom_op("NS::sq", _sq, mutates_args=()); _op = torch.ops.NS.sq
def _setup(ctx, inputs, output): ctx.save_for_backward(inputs[0]); ctx.k = inputs[1]
def _backward(ctx, g): a, = ctx.saved_tensors; return 2 * a * ctx.k * g, None
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
"""

PROGRAMS = """
r = repr(sq), sq._name, sq._namespace, sq._qualname
r = sq(x.detach()), sq(x.detach(), 3), sq(x.detach(), k=3.0), sq(a=x.detach())
r = _op(x.detach()), _op.default(x.detach(), 3.0), _op.overloads(), _op.default.name()
r = str(_op.default._schema), repr(_op), repr(_op.default)
sq(1)
sq(x, 1, 2)
sq(x, z=2)
sq(x, "a")
sq()
torch.ops.NS.nope
r = sq(x).requires_grad, sq(x).grad_fn.name()
sq(x).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); sq(x).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); sq(x, 3.0).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); sq(x, k=3.0).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); sq(a=x, k=5.0).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); r = sq(x).grad_fn.name(); o = torch.no_grad()(sq)(x).requires_grad
L.register_autograd("NS::sq", _backward, setup_context=_setup); sq(x).sum().backward()
sq.register_autograd(_backward, setup_context=_setup); r = torch.autograd.gradcheck(sq, torch.ones(2, dtype=torch.float64, requires_grad=True))
sq(torch.empty(3, device="meta"))
sq.register_fake(lambda a, k=2.0: torch.empty_like(a)); r = sq(torch.empty(3, device="meta")).shape
L.register_fake("NS::sq", lambda a, k=2.0: torch.empty(7, device="meta")); r = sq(torch.empty(3, device="meta")).shape
def f(a: T) -> None: a += 1
i = L.custom_op("NS::inc", f, mutates_args={"a"}); y = torch.zeros(2); i(y); r = y, str(torch.ops.NS.inc.default._schema)
def f(a: T) -> None: a += 1
L.custom_op("NS::inc", f, mutates_args={"a"}).register_autograd(lambda ctx, g: g)
def f(a): return a
L.custom_op("NS::q", f, mutates_args=())
def f(a: T): return a
L.custom_op("NS::q", f, mutates_args=())
def f(a: dict) -> T: return a
L.custom_op("NS::q", f, mutates_args=())
def f(a: T, *b: T) -> T: return a
L.custom_op("NS::q", f, mutates_args=())
def f(a: T) -> dict: return a
L.custom_op("NS::q", f, mutates_args=())
L.custom_op("NS::q", _sq, mutates_args=("zz",))
L.custom_op("NS::q", _sq, mutates_args="a")
L.custom_op("q", _sq, mutates_args=())
def f(a: T, b: Optional[T], c: Sequence[int], d: List[T], e: Optional[int] = None, *, g: bool = True) -> Tuple[T, T]: return a.clone(), a + 1
m = repr(L.custom_op("NS::m", f, mutates_args=())); r = str(torch.ops.NS.m.default._schema), torch.ops.NS.m(x.detach(), None, [1, 2], [x], g=False)
def f(a: T, b: int = 1, c: bool = False, d: str = "x", e: float = 0.5, h: Union[int, float] = 1) -> T: return a + b
r = L.infer_schema(f, mutates_args=()), L.infer_schema(f, mutates_args=("a",), op_name="foo"), L.infer_schema(f, mutates_args="unknown")
def f(a: T) -> List[T]: return [a.clone(), a + 1]
_o = L.custom_op("NS::m", f, mutates_args=()); r = _o(x.detach()), str(torch.ops.NS.m.default._schema)
def f(a: List[T]) -> T: return a[0] * a[1]
_o = L.custom_op("NS::m", f, mutates_args=()); _o.register_autograd(lambda ctx, g: [g, 2 * g]); y = torch.ones(3, requires_grad=True); _o([x, y]).sum().backward()
def f(a: T) -> Tuple[T, int]: return a.clone(), 3
_o = L.custom_op("NS::m", f, mutates_args=()); r = _o(x.detach())
def f(a: T) -> T: return a
L.custom_op("NS::m", f, mutates_args=())(x.detach())
r = L.custom_op("NS::m", lambda a, b=1: a * b, mutates_args=(), schema="(Tensor a, int b=1) -> Tensor")(x.detach(), 3)
L.custom_op("NS::m", lambda a: a, mutates_args=(), schema="Tensor a -> Tensor")
def f(a: T) -> T: return a.clone()
r = L.custom_op("NS::m", f, mutates_args=(), device_types="cpu")(x.detach())
def f(a: T) -> T: return a.clone()
L.custom_op("NS::m", f, mutates_args=(), device_types="cuda")(x.detach())
sq.register_kernel("cpu", lambda a, k=2.0: a + 5); r = sq(x.detach())
sq.register_kernel("foo", lambda a, k=2.0: a + 5)
sq.register_autocast("cpu", torch.bfloat16); y = torch.ones(2); _c = torch.autocast("cpu"); _c.__enter__(); r = sq(y); _c.__exit__(None, None, None); o = sq(y)
r = torch.vmap(sq)(torch.ones(2, 3)) if not sq.register_vmap(lambda info, dims, a, k=2.0: (a * a * k, 0)) else 0
_l = L.Library("NS", "FRAGMENT"); n = _l.define("foo(Tensor x, *, int n=2) -> Tensor"); _l.impl("foo", lambda x, n=2: x * n, "CPU"); r = torch.ops.NS.foo(torch.ones(2), n=4), torch.ops.NS.foo(torch.ones(2))
_l = L.Library("NS", "FRAGMENT"); _l.define("foo(Tensor x, *, int n=2) -> Tensor"); _l.impl("foo", lambda x, n=2: x * n, "CPU"); torch.ops.NS.foo(torch.ones(2), 4)
_l = L.Library("NS", "FRAGMENT"); _l.define("foo2")
_l = L.Library("NS", "FRAGMENT"); _l.define("foo(Tensor x) -> Tensor"); _l.define("foo(Tensor x) -> Tensor")
L.Library("NS", "X")
L.Library("prim", "DEF")
L.define("NS::bar", "(Tensor x) -> Tensor"); L.impl("NS::bar", "default", lambda x: x + 1); r = torch.ops.NS.bar(torch.ones(1))
L.define("NS::bar", "(Tensor x) -> Tensor"); L.impl("NS::bar", "default", lambda x: x + 1); L.register_autograd("NS::bar", lambda ctx, g: g * 7); torch.ops.NS.bar(x).sum().backward()
L.register_fake("nope", lambda x: x)
"""


def _programs() -> list[str]:
    """Lines, each a program; one that begins with ``def`` goes on in the next."""
    found: list[str] = []
    lines = iter(PROGRAMS.strip().splitlines())
    for line in lines:
        found.append(f"{line}\n{next(lines)}" if line.startswith("def ") else line)
    return found


_numbers = itertools.count()


@pytest.mark.parametrize("program", _programs())
def test_operations_of_users_behave_alike(program: str) -> None:
    text = (PRELUDE + program).replace("NS", f"parity{next(_numbers)}")
    ours, theirs = run(text, CANDIDATE), run(text, REFERENCE)
    assert not isinstance(theirs, (NameError, SyntaxError, ImportError)), theirs
    same_outcome(_seen(ours), _seen(theirs))


def _seen(outcome: Any) -> Any:
    """What can be compared: tensors with their gradients, and values, with the libraries' names made one."""
    if isinstance(outcome, Exception):
        return outcome
    kept = {k: v for k, v in outcome.items() if k in ("r", "o", "m", "n", "y")}
    gradient = outcome["x"].grad
    if gradient is not None:
        kept["gradient"] = gradient
    return kept
