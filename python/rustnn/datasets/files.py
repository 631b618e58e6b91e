"""Finding and reading files, with errors that name the file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import BinaryIO

__all__ = ["find", "missing", "open_binary", "read_exactly"]


def find(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first of the files that is there: every name in the first folder, then in the next."""
    names = list(names)
    for folder in folders:
        for name in names:
            path = folder / name
            if path.is_file():
                return path
    return None


def missing(
    dataset: str, files: Iterable[str], folder: str | PathLike[str], advice: str = ""
) -> RuntimeError:
    """The error for files that are not there: says which, and where to put them."""
    text = (
        f"Dataset not found: {dataset} needs the files {', '.join(files)} in {folder}. rustnn "
        "downloads nothing (download=True is fine if they are there): get them from the set's own site."
    )
    return RuntimeError(f"{text} {advice}".rstrip())


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """The file to read from, unpacked on the way if it is a .gz; ValueError, with its name, if damaged."""
    import gzip
    import zlib

    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        try:
            with gzip.open(raw) as unpacked:
                yield unpacked  # type: ignore[misc]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the file is damaged or truncated: {error}") from error


def read_exactly(stream: BinaryIO, count: int, path: Path) -> bytes:
    """``count`` bytes; ValueError if there are fewer. Memory is taken as they come, not as a header says."""
    pieces = []
    left = count
    while left:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            raise ValueError(f"{path}: the file is truncated: {count - left} bytes where {count} should be")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
