"""Kernels with each access to memory looked at: no races, nothing read or written that is not theirs, and no shared
memory read before it is written. On the emulated GPU alone; on a card, compute-sanitizer does this."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import EMULATED

HERE = Path(__file__).parent
CHECKED = {"RUSTNN_EMULATED_CHECK": "1", "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}

pytestmark = pytest.mark.skipif(not EMULATED, reason="for the emulated GPU")


# What takes a moment; without an argument the script runs all.
FAMILIES = "sum|argmax|softmax|sort|unique|search|matmul|convolution|pooling|interpolation|grid|cross-entropy"


def test_kernels_race_nowhere() -> None:
    answer = subprocess.run(
        [sys.executable, HERE / "checked_kernels.py", FAMILIES],
        env={**os.environ, **CHECKED},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FAILED" not in answer.stdout, answer.stdout
    assert answer.stdout.endswith(" cases\n"), answer.stderr


BEGUN = "__shared__ float s[256]; s[threadIdx.x] = 0; __syncthreads(); s[threadIdx.x] = 1; "
WRONG = {
    # The neighbour's element may not be there yet.
    BEGUN + "out[threadIdx.x] = s[threadIdx.x ^ 32];": "race: writes 4 bytes",
    BEGUN + "out[threadIdx.x] = s[threadIdx.x ^ 1];": "race: writes 4 bytes",
    "out[0] += 1;": "race",
    "__shared__ float s[256]; if (threadIdx.x < 9) s[threadIdx.x] = 1; __syncthreads(); "
    "out[threadIdx.x] = s[threadIdx.x];": "not written yet",
    "out[threadIdx.x + 1] = 1;": "0 bytes after the end of a block of 1024",
    "if (threadIdx.x < 7) __syncthreads(); out[threadIdx.x] = 1;": "divergence",
}
RIGHT = {
    BEGUN + "__syncthreads(); out[threadIdx.x] = s[threadIdx.x ^ 32];": "",
    BEGUN + "__syncwarp(); out[threadIdx.x] = s[threadIdx.x ^ 1];": "",
    "atomicAdd(out, 1.0f);": "",
}


def test_wrong_kernels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RUSTNN_EMULATED_CHECK", "1")  # the compiler asks for it when it compiles
        compiler = ctypes.CDLL(os.environ["RUSTNN_CUDA_LIBRARIES"] + "/libnvrtc.so.13", ctypes.RTLD_GLOBAL)
        driver = ctypes.CDLL(os.environ["RUSTNN_CUDA_DRIVER"], ctypes.RTLD_GLOBAL)
        cases = {**WRONG, **RIGHT}
        text = "".join(
            f'extern "C" __global__ void __launch_bounds__(256) kernel{i}(float* out) {{ {body} }}\n'
            for i, body in enumerate(cases)
        )
        program, size, module = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_void_p()
        compiler.nvrtcCreateProgram(ctypes.byref(program), text.encode(), None, 0, None, None)
        assert compiler.nvrtcCompileProgram(program, 0, None) == 0
        compiler.nvrtcGetCUBINSize(program, ctypes.byref(size))
        cubin = ctypes.create_string_buffer(size.value)
        compiler.nvrtcGetCUBIN(program, cubin)
        assert driver.cuModuleLoadData(ctypes.byref(module), cubin) == 0
        address, function, said = ctypes.c_uint64(), ctypes.c_void_p(), ctypes.c_char_p()
        driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(1024))
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(address))
        for i, (body, wanted) in enumerate(cases.items()):
            assert driver.cuModuleGetFunction(ctypes.byref(function), module, f"kernel{i}".encode()) == 0
            code = driver.cuLaunchKernel(function, 1, 1, 1, 256, 1, 1, 0, None, arguments, None)
            message = ""
            if code:
                driver.cuGetErrorString(code, ctypes.byref(said))
                message = (said.value or b"").decode()
            assert (wanted in message) if wanted else not message, (body, message)
        driver.cuMemFree_v2(address)
