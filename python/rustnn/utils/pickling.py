"""Pickles whose tensors are (storage, offset, size, stride) and whose classes have PyTorch's names."""

from __future__ import annotations

from collections import OrderedDict
from sys import intern

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.parameter import Buffer, Parameter, is_lazy
from rustnn.storage import TypedStorage
from rustnn.utils.torch_names import torch_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["STORAGE_DTYPES", "SavedStorage", "dump"]

STORAGE_DTYPES = {
    "FloatStorage": _C.float32,
    "DoubleStorage": _C.float64,
    "HalfStorage": _C.float16,
    "BFloat16Storage": _C.bfloat16,
    "LongStorage": _C.int64,
    "IntStorage": _C.int32,
    "ShortStorage": _C.int16,
    "CharStorage": _C.int8,
    "ByteStorage": _C.uint8,
    "BoolStorage": _C.bool,
    "ComplexFloatStorage": _C.complex64,
    "ComplexDoubleStorage": _C.complex128,
}


class _Name:
    """A global that is written by name only, whatever stands behind it here."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is only a name")


_REBUILD_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_TENSOR_OF_DTYPE = _Name("torch._utils", "_rebuild_tensor_v3")
_REBUILD_META_TENSOR = _Name("torch._utils", "_rebuild_meta_tensor_no_storage")
_REBUILD_PARAMETER = _Name("torch._utils", "_rebuild_parameter")
_REBUILD_WITH_STATE = _Name("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_FROM_TYPE = _Name("torch._tensor", "_rebuild_from_type_v2")
_TENSOR = _Name("torch", "Tensor")
_SIZE = _Name("torch", "Size")
_DEVICE = _Name("torch", "device")
_GENERATOR = _Name("torch._C", "Generator")
_LAYOUT = _Name("torch.serialization", "_get_layout")
_STORAGE_NAMES = {dtype: _Name("torch", name) for name, dtype in STORAGE_DTYPES.items()}
_UNTYPED = _Name("torch.storage", "UntypedStorage")
_SIMPLE = frozenset((int, float, bool, type(None), str, tuple))
_TUPLE_ENDS = (b")", b"\x85", b"\x86", b"\x87")
_Size = type(_C.empty(0).shape)
_Layout = type(_C.empty(0).layout)


class SavedStorage:
    """A storage that is to be written: its bytes, the dtype it is known by, and the key it gets."""

    def __init__(self, key: str, storage: _C.UntypedStorage, dtype: _C.dtype | None) -> None:
        self.key = key
        self.dtype = dtype
        self.location = intern(str(storage.device))
        self.content = memoryview(storage.cpu())

    @property
    def count(self) -> int:
        """How many elements there are."""
        return len(self.content) // (1 if self.dtype is None else self.dtype.itemsize)


def _slots(value: Any) -> Any:
    """The attributes of the user's own on a tensor: their dict, and with it those in slots, if any."""
    slots = {}
    for kind in type(value).__mro__:
        if kind is Tensor or not issubclass(kind, Tensor):
            break
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if hasattr(value, name):
                slots[name] = getattr(value, name)
    return (vars(value), slots) if slots else vars(value)


def _number(n: int) -> bytes:
    """The instruction that makes a number."""
    if n < 256:
        return b"K%c" % n
    if n < 1 << 31:
        return b"J" + n.to_bytes(4, "little")
    return b"\x8a\x08" + n.to_bytes(8, "little")


def _numbers(values: Sequence[int]) -> bytes:
    """The instructions that make a tuple of numbers."""
    made = b"".join(map(_number, values))
    return made + _TUPLE_ENDS[len(values)] if len(values) < 4 else b"(" + made + b"t"


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def _truth(value: bool) -> bytes:
    return b"\x88" if value else b"\x89"


