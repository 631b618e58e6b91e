"""NVIDIA GPUs: `torch.cuda`.

Nothing here needs a GPU to be imported. What scripts call whether there is a GPU or not (`empty_cache`,
`manual_seed`, statistics of memory) does nothing or gives zero where there is none; what needs one raises
RuntimeError. Not every operation runs on a GPU as yet: those that do not raise NotImplementedError and name
themselves.
"""

from __future__ import annotations

from rustnn import _C
from rustnn.cuda.libraries import add_library_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

add_library_folders()

__all__ = [
    "CUDAGraph",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "graph",
    "graph_pool_handle",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "make_graphed_callables",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "synchronize",
]


# ---- devices ----


def is_available() -> bool:
    """Whether a GPU can be used: there is a driver, and it has one."""
    return _C._cuda_device_count() > 0


def device_count() -> int:
    """Number of GPUs."""
    return _C._cuda_device_count()


def is_initialized() -> bool:
    """Whether this process has used a GPU."""
    return _C._cuda_is_initialized()


def init() -> None:
    """Makes the current GPU ready, which its first use does too. RuntimeError if there is none."""
    _C._cuda_properties(_index(None))


def _index(device: Any) -> int:
    """The number of the GPU that is meant; the current one if none is named."""
    if isinstance(device, int):
        return current_device() if device < 0 else device
    if device is None:
        return current_device()
    asked = _C.device(device)
    if asked.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {asked}")
    return current_device() if asked.index is None else asked.index


def current_device() -> int:
    """The number of the GPU that is meant where none is named. RuntimeError if there is none."""
    return _C._cuda_current_device()


def set_device(device: Any) -> None:
    """Makes a GPU the current one of this thread; a negative number changes nothing."""
    if not isinstance(device, int) or device >= 0:
        _C._cuda_set_device(_index(device))


class _DeviceProperties:
    """What is known of a GPU: name, compute capability (`major`, `minor`), sizes in bytes."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    max_threads_per_multi_processor: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int
    shared_memory_per_multiprocessor: int
    L2_cache_size: int
    clock_rate: int
    memory_clock_rate: int
    memory_bus_width: int
    warp_size = 32
    is_integrated = 0
    is_multi_gpu_board = 0

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, multi_processor_count={self.multi_processor_count}, "
            f"L2_cache_size={self.L2_cache_size >> 20}MB)"
        )


def get_device_properties(device: Any = None) -> _DeviceProperties:
    """Name, compute capability and sizes of a GPU."""
    return _DeviceProperties(_C._cuda_properties(_index(device)))


def get_device_name(device: Any = None) -> str:
    """The name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability of a GPU, such as (9, 0)."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU has bfloat16, if need be emulated; False without one."""
    return is_available() and (including_emulation or get_device_capability() >= (8, 0))


def is_tf32_supported() -> bool:
    """Whether the GPU has TF32; False without one."""
    return is_available() and get_device_capability() >= (8, 0)


def get_arch_list() -> list[str]:
    """The architectures that there are kernels for: that of each GPU, as they are compiled where they run."""
    found = (get_device_capability(i) for i in range(device_count()))
    return sorted({f"sm_{major}{minor}" for major, minor in found})


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether a GPU reads another one's memory: False, copies go through the driver."""
    first, second = _index(device), _index(peer_device)
    if max(first, second) >= device_count():
        raise AssertionError(f"Invalid device id: {max(first, second)}")
    return False


class device:
    """``with torch.cuda.device(0):`` makes a GPU the current one; None and negative numbers do not."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device if isinstance(device, int) else _index(device)
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx >= 0:
            self.prev_idx = current_device()
            set_device(self.idx)

    def __exit__(self, *exception: object) -> None:
        set_device(self.prev_idx)


class device_of(device):
    """``with torch.cuda.device_of(tensor):`` makes the tensor's GPU the current one; of others, nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def synchronize(device: Any = None) -> None:
    """Waits until all work of a GPU is done. RuntimeError if there is none."""
    _C._cuda_synchronize(_index(device))


