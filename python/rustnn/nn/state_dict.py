"""A module's state as a flat dict of tensors, and back: ``state_dict`` and ``load_state_dict``.

Keys are dotted names ("features.0.weight"). The dict also carries ``_metadata``: for every module the version
of its format, so that a younger release can read what an older one wrote.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple

from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.nn.parameter import Parameter, is_lazy
from rustnn.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from rustnn.nn.module import Module

__all__ = ["StateDictMixin"]

_EXTRA_STATE = "_extra_state"


if TYPE_CHECKING:

    class _Keys(NamedTuple):
        missing_keys: list[str]
        unexpected_keys: list[str]

else:
    _Keys = namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])


class _IncompatibleKeys(_Keys):
    """What ``load_state_dict`` returns: the keys that one side had and the other not."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDictMixin:
    """The part of ``Module`` that saves and restores its state."""

    _version: int = 1

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, tuple[Callable[..., Any], bool]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    # ---- saving --------------------------------------------------------------------------------------------

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """An OrderedDict from dotted name to tensor, of all parameters and persistent buffers.

        The tensors share memory with the module and are detached, unless ``keep_vars``. ``destination`` is a
        dict to add to, ``prefix`` goes before every key.
        """
        if args:
            import warnings

            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict "
                "for details.",
                category=FutureWarning,
                stacklevel=2,
            )
            destination, prefix, keep_vars = (
                (*args, destination, prefix, keep_vars)[:3]
                if len(args) > 2
                else (*args, *(destination, prefix, keep_vars)[len(args) :])
            )
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            new = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if new is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif new is not None:
                destination = new
        state: dict[str, Any] = destination
        return state

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Add this module's own tensors, without its children's; a subclass may add more."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if _has_extra_state(self):
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """Anything else that the state dict is to carry.

        A subclass that has some defines this and the setter.
        """
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what ``get_extra_state`` gave."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    # ---- loading -------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of ``state_dict`` into this module and all below it.

        With ``assign`` the tensors themselves take the places of the module's. Returns the missing and the
        unexpected keys; with ``strict`` there must be none. RuntimeError lists everything that does not fit.
        """
        if not _is_mapping(state_dict):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        copy: Any = OrderedDict(state_dict)
        if metadata is not None:
            copy._metadata = metadata
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        report = _IncompatibleKeys(missing, unexpected)

        def load(module: StateDictMixin, state: Any, prefix: str) -> None:
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    load(child, {key: value for key, value in state.items() if key.startswith(below)}, below)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, report) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                        "return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, copy, "")
        if strict:
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            name = type(self).__name__
            raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t" + "\n\t".join(errors))
        return report

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors, without its children's, and note in the lists what does not fit."""
        for hook, with_module in self._load_state_dict_pre_hooks.values():
            first = (self,) if with_module else ()
            hook(
                *first, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        members: dict[str, Any] = {
            name: value for name, value in self._parameters.items() if value is not None
        }
        for name, value in self._buffers.items():
            if value is not None and name not in self._non_persistent_buffers_set:
                members[name] = value
        for name, member in members.items():
            key = prefix + name
            if key in state_dict:
                error = _load_member(self, name, member, key, state_dict[key], assign)
                if error is not None:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE
        if _has_extra_state(self, "set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (self._modules if dot else members):
                    unexpected_keys.append(key)

    # ---- hooks ---------------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the state is collected."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` afterwards.

        It changes ``state_dict`` in place.
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        return _register(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As above, but what the hook returns, if not ``None``, is the state dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via "
                "register_state_dict_post_hook"
            )
        return _register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)`` "
        "first."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading.

        It may change the lists of keys in place.
        """
        return _register(self._load_state_dict_post_hooks, hook)


def _register(table: Any, hook: Any) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def _has_extra_state(module: StateDictMixin, method: str = "get_extra_state") -> bool:
    return getattr(type(module), method) is not getattr(StateDictMixin, method)


def _is_mapping(value: object) -> bool:
    if isinstance(value, dict):
        return True
    from collections.abc import Mapping

    return isinstance(value, Mapping)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _warn_of_no_op(key: str) -> None:
    import warnings

    warnings.warn(
        f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current "
        "model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
        "dictionary "
        "to their corresponding key in the module instead of copying them in place?)",
        stacklevel=3,
    )


def _load_member(owner: Any, name: str, member: Tensor, key: str, value: Any, assign: bool) -> str | None:
    """Load one tensor; returns what is wrong with it, or ``None``."""
    if not isinstance(value, Tensor):
        return (
            f'While copying the parameter named "{key}", expected rustnn.Tensor or Tensor-like object from '
            "checkpoint "
            f"but received {type(value)}"
        )
    lazy = is_lazy(member)
    if not lazy and member.dim() == 0 and value.dim() == 1:
        value = value[0]  # scalars were vectors of one element in the first releases of PyTorch
    if not lazy and value.shape != member.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {member.shape}."
        )
    try:
        with no_grad():
            if not assign:
                if member.is_meta and not value.is_meta:
                    _warn_of_no_op(key)
                member.copy_(value)
            elif isinstance(member, Parameter) and not isinstance(value, Parameter):
                setattr(owner, name, Parameter(value, requires_grad=member.requires_grad))
            elif isinstance(member, Parameter):
                setattr(owner, name, value.requires_grad_(member.requires_grad))
            else:
                setattr(owner, name, value)
    except Exception as error:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are {member.size()} '
            "and "
            f"whose dimensions in the checkpoint are {value.size()}, an exception occurred : {error.args}."
        )
    return None
