"""The weights of convolutions in another order in memory."""

from __future__ import annotations

from rustnn import _C
from rustnn.nn.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    AnyModule = TypeVar("AnyModule", bound=Module)

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Module, kinds: tuple[type[Module], ...], memory_format: Any) -> None:
    for part in module.modules():
        if isinstance(part, kinds):
            weight = part.weight.detach().clone(memory_format=memory_format)
            if memory_format is _C.preserve_format:
                raise RuntimeError("Unsupported memory formatPreserve")
            part.weight.data = weight


def convert_conv2d_weight_memory_format(module: AnyModule, memory_format: Any) -> AnyModule:
    """Bring the weights of all Conv2d and ConvTranspose2d into this order, such as `channels_last`.

    Returns the module. RuntimeError for `preserve_format` and for orders of other numbers of dims.
    """
    _convert(module, (Conv2d, ConvTranspose2d), memory_format)
    return module


def convert_conv3d_weight_memory_format(module: AnyModule, memory_format: Any) -> AnyModule:
    """The same for Conv3d and ConvTranspose3d, such as `channels_last_3d`."""
    _convert(module, (Conv3d, ConvTranspose3d), memory_format)
    return module
