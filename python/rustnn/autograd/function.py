"""Operations with a backward of the user's own: subclasses of ``Function``."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "once_differentiable",
]


class FunctionCtx:
    """What ``forward`` tells ``backward``: saved tensors, and any attributes that the user sets."""

    needs_input_grad: tuple[bool, ...] = ()
    to_save: tuple[Tensor | None, ...] = ()
    saved_for_forward: tuple[Tensor | None, ...] = ()
    dirty_tensors: tuple[Tensor, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    materialize_grads: bool = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or tensors in between for ``backward``, as ``ctx.saved_tensors``.

        To be called once, in ``forward`` or ``setup_context``. A tensor that was changed in place since is
        noticed there.
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``jvp``, which is never called here."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which inputs ``forward`` has changed in place. All of them must be returned."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which outputs carry no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` is given zeros (the default) or None for outputs without a gradient."""
        self.materialize_grads = value


class BackwardCFunction(_C.Node, FunctionCtx):
    """The context of a call and its node in the graph in one."""

    _forward_cls: type[Function]
    _saved: tuple[bool, ...] = ()

    def apply(self, *grads: Any) -> Any:
        """Call the user's backward."""
        backward, vjp = self._forward_cls.backward, self._forward_cls.vjp
        if backward is not Function.backward and vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only "
                "implement one of them."
            )
        return (backward if vjp is Function.vjp else vjp)(self, *grads)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` was given. RuntimeError once the graph was freed."""
        if not any(self._saved):
            return (None,) * len(self._saved)
        return _C._saved_tensors(self, self._saved)


class FunctionMeta(type):
    """Makes the class of contexts that belongs to a class of functions: ``MyFunctionBackward``."""

    def __init__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> None:
        body = {"_forward_cls": cls, "__module__": "rustnn.autograd.function"}
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), body)
        super().__init__(name, bases, attributes)


class Function(metaclass=FunctionMeta):
    """An operation with a backward of its own; used as ``MyFunction.apply(x, y)``.

    A subclass has the static methods ``forward(ctx, *args)``, which may return a tensor or a tuple, and
    ``backward(ctx, *grads)``, which is given a gradient for each output and returns one for each argument
    (None for what needs none). Where ``setup_context(ctx, inputs, output)`` is defined, ``forward`` takes no
    context. Inside ``forward`` nothing is recorded; gradients of gradients come from the operations that
    ``backward`` is made of.
    """

    _backward_cls: type[BackwardCFunction]
    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an "
            "error in "
            "a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd "
            "function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """To be defined by subclasses."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """May be defined by subclasses whose ``forward`` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(*args: Any, **kwargs: Any) -> Any:
        """To be defined by subclasses."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to "
            "use it "
            "with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The derivative in forward mode, which does not exist here."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The rule for batches."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward``, and put the function's node behind its tensors if an argument wants a "
        "gradient."""
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            args = _bound(cls.forward, args, kwargs, separate)
        ctx = cls._backward_cls()
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
        before = _C._set_grad_enabled(False)
        try:
            if separate:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            _C._set_grad_enabled(before)
        outputs = output if isinstance(output, tuple) else (output,)
        results = _C._finish_function(
            ctx,
            args,
            outputs,
            ctx.dirty_tensors,
            ctx.non_differentiable,
            ctx.to_save,
            ctx.materialize_grads,
        )
        # The node has them now; held here as well, an output would keep its own node alive.
        ctx._saved = tuple([t is not None for t in ctx.to_save])
        for name in ("to_save", "saved_for_forward", "dirty_tensors", "non_differentiable"):
            ctx.__dict__.pop(name, None)
        return results if isinstance(output, tuple) else results[0]


def _bound(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool
) -> tuple[Any, ...]:
    """All arguments by position, with the defaults of ``forward``."""
    from inspect import signature

    bound = (
        signature(forward).bind(*args, **kwargs)
        if separate
        else signature(forward).bind(None, *args, **kwargs)
    )
    bound.apply_defaults()
    return bound.args if separate else bound.args[1:]


class InplaceFunction(Function):
    """A function that may work in place; kept for old programs."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a ``backward`` whose own gradient would be wrong: asking for it is a RuntimeError."""
    from functools import wraps

    @wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        before = _C._set_grad_enabled(False)
        try:
            outputs = fn(ctx, *args)
        finally:
            _C._set_grad_enabled(before)
        if not _C.is_grad_enabled() or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        results = _C._delayed_error(
            "trying to differentiate twice a function that was marked with @once_differentiable",
            outputs if isinstance(outputs, tuple) else (outputs,),
        )
        return results if isinstance(outputs, tuple) else results[0]

    return wrapper
