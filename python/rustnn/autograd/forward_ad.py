"""Derivatives along a direction: tensors that carry a tangent.

They are made of the tape. ``make_dual`` makes a place in the graph, and ``unpack_dual`` finds the tangent of
what was computed by two backwards: the gradient is linear in what it starts from. So what is computed with
dual tensors is recorded, and has to be outside of ``no_grad``.
"""

from __future__ import annotations

from typing import NamedTuple

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd.grad_mode import enable_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """A tensor and its tangent, None if it has none."""

    primal: Tensor
    tangent: Tensor | None


class _Level:
    """The dual tensors that were made since the level was entered: places in the graph, with tangents."""

    def __init__(self) -> None:
        self.places: list[tuple[Tensor, Tensor]] = []


_levels: list[_Level] = []


def enter_dual_level() -> int:
    """Lets dual tensors be made from here on. RuntimeError for a second level."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_Level())
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: its tangents are forgotten. RuntimeError if it is not the innermost one."""
    current = len(_levels) - 1
    level = current if level is None else level
    if level < 0:
        raise RuntimeError("Dual level must be a positive number.")
    if level != current:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not "
            "supported."
        )
    _levels.pop()


class dual_level:
    """Enters a level, and leaves it at the end of the block."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` with a tangent of the same shape.

    RuntimeError outside of a level, for another shape, or for a tensor with a tangent; ValueError for values
    that are neither floating point nor complex.
    """
    if not _levels or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, given in (("primal", tensor), ("tangent", tangent)):
        if not (given.is_floating_point() or given.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {given.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            "Tensor, this "
            f"is not supported. Tensor is of size {list(tensor.shape)} while the given forward gradient "
            "is of "
            f"size {list(tangent.shape)}."
        )
    if any(place is tensor for place, _ in _levels[-1].places):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level "
            f"{len(_levels) - 1} is not supported."
        )
    with enable_grad():
        place = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    _levels[-1].places.append((place, tangent))
    return place


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor without its tangent, and the tangent, None if it has none. Outside of a level it has none."""
    if not _levels or (level is not None and level < 0):
        return UnpackedDualTensor(tensor, None)
    places = _levels[-1].places
    own = next((tangent for place, tangent in places if place is tensor), None)
    tangent = _tangent_of(tensor, places) if own is None and tensor.requires_grad else own
    leads_outside = any(place.grad_fn is not None for place, _ in places)
    primal = tensor if leads_outside or tangent is None else tensor.detach()
    return UnpackedDualTensor(primal, tangent)


def _tangent_of(tensor: Tensor, places: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    keep = any(place.grad_fn is not None or tangent.requires_grad for place, tangent in places)
    with enable_grad():
        weights = _C.zeros_like(tensor.detach()).requires_grad_()
        found = _C._grad([tensor], [place for place, _ in places], [weights], True, True, True)
        if all(g is None for g in found):
            return None
        moved = [(g, t) for g, (_, t) in zip(found, places, strict=True) if g is not None and g.requires_grad]
        if moved:
            pushed: Tensor | None = _C._grad(
                [g for g, _ in moved], [weights], [t for _, t in moved], True, keep, True
            )[0]
            if pushed is not None:
                return pushed if keep else pushed.detach()
    return _C.zeros_like(tensor.detach())
