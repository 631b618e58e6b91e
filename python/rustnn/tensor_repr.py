"""How a tensor is printed.

Numbers in columns of one width, large tensors by their corners, then what is special.
"""

from __future__ import annotations

import math

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["format_tensor", "set_printoptions"]


class _Options:
    """What ``set_printoptions`` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Say how tensors are printed.

    ``precision``: digits after the point (4). ``threshold``: more elements than this are summarised (1000),
    by ``edgeitems`` of each end of each dim (3). ``linewidth``: characters in a line (80). ``profile``:
    "default", "short" or "full". ``sci_mode``: always, never, or (``None``) where the numbers ask for it.
    """
    for name, value in _PROFILES.get(profile or "", {}).items():
        setattr(_options, name, value)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


class _Column:
    """How the numbers of one tensor are written: their style, and the width that all are brought to."""

    width = 1
    scientific = False
    whole = True  # no number has a fractional part

    def __init__(self, values: list[Any], floating: bool) -> None:
        self.floating = floating
        if not floating:
            self.width = max((len(str(value)) for value in values), default=1)
            return
        digits = _options.precision
        numbers = [value for value in values if value and math.isfinite(value)]
        if not numbers:
            return
        self.whole = all(value == math.ceil(value) for value in values if math.isfinite(value))
        sizes = [abs(value) for value in numbers]
        low, high = min(sizes), max(sizes)
        self.scientific = high / low > 1000.0 or high > 1.0e8 or (not self.whole and low < 1.0e-4)
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        if self.scientific:
            self.width = max(len(f"{value:.{digits}e}") for value in numbers)
        elif self.whole:
            self.width = max(len(f"{value:.0f}") for value in numbers) + 1
        else:
            self.width = max(len(f"{value:.{digits}f}") for value in numbers)

    def format(self, value: Any) -> str:
        """One number, brought to the width."""
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{_options.precision}e}"
        elif self.whole:
            text = f"{value:.0f}" + ("." if math.isfinite(value) else "")
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)


class _ComplexColumn:
    """The same for complex numbers: a column for each part."""

    def __init__(self, values: list[complex]) -> None:
        self.real = _Column([value.real for value in values], True)
        self.imag = _Column([value.imag for value in values], True)
        self.width = self.real.width + self.imag.width + 1

    def format(self, value: complex) -> str:
        """Both parts, with a sign between them."""
        imag = (self.imag.format(value.imag) + "j").lstrip()
        return self.real.format(value.real) + ("" if imag[0] in "+-" else "+") + imag


def _corners(tensor: Tensor) -> Tensor:
    """The tensor without what lies between the ``edgeitems`` first and last of every dim."""
    edge = _options.edgeitems
    for dim, size in enumerate(tensor.shape):
        if size > 2 * edge:
            ends = (tensor.narrow(dim, 0, edge), tensor.narrow(dim, size - edge, edge))
            tensor = _C.cat(ends, dim) if edge else ends[0]
    return tensor


def _layout(values: Any, shape: tuple[int, ...], column: Any, indent: int, summarise: bool) -> str:
    """Nested lists as text; ``shape`` is the whole tensor's, of which ``values`` may be the corners."""
    if not shape:
        return str(column.format(values))
    edge = _options.edgeitems
    gap = summarise and shape[0] > 2 * edge
    if len(shape) == 1:
        words = [column.format(value) for value in values]
        if gap:
            words.insert(edge, " ...")
        per_line = max(1, int((_options.linewidth - indent) // (column.width + 2)))
        lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = [_layout(value, shape[1:], column, indent + 1, summarise) for value in values]
    if gap:
        blocks.insert(edge, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(blocks) + "]"


def _flat(values: Any, dim: int) -> list[Any]:
    """The numbers in nested lists, in one list."""
    if dim == 0:
        return [values]
    for _ in range(dim - 1):
        values = [value for row in values for value in row]
    return list(values)


def _body(tensor: Tensor, indent: int) -> str:
    """The numbers in their brackets."""
    plain = tensor.detach()
    summarise = plain.numel() > _options.threshold
    values = (_corners(plain) if summarise else plain).tolist()
    numbers = _flat(values, plain.dim())
    if plain.is_complex():
        column: Any = _ComplexColumn(numbers)
    else:
        column = _Column(numbers, plain.is_floating_point())
    return _layout(values, tuple(plain.shape), column, indent, summarise)


def _remarks(tensor: Tensor) -> list[str]:
    """What does not go without saying: device, size, dtype, gradient."""
    remarks = []
    dtype, default = tensor.dtype, _C.get_default_dtype()
    if tensor.device.type != "cpu":
        remarks.append(f"device='{tensor.device}'")
    if tensor.is_meta or (tensor.numel() == 0 and tensor.dim() != 1):
        remarks.append(f"size={tuple(tensor.shape)}")
    if tensor.numel() == 0 or tensor.is_meta:
        usual: tuple[Any, ...] = (default,)
    else:
        complex_default = {_C.float64: _C.complex128}.get(default, _C.complex64)
        usual = (default, complex_default, _C.int64, _C.bool)
    if dtype not in usual:
        remarks.append(f"dtype={dtype}")
    if tensor.grad_fn is not None:
        remarks.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        remarks.append("requires_grad=True")
    return remarks


def format_tensor(tensor: Tensor) -> str:
    """What ``repr`` gives: ``tensor([[1., 2.], [3., 4.]], dtype=..., requires_grad=True)`` and the like."""
    kind = type(tensor)
    prefix = (
        "tensor(" if kind is _C.Tensor or kind.__module__ == "rustnn.nn.parameter" else f"{kind.__name__}("
    )
    indent = len(prefix)
    values = "..." if tensor.is_meta else "[]"
    head = prefix + (_body(tensor, indent) if tensor.numel() and not tensor.is_meta else values)
    text = [head]
    used = len(head) - head.rfind("\n") + 1
    for remark in _remarks(tensor):
        if used + len(remark) + 2 > _options.linewidth:
            text.append(",\n" + " " * indent + remark)
            used = indent + len(remark)
        else:
            text.append(", " + remark)
            used += len(remark) + 2
    return "".join(text) + ")"
