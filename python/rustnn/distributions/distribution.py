"""The base of all distributions: shapes, validation, and what follows from the other methods."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.utils import lazy_property
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from rustnn._C import Tensor

__all__ = ["Distribution"]

_NONE = Size()


class Distribution:
    """A family of independent distributions, one for each element of `batch_shape`.

    A sample has shape ``sample_shape + batch_shape + event_shape``; ``log_prob`` has one number for each
    event. A subclass gives ``arg_constraints`` and ``support``, which are checked where ``validate_args``
    holds (the default, but under ``python -O``): ValueError for values outside.
    """

    has_rsample: bool = False
    has_enumerate_support: bool = False
    _validate_args: bool = __debug__
    # What `expand` expands: names of attributes, with the number of dimensions that belong to an event.
    _parameters: ClassVar[dict[str, int]]

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments unless they are told. ValueError but for a bool."""
        if value not in [True, False]:
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Size = _NONE, event_shape: Size = _NONE, validate_args: bool | None = None
    ) -> None:
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()

    def _validate_parameters(self) -> None:
        try:
            rules = self.arg_constraints
        except NotImplementedError:
            from warnings import warn

            warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        given = self.__dict__
        for name, constraint in rules.items():
            value = given.get(name)
            if value is None:
                # A lazy parameter follows from the one that was given.
                if constraints.is_dependent(constraint) or isinstance(
                    getattr(type(self), name), lazy_property
                ):
                    continue
                value = getattr(self, name)
            elif constraints.is_dependent(constraint):
                continue
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    def _parameters_owner(self) -> type[Any]:
        """The class whose ``__init__`` the parameters are for."""
        for cls in type(self).__mro__:
            if "_parameters" in cls.__dict__:
                return cls
        raise NotImplementedError

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same distributions over a larger batch, as views (as ``Tensor.expand``).

        NotImplementedError for a subclass with an ``__init__`` of its own that does not override this.
        """
        owner = self._parameters_owner()
        new = self._get_checked_instance(owner, _instance)
        shape = Size(batch_shape)
        self._expand_parameters(new, shape, owner)
        Distribution.__init__(new, shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new  # type: ignore[no-any-return]

    def _expand_parameters(self, new: Any, batch_shape: Size, owner: type[Any]) -> None:
        given = self.__dict__
        for name, dims in owner._parameters.items():
            value = given.get(name)
            if isinstance(value, _C.Tensor):
                new.__dict__[name] = value.expand(batch_shape + value.shape[value.dim() - dims :])
            elif value is not None:
                new.__dict__[name] = value.expand(batch_shape)

    def _get_checked_instance(self, cls: type[Any], _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Size:
        """The shape over which distributions differ."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event, () for numbers."""
        return self._event_shape

    if TYPE_CHECKING:
        arg_constraints: Any
        support: Any
    else:

        @property
        def arg_constraints(self) -> dict[str, constraints.Constraint]:
            """What each argument must satisfy."""
            raise NotImplementedError

        @property
        def support(self) -> Any:
            """What a value must satisfy."""
            raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean, of shape batch_shape + event_shape."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable value, of shape batch_shape + event_shape."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance, of shape batch_shape + event_shape."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        """Random values of shape ``sample_shape + batch_shape + event_shape``, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        """Random values through which gradients reach the parameters. NotImplementedError where none are."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """``sample((n,))``, under its old name."""
        from warnings import warn

        warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            category=FutureWarning,
            stacklevel=2,
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability at `value`, without the dimensions of the event."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of being at most `value`."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile: the inverse of ``cdf``."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along a new first dimension.

        With ``expand=False`` the dimensions of the batch have size 1.
        """
        raise NotImplementedError

    def _enumerate(self, values: Tensor, expand: bool) -> Tensor:
        """Values (n, *event) as ``enumerate_support`` returns them."""
        event = values.shape[1:]
        values = values.reshape((-1, *(1,) * len(self._batch_shape), *event))
        return values.expand((-1, *self._batch_shape, *event)) if expand else values

    def entropy(self) -> Tensor:
        """The entropy in nats, of shape batch_shape."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return _C.exp(self.entropy())

    def _extended_shape(self, sample_shape: Sequence[int] = _NONE) -> Size:
        """The shape of a sample."""
        if not isinstance(sample_shape, Size):
            sample_shape = Size(sample_shape)
        shape = self._batch_shape
        if self._event_shape:
            shape = shape + self._event_shape
        return sample_shape + shape if sample_shape else shape

    def _validate_sample(self, value: Tensor) -> None:
        """ValueError for a value whose shape does not fit, or that lies outside of the support."""
        if not isinstance(value, _C.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, event = value.shape, self._event_shape
        if event and shape[len(shape) - len(event) :] != event:
            raise ValueError(
                f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}."
            )
        if event or shape != self._batch_shape:
            expected = self._batch_shape + event
            for ours, theirs in zip(reversed(shape), reversed(expected), strict=False):
                if ours != theirs and ours != 1 and theirs != 1:
                    raise ValueError(
                        f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}."
                    )
        try:
            support = self.support
        except NotImplementedError:
            from warnings import warn

            warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize "
                "the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) "
                f"to be within the support ({support!r}) of the distribution {self!r}, "
                f"but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        given = [(name, self.__dict__[name]) for name in self.arg_constraints if name in self.__dict__]
        text = ", ".join(f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in given)
        return f"{self.__class__.__name__}({text})"
