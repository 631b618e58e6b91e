"""``Tracer``: runs a model once with proxies, and makes the graph of what it does."""

from __future__ import annotations

import builtins
import sys

from rustnn._C import Tensor
from rustnn.fx.graph import Graph
from rustnn.fx.graph_module import GraphModule
from rustnn.fx.node import Node, map_aggregate
from rustnn.fx.proxy import Proxy, TraceError
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter
from rustnn.overrides import TorchFunctionMode, is_tensor_method_or_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["Tracer", "record", "symbolic_trace", "tracer_among", "wrap"]

# Functions of users' own that are to be one node: the names of a module, and their names there.
_wrapped: list[tuple[dict[str, Any], str]] = []


def tracer_among(args: Any, kwargs: Any) -> Any:
    """The tracer of the first proxy among the arguments; None without one."""
    found: list[Any] = []
    map_aggregate((args, kwargs), lambda x: found.append(x.tracer) if isinstance(x, Proxy) else None)
    return found[0] if found else None


def record(tracer: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The proxy of a call."""
    name: str = function.__name__
    if is_tensor_method_or_property(function):
        if name == "__get__":  # an attribute
            raise TraceError("attributes of tensors that are no inputs cannot depend on inputs")
        plain = name[2:-2] if name.startswith("__") and name.endswith("__") else name
        return tracer.create_proxy("call_method", plain, args, kwargs)
    return tracer.create_proxy("call_function", function, args, kwargs)


class _Recording(TorchFunctionMode):
    """Sees every call, and records those that have a proxy among their arguments."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tracer = tracer_among(args, kwargs or {})
        if tracer is None:
            return func(*args, **(kwargs or {}))
        return record(tracer, func, args, kwargs or {})


class Tracer:
    """``trace(model)`` makes a graph. A subclass says which modules are single nodes (``is_leaf_module``)."""

    graph: Graph
    root: Module

    def __init__(self, graph: Graph | None = None, **settings: Any) -> None:
        if graph is not None:
            self.graph = graph
            self.root = Module()

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a module is one node: those of ``torch.nn`` are, but not ``Sequential``."""
        from rustnn.nn import Sequential

        return type(m).__module__.startswith("rustnn.nn") and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """Where a module is in the model. NameError if it is not in it."""
        for name, module in self.root.named_modules(remove_duplicate=False):
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

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

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node."""
        return Proxy(node, self)

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
    ) -> Proxy:
        """A new node, and what stands for it."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        return self.proxy(self.create_node(kind, target, args, kwargs, name, type_expr))

    def create_arg(self, a: Any) -> Any:
        """An argument as a graph has it: proxies are nodes, and tensors attributes. NotImplementedError for
        objects that no code could name."""
        return map_aggregate(a, self._create_item)

    def _create_item(self, a: Any) -> Any:
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, Parameter):
            for name, parameter in self.root.named_parameters():
                if parameter is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            for name, buffer in self.root.named_buffers():
                if buffer is a:
                    return self.create_node("get_attr", name, (), {})
            return self.create_node("get_attr", self._attribute(a, "_tensor_constant"), (), {})
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        known = (str, int, float, complex, bytes, type(None), type(Ellipsis), range, type, Node)
        if isinstance(a, known) or callable(a) or type(a).__module__ == "rustnn":
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _attribute(self, value: Any, prefix: str) -> str:
        """The name of the attribute that holds a value, a new one if none does."""
        for name, held in vars(self.root).items():
            if held is value:
                return name
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        setattr(self.root, f"{prefix}{number}", value)
        return f"{prefix}{number}"

    def call_module(
        self, m: Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A node for a leaf, else what the module does."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def trace(self, root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module or function. TraceError where what it does depends on values.

        ``concrete_args`` gives arguments that are not to be inputs; the graph checks that they stay so.
        """
        if isinstance(root, Module):
            self.root = root
            function = type(root).forward
            first: tuple[Any, ...] = (root,)
        else:
            self.root = Module()
            function, first = root, ()
        self.graph = Graph(tracer_cls=type(self))
        before: Any = Module.__call__
        tracer = self

        def call(module: Module, *args: Any, **kwargs: Any) -> Any:
            return tracer.call_module(module, lambda *a, **k: before(module, *a, **k), args, kwargs)

        args = self._arguments(function, first, concrete_args or {})
        undo = [(names, name, names.get(name, _wrapped)) for names, name in _wrapped]
        Module.__call__ = call  # type: ignore[method-assign, assignment]
        try:
            for names, name, _ in undo:
                original = names.get(name, getattr(builtins, name, None))
                if original is not None:
                    names[name] = _recorded(original)
            with _Recording():
                result = _with_positions_only(function)(*first, *args)
            self.create_node("output", "output", (self.create_arg(result),), {})
        finally:
            Module.__call__ = before  # type: ignore[method-assign]
            for names, name, value in undo:
                if value is _wrapped:
                    names.pop(name, None)
                else:
                    names[name] = value
        return self.graph

    def _arguments(self, function: Any, first: tuple[Any, ...], concrete: dict[str, Any]) -> list[Any]:
        """A placeholder for each parameter of a function."""
        from inspect import Parameter as Formal
        from inspect import signature

        formals = list(signature(function).parameters.values())[len(first) :]
        # In the order of a function's code: `*args` and `**kwargs` come last.
        formals.sort(key=lambda formal: formal.kind in (Formal.VAR_POSITIONAL, Formal.VAR_KEYWORD))
        made: list[Any] = []
        for formal in formals:
            kind = None if formal.annotation in (Formal.empty, "Any") else formal.annotation
            default = () if formal.default is Formal.empty else (formal.default,)
            stars = str(formal)[: len(str(formal)) - len(str(formal).lstrip("*"))]
            if formal.name in concrete:
                made.append(self._concrete(formal.name, concrete[formal.name], default))
            else:
                name = f"{stars}{formal.name}"
                made.append(self.create_proxy("placeholder", name, default, {}, type_expr=kind))
        return made

    def _concrete(self, name: str, value: Any, default: tuple[Any, ...]) -> Any:
        """A placeholder that is not used, and a check that it is what was said."""
        import rustnn

        place = self.create_proxy("placeholder", f"{name}_1", default, {})
        if isinstance(value, (bool, int, float, str)):
            said = f"{name} has been specialized to have value {value} but got another value"
            self.create_proxy("call_function", rustnn._assert, (place.__eq__(value), said), {})
        return value


