"""Operations of users: functions of tensors with a name, ``torch.ops.namespace.name``, and a gradient.

Everything runs eagerly, so that an operation is its function. What gives results without data is used for
tensors on ``meta``.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

from rustnn import _C
from rustnn._C import Tensor
from rustnn.amp.autocast_mode import is_autocast_enabled
from rustnn.autograd import no_grad
from rustnn.library_schema import FunctionSchema, infer_schema, parse_schema
from rustnn.utils._pytree import tree_flatten, tree_leaves, tree_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

__all__ = [
    "CustomOpDef",
    "Library",
    "OpOverload",
    "OpOverloadPacket",
    "custom_op",
    "define",
    "impl",
    "infer_schema",
    "ops",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_vmap",
]


class _Namespaces(SimpleNamespace):
    """``torch.ops``: namespaces, in which operations stand by their names."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Namespace(name)
        setattr(self, name, made)
        return made


class _Namespace:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")


class OpOverload:
    """An operation as ``torch.ops.namespace.name.default``: calls it, and knows its schema."""

    def __init__(self, operation: CustomOpDef) -> None:
        self._operation = operation

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._operation(*args, **kwargs)

    def __repr__(self) -> str:
        space, own = self._operation._namespace, self._operation._name
        return f"<OpOverload(op='{space}.{own}', overload='default')>"

    def __str__(self) -> str:
        return f"{self._operation._namespace}.{self._operation._name}.default"

    @property
    def _schema(self) -> FunctionSchema | None:
        return self._operation._schema

    @property
    def namespace(self) -> str:
        """What stands before the colons."""
        return self._operation._namespace

    def name(self) -> str:
        """``namespace::name``."""
        return self._operation._qualname


class OpOverloadPacket:
    """An operation as ``torch.ops.namespace.name``, with its one overload, ``default``."""

    def __init__(self, operation: CustomOpDef) -> None:
        self.default = OpOverload(operation)
        self.__name__ = operation._name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.default(*args, **kwargs)

    def __repr__(self) -> str:
        operation = self.default._operation
        return f"<OpOverloadPacket(op='{operation._namespace}.{operation._name}')>"

    def __str__(self) -> str:
        return str(self.default).removesuffix(".default")

    def overloads(self) -> list[str]:
        """The names of the overloads."""
        return ["default"]


ops: Any = _Namespaces()
_operations: dict[str, CustomOpDef] = {}


def _split(name: str) -> tuple[str, str]:
    space, _, own = name.partition("::")
    if not space or not own or "::" in own:
        raise ValueError(
            f'Expected `qualname` to be of the form "namespace::name", but got {name}. It must consist of a '
            "namespace and a name"
        )
    return space, own


