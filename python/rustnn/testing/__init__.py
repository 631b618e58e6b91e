"""Comparing tensors in tests, and making them."""

from __future__ import annotations

from rustnn.testing.comparison import assert_allclose as assert_allclose
from rustnn.testing.comparison import assert_close as assert_close
from rustnn.testing.creation import make_tensor as make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
