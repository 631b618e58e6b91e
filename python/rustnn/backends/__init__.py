"""Switches and questions about the libraries that PyTorch computes with.

They can be set, as scripts do; there being no such library here, nothing depends on them. What asks whether a
library is there says no.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = [
    "cpu",
    "cuda",
    "cudnn",
    "mha",
    "mkl",
    "mkldnn",
    "mps",
    "nnpack",
    "openmp",
    "opt_einsum",
    "quantized",
]


class _Library:
    """A library that is not there, with its switches."""

    _name: str

    def __init__(self, name: str, **switches: Any) -> None:
        object.__setattr__(self, "_name", name)
        self.__dict__.update(switches)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            raise AttributeError(f"torch.backends.{self._name} has no switch {name!r}")
        self.__dict__[name] = value

    def __repr__(self) -> str:
        return f"<torch.backends.{self._name}: not used by rustnn>"

    def is_available(self) -> bool:
        """Whether the library can be used: False."""
        return False

    def is_built(self) -> bool:
        """Whether rustnn was built with the library: False."""
        return False

    def version(self) -> int | None:
        """The version of the library: None."""
        return None

    @contextmanager
    def flags(self, **switches: Any) -> Iterator[None]:
        """``with flags(enabled=False):`` sets switches for a while."""
        before = dict(self.__dict__)
        for name, value in switches.items():
            setattr(self, name, value)
        try:
            yield
        finally:
            self.__dict__.update(before)

    def set_flags(self, **switches: Any) -> tuple[Any, ...]:
        """Sets switches; what they were."""
        before = tuple(self.__dict__[name] for name in switches)
        for name, value in switches.items():
            setattr(self, name, value)
        return before


class _Cuda(_Library):
    """CUDA's switches, among them those of scaled dot product attention."""

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Allows or forbids a kernel of attention; there is one only."""
        self.__dict__["_flash"] = enabled

    def enable_mem_efficient_sdp(self, enabled: bool) -> None:
        """Allows or forbids a kernel of attention; there is one only."""
        self.__dict__["_mem_efficient"] = enabled

    def enable_math_sdp(self, enabled: bool) -> None:
        """Allows or forbids a kernel of attention; there is one only."""
        self.__dict__["_math"] = enabled

    def enable_cudnn_sdp(self, enabled: bool) -> None:
        """Allows or forbids a kernel of attention; there is one only."""
        self.__dict__["_cudnn"] = enabled

    def flash_sdp_enabled(self) -> bool:
        """What was set."""
        return bool(self.__dict__["_flash"])

    def mem_efficient_sdp_enabled(self) -> bool:
        """What was set."""
        return bool(self.__dict__["_mem_efficient"])

    def math_sdp_enabled(self) -> bool:
        """What was set."""
        return bool(self.__dict__["_math"])

    def cudnn_sdp_enabled(self) -> bool:
        """What was set."""
        return bool(self.__dict__["_cudnn"])

    @contextmanager
    def sdp_kernel(self, **kernels: bool) -> Iterator[None]:
        """``with sdp_kernel(enable_math=True):`` is taken; there is one kernel only."""
        yield

    def preferred_linalg_library(self, backend: Any = None) -> str:
        """The library for linear algebra: "default"."""
        return "default"

    preferred_blas_library = preferred_linalg_library


class _Cudnn(_Library):
    """The library for neural networks on GPUs."""

    def is_acceptable(self, tensor: Any) -> bool:
        """Whether the library can take a tensor: False."""
        return False


class _Mha(_Library):
    """The fast path of transformers, which changes no result."""

    def get_fastpath_enabled(self) -> bool:
        """What was set."""
        return bool(self.__dict__["_fastpath"])

    def set_fastpath_enabled(self, value: bool) -> None:
        """Allows or forbids the fast path."""
        self.__dict__["_fastpath"] = value


class _Cpu(_Library):
    """The processor."""

    def get_cpu_capability(self) -> str:
        """The instruction set that kernels are chosen by is rustnn's own affair: "DEFAULT"."""
        return "DEFAULT"


cpu = _Cpu("cpu")
cuda = _Cuda(
    "cuda",
    matmul=_Library(
        "cuda.matmul",
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
        allow_fp16_accumulation=False,
        fp32_precision="none",
    ),
    _flash=True,
    _mem_efficient=True,
    _math=True,
    _cudnn=True,
)
cudnn = _Cudnn(
    "cudnn",
    enabled=True,
    benchmark=False,
    benchmark_limit=10,
    deterministic=False,
    allow_tf32=True,
    fp32_precision="none",
)
mha = _Mha("mha", _fastpath=True)
mkl = _Library("mkl")
mkldnn = _Library("mkldnn", enabled=True, deterministic=False, allow_tf32=True, fp32_precision="none")
mps = _Library("mps")
nnpack = _Library("nnpack")
openmp = _Library("openmp")
opt_einsum = _Library("opt_einsum", enabled=False, strategy=None)
quantized = _Library("quantized", engine="none", supported_engines=["none"])

# So that `import torch.backends.cudnn as cudnn` finds them.
sys.modules.update({f"{__name__}.{_name}": globals()[_name] for _name in __all__})
