"""Where NVIDIA's libraries lie: packages of pip put them into folders of their own."""

from __future__ import annotations

import sys

from rustnn import _C

__all__ = ["add_library_folders"]


def add_library_folders() -> None:
    """Tells the engine the folders ``nvidia/*/lib`` of ``sys.path``, in which it looks for the compiler."""
    import os

    for entry in sys.path:
        nvidia = os.path.join(entry, "nvidia")
        if not os.path.isdir(nvidia):
            continue
        for package in sorted(os.listdir(nvidia)):
            for name in ("lib", "bin"):
                folder = os.path.join(nvidia, package, name)
                if os.path.isdir(folder):
                    _C._cuda_add_library_folder(folder)
