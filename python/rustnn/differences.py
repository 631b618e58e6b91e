"""Derivatives of sampled functions by finite differences."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["gradient"]


def gradient(
    input: Tensor,
    *,
    spacing: float | Tensor | Sequence[Any] = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The derivative of a function along each dimension, from its values on a grid.

    ``input`` has any shape; a result for each of ``dim`` (all of them unless given), shaped as it.
    ``spacing`` is the distance of neighbours, one for all or one a dimension, or a list of 1-d tensors with
    the coordinates of each dimension. Inside, differences are central, of second order on any coordinates
    (Fornberg, "Generation of Finite Difference Formulas on Arbitrarily Spaced Grids", 1988); at the edges
    they are one-sided, of order ``edge_order``, 1 or 2. RuntimeError for a dimension of ``edge_order`` values
    or fewer, or spacings that do not fit the dimensions.
    """
    if not isinstance(input, _C.Tensor):
        raise TypeError(
            f"gradient(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if dim is None:
        dims = list(range(input.dim()))
    else:
        named = [dim] if isinstance(dim, int) else list(dim)
        dims = [_dimension(d, input.dim()) for d in named]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    if input.dtype == _C.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    steps = _steps(input, spacing, dims, whole=dim is None)
    for d in dims:
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_along(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))


def _dimension(dim: int, dims: int) -> int:
    if not -dims <= dim < dims:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-dims}, {dims - 1}], but got {dim})"
        )
    return dim % dims


def _steps(input: Tensor, spacing: Any, dims: list[int], whole: bool) -> list[Any]:
    """For each dimension a number, the distance of all neighbours, or a 1-d tensor of coordinates."""
    if isinstance(spacing, _C.Tensor):
        if spacing.dim():
            raise TypeError(
                "gradient() received an invalid combination of arguments - got (Tensor, spacing=Tensor), but "
                "spacing must be a number, a list of numbers or a list of tensors"
            )
        spacing = spacing.item()
    if not isinstance(spacing, (list, tuple)):
        return [spacing] * len(dims)
    if len(spacing) != len(dims):
        if whole:
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                f"'self.dim() = {input.dim()}', since dim argument was not given, but got a list of length "
                f"{len(spacing)}"
            )
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments "
            f"to have the same length, but got a spacing argument of length {len(spacing)} and a dim "
            f"argument of length {len(dims)}."
        )
    for step in spacing:
        if isinstance(step, _C.Tensor) and step.dim() != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element "
                f"with {step.dim()} dimensions!"
            )
    return list(spacing)


def _along(input: Tensor, dim: int, step: Any, edge_order: int) -> Tensor:
    size = input.shape[dim]

    def part(start: int, stop: int) -> Tensor:
        return input.narrow(dim, start, stop - start)

    even = not isinstance(step, _C.Tensor)
    if even:
        below = above = step
        first, last = [step] * 2, [step] * 2
        inner = (part(2, size) - part(0, size - 2)) / (2 * step) if size > 2 else part(0, 0)
    else:
        shape = [-1 if d == dim else 1 for d in range(input.dim())]
        gaps = step.diff().reshape(shape)
        count = gaps.shape[dim]
        below, above = (
            gaps.narrow(dim, 0, max(count - 1, 0)),
            gaps.narrow(dim, min(1, count), max(count - 1, 0)),
        )
        first = [gaps.narrow(dim, 0, 1), gaps.narrow(dim, min(1, count - 1), 1)]
        last = [gaps.narrow(dim, count - 1, 1), gaps.narrow(dim, max(count - 2, 0), 1)]
        if size > 2:
            inner = (
                part(0, size - 2) * (-above / (below * (below + above)))
                + part(1, size - 1) * ((above - below) / (below * above))
                + part(2, size) * (below / (above * (below + above)))
            )
        else:
            inner = part(0, 0)
    if edge_order == 1:
        start = (part(1, 2) - part(0, 1)) / first[0]
        end = (part(size - 1, size) - part(size - 2, size - 1)) / last[0]
    else:
        start = _edge([part(i, i + 1) for i in range(3)], first)
        end = -_edge([part(size - 1 - i, size - i) for i in range(3)], last)
    return _C.cat([start, inner, end], dim)


def _edge(values: list[Tensor], gaps: list[Any]) -> Tensor:
    """The derivative at the first of three values, to second order."""
    a, b = gaps
    slope: Tensor = (
        values[0] * (-(2 * a + b) / (a * (a + b)))
        + values[1] * ((a + b) / (a * b))
        - values[2] * (a / (b * (a + b)))
    )
    return slope
