"""What a model does in one run: the operations it calls, with the tensors that go in and come out.

While a model is traced, a mode sees every native function, method and operator that is called; functions of
Python are seen as the calls that they are made of. The tensors of the run are objects of the class `Traced`,
for the sake of the few attributes that modes do not see.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from types import FunctionType

import rustnn
from rustnn import _C
from rustnn.nn.module import Module
from rustnn.nn.recurrent import RNNBase
from rustnn.onnx.calls import Call, Trace, Value, values_in
from rustnn.onnx.errors import OnnxExporterError, OnnxExporterWarning, UnsupportedOperatorError
from rustnn.onnx.nested import exchanged, tensors_in
from rustnn.onnx.signatures import bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["is_tracing", "trace"]

# Functions that make tensors out of what Python has.
_MAKERS = {"as_tensor", "asarray", "new_tensor", "scalar_tensor", "tensor"}
# Answers about a tensor that do not depend on its values.
_ABOUT_TYPES = {"is_floating_point", "is_complex", "is_signed", "is_conj", "is_neg", "is_same_size"}
# Methods that convert, that tell values to Python, that do not change what they seem to change, and that
# change the shape of their tensor.
_CASTS = set("bfloat16 bool byte char cpu cuda double float half int long short to type".split())
_VALUES = set("__array__ __bool__ __complex__ __float__ __index__ __int__ item numpy tolist".split())
_WITHOUT_EFFECT = {"detach_", "requires_grad_", "share_memory_"}
_RESHAPES = set("squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_".split())
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Traced(_C.Tensor):
    """A tensor of the traced run."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        if _current is None:
            return super().to(*args, **kwargs)
        return _current.call(_C.Tensor.to, (self, *args), kwargs)

    @property
    def T(self) -> Any:
        return self.permute(list(range(self.dim()))[::-1])

    @property
    def mT(self) -> Any:
        return self.transpose(-2, -1)

    H = mH = mT


Traced.data = property(lambda self: self.detach())  # type: ignore[assignment]


class _Mode:
    """Shows calls to the tracer."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if _current is None:
            return func(*args, **kwargs or {})
        if isinstance(func, FunctionType):
            # Written in Python, and seen whole because there is a mode of somebody else.
            _C._push_on_torch_function_stack(self)
            try:
                return func.__wrapped__(*args, **kwargs or {})  # type: ignore[attr-defined]
            finally:
                _C._pop_torch_function_stack()
        return _current.call(func, args, kwargs or {})


_current: Tracer | None = None


def is_tracing() -> bool:
    """Whether a model is being traced right now."""
    return _current is not None


def _overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors over one block of memory share an element. When in doubt, they do."""
    if 0 in a.shape or 0 in b.shape:
        return False

    def end(t: Tensor) -> int:
        steps: int = sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True))
        return t.storage_offset() + steps

    if end(a) < b.storage_offset() or end(b) < a.storage_offset():
        return False
    if a.stride() != b.stride():
        return True
    # Slices of one tensor: can an element of each be at the same place, dimension by dimension?
    dims = sorted((d for d in range(a.dim()) if a.stride(d)), key=lambda d: a.stride(d), reverse=True)

    def meet(i: int, distance: int) -> bool:
        if i == len(dims):
            return distance == 0
        step, first, second = a.stride(dims[i]), a.shape[dims[i]], b.shape[dims[i]]
        least = distance // step
        return any(
            -second < apart < first and meet(i + 1, distance - apart * step) for apart in (least, least + 1)
        )

    return meet(0, b.storage_offset() - a.storage_offset())


def _place() -> str:
    """The line of the program that is being run, outside of this package."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_PACKAGE):
            return f"{path}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


class Tracer:
    """Writes down the operations on traced tensors."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.path: list[str] = []
        self.off = 0
        self._known: dict[int, Value] = {}
        self._alive: list[Tensor] = []  # so that no other tensor gets the address of one of these
        self._by_memory: dict[int, list[Tensor]] = {}
        # Tensors whose memory was written by way of another tensor: the object that wrote, and where.
        self._overwritten: dict[int, tuple[Tensor, Call]] = {}

    # ---- values --------------------------------------------------------------------------------------------

    def add(self, tensor: Tensor, kind: str, name: str = "", depends: bool = False) -> Value:
        value = Value(len(self.trace.values), kind, tensor, name, depends)
        self.trace.values.append(value)
        self._known[id(tensor)] = value
        self._alive.append(tensor)
        self._by_memory.setdefault(tensor.untyped_storage().data_ptr(), []).append(tensor)
        return value

    def value(self, tensor: Tensor) -> Value:
        """The value of a tensor; one that was never seen is a constant."""
        if id(tensor) in self._overwritten:
            _, call = self._overwritten[id(tensor)]
            raise OnnxExporterError(
                f"a tensor used here was changed through a view of it, by {call.where()}. ONNX has no "
                "views: change the tensor itself, or work on a clone"
            )
        known = self._known.get(id(tensor))
        if known is None:
            if isinstance(tensor, Traced):
                raise UnsupportedOperatorError(
                    f"a tensor comes from an operation that cannot be exported to ONNX, before {_place()}"
                )
            with self.untraced():
                self._alive.append(tensor)
                known = self.add(tensor.detach().clone(), "constant")
            self._known[id(tensor)] = known
        return known

    def traced(self, tensor: Tensor) -> Tensor:
        with self.untraced():
            made: Tensor = _C.Tensor.as_subclass(tensor.detach(), Traced)
            return made

    @contextmanager
    def untraced(self) -> Iterator[None]:
        """Operations are plain ones for the while."""
        global _current
        before, _current = _current, None
        try:
            with _C.DisableTorchFunctionSubclass():
                yield
        finally:
            _current = before

    # ---- calls ---------------------------------------------------------------------------------------------

    def start(self, name: str, arguments: dict[str, Any]) -> Call:
        """A call before it is made, with the values that its arguments have by now."""
        arguments = exchanged(arguments, lambda x: self.value(x) if isinstance(x, _C.Tensor) else x)
        return Call(name, arguments, ".".join(p for p in self.path[-1:]), _place())

    def finish(self, call: Call, results: list[Tensor]) -> None:
        """Note what came out of a call."""
        inputs = list(values_in(call.arguments))
        depends = any(v.depends for v in inputs)
        # Made of parameters: worth its own nodes, so that the parameters keep their names in the file.
        of_parameters = any(
            v.kind == "parameter" or (v.kind == "result" and v.tensor is None) for v in inputs
        )
        for tensor in results:
            value = self.add(tensor, "result", depends=depends)
            if not depends and not of_parameters:
                with self.untraced():
                    value.tensor = tensor.detach().clone()
            call.outputs.append(value)
        self.trace.calls.append(call)

    def call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, and write down what it did."""
        name = func.__name__
        if name in _CASTS:
            return self.cast(args[0], func, args[1:], kwargs)
        if name in _MAKERS:
            return self.make(func, args, kwargs)
        if name == "__setitem__":
            return self.set_item(*args)
        if name in _RESHAPES:
            return self.change_shape(name, args)
        if name in _VALUES:
            self.warn_of_value(args[0], name)
        if _C._autocast_state()[0] or _C._autocast_state(True)[0]:
            raise OnnxExporterError(
                f"'{name}' is called under autocast, whose casts cannot be seen ({_place()}): convert the "
                "model, by half() or bfloat16(), and export it without"
            )
        bound = bind(name, type(func).__name__ != "builtin_function_or_method", args, kwargs)
        if bound is None:
            return self.unknown(func, args, kwargs)
        call = self.start(bound.name, bound.arguments)
        with self.untraced():
            result = func(*args, **kwargs)
        found = list(tensors_in(result))
        if not found:
            if bound.name not in _ABOUT_TYPES:
                self._warn(call, bound.name)
            return result
        if bound.inplace:
            self.overwrite(call, args[0])
            return result
        arguments = {id(t) for t in tensors_in([list(args), kwargs])}
        if len(found) == 1 and id(found[0]) in arguments:
            return result  # nothing was to be done
        made: list[Tensor] = []

        def wrapped(part: Any) -> Any:
            if not isinstance(part, _C.Tensor):
                return part
            made.append(self.traced(part))
            return made[-1]

        result = exchanged(result, wrapped)
        self.finish(call, made)
        return result

    def unknown(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is no operation that is declared, or is called in a way that is not."""
        with self.untraced():
            result = func(*args, **kwargs)
        arguments = list(tensors_in([list(args), kwargs]))
        made = [t for t in tensors_in(result) if all(t is not a for a in arguments)]
        out = " with out=" if kwargs.get("out") is not None else ""
        name = func.__name__
        changes = name.endswith("_") and not name.startswith("__") and name not in _WITHOUT_EFFECT
        if (made or out or changes) and any(self.depends(t) for t in arguments):
            raise UnsupportedOperatorError(f"'{name}'{out} cannot be exported to ONNX ({_place()})")
        return result

    def depends(self, tensor: Tensor) -> bool:
        """Whether a tensor is another one for other inputs."""
        known = self._known.get(id(tensor))
        return isinstance(tensor, Traced) if known is None else known.depends

    def make(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A tensor out of data, which is a constant, unless the data is a tensor that is kept."""
        name = func.__name__
        if args and isinstance(args[0], Traced) and name in ("as_tensor", "asarray"):
            dtype = args[1] if len(args) > 1 else kwargs.get("dtype")
            return args[0] if dtype is None else args[0].to(dtype)
        for tensor in tensors_in(list(args[1:] if name == "new_tensor" else args)):
            self.warn_of_value(tensor, name)
        with self.untraced():
            return func(*args, **kwargs)

    def cast(self, tensor: Tensor, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self.untraced():
            result = method(tensor, *args, **kwargs)
        if result is tensor or not isinstance(result, _C.Tensor):
            return result
        made = self.traced(result)
        self.finish(self.start("to", {"input": tensor, "dtype": made.dtype}), [made])
        return made

    def change_shape(self, name: str, args: tuple[Any, ...]) -> Any:
        bound = bind(name.removesuffix("_"), True, args, {})
        assert bound is not None
        tensor: Tensor = args[0]
        call = self.start(bound.name, bound.arguments)
        with self.untraced():
            getattr(_C.Tensor, name)(*args)
        self.finish(call, [tensor])
        return tensor

    def set_item(self, tensor: Tensor, index: Any, source: Any) -> None:
        writer = self._overwritten.get(id(tensor))
        if writer is not None and writer[0] is source:
            # `x[i] += y`: what was written through the view is written again.
            del self._overwritten[id(tensor)]
        if isinstance(source, (int, float, bool, _C.Tensor)):
            call = self.start("setitem", {"input": tensor, "index": index, "value": source})
        else:
            raise TypeError(f"can't assign a {type(source).__name__} to a tensor")
        with self.untraced():
            _C.Tensor.__setitem__(tensor, index, source)
        self.overwrite(call, tensor)

    def overwrite(self, call: Call, tensor: Tensor) -> None:
        """A tensor has a new value; others that share its memory have lost theirs."""
        if not isinstance(tensor, Traced):
            if any(value.depends for value in values_in(call.arguments)):
                raise OnnxExporterError(
                    f"a tensor that is no part of the traced model was changed in place, by {call.where()}"
                )
            self._known.pop(id(tensor), None)  # a constant still, if another one
            return
        for other in self._by_memory.get(tensor.untyped_storage().data_ptr(), ()):
            if other is not tensor and isinstance(other, Traced) and _overlap(other, tensor):
                self._overwritten[id(other)] = (tensor, call)
        self._overwritten.pop(id(tensor), None)
        self.finish(call, [tensor])

    # ---- values that leave the graph -----------------------------------------------------------------------

    def _warn(self, call: Call, name: str) -> None:
        if any(v.depends for v in values_in(call.arguments)):
            _warn_of_frozen(name)

    def warn_of_value(self, tensor: Tensor, name: str) -> None:
        if self.depends(tensor):
            _warn_of_frozen(name)


def _warn_of_frozen(name: str) -> None:
    import warnings

    name = {"__bool__": "bool()", "__int__": "int()", "__float__": "float()"}.get(name, name)
    warnings.warn(
        f"{name} turns a tensor that depends on the inputs into a value of Python, at {_place()}: what the "
        "example inputs give is written into the exported model, and stays the same for all others",
        OnnxExporterWarning,
        stacklevel=2,
    )


# ---- running a model -------------------------------------------------------------------------------------


@contextmanager
def _traced_tensors(model: Module, tracer: Tracer) -> Iterator[None]:
    """Parameters, buffers and other tensors of the modules are traced ones.

    What is no parameter is a copy, so that the model may write to it and still is as it was afterwards.
    """
    made: dict[int, Tensor] = {}
    undo: list[tuple[dict[str, Any], str, Tensor]] = []
    for path, module in model.named_modules():
        tables: Any = module.__dict__
        for table in (tables["_parameters"], tables["_buffers"], tables):
            for name, tensor in list(table.items()):
                if not isinstance(tensor, _C.Tensor):
                    continue
                if id(tensor) not in made:
                    kind = "parameter" if table is tables["_parameters"] else "buffer"
                    plain = tensor.detach()
                    made[id(tensor)] = traced = tracer.traced(plain if kind == "parameter" else plain.clone())
                    tracer.add(traced, kind, f"{path}.{name}" if path else name).tensor = plain
                undo.append((table, name, tensor))
                table[name] = made[id(tensor)]
    try:
        yield
    finally:
        for table, name, tensor in undo:
            table[name] = tensor


@contextmanager
def _watched_modules(model: Module, tracer: Tracer) -> Iterator[None]:
    """The tracer knows which module is running. Recurrent layers are one operation each."""

    def watched(path: str, module: Module, forward: Any) -> Any:
        def within(*args: Any, **kwargs: Any) -> Any:
            if _current is None:
                return forward(*args, **kwargs)
            tracer.path.append(path)
            try:
                if isinstance(module, RNNBase):
                    return _recurrent(tracer, module, forward, args, kwargs)
                return forward(*args, **kwargs)
            finally:
                tracer.path.pop()

        return within

    changed = []
    for path, module in model.named_modules():
        own = module.__dict__.get("forward")
        changed.append((module, own))
        module.__dict__["forward"] = watched(path, module, module.forward)
    try:
        yield
    finally:
        for module, own in changed:
            if own is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = own


def _recurrent(tracer: Tracer, module: RNNBase, forward: Any, args: Any, kwargs: Any) -> Any:
    """A recurrent layer as one call, which ONNX has operators for."""

    def arguments(input: Any, hx: Any = None) -> tuple[Any, Any]:
        return input, hx

    input, state = arguments(*args, **kwargs)
    if not isinstance(input, _C.Tensor):
        raise UnsupportedOperatorError(
            f"packed sequences cannot be exported to ONNX (module '{tracer.path[-1]}')"
        )
    if module.dropout and module.training and module.num_layers > 1:
        raise UnsupportedOperatorError(
            f"dropout between recurrent layers in training cannot be exported (module '{tracer.path[-1]}'): "
            "call model.eval() first"
        )
    states = [] if state is None else list(state) if isinstance(state, tuple) else [state]
    call = tracer.start(
        "recurrent",
        {
            "input": input,
            "states": states,
            "weights": [
                {name.split("_l")[0]: getattr(module, name) for name in names}
                for names in module._all_weights
            ],
            "mode": module.mode,
            "hidden_size": module.hidden_size,
            "num_layers": module.num_layers,
            "bidirectional": module.bidirectional,
            "batch_first": module.batch_first and input.dim() == 3,
            "proj_size": module.proj_size,
        },
    )
    with tracer.untraced():
        result = forward(input, state)
    made: list[Tensor] = []

    def wrapped(part: Any) -> Any:
        made.append(tracer.traced(part))
        return made[-1]

    result = exchanged(result, wrapped)
    tracer.finish(call, made)
    return result


def trace(
    model: Module, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: dict[int, str]
) -> tuple[Trace, Any]:
    """Run a model. ``inputs`` has the names of the tensors in the arguments, by their id.

    Returns the trace and the result, whose tensors are values.
    """
    global _current
    if _current is not None:
        raise OnnxExporterError("a model is being exported already")
    tracer = Tracer()
    made: dict[int, Tensor] = {}

    def traced(part: Any) -> Any:
        if not isinstance(part, _C.Tensor):
            return part
        if id(part) not in made:
            made[id(part)] = tensor = tracer.traced(part.clone())
            tracer.trace.inputs.append(tracer.add(tensor, "input", inputs[id(part)], depends=True))
        return made[id(part)]

    args, kwargs = exchanged(args, traced), exchanged(kwargs, traced)
    with _traced_tensors(model, tracer), _watched_modules(model, tracer), rustnn.no_grad():
        _current = tracer
        _C._push_on_torch_function_stack(_Mode())
        try:
            result = model(*args, **kwargs)
            tracer.trace.outputs = [tracer.value(tensor) for tensor in tensors_in(result)]
        finally:
            _C._pop_torch_function_stack()
            _current = None
    return tracer.trace, result
