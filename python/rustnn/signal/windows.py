"""Window functions: ``rustnn.signal.windows``, with PyTorch's names.

``M`` is the number of points; with ``sym=False`` the window is one period of a longer signal. float32 or
float64. ValueError for a negative ``M`` and for other dtypes.
"""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]

bartlett = _C._signal_windows_bartlett
blackman = _C._signal_windows_blackman
cosine = _C._signal_windows_cosine
exponential = _C._signal_windows_exponential
gaussian = _C._signal_windows_gaussian
general_hamming = _C._signal_windows_general_hamming
hamming = _C._signal_windows_hamming
hann = _C._signal_windows_hann
kaiser = _C._signal_windows_kaiser
nuttall = _C._signal_windows_nuttall


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, **kwargs: Any
) -> Tensor:
    """The sum over i of (-1)^i a_i cos(2 pi i k / n). TypeError or ValueError for weights that are none."""
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _C._weighted_cosines(M, _C.tensor(a, dtype=_C.float64), sym, dtype=dtype, **kwargs)
