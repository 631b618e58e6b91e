"""``Proxy``: what stands for a value while a model is traced; what is done to it becomes a node."""

from __future__ import annotations

import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn.fx.node import Node

__all__ = ["Attribute", "ParameterProxy", "Proxy", "TraceError"]


class TraceError(ValueError):
    """A model does something that depends on values."""


class Proxy:
    """Stands for the value of ``node``."""

    def __init__(self, node: Node, tracer: Any = None) -> None:
        from rustnn.fx.tracer_base import GraphAppendingTracer

        self.__dict__["node"] = node
        self.__dict__["tracer"] = GraphAppendingTracer(node.graph) if tracer is None else tracer

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Any:
        if k.startswith("__") and k.endswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {k!r}")
        return Attribute(self, k)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __bool__(self) -> bool:
        return bool(self.tracer.to_bool(self))

    def __iter__(self) -> Iterator[Any]:
        import dis
        import sys

        # `a, b = proxy` says how many there are.
        frame = sys._getframe(1)
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
                parts: Any = self
                return iter([parts[i] for i in range(instruction.argval)])
        walked: Iterator[Any] = self.tracer.iter(self)
        return walked

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, "
            "please call torch.fx.wrap('len') at module scope"
        )

    def __contains__(self, item: object) -> bool:
        raise TraceError("symbolically traced variables cannot be searched for a value")

    def keys(self) -> Any:
        """What ``**proxy`` asks for; the tracer says what it gives."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from rustnn.fx.tracer import record, tracer_among

        return record(tracer_among(args, kwargs or {}), func, args, kwargs or {})


class Attribute(Proxy):
    """An attribute of a proxy, which is a node of its own only if it is not called."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.__dict__.update(root=root, attr=attr, tracer=root.tracer, _node=None)

    @property
    def node(self) -> Node:
        """The node that takes the attribute."""
        if self._node is None:
            taken = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {})
            self.__dict__["_node"] = taken.node
        node: Node = self._node
        return node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter whose shape, size and number of dims are its own, not nodes."""

    def __init__(self, tracer: Any, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.__dict__.update(param=param, name=name)

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The parameter's shape."""
        return self.param.shape

    def size(self, *args: Any) -> Any:
        """The parameter's size."""
        return self.param.size(*args)

    def dim(self) -> int:
        """The parameter's number of dims."""
        dims: int = self.param.dim()
        return dims

    @property
    def ndim(self) -> int:
        """The parameter's number of dims."""
        return self.dim()

    def numel(self) -> int:
        """How many elements the parameter has."""
        count: int = self.param.numel()
        return count

    def nelement(self) -> int:
        """How many elements the parameter has."""
        return self.numel()


def _operator(function: Any, reflected: bool = False) -> Any:
    def method(self: Proxy, *others: Any) -> Any:
        args = (*others, self) if reflected else (self, *others)
        return self.tracer.create_proxy("call_function", function, args, {})

    return method


_BINARY = "add sub mul floordiv truediv mod pow lshift rshift and_ or_ xor matmul"
for _name in f"{_BINARY} eq ne lt gt le ge pos neg invert getitem abs".split():
    setattr(Proxy, f"__{_name.rstrip('_')}__", _operator(getattr(operator, _name)))
for _name in _BINARY.split():
    setattr(Proxy, f"__r{_name.rstrip('_')}__", _operator(getattr(operator, _name), True))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]
