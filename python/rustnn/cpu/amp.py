"""Mixed precision on the processor, by the names of PyTorch's early days."""

from __future__ import annotations

from rustnn import _C, amp

__all__ = ["GradScaler", "autocast"]


def _tell(name: str) -> None:
    import warnings

    warnings.warn(
        f"`torch.cpu.amp.{name}(args...)` is deprecated. "
        f"Please use `torch.amp.{name}('cpu', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(amp.autocast):
    """``rustnn.amp.autocast("cpu")``."""

    def __init__(
        self, enabled: bool = True, dtype: _C.dtype = _C.bfloat16, cache_enabled: bool = True
    ) -> None:
        _tell("autocast")
        super().__init__("cpu", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """``rustnn.amp.GradScaler("cpu")``."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _tell("GradScaler")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
