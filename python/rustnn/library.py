"""Operations of users: functions of tensors with a name, ``torch.ops.namespace.name``, and a gradient.

Everything runs eagerly, so that an operation is its function. What compilers ask for (schemas, results
without data) is kept, and used for tensors on ``meta``.
"""

from __future__ import annotations

from types import SimpleNamespace

from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

__all__ = [
    "CustomOpDef",
    "Library",
    "custom_op",
    "define",
    "impl",
    "ops",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
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


ops: Any = _Namespaces()
_operations: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """An operation: what it runs on which kind of device, its result without data, and its gradient."""

    def __init__(self, name: str, function: Callable[..., Any] | None, mutates: Iterable[str] | str) -> None:
        space, _, own = name.partition("::")
        if not space or not own or "::" in own:
            raise ValueError(
                f"Expected `name` to be of the form `namespace::name`, but got {name!r}: it needs a namespace"
            )
        self._qualname = name
        self._name = own
        self._function = function
        self._kernels: dict[str, Callable[..., Any]] = {}
        self._fake: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None
        self._setup: Callable[..., Any] | None = None
        self._autocast: dict[str, Any] = {}
        self.mutates_args = mutates
        self.__name__ = own
        self.__doc__ = getattr(function, "__doc__", None)
        _operations[name] = self
        setattr(getattr(ops, space), own, self)

    @property
    def default(self) -> CustomOpDef:
        """The one overload that there is."""
        return self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def _kernel(self, args: tuple[Any, ...]) -> Callable[..., Any]:
        kind = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
        if kind == "meta" and self._fake is not None:
            return self._fake
        found = self._kernels.get(kind, self._function)
        if found is None:
            raise NotImplementedError(
                f"Could not run '{self._qualname}' with arguments from the '{kind.upper()}' backend"
            )
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs it; its results are in the graph if it has a gradient and an argument requires one."""
        kernel = self._kernel(args)
        if self._backward is None:
            return kernel(*args, **kwargs)
        from rustnn.autograd import Function

        operation = self

        class Recorded(Function):
            @staticmethod
            def forward(ctx: Any, *given: Any) -> Any:
                # The kernel may do what a graph cannot follow.
                plain = (a.detach() if isinstance(a, Tensor) else a for a in given)
                output = kernel(*plain, **kwargs)
                if operation._setup is not None:
                    operation._setup(ctx, given, output)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                assert operation._backward is not None
                return operation._backward(ctx, *grads)

        Recorded.__name__ = Recorded.__qualname__ = f"{self._name}_Autograd"
        return Recorded.apply(*args)

    def register_kernel(
        self, device_types: str | Sequence[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """What runs for tensors on these kinds of devices; a decorator without ``fn``."""

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            kinds = [device_types] if isinstance(device_types, str) else list(device_types or ["cpu", "cuda"])
            self._kernels.update(dict.fromkeys(kinds, function))
            return function

        return keep if fn is None else keep(fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """What gives results without data, for tensors on ``meta``."""
        self._fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """The gradient, ``backward(ctx, *grads)``, and what keeps its needs, ``(ctx, inputs, output)``."""
        self._backward = backward
        self._setup = setup_context


def _checked(mutates_args: Any) -> Any:
    if isinstance(mutates_args, str) and mutates_args != "unknown":
        raise ValueError("mutates_args must either be a sequence of the names of arguments or 'unknown'")
    return mutates_args


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

    ``mutates_args`` names arguments that it changes. ValueError for a name without a namespace.
    """
    _checked(mutates_args)

    def make(function: Callable[..., Any]) -> CustomOpDef:
        if device_types is None:
            return CustomOpDef(name, function, mutates_args)
        made = CustomOpDef(name, None, mutates_args)
        made.register_kernel(device_types, function)
        return made

    return make if fn is None else make(fn)


def _named(op: Any) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _operations:
        raise RuntimeError(f"Could not find operator {op}: define it first")
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
    """Keeps what mixed precision should cast to; it is not applied: operations cast for themselves."""
    _named(op)._autocast[device_type] = cast_inputs


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """An operation without anything to run as yet."""
    CustomOpDef(qualname, None, ())


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

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError("Unsupported kind: ", kind)
        self.ns = ns
        self.kind = kind
        self.dispatch_key = dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """An operation by its schema, ``name(Tensor x) -> Tensor``. Returns the name."""
        name = schema.partition("(")[0].strip()
        define(f"{self.ns}::{name}", schema)
        return name

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", **options: Any) -> None:
        """What an operation of the namespace runs."""
        name = op_name._name if isinstance(op_name, CustomOpDef) else str(op_name).rpartition("::")[2]
        impl(f"{self.ns}::{name}", dispatch_key or self.dispatch_key or "default", fn)
