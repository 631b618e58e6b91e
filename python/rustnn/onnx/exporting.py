"""`export`: runs a model on example inputs and writes down what it did."""

from __future__ import annotations

from typing import NamedTuple

from rustnn import _C
from rustnn.nn.module import Module
from rustnn.onnx import operators
from rustnn.onnx.calls import Trace, Value, values_in
from rustnn.onnx.dynamic import Dynamic, explain, merge, other_sizes
from rustnn.onnx.errors import OnnxExporterError, OnnxExporterWarning, UnsupportedOperatorError
from rustnn.onnx.graph import Graph, Node
from rustnn.onnx.nested import exchanged, tensors_in
from rustnn.onnx.program import ONNXProgram
from rustnn.onnx.tracing import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["export"]

_DEFAULT_OPSET, _OLDEST_OPSET, _NEWEST_OPSET = 20, 18, 24
_MOST = 2**62


class _Symbol(NamedTuple):
    """A dim whose size is known at run time only."""

    name: str
    least: int
    most: int


class _Example(NamedTuple):
    """The arguments of a run, and what their tensors are called."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: dict[int, str]


def export(
    model: Module | Callable[..., Any],
    args: tuple[Any, ...] = (),
    f: str | os.PathLike[str] | None = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = True,
    dynamic_shapes: dict[str, Any] | tuple[Any, ...] | list[Any] | None = None,
    custom_translation_table: dict[Callable[..., Any], Any] | None = None,
    report: bool = False,
    optimize: bool = True,
    verify: bool = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: str | os.PathLike[str] = ".",
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    training: Any = None,
    operator_export_type: Any = None,
    do_constant_folding: bool = True,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: bool | Collection[type[Module]] = False,
    autograd_inlining: bool = True,
) -> ONNXProgram | None:
    """Write a model as a graph of ONNX, to the file ``f`` if it is given, and return it.

    ``model`` is run on the example inputs ``args`` and ``kwargs``; their tensors become the graph's inputs,
    everything else in them is fixed. What Python decides on the way (loops, conditions) is fixed too.

    ``dynamic_axes`` (``{"x": {0: "batch"}}``, by names of inputs) or ``dynamic_shapes`` (the same by the
    structure of the arguments, with names or ``Dim`` objects) say which dims may have other sizes at run
    time. The model is then run with other sizes as well; OnnxExporterError if it cannot be, or if it does
    other things with them. All other sizes are fixed.

    ``opset_version`` is 18 to 24, 20 by default. Without ``export_params`` the weights are inputs;
    ``keep_initializers_as_inputs`` makes them inputs with defaults. Weights of more than 1.5 GB go to a file
    of their own, unless ``external_data`` is False. ``verify`` runs the result in onnxruntime and raises if
    it gives other outputs. ``optimize``, ``do_constant_folding``, ``dynamo`` and ``autograd_inlining`` change
    nothing. Other options of PyTorch raise NotImplementedError.

    UnsupportedOperatorError names a function that has no counterpart, and the module that called it.
    Returns None with ``dynamo=False``, as PyTorch does.
    """
    refused = {
        "custom_translation_table": custom_translation_table,
        "report": report,
        "profile": profile,
        "dump_exported_program": dump_exported_program,
        "custom_opsets": custom_opsets,
        "export_modules_as_functions": export_modules_as_functions,
    }
    for option, given in refused.items():
        if given:
            raise NotImplementedError(f"rustnn.onnx.export does not support the option {option!r}")
    if str(operator_export_type) not in ("None", "0", "OperatorExportTypes.ONNX"):
        raise NotImplementedError("rustnn.onnx.export writes operators of ONNX only (operator_export_type)")
    if isinstance(args, _C.Tensor):
        args = (args,)
    if f is None and not dynamo:
        raise ValueError("export() must be given the path of a file (f) if dynamo is False")
    args = tuple(args)
    kwargs = dict(kwargs or {})
    if args and isinstance(args[-1], dict) and not kwargs and not dynamo:
        kwargs, args = args[-1], args[:-1]
    if not isinstance(model, Module):
        if not callable(model):
            raise TypeError(f"model should be a rustnn.nn.Module or a function, not {type(model).__name__}")
        model = _Function(model)
    opset = _opset(opset_version)
    if model.training and any(True for _ in model.modules()) and _has_modes(model):
        _warn(
            "the model is exported in training mode: dropout and batch normalisation work as in training. "
            "Call model.eval() before export"
        )
    example = _example(model, args, kwargs, input_names)
    symbols = _symbols(example, dynamic_axes, dynamic_shapes, model)
    traced, sizes = _traced(model, example, symbols)
    asked = dynamic_axes if isinstance(dynamic_axes, dict) else {}
    program = _written(traced, sizes, opset, output_names, asked)
    if verbose:
        print(program)
    if f is not None:
        program.save(
            f,
            include_initializers=export_params,
            keep_initializers_as_inputs=keep_initializers_as_inputs,
            external_data=None if external_data else False,
        )
    if verify:
        _verify(program, model, example)
    return program if dynamo else None


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, OnnxExporterWarning, stacklevel=3)


class _Function(Module):
    """A function as a model."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def _has_modes(model: Module) -> bool:
    """Whether training and evaluation are not the same to the model, as far as its layers show."""
    from rustnn.nn.batchnorm import _BatchNorm
    from rustnn.nn.dropout import _DropoutNd

    return any(isinstance(m, (_BatchNorm, _DropoutNd)) and m.training for m in model.modules())


