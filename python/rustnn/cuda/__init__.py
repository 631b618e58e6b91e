"""NVIDIA GPUs: none are supported yet, and these functions say so.

What scripts call whether there is a GPU or not (`empty_cache`, `manual_seed`, statistics of memory) does
nothing or gives zero, as in PyTorch; what needs a GPU raises RuntimeError.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = [
    "current_device",
    "current_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
    "set_rng_state",
    "synchronize",
]


def is_available() -> bool:
    """Whether a GPU can be used: False."""
    return False


def device_count() -> int:
    """Number of GPUs: 0."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA is in use: False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU has bfloat16: False, without one."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the generator of a GPU; without one, nothing happens, as in PyTorch."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs; without one, nothing happens, as in PyTorch."""


def empty_cache() -> None:
    """Frees memory that is held back on the GPU; without one, nothing happens."""


def ipc_collect() -> None:
    """Frees memory that other processes shared; without a GPU, nothing happens."""


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the GPU: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use on the GPU: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes held on the GPU: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that were held on the GPU: 0."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begins to count memory anew; without a GPU, nothing happens."""


def _missing(*args: Any, **kwargs: Any) -> NoReturn:
    """Needs a GPU. RuntimeError, as there is none."""
    raise RuntimeError(
        "rustnn has no CUDA device on this machine (use torch.cuda.is_available() to check)",
    )


current_device = _missing
current_stream = _missing
get_device_capability = _missing
get_device_name = _missing
get_device_properties = _missing
get_rng_state = _missing
init = _missing
mem_get_info = _missing
set_device = _missing
set_rng_state = _missing
synchronize = _missing


can_device_access_peer = _missing
default_stream = _missing
get_sync_debug_mode = _missing
initial_seed = _missing
set_per_process_memory_fraction = _missing
set_sync_debug_mode = _missing
utilization = _missing

memory_cached = memory_reserved
max_memory_cached = max_memory_reserved
reset_max_memory_allocated = reset_peak_memory_stats
reset_max_memory_cached = reset_peak_memory_stats


def seed() -> None:
    """Seeds the generator of the GPU anew; without one, nothing happens."""


seed_all = seed


def get_rng_state_all() -> list[Any]:
    """The states of the generators of all GPUs: none."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Sets the states of the generators of all GPUs; RuntimeError for more than none."""
    for state in new_states:
        _missing(state)


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Statistics of memory: none."""
    return {}


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Statistics of memory as text: none."""
    return ""


def get_arch_list() -> list[str]:
    """The architectures that there are kernels for: none."""
    return []


def is_tf32_supported() -> bool:
    """Whether the GPU has TF32: False, without one."""
    return False


def is_current_stream_capturing() -> bool:
    """Whether work on the GPU is being recorded: False."""
    return False


class Stream:
    """An order of work on a GPU. RuntimeError, as there is none."""

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        _missing()


class CUDAGraph:
    """Recorded work on a GPU. RuntimeError, as there is none."""

    def __init__(self, keep_graph: bool = False) -> None:
        _missing()


class Event:
    """A mark in a stream of a GPU; it can be made, but not recorded."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self.enable_timing = enable_timing

    record = _missing
    elapsed_time = _missing
    wait = _missing

    def query(self) -> bool:
        """Whether the work before the mark is done: True, there is none."""
        return True

    def synchronize(self) -> None:
        """Waits for the work before the mark: there is none."""


class stream:
    """``with torch.cuda.stream(s):`` for a stream or None, which changes nothing."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None: ...


class device:
    """``with torch.cuda.device(0):`` makes a GPU the current one. RuntimeError, as there is none."""

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None and self.idx != -1:
            _missing()

    def __exit__(self, *exception: object) -> None: ...


def __getattr__(name: str) -> Any:
    if name.endswith("Tensor"):
        from rustnn.legacy import CUDA_TYPES

        if name in CUDA_TYPES:
            return CUDA_TYPES[name]
    if name in ("amp", "nvtx"):
        from importlib import import_module

        return import_module(f"rustnn.cuda.{name}")
    if name == "OutOfMemoryError":
        from rustnn import OutOfMemoryError

        return OutOfMemoryError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
