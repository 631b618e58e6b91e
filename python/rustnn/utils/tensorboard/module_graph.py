"""The graph of a model as TensorBoard draws it: one box a module, operations and parameters inside.

The model runs once, with hooks. What each module made is known by the numbers that autograd gives its
nodes: they lie between the number at the beginning of the call and the number at its end. The edges are
those of autograd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.versions_pb2 import VersionDef

from rustnn import _C
from rustnn.autograd import enable_grad
from rustnn.nn import Parameter
from rustnn.utils.tensorboard.summary import shape_proto

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn.nn import Module

_PRODUCER = 22  # the version of graph files that TensorBoard reads


@dataclass
class _Value:
    """A tensor as it was when a module took it or gave it: an in-place operation changes its node later."""

    tensor: _C.Tensor
    node: Any
    shape: tuple[int, ...]


@dataclass
class _Call:
    """A call of a module, from its first node to its last."""

    scope: str
    path: str
    kind: str
    parent: int | None
    start: int
    inputs: list[_Value]
    end: int = 0
    outputs: list[_Value] = field(default_factory=list)
    has_calls: bool = False


def _tensors(value: Any) -> Iterator[_C.Tensor]:
    if isinstance(value, _C.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _values(value: Any) -> list[_Value]:
    return [_Value(tensor, tensor.grad_fn, tuple(tensor.shape)) for tensor in _tensors(value)]


class _Run:
    """One run of a model, and the nodes of the graph that it gives."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.paths: dict[int, str] = {}
        self.classes: dict[str, str] = {}
        for path, module in model.named_modules():
            self.paths[id(module)] = path
            self.classes[path] = type(module).__name__
        self.calls: list[_Call] = []
        self.open: list[int] = []
        self.scopes: set[str] = set()
        self.nodes: dict[str, NodeDef] = {}
        self.names: dict[Any, str] = {}  # of autograd's nodes
        self.leaves: dict[int, str] = {}  # of tensors without one, by id
        self.shapes: dict[Any, tuple[int, ...]] = {}
        self.probe = _C.ones((), requires_grad=True)

    def scope_of(self, path: str, above: str = "", scope: str | None = None) -> str:
        """`Net/Sequential[features]/Conv2d[0]` for `features.0`; below another module, from its scope on."""
        scope = self.classes[""] if scope is None else scope
        parts = path[len(above) :].lstrip(".").split(".") if path != above else []
        for part in parts:
            above = f"{above}.{part}" if above else part
            scope += f"/{self.classes[above]}[{part}]"
        return scope

    def now(self) -> int:
        with enable_grad():
            node: Any = (self.probe * 1).grad_fn
        number: int = node._sequence_nr()
        return number

    def enter(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        path, parent = self.paths[id(module)], self.open[-1] if self.open else None
        scope = self.scope_of(path)
        if parent is not None:
            caller = self.calls[parent]
            caller.has_calls = True
            if not caller.path or path.startswith(caller.path + "."):
                scope = self.scope_of(path, caller.path, caller.scope)
        scope = self.unique(scope, self.scopes)
        self.open.append(len(self.calls))
        self.calls.append(
            _Call(scope, path, type(module).__name__, parent, self.now(), _values((args, kwargs)))
        )

    def leave(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        call = self.calls[self.open.pop()]
        call.outputs = _values(output)
        call.end = self.now()

    @staticmethod
    def unique(name: str, taken: set[str]) -> str:
        number, first = 0, name
        while name in taken:
            number += 1
            name = f"{first}_{number}"
        taken.add(name)
        return name

    def add(
        self, name: str, op: str, inputs: list[str], shape: tuple[int, ...] | None, about: str = ""
    ) -> str:
        name = self.unique(name, set(self.nodes)) if name in self.nodes else name
        attributes = {"attr": AttrValue(s=about.encode())} if about else {}
        if shape is not None:
            attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[shape_proto(shape)]))
        self.nodes[name] = NodeDef(name=name, op=op, input=inputs, attr=attributes)
        return name

    def call_of(self, number: int) -> _Call:
        """The innermost call in which the node of this number was made."""
        found = self.calls[0]
        for call in self.calls:  # in the order in which they began
            if call.start > number:
                break
            if number < call.end:
                found = call
        return found

    def name_inputs(self, inputs: list[_C.Tensor]) -> None:
        for i, tensor in enumerate(inputs):
            name = self.add(f"input/input.{i + 1}", "IO Node", [], tuple(tensor.shape))
            self.leaves[id(tensor)] = name
            if tensor.grad_fn is not None:
                self.names[tensor.grad_fn] = name

    def name_parameters(self) -> None:
        scopes = {call.path: call.scope for call in reversed(self.calls)}
        for path, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            owner, _, name = path.rpartition(".")
            self.leaves[id(tensor)] = f"{scopes.get(owner) or self.scope_of(owner)}/{name}"

    def leaf(self, tensor: _C.Tensor, scope: str) -> str:
        """The node of a parameter, or of a tensor that the model has from elsewhere."""
        name = self.leaves.get(id(tensor)) or self.leaves.setdefault(id(tensor), f"{scope}/constant")
        if name not in self.nodes:
            kind = "Parameter" if isinstance(tensor, Parameter) else "Constant"
            self.leaves[id(tensor)] = name = self.add(name, kind, [], tuple(tensor.shape), str(tensor.dtype))
        return name

    def source(self, value: _Value) -> str | None:
        """The node that a tensor comes from, where it is in the graph."""
        if value.node is not None:
            return self.names.get(value.node)
        return self.leaves.get(id(value.tensor))

    def operations(self) -> dict[int, Any]:
        """All of autograd's nodes behind what the modules gave, by number, in the order of making."""
        found: dict[int, Any] = {}
        waiting = [value.node for call in self.calls for value in call.outputs]
        while waiting:
            node = waiting.pop()
            if node is None or node in self.names or hasattr(node, "variable"):
                continue
            number = node._sequence_nr()
            if number not in found:
                found[number] = node
                waiting.extend(next for next, _ in node.next_functions)
        return dict(sorted(found.items()))

    def name_operations(self) -> None:
        operations = self.operations()
        for call in self.calls:
            for value in (*call.inputs, *call.outputs):
                if value.node is not None:
                    self.shapes[value.node] = value.shape
        firsts: dict[int, str] = {}  # the first operation of each call
        for number, node in operations.items():
            scope = self.call_of(number).scope
            inputs = []
            for before, output in node.next_functions:
                if before is None:
                    continue
                if hasattr(before, "variable"):
                    inputs.append(self.leaf(before.variable, scope))
                elif before in self.names:
                    inputs.append(self.names[before] + (f":{output}" if output else ""))
            op = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
            self.names[node] = self.add(f"{scope}/{op}", op, inputs, self.shapes.get(node), node.name())
            firsts[number] = self.names[node]
        for call in self.calls:
            first = next((name for number, name in firsts.items() if call.start < number < call.end), None)
            self.connect_call(call, first)

    def connect_call(self, call: _Call, first: str | None) -> None:
        """What autograd does not see: tensors without gradient that go into a call, or come out of it."""
        plain = [value for value in call.inputs if value.node is None and id(value.tensor) in self.leaves]
        if first is not None:
            if not call.has_calls:
                known = self.nodes[first].input
                names = (self.leaves[id(value.tensor)] for value in plain)
                known.extend(name for name in names if name in self.nodes and name not in known)
            return
        given = {id(value.tensor) for value in call.inputs}
        made = [value for value in call.outputs if id(value.tensor) not in given and value.node is None]
        if made and not call.has_calls:
            sources = map(self.source, call.inputs)
            inputs = [name for name in sources if name is not None and name in self.nodes]
            name = self.add(f"{call.scope}/{call.kind}", call.kind, inputs, made[0].shape)
            self.leaves.update((id(value.tensor), name) for value in made)

    def name_outputs(self, outputs: list[_Value]) -> None:
        # What comes out without gradient (an argmax, say) is made of what was computed last.
        last = list(self.names.values())[-1:]
        for i, value in enumerate(outputs):
            name = self.source(value)
            inputs = [name] if name is not None and name in self.nodes else last
            self.add(f"output/output.{i + 1}", "IO Node", inputs, value.shape)


