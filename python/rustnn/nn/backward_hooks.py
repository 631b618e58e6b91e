"""Backward hooks of modules: functions that see, and may change, the gradients of a module's call.

Full hooks stand on two identity nodes, one behind the module's inputs and one before its outputs: what flows
into the first in backward are the gradients of the inputs, what flows into the second those of the outputs.
The hooks of old stand on the node of the output, and see what that one operation sees.
"""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd.function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from rustnn.nn.module import Module

    Hook = Callable[..., Any]

__all__ = ["BackwardHook", "BackwardHookFunction", "register_old_hooks"]


class BackwardHookFunction(Function):
    """Hands its tensors through, with one node behind all of them."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        ctx.mark_non_differentiable(*[tensor for tensor in args if not tensor.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return grad_outputs


class _Places:
    """Where the tensors are among the values that a module was given, or gave back."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.size = len(values)
        self.tensors = [i for i, value in enumerate(values) if isinstance(value, Tensor)]

    def spread(self, gradients: Sequence[Any]) -> tuple[Any, ...]:
        """One entry for each value: the tensors' gradients, None for the rest."""
        spread: list[Any] = [None] * self.size
        for i, gradient in zip(self.tensors, gradients, strict=False):
            spread[i] = gradient
        return tuple(spread)

    def gathered(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The entries of the tensors."""
        return tuple(values[i] for i in self.tensors)


class BackwardHook:
    """One call of a module between its hooks: ``setup_input_hook`` before ``forward``, ``setup_output_hook``
    after it.

    ``user_pre_hooks`` are called with the module and the gradients of the outputs, ``user_hooks`` with the
    module and the gradients of inputs and outputs. What they return takes the gradients' place.
    """

    def __init__(self, module: Module, user_hooks: list[Hook], user_pre_hooks: list[Hook]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Any = None
        self.inputs: _Places | None = None
        self.n_inputs = -1

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, behind a node whose hook calls ``user_hooks``."""
        self.n_inputs = len(args)
        args, node = _through_identity(args)
        if node is not None:
            places = self.inputs = _Places(args)

            def hook(grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> Any:
                return self._at_inputs(places, grad_input)

            node.register_hook(hook)
        return args

    def setup_output_hook(self, args: Any) -> Any:
        """The module's output, behind a node whose hook calls ``user_pre_hooks``."""
        values = args if isinstance(args, tuple) else (args,)
        values, node = _through_identity(values)
        if node is not None:
            places = _Places(values)

            def hook(grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> Any:
                return self._at_outputs(places, grad_output)

            node.register_hook(hook)
        return values if isinstance(args, tuple) else values[0]

    def _at_inputs(self, places: _Places, grad_input: tuple[Any, ...]) -> Any:
        if self.grad_outputs is None:
            return None  # the gradient came to the inputs by another way than through the module's outputs
        gradients: Any = places.spread(grad_input)
        for hook in self.user_hooks:
            new = hook(self.module, gradients, self.grad_outputs)
            if new is None:
                continue
            if len(new) != len(gradients):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(new)}, but expected "
                    f"{len(gradients)}"
                )
            gradients = new
        self.grad_outputs = None
        return places.gathered(gradients)

    def _at_outputs(self, places: _Places, grad_output: tuple[Any, ...]) -> Any:
        gradients: Any = places.spread(grad_output)
        count = len(gradients)
        for hook in self.user_pre_hooks:
            new = hook(self.module, gradients)
            if new is None:
                continue
            if len(new) != count:
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(new)}, but "
                    f"expected {count}"
                )
            gradients = new
        self.grad_outputs = gradients
        if self.inputs is None:  # no input needs a gradient, so there is no node to wait for
            _warn_of_no_inputs()
            nothing = (None,) * self.n_inputs
            for hook in self.user_hooks:
                new = hook(self.module, nothing, gradients)
                if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None for all gradients."
                    )
            self.grad_outputs = None
        return places.gathered(gradients)


def _through_identity(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The values with one identity node behind their tensors, and that node; None where no tensor needs a
    gradient."""
    places = _Places(values)
    tensors = places.gathered(values)
    if not (_C.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return values, None
    behind = BackwardHookFunction.apply(*tensors)
    node = next(tensor.grad_fn for tensor in behind if tensor.grad_fn is not None)
    changed = list(values)
    for i, tensor in zip(places.tensors, behind, strict=True):
        changed[i] = tensor
    return (tuple(changed) if type(values) is tuple else type(values)(*changed)), node


def register_old_hooks(module: Module, hooks: list[Hook], inputs: Any, result: Any) -> None:
    """Hang the hooks of ``register_backward_hook`` on the node of the output."""
    output = result
    while not isinstance(output, Tensor):
        if isinstance(output, dict):
            output = next(value for value in output.values() if isinstance(value, Tensor))
        else:
            output = output[0]
    node = output.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(_with_module(hook, module))
    _warn_of_what_is_missing(inputs, result, node)


def _warn_of_no_inputs() -> None:
    import warnings

    warnings.warn(
        "Full backward hook is firing when gradients are computed with respect to module outputs since no "
        "inputs require gradients. See "
        "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
        "register_full_backward_hook for more details.",
        stacklevel=3,
    )


def _with_module(hook: Hook, module: Module) -> Hook:
    def called(*gradients: Any) -> Any:
        return hook(module, *gradients)

    return called


def _warn_of_what_is_missing(inputs: Any, result: Any, node: Any) -> None:
    """A FutureWarning where the one node does not see all gradients of the module."""

    def all_tensors(values: Any) -> bool:
        return isinstance(values, tuple) and all(isinstance(value, Tensor) for value in values)

    results = (result,) if isinstance(result, Tensor) else result
    given = (inputs,) if isinstance(inputs, Tensor) else inputs
    single = "a single Tensor or a tuple of Tensors"
    if not all_tensors(results):
        case, lost = (
            f"non-full backward hooks on a Module that does not return {single}",
            "some of the grad_output",
        )
    elif not all_tensors(given):
        case = f"non-full backward hooks on a Module that does not take as input {single}"
        lost = "some of the grad_input"
    elif any(value.grad_fn is not None and value.grad_fn is not node for value in results):
        case = "a non-full backward hook when outputs are generated by different autograd Nodes"
        lost = "some grad_output"
    else:
        behind = {value.grad_fn for value in given if value.grad_fn is not None}
        if behind == {parent for parent, _ in node.next_functions}:
            return
        case = "a non-full backward hook when the forward contains multiple autograd Nodes"
        lost = "some grad_input"
    import warnings

    warnings.warn(
        f"Using {case} is deprecated and will be removed in future versions. This hook will be missing "
        f"{lost}. Please use register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=4,
    )
