"""How operations are written with ONNX's operators: one function an operation, in files by family."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

    # What a call's results are called in the graph: one name, or one for each.
    Mapping = Callable[[Graph, Call], str | list[str]]

__all__ = ["families", "mapping", "maps"]

_FAMILIES = (
    "elementwise activations reductions linear_algebra convolutions pooling normalization embedding "
    "attention recurrent shapes joining indexing creation sorting padding resampling losses"
).split()
_mappings: dict[str, Mapping] = {}


def maps(*names: str) -> Callable[[Mapping], Mapping]:
    """The function below writes these operations."""

    def register(function: Mapping) -> Mapping:
        for name in names:
            assert name not in _mappings, name
            _mappings[name] = function
        return function

    return register


def mapping(name: str) -> Mapping | None:
    """The function that writes an operation; None if there is none."""
    families()
    return _mappings.get(name)


def families() -> dict[str, list[str]]:
    """The operations that can be written, by family."""
    from importlib import import_module

    found: dict[str, list[str]] = {}
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    for name, function in _mappings.items():
        found.setdefault(function.__module__.rpartition(".")[2], []).append(name)
    return {family: sorted(found.get(family, ())) for family in _FAMILIES}
