"""How rustnn was built, as text."""

from __future__ import annotations

from rustnn import _C

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The parts that it is made of, one a line."""
    from rustnn import version

    return f"PyTorch API {version.__version__}, built with:\n  - Rust\n  - faer, rustfft\n"


def parallel_info() -> str:
    """Threads, and what they are used for."""
    return f"ATen/Parallel:\n\tat::get_num_threads() : {_C.get_num_threads()}\n"


def _cxx_flags() -> str:
    """What a C++ compiler was told: there was none."""
    return ""
