"""Other transforms along dims: what one event is, shapes, and a transform for each part."""

from __future__ import annotations

import operator
from functools import reduce

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.transform import Transform
from rustnn.distributions.utils import _sum_rightmost, lazy_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "CatTransform",
    "IndependentTransform",
    "ReshapeTransform",
    "StackTransform",
]


class IndependentTransform(Transform):
    """A transform whose last `reinterpreted_batch_ndims` batch dimensions count as one event."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return IndependentTransform(
            self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size
        )

    if not TYPE_CHECKING:

        @constraints.dependent_property(is_discrete=False)
        def domain(self) -> Any:
            return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

        @constraints.dependent_property(is_discrete=False)
        def codomain(self) -> Any:
            return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

        @property
        def bijective(self) -> bool:
            return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        if x.dim() < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        if y.dim() < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return _sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"

    def forward_shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)


class ReshapeTransform(Transform):
    """Events of shape `in_shape` as events of shape `out_shape`. ValueError for unequal sizes."""

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0) -> None:
        from rustnn.size import Size

        self.in_shape = Size(in_shape)
        self.out_shape = Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)

    if not TYPE_CHECKING:

        @constraints.dependent_property
        def domain(self) -> Any:
            return constraints.independent(constraints.real, len(self.in_shape))

        @constraints.dependent_property
        def codomain(self) -> Any:
            return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape((*x.shape[: x.dim() - len(self.in_shape)], *self.out_shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape((*y.shape[: y.dim() - len(self.out_shape)], *self.in_shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return self._exchange(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._exchange(shape, self.out_shape, self.in_shape)

    def _exchange(self, shape: Any, old: Any, new: Any) -> Any:
        if len(shape) < len(old):
            raise ValueError("Too few dimensions on input")
        cut = len(shape) - len(old)
        if tuple(shape[cut:]) != tuple(old):
            raise ValueError(f"Shape mismatch: expected {shape[cut:]} but got {old}")
        return shape[:cut] + new


def _all_transforms(tseq: Sequence[Any], cache_size: int) -> list[Transform]:
    if not all(isinstance(part, Transform) for part in tseq):
        raise AssertionError("All elements of tseq must be Transform instances")
    return [part.with_cache(cache_size) for part in tseq] if cache_size else list(tseq)


def _check_dim(dim: int, x: Tensor) -> None:
    if not -x.dim() <= dim < x.dim():
        raise AssertionError(f"dim {dim} out of range for tensor with {x.dim()} dimensions")


class CatTransform(Transform):
    """Each piece of `lengths` (1 by default) along `dim` by its own transform."""

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        parts = _all_transforms(tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.transforms = parts
        self.lengths = [1] * len(parts) if lengths is None else list(lengths)
        if len(self.lengths) != len(parts):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(parts)})")
        self.dim = dim

    @lazy_property
    def event_dim(self) -> int:
        return max(part.event_dim for part in self.transforms)

    @lazy_property
    def length(self) -> int:
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _pieces(self, x: Tensor, name: str = "x") -> list[Tensor]:
        _check_dim(self.dim, x)
        if x.size(self.dim) != self.length:
            raise AssertionError(
                f"{name}.size({self.dim}) = {x.size(self.dim)} must equal length {self.length}"
            )
        return list(x.split(self.lengths, self.dim))

    def _call(self, x: Tensor) -> Tensor:
        pieces = [part(piece) for part, piece in zip(self.transforms, self._pieces(x), strict=True)]
        return _C.cat(pieces, dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        pieces = [part.inv(piece) for part, piece in zip(self.transforms, self._pieces(y, "y"), strict=True)]
        return _C.cat(pieces, dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        terms = []
        for part, before, after in zip(self.transforms, self._pieces(x), self._pieces(y, "y"), strict=True):
            term = part.log_abs_det_jacobian(before, after)
            if part.event_dim < self.event_dim:
                term = _sum_rightmost(term, self.event_dim - part.event_dim)
            terms.append(term)
        dim = self.dim if self.dim < 0 else self.dim - x.dim()
        dim = dim + self.event_dim
        return _C.cat(terms, dim=dim) if dim < 0 else reduce(operator.add, terms)

    if not TYPE_CHECKING:

        @property
        def bijective(self) -> bool:
            return all(part.bijective for part in self.transforms)

        @constraints.dependent_property
        def domain(self) -> Any:
            return constraints.cat([part.domain for part in self.transforms], self.dim, self.lengths)

        @constraints.dependent_property
        def codomain(self) -> Any:
            return constraints.cat([part.codomain for part in self.transforms], self.dim, self.lengths)


class StackTransform(Transform):
    """Each slice along `dim` by its own transform."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        parts = _all_transforms(tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.transforms = parts
        self.dim = dim

    def with_cache(self, cache_size: int = 1) -> Transform:
        return (
            self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)
        )

    def _slices(self, x: Tensor, name: str = "x") -> tuple[Tensor, ...]:
        _check_dim(self.dim, x)
        if x.size(self.dim) != len(self.transforms):
            raise AssertionError(
                f"{name}.size({self.dim}) = {x.size(self.dim)} must equal "
                f"len(transforms) {len(self.transforms)}"
            )
        return tuple(x.unbind(self.dim))

    def _call(self, x: Tensor) -> Tensor:
        slices = [part(piece) for piece, part in zip(self._slices(x), self.transforms, strict=True)]
        return _C.stack(slices, dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        slices = [part.inv(piece) for piece, part in zip(self._slices(y, "y"), self.transforms, strict=True)]
        return _C.stack(slices, dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        terms = [
            part.log_abs_det_jacobian(before, after)
            for before, after, part in zip(
                self._slices(x), self._slices(y, "y"), self.transforms, strict=True
            )
        ]
        return _C.stack(terms, dim=self.dim)

    if not TYPE_CHECKING:

        @property
        def bijective(self) -> bool:
            return all(part.bijective for part in self.transforms)

        @constraints.dependent_property
        def domain(self) -> Any:
            return constraints.stack([part.domain for part in self.transforms], self.dim)

        @constraints.dependent_property
        def codomain(self) -> Any:
            return constraints.stack([part.codomain for part in self.transforms], self.dim)
