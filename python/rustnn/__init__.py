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
from rustnn.contractions import chain_matmul as chain_matmul
from rustnn.contractions import einsum as einsum
from rustnn.contractions import tensordot as tensordot
from rustnn.functional import atleast_1d as atleast_1d
from rustnn.functional import atleast_2d as atleast_2d
from rustnn.functional import atleast_3d as atleast_3d
from rustnn.functional import block_diag as block_diag
from rustnn.functional import broadcast_tensors as broadcast_tensors
from rustnn.functional import cartesian_prod as cartesian_prod
from rustnn.removed import eig as eig
from rustnn.removed import lstsq as lstsq
from rustnn.removed import lu as lu  # type: ignore[no-redef, unused-ignore]
from rustnn.removed import matrix_rank as matrix_rank
from rustnn.removed import solve as solve
from rustnn.removed import symeig as symeig
from rustnn.size import Size as Size
from rustnn.tensor_methods import as_strided_ as as_strided_
from rustnn.tensor_methods import detach_ as detach_
from rustnn.tensor_methods import nonzero_static as nonzero_static

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from typing import Any

    from rustnn import accelerator as accelerator
    from rustnn import amp as amp
    from rustnn import backends as backends
    from rustnn import compiler as compiler
    from rustnn import cpu as cpu
    from rustnn import cuda as cuda
    from rustnn import datasets as datasets
    from rustnn import distributed as distributed
    from rustnn import distributions as distributions
    from rustnn import export as export
    from rustnn import fft as fft
    from rustnn import func as func
    from rustnn import fx as fx
    from rustnn import hub as hub
    from rustnn import jit as jit
    from rustnn import library as library
    from rustnn import linalg as linalg
    from rustnn import mps as mps
    from rustnn import multiprocessing as multiprocessing
    from rustnn import nn as nn
    from rustnn import onnx as onnx
    from rustnn import optim as optim
    from rustnn import overrides as overrides
    from rustnn import profiler as profiler
    from rustnn import random as random
    from rustnn import signal as signal
    from rustnn import special as special
    from rustnn import storage as storage
    from rustnn import testing as testing
    from rustnn import types as types
    from rustnn import utils as utils
    from rustnn import version as version
    from rustnn import xpu as xpu
    from rustnn.amp import GradScaler as GradScaler
    from rustnn.amp import autocast as autocast
    from rustnn.amp.autocast_mode import autocast_decrement_nesting as autocast_decrement_nesting
    from rustnn.amp.autocast_mode import autocast_increment_nesting as autocast_increment_nesting
    from rustnn.amp.autocast_mode import get_autocast_cpu_dtype as get_autocast_cpu_dtype
    from rustnn.amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
    from rustnn.amp.autocast_mode import get_autocast_gpu_dtype as get_autocast_gpu_dtype
    from rustnn.amp.autocast_mode import is_autocast_cache_enabled as is_autocast_cache_enabled
    from rustnn.amp.autocast_mode import is_autocast_cpu_enabled as is_autocast_cpu_enabled
    from rustnn.amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
    from rustnn.amp.autocast_mode import set_autocast_cache_enabled as set_autocast_cache_enabled
    from rustnn.amp.autocast_mode import set_autocast_cpu_dtype as set_autocast_cpu_dtype
    from rustnn.amp.autocast_mode import set_autocast_cpu_enabled as set_autocast_cpu_enabled
    from rustnn.amp.autocast_mode import set_autocast_dtype as set_autocast_dtype
    from rustnn.amp.autocast_mode import set_autocast_enabled as set_autocast_enabled
    from rustnn.amp.autocast_mode import set_autocast_gpu_dtype as set_autocast_gpu_dtype
    from rustnn.compiler import compile as compile
    from rustnn.control_flow import cond as cond
    from rustnn.differences import gradient as gradient
    from rustnn.eigenpairs import lobpcg as lobpcg
    from rustnn.func import vmap as vmap  # type: ignore[no-redef]
    from rustnn.functional import broadcast_shapes as broadcast_shapes
    from rustnn.functional import from_file as from_file
    from rustnn.functional import meshgrid as meshgrid
    from rustnn.histograms import histogramdd as histogramdd
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
    from rustnn.library import ops as ops
    from rustnn.lowrank import pca_lowrank as pca_lowrank
    from rustnn.lowrank import svd_lowrank as svd_lowrank
    from rustnn.matrix_norms import frobenius_norm as frobenius_norm
    from rustnn.matrix_norms import nuclear_norm as nuclear_norm
    from rustnn.nn.module import typename as typename
    from rustnn.npz import load_npz as load_npz
    from rustnn.npz import save_npz as save_npz
    from rustnn.numeric_limits import finfo as finfo
    from rustnn.numeric_limits import iinfo as iinfo
    from rustnn.recurrent_functions import gru as gru
    from rustnn.recurrent_functions import lstm as lstm
    from rustnn.recurrent_functions import rnn_relu as rnn_relu
    from rustnn.recurrent_functions import rnn_tanh as rnn_tanh
    from rustnn.safetensors import load_safetensors as load_safetensors
    from rustnn.safetensors import save_safetensors as save_safetensors
    from rustnn.serialization import load as load
    from rustnn.serialization import save as save
    from rustnn.settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
    from rustnn.settings import get_default_device as get_default_device
    from rustnn.settings import get_deterministic_debug_mode as get_deterministic_debug_mode
    from rustnn.settings import get_float32_matmul_precision as get_float32_matmul_precision
    from rustnn.settings import get_num_interop_threads as get_num_interop_threads
    from rustnn.settings import (
        is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
    )
    from rustnn.settings import is_warn_always_enabled as is_warn_always_enabled
    from rustnn.settings import set_default_device as set_default_device
    from rustnn.settings import set_default_tensor_type as set_default_tensor_type
    from rustnn.settings import set_deterministic_debug_mode as set_deterministic_debug_mode
    from rustnn.settings import set_float32_matmul_precision as set_float32_matmul_precision
    from rustnn.settings import set_flush_denormal as set_flush_denormal
    from rustnn.settings import set_num_interop_threads as set_num_interop_threads
    from rustnn.settings import set_warn_always as set_warn_always
    from rustnn.settings import use_deterministic_algorithms as use_deterministic_algorithms
    from rustnn.storage import BFloat16Storage as BFloat16Storage
    from rustnn.storage import BoolStorage as BoolStorage
    from rustnn.storage import ByteStorage as ByteStorage
    from rustnn.storage import CharStorage as CharStorage
    from rustnn.storage import ComplexDoubleStorage as ComplexDoubleStorage
    from rustnn.storage import ComplexFloatStorage as ComplexFloatStorage
    from rustnn.storage import DoubleStorage as DoubleStorage
    from rustnn.storage import FloatStorage as FloatStorage
    from rustnn.storage import HalfStorage as HalfStorage
    from rustnn.storage import IntStorage as IntStorage
    from rustnn.storage import LongStorage as LongStorage
    from rustnn.storage import ShortStorage as ShortStorage
    from rustnn.storage import Storage as Storage
    from rustnn.storage import TypedStorage as TypedStorage
    from rustnn.streams import Event as Event
    from rustnn.streams import Stream as Stream
    from rustnn.tensor_repr import set_printoptions as set_printoptions
    from rustnn.version import __version__ as __version__

