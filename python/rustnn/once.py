"""Warnings that are given once in a process, unless ``set_warn_always`` asks for more."""

from __future__ import annotations

__all__ = ["warn_once"]

_given: set[str] = set()


def warn_once(text: str, stacklevel: int = 2) -> None:
    """Gives a UserWarning that was not given before. ``stacklevel`` counts from the caller."""
    import warnings

    from rustnn.settings import is_warn_always_enabled

    if text in _given and not is_warn_always_enabled():
        return
    _given.add(text)
    warnings.warn(text, stacklevel=stacklevel + 1)
