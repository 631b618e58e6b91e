"""Invertible maps between sets of values, with the logarithm of how they stretch space."""

from __future__ import annotations

import math
import operator
from functools import reduce

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.utils import (
    _sum_rightmost,
    broadcast_all,
    eps_and_tiny,
    lazy_property,
    tril_matrix_to_vec,
    vec_to_tril_matrix,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.distributions.distribution import Distribution

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


def _broadcast_shape(shape: Sequence[int], *others: Any) -> Any:
    from rustnn.functional import broadcast_shapes

    return broadcast_shapes(shape, *(getattr(other, "shape", ()) for other in others))


class Transform:
    """A map y = f(x) whose ``log_abs_det_jacobian(x, y)`` is known.

    `domain` and `codomain` are constraints, `bijective` tells whether ``f.inv(f(x))`` is x, `sign` is 1 or
    -1 for increasing and decreasing maps of numbers. Subclasses give ``_call`` and ``_inverse``. With
    ``cache_size=1`` the last pair is kept, so that inverting it costs and loses nothing. ValueError for
    other sizes.
    """

    bijective: bool = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size: int = 0) -> None:
        self._cache_size = cache_size
        self._inv: Any = None  # a weak reference to the inverse
        if cache_size == 1:
            self._cached_x_y: tuple[Any, Any] = (None, None)
        elif cache_size != 0:
            raise ValueError("cache_size must be 0 or 1")
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_inv"] = None
        return state

    @property
    def event_dim(self) -> int:
        """The dimensions that one event has, on both sides."""
        if self.domain.event_dim == self.codomain.event_dim:
            dim: int = self.domain.event_dim
            return dim
        raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")

    @property
    def inv(self) -> Transform:
        """The inverse: a transform whose own inverse is this one."""
        from weakref import ref

        found: Transform | None = self._inv() if self._inv is not None else None
        if found is None:
            found = _InverseTransform(self)
            self._inv = ref(found)
        return found

    @property
    def sign(self) -> Any:
        """1 or -1, the sign of the derivative. NotImplementedError for what is not monotonic."""
        raise NotImplementedError

    def with_cache(self, cache_size: int = 1) -> Transform:
        """This transform with a cache of that size."""
        if self._cache_size == cache_size:
            return self
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self)}.with_cache is not implemented")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return not self.__eq__(other)

    # Defining __eq__ takes the hash away, as for PyTorch's transforms.
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, x: Tensor) -> Tensor:
        if self._cache_size == 0:
            return self._call(x)
        x_old, y_old = self._cached_x_y
        if x is x_old:
            return y_old  # type: ignore[no-any-return]
        y = self._call(x)
        self._cached_x_y = x, y
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size == 0:
            return self._inverse(y)
        x_old, y_old = self._cached_x_y
        if y is y_old:
            return x_old  # type: ignore[no-any-return]
        x = self._inverse(y)
        self._cached_x_y = x, y
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |det dy/dx|, one number an event."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.__class__.__name__ + "()"

    def forward_shape(self, shape: Any) -> Any:
        """The shape of f(x) for an x of that shape."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of x for an f(x) of that shape."""
        return shape


