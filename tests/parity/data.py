"""Deterministic data for samples and programs, made by whichever library is under test.

What a program sees: `t(2, 3)` a tensor of random numbers, `fixed(2, 3)` one that no gradient is asked of,
`nc(2, 3)` one that is not contiguous, `ints(4, low=0, high=5)`, `bools(3)`, and the library as `torch`, `nn`, `optim`, `F`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

# Every dtype that a tensor can have.
DTYPES = tuple(
    """
    float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 bool complex64 complex128
    """.split()
)


class Data:
    """Deterministic tensors: the same numbers in the same order, whichever library makes them."""

    def __init__(
        self,
        lib: ModuleType,
        seed: int = 0,
        dtype: str = "float32",
        domain: tuple[float, float] | None = None,
        requires_grad: bool = False,
    ) -> None:
        self.lib = lib
        self.numbers = np.random.default_rng(seed)
        self.dtype = dtype
        self.domain = domain or (-3.0, 3.0)
        self.requires_grad = requires_grad
        self.made: list[Any] = []

    def _finish(self, tensor: Any) -> Any:
        if self.requires_grad and tensor.dtype.is_floating_point:
            tensor.requires_grad_()
        self.made.append(tensor)
        return tensor

    def _values(self, shape: tuple[int, ...], low: float | None, high: float | None, dtype: str) -> Any:
        lo, hi = self.domain[0] if low is None else low, self.domain[1] if high is None else high
        if dtype == "bool":
            return self.lib.from_numpy(np.asarray(self.numbers.random(shape) < 0.5))
        if "int" in dtype:
            lo, hi = int(np.ceil(lo)), int(np.floor(hi))
            if dtype == "uint8":
                lo, hi = max(lo, 0), max(hi, 0)
            array = self.numbers.integers(lo, hi + 1, shape)
            return self.lib.from_numpy(np.asarray(array)).to(getattr(self.lib, dtype))
        array = np.asarray(self.numbers.uniform(lo, hi, shape))
        if dtype.startswith("complex"):
            array = array + 1j * self.numbers.uniform(lo, hi, shape)
        return self.lib.from_numpy(np.asarray(array)).to(getattr(self.lib, dtype))

    def _dtype(self, dtype: Any) -> str:
        return self.dtype if dtype is None else str(dtype).split(".")[-1]

    def t(self, *shape: int, dtype: Any = None, low: float | None = None, high: float | None = None) -> Any:
        """A tensor of this shape, uniform over the range."""
        return self._finish(self._values(shape, low, high, self._dtype(dtype)))

    def fixed(self, *shape: int, low: float | None = None, high: float | None = None) -> Any:
        """As `t`, for an argument that no gradient can be asked of: a target, a weight of classes."""
        tensor = self._values(shape, low, high, self.dtype)
        self.made.append(tensor)
        return tensor

    def nc(self, *shape: int, dtype: Any = None, low: float | None = None, high: float | None = None) -> Any:
        """The same, but not contiguous: every other element of a larger tensor, dims swapped."""
        wide = (*shape[:-2], shape[-1] * 2, shape[-2]) if len(shape) > 1 else tuple(2 * n for n in shape)
        base = self._values(wide, low, high, self._dtype(dtype))
        if len(shape) > 1:
            return self._finish(base.transpose(-1, -2)[..., ::2])
        return self._finish(base[::2] if shape else base)

    def ints(self, *shape: int, low: int = 0, high: int = 5, dtype: Any = None) -> Any:
        """Integers from low to high - 1, int64 by default."""
        kind = "int64" if dtype is None else self._dtype(dtype)
        return self._finish(self._values(shape, low, high - 1, kind))

    def bools(self, *shape: int) -> Any:
        return self._finish(self._values(shape, None, None, "bool"))

    def namespace(self) -> dict[str, Any]:
        lib = self.lib
        names: dict[str, Any] = {name: getattr(self, name) for name in ("t", "fixed", "nc", "ints", "bools")}
        names.update(torch=lib, np=np, nan=float("nan"), inf=float("inf"))
        for path in ("nn", "optim", "nn.functional"):
            module: Any = lib
            for part in path.split("."):
                module = getattr(module, part, None)
            names["F" if path == "nn.functional" else path] = module
        return names
