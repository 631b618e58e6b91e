"""``Node``: one step of a graph."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.fx.graph import Graph

__all__ = ["Node", "has_side_effect", "map_aggregate", "map_arg"]

#: Functions that do something besides giving a value.
side_effectful_functions: set[Any] = set()

_OPS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")


def has_side_effect(fn: Any) -> Any:
    """Notes that a function does something besides giving a value, so that nodes of it stay; the function."""
    side_effectful_functions.add(fn)
    return fn


def map_aggregate(argument: Any, function: Callable[[Any], Any]) -> Any:
    """``function`` of everything in tuples, lists, dicts and slices."""
    if isinstance(argument, tuple):
        items = [map_aggregate(item, function) for item in argument]
        return type(argument)(*items) if hasattr(argument, "_fields") else tuple(items)
    if isinstance(argument, list):
        return [map_aggregate(item, function) for item in argument]
    if isinstance(argument, dict):
        return {key: map_aggregate(item, function) for key, item in argument.items()}
    if isinstance(argument, slice):
        return slice(*(map_aggregate(x, function) for x in (argument.start, argument.stop, argument.step)))
    return function(argument)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """``fn`` of every node in an argument; the rest as it is."""
    return map_aggregate(a, lambda item: fn(item) if isinstance(item, Node) else item)


def type_name(kind: Any) -> str:
    """An annotation as text."""
    if isinstance(kind, str):
        return repr(kind)
    if isinstance(kind, type) and not hasattr(kind, "__args__"):
        module = kind.__module__
        if module == "builtins":
            return kind.__name__
        return f"{module.replace('rustnn', 'torch', 1)}.{kind.__name__}"
    return str(kind).replace("rustnn.", "torch.")


class Node:
    """A step: ``op`` is placeholder, get_attr, call_function, call_method, call_module or output.

    ``target`` is what is called (a function, or the name of a method or of a module), ``args`` and ``kwargs``
    may hold other nodes, ``users`` are the nodes that take this one. ``meta`` is for whoever changes graphs.
    """

    _prev: Node
    _next: Node

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_type: Any = None,
    ) -> None:
        if op not in _OPS:
            raise AssertionError(f"op must be one of {_OPS}, got {op}")
        self.graph = graph
        self.name = name
        self.op = op
        self.target = target
        self.type = return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._prev = self._next = self
        self._erased = False
        self._update(args, kwargs)

    def _update(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}
        map_arg((args, kwargs), lambda node: self._input_nodes.setdefault(node))
        for new in self._input_nodes:
            new.users.setdefault(self)
        self._args, self._kwargs = args, kwargs

    @property
    def args(self) -> tuple[Any, ...]:
        """Positional arguments."""
        return self._args

    @args.setter
    def args(self, args: tuple[Any, ...]) -> None:
        self._update(tuple(args), self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None:
        self._update(self._args, dict(kwargs))

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Another positional argument at a place."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """One more positional argument before a place."""
        args = list(self.args)
        args.insert(idx, arg)
        self.args = tuple(args)

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Another argument by a name."""
        self.kwargs = {**self.kwargs, key: arg}

    def prepend(self, x: Node) -> None:
        """Moves a node to the place before this one."""
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._leave()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x

    def append(self, x: Node) -> None:
        """Moves a node to the place after this one."""
        self._next.prepend(x)

    def _leave(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] | None = None,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Gives the users of this node another one instead; the users that were changed."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = [user for user in self.users if delete_user_cb is None or delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    def replace_input_with(self, old_input: Node, new_input: Any) -> None:
        """Another node where an argument was ``old_input``."""

        def exchanged(node: Node) -> Any:
            return new_input if node is old_input else node

        self._update(map_arg(self.args, exchanged), map_arg(self.kwargs, exchanged))

    @property
    def stack_trace(self) -> str | None:
        """Where the step was written, if that was noted."""
        text: str | None = self.meta.get("stack_trace")
        return text

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the step does something besides giving a value."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            name: str = getattr(self.target, "__name__", "")
            return (
                name == "_assert"
                or self.target in side_effectful_functions
                or (name.endswith("_") and not name.endswith("__"))
            )
        if self.op == "call_method":
            return self.target.endswith("_") and not self.target.endswith("__")
        return False

    def format_node(self) -> str | None:
        """The node as a line of the graph's text."""
        kind = "" if self.type is None else f"{type_name(self.type)} "
        users = f"[num_users={len(self.users)}]"
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"%{self.name} : {kind}{users} = placeholder[target={self.target}]{default}"
        if self.op == "output":
            return f"return {self.args[0]}"
        head = f"%{self.name} : {kind}{users} = {self.op}[target={self.target_name()}]"
        if self.op == "get_attr":
            return head
        return f"{head}(args = {_shown(self.args)}, kwargs = {_shown(self.kwargs)})"

    def target_name(self) -> str:
        """The target as text: ``torch.relu``, ``operator.add``, ``layer1.0``."""
        from rustnn.fx.code import function_name

        return function_name(self.target) if callable(self.target) else str(self.target)

    def __repr__(self) -> str:
        return self.name


def _shown(argument: Any) -> str:
    """Arguments, with a mark on nodes."""
    if isinstance(argument, tuple):
        inside = ", ".join(map(_shown, argument))
        return f"({inside},)" if len(argument) == 1 else f"({inside})"
    if isinstance(argument, list):
        return f"[{', '.join(map(_shown, argument))}]"
    if isinstance(argument, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in argument.items()) + "}"
    return f"%{argument}" if isinstance(argument, Node) else str(argument)
