"""``autocast``: casts the arguments of operations while it is on. The lists are in ``src/autocast.rs``."""

from __future__ import annotations

import functools
import threading
import warnings

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "autocast",
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_available",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_autocast_gpu_dtype",
]

_SHORT = (_C.bfloat16, _C.float16)


class _Nesting(threading.local):
    """How many ``autocast`` are around what a thread runs: the kept casts are a thread's own, too."""

    depth = 0


_nesting = _Nesting()


def _kind(device_type: str) -> str:
    """The kind of a device. RuntimeError for a name that is none."""
    if not isinstance(device_type, str):
        raise TypeError(f"expected the type of a device as str, got {type(device_type).__name__}")
    return _C.device(device_type).type


def is_autocast_available(device_type: str) -> bool:
    """Whether there is mixed precision for a kind of device."""
    return _kind(device_type) in ("cpu", "cuda")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether mixed precision is on for a kind of device."""
    return _C._autocast_state(_kind(device_type) != "cpu")[0]


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switch mixed precision on or off for a kind of device ("cuda" where only ``enabled`` is given)."""
    if enabled is None:
        device_type, enabled = "cuda", bool(device_type)
    cuda = _kind(device_type) != "cpu"  # type: ignore[arg-type]
    _, dtype, caches = _C._autocast_state(cuda)
    _C._set_autocast_state(enabled, dtype, caches, cuda)


def get_autocast_dtype(device_type: str) -> _C.dtype:
    """The short dtype of a kind of device."""
    return _C._autocast_state(_kind(device_type) != "cpu")[1]


def set_autocast_dtype(device_type: str, dtype: _C.dtype) -> None:
    """Choose the short dtype of a kind of device."""
    cuda = _kind(device_type) != "cpu"
    enabled, _, caches = _C._autocast_state(cuda)
    _C._set_autocast_state(enabled, dtype, caches, cuda)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept until the outermost ``autocast`` ends."""
    return _C._autocast_state()[2]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Say whether casts of parameters are to be kept."""
    on, dtype, _ = _C._autocast_state()
    _C._set_autocast_state(on, dtype, enabled)


def autocast_increment_nesting() -> int:
    """One more ``autocast`` around what follows; how many they are."""
    _nesting.depth += 1
    return _nesting.depth


def autocast_decrement_nesting() -> int:
    """One ``autocast`` less; how many are left."""
    _nesting.depth -= 1
    return _nesting.depth


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3
    )


def is_autocast_cpu_enabled() -> bool:
    """The old name of ``is_autocast_enabled("cpu")``."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The old name of ``set_autocast_enabled("cpu", enabled)``."""
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> _C.dtype:
    """The old name of ``get_autocast_dtype("cpu")``."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: _C.dtype) -> None:
    """The old name of ``set_autocast_dtype("cpu", dtype)``."""
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> _C.dtype:
    """The old name of ``get_autocast_dtype("cuda")``."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: _C.dtype) -> None:
    """The old name of ``set_autocast_dtype("cuda", dtype)``."""
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)


class autocast:
    """``with autocast("cpu", dtype=torch.bfloat16):`` runs products and convolutions in a short dtype.

    Operations that need precision (losses, norms of matrices, transforms) run in float32; all others take
    what they are given. Casts of parameters are kept until the outermost ``autocast`` ends, unless
    ``cache_enabled=False``. Also a decorator. ValueError if ``device_type`` is not a str, RuntimeError if it
    names no kind of device with mixed precision; where the device is not there, or cannot have ``dtype``, a
    warning, and nothing is switched on.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _C.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{self.device}'")
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if device_type == "cpu" and enabled and self.fast_dtype not in _SHORT:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast "
                "only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        if device_type == "cuda" and enabled and not _C._cuda_device_count():
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        if device_type == "cuda" and enabled and self.fast_dtype not in _SHORT:
            warnings.warn(
                "In CUDA autocast, but the target dtype is not supported. Disabling autocast.\nCUDA Autocast "
                "only supports dtypes of torch.float16, torch.bfloat16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled

    def __enter__(self) -> autocast:
        self.prev = is_autocast_enabled(self.device)
        self.prev_fastdtype = get_autocast_dtype(self.device)
        self.prev_cache_enabled = is_autocast_cache_enabled()
        set_autocast_enabled(self.device, self._enabled)
        set_autocast_dtype(self.device, self.fast_dtype)
        set_autocast_cache_enabled(self._cache_enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *exception: object) -> None:
        if autocast_decrement_nesting() == 0:
            _C.clear_autocast_cache()
        set_autocast_enabled(self.device, self.prev)
        set_autocast_dtype(self.device, self.prev_fastdtype)
        set_autocast_cache_enabled(self.prev_cache_enabled)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator."""

        @functools.wraps(func)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return within


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: _C.dtype | None = None
) -> Any:
    """Decorates ``forward`` of an ``autograd.Function``: with ``cast_inputs``, floating-point tensors are
    cast to that dtype, and mixed precision is off inside. ValueError if ``device_type`` is not a str."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = get_autocast_dtype(device_type)
        if cast_inputs is None or not is_autocast_enabled(device_type):
            ctx._fwd_used_autocast = is_autocast_enabled(device_type)
            return forward(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return forward(ctx, *_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates ``backward`` of an ``autograd.Function``: it runs with the mixed precision of ``forward``."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return backward(ctx, *args, **kwargs)

    return decorated


def _cast(value: Any, dtype: _C.dtype) -> Any:
    """``value`` with the floating-point tensors in it, but for float64, cast."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.dtype != _C.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, dict):
        return {_cast(key, dtype): _cast(item, dtype) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(item, dtype) for item in value)
    return value
