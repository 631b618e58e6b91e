"""What the names in PyTorch's pickles stand for, and which of them may be used without trust in the file."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.parameter import Buffer, Parameter
from rustnn.storage import TypedStorage
from rustnn.utils.pickling import STORAGE_DTYPES
from rustnn.utils.safe_pickle import Global, SafeUnpickler, plain_global, shown
from rustnn.utils.torch_names import our_name, our_object, torch_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["StorageKind", "allowed_global", "load_safely", "safe_globals_of_user", "trusting_unpickler"]

_Size = type(_C.empty(0).shape)


class StorageKind:
    """What a pickle's ``torch.FloatStorage`` stands for."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


class LateStorage(TypedStorage):
    """A storage whose bytes come only after the pickle."""


# ---- tensors -----------------------------------------------------------------------------------------------


def _rebuild_tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: bool = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    """A tensor over a storage. RuntimeError if it would reach beyond the storage's end."""
    if not isinstance(storage, TypedStorage):
        raise TypeError("a tensor is made of a storage, an offset, a size and a stride")
    return _over(storage, storage.dtype, offset, size, stride, requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: bool,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    if not isinstance(storage, TypedStorage) or not isinstance(dtype, _C.dtype):
        raise TypeError("a tensor is made of a storage, an offset, a size, a stride and a dtype")
    return _over(storage, dtype, offset, size, stride, requires_grad, metadata)


def _over(
    storage: TypedStorage,
    dtype: _C.dtype,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    metadata: Any,
) -> Tensor:
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise TypeError("the size and the stride of a tensor are tuples")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise RuntimeError(f"a tensor of size {size} and stride {stride} at {offset} cannot be")
    count = storage.nbytes() // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= count:
        raise RuntimeError(
            f"a tensor of size {size} and stride {stride} at {offset} is out of bounds for storage of {count}"
        )
    tensor = _C._tensor_over(storage.untyped(), dtype, offset if 0 not in size else 0, size, stride)
    for change in ("conj", "neg"):
        if metadata and metadata.get(change):
            if isinstance(storage, LateStorage):
                raise NotImplementedError("conjugated tensors in files of older formats are not read")
            tensor = getattr(tensor, change)()
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_meta_tensor(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """A tensor without data."""
    if not isinstance(dtype, _C.dtype) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise TypeError("a tensor without data is made of a dtype, a size and a stride")
    return _C.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=bool(requires_grad))


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Parameter:
    if not isinstance(data, Tensor):
        raise TypeError("a parameter is made of a tensor")
    return Parameter(data, bool(requires_grad))


def _set_state(value: Any, state: Any) -> None:
    """Set attributes of the user's own, which are a dict, or that and a dict of slots."""
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        vars(value).update(attributes)
    for name, item in (slots or {}).items():
        object.__setattr__(value, name, item)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Parameter:
    parameter = _rebuild_parameter(data, requires_grad)
    _set_state(parameter, state)
    return parameter


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes of its own."""
    if function not in _REBUILDERS.values() or not isinstance(kind, type) or not issubclass(kind, Tensor):
        raise TypeError("only tensors can be rebuilt so")
    tensor = function(*args)
    attributes = dict(state) if isinstance(state, dict) else {}
    if attributes.pop("_is_buffer", False) and kind is Tensor:
        tensor = Buffer(tensor, persistent=bool(attributes.get("persistent", True)))
        state = attributes
    elif kind is not type(tensor):
        tensor = Tensor._make_subclass(kind, tensor.detach(), tensor.requires_grad)
    if "__setstate__" in vars(kind):
        tensor.__setstate__(state)
    else:
        _set_state(tensor, state)
    return tensor


def _result_maker(kind: Any) -> Callable[..., Any]:
    """What makes a named result, as of ``max``, of its values; PyTorch gives a second argument."""
    return lambda values, rest=None: kind(values)


def _layout(name: Any) -> Any:
    found = _C.empty(0).layout
    if name != str(found):
        raise NotImplementedError(f"rustnn has no layout {shown(name)}")
    return found


class _WrappedHook:
    """A hook as PyTorch keeps it: with the module it is called with, where it wants that."""

    hook: Callable[..., Any]
    with_module: bool
    module: Any

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        self.module = state.get("module")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.hook(self.module, *args, **kwargs) if self.with_module else self.hook(*args, **kwargs)


_REBUILDERS: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild_meta_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
}
_FUNCTIONS: dict[str, Any] = {
    **_REBUILDERS,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch.serialization._get_layout": _layout,
    "torch.Size": _Size,
    "torch.device": _C.device,
}
_VALUES: dict[str, Any] = {
    **{f"torch.{name}": dtype for name, dtype in vars(_C).items() if isinstance(dtype, _C.dtype)},
    **{f"torch.{name}": StorageKind(dtype) for name, dtype in STORAGE_DTYPES.items()},
    "torch.storage.UntypedStorage": StorageKind(_C.uint8),
    "torch.UntypedStorage": StorageKind(_C.uint8),
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.nn.Parameter": Parameter,
    # What PyTorch's GradScaler keeps of each optimizer, which is nothing when it can be saved.
    "torch.amp.grad_scaler._refresh_per_optimizer_state": dict,
}
_VALUES.update((name.replace("torch.", "torch.cuda."), kind) for name, kind in list(_VALUES.items()) if
               isinstance(kind, StorageKind) and name.count(".") == 1)  # fmt: skip
_HOOKS = {"torch.nn.modules.module._WrappedHook": _WrappedHook}


# ---- without trust -----------------------------------------------------------------------------------------

#: What the user allows: classes and functions, or pairs of these and their full names in files.
safe_globals_of_user: list[Any] = []
_METHODS = ("_infer_parameters", "_lazy_load_hook")
# Files of this library whose objects do nothing by being made: what modules have as hooks, and the like.
_OBJECT_MODULES = (
    "rustnn.amp.grad_scaler",
    "rustnn.nn.utils.prune",
    "rustnn.nn.utils.spectral_norm",
    "rustnn.nn.utils.weight_norm",
    "rustnn.utils.data.dataset",
)


def _user_globals() -> Iterator[tuple[str, Any]]:
    """(full name as written in files, object) of what the user allows."""
    for entry in safe_globals_of_user:
        if isinstance(entry, tuple):
            yield entry[1], entry[0]
        else:
            yield ".".join(torch_name(entry.__module__, entry.__qualname__)), entry
            if entry.__module__ == "builtins":
                yield f"__builtin__.{entry.__qualname__}", entry


def _own_classes() -> tuple[type, ...]:
    from rustnn.nn.module import Module
    from rustnn.optim.lr_scheduler import LRScheduler
    from rustnn.optim.optimizer import Optimizer
    from rustnn.utils.hooks import RemovableHandle

    return Module, Optimizer, LRScheduler, RemovableHandle


def _is_own(kind: type) -> bool:
    """Whether objects of a class may be made, for it is a layer, an optimizer or the like of this library."""
    home = kind.__module__
    return home in _OBJECT_MODULES or (home.startswith("rustnn.") and issubclass(kind, _own_classes()))


def _method(owner: Any, name: Any) -> Any:
    """What ``getattr`` in a file is for: the hooks of lazy modules, and functions of the library."""
    from rustnn.nn.lazy import LazyModuleMixin

    if owner is _C and isinstance(name, str) and not name.startswith("_"):
        found = getattr(_C, name)
        if isinstance(found, type(_C.relu)):
            return found
    lazy = isinstance(owner, LazyModuleMixin) and name in _METHODS and _is_own(type(owner))
    if lazy or (
        isinstance(owner, type) and _is_own(owner) and isinstance(name, str) and name.endswith("_scale_fn")
    ):
        return getattr(owner, name)
    from pickle import UnpicklingError

    raise UnpicklingError(f"getattr is not allowed for {shown(name)} of {type(owner).__name__}")


def _partial(function: Any) -> Any:
    """``functools.partial`` of a function that ``_method`` gave: how CyclicLR keeps its shape."""
    from functools import partial
    from pickle import UnpicklingError

    if not str(getattr(function, "__name__", "")).endswith("_scale_fn"):
        raise UnpicklingError(f"functools.partial is not allowed for {shown(function)}")
    return partial(function)


def allowed_global(module: str, name: str, user: dict[str, Any]) -> Global | None:
    """What a name in a file stands for; None if it is not allowed. Nothing outside of rustnn is imported."""
    path = f"{module}.{name}"
    if path in user:
        return Global(user[path], user[path])
    if path in _FUNCTIONS:
        return Global(_FUNCTIONS[path], _FUNCTIONS[path])
    if path in _VALUES:
        return Global(_VALUES[path])
    if path in _HOOKS:
        return Global(_HOOKS[path], new=True)
    if path in ("builtins.getattr", "__builtin__.getattr"):
        return Global(None, _method)
    if path == "functools.partial":
        return Global(None, _partial)
    plain = plain_global(path)
    if plain is not None or not module.startswith("torch"):
        return plain
    try:
        found = our_object(module, name)
    except (ImportError, AttributeError, ValueError):
        return None
    if found is _C:
        return Global(_C)
    if isinstance(found, type):
        if _is_own(found):
            return Global(found, new=True)
        if name in ("UninitializedParameter", "UninitializedBuffer"):
            return Global(found, lambda requires_grad=False: found(bool(requires_grad)))
        if found.__module__ == "rustnn.return_types":
            return Global(found, _result_maker(found))
        return None
    functions = module in ("torch.nn.functional", "torch._C._nn") and callable(found)
    if isinstance(found, type(_C.relu)) or functions:
        return Global(found)
    return None


def _build(value: Any, state: Any, user: tuple[type, ...]) -> bool:
    """Give an object the state that a file has for it; False if the class is not allowed."""
    kind = type(value)
    if kind.__module__ == "functools":  # a partial, whose function is what it was made of
        _, args, keywords, attributes = state
        value.__setstate__((value.func, args, keywords, attributes))
    elif not (kind is _WrappedHook or _is_own(kind) or isinstance(value, user)):
        return False
    elif hasattr(value, "__setstate__"):
        value.__setstate__(state)
    else:
        vars(value).update(state)
    return True


def _refusal(module: str, name: str) -> str:
    """Why a name is not allowed, and what to do."""
    ours = name if "builtin" in module else ".".join(our_name(module, name))
    if module == "torch" or module.startswith("torch."):
        try:
            our_object(module, name)
        except (ImportError, AttributeError, ValueError):
            return "cannot be loaded: rustnn has nothing of this name."
    return (
        "was not an allowed global by default: if you trust the file, either allow this name, `with "
        f"rustnn.serialization.safe_globals([{ours}])` or `rustnn.serialization.add_safe_globals([{ours}])`, "
        "or allow everything, `rustnn.load(..., weights_only=False)`, which runs what code the file holds."
    )


def load_safely(data: Any, persistent_load: Callable[[Any], Any], start: int = 0) -> tuple[Any, int]:
    """The object of a pickle that may come from anyone, and where the pickle ends."""
    from pickle import UnpicklingError

    user = dict(_user_globals())
    classes = tuple(value for value in user.values() if isinstance(value, type))
    machine = SafeUnpickler(
        data,
        find=lambda module, name: allowed_global(module, name, user),
        persistent_load=persistent_load,
        set_state=lambda value, state: _build(value, state, classes),
        refusal=_refusal,
        encoding="latin1",
        start=start,
    )
    try:
        return machine.load(), machine.position
    except UnpicklingError as error:
        raise UnpicklingError(f"Weights only load failed. WeightsUnpickler error: {error}") from error


# ---- with trust --------------------------------------------------------------------------------------------


def trusting_unpickler(pickle_module: Any, persistent_load: Callable[[Any], Any]) -> Any:
    """An unpickler class that does what the file says."""
    if pickle_module is None:
        import pickle as pickle_module

    given = persistent_load

    class Unpickler(pickle_module.Unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            for table in (_FUNCTIONS, _VALUES, _HOOKS):
                if path in table:
                    return table[path]
            if module == "torch.return_types":
                return _result_maker(our_object(module, name))
            if module == "torch" or module.startswith("torch."):
                return our_object(module, name)
            return super().find_class(module, name)

        def persistent_load(self, reference: Any) -> Any:
            return given(reference)

    return Unpickler
