"""``TracerBase``: makes nodes of calls, and proxies of nodes; what all tracers have in common."""

from __future__ import annotations

from rustnn.fx.node import Node, map_aggregate
from rustnn.fx.proxy import Proxy, TraceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rustnn.fx.graph import Graph

__all__ = ["GraphAppendingTracer", "TracerBase"]


class TracerBase:
    """Adds nodes to ``graph``. Subclasses may change what becomes a node, and what becomes of a node."""

    graph: Graph

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node at the end of the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """A new node, and what stands for it."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args, kwargs, name, type_expr)
        return self.proxy(node) if proxy_factory_fn is None else proxy_factory_fn(node)

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node."""
        return Proxy(node, self)

    def create_arg(self, a: Any) -> Any:
        """An argument as a graph has it: with nodes in the places of proxies.

        NotImplementedError for objects that no code could name.
        """
        return map_aggregate(a, self._create_item)

    def _create_item(self, a: Any) -> Any:
        if isinstance(a, Proxy):
            return a.node
        known = (str, int, float, complex, bytes, type(None), type(Ellipsis), range, type, Node)
        if isinstance(a, known) or callable(a) or type(a).__module__ == "rustnn":
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """What an ``if`` on a proxy does: TraceError."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """What a ``for`` over a proxy does: TraceError."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a "
            "*args or **kwargs function argument. Functions and modules whose loops depend on inputs can be "
            "single nodes: torch.fx.wrap, Tracer.is_leaf_module"
        )

    def keys(self, obj: Proxy) -> Any:
        """What ``**proxy`` does: a node that calls ``keys``, over which one cannot iterate."""
        from rustnn.fx.proxy import Attribute

        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Adds what is done to proxies to a graph that is there already: ``Proxy(node)`` has one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
