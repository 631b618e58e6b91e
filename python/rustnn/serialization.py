"""``save`` and ``load``: objects with tensors in files of PyTorch's own format.

The file is a zip archive without compression: ``data.pkl`` is a pickle in which a tensor is (storage, offset,
size, stride), and ``data/<key>`` are the bytes of each storage. The pickle names PyTorch's classes, so that
PyTorch reads what we write; on reading its names stand for ours.
"""

from __future__ import annotations

import os

from rustnn.utils.archive import ALIGNMENT, Archive, write_archive, write_archive_concurrently
from rustnn.utils.load_defaults import (
    LoadEndianness,
    get_default_load_endianness,
    get_default_mmap_options,
    map_file,
    set_default_load_endianness,
    set_default_mmap_options,
)
from rustnn.utils.storage_places import ArchivedStorages, default_restore_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from rustnn._C import UntypedStorage
    from rustnn.storage import TypedStorage
    from rustnn.utils.pickling import SavedStorage

__all__ = [
    "LoadEndianness",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
]

DEFAULT_PROTOCOL = 2
_checksums = True


def get_crc32_options() -> bool:
    """Whether ``save`` writes checksums."""
    return _checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether ``save`` writes checksums, by which ``load`` notices damage. It does unless told otherwise."""
    global _checksums
    _checksums = compute_crc32


def location_tag(storage: UntypedStorage | TypedStorage) -> str:
    """The name under which files say where a storage was."""
    return str(storage.device)


# ---- save --------------------------------------------------------------------------------------------------


def _records(pickled: bytes, storages: list[SavedStorage]) -> list[tuple[str, bytes | memoryview]]:
    """The records of an archive."""
    return [
        ("data.pkl", pickled),
        (".format_version", b"1"),
        (".storage_alignment", str(ALIGNMENT).encode()),
        ("byteorder", b"little"),
        *((f"data/{storage.key}", storage.content) for storage in storages),
        ("version", b"3\n"),
        (".data/serialization_id", str(int.from_bytes(os.urandom(16))).zfill(40)[:40].encode()),
    ]


def save(
    obj: object,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write ``obj`` (tensors, modules, optimizers, containers of them) to ``f``, a path or a binary file.

    PyTorch can read the file. A path is written whole or not at all: under another name first, then renamed.
    Tensors that share a storage still do after loading. RuntimeError if the folder does not exist, or if
    tensors of several dtypes look at the same memory.
    """
    from rustnn.utils.pickling import dump

    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    legacy = not _use_new_zipfile_serialization
    pickled, storages = dump(obj, pickle_protocol, pickle_module, legacy)
    if isinstance(f, (str, os.PathLike)):
        from rustnn.utils.atomic import replacing

        with replacing(f) as file:
            if legacy:
                from io import BufferedWriter

                from rustnn.utils.legacy_files import write_legacy

                buffered = BufferedWriter(file)
                write_legacy(buffered, pickled, storages, pickle_protocol)
                buffered.flush()
                buffered.detach()
                return
            name = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
            records = _records(pickled, storages)
            if file.seekable():
                write_archive_concurrently(file, name, records, _checksums)
            else:
                write_archive(file, name, records, _checksums)
    elif legacy:
        from rustnn.utils.legacy_files import write_legacy

        write_legacy(f, pickled, storages, pickle_protocol)
    else:
        write_archive(f, "archive", _records(pickled, storages), _checksums)


# ---- what is allowed ---------------------------------------------------------------------------------------


