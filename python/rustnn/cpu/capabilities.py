"""What the processor can do."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["capabilities"]

# PyTorch's names that are Linux's too, and those that are called otherwise.
_SAME = """
    sse sse2 sse4_1 sse4_2 sse4a ssse3 avx avx2 avx_vnni f16c fma4 bmi2 popcnt aes clflush clflushopt clwb
    avx512_4fmaps avx512_4vnniw avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2 avx512_vnni
    avx512_vp2intersect avx512_vpopcntdq amx_bf16 amx_fp16 amx_int8 amx_tile
"""
_OTHERWISE = {
    "sse3": "pni",
    "fma3": "fma",
    "bmi": "bmi1",
    "lzcnt": "abm",
    "sha": "sha_ni",
    "avx512_f": "avx512f",
    "avx512_bw": "avx512bw",
    "avx512_cd": "avx512cd",
    "avx512_dq": "avx512dq",
    "avx512_vl": "avx512vl",
    "avx512_ifma": "avx512ifma",
    "avx512_vbmi": "avx512vbmi",
}


@cache
def capabilities() -> Mapping[str, bool | int | str]:
    """See ``rustnn.cpu.get_capabilities``."""
    found: dict[str, bool | int | str] = {
        "architecture": platform.machine(),
        "num_logical_cores": os.cpu_count() or 1,
    }
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return MappingProxyType(found)
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    first = {name.strip(): value.strip() for name, _, value in pairs}
    if "model name" in first:
        found["cpu_name"] = first["model name"]
    if "flags" in first:
        flags = set(first["flags"].split())
        found |= {name: name in flags for name in _SAME.split()}
        found |= {name: flag in flags for name, flag in _OTHERWISE.items()}
    return MappingProxyType(found)