def model_nodes(model: Module, args: Any) -> list[NodeDef]:
    """Run a model in evaluation mode, and give the nodes of its graph.

    `args`: a tensor, or all arguments in a tuple.
    """
    given = args if isinstance(args, (tuple, list)) else (args,)
    run = _Run(model)
    inputs: list[_C.Tensor] = []

    def own(value: Any) -> Any:
        """The argument with a gradient, so that all that is made of it is recorded."""
        if isinstance(value, _C.Tensor):
            value = value.detach()
            if value.is_floating_point() or value.is_complex():
                value = value.requires_grad_().clone()
            inputs.append(value)
            return value
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
            return type(value)(own(item) for item in value)
        if isinstance(value, dict):
            return {key: own(item) for key, item in value.items()}
        return value

    training = {module: module.training for module in model.modules()}
    handles = []
    try:
        model.eval()
        for module in training:
            handles.append(module.register_forward_pre_hook(run.enter, prepend=True, with_kwargs=True))
            handles.append(module.register_forward_hook(run.leave, with_kwargs=True))
        with enable_grad():
            own_args = own(tuple(given))
            run.name_inputs(inputs)
            outputs = _values(model(*own_args))
        run.name_parameters()
        run.name_operations()
        run.name_outputs(outputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, was in training.items():
            module.training = was
    return list(run.nodes.values())


def graph(model: Module, args: Any, verbose: bool = False) -> tuple[GraphDef, RunMetadata]:
    nodes = model_nodes(model, args)
    if verbose:
        for node in nodes:
            print(f"{node.name}: {node.op}({', '.join(node.input)})")
    stats = StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")])
    return GraphDef(node=nodes, versions=VersionDef(producer=_PRODUCER)), RunMetadata(step_stats=stats)
