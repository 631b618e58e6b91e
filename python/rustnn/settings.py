"""Switches of the whole library: defaults of new tensors, determinism, precision, warnings."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled",
    "set_default_device",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]

_NOT_FLOATING = "only floating-point types are supported as the default type"


class _Settings:
    deterministic = False
    warn_only = False
    precision = "highest"
    interop_threads = 1
    warn_always = False


# ---- new tensors ----


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype by a tensor type, such as ``torch.DoubleTensor`` or its name.

    TypeError for types that are not floating-point, RuntimeError for those of a GPU. Warns, as it is old.
    """
    import warnings

    from rustnn import legacy

    name = t if isinstance(t, str) else f"{getattr(t, '__module__', '')}.{getattr(t, '__name__', '')}"
    kind = getattr(legacy, name.rpartition(".")[2], None)
    if not isinstance(kind, legacy.tensortype) or not name.startswith(("torch.", "rustnn.")):
        raise TypeError(f"invalid type object: {_NOT_FLOATING}")
    if not kind.dtype.is_floating_point:
        raise TypeError(_NOT_FLOATING)
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        stacklevel=2,
    )
    if ".cuda." in name:
        _C.empty(0, device="cuda")
    _C.set_default_dtype(kind.dtype)


def set_default_device(device: Any) -> None:
    """Sets the device of tensors that this thread makes without one; None is the CPU.

    RuntimeError for a GPU that is not there, NotImplementedError for other devices.
    """
    _C._set_default_device(device)


def get_default_device() -> _C.device:
    """The device of tensors that are made without one."""
    return _C._get_default_device()


# ---- how operations compute ----


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for the same result in every run. All operations here give it, whatever is set."""
    _Settings.deterministic = bool(mode)
    _Settings.warn_only = bool(mode and warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What ``use_deterministic_algorithms`` set."""
    return _Settings.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What ``use_deterministic_algorithms`` set as ``warn_only``."""
    return _Settings.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` as "default" (0), "warn" (1) or "error" (2).

    RuntimeError for anything else.
    """
    names = {"default": 0, "warn": 1, "error": 2}
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    level = names.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(f"debug_mode is 0, 1, 2 or one of {list(names)}, not {debug_mode!r}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as ``set_deterministic_debug_mode`` takes them."""
    return (1 if _Settings.warn_only else 2) if _Settings.deterministic else 0


def set_float32_matmul_precision(precision: str) -> None:
    """Allows matrix products of float32 to be less precise. All here keep full precision, whatever is set."""
    if precision not in ("highest", "high", "medium"):
        import warnings

        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the setting stays as it is",
            stacklevel=2,
        )
        return
    _Settings.precision = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` set."""
    return _Settings.precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether denormal numbers can be flushed to zero: False, they are kept."""
    return False


# ---- threads and warnings ----


def get_num_interop_threads() -> int:
    """How many operations may run side by side: 1, unless set otherwise."""
    return _Settings.interop_threads


def set_num_interop_threads(threads: int) -> None:
    """Allows operations to run side by side. There is no code here that would make use of it."""
    if threads <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _Settings.interop_threads = threads


def set_warn_always(b: bool) -> None:
    """Whether warnings that are given once in a process are given every time."""
    _Settings.warn_always = b
    _C._set_warn_always(b)


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` set."""
    return _Settings.warn_always
