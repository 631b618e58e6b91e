"""``GradScaler``: losses are scaled up, so that gradients in a short dtype do not vanish."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.optim import Optimizer

__all__ = ["GradScaler"]


def _refresh_per_optimizer_state() -> dict[str, Any]:
    """A name in PyTorch's files: what its scaler knows of an optimizer at first."""
    return {}


def _unscaled(grads: list[Tensor], inverse: Tensor) -> Tensor:
    """Multiplies gradients of one device by a number there: 1 if one of them was not finite, else 0."""
    found = _C.zeros((), dtype=_C.float32, device=inverse.device)
    if inverse.is_cuda and not any(gradient.is_complex() for gradient in grads):
        _C._cuda_unscale(grads, inverse, found)
        return found
    for gradient in grads:
        if not gradient.isfinite().all():
            found.fill_(1)
        gradient.mul_(inverse)
    return found


class GradScaler:
    """Scales losses, unscales gradients, and leaves out the steps whose gradients are not finite.

    The scale starts at ``init_scale``, is multiplied by ``growth_factor`` after ``growth_interval`` steps
    without infinities, and by ``backoff_factor`` after one with them (Micikevicius and others, 2018). With
    ``enabled=False``, or for a device that is not there (a warning), everything is handed through.
    AssertionError for factors that would not grow or not shrink.
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
        self._device = device
        self._enabled = enabled
        if enabled and device != "cpu" and not (device == "cuda" and _C._cuda_device_count()):
            warnings.warn(
                f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  "
                "Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if not growth_factor > 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if not backoff_factor < 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._growth_tracker: Tensor | None = None
        # What happened to each optimizer since the last update: its stage, and whether it met infinities.
        self._stages: dict[int, str] = {}
        # On GPUs the latter is a tensor on each of them, so that nobody has to wait for it.
        self._found_inf: dict[int, list[Tensor]] = {}

    def _check_started(self, function: str) -> tuple[Tensor, Tensor]:
        fix = (
            "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
            "iteration."
        )
        if self._scale is None:
            raise AssertionError(f"Attempted {function} but _scale is None.  {fix}")
        if self._growth_tracker is None:
            raise AssertionError(f"Attempted {function} but _growth_tracker is None.  {fix}")
        return self._scale, self._growth_tracker

    def _start(self, device: Any) -> Tensor:
        if self._growth_tracker is not None:
            raise AssertionError("_growth_tracker initialized before _scale")
        self._scale = _C.tensor(self._init_scale, dtype=_C.float32, device=device)
        self._growth_tracker = _C.tensor(self._init_growth_tracker, dtype=_C.int32, device=device)
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """The outputs (a tensor, or an iterable of them) times the scale. ValueError for anything else."""
        if not self._enabled:
            return outputs

        def scaled(value: Any) -> Any:
            if isinstance(value, Tensor):
                scale = self._start(value.device) if self._scale is None else self._scale
                return value * (scale if scale.device == value.device else scale.to(value.device))
            if isinstance(value, Iterable):
                items = (scaled(item) for item in value)
                return type(value)(items) if isinstance(value, (list, tuple)) else items
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")

        return scaled(outputs)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, in place, for clipping.

        RuntimeError if that was done since the last ``update``, or after ``step``; ValueError for gradients
        in float16.
        """
        if not self._enabled:
            return
        scale, _ = self._check_started("unscale_")
        stage = self._stages.get(id(optimizer), "ready")
        if stage == "unscaled":
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        grads: dict[Any, list[Tensor]] = {}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.dtype == _C.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                grads.setdefault(gradient.device, []).append(gradient)
        with no_grad():
            inverse = scale.double().reciprocal().float()
            self._found_inf[id(optimizer)] = [
                _unscaled(own, inverse.to(device)) for device, own in grads.items()
            ]
        self._stages[id(optimizer)] = "unscaled"

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(...)``, unless gradients are infinite or not a number; they are unscaled if
        ``unscale_`` has not done so.

        RuntimeError for a closure, and for a second step since the last ``update``.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_started("step")
        stage = self._stages.get(id(optimizer), "ready")
        if stage == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if stage == "ready":
            self.unscale_(optimizer)
        self._stages[id(optimizer)] = "stepped"
        if any(found.item() for found in self._found_inf[id(optimizer)]):
            return None
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the scale for the next iteration: to ``new_scale``, or by what was found.

        AssertionError where no optimizer was stepped or unscaled since the last time.
        """
        if not self._enabled:
            return
        scale, tracker = self._check_started("update")
        with no_grad():
            if new_scale is not None:
                if isinstance(new_scale, Tensor):
                    reason = (
                        "new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
                        "torch.FloatTensor with requires_grad=False."
                    )
                    if new_scale.numel() != 1 or new_scale.requires_grad or new_scale.dtype != _C.float32:
                        raise AssertionError(reason)
                    scale.copy_(new_scale)
                else:
                    scale.fill_(new_scale)
            elif not self._found_inf:
                raise AssertionError("No inf checks were recorded prior to update.")
            elif scale.is_cuda:
                found = _C.zeros((), dtype=_C.float32, device=scale.device)
                for one in (f for found_by_one in self._found_inf.values() for f in found_by_one):
                    found.add_(one.to(scale.device))
                _C._cuda_update_scale(
                    scale, tracker, found, self._growth_factor, self._backoff_factor, self._growth_interval
                )
            elif any(f.item() for found_by_one in self._found_inf.values() for f in found_by_one):
                scale.mul_(self._backoff_factor)
                tracker.fill_(0)
            elif int(tracker.item()) + 1 == self._growth_interval:
                grown = scale * self._growth_factor
                if bool(grown.isfinite()):
                    scale.copy_(grown)
                tracker.fill_(0)
            else:
                tracker.add_(1)
        self._stages.clear()
        self._found_inf.clear()

    def get_scale(self) -> float:
        """What losses are multiplied by; 1 where nothing is scaled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Choose what the scale grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Choose what the scale shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without infinities the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Choose after how many steps without infinities the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What has to be saved; nothing where nothing is scaled."""
        if not self._enabled:
            return {}
        tracker = self._growth_tracker
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth_tracker if tracker is None else int(tracker.item()),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what ``state_dict`` of another scaler returned. RuntimeError if that was not enabled."""
        if not self._enabled:
            return
        if len(state_dict) == 0:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])

    def __getstate__(self) -> dict[str, Any]:
        if self._enabled and self._stages:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end "
                "after scaler.update()."
            )
        state = self.__dict__.copy()
        if self._enabled:
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self.state_dict()["_growth_tracker"]
            state["_scale"] = state["_growth_tracker"] = None
            # In the place of these two PyTorch has one dict.
            from collections import defaultdict

            del state["_stages"], state["_found_inf"]
            state["_per_optimizer_states"] = defaultdict(_refresh_per_optimizer_state)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update((key, value) for key, value in state.items() if key != "_per_optimizer_states")
        if self._enabled:
            self._stages = {}
            self._found_inf = {}
