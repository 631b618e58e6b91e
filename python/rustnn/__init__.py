"""rustnn: tensors, gradients and neural networks, with PyTorch's names: ``import rustnn as torch``.

What is not here is not there yet: asking for it raises AttributeError with its name.
"""

from __future__ import annotations

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

from rustnn import _C
from rustnn import autograd as autograd
from rustnn._C import *  # noqa: F403
from rustnn.autograd import enable_grad as enable_grad
from rustnn.autograd import grad_mode as grad_mode
from rustnn.autograd import inference_mode as inference_mode
from rustnn.autograd import no_grad as no_grad
from rustnn.autograd import set_grad_enabled as set_grad_enabled
from rustnn.contractions import chain_matmul as chain_matmul  # type: ignore[assignment]
from rustnn.contractions import einsum as einsum  # type: ignore[assignment]
from rustnn.contractions import tensordot as tensordot  # type: ignore[assignment]
from rustnn.functional import broadcast_tensors as broadcast_tensors  # type: ignore[assignment]
from rustnn.size import Size as Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from typing import Any

    from rustnn import cuda as cuda
    from rustnn import func as func
    from rustnn import nn as nn
    from rustnn import optim as optim
    from rustnn import random as random
    from rustnn import special as special
    from rustnn import utils as utils
    from rustnn.functional import broadcast_shapes as broadcast_shapes
    from rustnn.functional import meshgrid as meshgrid
    from rustnn.legacy import BFloat16Tensor as BFloat16Tensor
    from rustnn.legacy import BoolTensor as BoolTensor
    from rustnn.legacy import ByteTensor as ByteTensor
    from rustnn.legacy import CharTensor as CharTensor
    from rustnn.legacy import DoubleTensor as DoubleTensor
    from rustnn.legacy import FloatTensor as FloatTensor
    from rustnn.legacy import HalfTensor as HalfTensor
    from rustnn.legacy import IntTensor as IntTensor
    from rustnn.legacy import LongTensor as LongTensor
    from rustnn.legacy import ShortTensor as ShortTensor
    from rustnn.nn.module import typename as typename
    from rustnn.numeric_limits import finfo as finfo
    from rustnn.numeric_limits import iinfo as iinfo
    from rustnn.serialization import load as load
    from rustnn.serialization import save as save
    from rustnn.tensor_repr import set_printoptions as set_printoptions

__version__ = "0.1.0"

newaxis = None

# Loaded when first used, so that `import rustnn` stays fast: modules, and names with their modules.
_modules = (
    "cuda",
    "func",
    "functional",
    "legacy",
    "linalg",
    "nn",
    "numeric_limits",
    "optim",
    "random",
    "return_types",
    "serialization",
    "special",
    "tensor_repr",
    "utils",
)
_names = {
    "broadcast_shapes": "functional",
    "finfo": "numeric_limits",
    "iinfo": "numeric_limits",
    "load": "serialization",
    "meshgrid": "functional",
    "save": "serialization",
    "set_printoptions": "tensor_repr",
    "typename": "nn.module",
    "BFloat16Tensor": "legacy",
    "BoolTensor": "legacy",
    "ByteTensor": "legacy",
    "CharTensor": "legacy",
    "DoubleTensor": "legacy",
    "FloatTensor": "legacy",
    "HalfTensor": "legacy",
    "IntTensor": "legacy",
    "LongTensor": "legacy",
    "ShortTensor": "legacy",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _modules:
        return import_module(f"rustnn.{name}")
    if name in _names:
        value = globals()[name] = getattr(import_module(f"rustnn.{_names[name]}"), name)
        return value
    raise AttributeError(f"module 'rustnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules, *_names})


def is_storage(obj: object) -> builtins.bool:
    """Whether an object is the memory under tensors."""
    return isinstance(obj, _C.UntypedStorage)