class CustomOpDef:
    """An operation: what it runs on which kind of device, its result without data, and its gradient."""

    def __init__(
        self, name: str, function: Callable[..., Any] | None, schema: FunctionSchema | None = None
    ) -> None:
        self._namespace, self._name = _split(name)
        self._qualname = name
        self._schema = schema
        self._function = function
        # Whether a graph is to see what the function calls, as it does for operations of a `Library`.
        self._transparent = False
        self._kernels: dict[str, Callable[..., Any]] = {}
        self._off: set[str] = set()
        self._fake: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None
        self._setup: Callable[..., Any] | None = None
        self._autocast: dict[str, Any] = {}
        _operations[name] = self
        packet = OpOverloadPacket(self)
        self._opoverload = packet.default
        setattr(getattr(ops, self._namespace), self._name, packet)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def _kernel(self, tensors: list[Tensor]) -> Callable[..., Any]:
        kind = tensors[0].device.type if tensors else "cpu"
        if kind == "meta":
            if self._fake is not None:
                return self._fake
            if not self._transparent:
                raise RuntimeError(
                    f"There was no fake impl registered for {self!r}. Please use "
                    f"`{self._name}.register_fake` to add an fake impl."
                )
        found = self._function if kind in self._off else self._kernels.get(kind, self._function)
        if found is None:
            raise NotImplementedError(
                f"Could not run '{self._qualname}' with arguments from the '{kind.upper()}' backend"
            )
        return found

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Runs it; its results are in the graph if an argument requires a gradient.

        RuntimeError for arguments that the schema does not have, and for results that are arguments.
        """
        given, named = (list(args), kwargs) if self._schema is None else self._schema.bind(args, kwargs)
        tensors = [leaf for leaf in tree_leaves((given, named)) if isinstance(leaf, Tensor)]
        kind = tensors[0].device.type if tensors else "cpu"
        if kind in self._autocast and is_autocast_enabled(kind):
            return self._call_cast(kind, given, named)
        kernel = self._kernel(tensors)
        recorded = _C.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        if self._backward is None and self._transparent:
            return kernel(*given, **named)
        if recorded and not (self._schema is not None and self._schema.is_mutable):
            return self._record(kernel, given, named)
        with no_grad():
            return self._checked(kernel(*given, **named), tensors)

    def _checked(self, output: Any, tensors: list[Tensor]) -> Any:
        """The results. RuntimeError if one of them is an argument: a graph could not tell them apart."""
        own = {id(tensor) for tensor in tensors}
        if not self._transparent and any(id(leaf) in own for leaf in tree_leaves(output)):
            raise RuntimeError(
                f"{self._qualname}: The output of this custom operator must not also be an input to this "
                "custom operator and may not alias any inputs; return a clone"
            )
        return output

    def _call_cast(self, kind: str, given: list[Any], named: dict[str, Any]) -> Any:
        from rustnn.amp import autocast

        dtype = self._autocast[kind]

        def cast(value: Any) -> Any:
            fits = isinstance(value, Tensor) and value.is_floating_point() and value.dtype != _C.float64
            return value.to(dtype) if fits else value

        with autocast(kind, enabled=False):
            return self(*tree_map(cast, given), **tree_map(cast, named))

    def _record(self, kernel: Callable[..., Any], given: list[Any], named: dict[str, Any]) -> Any:
        from rustnn.autograd import Function

        operation = self
        # Tensors within lists are arguments of their own to the graph.
        flat, structure = tree_flatten(given)
        returned: Any = None

        def forward(ctx: Any, *leaves: Any) -> Any:
            nonlocal returned
            # The kernel may do what a graph cannot follow.
            plain = structure.unflatten(a.detach() if isinstance(a, Tensor) else a for a in leaves)
            inside = [leaf for leaf in tree_leaves((plain, named)) if isinstance(leaf, Tensor)]
            output = operation._checked(kernel(*plain, **named), inside)
            if operation._setup is not None:
                inputs = tuple(structure.unflatten(leaves))
                more = {"keyword_only_inputs": named} if named else {}
                operation._setup(ctx=ctx, inputs=inputs, output=output, **more)
            leaves_out, returned = tree_flatten(output)
            return leaves_out[0] if len(leaves_out) == 1 else tuple(leaves_out)

        def backward(ctx: Any, *grads: Any) -> Any:
            if operation._backward is None:
                raise RuntimeError(
                    f"Trying to backward through {operation._opoverload} but no autograd formula was "
                    "registered. Please use register_autograd to add one."
                )
            whole = returned.unflatten(grads)
            found = operation._backward(ctx, *(whole if isinstance(whole, tuple) else (whole,)))
            found = found if isinstance(found, tuple) else (found,)
            # Arguments that were left out need no gradient either.
            found += (None,) * (len(given) - len(found))
            if structure.num_leaves == len(given):
                return found
            spread: list[Any] = []
            for grad, child in zip(found, structure.children_specs, strict=True):
                spread += [None] * child.num_leaves if grad is None else child.flatten_up_to(grad)
            return tuple(spread)

        # The graph's node has the class's name.
        name = f"GeneratedBackwardFor_{self._namespace}_{self._name}_default"
        functions = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        recorded: type[Function] = type(name, (Function,), functions)
        output = recorded.apply(*flat)
        return returned.unflatten(output if isinstance(output, tuple) else (output,))

    def register_kernel(
        self, device_types: str | Sequence[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """What runs for tensors on these kinds of devices; a decorator without ``fn``."""
        kinds = [device_types] if isinstance(device_types, str) else list(device_types or ["cpu", "cuda"])
        for kind in kinds:
            _C.device(kind)

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            self._kernels.update(dict.fromkeys(kinds, function))
            return function

        return keep if fn is None else keep(fn)

    @contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """A context in which the kernel of a kind of device is used, or what runs everywhere is."""
        before = set(self._off)
        (self._off.discard if enabled else self._off.add)(device_type)
        try:
            yield
        finally:
            self._off = before

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """What gives results without data, for tensors on ``meta``."""
        self._fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """The gradient, ``backward(ctx, *grads)``, and what keeps its needs, ``(ctx, inputs, output)``.

        ``inputs`` has all arguments, the omitted ones too; those that are given by name only come as
        ``keyword_only_inputs``. RuntimeError for an operation that changes its arguments.
        """
        if self._schema is not None and self._schema.is_mutable:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {self!r} with schema "
                f"{self._schema}. Please create a functional operator and register an autograd formula for "
                "that."
            )
        self._backward = backward
        self._setup = setup_context

    def register_autocast(self, device_type: str, cast_inputs: _C.dtype) -> None:
        """To what floating-point arguments are cast where mixed precision is on."""
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"Unknown device type: {device_type}")
        self._autocast[device_type] = cast_inputs

    def register_vmap(self, func: Callable[..., Any] | None = None, /) -> Any:
        """Accepted for PyTorch's sake: ``vmap`` calls the operation itself for each place of a batch."""
        return (lambda given: given) if func is None else None


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Makes a function the operation ``namespace::name``; a decorator without ``fn``.

    ``mutates_args`` names arguments that it changes. The schema is made of the function's annotations, unless
    ``schema`` has it. ValueError for a name without a namespace and for annotations that schemas do not have.
    """
    if isinstance(mutates_args, str) and mutates_args != "unknown":
        raise ValueError("mutates_args must either be a sequence of the names of arguments or 'unknown'")
    _split(name)

    def make(function: Callable[..., Any]) -> CustomOpDef:
        text = infer_schema(function, mutates_args=mutates_args) if schema is None else schema
        made = CustomOpDef(name, function if device_types is None else None, parse_schema(text, name))
        if device_types is None:
            return made
        made.register_kernel(device_types, function)
        return made

    return make if fn is None else make(fn)


def _named(op: Any) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if isinstance(op, OpOverload):
        return op._operation
    _split(op)
    if op not in _operations:
        raise RuntimeError(f"operator {op} does not exist")
    return _operations[op]


def register_kernel(
    op: Any, device_types: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None
) -> Any:
    """What an operation runs on these kinds of devices; a decorator without ``func``."""
    return _named(op).register_kernel(device_types, func)


def register_fake(
    op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None, allow_override: bool = False
) -> Any:
    """What gives an operation's results without data; a decorator without ``func``."""
    found = _named(op)
    return found.register_fake if func is None else found.register_fake(func)


