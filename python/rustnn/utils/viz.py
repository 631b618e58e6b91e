"""`make_dot`: the graph of autograd as a picture, drawn by Graphviz."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from graphviz import Digraph

__all__ = ["make_dot"]

_SAVED = "_saved_"
_OUTPUT, _BASE, _LEAF, _SAVED_TENSOR = "darkolivegreen1", "darkolivegreen3", "lightblue", "orange"


def make_dot(
    outputs: Any,
    params: Mapping[str, _C.Tensor] | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: int = 50,
) -> Digraph:
    """The graph behind a tensor, or behind several (in a tuple, list or dict), as a `graphviz.Digraph`.

    Boxes are operations; leaves are blue, outputs green (the tensor that an output is a view of, darker),
    saved tensors orange. ``params``, such as ``dict(model.named_parameters())``, gives leaves their names.
    ``show_attrs`` writes what an operation saved into its box, at most ``max_attr_chars`` characters each,
    and ``show_saved`` draws the tensors that it saved; a function of the user's own always shows them.

    ``.render('graph')`` writes a PDF, with ``format='svg'`` or ``'png'`` a picture, ``.view()`` opens it;
    these need the program `dot` of Graphviz. ImportError without the package `graphviz`, TypeError for what
    is no tensor.
    """
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(
            "make_dot needs the package 'graphviz': pip install graphviz, or pip install rustnn[viz]"
        ) from error
    tensors = list(_tensors(outputs, "outputs"))
    for name, tensor in (params or {}).items():
        if not isinstance(tensor, _C.Tensor):
            raise TypeError(f"params must hold tensors, {name!r} is {type(tensor).__name__}")
    picture = _Picture(params or {}, show_attrs, show_saved, max_attr_chars)
    for tensor in tensors:
        picture.add_output(tensor, _OUTPUT)
    box = {"style": "filled", "shape": "box", "align": "left", "fontsize": "10", "height": "0.2"}
    side = str(max(12, 0.15 * (len(picture.nodes) + len(picture.edges))))
    dot = graphviz.Digraph(
        node_attr={**box, "ranksep": "0.1", "fontname": "monospace"}, graph_attr={"size": f"{side},{side}"}
    )
    for key, (label, style) in picture.nodes.items():
        dot.node(key, label, **style)
    for tail, head, style in picture.edges:
        dot.edge(tail, head, **style)
    return dot


def _tensors(value: Any, name: str) -> Iterator[_C.Tensor]:
    if isinstance(value, _C.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()), name)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item, name)
    else:
        raise TypeError(f"{name} must be a tensor or several, not {type(value).__name__}")


class _Picture:
    """Boxes and arrows. Objects keep their key as long as they live, and they live as long as the picture."""

    def __init__(
        self, params: Mapping[str, _C.Tensor], show_attrs: bool, show_saved: bool, max_attr_chars: int
    ) -> None:
        self.names = {id(tensor): name for name, tensor in params.items()}
        self.show_attrs = show_attrs
        self.show_saved = show_saved
        self.max_attr_chars = max(max_attr_chars, 3)
        self.nodes: dict[str, tuple[str, dict[str, str]]] = {}
        self.edges: list[tuple[str, str, dict[str, str]]] = []
        self.keys: dict[int, str] = {}
        self.alive: list[object] = []

    def key(self, thing: object) -> str:
        if id(thing) not in self.keys:
            self.keys[id(thing)] = str(len(self.keys))
            self.alive.append(thing)
        return self.keys[id(thing)]

    def add_tensor(self, tensor: _C.Tensor, colour: str, name: str | None = None) -> str:
        key = self.key(tensor)
        shape = ", ".join(map(str, tensor.shape))
        self.nodes[key] = (f"{name or self.names.get(id(tensor), '')}\n ({shape})", {"fillcolor": colour})
        return key

    def add_output(self, tensor: _C.Tensor, colour: str) -> None:
        if self.key(tensor) in self.nodes:
            return
        key = self.add_tensor(tensor, colour)
        if tensor.grad_fn is not None:
            self.add_graph(tensor.grad_fn)
            self.edges.append((self.key(tensor.grad_fn), key, {}))
        if tensor._is_view() and tensor._base is not None:
            self.add_output(tensor._base, _BASE)
            self.edges.append((self.key(tensor._base), key, {"style": "dotted"}))

    def add_graph(self, root: Any) -> None:
        """All nodes behind one. Not by recursion: a graph may be deeper than Python's stack."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            key = self.key(node)
            if key in self.nodes:
                continue
            self.nodes[key] = (self.label(node), {})
            if self.show_saved:
                for name, value in _saved(node):
                    for label, tensor in _named_tensors(name, value):
                        saved = self.add_tensor(tensor, _SAVED_TENSOR, label)
                        self.edges.append((key, saved, {"dir": "none"}))
            if hasattr(node, "variable"):
                self.edges.append((self.add_tensor(node.variable, _LEAF), key, {}))
            before = [next for next, _ in node.next_functions if next is not None]
            self.edges.extend((self.key(next), key, {}) for next in before)
            waiting.extend(reversed(before))
            for tensor in getattr(node, "saved_tensors", ()):
                if tensor is not None:
                    self.edges.append((self.add_tensor(tensor, _SAVED_TENSOR), key, {"dir": "none"}))

    def label(self, node: object) -> str:
        """The name of an operation, and below it what it saved."""
        name = type(node).__name__
        saved = {key: _described(value) for key, value in _saved(node)} if self.show_attrs else {}
        if not saved:
            return name
        first = max(map(len, saved))
        second = min(max(map(len, saved.values())), self.max_attr_chars)
        rows = [
            f"{key:<{first}}: {text if len(text) <= second else text[: second - 3] + '...':>{second}}"
            for key, text in saved.items()
        ]
        return "\n".join([name, "-" * max(first + second + 2, len(name)), *rows])


def _saved(node: object) -> Iterator[tuple[str, Any]]:
    for name in dir(node):
        if name.startswith(_SAVED):
            yield name[len(_SAVED) :], getattr(node, name)


def _named_tensors(name: str, value: Any) -> Iterable[tuple[str, _C.Tensor]]:
    if isinstance(value, _C.Tensor):
        return [(name, value)]
    if isinstance(value, tuple):
        return [(f"{name}[{i}]", item) for i, item in enumerate(value) if isinstance(item, _C.Tensor)]
    return []


def _described(value: Any) -> str:
    if isinstance(value, _C.Tensor):
        return "[saved tensor]"
    return "[saved tensors]" if _named_tensors("", value) else str(value)