def _opset(version: int | None) -> int:
    if version is None:
        return _DEFAULT_OPSET
    if version < _OLDEST_OPSET:
        _warn(
            f"opset {version} is older than what can be written: the model is exported for opset "
            f"{_OLDEST_OPSET}"
        )
        return _OLDEST_OPSET
    if version > _NEWEST_OPSET:
        raise ValueError(f"opset_version has to be at most {_NEWEST_OPSET}, got {version}")
    return version


# ---- inputs ----------------------------------------------------------------------------------------------


def _argument_names(model: Module, count: int) -> list[str]:
    """What the model calls its positional arguments."""
    import inspect

    function = model._function if isinstance(model, _Function) else model.forward
    names: list[str] = []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(count - len(names))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    names += [f"input_{i}" for i in range(len(names), count)]
    return names[:count]


def _named_tensors(name: str, found: Any) -> list[tuple[str, Tensor]]:
    """The tensors of an argument, with a name each."""
    if isinstance(found, _C.Tensor):
        return [(name, found)]
    if isinstance(found, (list, tuple)):
        return [pair for i, part in enumerate(found) for pair in _named_tensors(f"{name}_{i}", part)]
    if isinstance(found, dict):
        return [pair for key, part in found.items() for pair in _named_tensors(f"{name}_{key}", part)]
    return []


def _example(
    model: Module, args: tuple[Any, ...], kwargs: dict[str, Any], input_names: Sequence[str] | None
) -> _Example:
    # Each place gets a tensor of its own, so that it is an input of its own.
    args, kwargs = exchanged((args, kwargs), lambda x: x.detach().clone() if isinstance(x, _C.Tensor) else x)
    found: list[tuple[str, Tensor]] = []
    for name, part in (*zip(_argument_names(model, len(args)), args, strict=True), *kwargs.items()):
        found += _named_tensors(name, part)
    names = [name for name, _ in found]
    if input_names is not None:
        if len(input_names) > len(names):
            raise ValueError(f"{len(input_names)} input_names for {len(names)} input tensors")
        names[: len(input_names)] = input_names
    if len(set(names)) < len(names):
        raise ValueError(f"inputs need different names, got {names}")
    return _Example(args, kwargs, {id(tensor): name for name, (_, tensor) in zip(names, found, strict=True)})


