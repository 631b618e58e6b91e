"""Pooling as functions: one value for every window."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Sizes = int | Sequence[int]

avg_pool1d = _C.avg_pool1d
avg_pool2d = _C._nn_avg_pool2d
avg_pool3d = _C._nn_avg_pool3d
lp_pool1d = _C._nn_lp_pool1d
lp_pool2d = _C._nn_lp_pool2d
lp_pool3d = _C._nn_lp_pool3d
adaptive_avg_pool1d = _C.adaptive_avg_pool1d
max_unpool1d = _C._nn_max_unpool1d
max_unpool2d = _C._nn_max_unpool2d
max_unpool3d = _C._nn_max_unpool3d
max_pool2d_with_indices = _C._nn_max_pool2d_with_indices
max_pool3d_with_indices = _C._nn_max_pool3d_with_indices


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, L) or (C, L), and where it was if ``return_indices``."""
    pool = _C.max_pool1d_with_indices if return_indices else _C.max_pool1d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """(values, int64 indices into each row)."""
    return _C.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window, and where it was if ``return_indices``; see ``nn.MaxPool2d``."""
    pool = _C._nn_max_pool2d_with_indices if return_indices else _C.max_pool2d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, D, H, W), and where it was if ``return_indices``."""
    pool = _C._nn_max_pool3d_with_indices if return_indices else _C.max_pool3d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def _completed(output_size: Any, input: Tensor) -> Any:
    """Sizes of an adaptive pooling; None keeps the input's."""
    if isinstance(output_size, int) or not hasattr(output_size, "__iter__"):
        return output_size
    sizes = input.shape
    if len(sizes) <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    last = sizes[len(sizes) - len(output_size) :]
    return [own if wanted is None else wanted for wanted, own in zip(output_size, last, strict=True)]


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of as many windows as ``output_size`` (a number, or two; None: the input's size)."""
    return _C._nn_adaptive_avg_pool2d(input, _completed(output_size, input))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of as many windows as ``output_size`` (a number, or three; None: the input's size)."""
    return _C._nn_adaptive_avg_pool3d(input, _completed(output_size, input))


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """(values, int64 indices) of ``output_size`` windows that cover (N, C, L) or (C, L)."""
    return _C.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """(values, int64 indices into each plane) of as many windows as ``output_size``."""
    return _C._nn_adaptive_max_pool2d_with_indices(input, _completed(output_size, input))


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """(values, int64 indices into each volume) of as many windows as ``output_size``."""
    return _C._nn_adaptive_max_pool3d_with_indices(input, _completed(output_size, input))


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest of ``output_size`` windows that cover (N, C, L) or (C, L)."""
    found = adaptive_max_pool1d_with_indices(input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of as many windows as ``output_size`` (a number, or two; None: the input's size)."""
    found = adaptive_max_pool2d_with_indices(input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of as many windows as ``output_size`` (a number, or three; None: the input's size)."""
    found = adaptive_max_pool3d_with_indices(input, output_size)
    return found if return_indices else found[0]


def _fractional(
    pool: Callable[..., tuple[Tensor, ...]],
    dims: int,
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: float | Sequence[float] | None,
    samples: Tensor | None,
) -> tuple[Tensor, ...]:
    name = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = (output_ratio,) * dims if isinstance(output_ratio, (int, float)) else output_ratio
        assert ratios is not None
        if len(ratios) != dims:
            raise ValueError(f"{name} requires output_ratio to be a number or {dims} of them, got {ratios}")
        output_size = [int(size * ratio) for size, ratio in zip(input.shape[-dims:], ratios, strict=True)]
    if samples is None:
        batch = 1 if input.dim() == dims + 1 else input.size(0)
        samples = _C.rand(batch, input.size(-dims - 1), dims, dtype=input.dtype)
    return pool(input, kernel_size, output_size, samples)


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """(values, int64 indices) of windows at pseudo-random distances (Graham, Fractional Max-Pooling, 2014).

    ``output_size``, or the ratio of it to the input's, says how many there are. ValueError for neither.
    """
    pool = _C._fractional_max_pool2d
    return _fractional(pool, 2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """As ``fractional_max_pool2d_with_indices``, in three dimensions."""
    pool = _C._fractional_max_pool3d
    return _fractional(pool, 3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest of windows at pseudo-random distances; see ``fractional_max_pool2d_with_indices``."""
    found = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return found if return_indices else found[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest of windows at pseudo-random distances; see ``fractional_max_pool3d_with_indices``."""
    found = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return found if return_indices else found[0]
