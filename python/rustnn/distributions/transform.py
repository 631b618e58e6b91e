"""``Transform``: an invertible map between sets of values; inverses, and several in a row."""

from __future__ import annotations

import operator
from functools import reduce

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.utils import _sum_rightmost, lazy_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "ComposeTransform",
    "Transform",
    "_SameOfClass",
    "identity_transform",
]


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


class _SameOfClass(Transform):
    """A transform without arguments: all of a class are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = None


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
