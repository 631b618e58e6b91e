"""``save`` and ``load``: objects with tensors in files of PyTorch's own format.

The file is a zip archive without compression: ``data.pkl`` is a pickle in which a tensor is (storage, offset,
size, stride), and ``data/<key>`` are the bytes of each storage. The pickle names PyTorch's classes, so that
PyTorch reads what we write; on reading its names stand for ours.
"""

from __future__ import annotations

import os
from collections import OrderedDict

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.parameter import Buffer, Parameter, is_lazy
from rustnn.utils.archive import ALIGNMENT, DAMAGED, Archive, write_archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from rustnn.utils.safe_pickle import Global

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]

_STORAGES = {
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
    "UntypedStorage": _C.uint8,
}
_STORAGE_NAMES = {dtype: name for name, dtype in _STORAGES.items() if name != "UntypedStorage"}
_DTYPES = {str(dtype).rpartition(".")[2]: dtype for dtype in _STORAGE_NAMES}
_Size = type(_C.empty(0).shape)

# ---- names of classes, here and in PyTorch -----------------------------------------------------------------

_LAYER_FILES = (
    "activation batchnorm container conv dropout flatten instancenorm lazy linear loss module pooling"
).split()


def _torch_name(module: str, name: str) -> tuple[str, str]:
    """PyTorch's name of what is called so here."""
    head, _, tail = module.rpartition(".")
    if module == "rustnn.nn.parameter_container":
        module = "torch.nn.modules.container"
    elif name == "AdamW" and module == "rustnn.optim.adam":
        module = "torch.optim.adamw"
    elif head == "rustnn.nn" and tail in _LAYER_FILES:
        module = f"torch.nn.modules.{tail}"
    elif module == "rustnn._C":
        module = "torch"
    elif module == "rustnn" or module.startswith("rustnn."):
        module = "torch" + module[len("rustnn") :]
    return module, name


def _our_name(module: str, name: str) -> tuple[str, str]:
    """Our name of what PyTorch calls so."""
    if name in ("ParameterList", "ParameterDict") and module == "torch.nn.modules.container":
        module = "rustnn.nn.parameter_container"
    elif module == "torch.optim.adamw":
        module = "rustnn.optim.adam"
    elif module.startswith("torch.nn.modules"):
        module = "rustnn.nn" + module[len("torch.nn.modules") :]
    elif module == "torch" or module.startswith("torch."):
        module = "rustnn" + module[len("torch") :]
    return module, name


