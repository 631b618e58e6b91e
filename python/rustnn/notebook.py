"""What notebooks show of tensors and modules: what is printed, and below it a line of facts."""

from __future__ import annotations

from html import escape

from rustnn.nn.parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn import _C
    from rustnn.nn import Module

__all__ = ["module_html", "size_text", "tensor_html"]


def size_text(count: int) -> str:
    """A number of bytes in a unit that suits it."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{count} B" if unit == "B" else f"{number:.2f} {unit}"
        number /= 1000
    return f"{number:.2f} TB"


def tensor_html(tensor: _C.Tensor) -> str:
    """The printed tensor, and its shape, dtype, device, memory and part in autograd."""
    facts = [
        f"shape ({', '.join(map(str, tensor.shape))})",
        str(tensor.dtype).rpartition(".")[2],
        str(tensor.device),
        size_text(tensor.numel() * tensor.itemsize),
    ]
    if tensor.grad_fn is not None:
        facts.append(f"made by {type(tensor.grad_fn).__name__}")
    elif tensor.requires_grad:
        facts.append("a leaf with " + ("no gradient yet" if tensor.grad is None else "a gradient"))
    return _html(repr(tensor), facts)


def module_html(module: Module) -> str:
    """The printed module, and its parameters, memory and mode."""
    parameters = list(module.parameters())
    if any(map(is_lazy, parameters)):
        return _html(repr(module), ["parameters not yet made"])
    count = sum(parameter.numel() for parameter in parameters)
    frozen = sum(parameter.numel() for parameter in parameters if not parameter.requires_grad)
    facts = [f"{count:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")]
    facts.append(size_text(sum(parameter.numel() * parameter.itemsize for parameter in parameters)))
    facts.append("training" if module.training else "evaluating")
    return _html(repr(module), facts)


def _html(text: str, facts: list[str]) -> str:
    return f"<pre>{escape(text)}</pre><small>{escape(' · '.join(facts))}</small>"