def _allowed() -> list[Any]:
    from rustnn.utils.unpickling import safe_globals_of_user

    return safe_globals_of_user


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Allow these classes and functions, or pairs (object, full name), with ``weights_only``."""
    allowed = _allowed()
    allowed.extend(entry for entry in safe_globals if entry not in allowed)


def get_safe_globals() -> list[Any]:
    """What was allowed by the user."""
    return list(_allowed())


def clear_safe_globals() -> None:
    """Allow nothing but the standard again."""
    _allowed().clear()


class safe_globals:
    """``with safe_globals([...]):`` allows these for the block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.allowed = safe_globals

    def __enter__(self) -> None:
        self.before = get_safe_globals()
        add_safe_globals(self.allowed)

    def __exit__(self, *exc: object) -> None:
        _allowed()[:] = self.before


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The full names in a file that ``load`` would refuse with ``weights_only``. Nothing of it is run.

    ValueError for files of older formats.
    """
    from pickletools import genops

    from rustnn.utils.unpickling import _user_globals, allowed_global

    with _opened(f) as file:
        file.seek(0)
        if file.read(4) != b"PK\x03\x04":
            raise ValueError("Expected input to be a checkpoint returned by rustnn.save but it was not")
        data = Archive(file).read("data.pkl")
    user = dict(_user_globals())
    unsafe: dict[str, None] = {}
    texts: list[str] = []
    memo: list[str] = []
    for code, argument, _ in genops(data):
        module, name = "", ""
        if code.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
        elif code.name == "STACK_GLOBAL" and len(texts) >= 2:
            module, name = texts[-2:]
        elif isinstance(argument, str):
            texts.append(argument)
        elif code.name == "MEMOIZE":
            memo.append(texts[-1] if texts else "")
        elif code.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int) and argument < len(memo):
            texts.append(memo[argument])
        if name and allowed_global(module, name, user) is None:
            unsafe[name if "builtin" in module else f"{module}.{name}"] = None
    return list(unsafe)


# ---- load --------------------------------------------------------------------------------------------------


def _opened(f: Any) -> Any:
    """A path, opened; or a file, left open. AttributeError for what cannot seek and read."""
    if isinstance(f, (str, os.PathLike)):
        return open(f, "rb")
    for method in ("seek", "read"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only rustnn.load from a "
                "file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try to "
                "load from it instead."
            )
    from contextlib import nullcontext

    return nullcontext(f)


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

    A file is read from where it stands. With ``weights_only``, which is the default, no code in it is run:
    tensors, containers, numbers, strings, layers, optimizers and schedulers of this library, and what
    ``add_safe_globals`` allows are all that it may hold. ``map_location`` says on which device storages come:
    a device or its name, a dict from the saved to the wanted one, or a function of storage and name. With
    ``mmap`` the storages of a file at a path are not read but mapped: pages come when they are touched, and
    writing changes only memory, unless ``set_default_mmap_options`` says otherwise.
    UnpicklingError for what is not allowed, RuntimeError for a damaged file.
    """
    weights_only = pickle_module is None if weights_only is None else weights_only
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    with _opened(f) as file:
        return _load(file, map_location, weights_only, pickle_module, bool(mmap), pickle_load_args)


def _load(
    file: IO[bytes],
    map_location: Any,
    weights_only: bool,
    pickle_module: Any,
    mapped: bool,
    options: dict[str, Any],
) -> Any:
    here = file.tell()
    start = file.read(4)
    file.seek(here)
    if not start:
        raise EOFError("Ran out of input: the file is empty")
    if start != b"PK\x03\x04":
        from rustnn.utils.legacy_files import load_legacy

        if mapped:
            raise RuntimeError(
                "mmap can only be used with files saved with `rustnn.save(..., "
                "_use_new_zipfile_serialization=True)`: please save your checkpoint so in order to use mmap."
            )
        return load_legacy(file, map_location, weights_only, pickle_module, options)
    archive = Archive(file)
    if "constants.pkl" in archive.records:
        raise RuntimeError("this is an archive of TorchScript, a program, which rustnn does not run")
    order = archive.read("byteorder") if "byteorder" in archive.records else b""
    if order not in (b"", b"little") or (not order and get_default_load_endianness() == LoadEndianness.BIG):
        raise RuntimeError("rustnn reads only checkpoints in little-endian byte order")
    mapping = None
    if mapped:
        mapping = map_file(file)
    storages = ArchivedStorages(archive, map_location, mapping)
    data = archive.read("data.pkl")
    from rustnn.utils.unpickling import load_safely, trusting_unpickler

    if weights_only:
        return load_safely(data, storages)[0]
    import io

    return trusting_unpickler(pickle_module, storages)(io.BytesIO(data), **options).load()
