"""Hooks: functions that a module calls before and after its ``forward``.

A module without hooks never comes here: ``Module.__call__`` looks at one flag and goes straight to
``forward``.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.nn.module import Module

    Hook = Callable[..., Any]

__all__ = ["HookMixin", "RemovableHandle", "call_with_hooks"]


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook out again. Also a context manager."""

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple(weakref.ref(table) for table in extra_dict)

    def remove(self) -> None:
        """Forget the hook; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> Any:
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state: Any) -> None:
        table, self.id, extra = state
        # A table that died before pickling is replaced by an empty one, so that remove() stays harmless.
        self.hooks_dict_ref = weakref.ref(table if table is not None else OrderedDict())
        self.extra_dict_ref = tuple(weakref.ref(t if t is not None else OrderedDict()) for t in extra)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class HookMixin:
    """The part of ``Module`` that registers hooks."""

    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]

    # False: calling the module is calling its ``forward``, and nothing else. Set on an instance by its first
    # hook (and never cleared), on a class that has its own ``__call__``, and on all by a hook of all modules.
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
        self._hooked = True
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
        self._hooked = True
        return handle

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Not yet: use ``Tensor.register_hook`` on the module's input or output."""
        raise NotImplementedError(_NO_BACKWARD_HOOKS)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Not yet: use ``Tensor.register_hook`` on the module's input or output."""
        raise NotImplementedError(_NO_BACKWARD_HOOKS)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Not yet: use ``Tensor.register_hook`` on the module's input or output."""
        raise NotImplementedError(_NO_BACKWARD_HOOKS)


_NO_BACKWARD_HOOKS = (
    "rustnn does not have backward hooks of modules yet; "
    "use Tensor.register_hook on the module's input or output"
)

# Hooks of every module: see register_module_forward_hook in module.py.
global_forward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
global_forward_hooks: OrderedDict[int, Hook] = OrderedDict()
global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward(*args, **kwargs)`` between the module's hooks; those of all modules come first."""
    if not (
        module._forward_pre_hooks or module._forward_hooks or global_forward_pre_hooks or global_forward_hooks
    ):
        return module.forward(*args, **kwargs)
    called: set[int] = set()
    result = None
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        result = module.forward(*args, **kwargs)
        for hook_id, hook, with_kwargs, _always in _forward_hooks(module):
            called.add(hook_id)
            new = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            if new is not None:
                result = new
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

                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was silenced "
                    f"as another error was raised in forward: {error}",
                    stacklevel=2,
                )
        raise


def _forward_hooks(module: Module) -> list[tuple[int, Hook, bool, bool]]:
    """(id, hook, with_kwargs, always_call) of every hook in the order of their calls."""
    tables = (
        (global_forward_hooks, global_forward_hooks_with_kwargs, global_forward_hooks_always_called),
        (module._forward_hooks, module._forward_hooks_with_kwargs, module._forward_hooks_always_called),
    )
    return [
        (key, hook, key in kw, key in always) for hooks, kw, always in tables for key, hook in hooks.items()
    ]


def _run_pre_hooks(module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments as the pre-hooks leave them."""
    for hook in list(global_forward_pre_hooks.values()):
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
