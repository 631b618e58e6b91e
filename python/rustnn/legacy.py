"""``FloatTensor`` and its like: one dtype each, from PyTorch's early days.

They are called as constructors, asked with ``isinstance``, and given to ``Tensor.type``; the class of a
tensor is none of them.
"""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import dtype, layout

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


class tensortype(type):
    """The class of these classes."""

    dtype: dtype
    layout: layout = _C.strided
    is_cuda: bool
    is_sparse = False

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """A tensor of the dtype: ``(2, 3)`` is uninitialised, ``([1, 2])`` holds values."""
        if cls.is_cuda:
            _C.empty(0, device="cuda")
        if len(args) == 1 and isinstance(args[0], Tensor) and args[0].dtype != cls.dtype:
            raise TypeError(f"{cls.__name__}(): expected a tensor of dtype {cls.dtype}, not {args[0].dtype}")
        return _C.empty(0, dtype=cls.dtype).new(*args, device=device)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and not cls.is_cuda and instance.dtype == cls.dtype


def _tensor_type(name: str, kind: dtype, cuda: bool = False) -> tensortype:
    where = "torch.cuda" if cuda else "torch"
    doc = f"Constructor of tensors of dtype {kind}" + (" on a GPU." if cuda else ".")
    return tensortype(name, (), {"dtype": kind, "is_cuda": cuda, "__module__": where, "__doc__": doc})


FloatTensor = _tensor_type("FloatTensor", _C.float32)
DoubleTensor = _tensor_type("DoubleTensor", _C.float64)
HalfTensor = _tensor_type("HalfTensor", _C.float16)
BFloat16Tensor = _tensor_type("BFloat16Tensor", _C.bfloat16)
ByteTensor = _tensor_type("ByteTensor", _C.uint8)
CharTensor = _tensor_type("CharTensor", _C.int8)
ShortTensor = _tensor_type("ShortTensor", _C.int16)
IntTensor = _tensor_type("IntTensor", _C.int32)
LongTensor = _tensor_type("LongTensor", _C.int64)
BoolTensor = _tensor_type("BoolTensor", _C.bool)

#: The same for GPUs, by their names in ``rustnn.cuda``: calling one raises, as long as there is no GPU.
CUDA_TYPES = {
    kind.__name__: _tensor_type(kind.__name__, kind.dtype, cuda=True)
    for kind in (
        FloatTensor,
        DoubleTensor,
        HalfTensor,
        BFloat16Tensor,
        ByteTensor,
        CharTensor,
        ShortTensor,
        IntTensor,
        LongTensor,
        BoolTensor,
    )
}