def _with_positions_only(function: Any) -> Any:
    """A function that takes each of its parameters, ``**kwargs`` too, as one positional argument."""
    from inspect import CO_VARARGS, CO_VARKEYWORDS

    code = getattr(function, "__code__", None)
    stars = CO_VARARGS | CO_VARKEYWORDS
    if code is None or not (code.co_kwonlyargcount or code.co_flags & stars):
        return function
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    changed = code.replace(
        co_argcount=count, co_posonlyargcount=0, co_kwonlyargcount=0, co_flags=code.co_flags & ~stars
    )
    return type(function)(changed, function.__globals__, function.__name__, None, function.__closure__)


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is one node when it is called with a proxy."""
    from functools import wraps

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tracer = tracer_among(args, kwargs)
        if tracer is None:
            return function(*args, **kwargs)
        return tracer.create_proxy("call_function", function, args, kwargs)

    return wrapped


def wrap(fn_or_name: str | Callable[..., Any]) -> Any:
    """At the top of a module: calls of this function are single nodes. Takes a function, or its name."""
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped.append((frame.f_globals, name))
    return fn_or_name


def symbolic_trace(
    root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """A module that does what ``root`` does, by a graph that can be looked through and changed.

    ``root`` is called once, with proxies. TraceError where it decides by values.
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)