class _Name:
    """A global that is written by name only, whatever stands behind it here."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is only a name")


_REBUILD_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = _Name("torch._utils", "_rebuild_parameter")
_REBUILD_WITH_STATE = _Name("torch._utils", "_rebuild_parameter_with_state")
_SIZE = _Name("torch", "Size")
_DEVICE = _Name("torch", "device")
_STORAGE_TYPES = {dtype: _Name("torch", name) for dtype, name in _STORAGE_NAMES.items()}


# ---- save --------------------------------------------------------------------------------------------------


class _Storage:
    """A storage that is to be written: a tensor that holds it, and the key it gets."""

    def __init__(self, key: str, tensor: Tensor) -> None:
        self.key = key
        self.tensor = tensor
        self.content: memoryview = _C._storage_bytes(tensor)


def _pickle(obj: object, protocol: int) -> tuple[bytes, list[_Storage]]:
    """The pickle of ``obj``, and the storages that it refers to."""
    import io
    import pickle

    storages: list[_Storage] = []
    by_address: dict[int, _Storage] = {}

    def storage_of(tensor: Tensor) -> _Storage:
        address = tensor.untyped_storage().data_ptr()
        known = by_address.get(address)
        if known is None:
            known = _Storage(str(len(storages)), tensor)
            storages.append(known)
            if len(known.content):  # those without bytes have no address of their own
                by_address[address] = known
        elif known.tensor.dtype != tensor.dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types"
            )
        return known

    # The pure-Python pickler of the standard library: only it lets us say under which name a global is
    # written.
    python_pickler: Any = vars(pickle)["_Pickler"]

    class Pickler(python_pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> Any:
            if type(value) is _Storage:
                tensor = value.tensor
                count = len(value.content) // tensor.element_size()
                return ("storage", _STORAGE_TYPES[tensor.dtype], value.key, str(tensor.device), count)
            return None

        def reducer_override(self, value: Any) -> Any:
            if is_lazy(value):
                return NotImplemented
            if isinstance(value, Parameter):
                parts: tuple[Any, ...] = (value.detach(), value.requires_grad, OrderedDict())
                state = vars(value)
                return (_REBUILD_WITH_STATE, (*parts, state)) if state else (_REBUILD_PARAMETER, parts)
            if isinstance(value, Tensor):
                if type(value) is not Tensor and type(value) is not Buffer:
                    return NotImplemented
                place = (
                    storage_of(value),
                    value.storage_offset(),
                    tuple(value.size()),
                    tuple(value.stride()),
                )
                return _REBUILD_TENSOR, (*place, value.requires_grad and value.is_leaf, OrderedDict())
            if isinstance(value, _Name):
                return value.name
            if isinstance(value, _C.dtype):
                return str(value).rpartition(".")[2]
            if type(value) is _Size and _Size is not tuple:
                return _SIZE, (tuple(value),)
            if isinstance(value, _C.device):
                return _DEVICE, ((value.type,) if value.index is None else (value.type, value.index))
            return NotImplemented

        def save_global(self, value: Any, name: str | None = None) -> None:
            if isinstance(value, _Name):
                target = value.module, value.name
            elif isinstance(value, _C.dtype):
                target = "torch", str(name)
            else:
                own = str(name or getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
                module = getattr(value, "__module__", None) or ""
                target = _torch_name(module, own)
                if target == (module, own):
                    super().save_global(value, name)
                    return
            if self.proto >= 4:
                self.save(target[0])
                self.save(target[1])
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{target[0]}\n{target[1]}\n".encode())
            self.memoize(value)

        # The dispatch tables of the base class hold its own functions; ours must be in them to be found.
        dispatch = python_pickler.dispatch.copy()

        def save_type(self, value: Any) -> None:
            if value in (type(None), type(NotImplemented), type(...)):
                python_pickler.save_type(self, value)
            else:
                self.save_global(value)

        dispatch[type] = save_type
        dispatch[type(lambda: None)] = save_global

    stream = io.BytesIO()
    Pickler(stream, protocol).dump(obj)
    return stream.getvalue(), storages


def _records(obj: object, protocol: int) -> list[tuple[str, bytes | memoryview]]:
    """The records of the file that keeps ``obj``."""
    pickled, storages = _pickle(obj, protocol)
    return [
        ("data.pkl", pickled),
        (".format_version", b"1"),
        (".storage_alignment", str(ALIGNMENT).encode()),
        ("byteorder", b"little"),
        *((f"data/{storage.key}", storage.content) for storage in storages),
        ("version", b"3\n"),
    ]


def save(obj: object, f: Any, pickle_module: Any = None, pickle_protocol: int = 2) -> None:
    """Write ``obj`` (tensors, modules, containers of them, ...) to ``f``, a path or a binary file.

    PyTorch can read the file. A path is written whole or not at all: under another name first, then renamed.
    Tensors that share a storage still do after loading. RuntimeError if the folder does not exist.
    """
    if isinstance(f, (str, os.PathLike)):
        path = os.path.realpath(os.fspath(f))
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise RuntimeError(f"Parent directory {os.path.dirname(os.fspath(f))} does not exist.")
        content = _records(obj, pickle_protocol)
        name = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
        if os.path.exists(path) and not os.path.isfile(
            path
        ):  # a device or a pipe (or a folder, which raises)
            with open(path, "wb") as file:
                write_archive(file, name, content)
            return
        temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        try:
            with open(temporary, "xb") as file:
                write_archive(file, name, content)
                file.flush()
                os.fsync(file.fileno())
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
        _sync_folder(folder)
    elif hasattr(f, "write"):
        write_archive(f, "archive", _records(obj, pickle_protocol))
    else:
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )


def _sync_folder(folder: str) -> None:
    """Make a rename outlive a power cut, where the system lets folders be synced."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


# ---- load --------------------------------------------------------------------------------------------------


