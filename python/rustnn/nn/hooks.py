"""Hooks: functions that a module calls before and after its ``forward``.

A module without hooks never comes here: ``Module.__call__`` looks at one flag and goes straight to
``forward``.
"""

from __future__ import annotations

from rustnn._C import Tensor
from rustnn.nn import global_hooks
from rustnn.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable
    from typing import Any

    from rustnn.nn.module import Module

    Hook = Callable[..., Any]

__all__ = ["HookMixin", "call_with_hooks", "hook_reasons"]


#: Why calls must ask modules for their hooks: "modules" once one has had a hook, "all modules" while there is
#: a hook of all modules, "classes" once a class has its own way of being called or unpickled. Empty in most
#: programs, whose calls then ask nothing.
hook_reasons: set[str] = set()


class HookMixin:
    """The part of ``Module`` that registers hooks."""

    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _backward_pre_hooks: OrderedDict[int, Hook]
    _backward_hooks: OrderedDict[int, Hook]
    _is_full_backward_hook: bool | None

    # False: calling the module is calling its ``forward``, and nothing else. Set on an instance by its first
    # hook (cleared by the first call without any), on a class that has its own ``__call__``, and on all while
    # there is a hook of all modules. Only asked if `hook_reasons` is not empty.
    _hooked: bool = False

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before every ``forward``.

        What it returns, if not ``None``, replaces the positional arguments (one value stands for a tuple of
        one). With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns ``None`` or ``(args,
        kwargs)``.
        """
        handle = RemovableHandle(self._forward_pre_hooks, extra_dict=self._forward_pre_hooks_with_kwargs)
        self._forward_pre_hooks[handle.id] = hook
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        if prepend:
            self._forward_pre_hooks.move_to_end(handle.id, last=False)
        self._look_for_hooks()
        return handle

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every ``forward``; what it returns, if not ``None``, is
        the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it is called
        even when ``forward`` or another hook raises.
        """
        extra = (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        handle = RemovableHandle(self._forward_hooks, extra_dict=extra)
        self._forward_hooks[handle.id] = hook
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        if prepend:
            self._forward_hooks.move_to_end(handle.id, last=False)
        self._look_for_hooks()
        return handle

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` whenever the gradients of the module's outputs are known.

        What it returns, if not ``None``, takes their place. ``grad_output`` is a tuple, with None for outputs
        that are no tensors.
        """
        return self._register_backward(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """The old kind of ``register_full_backward_hook``: it sees the gradients of the last operation of
        ``forward`` only, and warns where that matters."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_TWO_KINDS)
        self._is_full_backward_hook = False
        return self._register_backward(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` whenever the gradients of the module's inputs are
        known.

        What it returns, if not ``None``, takes the place of ``grad_input``. Both are tuples, with None for
        what is no tensor; only positional arguments count as inputs. Inputs and outputs must not be changed
        in place.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_TWO_KINDS)
        self._is_full_backward_hook = True
        return self._register_backward(self._backward_hooks, hook, prepend)

    def _register_backward(
        self, table: OrderedDict[int, Hook], hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        handle = RemovableHandle(table)
        table[handle.id] = hook
        if prepend:
            table.move_to_end(handle.id, last=False)
        self._look_for_hooks()
        return handle

    def _look_for_hooks(self) -> None:
        """From now on, calls of this module look for hooks."""
        self.__dict__["_hooked"] = True
        hook_reasons.add("modules")

    def _has_hooks(self) -> bool:
        """Whether a call has a hook to look for, the module's own or one of all modules."""
        return bool(
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or global_hooks.has_call_hooks()
        )

    def _get_backward_hooks(self) -> tuple[list[Hook], list[Hook]]:
        """The full backward hooks and those of the old kind; the ones of all modules come first."""
        full: list[Hook] = []
        old: list[Hook] = []
        for kind, hooks in (
            (global_hooks._global_is_full_backward_hook, global_hooks._global_backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            (full if kind else old).extend(hooks.values())
        return full, old

    def _get_backward_pre_hooks(self) -> list[Hook]:
        return [*global_hooks._global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]


_TWO_KINDS = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one "
    "of them."
)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward(*args, **kwargs)`` between the module's hooks; those of all modules come first."""
    everywhere = "all modules" in hook_reasons
    own = module.__dict__  # read as a dict: attributes of modules take longer
    if not (everywhere or module._has_hooks()):
        # Its hooks are gone: from now on its calls need not look. Asked again, as one may just have come.
        own.pop("_hooked", None)
        if not module._has_hooks():
            return module.forward(*args, **kwargs)
        module._look_for_hooks()
    called: set[int] = set()
    result = around = old = None
    try:
        if everywhere or own["_forward_pre_hooks"]:
            args, kwargs = _run_pre_hooks(module, args, kwargs)
        if everywhere or own["_backward_hooks"] or own["_backward_pre_hooks"]:
            full, old = module._get_backward_hooks()
            before = module._get_backward_pre_hooks()
            if full or before:
                from rustnn.nn.backward_hooks import BackwardHook

                around = BackwardHook(module, full, before)
                args = around.setup_input_hook(args)
        result = module.forward(*args, **kwargs)
        if everywhere or own["_forward_hooks"]:
            for hook_id, hook, with_kwargs, _always in _forward_hooks(module):
                called.add(hook_id)
                new = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
                if new is not None:
                    result = new
        if around is not None:
            if not isinstance(result, (Tensor, tuple)):
                import warnings

                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                    f"but received {type(result)}",
                    stacklevel=3,
                )
            result = around.setup_output_hook(result)
        if old:
            from rustnn.nn.backward_hooks import register_old_hooks

            register_old_hooks(module, old, args, result)
        return result
    except Exception:
        for hook_id, hook, with_kwargs, always in _forward_hooks(module):
            if not always or hook_id in called:
                continue
            try:
                new = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
                if new is not None:
                    result = new
            except Exception as error:
                import warnings

                whose = "module" if hook_id in module._forward_hooks else "global module"
                warnings.warn(
                    f"{whose} forward hook with ``always_call=True`` raised an exception that was silenced "
                    f"as another error was raised in forward: {error}",
                    stacklevel=2,
                )
        raise


def _forward_hooks(module: Module) -> list[tuple[int, Hook, bool, bool]]:
    """(id, hook, with_kwargs, always_call) of every hook in the order of their calls."""
    tables = [(module._forward_hooks, module._forward_hooks_with_kwargs, module._forward_hooks_always_called)]
    if global_hooks._global_forward_hooks:
        of_all = (
            global_hooks._global_forward_hooks,
            global_hooks._global_forward_hooks_with_kwargs,
            global_hooks._global_forward_hooks_always_called,
        )
        tables.insert(0, of_all)
    return [
        (key, hook, key in kw, key in always) for hooks, kw, always in tables for key, hook in hooks.items()
    ]


def _run_pre_hooks(module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments as the pre-hooks leave them."""
    for hook in list(global_hooks._global_forward_pre_hooks.values()):
        new = hook(module, args)
        if new is not None:
            args = new if isinstance(new, tuple) else (new,)
    for key, hook in list(module._forward_pre_hooks.items()):
        if key in module._forward_pre_hooks_with_kwargs:
            new = hook(module, args, kwargs)
            if new is None:
                continue
            if not (isinstance(new, tuple) and len(new) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                )
            args, kwargs = new
        else:
            new = hook(module, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
    return args, kwargs
