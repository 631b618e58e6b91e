"""Tensors by name in files of the safetensors format: a table in JSON, and the bytes behind it."""

from __future__ import annotations

import os

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["load_safetensors", "save_safetensors"]

_DTYPES = {
    "F64": _C.float64,
    "F32": _C.float32,
    "F16": _C.float16,
    "BF16": _C.bfloat16,
    "I64": _C.int64,
    "I32": _C.int32,
    "I16": _C.int16,
    "I8": _C.int8,
    "U8": _C.uint8,
    "BOOL": _C.bool,
    "C64": _C.complex64,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_TABLE = 100_000_000


def save_safetensors(
    tensors: Mapping[str, Tensor], filename: Any, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors of any shape to a path, whole or not at all, with notes of text by name in ``metadata``.

    Tensors that share memory are written each for itself. TypeError for dtypes that the format lacks.
    """
    import json

    from rustnn.utils.atomic import replacing

    table: dict[str, Any] = {}
    if metadata:
        table["__metadata__"] = {str(key): str(value) for key, value in metadata.items()}
    # By falling size of the elements: so all stay aligned.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    at = 0
    for name, tensor in ordered:
        if tensor.dtype not in _NAMES:
            raise TypeError(f"safetensors cannot hold {name}, which is of dtype {tensor.dtype}")
        size = tensor.numel() * tensor.element_size()
        shape, place = list(tensor.shape), [at, at + size]
        table[name] = {"dtype": _NAMES[tensor.dtype], "shape": shape, "data_offsets": place}
        at += size
    head = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    with replacing(filename) as file:
        _write(file, len(head).to_bytes(8, "little") + head)
        for _, tensor in ordered:
            flat = tensor.detach().contiguous()
            start, size = flat.storage_offset() * flat.element_size(), flat.numel() * flat.element_size()
            _write(file, _C._storage_bytes(flat)[start : start + size])


def _write(file: Any, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while len(view):
        view = view[file.write(view[: 1 << 30]) :]


def load_safetensors(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors in a file. They are mapped: pages are read when touched, and writing changes only memory.

    RuntimeError for a damaged file.
    """
    import mmap

    with open(filename, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start, table = _read_table(file, size)
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    tensors = {}
    end = 0
    for name, (dtype, shape, begin, stop) in sorted(table.items(), key=lambda item: item[1][2:]):
        if begin != end:
            raise RuntimeError(
                f"damaged safetensors file: {name!r} does not begin where the last tensor ends"
            )
        end = stop
        if start + stop > size:
            raise RuntimeError(f"damaged safetensors file: {name!r} reaches beyond the end")
        count = (stop - begin) // dtype.itemsize
        if not count:
            tensors[name] = _C.empty(shape, dtype=dtype)
            continue
        if (start + begin) % dtype.itemsize:
            content = bytearray(memory[start + begin : start + stop])
            flat = _C.frombuffer(content, dtype=dtype, count=count)
        else:
            flat = _C.frombuffer(memory, dtype=dtype, count=count, offset=start + begin)
        tensors[name] = flat.view(shape).to(device)
    if start + end != size:
        raise RuntimeError("damaged safetensors file: there are bytes behind the last tensor")
    return {name: tensors[name] for name in table}


def _read_table(file: Any, size: int) -> tuple[int, dict[str, tuple[Any, list[int], int, int]]]:
    """Where the bytes begin, and (dtype, shape, begin, end) of each tensor."""
    import json

    length = int.from_bytes(file.read(8), "little")
    if length > min(_LONGEST_TABLE, size - 8) or size < 10:
        raise RuntimeError("damaged safetensors file: its table is longer than the file")
    try:
        given = json.loads(file.read(length).decode())
        given.pop("__metadata__", None)
        table = {}
        for name, entry in given.items():
            dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
            begin, end = entry["data_offsets"]
            count = 1
            for n in shape:
                if type(n) is not int or not 0 <= n < 1 << 62:
                    raise ValueError(f"{name!r} has the shape {shape}")
                count *= n
            if type(begin) is not int or type(end) is not int or end - begin != count * dtype.itemsize:
                raise ValueError(f"{name!r} has another size than its shape says")
            table[name] = dtype, shape, begin, end
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RuntimeError(f"damaged safetensors file: {type(error).__name__}: {error}") from error
    return 8 + length, table
