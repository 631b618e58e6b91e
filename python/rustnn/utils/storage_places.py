"""Storages that are loaded: their sizes are checked, and they go to the device that is asked for."""

from __future__ import annotations

from rustnn import _C
from rustnn.storage import TypedStorage
from rustnn.utils.archive import DAMAGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import UntypedStorage
    from rustnn.utils.archive import Archive
    from rustnn.utils.unpickling import StorageKind

__all__ = ["ArchivedStorages", "default_restore_location", "restored", "storage_reference"]


def storage_reference(reference: Any, length: int = 5) -> tuple[StorageKind, str, str, int]:
    """Kind, key, location and count of ("storage", kind, key, location, count).

    UnpicklingError for any other reference.
    """
    from pickle import UnpicklingError

    from rustnn.utils.safe_pickle import shown
    from rustnn.utils.unpickling import StorageKind

    if not isinstance(reference, tuple) or len(reference) < length or _text(reference[0]) != "storage":
        raise UnpicklingError(f"persistent_load: unknown reference {shown(reference)}")
    kind, key, location, count = reference[1], _text(reference[2]), _text(reference[3]), reference[4]
    if not isinstance(kind, StorageKind) or not isinstance(key, str) or not isinstance(location, str):
        raise UnpicklingError("persistent_load: a reference to a storage is malformed")
    if type(count) is not int or not 0 <= count < 1 << 60:
        raise UnpicklingError(f"persistent_load: a storage cannot have {shown(count)} elements")
    return kind, key, location, count


def _text(text: Any) -> Any:
    """Files of Python 2 may give bytes for text."""
    return text.decode("latin1") if isinstance(text, bytes) else text


def default_restore_location(storage: UntypedStorage, location: str) -> UntypedStorage:
    """The storage on the device that ``location`` names. RuntimeError if there is none such."""
    if location == "cpu" or location.startswith("cpu:"):
        return storage
    if location == "meta":
        return _C.UntypedStorage(storage.nbytes(), device="meta")
    if not location.startswith("cuda"):
        raise RuntimeError(
            "don't know how to restore data location of rustnn.storage.UntypedStorage (tagged with "
            f"{location})"
        )
    import rustnn

    if not rustnn.cuda.is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If "
            "you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    flat = _C._tensor_over(storage, _C.uint8, 0, [storage.nbytes()], [1])
    return flat.to(_C.device(location)).untyped_storage()


def restored(storage: UntypedStorage, location: str, map_location: Any) -> UntypedStorage:
    """The storage where ``map_location`` wants what was saved at ``location``."""
    if map_location is None:
        return default_restore_location(storage, location)
    if isinstance(map_location, dict):
        return default_restore_location(storage, str(map_location.get(location, location)))
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, _C.device)):
        return default_restore_location(storage, str(map_location))
    result = map_location(storage, location)
    if result is None:
        return default_restore_location(storage, location)
    untyped: UntypedStorage = result.untyped() if isinstance(result, TypedStorage) else result
    return untyped


class ArchivedStorages:
    """The storages of an archive, each read once; or, with ``mapping``, not read but looked at in place."""

    def __init__(self, archive: Archive, map_location: Any, mapping: Any = None) -> None:
        self.archive = archive
        self.map_location = map_location
        self.mapping = mapping
        self.loaded: dict[str, UntypedStorage] = {}

    def __call__(self, reference: Any) -> TypedStorage:
        """The storage that a reference in the pickle names."""
        kind, key, location, count = storage_reference(reference)
        path = f"data/{key}"
        size = count * kind.dtype.itemsize
        storage = self.loaded.get(key)
        if storage is None:
            start, info = self.archive.find(path)
            if size != info.file_size:
                raise RuntimeError(
                    DAMAGED.format(f"{path} has {info.file_size} bytes where {size} are declared")
                )
            storage = self._mapped(start, size) if self.mapping is not None else self._read(path)
            storage = self.loaded[key] = restored(storage, location, self.map_location)
        elif storage.nbytes() != size:
            raise RuntimeError(DAMAGED.format(f"{path} is declared with two sizes"))
        return TypedStorage(wrap_storage=storage, dtype=kind.dtype)

    def _read(self, path: str) -> UntypedStorage:
        storage = _C.UntypedStorage(self.archive.claim(path).file_size)
        self.archive.read_into(path, memoryview(storage))
        return storage

    def _mapped(self, start: int, size: int) -> UntypedStorage:
        if not size:
            return _C.UntypedStorage(0)
        storage = _C.frombuffer(self.mapping, dtype=_C.uint8, count=size, offset=start).untyped_storage()
        return storage if storage.data_ptr() % 16 == 0 else storage.clone()
