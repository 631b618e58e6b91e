"""The Python code of a graph."""

from __future__ import annotations

import builtins
import keyword
import operator

from rustnn.fx.node import Node, map_arg, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["forward_code", "function_name", "illegal_name"]

# Operators by what they are called in the module `operator`.
_BINARY = {
    "add": "+", "sub": "-", "mul": "*", "floordiv": "//", "truediv": "/", "mod": "%", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "matmul": "@",
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
}  # fmt: skip
_UNARY = {"pos": "+", "neg": "-", "invert": "~"}
_IN_PLACE = {f"i{name.rstrip('_')}": f"{sign}=" for name, sign in list(_BINARY.items())[:13]}


def illegal_name(name: str) -> bool:
    """Whether a name means something in Python already."""
    return (
        keyword.iskeyword(name)
        or name in ("inf", "nan", "NoneType", "torch", "device")
        or name in vars(builtins)
    )


def function_name(function: Any) -> str:
    """How code writes a function."""
    from rustnn.overrides import resolve_name

    module, name = getattr(function, "__module__", None), getattr(function, "__name__", None)
    if module == "_operator":
        return f"operator.{name}"
    if module == "builtins" and name is not None:
        return f"builtins.{name}"
    found = resolve_name(function) if callable(function) else None
    if found is None and module == "rustnn.functional":
        return f"torch.{name}"
    if found is not None:
        return found.replace("torch.functional.", "torch.")
    if name is None:
        return type(function).__name__
    return f"{module}.{name}".replace("rustnn", "torch", 1)


