"""Mixed precision: products in a short dtype, what needs precision in float32."""

from __future__ import annotations

from rustnn.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from rustnn.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
