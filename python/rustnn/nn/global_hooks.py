"""Hooks of every module there is, for debugging and profiling.

They are called before a module's own. While none of them is registered, calls of modules do not look for any.
"""

from __future__ import annotations

from collections import OrderedDict

from rustnn.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any]

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class _CallHooks(OrderedDict[int, "Hook"]):
    """Hooks that calls must look for: all modules are told when there is one, and when there is none."""

    def __setitem__(self, key: int, hook: Hook) -> None:
        super().__setitem__(key, hook)
        _tell_modules()

    def __delitem__(self, key: int) -> None:
        super().__delitem__(key)
        _tell_modules()

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        _tell_modules()


def _tell_modules() -> None:
    from rustnn.nn.hooks import HookMixin, hook_reasons

    HookMixin._hooked = has_call_hooks()
    (hook_reasons.add if HookMixin._hooked else hook_reasons.discard)("all modules")


_global_forward_pre_hooks: OrderedDict[int, Hook] = _CallHooks()
_global_forward_hooks: OrderedDict[int, Hook] = _CallHooks()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Hook] = _CallHooks()
_global_backward_hooks: OrderedDict[int, Hook] = _CallHooks()
_global_buffer_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_parameter_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
#: Which kind the backward hooks of all modules are; None before the first.
_global_is_full_backward_hook: bool | None = None


def has_call_hooks() -> bool:
    """Whether there is a hook that calls must look for."""
    return bool(
        _global_forward_pre_hooks
        or _global_forward_hooks
        or _global_backward_hooks
        or _global_backward_pre_hooks
    )


def replaced(hooks: OrderedDict[int, Hook], module: Any, name: str, value: Any) -> Any:
    """What is to be registered in the place of ``value``, by the hooks of registration."""
    for hook in hooks.values():
        new = hook(module, name, value)
        if new is not None:
            value = new
    return value


def _register(table: OrderedDict[int, Hook], hook: Hook, **extra: OrderedDict[int, bool]) -> RemovableHandle:
    handle = RemovableHandle(table, extra_dict=tuple(extra.values()))
    table[handle.id] = hook
    for flags in extra.values():
        flags[handle.id] = True
    return handle


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a module gets a buffer; what it returns, if not ``None``,
    is registered instead."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` whenever a module gets a child; what it returns, if not
    ``None``, is registered instead."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, param)`` whenever a module gets a parameter; what it returns, if not
    ``None``, is registered instead."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before every ``forward``; what it returns, if not ``None``, replaces the
    arguments."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every ``forward``; what it returns, if not ``None``, is the
    output.

    With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it is called even
    when ``forward`` raises.
    """
    extra = {}
    if with_kwargs:
        extra["with_kwargs"] = _global_forward_hooks_with_kwargs
    if always_call:
        extra["always_call"] = _global_forward_hooks_always_called
    return _register(_global_forward_hooks, hook, **extra)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """The old kind of ``register_module_full_backward_hook``, which sees only the last operation."""
    return _register_backward(hook, full=False)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` when the gradients of a module's outputs are known; what it returns,
    if not ``None``, takes their place."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when the gradients of a module's inputs are known; what
    it returns, if not ``None``, takes the place of ``grad_input``."""
    return _register_backward(hook, full=True)


def _register_backward(hook: Hook, full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please "
            "use only one of them."
        )
    _global_is_full_backward_hook = full
    return _register(_global_backward_hooks, hook)
