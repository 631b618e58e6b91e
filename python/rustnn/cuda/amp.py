"""Mixed precision on NVIDIA GPUs, by the names of PyTorch's early days."""

from __future__ import annotations

from rustnn import amp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import dtype

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


def _tell(name: str, arguments: str = "'cuda', args...") -> None:
    import warnings

    warnings.warn(
        f"`torch.cuda.amp.{name}(args...)` is deprecated. "
        f"Please use `torch.amp.{name}({arguments})` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(amp.autocast):
    """``rustnn.amp.autocast("cuda")``."""

    def __init__(
        self, enabled: bool = True, dtype: dtype | None = None, cache_enabled: bool | None = True
    ) -> None:
        _tell("autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """``rustnn.amp.GradScaler("cuda")``."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _tell("GradScaler")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Any = None, *, cast_inputs: dtype | None = None) -> Any:
    """``rustnn.amp.custom_fwd(device_type="cuda")``."""
    _tell("custom_fwd", "args..., device_type='cuda'")
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Any) -> Any:
    """``rustnn.amp.custom_bwd(device_type="cuda")``."""
    _tell("custom_bwd", "args..., device_type='cuda'")
    return amp.custom_bwd(bwd, device_type="cuda")
