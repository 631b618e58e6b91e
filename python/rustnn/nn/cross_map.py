"""The operation behind ``nn.CrossMapLRN2d``, with PyTorch's backward."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd.function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CrossMapLRN2d(Function):
    """``x * (k + alpha / size * sum of x² over neighbouring channels) ** -beta``.

    PyTorch's has oddities since its days in Lua, and its results are kept:

    - The window of channel c is ``reach = (size - 1) // 2`` channels to both sides, and from channel
      ``reach + 1`` on the square of channel 0 is in the sum as well.
    - The backward's window is ``size`` channels from ``c - (size - (size - 1) / 2)`` on: not the forward's.
    - Thus with ``size=1`` the backward has no place for its window: RuntimeError.

    There is no second derivative: RuntimeError, in PyTorch too.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        channels = input.size(1)
        input.select(1, 0)  # IndexError where there are no channels
        reach = int((size - 1) / 2)
        sums = (input * input).cumsum(1)
        # Up to the window's last channel, less what lies between channel 0 and the window.
        last = _C.arange(channels, device=input.device)
        scale = sums.index_select(1, (last + reach).clamp(max=channels - 1))
        if channels > reach + 1:
            scale[:, reach + 1 :] -= sums[:, : channels - reach - 1] - sums[:, :1]
        scale.mul_(alpha / size).add_(k)
        output = scale.pow(-beta).mul_(input)
        ctx.size, ctx.alpha, ctx.beta, ctx.scale = size, alpha, beta, scale
        ctx.save_for_backward(input, output)
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if _C.is_grad_enabled():
            raise RuntimeError("CrossMapLRN2d: no gradient of a gradient (create_graph=True), as in PyTorch")
        input, output = ctx.saved_tensors
        size, channels = ctx.size, input.size(1)
        before = int(size - (size - 1) / 2)
        if before > size - 1:
            raise RuntimeError(f"CrossMapLRN2d: no gradient for size={size}, as in PyTorch")
        ratio = grad_output * output / ctx.scale
        # Sums of `size` neighbours of the padded ratio, as differences of its sums from the start.
        sums = _C._nn_pad(ratio, (0, 0, 0, 0, before + 1, size - 1 - before)).cumsum(1)
        window = sums[:, size : size + channels] - sums[:, :channels]
        grad_input = ctx.scale.pow(-ctx.beta).mul_(grad_output)
        grad_input -= (2 * ctx.alpha * ctx.beta / size) * input * window
        return grad_input, None, None, None, None
