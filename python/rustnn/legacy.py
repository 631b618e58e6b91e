"""``FloatTensor`` and its like: constructors of one dtype, from PyTorch's early days."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import dtype

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
]


def _constructor(name: str, kind: dtype) -> Callable[..., Tensor]:
    def constructor(*args: Any) -> Tensor:
        return Tensor(*args).to(kind)

    constructor.__name__ = constructor.__qualname__ = name
    constructor.__doc__ = f"``Tensor(...)`` of dtype {kind}."
    return constructor


FloatTensor = _constructor("FloatTensor", _C.float32)
DoubleTensor = _constructor("DoubleTensor", _C.float64)
HalfTensor = _constructor("HalfTensor", _C.float16)
BFloat16Tensor = _constructor("BFloat16Tensor", _C.bfloat16)
ByteTensor = _constructor("ByteTensor", _C.uint8)
CharTensor = _constructor("CharTensor", _C.int8)
ShortTensor = _constructor("ShortTensor", _C.int16)
IntTensor = _constructor("IntTensor", _C.int32)
LongTensor = _constructor("LongTensor", _C.int64)
BoolTensor = _constructor("BoolTensor", _C.bool)
