"""Pruning: parameters multiplied by masks of zeros and ones.

A pruned parameter ``name`` is kept as the parameter ``name_orig`` and the buffer ``name_mask``; a hook before
each call makes ``name`` their product, a plain attribute.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.module import Module
from rustnn.nn.utils.convert_parameters import parameters_to_vector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """The hook that prunes one tensor of a module. Subclasses say by ``compute_mask`` what is pruned.

    ``PRUNING_TYPE`` says what further pruning applies to: "unstructured" to the elements that are left,
    "structured" to the channels of ``dim`` that are left, "global" to all.
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask, of the shape of ``t``, whose elements say how important they are.

        What ``default_mask`` has pruned stays pruned.
        """

    def apply_mask(self, module: Module) -> Tensor:
        """The tensor as it is pruned now. AssertionError if it is not."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask, original = (getattr(module, self._tensor_name + end) for end in ("_mask", "_orig"))
        pruned: Tensor = mask.to(dtype=original.dtype) * original
        return pruned

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Prune ``module``'s parameter ``name`` by ``cls(*args, **kwargs)``; returns the hook.

        Where the parameter is pruned already, the hook is a `PruningContainer`. ``importance_scores``, of the
        parameter's shape, stand for its values. AssertionError for another shape.
        """
        method: Any = _joined(module, name, cls, args, kwargs)
        original: Tensor = getattr(module, name)
        if importance_scores is None:
            scores = original
        else:
            scores = importance_scores
            _same_shape(scores, original, f"parameter {name} of {module}")
        first = not isinstance(method, PruningContainer)
        if first:
            module.register_parameter(f"{name}_orig", original)  # type: ignore[arg-type]
            del module._parameters[name]
            before = _C.ones_like(original)
        else:
            before = getattr(module, f"{name}_mask").detach().clone()
        try:
            mask = method.compute_mask(scores, default_mask=before)
            module.register_buffer(f"{name}_mask", mask)
            method(module, ())
            module.register_forward_pre_hook(method)
        except Exception:
            if first:
                module.register_parameter(name, module._parameters.pop(f"{name}_orig"))
            raise
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """A tensor pruned by this method, without a module. AssertionError for scores of another shape."""
        if importance_scores is not None:
            _same_shape(importance_scores, t, "tensor t")
        before = _C.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(
            t if importance_scores is None else importance_scores, default_mask=before
        )

    def remove(self, module: Module) -> None:
        """Make the tensor an ordinary parameter with the values it has now. AssertionError if not pruned."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters[f"{name}_orig"]
        original.data = weight.data
        del module._parameters[f"{name}_orig"]
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


def _same_shape(scores: Tensor, pruned: Tensor, which: str) -> None:
    if scores.shape != pruned.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {which}, got {scores.shape} vs {pruned.shape}"
        )


def _joined(module: Module, name: str, kind: Any, args: Any, kwargs: Any) -> BasePruningMethod:
    """A new method of this kind, together with the one that the tensor has, whose hook is taken out."""
    hooks = module._forward_pre_hooks
    keys = [
        key
        for key, hook in hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]
    if len(keys) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
            "PruningContainer."
        )
    old: Any = hooks.pop(keys[0]) if keys else None
    method: BasePruningMethod = kind(*args, **kwargs)
    method._tensor_name = name
    if old is None:
        return method
    container = old if isinstance(old, PruningContainer) else PruningContainer(old)
    container.add_pruning_method(method)
    return container


class PruningContainer(BasePruningMethod):
    """Several methods on one tensor: the last one prunes what the ones before have left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """TypeError for anything else, ValueError for a method of another tensor."""
        if method is not None:
            if not isinstance(method, BasePruningMethod):
                raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
            if self._tensor_name != method._tensor_name:
                raise ValueError(
                    f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                    f"PruningContainer {self}. Found '{method._tensor_name}'"
                )
        self._pruning_methods = (*self._pruning_methods, method)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method, of what ``default_mask`` leaves, put into that.

        ValueError for another ``PRUNING_TYPE``, AttributeError for a structured one without ``dim``.
        """
        method: Any = self._pruning_methods[-1]
        where = _left(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype, copy=True)
        part = method.compute_mask(t[where], default_mask=default_mask[where])
        mask[where] = part.to(dtype=mask.dtype)
        return mask