def _symbols(
    example: _Example, dynamic_axes: Any, dynamic_shapes: Any, model: Module
) -> dict[int, dict[int, _Symbol]]:
    """The dynamic dims: id of the tensor, axis, symbol."""
    tensors: dict[str, Tensor] = {}
    for _, tensor in _named_tensors("", (example.args, example.kwargs)):
        tensors[example.names[id(tensor)]] = tensor
    found: dict[int, dict[int, _Symbol]] = {}
    if dynamic_shapes is not None:
        if isinstance(dynamic_shapes, dict):
            names = _argument_names(model, len(example.args))
            for key, spec in dynamic_shapes.items():
                if key in names:
                    part = example.args[names.index(key)]
                elif key in example.kwargs:
                    part = example.kwargs[key]
                elif key in tensors:
                    part = tensors[key]
                else:
                    raise ValueError(f"dynamic_shapes names {key!r}, which is no argument of the model")
                _from_shapes(spec, part, key, found)
        else:
            _from_shapes(list(dynamic_shapes), [*example.args, *example.kwargs.values()], "input", found)
    elif dynamic_axes is not None:
        for name, axes in dynamic_axes.items():
            if name not in tensors:
                continue  # an output
            if not isinstance(axes, dict):
                axes = {axis: f"{name}_dynamic_axes_{i + 1}" for i, axis in enumerate(axes)}
            tensor = tensors[name]
            for axis, symbol in axes.items():
                _check_axis(axis, tensor, name)
                found.setdefault(id(tensor), {})[axis % tensor.dim()] = _Symbol(str(symbol), 0, _MOST)
    return found


def _check_axis(axis: Any, tensor: Tensor, name: str) -> None:
    if not isinstance(axis, int) or not -tensor.dim() <= axis < tensor.dim():
        raise ValueError(f"the input {name!r} has {tensor.dim()} dims, and none of number {axis!r}")


def _from_shapes(spec: Any, part: Any, name: str, found: dict[int, dict[int, _Symbol]]) -> None:
    """Read ``dynamic_shapes`` for one argument."""
    if spec is None:
        return
    if isinstance(part, _C.Tensor):
        pairs = spec.items() if isinstance(spec, dict) else enumerate(spec)
        for axis, dim in pairs:
            if dim is None or isinstance(dim, int) or getattr(dim, "kind", None) == "STATIC":
                continue
            _check_axis(axis, part, name)
            if isinstance(dim, str):
                symbol = _Symbol(dim, 0, _MOST)
            else:
                anonymous = f"{name}_dim_{axis}"
                least, most = getattr(dim, "min", None), getattr(dim, "max", None)
                own = getattr(dim, "__name__", None)
                symbol = _Symbol(own if isinstance(own, str) else anonymous, least or 0, most or _MOST)
            found.setdefault(id(part), {})[axis % part.dim()] = symbol
    elif isinstance(part, (list, tuple)):
        for i, (one, own) in enumerate(zip(spec, part, strict=True)):
            _from_shapes(one, own, f"{name}_{i}", found)
    elif isinstance(part, dict):
        for key, one in spec.items():
            _from_shapes(one, part[key], f"{name}_{key}", found)


# ---- runs ------------------------------------------------------------------------------------------------


def _resized(tensor: Tensor, sizes: dict[int, int]) -> Tensor:
    """With other sizes of some dims; what there is, is repeated."""
    for axis, size in sizes.items():
        if tensor.shape[axis] == 0:
            raise OnnxExporterError("the example's size of a dynamic dim must not be 0")
        places = _C.arange(size) % tensor.shape[axis]
        tensor = tensor.index_select(axis, places)
    return tensor


def _variant(example: _Example, symbols: dict[int, dict[int, _Symbol]], sizes: dict[str, int]) -> _Example:
    """The example with other sizes of the dims with those names."""
    names: dict[int, str] = {}

    def other(part: Any) -> Any:
        if not isinstance(part, _C.Tensor):
            return part
        axes = symbols.get(id(part), {})
        made = _resized(part, {axis: sizes[s.name] for axis, s in axes.items() if s.name in sizes})
        made = made.clone() if made is part else made
        names[id(made)] = example.names[id(part)]
        return made

    args, kwargs = exchanged((example.args, example.kwargs), other)
    return _Example(args, kwargs, names)


def _run(model: Module, example: _Example) -> Trace:
    return trace(model, example.args, example.kwargs, example.names)[0]


