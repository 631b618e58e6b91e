"""Modules over several devices: there is one, so the module runs on it."""

from __future__ import annotations

from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn import _C

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls `module` with the whole batch, on the device where it is.

    What PyTorch does without a GPU: `device_ids`, `output_device` and `dim` are taken and change nothing. The
    names of parameters start with ``module.``, as in files of models that were trained on several GPUs.
    """

    device_ids: list[int]

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[int | _C.device] | None = None,
        output_device: int | _C.device | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of the inputs."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """A module whose gradients are averaged over processes: ValueError, as there are no process groups."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        from rustnn.distributed import get_world_size

        super().__init__()
        get_world_size()


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[int | _C.device] | None = None,
    output_device: int | _C.device | None = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """As a call of `DataParallel`, but RuntimeError without GPUs, as in PyTorch."""
    raise RuntimeError("device type could not be determined")