def _left(method: Any, t: Tensor, mask: Tensor) -> Any:
    """The index of what is left for a method to prune."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    dims = t.dim()
    if kind == "structured":
        if not hasattr(method, "dim"):
            raise AttributeError(
                'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
            )
        dim = method.dim + dims if method.dim < 0 else method.dim
        if dim < 0:
            raise IndexError(f"Index is out of bounds for tensor with dimensions {dims}")
        channels = mask.sum(dim=[d for d in range(dims) if d != dim]) != 0
        return _along(dims, dim, channels)
    if kind == "global":
        return (slice(None),) * dims
    raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")


def _along(dims: int, dim: int, index: Any) -> tuple[Any, ...]:
    """``index`` in one dim and everything of the others."""
    where: list[Any] = [slice(None)] * dims
    where[dim] = index
    return tuple(where)


# ---- how much ----------------------------------------------------------------------------------------------


def _validate_pruning_amount_init(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 if isinstance(amount, numbers.Integral) else not 0.0 <= float(amount) <= 1.0:
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
        )


def _count(amount: Any, size: int) -> int:
    """How many of ``size`` an amount is; ValueError for more than there are."""
    count: int = amount if isinstance(amount, numbers.Integral) else round(amount * size)  # type: ignore[assignment]
    if count > size:
        raise ValueError(f"amount={count} should be smaller than the number of parameters to prune={size}")
    return count


def _channels(t: Tensor, dim: int) -> int:
    """The size of ``dim``; ValueError for less than two dims, IndexError for no such dim."""
    if t.dim() <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
            f"{t.shape} with {t.dim()} dims"
        )
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")
    return t.shape[dim]


def _only_channels(t: Tensor, dim: int, kept: Tensor, default_mask: Tensor) -> Tensor:
    mask = _C.zeros_like(t)
    mask[_along(t.dim(), dim, kept)] = 1
    return mask.mul_(default_mask.to(dtype=mask.dtype))


# ---- the methods -------------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing, and makes the names that pruning makes."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """``default_mask``."""
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Self:  # type: ignore[override]
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(module, name)
        return method


class _Unstructured(BasePruningMethod):
    """Prunes as many of the elements as ``amount`` says: a number of them, or a fraction."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def _lowest(self, t: Tensor, count: int) -> Tensor:
        """Where the elements are that go, in the flattened tensor."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """``default_mask`` with zeros for what goes. ValueError for an amount of more than there is."""
        count = _count(self.amount, t.numel())
        mask = default_mask.clone(memory_format=_C.contiguous_format)
        if count != 0:
            mask.view(-1)[self._lowest(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes elements that are drawn at random."""

    def _lowest(self, t: Tensor, count: int) -> Tensor:
        lowest: Tensor = _C.topk(_C.rand_like(t).view(-1), k=count).indices
        return lowest

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> Self:  # type: ignore[override]
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(module, name, amount=amount)
        return method


class L1Unstructured(_Unstructured):
    """Prunes the elements of the smallest absolute values."""

    def _lowest(self, t: Tensor, count: int) -> Tensor:
        lowest: Tensor = _C.topk(t.abs().view(-1), k=count, largest=False).indices
        return lowest

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> Self:
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(module, name, amount=amount, importance_scores=importance_scores)
        return method


class RandomStructured(BasePruningMethod):
    """Prunes channels of ``dim`` that are drawn at random, as many as ``amount`` says."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """``default_mask`` with zeros for what goes. ValueError and IndexError for what cannot be."""
        channels = _channels(t, self.dim)
        count = _count(self.amount, channels)
        if count == 0:
            return default_mask
        drawn = _C.rand(channels)
        return _only_channels(t, self.dim, drawn > _C.kthvalue(drawn, k=count).values, default_mask)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float, dim: int = -1) -> Self:  # type: ignore[override]
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(module, name, amount=amount, dim=dim)
        return method


class LnStructured(BasePruningMethod):
    """Prunes the channels of ``dim`` that have the smallest ``n``-norms, as many as ``amount`` says."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """``default_mask`` with zeros for what goes. ValueError and IndexError for what cannot be."""
        channels = _channels(t, self.dim)
        count = _count(self.amount, channels)
        dims = list(range(t.dim()))
        del dims[self.dim]
        norms = _C.norm(t, p=self.n, dim=dims)
        kept = _C.topk(norms, k=channels - count, largest=True).indices
        return _only_channels(t, self.dim, kept, default_mask) if count else default_mask

    @classmethod
    def apply(  # type: ignore[override]
        cls,
        module: Module,
        name: str,
        amount: float,
        n: Any,
        dim: int,
        importance_scores: Tensor | None = None,
    ) -> Self:
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )
        return method


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask that is given."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """What both masks leave. AssertionError for different shapes."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> Self:  # type: ignore[override]
        """See `BasePruningMethod.apply`."""
        method: Self = super().apply(module, name, mask=mask)
        return method


# ---- functions ---------------------------------------------------------------------------------------------


def identity(module: Module, name: str) -> Module:
    """Give the parameter the names of a pruned one, and prune nothing; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements at random, a number or a fraction of them; returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the elements with the smallest absolute values or scores; returns the module."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune channels of ``dim`` at random; returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune the channels of ``dim`` with the smallest ``n``-norms; returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters, (module, name) each, as if they were one vector.

    ``pruning_method`` is an unstructured one, made with ``kwargs``. TypeError for others, for no iterable,
    and for scores that are no dict.
    """
    from collections.abc import Iterable

    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if importance_scores is None:
        importance_scores = {}
    if not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    owners = list(parameters)
    tensors: list[Tensor] = [getattr(module, name) for module, name in owners]
    scores = parameters_to_vector(
        [importance_scores.get(owner, tensor) for owner, tensor in zip(owners, tensors, strict=True)]
    )
    before = parameters_to_vector(
        [
            getattr(module, f"{name}_mask", _C.ones_like(tensor))
            for (module, name), tensor in zip(owners, tensors, strict=True)
        ]
    )
    container = PruningContainer()
    method = pruning_method(**kwargs)
    container._tensor_name = method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    masks = container.compute_mask(scores, before).split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, mask in zip(owners, tensors, masks, strict=True):
        custom_from_mask(module, name, mask=mask.view_as(tensor))


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune what the mask has zeros for; returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Make a pruned parameter an ordinary one, zeros and all; returns the module. ValueError if it is not."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module or of one below it is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )
