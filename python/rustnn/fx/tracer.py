"""``Tracer``: runs a model once with proxies, and makes the graph of what it does."""

from __future__ import annotations

import builtins
import math
import sys

from rustnn._C import Tensor
from rustnn.fx.graph import Graph
from rustnn.fx.graph_module import GraphModule
from rustnn.fx.node import map_aggregate
from rustnn.fx.proxy import ParameterProxy, Proxy, TraceError
from rustnn.fx.tracer_base import TracerBase
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter
from rustnn.overrides import TorchFunctionMode, is_tensor_method_or_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

    from rustnn.fx.node import Node

__all__ = ["PH", "Tracer", "record", "symbolic_trace", "tracer_among", "wrap"]

# Functions of users' own that are to be one node: the names of a module, and their names there.
_wrapped: dict[tuple[int, str], dict[str, Any]] = {}


class PHBase:
    """The class of ``PH``."""

    def __repr__(self) -> str:
        return "PH"


#: Among ``concrete_args``: an argument that stays an input.
PH = PHBase()


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


class Tracer(TracerBase):
    """``trace(model)`` makes a graph. A subclass says which modules are single nodes (``is_leaf_module``).

    Functions of ``autowrap_modules`` and ``autowrap_functions`` are single nodes when they are called with a
    proxy. ``param_shapes_constant`` lets shapes of parameters be what they are, not nodes.
    """

    root: Module
    #: Whether what is taken of buffers is a node too, as it is for parameters.
    proxy_buffer_attributes: bool = False

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        self.param_shapes_constant = param_shapes_constant
        self._autowrap_modules = list(autowrap_modules)
        self._autowrapped = {
            function
            for module in autowrap_modules
            for name, function in vars(module).items()
            if not name.startswith("_") and callable(function)
        }
        self._autowrapped.update(autowrap_functions)

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

    def _create_item(self, a: Any) -> Any:
        if isinstance(a, Parameter):
            name = _name_in(self.root.named_parameters(), a)
            if name is None:
                raise NameError("parameter is not a member of this module")
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, Tensor):
            name = _name_in(self.root.named_buffers(), a) or self._attribute(a, "_tensor_constant")
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super()._create_item(a)

    def _attribute(self, value: Any, prefix: str) -> str:
        """The name of the attribute that holds a value, a new one if none does."""
        for name, held in vars(self.root).items():
            if held is value:
                return name
        name = self.get_fresh_qualname(prefix)
        setattr(self.root, name, value)
        return name

    def get_fresh_qualname(self, prefix: str) -> str:
        """``prefix`` with the first number that makes it no attribute of the model."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    def call_module(
        self, m: Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A node for a leaf, else what the module does."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What an attribute of a module of the model is while it is traced: for a parameter, its node."""
        if isinstance(attr_val, Parameter):
            members: Iterable[tuple[str, Tensor]] = self.root.named_parameters()
        elif self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            members = self.root.named_buffers()
        else:
            return attr_val
        name = _name_in(members, attr_val)
        if name is None:
            return attr_val
        if name not in parameter_proxy_cache:
            factory = None
            if self.param_shapes_constant and isinstance(attr_val, Parameter):

                def factory(node: Node) -> Proxy:
                    return ParameterProxy(self, node, name, attr_val)

            parameter_proxy_cache[name] = self.create_proxy(
                "get_attr", name, (), {}, proxy_factory_fn=factory
            )
        return parameter_proxy_cache[name]

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
        args = self._arguments(function, first, concrete_args or {})
        patches = _Patches()
        try:
            self._patch_modules(patches)
            for (_, name), names in _wrapped.items():
                original = names.get(name, getattr(builtins, name, None))
                if original is not None:
                    patches.put(names, name, _recorded(original))
            self._autowrap(patches, getattr(function, "__globals__", {}))
            for module in self._autowrap_modules:
                self._autowrap(patches, vars(module))
            with _Recording():
                result = _with_positions_only(function)(*first, *args)
            self.create_node("output", "output", (self.create_arg(result),), {})
        finally:
            patches.undo()
        return self.graph

    def _patch_modules(self, patches: _Patches) -> None:
        """Lets calls and attributes of modules come to this tracer."""
        call: Any = Module.__call__
        take: Any = Module.__getattr__
        proxies: dict[str, Any] = {}

        def traced_call(module: Module, *args: Any, **kwargs: Any) -> Any:
            self._autowrap(patches, getattr(type(module).forward, "__globals__", {}))
            return self.call_module(module, lambda *a, **k: call(module, *a, **k), args, kwargs)

        def traced_getattr(module: Module, name: str) -> Any:
            return self.getattr(name, take(module, name), proxies)

        patches.put_attribute(Module, "__call__", traced_call)
        patches.put_attribute(Module, "__getattr__", traced_getattr)

    def _autowrap(self, patches: _Patches, names: dict[str, Any]) -> None:
        """Makes the functions that are to be wrapped nodes, where they have names."""
        if id(names) in patches.seen:
            return
        patches.seen.add(id(names))
        for name, value in list(names.items()):
            if not name.startswith("_") and callable(value) and _is_among(value, self._autowrapped):
                patches.put(names, name, _recorded(value))

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
        """A placeholder that is not used, and a check that it is what was said; for ``PH`` an input."""
        import rustnn

        place = self.create_proxy("placeholder", f"{name}_1", default, {})
        if isinstance(value, PHBase):
            return place
        if value is None:
            said = f"{name} has been specialized to have value None but got another value"
            self.create_proxy("call_function", _assert_is_none, (place, said), {})
        elif isinstance(value, (bool, int, float, str)):
            said = f"{name} has been specialized to have value {value} but got another value"
            self.create_proxy("call_function", rustnn._assert, (place.__eq__(value), said), {})
        else:
            import warnings

            warnings.warn(
                f"Was not able to add assertion to guarantee correct input {name} to specialized function. "
                "It is up to the user to make sure that your inputs match the inputs you specialized the "
                "function with.",
                stacklevel=2,
            )
        return value


def _assert_is_none(value: Any, msg: str) -> None:
    """AssertionError unless a value is None."""
    assert value is None, msg


# The name that the code of graphs has for it.
_assert_is_none.__module__ = "rustnn.fx._symbolic_trace"


def _name_in(members: Iterable[tuple[str, Tensor]], value: Tensor) -> str | None:
    """The name of a tensor among parameters or buffers; None if it is not among them."""
    return next((name for name, member in members if member is value), None)


def _is_among(value: Any, functions: set[Any]) -> bool:
    """Whether a value is one of the functions; values that cannot be looked up are not."""
    try:
        return value in functions
    except TypeError:
        return False


class _Patches:
    """Values that are put in the places of others for a while."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self._undo: list[Callable[[], object]] = []

    def put(self, names: dict[str, Any], name: str, value: Any) -> None:
        """Another value of a name among ``names``."""
        if name in names:
            before = names[name]
            self._undo.append(lambda: names.__setitem__(name, before))
        else:
            self._undo.append(lambda: names.pop(name, None))
        names[name] = value

    def put_attribute(self, owner: Any, name: str, value: Any) -> None:
        """Another value of an attribute."""
        before = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Puts back what was there."""
        while self._undo:
            self._undo.pop()()


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
        made = tracer.create_proxy("call_function", function, args, kwargs)
        made.node.meta["is_wrapped"] = True
        return made

    return wrapped


def wrap(fn_or_name: str | Callable[..., Any]) -> Any:
    """At the top of a module: calls of this function are single nodes. Takes a function, or its name."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped[id(frame.f_globals), name] = frame.f_globals
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
