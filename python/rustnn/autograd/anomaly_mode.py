"""Finding the operation behind a NaN: every node remembers the line that made it."""

from __future__ import annotations

import warnings

from rustnn import _C

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class detect_anomaly:
    """Inside, a backward that fails, or yields NaN, shows the forward line that it belongs to.

    The line is shown as a warning; NaN is a RuntimeError that names the operation, unless ``check_nan`` is
    False. Everything is slow while it lasts.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._before = False, True
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled "
            "for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled()
        _C._set_anomaly(True, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _C._set_anomaly(*self._before)


class set_detect_anomaly:
    """Sets anomaly detection for all threads at once; as a context, puts it back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled()
        _C._set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _C._set_anomaly(*self._before)