def _traced(
    model: Module, example: _Example, symbols: dict[int, dict[int, _Symbol]]
) -> tuple[Trace, dict[str, Dynamic]]:
    """What the model does, with the sizes that are dynamic, and the dynamic dims of the inputs by name."""
    import warnings

    traces = [_run(model, example)]
    own: dict[str, int] = {}
    limits: dict[str, tuple[int, int]] = {}
    for _, tensor in _named_tensors("", (example.args, example.kwargs)):
        for axis, symbol in symbols.get(id(tensor), {}).items():
            size = tensor.shape[axis]
            if own.setdefault(symbol.name, size) != size:
                raise OnnxExporterError(
                    f"the dims named {symbol.name!r} are {own[symbol.name]} and {size} in the example"
                )
            least, most = limits.get(symbol.name, (0, _MOST))
            limits[symbol.name] = max(least, symbol.least), min(most, symbol.most)
    chosen: list[dict[str, int]] = [{}]
    with warnings.catch_warnings():
        # Values that are frozen: the first run has told of them.
        warnings.simplefilter("ignore")
        works: dict[str, list[int]] = {}
        for name, size in own.items():
            works[name] = []
            for sizes in other_sizes(size, *limits[name]):
                tied = _first_that_runs(model, example, symbols, own, name, sizes, works[name], traces)
                if tied:
                    chosen.append(tied)
                    works[name].append(tied[name])
        if len(own) > 1:
            together = {name: sizes[-1] for name, sizes in works.items() if sizes}
            try:
                traces.append(_run(model, _variant(example, symbols, together)))
                chosen.append(together)
            except Exception:
                pass  # the runs before have to do
    dims = {name: Dynamic(c.get(name, size) for c in chosen) for name, size in own.items()}
    return merge(traces), dims


def _first_that_runs(
    model: Module,
    example: _Example,
    symbols: dict[int, dict[int, _Symbol]],
    own: dict[str, int],
    name: str,
    sizes: list[int],
    done: list[int],
    traces: list[Trace],
) -> dict[str, int] | None:
    """Trace the model with another size of a dim; and if it alone cannot be another, of those like it too."""
    error: Exception | None = None
    alike = [other for other, size in own.items() if size == own[name]]
    for names in ([name], alike) if len(alike) > 1 else ([name],):
        for size in sizes:
            if size in done:
                continue
            tied = dict.fromkeys(names, size)
            try:
                traces.append(_run(model, _variant(example, symbols, tied)))
            except UnsupportedOperatorError:
                raise
            except Exception as problem:
                error = error or problem
            else:
                return tied
    if done:
        return None  # one other size does
    raise OnnxExporterError(
        f"the dim {name!r} cannot be dynamic: the model runs with none of the sizes {sizes}, only with "
        f"{own[name]}. {type(error).__name__}: {error}"
    ) from error


# ---- the graph -------------------------------------------------------------------------------------------