class _StorageType:
    """What a pickle's ``torch.FloatStorage`` stands for."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


_STORAGE_CLASSES = {name: _StorageType(dtype) for name, dtype in _STORAGES.items()}


class _Storages:
    """The storages of an archive, each read once, as a flat tensor on its device."""

    def __init__(self, archive: Archive, map_location: Any) -> None:
        self.archive = archive
        self.map_location = map_location
        self.loaded: dict[str, Tensor] = {}

    def __call__(self, reference: Any) -> Tensor:
        """The storage that ``reference``, ("storage", type, key, location, count), names."""
        from pickle import UnpicklingError

        if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
            raise UnpicklingError(f"persistent_load: unknown reference {str(reference)[:100]}")
        _, kind, key, location, count = reference
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or not isinstance(location, str):
            raise UnpicklingError("persistent_load: a reference to a storage is malformed")
        flat = self.loaded.get(key)
        if flat is None:
            flat = self.loaded[key] = self._read(kind.dtype, key, location, count)
        elif flat.dtype != kind.dtype:
            raise UnpicklingError(f"storage {key} is used with two dtypes, {flat.dtype} and {kind.dtype}")
        return flat

    def _read(self, dtype: Any, key: str, location: str, count: Any) -> Tensor:
        path = f"data/{key}"
        _, info = self.archive.find(path)
        size = count * dtype.itemsize
        if not isinstance(count, int) or size != info.file_size:
            raise RuntimeError(DAMAGED.format(f"{path} has {info.file_size} bytes where {size} are declared"))
        flat = _C.empty(count, dtype=dtype)
        if size:
            self.archive.read_into(path, _C._storage_bytes(flat))
        return self._place(flat, location)

    def _place(self, flat: Tensor, location: str) -> Tensor:
        """The storage on the device that ``map_location`` says, or else on its own."""
        wanted: Any = self.map_location
        if callable(wanted):
            storage = flat.untyped_storage()
            result = wanted(storage, location)
            if result is None:
                wanted = location
            else:
                device = getattr(result, "device", None)
                return flat if device is None else flat.to(device)
        elif isinstance(wanted, dict):
            wanted = wanted.get(location, location)
        elif wanted is None:
            wanted = location
        name = str(wanted)
        if name == "cpu" or name.startswith("cpu:"):
            return flat
        if not name.startswith("cuda"):
            raise RuntimeError(
                "don't know how to restore data location of rustnn.storage.UntypedStorage (tagged with "
                f"{name})"
            )
        if not _has_cuda():
            raise RuntimeError(
                "Attempting to deserialize object on a CUDA device but rustnn.cuda.is_available() is "
                "False. If you are "
                "running on a CPU-only machine, please use rustnn.load with "
                "map_location=rustnn.device('cpu') to map "
                "your storages to the CPU."
            )
        return flat.to(_C.device(name))


def _has_cuda() -> bool:
    from importlib import import_module

    try:
        return bool(import_module("rustnn.cuda").is_available())
    except ImportError:
        return False


def _rebuild_tensor(
    flat: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: bool = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    """A tensor over a storage. RuntimeError if it would reach beyond the storage's end."""
    if not isinstance(flat, Tensor) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise TypeError("a tensor is made of a storage, an offset, a size and a stride")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise RuntimeError(f"a tensor of size {size} and stride {stride} at {offset} cannot be")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= flat.numel():
        raise RuntimeError(
            f"a tensor of size {size} and stride {stride} at {offset} is out of bounds for storage of "
            f"{flat.numel()}"
        )
    tensor = flat.as_strided(size, stride, offset if 0 not in size else 0)
    for property_, method in (("conj", "conj"), ("neg", "neg")):
        if metadata and metadata.get(property_):
            tensor = getattr(tensor, method)()
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Parameter:
    if not isinstance(data, Tensor):
        raise TypeError("a parameter is made of a tensor")
    return Parameter(data, bool(requires_grad))


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Parameter:
    """A parameter with attributes of the user's own, which are a dict, or that and a dict of slots."""
    parameter = _rebuild_parameter(data, requires_grad)
    attributes = state[0] if isinstance(state, tuple) and len(state) == 2 else state
    if isinstance(attributes, dict):
        vars(parameter).update(attributes)
    return parameter


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor that PyTorch saved with attributes of its own: they are dropped, the tensor is kept."""
    if function not in (_rebuild_tensor, _rebuild_parameter):
        raise TypeError("only tensors can be rebuilt so")
    return function(*args)


_TENSOR_GLOBALS: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}
_VALUES: dict[str, Any] = {
    **{f"torch.{name}": dtype for name, dtype in _DTYPES.items()},
    **{f"torch.{name}": kind for name, kind in _STORAGE_CLASSES.items()},
    "torch.storage.UntypedStorage": _STORAGE_CLASSES["UntypedStorage"],
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.nn.Parameter": Parameter,
}

_safe_globals: list[Any] = []


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Allow these classes and functions, or pairs (object, its full name), in files loaded with "
    "``weights_only``."""
    _safe_globals.extend(entry for entry in safe_globals if entry not in _safe_globals)


