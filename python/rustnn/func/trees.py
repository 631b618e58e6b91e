"""Tensors in nested tuples, lists and dicts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["leaves", "rebuild", "tree_map"]


def leaves(tree: Any) -> list[Any]:
    """What is in the containers, in order."""
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return [tree]


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same containers with ``function`` of what is in them."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(tree_map(function, item) for item in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(tree_map(function, item) for item in tree)
    if isinstance(tree, dict):
        return {key: tree_map(function, item) for key, item in tree.items()}
    return function(tree)


def rebuild(tree: Any, new: list[Any]) -> Any:
    """The same containers with other things in them, in order."""
    rest = iter(new)
    return tree_map(lambda _: next(rest), tree)
