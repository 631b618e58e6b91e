"""NumPy's own files: .npy with one array, .npz with several."""

from __future__ import annotations

from pathlib import Path

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["read_npy", "read_npz"]


def read_npy(path: str | PathLike[str]) -> Tensor:
    """The array of a .npy file as a tensor.

    ValueError, with the file's name, if it is foreign, truncated, or has elements that no tensor holds (text,
    objects: nothing is unpickled).
    """
    array = _load(Path(path))
    if not hasattr(array, "dtype"):
        array.close()
        raise ValueError(f"{path}: an archive of arrays: use read_npz")
    return _tensor(array, str(path))


def read_npz(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The arrays of a .npz file as tensors, by their names. Errors as for ``read_npy``."""
    archive = _load(Path(path))
    if hasattr(archive, "dtype"):
        raise ValueError(f"{path}: a single array, not an archive: use read_npy")
    with archive:
        return {
            name: _tensor(_guarded(lambda name=name: archive[name], path), f"{path}: {name}")
            for name in archive
        }


def _load(path: Path) -> Any:
    import numpy as np

    return _guarded(lambda: np.load(path, allow_pickle=False), path)


def _guarded(load: Any, path: str | PathLike[str]) -> Any:
    try:
        return load()
    except OSError:
        raise
    except Exception as error:  # NumPy's parsing of a damaged head ends in many kinds of exceptions
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise ValueError(f"{path}: not a file of NumPy's, or a damaged one ({reason})") from error


def _tensor(array: Any, source: str) -> Tensor:
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16:
        raise ValueError(f"{source}: elements of {array.dtype} do not fit in a tensor")
    try:
        return _C.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except TypeError as error:
        raise ValueError(f"{source}: {error}") from error
