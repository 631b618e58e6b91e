"""What a model did in one run: calls, and the values among which they work."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Call", "Trace", "Value", "values_in"]


class Value:
    """A tensor of the run: an input, a parameter or buffer, a constant, or the result of a call."""

    __slots__ = ("depends", "dtype", "key", "kind", "name", "shape", "tensor")

    def __init__(self, key: int, kind: str, tensor: Tensor, name: str = "", depends: bool = False) -> None:
        self.key = key
        self.kind = kind
        self.name = name
        self.dtype = tensor.dtype
        self.shape: list[Any] = list(tensor.shape)
        # The tensor of what does not depend on the inputs, so that it can be written down.
        self.tensor: Tensor | None = tensor if kind != "result" else None
        self.depends = depends

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name or self.key}: {self.dtype} {self.shape}>"


class Call:
    """An operation with its arguments by name; tensors among them are values."""

    __slots__ = ("arguments", "name", "outputs", "path", "place")

    def __init__(self, name: str, arguments: dict[str, Any], path: str, place: str) -> None:
        self.name = name
        self.arguments = arguments
        self.outputs: list[Value] = []
        self.path = path
        self.place = place

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)

    @property
    def out(self) -> Value:
        return self.outputs[0]

    def where(self) -> str:
        """For messages: the operation, the module that called it and the line of the program."""
        within = f" in the module '{self.path}'" if self.path else ""
        return f"'{self.name.removeprefix('_')}'{within}{f' ({self.place})' if self.place else ''}"


class Trace:
    """The calls of a run in their order, and the values among which they work."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.values: list[Value] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []


def values_in(found: Any) -> Iterator[Value]:
    """All values in the arguments of a call."""
    if isinstance(found, Value):
        yield found
    elif isinstance(found, (list, tuple)):
        for part in found:
            yield from values_in(part)
    elif isinstance(found, dict):
        for part in found.values():
            yield from values_in(part)
    elif isinstance(found, slice):
        yield from values_in([found.start, found.stop, found.step])
