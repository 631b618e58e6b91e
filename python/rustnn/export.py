"""Names of dims that are dynamic, for ``rustnn.onnx.export``: ``dynamic_shapes={"x": {0: Dim("batch")}}``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, NoReturn

__all__ = ["Dim", "dims"]


class _DimHint:
    """What is to be done with a dim that has no name."""

    def __init__(self, kind: str, min: int | None = None, max: int | None = None) -> None:
        self.kind = kind
        self.min = min
        self.max = max

    def __call__(self, min: int | None = None, max: int | None = None) -> _DimHint:
        return _DimHint(self.kind, min, max)

    def __repr__(self) -> str:
        limits = [f"{name}={value}" for name in ("min", "max") if (value := getattr(self, name)) is not None]
        return f"DimHint({', '.join([self.kind, *limits])})"


class Dim:
    """A dim with a name, whose size is from ``min`` to ``max``; dims of one name have one size.

    ``Dim.DYNAMIC`` and ``Dim.AUTO`` are dynamic dims without a name, ``Dim.STATIC`` is a fixed one.
    AssertionError for a name that is no identifier, or limits that leave no size.
    """

    AUTO: ClassVar[_DimHint] = _DimHint("AUTO")
    DYNAMIC: ClassVar[_DimHint] = _DimHint("DYNAMIC")
    STATIC: ClassVar[_DimHint] = _DimHint("STATIC")

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        if not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")
        self.__name__ = name
        self.min = 0 if min is None else min
        self.max = max
        if max is not None and max <= self.min:
            raise AssertionError(f"Cannot create Dim with inconsistent min={min}, max={max}")

    def __repr__(self) -> str:
        # 2 is the least size that PyTorch specialises on no account, and is not shown.
        limits = [f"min={self.min}"] * (self.min != 2) + [f"max={self.max}"] * (self.max is not None)
        return f"Dim({', '.join([repr(self.__name__), *limits])})"

    def _derived(self, other: object) -> NoReturn:
        raise NotImplementedError("dims that are computed from other dims are not supported")

    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = _derived


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """Several dims with the same limits."""
    return tuple(Dim(name, min=min, max=max) for name in names)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"module 'rustnn.export' has no attribute '{name}': models run eagerly as they are; "
        "rustnn.onnx.export writes them for other programs"
    )
