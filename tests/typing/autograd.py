"""Functions with gradients of their own, and what else autograd offers."""

from typing import Any, assert_type

import rustnn as torch
from rustnn import Tensor
from rustnn.autograd import Function
from rustnn.autograd.function import FunctionCtx, once_differentiable


class Exponential(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        result = x.exp() * scale
        ctx.save_for_backward(result)
        ctx.scale = scale
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (result,) = ctx.saved_tensors
        return grad * result, None


class Sign(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        return grad


x = torch.randn(3, dtype=torch.float64, requires_grad=True)
y: Tensor = Exponential.apply(x, 2.0)
z: Tensor = Sign.apply(x)
y.sum().backward()
assert_type(torch.autograd.gradcheck(lambda a: a.exp().sum(), (x,)), bool)


def square(a: Tensor) -> Tensor:
    return (a**2).sum()


jacobian = torch.autograd.functional.jacobian(square, x)
hessian = torch.autograd.functional.hessian(square, x)
assert_type(torch.is_grad_enabled(), bool)
with torch.set_grad_enabled(False):
    pass
with torch.autograd.set_detect_anomaly(True):
    square(x).backward()
with torch.amp.autocast("cpu", dtype=torch.bfloat16):
    square(x)
per_sample = torch.func.vmap(torch.func.grad(square))(x.unsqueeze(0))
node = y.grad_fn
if node is not None:
    assert_type(node.name(), str)
