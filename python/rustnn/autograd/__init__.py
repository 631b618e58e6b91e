"""Gradients: of whole graphs (:func:`backward`), or of some outputs by some inputs (:func:`grad`)."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["Variable", "backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the leaves they depend on (or only to ``inputs``).

    ``grad_tensors`` are the gradients to start from, None for scalars. RuntimeError if a tensor has no graph,
    or the graph was freed by an earlier call without ``retain_graph``.
    """
    _C._backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, one an input; nothing is accumulated.

    Inputs that the outputs do not depend on give None with ``allow_unused``, zeros with
    ``materialize_grads``, and else a RuntimeError.
    """
    if is_grads_batched:
        raise NotImplementedError("autograd.grad(is_grads_batched=True) is not supported yet")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    found = _C._grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused)
    if materialize_grads:
        wanted = (inputs,) if isinstance(inputs, _C.Tensor) else inputs
        found = tuple(
            _C.zeros_like(x.detach()) if g is None else g for g, x in zip(found, wanted, strict=True)
        )
    return found


def Variable(data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
    """A tensor over the same memory, as old scripts ask for it."""
    tensor = data.detach() if requires_grad else data
    return tensor.requires_grad_(requires_grad) if requires_grad else tensor
