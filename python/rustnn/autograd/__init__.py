"""Gradients: of whole graphs (``backward``), or of some outputs by some inputs (``grad``)."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import function as function
from rustnn.autograd import graph as graph
from rustnn.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from rustnn.autograd.function import Function
from rustnn.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from rustnn.autograd.gradcheck import gradcheck, gradgradcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.autograd import functional as functional

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the leaves they depend on (or only to ``inputs``).

    ``grad_tensors`` are the gradients to start from, None for scalars. RuntimeError if a tensor has no graph,
    or the graph was freed by an earlier call without ``retain_graph``. ``grad_variables`` is the old name of
    ``grad_tensors``.
    """
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    _C._backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, one an input; nothing is accumulated.

    Inputs that the outputs do not depend on give None with ``allow_unused``, zeros with
    ``materialize_grads``, and else a RuntimeError. ``only_inputs`` does nothing any more.
    """
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
            "gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    if is_grads_batched:
        found = _batched(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused)
    else:
        found = _C._grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused)
    if materialize_grads:
        wanted = (inputs,) if isinstance(inputs, _C.Tensor) else inputs
        if any(g is None and not isinstance(x, _C.Tensor) for g, x in zip(found, wanted, strict=True)):
            raise RuntimeError(
                "materialize_grads cannot be used when the given input is a GradientEdge: its shape is "
                "not known"
            )
        found = tuple(
            _C.zeros_like(x.detach()) if g is None else g for g, x in zip(found, wanted, strict=True)
        )
    return found


def _batched(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any,
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
) -> tuple[Tensor, ...]:
    """One walk for each place of the first dim of ``grad_outputs``; the results are stacked."""
    outputs = (outputs,) if isinstance(outputs, _C.Tensor) else tuple(outputs)
    grads = (grad_outputs,) if isinstance(grad_outputs, _C.Tensor) else tuple(grad_outputs or ())
    sizes = []
    for i, (output, grad) in enumerate(zip(outputs, grads, strict=True)):
        if grad is None:
            continue
        if grad.dim() == 0 or grad.shape[1:] != output.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the "
                "batch "
                "dimension. The sizes of the remaining dimensions are expected to match the shape of "
                "corresponding "
                f"output, but a mismatch was detected: grad_output[{i}] has a shape of {grad.shape} and "
                f"output[{i}] "
                f"has a shape of {output.shape}."
            )
        sizes.append(grad.shape[0])
    if len(set(sizes)) != 1:
        raise ValueError(
            f"Expected all tensors to have the same size in the batch dimension, got sizes {sizes}"
        )
    keep = create_graph if retain_graph is None else retain_graph
    rows = []
    for n in range(sizes[0]):
        given = [None if grad is None else grad[n] for grad in grads]
        last = n == sizes[0] - 1
        rows.append(_C._grad(outputs, inputs, given, keep or not last, create_graph, allow_unused))
    if not rows:
        wanted = (inputs,) if isinstance(inputs, _C.Tensor) else inputs
        return tuple(_C.zeros((0, *x.shape), dtype=x.dtype) for x in wanted)
    columns: Any = zip(*rows, strict=True)
    stacked: list[Any] = [None if column[0] is None else _C.stack(column) for column in columns]
    return tuple(stacked)


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor)


class Variable(metaclass=_VariableMeta):
    """A tensor, as old programs name it."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        """A tensor over the memory of ``data``."""
        if volatile:
            import warnings

            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                stacklevel=2,
            )
        tensor = data.detach()
        return tensor.requires_grad_() if requires_grad else tensor


def __getattr__(name: str) -> Any:
    """Modules that few programs need are imported when they are first used."""
    if name in ("forward_ad", "functional", "profiler", "profiler_util"):
        from importlib import import_module

        return import_module(f"rustnn.autograd.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
