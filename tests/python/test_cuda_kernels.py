"""The text of kernels goes through NVIDIA's compiler, for the architectures that are supported. It needs no GPU, but
the package nvidia-cuda-nvrtc."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import rustnn as torch

ARCHITECTURES = ["compute_75", "sm_80", "sm_90"]
# Of a template, in a sample.
INSTANCES = 6


@cache
def compiler() -> Any:
    """NVRTC, or None where it is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "cu13" / "lib"
        if (folder / "libnvrtc.so.13").exists():
            ctypes.CDLL(str(folder / "libnvrtc-builtins.so.13.0"))  # it does not find this by itself
            return ctypes.CDLL(str(folder / "libnvrtc.so.13"))
    return None


def errors(text: str, architecture: str) -> str:
    """What the compiler says against a text; empty if nothing."""
    nvrtc = compiler()
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17", b"-default-device"]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() if failed else ""


def kernels() -> list[tuple[str, str]]:
    """A sample of the formulas, in turn flat, wide and strided, few of the wide types, which differ from the narrow in
    name alone; and of the templates some instances of each. All where RUSTNN_ALL_KERNELS says so, as in
    `make test-cuda`."""
    formulas, templates = torch._C._cuda_formula_kernels(), torch._C._cuda_template_kernels()
    if os.environ.get("RUSTNN_ALL_KERNELS"):
        return [k for k in formulas if not k[1].startswith("!")] + templates
    instances: dict[str, list[tuple[str, str]]] = {}
    for kernel in templates:
        instances.setdefault(kernel[0].split()[1], []).append(kernel)
    some = [k for all_of_it in instances.values() for k in all_of_it[:: -(-len(all_of_it) // INSTANCES)]]
    chosen = [k for i, k in enumerate(formulas) if not k[1].startswith("!") and i % 3 == (i // 3) % 3]
    narrow = [k for k in chosen if "float64" not in k[0] and "complex128" not in k[0]]
    wide = [k for k in chosen if k not in narrow]
    return narrow[::2] + wide[::10] + some


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("part", range(4))
def test_kernels_compile(architecture: str, part: int) -> None:
    if compiler() is None:
        pytest.skip("nvidia-cuda-nvrtc is not installed")
    prologue = torch._C._cuda_prologue()
    # Every architecture gets its share.
    shift = ARCHITECTURES.index(architecture)
    for i, (name, text) in enumerate(kernels()):
        if i % 3 == shift and i // 3 % 4 == part:
            # Formulas differ in nothing that the assembler could stumble over: they stay PTX, which is faster.
            target = architecture if "template" in name else architecture.replace("sm_", "compute_")
            assert not errors(prologue + text, target), name
