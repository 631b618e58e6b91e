"""Signal processing: ``rustnn.signal``."""

from rustnn.signal import windows as windows

__all__ = ["windows"]