newaxis = None

# Which of PyTorch's libraries there are: linear algebra and transforms are rustnn's own.
has_lapack = has_spectral = True
has_cuda = has_mkl = has_mps = has_openmp = False

OutOfMemoryError = _C._OutOfMemoryError
OutOfMemoryError.__name__ = OutOfMemoryError.__qualname__ = "OutOfMemoryError"
OutOfMemoryError.__module__ = __name__

# Loaded when first used, so that `import rustnn` stays fast: modules, and names with their modules.
_modules = (
    "__config__",
    "__future__",
    "_dynamo",
    "accelerator",
    "amp",
    "backends",
    "compiler",
    "cpu",
    "cuda",
    "datasets",
    "distributed",
    "distributions",
    "export",
    "func",
    "fft",
    "fx",
    "functional",
    "hub",
    "jit",
    "legacy",
    "library",
    "linalg",
    "mps",
    "multiprocessing",
    "lowrank",
    "nn",
    "notebook",
    "numeric_limits",
    "onnx",
    "optim",
    "overrides",
    "profiler",
    "random",
    "return_types",
    "serialization",
    "settings",
    "signal",
    "special",
    "storage",
    "tensor_repr",
    "testing",
    "types",
    "utils",
    "version",
    "xpu",
)
_names = {
    "__version__": "version",
    "GradScaler": "amp",
    "autocast": "amp",
    "autocast_decrement_nesting": "amp.autocast_mode",
    "autocast_increment_nesting": "amp.autocast_mode",
    "get_autocast_cpu_dtype": "amp.autocast_mode",
    "get_autocast_dtype": "amp.autocast_mode",
    "get_autocast_gpu_dtype": "amp.autocast_mode",
    "is_autocast_cache_enabled": "amp.autocast_mode",
    "is_autocast_cpu_enabled": "amp.autocast_mode",
    "is_autocast_enabled": "amp.autocast_mode",
    "set_autocast_cache_enabled": "amp.autocast_mode",
    "set_autocast_cpu_dtype": "amp.autocast_mode",
    "set_autocast_cpu_enabled": "amp.autocast_mode",
    "set_autocast_dtype": "amp.autocast_mode",
    "set_autocast_enabled": "amp.autocast_mode",
    "set_autocast_gpu_dtype": "amp.autocast_mode",
    "broadcast_shapes": "functional",
    "compile": "compiler",
    "cond": "control_flow",
    "Event": "streams",
    "Stream": "streams",
    "frobenius_norm": "matrix_norms",
    "nuclear_norm": "matrix_norms",
    "gru": "recurrent_functions",
    "lstm": "recurrent_functions",
    "rnn_relu": "recurrent_functions",
    "rnn_tanh": "recurrent_functions",
    "vmap": "func",
    "from_file": "functional",
    "_assert": "functional",
    "gradient": "differences",
    "finfo": "numeric_limits",
    "iinfo": "numeric_limits",
    "load": "serialization",
    "load_npz": "npz",
    "load_safetensors": "safetensors",
    "save_npz": "npz",
    "save_safetensors": "safetensors",
    "histogramdd": "histograms",
    "meshgrid": "functional",
    "lobpcg": "eigenpairs",
    "pca_lowrank": "lowrank",
    "save": "serialization",
    "set_printoptions": "tensor_repr",
    "svd_lowrank": "lowrank",
    "ops": "library",
    "typename": "nn.module",
    "are_deterministic_algorithms_enabled": "settings",
    "get_default_device": "settings",
    "get_deterministic_debug_mode": "settings",
    "get_float32_matmul_precision": "settings",
    "get_num_interop_threads": "settings",
    "is_deterministic_algorithms_warn_only_enabled": "settings",
    "is_warn_always_enabled": "settings",
    "set_default_device": "settings",
    "set_default_tensor_type": "settings",
    "set_deterministic_debug_mode": "settings",
    "set_float32_matmul_precision": "settings",
    "set_flush_denormal": "settings",
    "set_num_interop_threads": "settings",
    "set_warn_always": "settings",
    "use_deterministic_algorithms": "settings",
    "FloatStorage": "storage",
    "DoubleStorage": "storage",
    "HalfStorage": "storage",
    "BFloat16Storage": "storage",
    "ByteStorage": "storage",
    "CharStorage": "storage",
    "ShortStorage": "storage",
    "IntStorage": "storage",
    "LongStorage": "storage",
    "BoolStorage": "storage",
    "ComplexFloatStorage": "storage",
    "ComplexDoubleStorage": "storage",
    "Storage": "storage",
    "TypedStorage": "storage",
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

# Parts of PyTorch that are not planned, and what to take instead.
_absent = {
    "hash_tensor": "it gives uint64, which is no dtype here",
    "sparse_coo_tensor": "sparse tensors do not exist yet",
    "sparse_csr_tensor": "sparse tensors do not exist yet",
    "sparse": "sparse tensors do not exist yet; embeddings take sparse=False",
    "nested": "pad sequences: nn.utils.rnn.pad_sequence",
    "quantize_per_tensor": "quantized tensors do not exist yet",
    "quantize_per_channel": "quantized tensors do not exist yet",
    "masked": "take torch.where, Tensor.masked_fill and the functions that leave NaN out",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _modules:
        return import_module(f"rustnn.{name}")
    if name in _names:
        value = globals()[name] = getattr(import_module(f"rustnn.{_names[name]}"), name)
        return value
    hint = f": {_absent[name]}" if name in _absent else ""
    raise AttributeError(f"module 'rustnn' has no attribute '{name}'{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules, *_names})


def is_storage(obj: object) -> builtins.bool:
    """Whether an object is the memory under tensors."""
    if isinstance(obj, _C.UntypedStorage):
        return True
    from rustnn.storage import TypedStorage

    return isinstance(obj, TypedStorage)


def get_device_module(device: Any = None) -> Any:
    """The module of a kind of device: ``torch.cpu``, ``torch.cuda``, ... RuntimeError for what has none."""
    kind = "cpu" if device is None else _C.device(device).type
    if kind not in ("cpu", "cuda", "mps"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return __getattr__(kind)


def _tensor_in_notebooks(tensor: Tensor) -> str:  # noqa: F405
    from rustnn.notebook import tensor_html

    return tensor_html(tensor)


def _storage_of_file(filename: str, shared: builtins.bool = False, nbytes: builtins.int = 0) -> Any:
    from rustnn.storage import mapped_file

    return mapped_file(filename, shared, nbytes)


def _log_api_usage_once(event: str) -> None:
    """What packages call to count who uses them; nothing is counted here."""


_byte = _C.UntypedStorage.__getitem__


def _bytes_of_storage(storage: Any, index: Any) -> Any:
    if not isinstance(index, slice):
        return _byte(storage, index)
    from rustnn.storage import part

    return part(storage, index)


_C._log_api_usage_once = _log_api_usage_once
_C.UntypedStorage.untyped = lambda storage: storage  # type: ignore[method-assign, assignment]
_C.UntypedStorage.from_file = staticmethod(_storage_of_file)  # type: ignore[method-assign]
_C.UntypedStorage.__getitem__ = _bytes_of_storage  # type: ignore[method-assign]
Tensor._repr_html_ = _tensor_in_notebooks  # type: ignore[assignment, method-assign]  # noqa: F405