def dump(
    obj: object, protocol: int, pickle_module: Any = None, legacy: bool = False
) -> tuple[bytes, list[SavedStorage]]:
    """The pickle of ``obj``, and the storages that it refers to; references are longer in ``legacy`` files.

    RuntimeError if tensors of two dtypes look at the same memory.
    """
    import io
    import pickle

    storages: list[SavedStorage] = []
    by_address: dict[int, SavedStorage] = {}

    def saved(storage: _C.UntypedStorage, dtype: _C.dtype | None) -> SavedStorage:
        address = storage.data_ptr()
        known = by_address.get(address)
        if known is None:
            known = SavedStorage(str(len(storages)), storage, dtype)
            storages.append(known)
            if len(known.content):  # those without bytes have no address of their own
                by_address[address] = known
        elif known.dtype != dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types"
            )
        return known

    # A pure-Python pickler: only it lets us say under which name a global is written.
    python_pickler: Any = vars(pickle)["_Pickler"]
    chosen = getattr(pickle_module, "Pickler", None)
    base: Any = chosen if chosen is not None and issubclass(chosen, python_pickler) else python_pickler

    class Pickler(base):  # type: ignore[misc]
        def save(self, value: Any, save_persistent_id: bool = True) -> None:
            # What most objects are needs none of the questions that the base class asks first.
            known = self.memo.get(id(value))
            if known is not None:
                self.write(self.get(known[0]))
                return
            kind = type(value)
            if kind in _SIMPLE:
                self.dispatch[kind](self, value)
            elif not ((kind is Parameter or kind is Tensor) and self.save_in_one_piece(value, kind)):
                super().save(value, save_persistent_id)

        def save_in_one_piece(self, value: Tensor, kind: type) -> bool:
            """Write a tensor whose parts but for numbers are in the memo; False if some are not yet."""
            if (
                self.proto < 2
                or value.dtype not in _STORAGE_NAMES
                or is_lazy(value)
                or _slots(value)
                or value.is_meta
            ):
                return False
            place = intern(str(value.device))
            names = [_REBUILD_TENSOR, "storage", _STORAGE_NAMES[value.dtype], place, OrderedDict]
            if kind is Parameter:
                names.append(_REBUILD_PARAMETER)
            found = [self.memo.get(id(name)) for name in names]
            if None in found:
                return False
            rebuild, word, name, location, hooks, *outer = [self.get(entry[0]) for entry in found]
            storage = saved(value.untyped_storage(), value.dtype)
            tensor = (
                rebuild + b"((" + word + name + _text(storage.key) + location + _number(storage.count)
                + (b"N" if legacy else b"") + b"tQ" + _number(value.storage_offset()) + _numbers(value.size())
                + _numbers(value.stride()) + _truth(value.requires_grad and not outer) + hooks + b")RtR"
            )  # fmt: skip
            if outer:
                tensor = outer[0] + b"(" + tensor + _truth(value.requires_grad) + hooks + b")RtR"
            self.write(tensor)
            self.memoize(value)
            return True

        def persistent_id(self, value: Any) -> Any:
            kind = type(value)
            if issubclass(kind, TypedStorage):
                value = saved(value.untyped(), value.dtype)
            elif kind is _C.UntypedStorage:
                value = saved(value, None)
            elif kind is not SavedStorage:
                return None
            name = _UNTYPED if value.dtype is None else _STORAGE_NAMES[value.dtype]
            reference = ("storage", name, value.key, value.location, value.count)
            return (*reference, None) if legacy else reference

        def reduce_tensor(self, value: Tensor) -> tuple[Any, tuple[Any, ...]]:
            if value.is_meta:
                sizes = tuple(value.size()), tuple(value.stride())
                return _REBUILD_META_TENSOR, (value.dtype, *sizes, value.requires_grad)
            typed = value.dtype in _STORAGE_NAMES
            storage = saved(value.untyped_storage(), value.dtype if typed else None)
            place = (storage, value.storage_offset(), tuple(value.size()), tuple(value.stride()))
            parts: tuple[Any, ...] = (*place, value.requires_grad, OrderedDict())
            return (_REBUILD_TENSOR, parts) if typed else (_REBUILD_TENSOR_OF_DTYPE, (*parts, value.dtype))

        def reducer_override(self, value: Any) -> Any:
            kind: Any = type(value)
            if issubclass(kind, Tensor):
                if is_lazy(value):
                    return NotImplemented
                state = _slots(value)
                parts: tuple[Any, ...]
                if kind is Parameter:
                    parts = (value.detach(), value.requires_grad, OrderedDict())
                    return (_REBUILD_WITH_STATE, (*parts, state)) if state else (_REBUILD_PARAMETER, parts)
                if kind is Tensor and not state:
                    return self.reduce_tensor(value)
                if kind is Buffer:
                    kind, state = _TENSOR, {**state, "_is_buffer": True}
                elif kind.__reduce_ex__ is not Tensor.__reduce_ex__ and not issubclass(kind, Parameter):
                    return NotImplemented
                function, place = self.reduce_tensor(value)
                return _REBUILD_FROM_TYPE, (function, kind, place, state)
            if isinstance(value, _Name):
                return value.name
            if isinstance(value, _C.dtype):
                return str(value).rpartition(".")[2]
            if kind is _Size:
                return _SIZE, (tuple(value),)
            if isinstance(value, _C.device):
                return _DEVICE, ((value.type,) if value.index is None else (value.type, value.index))
            if isinstance(value, _C.Generator):
                return _GENERATOR, (value.device,), (value.initial_seed(), None, value.get_state())
            if kind.__module__ == "rustnn.return_types":
                return kind, (tuple(value), {})
            if kind is _Layout:
                return _LAYOUT, (str(value),)
            return NotImplemented

        def save_global(self, value: Any, name: str | None = None) -> None:
            if isinstance(value, _Name):
                target = value.module, value.name
            elif isinstance(value, _C.dtype):
                target = "torch", str(name)
            elif value is Tensor:
                target = "torch", "Tensor"
            else:
                own = str(name or getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
                module = getattr(value, "__module__", None) or ""
                target = torch_name(module, own)
                if target == (module, own):
                    super().save_global(value, name)
                    return
            parent, _, last = target[1].rpartition(".")
            if self.proto >= 4:
                self.save(target[0])
                self.save(target[1])
                self.write(pickle.STACK_GLOBAL)
            elif parent:  # older protocols have no names with dots
                self.save_reduce(getattr, (_Name(target[0], parent), last), obj=value)
                return
            else:
                self.write(pickle.GLOBAL + f"{target[0]}\n{target[1]}\n".encode())
            self.memoize(value)

        # The dispatch tables of the base class hold its own functions; ours must be in them to be found.
        dispatch = base.dispatch.copy()

        def save_type(self, value: Any) -> None:
            if value in (type(None), type(NotImplemented), type(...)):
                base.save_type(self, value)
            else:
                self.save_global(value)

        dispatch[type] = save_type
        dispatch[type(lambda: None)] = save_global

    stream = io.BytesIO()
    Pickler(stream, protocol).dump(obj)
    return stream.getvalue(), storages
