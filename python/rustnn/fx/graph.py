"""``Graph``: steps in the order in which they run."""

from __future__ import annotations

from rustnn.fx.code import forward_code, illegal_name
from rustnn.fx.node import Node, map_arg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rustnn.nn import Module

__all__ = ["Graph"]


def _snake_case(name: str) -> str:
    """``BatchNorm`` as ``batch_norm``."""
    letters = []
    for before, letter in zip(" " + name, name, strict=False):
        if letter.isupper() and before.islower():
            letters.append("_")
        letters.append(letter.lower())
    return "".join(letters)


class _InsertPoint:
    """Where new nodes go, within a ``with``."""

    def __init__(self, graph: Graph, before: Node) -> None:
        self.graph = graph
        self.old, graph._before = graph._before, before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        self.graph._before = self.old


class Graph:
    """Nodes from placeholders to the output; ``nodes`` walks over them, also while they change."""

    def __init__(self, owning_module: Module | None = None, tracer_cls: Any = None) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._before = self._root
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}
        self.owning_module = owning_module
        self._tracer_cls = tracer_cls

    @property
    def nodes(self) -> _Nodes:
        """All nodes, in order."""
        return _Nodes(self)

    # ---- making nodes ----

    def create_name(self, candidate: str) -> str:
        """A name that is free: ``relu``, ``relu_1``, ..."""
        candidate = (
            "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in candidate)
            or "_unnamed"
        )
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        base, _, number = candidate.rpartition("_")
        if base and number.isdigit():
            count = int(number)
        else:
            base, count = candidate, 0
        if candidate not in self._names and not illegal_name(candidate):
            name = candidate
        else:
            count = self._counts.get(base, count)
            name = candidate
            while name in self._names or illegal_name(name):
                count += 1
                name = f"{base}_{count}"
        self._names.add(name)
        self._counts[base] = max(count, self._counts.get(base, 0))
        return name

    def _name_of(self, target: Any) -> str:
        if callable(target):
            target = target.__name__
            if target.startswith("__") and target.endswith("__"):
                target = target[2:-2]
            return _snake_case(target)
        return _snake_case(f"_{target.lstrip('*')}" if target.startswith("*") else str(target))

    def create_node(
        self,
        op: str,
        target: Any,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node: at the end, or where ``inserting_before`` says."""
        found = self.create_name(self._name_of(target) if name is None else name)
        node = Node(self, found, op, target, tuple(args or ()), dict(kwargs or {}), type_expr)
        self._before.prepend(node)
        return node

    def placeholder(self, name: str, type_expr: Any = None, *default_value: Any) -> Node:
        """A node for an argument."""
        return self.create_node("placeholder", name, default_value, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A node for a parameter, buffer or other attribute."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self,
        module_name: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A node that calls a module."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A node that calls a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """A node that calls a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """The node of the result."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda node: node) -> Node:
        """A copy of a node of another graph; ``arg_transform`` says what its arguments are here."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        return copy

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copies of all nodes of a graph but its output; what its result is here."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], val_map.__getitem__)
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, val_map.__getitem__)
        return None

    # ---- changing them ----

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """New nodes go before a node (without one, to the beginning), until the end of the ``with``."""
        return self.inserting_after(self._root) if n is None else _InsertPoint(self, n)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """New nodes go after a node (without one, to the end), until the end of the ``with``."""
        return _InsertPoint(self, self._root if n is None else n.next)

    def erase_node(self, to_erase: Node) -> None:
        """Takes a node out. RuntimeError if others use it."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                f"{to_erase.users}!"
            )
        if to_erase._erased:
            return
        to_erase._leave()
        to_erase._erased = True
        to_erase._update((), {})

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Takes out the nodes whose values nobody uses; whether there were some."""
        self.lint()
        impure = Node.is_impure if is_impure_node is None else is_impure_node
        changed = False
        for node in reversed(list(self.nodes)):
            if not node.users and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, and with a target if one is given."""
        return [node for node in self.nodes if node.op == op and (target is None or node.target == target)]

    def output_node(self) -> Node:
        """The node of the result."""
        return next(node for node in reversed(list(self.nodes)) if node.op == "output")

    def attribute(self, target: str) -> Any:
        """What the module that owns the graph has under a name with dots; None if it has nothing."""
        found: Any = self.owning_module
        for part in target.split("."):
            found = getattr(found, part, None)
        return found

    def lint(self) -> None:
        """RuntimeError unless all nodes come after what they use, and the targets are in the module."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please "
                        f"check that Nodes in the graph are topologically ordered\n{self}"
                    )
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                found: Any = self.owning_module
                for part in node.target.split("."):
                    found = getattr(found, part, None)
                    if found is None:
                        raise RuntimeError(
                            f"Node {node} target {node.target} references nonexistent attribute {part}"
                        )

    # ---- showing them ----

    def python_code(self, root_module: str = "self") -> Any:
        """The code: ``src`` is its text, ``globals`` what its names stand for."""
        from types import SimpleNamespace

        text, values = forward_code(list(self.nodes), root_module)
        return SimpleNamespace(src=text, globals=values)

    def print_tabular(self) -> None:
        """Prints the nodes as a table."""
        rows = [["opcode", "name", "target", "args", "kwargs"]]
        rows += [[n.op, n.name, str(n.target), str(n.args), str(n.kwargs)] for n in self.nodes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        for row in rows:
            print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    def __str__(self) -> str:
        lines = [line for node in self.nodes if (line := node.format_node())]
        return "graph():\n    " + "\n    ".join(lines)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        memo[id(self)] = made
        copies: dict[Node, Node] = {}
        for node in self.nodes:
            copies[node] = made.node_copy(node, copies.__getitem__)
        return made

    def __reduce__(self) -> Any:
        numbers = {node: i for i, node in enumerate(self.nodes)}
        rows = [
            (n.op, n.target, *map_arg((n.args, n.kwargs), lambda used: _Place(numbers[used])), n.name, n.type)
            for n in self.nodes
        ]
        return _rebuilt, (rows, self._tracer_cls)


class _Place:
    """Stands for a node in a pickle."""

    def __init__(self, number: int) -> None:
        self.number = number


def _rebuilt(rows: list[Any], tracer_cls: Any) -> Graph:
    from rustnn.fx.node import map_aggregate

    graph = Graph(tracer_cls=tracer_cls)
    made: list[Node] = []
    for op, target, args, kwargs, name, kind in rows:
        args, kwargs = map_aggregate((args, kwargs), lambda x: made[x.number] if isinstance(x, _Place) else x)
        made.append(graph.create_node(op, target, args, kwargs, name, kind))
    return graph


class _Nodes:
    """The nodes of a graph, forwards or backwards."""

    def __init__(self, graph: Graph, backwards: bool = False) -> None:
        self.graph = graph
        self.backwards = backwards

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = root._prev if self.backwards else root._next
        while node is not root:
            if not node._erased:
                yield node
            node = node._prev if self.backwards else node._next

    def __reversed__(self) -> _Nodes:
        return _Nodes(self.graph, not self.backwards)

    def __len__(self) -> int:
        return sum(1 for _ in self)