def _written(
    traced: Trace,
    dims: dict[str, Dynamic],
    opset: int,
    output_names: Sequence[str] | None,
    dynamic_axes: dict[str, Any],
) -> ONNXProgram:
    count = len(traced.outputs)
    if count == 0:
        raise OnnxExporterError("the model returned no tensor")
    names = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
    if output_names is not None:
        if len(output_names) > count:
            raise ValueError(f"{len(output_names)} output_names for {count} output tensors")
        names[: len(output_names)] = output_names
    taken = {value.name for value in traced.inputs}
    if len({*names, *taken}) < len(names) + len(taken):
        raise ValueError(f"inputs and outputs need different names, got {[*sorted(taken), *names]}")
    weights = {value.name for value in traced.values if value.kind in ("parameter", "buffer")}
    graph = Graph(opset, {*names, *taken}, weights)
    for value in traced.inputs:
        graph.define(value, value.name)
    needed = _needed(traced)
    for call in traced.calls:
        if not any(value.key in needed for value in call.outputs) or all(
            v.tensor is not None for v in call.outputs
        ):
            continue
        write = operators.mapping(call.name)
        if write is None:
            raise UnsupportedOperatorError(
                f"{call.where()} cannot be exported to ONNX. docs/ONNX.md lists the functions that can"
            )
        graph.call = call
        first = call.get("input")
        has_none = (
            isinstance(first, Value)
            and first.ndim == 0
            and call.get("dim", call.get("dimension")) is not None
        )
        if has_none and write.__module__.rpartition(".")[2] in ("indexing", "sorting", "convolutions"):
            # PyTorch counts one dim where there is none; ONNX does not.
            raise graph.unsupported("a dim of a tensor that has none")
        try:
            made = write(graph, call)
        except (OnnxExporterError, NotImplementedError):
            raise
        except TypeError as error:
            if "Dynamic" in str(error):
                raise graph.unsupported("it needs a size to be fixed that is dynamic") from error
            raise
        made = [made] if isinstance(made, str) else made
        for value, name in zip(call.outputs, made, strict=True):
            graph.define(value, name)
    graph.call = None
    _name_outputs(graph, traced.outputs, names)
    _drop_unused(graph, names)
    symbols = {size: name for name, size in reversed(dims.items())}
    inputs = [(v.name, v.dtype, _shape(v, symbols, v.name, {})) for v in traced.inputs]
    outputs = []
    for value, name in zip(traced.outputs, names, strict=True):
        asked = dynamic_axes.get(name, {})
        asked = (
            asked
            if isinstance(asked, dict)
            else {a: f"{name}_dynamic_axes_{i + 1}" for i, a in enumerate(asked)}
        )
        outputs.append((name, value.dtype, _shape(value, symbols, name, asked)))
    return ONNXProgram(graph, inputs, outputs)


def _needed(traced: Trace) -> set[int]:
    """The values that the outputs depend on."""
    needed = {value.key for value in traced.outputs}
    for call in reversed(traced.calls):
        if any(value.key in needed for value in call.outputs):
            needed.update(value.key for value in values_in(call.arguments))
    return needed


def _name_outputs(graph: Graph, outputs: list[Value], names: list[str]) -> None:
    """Give the outputs their names: a node of their own, where one cannot just be called so."""
    producers = {name for node in graph.nodes for name in node.outputs}
    renamed: dict[str, str] = {}
    for value, name in zip(outputs, names, strict=True):
        old = graph.value(value)
        if old in producers and old not in renamed:
            renamed[old] = name
        else:
            graph.nodes.append(Node("Identity", f"/{name}", [old], [name], {}))
    graph.nodes[:] = [
        Node(
            node.kind,
            node.name,
            [renamed.get(x, x) for x in node.inputs],
            [renamed.get(x, x) for x in node.outputs],
            node.attributes,
        )
        for node in graph.nodes
    ]


def _drop_unused(graph: Graph, outputs: list[str]) -> None:
    """Leave out nodes and tensors that nothing depends on."""
    used = set(outputs)
    kept = []
    for node in reversed(graph.nodes):
        if any(name in used for name in node.outputs):
            used.update(node.inputs)
            kept.append(node)
    graph.nodes[:] = reversed(kept)
    graph.initializers = {name: data for name, data in graph.initializers.items() if name in used}


def _shape(value: Value, symbols: dict[Dynamic, str], name: str, asked: dict[int, str]) -> list[int | str]:
    """The shape as the file says it: numbers, and names of what is dynamic."""
    shape: list[int | str] = []
    for axis, size in enumerate(value.shape):
        if not isinstance(size, Dynamic):
            shape.append(size)
            continue
        wanted = asked.get(axis, asked.get(axis - value.ndim))
        formula = explain(size, symbols)
        if wanted is not None:
            shape.append(wanted)
        elif formula is not None:
            shape.append(formula.text(symbols))
        else:
            shape.append(f"{name}_dim_{axis}")
    return shape


def _verify(program: ONNXProgram, model: Module, example: _Example) -> None:
    """Hold onnxruntime's outputs against the model's."""
    import rustnn

    with rustnn.no_grad():
        expected = tensors_in(model(*example.args, **example.kwargs))
    got = program(*example.args, **example.kwargs)
    for name, ours, theirs in zip(program.output_names, expected, got, strict=True):
        if not _C.allclose(ours, theirs, 1e-3, 1e-4, equal_nan=True):
            raise OnnxExporterError(f"onnxruntime does not give the model's output {name!r}")
