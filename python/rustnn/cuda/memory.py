"""How much memory of a GPU is in use. Sizes are in bytes; all are 0 as long as no GPU is in use."""

from __future__ import annotations

from rustnn import _C
from rustnn.cuda import _index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "empty_cache",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_peak_memory_stats",
]


def _statistics(device: Any) -> dict[str, int]:
    if not _C._cuda_is_initialized():
        return {}
    return _C._cuda_memory_statistics(_index(device))


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors hold."""
    return _statistics(device).get("allocated", 0)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors held since the start, or since ``reset_peak_memory_stats``."""
    return _statistics(device).get("peak_allocated", 0)


def memory_reserved(device: Any = None) -> int:
    """Bytes that the allocator holds, in use or kept for reuse."""
    return _statistics(device).get("reserved", 0)


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that the allocator held since the start, or since ``reset_peak_memory_stats``."""
    return _statistics(device).get("peak_reserved", 0)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begins to look for the most bytes anew; without a GPU in use, nothing happens."""
    if _C._cuda_is_initialized():
        _C._cuda_reset_peaks(_index(device))


def empty_cache() -> None:
    """Gives memory that is kept for reuse back to the driver; without a GPU in use, nothing happens."""
    if _C._cuda_is_initialized():
        for index in range(_C._cuda_device_count()):
            _C._cuda_empty_cache(index)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of a GPU, as the driver counts them. RuntimeError if there is none."""
    return _C._cuda_memory_info(_index(device))


def memory_stats(device: Any = None) -> dict[str, Any]:
    """What the allocator holds and how often it was asked, by PyTorch's names; empty without a GPU in use."""
    found = _statistics(device)
    if not found:
        return {}
    return {
        "allocated_bytes.all.current": found["allocated"],
        "allocated_bytes.all.peak": found["peak_allocated"],
        "allocation.all.allocated": found["allocations"],
        "allocation.all.freed": found["frees"],
        "allocation.all.current": found["allocations"] - found["frees"],
        "num_alloc_retries": found["retries"],
        "num_ooms": found["out_of_memory"],
        "reserved_bytes.all.current": found["reserved"],
        "reserved_bytes.all.peak": found["peak_reserved"],
        "segment.all.current": found["segments"],
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The statistics as a table; empty without a GPU in use."""
    found = _statistics(device)
    if not found:
        return ""
    rows = [
        ("Allocated memory", found["allocated"], found["peak_allocated"]),
        ("GPU reserved memory", found["reserved"], found["peak_reserved"]),
    ]
    lines = [f"rustnn CUDA memory summary, device {_index(device)}", f"{'':24}{'now':>14}{'peak':>14}"]
    lines += [f"{name:24}{now / 2**20:>10.1f} MiB{peak / 2**20:>10.1f} MiB" for name, now, peak in rows]
    if not abbreviated:
        lines.append(f"{'Allocations':24}{found['allocations']:>14}")
        lines.append(f"{'Frees':24}{found['frees']:>14}")
        lines.append(f"{'Retries after a full GPU':24}{found['retries']:>14}")
        lines.append(f"{'Out of memory':24}{found['out_of_memory']:>14}")
    return "\n".join(lines)


memory_cached = memory_reserved
max_memory_cached = max_memory_reserved
reset_max_memory_allocated = reset_peak_memory_stats
reset_max_memory_cached = reset_peak_memory_stats
