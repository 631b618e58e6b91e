"""IDX, the format of MNIST: a magic number, the sizes, then the elements, all big-endian."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from rustnn import _C
from rustnn.datasets.files import open_binary, read_exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from rustnn._C import Tensor

__all__ = ["read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | PathLike[str]) -> Tensor:
    """The tensor in an IDX file, packed by gzip or not; its dtype and shape are the file's.

    ValueError, with the file's name, for a file that is foreign, truncated or longer than it says.
    """
    import numpy as np

    path = Path(path)
    with open_binary(path) as stream:
        head = stream.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
            raise ValueError(f"{path}: not an IDX file: it starts with {head!r}")
        shape = struct.unpack(f">{head[3]}I", read_exactly(stream, 4 * head[3], path))
        dtype = np.dtype(_TYPES[head[2]])
        data = read_exactly(stream, math.prod(shape) * dtype.itemsize, path)
        if stream.read(1):
            raise ValueError(f"{path}: the file goes on behind the {tuple(shape)} elements that it announces")
    array = np.frombuffer(data, dtype).reshape(shape)
    return _C.from_numpy(array.astype(dtype.newbyteorder("=")))
