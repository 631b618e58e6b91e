"""Convolutions."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn import init
from rustnn.nn.lazy import LazyModuleMixin
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter, UninitializedParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

    Sizes = int | tuple[int, ...]

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _each(value: Any, dims: int) -> tuple[int, ...]:
    """A number stands for itself in every direction."""
    return tuple(value) if hasattr(value, "__iter__") else (value,) * dims


class _ConvNd(Module):
    """What convolutions of any number of dims share: settings, weights, checks."""

    _dims: ClassVar[int]
    _convolve: ClassVar[Callable[..., Tensor]]
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter  # or None; nobody need assert that it is not

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string '{padding}', should be one of {{'same', 'valid'}}")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            names = ", ".join(repr(name) for name in _PADDING_MODES)
            raise ValueError(f"padding_mode must be one of {{{names}}}, but got {padding_mode=}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_by_side()
        inward, outward = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (inward, outward // groups, *kernel_size)
        self.weight = Parameter(_C.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(_C.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_by_side(self) -> list[int]:
        """(left, right, top, bottom, ...), last dim first; a number that PyTorch keeps in the module too."""
        sides: list[int] = []
        for axis in reversed(range(len(self.kernel_size))):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                sides += [total // 2, total - total // 2]
            elif isinstance(self.padding, str):
                sides += [0, 0]
            elif axis < len(self.padding):
                sides += [self.padding[axis]] * 2
        return sides

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, both from U(-k, k), k = 1 / sqrt(inputs of one output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _weights(self) -> tuple[Tensor, Tensor | None]:
        """Straight from the table; see Linear."""
        parameters: dict[str, Any] = self._parameters
        try:
            return parameters["weight"], parameters["bias"]
        except KeyError:
            return self.weight, self.bias

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * len(self.stride):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Convolution(_ConvNd):
    """The convolutions that are not transposed."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dims = self._dims
        super().__init__(
            in_channels,
            out_channels,
            _each(kernel_size, dims),
            _each(stride, dims),
            padding if isinstance(padding, str) else _each(padding, dims),
            _each(dilation, dims),
            False,
            (0,) * dims,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return type(self)._convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self._weights()
        return self._conv_forward(input, weight, bias)


class Conv1d(_Convolution):
    """Convolution of signals: (N, in_channels, L) or without N, to (N, out_channels, L').

    ``L' = floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``. ``weight`` is
    (out_channels, in_channels / groups, kernel_size). For the other arguments see Conv2d.
    """

    _dims = 1
    _convolve = staticmethod(_C.conv1d)


class Conv2d(_Convolution):
    """Convolution of images: (N, in_channels, H, W) or without N, to (N, out_channels, H', W').

    ``H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``, and W' alike; sizes are
    a number or a pair. ``stride`` is how far the window moves, ``dilation`` the distance between its
    elements, ``groups`` how many parts the channels are cut into, each with weights of its own.

    ``weight`` is (out_channels, in_channels / groups, kernel height, kernel width), ``bias`` (out_channels)
    or None; both start as draws from U(-k, k), k = 1 / sqrt(inputs of one output). ``padding`` is added on
    both sides, or "valid" (none), or "same" (H' = H; stride 1 only); ``padding_mode`` says of what: "zeros",
    "reflect", "replicate" or "circular". ValueError for settings that do not go together.
    """

    _dims = 2
    _convolve = staticmethod(_C.conv2d)


class Conv3d(_Convolution):
    """Convolution of volumes: (N, in_channels, D, H, W) or without N, to (N, out_channels, D', H', W').

    As Conv2d, with sizes of a number or three.
    """

    _dims = 3
    _convolve = staticmethod(_C.conv3d)


class _ConvTransposeNd(_ConvNd):
    """The transposed convolutions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dims = self._dims
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            _each(kernel_size, dims),
            _each(stride, dims),
            _each(padding, dims),
            _each(dilation, dims),
            True,
            _each(output_padding, dims),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _padding_for(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output padding with which the result has ``output_size``; ValueError if none does."""
        if output_size is None:
            return self.output_padding
        dims = self._dims
        wanted = list(output_size)
        if len(wanted) == input.dim():  # with batch and channels
            wanted = wanted[input.dim() - dims :]
        if len(wanted) != dims:
            raise ValueError(
                f"{type(self).__name__}: for {input.dim()}D input, output_size must have {dims} or "
                f"{input.dim()} elements (got {len(wanted)})"
            )
        least = []
        for axis, size in enumerate(input.shape[input.dim() - dims :]):
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            least.append((size - 1) * self.stride[axis] - 2 * int(self.padding[axis]) + reach)
        most = [size + step - 1 for size, step in zip(least, self.stride, strict=True)]
        if not all(low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} "
                f"(for an input of {tuple(input.shape)})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        weight, bias = self._weights()
        extra = self._padding_for(input, output_size)
        return type(self)._convolve(
            input, weight, bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of signals: (N, in_channels, L) or without N, to (N, out_channels, L').

    ``L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``; see
    ConvTranspose2d.
    """

    _dims = 1
    _convolve = staticmethod(_C.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of a convolution as a layer: (N, in_channels, H, W) to (N, out_channels, H', W').

    ``H' = (H - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``, and W' alike.
    ``weight`` is (in_channels, out_channels / groups, kernel height, kernel width). ``output_padding``, or
    ``output_size`` in the call, settles which of the sizes that fit the result has.
    """

    _dims = 2
    _convolve = staticmethod(_C.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes: (N, in_channels, D, H, W) or without N; see ConvTranspose2d."""

    _dims = 3
    _convolve = staticmethod(_C.conv_transpose3d)


class _LazyConvXdMixin(LazyModuleMixin, _ConvNd):
    """What makes a convolution lazy: it takes ``in_channels`` from its first input."""

    weight: Any
    bias: Any

    def _leave_open(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        """The parameters of a layer that was made without channels."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, if there are any."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Make weight and bias for inputs like this one.

        RuntimeError for other numbers of dims, ValueError for channels that do not go into the groups.
        """
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if not isinstance(self.weight, UninitializedParameter):
            raise AssertionError("self.weight must be an UninitializedParameter")
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        self.weight.materialize((first, second // self.groups, *self.kernel_size))
        if self.bias is not None:
            if not isinstance(self.bias, UninitializedParameter):
                raise AssertionError("self.bias must be an UninitializedParameter")
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        unbatched = self._get_num_spatial_dims() + 1
        if input.dim() not in (unbatched, unbatched + 1):
            raise RuntimeError(
                f"Expected {unbatched}D (unbatched) or {unbatched + 1}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[input.dim() - unbatched]

    def _get_num_spatial_dims(self) -> int:
        return self._dims


class _LazyConvolution(_LazyConvXdMixin, _Convolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._leave_open(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvXdMixin, _ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._leave_open(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, Conv1d):
    """Conv1d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """Conv2d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """Conv3d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """ConvTranspose1d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """ConvTranspose2d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """ConvTranspose3d that takes ``in_channels`` from its first input; see `LazyModuleMixin`."""

    cls_to_become = ConvTranspose3d
