"""Lazy modules: layers that learn the size of their input from the first one they see.

Until then their parameters are of the class `UninitializedParameter` and their buffers `UninitializedBuffer`.
The first call gives them shapes and values, and the module becomes one of the ordinary class.
"""

from __future__ import annotations

from rustnn.autograd import no_grad
from rustnn.nn.parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.nn.module import Module

    _Module = Module
else:
    _Module = object

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(_Module):
    """What makes a layer lazy: ``class LazyLayer(LazyModuleMixin, Layer)``.

    A subclass defines ``initialize_parameters(*args, **kwargs)``, which gets the arguments of the first call
    and materialises all uninitialised tensors. RuntimeError from that call if it leaves some.
    """

    #: The class of the module once it has its parameters; None keeps it.
    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        members: dict[str, Any] = dict(self._parameters)
        members.update(
            (name, buffer)
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        )
        for name, member in members.items():
            if member is not None:
                destination[prefix + name] = member if keep_vars or is_lazy(member) else member.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Before loading: what is uninitialised here and not in the state gets its shape from there."""
        for name, member in [*self._parameters.items(), *self._buffers.items()]:
            if is_lazy(member) and prefix + name in state_dict:
                value = state_dict[prefix + name]
                if not is_lazy(value):
                    with no_grad():
                        member.materialize(value.shape)  # type: ignore[union-attr]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialise what is uninitialised, by the arguments of the first call. Subclasses say how."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of the module itself has no shape yet."""
        return any(is_lazy(member) for member in [*self._parameters.values(), *self._buffers.values()])

    def _infer_parameters(
        self, module: LazyModuleMixin, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> None:
        """The hook before the first call: initialise, and become the ordinary class."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
        if not module._has_hooks():
            module.__dict__.pop("_hooked", None)  # its calls need no longer look for hooks

    def _replicate_for_data_parallel(self) -> None:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward "
            "pass to correctly initialize the modules"
        )
