"""Tensors that a module owns: ``Parameter`` is trained, ``Buffer`` is only kept."""

from __future__ import annotations

from collections import OrderedDict

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that becomes part of ``module.parameters()`` when it is assigned to an attribute of a module.

    It shares the memory of ``data`` (any shape; floating point or complex where ``requires_grad``, which is
    the default). RuntimeError if another dtype is to require gradients.
    """

    # What operations make of parameters are plain tensors.
    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment]

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise AttributeError(f"{type(data).__name__!r} object has no attribute 'detach'")
        parameter: Parameter = Tensor._make_subclass(cls, data.detach(), requires_grad)
        return parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) in memo:
            known: Parameter = memo[id(self)]
            return known
        copy = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild_parameter, (self.detach(), self.requires_grad, OrderedDict())


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to.

    ``persistent`` ones go into the state dict.
    """

    persistent: bool
    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment]

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = _C.empty(0)
        buffer: Buffer = Tensor._make_subclass(cls, data.detach(), data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        if id(self) in memo:
            known: Buffer = memo[id(self)]
            return known
        copy = type(self)(self.detach().clone(), persistent=self.persistent)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        # PyTorch keeps a plain tensor here, and so do pickles.
        return self.detach().__reduce_ex__(protocol)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """What a pickle calls to make a parameter again."""
    return Parameter(data, requires_grad)
