"""PyTorch's older formats: a row of pickles with the storages behind it (before 1.6), and tar (the first).

Neither says sizes before its pickles do; nothing is allocated that the file could not fill.
"""

from __future__ import annotations

import struct

from rustnn import _C
from rustnn.storage import TypedStorage
from rustnn.utils.safe_pickle import shown
from rustnn.utils.storage_places import restored, storage_reference
from rustnn.utils.unpickling import LateStorage, StorageKind, load_safely, trusting_unpickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from rustnn._C import UntypedStorage
    from rustnn.utils.pickling import SavedStorage

__all__ = ["load_legacy", "write_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_ENDS = "PytorchStreamReader: the file ends before its storages do. The checkpoint file is corrupted."


def write_legacy(file: Any, pickled: bytes, storages: list[SavedStorage], protocol: int) -> None:
    """Write a row of pickles and the storages behind it to anything with a method ``write``."""
    import pickle

    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": _VERSION, "little_endian": True, "type_sizes": sizes}
    for value in (_MAGIC, _VERSION, system):
        file.write(pickle.dumps(value, protocol))
    file.write(pickled)
    ordered = sorted(storages, key=lambda storage: storage.key)
    file.write(pickle.dumps([storage.key for storage in ordered], protocol))
    for storage in ordered:
        file.write(struct.pack("<q", storage.count))
        if len(storage.content):
            file.write(storage.content)


class _Source:
    """The bytes of a file, mapped where that is possible, and the way its pickles are read."""

    def __init__(self, data: Any, weights_only: bool, pickle_module: Any, options: dict[str, Any]) -> None:
        self.data = data
        self.at = 0
        self.weights_only = weights_only
        self.pickle_module = pickle_module
        self.options = options

    def unpickle(self, persistent_load: Callable[[Any], Any] | None = None) -> Any:
        """The next pickle."""
        load = persistent_load or _no_reference
        if self.weights_only:
            value, self.at = load_safely(self.data, load, self.at)
            return value
        stream = _Stream(self.data, self.at)
        value = trusting_unpickler(self.pickle_module, load)(stream, **self.options).load()
        self.at = stream.at
        return value

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or self.at + count > len(self.data):
            raise RuntimeError(_ENDS)
        self.at += count
        taken: bytes = self.data[self.at - count : self.at]
        return taken

    def fill(self, storage: UntypedStorage) -> None:
        """Fill a storage with the next bytes."""
        count = storage.nbytes()
        if self.at + count > len(self.data):
            raise RuntimeError(_ENDS)
        if count:
            with memoryview(self.data) as view, view[self.at : self.at + count] as part:
                memoryview(storage)[:] = part
        self.at += count


class _Stream:
    """What an unpickler reads from; it takes no byte more than it needs."""

    def __init__(self, data: Any, at: int) -> None:
        self.data = data
        self.at = at

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count < 0 else min(self.at + count, len(self.data))
        piece: bytes = self.data[self.at : end]
        self.at = end
        return piece

    def readline(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        return self.read(-1 if end < 0 else end + 1 - self.at)


def _no_reference(reference: Any) -> Any:
    from pickle import UnpicklingError

    raise UnpicklingError("a reference to a storage where there can be none")


def _data(file: IO[bytes]) -> Any:
    """All of a file, from its beginning."""
    import io
    import mmap

    try:
        if not isinstance(file, (io.BufferedReader, io.BufferedRandom, io.FileIO)):
            raise ValueError  # what unpacks a file has the number of the packed one
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (AttributeError, OSError, ValueError):
        file.seek(0)
        return file.read()


def load_legacy(
    file: IO[bytes], map_location: Any, weights_only: bool, pickle_module: Any, options: dict[str, Any]
) -> Any:
    """What a file of an older format holds from here on; the file then stands behind it.

    UnpicklingError or RuntimeError if it is none, or damaged.
    """
    start = file.tell()
    data = _data(file)
    if data[start + 257 : start + 262] == b"ustar":
        file.seek(start)
        return _load_tar(file, map_location, weights_only, pickle_module, options)
    source = _Source(data, weights_only, pickle_module, options)
    source.at = start
    if source.unpickle() != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = source.unpickle()
    if version != _VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    system = source.unpickle()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise RuntimeError("rustnn reads only checkpoints in little-endian byte order")
    loaded: dict[str, TypedStorage] = {}
    fresh: dict[str, tuple[UntypedStorage, int]] = {}
    late: list[TypedStorage] = []
    left = len(data)

    def storage_of(reference: Any) -> Any:
        nonlocal left
        if isinstance(reference, tuple) and reference and reference[0] in ("module", b"module"):
            return reference[1]  # a class, with its source text, that is not compared
        kind, key, location, count = storage_reference(reference, 6)
        if key not in loaded:
            left -= count * kind.dtype.itemsize
            if left < 0:
                raise RuntimeError(_ENDS)
            storage = _C.UntypedStorage(count * kind.dtype.itemsize)
            # A map to another device happens at once: the bytes are filled in where they then are.
            fresh[key] = storage, kind.dtype.itemsize
            placed = restored(storage, location, map_location)
            loaded[key] = LateStorage(wrap_storage=placed, dtype=kind.dtype)
            late.append(loaded[key])
        view = reference[5]
        if view is None:
            return loaded[key]
        if not isinstance(view, tuple) or len(view) != 3:
            raise RuntimeError("a part of a storage is a key, an offset and a size")
        late.append(_part(loaded[key], *view[1:]))
        return late[-1]

    result = source.unpickle(storage_of)
    keys = source.unpickle()
    for key in keys if isinstance(keys, list) else ():
        if key not in fresh:
            raise RuntimeError(f"storage key {shown(key)!r} is not used by the objects in the file")
        storage, itemsize = fresh.pop(key)
        if struct.unpack("<q", source.take(8))[0] * itemsize != storage.nbytes():
            raise RuntimeError(f"storage {shown(key)} has another size than is declared")
        source.fill(storage)
    if fresh:
        raise RuntimeError(_ENDS)
    for typed in late:
        typed.__class__ = TypedStorage
    file.seek(source.at)
    return result


def _part(root: TypedStorage, offset: Any, count: Any) -> TypedStorage:
    """A storage that is part of another."""
    if type(offset) is not int or type(count) is not int or offset < 0 or count < 0:
        raise RuntimeError("a part of a storage must lie in it")
    if offset + count > root.size():
        raise RuntimeError("a part of a storage must lie in it")
    size = root.dtype.itemsize
    with memoryview(root.untyped()) as view:
        flat = _C.frombuffer(view, dtype=_C.uint8, count=count * size, offset=offset * size)
    return type(root)(wrap_storage=flat.untyped_storage(), dtype=root.dtype)


def _load_tar(
    file: IO[bytes], map_location: Any, weights_only: bool, pickle_module: Any, options: dict[str, Any]
) -> Any:
    """What a tar file holds: its members are read in memory, none is unpacked."""
    import tarfile

    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            members = {}
            for name in ("storages", "tensors", "pickle"):
                content = tar.extractfile(name)
                if content is None:
                    raise RuntimeError(f"{name} is no file in the archive. The checkpoint file is corrupted.")
                members[name] = _Source(content.read(), weights_only, pickle_module, options)
    except (tarfile.TarError, KeyError) as error:
        raise RuntimeError(f"reading the tar archive failed: {error}") from error
    try:
        return _tar_contents(members, map_location)
    except (KeyError, ValueError, TypeError) as error:  # one member refers to what another has not
        raise RuntimeError(f"the tar archive is damaged: {error!r}") from error


def _tar_contents(members: dict[str, _Source], map_location: Any) -> Any:
    objects: dict[Any, Any] = {}
    source = members["storages"]
    for _ in range(_count(source)):
        key, location, kind = _parts(source, 3)
        count = struct.unpack("<q", source.take(8))[0]
        if not isinstance(kind, StorageKind) or not 0 <= count <= len(source.data):
            raise RuntimeError(_ENDS)
        storage = _C.UntypedStorage(count * kind.dtype.itemsize)
        source.fill(storage)
        placed = restored(storage, str(location), map_location)
        objects[key] = TypedStorage(wrap_storage=placed, dtype=kind.dtype)
    for view in source.unpickle():
        target, root, offset, count = view
        objects[target] = _part(objects[root], offset, count)
    source = members["tensors"]
    for _ in range(_count(source)):
        key, storage_key, _kind = _parts(source, 3)
        (ndim,) = struct.unpack("<i4x", source.take(8))
        if not 0 <= ndim <= 64:
            raise RuntimeError(f"a tensor cannot have {ndim} dimensions")
        size = struct.unpack(f"<{ndim}q", source.take(8 * ndim))
        stride = struct.unpack(f"<{ndim}q", source.take(8 * ndim))
        (offset,) = struct.unpack("<q", source.take(8))
        typed = objects[storage_key]
        objects[key] = _C._tensor_over(typed.untyped(), typed.dtype, offset, size, stride)

    def known(reference: Any) -> Any:
        if isinstance(reference, tuple):
            return reference[0]  # a class, with its source text, that is not compared
        return objects[int(reference)]

    return members["pickle"].unpickle(known)


def _count(source: _Source) -> int:
    count = source.unpickle()
    if type(count) is not int or not 0 <= count <= len(source.data):
        raise RuntimeError(_ENDS)
    return count


def _parts(source: _Source, count: int) -> tuple[Any, ...]:
    parts = source.unpickle()
    if not isinstance(parts, tuple) or len(parts) != count:
        raise RuntimeError("the tar archive is damaged")
    return parts