class _InverseTransform(Transform):
    """The inverse of a transform, which it keeps alive."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(cache_size=transform._cache_size)
        self._inv: Any = transform

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    if not TYPE_CHECKING:

        @constraints.dependent_property(is_discrete=False)
        def domain(self) -> Any:
            return self._inv.codomain

        @constraints.dependent_property(is_discrete=False)
        def codomain(self) -> Any:
            return self._inv.domain

        @property
        def bijective(self) -> bool:
            return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Transform:
        inverse: Transform = self._inv
        return inverse

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self.inv.with_cache(cache_size).inv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = None

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self._inv!r})"

    def __call__(self, x: Tensor) -> Tensor:
        return self.inv._inv_call(x)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self.inv.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.inv.forward_shape(shape)


class ComposeTransform(Transform):
    """Several transforms, the first one first."""

    def __init__(self, parts: list[Transform], cache_size: int = 0) -> None:
        if cache_size:
            parts = [part.with_cache(cache_size) for part in parts]
        super().__init__(cache_size=cache_size)
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = None

    if not TYPE_CHECKING:

        @constraints.dependent_property(is_discrete=False)
        def domain(self) -> Any:
            if not self.parts:
                return constraints.real
            domain = self.parts[0].domain
            # Walk back from the end: how many dimensions must an event have before each part?
            event_dim = self.parts[-1].codomain.event_dim
            for part in reversed(self.parts):
                event_dim += part.domain.event_dim - part.codomain.event_dim
                event_dim = max(event_dim, part.domain.event_dim)
            if event_dim > domain.event_dim:
                domain = constraints.independent(domain, event_dim - domain.event_dim)
            return domain

        @constraints.dependent_property(is_discrete=False)
        def codomain(self) -> Any:
            if not self.parts:
                return constraints.real
            codomain = self.parts[-1].codomain
            event_dim = self.parts[0].domain.event_dim
            for part in self.parts:
                event_dim += part.codomain.event_dim - part.domain.event_dim
                event_dim = max(event_dim, part.codomain.event_dim)
            if event_dim > codomain.event_dim:
                codomain = constraints.independent(codomain, event_dim - codomain.event_dim)
            return codomain

        @lazy_property
        def bijective(self) -> bool:
            return all(part.bijective for part in self.parts)

        @lazy_property
        def sign(self) -> Any:
            return reduce(operator.mul, (part.sign for part in self.parts), 1)

    @property
    def inv(self) -> Transform:
        from weakref import ref

        found: Transform | None = self._inv() if self._inv is not None else None
        if found is None:
            found = ComposeTransform([part.inv for part in reversed(self.parts)])
            self._inv = ref(found)
            found._inv = ref(self)
        return found

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self if self._cache_size == cache_size else ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.parts:
            return _C.zeros_like(x)
        values = [x]
        for part in self.parts[:-1]:
            values.append(part(values[-1]))
        values.append(y)
        terms = []
        event_dim = self.domain.event_dim
        for part, before, after in zip(self.parts, values[:-1], values[1:], strict=True):
            term = part.log_abs_det_jacobian(before, after)
            terms.append(_sum_rightmost(term, event_dim - part.domain.event_dim))
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return reduce(operator.add, terms)

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(part) for part in self.parts)
        return f"{self.__class__.__name__}(\n    {inner}\n)"


identity_transform = ComposeTransform([])


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


class _SameOfClass(Transform):
    """A transform without arguments: all of a class are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = None


class ExpTransform(_SameOfClass):
    """y = exp(x)."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class PowerTransform(Transform):
    """y = x ** exponent, for positive x."""

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Tensor | float, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return (
            self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size=cache_size)
        )

    @lazy_property
    def sign(self) -> Tensor:
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool(self.exponent.eq(other.exponent).all())

    __hash__ = None

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return _broadcast_shape(shape, self.exponent)

    def inverse_shape(self, shape: Any) -> Any:
        return _broadcast_shape(shape, self.exponent)


class SigmoidTransform(_SameOfClass):
    """y = 1 / (1 + exp(-x)), kept inside of (0, 1)."""

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def _call(self, x: Tensor) -> Tensor:
        eps, tiny = eps_and_tiny(x.dtype)
        return _C.clamp(_C.sigmoid(x), min=tiny, max=1.0 - eps)

    def _inverse(self, y: Tensor) -> Tensor:
        eps, tiny = eps_and_tiny(y.dtype)
        y = y.clamp(min=tiny, max=1.0 - eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -_C._nn_softplus(-x) - _C._nn_softplus(x)


class SoftplusTransform(_SameOfClass):
    """y = log(1 + exp(x)); the identity above 20."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x: Tensor) -> Tensor:
        return _C._nn_softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -_C._nn_softplus(-x)


class TanhTransform(_SameOfClass):
    """y = tanh(x). Its inverse is not clamped: +-1 becomes +-inf."""

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = 1

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return _C.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # log(1 - tanh(x)^2) without cancellation.
        return 2.0 * (math.log(2.0) - x - _C._nn_softplus(-2.0 * x))


