"""What can go wrong while a model is exported to ONNX."""

from __future__ import annotations

__all__ = ["OnnxExporterError", "OnnxExporterWarning", "UnsupportedOperatorError"]


class OnnxExporterError(RuntimeError):
    """The model cannot be exported, or not as it was asked for."""


class UnsupportedOperatorError(OnnxExporterError):
    """A function that the model called has no counterpart in the exported file."""


class OnnxExporterWarning(UserWarning):
    """The exported file may not do all that the model does."""


OnnxExporterError.__module__ = "rustnn.onnx"