def get_safe_globals() -> list[Any]:
    """What was allowed by the user."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Allow nothing but the standard again."""
    _safe_globals.clear()


class safe_globals:
    """``with safe_globals([...]):`` allows these for the block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.allowed = safe_globals

    def __enter__(self) -> None:
        self.before = get_safe_globals()
        add_safe_globals(self.allowed)

    def __exit__(self, *exc: object) -> None:
        _safe_globals[:] = self.before


def _user_globals() -> Iterator[tuple[str, Any]]:
    """(full name as written in files, object) of what the user allows."""
    for entry in _safe_globals:
        if isinstance(entry, tuple):
            yield entry[1], entry[0]
        else:
            yield ".".join(_torch_name(entry.__module__, entry.__qualname__)), entry


def _load_safely(data: bytes, storages: _Storages) -> Any:
    from pickle import UnpicklingError

    from rustnn.utils.safe_pickle import Global, SafeUnpickler

    allowed: dict[str, Global] = {name: Global(value) for name, value in _VALUES.items()}
    allowed.update((name, Global(function, function)) for name, function in _TENSOR_GLOBALS.items())
    allowed["torch.Size"] = Global(_Size, _Size)
    allowed["torch.device"] = Global(_C.device, _C.device)
    user = dict(_user_globals())
    allowed.update((name, Global(value, value)) for name, value in user.items())
    classes = tuple(value for value in user.values() if isinstance(value, type))
    try:
        return SafeUnpickler(
            data,
            find=lambda module, name: allowed.get(f"{module}.{name}"),
            persistent_load=storages,
            buildable=lambda value: isinstance(value, classes),
            advise=lambda module, name: name if "builtin" in module else ".".join(_our_name(module, name)),
        ).load()
    except UnpicklingError as error:
        raise UnpicklingError(
            "Weights only load failed. Loading with `weights_only=False` will likely succeed, but it can "
            "result in "
            "arbitrary code execution: do it only if you got the file from a trusted source. "
            "Alternatively, allow the "
            f"class that is named here.\n\tWeightsUnpickler error: {error}"
        ) from error


def _load_trustfully(data: bytes, storages: _Storages, options: dict[str, Any]) -> Any:
    import io
    import pickle

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            if path in _TENSOR_GLOBALS:
                return _TENSOR_GLOBALS[path]
            if path in _VALUES:
                return _VALUES[path]
            if path == "torch.Size":
                return _Size
            return super().find_class(*_our_name(module, name))

        def persistent_load(self, reference: Any) -> Any:
            return storages(reference)

    return Unpickler(io.BytesIO(data), **options).load()


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what ``save``, or PyTorch's, wrote to ``f``, a path or a binary file that can seek.

    With ``weights_only``, which is the default, no code in the file is run: tensors, containers, numbers,
    strings and what ``add_safe_globals`` allows are all that it may hold. ``map_location`` says on which
    device storages come: a device or its name, a dict from the saved to the wanted one, or a function of
    storage and name. ``mmap`` is taken for paths and changes nothing. UnpicklingError for what is not
    allowed, RuntimeError for a damaged file.
    """
    weights_only = True if weights_only is None else weights_only
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load(file, map_location, weights_only, pickle_load_args)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    for method in ("seek", "read"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only rustnn.load from a "
                "file that is "
                "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it "
                "instead."
            )
    return _load(f, map_location, weights_only, pickle_load_args)


def _load(file: IO[bytes], map_location: Any, weights_only: bool, options: dict[str, Any]) -> Any:
    from pickle import UnpicklingError

    file.seek(0)
    start = file.read(4)
    if not start:
        raise EOFError("Ran out of input: the file is empty")
    if start != b"PK\x03\x04":
        raise UnpicklingError(
            "This is no file of rustnn.save or torch.save: it does not begin as a zip archive does. "
            "(PyTorch's formats "
            "from before 1.6 are not read: load and save the file with a younger PyTorch first.)"
        )
    archive = Archive(file)
    if "byteorder" in archive.records and archive.read("byteorder") != b"little":
        raise RuntimeError("rustnn reads only checkpoints in little-endian byte order")
    storages = _Storages(archive, map_location)
    data = archive.read("data.pkl")
    return _load_safely(data, storages) if weights_only else _load_trustfully(data, storages, options)
