"""What ``load`` does where nobody says otherwise: the order of bytes, and how files are mapped."""

from __future__ import annotations

import enum
import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = [
    "LoadEndianness",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "map_file",
    "set_default_load_endianness",
    "set_default_mmap_options",
]


class LoadEndianness(enum.Enum):
    """The order of the bytes of a number."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_endianness: LoadEndianness | None = None
_mmap_options: int = mmap.MAP_PRIVATE if hasattr(mmap, "MAP_PRIVATE") else 2


def get_default_load_endianness() -> LoadEndianness | None:
    """The order that is meant by files which do not tell theirs; None for little-endian."""
    return _endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Says what order is meant by files which do not tell theirs. TypeError for what is no order."""
    global _endianness
    if not isinstance(endianness, LoadEndianness) and endianness is not None:
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _endianness = endianness


def get_default_mmap_options() -> int:
    """How ``load(..., mmap=True)`` maps: ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``."""
    return _mmap_options


class set_default_mmap_options:
    """Says how ``load(..., mmap=True)`` maps, from now on or, as a context, within it.

    With ``mmap.MAP_PRIVATE`` writing to the tensors changes only memory, with ``mmap.MAP_SHARED`` the file:
    its checksums are those of before then, and only mapped loads take it (PyTorch does not look at them).
    ValueError for other flags.
    """

    def __init__(self, flags: int) -> None:
        global _mmap_options
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or "
                f"mmap.MAP_SHARED, but got {flags}"
            )
        self._before = _mmap_options
        _mmap_options = flags

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None:
        global _mmap_options
        _mmap_options = self._before


def map_file(file: IO[bytes]) -> mmap.mmap:
    """The whole of a file that was opened by its path, mapped. OSError if it is read-only but shared."""
    if _mmap_options == getattr(mmap, "MAP_SHARED", None):
        with open(file.name, "r+b") as writable:
            return mmap.mmap(writable.fileno(), 0, access=mmap.ACCESS_WRITE)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