class _Writer:
    """Writes code, and collects the values that it names."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.globals: dict[str, Any] = {}
        self.locals = {node.name for node in nodes}
        #: Functions that a tracer is not to look into, by their names in the code.
        self.wrapped: dict[str, None] = {}

    def value(self, argument: Any) -> str:
        """An argument as an expression."""
        if isinstance(argument, tuple):
            inside = ", ".join(map(self.value, argument))
            if hasattr(argument, "_fields"):
                return f"{self.known(type(argument).__name__, type(argument))}({inside})"
            return f"({inside},)" if len(argument) == 1 else f"({inside})"
        if isinstance(argument, list):
            return f"[{', '.join(map(self.value, argument))}]"
        if isinstance(argument, dict):
            return "{" + ", ".join(f"{key!r}: {self.value(item)}" for key, item in argument.items()) + "}"
        if isinstance(argument, slice):
            return f"slice({', '.join(map(self.value, (argument.start, argument.stop, argument.step)))})"
        if isinstance(argument, (Node, int, str, bytes, complex, type(None), type(Ellipsis))):
            return repr(argument)
        if isinstance(argument, float):
            finite = argument == argument and argument not in (float("inf"), -float("inf"))
            return repr(argument) if finite else f"float({str(argument)!r})"
        kind = type(argument)
        if kind.__module__ == "rustnn" and kind.__name__ in ("dtype", "layout", "memory_format", "device"):
            import rustnn

            self.globals.setdefault("torch", rustnn)
            text = repr(argument)
            return text if text.startswith("torch.") else f"torch.{text}"
        name = getattr(argument, "__name__", kind.__name__)
        return self.known(name, argument)

    def known(self, name: str, value: Any) -> str:
        """A name for a value that code cannot write."""
        name = "".join(letter if letter.isalnum() else "_" for letter in name)
        free, number = name, 0
        while illegal_name(free) or free in self.locals or self.globals.get(free, value) is not value:
            number += 1
            free = f"{name}_{number}"
        self.globals[free] = value
        return free

    def function(self, function: Any) -> str:
        """A function by its name: ``torch.cat`` where that is what ``torch.cat`` is."""
        import rustnn

        name = function_name(function)
        root, *path = name.split(".")
        found: Any = {"torch": rustnn, "operator": operator, "builtins": builtins}.get(root)
        holder = found
        for part in path:
            found = getattr(found, part, None)
        if found is not function or not path:
            return self.known(name, function)
        self.globals.setdefault(root, holder)
        return name.removeprefix("builtins.") if root == "builtins" else name

    def call(self, head: str, args: Iterable[Any], kwargs: dict[str, Any]) -> str:
        """A call."""
        inside = [self.value(argument) for argument in args]
        inside += [f"{key} = {self.value(argument)}" for key, argument in kwargs.items()]
        return f"{head}({', '.join(inside)})"

    def expression(self, node: Node) -> str:
        """What a node computes."""
        target, args, kwargs = node.target, node.args, node.kwargs
        if node.op == "call_method":
            return self.call(f"{self.value(args[0])}.{target}", args[1:], kwargs)
        if node.op == "call_module":
            return self.call(self.path("self", target), args, kwargs)
        if node.op == "get_attr":
            return self.path("self", target)
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", None) == "_operator" and not kwargs:
            if name in _BINARY and len(args) == 2:
                return f"{self.value(args[0])} {_BINARY[name]} {self.value(args[1])}"
            if name in _UNARY:
                return f"{_UNARY[name]}{self.value(args[0])}"
            if name == "getitem":
                return f"{self.value(args[0])}[{self.value(args[1])}]"
        if target is getattr and len(args) == 2 and args[1].isidentifier():
            return f"{self.value(args[0])}.{args[1]}"
        name = self.function(target)
        if node.meta.get("is_wrapped"):
            self.wrapped.setdefault(name)
        return self.call(name, args, kwargs)

    def annotation(self, kind: Any) -> str:
        """An annotation, after its colon; nothing for None."""
        if kind is None:
            return ""
        import rustnn

        name = type_name(kind)
        root, _, last = name.rpartition(".")
        if root == "torch" and getattr(rustnn, last, None) is kind:
            self.globals.setdefault("torch", rustnn)
        elif not isinstance(kind, str) and vars(builtins).get(name) is not kind:
            name = self.known(name, kind)
        return f" : {name}"

    def path(self, head: str, target: str) -> str:
        """An attribute of an attribute."""
        for part in target.split("."):
            head = f"{head}.{part}" if part.isidentifier() else f'getattr({head}, "{part}")'
        return head


def forward_code(nodes: list[Node], root: str = "self") -> tuple[str, dict[str, Any]]:
    """The text of ``forward``, and the values that its names stand for."""
    writer = _Writer(nodes)
    # Values are let go after their last use.
    last_user: dict[Node, Node] = {}
    done_after: dict[Node, list[Node]] = {}
    for node in reversed(nodes):

        def note(used: Node, user: Node = node) -> None:
            if used not in last_user:
                last_user[used] = user
                done_after.setdefault(user, []).append(used)

        map_arg(node.args, note)
        map_arg(node.kwargs, note)
    parameters, lines = [root], []
    for node in nodes:
        if node.op == "placeholder":
            kind = writer.annotation(node.type)
            default = f" = {writer.value(node.args[0])}" if node.args else ""
            parameters.append(f"{node.target}{kind}{default}")
            raw = node.target.lstrip("*")
            if raw != node.name:
                lines.append(f"    {node.name} = {raw}\n")
            continue
        if node.op == "output":
            lines.append(f"    return {writer.value(node.args[0])}")
            continue
        done = done_after.get(node, []) + ([] if node.users else [node])
        dropped = f";  {' = '.join([*map(repr, done), 'None'])}" if done else ""
        if node.op == "call_function" and getattr(node.target, "__module__", None) == "_operator":
            sign = _IN_PLACE.get(node.target.__name__)
            if sign is not None:
                first, second = map(writer.value, node.args)
                lines.append(f"    {first} {sign} {second};  {node.name} = {first}{dropped}\n")
                continue
        lines.append(f"    {node.name} = {writer.expression(node)}{dropped}\n")
    body = "".join(lines) or "    pass\n"
    if writer.wrapped:
        import rustnn

        writer.globals.setdefault("torch", rustnn)
    wrapped = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in writer.wrapped)
    return f"\n{wrapped}\n\ndef forward({', '.join(parameters)}):\n{body}\n    ", writer.globals
