"""The messages of an ONNX file that are written: nodes, tensors, the graph, the model."""

from __future__ import annotations

from rustnn import _C
from rustnn.utils.protobuf import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "attribute",
    "data_type",
    "external_tensor",
    "metadata",
    "node",
    "raw_bytes",
    "tensor",
    "value_info",
]

_DATA_TYPES = {
    _C.float32: 1,
    _C.uint8: 2,
    _C.int8: 3,
    _C.int16: 5,
    _C.int32: 6,
    _C.int64: 7,
    _C.bool: 9,
    _C.float16: 10,
    _C.float64: 11,
    _C.complex64: 14,
    _C.complex128: 15,
    _C.bfloat16: 16,
}
_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 6, 7, 8


def data_type(dtype: Any) -> int:
    """ONNX's number of a dtype."""
    return _DATA_TYPES[dtype]


def raw_bytes(data: Tensor) -> memoryview:
    """The elements of a tensor, row by row, little-endian."""
    data = data.detach().contiguous()
    start = data.storage_offset() * data.element_size()
    return _C._storage_bytes(data).cast("B")[start : start + data.numel() * data.element_size()]


def _tensor_head(name: str, data: Tensor) -> Message:
    message = Message().integers(1, data.shape).integer(2, data_type(data.dtype))
    return message.text(8, name) if name else message


def tensor(name: str, data: Tensor) -> Message:
    """TensorProto with its elements."""
    return _tensor_head(name, data).data(9, raw_bytes(data))


def external_tensor(name: str, data: Tensor, file: str, offset: int, length: int) -> Message:
    """TensorProto whose elements are in another file."""
    message = _tensor_head(name, data)
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
        message.message(13, Message().text(1, key).text(2, value))
    return message.integer(14, 1)


def attribute(name: str, value: Any) -> Message:
    """AttributeProto of a number, a text, a tensor, or a list of numbers or texts."""
    message = Message().text(1, name)
    if isinstance(value, _C.Tensor):
        return message.message(5, tensor("", value)).integer(20, _TENSOR)
    if isinstance(value, (bool, int)):
        return message.integer(3, int(value)).integer(20, _INT)
    if isinstance(value, float):
        return message.single(2, value).integer(20, _FLOAT)
    if isinstance(value, str):
        return message.text(4, value).integer(20, _STRING)
    if all(isinstance(v, int) for v in value):
        return message.integers(8, value).integer(20, _INTS)
    if all(isinstance(v, str) for v in value):
        for text in value:
            message.text(9, text)
        return message.integer(20, _STRINGS)
    for number in value:
        message.single(7, number)
    return message.integer(20, _FLOATS)


def node(
    kind: str, name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: dict[str, Any]
) -> Message:
    """NodeProto."""
    message = Message()
    for text in inputs:
        message.text(1, text)
    for text in outputs:
        message.text(2, text)
    message.text(3, name).text(4, kind)
    for key, value in attributes.items():
        message.message(5, attribute(key, value))
    return message


def value_info(name: str, dtype: Any, shape: Sequence[int | str]) -> Message:
    """ValueInfoProto of a tensor; sizes with names are known at run time only."""
    dims = Message()
    for size in shape:
        dim = Message().text(2, size) if isinstance(size, str) else Message().integer(1, size)
        dims.message(1, dim)
    kind = Message().integer(1, data_type(dtype)).message(2, dims)
    return Message().text(1, name).message(2, Message().message(1, kind))


def metadata(key: str, value: str) -> Message:
    """StringStringEntryProto."""
    return Message().text(1, key).text(2, value)
