"""What numbers a dtype can hold: ``finfo`` of floating point, ``iinfo`` of integers."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import dtype

__all__ = ["finfo", "iinfo"]

# Bits of the significand (the hidden one left out), the largest exponent, decimal digits that are kept.
_FLOATS = {
    "float16": (10, 15, 3),
    "bfloat16": (7, 127, 2),
    "float32": (23, 127, 6),
    "float64": (52, 1023, 15),
}
_PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_INTEGERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")


def _name(kind: object, function: str) -> str:
    """The dtype's name without the module. TypeError for anything else."""
    if not isinstance(kind, _C.dtype):
        raise TypeError(
            f"{function}(): argument 'type' (position 1) must be torch.dtype, not {type(kind).__name__}"
        )
    return str(kind).removeprefix("torch.")


class _Limits:
    """Two of them are the same if they are of one dtype."""

    dtype: str
    bits: int
    min: float
    max: float

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.dtype == self.dtype


class finfo(_Limits):
    """The limits of a floating-point dtype (by default the default dtype), or of a complex one's parts.

    ``eps`` is the distance from 1 to the next number, ``tiny`` the smallest positive number of full
    precision, ``resolution`` one unit of the last decimal digit that is kept of 1. TypeError for other
    dtypes.
    """

    def __init__(self, type: dtype | None = None) -> None:
        name = _name(_C.get_default_dtype() if type is None else type, "finfo")
        name = _PARTS.get(name, name)
        if name not in _FLOATS:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        significand, exponent, digits = _FLOATS[name]
        self.dtype = name
        self.bits = {"float32": 32, "float64": 64}.get(name, 16)
        self.eps = 2.0**-significand
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = float(f"1e-{digits}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo(_Limits):
    """The smallest and the largest number of an integer dtype. TypeError for other dtypes."""

    min: int
    max: int

    def __init__(self, type: dtype) -> None:
        name = _name(type, "iinfo")
        if name == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if name not in _INTEGERS:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"
            )
        self.dtype = name
        self.bits = 8 * type.itemsize
        signed = type.is_signed
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
