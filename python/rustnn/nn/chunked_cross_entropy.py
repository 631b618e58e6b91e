"""`linear_cross_entropy` by chunks of rows: at no time are there more logits than those of one chunk."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import Function, enable_grad, grad
from rustnn.nn.functional_loss import cross_entropy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

__all__ = ["ChunkedCrossEntropy"]


class _Work:
    """The tensors of one call, as constants in the dtype that is computed in."""

    def __init__(
        self,
        input: Tensor,
        linear_weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        weight: Tensor | None,
        ignored: int,
        options: Any,
    ) -> None:
        self.dtype = options.acc_dtype
        self.size = options.batch_chunk_size
        self.input, self.target, self.ignored = input.detach(), target, ignored
        self.linear_weight = linear_weight.detach().to(self.dtype)
        self.bias = None if bias is None else bias.detach().to(self.dtype)
        self.weight = None if weight is None else weight.detach().to(self.dtype)

    def total(self) -> Tensor:
        """What the mean is taken over: the weights of all targets that count."""
        counted = self.target != self.ignored
        if self.weight is None:
            return counted.sum().to(self.dtype)
        return self.weight[self.target[counted]].sum()

    def chunks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """(rows, inputs, targets) of each chunk."""
        for start in range(0, self.input.shape[0], self.size):
            rows = slice(start, start + self.size)
            yield rows, self.input[rows].to(self.dtype), self.target[rows]

    def losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One loss a row, not divided by anything."""
        logits = _C.linear(inputs, self.linear_weight, self.bias)
        try:
            return cross_entropy(
                logits, targets, weight=self.weight, reduction="none", ignore_index=self.ignored
            )
        except IndexError as error:  # in PyTorch it is not an IndexError where the work is cut into chunks
            raise RuntimeError(str(error)) from None

    def losses_and_gradients(
        self, factors: Tensor, needed: Sequence[bool]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """All losses (N), and the gradients of ``(factors * losses).sum()`` for input, weight and bias."""
        shared = [self.linear_weight, self.bias]
        sums = [
            _C.zeros_like(tensor) if tensor is not None and need else None
            for tensor, need in zip(shared, needed[1:], strict=True)
        ]
        of_input = _C.empty_like(self.input) if needed[0] else None
        losses = _C.empty(self.input.shape[0], dtype=self.dtype, device=self.input.device)
        for tensor, total in zip(shared, sums, strict=True):
            if tensor is not None:
                tensor.requires_grad_(total is not None)
        for rows, inputs, targets in self.chunks():
            with enable_grad():
                inputs = inputs.detach().requires_grad_(needed[0])
                values = self.losses(inputs, targets)
                leaves = [t for t in (inputs, *shared) if t is not None and t.requires_grad]
                parts = list(grad(values, leaves, factors[rows]))
            losses[rows] = values.detach()
            if of_input is not None:
                of_input[rows] = parts.pop(0).to(of_input.dtype)
            for total in sums:
                if total is not None:
                    total.add_(parts.pop(0))
        return losses, [of_input, *sums]


class ChunkedCrossEntropy(Function):
    """The loss of (N, in_features) and (C, in_features), in the dtype of the input.

    "mean" and "sum" compute the gradients with the loss, chunk by chunk; "none" does so when it knows the
    gradients of its losses.
    """

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        linear_weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        ignored: int,
        options: Any,
        differentiable: bool,
    ) -> Tensor:
        work = _Work(input, linear_weight, bias, target, weight, ignored, options)
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in (input, linear_weight, bias)]
        ctx.work, ctx.gradients = work, None
        ctx.keep = options.allow_retain_graph
        needed = tuple(need and differentiable for need in ctx.needs_input_grad[:3])
        if reduction == "none" or not any(needed):
            parts = [work.losses(inputs, targets) for _, inputs, targets in work.chunks()]
            losses = _C.cat(parts) if parts else _C.empty(0, dtype=work.dtype, device=input.device)
        if reduction == "none":
            return losses.to(input.dtype)
        factor = 1 / work.total() if reduction == "mean" else _C.ones((), dtype=work.dtype)
        if any(needed):
            factors = factor.expand(input.shape[0])
            losses, ctx.gradients = work.losses_and_gradients(factors, needed)
        ctx.work = None
        total = losses.sum()
        # Nothing that counts: 0 / 0, as the mean of nothing.
        return (total / work.total() if reduction == "mean" else total).to(input.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        if ctx.work is not None:
            needed = tuple(ctx.needs_input_grad[:3])
            _, found = ctx.work.losses_and_gradients(gradient.detach().to(ctx.work.dtype), needed)
        else:
            if ctx.gradients is None:
                raise RuntimeError(
                    "linear_cross_entropy chunked backward called twice; retain_graph=True / double backward "
                    "are not supported."
                )
            found = [None if part is None else part * gradient for part in ctx.gradients]
            if not ctx.keep:
                ctx.gradients = None
        typed = [
            None if part is None else part.to(dtype) for part, dtype in zip(found, ctx.dtypes, strict=True)
        ]
        return (*typed, *[None] * 6)
