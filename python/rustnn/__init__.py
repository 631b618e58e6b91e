"""rustnn: tensors, gradients and neural networks, with PyTorch's names: ``import rustnn as torch``.

What is not here is not there yet: asking for it raises AttributeError with its name.
"""

from __future__ import annotations

import sys
from math import e, inf, nan, pi

from rustnn import _C
from rustnn._C import *  # noqa: F403
from rustnn._C import Generator, Tensor, default_generator, device, dtype
from rustnn.autograd import enable_grad, grad_mode, inference_mode, no_grad, set_grad_enabled
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn import autograd, cuda, nn, optim, utils
    from rustnn.serialization import load, save
    from rustnn.tensor_repr import set_printoptions

__version__ = "0.1.0"

newaxis = None

# The layouts and memory orders that PyTorch names; only the first of each exists here.
strided = "torch.strided"
contiguous_format = "torch.contiguous_format"
preserve_format = "torch.preserve_format"

# Loaded when first used, so that `import rustnn` stays fast.
_lazy_modules = ("cuda", "nn", "optim", "utils", "serialization", "tensor_repr", "return_types")
_lazy_names = {"save": "serialization", "load": "serialization", "set_printoptions": "tensor_repr"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _lazy_modules:
        return import_module(f"rustnn.{name}")
    if name in _lazy_names:
        value = getattr(import_module(f"rustnn.{_lazy_names[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'rustnn' has no attribute '{name}'")


def is_storage(obj: object) -> bool:
    """Whether an object is the memory under tensors."""
    return isinstance(obj, _C.UntypedStorage)


def _legacy_constructors() -> None:
    """``FloatTensor`` and its like: functions that make tensors of one dtype."""

    def make(kind: dtype) -> Any:
        def constructor(*args: Any) -> Tensor:
            return Tensor(*args).to(kind)

        return constructor

    names = {
        "FloatTensor": _C.float32,
        "DoubleTensor": _C.float64,
        "HalfTensor": _C.float16,
        "BFloat16Tensor": _C.bfloat16,
        "ByteTensor": _C.uint8,
        "CharTensor": _C.int8,
        "ShortTensor": _C.int16,
        "IntTensor": _C.int32,
        "LongTensor": _C.int64,
        "BoolTensor": _C.bool,
    }
    module = sys.modules[__name__]
    for name, kind in names.items():
        constructor = make(kind)
        constructor.__name__ = constructor.__qualname__ = name
        setattr(module, name, constructor)


_legacy_constructors()
