"""What is done with whole graphs."""

from __future__ import annotations

from rustnn.fx.passes import shape_prop as shape_prop

__all__ = ["shape_prop"]
