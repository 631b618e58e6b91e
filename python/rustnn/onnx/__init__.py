"""Models as files of ONNX, which other programs run: `export` writes them.

docs/ONNX.md lists what can be exported.
"""

from __future__ import annotations

from rustnn.onnx import errors as errors
from rustnn.onnx.errors import OnnxExporterError
from rustnn.onnx.exporting import export
from rustnn.onnx.program import ONNXProgram
from rustnn.onnx.tracing import is_tracing as is_in_onnx_export

__all__ = ["ONNXProgram", "OnnxExporterError", "errors", "export", "is_in_onnx_export"]

ONNXProgram.__module__ = __name__