def _missing(*args: Any, **kwargs: Any) -> NoReturn:
    """Needs a GPU. RuntimeError if there is none, NotImplementedError otherwise."""
    init()
    raise NotImplementedError("this function of torch.cuda is not implemented yet")


get_sync_debug_mode = _missing
set_per_process_memory_fraction = _missing
set_sync_debug_mode = _missing
utilization = _missing


def ipc_collect() -> None:
    """Frees memory that other processes shared: none is shared."""


_GRAPHS = {
    "CUDAGraph",
    "graph",
    "graph_pool_handle",
    "is_current_stream_capturing",
    "make_graphed_callables",
}
_MEMORY = {
    "empty_cache",
    "max_memory_allocated",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_cached",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_max_memory_allocated",
    "reset_max_memory_cached",
    "reset_peak_memory_stats",
}
_RANDOM = {
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
}
_STREAMS = {"Event", "Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"}

if TYPE_CHECKING:
    from rustnn.cuda.graphs import CUDAGraph as CUDAGraph
    from rustnn.cuda.graphs import graph as graph
    from rustnn.cuda.graphs import graph_pool_handle as graph_pool_handle
    from rustnn.cuda.graphs import is_current_stream_capturing as is_current_stream_capturing
    from rustnn.cuda.graphs import make_graphed_callables as make_graphed_callables
    from rustnn.cuda.memory import empty_cache as empty_cache
    from rustnn.cuda.memory import max_memory_allocated as max_memory_allocated
    from rustnn.cuda.memory import max_memory_reserved as max_memory_reserved
    from rustnn.cuda.memory import mem_get_info as mem_get_info
    from rustnn.cuda.memory import memory_allocated as memory_allocated
    from rustnn.cuda.memory import memory_reserved as memory_reserved
    from rustnn.cuda.memory import memory_stats as memory_stats
    from rustnn.cuda.memory import memory_summary as memory_summary
    from rustnn.cuda.memory import reset_peak_memory_stats as reset_peak_memory_stats
    from rustnn.cuda.random import get_rng_state as get_rng_state
    from rustnn.cuda.random import get_rng_state_all as get_rng_state_all
    from rustnn.cuda.random import initial_seed as initial_seed
    from rustnn.cuda.random import manual_seed as manual_seed
    from rustnn.cuda.random import manual_seed_all as manual_seed_all
    from rustnn.cuda.random import seed as seed
    from rustnn.cuda.random import seed_all as seed_all
    from rustnn.cuda.random import set_rng_state as set_rng_state
    from rustnn.cuda.random import set_rng_state_all as set_rng_state_all
    from rustnn.cuda.streams import Event as Event
    from rustnn.cuda.streams import Stream as Stream
    from rustnn.cuda.streams import current_stream as current_stream
    from rustnn.cuda.streams import default_stream as default_stream
    from rustnn.cuda.streams import set_stream as set_stream
    from rustnn.cuda.streams import stream as stream


def __getattr__(name: str) -> Any:
    from importlib import import_module

    families = ((_GRAPHS, "graphs"), (_MEMORY, "memory"), (_RANDOM, "random"), (_STREAMS, "streams"))
    for names, module in families:
        if name in names:
            value = getattr(import_module(f"rustnn.cuda.{module}"), name)
            globals()[name] = value
            return value
    if name.endswith("Tensor"):
        from rustnn.legacy import CUDA_TYPES

        if name in CUDA_TYPES:
            return CUDA_TYPES[name]
    if name == "default_generators":
        return tuple(_C._cuda_generator(i) for i in range(device_count()))
    if name in ("amp", "graphs", "nvtx", "memory", "random", "streams"):
        return import_module(f"rustnn.cuda.{name}")
    if name == "OutOfMemoryError":
        from rustnn import OutOfMemoryError

        return OutOfMemoryError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