class AbsTransform(_SameOfClass):
    """y = |x|; as its inverse y itself is taken."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """y = loc + scale * x; `event_dim` dimensions are one event."""

    bijective = True

    def __init__(
        self, loc: Tensor | float, scale: Tensor | float, event_dim: int = 0, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size=cache_size)
        self.loc = loc
        self.scale = scale
        self._event_dim = event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    if not TYPE_CHECKING:

        @constraints.dependent_property(is_discrete=False)
        def domain(self) -> Any:
            if self.event_dim == 0:
                return constraints.real
            return constraints.independent(constraints.real, self.event_dim)

        @constraints.dependent_property(is_discrete=False)
        def codomain(self) -> Any:
            if self.event_dim == 0:
                return constraints.real
            return constraints.independent(constraints.real, self.event_dim)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        for mine, its in ((self.loc, other.loc), (self.scale, other.scale)):
            equal = mine == its
            if not (equal.all() if isinstance(equal, _C.Tensor) else equal):
                return False
        return True

    __hash__ = None

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, (int, float)):
            return 1 if self.scale > 0 else -1 if self.scale < 0 else 0
        return self.scale.sign()

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        shape = x.shape
        scale = self.scale
        if isinstance(scale, (int, float)):
            result = _C.full_like(x, math.log(abs(scale)))
        else:
            result = _C.abs(scale).log()
        if self.event_dim:
            result = result.view((*result.size()[: -self.event_dim], -1)).sum(-1)
            shape = shape[: -self.event_dim]
        return result.expand(shape)

    def forward_shape(self, shape: Any) -> Any:
        return _broadcast_shape(shape, self.loc, self.scale)

    def inverse_shape(self, shape: Any) -> Any:
        return _broadcast_shape(shape, self.loc, self.scale)


class CorrCholeskyTransform(Transform):
    """A vector of n (n - 1) / 2 numbers as the Cholesky factor of an n x n correlation matrix.

    The numbers, brought to (-1, 1) by tanh, are partial correlations row by row: each says what share of
    the length that a row has left its next element takes. Lewandowski, Kurowicka and Joe, "Generating
    random correlation matrices" (2009), by the way of the Stan reference manual.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        x = _C.tanh(x)
        eps = eps_and_tiny(x.dtype)[0]
        x = x.clamp(min=-1 + eps, max=1 - eps)
        r = vec_to_tril_matrix(x, diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        # The diagonal of r + 1 is 1: a row's last element takes what is left.
        r = r + _C.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * _C.constant_pad_nd(left[..., :-1], [1, 0], value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        left = 1 - _C.cumsum(y * y, dim=-1)
        left = _C.constant_pad_nd(left[..., :-1], [1, 0], value=1.0)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor, intermediates: Any = None) -> Tensor:
        left = 1 - (y * y).cumsum(dim=-1)
        stretch = 0.5 * tril_matrix_to_vec(left, diag=-2).log().sum(-1)
        tanh = -2 * (x + _C._nn_softplus(-2 * x) - math.log(2.0)).sum(dim=-1)
        return stretch + tanh

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        n = shape[-1]
        size = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (size, size)  # noqa: RUF005 (a Size stays one)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        size = shape[-1]
        return shape[:-2] + (size * (size - 1) // 2,)  # noqa: RUF005


class SoftmaxTransform(_SameOfClass):
    """y = softmax(x) over the last dimension; its inverse is log, so it is not bijective."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        probs = (x - x.max(-1, True)[0]).exp()
        return probs / probs.sum(-1, True)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        return self.forward_shape(shape)


class StickBreakingTransform(_SameOfClass):
    """A vector of n numbers as n + 1 probabilities: each says what share of the rest breaks off.

    Shifted so that zeros become equal probabilities, as in the Stan reference manual, "Unit simplex".
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, x: Tensor) -> Tensor:
        """How many pieces are left at each element."""
        return x.shape[-1] + 1 - x.new_ones(x.shape[-1]).cumsum(-1)

    def _call(self, x: Tensor) -> Tensor:
        eps, tiny = eps_and_tiny(x.dtype)
        z = _C.clamp(_C.sigmoid(x - self._offset(x).log()), min=tiny, max=1.0 - eps)
        rest = (1 - z).cumprod(-1)
        return _C.constant_pad_nd(z, [0, 1], value=1) * _C.constant_pad_nd(rest, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        y_crop = y[..., :-1]
        offset = y.shape[-1] - y.new_ones(y_crop.shape[-1]).cumsum(-1)
        rest = 1 - y_crop.cumsum(-1)
        # Rounding must not make the rest 0.
        rest = _C.clamp(rest, min=eps_and_tiny(y.dtype)[1])
        return y_crop.log() - rest.log() + offset.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - self._offset(x).log()
        return (-x + _C._nn_logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape[:-1] + (shape[-1] + 1,)  # noqa: RUF005

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape[:-1] + (shape[-1] - 1,)  # noqa: RUF005


class LowerCholeskyTransform(_SameOfClass):
    """Square matrices to lower triangular ones with a positive diagonal: exp of the diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_SameOfClass):
    """Square matrices to positive definite ones: L L^T with the L of `LowerCholeskyTransform`."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(_C._linalg_cholesky(y))


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


class CumulativeDistributionTransform(Transform):
    """y = distribution.cdf(x), from the support to [0, 1]."""

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    if not TYPE_CHECKING:

        @property
        def domain(self) -> Any:
            return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)
