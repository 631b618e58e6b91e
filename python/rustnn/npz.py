"""Tensors by name in NumPy's ``.npz`` files."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["load_npz", "save_npz"]

# No stream of deflate becomes longer than that many times its size.
_MOST_EXPANSION = 1100


def save_npz(tensors: Mapping[str, Tensor], filename: Any, compressed: bool = False) -> None:
    """Write tensors of any shape to a path, whole or not at all. TypeError for dtypes that NumPy lacks."""
    import numpy

    from rustnn.utils.atomic import replacing

    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    write = numpy.savez_compressed if compressed else numpy.savez
    with replacing(filename) as file:
        write(file, **arrays)


def load_npz(filename: Any) -> dict[str, Tensor]:
    """The arrays in a file, as tensors. Objects are refused. RuntimeError for a damaged file."""
    import zipfile
    import zlib

    import numpy

    tensors = {}
    try:
        with zipfile.ZipFile(filename) as archive:
            for info in archive.infolist():
                if info.file_size > _MOST_EXPANSION * info.compress_size + 1000:
                    raise ValueError(f"{info.filename} declares more bytes than it can have")
                with archive.open(info) as file:
                    header = numpy.lib.format
                    version = header.read_magic(file)
                    read = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
                    shape, fortran, dtype = read(file)
                    count = 1
                    for n in shape:
                        count *= n
                    if dtype.hasobject or count < 0 or count * dtype.itemsize > info.file_size:
                        raise ValueError(f"{info.filename} holds objects, or less than it declares")
                    content = bytearray(file.read())
                array = numpy.frombuffer(content, dtype, count).reshape(shape, order="F" if fortran else "C")
                tensors[info.filename.removesuffix(".npy")] = _C.from_numpy(array)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, SyntaxError) as error:
        raise RuntimeError(f"damaged .npz file: {error}") from error
    return tensors
