"""Files that are replaced whole: whoever looks, at whatever moment, sees the old content or the new."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from typing import Any

__all__ = ["replacing"]


@contextmanager
def replacing(f: Any) -> Iterator[FileIO]:
    """An unbuffered file that takes the place of ``f`` when the block ends, or vanishes if it raises.

    A link stays a link, to the new content; permissions stay. What is no ordinary file (a pipe, a device) is
    written directly. RuntimeError if the folder does not exist.
    """
    given = os.fspath(f)
    path = os.path.realpath(given)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(given)} does not exist.")
    if os.path.isdir(path):
        raise RuntimeError(f"{given} is a directory: there can be no file of that name")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb", 0) as file:
            yield file
        return
    temporary = os.path.join(folder, f".{os.path.basename(path)[:100]}.{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb", 0) as file:
            yield file
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            # The content and its size; when it was last looked at may get lost.
            getattr(os, "fdatasync", os.fsync)(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


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
