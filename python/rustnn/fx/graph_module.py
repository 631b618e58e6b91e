"""``GraphModule``: a module whose ``forward`` is the code of a graph."""

from __future__ import annotations

from rustnn.fx.graph import Graph
from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

__all__ = ["GraphModule"]


def _put(target: str, value: Any, module: Module) -> None:
    """Makes an attribute of an attribute; modules on the way are made."""
    from rustnn._C import Tensor
    from rustnn.nn.parameter import Parameter

    *path, last = target.split(".")
    for part in path:
        if part not in module._modules:
            module.add_module(part, Module())
        module = getattr(module, part)
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        module.register_buffer(last, value)
    else:
        setattr(module, last, value)


def _get(target: str, module: Any) -> Any:
    for part in target.split("."):
        module = getattr(module, part)
    return module


class GraphModule(Module):
    """``root``'s modules and tensors, as far as ``graph`` names them, and a ``forward`` from the graph.

    ``root`` may be a dict from names to values. After a change of the graph, ``recompile()``.
    """

    _graph: Graph
    _code: str

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # A class of its own: `forward` belongs to the class.
        made = type("GraphModuleImpl", (cls,), {"__module__": __name__})
        return object.__new__(made)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        targets = [n.target for n in graph.nodes if n.op in ("call_module", "get_attr")]
        if isinstance(root, Module):
            self.training = root.training
            for target in dict.fromkeys(targets):
                _put(target, _get(target, root), self)
        else:
            for target in dict.fromkeys(targets):
                if target not in root:
                    raise RuntimeError(
                        f"Node referenced target {target} but that target was not provided in ``root``!"
                    )
                _put(target, root[target], self)
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The graph; a new one is compiled at once."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        object.__setattr__(self, "_graph", g)
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The text of ``forward``."""
        return self._code

    def recompile(self) -> Any:
        """Makes ``forward`` anew, after the graph was changed."""
        from linecache import cache

        made = self._graph.python_code()
        object.__setattr__(self, "_code", made.src)
        file = f"<eval_with_key>.{id(type(self))}"
        cache[file] = (len(made.src), None, made.src.splitlines(True), file)  # for tracebacks
        namespace: dict[str, Any] = dict(made.globals)
        exec(compile(made.src, file, "exec"), namespace)
        type(self).forward = namespace["forward"]
        return made

    def add_submodule(self, target: str, m: Module) -> bool:
        """Puts a module at a name with dots; whether that was possible."""
        *path, last = target.split(".")
        module: Module = self
        for part in path:
            if part not in module._modules:
                module.add_module(part, Module())
            found: Any = getattr(module, part)
            if not isinstance(found, Module):
                return False
            module = found
        module.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Takes a module out; whether it was there."""
        head, _, last = target.rpartition(".")
        try:
            module = _get(head, self) if head else self
        except AttributeError:
            return False
        if last not in module._modules:
            return False
        delattr(module, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Takes out the modules that the graph does not name."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                parts = node.target.split(".")
                used.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
                module = self.graph.attribute(node.target)
                if node.op == "call_module" and module is not None:
                    used.update(f"{node.target}.{name}" for name, _ in module.named_modules() if name)
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, **options: Any) -> str:
        """The class as code."""
        head, definition, rest = self.code.strip().partition("def forward(")
        first, _, rest = rest.partition("\n")
        code = f"{head}{definition}{first}\n    # No stacktrace found for following nodes\n{rest}"
        body = "\n".join(f"    {line}".rstrip() for line in code.splitlines())
        text = f"class {self._get_name()}(torch.nn.Module):\n{body}\n"
        if print_output:
            print(text)
        return text

    def to_folder(self, folder: str | os.PathLike[str], module_name: str = "FxModule") -> None:
        """Writes a Python package that makes the module again: ``from FOLDER import FxModule``.

        Its parameters are in ``state_dict.pt``, modules that their text does not make in files of their own.
        """
        from rustnn.fx.folder import write

        write(self, folder, module_name)

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        from copy import deepcopy

        made: GraphModule = GraphModule.__new__(GraphModule)
        memo[id(self)] = made
        type(made).__name__ = self._get_name()
        state = {key: value for key, value in vars(self).items() if key not in ("_graph", "_code")}
        made.__dict__.update(deepcopy(state, memo))
        made.graph = deepcopy(self._graph, memo)
        return made

    def __reduce__(self) -> Any:
        state = {key: value for key, value in vars(self).items() if key not in ("_graph", "_code")}
        return _rebuilt, (state, self._graph, self._get_name())

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return f"{super().__repr__()}\n{self._code}\n{hint}"


def _rebuilt(state: dict[str, Any], graph: Graph, name: str) -> GraphModule:
    made: GraphModule = GraphModule.__new__(GraphModule)
    type(made).__name__ = name
    made.__dict__.update(state)
    made.graph = graph
    return made
