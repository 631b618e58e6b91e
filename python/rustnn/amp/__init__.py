"""Mixed precision. There is no device yet on which it runs; where PyTorch switches it off, so does this."""

from __future__ import annotations

import functools
import warnings

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["GradScaler", "autocast", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` can be enabled for a kind of device: False."""
    return False


class autocast:
    """``with autocast("cuda"):`` runs operations in lower precision where the device is there.

    Without a GPU it is switched off with a warning for "cuda", as in PyTorch. NotImplementedError where it
    would have to be enabled: on the CPU, unless ``enabled=False``.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _C.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type
        self.fast_dtype = dtype
        if enabled and device_type == "cpu":
            raise NotImplementedError(
                "rustnn has no autocast on the CPU: leave it out, or convert with .to(torch.bfloat16)"
            )
        if enabled:
            warnings.warn(
                f"User provided device_type of '{device_type}', but it is not available. Disabling",
                stacklevel=2,
            )
        self._enabled = False

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator."""

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return within


class GradScaler:
    """Scales losses so that gradients of half precision do not vanish.

    Without a GPU it is switched off with a warning, and hands everything through, as in PyTorch.
    NotImplementedError where it would have to be enabled, on the CPU.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device == "cpu":
            raise NotImplementedError("rustnn has no GradScaler on the CPU: pass enabled=False")
        if enabled:
            warnings.warn(
                f"torch.amp.GradScaler is enabled for '{device}', which is not available. Disabling",
                stacklevel=2,
            )

    def is_enabled(self) -> bool:
        """Whether losses are scaled: False."""
        return False

    def scale(self, outputs: Any) -> Any:
        """The outputs themselves."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Leaves the gradients as they are."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(...)``."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Changes nothing."""

    def get_scale(self) -> float:
        """What losses are multiplied by: 1."""
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """What has to be saved: nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up nothing."""
