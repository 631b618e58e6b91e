"""What distributions share: parameters of one shape, probabilities from logits and back, lazy attributes."""

from __future__ import annotations

from rustnn import _C
from rustnn.functional import broadcast_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Generic, TypeVar

    from rustnn._C import Tensor
    from rustnn._C import dtype as _dtype

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060

_limits: dict[_dtype, tuple[float, float]] = {}


def eps_and_tiny(dtype: _dtype) -> tuple[float, float]:
    """The step from 1 to the next number, and the smallest normal number."""
    found = _limits.get(dtype)
    if found is None:
        from rustnn.numeric_limits import finfo

        info = finfo(dtype)
        found = _limits[dtype] = (info.eps, info.tiny)
    return found


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; numbers take the dtype and device of the first tensor.

    ValueError for what is neither a tensor nor a number.
    """
    first = None
    numbers = False
    same = True
    for value in values:
        if isinstance(value, _C.Tensor):
            if first is None:
                first = value
            elif same and value.shape != first.shape:
                same = False
        elif isinstance(value, (int, float)):
            numbers = True
        else:
            raise ValueError(
                "Input arguments must all be instances of Number, "
                "torch.Tensor or objects implementing __torch_function__."
            )
    if not numbers:
        return values if same else tuple(broadcast_tensors(*values))
    if first is None:
        made = [_C.tensor(value, dtype=_C.get_default_dtype()) for value in values]
    else:
        same = same and not first.shape
        dtype, device = first.dtype, first.device
        made = [
            value if isinstance(value, _C.Tensor) else _C.tensor(value, dtype=dtype, device=device)
            for value in values
        ]
    return tuple(made) if same else tuple(broadcast_tensors(*made))


def _standard_normal(shape: Sequence[int], dtype: _dtype, device: Any) -> Tensor:
    """Numbers of mean 0 and variance 1."""
    return _C.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[:-dim], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities: the sigmoid if they are of one event each, else the softmax over the last dimension."""
    if is_binary:
        return _C.sigmoid(logits)
    return logits.softmax(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept eps away from 0 and 1."""
    eps = eps_and_tiny(probs.dtype)[0]
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities that are kept away from 0 and 1: log(p / (1 - p)), or else log(p)."""
    clamped = clamp_probs(probs)
    if is_binary:
        return _C.log(clamped) - _C.log1p(-clamped)
    return _C.log(clamped)


if TYPE_CHECKING:
    R = TypeVar("R")

    class lazy_property(Generic[R]):
        def __init__(self, wrapped: Callable[[Any], R]) -> None: ...
        def __get__(self, instance: object, obj_type: Any = None) -> R: ...

else:

    class lazy_property:
        """An attribute that is computed when first asked for, and then kept."""

        def __init__(self, wrapped):
            self.wrapped = wrapped
            self.name = self.__name__ = wrapped.__name__
            self.__doc__ = wrapped.__doc__
            self.__module__ = wrapped.__module__

        def __get__(self, instance, obj_type=None):
            if instance is None:
                return _lazy_property_and_property(self.wrapped)
            # Kept for every later use, so it is recorded even where the first one is not.
            before = _C._set_grad_enabled(True)
            try:
                value = self.wrapped(instance)
            finally:
                _C._set_grad_enabled(before)
            setattr(instance, self.name, value)
            return value


class _lazy_property_and_property(lazy_property, property):  # type: ignore[type-arg]
    """What the class has for a lazy attribute: a property, so that documentation tools know it."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below a diagonal, row by row: (*, n, n) to (*, k). ValueError for diag outside."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    order = _C.arange(n, device=mat.device)
    return mat[..., order < order.view(-1, 1) + (diag + 1)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`, with zeros above the diagonal."""
    k = vec.shape[-1]
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * k + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    size = round(n) if abs(round(n) - n) < 1e-7 else int(n)
    mat = vec.new_zeros((*vec.shape[:-1], size, size))
    order = _C.arange(size, device=vec.device)
    mat[..., order < order.view(-1, 1) + (diag + 1)] = vec
    return mat
