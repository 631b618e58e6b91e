"""The graph that is being made: mapping functions add ONNX's nodes to it."""

from __future__ import annotations

import re
from typing import NamedTuple

from rustnn import _C
from rustnn.onnx.calls import Call, Value
from rustnn.onnx.dynamic import Dynamic, explain
from rustnn.onnx.errors import OnnxExporterError, UnsupportedOperatorError
from rustnn.onnx.proto import data_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Graph", "Node"]

_LAST = 2**63 - 1


class Node(NamedTuple):
    """An operator of ONNX."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """Nodes and initializers; texts are the names of ONNX's values."""

    def __init__(self, opset: int, reserved: set[str], weights: set[str]) -> None:
        self.opset = opset
        self.nodes: list[Node] = []
        self.initializers: dict[str, Tensor] = {}
        # Those that belong to the model, and not to how it was translated.
        self.weights: set[str] = set()
        self.call: Call | None = None
        self._names: dict[int, str] = {}
        # Names of inputs and outputs, and those of the model's own tensors that are to be had.
        self._own_names = weights - reserved
        self._taken = reserved | weights
        self._counts: dict[str, int] = {}
        self._constants: dict[Any, str] = {}
        self._sizes: dict[Dynamic, str] = {}
        # Where sizes can be looked up: a value and its axis.
        self.known: dict[Dynamic, tuple[str, int]] = {}

    # ---- names ---------------------------------------------------------------------------------------------

    def free_name(self, wanted: str) -> str:
        name, count = wanted, 0
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def define(self, value: Value, name: str) -> None:
        """A value of the trace has this name in the graph."""
        self._names[value.key] = name
        for axis, size in enumerate(value.shape):
            if isinstance(size, Dynamic) and size not in self.known:
                self.known[size] = (name, axis)

    def value(self, value: Value) -> str:
        """The name of a value of the trace; constants become initializers."""
        name = self._names.get(value.key)
        if name is None:
            if value.tensor is None:
                raise OnnxExporterError(
                    f"{self._where()} works with a tensor that is another one for other sizes of a dynamic "
                    "dim, and nobody saw how it was made: make it in the model, by functions of rustnn"
                )
            name = value.name if value.name in self._own_names else self.free_name(value.name or "constant")
            self._names[value.key] = name
            self.initializers[name] = value.tensor
            if value.kind in ("parameter", "buffer"):
                self.weights.add(name)
        return name

    def _where(self) -> str:
        return self.call.where() if self.call is not None else "the model"

    def unsupported(self, what: str) -> UnsupportedOperatorError:
        """The error for a call, or a way of calling, that has no counterpart."""
        return UnsupportedOperatorError(f"{self._where()} cannot be exported to ONNX: {what}")

    # ---- nodes ---------------------------------------------------------------------------------------------

    def op(self, kind: str, inputs: Sequence[str | Value | None], **attributes: Any) -> str:
        """Add a node with one output; None leaves an optional input out."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str | Value | None], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs."""
        names = ["" if x is None else self.value(x) if isinstance(x, Value) else x for x in inputs]
        while names and not names[-1]:
            names.pop()
        path = self.call.path.replace(".", "/") if self.call is not None else ""
        base = f"/{path}/{kind}" if path else f"/{kind}"
        count = self._counts.get(base, 0)
        self._counts[base] = count + 1
        name = f"{base}_{count}" if count else base
        made = [self.free_name(f"{name}_output_{i}") for i in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(Node(kind, name, names, made, attributes))
        return list(made)

    def constant(self, data: Any, dtype: Any) -> str:
        """A small tensor out of numbers."""
        key = (repr(data), dtype)
        if key not in self._constants:
            name = self.free_name(re.sub(r"\W+", "_", f"constant_{data}")[:40].strip("_"))
            self.initializers[name] = _C.tensor(data, dtype=dtype)
            self._constants[key] = name
        return self._constants[key]

    def tensor(self, data: Tensor) -> str:
        """An initializer of the translation's own."""
        name = self.free_name("constant")
        self.initializers[name] = data
        return name

    def integers(self, numbers: Sequence[int]) -> str:
        """A constant list of integers."""
        return self.constant(list(numbers), _C.int64)

    def cast(self, x: str | Value, dtype: Any) -> str:
        """Convert to a dtype; of a value that has it, the value."""
        if isinstance(x, Value) and x.dtype == dtype:
            return self.value(x)
        if isinstance(x, Value) and x.tensor is not None and x.kind in ("constant", "result"):
            key = (x.key, dtype)
            if key not in self._constants:
                self._constants[key] = self.tensor(x.tensor.to(dtype))
            return self._constants[key]
        return self.op("Cast", [x], to=data_type(dtype))

    def operand(self, x: Any, dtype: Any) -> str:
        """A tensor or number as an operand of that dtype."""
        if isinstance(x, Value):
            return self.cast(x, dtype)
        if isinstance(x, Dynamic):
            return self.number(x, dtype)
        if isinstance(x, complex):
            raise self.unsupported("complex numbers")
        return self.constant(x, dtype)

    # ---- sizes ---------------------------------------------------------------------------------------------

    def size(self, size: int | Dynamic) -> str:
        """A size as a list of one."""
        if not isinstance(size, Dynamic):
            return self.integers([size])
        if size not in self._sizes:
            if not all(isinstance(n, int) for n in size.values):
                raise self.unsupported(f"a number that is {size.values} in runs with other sizes")
            self._sizes[size] = self._computed(size)
        return self._sizes[size]

    def _computed(self, size: Dynamic) -> str:
        formula = explain(size, self.known)
        if formula is None:
            raise self.unsupported(
                f"a number that is {size.values} in runs with other sizes: no size of the inputs explains it"
            )
        parts = []
        for known in formula.sizes:
            name, axis = self.known[known]
            if known not in self._sizes:
                self._sizes[known] = self.op("Shape", [name], start=axis, end=axis + 1)
            parts.append(self._sizes[known])
        x = parts[0]
        for part in parts[1:]:
            x = self.op("Add" if formula.adds else "Mul", [x, part])
        if formula.factor != 1:
            x = self.op("Mul", [x, self.integers([formula.factor])])
        if formula.more:
            x = self.op("Add", [x, self.integers([formula.more])])
        if formula.divisor != 1:
            x = self.op("Div", [x, self.integers([formula.divisor])])
        return x

    def sizes(self, sizes: Sequence[int | Dynamic]) -> str:
        """A list of sizes."""
        if not any(isinstance(s, Dynamic) for s in sizes):
            return self.integers(sizes)  # type: ignore[arg-type]
        pieces: list[str] = []
        fixed: list[int] = []
        for size in sizes:
            if isinstance(size, Dynamic):
                if fixed:
                    pieces.append(self.integers(fixed))
                    fixed = []
                pieces.append(self.size(size))
            else:
                fixed.append(size)
        if fixed:
            pieces.append(self.integers(fixed))
        return pieces[0] if len(pieces) == 1 else self.op("Concat", pieces, axis=0)

    def number(self, number: Dynamic, dtype: Any) -> str:
        """A number that depends on sizes, as a tensor without dims."""
        if all(float(n).is_integer() for n in number.values):
            size = self.size(Dynamic(int(n) for n in number.values))
            return self.cast(self.op("Squeeze", [size, self.integers([0])]), dtype)
        for power in (-1.0, 0.5, -0.5):
            for known in self.known:
                factors = [n / k**power for n, k in zip(number.values, known.values, strict=True)]
                if max(factors) - min(factors) <= 1e-9 * abs(factors[0]):
                    size = self.cast(self.op("Squeeze", [self.size(known), self.integers([0])]), _C.float64)
                    x = self.op("Pow", [size, self.constant(power, _C.float64)])
                    return self.cast(self.op("Mul", [x, self.constant(factors[0], _C.float64)]), dtype)
        raise self.unsupported(f"a number that is {number.values} in runs with other sizes")

    # ---- what many mappings need ---------------------------------------------------------------------------

    def reduce(self, kind: str, x: str | Value, axes: Sequence[int] | None, keepdim: bool = False) -> str:
        """One of ONNX's reductions; over all axes for None."""
        if axes is None:
            return self.op(kind, [x], keepdims=int(keepdim))
        return self.op(kind, [x, self.integers(axes)], keepdims=int(keepdim))

    def squeeze(self, x: str | Value, axes: Sequence[int]) -> str:
        return self.op("Squeeze", [x, self.integers(axes)])

    def unsqueeze(self, x: str | Value, axes: Sequence[int]) -> str:
        return self.op("Unsqueeze", [x, self.integers(axes)])

    def reshape(self, x: str | Value, shape: Sequence[int | Dynamic], source: Sequence[Any] = ()) -> str:
        """Another shape; ``source`` is the one that x has, where it is known."""
        if 0 in shape:
            return self.op("Reshape", [x, self.sizes(shape)], allowzero=1)
        wanted: list[Any] = list(shape)
        # Dims that stay where they were are written as 0, and one more that is dynamic as -1.
        for axis, size in enumerate(wanted):
            if isinstance(size, Dynamic) and axis < len(source) and source[axis] == size:
                wanted[axis] = 0
        left = [axis for axis, size in enumerate(wanted) if isinstance(size, Dynamic)]
        if len(left) == 1 and -1 not in wanted:
            wanted[left[0]] = -1
        return self.op("Reshape", [x, self.sizes(wanted)])

    def slice(self, x: str | Value, axis: int, start: Any, stop: Any, step: int = 1) -> str:
        """``x[start:stop:step]`` along an axis; None for ``stop``: to the end."""
        stop = _LAST if stop is None else stop
        steps = [self.integers([step])] if step != 1 else []
        return self.op("Slice", [x, self.size(start), self.size(stop), self.integers([axis]), *steps])

    def shape_of(self, x: str | Value) -> str:
        return self.op("Shape", [x])
