"""Where there is a GPU these tests run on it. Where there is none they run on an emulated one: `tests/cuda_host` has a
driver and a compiler that run the text of kernels on the CPU, so that everything but the hardware is tested.

The emulated driver has to be named before the library looks for one: these tests want a process of their own.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "cuda_host"
TARGET = Path(__file__).parent.parent.parent / "target"
sys.path.insert(0, str(Path(__file__).parent.parent))


def _has_gpu() -> bool:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return bool(driver.cuInit(0) == 0)


def _emulate() -> str | None:
    """Builds the emulated driver and names it; the reason, if that cannot be."""
    if shutil.which("g++") is None or not sys.platform.startswith("linux"):
        return "no GPU, and no g++ to emulate one with"
    texts = b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir()))
    folder = TARGET / f"cuda_host-{hashlib.sha256(texts).hexdigest()[:12]}"
    kernels = folder / "kernels"
    if not (folder / "built").exists():
        own = folder.with_name(f"{folder.name}.{os.getpid()}")
        subprocess.run([SOURCES / "build.sh", own], check=True)
        (own / "kernels").mkdir(exist_ok=True)
        (own / "built").touch()
        try:
            own.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(own)
    os.environ["RUSTNN_CUDA_DRIVER"] = str(folder / "libcuda.so.1")
    os.environ["RUSTNN_CUDA_LIBRARIES"] = os.environ["RUSTNN_CUDA_HOST"] = str(folder)
    os.environ["RUSTNN_EMULATED_KERNELS"] = str(kernels)
    os.environ["RUSTNN_KERNEL_CACHE"] = ""
    return None


EMULATED = not _has_gpu()
REASON = _emulate() if EMULATED else None


@pytest.fixture(autouse=True)
def _gpu() -> None:
    """Skips where there is no GPU, of either kind."""
    if REASON is not None:
        pytest.skip(REASON)