def register_autograd(
    op: Any,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Any = None,
) -> None:
    """The gradient of an operation; see ``CustomOpDef.register_autograd``."""
    _named(op).register_autograd(backward, setup_context=setup_context)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """To what an operation's floating-point arguments are cast where mixed precision is on."""
    _named(op).register_autocast(device_type, cast_inputs)


def register_vmap(op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None) -> Any:
    """Accepted for PyTorch's sake; see ``CustomOpDef.register_vmap``."""
    return _named(op).register_vmap(func)


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """An operation without anything to run as yet."""
    CustomOpDef(qualname, None, parse_schema(schema, qualname))._transparent = True


def impl(
    qualname: str, types: str | Sequence[str], func: Callable[..., Any] | None = None, *, lib: Any = None
) -> Any:
    """What an operation that was defined runs on kinds of devices; a decorator without ``func``."""
    kinds = [types] if isinstance(types, str) else list(types)
    everywhere = {"default", "CompositeExplicitAutograd", "CompositeImplicitAutograd"}
    devices = None if everywhere & set(kinds) else [kind.lower() for kind in kinds]

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        found = _named(qualname)
        if devices is None:
            found._function = function
        elif devices == ["meta"]:
            found.register_fake(function)
        else:
            found.register_kernel(devices, function)
        return function

    return keep if func is None else keep(func)


class Library:
    """Operations of one namespace: ``define`` a schema, then ``impl`` what it runs."""

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns == "prim":
            raise ValueError(
                f"{ns} is a reserved namespace. Please try creating a library with another name."
            )
        self.ns = ns
        self.kind = kind
        self.dispatch_key = dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """An operation by its schema, ``name(Tensor x) -> Tensor``. Returns the name."""
        name = parse_schema(schema).name
        if f"{self.ns}::{name}" in _operations:
            raise RuntimeError(
                f"Tried to register an operator ({self.ns}::{schema}) with the same name and overload name "
                "multiple times."
            )
        define(f"{self.ns}::{name}", schema)
        return name

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", **options: Any) -> None:
        """What an operation of the namespace runs."""
        named = isinstance(op_name, (CustomOpDef, OpOverload))
        name = _named(op_name)._name if named else str(op_name).rpartition("::")[2]
        impl(f"{self.ns}::{name}", dispatch_key or self.dispatch_key or "default", fn)
