"""The Kullback-Leibler divergence, by the classes of the two distributions."""

from __future__ import annotations

from rustnn.distributions.distribution import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import Tensor

    Divergence = Callable[[Any, Any], Tensor]

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type[Any], type[Any]], Divergence] = {}
_KL_MEMOIZE: dict[tuple[type[Any], type[Any]], Any] = {}


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[Divergence], Divergence]:
    """Decorates a function of p and q that is their divergence, for these classes and those below them.

    Of several that fit, the most special one is taken, with a RuntimeWarning where that is not clear.
    TypeError for what is no class of distributions.
    """
    for name, cls in (("p", type_p), ("q", type_q)):
        if not isinstance(cls, type) and issubclass(cls, Distribution):
            raise TypeError(f"Expected type_{name} to be a Distribution subclass but got {cls}")

    def decorator(fun: Divergence) -> Divergence:
        _KL_REGISTRY[type_p, type_q] = fun
        _KL_MEMOIZE.clear()
        return fun

    return decorator


def _dispatch_kl(type_p: type[Any], type_q: type[Any]) -> Divergence | None:
    """The function for the most special pair of classes that fits."""
    pairs = [
        (type_p.__mro__.index(super_p), type_q.__mro__.index(super_q), super_p, super_q)
        for super_p, super_q in _KL_REGISTRY
        if issubclass(type_p, super_p) and issubclass(type_q, super_q)
    ]
    if not pairs:
        return None
    left = min(pairs, key=lambda pair: (pair[0], pair[1]))
    right = min(pairs, key=lambda pair: (pair[1], pair[0]))
    chosen = _KL_REGISTRY[left[2], left[3]]
    if chosen is not _KL_REGISTRY[right[2], right[3]]:
        from warnings import warn

        warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl("
            f"{left[2].__name__}, {right[3].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return chosen


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) = E_p[log p(x) - log q(x)], of the shape of the two batches together.

    NotImplementedError where no formula is known for the two classes.
    """
    key = (type(p), type(q))
    if key in _KL_MEMOIZE:
        fun = _KL_MEMOIZE[key]
    else:
        fun = _KL_MEMOIZE[key] = _dispatch_kl(*key)
    if fun is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} "
            f"and q type {q.__class__.__name__}"
        )
    return fun(p, q)  # type: ignore[no-any-return]


# They register what they know; the pairs between families count as later.
from rustnn.distributions import kl_within, kl_between  # noqa: E402, F401, I001
