"""Tensors of random numbers for tests."""

from __future__ import annotations

import math

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["make_tensor"]

_LIMITS = {
    _C.uint8: (0, 255),
    _C.int8: (-128, 127),
    _C.int16: (-(2**15), 2**15 - 1),
    _C.int32: (-(2**31), 2**31 - 1),
    _C.int64: (-(2**63), 2**63 - 1),
}


def make_tensor(
    *shape: Any,
    dtype: _C.dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: _C.memory_format | None = None,
) -> Tensor:
    """A tensor of random numbers from [``low``, ``high``).

    Where these are not given: [-9, 9) for floating-point and complex dtypes, [0, 2) for bool, [0, 10) for
    uint8, [-9, 10) for other integers. ``noncontiguous`` leaves gaps in memory, ``exclude_zero`` has no
    zeros. ValueError if ``low`` is not below ``high``, for NaN, and if gradients are required of integers.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError("The parameters `noncontiguous` and `memory_format` are mutually exclusive")
    floating = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not floating:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}"
        )
    if dtype == _C.bool:
        lowest, highest = 0.0, 2.0
    elif dtype == _C.uint8:
        lowest, highest = 0.0, 10.0
    else:
        lowest, highest = -9.0, 9.0 if floating else 10.0
    lowest = lowest if low is None else low
    highest = highest if high is None else high
    if math.isnan(lowest) or math.isnan(highest):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low} and {high}")
    if lowest >= highest:
        raise ValueError(f"`low` must be less than `high`, but got {lowest} >= {highest}")
    wide = (*sizes[:-1], 2 * sizes[-1]) if noncontiguous and sizes and math.prod(sizes) > 1 else sizes
    if dtype.is_complex:
        part = _C.float64 if dtype == _C.complex128 else _C.float32
        real, imag = (_C.empty(wide, dtype=part).uniform_(lowest, highest) for _ in range(2))
        made = real.to(dtype) + imag.to(dtype) * 1j
    elif floating:
        made = _C.empty(wide, dtype=dtype).uniform_(lowest, highest)
    else:
        bottom, top = _LIMITS.get(dtype, (0, 1))
        first, last = max(math.ceil(lowest), bottom), min(math.ceil(highest), top)
        made = _C.randint(first, max(last, first + 1), wide, dtype=dtype)
    if wide != sizes:
        made = made[..., ::2]
    if memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        from rustnn.numeric_limits import finfo

        made[made == 0] = finfo(dtype).tiny if floating else 1
    return made.requires_grad_() if requires_grad else made
