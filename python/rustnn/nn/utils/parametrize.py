"""Parametrizations: a parameter that is computed from others whenever it is read.

``register_parametrization(layer, "weight", f)`` keeps what is trained in
``layer.parametrizations.weight`` and makes ``layer.weight`` a property that computes ``f`` of it. The
layer gets a class of its own for that, a subclass of the one it had.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress

from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.nn.container import ModuleDict, ModuleList
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

# Values computed within `cached()`, by the module's id and the tensor's name, and how many of those are open.
_cache: dict[tuple[int, str], Tensor] = {}
_cache_enabled = 0


@contextmanager
def cached() -> Iterator[None]:
    """``with cached():`` every parametrized tensor is computed once, when it is first read."""
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    """As the kind of member that the tensor is."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _is_sequence(value: object) -> bool:
    from collections.abc import Sequence

    return isinstance(value, Sequence)


def _name(value: object) -> str:
    return type(value).__name__


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, first to last, and the tensors that they start from.

    These are ``original``, or ``original0``, ``original1``, ... where the last ``right_inverse`` gives a
    sequence. A call computes the tensor. ValueError for results of the wrong kind, dtype or shape, which
    ``unsafe`` lets pass.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        dtype, shape = original.dtype, original.shape
        start: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # then the tensor itself is where this one starts
                        start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        if self.is_tensor:
            self.ntensors = 1
            self._take(original, start)
        elif _is_sequence(start):
            self.ntensors = len(start)
            self._take_several(original, start)
        else:
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {_name(start)}"
            )
        if not self.unsafe:
            self._check_result(dtype, shape)

    def _take(self, original: Tensor, start: Tensor) -> None:
        for what, before, after in (
            ("dtype", original.dtype, start.dtype),
            ("device", original.device, start.device),
        ):
            if before != after:
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {before}\nright_inverse(original).{what}: {after}"
                )
        # The object stays what it was, so that an optimizer which has it goes on.
        with no_grad():
            original.set_(start)
        _register(self, "original", original)

    def _take_several(self, original: Tensor, starts: Sequence[Any]) -> None:
        for i, start in enumerate(starts):
            if not isinstance(start, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                    f"Got element {i} of the sequence with type {_name(start)}."
                )
            member = Parameter(start, original.requires_grad) if isinstance(original, Parameter) else start
            member.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", member)

    def _check_result(self, dtype: Any, shape: Any) -> None:
        result: Any = self()
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {_name(result)}.")
        for what, before, after in (("dtype", dtype, result.dtype), ("shape", shape, result.shape)):
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` "
                    f"flag is enabled.\nunparametrized {what}: {before}\nparametrized {what}: {after}"
                )

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes ``value``.

        RuntimeError for a parametrization without ``right_inverse``, ValueError for results that do not fit.
        """
        start: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {_name(module)} does not implement right_inverse.")
                start = module.right_inverse(start)
            if self.is_tensor:
                if not isinstance(start, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {_name(start)}")
                if start.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {start.dtype} while `original` "
                        f"has dtype {self.original.dtype}"
                    )
                self.original.set_(start)
                return
            if not _is_sequence(start):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {_name(start)}.")
            if len(start) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a "
                    f"sequence of length {len(start)}."
                )
            for i, (original, part) in enumerate(zip(self._originals(), start, strict=True)):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        f"'right_inverse' must return a sequence of tensors. Got element {i} of type "
                        f"{_name(part)}."
                    )
                if original.dtype != part.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {part.dtype} while `original{i}` "
                        f"has dtype {original.dtype}"
                    )
                original.set_(part)

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        first, *rest = self
        value: Any = first(*self._originals())
        for module in rest:
            value = module(value)
        result: Tensor = value
        return result


# ---- the class and the property of a parametrized module ---------------------------------------------------


def _refuse_pickling(self: Module) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _deepcopy(self: Module, memo: dict[int, Any]) -> Module:
    """What `copy.deepcopy` does by itself where ``__getstate__`` does not refuse."""
    from copy import deepcopy

    known: Module | None = memo.get(id(self))
    if known is not None:
        return known
    copied = type(self).__new__(type(self))
    memo[id(self)] = copied
    copied.__dict__.update(deepcopy(self.__dict__, memo))
    return copied


def _give_own_class(module: Module) -> None:
    """A subclass of its class for this module alone: properties live in classes."""
    kind = type(module)
    methods: dict[str, Any] = {"__getstate__": _refuse_pickling}
    if not hasattr(kind, "__deepcopy__"):
        methods["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), methods)


def _add_property(module: Module, name: str) -> None:
    if hasattr(module, name):
        raise AssertionError(f"Module already has an attribute named '{name}'")

    def compute(self: Any) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _cache_enabled:
            computed: Tensor = parametrization()
            return computed
        key = (id(module), name)
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def assign(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(compute, assign))


# ---- registering and removing ------------------------------------------------------------------------------


def _table(module: Module) -> ModuleDict:
    table = module.parametrizations
    if not isinstance(table, ModuleDict):
        raise AssertionError(f"Expected module.parametrizations to be a ModuleDict, got {_name(table)}")
    return table


def _check_further(module: Module, name: str, parametrization: Module) -> None:
    """ValueError unless one more parametrization keeps dtype and shape, and so does its inverse."""
    before: Tensor = getattr(module, name)
    after: Any = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {_name(after)}.")
    for what in ("dtype", "shape"):
        had, has = getattr(before, what), getattr(after, what)
        if had != has:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` "
                f"flag is enabled.\nmodule.{name}.{what}: {had}\n"
                f"parametrization(module.{name}).{what}: {has}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {_name(back)}")
    for what in ("dtype", "shape"):
        had, has = getattr(before, what), getattr(back, what)
        if had != has:
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as "
                f"module.{name}, unless the `unsafe` flag is enabled.\nmodule.{name}.{what}: {had}\n"
                f"returned {what}: {has}"
            )


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make a parameter or buffer of ``module`` what ``parametrization`` computes; returns ``module``.

    ``parametrization`` takes the tensor and gives one of its dtype and shape. Its ``right_inverse``, if any,
    says what to keep for a given value: it is asked now, and when something is assigned to the name.
    Several on one name are computed one after another. ValueError if dtype or shape change and it is not
    ``unsafe``, or if there is no such tensor.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_further(module, tensor_name, parametrization)
        chain: Any = _table(module)[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_own_class(module)
            module.parametrizations = ModuleDict()
        _add_property(module, tensor_name)
        _table(module)[tensor_name] = chain
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations, or one of this name."""
    table = getattr(module, "parametrizations", None)
    if not isinstance(table, ModuleDict):
        return False
    return len(table) > 0 if tensor_name is None else tensor_name in table


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Undo `register_parametrization`: the tensor keeps its value, or its original.

    The original without ``leave_parametrized``. Returns the module. ValueError if there is no
    parametrization, or if there is no single original to keep.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    table = _table(module)
    chain: Any = table[tensor_name]
    kept: Any
    if chain.is_tensor:
        kept = chain.original
        if not isinstance(kept, Tensor):
            raise AssertionError(
                f"Expected original to be a Tensor (is_tensor promised us a Tensor), got {_name(kept)}"
            )
        if leave_parametrized:
            with no_grad():
                kept.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value: Tensor = getattr(module, tensor_name)
        kept = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in "
            "terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del table[tensor_name]
    _register(module, tensor_name, kept)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of the module, as it was without parametrizations."""
    kind: type = type(module)
    return kind.__bases__[0] if is_parametrized(module) else kind


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give ``to_module`` the parametrizations of ``from_module``, of all tensors or one, and the originals.

    A tensor that ``to_module`` does not have is made from ``from_module``'s. Returns ``to_module``.
    """
    if not is_parametrized(from_module):
        return to_module
    table = _table(from_module)
    for name in list(table) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source: Any = table[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = _table(to_module)[name]
        if source.is_tensor:
            target.original = source.original
        else:
            for i in range(source.ntensors):
                setattr(target, f"original{i}", getattr(source, f"original{i}"))
    return to_module
