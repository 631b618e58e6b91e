"""``assert_close``: two results are the same but for rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["assert_allclose", "assert_close"]

# Relative and absolute, by dtype: about the square root of what the dtype resolves, as PyTorch takes them.
_TOLERANCES = {
    _C.float16: (1e-3, 1e-5),
    _C.bfloat16: (1.6e-2, 1e-5),
    _C.float32: (1.3e-6, 1e-5),
    _C.float64: (1e-7, 1e-7),
    _C.complex64: (1.3e-6, 1e-5),
    _C.complex128: (1e-7, 1e-7),
}


class _Comparison:
    """The settings of one call, and the way to the pair that is looked at."""

    def __init__(
        self,
        rtol: float | None,
        atol: float | None,
        allow_subclasses: bool,
        equal_nan: bool,
        check_dtype: bool,
        check_stride: bool,
        msg: str | Callable[[str], str] | None,
    ) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(
                f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
            )
        self.rtol, self.atol = rtol, atol
        self.allow_subclasses = allow_subclasses
        self.equal_nan = equal_nan
        self.check_dtype, self.check_stride = check_dtype, check_stride
        self.msg = msg
        self.way: list[Any] = []

    def fail(self, text: str) -> None:
        """AssertionError with the text and the way that leads to the failure."""
        if self.way:
            text += f"\n\nThe failure occurred for item {''.join(f'[{step!r}]' for step in self.way)}"
        if self.msg is not None:
            text = self.msg(text) if callable(self.msg) else self.msg
        raise AssertionError(text)

    def tolerances(self, *dtypes: _C.dtype) -> tuple[float, float]:
        """Those given, or the widest of the dtypes'."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def compare(self, actual: Any, expected: Any) -> None:
        """One pair, whatever it is."""
        if isinstance(actual, Mapping) and isinstance(expected, Mapping):
            self.mappings(actual, expected)
        elif _is_sequence(actual) and _is_sequence(expected):
            self.sequences(actual, expected)
        elif actual is None or expected is None:
            if actual is not expected:
                self.fail(f"None mismatch: {actual} is not {expected}")
        else:
            left, right = _tensor(actual), _tensor(expected)
            if left is None or right is None or isinstance(actual, Tensor) != isinstance(expected, Tensor):
                raise TypeError(
                    "No comparison pair was able to handle inputs of type "
                    f"{type(actual)} and {type(expected)}."
                )
            if (
                isinstance(actual, Tensor)
                and not self.allow_subclasses
                and type(actual) is not type(expected)
            ):
                raise TypeError(f"the classes differ: {type(actual)} and {type(expected)}")
            if _is_number(actual) and _is_number(expected):
                self.numbers(actual, expected)
            else:
                self.tensors(left, right)

    def mappings(self, actual: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
        missing = [key for key in expected if key not in actual]
        additional = [key for key in actual if key not in expected]
        if missing or additional:
            self.fail(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {missing}\n"
                f"Additional keys in the actual mapping: {additional}"
            )
        for key in expected:
            self.deeper(key, actual[key], expected[key])

    def sequences(self, actual: Sequence[Any], expected: Sequence[Any]) -> None:
        if len(actual) != len(expected):
            self.fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for index, (left, right) in enumerate(zip(actual, expected, strict=True)):
            self.deeper(index, left, right)

    def deeper(self, step: Any, actual: Any, expected: Any) -> None:
        self.way.append(step)
        self.compare(actual, expected)
        self.way.pop()

    def numbers(self, actual: Any, expected: Any) -> None:
        """Two numbers of Python."""
        kinds = [_C.tensor(value).dtype for value in (actual, expected)]
        kinds = [_C.float64 if kind.is_floating_point else kind for kind in kinds]
        kinds = [_C.complex128 if kind.is_complex else kind for kind in kinds]
        rtol, atol = self.tolerances(*kinds)
        difference = abs(actual - expected)
        if actual == expected or difference <= atol + rtol * abs(expected):
            return
        if self.equal_nan and actual != actual and expected != expected:
            return
        relative = float("inf") if expected == 0 else difference / abs(expected)
        self.differ_as_numbers(actual, expected, difference, relative, rtol, atol)

    def differ_as_numbers(
        self, actual: Any, expected: Any, difference: Any, relative: Any, rtol: float, atol: float
    ) -> None:
        exact = rtol == 0 and atol == 0
        self.fail(
            f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got {actual}.\n"
            f"Absolute difference: {difference}{'' if exact else f' (up to {atol} allowed)'}\n"
            f"Relative difference: {relative}{'' if exact else f' (up to {rtol} allowed)'}"
        )

    def tensors(self, actual: Tensor, expected: Tensor) -> None:
        """Shape, dtype and strides, then the values."""
        attributes = ["shape", "device"]
        if self.check_dtype:
            attributes.append("dtype")
        for name in attributes:
            left, right = getattr(actual, name), getattr(expected, name)
            if left != right:
                self.fail(f"The values for attribute '{name}' do not match: {left} != {right}.")
        if self.check_stride and actual.stride() != expected.stride():
            self.fail(
                f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
            )
        rtol, atol = self.tolerances(actual.dtype, expected.dtype)
        common = _C.promote_types(actual.dtype, expected.dtype)
        left, right = actual.detach().to(common), expected.detach().to(common)
        if common == _C.bool:
            left, right = left.long(), right.long()
        elif common.is_floating_point and common.itemsize < 4:
            left, right = left.float(), right.float()
        close = left == right
        if left.dtype.is_floating_point or left.dtype.is_complex:
            close = _C.isclose(left, right, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
        elif rtol or atol:
            close = _C.isclose(left.double(), right.double(), rtol=rtol, atol=atol)
        if not bool(close.all()):
            self.values_differ(left, right, close, rtol, atol, bool if common == _C.bool else None)

    def values_differ(
        self, left: Tensor, right: Tensor, close: Tensor, rtol: float, atol: float, kind: Any = None
    ) -> None:
        """AssertionError with how many elements differ, and by how much."""
        away = (left - right).abs()
        relative = away / right.abs()
        # What is close enough is not what is asked for.
        away = _C.where(close, _C.zeros_like(away), away)
        relative = _C.where(close, _C.zeros_like(relative), relative)
        if left.dim() == 0:
            one, other = (kind(t.item()) if kind else t.item() for t in (left, right))
            self.differ_as_numbers(one, other, away.item(), relative.item(), rtol, atol)
        exact = rtol == 0 and atol == 0
        differing = int((~close).sum())
        lines = [
            f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
            f"Mismatched elements: {differing} / {close.numel()} ({100 * differing / close.numel():.1f}%)",
        ]
        for name, differences, allowed in (("absolute", away, atol), ("relative", relative, rtol)):
            at = int(differences.flatten().argmax())
            largest = differences.flatten()[at].item()
            index = []
            for size in reversed(left.shape):
                index.append(at % size)
                at //= size
            allowance = "" if exact else f" (up to {allowed} allowed)"
            lines.append(
                f"Greatest {name} difference: {largest} at index {tuple(reversed(index))}{allowance}"
            )
        self.fail("\n".join(lines))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def _tensor(value: Any) -> Tensor | None:
    """A tensor, an array or a number as a tensor."""
    if isinstance(value, Tensor):
        return value
    if _is_number(value) or hasattr(value, "__array_interface__"):
        return _C.as_tensor(value)
    return None


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless ``abs(actual - expected) <= atol + rtol * abs(expected)`` everywhere.

    Tensors (same shape and dtype), arrays and numbers are compared, and sequences and mappings of them.
    Tolerances, where none are given, are those of the dtype: (1.3e-6, 1e-5) for float32, 0 for integers.
    ``msg`` replaces the message, or is called with it. TypeError for what cannot be compared, ValueError if
    only one tolerance is given.
    """
    comparison = _Comparison(rtol, atol, allow_subclasses, equal_nan, check_dtype, check_stride, msg)
    comparison.compare(actual, expected)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """``assert_close`` of what may differ in dtype, and may be no tensor yet."""
    if not isinstance(actual, Tensor):
        actual = _C.tensor(actual)
    if not isinstance(expected, Tensor):
        expected = _C.tensor(expected, dtype=actual.dtype)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )
