"""NVIDIA GPUs: none are supported yet, and these functions say so."""

from __future__ import annotations

__all__ = ["device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """Whether a GPU can be used: False."""
    return False


def device_count() -> int:
    """Number of GPUs: 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the generator of a GPU; without one, nothing happens, as in PyTorch."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs; without one, nothing happens, as in PyTorch."""
