"""``ShapeProp``: shapes, dtypes and strides of all values in a graph, for sample inputs."""

from __future__ import annotations

from typing import NamedTuple

import rustnn
from rustnn._C import Tensor
from rustnn.fx.interpreter import Interpreter
from rustnn.fx.node import Node, map_aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.fx.graph_module import GraphModule

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor besides its values."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Tensor, include_contiguity: bool = True) -> TensorMetadata:
    formats = (rustnn.contiguous_format, rustnn.channels_last, rustnn.channels_last_3d)
    dense = (format for format in formats if result.is_contiguous(memory_format=format))
    return TensorMetadata(
        result.shape,
        result.dtype,
        result.requires_grad,
        result.stride(),
        next(dense, None) if include_contiguity else None,
        False,
        {},
    )


class ShapeProp(Interpreter):
    """``propagate(*args)`` runs a graph; its nodes get ``meta["tensor_meta"]`` and ``meta["type"]``."""

    def __init__(self, gm: GraphModule, fake_mode: None = None) -> None:
        super().__init__(gm)

    def run_node(self, n: Node) -> Any:
        """The value of a node, of which it keeps the shape. RuntimeError names the node that fails."""
        try:
            result = super().run_node(n)
        except Exception as error:
            raise RuntimeError(f"ShapeProp error for: node={n.format_node()} with meta={n.meta}") from error
        found: list[Tensor] = []

        def described(item: Any) -> Any:
            if not isinstance(item, Tensor):
                return item
            found.append(item)
            return _extract_tensor_metadata(item)

        described_result = map_aggregate(result, described)
        if found:
            n.meta["tensor_meta"] = described_result
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """What the graph computes for these inputs."""
        return super().run(*args)
