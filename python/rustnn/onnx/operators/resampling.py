"""Other resolutions of images and signals, and samples at any place."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps
from rustnn.onnx.operators.pooling import averages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

_MODES = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


@maps("interpolate")
def interpolate(g: Graph, call: Call) -> str:
    x, mode, corners = call["input"], call["mode"], call["align_corners"]
    dims = x.ndim - 2
    attributes: dict[str, Any] = {"mode": _MODES.get(mode, "nearest")}
    if mode == "nearest":
        attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    elif mode == "nearest-exact":
        attributes |= {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
    elif mode in _MODES:
        attributes["coordinate_transformation_mode"] = "align_corners" if corners else "half_pixel"
        if mode == "bicubic":
            attributes["cubic_coeff_a"] = -0.5 if call["antialias"] else -0.75
        if call["antialias"]:
            attributes |= {"antialias": 1, "exclude_outside": 1}
    else:
        return averages(g, call, dims, x.shape[2:], list(call.out.shape[2:]))
    size, factor = call["size"], call["scale_factor"]
    if size is None and not call["recompute_scale_factor"]:
        if any(isinstance(f, Dynamic) for f in factor):
            raise g.unsupported("factors that depend on a dynamic dim")
        factors = list(factor) * (dims if len(factor) == 1 else 1)
        scales = g.constant([1.0, 1.0, *(float(f) for f in factors)], _C.float32)
        return g.op("Resize", [x, None, scales], **attributes)
    return g.op("Resize", [x, None, None, g.sizes(call.out.shape)], **attributes)


@maps("grid_sampler")
def grid_sampler(g: Graph, call: Call) -> str:
    mode, padding = call["interpolation_mode"], call["padding_mode"]
    names = ("linear", "nearest", "cubic") if g.opset >= 20 else ("bilinear", "nearest", "bicubic")
    if call["input"].ndim != 4 and g.opset < 20:
        raise g.unsupported("volumes need opset 20")
    return g.op(
        "GridSample",
        [call["input"], call["grid"]],
        mode=names[mode],
        padding_mode=("zeros", "border", "reflection")[padding],
        align_corners=int(call["align_corners"]),
    )
